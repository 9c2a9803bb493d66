"""Inverses of G and M outside the spectrum, by Newton's method with the slopes that the solver knows."""

from collections.abc import Callable

import numpy as np

from rmtlab.laws._transforms import Inversion, _certified

Slopes = Callable[[np.ndarray], tuple[np.ndarray, ...]]

_MARGIN = 1e-12
_STEPS = 60
_DEEPEST = -600.0


class NewtonInversion(Inversion):
    """R and S of a law whose (G, G′, M′) come from `slopes`; real points stay a margin away from the hull."""

    def __init__(
        self,
        slopes: Slopes,
        hull: tuple[float, float],
        moment: Callable[[int], float],
        atoms: dict[float, float],
    ) -> None:
        self._slopes, self._atoms = slopes, atoms
        super().__init__(self._value, hull, moment, atoms.get(0.0, 0.0))

    def _value(self, z: np.ndarray) -> np.ndarray:
        value = self._slopes(z)[0]
        if np.any(np.isnan(value)):
            lost = z[np.isnan(value)][0]
            raise ValueError(
                f"The subordination equations did not converge at z = {lost:.6g}; take another argument."
            )
        return value

    def _outside(self, g: np.ndarray) -> np.ndarray:
        """The real z outside the hull with G(z) = g."""
        margin = _MARGIN * self._radius
        first, last = (
            self._extreme(end, side * margin) for end, side in zip(self._hull, (-1, 1), strict=True)
        )
        if np.any(beyond := (g < first) | (g > last)):
            raise ValueError(
                f"The R-transform of this law exists at real g from {first:.6g} to {last:.6g}, the values of "
                f"G outside the spectrum, but g = {g[beyond][0]:.6g} was given; take g closer to 0."
            )

        def at(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            value, slope, _ = self._slopes(z + 0j)
            return value.real, slope.real

        z = self._newton(at, g, np.abs(1.0 / g))
        return _certified(z, at(z)[0], g, "R")

    def _outside_positive(self, m: np.ndarray) -> np.ndarray:
        """The real z outside the hull of a law on [0, ∞) with M(z) = m: below 0 for m < 0, else above."""
        top, margin = self._hull[1], _MARGIN * self._radius
        first = self._zero_mass - 1.0
        last = (top + margin) * self._extreme(top, margin) - 1.0
        if np.any(beyond := (m <= first) | (m > last)):
            raise ValueError(
                f"The S-transform of this law exists at real m above {first:.6g} and up to {last:.6g}, "
                f"but m = {m[beyond][0]:.6g} was given; take m closer to 0."
            )

        def at(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            value, _, m_slope = self._slopes(z + 0j)
            return z * value.real - 1.0, m_slope.real

        z = self._newton(at, m, top / np.abs(m) + self._hull[0])
        return _certified(z, self._ratio(z), m, "S")

    def _extreme(self, end: float, margin: float) -> float:
        """G next to an end of the spectrum, where it is largest in modulus; infinite at an atom."""
        if end in self._atoms:
            return float(np.copysign(np.inf, margin))
        return float(self._value(np.array([end + margin + 0j]))[0].real)

    def _newton(
        self,
        at: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
        target: np.ndarray,
        farthest: np.ndarray,
    ) -> np.ndarray:
        """Newton in the logarithms of value and distance, between the hull and a distance `farthest` from it."""
        above = target > 0.0
        nearest = np.log(_MARGIN * self._radius)
        low = np.where(above | (self._hull[0] != 0.0), nearest, _DEEPEST)
        high = np.log(farthest) + 1e-9
        y = high - 1e-9
        for _ in range(_STEPS):
            distance = np.exp(y)
            value, slope = at(np.where(above, self._hull[1] + distance, self._hull[0] - distance))
            miss = np.log(value / target)
            low, high = np.where(miss > 0.0, y, low), np.where(miss > 0.0, high, y)
            rate = slope / value * np.where(above, distance, -distance)
            newton = y - miss / rate
            inside = (newton > low) & (newton < high)
            following = np.where(inside, newton, 0.5 * (low + high))
            if np.all(np.abs(following - y) <= 1e-15 * np.maximum(1.0, np.abs(y))):
                break
            y = following
        return np.where(above, self._hull[1] + np.exp(y), self._hull[0] - np.exp(y))
