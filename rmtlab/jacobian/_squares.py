r"""The law of d = φ′(h)² ε² in one layer, and the average m(ζ) = E[d/(ζ − d)] that every spectrum needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from rmtlab.jacobian._curve import Correction, Curve

_BLOCK = 1 << 19
_SPREAD = 1e-12
_MOST_GAPS = 8


@dataclass(frozen=True, eq=False)
class Squares:
    """Atoms {d: mass} and smooth curves; together of mass 1.

    `moments` are E[d] and E[d²], exact.
    """

    atoms: dict[float, float]
    curves: tuple[Curve, ...]
    moments: tuple[float, float]

    @property
    def zero_mass(self) -> float:
        """P(d = 0)."""
        return self.atoms.get(0.0, 0.0)

    @cached_property
    def positive_mass(self) -> float:
        """P(d > 0)."""
        return 1.0 - self.zero_mass

    @property
    def constant(self) -> float | None:
        """The value of d, where it has only one, or spreads by less than a millionth."""
        if len(self.atoms) == 1 and not self.curves:
            return next(iter(self.atoms))
        first, second = self.moments
        return first if second - first**2 <= _SPREAD * first**2 else None

    @property
    def only_positive(self) -> float | None:
        """The value of d, where it has only one besides 0, or spreads by less than a millionth."""
        positive = [a for a in self.atoms if a > 0.0]
        return positive[0] if len(positive) == 1 and not self.curves else self.constant

    @cached_property
    def parts(self) -> list[tuple[float, float]]:
        """The intervals and points that d > 0 can lie in, in order, overlapping ones joined."""
        found = sorted([*(curve.hull for curve in self.curves), *((a, a) for a in self.atoms if a > 0.0)])
        joined: list[tuple[float, float]] = []
        for low, high in found:
            if joined and low <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], high))
            else:
                joined.append((low, high))
        return joined

    def transform(self, zeta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """m = E[d/(ζ − d)], m + P(d > 0) = E[ζ/(ζ − d); d > 0], and dm/dζ."""
        m, o, slope = self._rule(zeta)
        corrections = [curve.correction(zeta) for curve in self.curves]
        meeting = np.unique(
            np.concatenate([np.empty(0, dtype=int), *(found.points for found in corrections)])
        )
        if meeting.size:
            pairs = self._pairs(corrections)
            m[meeting], o[meeting], slope[meeting] = self._rule(zeta[meeting], meeting, pairs)
        for found in corrections:
            m, o, slope = m - found.total, o - found.total, slope - found.slope
        return m, o, slope

    def _rule(
        self, zeta: np.ndarray, points: np.ndarray | None = None, left_out: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The three averages by the plain rule, without the terms of ζ/(ζ − d) for the pairs (point, node)."""
        nodes, weights = self._nodes
        both = np.stack([weights * nodes, weights], axis=1)
        m, o, slope = (np.empty(zeta.shape, dtype=np.complex128) for _ in range(3))
        block = max(1, _BLOCK // max(1, nodes.size))
        for start in range(0, zeta.size, block):
            part = slice(start, start + block)
            inverse = zeta[part, None] - nodes
            with np.errstate(all="ignore"):
                np.reciprocal(inverse, out=inverse)
            lost = np.zeros(inverse.shape[0])
            if points is not None and left_out is not None:
                row = np.searchsorted(points, left_out[0]) - start
                here = (row >= 0) & (row < inverse.shape[0])
                inverse[row[here], left_out[1][here]] = 0.0
                np.add.at(lost, row[here], weights[left_out[1][here]])
            sums = inverse @ both
            with np.errstate(all="ignore"):
                inverse *= inverse
                slope[part] = -(inverse @ both[:, 0])
            m[part], o[part] = sums[:, 0] - lost, zeta[part] * sums[:, 1]
        return m, o, slope

    def _pairs(self, corrections: list[Correction]) -> np.ndarray:
        """Points and nodes (numbered through all curves) whose terms the corrections contain."""
        first = np.cumsum([sum(1 for a in self.atoms if a > 0.0), *(curve.d.size for curve in self.curves)])
        return np.concatenate(
            [np.stack([c.points, c.nodes + start]) for c, start in zip(corrections, first, strict=False)],
            axis=1,
        )

    def moment(self, k: int) -> float:
        """E[d^k], k ≥ 1."""
        nodes, weights = self._nodes
        return float(weights @ nodes**k)

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        positive = [(a, mass) for a, mass in self.atoms.items() if a > 0.0]
        nodes = [np.array([a for a, _ in positive]), *(curve.d for curve in self.curves)]
        weights = [np.array([mass for _, mass in positive]), *(curve.w for curve in self.curves)]
        return np.concatenate(nodes), np.concatenate(weights)


def points(values: np.ndarray) -> Squares:
    """Equal weights on the given values."""
    distinct, counts = np.unique(values, return_counts=True)
    atoms = dict(zip(distinct.tolist(), (counts / values.size).tolist(), strict=True))
    return Squares(atoms, (), (float(np.mean(values)), float(np.mean(values**2))))


def mixture(law: Squares, scales: Sequence[tuple[float, float]]) -> Squares:
    """The law of c·d, where c is an independent scale: (value, mass) pairs."""
    atoms: dict[float, float] = {}
    for c, share in scales:
        for a, mass in law.atoms.items():
            atoms[c * a] = atoms.get(c * a, 0.0) + share * mass
        if c == 0.0:
            atoms[0.0] = atoms.get(0.0, 0.0) + share * sum(curve.mass for curve in law.curves)
    curves = tuple(curve.scaled(c, share) for c, share in scales if c > 0.0 for curve in law.curves)
    first, second = (sum(share * c**k for c, share in scales) for k in (1, 2))
    return Squares(
        {a: mass for a, mass in atoms.items() if mass > 0.0},
        curves,
        (law.moments[0] * first, law.moments[1] * second),
    )


def gaps(law: Squares) -> list[tuple[float, float]]:
    """The open intervals between the parts of d > 0; none where so many points stand for a continuum."""
    found = [(below[1], above[0]) for below, above in pairwise(law.parts)]
    return found if len(found) <= _MOST_GAPS else []
