"""Gaps of a spectrum: the open intervals off it, with a coordinate that resolves both ends."""

from dataclasses import dataclass

import numpy as np

from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._free_jets import gaps_of

BY_ATOM = 1e-9
ABOVE, BELOW, BETWEEN = "above", "below", "between"
_FAR = 8.0


@dataclass(frozen=True)
class Gap:
    """An open interval off the spectrum; `kind` is "between", or "above" or "below" all of it."""

    kind: str
    left: float
    right: float
    width: float
    atoms: frozenset[float]

    def point(self, y: np.ndarray) -> np.ndarray:
        """The point with logarithmic coordinate y; distances to the ends are exponential in it."""
        if self.kind == ABOVE:
            return self.left + self.width * np.exp(y)
        if self.kind == BELOW:
            return self.right - self.width * np.exp(-y)
        near_left = self.left + self.width / (1.0 + np.exp(-np.minimum(y, 0.0)))
        near_right = self.right - self.width / (1.0 + np.exp(np.maximum(y, 0.0)))
        return np.where(y < 0.0, near_left, near_right)

    def range(self, deep: bool) -> tuple[float, float]:
        """The coordinates between which float64 tells points apart."""
        low, high = (self._nearest(end, deep) for end in (self.left, self.right))
        if self.kind == ABOVE:
            return low, _FAR
        return (-_FAR if self.kind == BELOW else low), -high

    def split_at_zero(self) -> list["Gap"]:
        """The two sides of 0, where a product's ω all vanish together, if it is inside."""
        if not self.left < 0.0 < self.right:
            return [self]
        kinds = (BELOW if self.kind == BELOW else BETWEEN, ABOVE if self.kind == ABOVE else BETWEEN)
        ends = ((self.left, 0.0), (0.0, self.right))
        widths = [self.width if kind != BETWEEN else b - a for kind, (a, b) in zip(kinds, ends, strict=True)]
        return [Gap(k, a, b, w, self.atoms) for k, (a, b), w in zip(kinds, ends, widths, strict=True)]

    def _nearest(self, end: float, deep: bool) -> float:
        if not np.isfinite(end):
            return 0.0
        if end in self.atoms:
            return float(np.log(max(BY_ATOM * abs(end) / self.width, 0.01 * BY_ATOM)))
        if end == 0.0:
            return -(650.0 if deep else 80.0)
        return max(float(np.log(8.0 * np.spacing(abs(end)) / self.width)), -650.0)

    def grid(self, deep: bool) -> np.ndarray:
        """Coordinates that are dense in the middle and reach both ends."""
        low, high = self.range(deep)
        steps = np.concatenate([np.arange(0.11, 8.0, 0.3), np.arange(8.0, 40.0, 1.0)])
        steps = np.concatenate([steps, 40.0 * 1.2 ** np.arange(17.0)])
        both = np.concatenate([-steps[::-1], steps])
        return np.unique(np.concatenate([[low], both[(both > low) & (both < high)], [high]]))


def outer_gaps(law: SpectralLaw) -> list[Gap]:
    low, high = law._hull
    width, atoms = (high - low) or abs(high) or 1.0, frozenset(law.atoms) & {low, high}
    return [Gap(ABOVE, high, np.inf, width, atoms), Gap(BELOW, -np.inf, low, width, atoms)]


def bounded_gaps(law: SpectralLaw) -> list[Gap]:
    atoms = law.atoms.keys()
    narrow = 1e-13 * _radius(law)
    return [Gap(BETWEEN, a, b, b - a, frozenset(atoms & {a, b})) for a, b in gaps_of(law) if b - a > narrow]


def _radius(law: SpectralLaw) -> float:
    return max(map(abs, law._hull)) or 1.0
