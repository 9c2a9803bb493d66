r"""Networks: one frozen description, a finite twin and an infinite-width limit.

A network is a chain of layers. Both of its faces are folds over that chain: ``sample`` draws every
layer's finite twin, ``propagate`` and ``kernel`` carry kernels through every layer's infinite-width rule.

Depth L counts the hidden, activated layers; a linear read-out follows. With h⁰ = x,

    z^l = W^l h^{l-1} + b^l,   h^l = φ(z^l)   for l = 1 … L,   and the output is z^{L+1}.
"""

from rmtlab.networks._builders import CNN, MLP, Mixer, ResNet, TransformerBlock
from rmtlab.networks._kernel import Kernel
from rmtlab.networks._network import Network, serial

__all__ = ["CNN", "MLP", "Kernel", "Mixer", "Network", "ResNet", "TransformerBlock", "serial"]
