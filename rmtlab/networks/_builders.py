"""Networks by name: multilayer perceptrons, convolutional and residual networks, transformers and Mixers."""

import numpy as np

from rmtlab import _checks, activations
from rmtlab import noise as noises
from rmtlab.layers import (
    Activation,
    Attention,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool,
    Layer,
    LayerNorm,
    Noise,
    Residual,
    TokenMixing,
)
from rmtlab.networks._network import Network, serial


def MLP(
    depth: int,
    activation: "str | activations.Activation",
    weight_var: float = 1.0,
    bias_var: float = 0.0,
    weights: str = "gaussian",
    noise: "noises.Noise | None" = None,
    parameterization: str = "ntk",
) -> Network:
    """Return a multilayer perceptron: L hidden, activated layers and a linear read-out.

    It is a :func:`serial` of layers, [Noise] Dense Activation … [Noise] Dense, in which every Dense,
    the read-out too, has the same variances.

    Parameters
    ----------
    depth : int
        L, the number of hidden layers, at least 1.
    activation : str or rmtlab.activations.Activation
        φ, such as "relu" or "tanh".
    weight_var, bias_var : float
        σ_w² and σ_b², variances and never standard deviations. ``bias_var=0`` makes no biases.
    weights : {"gaussian", "orthogonal"}
        How weights are drawn.
    noise : noise of :mod:`rmtlab.noise`, optional
        What acts on x and on every h^l.
    parameterization : {"ntk", "standard"}
        What the trained parameters are, see :class:`rmtlab.layers.Dense`.

    Returns
    -------
    Network
        The frozen description.

    Raises
    ------
    ValueError
        For a depth below 1, a negative variance or an unknown name.

    Examples
    --------
    >>> net = MLP(depth=10, activation="tanh", weight_var=1.5, bias_var=0.05)
    >>> net.depth, net.weight_var, net.activation.name
    (10, 1.5, 'tanh')
    """
    depth = _checks.count(depth, "depth", hint="A linear model is serial(Dense(...)).")
    dense = Dense(weight_var, bias_var, weights, parameterization)
    before = [] if noise is None else [Noise(noise)]
    return serial(*[*before, dense, Activation(activation)] * depth, *before, dense)


def CNN(
    depth: int,
    activation: "str | activations.Activation",
    weight_var: float = 1.0,
    bias_var: float = 0.0,
    *,
    size: int = 3,
    stride: int = 1,
    padding: str = "circular",
    dimensions: int = 2,
    read_out: str = "flatten",
    weights: str = "gaussian",
    parameterization: str = "ntk",
) -> Network:
    """Return a convolutional network: L convolutions with activations, then a flat linear read-out.

    Parameters
    ----------
    depth : int
        L, the number of convolutions, at least 1.
    activation : str or rmtlab.activations.Activation
        φ.
    weight_var, bias_var : float
        σ_w² and σ_b² of every layer.
    size, stride, padding
        Of every convolution, see :class:`rmtlab.layers.Conv1d`.
    dimensions : {1, 2}
        1 for sequences (n, channels, length), 2 for images (n, channels, height, width).
    read_out : {"flatten", "pool"}
        What becomes of the positions: side by side, or their mean.
    weights, parameterization : str
        See :class:`rmtlab.layers.Dense`.

    Returns
    -------
    Network
        The frozen description.

    Raises
    ------
    ValueError
        For a depth below 1, a negative variance or an unknown name.

    Examples
    --------
    >>> import numpy as np
    >>> net = CNN(depth=2, activation="relu", weight_var=2.0)
    >>> net.kernel(np.ones((3, 1, 4, 4))).nngp.shape
    (3, 3)
    """
    depth = _checks.count(depth, "depth", hint="A linear model is serial(Flatten(), Dense(...)).")
    convolve = _convolution(dimensions)(
        size,
        weight_var,
        bias_var,
        stride=stride,
        padding=padding,
        weights=weights,
        parameterization=parameterization,
    )
    dense = Dense(weight_var, bias_var, weights, parameterization)
    return serial(*[convolve, Activation(activation)] * depth, _read_out(read_out), dense)


def ResNet(
    depth: int,
    activation: "str | activations.Activation",
    weight_var: float = 1.0,
    bias_var: float = 0.0,
    *,
    branch_var: float = 1.0,
    size: int | None = 3,
    padding: str = "circular",
    dimensions: int = 2,
    read_out: str = "pool",
    weights: str = "gaussian",
    parameterization: str = "ntk",
) -> Network:
    r"""Return a residual network: a stem, blocks z + √branch_var·g(z), an activation, a linear read-out.

    Each g is Activation, linear layer, Activation, linear layer.

    Parameters
    ----------
    depth : int
        The number of blocks, at least 1.
    activation : str or rmtlab.activations.Activation
        φ.
    weight_var, bias_var : float
        σ_w² and σ_b² of every linear layer.
    branch_var : float
        What each block's own kernels are multiplied by; 1/depth keeps variances bounded.
    size : int or None
        Of every convolution; None makes all of them dense layers for flat inputs.
    padding, dimensions, read_out
        See :func:`CNN`; without effect where `size` is None.
    weights, parameterization : str
        See :class:`rmtlab.layers.Dense`.

    Returns
    -------
    Network
        The frozen description.

    Raises
    ------
    ValueError
        For a depth below 1, a negative variance or an unknown name.

    Examples
    --------
    >>> net = ResNet(depth=3, activation="relu", weight_var=1.0, branch_var=1 / 3, size=None)
    >>> print(net.kernel([[1.0, 1.0]]).nngp.round(6))
    [[0.635706]]
    """
    depth = _checks.count(depth, "depth")
    dense = Dense(weight_var, bias_var, weights, parameterization)
    phi = Activation(activation)
    if size is None:
        block = Residual(phi, dense, phi, dense, branch_var=branch_var)
        return serial(dense, *[block] * depth, phi, dense)
    convolve = _convolution(dimensions)(
        size, weight_var, bias_var, padding=padding, weights=weights, parameterization=parameterization
    )
    block = Residual(phi, convolve, phi, convolve, branch_var=branch_var)
    return serial(convolve, *[block] * depth, phi, _read_out(read_out), dense)


def TransformerBlock(
    depth: int = 1,
    activation: "str | activations.Activation" = "gelu",
    weight_var: float = 1.0,
    bias_var: float = 0.0,
    *,
    query_var: float = 1.0,
    parameterization: str = "ntk",
) -> Network:
    """Return a transformer encoder: an embedding, blocks of attention and dense layers, a pooled read-out.

    Each block is Residual(LayerNorm, Attention) and Residual(LayerNorm, Dense, Activation, Dense) on
    sequences (n, channels, length); behind the last one stand a LayerNorm, the mean over positions and
    the read-out. Logits are divided by d and keys tied to queries, see :class:`rmtlab.layers.Attention`.

    Parameters
    ----------
    depth : int
        The number of blocks, at least 1.
    activation : str or rmtlab.activations.Activation
        φ of the dense layers.
    weight_var, bias_var : float
        σ_w² and σ_b² of the dense layers, of values and of outputs.
    query_var : float
        σ_Q²: how sharply positions look.
    parameterization : {"ntk", "standard"}
        See :class:`rmtlab.layers.Dense`.

    Returns
    -------
    Network
        The frozen description.

    Raises
    ------
    ValueError
        For a depth below 1, a negative variance or an unknown name.

    References
    ----------
    J. Hron et al., "Infinite attention: NNGP and NTK for deep attention networks", ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> TransformerBlock(depth=2).kernel(np.ones((2, 3, 5))).ntk.shape
    (2, 2)
    """
    depth = _checks.count(depth, "depth")
    dense = Dense(weight_var, bias_var, parameterization=parameterization)
    look = Attention(query_var, weight_var, weight_var, bias_var, parameterization=parameterization)
    block = [
        Residual(LayerNorm(), look),
        Residual(LayerNorm(), dense, Activation(activation), dense),
    ]
    return serial(dense, *block * depth, LayerNorm(), GlobalAvgPool(), dense)


def Mixer(
    depth: int,
    tokens: int,
    activation: "str | activations.Activation" = "gelu",
    weight_var: float = 1.0,
    bias_var: float = 0.0,
    *,
    token_var: float = 1.0,
    expansion: int = 1,
    trained_tokens: bool = False,
    token_seed: int = 0,
    read_out: str = "pool",
    parameterization: str = "ntk",
) -> Network:
    """Return an MLP-Mixer: an embedding, blocks that mix tokens and then channels, a linear read-out.

    Each block is Residual(LayerNorm, TokenMixing, Activation, TokenMixing, Dense) and
    Residual(LayerNorm, Dense, Activation, Dense) on sequences (n, channels, tokens). A LayerNorm and the
    positions' mean follow, or an Activation and all positions side by side, and the read-out. The Dense
    behind the second TokenMixing makes it Gaussian: without it, no recursion for kernels closes.

    The kernel is the limit of many channels, given the token-mixing matrices, which `token_seed` draws. It
    stays random: another seed gives another one, and they come together only as tokens become many as well.

    Parameters
    ----------
    depth : int
        The number of blocks, at least 1.
    tokens : int
        S, the length of the sequences.
    activation : str or rmtlab.activations.Activation
        φ of both halves.
    weight_var, bias_var : float
        σ_w² and σ_b² of the dense layers.
    token_var : float
        Variance of the token-mixing weights times their fan-in.
    expansion : int
        γ: the hidden layers of the token-mixing halves have γS positions. Those of the channel-mixing halves
        are as wide as the network is sampled.
    trained_tokens : bool
        Whether token-mixing weights are trained; then there is no kernel, see
        :class:`rmtlab.layers.TokenMixing`.
    token_seed : int
        Their draw.
    read_out : {"flatten", "pool"}
        What becomes of the positions: φ of them side by side, or their normalised mean.
    parameterization : {"ntk", "standard"}
        See :class:`rmtlab.layers.Dense`.

    Returns
    -------
    Network
        The frozen description.

    Raises
    ------
    ValueError
        For a size below 1, a negative variance or seed, or an unknown name.

    References
    ----------
    I. Tolstikhin et al., "MLP-Mixer: an all-MLP architecture for vision", NeurIPS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> Mixer(depth=2, tokens=5).kernel(np.ones((2, 3, 5))).ntk.shape
    (2, 2)
    """
    depth, size = _checks.count(depth, "depth"), _checks.count(tokens, "tokens")
    hidden = _checks.count(expansion, "expansion") * size
    variance = _checks.number(token_var, "token_var", low=0.0, hint="It is a variance.")
    seed = _checks.count(token_seed, "token_seed", minimum=0)
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(2 * depth)]
    dense = Dense(weight_var, bias_var, parameterization=parameterization)
    phi = Activation(activation)
    channels = Residual(LayerNorm(), dense, phi, dense)
    blocks: list[Layer] = []
    for first, second in zip(seeds[::2], seeds[1::2], strict=True):
        into = TokenMixing(hidden, variance, trained=trained_tokens, seed=first)
        back = TokenMixing(size, variance, trained=trained_tokens, seed=second)
        blocks += [Residual(LayerNorm(), into, phi, back, dense), channels]
    return serial(dense, *blocks, *_pooled_or_flat(read_out, phi), dense)


def _pooled_or_flat(read_out: str, activation: Activation) -> list[Layer]:
    """Return what follows the last preactivations with positions: their mean, or a signal side by side."""
    forget = _read_out(read_out)
    return [LayerNorm(), forget] if isinstance(forget, GlobalAvgPool) else [activation, forget]


def _convolution(dimensions: int) -> type[Conv1d] | type[Conv2d]:
    if dimensions not in (1, 2):
        raise ValueError(f"dimensions must be 1 or 2, but {dimensions!r} was given.")
    return Conv1d if dimensions == 1 else Conv2d


def _read_out(name: str) -> Flatten | GlobalAvgPool:
    return (
        Flatten() if _checks.one_of(name, "read_out", ("flatten", "pool")) == "flatten" else GlobalAvgPool()
    )
