"""Fuss–Catalan laws: products of independent square Gaussian matrices, at every real order."""

from dataclasses import dataclass
from fractions import Fraction
from math import factorial, log, pi, prod

import numpy as np

from rmtlab import _checks
from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._monotone import increasing_root

__all__ = ["FussCatalan"]

_BOUND = 745.0
_NEAR_AXIS = 1e-20


@dataclass(frozen=True)
class FussCatalan(SpectralLaw):
    r"""Fuss–Catalan law, the limiting spectrum of :math:`JJ^\top` for J a product of s = order square Ginibres.

    It is the free multiplicative power s of Marchenko–Pastur at aspect 1, also called free Bessel or Raney
    law, and exists for every real s > 0. With w = zG(z),

    .. math:: z = \frac{w^{s+1}}{w - 1}, \qquad S(m) = (1 + m)^{-s}, \qquad
              m_k = \frac1{sk + 1}\binom{(s+1)k}{k}, \qquad \kappa_k = \frac1k\binom{sk}{k - 1} .

    On the support, :math:`(0, (s+1)^{s+1}/s^s]`, with an angle :math:`0 < \varphi < \pi/(s+1)`,

    .. math:: x = \frac{\sin^{s+1}((s+1)\varphi)}{\sin\varphi\,\sin^s(s\varphi)}, \qquad
              \rho = \frac{\sin^2\varphi\,\sin^{s-1}(s\varphi)}{\pi \sin^s((s+1)\varphi)}, \qquad
              1 - F = \frac1\pi\Big((s+1)\varphi - s\,\frac{\sin\varphi\,\sin((s+1)\varphi)}{\sin(s\varphi)}\Big),

    so that :math:`\rho \sim x^{-s/(s+1)}` at 0. Order 1 is Marchenko–Pastur at aspect 1. From order 300 or so on,
    more than a percent of the mass lies below the smallest float64 number, where `quantile` gives 0.

    Parameters
    ----------
    order : float
        Number of factors s, above 0; need not be whole.

    Raises
    ------
    ValueError
        If `order` is not a finite number above 0.

    References
    ----------
    T. Banica, S. Belinschi, M. Capitaine and B. Collins, "Free Bessel laws", Canad. J. Math. 63 (2011).
    K. Penson and K. Życzkowski, "Product of Ginibre matrices: Fuss–Catalan and Raney distributions", Phys.
    Rev. E 83 (2011).

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.FussCatalan(order=2)
    >>> law.support, law.var, [law.moment(k) for k in range(5)]
    ([(0.0, 6.75)], 2.0, [1.0, 1.0, 3.0, 12.0, 55.0])
    """

    order: float

    def __post_init__(self) -> None:
        hint = "It is the number of factors; order 0 would be Dirac(1.0)."
        object.__setattr__(
            self, "order", _checks.number(self.order, "order", low=0.0, low_open=True, hint=hint)
        )

    @property
    def support(self) -> list[tuple[float, float]]:
        """The interval [0, (s+1)^{s+1}/s^s]."""
        return [(0.0, (self.order + 1.0) * ((self.order + 1.0) / self.order) ** self.order)]

    @property
    def mean(self) -> float:
        """Mean, 1."""
        return 1.0

    @property
    def var(self) -> float:
        """Variance, the order."""
        return self.order

    def _density(self, x: np.ndarray) -> np.ndarray:
        result = np.where(x == 0.0, np.inf, 0.0)
        inside = (x > 0.0) & (x < self.support[0][1])
        triangle = self._triangle(x[inside] + 0j)
        result[inside] = triangle.length * np.sin(triangle.angle) / (pi * x[inside])
        return result

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return self._triangle(x + 0j).cdf

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        level = np.clip(p, np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg)

        def log_cdf(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            triangle = _Triangle(self.order, t, 0.0, pi)
            return np.log(triangle.cdf), triangle.cdf_slope / triangle.cdf

        t = increasing_root(log_cdf, np.log(level), np.log(level) - np.log1p(-level) / 3.0, _BOUND)
        triangle = _Triangle(self.order, t, 0.0, pi)
        x = triangle.length**self.order * triangle.sin_outer / triangle.sin_angle
        return np.minimum(x, self.support[0][1])

    def _moment(self, k: int) -> float:
        return float(_raney(Fraction(self.order) + 1, k))

    def _free_cumulant(self, k: int) -> float:
        return float(_raney(Fraction(self.order), k))

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        triangle = self._triangle(z)
        return triangle.length * np.exp(-1j * triangle.angle) / z

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        """R = (1 + m)^s with m = g(1 + m)^s; at real g with m = e^t above 0 and m = −e^t/(1 + e^t) below."""
        s = self.order
        if not np.isrealobj(g):
            return super()._r_transform(g)
        last = ((s - 1.0) / s) ** (s - 1.0) / s if s >= 1.0 else np.inf
        if np.any(g >= last):
            raise ValueError(
                f"The R-transform of this law exists at real g below {last:.6g}, but g = {g.max():.6g} was "
                "given; take g closer to 0."
            )
        power = np.where(g < 0.0, s - 1.0, -s)

        def log_g(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            tail = np.logaddexp(0.0, t)
            return t + power * tail, 1.0 + power * np.exp(t - tail)

        target = np.log(np.maximum(np.abs(g), np.finfo(float).tiny))
        t = increasing_root(log_g, target, np.minimum(target, 0.0), _BOUND)
        return np.exp(np.where(g < 0.0, -s, s) * np.logaddexp(0.0, t))

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        if np.isrealobj(m) and np.any(m <= -1.0):
            raise ValueError(
                f"The S-transform of this law exists at real m above -1, but m = {m.min():.6g} was given; "
                "take m closer to 0."
            )
        return (1.0 + m) ** -self.order

    def _triangle(self, z: np.ndarray) -> "_Triangle":
        arg = np.maximum(np.arctan2(z.imag, z.real), np.clip(_NEAR_AXIS * np.abs(z), _NEAR_AXIS, 1e-9))
        rest = np.maximum(np.arctan2(z.imag, -z.real), _NEAR_AXIS)

        def log_modulus(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            triangle = _Triangle(self.order, t, arg, rest)
            return triangle.log_modulus, triangle.log_modulus_slope

        target = np.log(np.abs(z))
        t = increasing_root(log_modulus, target, self._guess(target, arg, rest), _BOUND)
        return _Triangle(self.order, t, arg, rest)

    def _guess(self, log_z: np.ndarray, arg: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """The exact solution at order 1, with z brought to the same place between 0 and the edge."""
        s = self.order
        log_edge = (s + 1.0) * log(s + 1.0) - s * log(s)
        at_order_one = np.exp(np.clip(2.0 / (s + 1.0) * (log_z - log_edge), -30.0, 600.0) + 1j * arg)
        share = 2.0 * np.angle(1.0 + np.sqrt(1.0 - 1.0 / at_order_one)) / rest
        return np.log(1.0 / np.clip(share, 1e-300, 1.0 - 1e-13) - 1.0)


class _Triangle:
    r"""The triangle 0, 1, w in the plane, for :math:`w = |w|e^{-i\alpha}` with :math:`z = w^{s+1}/(w - 1)`.

    With the outer angle :math:`\gamma = \arg z + (s+1)\alpha` at 1, the law of sines gives

    .. math:: |w| = \frac{\sin\gamma}{\sin(\gamma - \alpha)}, \qquad
              |z| = |w|^s\,\frac{\sin\gamma}{\sin\alpha},

    and |z| falls from ∞ to 0 as α climbs from 0 to (π − arg z)/(s+1): one real equation instead of a root to
    be chosen. Here t is the logit of π − γ as a share of rest = π − arg z, so that both ends keep their digits.
    """

    def __init__(
        self, order: float, t: np.ndarray, arg: np.ndarray | float, rest: np.ndarray | float
    ) -> None:
        decay = np.exp(-np.abs(t))
        small, large = decay / (1.0 + decay), 1.0 / (1.0 + decay)
        share, remaining = np.where(t < 0.0, large, small), np.where(t < 0.0, small, large)
        self._order, self._pace = order, rest * share * remaining
        self._below_pi = rest * remaining
        self.angle = rest * share / (order + 1.0)
        self.sin_angle = np.sin(self.angle)
        self._outer = arg + rest * share
        self.sin_outer = _sine(self._outer, self._below_pi)
        self._third = arg + order * self.angle
        self._sin_third = _sine(self._third, self._below_pi + self.angle)
        self.length = self.sin_outer / self._sin_third

    @property
    def log_modulus(self) -> np.ndarray:
        """log |z|."""
        return self._order * np.log(self.length) + np.log(self.sin_outer / self.sin_angle)

    @property
    def log_modulus_slope(self) -> np.ndarray:
        """Derivative of log |z| in t."""
        s = self._order
        outer, third, angle = self._cotangents
        return self._pace * (angle / (s + 1.0) - (s + 1.0) * outer + s**2 / (s + 1.0) * third)

    @property
    def cdf(self) -> np.ndarray:
        """F(z) for a real z on the support, a sum of positive terms."""
        return (self._below_pi + self._order * self.length * self.sin_angle) / pi

    @property
    def cdf_slope(self) -> np.ndarray:
        """Derivative of F in t."""
        s = self._order
        outer, third, angle = self._cotangents
        height_slope = s / (s + 1.0) * third - outer - angle / (s + 1.0)
        return self._pace * (1.0 + s * self.length * self.sin_angle * height_slope) / pi

    @property
    def _cotangents(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return (
            np.cos(self._outer) / self.sin_outer,
            np.cos(self._third) / self._sin_third,
            np.cos(self.angle) / self.sin_angle,
        )


def _sine(angle: np.ndarray, below_pi: np.ndarray) -> np.ndarray:
    """Sine of an angle that is known from both ends."""
    return np.sin(np.minimum(angle, below_pi))


def _raney(p: Fraction, k: int) -> Fraction:
    r"""Raney number :math:`\frac1k\binom{pk}{k-1}`, exact: every float is a fraction."""
    return prod((p * k - i for i in range(k - 1)), start=Fraction(1)) / factorial(k)
