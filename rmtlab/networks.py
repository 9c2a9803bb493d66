r"""Networks: one frozen description, a finite twin and an infinite-width limit.

A network is a chain of layers. Both of its faces are folds over that chain: ``sample`` draws every
layer's finite twin, ``propagate`` carries kernels through every layer's infinite-width rule.

Depth L counts the hidden, activated layers; a linear read-out follows. With h⁰ = x,

    z^l = W^l h^{l-1} + b^l,   h^l = φ(z^l)   for l = 1 … L,   and the output is z^{L+1}.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtlab import _checks, activations
from rmtlab import noise as noises
from rmtlab.layers import PREACTIVATION, SIGNAL, Activation, Dense, Layer, Noise, State, _shortest

if TYPE_CHECKING:
    from rmtlab._torch_layers import NetworkModule

__all__ = ["MLP", "Network", "serial"]


@dataclass(frozen=True, repr=False)
class Network:
    """A frozen chain of layers. :func:`serial` and :func:`MLP` make it.

    Parameters
    ----------
    layers : sequence of Layer
        From the input to the linear read-out.

    Raises
    ------
    TypeError
        If something in the chain is no layer.
    ValueError
        If a layer meets what it can't act on, or if the last layer is no Dense.

    Examples
    --------
    >>> net = Network([Dense(2.0), Activation("relu"), Dense(2.0)])
    >>> net.depth, net.weight_var
    (1, 2.0)
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.layers, Sequence):
            raise TypeError(
                f"layers must be a sequence of layers, but a {type(self.layers).__name__} was given; "
                "serial(...) takes them one by one."
            )
        object.__setattr__(self, "layers", tuple(self.layers))
        kind = SIGNAL
        for position, layer in enumerate(self.layers, start=1):
            if not isinstance(layer, Layer):
                raise TypeError(
                    f"Layer {position} of the network is a {type(layer).__name__}; "
                    "a network is made of Dense, Activation and Noise layers."
                )
            if layer.takes != kind:
                raise ValueError(f"Layer {position} of the network can't stand there. {layer.misplaced}")
            kind = layer.gives
        if kind != PREACTIVATION:
            raise ValueError(
                "A network needs a Dense as its last layer, the linear read-out; "
                "add one at the end, such as Dense(weight_var=1.0)."
            )

    @property
    def depth(self) -> int:
        """L, the number of hidden, activated layers."""
        return len(self._all(Activation))

    @property
    def weight_var(self) -> float:
        """σ_w², where all dense layers share it."""
        return self._shared("weight_var", [dense.weight_var for dense in self._all(Dense)])

    @property
    def bias_var(self) -> float:
        """σ_b², where all dense layers share it."""
        return self._shared("bias_var", [dense.bias_var for dense in self._all(Dense)])

    @property
    def weights(self) -> str:
        """How weights are drawn, where all dense layers share it."""
        return self._shared("weights", [dense.weights for dense in self._all(Dense)])

    @property
    def parameterization(self) -> str:
        """What is trained, where all dense layers share it."""
        return self._shared("parameterization", [dense.parameterization for dense in self._all(Dense)])

    @property
    def activation(self) -> "activations.Activation":
        """φ, where all hidden layers share it."""
        return self._shared("activation", [layer.activation for layer in self._all(Activation)])

    @property
    def noise(self) -> "noises.Noise | None":
        """The noise on x and on every h^l, where it is the same; None where there is none."""
        slots: list[list[Any]] = [[]]
        for layer in self.layers:
            if isinstance(layer, Noise):
                slots[-1].append(layer.noise)
            elif isinstance(layer, Activation):
                slots.append([])
        shared = self._shared("noise", slots)
        if len(shared) > 1:
            raise AttributeError("This network has several noises in a row; read its layers instead.")
        return shared[0] if shared else None

    def propagate(self, state: State) -> State:
        """Carry kernels from the input to the read-out of the infinitely wide network.

        Parameters
        ----------
        state : State
            The input pairs, from :meth:`rmtlab.layers.State.from_inputs`.

        Returns
        -------
        State
            Of kind "preactivation": ``nngp`` is the covariance of the outputs, ``ntk`` their tangent
            kernel.

        Raises
        ------
        ValueError
            If the state is not one of a signal.

        Examples
        --------
        >>> net = MLP(depth=3, activation="relu", weight_var=2.0)
        >>> state = net.propagate(State.from_inputs([[1.0, 1.0]]))
        >>> print(state.nngp.round(12), state.ntk.round(12))
        [[2.]] [[8.]]
        """
        return reduce(lambda reached, layer: layer.propagate(reached), self.layers, state)

    def sample(
        self,
        width: int | Sequence[int] = 1000,
        *,
        in_features: int,
        out_features: int = 1,
        seed: int = 0,
        dtype: Any = "float32",
        device: Any = None,
    ) -> "NetworkModule":
        """Draw a finite network.

        The same seed gives the same effective weights and biases in both precisions, both
        parameterisations, with and without noise, and on every device (to the rounding of `dtype`).

        Parameters
        ----------
        width : int or sequence of L ints
            Number of neurons of the hidden layers.
        in_features, out_features : int
            Size of x and of the read-out.
        seed : int
            The draw.
        dtype : {"float32", "float64"} or torch.dtype
            Precision of the parameters, and so of the computation.
        device : torch.device or str, optional
            Where the parameters live.

        Returns
        -------
        torch.nn.Module
            ``module(x)`` is z^{L+1} of shape (n, out_features) for x of shape (n, in_features), array
            or tensor; ``module.preactivations(x)`` lists z¹ … z^{L+1} of one pass;
            ``module.weights`` and ``module.biases`` list the effective W^l (outputs × inputs) and
            b^l as they are now, for reading; ``module.description`` is this network. Noise acts
            while the module is in training mode, and not after ``module.eval()``.

        Raises
        ------
        ValueError
            If a size is below 1, the widths are not one per hidden layer, or the precision is unknown.

        Examples
        --------
        >>> net = MLP(depth=2, activation="tanh", weight_var=1.5, bias_var=0.05)
        >>> module = net.sample(width=64, in_features=3, out_features=2)
        >>> [tuple(z.shape) for z in module.preactivations([[0.1, 0.2, 0.3]])]
        [(1, 64), (1, 64), (1, 2)]
        """
        from rmtlab import _torch_layers

        features = _checks.count(in_features, "in_features")
        sizes = iter([*self._widths(width), _checks.count(out_features, "out_features")])
        root = np.random.default_rng(_checks.count(seed, "seed", minimum=0))
        weight_draws, noise_draws = root.spawn(2)
        modules = []
        for layer in self.layers:
            size = next(sizes) if isinstance(layer, Dense) else features
            (rng,) = (noise_draws if isinstance(layer, Noise) else weight_draws).spawn(1)
            modules.append(layer.module(features, size, rng=rng, dtype=dtype, device=device))
            features = size
        return _torch_layers.NetworkModule(self, modules)

    def _widths(self, width: Any) -> list[int]:
        if np.ndim(width) == 0:
            return [_checks.count(width, "width")] * self.depth
        if len(width) != self.depth:
            raise ValueError(
                f"width must be one number, or one for each of the {self.depth} hidden layers, "
                f"but {len(width)} were given."
            )
        return [_checks.count(w, "width") for w in width]

    def _all(self, kind: type) -> list[Any]:
        return [layer for layer in self.layers if isinstance(layer, kind)]

    def _shared(self, name: str, values: list[Any]) -> Any:
        if not values:
            raise AttributeError(f"This network has no hidden layer, and so no {name}.")
        if any(value != values[0] for value in values):
            raise AttributeError(f"The layers of this network differ in {name}; read its layers instead.")
        return values[0]

    def __repr__(self) -> str:
        try:
            return self._repr_as_mlp()
        except AttributeError:
            return f"serial({', '.join(map(repr, self.layers))})"

    def _repr_as_mlp(self) -> str:
        return (
            f"MLP(depth={self.depth}, activation={_shortest(self.activation)}, "
            f"weight_var={self.weight_var!r}, bias_var={self.bias_var!r}, weights={self.weights!r}, "
            f"noise={self.noise!r}, parameterization={self.parameterization!r})"
        )


def serial(*layers: Layer) -> Network:
    """Return the network that applies the layers in turn.

    Parameters
    ----------
    *layers : Dense, Activation or Noise
        From the input to the linear read-out. Each Dense but the last is followed by an Activation;
        Noise stands where a signal is, in front of a Dense.

    Returns
    -------
    Network
        The frozen description.

    Raises
    ------
    TypeError
        If something in the chain is no layer.
    ValueError
        If a layer meets what it can't act on, or if the last layer is no Dense.

    Examples
    --------
    >>> net = serial(Dense(2.0), Activation("relu"), Dense(1.0, bias_var=0.1))
    >>> net.depth
    1
    >>> serial(Dense(2.0), Activation("relu"), Dense(2.0)) == MLP(1, "relu", weight_var=2.0)
    True
    """
    return Network(layers)


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
