"""Gaps behind sums and means, by way of squared distances, which add up where gaps do not."""

from typing import Any

import numpy as np

from rmtlab.layers._rows import Pairs, Rows, fresh_gap

_ALIKE = 0.01  # larger gaps are as good formed from the kernels
Units = tuple[np.ndarray, np.ndarray]


def units(one: Rows, two: Rows) -> Units:
    """Return a length for each input, (n1,) and (n2,), in whose units distances do not depend on its size."""
    return _unit(one), _unit(two)


def _unit(rows: Rows) -> np.ndarray:
    def longest(rows: Rows) -> np.ndarray:
        found = rows.root.reshape(len(rows.root), -1).max(axis=1)
        return np.where(found > 0, found, 1.0)

    return rows.derive("unit", longest)


def _in_units(pairs: Pairs, one: Rows, two: Rows, lengths: Units) -> tuple[Any, Any]:
    """Return the roots of the variances over the units, so that they broadcast with the pairs."""
    root1, root2 = (
        rows.root / unit.reshape(-1, *(1,) * (rows.root.ndim - 1))
        for rows, unit in zip((one, two), lengths, strict=True)
    )
    return pairs.first(root1), pairs.second(root2)


def opposed(pairs: Pairs) -> bool:
    """Whether some inputs of the block are nearly opposite somewhere."""
    return bool(((pairs.nngp < 0) & (pairs.gap < _ALIKE)).any())


def distances(pairs: Pairs, one: Rows, two: Rows, lengths: Units, both: bool) -> list[Any]:
    """Return E|u − v|² and, if `both`, E|u + v|², which add up where signals are put side by side."""
    root1, root2 = _in_units(pairs, one, two, lengths)
    apart = root1 - root2
    apart = apart * apart
    twice = 2.0 * (root1 * root2)
    negative = pairs.nngp < 0
    found = [apart + twice * pairs.xp.where(negative, 2.0 - pairs.gap, pairs.gap)]
    return [*found, apart + twice * pairs.xp.where(negative, pairs.gap, 2.0 - pairs.gap)] if both else found


def gap_from_distances(pairs: Pairs, apart: list[Any], one: Rows, two: Rows, lengths: Units) -> Any:
    """Return 1 − |c| from the squared distances where it is small, and from the kernels where it is not."""
    direct = fresh_gap(pairs, one, two)
    root1, root2 = _in_units(pairs, one, two, lengths)
    norm = root1 - root2
    size = 2.0 * (root1 * root2)
    nearest = apart[0] if len(apart) == 1 else pairs.xp.where(pairs.nngp < 0, apart[1], apart[0])
    alike = (direct < _ALIKE) & (size > 0)
    if len(apart) == 1:
        alike &= pairs.nngp >= 0
    gap = (nearest - norm * norm) / pairs.xp.where(alike, size, pairs.xp.ones_like(size))
    return pairs.xp.where(alike, pairs.xp.clip(gap, 0.0, 1.0), direct)


def bounded_gap(pairs: Pairs, reach: list[Any], one: Rows, two: Rows, lengths: Units) -> Any:
    """Return 1 − |c| from the kernels, but no more than bounds on √(E|u − v|²) and √(E|u + v|²) allow.

    Rounding is left of a small gap that is formed from kernels; by the triangle inequality means over equal
    signals stay equal nevertheless.
    """
    bound = gap_from_distances(pairs, [r * r for r in reach], one, two, lengths)
    return pairs.xp.minimum(fresh_gap(pairs, one, two), bound)
