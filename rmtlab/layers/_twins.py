"""Pairs of inputs that nearly agree, or nearly oppose, followed by the differences of their signals.

The distance of two means over positions depends on all products ⟨u_α − v_α, u_β − v_β⟩, while the gaps tell only
those of equal positions, and what the kernels tell of the others drowns in rounding.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rmtlab.layers._rows import Pairs, Rows, as_numpy, in_double

if TYPE_CHECKING:
    from rmtlab.layers._base import Layer
    from rmtlab.layers._inputs import Inputs
    from rmtlab.layers._place import Place

_NEAR = 1e-3  # the distance of twins, relative to their largest signal; beyond it kernels tell enough
_STRETCHED = 1e-4  # nearer ones are taken so far apart
_AT_ONCE = 1 << 16  # so many products are taken through a layer at a time
_ROUNDINGS = 32  # so many are left of a kernel
_AGREE, _FELT = 0.03, 3e-10  # how well two ways to the same distance have to agree, and what of it is felt


@dataclass(frozen=True, eq=False)
class Twins:
    r"""The twins of a block, inputs i[t] and j[t], with the products ⟨δ_α, δ_β⟩ of δ = u − ratio·v, (m, p, p).

    `ratio` is 1, or −1 for opposite inputs; where they are of different size, it is that of the sizes.

    All layers take them along by the same rule. Behind a layer ⟨δ_α, δ_β⟩ is a second difference of kernels,
    quadratic in δ up to a factor 1 + O(δ). So u and v are moved M times as far from their middle as they are,
    but no further than 1e-4, where rounding is small beside their distance; they go through the layer, and their
    second difference is divided by M² (by M_α M_β for layers that take every position by itself). Through a
    linear layer δ goes alone. What comes out counts only where it agrees with the gaps.
    """

    i: np.ndarray
    j: np.ndarray
    ratio: np.ndarray
    gram: np.ndarray

    @classmethod
    def of_inputs(cls, pairs: Pairs, first: "Inputs", second: "Inputs", one: Rows, two: Rows) -> "Twins":
        """Find the twins among inputs, and form their differences from the inputs themselves."""
        i, j, ratio = _candidates(pairs, one, two)
        u, v = first.signal(i), second.signal(j)
        u -= ratio[:, None, None] * v
        found = cls(i, j, ratio, u @ u.mT / first.features)
        return found.part(found._near(one))

    @classmethod
    def of_kernels(cls, pairs: Pairs, one: Rows, two: Rows) -> "Twins":
        """Find the twins in a block, and form their differences from gaps and kernels."""
        found = cls._formed(pairs, one, two, *_candidates(pairs, one, two))
        return found.part(found._near(one))

    def with_others(self, pairs: Pairs, one: Rows, two: Rows) -> "Twins":
        """Return them and all other pairs of a block, as a layer asks for whose bias will make twins of them."""
        n1, n2 = pairs.nngp.shape[:2]
        other = np.ones((n1, n2), dtype=bool)
        other[self.i, self.j] = False
        if pairs.one_pass:
            np.fill_diagonal(other, False)
        i, j = np.nonzero(other)
        return self._beside(self._formed(pairs, one, two, i, j, np.ones(len(i))))

    @classmethod
    def _formed(
        cls, pairs: Pairs, one: Rows, two: Rows, i: np.ndarray, j: np.ndarray, ratio: np.ndarray
    ) -> "Twins":
        cross = ratio[:, None, None] * as_numpy(pairs.nngp[i, j])
        gram = one.moment[i] + ratio[:, None, None] ** 2 * two.moment[j] - cross - cross.mT
        found = cls(i, j, ratio, gram)
        _set_diagonal(found.gram, found._apart(pairs, one, two))
        return found

    @classmethod
    def of_rows(cls, rows: Rows) -> "Twins":
        """Return every input as the twin of itself."""
        n = np.arange(len(rows.moment))
        return cls(n, n, np.ones(len(n)), np.zeros_like(rows.moment))

    def with_own(self, pairs: Pairs, before: tuple[Rows, Rows]) -> "Twins":
        """Return them and, in one pass, every input as the twin of itself."""
        return self._beside(Twins.of_rows(before[0])) if pairs.one_pass else self

    def __len__(self) -> int:
        return len(self.i)

    def part(self, which: np.ndarray) -> "Twins":
        """Return some of the twins."""
        return Twins(self.i[which], self.j[which], self.ratio[which], self.gram[which])

    def _beside(self, others: "Twins") -> "Twins":
        """Return both together."""
        if not len(self):
            return others
        names = ("i", "j", "ratio", "gram")
        return Twins(*(np.concatenate([getattr(self, name), getattr(others, name)]) for name in names))

    def behind(
        self,
        layer: "Layer",
        pairs: Pairs,
        before: tuple[Rows, Rows],
        after: tuple[Rows, Rows],
        place: "Place",
    ) -> "Twins":
        """Return them behind a layer; the pairs are still before it. Equal inputs stay equal."""
        p = after[0].variance[0].size
        found = replace(self, gram=np.zeros((len(self), p, p)))
        apart = np.flatnonzero(self.gram.any(axis=(1, 2)))
        step = max(1, _AT_ONCE // max(1, self.gram[:1].size))
        for start in range(0, len(apart), step):
            which = apart[start : start + step]
            found.gram[which] = self.part(which)._second_differences(layer, pairs, before, place)
        return found

    def _second_differences(
        self, layer: "Layer", pairs: Pairs, before: tuple[Rows, Rows], place: "Place"
    ) -> np.ndarray:
        """Return ⟨δ_α, δ_β⟩ behind the layer."""
        if layer.linear:
            factor = abs(self.gram).max(axis=(1, 2), keepdims=True)
            plus, cross, minus = self.gram / factor, *np.zeros((2, *self.gram.shape))
        else:
            half = self._stretch(pairs, before, layer.by_position) / 2
            plus, cross, minus = self._stretched(pairs, before, half)
            half = half if layer.by_position else half[:, :1]
            factor = 0.25 / (half[:, :, None] * half[:, None, :])
        one = Rows(np.concatenate([plus, plus, minus]), all_pairs=True)
        two = Rows(np.concatenate([plus, minus, minus]), all_pairs=True)
        apart = Pairs(np.concatenate([plus, cross, minus]), None, None, all_pairs=True, own=True)
        apart.tell(one, two)
        apart.sharp = False
        ends = (one.equal_positions(), two.equal_positions()) if layer.by_position else (one, two)
        behind = layer._rows(ends[0], place), layer._rows(ends[1], place)
        layer._covariances_only(apart, ends, behind, place)
        plus, cross, minus = apart.nngp.reshape(3, len(self), *apart.nngp.shape[1:])
        if not apart.all_pairs:
            plus, cross, minus = (part[:, None, None] for part in (plus, cross, minus))
        return factor * (plus - cross - cross.mT + minus)

    def _stretch(self, pairs: Pairs, before: tuple[Rows, Rows], by_position: bool) -> np.ndarray:
        """Return M, (m, p); the same for all positions unless the layer takes each by itself."""
        size = (before[0].variance[self.i] + self.ratio[:, None] ** 2 * before[1].variance[self.j]) / 2
        square = _diagonal(self.gram)
        if not by_position:
            size, square = (
                np.broadcast_to(part.max(axis=-1, keepdims=True), part.shape) for part in (size, square)
            )
        distance = np.sqrt(np.divide(square, size, out=np.ones_like(size), where=size > 0))
        return np.maximum(1.0, _STRETCHED / np.maximum(distance, _rounding(pairs)))

    def _stretched(self, pairs: Pairs, before: tuple[Rows, Rows], half: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return ⟨u₊, u₊⟩, ⟨u₊, u₋⟩ and ⟨u₋, u₋⟩ for u± = (u + v)/2 ± M(u − v)/2, with M/2 given."""
        ratio, left, right = self.ratio[:, None, None], half[:, :, None], half[:, None, :]
        one, two = before[0].moment[self.i], ratio**2 * before[1].moment[self.j]
        cross = ratio * in_double(pairs.nngp[self.i, self.j])
        middle = (one + cross + cross.mT + two) / 4
        slope = (one - cross + cross.mT - two) / 2
        first, second, bend = left * slope.mT, slope * right, left * self.gram * right
        plus, minus = middle + first + second + bend, middle - first - second + bend
        for own in (plus, minus):
            _set_diagonal(own, np.maximum(_diagonal(own), 0.0))
        return plus, middle + first - second - bend, minus

    def settled(self, pairs: Pairs, after: tuple[Rows, Rows], reach: np.ndarray | None) -> "Twins | None":
        """Return the twins of the pairs behind a layer, `self` having gone through it; None if nothing asks for them.

        Behind a mean over positions they tell the gaps. `reach`, (n2, p, p), is then how far the positions of a
        second input can be from each other; behind any other layer it is None, and the gaps are told already.
        """
        if pairs.told:
            return self.part(np.zeros(len(self), dtype=bool)) if pairs.all_pairs else None
        kept = self
        if len(self) and reach is not None:
            kept = self._sharpened(pairs, after, reach[self.j])
        elif len(self) and pairs.all_pairs:
            kept = self._confirmed(pairs, after)
        if not pairs.all_pairs:
            return None
        others = Twins.of_kernels(pairs, *after)
        known = np.isin(others.i * len(after[1].moment) + others.j, kept.i * len(after[1].moment) + kept.j)
        return kept._beside(others.part(~known))

    def _confirmed(self, pairs: Pairs, after: tuple[Rows, Rows]) -> "Twins":
        """Return those whose distances the gaps confirm."""
        turned = self._turned(pairs, after[0])
        expected, size = turned._apart(pairs, *after), after[0].variance[self.i].max(axis=-1)
        error, scale = np.abs(_diagonal(self.gram) - expected).max(axis=-1), expected.max(axis=-1)
        relative = np.sqrt(np.divide(scale, size, out=np.zeros_like(size), where=size > 0))
        kept = error <= _tolerance(relative) * scale + _rounding(pairs) ** 2 * size
        _set_diagonal(turned.gram, expected)
        return turned.part(kept & turned._near(after[0]))

    def _sharpened(self, pairs: Pairs, after: tuple[Rows, Rows], reach: np.ndarray) -> "Twins":
        """Put their gaps behind a mean over positions, and return those for which the kernels allow it.

        From u_α to v_β it is as far as from u_α to v_α, give or take what it can be from v_α to v_β.
        """
        turned, size = self._turned(pairs, after[0]), abs(self.ratio)[:, None, None]
        root1, root2 = after[0].root[self.i], after[1].root[self.j]
        root1, root2 = root1.reshape(len(self), -1, 1), size * root2.reshape(len(self), 1, -1)
        gap, cosine = (as_numpy(values[self.i, self.j]) for values in (pairs.gap, pairs.nngp))
        gap, cosine = gap.reshape(reach.shape), cosine.reshape(reach.shape)
        norm, product = (root1 - root2) ** 2, 2.0 * root1 * root2
        distance = np.sqrt(np.maximum(_diagonal(self.gram), 0.0))[:, :, None]
        least, most = np.maximum(distance - size * reach, 0.0) ** 2, (distance + size * reach) ** 2
        apart = np.clip(norm + product * gap, least, most)
        found = np.divide(apart - norm, product, out=gap.copy(), where=product > 0)
        found = np.where(turned.ratio[:, None, None] * cosine > 0, np.clip(found, 0.0, 1.0), gap)
        error, scale = abs(_diagonal(found - gap)).max(axis=-1), _diagonal(found).max(axis=-1)
        kept = error <= _tolerance(np.sqrt(scale)) * scale + _rounding(pairs)
        pairs.gap[self.i[kept], self.j[kept]] = pairs.like(
            found.reshape(pairs.gap[self.i, self.j].shape)[kept]
        )
        _set_diagonal(turned.gram, _diagonal(norm + product * found))
        return turned.part(kept)

    def _turned(self, pairs: Pairs, one: Rows) -> "Twins":
        """Return them with the sign that they have now: an even function makes opposite inputs equal."""
        at = one.variance.reshape(len(one.variance), -1).argmax(axis=-1)[self.i]
        index = (self.i, self.j, at, at) if pairs.all_pairs else (self.i, self.j)
        return replace(self, ratio=np.copysign(self.ratio, as_numpy(pairs.nngp[index])))

    def _near(self, one: Rows) -> np.ndarray:
        return _diagonal(self.gram).max(axis=-1) < _NEAR**2 * one.variance[self.i].max(axis=-1)

    def _gaps(self, pairs: Pairs) -> np.ndarray:
        """Return 1 ∓ c at equal positions, (m, p)."""
        gap, cosine = (as_numpy(values[self.i, self.j]) for values in (pairs.gap, pairs.nngp))
        gap, cosine = (_diagonal(v) if pairs.all_pairs else v[:, None] for v in (gap, cosine))
        return np.where(self.ratio[:, None] * cosine < 0, 2.0 - gap, gap)

    def _apart(self, pairs: Pairs, one: Rows, two: Rows) -> np.ndarray:
        """Return ⟨δ_α, δ_α⟩ as the gaps tell it, (m, p)."""
        root1, root2 = one.root[self.i], np.abs(self.ratio)[:, None] * two.root[self.j]
        return (root1 - root2) ** 2 + 2.0 * root1 * root2 * self._gaps(pairs)


def _candidates(pairs: Pairs, one: Rows, two: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the inputs, and the ratios, of pairs that are nearly parallel where the first is largest."""
    n1, n2 = pairs.gap.shape[:2]
    at = one.root.argmax(axis=-1)
    index = np.arange(n1)[:, None], np.arange(n2), at[:, None], at[:, None]
    near = as_numpy(pairs.gap[index]) < _NEAR**2
    near &= two.root.T[at] > 0
    if pairs.one_pass:
        np.fill_diagonal(near, False)
    i, j = np.nonzero(near)
    ratio = one.root[i, at[i]] / two.root[j, at[i]]
    ratio[np.abs(ratio - 1.0) < _NEAR / 2] = 1.0
    return i, j, np.copysign(ratio, as_numpy(pairs.nngp[i, j, at[i], at[i]]))


def _tolerance(distance: np.ndarray) -> np.ndarray:
    """Return what the square of a distance may be wrong by, relatively: a rectifier feels the distance itself."""
    return np.minimum(_AGREE, _FELT / np.maximum(distance, _FELT))


def _rounding(pairs: Pairs) -> float:
    return _ROUNDINGS * float(pairs.xp.finfo(pairs.nngp.dtype).eps)


def _diagonal(gram: np.ndarray) -> np.ndarray:
    return gram.diagonal(0, -2, -1)


def _set_diagonal(gram: np.ndarray, values: np.ndarray) -> None:
    p = np.arange(gram.shape[-1])
    gram[:, p, p] = values
