r"""Moments of a Jacobian law, from those of its factors.

Each factor has :math:`T Z(T)` as a power series, and Lagrange's inversion gives the moments of the product,
:math:`m_k = \frac1k [T^{k-1}] (T z(T))^k`.
"""

from math import exp

import numpy as np

from rmtlab.jacobian._chain import Chain


def moment(chain: Chain, k: int) -> float:
    """The k-th moment of J Jᵀ, k ≥ 1."""
    log = np.zeros(k)
    for size, power in chain.powers.items():
        if size:
            order = np.arange(1, k)
            log[1:] -= power * (-1.0 / size) ** order / order
            log[0] += power * np.log(size)
    log[0] += chain.log_scale
    if k > 1:
        log[1] += chain.drift
    for factor in chain.factors:
        moments = np.array([factor.squares.moment(j) for j in range(1, k + 1)])
        log += factor.count * _log_series(factor.size * moments)
    return exp(k * log[0]) * float(_exponential(k * np.r_[0.0, log[1:]])[k - 1]) / k


def _log_series(moments: np.ndarray) -> np.ndarray:
    """ln(T ζ(T)) where T = Σ M_j ζ^{−j}, to the order of the last moment."""
    order = moments.size
    ratio = moments / moments[0]
    scale = moments[0] ** -np.arange(order)
    powers, inverse = np.eye(1, order).ravel(), np.zeros(order)
    inverse[0] = 1.0
    for n in range(1, order):
        # 1/ζ = (T/M₁) Σ c_i (T/M₁)^i with c₀ = 1, by Lagrange: c_n = [x^n] (Σ ratio x^j)^{−(n+1)} / (n + 1)
        powers = _exponential(-(n + 1) * _logarithm(ratio))
        inverse[n] = powers[n] / (n + 1)
    result = -_logarithm(inverse) * scale
    result[0] = np.log(moments[0])
    return result


def _logarithm(a: np.ndarray) -> np.ndarray:
    """Power series of ln a, for a₀ = 1."""
    result = np.zeros(a.size)
    for n in range(1, a.size):
        j = np.arange(1, n)
        result[n] = a[n] - np.sum(j * result[1:n] * a[n - j]) / n
    return result


def _exponential(a: np.ndarray) -> np.ndarray:
    """Power series of e^a, for a₀ = 0."""
    result = np.zeros(a.size)
    result[0] = 1.0
    for n in range(1, a.size):
        j = np.arange(1, n + 1)
        result[n] = np.sum(j * a[j] * result[n - j]) / n
    return result
