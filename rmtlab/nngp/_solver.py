"""Cholesky factors of a kernel, and the jitter that makes them possible, which is never silent."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol, TypeVar

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, eigvalsh, lapack, solve_triangular

LARGEST = 46_340  # n² has to fit the 32-bit integers of SciPy's LAPACK
_LEVELS = (0.0, *(10.0**k for k in range(-10, -4)))
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Jitter:
    """What was added to the kernel's diagonal beside the noise, and why.

    Attributes
    ----------
    value : float
        The number added.
    relative : float
        The same in units of the mean of the diagonal.
    reason : str
        A sentence.
    """

    value: float
    relative: float
    reason: str


class Factor(Protocol):
    """A Cholesky factor L of K + σ_ε² + jitter = L Lᵀ."""

    condition: float
    log_det: float

    def solve(self, b: np.ndarray) -> np.ndarray:
        """Return K⁻¹ b."""

    def explained(self, across: np.ndarray) -> np.ndarray:
        """Return the diagonal of K_*X K⁻¹ K_X* for K_X* (n, m)."""


F = TypeVar("F")


def with_jitter(
    attempt: Callable[[float], F], scale: float, asked: float | None, describe: Callable[[], str]
) -> tuple[F, Jitter]:
    """Factorise with the jitter asked for, or with the least of 0, 1e-10, 1e-9 … 1e-5 of the scale."""
    if asked is not None:
        try:
            return attempt(asked), Jitter(
                asked, _relative(asked, scale), "It was asked for." if asked else "None was asked for."
            )
        except LinAlgError:
            _refuse_nothing(scale)
            raise ValueError(_singular(f"with jitter={asked:g}", describe())) from None
    reason = "None was needed."
    for level in _LEVELS:
        try:
            return attempt(level * scale), Jitter(level * scale, level, reason)
        except LinAlgError:
            _refuse_nothing(scale)
            if not level:
                reason = f"The kernel is singular to working precision without it: {describe()}."
    raise ValueError(_singular(f"even with {_LEVELS[-1]:g} of its mean diagonal added", describe()))


def _relative(jitter: float, scale: float) -> float:
    return jitter / scale if scale else inf if jitter else 0.0


def _refuse_nothing(scale: float) -> None:
    """Refuse a kernel that is zero, beside which no jitter is small."""
    if not scale:
        raise ValueError(
            "The kernel of the training inputs is zero, so that the process is the function zero and learns "
            "nothing: the inputs or a weight_var are zero, and there are no biases. Give others, or a bias_var "
            "or noise_var above 0."
        ) from None


def _singular(how: str, condition: str) -> str:
    return (
        f"The kernel of the training inputs has no Cholesky decomposition {how}: {condition}. Raise noise_var, "
        "drop inputs that are (nearly) equal, or take a shallower network or one farther from the ordered phase."
    )


class Dense:
    """The factor of a matrix in memory, which it overwrites."""

    def __init__(self, kernel: np.ndarray, shift: float) -> None:
        diagonal = np.diagonal(kernel).copy()
        kernel[np.diag_indices_from(kernel)] += shift
        size = max(float(np.sum(np.abs(row))) for row in kernel)
        self._lower, info = lapack.dpotrf(kernel.T, lower=1, clean=0, overwrite_a=1)
        inverse = lapack.dpocon(self._lower, size, uplo="L")[0] if info == 0 else 0.0
        if inverse < _EPS:
            _restore(kernel, diagonal)
            raise LinAlgError
        self.condition = 1 / float(inverse)
        self.log_det = 2 * float(np.sum(np.log(np.diagonal(self._lower))))

    def solve(self, b: np.ndarray) -> np.ndarray:
        """Return K⁻¹ b."""
        return cho_solve((self._lower, True), b, check_finite=False)

    def explained(self, across: np.ndarray) -> np.ndarray:
        """Return the diagonal of K_*X K⁻¹ K_X* for K_X* (n, m)."""
        half = solve_triangular(self._lower, across, lower=True, check_finite=False)
        return np.einsum("ij,ij->j", half, half)


def _restore(kernel: np.ndarray, diagonal: np.ndarray) -> None:
    """Undo a failed decomposition, which leaves one triangle as it was."""
    for i in range(len(kernel)):
        kernel[i, i + 1 :] = kernel[i + 1 :, i]
    kernel[np.diag_indices_from(kernel)] = diagonal


def condition_of(kernel: np.ndarray, noise_var: float) -> str:
    """Say how singular a kernel in memory is that has no factor."""
    if len(kernel) > 1500:
        return condition_above(len(kernel))
    values = eigvalsh(kernel, check_finite=False) + noise_var
    if values[0] <= len(kernel) * _EPS * values[-1]:
        return f"{condition_above(len(kernel))}, its smallest eigenvalue {values[0]:.1g}"
    return f"its condition number is {values[-1] / values[0]:.1g}"


def condition_above(n: int) -> str:
    """Say what a failed decomposition proves."""
    return f"its condition number is above {1 / (n * _EPS):.1g}"
