"""The Cholesky factor of a kernel too large for one solve, in blocks that dask schedules.

A block of the kernel is made, updated and factorised in one task, so that only the n²/2 numbers of the
factor are ever kept: in this process, or in the workers of the current ``distributed.Client``, which spill
to disk beyond their memory. (``dask.array.linalg.cholesky`` holds every product of blocks too, four times as
much at 25 × 25 blocks, and its blocks have to be of one size.)
"""

import sys
from collections.abc import Iterable
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from rmtlab.networks import Network
from rmtlab.nngp import _gram

_ITERATIONS = 8
_EPS = float(np.finfo(np.float64).eps)


class Blocked:
    """The lower factor L of K + shift, column of blocks by column of blocks: L_ij for j ≤ i."""

    def __init__(
        self, net: Network, x: np.ndarray, shift: float, size: int, progress: bool | None = False
    ) -> None:
        dask = _dask()
        self._net, self._parts = net, list(_gram.parts(len(x), size))
        self._inputs = _spread([x[part] for part in self._parts])
        self._rows: list[list[Any]] = [[] for _ in self._parts]
        on_diagonal = dask.delayed(partial(_diagonal_block, net, shift), pure=False)
        below = dask.delayed(partial(_block_below, net), pure=False)
        for j in _gram.shown(range(len(self._parts)), "factor", progress, "column"):
            xj = self._inputs[j]
            top = list(self._rows[j])
            (corner,) = dask.persist(on_diagonal(xj, top))
            column = [below(self._inputs[i], xj, list(self._rows[i]), top, corner) for i in self._after(j)]
            for row, block in zip(self._rows[j:], (corner, *dask.persist(*column)), strict=True):
                row.append(block)
        pivots = np.concatenate(self._each(np.diagonal, (row[-1] for row in self._rows)))
        if np.min(pivots) ** 2 <= len(x) * _EPS * np.max(pivots) ** 2:
            raise LinAlgError
        self.log_det = 2 * float(np.sum(np.log(pivots)))

    @cached_property
    def condition(self) -> float:
        """The trace over the smallest eigenvalue, by inverse iteration: λ_max/λ_min to a factor below n."""
        trace = sum(self._each(_sum_of_squares, (block for row in self._rows for block in row)))
        vector = np.random.default_rng(0).standard_normal((self._parts[-1].stop, 1))
        size = 0.0
        for _ in range(_ITERATIONS):
            vector /= np.linalg.norm(vector)
            solved = self.solve(vector)
            size, vector = float(np.sum(vector * solved)), solved
        return float(trace) * size

    def solve(self, b: np.ndarray) -> np.ndarray:
        """Return K⁻¹ b."""
        dask = _dask()
        step = dask.delayed(_substituted, pure=False)
        half = self._forward([b[part] for part in self._parts])
        solved: list[Any] = []
        for j in reversed(range(len(self._rows))):
            under = [self._rows[i][j] for i in self._after(j)]
            solved.insert(0, step(self._rows[j][j], half[j], under, list(solved), transposed=True))
        return np.concatenate(dask.compute(*solved))

    def explained(self, x_test: np.ndarray) -> np.ndarray:
        """Return the diagonal of K_*X K⁻¹ K_X* for test inputs."""
        across = _dask().delayed(partial(_gram.pairs, self._net), pure=False)
        (test,) = _spread([x_test])
        half = self._forward([across(xi, test) for xi in self._inputs])
        return np.sum(self._each(_column_squares, half), axis=0)

    def _forward(self, b: list[Any]) -> list[Any]:
        """Return the blocks of L⁻¹ b, to be computed."""
        step = _dask().delayed(_substituted, pure=False)
        found: list[Any] = []
        for row, right in zip(self._rows, b, strict=True):
            found.append(step(row[-1], right, row[:-1], list(found)))
        return found

    def _after(self, j: int) -> range:
        return range(j + 1, len(self._parts))

    def _each(self, function: Any, blocks: Iterable[Any]) -> tuple:
        dask = _dask()
        return dask.compute(*map(dask.delayed(function, pure=False), blocks))


def available() -> bool:
    """Whether dask can be imported."""
    try:
        _dask()
    except ImportError:
        return False
    return True


def _dask() -> Any:
    import dask

    return dask


def _diagonal_block(net: Network, shift: float, x: np.ndarray, row: list[np.ndarray]) -> np.ndarray:
    """Return L_jj: the factor of K_jj + shift − Σ_p L_jp L_jpᵀ."""
    block = _gram.pairs(net, x)
    block[np.diag_indices_from(block)] += shift
    return cholesky(_updated(block, row, row), lower=True, overwrite_a=True, check_finite=False)


def _block_below(
    net: Network,
    xi: np.ndarray,
    xj: np.ndarray,
    row: list[np.ndarray],
    top: list[np.ndarray],
    corner: np.ndarray,
) -> np.ndarray:
    """Return L_ij = (K_ij − Σ_p L_ip L_jpᵀ) L_jj⁻ᵀ."""
    block = _updated(_gram.pairs(net, xi, xj), row, top)
    return solve_triangular(corner, block.T, lower=True, overwrite_b=True, check_finite=False).T


def _updated(block: np.ndarray, left: list[np.ndarray], right: list[np.ndarray]) -> np.ndarray:
    for a, b in zip(left, right, strict=True):
        block -= a @ b.T
    return block


def _substituted(
    corner: np.ndarray,
    b: np.ndarray,
    row: list[np.ndarray],
    known: list[np.ndarray],
    transposed: bool = False,
) -> np.ndarray:
    """Return corner⁻¹ (b − Σ L_k x_k), or the same with all of L transposed."""
    for block, x in zip(row, known, strict=True):
        b = b - (block.T if transposed else block) @ x
    return solve_triangular(corner, b, lower=True, trans=int(transposed), check_finite=False)


def _sum_of_squares(block: np.ndarray) -> float:
    return float(np.vdot(block, block))


def _column_squares(block: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->j", block, block)


def _spread(parts: list[np.ndarray]) -> list[Any]:
    """Send inputs to the workers of the current cluster once, if there is one."""
    if "distributed" in sys.modules:
        from distributed import get_client

        try:
            return get_client().scatter(parts)
        except ValueError:
            return parts
    return parts
