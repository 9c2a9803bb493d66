"""The Marchenko–Pastur law at every aspect ratio."""

from dataclasses import dataclass
from math import comb, pi, sqrt

import numpy as np

from rmtlab import _checks
from rmtlab.laws._base import SpectralLaw

__all__ = ["MarchenkoPastur"]

_SERIES_BELOW = 0.3
_SERIES_TERMS = 32


@dataclass(frozen=True)
class MarchenkoPastur(SpectralLaw):
    r"""Marchenko–Pastur law, the limiting spectrum of a sample covariance :math:`\frac1n XX^\top`.

    X is p×n with independent entries N(0, scale). With c = aspect = p/n and
    :math:`\lambda_\pm = (1 \pm \sqrt c)^2`, at scale 1,

    .. math:: \rho(x) = \frac{\sqrt{(\lambda_+ - x)(x - \lambda_-)}}{2\pi c x}, \qquad
              G(z) = \frac{z - 1 + c - \sqrt{z - \lambda_-}\sqrt{z - \lambda_+}}{2cz}, \qquad
              R(g) = \frac1{1 - cg}, \quad S(m) = \frac1{1 + cm},

    and an atom of mass 1 − 1/c at 0 where c > 1.

    Parameters
    ----------
    aspect : float
        Rows over columns of X, above 0.
    scale : float
        Variance of an entry of X and mean of the law, above 0.

    Raises
    ------
    ValueError
        If `aspect` or `scale` is not a finite number above 0.

    References
    ----------
    V. Marchenko and L. Pastur, "Distribution of eigenvalues for some sets of random matrices", Math. USSR-Sb.
    1 (1967).

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.MarchenkoPastur(aspect=4.0)
    >>> law.support, law.atoms, law.mean, law.var
    ([(1.0, 9.0)], {0.0: 0.75}, 1.0, 4.0)
    """

    aspect: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        hint = "It is rows over columns of X."
        object.__setattr__(
            self, "aspect", _checks.number(self.aspect, "aspect", low=0.0, low_open=True, hint=hint)
        )
        object.__setattr__(self, "scale", _checks.number(self.scale, "scale", low=0.0, low_open=True))

    @property
    def support(self) -> list[tuple[float, float]]:
        """The interval [scale·(1 − √aspect)², scale·(1 + √aspect)²]."""
        root = sqrt(self.aspect)
        return [(self.scale * (1.0 - root) ** 2, self.scale * (1.0 + root) ** 2)]

    @property
    def atoms(self) -> dict[float, float]:
        """Mass 1 − 1/aspect at 0 where X has more rows than columns."""
        return {0.0: 1.0 - 1.0 / self.aspect} if self.aspect > 1.0 else {}

    @property
    def mean(self) -> float:
        """Mean, the scale."""
        return self.scale

    @property
    def var(self) -> float:
        """Variance, aspect·scale²."""
        return self.aspect * self.scale**2

    def _density(self, x: np.ndarray) -> np.ndarray:
        low, high = self.support[0]
        height = np.sqrt(np.maximum(high - x, 0.0)) / (2.0 * pi * self.aspect * self.scale)
        if low == 0.0:
            return np.divide(height, np.sqrt(x), out=np.full_like(x, np.inf), where=x > 0.0)
        return height * np.sqrt(np.maximum(x - low, 0.0)) / x

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        low, high = self.support[0]
        angle = 2.0 * np.arctan2(np.sqrt(np.maximum(x - low, 0.0)), np.sqrt(np.maximum(high - x, 0.0)))
        return min(1.0, 1.0 / self.aspect) * _angle_cdf(angle, min(self.aspect, 1.0 / self.aspect))

    def _moment(self, k: int) -> float:
        narayana = (comb(k, r) * comb(k - 1, r) / (r + 1) * self.aspect**r for r in range(k))
        return self.scale**k * sum(narayana)

    def _free_cumulant(self, k: int) -> float:
        return self.scale**k * self.aspect ** (k - 1)

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        low, high = ((1.0 - sqrt(self.aspect)) ** 2, (1.0 + sqrt(self.aspect)) ** 2)
        z = z / self.scale
        centred, root = z - (1.0 - self.aspect), np.sqrt(z - low) * np.sqrt(z - high)
        plus, minus = centred + root, centred - root
        stable = np.abs(plus) >= np.abs(minus)
        numerator = np.where(stable, 2.0, minus)
        denominator = np.where(stable, plus, 2.0 * self.aspect * z)
        return numerator / denominator / self.scale

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        pole = 1.0 / (self.aspect * self.scale)
        if np.any(g == pole):
            raise ValueError(f"The R-transform of this law has a pole at g = {pole:g}; take another g.")
        return self.scale / (1.0 - self.aspect * self.scale * g)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        pole = -1.0 / self.aspect
        if np.any(m == pole):
            raise ValueError(f"The S-transform of this law has a pole at m = {pole:g}; take another m.")
        return 1.0 / (self.scale * (1.0 + self.aspect * m))


def _angle_cdf(angle: np.ndarray, c: float) -> np.ndarray:
    r"""Distribution function of θ in x = 1 + c − 2√c cos θ, for aspect c ≤ 1.

    With :math:`r = \sqrt c` and :math:`\alpha = \arg(1 - re^{-i\theta}) = \sum_k r^k \sin(k\theta)/k`,
    :math:`\pi F = \theta + r^{-1}\sin\theta - (1-c)\,\alpha/c`; its Fourier series where that would cancel.
    """
    r = sqrt(c)
    if r < _SERIES_BELOW:
        k = np.arange(2.0, _SERIES_TERMS + 1)
        coefficients = [0.0, r, *(r**k / k - r ** (k - 2.0) / k)]
        return (angle + np.polynomial.polynomial.polyval(np.exp(1j * angle), coefficients).imag) / pi
    alpha = np.arctan2(r * np.sin(angle), 1.0 - r * np.cos(angle))
    return (angle + np.sin(angle) / r - (1.0 - c) / c * alpha) / pi
