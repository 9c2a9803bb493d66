r"""A network's Jacobian as a chain of free factors, and the equation of its spectrum.

Write T for the unnormalised Tr JJᵀ/(z − JJᵀ), in units of n_L. A trace does not see the order of a product
nor its zeros, so every factor of J has one T in common, and with :math:`Z_A(T)` the z at which A has it,

.. math:: z = \prod_A Z_A(T) \prod_{\text{junctions of size } n} \frac{T}{T + n} .

A layer's φ′² has :math:`Z = \zeta_l` with :math:`n_l\,E[d_l/(\zeta_l - d_l)] = T`, an n×m Gaussian matrix
:math:`\sigma_w^2 (T + n)(T + m)/(T m)`, a scaled semi-orthogonal one :math:`\sigma_w^2 \frac{\max(n, m)}{m}
(T + \min(n, m))/T`. For equal widths this is :math:`z = \frac{1+m}{m} (\sigma_w^2 m\zeta)^L` (Gaussian) and
:math:`\frac{1+m}{m} (\sigma_w^2 \frac{m\zeta}{1+m})^L` (Haar) with m = T.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import exp, log

import numpy as np

from rmtlab.jacobian._squares import Squares

_SAME = 1e-14


@dataclass(frozen=True, eq=False)
class Stage:
    """One layer: D W, in front of it (towards the input) the mask of x where there is one."""

    weight_var: float
    is_orthogonal: bool
    squares: Squares


@dataclass(frozen=True, eq=False)
class Factor:
    """A law of φ′² that occurs `count` times at width `size`."""

    squares: Squares
    size: float
    count: int

    @property
    def reach(self) -> float:
        """Rank of D over n_L; n·m(ζ) runs from minus it to 0 on the negative axis."""
        return self.size * self.squares.positive_mass


class Chain:
    """The equation of J Jᵀ's spectrum; sizes are in units of n_L.

    Attributes
    ----------
    factors : list of Factor
        The distinct φ′² that take several positive values; of one value a > 0 with probability p,
        ζ = a(T + n p)/T joins the powers.
    powers : dict
        Exponent of every T + ν; the key 0 is T itself.
    drift : float
        Coefficient of T itself in ln z; 0 but in the limit of many layers.
    log_scale : float
        ln of the constant factor.
    """

    def __init__(self, stages: list[Stage], sizes: list[float], entrance: Squares | None) -> None:
        last = sizes[-1]
        self.stages, self.sizes, self.entrance = stages, [size / last for size in sizes], entrance
        self.factors: list[Factor] = []
        self.powers: Counter[float] = Counter()
        self.log_scale, self.drift = 0.0, 0.0
        found: dict[tuple[int, float], tuple[Squares, int]] = {}
        for squares, size in self._diagonals:
            if squares.only_positive is None:
                before = found.get((id(squares), size), (squares, 0))[1]
                found[id(squares), size] = (squares, before + 1)
            else:
                self.log_scale += log(squares.only_positive)
                self._multiply((squares.positive_mass * size, 1), (0.0, -1))
        self.factors = [Factor(squares, size, count) for (_, size), (squares, count) in found.items()]
        for stage, m, n in zip(stages, self.sizes[:-1], self.sizes[1:], strict=True):
            self.log_scale += log(stage.weight_var)
            if stage.is_orthogonal:
                self.log_scale += log(max(n, m) / m)
                self._multiply((min(n, m), 1), (0.0, -1))
            else:
                self.log_scale -= log(m)
                self._multiply((n, 1), (m, 1), (0.0, -1))
        for size in self._junctions:
            self._multiply((0.0, 1), (size, -1))
        self.powers = Counter({size: power for size, power in self.powers.items() if power})

    def _multiply(self, *powers: tuple[float, int]) -> None:
        for size, power in powers:
            self.powers[size] += power

    @property
    def _diagonals(self) -> list[tuple[Squares, float]]:
        """Every D² with its size."""
        inner = [(stage.squares, size) for stage, size in zip(self.stages, self.sizes[1:], strict=True)]
        return inner if self.entrance is None else [(self.entrance, self.sizes[0]), *inner]

    @property
    def _junctions(self) -> list[float]:
        """The sizes at which two factors meet: D with its W, W with the D (or mask) before it."""
        met = [*self.sizes[1:], *self.sizes[1:-1]]
        return met if self.entrance is None else [*met, self.sizes[0]]

    @cached_property
    def rank(self) -> float:
        """Rank of J over n_L."""
        positive = [squares.positive_mass * size for squares, size in self._diagonals]
        return min([*self.sizes, *positive])

    @property
    def is_single(self) -> bool:
        """Whether J Jᵀ has, up to scale and kernel, the law of one φ′²: z is a multiple of its ζ."""
        return not self.powers and len(self.factors) == 1 and self.factors[0].count == 1

    @property
    def leaves_zero(self) -> bool:
        """Whether the spectrum keeps away from 0 (but for the kernel): z has a simple zero at T = −rank."""
        equal = [factor.count for factor in self.factors if _is_close(factor.reach, self.rank)]
        return (
            sum(equal) + sum(p for size, p in self.powers.items() if size and _is_close(size, self.rank)) == 1
        )

    @cached_property
    def atoms(self) -> dict[float, float]:
        """Atoms of J Jᵀ: its kernel, and products of atoms that overlap."""
        found = {log(a): size * mass for a, mass, size in self._atoms_of_first}
        for size, pieces in self._links:
            joined: dict[float, float] = {}
            for at, weight in found.items():
                for a, other in pieces:
                    overlap = weight + other - size
                    if overlap > _SAME * size:
                        joined[at + log(a)] = overlap
            found = joined
        atoms = {exp(at): mass for at, mass in found.items()}
        kernel = 1.0 - self.rank
        return ({0.0: kernel} if kernel > _SAME else {}) | dict(sorted(atoms.items()))

    @property
    def _atoms_of_first(self) -> list[tuple[float, float, float]]:
        squares, size = (self.entrance, self.sizes[0]) if self.entrance else (None, self.sizes[0])
        if squares is None:
            return [(1.0, 1.0, size)]
        return [(a, mass, size) for a, mass in squares.atoms.items() if a > 0.0]

    @property
    def _links(self) -> list[tuple[float, list[tuple[float, float]]]]:
        """From the input on: the size at which the next factor joins, and its atoms with their ranks."""
        links: list[tuple[float, list[tuple[float, float]]]] = []
        for stage, m, n in zip(self.stages, self.sizes[:-1], self.sizes[1:], strict=True):
            scale = stage.weight_var * max(n, m) / m
            links.append((m, [(scale, min(n, m))] if stage.is_orthogonal else []))
            links.append((n, [(a, n * mass) for a, mass in stage.squares.atoms.items() if a > 0.0]))
        return links

    @property
    def mean(self) -> float:
        """Π σ_w² μ₂ E[φ′²]."""
        product = 1.0
        for stage in self.stages:
            product *= stage.weight_var * stage.squares.moments[0]
        return product * (self.entrance.moments[0] if self.entrance else 1.0)

    @property
    def relative_variance(self) -> float:
        """Variance over squared mean: every factor adds its own, over its width."""
        total = 0.0
        for squares, size in self._diagonals:
            first, second = squares.moments
            total += max(second / first**2 - 1.0, 0.0) / size
        for stage, m, n in zip(self.stages, self.sizes[:-1], self.sizes[1:], strict=True):
            total += max(1.0 / m - 1.0 / n, 0.0) if stage.is_orthogonal else 1.0 / m
        return total

    def rational(self, t: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """drift·T + Σ powers·ln(T + ν) and its derivative in T; u = T + rank is given to its own precision."""
        value, slope = self.drift * t, np.full_like(t, self.drift)
        for size, power in self.powers.items():
            base = t if size == 0.0 else u + (size - self.rank)
            value = value + power * log_below(base)
            slope = slope + power / base
        return value, slope


def _is_close(a: float, b: float) -> bool:
    return abs(a - b) <= _SAME * b


def log_below(x: np.ndarray) -> np.ndarray:
    """The logarithm whose cut runs above the negative axis: for x in the lower half-plane and its boundary."""
    value = np.log(x)
    value.imag = np.where(value.imag > 0.5 * np.pi, value.imag - 2.0 * np.pi, value.imag)
    return value
