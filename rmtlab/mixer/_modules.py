"""Finite Mixers, and what they are compared with."""

from typing import TYPE_CHECKING, Any

import numpy as np

from rmtlab import _checks, activations
from rmtlab.layers import Activation
from rmtlab.layers._base import dtype_name
from rmtlab.mixer._sizes import Shape

if TYPE_CHECKING:
    from rmtlab.mixer._torch_mixer import MaskedMLP, MixerBlock, MixerNetwork, SparseMixer

PERMUTATIONS = ("commutation", "random")
READ_OUTS = ("flatten", "pool")


def block(
    shape: Shape,
    activation: str | activations.Activation = "relu",
    *,
    permutation: str = "commutation",
    skip: bool = False,
    normalise: bool = False,
    weight_var: float = 2.0,
    seed: int = 0,
    dtype: Any = "float32",
) -> "MixerBlock":
    r"""Draw a Mixer block: two-layer perceptrons along tokens, then along channels.

    .. math:: H = [X +]\; W_2\,\varphi(W_1 \hat X), \qquad Y = [H +]\; \varphi(\hat H V_1)\,V_2,

    W₁ of γS × S, W₂ of S × γS, V₁ of C × γC, V₂ of γC × C, variance weight_var/fan-in, no biases. With
    ``permutation="random"`` it is an RP-Mixer: both halves become J′(I ⊗ MLP)J on vec X, with fixed random
    permutations J and J′ in place of 1 for tokens, and of the commutation matrix for channels.

    Parameters
    ----------
    shape : Shape
        S, C and γ.
    activation : str or rmtlab.activations.Activation
        φ.
    permutation : {"commutation", "random"}
        A Mixer, or an RP-Mixer.
    skip : bool
        Whether X and H are added.
    normalise : bool
        Whether :math:`\hat X` is X with mean 0 and variance 1 over all SC entries (1e-5 is added to the variance
        before division), rather than X itself.
    weight_var : float
        Variance of a weight times its fan-in.
    seed : int
        The draw; weights are the same for both permutations.
    dtype : {"float32", "float64"} or torch.dtype
        Precision.

    Returns
    -------
    torch.nn.Module
        Takes and gives (n, S, C). Its parameters are ``token_in`` W₁, ``token_out`` W₂, ``channel_in`` V₁ᵀ and
        ``channel_out`` V₂ᵀ.

    Raises
    ------
    TypeError
        If `shape` is no Shape.
    ValueError
        For a negative variance or seed, or an unknown name.

    References
    ----------
    .. [1] I. Tolstikhin et al., "MLP-Mixer: an all-MLP architecture for vision", NeurIPS 2021.
    .. [2] T. Hayase, R. Karakida, "Understanding MLP-Mixer as a wide and sparse MLP", ICML 2024,
       arXiv:2306.01470.

    Examples
    --------
    >>> import torch
    >>> block(Shape(4, 3), "tanh")(torch.ones(2, 4, 3)).shape
    torch.Size([2, 4, 3])
    """
    from rmtlab.mixer import _torch_mixer

    return _torch_mixer.MixerBlock(
        _shape(shape),
        rng=_rng(seed),
        **_of_block(activation, permutation, skip, normalise, weight_var, dtype),
    )


def as_mlp(module: "MixerBlock") -> "SparseMixer":
    r"""Read a Mixer block as a perceptron of width SC, with the same parameters.

    .. math:: h = [x +]\; (I_C \otimes W_2)\,\varphi((I_C \otimes W_1)\,\hat x), \qquad
              y = [h +]\; J_c^\top (I_S \otimes V_2^\top)\,\varphi((I_S \otimes V_1^\top) J_c\,\hat h),

    x = vec X, and with random permutations where the block has them. Outputs and gradients are those of the
    block; parameters are shared, so that training one trains the other.

    Parameters
    ----------
    module : torch.nn.Module
        What :func:`block` returned.

    Returns
    -------
    torch.nn.Module
        Takes and gives (n, SC), as :func:`vec` orders it; ``weights`` lists the four wide matrices as they are
        now, as ``scipy.sparse`` arrays.

    Raises
    ------
    TypeError
        If something else is given.

    References
    ----------
    .. [1] T. Hayase, R. Karakida, "Understanding MLP-Mixer as a wide and sparse MLP", ICML 2024,
       arXiv:2306.01470.

    Examples
    --------
    >>> wide = as_mlp(block(Shape(4, 3)))
    >>> [w.shape for w in wide.weights], [w.nnz for w in wide.weights]
    ([(12, 12), (12, 12), (12, 12), (12, 12)], [48, 48, 36, 36])
    """
    from rmtlab.mixer import _torch_mixer

    if not isinstance(module, _torch_mixer.MixerBlock):
        raise TypeError(
            f"module must be a block that rmtlab.mixer.block(...) drew, but a {type(module).__name__} was given."
        )
    return _torch_mixer.SparseMixer(module)


def network(
    shape: Shape,
    in_features: int,
    out_features: int,
    *,
    depth: int = 2,
    activation: str | activations.Activation = "relu",
    permutation: str = "commutation",
    skip: bool = True,
    normalise: bool = True,
    weight_var: float = 2.0,
    read_out: str = "flatten",
    seed: int = 0,
    dtype: Any = "float32",
) -> "MixerNetwork":
    """Draw a Mixer to be trained: tokens to channels, blocks, a linear read-out.

    Every token is mapped to C channels by the same weights; `depth` blocks follow, each as :func:`block`
    has it; what is read out is the mean over tokens, or all SC entries, normalised together.

    Parameters
    ----------
    shape : Shape
        S, C and γ.
    in_features, out_features : int
        Numbers a token has, such as the pixels of a patch, and numbers wanted.
    depth : int
        Blocks.
    activation, permutation, skip, normalise, weight_var
        Of every block.
    read_out : {"flatten", "pool"}
        All entries, or the mean over tokens.
    seed : int
        The draw.
    dtype : {"float32", "float64"} or torch.dtype
        Precision.

    Returns
    -------
    torch.nn.Module
        Takes (n, S, in_features), see :func:`patches`, and gives (n, out_features). ``blocks`` are its blocks.

    Raises
    ------
    TypeError
        If `shape` is no Shape.
    ValueError
        For a size below 1, a negative variance or seed, or an unknown name.

    References
    ----------
    .. [1] I. Tolstikhin et al., "MLP-Mixer: an all-MLP architecture for vision", NeurIPS 2021.

    Examples
    --------
    >>> import torch
    >>> module = network(Shape(tokens=16, channels=8), in_features=4, out_features=10, permutation="random")
    >>> module(torch.ones(2, 16, 4)).shape
    torch.Size([2, 10])
    """
    from rmtlab.mixer import _torch_mixer

    sizes = _checks.count(in_features, "in_features"), _checks.count(out_features, "out_features")
    return _torch_mixer.network(
        _shape(shape),
        sizes,
        _checks.count(depth, "depth"),
        _checks.one_of(read_out, "read_out", READ_OUTS) == "pool",
        _rng(seed),
        **_of_block(activation, permutation, skip, normalise, weight_var, dtype),
    )


def patches(images: Any, size: int) -> np.ndarray:
    """Cut images into square patches, row by row: the tokens of a Mixer.

    Parameters
    ----------
    images : array_like, shape (n, height, width) or (n, height, width, colours)
        Images.
    size : int
        Height and width of a patch, which divides those of the images.

    Returns
    -------
    ndarray, shape (n, S, size² · colours)
        S = height · width / size².

    Raises
    ------
    ValueError
        If patches do not tile the images.

    Examples
    --------
    >>> import numpy as np
    >>> patches(np.arange(16.0).reshape(1, 4, 4), 2)[0, 1]
    array([2., 3., 6., 7.])
    """
    images = _checks.array(images, "images", ndim=(3, 4))
    side = _checks.count(size, "size")
    n, height, width = images.shape[:3]
    if height % side or width % side:
        raise ValueError(
            f"size must divide the {height} by {width} pixels of the images, but {side} was given."
        )
    tiles = images.reshape(n, height // side, side, width // side, side, -1).transpose(0, 1, 3, 2, 4, 5)
    return tiles.reshape(n, (height // side) * (width // side), -1)


def masked_mlp(
    in_features: int,
    width: int,
    out_features: int,
    *,
    density: float = 1.0,
    depth: int = 1,
    activation: str | activations.Activation = "relu",
    weight_var: float = 2.0,
    seed: int = 0,
    dtype: Any = "float32",
) -> "MaskedMLP":
    r"""Draw a multilayer perceptron in which only a fraction of the weights exists.

    Every n × m weight matrix, the read-out too, is M∘W with a fixed mask M that keeps round(density·nm)
    entries, or at least one, drawn at random once. The variance of the others is

    .. math:: \mathrm{weight\_var} \,/\, (\text{fan-in} \times \text{density}),

    so that signals keep the size that they have in the dense network. Widening k times at the density 1/k
    keeps the number of weights, for one hidden layer. No biases.

    Parameters
    ----------
    in_features, width, out_features : int
        Sizes of x, of hidden layers and of the read-out.
    density : float
        Above 0 and at most 1.
    depth : int
        Hidden layers.
    activation : str or rmtlab.activations.Activation
        φ.
    weight_var : float
        Variance of a weight times the number of inputs that a unit has.
    seed : int
        The draw.
    dtype : {"float32", "float64"} or torch.dtype
        Precision.

    Returns
    -------
    torch.nn.Module
        Takes (n, in_features) and gives (n, out_features). ``weights`` lists what acts, ``connections`` is the
        number of weights.

    Raises
    ------
    ValueError
        For a size below 1, a density out of range, a negative variance or seed, or an unknown name.

    References
    ----------
    .. [1] A. Golubeva, B. Neyshabur, G. Gur-Ari, "Are wider nets better given the same number of parameters?",
       ICLR 2021.

    Examples
    --------
    >>> masked_mlp(20, 8, 10).connections, masked_mlp(20, 32, 10, density=1 / 4).connections
    (240, 240)
    """
    from rmtlab.mixer import _torch_mixer

    sizes = [_checks.count(in_features, "in_features")]
    sizes += [_checks.count(width, "width")] * _checks.count(depth, "depth")
    sizes.append(_checks.count(out_features, "out_features"))
    return _torch_mixer.MaskedMLP(
        sizes,
        Activation(activation).activation,
        density=_checks.number(density, "density", low=0.0, high=1.0, low_open=True),
        weight_var=_checks.number(weight_var, "weight_var", low=0.0),
        rng=_rng(seed),
        dtype=dtype_name(dtype),
    )


def _of_block(
    activation: Any, permutation: Any, skip: Any, normalise: Any, weight_var: Any, dtype: Any
) -> dict[str, Any]:
    return {
        "activation": Activation(activation).activation,
        "permutation": _checks.one_of(permutation, "permutation", PERMUTATIONS),
        "skip": bool(skip),
        "normalise": bool(normalise),
        "weight_var": _checks.number(weight_var, "weight_var", low=0.0),
        "dtype": dtype_name(dtype),
    }


def _shape(shape: Any) -> Shape:
    if not isinstance(shape, Shape):
        raise TypeError(
            f"shape must be a Shape such as Shape(tokens=16, channels=32), but {shape!r} was given."
        )
    return shape


def _rng(seed: Any) -> np.random.Generator:
    return np.random.default_rng(_checks.count(seed, "seed", minimum=0))
