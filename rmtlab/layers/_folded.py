"""Pairs of inputs with each other, folded so that each is there once and all rows are of one length.

Row s holds the pairs of i with i + s, counted modulo n, for s = 0 … n/2: half of the square and, for an even number
of inputs, half a row twice.
"""

from typing import Any

import numpy as np


def fold(square: np.ndarray) -> np.ndarray:
    """Return the pairs (n//2 + 1, n, …) of a symmetric table (n, n, …)."""
    return _diagonals(np.concatenate([square, square], axis=1)).copy()


def unfold(folded: np.ndarray) -> np.ndarray:
    """Return the symmetric table of folded pairs."""
    n = folded.shape[1]
    twice = np.zeros((n, 2 * n, *folded.shape[2:]), dtype=folded.dtype)
    diagonals = _diagonals(twice)
    diagonals[...] = folded
    if n % 2 == 0:
        diagonals[-1, n // 2 :] = 0.0
    once = twice[:, :n] + twice[:, n:]
    square = once + once.swapaxes(0, 1)
    np.einsum("ii...->i...", square)[...] = folded[0]
    return square


def spread(values: Any, side: int) -> Any:
    """Return an array or tensor (n, …) of the first or the second inputs so that it broadcasts with folded pairs."""
    if side == 0:
        return values[None]
    shape = (len(values) // 2 + 1, *values.shape)
    if isinstance(values, np.ndarray):
        twice = np.concatenate([values, values])
        return np.ndarray(shape, twice.dtype, twice, strides=(twice.strides[0], *twice.strides))
    twice = values.repeat(2, *(1,) * (values.ndim - 1))
    return twice.as_strided(shape, (twice.stride(0), *twice.stride()))


def _diagonals(twice: np.ndarray) -> np.ndarray:
    """Return the view of tables side by side, (n, 2n, …), whose row s is their s-th diagonal."""
    n, _, *within = twice.shape
    down, right, *inner = twice.strides
    return np.ndarray((n // 2 + 1, n, *within), twice.dtype, twice, strides=(right, down + right, *inner))
