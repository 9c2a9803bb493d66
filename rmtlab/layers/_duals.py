r"""Activations on blocks of pairs, in place: K → E[φ(u)φ(v)], Θ → E[φ′(u)φ′(v)]·Θ, and the gap.

The gap 1 − |c| is never formed as a difference where it is small: near c = ±1 kernels with a kink
feel its square root, and chaotic networks amplify whatever is lost.
"""

from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from rmtlab import activations
from rmtlab.activations import _closed
from rmtlab.activations._pair import Pair
from rmtlab.layers import _hermite
from rmtlab.layers._rows import Pairs, Rows, as_numpy, in_double, inverse_root, own_pairs

_APART = {8: 1e-3, 4: 0.04}  # pairs with |c| below 1 − it need no gap, for numbers of so many bytes
_NEAR = 1e-5  # below it the gap behind an activation comes from an integral of the slope
_NEAR_SMOOTH = 1e-7  # the same for smooth functions
_CONSTANT = 1e-6  # K̇ of a smooth function is as good as constant over such a change of k
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_HALVINGS = 24  # of [0, 1] in t, so that the gap D t² is resolved down to D·4^{−24}
_STEEP = 0.1  # a relative change of K̇ that takes finer integration
_STEP, _RATIOS = 0.01, np.arange(1.0, 5.0)
_BENT = 0.05  # what is more is not the beginning of a power series


def rows(activation: activations.Activation, before: Rows, tangent: bool = True) -> Rows:
    """Return the second moments behind the activation, and leave with `before` what its pairs will need."""
    if not activation.homogeneous and activation._rule.dual is None:
        before.extra = _hermite.Series.of(activation, before.variance)
    after = Rows(np.asarray(activation.moment(before.variance, 2)))
    if not before.all_pairs:
        return after
    own = own_pairs(before)
    carry(activation, own, before, before, after, after)
    p = np.arange(own.nngp.shape[-1])
    own.nngp[:, p, p] = after.moment
    return Rows(own.nngp, all_pairs=True, gap=own.gap)


def carry(
    activation: activations.Activation, pairs: Pairs, one: Rows, two: Rows, behind1: Rows, behind2: Rows
) -> None:
    """Take `pairs` through the activation; `one` and `two` stand before it, `behind1` and `behind2` after."""
    if activation.homogeneous:
        _rectifier(activation, pairs, one, two, behind1, behind2)
    elif activation._rule.dual is _closed.erf:
        _erf(activation, pairs, one, two, behind1, behind2)
    elif activation._rule.dual is not None:
        _by_pair(activation, pairs, one, two, behind1, behind2)
    else:
        _by_series(activation, pairs, one, two, behind1, behind2)


def _apart(pairs: Pairs, factor1: np.ndarray, factor2: np.ndarray, most: float = 1.0) -> "_Apart | None":
    """Return the kernels times both factors, unless one of them comes close to ±most."""
    if pairs.ntk is None or (pairs.one_pass and pairs.all_pairs):
        return None
    factors = pairs.outer(factor1, factor2)
    scaled = factors * pairs.nngp
    if pairs.one_pass:
        pairs.diagonal(scaled)[...] = 0.0
    squares = scaled * scaled
    limit = (1 - _APART[scaled.itemsize]) * most
    return _Apart(factors, scaled, squares) if float(squares.max()) < limit * limit else None


class _Apart(NamedTuple):
    """Products of factors, kernels scaled by them, and the squares: both 0 for an input with itself in one pass."""

    factors: Any
    scaled: Any
    squares: Any


def _rectifier(
    activation: activations.Activation, pairs: Pairs, one: Rows, two: Rows, behind1: Rows, behind2: Rows
) -> None:
    """By c where all pairs are apart, else by the gap."""
    apart = _apart(pairs, one.factor("inverse", _inverse), two.factor("inverse", _inverse))
    if apart is None:
        _rectifier_near(activation, pairs, behind1, behind2)
    else:
        _rectifier_apart(activation, pairs, apart)
        pairs.tell(behind1, behind2)


def _inverse(rows: Rows) -> np.ndarray:
    """Return 1/√q; NaN where q is 0, which is close to everything."""
    return np.divide(1, rows.root, out=np.full_like(rows.root, np.nan), where=rows.root > 0)


def _rectifier_apart(activation: activations.Activation, pairs: Pairs, apart: _Apart) -> None:
    r"""λ̂c + ε̂(2/π)(√(1 − c²) + c arcsin c), whose derivative is λ̂ + ε̂(2/π) arcsin c."""
    xp = pairs.xp
    total, even = _slopes(activation)
    inverse_roots, cosine, value = apart
    angle = xp.arcsin(cosine)
    value *= -1.0
    value += 1.0
    xp.sqrt(value, out=value)
    value += cosine * angle
    value *= 2 / np.pi * even * total
    cosine *= (1 - even) * total
    value += cosine
    value /= inverse_roots
    angle *= 2 / np.pi * even * total
    angle += (1 - even) * total
    if pairs.one_pass:
        pairs.diagonal(angle)[...] = total
    pairs.ntk *= angle
    pairs.nngp = value


def _rectifier_near(activation: activations.Activation, pairs: Pairs, one: Rows, two: Rows) -> None:
    r"""φ of slopes l and r, with λ = ((l+r)/2)² and ε = ((r−l)/2)², θ = arccos |c|, s = sin θ.

    E[φφ]/√(E[φ²]E[φ²]) = ±λ̂(1 − g) + ε̂(1 − g + (2/π)(s − (1 − g)θ)), λ̂ + ε̂ = 1, g the gap, so that
    for c ≥ 0 the gap becomes g − ε̂(2/π)(s − (1 − g)θ).
    """
    xp, gap = pairs.xp, pairs.gap
    total, even = _slopes(activation)
    negative = pairs.nngp < 0
    mixed = bool(negative.any())
    half = xp.sqrt(gap * 0.5)
    angle = xp.arcsin(half)
    excess = gap * -0.5
    excess += 1.0
    xp.sqrt(excess, out=excess)
    excess *= half
    rest = 1.0 - gap
    rest *= angle
    excess -= rest
    excess *= 4 / np.pi * even
    if mixed:
        turned, cosine = _turned(xp, gap[negative], excess[negative], even)
        angle[negative] = np.pi / 2 - angle[negative]
    gap -= excess
    if mixed:
        gap[negative] = turned
    if pairs.ntk is not None:
        angle *= -4 / np.pi * even * total
        angle += total
        pairs.ntk *= angle
    xp.subtract(xp.ones_like(gap[..., :1]), gap, out=rest)
    if mixed:
        rest[negative] *= xp.sign(cosine)
    rest *= pairs.product(one.root, two.root)
    pairs.nngp = rest


def _turned(xp: Any, gap: Any, excess: Any, even: float) -> tuple[Any, Any]:
    """Return gap and cosine behind a rectifier for obtuse angles, whose linear part is turned around."""
    rest = 1 - gap
    cosine = (2 * even - 1) * rest + excess
    behind = xp.where(cosine < 0, gap + 2 * even * rest + excess, gap + 2 * (1 - even) * rest - excess)
    return xp.clip(behind, 0.0, 1.0), cosine


@cache
def _slopes(activation: activations.Activation) -> tuple[float, float]:
    """Return λ + ε and ε̂ of a homogeneous function."""
    left, right = (float(activation(sign)) * sign for sign in (-1.0, 1.0))
    total = (left**2 + right**2) / 2
    return total, ((right - left) / 2) ** 2 / total if total else 0.0


def _erf(
    activation: activations.Activation, pairs: Pairs, one: Rows, two: Rows, behind1: Rows, behind2: Rows
) -> None:
    r"""K = (2/π) arcsin c̃ and K̇ = (4/π)√(δ₁δ₂)/√(1 − c̃²), c̃ = α₁α₂c, δ = 1/(1 + 2q), α² = 1 − δ."""
    factors = one.factor("erf", _erf_factor), two.factor("erf", _erf_factor)
    apart = _apart(pairs, *factors, most=one.least("alpha", _alpha) * two.least("alpha", _alpha))
    if apart is None:
        _erf_near(activation, pairs, one, two, behind1, behind2)
    else:
        _erf_apart(pairs, apart, one)
        pairs.tell(behind1, behind2)


def _erf_factor(rows: Rows) -> np.ndarray:
    """Return √(2δ), so that c̃ = √(2δ₁)√(2δ₂) K."""
    return np.sqrt(2 * rows.derive("delta", _delta))


def _erf_apart(pairs: Pairs, apart: _Apart, one: Rows) -> None:
    """By c̃ itself."""
    xp = pairs.xp
    factors, sine, cosine = apart
    cosine *= -((np.pi / 2) ** 2)
    cosine += (np.pi / 2) ** 2
    if pairs.one_pass:
        delta = one.derive("delta", _delta)
        pairs.diagonal(cosine)[...] = pairs.like((np.pi / 2) ** 2 * delta * (2 - delta))
    xp.sqrt(cosine, out=cosine)
    pairs.ntk *= factors
    pairs.ntk /= cosine
    xp.arcsin(sine, out=sine)
    sine *= 2 / np.pi
    pairs.nngp = sine


def _erf_near(
    activation: activations.Activation, pairs: Pairs, one: Rows, two: Rows, behind1: Rows, behind2: Rows
) -> None:
    """By the gap, but where c̃ is below a half by c̃ itself, which keeps its digits near 0."""
    xp, near = pairs.xp, _near(pairs, _NEAR, activation)
    (a1, d1), (a2, d2) = ((rows.derive("alpha", _alpha), rows.derive("delta", _delta)) for rows in (one, two))
    after = _near_gap(activation, pairs, near, one, two, behind1, behind2)
    direct = pairs.outer(one.factor("erf", _erf_factor), two.factor("erf", _erf_factor)) * pairs.nngp
    apart = pairs.inner(_beside(a1 / np.sqrt(2)), _beside(-a2 / np.sqrt(2))[..., ::-1])
    apart *= apart
    apart += pairs.inner(_beside(d1 / 2), _beside(d2 / 2)[..., ::-1])
    gap = pairs.gap
    gap *= pairs.product(a1, a2)
    gap += apart
    if pairs.ntk is not None:
        sine = 2.0 - gap
        sine *= gap
        xp.sqrt(sine, out=sine)
        pairs.ntk *= pairs.product(4 / np.pi * np.sqrt(d1), np.sqrt(d2))
        pairs.ntk /= sine
    gap *= 0.5
    xp.sqrt(gap, out=gap)
    xp.arcsin(gap, out=gap)
    gap *= -4 / np.pi
    gap += 1.0
    small = abs(direct) < 0.5
    direct *= small
    pairs.nngp = xp.where(small, 2 / np.pi * xp.arcsin(direct), xp.copysign(gap, pairs.nngp))
    _direct_gap(pairs, behind1, behind2)
    _put_near(pairs, near, after)


def _beside(values: np.ndarray) -> np.ndarray:
    """Return the values and 1 on a last axis: u + v is their inner product with (1, v)."""
    return np.stack([values, np.ones_like(values)], axis=-1)


def _alpha(rows: Rows) -> np.ndarray:
    return np.sqrt(2 * rows.variance / (1 + 2 * rows.variance))


def _delta(rows: Rows) -> np.ndarray:
    return 1 / (1 + 2 * rows.variance)


def _by_pair(
    activation: activations.Activation, pairs: Pairs, one: Rows, two: Rows, behind1: Rows, behind2: Rows
) -> None:
    """By the closed form of :mod:`rmtlab.activations`, in NumPy."""
    near = _near(pairs, _NEAR, activation)
    after = _near_gap(activation, pairs, near, one, two, behind1, behind2)
    parts = pairs.first(one.variance), pairs.second(two.variance), pairs.nngp, pairs.gap
    a, b, k, gap = np.broadcast_arrays(*map(in_double, parts))
    value, slope = activation._dual(Pair.near(a, b, gap, k))
    _put(pairs, value, slope)
    _direct_gap(pairs, behind1, behind2)
    _put_near(pairs, near, after)


def _by_series(
    activation: activations.Activation, pairs: Pairs, one: Rows, two: Rows, behind1: Rows, behind2: Rows
) -> None:
    """By Mehler's formula, and by quadrature the pairs for which that is not certain."""
    smooth = not activation.kinks
    near, after = _near(pairs, _NEAR_SMOOTH if smooth else _NEAR, activation), None
    if not smooth:
        after = _near_gap(activation, pairs, near, one, two, behind1, behind2)
    value, slope = _hermite.averages(activation, pairs, one, two)
    if smooth and near is not None:
        after = _near_gap(activation, pairs, near, one, two, behind1, behind2, slope[near])
    pairs.nngp = value
    if pairs.ntk is not None:
        pairs.ntk *= slope
    _direct_gap(pairs, behind1, behind2)
    _put_near(pairs, near, after)


def _put(pairs: Pairs, value: np.ndarray, slope: np.ndarray) -> None:
    pairs.nngp = pairs.like(value)
    if pairs.ntk is not None:
        pairs.ntk *= pairs.like(slope)


def _direct_gap(pairs: Pairs, one: Rows, two: Rows) -> None:
    """Form the gap as a difference, which is good to rounding beside 1."""
    xp = pairs.xp
    gap = abs(pairs.nngp)
    gap *= pairs.product(-inverse_root(one), inverse_root(two))
    gap += 1.0
    pairs.gap = xp.clip(gap, 0.0, 1.0)
    zero1, zero2 = (rows.derive("zero", lambda rows: 1.0 * (rows.root == 0)) for rows in (one, two))
    if zero1.any() and zero2.any():
        pairs.gap -= pairs.first(zero1) * pairs.second(zero2)


def _put_near(pairs: Pairs, near: Any, gap: Any) -> None:
    """Take the gap from near pairs that are still near; of the others, its difference has the better digits."""
    if near is not None:
        found = pairs.gap[near]
        pairs.gap[near] = pairs.xp.where(found < _NEAR, gap, found)


def _near(pairs: Pairs, below: float, activation: activations.Activation) -> Any:
    """Mark the pairs so nearly parallel, or opposite if φ is odd or even; None if there are none to care for."""
    near = pairs.gap < below
    if not pairs.sharp or not bool(near.any()):
        return None
    if not activation.parity:
        near &= pairs.nngp >= 0
    return near if bool(near.any()) else None


def _near_gap(
    activation: activations.Activation,
    pairs: Pairs,
    near: Any,
    one: Rows,
    two: Rows,
    behind1: Rows,
    behind2: Rows,
    slope: Any = None,
) -> Any:
    r"""Return the gap behind the activation of nearly parallel pairs.

    With m = √(ab), M = √(E[φ(u)²]E[φ(v)²]) and D = m·gap, Price's theorem gives

        M − K = [M − K(m)] + ∫_{m−D}^{m} K̇(k) dk = [M − K(m)] + D ∫₀¹ 2t K̇(m − Dt²) dt,

    with a smooth integrand in t even where K̇ has a square root at k = m; the bracket is zero where
    a = b. For a smooth function K̇ may be given, and counts as constant.
    """
    if near is None:
        return None
    where = as_numpy(near)
    a, b, at1, at2, gap = (
        np.broadcast_to(as_numpy(part), where.shape)[where].astype(np.float64)
        for part in (
            pairs.first(one.variance),
            pairs.second(two.variance),
            pairs.first(behind1.root),
            pairs.second(behind2.root),
            pairs.gap,
        )
    )
    middle = np.sqrt(a) * np.sqrt(b)
    mean = np.zeros_like(gap) if slope is None else as_numpy(slope).astype(np.float64)
    rough = np.flatnonzero(middle * gap > (_CONSTANT if slope is not None else 0.0))
    if len(rough):
        mean[rough] = _mean_slope(activation, a[rough], b[rough], gap[rough])
    size = at1 * at2
    some = size > 0
    safe = np.where(some, size, 1.0)
    with np.errstate(invalid="ignore"):
        change = np.where(gap > 0, np.sqrt(a) * (np.sqrt(b) * gap) * mean, 0.0) / safe
    found = np.where(some, np.clip(change + _mismatch(activation, a, b, safe), 0.0, 1.0), 0.0)
    return pairs.like(np.where(some | ((at1 == 0) & (at2 == 0)), found, 1.0))


def _mean_slope(
    activation: activations.Activation, a: np.ndarray, b: np.ndarray, gap: np.ndarray
) -> np.ndarray:
    """Return ∫₀¹ 2t K̇(m − Dt²) dt, on halves of halves of [0, 1] where K̇ changes much."""

    def slopes(which: Any, t: float) -> np.ndarray:
        return np.asarray(activation._dual(Pair.near(a[which], b[which], gap[which] * t * t))[1])

    def over(which: Any, low: float, high: float) -> np.ndarray:
        nodes, weights = low + (high - low) * (_NODES + 1) / 2, (high - low) * _WEIGHTS
        return sum(w * t * slopes(which, t) for t, w in zip(nodes, weights, strict=True))

    found = over(slice(None), 0.0, 1.0)
    far, near = slopes(slice(None), 1.0), slopes(slice(None), 0.0)
    steep = np.flatnonzero(np.abs(far - near) > _STEEP * np.abs(near))
    if len(steep):
        ends = [0.0, *2.0 ** np.arange(-_HALVINGS, 1)]
        found[steep] = sum(over(steep, low, high) for low, high in pairwise(ends))
    return found


def _mismatch(
    activation: activations.Activation, a: np.ndarray, b: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Return 1 − K/M of exactly parallel pairs, which is zero where a = b.

    In x = ln(a/b)/2 it is a power series that starts with x²; where x is small the series is fitted
    at four larger x, which are as small as the function asks for.
    """
    found = np.zeros_like(a)
    apart = np.flatnonzero((a != b) & (a > 0) & (b > 0))
    if not len(apart):
        return found
    a, b, size = a[apart], b[apart], size[apart]
    x = np.abs(_log_ratio(a, b)) / 2
    direct = 1 - np.asarray(activation._dual(Pair.near(a, b, np.zeros_like(a)))[0]) / size
    step = _STEP
    small = np.flatnonzero(x < step)
    while len(small):
        middle = np.sqrt(a[small]) * np.sqrt(b[small])
        values = np.stack([_parallel(activation, middle, ratio * step) for ratio in _RATIOS])
        powers = np.arange(2, 2 + len(_RATIOS))
        scaled = np.linalg.solve(_RATIOS[:, None] ** powers, values)
        fitted = np.sum(scaled * (x[small] / step) ** powers[:, None], axis=0)
        straight = values.max(axis=0) < _BENT
        direct[small[straight]] = fitted[straight]
        step /= 10
        small = small[~straight & (x[small] < step)]
    found[apart] = np.maximum(direct, 0.0)
    return found


def _parallel(activation: activations.Activation, middle: np.ndarray, x: float) -> np.ndarray:
    """Return 1 − K/M of parallel pairs of variances m·e^{±x}."""
    low, high = middle * np.exp(-x), middle * np.exp(x)
    parallel = np.asarray(activation._dual(Pair.near(low, high, np.zeros_like(low)))[0])
    return 1 - parallel / (np.sqrt(activation.moment(low, 2)) * np.sqrt(activation.moment(high, 2)))


def _log_ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ln(a/b), to relative precision where a and b are nearly equal, and at any ratio."""
    apart = (a - b) / b
    near = np.abs(apart) < 0.5
    return np.where(near, np.log1p(np.where(near, apart, 0.0)), np.log(a) - np.log(b))
