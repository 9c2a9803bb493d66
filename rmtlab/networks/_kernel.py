"""Kernels of many pairs: single inputs go through the layers once, pairs in blocks."""

from dataclasses import dataclass, replace
from math import isqrt, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtlab import _checks
from rmtlab.layers import Layer, _inputs
from rmtlab.layers._base import dtype_name, usable_device
from rmtlab.layers._folded import unfold
from rmtlab.layers._place import SIGNAL, Place
from rmtlab.layers._rows import Pairs, Rows, as_numpy

if TYPE_CHECKING:
    from rmtlab.networks._network import Network

_PAIRS = 40_000  # of inputs and positions in a block: its arrays stay in the cache
_PAIRS_ON_DEVICE = 1 << 24
_MEND = "Scale the inputs, or take float64, a smaller weight_var or a smaller depth."


@dataclass(frozen=True, eq=False)
class Kernel:
    """The two kernels of an infinitely wide network.

    Attributes
    ----------
    nngp : ndarray, shape (n1, n2)
        K, the covariance of the outputs over networks.
    ntk : ndarray, shape (n1, n2)
        Θ, the inner product of their parameter gradients.
    """

    nngp: np.ndarray
    ntk: np.ndarray


@dataclass(frozen=True, eq=False)
class _Plan:
    """Layers, where they stand, and which drop to equal positions first."""

    layers: tuple[Layer, ...]
    places: list[Place]
    narrows: list[bool]

    @classmethod
    def of(cls, net: "Network", inputs: _inputs.Inputs, width: int | None) -> "_Plan":
        spatial = bool(inputs.positions)
        needs = [False]
        for layer in reversed(net.layers):
            needs.append(needs[-1] or layer._wants_all_pairs())
        needs = [need and spatial for need in reversed(needs)]
        net._places(Place(SIGNAL, inputs.positions, inputs.features, width, all_pairs=True))
        place = Place(SIGNAL, inputs.positions, inputs.features, width, needs[0])
        places, narrows = [place], []
        for layer, need in zip(net.layers, needs, strict=False):
            narrows.append(place.all_pairs and not need)
            place = layer._next(_narrowed(place) if narrows[-1] else place)
            places.append(place)
        return cls(net.layers, places, narrows)

    def trace(self, inputs: _inputs.Inputs, dtype: str) -> "_Trace":
        """Take single inputs through all layers."""
        rows = inputs.rows(self.places[0].all_pairs)
        start, steps = rows, list[tuple[Rows, Rows]]()
        _refuse_large(rows, dtype, "at the input")
        for layer, place, narrows in zip(self.layers, self.places, self.narrows, strict=False):
            before = rows.equal_positions() if narrows else rows
            rows = layer._carry_rows(before, _narrowed(place) if narrows else place)
            _refuse_large(rows, dtype, f"at layer {len(steps) + 1} of the network")
            steps.append((before, rows))
        return _Trace(inputs, start, steps)

    def block(
        self, one: "_Trace", two: "_Trace", one_pass: bool, backend: "_Backend"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take the pairs of some inputs through all layers."""
        first = self.places[0]
        ends = one.rows, two.rows
        pairs = _inputs.pairs(one.inputs, two.inputs, *ends, one_pass=one_pass, all_pairs=first.all_pairs)
        if one_pass and not first.all_pairs:
            pairs.fold()
        backend.adopt(pairs)
        steps = zip(self.layers, self.places, self.narrows, one.steps, two.steps, strict=False)
        for layer, place, narrows, (before1, after1), (before2, after2) in steps:
            if narrows:
                narrow(pairs)
                place = _narrowed(place)
            layer._carry(pairs, (before1, before2), (after1, after2), place)
        found = as_numpy(pairs.nngp), as_numpy(pairs.ntk)
        if not one_pass:
            return found
        nngp, ntk = map(unfold if pairs.folded else _symmetric, found)
        return nngp, ntk


@dataclass(frozen=True, eq=False)
class _Trace:
    """Inputs, and what they are before and behind every layer."""

    inputs: _inputs.Inputs
    rows: Rows
    steps: list[tuple[Rows, Rows]]

    def part(self, rows: slice) -> "_Trace":
        steps = [(b.part(rows), a.part(rows)) for b, a in self.steps]
        return _Trace(self.inputs.part(rows), self.rows.part(rows), steps)


@dataclass(frozen=True)
class _Backend:
    """Precision, and the device of torch if there is one."""

    dtype: str
    device: Any

    def adopt(self, pairs: Pairs) -> None:
        for name in ("nngp", "ntk", *(() if pairs.told else ("gap",))):
            values = getattr(pairs, name)
            if self.device is None:
                setattr(pairs, name, values.astype(self.dtype, copy=False))
            else:
                import torch

                kind = getattr(torch, self.dtype)
                setattr(pairs, name, torch.as_tensor(values, dtype=kind, device=self.device))

    def block_size(self, positions: tuple[int, ...], all_pairs: bool) -> int:
        each = prod(positions) ** (2 if all_pairs else 1)
        most = _PAIRS if str(self.device) in ("None", "cpu") else _PAIRS_ON_DEVICE
        return max(1, isqrt(most // each))


def compute(
    net: "Network", x1: Any, x2: Any, width: int | None, dtype: Any, device: Any, block: int | None
) -> Kernel:
    """Return both kernels of all pairs."""
    precision = dtype_name(dtype)
    backend = _Backend(precision, usable_device(device, precision))
    first = _inputs.Inputs.of(x1, "x1")
    second = first if x2 is None else _inputs.Inputs.of(x2, "x2")
    _inputs.same_form(first, second)
    if width is not None:
        width = _checks.count(width, "width")
    plan = _Plan.of(net, first, width)
    if block is None:
        size = backend.block_size(first.positions, plan.places[0].all_pairs)
    else:
        size = _checks.count(block, "block", hint="It is a number of inputs.")
    shape = len(first.moment), len(second.moment)
    nngp, ntk = (np.empty(shape, dtype=backend.dtype) for _ in range(2))
    with np.errstate(over="ignore", invalid="ignore"):
        one = plan.trace(first, backend.dtype)
        two = one if x2 is None else plan.trace(second, backend.dtype)
        ones = _parts(one, size)
        twos = ones if x2 is None else _parts(two, size)
        for number, (i, rows) in enumerate(ones):
            for j, columns in twos[number if x2 is None else 0 :]:
                own = x2 is None and i == j
                found = plan.block(rows, columns, own, backend)
                for result, part in zip((nngp, ntk), found, strict=True):
                    result[i, j] = part
                    if x2 is None and not own:
                        result[j, i] = part.T
        _refuse_infinite(nngp, ntk)
    return Kernel(nngp, ntk)


def narrow(pairs: Pairs) -> None:
    """Keep the kernels of equal positions."""
    for name in ("nngp", "ntk", "gap"):
        values = getattr(pairs, name)
        setattr(pairs, name, _copy(values.diagonal(0, -2, -1)))
    pairs.all_pairs, pairs.twins = False, None


def _copy(values: Any) -> Any:
    return values.copy() if isinstance(values, np.ndarray) else values.clone()


def _narrowed(place: Place) -> Place:
    return replace(place, all_pairs=False)


def _parts(trace: _Trace, size: int) -> list[tuple[slice, _Trace]]:
    slices = [slice(i, i + size) for i in range(0, len(trace.inputs.moment), size)]
    return [(rows, trace.part(rows)) for rows in slices]


def _symmetric(square: np.ndarray) -> np.ndarray:
    return np.triu(square) + np.triu(square, 1).T


def _refuse_infinite(nngp: np.ndarray, ntk: np.ndarray) -> None:
    for values, name in ((nngp, "nngp"), (ntk, "ntk")):
        lost = 0 if np.isfinite(values.sum()) else values.size - np.count_nonzero(np.isfinite(values))
        if lost:
            raise ValueError(
                f"The {name} kernel leaves the range of {values.dtype}, whose largest number is "
                f"{np.finfo(values.dtype).max:.1e}, at {lost} of its {values.size} pairs. {_MEND}"
            )


def _refuse_large(rows: Rows, dtype: str, where: str) -> None:
    if not (abs(rows.moment) <= np.finfo(dtype).max).all():
        raise ValueError(f"The variances leave the range of {dtype} {where}. {_MEND}")
