"""Inputs, their directions, and the kernels they start from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.layers._rows import Pairs, Rows
from rmtlab.layers._twins import Twins

_NEAR = 1e-3  # gaps below it are formed from the difference of the directions
_APART = 0.01  # the kernels tell larger gaps as well
_LARGEST = 2.0**400  # squares of what is larger, or smaller than its inverse, may leave float64
_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Inputs:
    """Checked inputs x = size·scaled, with a power of two for size, mostly 1, so that no square leaves float64.

    `scaled` has the shape (n, d) or (n, p, d); `size`, the length of scaled, and the second moment
    |x|²/d have (n,) or (n, p).
    """

    scaled: np.ndarray
    size: np.ndarray
    length: np.ndarray
    moment: np.ndarray
    positions: tuple[int, ...]

    @classmethod
    def of(cls, x: Any, name: str) -> "Inputs":
        """Check `x`, and put its features last."""
        hint = "Give one input a row; images and sequences as (n, channels, *positions)."
        x = _checks.array(x, name, hint=hint)
        if x.ndim < 2:
            raise ValueError(f"{name} must have 2 axes or more, but its shape is {x.shape}. {hint}")
        positions = x.shape[2:]
        x = np.ascontiguousarray(np.moveaxis(x.reshape(*x.shape[:2], -1), 1, -1)) if positions else x
        largest = np.maximum(x.max(axis=-1), -x.min(axis=-1))
        usual = (largest == 0) | ((largest < _LARGEST) & (largest > 1 / _LARGEST))
        size = np.where(usual, 1.0, np.ldexp(1.0, np.frexp(largest)[1] - 1))
        scaled = x if usual.all() else x / size[..., None]
        square = np.einsum("...d,...d->...", scaled, scaled)
        with np.errstate(over="ignore"):
            moment = size * (size * (square / x.shape[-1]))
        if not np.isfinite(moment).all():
            raise ValueError(
                f"{name} is too large: its second moments |x|²/d, up to ({np.abs(x).max():.3g})², leave the range "
                "of float64. Scale it."
            )
        return cls(scaled, size, np.sqrt(square), moment, positions)

    @property
    def features(self) -> int:
        """Return d."""
        return self.scaled.shape[-1]

    def part(self, rows: slice) -> "Inputs":
        """Return some of the inputs."""
        return Inputs(
            self.scaled[rows], self.size[rows], self.length[rows], self.moment[rows], self.positions
        )

    def signal(self, which: np.ndarray) -> np.ndarray:
        """Return some of the inputs as they were given, (m, d) or (m, p, d)."""
        return self.scaled[which] * self.size[which][..., None]

    def rows(self, all_pairs: bool) -> Rows:
        """Return the second moments of each input by itself."""
        if not all_pairs:
            return Rows(self.moment)
        own = Pairs(self.scaled @ self.scaled.mT, None, None, all_pairs=True, own=True)
        _tell_gap(own, self, self)
        _scale(own, self, self)
        p = np.arange(own.gap.shape[-1])
        own.nngp[:, p, p] = self.moment
        own.gap[:, p, p] = 0.0
        return Rows(own.nngp, all_pairs=True, gap=own.gap)


def same_form(first: Inputs, second: Inputs) -> None:
    """Raise a sentence unless both have the same features and positions."""
    if first.features != second.features:
        raise ValueError(
            f"x1 and x2 must have equally many features, but x1 has {first.features} and x2 has "
            f"{second.features}."
        )
    if first.positions != second.positions:
        raise ValueError(
            f"x1 and x2 must have the same positions, but x1 has {first.positions} and x2 {second.positions}."
        )


def pairs(first: Inputs, second: Inputs, one: Rows, two: Rows, *, one_pass: bool, all_pairs: bool) -> Pairs:
    """Return second moments, zero tangent kernel and gaps of every pair, and twins where they are followed.

    Where no input is nearly parallel to another, the kernels tell the gaps.
    """
    u, v = first.scaled, second.scaled
    if not first.positions:
        gram = u @ v.T
    elif all_pairs:
        gram = np.tensordot(u, v, axes=(-1, -1)).swapaxes(1, 2).copy()
    else:
        gram = np.moveaxis(np.moveaxis(u, 1, 0) @ np.moveaxis(v, 1, 0).mT, 0, -1).copy()
    found = Pairs(gram, np.zeros_like(gram), None, one_pass, all_pairs)
    apart = _are_apart(gram, first, second)
    if not apart:
        _tell_gap(found, first, second)
        apart = not (one_pass and all_pairs) and bool(found.gap.min() > _APART)
    _scale(found, first, second)
    found.set_own(one)
    if all_pairs:
        found.twins = Twins.of_inputs(found, first, second, one, two)
    if apart:
        found.tell(one, two)
    return found


def _are_apart(gram: np.ndarray, first: Inputs, second: Inputs) -> bool:
    """Say whether a glance tells that no two inputs are nearly parallel, given the products of the scaled ones."""
    if first.positions:
        return False
    least = first.length.min() * second.length.min()
    return bool(max(gram.max(), -gram.min()) < (1 - _APART) * least)


def _tell_gap(found: Pairs, first: Inputs, second: Inputs) -> None:
    """Form the gap from the products of the scaled inputs and, where it is small, from their directions.

    In one pass the gap of an input to itself is left at 1.
    """
    inverse1, inverse2 = (1 / np.where(x.length > 0, x.length, np.inf) for x in (first, second))
    found.gap = np.abs(found.nngp)
    found.gap *= found.product(-inverse1, inverse2)
    found.gap += 1.0
    found.close(1.0)
    _sharpen(found, first, second)
    zero1, zero2 = (1.0 * (x.length == 0) for x in (first, second))
    if zero1.any() and zero2.any():
        found.gap -= found.first(zero1) * found.second(zero2)


def _scale(found: Pairs, first: Inputs, second: Inputs) -> None:
    """Make second moments of the products of the scaled inputs."""
    found.nngp /= first.features
    for size, side in ((first.size, found.first), (second.size, found.second)):
        if (size != 1).any():
            found.nngp *= side(size)


def _sharpen(found: Pairs, first: Inputs, second: Inputs) -> None:
    """Form small gaps from |u − v|²/2, or |u + v|²/2 where the directions u and v are opposite."""
    if found.gap.min() >= _NEAR:
        return
    index = np.nonzero(found.gap < _NEAR)
    if found.own:
        left, right = (index[0], index[1:2]), (index[0], index[2:])
    else:
        left, right = (index[0], index[2:][:1]), (index[1], index[2:][-1:])
    sign = np.sign(found.nngp[index])
    step = max(1, _CHUNK // first.features)
    gap = np.empty(len(sign))
    for start in range(0, len(sign), step):
        part = slice(start, start + step)
        u, v = (
            x.scaled[at] / x.length[at][:, None]
            for x, side in ((first, left), (second, right))
            for at in [(side[0][part], *(p[part] for p in side[1]))]
        )
        u -= sign[part, None] * v
        gap[part] = np.einsum("nd,nd->n", u, u) / 2
    found.gap[index] = gap
