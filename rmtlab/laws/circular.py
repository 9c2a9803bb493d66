"""The circular law: eigenvalues of a square matrix without symmetry, in the plane."""

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
from numpy.typing import ArrayLike

from rmtlab import _checks
from rmtlab.laws._base import SpectralLaw, _real_or_complex, _shaped
from rmtlab.laws.semicircle import Semicircle

__all__ = ["Circular", "CircularModulus"]

_SERIES_BEYOND = 4.0
_SERIES_TERMS = 28


@dataclass(frozen=True)
class Circular:
    r"""Circular law, the limiting spectrum of a square ``ensembles.ginibre(n, var=scale)``.

    .. math:: \rho(z) = \frac1{\pi\,\mathrm{scale}}, \qquad |z| \le \sqrt{\mathrm{scale}}:

    uniform on a disc. It is a law in the plane, so that it has no distribution function; on the line live
    :attr:`modulus` and :attr:`real_part`, spectral laws that ``rl.compare`` takes.

    Parameters
    ----------
    scale : float
        Squared radius, above 0: the matrix has entries of variance scale/n.

    Raises
    ------
    ValueError
        If `scale` is not a finite number above 0.

    Notes
    -----
    A real matrix has about √(2n/π) real eigenvalues, so that a share O(1/√n) of its spectrum lies on the line.

    References
    ----------
    V. Girko, "Circular law", Theory Probab. Appl. 29 (1985). T. Tao and V. Vu, "Random matrices: universality
    of ESDs and the circular law", Ann. Probab. 38 (2010).

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> law = rl.laws.Circular(scale=4.0)
    >>> law.radius, law.real_part
    (2.0, Semicircle(var=1.0))
    >>> eigenvalues = np.linalg.eigvals(rl.ensembles.ginibre(300, var=4.0, rng=0))
    >>> rl.compare(law.modulus, abs(eigenvalues)).ks < 0.05
    True
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _checks.number(self.scale, "scale", low=0.0, low_open=True))

    @property
    def radius(self) -> float:
        """Radius of the disc, √scale."""
        return sqrt(self.scale)

    @property
    def modulus(self) -> "CircularModulus":
        """Law of |λ|."""
        return CircularModulus(self.radius)

    @property
    def real_part(self) -> Semicircle:
        """Law of Re λ, a semicircle of variance scale/4 between −√scale and √scale; Im λ has it, too."""
        return Semicircle(0.25 * self.scale)

    def density(self, z: ArrayLike) -> float | np.ndarray:
        """Density in the plane: 1/(π·scale) in the closed disc, 0 outside.

        Parameters
        ----------
        z : complex, float or array_like

        Returns
        -------
        float or numpy.ndarray, the shape of `z`

        Raises
        ------
        ValueError
            If `z` holds NaN or infinity.

        Examples
        --------
        >>> import rmtlab as rl
        >>> rl.laws.Circular().density([0.6 + 0.8j, 1j, 2.0]).round(4)
        array([0.3183, 0.3183, 0.    ])
        """
        points = _real_or_complex(z, "z")
        return _shaped(np.where(np.abs(points) <= self.radius, 1.0 / (pi * self.scale), 0.0), points)

    def sample(self, n: int, rng: _checks.Rng = 0) -> np.ndarray:
        """Sample n independent points of the disc; eigenvalues, unlike them, repel each other.

        Parameters
        ----------
        n : int
            Number of draws.
        rng : int, numpy.random.Generator or None
            Seed or generator; None for fresh entropy.

        Returns
        -------
        numpy.ndarray of complex128, shape (n,)

        Raises
        ------
        ValueError
            If `n` is below 1.

        Examples
        --------
        >>> import rmtlab as rl
        >>> bool((abs(rl.laws.Circular().sample(5)) < 1).all())
        True
        """
        n = _checks.count(n, "n")
        area, turn = _checks.generator(rng).random((2, n))
        return self.radius * np.sqrt(area) * np.exp(2j * pi * turn)


@dataclass(frozen=True)
class CircularModulus(SpectralLaw):
    r"""Modulus of a uniform point of a disc of radius R: |λ| under the circular law.

    .. math:: \rho(r) = \frac{2r}{R^2}, \qquad m_k = \frac{2R^k}{k + 2}, \qquad
              G(z) = \frac2R\left(\frac zR\log\frac z{z - R} - 1\right).

    Parameters
    ----------
    radius : float
        Radius of the disc, above 0.

    Raises
    ------
    ValueError
        If `radius` is not a finite number above 0.

    References
    ----------
    V. Girko, "Circular law", Theory Probab. Appl. 29 (1985).

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.CircularModulus(radius=2.0)
    >>> law.support, law.moment(2), law.quantile(0.25)
    ([(0.0, 2.0)], 2.0, 1.0)
    """

    radius: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius", _checks.number(self.radius, "radius", low=0.0, low_open=True))

    @property
    def support(self) -> list[tuple[float, float]]:
        """The interval from the centre to the rim."""
        return [(0.0, self.radius)]

    @property
    def var(self) -> float:
        """Variance, radius²/18."""
        return self.radius**2 / 18.0

    def _density(self, x: np.ndarray) -> np.ndarray:
        return 2.0 * x / self.radius**2

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return (x / self.radius) ** 2

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        return self.radius * np.sqrt(p)

    def _moment(self, k: int) -> float:
        return 2.0 * self.radius**k / (k + 2)

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        z = z / self.radius
        far = np.abs(z) > _SERIES_BEYOND
        k = np.arange(_SERIES_TERMS)
        w = 1.0 / np.where(far, z, np.inf)
        series = w * np.polynomial.polynomial.polyval(w, 2.0 / (k + 2.0))
        near = np.where(far, 2.0, z)
        closed = 2.0 * (near * (np.log(near) - np.log(near - 1.0)) - 1.0)
        return np.where(far, series, closed) / self.radius
