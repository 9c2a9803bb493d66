r"""Networks: one frozen description, a finite twin and an infinite-width limit.

A network is a chain of layers. Both of its faces are folds over that chain: ``sample`` draws every
layer's finite twin, ``propagate`` carries kernels through every layer's infinite-width rule.

Depth L counts the hidden, activated layers; a linear read-out follows. With h⁰ = x,

    z^l = W^l h^{l-1} + b^l,   h^l = φ(z^l)   for l = 1 … L,   and the output is z^{L+1}.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtlab import _checks, activations
from rmtlab import noise as noises
from rmtlab.layers import Activation, Dense, Layer, Noise, State
from rmtlab.layers._activation import shortest
from rmtlab.layers._base import describe_stranger
from rmtlab.layers._linear import Linear
from rmtlab.layers._place import PREACTIVATION, Place
from rmtlab.networks import _kernel
from rmtlab.networks._kernel import Kernel

if TYPE_CHECKING:
    from rmtlab._torch_layers import NetworkModule


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
    >>> from rmtlab.layers import Activation, Dense
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
        self._places(Place(positions=None, fan_in=1, width=1, all_pairs=True))

    def _places(self, place: Place) -> list[Place]:
        """Return where each layer stands, and what the last one gives, or raise the sentence against it."""
        places = [place]
        for number, layer in enumerate(self.layers, start=1):
            if not isinstance(layer, Layer):
                raise TypeError(f"Layer {number} of the network is {describe_stranger(layer)}")
            try:
                places.append(layer._next(places[-1]))
            except ValueError as refusal:
                where = " can't stand there." if places[-1].kind not in layer.takes else ":"
                raise ValueError(f"Layer {number} of the network{where} {refusal}") from None
        if places[-1].kind != PREACTIVATION or not isinstance(self.layers[-1], Dense):
            raise ValueError(
                "A network needs a Dense as its last layer, the linear read-out; "
                "add one at the end, such as Dense(weight_var=1.0)."
            )
        if places[-1].positions:
            raise ValueError(
                "The read-out of this network still has positions; put a Flatten or a GlobalAvgPool before it."
            )
        return places

    @property
    def depth(self) -> int:
        """L, the number of hidden, activated layers."""
        return sum(isinstance(layer, Activation) for layer in _leaves(self.layers))

    @property
    def weight_var(self) -> float:
        """σ_w², where all dense and convolutional layers share it."""
        return self._shared("weight_var", [layer.weight_var for layer in self._all(Linear)])

    @property
    def bias_var(self) -> float:
        """σ_b², where all dense and convolutional layers share it."""
        return self._shared("bias_var", [layer.bias_var for layer in self._all(Linear)])

    @property
    def weights(self) -> str:
        """How weights are drawn, where all dense and convolutional layers share it."""
        return self._shared("weights", [layer.weights for layer in self._all(Linear)])

    @property
    def parameterization(self) -> str:
        """What is trained, where all dense and convolutional layers share it."""
        return self._shared("parameterization", [layer.parameterization for layer in self._all(Linear)])

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

        :meth:`kernel` gives the same numbers faster.

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
        >>> from rmtlab.layers import State
        >>> from rmtlab.networks import MLP
        >>> net = MLP(depth=3, activation="relu", weight_var=2.0)
        >>> state = net.propagate(State.from_inputs([[1.0, 1.0]]))
        >>> print(state.nngp.round(12), state.ntk.round(12))
        [[2.]] [[8.]]
        """
        return reduce(lambda reached, layer: layer.propagate(reached), self.layers, state)

    def kernel(
        self,
        x1: Any,
        x2: Any = None,
        width: int | None = None,
        dtype: Any = "float64",
        device: Any = None,
        block: int | None = None,
    ) -> Kernel:
        r"""Return the kernels of the infinitely wide network, of all pairs of inputs.

        K⁰ = Θ⁰ = σ_w² x₁·x₂/d + σ_b² for a first Dense, and then layer by layer as each of them says.

        Pairs travel through all layers in blocks, so that beyond the result the memory is that of a
        few blocks. With ``x2=None`` each goes once. The correlation's distance from 1 is carried
        beside the kernels: inputs that are nearly parallel, opposite, equal, or of very different size
        keep their digits. Where a mean over positions lies ahead, so are the differences of inputs that
        nearly agree. With closed forms, errors are below 1e-9 of √(K_ii K_jj), unless the network is
        chaotic, which amplifies any rounding, different positions of one input are nearly parallel
        without being equal, or the logits of an attention are so large that a rounding moves them.

        Parameters
        ----------
        x1 : array_like, shape (n1, d), or ``(n1, channels, *positions)``
            Inputs, one a row.
        x2 : array_like, like x1, optional
            Other inputs. Without them the pairs are those of `x1` with itself, and the diagonal is one
            pass through the network: its two members share their noise.
        width : int, optional
            Width of the hidden layers. The standard parameterisation requires it, because its tangent
            kernel is proportional to it.
        dtype : {"float64", "float32"} or torch.dtype
            Precision of the computation and of the result. Inputs and variances are float64 always.
        device : torch.device or str, optional
            Where blocks are computed, by torch; without it, on the CPU by NumPy.
        block : int, optional
            So many inputs are taken at once on either side.

        Returns
        -------
        Kernel
            Frozen; ``nngp`` and ``ntk`` are NumPy arrays of the shape (n1, n2).

        Raises
        ------
        ValueError
            If the inputs do not suit each other or the network, hold NaN, the width is missing, or a kernel
            leaves the range of the precision.

        Examples
        --------
        >>> from rmtlab.networks import MLP
        >>> k = MLP(depth=3, activation="relu", weight_var=2.0).kernel([[1.0, 1.0]])
        >>> print(k.nngp.round(12), k.ntk.round(12))
        [[2.]] [[8.]]
        """
        return _kernel.compute(self, x1, x2, width, dtype, device, block)

    def sample(
        self,
        width: int | Sequence[int] = 1000,
        *,
        in_features: int,
        out_features: int = 1,
        positions: Sequence[int] = (),
        seed: int = 0,
        dtype: Any = "float32",
        device: Any = None,
    ) -> "NetworkModule":
        """Draw a finite network.

        The same seed gives the same effective weights and biases in both precisions, both
        parameterisations, with and without noise, and on every device (to the rounding of `dtype`).

        Parameters
        ----------
        width : int or sequence of ints
            Number of neurons, or channels, of the hidden layers; in a sequence one for each layer that may
            change their number (Dense, convolution, Attention, Sum), the read-out excepted.
        in_features, out_features : int
            Size of x, or its number of channels, and of the read-out.
        positions : sequence of int
            Spatial sizes of x: ``(height, width)`` for images of shape (n, channels, height, width),
            ``(length,)`` for sequences of shape (n, channels, length), nothing for flat inputs.
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
        >>> from rmtlab.networks import MLP
        >>> net = MLP(depth=2, activation="tanh", weight_var=1.5, bias_var=0.05)
        >>> module = net.sample(width=64, in_features=3, out_features=2)
        >>> [tuple(z.shape) for z in module.preactivations([[0.1, 0.2, 0.3]])]
        [(1, 64), (1, 64), (1, 2)]
        """
        from rmtlab import _torch_layers

        features = _checks.count(in_features, "in_features")
        shape = tuple(_checks.count(size, "positions") for size in positions)
        places = self._places(Place(positions=shape, fan_in=features, width=1, all_pairs=True))
        sizes = iter([*self._widths(width), _checks.count(out_features, "out_features")])
        root = np.random.default_rng(_checks.count(seed, "seed", minimum=0))
        weight_draws, noise_draws = root.spawn(2)
        modules: list[Any] = []
        for layer, place in zip(self.layers, places, strict=False):
            size = next(sizes) if layer.chooses_features else layer._features_behind(features, place)
            (rng,) = (noise_draws if isinstance(layer, Noise) else weight_draws).spawn(1)
            modules.append(
                layer.module(features, size, positions=place.sizes, rng=rng, dtype=dtype, device=device)
            )
            features = size
        return _torch_layers.NetworkModule(self, modules, (_checks.count(in_features, "in_features"), *shape))

    def _widths(self, width: Any) -> list[int]:
        hidden = sum(layer.chooses_features for layer in self.layers) - 1
        if np.ndim(width) == 0:
            return [_checks.count(width, "width")] * hidden
        if len(width) != hidden:
            raise ValueError(
                f"width must be one number, or one for each of the {hidden} hidden layers, "
                f"but {len(width)} were given."
            )
        return [_checks.count(w, "width") for w in width]

    def _all(self, kind: type) -> list[Any]:
        return [layer for layer in _leaves(self.layers) if isinstance(layer, kind)]

    def _shared(self, name: str, values: list[Any]) -> Any:
        if not values:
            raise AttributeError(f"This network has no hidden layer, and so no {name}.")
        if any(value != values[0] for value in values):
            raise AttributeError(f"The layers of this network differ in {name}; read its layers instead.")
        return values[0]

    def __repr__(self) -> str:
        try:
            text = self._repr_as_mlp()
        except AttributeError:
            text = None
        if text is None or any(type(layer) not in (Dense, Activation, Noise) for layer in self.layers):
            return f"serial({', '.join(map(repr, self.layers))})"
        return text

    def _repr_as_mlp(self) -> str:
        return (
            f"MLP(depth={self.depth}, activation={shortest(self.activation)}, "
            f"weight_var={self.weight_var!r}, bias_var={self.bias_var!r}, weights={self.weights!r}, "
            f"noise={self.noise!r}, parameterization={self.parameterization!r})"
        )


def serial(*layers: Layer) -> Network:
    """Return the network that applies the layers in turn.

    Parameters
    ----------
    *layers : Layer
        From the input to the linear read-out, see :mod:`rmtlab.layers`. Each Dense but the last is
        followed by an Activation; Noise stands where a signal is, in front of a Dense.

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
    >>> from rmtlab.layers import Activation, Dense
    >>> from rmtlab.networks import MLP
    >>> net = serial(Dense(2.0), Activation("relu"), Dense(1.0, bias_var=0.1))
    >>> net.depth
    1
    >>> serial(Dense(2.0), Activation("relu"), Dense(2.0)) == MLP(1, "relu", weight_var=2.0)
    True
    """
    return Network(layers)


def _leaves(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield the layers, and those inside branches, in order."""
    for layer in layers:
        yield layer
        for branch in layer._branches():
            yield from _leaves(branch)
