r"""Singular values of a long product of matrices, on a log scale.

A product :math:`A_L \cdots A_1` that is formed entry by entry loses every singular value below 1e-16 of the
largest. Here it is carried in graded form,

.. math:: A_l \cdots A_1 = Q\,\mathrm{diag}(e^{s})\,B,

with Q orthonormal, the scales s descending (logarithms, so they never underflow) and B well conditioned.
One factor more means one QR factorisation with column pivoting of the graded :math:`A\,Q\,\mathrm{diag}(e^s)`,
which errs column by column and so is as good as an error of ε in A alone [1]_. At the end the singular values
of :math:`\mathrm{diag}(e^s) B` follow to high relative accuracy by one-sided Jacobi rotations [2]_.

References
----------
.. [1] G. W. Stewart, "On graded QR decompositions of products of matrices", ETNA 3 (1995).
.. [2] Z. Drmač, K. Veselić, "New fast and accurate Jacobi SVD algorithm", SIAM J. Matrix Anal. 29 (2008).
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import lapack, qr

# Widths of log scales that float64 resolves together: e^500 = 1e217 in one QR factorisation; in the Jacobi
# rotations squares must fit too, and a value 40 inside a window feels its border to e^-80.
_QR_SPAN, _SVD_SPAN, _MARGIN = 500.0, 400.0, 40.0


def log_singular_values(factors: Sequence[np.ndarray]) -> np.ndarray:
    """Return log σ₁ ≥ log σ₂ ≥ … of the product of `factors`, the first acting first; −inf where σ = 0."""
    inputs, outputs = factors[0].shape[1], factors[-1].shape[0]
    q, scale, unit = np.eye(inputs), np.zeros(inputs), np.eye(inputs)
    for factor in factors:
        # Rows in order of size, so that the QR factorisation is stable row by row as saturated units need.
        size = np.max(np.abs(factor), axis=1)
        rows = np.argsort(-size, kind="stable")[: np.count_nonzero(size)]
        q_rows, order, scale, triangle = _graded_qr(factor[rows] @ q, scale)
        unit = triangle @ unit[order]
        q = np.zeros((len(factor), len(scale)))
        q[rows] = q_rows
    _, _, scale, unit = _graded_qr(unit.T, scale)
    found = np.full(min(inputs, outputs), -np.inf)
    found[: len(scale)] = _graded_svd(scale, unit)
    return found


def _graded_qr(c: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return Q, order, s, B with (c·e^scale)[:, order] = Q diag(e^s) B and B upper unit triangular."""
    if not c.size:
        return np.zeros((len(c), 0)), np.arange(c.shape[1]), np.zeros(0), np.zeros((0, c.shape[1]))
    q, r, order = _pivoted_qr(c, scale)
    scale, size = scale[order], np.abs(np.diagonal(r))
    rank = np.count_nonzero(size)
    steps = np.triu(scale - scale[:rank, None])
    unit = r[:rank] / size[:rank, None] * np.exp(steps)
    return q[:, :rank], order, np.log(size[:rank]) + scale[:rank], unit


def _pivoted_qr(c: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Q, R, order with c[:, order] = Q R, pivots chosen as for the columns c·e^scale.

    Columns are pivoted among those whose scales float64 holds together, the largest first.
    """
    by_scale = np.argsort(-scale, kind="stable")
    head = np.count_nonzero(scale > scale[by_scale[0]] - _QR_SPAN)
    first, rest = by_scale[:head], by_scale[head:]
    weight = np.exp(scale[first] - scale[first[0]])
    last = head >= min(c.shape)
    q, r, pivots = qr(
        c[:, first] * weight, mode="economic" if last else "full", pivoting=True, check_finite=False
    )
    r, first = r / weight[pivots], first[pivots]
    beside = q.T @ c[:, rest]
    if last:
        return q, np.hstack([r, beside]), np.concatenate([first, rest])
    q_below, r_below, order = _pivoted_qr(beside[head:], scale[rest])
    below = np.hstack([np.zeros((len(r_below), head)), r_below])
    return (
        np.hstack([q[:, :head], q[:, head:] @ q_below]),
        np.vstack([np.hstack([r[:head], beside[:head, order]]), below]),
        np.concatenate([first, rest[order]]),
    )


def _graded_svd(scale: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the log singular values of diag(e^scale) unit, window by window of the graded rows.

    `unit` is upper triangular and falls off as e^(s_j − s_i), so rows far apart in scale do not meet.
    """
    found = np.empty(len(scale))
    depth = np.maximum.accumulate(-scale)
    done = 0
    while done < len(scale):
        start = np.searchsorted(depth, depth[done] - _MARGIN)
        stop = np.searchsorted(depth, depth[start] + _SVD_SPAN, side="right")
        end = stop if stop == len(scale) else np.searchsorted(depth, depth[stop] - _MARGIN, side="right")
        middle = scale[start] - _SVD_SPAN / 2
        window = unit[start:stop, start:stop].T * np.exp(scale[start:stop] - middle)
        found[done:end] = (np.log(_jacobi(window)) + middle)[done - start : end - start]
        done = end
    return np.sort(found)[::-1]


def _jacobi(a: np.ndarray) -> np.ndarray:
    """Return the singular values of a matrix with graded columns, each to full relative accuracy."""
    values, _, _, work, _, info = lapack.dgejsv(a, joba=0, jobu=3, jobv=3, jobr=0, jobt=1, jobp=1)
    if info != 0:
        raise ArithmeticError(
            f"The one-sided Jacobi rotations did not converge (LAPACK's dgejsv says {info}); "
            "look at the weights for values of extreme size."
        )
    return values * (work[0] / work[1])
