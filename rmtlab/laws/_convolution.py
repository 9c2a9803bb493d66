"""What free sums, products and powers have in common: a system of equations, a support, and a face."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._free_edges import support_of
from rmtlab.laws._free_inverse import NewtonInversion
from rmtlab.laws._solved import Certificate, SolvedLaw
from rmtlab.laws._subordination import Solution, System
from rmtlab.laws._table import Table
from rmtlab.laws._transforms import Inversion
from rmtlab.laws.affine import Affine

_LIFT = 1e-7
_AT_EDGE = 1e-12
_NEARER, _FARTHER = 1e-12, 1e-9
_FALL = 0.25
_ATOM = 1e-14
_AGREEMENT = 1e-9
_CIRCLE = 48
_SERIES = 24


@dataclass(frozen=True)
class Parts:
    """Laws with multiplicities, and the number that is left over: a summand, or a factor."""

    laws: tuple[SpectralLaw, ...]
    counts: tuple[float, ...]
    constant: float


@dataclass(frozen=True, eq=False)
class _AroundZero:
    """G = mass/z + a power series, for |z| below `reach`."""

    reach: float
    mass: float
    coefficients: np.ndarray

    def at(self, z: np.ndarray) -> np.ndarray:
        """G, G′ and M′."""
        series = np.polynomial.Polynomial(self.coefficients)
        rising = np.polynomial.Polynomial(np.concatenate([[0.0], self.coefficients])).deriv()
        pole = self.mass / z if self.mass else np.zeros_like(z)
        with np.errstate(over="ignore", invalid="ignore"):
            pole_slope = -pole / z if self.mass else pole
        return np.array([pole + series(z), pole_slope + series.deriv()(z), rising(z)])


class Convolution(SolvedLaw):
    """The law of a free sum (or product) of parts; a subclass says which parts, and whether they multiply."""

    @property
    @abstractmethod
    def _is_product(self) -> bool:
        """Whether the parts multiply."""

    @abstractmethod
    def _parts_of_self(self) -> Parts:
        """Flattened parts."""

    @cached_property
    def _parts(self) -> Parts:
        return self._parts_of_self()

    @cached_property
    def _system(self) -> System:
        return System(self._parts.laws, np.array(self._parts.counts), self._is_product)

    @cached_property
    def _mirror(self) -> System:
        """The system of the law reflected at 0."""
        laws, signed = list(self._parts.laws), self._system.signed
        assert signed is not None
        laws[signed] = Affine(laws[signed], -1.0)
        return System(tuple(laws), np.array(self._parts.counts), True)

    @cached_property
    def _raw_atoms(self) -> dict[float, float]:
        return atoms_of(self._parts, self._is_product)

    @cached_property
    def _raw_support(self) -> list[tuple[float, float]]:
        return support_of(self._system, self._raw_atoms)

    @property
    def support(self) -> list[tuple[float, float]]:
        """Intervals of the continuous part; their ends are critical points of the inverse function."""
        moved = [(self._there(a), self._there(b)) for a, b in self._raw_support]
        return sorted((min(ends), max(ends)) for ends in moved)

    @property
    def atoms(self) -> dict[float, float]:
        """Atoms, from the exact rules."""
        return dict(sorted((self._there(x), mass) for x, mass in self._raw_atoms.items()))

    @cached_property
    def _mean_and_var(self) -> tuple[float, float]:
        return mean_and_var(self._parts, self._is_product)

    @property
    def mean(self) -> float:
        """Mean: the sum, or the product, of the means."""
        return self._mean_and_var[0]

    @property
    def var(self) -> float:
        """Variance, from the means and variances of the parts."""
        return self._mean_and_var[1]

    @cached_property
    def _certificate(self) -> Certificate:
        nodes = self._back(self._table.nodes) + 0j
        left = self._is_left(nodes)
        solutions = [self._solve(nodes[~left])] if not np.all(left) else []
        solutions += [self._solve(-nodes[left].conj(), mirrored=True)] if np.any(left) else []
        residual = max(float(np.max(solution.residual)) for solution in solutions)
        return Certificate(residual, max(int(np.max(solution.steps)) for solution in solutions), True)

    @property
    def certificate(self) -> Certificate:
        """Worst residual and most Newton steps over the quadrature nodes of the density."""
        return self._certificate if self.support else Certificate(0.0, 0, True)

    @property
    def _marks(self) -> tuple[float, ...]:
        return (0.0, *self.atoms) if self._is_product else tuple(self.atoms)

    @property
    def _grain(self) -> float:
        return 0.0 if self._is_product else np.finfo(float).eps * self._system.radius

    def _there(self, x: float) -> float:
        return x * self._parts.constant if self._is_product else x + self._parts.constant

    def _back(self, x: np.ndarray) -> np.ndarray:
        return x / self._parts.constant if self._is_product else x - self._parts.constant

    def _solve(self, z: np.ndarray, mirrored: bool = False, strict: bool = True) -> Solution:
        """Solve at points of the closed upper half-plane; raise where that fails, or leave NaN if not `strict`."""
        system = self._mirror if mirrored else self._system
        solution = system.solve(z)
        if strict and not np.all(solution.solved):
            lost = np.flatnonzero(~solution.solved)
            refused = z[lost][~self._is_at_edge(-z[lost].conj() if mirrored else z[lost])]
            if refused.size and not np.all(is_cusp := _is_cusp(system, refused)):
                raise ValueError(
                    f"The subordination equations did not converge at z = {refused[~is_cusp][0]:.6g}; "
                    "step away from that point, or move the parameters slightly."
                )
            solution.cauchy[lost] = 0.0
            solution.residual[lost] = 0.0
        return solution

    def _is_at_edge(self, z: np.ndarray) -> np.ndarray:
        """Which z are an edge to rounding."""
        edges = np.array([edge for interval in self._raw_support for edge in interval] or [np.inf])
        gaps = np.abs(z[:, None] - edges)
        nearest = np.argmin(gaps, axis=1)
        is_hard = (edges[nearest] == 0.0) & self._is_product
        margin = np.where(is_hard, 0.0, _AT_EDGE * self._system.radius)
        return gaps[np.arange(z.size), nearest] <= margin

    def _boundary(self, x: np.ndarray) -> np.ndarray:
        value = self._solved_at(self._back(x) + 0j)[0]
        if not self._is_product:
            return value
        factor = self._parts.constant
        return value / factor if factor > 0.0 else value.conj() / factor

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        return self._cauchy_and_slopes(z, strict=True)[0]

    def _cauchy_and_slopes(self, z: np.ndarray, strict: bool = False) -> tuple[np.ndarray, ...]:
        """G, G′ and M′ at z with Im z ≥ 0 off the spectrum; NaN where they are not found, unless `strict`."""
        base = self._back(np.asarray(z, dtype=np.complex128).ravel())
        flipped = base.imag < 0.0
        base = np.where(flipped, base.conj(), base)
        on_axis = base.imag == 0.0
        near_zero = np.abs(base) < self._around_zero.reach
        parts = np.empty((3, base.size), dtype=np.complex128)
        if np.any(near_zero):
            parts[:, near_zero] = self._around_zero.at(base[near_zero])
        if not np.all(near_zero):
            away, real = base[~near_zero], on_axis[~near_zero]
            if np.any(real):
                away = np.where(real, self._lifted(away.real), away)
            parts[:, ~near_zero] = self._solved_at(away, strict)
        value, slope, m_slope = np.where(on_axis, parts.real, np.where(flipped, parts.conj(), parts))
        if self._is_product:
            factor = self._parts.constant
            value, slope, m_slope = value / factor, slope / factor**2, m_slope / factor
        else:
            m_slope = value + np.ravel(z) * slope
        return tuple(part.reshape(np.shape(z)) for part in (value, slope, m_slope))

    @cached_property
    def _around_zero(self) -> "_AroundZero":
        """Series of a product at 0, where 0 is isolated: its subordination points lose their angles there."""
        marks = [abs(x) for ends in self._raw_support for x in ends] + [abs(x) for x in self._raw_atoms if x]
        inside = any(a <= 0.0 <= b for a, b in self._raw_support)
        if not self._is_product or inside or not marks:
            return _AroundZero(0.0, 0.0, np.zeros(1))
        radius = 0.6 * min(marks)
        angles = np.pi * (np.arange(_CIRCLE) + 0.5) / _CIRCLE
        z = radius * np.exp(1j * angles)
        mass = self._raw_atoms.get(0.0, 0.0)
        regular = self._solved_at(z)[0] - mass / z
        k = np.arange(_SERIES)
        coefficients = np.mean(regular * np.exp(-1j * np.outer(k, angles)), axis=1).real / radius**k
        return _AroundZero(radius / 6.0, mass, coefficients)

    def _solved_at(self, z: np.ndarray, strict: bool = True) -> tuple[np.ndarray, ...]:
        """G, G′, M′ of the parts' convolution; left of 0 a product with negative spectrum is solved in a mirror."""
        left = (
            (z.real < 0.0)
            if self._is_product and self._system.signed is not None
            else np.zeros(z.shape, bool)
        )
        value, slope, m_slope = (np.empty(z.shape, dtype=np.complex128) for _ in range(3))
        if not np.all(left):
            solution = self._solve(z[~left], strict=strict)
            value[~left], slope[~left], m_slope[~left] = solution.cauchy, solution.slope, solution.m_slope
        if np.any(left):
            solution = self._solve(-z[left].conj(), mirrored=True, strict=strict)
            value[left], slope[left] = -solution.cauchy.conj(), solution.slope.conj()
            m_slope[left] = -solution.m_slope.conj()
        return value, slope, m_slope

    def _is_left(self, z: np.ndarray) -> np.ndarray:
        """Which z are solved in the mirror."""
        return (z.real < 0.0) & (self._is_product and self._system.signed is not None)

    def _lifted(self, x: np.ndarray) -> np.ndarray:
        """Real points raised by so little, as seen from the spectrum, that Re G does not change."""
        marks = np.array([*self._raw_atoms, *(edge for ends in self._raw_support for edge in ends)])
        distance = np.min(np.abs(x[:, None] - marks), axis=1)
        if not self._is_product:
            return x + 1j * np.maximum(_LIFT * np.minimum(distance, self._system.radius), 1e-300)
        return x + 1j * np.maximum(_LIFT * np.minimum(distance, np.abs(x)), 1e-300)

    def _moment(self, k: int) -> float:
        return self.mean if k == 1 else super()._moment(k)

    @cached_property
    def _inversion(self) -> Inversion:
        return NewtonInversion(self._cauchy_and_slopes, self._hull, self._moment, self.atoms)

    def _check(self, table: Table) -> None:
        """Two moments of the table must be those that the parts give."""
        locations, masses = self._atom_masses
        size = max(abs(self._hull[0]), abs(self._hull[1]))
        for k, expected in ((1, self.mean), (2, self.var + self.mean**2)):
            found = np.sum(masses * locations**k) + np.sum(table.masses * table.nodes**k)
            if not abs(found - expected) <= _AGREEMENT * size**k:
                raise ValueError(
                    f"Moment {k} of this free convolution came out as {found:.12g} instead of {expected:.12g}; "
                    "its solver has lost a part of the spectrum. Move the parameters slightly and report the case."
                )


def _is_cusp(system: System, z: np.ndarray) -> np.ndarray:
    """Which real z are, to rounding, points inside the support where the density falls to 0 like a power."""
    size = np.abs(z) if system.is_product else system.radius
    near, far = (system.solve(z + 1j * lift * size) for lift in (_NEARER, _FARTHER))
    falls = np.abs(near.cauchy.imag) <= _FALL * np.abs(far.cauchy.imag)
    return (z.imag == 0.0) & near.solved & far.solved & falls


def atoms_of(parts: Parts, is_product: bool) -> dict[float, float]:
    r"""Atoms of the parts' convolution, without the constant.

    At :math:`\sum n_i a_i` (or :math:`\prod a_i^{n_i} \ne 0`) the mass is :math:`(1 - \sum n_i(1 - \mu_i\{a_i\}))_+`;
    at 0 in a product it is the largest of the masses at 0.
    """
    found: dict[float, float] = {(1.0 if is_product else 0.0): 1.0}
    for law, count in zip(parts.laws, parts.counts, strict=True):
        extended: dict[float, float] = {}
        for x, mass in found.items():
            for a, own in law.atoms.items():
                left = mass - count * (1.0 - own)
                if left > _ATOM and not (is_product and a == 0.0):
                    place = x * a**count if is_product else x + count * a
                    extended[place] = extended.get(place, 0.0) + left
        found = extended
    if is_product:
        at_zero = max(law.atoms.get(0.0, 0.0) for law in parts.laws)
        if at_zero > 0.0:
            found[0.0] = at_zero
    return found


def mean_and_var(parts: Parts, is_product: bool) -> tuple[float, float]:
    """Mean and variance of the parts' convolution, with the constant."""
    if not is_product:
        mean = sum(n * law.mean for law, n in zip(parts.laws, parts.counts, strict=True)) + parts.constant
        return float(mean), float(sum(n * law.var for law, n in zip(parts.laws, parts.counts, strict=True)))
    mean, var = parts.constant, 0.0
    for law, n in zip(parts.laws, parts.counts, strict=True):
        own = law.mean if n == 1.0 else law.mean**n
        own_var = law.var if n == 1.0 else n * law.var * law.mean ** (2.0 * n - 2.0)
        mean, var = mean * own, var * own**2 + mean**2 * own_var
    return float(mean), float(var)


def point_of(law: SpectralLaw) -> float | None:
    """The point of a law that is one point."""
    if isinstance(law, Convolution) or law.support or len(law.atoms) != 1:
        return None
    return next(iter(law.atoms))


def lowest(law: SpectralLaw) -> float:
    """A lower bound of the spectrum with the right sign; the edges of a convolution only where they are needed."""
    if isinstance(law, Convolution):
        if law._is_product and law._system.signed is None and law._parts.constant > 0.0:
            return 0.0
        if not law._is_product:
            bound = law._parts.constant
            bound += sum(n * lowest(part) for part, n in zip(law._parts.laws, law._parts.counts, strict=True))
            if bound >= 0.0:
                return bound
    return law._hull[0]


def flattened(terms: list[tuple[SpectralLaw, float]], is_product: bool) -> Parts:
    """Take convolutions of the same kind apart, collect equal laws, and set numbers aside."""
    laws: list[SpectralLaw] = []
    counts: list[float] = []
    constant = 1.0 if is_product else 0.0
    for term, n in terms:
        parts, leftover = _taken_apart(term, is_product)
        constant = constant * leftover**n if is_product else constant + n * leftover
        for law, own in parts:
            for i, known in enumerate(laws):
                if known == law:
                    counts[i] += n * own
                    break
            else:
                laws.append(law)
                counts.append(n * own)
    return Parts(tuple(laws), tuple(counts), constant)


def _taken_apart(law: SpectralLaw, is_product: bool) -> tuple[list[tuple[SpectralLaw, float]], float]:
    if (point := point_of(law)) is not None:
        return [], point
    if isinstance(law, Convolution) and law._is_product == is_product:
        return list(zip(law._parts.laws, law._parts.counts, strict=True)), law._parts.constant
    if isinstance(law, Affine) and not is_product and law.scale == 1.0:
        parts, constant = _taken_apart(law.law, False)
        return parts, constant + law.shift
    keeps_sign = isinstance(law, Affine) and (law.scale > 0.0 or law.law._hull[0] >= 0.0)
    if isinstance(law, Affine) and is_product and law.shift == 0.0 and keeps_sign:
        parts, constant = _taken_apart(law.law, True)
        return parts, constant * law.scale
    return [(law, 1.0)], (1.0 if is_product else 0.0)
