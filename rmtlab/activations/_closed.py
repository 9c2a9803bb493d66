r"""Duals and moments in closed form, with a = q₁₁, b = q₂₂, k = q₁₂, s = √(ab − k²).

Each is written without a difference of large terms near c = ±1: angles come from atan2(k, s), the
bivariate normal distribution from Owen's T, whose arguments are (a − k)/s and (b − k)/s.
"""

import numpy as np
from scipy import special

from rmtlab.activations._pair import Pair

Dual = tuple[np.ndarray, np.ndarray]

_ROOT_2PI = np.sqrt(2 * np.pi)


def two_slopes(p: Pair, left: float, right: float) -> Dual:
    """φ(x) = left·x for x < 0 and right·x for x > 0: a linear part and an even part, uncorrelated."""
    linear, even = ((left + right) / 2) ** 2, ((right - left) / 2) ** 2
    absolute = 2 / np.pi * (p.s + p.k * p.arcsine)
    return linear * p.k + even * absolute, linear + even * (2 / np.pi) * p.arcsine


def two_slopes_moment(q: np.ndarray, k: int, left: float, right: float) -> np.ndarray:
    """E[φ(√q z)^k]; E[max(z, 0)^k] = 2^{k/2} Γ((k+1)/2) / (2√π)."""
    half = 2 ** (k / 2) * special.gamma((k + 1) / 2) / (2 * np.sqrt(np.pi))
    return q ** (k / 2) * half * (right**k + (-left) ** k)


def sign(p: Pair) -> Dual:
    """K̇ = E[2δ(u)·2δ(v)], infinite at c = ±1."""
    with np.errstate(divide="ignore"):
        return 2 / np.pi * np.arctan2(p.k, p.s), 2 / (np.pi * p.s)


def sign_moment(q: np.ndarray, k: int) -> np.ndarray | None:
    """Even powers are 1 except at zero."""
    return np.sign(q) if k % 2 == 0 else None


def sign_derivative_moment(q: np.ndarray, k: int) -> np.ndarray:
    """φ′ = 2δ: twice the density of √q z at zero, and infinite from the second moment on."""
    with np.errstate(divide="ignore"):
        return 2 / np.sqrt(2 * np.pi * q) if k == 1 else np.full_like(q, np.inf)


def erf(p: Pair) -> Dual:
    """The determinant is (1 + 2a)(1 + 2b) − 4k²."""
    root = np.sqrt(1 + 2 * p.a + 2 * p.b + 4 * p.s**2)
    return 2 / np.pi * np.arctan2(2 * p.k, root), 4 / (np.pi * root)


def sin(p: Pair) -> Dual:
    """e^{−(a+b)/2} (sinh k, cosh k), with |k| taken out of the exponent before it can overflow."""
    size = np.abs(p.k)
    gap = ((p.a - size) + (p.b - size)) / 2
    odd = -0.5 * np.sign(p.k) * np.exp(-gap) * np.expm1(-2 * size)
    even = 0.5 * np.exp(-gap) * (1 + np.exp(-2 * size))
    return odd, even


def cos(p: Pair) -> Dual:
    """The pair of sin with its members exchanged."""
    odd, even = sin(p)
    return even, odd


def exp(p: Pair) -> Dual:
    """Infinite where the value exceeds float64."""
    with np.errstate(over="ignore"):
        value = np.exp((p.a + p.b) / 2 + p.k)
    return value, value.copy()


def exp_moment(q: np.ndarray, k: int) -> np.ndarray:
    """E[e^{k√q z}] = e^{k²q/2}."""
    with np.errstate(over="ignore"):
        return np.exp(k * k * q / 2)


def gelu(p: Pair) -> Dual:
    """P = (1 + a)(1 + b), D = P − k² = 1 + a + b + s²."""
    a, b, k = p.a, p.b, p.k
    product = (1 + a) * (1 + b)
    d = 1 + a + b + p.s**2
    root = np.sqrt(d)
    angle = np.arctan2(k, root)
    value = ((k * k + a * b * d) / (product * root) + k * angle) / (2 * np.pi) + k / 4
    slope = k / (2 * np.pi * root) * (1 / d + (1 - a * b) / product + 1) + 0.25 + angle / (2 * np.pi)
    return value, slope


def shifted_relu(p: Pair, alpha: float) -> Dual:
    """max(x, −α) = x + ramp(−x), ramp(x) = max(x − α, 0)."""
    ramps, both = _ramps(p, alpha)
    once = _above(p.a, alpha) + _above(p.b, alpha)
    return p.k * (1 - once) + ramps, 1 - once + both


def shifted_relu_moment(q: np.ndarray, k: int, alpha: float) -> np.ndarray | None:
    """E[φ] = √q φ(α/√q) − α Φ(−α/√q), the normal density and distribution."""
    if k != 1:
        return None
    h = _threshold(alpha, q)
    return np.sqrt(q) * _density(h) - alpha * special.ndtr(-h)


def shifted_relu_derivative_moment(q: np.ndarray, k: int, alpha: float) -> np.ndarray:
    """φ′ is 0 or 1: every moment is p = Φ(α/√q)."""
    return special.ndtr(_threshold(alpha, q))


def hard_tanh(p: Pair) -> Dual:
    """clip(x, −1, 1) = x − ramp(x) + ramp(−x), ramp(x) = max(x − 1, 0)."""
    same, both = _ramps(p, 1.0)
    opposite, neither = _ramps(p.mirrored(), 1.0)
    inside = 1 - 2 * _above(p.a, 1.0) - 2 * _above(p.b, 1.0)
    return p.k * inside + 2 * (same - opposite), inside + 2 * (both + neither)


def hard_tanh_moment(q: np.ndarray, k: int) -> np.ndarray | None:
    """E[φ²] = q(erf(h/√2) − 2h·density(h)) + erfc(h/√2), h = 1/√q."""
    if k != 2:
        return None
    h = _threshold(1.0, q)
    with np.errstate(invalid="ignore"):
        inside = special.erf(h / np.sqrt(2)) - np.where(np.isfinite(h), 2 * h * _density(h), 0.0)
    return q * inside + 2 * special.ndtr(-h)


def hard_tanh_derivative_moment(q: np.ndarray, k: int) -> np.ndarray:
    """φ′ is 0 or 1: every moment is P(|√q z| < 1)."""
    return special.erf(_threshold(1.0, q) / np.sqrt(2))


def _ramps(p: Pair, x: float) -> Dual:
    r"""(E[(u − x)₊(v − x)₊], P(u > x, v > x)) for x ≠ 0, by parts and Owen's T.

    P = ½Φ(−h₁) + ½Φ(−h₂) − T(h₁, t₁) − T(h₂, t₂) with h = x/√a, x/√b and t = (a − k)/s, (b − k)/s.
    """
    h1, h2 = _threshold(x, p.a), _threshold(x, p.b)
    t1, t2 = _ratio(p.a - p.k, p.s), _ratio(p.b - p.k, p.s)
    both = (special.ndtr(-h1) + special.ndtr(-h2)) / 2 - special.owens_t(h1, t1) - special.owens_t(h2, t2)
    y1, y2 = _times(-h1, t1), _times(-h2, t2)
    d1, d2 = _density(h1), _density(h2)
    edges = np.sqrt(p.a) * d1 * special.ndtr(y1) + np.sqrt(p.b) * d2 * special.ndtr(y2)
    return (p.k + x * x) * both + p.s * d1 * _density(y1) - x * edges, both


def _above(q: np.ndarray, x: float) -> np.ndarray:
    return special.ndtr(-_threshold(x, q))


def _threshold(x: float, q: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return x / np.sqrt(q)


def _density(h: np.ndarray) -> np.ndarray:
    return np.exp(-h * h / 2) / _ROOT_2PI


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the quotient, with 0/0 = 0 (equal variances at c = 1) and x/0 = ±∞."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(numerator == 0, 0.0, numerator / denominator)


def _times(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the product, with 0·∞ = 0 (a variance of zero, where the density vanishes anyway)."""
    with np.errstate(invalid="ignore"):
        return np.where((x == 0) | (y == 0), 0.0, x * y)
