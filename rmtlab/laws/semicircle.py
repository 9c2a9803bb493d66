"""Wigner's semicircle and its half: symmetric matrices, and singular values of square ones."""

from dataclasses import dataclass
from math import comb, gamma, pi, sqrt

import numpy as np

from rmtlab import _checks
from rmtlab.laws._base import SpectralLaw

__all__ = ["QuarterCircle", "Semicircle"]


@dataclass(frozen=True)
class Semicircle(SpectralLaw):
    r"""Wigner's semicircle, the limiting spectrum of ``ensembles.goe(n, var)``.

    .. math:: \rho(x) = \frac{\sqrt{4\sigma^2 - x^2}}{2\pi\sigma^2}, \qquad
              G(z) = \frac{z - \sqrt{z - 2\sigma}\sqrt{z + 2\sigma}}{2\sigma^2}, \qquad
              R(g) = \sigma^2 g, \qquad \sigma^2 = \mathrm{var}.

    Its mean is 0, so that it has no S-transform.

    Parameters
    ----------
    var : float
        Variance, above 0; the support is [−2√var, 2√var].

    Raises
    ------
    ValueError
        If `var` is not a finite number above 0.

    References
    ----------
    E. Wigner, "On the distribution of the roots of certain symmetric matrices", Ann. Math. 67 (1958).

    Examples
    --------
    >>> import rmtlab as rl
    >>> rl.laws.Semicircle(var=4.0).support
    [(-4.0, 4.0)]
    """

    var: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "var", _checks.number(self.var, "var", low=0.0, low_open=True))

    @property
    def support(self) -> list[tuple[float, float]]:
        """The interval between the two edges."""
        edge = 2.0 * sqrt(self.var)
        return [(-edge, edge)]

    @property
    def mean(self) -> float:
        """Mean, 0."""
        return 0.0

    def _density(self, x: np.ndarray) -> np.ndarray:
        return _half_disc(x / sqrt(self.var)) / sqrt(self.var)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        sigma = sqrt(self.var)
        angle = 2.0 * np.arctan2(np.sqrt(2.0 + x / sigma), np.sqrt(np.maximum(2.0 - x / sigma, 0.0)))
        return (angle - 0.5 * np.sin(2.0 * angle)) / pi

    def _moment(self, k: int) -> float:
        return 0.0 if k % 2 else comb(k, k // 2) / (k // 2 + 1) * self.var ** (k // 2)

    def _free_cumulant(self, k: int) -> float:
        return self.var if k == 2 else 0.0

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        sigma = sqrt(self.var)
        return _semicircle_cauchy(z / sigma) / sigma

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        return self.var * g


@dataclass(frozen=True)
class QuarterCircle(SpectralLaw):
    r"""The quarter circle, the limiting singular values of a square ``ensembles.ginibre(n, var=scale)``.

    .. math:: \rho(x) = \frac{\sqrt{4\,\mathrm{scale} - x^2}}{\pi\,\mathrm{scale}},
              \quad 0 \le x \le 2\sqrt{\mathrm{scale}}.

    At scale 1, :math:`G = v + \frac2\pi\left(1 - (1/v - v)\arctan v\right)`, v the semicircle's transform.

    Parameters
    ----------
    scale : float
        Second moment, above 0: the matrix has entries of variance scale/n.

    Raises
    ------
    ValueError
        If `scale` is not a finite number above 0.

    References
    ----------
    V. Marchenko and L. Pastur, "Distribution of eigenvalues for some sets of random matrices", Math. USSR-Sb.
    1 (1967): the square root of their law at aspect 1.

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.QuarterCircle()
    >>> law.support, round(law.moment(2), 12)
    ([(0.0, 2.0)], 1.0)
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _checks.number(self.scale, "scale", low=0.0, low_open=True))

    @property
    def support(self) -> list[tuple[float, float]]:
        """The interval from 0 to the edge."""
        return [(0.0, 2.0 * sqrt(self.scale))]

    @property
    def var(self) -> float:
        """Variance, scale·(1 − (8/3π)²)."""
        return self.scale * (1.0 - (8.0 / (3.0 * pi)) ** 2)

    def _density(self, x: np.ndarray) -> np.ndarray:
        return 2.0 * _half_disc(x / sqrt(self.scale)) / sqrt(self.scale)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        sine = np.minimum(x / (2.0 * sqrt(self.scale)), 1.0)
        cosine = np.sqrt((1.0 - sine) * (1.0 + sine))
        return 2.0 * (np.arctan2(sine, cosine) + sine * cosine) / pi

    def _moment(self, k: int) -> float:
        return (2.0 * sqrt(self.scale)) ** k * gamma((k + 1) / 2) / (sqrt(pi) * gamma(k / 2 + 2))

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        sigma = sqrt(self.scale)
        v = _semicircle_cauchy(z / sigma)
        return (v + 2.0 / pi * _arctan_defect(v)) / sigma


def _half_disc(x: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum((2.0 - x) * (2.0 + x), 0.0)) / (2.0 * pi)


def _semicircle_cauchy(z: np.ndarray) -> np.ndarray:
    return 2.0 / (z + np.sqrt(z - 2.0) * np.sqrt(z + 2.0))


def _arctan_defect(v: np.ndarray) -> np.ndarray:
    """1 − (1/v − v)·arctan v, by its power series where the difference would cancel."""
    small = np.abs(v) < 0.3
    k = np.arange(1, 17)
    coefficients = np.concatenate([[0.0], -((-1.0) ** k) * 4.0 * k / (4.0 * k**2 - 1.0)])
    series = np.polynomial.polynomial.polyval(np.where(small, v, 0.0) ** 2, coefficients)
    away = np.where(small, 1.0, v)
    return np.where(small, series, 1.0 - (1.0 / away - away) * np.arctan(away))
