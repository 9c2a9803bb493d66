r"""Duals and moments in closed form, with a = q₁₁, b = q₂₂, k = q₁₂, s = √(ab − k²).

Each is written without a difference of large terms near c = ±1: angles come from atan2(k, s), the
bivariate normal distribution from Owen's T, whose arguments are (a − k)/s and (b − k)/s.
"""

import numpy as np
from scipy import special

from rmtlab.activations._pair import Pair

Dual = tuple[np.ndarray, np.ndarray]

_ROOT_2PI = np.sqrt(2 * np.pi)
_FAR = 9.0  # the normal density is below 1e-18 there
_HUGE = 1e300
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def two_slopes(p: Pair, left: float, right: float) -> Dual:
    """φ(x) = left·x for x < 0 and right·x for x > 0: a linear part and an even part, uncorrelated."""
    linear, even = ((left + right) / 2) ** 2, ((right - left) / 2) ** 2
    angle = 2 / np.pi * p.arcsine
    absolute = 2 / np.pi * p.s + p.k * angle
    return linear * p.k + even * absolute, linear + even * angle


def two_slopes_moment(q: np.ndarray, k: int, left: float, right: float) -> np.ndarray:
    """E[φ(√q z)^k]; E[max(z, 0)^k] = 2^{k/2} Γ((k+1)/2) / (2√π)."""
    half = 2 ** (k / 2) * special.gamma((k + 1) / 2) / (2 * np.sqrt(np.pi))
    return q ** (k / 2) * half * (right**k + (-left) ** k)


def sign(p: Pair) -> Dual:
    """K̇ = E[2δ(u)·2δ(v)], infinite at c = ±1."""
    with np.errstate(divide="ignore"):
        return 2 / np.pi * np.arctan2(p.k, p.s), 2 / np.pi / p.s


def sign_moment(q: np.ndarray, k: int) -> np.ndarray | None:
    """Even powers are 1 except at zero."""
    return np.sign(q) if k % 2 == 0 else None


def sign_derivative_moment(q: np.ndarray, k: int) -> np.ndarray:
    """φ′ = 2δ: twice the density of √q z at zero, and infinite from the second moment on."""
    with np.errstate(divide="ignore"):
        return 2 / np.sqrt(2 * np.pi * q) if k == 1 else np.full_like(q, np.inf)


def erf(p: Pair) -> Dual:
    """With root² = (½ + a)(½ + b) − k²."""
    root = np.hypot(p.s, np.sqrt(0.25 + p.a / 2 + p.b / 2))
    return 2 / np.pi * np.arctan2(p.k, root), 2 / np.pi / root


def sin(p: Pair) -> Dual:
    """e^{−(a+b)/2} (sinh k, cosh k), with |k| taken out of the exponent before it can overflow."""
    size, root1, root2 = np.abs(p.k), np.sqrt(p.a), np.sqrt(p.b)
    left = (root1 - root2) ** 2 / 2 + root1 * (root2 * p.gap)
    odd = -0.5 * np.sign(p.k) * np.exp(-left) * np.expm1(-2 * size)
    even = 0.5 * np.exp(-left) * (1 + np.exp(-2 * size))
    return odd, even


def cos(p: Pair) -> Dual:
    """The pair of sin with its members exchanged."""
    odd, even = sin(p)
    return even, odd


def exp(p: Pair) -> Dual:
    """Infinite where the value exceeds float64."""
    with np.errstate(over="ignore"):
        value = np.exp(p.a / 2 + p.b / 2 + p.k)
    return value, value.copy()


def exp_moment(q: np.ndarray, k: int) -> np.ndarray:
    """E[e^{k√q z}] = e^{k²q/2}."""
    with np.errstate(over="ignore"):
        return np.exp(k * k * q / 2)


def gelu(p: Pair) -> Dual:
    """With A = 1 + a, B = 1 + b and root² = AB − k² = 1 + a + b + s²."""
    a, b, k = 1 + p.a, 1 + p.b, p.k
    root = np.hypot(p.s, 2 * np.sqrt(0.25 + p.a / 4 + p.b / 4))
    quadrant = 0.25 + np.arctan2(k, root) / (2 * np.pi)
    value = ((k / a) * (k / b) / root + (p.a / a) * (p.b / b) * root) / (2 * np.pi) + k * quadrant
    slope = k / root * (1 / root / root + 1 / a + 1 / b) / (2 * np.pi) + quadrant
    return value, slope


def shifted_relu(p: Pair, alpha: float) -> Dual:
    """max(x, −α) = x + ramp(−x) for α > 0, −α + ramp(x) for α < 0, with ramp(x) = max(x − |α|, 0)."""
    ramps, both = _ramps(p, abs(alpha))
    if alpha < 0:
        means = _shifted_mean(p.a, alpha) + _shifted_mean(p.b, alpha)
        return ramps - alpha * (means + alpha), both
    once = _above(p.a, alpha) + _above(p.b, alpha)
    return p.k * (1 - once) + ramps, 1 - once + both


def shifted_relu_moment(q: np.ndarray, k: int, alpha: float) -> np.ndarray | None:
    """Only the mean is closed."""
    return _shifted_mean(q, alpha) if k == 1 else None


def shifted_relu_derivative_moment(q: np.ndarray, k: int, alpha: float) -> np.ndarray:
    """φ′ is 0 or 1: every moment is p = Φ(α/√q)."""
    return special.ndtr(_threshold(alpha, q))


def hard_tanh(p: Pair) -> Dual:
    """By parts, with h = 1/√q, t = (q − |k|)/s and t′ = (q + |k|)/s, for q = a and for q = b.

    No difference in it loses digits, so that K is as sharp as k at any variance.
    """
    k, s = np.abs(p.k), p.s
    inside, corners, edges = np.zeros((3, *p.a.shape))
    rests = p.rests()
    for q, rest in zip((p.a, p.b), rests, strict=True):
        h, near, far = _threshold(1.0, q), _ratio(rest, s), _ratio(q, s) + _ratio(k, s)
        inside = inside + 2 * (_within(h, near) + _within(h, far))
        corners = corners + 2 * (special.owens_t(h, far) - special.owens_t(h, near))
        edges = edges + 2 * np.sqrt(q) * _density(h) * _between(_times(h, near), _times(h, far))
    inside = np.where((p.a == 0) & (p.b == 0), 1.0, inside)
    h, y = _threshold(1.0, p.a), _times(_threshold(1.0, p.a), _ratio(rests[0], s))
    peak = s * _density(h) * _density(y) * -2 * np.expm1(-2 * _ratio(_ratio(k, s), s))
    value = np.where(s == 0, _clipped_product(p.a, p.b), k * inside + corners + peak - edges)
    return np.sign(p.k) * value, inside


def hard_tanh_moment(q: np.ndarray, k: int) -> np.ndarray | None:
    """Only the square is closed."""
    return _clipped_product(q, q) if k == 2 else None


def hard_tanh_derivative_moment(q: np.ndarray, k: int) -> np.ndarray:
    """φ′ is 0 or 1: every moment is P(|√q z| < 1)."""
    return special.erf(_threshold(1.0, q) / np.sqrt(2))


def _ramps(p: Pair, x: float) -> Dual:
    r"""(E[(u − x)₊(v − x)₊], P(u > x, v > x)) for x > 0, by parts and Owen's T.

    P is the sum of ½Φ(−h) − T(h, t) over h = x/√a, x/√b and t = (a − k)/s, (b − k)/s.
    """
    h1, h2 = _threshold(x, p.a), _threshold(x, p.b)
    rests = (np.where(p.k > 0, rest, q - p.k) for q, rest in zip((p.a, p.b), p.rests(), strict=True))
    t1, t2 = (_ratio(rest, p.s) for rest in rests)
    both = _beyond(h1, t1) + _beyond(h2, t2)
    y1, y2 = _times(-h1, t1), _times(-h2, t2)
    d1, d2 = _density(h1), _density(h2)
    edges = np.sqrt(p.a) * d1 * special.ndtr(y1) + np.sqrt(p.b) * d2 * special.ndtr(y2)
    return (p.k + x * x) * both + p.s * d1 * _density(y1) - x * edges, both


def _beyond(h: np.ndarray, t: np.ndarray) -> np.ndarray:
    """½Φ(−h) − T(h, t), for t > 1 by the reflection of Owen's T, which leaves terms of size Φ(−ht)."""
    y = _times(h, t)
    reflected = special.owens_t(y, _ratio(np.ones_like(t), t)) - special.ndtr(-y) * (0.5 - special.ndtr(-h))
    return np.where(t > 1, reflected, special.ndtr(-h) / 2 - special.owens_t(h, t))


def _shifted_mean(q: np.ndarray, alpha: float) -> np.ndarray:
    """E[max(√q z, −α)] = √q density(h) − α Φ(−h), h = α/√q."""
    h = _threshold(alpha, q)
    return np.sqrt(q) * _density(h) - alpha * special.ndtr(-h)


def _clipped_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """E[min(√a |z|, 1) min(√b |z|, 1)]: √(ab) z² up to one threshold h, √min(a, b) |z| up to the other."""
    low = np.minimum(a, b)
    h, last = _threshold(1.0, np.maximum(a, b)), _threshold(1.0, low)
    with np.errstate(invalid="ignore"):
        slope = -2 * _times(np.sqrt(low), _density(h) * np.expm1(-(last - h) * (last + h) / 2))
    square = np.sqrt(a) * np.sqrt(b) * special.gammainc(1.5, h * h / 2)
    return square + slope + 2 * special.ndtr(-last)


def _within(h: np.ndarray, t: np.ndarray) -> np.ndarray:
    """T(0, t) − T(h, t) = (h/2π) ∫₀^{ht} (1 − e^{−r²/2})/r² dy, r² = h² + y², without that difference.

    Gauss–Legendre up to |y| = 9; beyond, the exponential is nothing.
    """
    h = np.minimum(h, _HUGE)
    y = _times(h, t)
    end = np.clip(y, -_FAR, _FAR)
    core = np.zeros_like(h)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        square = h * h + (end * (1 + node) / 2) ** 2
        core -= weight / 2 * np.expm1(-square / 2) / square
    with np.errstate(divide="ignore"):
        tail = np.where(y == end, 0.0, np.arctan(h / end) - np.arctan(1 / t))
    return (h * end * core + tail) / (2 * np.pi)


def _between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """P(low < z < high), from the tails beyond one and from erf, exact near zero, before."""
    tails = special.ndtr(-low) - special.ndtr(-high)
    return np.where(low > 1, tails, (special.erf(high / np.sqrt(2)) - special.erf(low / np.sqrt(2))) / 2)


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
