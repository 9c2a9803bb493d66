"""The free Poisson law: what a free compound Poisson process with one size of jump has after a while."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtlab import _checks
from rmtlab.laws._base import SpectralLaw
from rmtlab.laws.marchenko_pastur import MarchenkoPastur

__all__ = ["FreePoisson"]


@dataclass(frozen=True)
class FreePoisson(SpectralLaw):
    r"""Free Poisson law: the limit of the free sum of n laws (1 − rate/n)δ₀ + (rate/n)δ_jump.

    Every free cumulant is :math:`\kappa_k = \mathrm{rate}\cdot\mathrm{jump}^k`, hence

    .. math:: R(g) = \frac{\mathrm{rate}\cdot\mathrm{jump}}{1 - \mathrm{jump}\,g}, \qquad
              S(m) = \frac1{\mathrm{jump}\,(\mathrm{rate} + m)}, \qquad
              \text{edges } \mathrm{jump}\,(1 \pm \sqrt{\mathrm{rate}})^2,

    and an atom of mass 1 − rate at 0 where rate < 1. It is the limiting spectrum of jump·XXᵀ for X of p rows
    and rate·p columns with entries N(0, 1/p): Marchenko–Pastur with aspect 1/rate and scale rate·jump. A
    negative jump mirrors the law.

    Parameters
    ----------
    rate : float
        Expected number of jumps, above 0.
    jump : float
        Size of a jump, not 0.

    Raises
    ------
    ValueError
        If `rate` is not a finite number above 0, or `jump` is 0 or not finite.

    References
    ----------
    D. Voiculescu, K. Dykema and A. Nica, "Free Random Variables", AMS (1992).

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.FreePoisson(rate=0.25, jump=2.0)
    >>> law.support, law.atoms, law.mean
    ([(0.5, 4.5)], {0.0: 0.75}, 0.5)
    """

    rate: float
    jump: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _checks.number(self.rate, "rate", low=0.0, low_open=True))
        object.__setattr__(self, "jump", _checks.number(self.jump, "jump"))
        if self.jump == 0.0:
            raise ValueError("jump must not be 0, but 0 was given; a law without jumps is Dirac(0.0).")

    @property
    def support(self) -> list[tuple[float, float]]:
        """The interval between jump·(1 − √rate)² and jump·(1 + √rate)²."""
        low, high = sorted(self.jump * edge + 0.0 for edge in self._model.support[0])
        return [(low, high)]

    @property
    def atoms(self) -> dict[float, float]:
        """Mass 1 − rate at 0 where the rate is below 1."""
        return {0.0: 1.0 - self.rate} if self.rate < 1.0 else {}

    @property
    def mean(self) -> float:
        """Mean, rate·jump."""
        return self.rate * self.jump

    @property
    def var(self) -> float:
        """Variance, rate·jump²."""
        return self.rate * self.jump**2

    def _density(self, x: np.ndarray) -> np.ndarray:
        return self._model._density(x / self.jump) / abs(self.jump)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        below = self._model._cdf(x / self.jump)
        return below if self.jump > 0.0 else min(1.0, self.rate) - below

    def _moment(self, k: int) -> float:
        return self.jump**k * self._model._moment(k)

    def _free_cumulant(self, k: int) -> float:
        return self.rate * self.jump**k

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        if self.jump > 0.0:
            return self._model._cauchy(z / self.jump) / self.jump
        return self._model._cauchy((z / self.jump).conj()).conj() / self.jump

    def _cauchy_and_slope(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """G and G′, from z = R(G) + 1/G."""
        value = self._cauchy(z)
        return value, 1.0 / (self.rate * (self.jump / (1.0 - self.jump * value)) ** 2 - value**-2)

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        if np.any(g * self.jump == 1.0):
            raise ValueError(
                f"The R-transform of this law has a pole at g = {1.0 / self.jump:g}; take another g."
            )
        return self.mean / (1.0 - self.jump * g)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        if np.any(m == -self.rate):
            raise ValueError(f"The S-transform of this law has a pole at m = {-self.rate:g}; take another m.")
        return 1.0 / (self.jump * (self.rate + m))

    @cached_property
    def _model(self) -> MarchenkoPastur:
        """The law at jump 1."""
        return MarchenkoPastur(aspect=1.0 / self.rate, scale=self.rate)
