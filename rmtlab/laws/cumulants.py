"""Free cumulants from moments and back."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rmtlab import _checks

__all__ = ["free_cumulants", "moments_from_free_cumulants"]


def free_cumulants(moments: ArrayLike) -> np.ndarray:
    r"""Free cumulants :math:`\kappa_1, \dots, \kappa_n` from the moments :math:`m_1, \dots, m_n`.

    With :math:`M(z) = 1 + \sum m_k z^k` and :math:`C(w) = 1 + \sum \kappa_k w^k` the two are tied by
    :math:`M(z) = C(zM(z))`, which Lagrange's inversion solves:

    .. math:: \kappa_1 = m_1, \qquad \kappa_k = -\frac1{k-1}\,[z^k]\,M(z)^{1-k} \quad (k \ge 2).

    Free cumulants add under free addition; they are the coefficients of :math:`R(g) = \sum \kappa_{k+1} g^k`.

    Parameters
    ----------
    moments : array_like, shape (n,)
        From the mean on; the zeroth moment, 1, is left out. Whole numbers stay exact at any size.

    Returns
    -------
    numpy.ndarray, shape (n,)
        Integers for integers (Python's own where 64 bits are too few), else float64.

    Raises
    ------
    TypeError, ValueError
        If the moments are not a vector of finite real numbers.

    References
    ----------
    R. Speicher, "Multiplicative functions on the lattice of non-crossing partitions and free convolution",
    Math. Ann. 298 (1994).

    Examples
    --------
    >>> import rmtlab as rl
    >>> rl.laws.free_cumulants([0, 1, 0, 2, 0, 5])
    array([0, 1, 0, 0, 0, 0])
    >>> rl.laws.free_cumulants([1, 2, 5, 14, 42])
    array([1, 1, 1, 1, 1])
    """
    series, divide = _series(moments, "moments")
    rest = [divide(-_power_coefficient(series, 1 - k, k, divide), k - 1) for k in range(2, len(series))]
    return np.array([series[1], *rest])


def moments_from_free_cumulants(cumulants: ArrayLike) -> np.ndarray:
    r"""Moments :math:`m_1, \dots, m_n` from the free cumulants :math:`\kappa_1, \dots, \kappa_n`.

    .. math:: m_k = \sum_{\pi \in NC(k)} \prod_{V \in \pi} \kappa_{|V|} = \frac1{k+1}\,[w^k]\,C(w)^{k+1},
              \qquad C(w) = 1 + \sum \kappa_k w^k .

    Parameters
    ----------
    cumulants : array_like, shape (n,)
        From the mean on. Whole numbers stay exact at any size.

    Returns
    -------
    numpy.ndarray, shape (n,)
        Integers for integers (Python's own where 64 bits are too few), else float64.

    Raises
    ------
    TypeError, ValueError
        If the cumulants are not a vector of finite real numbers.

    References
    ----------
    R. Speicher, "Multiplicative functions on the lattice of non-crossing partitions and free convolution",
    Math. Ann. 298 (1994).

    Examples
    --------
    >>> import rmtlab as rl
    >>> rl.laws.moments_from_free_cumulants([1, 1, 1, 1, 1])
    array([ 1,  2,  5, 14, 42])
    >>> rl.laws.moments_from_free_cumulants([1.0, 0.5, 0.25])
    array([1.  , 1.5 , 2.75])
    """
    series, divide = _series(cumulants, "cumulants")
    return np.array(
        [divide(_power_coefficient(series, k + 1, k, divide), k + 1) for k in range(1, len(series))]
    )


def _power_coefficient(
    series: Sequence[Any], exponent: int, order: int, divide: Callable[[Any, int], Any]
) -> Any:
    r"""Coefficient of :math:`z^{order}` in the power of a series that starts with 1 (J. C. P. Miller's rule)."""
    power = [series[0]]
    for n in range(1, order + 1):
        total = sum((i * (exponent + 1) - n) * series[i] * power[n - i] for i in range(1, n + 1))
        power.append(divide(total, n))
    return power[order]


def _series(coefficients: ArrayLike, name: str) -> tuple[list[Any], Callable[[Any, int], Any]]:
    """1 and the coefficients, as integers with exact division or as floats."""
    given = coefficients.tolist() if isinstance(coefficients, np.ndarray) else coefficients
    if isinstance(given, list | tuple) and given and all(isinstance(k, int | np.integer) for k in given):
        return [1, *map(int, given)], operator.floordiv
    return [1.0, *_checks.array(coefficients, name, ndim=1).tolist()], operator.truediv
