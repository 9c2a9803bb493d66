"""The Wachter law (free Jacobi): one sample covariance measured against the sum of two."""

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np

from rmtlab import _checks
from rmtlab.laws._base import SpectralLaw

__all__ = ["Wachter"]

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Wachter(SpectralLaw):
    r"""Wachter law, the limiting spectrum of :math:`A(A + B)^{-1}` for independent Wishart matrices A and B.

    A = XXᵀ and B = YYᵀ, with X p×n₁ and Y p×n₂ Gaussian, a = n₁/p, b = n₂/p and a + b ≥ 1, so that A + B has
    an inverse. With :math:`\lambda_\pm = \big(\sqrt{a(a+b-1)} \pm \sqrt b\big)^2/(a+b)^2`,

    .. math:: \rho(x) = \frac{(a+b)\sqrt{(\lambda_+ - x)(x - \lambda_-)}}{2\pi x(1-x)}, \qquad
              G(z) = \frac{1 - a + (a+b-2)z - (a+b)\sqrt{z - \lambda_-}\sqrt{z - \lambda_+}}{2z(1-z)},

    .. math:: S(m) = \frac{a + b + m}{a + m}, \qquad
              R(g) = \frac{2a}{a + b - g + \sqrt{(g + a - b)^2 + 4ab}},

    and atoms of mass 1 − a at 0 where a < 1 and 1 − b at 1 where b < 1. At a = b = 1 it is the arcsine law of
    [0, 1].

    It is also what two free projections P and Q of traces p and q show of each other: :math:`PQP` has the
    law (1 − p)δ₀ + p·Wachter(q/p, (1 − q)/p).

    Parameters
    ----------
    a : float
        Columns over rows of X, above 0.
    b : float
        Columns over rows of Y, above 0; a + b must be at least 1.

    Raises
    ------
    ValueError
        If `a` or `b` is not a finite number above 0, or their sum is below 1.

    References
    ----------
    K. Wachter, "The limiting empirical measure of multiple discriminant ratios", Ann. Stat. 8 (1980).

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.Wachter(a=3.0, b=0.5)
    >>> law.atoms, round(law.mean, 4), round(law.cdf(1.0, side="left"), 4)
    ({1.0: 0.5}, 0.8571, 0.5)
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            hint = "It is columns over rows of a data matrix."
            value = _checks.number(getattr(self, name), name, low=0.0, low_open=True, hint=hint)
            object.__setattr__(self, name, value)
        if self.a + self.b < 1.0 - _ROUNDING:
            raise ValueError(
                f"a + b must be at least 1, but a = {self.a:g} and b = {self.b:g} were given: with fewer columns "
                "than rows in all, A + B has no inverse. Take more columns."
            )

    @property
    def support(self) -> list[tuple[float, float]]:
        """The interval [λ₋, λ₊]; none where a + b = 1, which leaves the two atoms alone."""
        low, high = (-float(self._from_edges(np.zeros(1))[i][0]) + 0.0 for i in (0, 1))
        return [(low, high)] if self.a + self.b > 1.0 + _ROUNDING else []

    @property
    def atoms(self) -> dict[float, float]:
        """Mass 1 − a at 0 where a < 1, and 1 − b at 1 where b < 1."""
        return {x: 1.0 - shape for x, shape in ((0.0, self.a), (1.0, self.b)) if shape < 1.0}

    @property
    def mean(self) -> float:
        """Mean, a/(a + b)."""
        return self.a / (self.a + self.b)

    @property
    def var(self) -> float:
        """Variance, ab/(a + b)³."""
        return self.a * self.b / (self.a + self.b) ** 3

    def _density(self, x: np.ndarray) -> np.ndarray:
        below, above = self._distances(x)
        constant = (self.a + self.b) / (2.0 * pi)
        low, high = self.support[0]
        near_zero = np.sqrt(below) / x if low > 0.0 else _reciprocal_root(x)
        near_one = np.sqrt(above) / (1.0 - x) if high < 1.0 else _reciprocal_root(1.0 - x)
        return constant * near_zero * near_one

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        r"""The continuous mass :math:`c = \min(a,1) + \min(b,1) - 1` in the angle of x = mid − half·cos θ.

        :math:`\pi F = c\,\theta - |a-1|\,\arg(1 - r_0e^{-i\theta}) + |b-1|\,\arg(1 + r_1e^{i\theta})`
        """
        a, b = self.a, self.b
        below, above = self._distances(x)
        half_angle = np.arctan2(np.sqrt(below), np.sqrt(above))
        mass = min(a, 1.0) + min(b, 1.0) - 1.0
        near_zero = abs(a - 1.0) * _lag(half_angle, *_ratio(a, b))
        near_one = abs(b - 1.0) * _lead(half_angle, *_ratio(b, a))
        return (2.0 * mass * half_angle - near_zero + near_one) / pi

    def _moment(self, k: int) -> float:
        moments = np.ones(k + 1)
        for n in range(1, k + 1):
            falls = moments[: n - 1] - moments[1:n]
            moments[n] = (self.a * moments[n - 1] + moments[1:n] @ falls[::-1]) / (self.a + self.b)
        return float(moments[k])

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        a, b, root = self.a, self.b, self._root(z)
        line = (1.0 - a) + (a + b - 2.0) * z
        plus, minus = line + root, line - root
        stable = np.abs(plus) >= np.abs(minus)
        numerator = np.where(stable, 2.0 * (a + b - 1.0), minus)
        denominator = np.where(stable, plus, 2.0 * z * (1.0 - z))
        return numerator / denominator

    def _cauchy_and_slope(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """G and G′, from the quadratic z(1 − z)G² − (1 − a + (a + b − 2)z)G + a + b − 1 = 0."""
        value = self._cauchy(z)
        return value, value * ((1.0 - 2.0 * z) * value - (self.a + self.b - 2.0)) / self._root(z)

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        a, b = self.a, self.b
        root = np.sqrt((g + a - b) ** 2 + 4.0 * a * b)
        plus, minus = root + (a + b - g), root - (a + b - g)
        stable = np.abs(plus) >= np.abs(minus)
        return np.where(stable, 2.0 * a, minus) / np.where(stable, plus, 2.0 * g)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        if np.any(m == -self.a):
            raise ValueError(f"The S-transform of this law has a pole at m = {-self.a:g}; take another m.")
        return (self.a + self.b + m) / (self.a + m)

    def _root(self, z: np.ndarray) -> np.ndarray:
        r""":math:`(a + b)\sqrt{z - \lambda_-}\sqrt{z - \lambda_+}`."""
        from_low, from_high = self._from_edges(z)
        return (self.a + self.b) * np.sqrt(from_low) * np.sqrt(from_high)

    def _distances(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x − λ₋ and λ₊ − x."""
        from_low, from_high = self._from_edges(x)
        return np.maximum(from_low, 0.0), np.maximum(-from_high, 0.0)

    def _from_edges(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z − λ₋ and z − λ₊, each edge measured from the end of [0, 1] that it is nearer to."""
        low, high = _edges(self.a, self.b)
        below, above = _edges(self.b, self.a)
        return (
            z - low if low < 0.5 else (z - 1.0) + above,
            z - high if high < 0.5 else (z - 1.0) + below,
        )


def _edges(a: float, b: float) -> tuple[float, float]:
    """λ₋ and λ₊ without cancellation near 0; 1 − λ₊ and 1 − λ₋ are those of (b, a)."""
    outer = sqrt(a * max(a + b - 1.0, 0.0)) + sqrt(b)
    return ((a - 1.0) / outer) ** 2, (outer / (a + b)) ** 2


def _ratio(a: float, b: float) -> tuple[float, float]:
    """The ratio (√λ₊ − √λ₋)/(√λ₊ + √λ₋), and its distance to 1."""
    outer, inner = sqrt(a * (a + b - 1.0)), sqrt(b)
    gap = (a + b) * abs(a - 1.0) / (outer + inner)
    return min(outer, inner) / max(outer, inner), gap / max(outer, inner)


def _lag(half: np.ndarray, ratio: float, gap: float) -> np.ndarray:
    r"""The angle :math:`\arg(1 - re^{-2i\,\mathrm{half}})`, at most a right angle."""
    return np.arctan2(ratio * np.sin(2.0 * half), gap + 2.0 * ratio * np.sin(half) ** 2)


def _lead(half: np.ndarray, ratio: float, gap: float) -> np.ndarray:
    r"""The angle :math:`\arg(1 + re^{2i\,\mathrm{half}})`."""
    return np.arctan2(ratio * np.sin(2.0 * half), gap + 2.0 * ratio * np.cos(half) ** 2)


def _reciprocal_root(x: np.ndarray) -> np.ndarray:
    return np.divide(1.0, np.sqrt(x), out=np.full_like(x, np.inf), where=x > 0.0)
