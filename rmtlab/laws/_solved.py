"""Laws whose boundary value G(x + i0) comes from a solver, and the table that gives them the rest of the face."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._table import Table, build

_MASS_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Certificate:
    """How well an iterative solver did.

    Attributes
    ----------
    residual : float
        Worst relative residual of the defining equations over all points that were asked for.
    iterations : int
        Largest number of Newton steps that a point took.
    converged : bool
        True; an unconverged result raises instead.

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.free_add(rl.laws.Semicircle(), rl.laws.MarchenkoPastur(0.5))
    >>> law.certificate.converged
    True
    """

    residual: float
    iterations: int
    converged: bool


class SolvedLaw(SpectralLaw):
    """A law that knows its support, its atoms and G on the boundary; the table of the density does the rest.

    A subclass is a frozen dataclass with ``support``, ``atoms``, ``certificate``, ``_boundary`` and ``_cauchy``.
    """

    @property
    @abstractmethod
    def certificate(self) -> Certificate:
        """Worst residual, most iterations, and whether the solver converged."""

    @abstractmethod
    def _boundary(self, x: np.ndarray) -> np.ndarray:
        """G(x + i0) at points inside the support, solved there (not interpolated)."""

    @property
    def _marks(self) -> tuple[float, ...]:
        """Points inside the support where the density may be singular; 0 and the atoms, if they are inside."""
        return (0.0, *self.atoms)

    @property
    def _grain(self) -> float:
        """Absolute rounding of the argument at which the density is computed; 0 where it keeps relative digits."""
        return 0.0

    def _density(self, x: np.ndarray) -> np.ndarray:
        result = np.full(x.shape, np.nan)
        ends = [edge for interval in self.support for edge in interval]
        at_end = np.isin(x, ends) | np.isin(x, self._marks)
        if not np.all(at_end):
            result[~at_end] = np.maximum(-self._boundary(x[~at_end]).imag / np.pi, 0.0)
        if np.any(at_end):
            result[at_end] = [self._end_value(float(point)) for point in x[at_end]]
        return result

    def _end_value(self, edge: float) -> float:
        """The density's limit at an edge: 0, infinite, or (inside the support) the nearby value."""
        room = min(b - a for a, b in self.support if a <= edge <= b)
        spacing = room * 1e-9 + 1e3 * np.spacing(abs(edge))
        steps = spacing * np.array([1.0, 16.0]) if edge else room * np.array([1e-40, 1e-36])
        inward = [s for s in (1.0, -1.0) if any(a < edge + s * steps[1] < b for a, b in self.support)]
        near, far = max(tuple(-self._boundary(edge + s * steps).imag / np.pi) for s in inward)
        if near > 1.5 * far:
            return float("inf")
        return 0.0 if near < far / 1.5 else float(near)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return self._table.mass_below(x)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        """Invert the full distribution function: on an atom, or at a mass of the continuous part."""
        result = np.empty(p.shape)
        locations, cumulative = self._atom_table
        below = self._full_cdf(locations, "left") if locations.size else np.empty(0)
        at = self._full_cdf(locations, "right") if locations.size else np.empty(0)
        k = np.searchsorted(at, p)
        on_atom = np.zeros(p.shape, dtype=bool)
        if locations.size:
            nearest = np.minimum(k, locations.size - 1)
            on_atom = (k < locations.size) & (p > below[nearest])
            result[on_atom] = locations[nearest[on_atom]]
        rest = ~on_atom
        if np.any(rest):
            result[rest] = self._table.quantile(p[rest] - cumulative[k[rest]])
        return result

    def _expectation(self, f: Callable[[Any], Any]) -> float:
        locations, masses = self._atom_masses
        atoms = float(np.sum(masses * f(locations))) if locations.size else 0.0
        return atoms + (float(self._table.integral(f)) if self.support else 0.0)

    @cached_property
    def _table(self) -> Table:
        mass = 1.0 - sum(self.atoms.values())
        table = build(lambda x: -self._boundary(x).imag / np.pi, self.support, self._marks, mass, self._grain)
        if not abs(table.mass - mass) <= _MASS_TOLERANCE:
            raise ValueError(
                f"The density of this law integrates to {table.mass:.12g} instead of {mass:.12g}, so that its "
                "solver has lost a part of the spectrum; move the parameters slightly and report the case."
            )
        self._check(table)
        return table

    def _check(self, table: Table) -> None:
        """Hold the table against what the law knows otherwise; a subclass may raise."""
