"""Laws made of atoms alone: one point, a few points, the eigenvalues of a matrix."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from rmtlab import _checks
from rmtlab.laws._base import SpectralLaw, _poles

__all__ = ["Dirac", "Discrete", "Empirical"]

_SHOWN = 6


class _Atomic(SpectralLaw):
    """A law without continuous part; subclasses say their atoms."""

    @property
    def support(self) -> list[tuple[float, float]]:
        """Empty: there is no continuous part."""
        return []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.atoms == other.atoms

    def __hash__(self) -> int:
        return hash((type(self), tuple(self.atoms.items())))

    def _density(self, x: np.ndarray) -> np.ndarray:
        return np.zeros_like(x)

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        return _poles(z, *self._atom_masses)

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        """Closed for two points x ≠ y: the larger root of a quadratic in G⁻¹(g)."""
        points, _ = self._atom_masses
        if points.size != 2:
            return super()._r_transform(g)
        middle, width = points.mean(), points[1] - points[0]
        lean = 2.0 * (self.mean - middle)
        root = np.sqrt(1.0 + 2.0 * g * lean + (g * width) ** 2)
        return middle + (lean + 0.5 * g * width**2) / (1.0 + root)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        """Closed for a multiple of a projection of trace p: (1 + m)/(x(p + m))."""
        points, masses = self._atom_masses
        if points.size != 2 or 0.0 not in points:
            return super()._s_transform(m)
        at, trace = points.sum(), masses[points != 0.0][0]
        if np.any(m == -trace):
            raise ValueError(f"The S-transform of this law has a pole at m = {-trace:g}; take another m.")
        return (1.0 + m) / (at * (trace + m))

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        locations, cumulative = self._atom_table
        return locations[np.searchsorted(cumulative[1:], p)]


@dataclass(frozen=True, eq=False)
class Dirac(_Atomic):
    r"""All mass at one point: :math:`G(z) = 1/(z - x)`, :math:`R(g) = x`, :math:`S(m) = 1/x`.

    Parameters
    ----------
    x : float
        The point.

    Raises
    ------
    ValueError
        If `x` is not finite.

    References
    ----------
    A. Nica and R. Speicher, "Lectures on the Combinatorics of Free Probability", Cambridge (2006).

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.Dirac(2.0)
    >>> law.atoms, law.s_transform(0.3)
    ({2.0: 1.0}, 0.5)
    """

    x: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", _checks.number(self.x, "x"))

    @property
    def atoms(self) -> dict[float, float]:
        """The point, with mass 1."""
        return {self.x: 1.0}

    def _free_cumulant(self, k: int) -> float:
        return 0.0

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        return np.full_like(g, self.x)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        return np.full_like(m, 1.0 / self.x) if self.x else super()._s_transform(m)


@dataclass(frozen=True, eq=False, repr=False)
class Discrete(_Atomic):
    r"""Finitely many atoms, :math:`\sum_i w_i \delta_{x_i}`: :math:`G(z) = \sum_i w_i/(z - x_i)`.

    Parameters
    ----------
    points : array_like, shape (k,)
        Locations; equal ones are merged.
    weights : array_like, shape (k,)
        Their masses, at least 0 and summing to 1; a point of mass 0 is dropped.

    Raises
    ------
    ValueError
        If the shapes differ, a weight is negative, or the weights do not sum to 1 (to 1e-9).

    References
    ----------
    A. Nica and R. Speicher, "Lectures on the Combinatorics of Free Probability", Cambridge (2006).

    Examples
    --------
    >>> import rmtlab as rl
    >>> rl.laws.Discrete([1.0, 0.0], [0.25, 0.75])
    Discrete(points=[0, 1], weights=[0.75, 0.25])
    """

    points: np.ndarray
    weights: np.ndarray

    def __init__(self, points: ArrayLike, weights: ArrayLike) -> None:
        locations, masses = _real(points, "points"), _real(weights, "weights")
        if locations.shape != masses.shape:
            raise ValueError(
                "points and weights must have the same length, "
                f"but they have {locations.size} and {masses.size}; give one weight a point."
            )
        if np.any(masses < 0):
            raise ValueError(f"weights must be at least 0, but the smallest is {masses.min():g}.")
        total = float(masses.sum())
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"weights must sum to 1, but they sum to {total:g}; divide them by their sum.")
        unique, index = np.unique(locations[masses > 0] + 0.0, return_inverse=True)
        _freeze(self, "points", unique)
        _freeze(self, "weights", np.bincount(index, weights=masses[masses > 0]) / total)

    @property
    def atoms(self) -> dict[float, float]:
        """The points with their weights, in increasing order."""
        return dict(zip(self.points.tolist(), self.weights.tolist(), strict=True))

    def __repr__(self) -> str:
        if self.points.size > _SHOWN:
            return f"Discrete({self.points.size} points in [{self.points[0]:.4g}, {self.points[-1]:.4g}])"
        return f"Discrete(points=[{_listed(self.points)}], weights=[{_listed(self.weights)}])"


@dataclass(frozen=True, eq=False, repr=False)
class Empirical(_Atomic):
    r"""The spectral distribution of a matrix, :math:`\frac1n\sum_i \delta_{\lambda_i}`.

    Parameters
    ----------
    eigenvalues : array_like, shape (n,)
        Real eigenvalues (or singular values) in any order; equal ones add up.

    Raises
    ------
    TypeError, ValueError
        If the eigenvalues are complex, not finite, not a vector, or missing.

    References
    ----------
    G. Anderson, A. Guionnet and O. Zeitouni, "An Introduction to Random Matrices", Cambridge (2010).

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.Empirical([3.0, 1.0, 1.0, 2.0])
    >>> law
    Empirical(4 eigenvalues in [1, 3])
    >>> law.cdf([0.9, 1.0, 2.5])
    array([0.  , 0.5 , 0.75])
    """

    eigenvalues: np.ndarray

    def __post_init__(self) -> None:
        _freeze(self, "eigenvalues", np.sort(_real(self.eigenvalues, "eigenvalues") + 0.0))

    @property
    def atoms(self) -> dict[float, float]:
        """The distinct eigenvalues with their share, in increasing order."""
        values, counts = np.unique(self.eigenvalues, return_counts=True)
        return dict(zip(values.tolist(), (counts / self.eigenvalues.size).tolist(), strict=True))

    @cached_property
    def _atom_table(self) -> tuple[np.ndarray, np.ndarray]:
        values, counts = np.unique(self.eigenvalues, return_counts=True)
        return values, np.concatenate([[0], np.cumsum(counts)]) / self.eigenvalues.size

    def __repr__(self) -> str:
        values = self.eigenvalues
        return f"Empirical({values.size} eigenvalues in [{values[0]:.4g}, {values[-1]:.4g}])"


def _real(values: ArrayLike, name: str) -> np.ndarray:
    if np.iscomplexobj(values):
        raise TypeError(
            f"{name} must be real, but complex numbers were given; take .real if they are real by symmetry."
        )
    return _checks.array(values, name, ndim=1)


def _freeze(law: Discrete | Empirical, name: str, values: np.ndarray) -> None:
    values.setflags(write=False)
    object.__setattr__(law, name, values)


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{x:.4g}" for x in values)
