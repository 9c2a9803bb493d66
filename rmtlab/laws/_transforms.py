r"""R- and S-transforms of any compactly supported law, by certified inversion of its Cauchy transform.

Notation: :math:`G(z) = E[1/(z-\lambda)]`, :math:`M(z) = zG(z) - 1`, [A, B] the hull of the spectrum,
r = max(|A|, |B|).
"""

from collections.abc import Callable
from math import inf

import numpy as np

from rmtlab.laws._bisection import first_float
from rmtlab.laws.cumulants import free_cumulants

Transform = Callable[[np.ndarray], np.ndarray]

_SERIES_ORDER = 12
_SERIES_RADIUS = 5e-3
_RESIDUAL = 1e-8
_NEAREST = 1e-280
_ITERATIONS = 50
_SETTLED = 2e-16


class Inversion:
    """R and S of one law, from its Cauchy transform, its hull, its moments and its mass at zero."""

    def __init__(
        self, cauchy: Transform, hull: tuple[float, float], moment: Callable[[int], float], zero_mass: float
    ) -> None:
        self._cauchy, self._hull, self._zero_mass = cauchy, hull, zero_mass
        self._radius = max(abs(hull[0]), abs(hull[1]))
        scale = self._radius or 1.0
        self._mean = moment(1)
        scaled = np.array([moment(k) / scale**k for k in range(1, _SERIES_ORDER + 1)])
        self._cumulants = free_cumulants(scaled) * scale ** np.arange(1.0, _SERIES_ORDER + 1)

    def r_transform(self, g: np.ndarray) -> np.ndarray:
        r"""R(g) with G(R(g) + 1/g) = g."""
        small = np.abs(g) * self._radius < _SERIES_RADIUS
        result = self._series(np.where(small, g, 0.0))
        if not np.all(small):
            away = g[~small]
            z = self._outside(away) if np.isrealobj(g) else self._in_disc(away)
            result[~small] = z - 1.0 / away
        return result

    def s_transform(self, m: np.ndarray) -> np.ndarray:
        r"""S(m) = (1 + m)/(m z) with M(z) = m."""
        if abs(self._mean) <= 1e-12 * self._radius:
            raise ValueError(
                "The S-transform needs a law with a mean other than 0, but this law's mean is 0."
            )
        small = np.abs(m) * self._radius < _SERIES_RADIUS * abs(self._mean)
        result = self._s_series(np.where(small, m, 0.0))
        if not np.all(small):
            away = m[~small]
            positive = np.isrealobj(m) and self._hull[0] >= 0.0
            z = self._outside_positive(away) if positive else self._in_univalent_disc(away)
            result[~small] = (1.0 + away) / (away * z)
        return result

    def _series(self, g: np.ndarray) -> np.ndarray:
        return np.polynomial.polynomial.polyval(g, self._cumulants)

    def _s_series(self, m: np.ndarray) -> np.ndarray:
        g = m / self._mean
        for _ in range(_SERIES_ORDER):
            g = m / self._series(g)
        return 1.0 / self._series(g)

    def _outside(self, g: np.ndarray) -> np.ndarray:
        """The real z outside the hull with G(z) = g."""
        first, last = self._real(np.array(_next_to(self._hull)))
        if np.any(beyond := (g < first) | (g > last)):
            raise ValueError(
                f"The R-transform of this law exists at real g from {first:.6g} to {last:.6g}, the values of "
                f"G outside the spectrum, but g = {g[beyond][0]:.6g} was given; take g closer to 0."
            )
        left, right = _next_to(self._hull)
        ends = [end + 1.0 / g for end in self._hull]
        low, high = (np.where(g > 0, np.maximum(end, right), np.minimum(end, left)) for end in ends)
        z = first_float(lambda x: self._real(x) <= g, low, high)
        return _certified(z, self._real(z), g, "R")

    def _outside_positive(self, m: np.ndarray) -> np.ndarray:
        """The real z outside the hull of a law on [0, ∞) with M(z) = m: below 0 for m < 0, else above."""
        top, just_above = self._hull[1], _next_to(self._hull)[1]
        first, last = self._zero_mass - 1.0, self._ratio(np.array([just_above]))[0]
        if np.any(beyond := (m <= first) | (m > last)):
            raise ValueError(
                f"The S-transform of this law exists at real m above {first:.6g} and up to {last:.6g}, "
                f"but m = {m[beyond][0]:.6g} was given; take m closer to 0."
            )
        low = np.where(m > 0, just_above, -top / np.abs(m))
        high = np.where(m > 0, top + top / np.abs(m), -_NEAREST)
        z = first_float(lambda x: self._ratio(x) <= m, low, high)
        return _certified(z, self._ratio(z), m, "S")

    def _in_disc(self, g: np.ndarray) -> np.ndarray:
        """The z with G(z) = g for complex |g| ≤ 1/(6r): there z ← 1/g + (z − 1/G(z)) contracts by 1/9."""
        bound = 1.0 / (6.0 * self._radius)
        if np.any(np.abs(g) > bound):
            raise ValueError(
                f"At complex g the R-transform of this law is found for |g| up to {bound:.6g}, but |g| = "
                f"{np.max(np.abs(g)):.6g} was given; take a smaller g, or a real one."
            )
        z = 1.0 / g + self._mean
        for _ in range(_ITERATIONS):
            step = 1.0 / g - 1.0 / self._complex(z)
            z = z + step
            if np.all(np.abs(step) <= _SETTLED * np.abs(z)):
                break
        return _certified(z, self._complex(z), g, "R")

    def _in_univalent_disc(self, m: np.ndarray) -> np.ndarray:
        r"""The z = 1/w with ψ(w) = M(1/w) = m, in a disc on which ψ is certainly injective.

        :math:`|m_k| \le r^k` gives :math:`|ψ'(w) - m_1| < |m_1|` for :math:`(1-r|w|)^{-2} < 1 + |m_1|/r`.
        """
        relative = abs(self._mean) / self._radius
        x = 1.0 - (1.0 + relative) ** -0.5
        bound = relative * x - x**2 / (1.0 - x)
        if np.any(np.abs(m) > bound):
            raise ValueError(
                f"The S-transform of this law is found for |m| up to {bound:.6g}, where it is certain to "
                f"exist, but |m| = {np.max(np.abs(m)):.6g} was given; take a smaller m."
            )
        w = m.astype(np.complex128) / self._mean
        for _ in range(_ITERATIONS):
            step = 1e-5 * w
            slope = (self._psi(w + step) - self._psi(w - step)) / (2.0 * step)
            change = (self._psi(w) - m) / slope
            w = w - change
            if np.all(np.abs(change) <= _SETTLED * np.abs(w)):
                break
        inside = np.abs(w) * self._radius <= x
        w = _certified(w, np.where(inside, self._psi(w), np.nan), m, "S")
        return 1.0 / (w.real if np.isrealobj(m) else w)

    def _real(self, z: np.ndarray) -> np.ndarray:
        return self._cauchy(z + 0j).real

    def _ratio(self, z: np.ndarray) -> np.ndarray:
        return z * self._real(z) - 1.0

    def _complex(self, z: np.ndarray) -> np.ndarray:
        flipped = z.imag < 0
        value = self._cauchy(np.where(flipped, z.conj(), z))
        return np.where(flipped, value.conj(), value)

    def _psi(self, w: np.ndarray) -> np.ndarray:
        return self._complex(1.0 / w) / w - 1.0


def _next_to(hull: tuple[float, float]) -> tuple[float, float]:
    """The nearest points outside the hull at which 1/(z − λ) does not overflow."""
    return (
        float(min(np.nextafter(hull[0], -inf), hull[0] - _NEAREST)),
        float(max(np.nextafter(hull[1], inf), hull[1] + _NEAREST)),
    )


def _certified(root: np.ndarray, value: np.ndarray, target: np.ndarray, name: str) -> np.ndarray:
    residual = np.abs(value - target) / np.abs(target)
    if not np.all(residual <= _RESIDUAL):
        worst = np.argmax(residual)
        raise ValueError(
            f"The {name}-transform could not be found at {target[worst]:.6g} (residual {residual[worst]:.1e} "
            f"instead of {_RESIDUAL:.0e}); take an argument closer to 0."
        )
    return root
