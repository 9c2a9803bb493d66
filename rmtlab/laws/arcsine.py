"""The arcsine law: an orthogonal matrix plus its transpose."""

from dataclasses import dataclass
from math import comb, pi

import numpy as np

from rmtlab import _checks
from rmtlab.laws._base import SpectralLaw

__all__ = ["Arcsine"]


@dataclass(frozen=True)
class Arcsine(SpectralLaw):
    r"""Arcsine law; at radius 2 the limiting spectrum of :math:`U + U^\top`, U Haar orthogonal.

    .. math:: \rho(x) = \frac1{\pi\sqrt{\mathrm{radius}^2 - x^2}}, \qquad
              G(z) = \frac1{\sqrt{z - \mathrm{radius}}\sqrt{z + \mathrm{radius}}}, \qquad
              R(g) = \frac{\sqrt{1 + \mathrm{radius}^2 g^2} - 1}{g}.

    At radius 2 it is the free sum of two fair coins on ±1. Its mean is 0, so that it has no S-transform.

    Parameters
    ----------
    radius : float
        Largest eigenvalue, above 0; the support is [−radius, radius].

    Raises
    ------
    ValueError
        If `radius` is not a finite number above 0.

    References
    ----------
    A. Nica and R. Speicher, "Lectures on the Combinatorics of Free Probability", Cambridge (2006).

    Examples
    --------
    >>> import rmtlab as rl
    >>> rl.laws.Arcsine().quantile([0.25, 0.5, 0.75]).round(4) + 0.0
    array([-1.4142,  0.    ,  1.4142])
    """

    radius: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius", _checks.number(self.radius, "radius", low=0.0, low_open=True))

    @property
    def support(self) -> list[tuple[float, float]]:
        """The interval between the two hard edges."""
        return [(-self.radius, self.radius)]

    @property
    def mean(self) -> float:
        """Mean, 0."""
        return 0.0

    @property
    def var(self) -> float:
        """Variance, radius²/2."""
        return 0.5 * self.radius**2

    def _density(self, x: np.ndarray) -> np.ndarray:
        height = np.sqrt((self.radius - x) * (self.radius + x))
        return np.divide(1.0 / pi, height, out=np.full_like(x, np.inf), where=height > 0.0)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return 2.0 * np.arctan2(np.sqrt(self.radius + x), np.sqrt(self.radius - x)) / pi

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        return self.radius * np.sin(pi * (p - 0.5))

    def _moment(self, k: int) -> float:
        return 0.0 if k % 2 else comb(k, k // 2) * (0.5 * self.radius) ** k

    def _free_cumulant(self, k: int) -> float:
        catalan = comb(k - 2, k // 2 - 1) / (k // 2)
        return 0.0 if k % 2 else -2.0 * (-1) ** (k // 2) * catalan * (0.5 * self.radius) ** k

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        return 1.0 / (np.sqrt(z - self.radius) * np.sqrt(z + self.radius))

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        return self.radius**2 * g / (1.0 + np.sqrt(1.0 + (self.radius * g) ** 2))
