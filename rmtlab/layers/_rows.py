"""The two things that travel through an infinitely wide network: single inputs, and pairs of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtlab.layers import _folded

if TYPE_CHECKING:
    from rmtlab.layers._twins import Twins

_EQUAL = 1e-15  # a smaller gap between positions of one input is rounding
_DRAWN = 100.0  # a bias of so many times the variance of all signals makes nearly one of them


class Rows:
    """Second moments of a set of inputs, each by itself: always NumPy, float64, and small.

    `moment` has the shape (n,) for flat signals, (n, p) for the variances at p positions, and
    (n, p, p) where the covariances of all pairs of positions are carried. Those have gaps, too, until the
    next layer has taken them; without them the covariances tell what they can. `extra` is what a layer
    keeps about the inputs for the pairs they will form; what is derived from the moments is computed
    once for all inputs, and a part of them looks it up.
    """

    def __init__(self, moment: np.ndarray, all_pairs: bool = False, gap: np.ndarray | None = None) -> None:
        self.moment = moment
        self.all_pairs = all_pairs
        self.gap = gap
        self.extra: Any = None
        self._derived: dict[Any, np.ndarray] = {}
        self._least: dict[str, float] = {}
        self._whole: tuple[Rows, slice] | None = None

    @property
    def variance(self) -> np.ndarray:
        """Variances, (n,) or (n, p)."""
        if not self.all_pairs:
            return self.moment
        return self.derive("variance", lambda rows: np.einsum("npp->np", rows.moment).copy())

    @property
    def root(self) -> np.ndarray:
        """Their square roots."""
        return self.derive("root", lambda rows: np.sqrt(rows.variance))

    def derive(self, key: Any, function: Callable[["Rows"], np.ndarray]) -> np.ndarray:
        """Return what the function makes of the rows, from memory if it was asked for before."""
        if key not in self._derived:
            if self._whole is None:
                self._derived[key] = function(self)
            else:
                whole, rows = self._whole
                self._derived[key] = whole.derive(key, function)[rows]
        return self._derived[key]

    def least(self, key: str, function: Callable[["Rows"], np.ndarray]) -> float:
        """Return the least of what :meth:`derive` returns."""
        if key not in self._least:
            self._least[key] = float(self.derive(key, function).min())
        return self._least[key]

    def factor(self, key: str, function: Callable[["Rows"], np.ndarray]) -> np.ndarray:
        """Return the same beside 0, as :meth:`Pairs.outer` takes it."""
        return self.derive(f"{key} beside 0", lambda rows: beside_zero(function(rows)))

    def part(self, rows: slice) -> "Rows":
        """Return some of the inputs."""
        part = Rows(self.moment[rows], self.all_pairs, None if self.gap is None else self.gap[rows])
        part.extra = None if self.extra is None else self.extra.part(rows)
        part._whole = self, rows
        return part

    def equal_positions(self) -> "Rows":
        """Return the variances alone."""
        return Rows(self.variance)


class Pairs:
    """The kernels of a block of input pairs, updated in place: arrays, or tensors of one device.

    Shapes are (n1, n2), (n1, n2, p), or with `all_pairs` (n1, n2, p, p). `gap` is 1 − |c|, c the
    correlation, kept apart because it can't be had back from rounded kernels; where no two inputs of the
    block are nearly parallel it can, and is formed only when it is asked for. `ntk` is None where
    only covariances are followed. With `one_pass` rows and columns are the same inputs in one pass; with `own`
    the k-th row belongs to the k-th column, and the shape is (n, p, p). Pairs of one pass may be `folded`: each is
    there once, in (n//2 + 1, n) or (n//2 + 1, n, p), and each input with itself in the first row. `twins` are
    followed where a layer ahead takes means over positions. Gaps are kept `sharp`, unless nobody asks for them.
    """

    def __init__(
        self,
        nngp: Any,
        ntk: Any,
        gap: Any,
        one_pass: bool = False,
        all_pairs: bool = False,
        own: bool = False,
        folded: bool = False,
    ) -> None:
        self.nngp, self.ntk, self._gap = nngp, ntk, gap
        self.one_pass, self.all_pairs, self.own, self.folded = one_pass, all_pairs, own, folded
        self.twins: Twins | None = None
        self.sharp = True
        self._ends: tuple[Rows, Rows] | None = None

    @property
    def gap(self) -> Any:
        """1 − |c|."""
        self.form_gap()
        return self._gap

    @gap.setter
    def gap(self, values: Any) -> None:
        self._gap, self._ends = values, None

    def form_gap(self) -> None:
        """From here on carry the gap, if the kernels tell it so far."""
        if self._ends is not None:
            self.gap = fresh_gap(self, *self._ends)
            self.close()

    @property
    def told(self) -> bool:
        """Whether the kernels tell the gap as well as it can be carried."""
        return self._ends is not None

    def tell(self, one: Rows, two: Rows) -> None:
        """Let the kernels tell the gap, together with the second moments of the inputs."""
        self._gap, self._ends = None, (one, two)

    @property
    def xp(self) -> Any:
        """The library whose functions act on the arrays."""
        if isinstance(self.nngp, np.ndarray):
            return np
        import torch

        return torch

    def like(self, values: np.ndarray) -> Any:
        """Return `values` as an array of the same library, precision and device."""
        if isinstance(self.nngp, np.ndarray):
            return values.astype(self.nngp.dtype, copy=False)
        return self.xp.as_tensor(np.ascontiguousarray(values), dtype=self.nngp.dtype, device=self.nngp.device)

    def first(self, values: np.ndarray) -> Any:
        """Return values (n1,) or (n1, p) of the first inputs so that they broadcast with the pairs."""
        return self._spread(self.like(values), 0)

    def second(self, values: np.ndarray) -> Any:
        """Return values (n2,) or (n2, p) of the second inputs so that they broadcast with the pairs."""
        return self._spread(self.like(values), 1)

    def product(self, one: np.ndarray, two: np.ndarray) -> Any:
        """Return the products of values (n1,) or (n1, p) with values (n2,) or (n2, p)."""
        return self.outer(beside_zero(one), beside_zero(two))

    def outer(self, one: np.ndarray, two: np.ndarray) -> Any:
        """Return the same for values that stand beside 0."""
        if self._is_table(one):
            return self.inner(one, two)
        return self.first(one[..., 0]) * self.second(two[..., 0])

    def inner(self, one: np.ndarray, two: np.ndarray) -> Any:
        """Return Σ_k u_k v_k, k = 1, 2, over the last axis; a matrix product is faster than broadcasting."""
        if self._is_table(one):
            return self.like(one) @ self.like(two).T
        found = self.first(one[..., 0]) * self.second(two[..., 0])
        found += self.first(one[..., 1]) * self.second(two[..., 1])
        return found

    def _is_table(self, one: np.ndarray) -> bool:
        """Say whether each row, at no position, meets each column; `one` are vectors of the rows."""
        return one.ndim == 2 and not self.own and not self.folded

    def _spread(self, values: Any, side: int) -> Any:
        if self.own:
            return values[:, :, None] if side == 0 else values[:, None, :]
        if self.folded:
            return _folded.spread(values, side)
        values = values[:, None] if side == 0 else values[None]
        if self.all_pairs:
            return values[..., :, None] if side == 0 else values[..., None, :]
        return values

    def fold(self) -> None:
        """Keep each pair of one pass once."""
        self.folded = True
        self.nngp, self.ntk = _folded.fold(self.nngp), _folded.fold(self.ntk)
        if not self.told:
            self.gap = _folded.fold(self.gap)

    def diagonal(self, values: Any, of_positions: bool = False) -> Any:
        """Return a view of the entries of each input with itself and, if asked for, of equal positions alone."""
        if self.folded:
            return values[0]
        return self.xp.einsum("iipp->ip" if of_positions and self.all_pairs else "ii...->i...", values)

    def set_own(self, rows: Rows) -> None:
        """In one pass, put the covariances of each input with itself, which are known exactly."""
        if self.one_pass:
            self.diagonal(self.nngp)[...] = self.like(rows.moment)
            self.close()

    def close(self, gap: float = 0.0) -> None:
        """In one pass, say that each input is parallel to itself at each position, or what its gap there is."""
        if self.one_pass and not self.told:
            self.diagonal(self.gap, of_positions=True)[...] = gap


def as_numpy(values: Any) -> np.ndarray:
    """Return an array, or what a tensor holds, as an array."""
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()


def in_double(values: Any) -> np.ndarray:
    """Return the same in float64, as the duals of activations want it."""
    return as_numpy(values).astype(np.float64, copy=False)


def beside_zero(values: np.ndarray) -> np.ndarray:
    """Return the values and 0 on a last axis."""
    found = np.zeros((*values.shape, 2))
    found[..., 0] = values
    return found


def inverse_root(rows: Rows) -> np.ndarray:
    """Return 1/√q, and 0 where q is 0."""
    return rows.derive("inverse", lambda r: np.divide(1, r.root, out=np.zeros_like(r.root), where=r.root > 0))


def own_pairs(rows: Rows) -> Pairs:
    """Return the pairs of positions inside each input, without a tangent kernel."""
    pairs = Pairs(rows.moment.copy(), None, None, all_pairs=True, own=True)
    pairs.gap = fresh_gap(pairs, rows, rows) if rows.gap is None else rows.gap.copy()
    return pairs


def fresh_gap(pairs: Pairs, one: Rows, two: Rows) -> Any:
    """Return 1 − |c| from the kernels as they are; two zero signals are parallel, one is orthogonal.

    What rounding leaves of equal signals inside one input counts as equal: fast functions would make much of it.
    """
    size = pairs.first(one.root) * pairs.second(two.root)
    missing = pairs.first(np.sqrt(one.root == 0)) * pairs.second(np.sqrt(two.root == 0))
    gap = gap_of(pairs.xp, size - abs(pairs.nngp), size, missing)
    return np.where(gap < _EQUAL, 0.0, gap) if pairs.own else gap


def gap_of(xp: Any, difference: Any, size: Any, both_zero: Any) -> Any:
    """Return difference/size between 0 and 1, with 0 where both signals are zero and 1 where one is."""
    some = size > 0
    ratio = difference / xp.where(some, size, xp.ones_like(size))
    return xp.where(some, xp.clip(ratio, 0.0, 1.0), 1.0 - both_zero)


def shrink_correlations(pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows]) -> None:
    """Update the gap where variances grow and covariances stay: 1 − α₁α₂|c|, α² = q/q′."""
    if pairs.told:
        return pairs.tell(*after)
    one, two = (_ratio(b.root, a.root) for b, a in zip(before, after, strict=True))
    if (one == 1).all() and (two == 1).all():
        return
    pairs.gap *= -1.0
    pairs.gap += 1.0
    pairs.gap *= pairs.first(one)
    pairs.gap *= pairs.second(two)
    pairs.gap *= -1.0
    pairs.gap += 1.0


def drawn_together(before: tuple[Rows, Rows], scale: float, shift: float) -> bool:
    """Say whether K → scale·K + shift makes all signals nearly equal: mostly the first denies it already."""
    most = shift / _DRAWN
    if scale * before[0].variance.item(0) >= most:
        return False
    return all(scale * float(rows.variance.max()) < most for rows in before)


def add_common(
    pairs: Pairs, before: tuple[Rows, Rows], after: tuple[Rows, Rows], scale: float, shift: float
) -> None:
    r"""K → scale·K + shift, and the gap without cancellation.

    A signal h with its bias is the vector (√scale·h, √shift). At the angle ψ, tan ψ = √(shift/(scale q)),
    to the first of its two parts,

        1 − c′ = cos ψ₁ cos ψ₂ (1 − c) + 2 sin²((ψ₁ − ψ₂)/2),
        1 + c′ = cos ψ₁ cos ψ₂ (1 + c) + 2 sin²((ψ₁ + ψ₂)/2).
    """
    if pairs.told and drawn_together(before, scale, shift):
        pairs.form_gap()
    if scale != 1:
        pairs.nngp *= scale
    if pairs.told:
        pairs.nngp += shift
        return pairs.tell(*after)
    if not shift:
        return
    (cos1, half1), (cos2, half2) = (_angles(rows, scale, shift) for rows in before)
    shrunk, opposite = pairs.gap, pairs.nngp < 0
    pairs.nngp += shift
    if bool(opposite.any()):
        turned = opposite & (pairs.nngp > 0)
        shrunk[turned] = 2.0 - shrunk[turned]
        opposite &= ~turned
    mixed = bool(opposite.any())
    shrunk *= pairs.product(cos1, cos2)
    if mixed:
        still = shrunk[opposite] + _sines(pairs, half1, half2, 1.0)[opposite]
    if mixed or np.ptp(half1[..., 1]) or (half1[..., 1].flat[0] != half2[..., 1]).any():
        shrunk += _sines(pairs, half1, half2, -1.0)
    if mixed:
        shrunk[opposite] = still


def _angles(rows: Rows, scale: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Return cos ψ, and √√2·(cos(ψ/2), sin(ψ/2)) on a last axis."""

    def angles(rows: Rows) -> np.ndarray:
        psi = np.arctan2(np.sqrt(shift), np.sqrt(scale) * rows.root)
        return np.stack([np.cos(psi), 2**0.25 * np.cos(psi / 2), 2**0.25 * np.sin(psi / 2)], axis=-1)

    found = rows.derive(("angles", scale, shift), angles)
    return found[..., 0], found[..., 1:]


def _sines(pairs: Pairs, half1: np.ndarray, half2: np.ndarray, sign: float) -> Any:
    """Return 2 sin²((ψ₁ ± ψ₂)/2)."""
    sine = pairs.inner(half1[..., ::-1], half2 * [1.0, sign])
    sine *= sine
    return sine


def _ratio(small: np.ndarray, large: np.ndarray) -> np.ndarray:
    return np.divide(small, large, out=np.ones_like(small), where=large > 0)
