"""Integrals against a density with algebraic edges, on panels that shrink geometrically towards each edge.

On a panel whose ends stand in the ratio 4 as seen from the edge, 20 Gauss–Legendre nodes reach rounding error
for any density that is analytic inside its interval. What lies below the last panel follows the edge's local
power law.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Density = Callable[[np.ndarray], np.ndarray]
Function = Callable[[Any], Any]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
_RATIO = 4.0


class Panels:
    """The measure density(x) dx on one interval; its panels shrink towards `near`, too, if given."""

    def __init__(self, density: Density, interval: tuple[float, float], near: complex | None = None) -> None:
        self._density = density
        self._breaks = _breaks(*interval, near)
        self._points, self._lengths = _rule(self._breaks[:-1], self._breaks[1:])
        self._heights = self._values(self._points)
        ends = ((interval[0], self._breaks[0]), (interval[1], self._breaks[-1]))
        self._caps = tuple(_Cap(density, edge, float(first)) for edge, first in ends)
        self._cumulative = np.concatenate([[0.0], np.cumsum((self._lengths * self._heights).sum(axis=-1))])

    def integral(self, f: Function) -> Any:
        """Integral of f(x) density(x) dx."""
        caps = sum(cap.mass * f(cap.centre) for cap in self._caps)
        return np.sum(self._lengths * self._heights * f(self._points)) + caps

    def cauchy(self, z: complex) -> complex:
        """Integral of density(x)/(z − x) dx; what is constant near Re z is integrated in closed form."""
        first, last = self._breaks[0], self._breaks[-1]
        is_near = first < z.real < last and abs(z.imag) < last - first
        level = self._values(np.array([z.real]))[0] if is_near else 0.0
        smooth = np.sum(self._lengths * (self._heights - level) / (z - self._points))
        return (
            smooth
            + level * np.log((z - first) / (z - last))
            + sum(cap.mass / (z - cap.centre) for cap in self._caps)
        )

    def mass_below(self, x: np.ndarray) -> np.ndarray:
        """Mass of the interval's part up to x."""
        panel = np.clip(np.searchsorted(self._breaks, x, side="right") - 1, 0, self._breaks.size - 2)
        start, end = self._breaks[panel], self._breaks[panel + 1]
        points, lengths = _rule(start, np.clip(x, start, end))
        inside = np.sum(lengths * self._values(points), axis=-1)
        lower, upper = self._caps
        return lower.mass_within(x) + self._cumulative[panel] + inside + upper.mass - upper.mass_within(x)

    def _values(self, points: np.ndarray) -> np.ndarray:
        return self._density(points.ravel()).reshape(points.shape)


class _Cap:
    """The last sliver at an edge, where density ≈ C·d^β in the distance d from the edge."""

    def __init__(self, density: Density, edge: float, first: float) -> None:
        self._edge, self._step = edge, first - edge
        near, far = density(np.array([first, edge + 2.0 * (first - edge)]))
        slope = np.log2(far / near) if near > 0 and far > 0 else 0.0
        self._power = 1.0 + max(float(slope), -0.99)
        self.mass = float(near) * abs(self._step) / self._power
        self.centre = edge + 0.5 * (first - edge)

    def mass_within(self, x: np.ndarray) -> np.ndarray:
        """Mass between the edge and x."""
        return self.mass * np.clip((x - self._edge) / self._step, 0.0, 1.0) ** self._power


def _rule(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = 0.5 * (right - left)[..., None]
    return (0.5 * (right + left))[..., None] + half * _NODES, half * _WEIGHTS


def _breaks(a: float, b: float, near: complex | None) -> np.ndarray:
    half = 0.5 * (b - a)
    points = [a + _steps(half, _finest(a, half)), b - _steps(half, _finest(b, half))]
    if near is not None:
        x = min(max(near.real, a), b)
        height = max(abs(near - x), _finest(x, half))
        if height < half:
            points += [np.array([x]), x - _steps(half, height), x + _steps(half, height)]
    breaks = np.unique(np.concatenate(points))
    return breaks[(breaks >= points[0].min()) & (breaks <= points[1].max())]


def _steps(largest: float, smallest: float) -> np.ndarray:
    count = max(1, int(np.ceil(np.log(largest / smallest) / np.log(_RATIO))))
    return largest * _RATIO ** -np.arange(count + 1.0)


def _finest(edge: float, half: float) -> float:
    """Return the smallest useful distance from `edge`: float64 resolves 0 far better than other numbers."""
    return 1e-30 * half if edge == 0.0 else min(max(1e-10 * abs(edge), 1e-30 * half), 0.25 * half)
