"""A law moved and stretched: what adding a number to a matrix, or multiplying it by one, does to its spectrum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._solved import Certificate

__all__ = ["Affine"]


@dataclass(frozen=True)
class Affine(SpectralLaw):
    r"""The law of scale·A + shift, where A has the given law.

    .. math:: G(z) = \frac1{\mathrm{scale}}\,G_A\Bigl(\frac{z - \mathrm{shift}}{\mathrm{scale}}\Bigr), \qquad
              R(g) = \mathrm{shift} + \mathrm{scale}\,R_A(\mathrm{scale}\,g) .

    Parameters
    ----------
    law : SpectralLaw
        The law of A.
    scale : float
        Factor, not 0; it may be negative.
    shift : float
        Summand.

    Raises
    ------
    TypeError, ValueError
        If `law` is not a spectral law, or `scale` is 0, or a number is not finite.

    References
    ----------
    A. Nica and R. Speicher, "Lectures on the Combinatorics of Free Probability", Cambridge (2006).

    Examples
    --------
    >>> import rmtlab as rl
    >>> rl.laws.Affine(rl.laws.Semicircle(), scale=2.0, shift=1.0).support
    [(-3.0, 5.0)]
    """

    law: SpectralLaw
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.law, SpectralLaw):
            raise TypeError(f"law must be a spectral law, but a {type(self.law).__name__} was given.")
        scale = _checks.number(self.scale, "scale")
        if scale == 0.0:
            raise ValueError("scale must not be 0; the law of 0·A + shift is Dirac(shift).")
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "shift", _checks.number(self.shift, "shift"))

    @property
    def support(self) -> list[tuple[float, float]]:
        """The intervals of the law, moved."""
        moved = [(self._there(a), self._there(b)) for a, b in self.law.support]
        return moved if self.scale > 0.0 else [(b, a) for a, b in reversed(moved)]

    @property
    def atoms(self) -> dict[float, float]:
        """The atoms of the law, moved."""
        return dict(sorted((self._there(x), mass) for x, mass in self.law.atoms.items()))

    @property
    def mean(self) -> float:
        """Mean, scale·mean + shift."""
        return self.scale * self.law.mean + self.shift

    @property
    def var(self) -> float:
        """Variance, scale²·variance."""
        return self.scale**2 * self.law.var

    @property
    def certificate(self) -> Certificate:
        """The certificate of the law; exact for a closed form."""
        return getattr(self.law, "certificate", Certificate(0.0, 0, True))

    def _there(self, x: Any) -> Any:
        return self.scale * x + self.shift

    def _back(self, x: Any) -> Any:
        return (x - self.shift) / self.scale

    def _density(self, x: np.ndarray) -> np.ndarray:
        ends = np.array([edge for interval in self.law.support for edge in interval])
        moved = self._there(ends)
        base = self._back(x)
        exact = x[:, None] == moved
        base = np.where(np.any(exact, axis=1), ends[np.argmax(exact, axis=1)], base)
        return np.asarray(self.law.density(base)) / abs(self.scale)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        base = self._back(x)
        mass = 1.0 - sum(self.law.atoms.values())
        below = np.where(base >= self.law.support[-1][1], mass, 0.0)
        inside = (base > self.law.support[0][0]) & (base < self.law.support[-1][1])
        below[inside] = self.law._cdf(base[inside])
        return below if self.scale > 0.0 else mass - below

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        return self._there(self.law._quantile(p)) if self.scale > 0.0 else super()._quantile(p)

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        base = self._back(z)
        if self.scale > 0.0:
            return self.law._cauchy(base) / self.scale
        return self.law._cauchy(base.conj()).conj() / self.scale

    def _expectation(self, f: Callable[[Any], Any]) -> float:
        return self.law._expectation(lambda x: f(self._there(x)))

    def _moment(self, k: int) -> float:
        if self.shift == 0.0:
            return self.scale**k * self.law._moment(k)
        return self.mean if k == 1 else self._expectation(lambda x: x**k)

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        return self.shift + self.scale * self.law._r_transform(self.scale * g)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        return self.law._s_transform(m) / self.scale if self.shift == 0.0 else super()._s_transform(m)
