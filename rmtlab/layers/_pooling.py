"""The layers that forget positions: flattening and averages."""

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import _checks
from rmtlab.layers._base import Layer, moved
from rmtlab.layers._distances import (
    bounded_gap,
    distances,
    gap_from_distances,
    opposed,
    units,
)
from rmtlab.layers._place import KINDS, SIGNAL, Place
from rmtlab.layers._rows import Pairs, Rows, fresh_gap, own_pairs

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class _Reach:
    """How far the positions behind a layer can be from each other inside each input, (n, p, p)."""

    distances: np.ndarray

    def part(self, rows: slice) -> "_Reach":
        return _Reach(self.distances[rows])


class _Positional(Layer):
    """A layer without parameters that acts on positions, and so needs some."""

    linear: ClassVar[bool] = True

    def _behind(self, place: Place) -> Place:
        if place.flat:
            raise ValueError(
                f"{self._called} needs positions, but it meets a flat signal; give images of shape "
                "(n, channels, height, width) or sequences of shape (n, channels, length)."
            )
        return self._after_positions(place)

    def _after_positions(self, place: Place) -> Place:
        return moved(place, positions=(), all_pairs=False)


@dataclass(frozen=True)
class Flatten(_Positional):
    r"""Puts the features of all positions side by side: ``(n, channels, *positions)`` → (n, channels · p).

    K′ = (1/p) Σ_α K_αα and Θ′ likewise: only equal positions meet.

    References
    ----------
    .. [1] R. Novak et al., "Bayesian deep convolutional networks with many channels are Gaussian
       processes", ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtlab.layers import State
    >>> Flatten().propagate(State.from_inputs(np.eye(2)[None])).nngp
    array([[0.5]])
    """

    takes: ClassVar[tuple[str, ...]] = (SIGNAL,)
    misplaced: ClassVar[str] = (
        "A Flatten needs a signal before it: side by side, preactivations of different positions are not "
        "alike; put an Activation before it."
    )

    def _after_positions(self, place: Place) -> Place:
        features = None if place.fan_in is None else place.fan_in * prod(place.sizes)
        return moved(super()._after_positions(place), fan_in=features)

    def _features_behind(self, features: int, place: Place) -> int:
        return features * prod(place.sizes)

    def _rows(self, rows: Rows, place: Place) -> Rows:
        return Rows(rows.variance.mean(axis=-1))

    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        told, lengths, apart = pairs.told, units(*before), []
        if not told:
            found = distances(pairs, *before, lengths, opposed(pairs))
            apart = [self._mean(d, pairs.all_pairs) for d in found]
        pairs.nngp, pairs.ntk = (self._mean(v, pairs.all_pairs) for v in (pairs.nngp, pairs.ntk))
        pairs.all_pairs = False
        if told:
            pairs.tell(*after)
        else:
            pairs.gap = gap_from_distances(pairs, apart, *after, lengths)
        pairs.set_own(after[0])

    def _mean(self, values: Any, all_pairs: bool) -> Any:
        return (values.diagonal(0, -2, -1) if all_pairs else values).mean(-1)

    def _module(
        self,
        in_features: int,
        out_features: int,
        positions: tuple[int, ...],
        rng: np.random.Generator,
        dtype: str,
        device: Any,
    ) -> "nn.Module":
        from torch import nn

        return nn.Flatten(start_dim=-1 - len(positions))


@dataclass(frozen=True)
class GlobalAvgPool(_Positional):
    r"""The mean over all positions: ``(n, channels, *positions)`` → (n, channels).

    K′ = (1/p²) Σ_αα′ K_αα′ and Θ′ likewise: every position meets every other.

    References
    ----------
    .. [1] R. Novak et al., "Bayesian deep convolutional networks with many channels are Gaussian
       processes", ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtlab.layers import State
    >>> state = State.from_inputs(np.eye(2)[None], all_pairs=True)
    >>> GlobalAvgPool().propagate(state).nngp
    array([[0.25]])
    """

    takes: ClassVar[tuple[str, ...]] = KINDS
    misplaced: ClassVar[str] = ""
    needs_all_pairs: ClassVar[bool] = True

    def _rows(self, rows: Rows, place: Place) -> Rows:
        return Rows(rows.moment.mean(axis=(-2, -1)))

    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        told = pairs.told
        pairs.nngp, pairs.ntk = (v.mean(-1).mean(-1) for v in (pairs.nngp, pairs.ntk))
        pairs.all_pairs = False
        if told:
            pairs.tell(*after)
        else:
            pairs.gap = fresh_gap(pairs, *after)
        pairs.set_own(after[0])

    def _module(
        self,
        in_features: int,
        out_features: int,
        positions: tuple[int, ...],
        rng: np.random.Generator,
        dtype: str,
        device: Any,
    ) -> "nn.Module":
        from rmtlab import _torch_layers

        return _torch_layers.GlobalAvgPoolModule(len(positions))


@dataclass(frozen=True)
class AvgPool(_Positional):
    r"""The mean over windows that tile the positions; what is left over at the end is dropped.

    K′_AA′ = (1/w²) Σ_{α∈A, α′∈A′} K_αα′ for windows A, A′ of w positions, and Θ′ likewise.

    Parameters
    ----------
    size : int
        Extent of a window along every axis.

    Raises
    ------
    ValueError
        If a window is larger than the positions, or there are none.

    References
    ----------
    .. [1] R. Novak et al., "Bayesian deep convolutional networks with many channels are Gaussian
       processes", ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtlab.layers import State
    >>> AvgPool(2).propagate(State.from_inputs(np.ones((1, 1, 6, 4)), all_pairs=True)).positions
    (3, 2)
    """

    size: int = 2

    takes: ClassVar[tuple[str, ...]] = KINDS
    misplaced: ClassVar[str] = ""
    needs_all_pairs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _checks.count(self.size, "size"))

    def _after_positions(self, place: Place) -> Place:
        if place.positions is None:
            return place
        behind = tuple(None if s is None else s // self.size for s in place.positions)
        if 0 in behind:
            raise ValueError(f"AvgPool({self.size}) needs larger positions than {place.positions}.")
        return moved(place, positions=behind)

    def _rows(self, rows: Rows, place: Place) -> Rows:
        (bound, *_), (unit, _) = self._bounds(own_pairs(rows), (rows, rows), place), units(rows, rows)
        rows.extra = _Reach(bound * unit[:, None, None])
        return Rows(self._pooled(rows.moment, place), all_pairs=True)

    def _pairs(self, pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], place: Place) -> None:
        told, lengths = pairs.told, units(*before)
        reach = [] if told else self._bounds(pairs, before, place)
        pairs.nngp, pairs.ntk = (self._pooled(v, place) for v in (pairs.nngp, pairs.ntk))
        if told:
            pairs.tell(*after)
        else:
            pairs.gap = bounded_gap(pairs, reach, *after, lengths)
        pairs.set_own(after[0])

    def _bounds(self, pairs: Pairs, before: tuple[Rows, Rows], place: Place) -> list[Any]:
        """Return what √(E|u − v|²), and √(E|u + v|²), is at most behind: the mean over equal places of windows."""
        windows, bounds = self._windows(place), []
        for apart in distances(pairs, *before, units(*before), opposed(pairs)):
            each = (pairs.xp.sqrt(apart[..., at[:, None], at]) for at in windows)
            bounds.append(sum(each) / len(windows))
        return bounds

    def _reach(self, before: Rows, after: Rows) -> np.ndarray:
        return np.asarray(before.extra.distances)

    def _windows(self, place: Place) -> np.ndarray:
        """Return the positions of all windows, (w, p′)."""
        positions = np.arange(prod(place.sizes)).reshape(place.sizes)
        ends = [size // self.size * self.size for size in place.sizes]
        starts = product(range(self.size), repeat=len(ends))
        return np.stack(
            [
                positions[tuple(slice(a, b, self.size) for a, b in zip(start, ends, strict=True))].ravel()
                for start in starts
            ]
        )

    def _pooled(self, values: Any, place: Place) -> Any:
        """Average over windows, at both ends of a pair."""
        lead = values.shape[:-2]
        values = values.reshape(*lead, *place.sizes * 2)
        for axis, size in enumerate(place.sizes * 2, start=len(lead)):
            count = size // self.size
            values = values[(slice(None),) * axis + (slice(0, count * self.size),)]
            values = values.reshape(*values.shape[:axis], count, self.size, *values.shape[axis + 1 :]).mean(
                axis + 1
            )
        p = prod(size // self.size for size in place.sizes)
        return values.reshape(*lead, p, p)

    def _module(
        self,
        in_features: int,
        out_features: int,
        positions: tuple[int, ...],
        rng: np.random.Generator,
        dtype: str,
        device: Any,
    ) -> "nn.Module":
        from torch import nn

        _checks.one_of(str(len(positions)), "number of positions", ("1", "2"))
        return (nn.AvgPool1d if len(positions) == 1 else nn.AvgPool2d)(self.size)
