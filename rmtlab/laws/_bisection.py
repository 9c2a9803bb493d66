"""Bisection over the floating-point numbers themselves.

The float64 numbers in order are the whole numbers in order, so that 64 halvings pin a monotone change down to
neighbouring floats, at any magnitude.
"""

from collections.abc import Callable

import numpy as np

_ALL_BUT_SIGN = np.int64(np.iinfo(np.int64).max)


def first_float(accepts: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return, elementwise, the smallest x in [low, high] with monotone `accepts(x)`; `high` if none."""
    below, at = _rank(low) - 1, _rank(high)
    while np.any(open_ := below + 1 < at):
        middle = (below >> 1) + (at >> 1) + (below & at & 1)
        accepted = accepts(_unrank(middle))
        at = np.where(open_ & accepted, middle, at)
        below = np.where(open_ & ~accepted, middle, below)
    return _unrank(at)


def _rank(x: np.ndarray) -> np.ndarray:
    bits = np.asarray(x, dtype=np.float64).view(np.int64)
    return np.where(bits < 0, bits ^ _ALL_BUT_SIGN, bits)


def _unrank(rank: np.ndarray) -> np.ndarray:
    return np.where(rank < 0, rank ^ _ALL_BUT_SIGN, rank).view(np.float64)
