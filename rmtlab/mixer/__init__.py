r"""Mixers as wide, sparse multilayer perceptrons.

A Mixer holds a matrix X of S tokens and C channels, and multiplies it from the left (tokens mix) and from
the right (channels mix). Written as one long vector, columns on top of each other, that is

    vec(W X V) = (Vᵀ ⊗ W) vec X,   I_C ⊗ W for tokens,   Vᵀ ⊗ I_S = J_cᵀ (I_S ⊗ Vᵀ) J_c for channels:

a network of width SC whose weights are sparse, a fraction 1/C or 1/S of them, and shared between blocks.
:func:`block` and :func:`as_mlp` are the two readings of the same parameters; :class:`Shape` counts them;
:func:`masked_mlp` is the network whose sparsity has no structure at all.
"""

from rmtlab.mixer._modules import as_mlp, block, masked_mlp, network, patches
from rmtlab.mixer._sizes import Shape, best_shape, frontier, maximal_width
from rmtlab.mixer._vectors import (
    block_haar,
    channel_operator,
    commutation,
    commutation_index,
    monarch,
    token_operator,
    unvec,
    vec,
)

__all__ = [
    "Shape",
    "as_mlp",
    "best_shape",
    "block",
    "block_haar",
    "channel_operator",
    "commutation",
    "commutation_index",
    "frontier",
    "masked_mlp",
    "maximal_width",
    "monarch",
    "network",
    "patches",
    "token_operator",
    "unvec",
    "vec",
]
