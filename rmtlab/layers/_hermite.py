r"""Mehler's formula on blocks of pairs: Σ_n a_n(q₁) a_n(q₂) cⁿ, with the coefficients of each input once.

By Price's theorem the same coefficients give E[φ′(u)φ′(v)] = Σ_n n a_n(q₁) a_n(q₂) c^{n−1}/√(q₁q₂).
How many terms a block takes follows from its largest |c| and from what the first N squares leave of
E[φ²] and E[φ′²]. The sum is right to 1e-11 of √(E[φ(u)²]E[φ(v)²]); pairs that would need more than
256 terms go to the certified quadrature of :mod:`rmtlab.activations`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from rmtlab import activations
from rmtlab.activations import _mehler
from rmtlab.activations._namespace import NUMPY
from rmtlab.activations._pair import Pair
from rmtlab.layers._rows import Pairs, Rows, as_numpy, in_double, inverse_root

_TERMS = 256
_LEVELS = (12, 24, 48, 96, 160, _TERMS)  # even, so that the last term of an odd function is in
_TAIL = 4e-12
_ROUNDING = 2e-12  # what quadrature leaves of E[φ²] even where nothing is left
_FEW = 48  # so many variances are expanded one by one; more, by interpolation in ln q
_AGREE = 1e-13


@dataclass(eq=False)
class Series:
    """Coefficients of φ in Hermite polynomials for a set of inputs.

    `coefficients` has the shape (256, n) or (256, n, p), `tails` (len(levels), n[, p]): the part that the
    first N terms leave of the norm of φ, or of φ′ if that is more, relative to the norm.
    """

    coefficients: np.ndarray
    tails: np.ndarray
    odd: bool

    @classmethod
    def of(cls, activation: activations.Activation, variance: np.ndarray) -> "Series":
        """Expand φ(√q z) for every variance q."""
        q, place = np.unique(variance, return_inverse=True)
        coefficients, tails = (part[:, place.reshape(variance.shape)] for part in _expanded(activation, q))
        return cls(coefficients, tails, activation.parity == -1)

    def part(self, rows: slice) -> "Series":
        """Return some of the inputs."""
        return Series(self.coefficients[:, rows], self.tails[:, rows], self.odd)


def averages(activation: activations.Activation, pairs: Pairs, one: Rows, two: Rows) -> tuple[Any, Any]:
    """Return E[φ(u)φ(v)] and E[φ′(u)φ′(v)] of every pair."""
    left, right = one.extra, two.extra
    xp = pairs.xp
    c = xp.copysign(1.0 - pairs.gap, pairs.nngp)
    tails = [float(np.max(t1) * np.max(t2)) for t1, t2 in zip(left.tails, right.tails, strict=True)]
    reach = [
        1.0 if tail <= _TAIL else (_TAIL / tail) ** (1 / n) for n, tail in zip(_LEVELS, tails, strict=True)
    ]
    covering = (n for n, most in zip(_LEVELS, reach, strict=True) if not bool((pairs.gap < 1.0 - most).any()))
    value, slope = _sums(pairs, left, right, c, next(covering, _TERMS))
    beyond = pairs.gap < 1.0 - reach[-1]
    for side, rows in ((pairs.first, one), (pairs.second, two)):
        slope *= side(inverse_root(rows))
    if (one.root == 0).any() or (two.root == 0).any():
        beyond |= (pairs.first(one.root) == 0) | (pairs.second(two.root) == 0)
    if bool(beyond.any()):
        _certified(activation, pairs, one, two, beyond, value, slope)
    return value, slope


def _sums(pairs: Pairs, left: Series, right: Series, c: Any, terms: int) -> tuple[Any, Any]:
    """Sum `terms` terms and their derivative by Horner's rule; in c² for an odd function."""
    step = 2 if left.odd else 1
    x = c * c if left.odd else c
    value, slope = pairs.xp.zeros_like(c), pairs.xp.zeros_like(c)
    for n in range(terms - 1, -1, -step):
        slope *= x
        slope += value
        value *= x
        value += pairs.first(left.coefficients[n]) * pairs.second(right.coefficients[n])
    if left.odd:  # Σ b_j x^j with c^{2j+1}: derivative Σ b_j (2j + 1) x^j
        slope *= 2.0 * x
        slope += value
        value *= c
    return value, slope


def _certified(
    activation: activations.Activation, pairs: Pairs, one: Rows, two: Rows, which: Any, value: Any, slope: Any
) -> None:
    """Overwrite those entries by the activation's own dual."""
    where = as_numpy(which)
    parts = (pairs.first(one.variance), pairs.second(two.variance), pairs.gap, pairs.nngp)
    a, b, gap, k = (np.broadcast_to(in_double(part), where.shape)[where] for part in parts)
    found = activation._dual(Pair.near(a, b, gap, k))
    value[which], slope[which] = (pairs.like(np.asarray(part)) for part in found)


def _expanded(activation: activations.Activation, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and tails for increasing variances q."""
    if len(q) > _FEW and q[0] > 0:
        found = _interpolated(activation, q)
        if found is not None:
            return found
    return _exact(activation, q)


def _exact(activation: activations.Activation, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    function = partial(activation._rule.function, NUMPY)
    coefficients, energy, sure = _mehler.all_coefficients(function, q, activation.kinks, _TERMS)
    slopes = np.asarray(activation.derivative_moment(q, 2))
    n = np.arange(_TERMS)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.stack([coefficients**2 / energy, n * coefficients**2 / (q * slopes)])
    left = np.maximum(1 - np.cumsum(np.nan_to_num(squares), axis=1), 0.0)
    left = np.where((left < _ROUNDING) | (q == 0), 0.0, left)
    tails = np.sqrt(np.max(left, axis=0))[np.array(_LEVELS) - 1]
    return coefficients, np.where(sure, tails, 1.0)


def _interpolated(activation: activations.Activation, q: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Interpolate in ln q through Chebyshev points, if that agrees with what it should give in between."""
    low, high = np.log(q[0]), np.log(q[-1])
    for points in (16, 32, 64):
        if 2 * points > len(q):
            return None
        angles = (np.arange(points) + 0.5) * np.pi / points
        nodes = (low + high) / 2 + (high - low) / 2 * np.cos(angles)
        coefficients, tails = _exact(activation, np.exp(nodes))
        weights = (-1.0) ** np.arange(points) * np.sin(angles)
        test = np.exp((nodes[1:] + nodes[:-1]) / 2)[:: max(1, points // 8)]
        expected, _ = _exact(activation, test)
        gap = np.abs(_barycentric(nodes, weights, coefficients, np.log(test)) - expected)
        if np.all(gap <= _AGREE * np.sqrt(np.sum(expected**2, axis=0))):
            worst = np.max(tails, axis=1, keepdims=True)
            return _barycentric(nodes, weights, coefficients, np.log(q)), np.repeat(worst, len(q), axis=1)
    return None


def _barycentric(nodes: np.ndarray, weights: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    difference = at[:, None] - nodes
    hit = difference == 0
    terms = weights / np.where(hit, 1.0, difference)
    terms = np.where(hit.any(axis=1, keepdims=True), 1.0 * hit, terms)
    return values @ (terms / terms.sum(axis=1, keepdims=True)).T
