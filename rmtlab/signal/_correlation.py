r"""The stable fixed point of the correlation map, for many networks at once.

With Hermite coefficients a_n(q) = E[φ(√q z) He_n(z)]/√n! and u = 1 − c the map is

    1 − C = δ + (w/V) Σ a_n² (1 − cⁿ),    δ = 1 − C(1) = (w (gain − 1) E[φ²] + w·added)/V,

a sum of positive terms: nothing cancels near c = 1. u − δ − Σ is convex in u and not negative at u = 1, so
Newton's method from u = 1 falls monotonically on the largest root, which is the stable c* in [0, 1].
Coefficients are tabulated in log q. Kinked functions, and points that the series cannot certify, take
the dual of the activation in place of the series.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from rmtlab import activations
from rmtlab.activations import Activation, _mehler
from rmtlab.signal import _moments

CRITICAL = 1e-10  # |χ₁ − 1| below this is critical
TERMS = (64, 256, 1024)
_TAIL = 1e-13
_SURE = 1e-12
_STEPS = 200
_CHUNK = 4096
_NOTHING = 1e-28  # a square below this, over E[φ²], is rounding: every other one where φ is odd
_STALL = 2e-16
_LEAST = -690.0  # log c at c = 0, of which products with n stay finite


@dataclass(frozen=True)
class Points:
    """Networks at finite q > 0, flat arrays: V = w(gain·M + added) + b, and M = E[φ²]."""

    q: np.ndarray
    w: np.ndarray
    b: np.ndarray
    m: np.ndarray
    gain: float
    added: float

    def __getitem__(self, where: np.ndarray) -> "Points":
        return Points(self.q[where], self.w[where], self.b[where], self.m[where], self.gain, self.added)

    @property
    def v(self) -> np.ndarray:
        """V(q)."""
        return self.w * (self.gain * self.m + self.added) + self.b

    @property
    def gap(self) -> np.ndarray:
        """δ = 1 − C(1)."""
        return self.w * ((self.gain - 1) * self.m + self.added) / self.v


def stable(activation: Activation, points: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 1 − c*, C′(c*) and the residual |C(c*) − c*| of the least fixed point of C on [0, 1]."""
    found = np.full((3, len(points.q)), np.nan)
    left = np.arange(len(points.q))
    for terms in TERMS if not activation.kinks else ():
        parts = [left[i : i + _CHUNK] for i in range(0, len(left), _CHUNK)]
        unsure = []
        for part in parts:
            values, sure = _by_series(activation, points[part], terms)
            found[:, part[sure]] = values[:, sure]
            unsure.append(part[~sure])
        left = np.concatenate(unsure) if unsure else left
    if left.size:
        found[:, left] = _by_dual(activation, points[left])
    return found[0], found[1], found[2]


def fixed(
    activation: Activation, points: Points, chi: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 1 − c*, C′(c*) and the residual; without noise c* = 1 wherever C′(1) = χ₁ ≤ 1."""
    found = np.stack([np.zeros_like(chi), chi, np.zeros_like(chi)])
    rest = np.flatnonzero((points.gap > 0) | (chi > 1 + CRITICAL))
    if rest.size:
        found[:, rest] = stable(activation, points[rest])
    return found[0], found[1], found[2]


def tangent(slopes: tuple[float, float], gain: float) -> tuple[Activation, Points]:
    """Return the c-map where only two slopes of φ count, at q = 0 and at q = ∞: the rectifier's κ(c)/gain."""
    small, large = sorted(slopes, key=abs)
    rectifier = activations.get("leaky_relu", slope=small / large if large else 1.0)
    one = np.ones(1)
    m = np.asarray(rectifier.moment(one, 2))
    return rectifier, Points(one, 1 / (gain * m), 0 * one, m, gain, 0.0)


@cache
def at_a_limit(slopes: tuple[float, float], gain: float) -> tuple[float, float, float]:
    """Return 1 − c*, C′(c*) and the residual where only two slopes of φ count, which is the same for every σ_w²."""
    gap, slope, residual = (float(x[0]) for x in fixed(*tangent(slopes, gain), np.ones(1)))
    return gap, slope, residual


def _by_series(activation: Activation, points: Points, terms: int) -> tuple[np.ndarray, np.ndarray]:
    squares, sure = _squares(activation, points.q, terms)
    share = points.w / points.v
    rest = np.maximum(points.m - squares.sum(axis=1), 0.0)
    n = 1 + np.flatnonzero(np.any(squares[:, 1:] > _NOTHING * points.m[:, None], axis=0))
    weighted = share[:, None] * squares[:, n]
    tail = share * rest

    def distance(u: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_c = np.maximum(np.log1p(-u), _LEAST)[:, None]
        part = weighted[rows]
        lost = np.einsum("ij,ij->i", part, -np.expm1(n * log_c))
        return lost + tail[rows], np.einsum("ij,ij->i", part * n, np.exp((n - 1) * log_c))

    values = _newton(distance, points.gap)
    with np.errstate(divide="ignore"):
        log_c = np.maximum(np.log1p(-values[0]), _LEAST)
    leftover = rest / points.m * np.exp((terms - 1) * log_c) * terms
    return values, sure & (leftover <= _TAIL)


def _by_dual(activation: Activation, points: Points) -> np.ndarray:
    def distance(u: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = points[rows]
        k, k_dot = activation.dual(at.q, at.q, (1 - u) * at.q)
        return at.w * (at.m - k) / at.v, at.w * at.q / at.v * k_dot

    return _newton(distance, points.gap)


def _newton(distance: Callable, gap: np.ndarray) -> np.ndarray:
    """Solve u = gap + distance(u) from the right; return u, C′(c) and the residual."""
    u = np.ones_like(gap)
    residual, slope = np.full_like(gap, np.inf), np.zeros_like(gap)
    todo = np.arange(len(gap))
    for _ in range(_STEPS):
        with np.errstate(divide="ignore"):
            far, slope[todo] = distance(u[todo], todo)
        height = u[todo] - gap[todo] - far
        residual[todo] = np.abs(height)
        with np.errstate(all="ignore"):
            step = np.where(slope[todo] < 1, height / (1 - slope[todo]), 0.0)
        moved = np.clip(u[todo] - step, 0.0, 1.0)
        stalled = (height <= 0) | (np.abs(moved - u[todo]) <= _STALL)
        u[todo[~stalled]] = moved[~stalled]
        todo = todo[~stalled]
        if not todo.size:
            break
    return np.stack([u, slope, residual])


def _squares(activation: Activation, q: np.ndarray, terms: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a_n(q)², one q a row, and whether they are sure."""
    interval, t = _moments.polynomials(np.log(q))
    squares, sure = np.empty((len(q), terms)), np.empty(len(q), dtype=bool)
    for one in np.unique(interval):
        rows = interval == one
        table, certain = _coefficients(activation, terms, int(one))
        squares[rows] = (t[rows] @ table) ** 2
        sure[rows] = certain
    return squares, sure


@cache
def _coefficients(activation: Activation, terms: int, interval: int) -> tuple[np.ndarray, bool]:
    """Return the Chebyshev coefficients in log q of a_0 … a_{terms−1} on one interval, and whether they are sure."""
    q = np.exp(_moments.nodes(interval, 1)[0])
    values, energy, sure = _mehler.all_coefficients(activation, q, activation.kinks, terms)
    table = _moments.chebyshev(values)
    certain = sure.all() and np.abs(table[:, -2:]).max() <= _SURE * np.sqrt(energy.max())
    return np.ascontiguousarray(table.T), bool(certain)
