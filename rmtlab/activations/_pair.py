"""A covariance of two Gaussians, in the form that keeps its digits when they are nearly parallel."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.gaussian import _correlation, _geometric_mean

_SLACK = 1e-6
_CLOSE = 1e-3
_TINY = np.finfo(float).tiny  # below it rounding is no longer relative


@dataclass(frozen=True, eq=False)
class Pair:
    """Variances a and b, covariance k, correlation c, s = √(ab − k²) and gap = 1 − |c|.

    Exact where a = b, so that k = a gives s = 0. No product is formed that could leave float64.
    """

    a: np.ndarray
    b: np.ndarray
    k: np.ndarray
    c: np.ndarray
    s: np.ndarray
    gap: np.ndarray

    @classmethod
    def of(cls, q11: Any, q22: Any, q12: Any) -> "Pair":
        """Check and broadcast a covariance; correlations a little beyond ±1 are rounding and are clipped."""
        a, b, k = (_checks.array(q, name) for q, name in ((q11, "q11"), (q22, "q22"), (q12, "q12")))
        try:
            a, b, k = np.broadcast_arrays(a, b, k)
        except ValueError:
            raise ValueError(
                "q11, q22 and q12 must have shapes that broadcast together, "
                f"but their shapes are {a.shape}, {b.shape} and {k.shape}."
            ) from None
        for variance, name in ((a, "q11"), (b, "q22")):
            if variance.min() < 0:
                raise ValueError(
                    f"{name} is a variance and must be at least 0, but {variance.min():g} was given."
                )
        g = _geometric_mean(a, b)
        excess = np.abs(k) - g
        if np.any(excess > _SLACK * g + _TINY):
            worst = np.unravel_index(np.argmax(excess), excess.shape)
            raise ValueError(
                f"q12 = {k[worst]:g} is impossible beside q11 = {a[worst]:g} and q22 = {b[worst]:g}: "
                "a covariance is at most √(q11·q22) in size."
            )
        k = np.clip(k, -g, g)
        closeness, gap, direction = _correlation(a, b, k)
        return cls(a, b, k, direction * closeness, g * np.sqrt(gap * (1 + closeness)), gap)

    @classmethod
    def near(cls, a: np.ndarray, b: np.ndarray, gap: np.ndarray, sign: Any = 1.0) -> "Pair":
        """Return the covariance whose correlation is 1 − gap, with the sign of `sign`."""
        g = _geometric_mean(a, b)
        c = np.copysign(1 - gap, sign)
        return cls(a, b, g * c, c, g * np.sqrt(gap * (2 - gap)), gap)

    @classmethod
    def parallel(cls, q: np.ndarray) -> "Pair":
        """Return the covariance of (u, u)."""
        return cls(q, q, q, np.sign(q), np.zeros_like(q), np.zeros_like(q))

    def rests(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a − |k| and b − |k|, from the gap where a difference would lose digits."""
        g, k = _geometric_mean(self.a, self.b), np.abs(self.k)
        apart, lost = np.sqrt(self.a) - np.sqrt(self.b), g * self.gap
        near = (self.gap < _CLOSE) & (np.abs(self.a - self.b) < _CLOSE * g)
        left, right = np.sqrt(self.a) * apart + lost, lost - np.sqrt(self.b) * apart
        return np.where(near, left, self.a - k), np.where(near, right, self.b - k)

    @cached_property
    def arcsine(self) -> np.ndarray:
        """Return arcsin c; two zero variances count as c = 1, one as c = 0 (the limits of small inputs)."""
        return np.where((self.a == 0) & (self.b == 0), np.pi / 2, np.arctan2(self.k, self.s))
