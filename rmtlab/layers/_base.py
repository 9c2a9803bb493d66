"""What every layer is, and the state that its infinite-width rule carries."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import _checks, activations
from rmtlab import noise as noises
from rmtlab.layers import _inputs
from rmtlab.layers._place import KINDS, SIGNAL, Place
from rmtlab.layers._rows import Pairs, Rows, fresh_gap, own_pairs
from rmtlab.layers._twins import Twins

if TYPE_CHECKING:
    from torch import nn

DTYPES = ("float32", "float64")


@dataclass(frozen=True, eq=False)
class State:
    r"""The kernels of input pairs at one place inside an infinitely wide network.

    Parameters
    ----------
    nngp : ndarray, shape (n1, n2), (n1, n2, p) or (n1, n2, p, p)
        Covariance of preactivations, E[z(x₁)z(x₂)], or second moment of signals, E[h(x₁)h(x₂)]; at p
        positions, or between all pairs of positions.
    ntk : ndarray, same shape
        Neural tangent kernel, the inner product of the parameter gradients.
    diag1, diag2 : ndarray, shape (n1,) and (n2,); (n1, p) …; or (n1, p, p) …
        The same second moments of every input with itself in one pass.
    kind : {"signal", "preactivation", "normalised"}
        What the kernels describe, and so which layers may come next. Preactivations are Gaussian; so
        is what a LayerNorm makes of them, which may also enter a Dense.
    one_pass : bool
        True where rows and columns are the same inputs in the same pass (``x2=None``), so that a
        pair on the diagonal shares its noise. All other pairs have independent noise.
    fan_in : int or None
        Number of features of the signal, where it is known.
    width : int or None
        Number of neurons of the hidden layers; only the standard parameterisation asks for it,
        because its tangent kernel grows with the width.
    positions : tuple of int
        Sizes of the spatial axes, whose product is p; () for flat signals.
    all_pairs : bool
        Whether covariances between different positions are carried. Pooling and attention need them.
    gap : ndarray, optional
        1 − \|c\|, c the correlation of each pair. Layers hand it on because rounded kernels do not
        tell it where inputs are nearly parallel; without it, it is formed from them.

    Raises
    ------
    ValueError
        If the shapes of the arrays do not belong together, one holds NaN, the kernels of one
        pass are not symmetric, or the kind is unknown.

    Examples
    --------
    >>> state = State.from_inputs([[1.0, 1.0], [1.0, -1.0]])
    >>> state.nngp
    array([[1., 0.],
           [0., 1.]])
    >>> state.kind
    'signal'
    """

    nngp: np.ndarray
    ntk: np.ndarray
    diag1: np.ndarray
    diag2: np.ndarray
    kind: str = SIGNAL
    one_pass: bool = False
    fan_in: int | None = None
    width: int | None = None
    positions: tuple[int, ...] = ()
    all_pairs: bool = False
    gap: np.ndarray | None = None

    def __post_init__(self) -> None:
        ends = np.shape(self.diag1), np.shape(self.diag2)
        rank = 0 if not self.positions else 2 if self.all_pairs else 1
        place = (int(np.prod(self.positions)),) * rank
        shape = (ends[0][:1] + ends[1][:1]) + place
        of_kernels = {np.shape(k) for k in (self.nngp, self.ntk, *([] if self.gap is None else [self.gap]))}
        if of_kernels != {shape} or any(end[1:] != place for end in ends):
            raise ValueError(
                f"nngp and ntk must have the shape {shape} that diag1, diag2 and positions imply, but their "
                f"shapes are {np.shape(self.nngp)} and {np.shape(self.ntk)}; State.from_inputs(x1, x2) makes all."
            )
        _checks.one_of(self.kind, "kind", KINDS)
        flat_pass = self.one_pass and not self.positions
        of_kernel = _checks.symmetric if flat_pass else _checks.array
        names = ("diag1", "diag2", *(["gap"] if self.gap is not None else []))
        for check, checked in ((of_kernel, ("nngp", "ntk")), (_checks.array, names)):
            for name in checked:
                object.__setattr__(self, name, check(getattr(self, name), name))

    @classmethod
    def from_inputs(
        cls, x1: Any, x2: Any = None, *, width: int | None = None, all_pairs: bool = False
    ) -> "State":
        r"""Return the state at the input: second moments x₁·x₂/d, and no parameters yet.

        Parameters
        ----------
        x1 : array_like, shape (n1, d), or ``(n1, channels, *positions)``
            Inputs, one a row. At each position of an image or a sequence the d features are its channels.
        x2 : array_like, like x1, optional
            Other inputs. Without them the pairs are those of `x1` with itself, and the diagonal is
            one pass through the network.
        width : int, optional
            Width of the hidden layers, for the standard parameterisation.
        all_pairs : bool
            Carry the covariances between different positions too.

        Returns
        -------
        State
            Of kind "signal".

        Raises
        ------
        ValueError
            If an array has fewer than two axes, holds NaN, or features or positions differ.

        Examples
        --------
        >>> State.from_inputs([[3.0, 4.0]], [[0.0, 1.0]]).nngp
        array([[2.]])
        """
        first = _inputs.Inputs.of(x1, "x1")
        second = first if x2 is None else _inputs.Inputs.of(x2, "x2")
        _inputs.same_form(first, second)
        if width is not None:
            width = _checks.count(width, "width")
        spatial = bool(all_pairs and first.positions)
        place = Place(SIGNAL, first.positions, first.features, width, spatial)
        one, two = first.rows(spatial), second.rows(spatial)
        pairs = _inputs.pairs(first, second, one, two, one_pass=x2 is None, all_pairs=spatial)
        return cls._behind(place, pairs, one, two)

    @classmethod
    def _behind(cls, place: Place, pairs: Pairs, one: Rows, two: Rows) -> "State":
        """Return the state whose arrays come from checked ones."""
        behind = object.__new__(cls)
        vars(behind).update(
            nngp=pairs.nngp,
            ntk=pairs.ntk,
            diag1=one.moment,
            diag2=two.moment,
            kind=place.kind,
            one_pass=pairs.one_pass,
            fan_in=place.fan_in,
            width=place.width,
            positions=place.positions,
            all_pairs=place.all_pairs,
            gap=pairs.gap,
            _carried=(pairs.twins, one.gap, two.gap),
        )
        return behind

    def _place(self) -> Place:
        return Place(self.kind, self.positions, self.fan_in, self.width, self.all_pairs)

    def _unpacked(self) -> tuple[Pairs, Rows, Rows]:
        """Return copies of the arrays that a layer may change."""
        twins, *gaps = vars(self).get("_carried", (None, None, None))
        one = Rows(self.diag1, self.all_pairs, gaps[0])
        two = one if self.one_pass else Rows(self.diag2, self.all_pairs, gaps[1])
        pairs = Pairs(self.nngp.copy(), self.ntk.copy(), self.gap, self.one_pass, self.all_pairs)
        pairs.gap = fresh_gap(pairs, one, two) if self.gap is None else self.gap.copy()
        pairs.close()
        if self.all_pairs:
            pairs.twins = Twins.of_kernels(pairs, one, two) if twins is None else twins
        return pairs, one, two


class Layer(ABC):
    """What every layer is: a rule for infinitely wide networks and a finite twin."""

    takes: ClassVar[tuple[str, ...]]
    misplaced: ClassVar[str]
    needs_all_pairs: ClassVar[bool] = False
    linear: ClassVar[bool] = False  # but for its biases
    by_position: ClassVar[bool] = False  # whether it does to every position the same, without the others
    chooses_features: ClassVar[bool] = False  # whether its outputs may be more or fewer than its inputs

    def propagate(self, state: State) -> State:
        """Return the state behind the infinitely wide layer.

        Parameters
        ----------
        state : State
            Of a kind that the layer takes.

        Returns
        -------
        State
            A new one; the given state stays as it was.

        Raises
        ------
        ValueError
            If the layer has no infinite-width limit there: a sentence says what is missing.
        TypeError
            If no State is given.

        Examples
        --------
        >>> from rmtlab.layers import Dense
        >>> Dense(1.5, 0.5).propagate(State.from_inputs([[1.0, 1.0]])).ntk
        array([[2.]])
        """
        if not isinstance(state, State):
            raise TypeError(
                f"state must be a State, but a {type(state).__name__} was given; "
                "State.from_inputs(x1, x2) makes one."
            )
        place = state._place()
        behind = self._next(place)
        pairs, one, two = state._unpacked()
        after1 = self._carry_rows(one, place)
        after2 = after1 if two is one else self._carry_rows(two, place)
        self._carry(pairs, (one, two), (after1, after2), place)
        return State._behind(behind, pairs, after1, after2)

    def module(
        self,
        in_features: int,
        out_features: int,
        *,
        positions: tuple[int, ...] = (),
        rng: _checks.Rng = 0,
        dtype: Any = "float32",
        device: Any = None,
    ) -> "nn.Module":
        """Return the finite layer as a torch module, drawn from `rng`.

        It maps ``(…, in_features, *positions)`` to ``(…, out_features, *positions behind)``. The draw is made
        in float64 and then cast, so a seed means the same weights in both precisions, in both
        parameterisations and on every device.

        Parameters
        ----------
        in_features, out_features : int
            Numbers of features before and behind.
        positions : tuple of int
            Sizes of the spatial axes; () for flat signals.
        rng : int, numpy.random.Generator or None
            Source of the weights, or of the noise.
        dtype : {"float32", "float64"} or torch.dtype
            Precision of the parameters.
        device : torch.device or str, optional
            Where the parameters live.

        Returns
        -------
        torch.nn.Module
            Where it has weights, ``effective_weight`` and ``effective_bias`` are what acts.

        Raises
        ------
        ValueError
            If a size is below 1, the numbers of features do not suit the layer, or the precision is unknown.

        Examples
        --------
        >>> from rmtlab.layers import Dense
        >>> w = Dense(weights="orthogonal").module(3, 3, dtype="float64").effective_weight
        >>> bool(((w @ w.T).diagonal() - 1).abs().max() < 1e-12)
        True
        """
        m = _checks.count(in_features, "in_features")
        n = _checks.count(out_features, "out_features")
        sizes = tuple(_checks.count(size, "positions") for size in positions)
        generator = _checks.generator(rng)
        precision = dtype_name(dtype)
        if not self.chooses_features and n != self._features_behind(m, Place(positions=sizes)):
            raise ValueError(
                f"{self._called} keeps the number of features, but in_features={m} and out_features={n} were given."
            )
        return self._module(m, n, sizes, generator, precision, usable_device(device, precision))

    @property
    def _called(self) -> str:
        name = type(self).__name__
        return f"{'An' if name[0] in 'AEIO' else 'A'} {name}"

    def _next(self, place: Place) -> Place:
        """Return the place behind, or raise the sentence that says why the layer can't stand here."""
        if place.kind not in self.takes:
            raise ValueError(self.misplaced)
        if self.needs_all_pairs and not place.all_pairs and place.sizes:
            raise ValueError(
                f"{self._called} needs the covariances between all positions, and this state carries those "
                "of equal positions only; say State.from_inputs(x1, x2, all_pairs=True)."
            )
        return self._behind(place)

    def _wants_all_pairs(self) -> bool:
        """Say whether this layer, or one inside it, needs covariances between different positions."""
        return self.needs_all_pairs or any(
            layer._wants_all_pairs() for branch in self._branches() for layer in branch
        )

    def _branches(self) -> tuple[tuple["Layer", ...], ...]:
        """Return the chains of layers inside this one."""
        return ()

    def _features_behind(self, features: int, place: Place) -> int:
        """Return the number of features behind a layer that does not choose it."""
        return features

    @abstractmethod
    def _behind(self, place: Place) -> Place:
        """Return the place behind the layer; its kind is one that the layer takes."""

    @abstractmethod
    def _rows(self, rows: Rows, place: Place) -> Rows:
        """Return what becomes of single inputs."""

    def _carry_rows(self, rows: Rows, place: Place) -> Rows:
        """Take single inputs through the layer, and the gaps between their positions, which `rows` gives away."""
        after = self._rows(rows, place)
        if after.all_pairs and after.gap is None:
            own = own_pairs(rows)
            self._covariances_only(own, (rows, rows), (after, after), place)
            p = np.arange(own.gap.shape[-1])
            own.gap[:, p, p] = 0.0
            after.gap = own.gap
        rows.gap = None
        return after

    def _covariances_only(
        self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place
    ) -> None:
        """Take pairs through the layer whose tangent kernel nobody asks for, and which may be infinite."""
        pairs.ntk = np.zeros_like(pairs.nngp)
        with np.errstate(invalid="ignore"):
            self._pairs(pairs, before, after, place)

    def _carry(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        """Take `pairs` through the layer, in place, and those twins among them that can be followed."""
        if pairs.twins is None:
            return self._pairs(pairs, before, after, place)
        pairs.twins = pairs.twins.part(self._follows(pairs.twins.ratio))
        if self._draws_together(before):
            pairs.twins = pairs.twins.with_others(pairs, *before)
        behind = pairs.twins.behind(self, pairs, before, after, place)
        self._pairs(pairs, before, after, place)
        reach = self._reach(before[1], after[1]) if self.needs_all_pairs else None
        pairs.twins = behind.settled(pairs, after, reach)

    def _reach(self, before: Rows, after: Rows) -> np.ndarray:
        """Return how far the positions of each input can be from each other behind a mean, (n, p, p)."""
        p = after.variance[0].size
        return np.broadcast_to(np.where(np.eye(p) > 0, 0.0, np.inf), (len(after.moment), p, p))

    def _draws_together(self, before: tuple[Rows, Rows]) -> bool:
        """Say whether all signals are small beside what the layer adds to them."""
        return False

    def _follows(self, ratio: np.ndarray) -> np.ndarray:
        """Say which twins can be followed through the layer."""
        return np.ones(len(ratio), dtype=bool)

    @abstractmethod
    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        """Take `pairs` through the layer, in place."""

    @abstractmethod
    def _module(
        self,
        in_features: int,
        out_features: int,
        positions: tuple[int, ...],
        rng: np.random.Generator,
        dtype: str,
        device: Any,
    ) -> "nn.Module":
        """Return the finite twin."""


def dtype_name(dtype: Any) -> str:
    """Return "float32" or "float64"."""
    name = np.dtype(dtype).name if isinstance(dtype, type) else str(dtype).removeprefix("torch.")
    return _checks.one_of(name, "dtype", DTYPES)


def usable_device(device: Any, dtype: str) -> Any:
    """Return the device, or raise the sentence that says why numbers of that type can't be there."""
    if device is None:
        return None
    import torch

    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"device must be a device of torch, such as 'cpu' or 'cuda:0', but {device!r} was given."
        ) from None
    try:
        torch.zeros((), dtype=getattr(torch, dtype), device=found).cpu()
    except (RuntimeError, AssertionError, TypeError) as problem:
        reason = str(problem).strip().splitlines()[0].split(". ")[0].rstrip(".")
        raise ValueError(
            f"device={str(found)!r} holds no {dtype} numbers here: {reason}. Take 'cpu', or leave it out."
        ) from None
    return found


def describe_stranger(thing: Any) -> str:
    """Say what a thing is that is no layer, and how a layer is made of it."""
    name = thing.__name__ if isinstance(thing, type) else type(thing).__name__
    article = "an" if name[0] in "AEIOaeio" else "a"
    if isinstance(thing, type) and issubclass(thing, Layer):
        return f"the class {name} itself; call it, {name}(…)."
    if isinstance(thing, noises.Noise):
        return f"{article} {name}, a noise; layers.Noise({thing!r}) makes a layer of it."
    if isinstance(thing, activations.Activation) or (isinstance(thing, str) and thing in activations.names()):
        called = repr(thing if isinstance(thing, str) else thing.name)
        return f"{article} {name}, an activation; layers.Activation({called}) makes a layer of it."
    if isinstance(getattr(thing, "layers", thing), list | tuple):
        return f"{article} {name}; put a star before it, so that its layers come one by one."
    return (
        f"{article} {name}; a network is made of the layers of rmtlab.layers, such as Dense and Activation."
    )


def moved(place: Place, **changes: Any) -> Place:
    """Return the place with some of its entries changed."""
    return replace(place, **changes)
