r"""The support of a free sum or product, from the critical points of its inverse subordination function.

Off its spectrum the law's subordination points are real, each in a gap of its own law. Along a choice of gaps
everything is a function of one real ω of the leading law, :math:`x = \omega + \sum r` (for products
:math:`\omega \prod r`), and x lies outside the spectrum exactly where :math:`dx/d\omega > 0`: the edges are the
critical points. With :math:`q_i = -G_i^2/G_i'` (for products :math:`-m(1+m)/(\omega_i M_i')`) that is
:math:`\sum_i n_i (1 - q_i) < 1`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from itertools import product as choices

import numpy as np

from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._free_jets import Jet, gaps_of, jet
from rmtlab.laws._subordination import System
from rmtlab.laws.discrete import Dirac, Discrete, Empirical
from rmtlab.laws.marchenko_pastur import MarchenkoPastur
from rmtlab.laws.semicircle import Semicircle

Piece = tuple[float, float]

_NARROW = 1e-12
_FAR = 8.0
_BY_ATOM = 1e-9
_OUTSIDE = 1e-10
_LIFT = 1e-7
_FIT = 1e-4
_REACH = 75.0
_VANISHED, _VANISHED_SIGNED = 1e-150, 1e-22
_ZOOM = 60
_PASSES = 5
_TURNS = 3
_PROMISING = -0.7
_FEW_CHOICES = 64
_SLACK = 3.0
_COARSE = np.array([-2.5, 0.013, 2.5])
_FINER = np.array([-9.0, -6.0, -4.0, -2.5, -1.2, 0.013, 1.2, 2.5, 4.0, 6.0, 9.0])
_REMOTE = -0.9
_ABOVE, _BELOW, _BETWEEN = "above", "below", "between"


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
        if self.kind == _ABOVE:
            return self.left + self.width * np.exp(y)
        if self.kind == _BELOW:
            return self.right - self.width * np.exp(-y)
        near_left = self.left + self.width / (1.0 + np.exp(-np.minimum(y, 0.0)))
        near_right = self.right - self.width / (1.0 + np.exp(np.maximum(y, 0.0)))
        return np.where(y < 0.0, near_left, near_right)

    def range(self, deep: bool) -> tuple[float, float]:
        """The coordinates between which float64 tells points apart."""
        low, high = (self._nearest(end, deep) for end in (self.left, self.right))
        if self.kind == _ABOVE:
            return low, _FAR
        return (-_FAR if self.kind == _BELOW else low), -high

    def split_at_zero(self) -> list["Gap"]:
        """The two sides of 0, where a product's ω all vanish together, if it is inside."""
        if not self.left < 0.0 < self.right:
            return [self]
        kinds = (_BELOW if self.kind == _BELOW else _BETWEEN, _ABOVE if self.kind == _ABOVE else _BETWEEN)
        ends = ((self.left, 0.0), (0.0, self.right))
        widths = [self.width if kind != _BETWEEN else b - a for kind, (a, b) in zip(kinds, ends, strict=True)]
        return [Gap(k, a, b, w, self.atoms) for k, (a, b), w in zip(kinds, ends, widths, strict=True)]

    def _nearest(self, end: float, deep: bool) -> float:
        if not np.isfinite(end):
            return 0.0
        if end in self.atoms:
            return float(np.log(max(_BY_ATOM * abs(end) / self.width, 0.01 * _BY_ATOM)))
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


@dataclass(frozen=True, eq=False)
class _Curve:
    """x, the score (positive exactly outside the spectrum) and all ω along one choice of gaps."""

    x: np.ndarray
    score: np.ndarray
    omega: np.ndarray


Follow = Callable[[np.ndarray], _Curve]


def support_of(system: System, atoms: dict[float, float]) -> list[Piece]:
    """Intervals of the closed support that are not points; `atoms` are those of the free convolution."""
    pieces = _verified(system, _all_pieces(system), _NARROW * system.radius)
    if system.is_product and system.signed is None:
        pieces = [(low, high) for low, high in pieces if high > 0.0]
        pieces.append((-np.inf, 0.0))
    pieces.sort()
    covered = [pieces[0]] if pieces else [(0.0, 0.0)]
    for low, high in pieces[1:]:
        if low < covered[-1][1]:
            covered[-1] = (covered[-1][0], max(high, covered[-1][1]))
        else:
            covered.append((low, high))
    if covered[0][0] != -np.inf or covered[-1][1] != np.inf:
        raise ValueError(
            "The edges of this free convolution could not be found; "
            "move the parameters slightly and report the case."
        )
    between = [(left[1], right[0]) for left, right in pairwise(covered)]
    return [(float(a), float(b)) for a, b in between if not _is_point(a, b, atoms, system.radius)]


def _is_point(a: float, b: float, atoms: dict[float, float], radius: float) -> bool:
    """Whether [a, b] is an atom alone, whose two sides are known to the distance at which gaps stop."""
    if b - a <= _NARROW * radius:
        return True
    blur = 1e2 * _BY_ATOM * radius
    return b - a <= blur and any(a - blur <= x <= b + blur for x in atoms)


@dataclass(frozen=True, eq=False)
class _Found:
    """A piece of the complement, with one inner x and the subordination points there."""

    ends: Piece
    x: float
    omega: np.ndarray


def _all_pieces(system: System) -> list[_Found]:
    found: list[_Found] = []
    for lead, gap, others in _tuples(system):
        for part in gap.split_at_zero() if system.is_product else [gap]:
            found += _pieces(system, lead, part, others)
    return found


def _verified(system: System, found: list[_Found], narrow: float) -> list[Piece]:
    """The pieces just above which the subordination points are in the upper half-plane, where they are unique."""
    kept = [piece for piece in found if piece.ends[1] - piece.ends[0] > narrow]
    if not kept:
        return []
    x = np.array([piece.x for piece in kept])
    room = np.array([min(piece.x - piece.ends[0], piece.ends[1] - piece.x, abs(piece.x)) for piece in kept])
    z = x + 1j * np.maximum(_LIFT * room, 1e-300)
    solution = system.confirm(z, np.array([piece.omega for piece in kept]).T)
    is_real = np.abs(solution.cauchy.imag) * room <= 1e-3 * np.maximum(np.abs(solution.cauchy) * room, 1.0)
    return [piece.ends for piece, good in zip(kept, solution.solved & is_real, strict=True) if good]


def _tuples(system: System) -> Iterator[tuple[int, Gap, tuple[Gap | None, ...]]]:
    """Leading law, its gap, and the gaps of all laws (None: outside everything), as far as they can matter."""
    laws = system.laws
    bounded = [_bounded_gaps(law) for law in laws]
    outer: tuple[Gap | None, ...] = (None,) * len(laws)
    lead = system.signed if system.signed is not None else int(np.argmax([_cost(law) for law in laws]))
    for gap in _outer(laws[lead]):
        yield lead, gap, outer
    total = np.prod([len(own) + 1.0 for own in bounded])
    if total <= _FEW_CHOICES:
        for chosen in choices(*([None, *own] for own in bounded)):
            yield from _led(system, chosen)
        return
    for i, own in enumerate(bounded):
        for gap in _promising(system, i, own):
            yield from _led(system, tuple(gap if j == i else None for j in range(len(laws))))
    strong = [_strong(law, own, float(n)) for law, own, n in zip(laws, bounded, system.counts, strict=True)]
    outside: tuple[Gap | None, float] = (None, 0.0)
    for some in choices(*([outside, *own] for own in strong)):
        if sum(gap is not None for gap, _ in some) > 1 and sum(loss for _, loss in some) < 1.0:
            yield from _led(system, tuple(gap for gap, _ in some))


def _led(system: System, chosen: tuple[Gap | None, ...]) -> Iterator[tuple[int, Gap, tuple[Gap | None, ...]]]:
    """Choose the law that leads: the one with negative spectrum, else the dearest one in a bounded gap."""
    if all(gap is None for gap in chosen):
        return
    if system.signed is not None:
        signed = chosen[system.signed]
        for gap in [signed] if signed is not None else _outer(system.laws[system.signed]):
            yield system.signed, gap, chosen
        return
    bounded = [(i, gap) for i, gap in enumerate(chosen) if gap is not None]
    lead, own = max(bounded, key=lambda pair: _cost(system.laws[pair[0]]))
    yield lead, own, chosen


def _outer(law: SpectralLaw) -> list[Gap]:
    low, high = law._hull
    width, atoms = (high - low) or abs(high) or 1.0, frozenset(law.atoms) & {low, high}
    return [Gap(_ABOVE, high, np.inf, width, atoms), Gap(_BELOW, -np.inf, low, width, atoms)]


def _bounded_gaps(law: SpectralLaw) -> list[Gap]:
    atoms = law.atoms.keys()
    narrow = 1e-13 * _radius(law)
    return [Gap(_BETWEEN, a, b, b - a, frozenset(atoms & {a, b})) for a, b in gaps_of(law) if b - a > narrow]


def _promising(system: System, lead: int, gaps: list[Gap]) -> list[Gap]:
    """The gaps of one law in which the score, with all other laws outside, comes near zero."""
    if len(gaps) <= _FEW_CHOICES or system.signed not in (None, lead):
        return gaps
    tables = [
        None if i == lead else _outer_table(law, system.is_product) for i, law in enumerate(system.laws)
    ]
    for coordinates, level in ((_COARSE, _REMOTE), (_FINER, _PROMISING)):
        if not gaps:
            break
        omega = np.stack([gap.point(coordinates) for gap in gaps])
        best = np.max(_rough_score(system, lead, omega.ravel(), tables).reshape(omega.shape), axis=1)
        gaps = [gap for gap, score in zip(gaps, best, strict=True) if score > level]
    return gaps


def _outer_table(law: SpectralLaw, is_product: bool) -> tuple[np.ndarray, np.ndarray]:
    """G (or M) along the outside of a law, increasing, with 1 − q."""
    omega = np.concatenate([gap.point(gap.grid(is_product)) for gap in _outer(law)])
    with np.errstate(all="ignore"):
        value, slope, r, bend, m_slope = _real_jet(law, omega)
        target = r * value if is_product else value
        _, loss = _stiffness(is_product, omega, (value, slope, r, bend, m_slope))
    usable = np.isfinite(target) & np.isfinite(loss)
    order = np.argsort(target[usable])
    return target[usable][order], loss[usable][order]


def _rough_score(
    system: System, lead: int, omega: np.ndarray, tables: list[tuple[np.ndarray, np.ndarray] | None]
) -> np.ndarray:
    """The score with 1 − q of the other laws interpolated in their tables."""
    with np.errstate(all="ignore"):
        value, slope, r, bend, m_slope = _real_jet(system.laws[lead], omega)
        target = r * value if system.is_product else value
        own = system.counts[lead] * _stiffness(system.is_product, omega, (value, slope, r, bend, m_slope))[0]
        rest = np.full(omega.shape, system.counts[lead] - 1.0)
        for n, table in zip(system.counts, tables, strict=True):
            if table is not None:
                rest = rest + n * np.interp(target, *table, left=1.0, right=1.0)
        score = (own - rest) / (np.abs(own) + np.abs(rest))
        if system.is_product:
            score = score * np.sign(own)
    return np.where(np.isfinite(score), score, 1.0)


def _strong(law: SpectralLaw, gaps: list[Gap], count: float) -> list[tuple[Gap, float]]:
    """Gaps with a lower bound on their loss n(1 − q), where it can be below 1."""
    if not gaps:
        return []
    omega = np.stack([gap.point(_FINER) for gap in gaps])
    value, slope, _, _, _ = _real_jet(law, omega.ravel())
    q = np.max((-(value**2) / slope).reshape(omega.shape), axis=1)
    loss = count * (1.0 - np.minimum(1.0, _SLACK * q))
    return [(gap, float(own)) for gap, own in zip(gaps, loss, strict=True) if own < 0.9]


def _pieces(system: System, lead: int, gap: Gap, others: tuple[Gap | None, ...]) -> list[_Found]:
    def follow(y: np.ndarray) -> _Curve:
        return _follow(system, lead, gap.point(y), others)

    y = gap.grid(system.is_product)
    curve = follow(y)
    y, curve = _with_hidden_turns(follow, y, curve)
    outside = curve.score > _OUTSIDE
    if not np.any(outside):
        return []
    change = np.flatnonzero(outside[1:] != outside[:-1])
    ends = _zoomed(follow, y[change], y[change + 1], outside[change])
    starts = np.flatnonzero(outside & ~np.concatenate([[False], outside[:-1]]))
    stops = np.flatnonzero(outside & ~np.concatenate([outside[1:], [False]]))
    vanished = (_VANISHED if system.signed is None else _VANISHED_SIGNED) * system.radius
    result = []
    for first, last in zip(starts, stops, strict=True):
        low = (
            ends[np.searchsorted(change, first - 1)]
            if first > 0
            else _limit(curve.x[0], gap, _BELOW, system.is_product)
        )
        high = (
            ends[np.searchsorted(change, last)]
            if last < y.size - 1
            else _limit(curve.x[-1], gap, _ABOVE, system.is_product)
        )
        if system.is_product:
            low, high = (0.0 if abs(x) < vanished else x for x in (low, high))
        inner = first + _roomiest(curve.x[first : last + 1], low, high, system.radius)
        result.append(_Found((float(low), float(high)), float(curve.x[inner]), curve.omega[:, inner]))
    return result


def _roomiest(x: np.ndarray, low: float, high: float, radius: float) -> int:
    """Index of a point well inside a piece and not too far out."""
    room = np.minimum(np.minimum(x - low, high - x), radius)
    return int(np.argmax(np.where(np.abs(x) > 4.0 * radius, 0.0, room)))


def _limit(x: float, gap: Gap, kind: str, is_product: bool) -> float:
    """The x at the end of a gap: infinite beyond everything, 0 where all ω vanish."""
    if gap.kind == kind:
        return np.inf if kind == _ABOVE else -np.inf
    end = gap.right if kind == _ABOVE else gap.left
    return 0.0 if is_product and end == 0.0 and end not in gap.atoms else float(x)


def _zoomed(follow: Follow, low: np.ndarray, high: np.ndarray, outside_first: np.ndarray) -> np.ndarray:
    """The x at each change of sign between low and high; x is stationary there."""
    if low.size == 0:
        return np.empty(0)
    share = np.linspace(0.0, 1.0, _ZOOM + 2)[1:-1]
    rows = np.arange(low.size)
    for _ in range(_PASSES):
        y = low[:, None] + (high - low)[:, None] * share
        curve = follow(y.ravel())
        as_first = (curve.score.reshape(y.shape) > _OUTSIDE) == outside_first[:, None]
        y = np.concatenate([low[:, None], y, high[:, None]], axis=1)
        k = np.argmin(np.concatenate([as_first, np.zeros((low.size, 1), dtype=bool)], axis=1), axis=1)
        low, high = y[rows, k], y[rows, k + 1]
    return follow(np.where(outside_first, low, high)).x


def _with_hidden_turns(follow: Follow, y: np.ndarray, curve: _Curve) -> tuple[np.ndarray, _Curve]:
    """Look closer at each extremum of the score near zero, where a narrow piece or a narrow band may hide."""
    score = curve.score
    middle = score[1:-1]
    peak = (middle <= _OUTSIDE) & (middle > _PROMISING) & (middle >= score[:-2]) & (middle >= score[2:])
    dip = (middle > _OUTSIDE) & (middle < -_PROMISING) & (middle <= score[:-2]) & (middle <= score[2:])
    at = np.flatnonzero(peak | dip) + 1
    if at.size == 0:
        return y, curve
    sign = np.where(score[at] > _OUTSIDE, -1.0, 1.0)
    low, high = y[at - 1], y[at + 1]
    share = np.linspace(0.0, 1.0, _ZOOM + 1)
    rows = np.arange(at.size)
    for _ in range(_TURNS):
        nodes = low[:, None] + (high - low)[:, None] * share
        values = sign[:, None] * follow(nodes.ravel()).score.reshape(nodes.shape)
        k = np.clip(np.argmax(values, axis=1), 1, _ZOOM - 1)
        low, high = nodes[rows, k - 1], nodes[rows, k + 1]
        centre, best = nodes[rows, k], values[rows, k]
    found = best > _OUTSIDE
    if not np.any(found):
        return y, curve
    y = np.unique(np.concatenate([y, centre[found]]))
    return y, follow(y)


def _follow(system: System, lead: int, omega: np.ndarray, others: tuple[Gap | None, ...]) -> _Curve:
    """Everything at points ω of the leading law: solve the other laws for their ω at the same G (or M)."""
    with np.errstate(all="ignore"):
        points = np.empty((len(system.laws), omega.size))
        points[lead] = omega
        value, slope, r, bend, m_slope = _real_jet(system.laws[lead], omega)
        target = r * value if system.is_product else value
        plus_one = omega * value
        q, _ = _stiffness(system.is_product, omega, (value, slope, r, bend, m_slope))
        count = system.counts[lead]
        x = omega * r ** (count - 1.0) if system.is_product else omega + (count - 1.0) * r
        rest = np.full(omega.shape, count - 1.0)
        for i, law in enumerate(system.laws):
            if i == lead:
                continue
            points[i], other_r, loss = _at_target(law, target, plus_one, others[i], system.is_product)
            n = system.counts[i]
            x = x * other_r**n if system.is_product else x + n * other_r
            rest = rest + n * loss
        score = (count * q - rest) / (np.abs(count * q) + np.abs(rest))
        if system.is_product:
            score = score * np.sign(x / omega) * np.sign(q)
    usable = np.isfinite(score) & np.isfinite(x)
    return _Curve(np.where(usable, x, 0.0), np.where(usable, score, -1.0), points)


def _stiffness(is_product: bool, omega: np.ndarray, parts: Jet) -> tuple[np.ndarray, np.ndarray]:
    """q and 1 − q."""
    value, slope, r, bend, m_slope = parts
    if is_product:
        bend = omega * bend / r
        q = np.where(np.abs(bend) < 0.5, 1.0 / (1.0 - bend), -r * value * value / m_slope)
    else:
        q = -(value**2) / slope
    return q, -bend * q


def _at_target(
    law: SpectralLaw, target: np.ndarray, plus_one: np.ndarray, gap: Gap | None, is_product: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ω, r and 1 − q of a law at the point of its gap with G (or M) = target; NaN where there is none.

    `plus_one` is 1 + M, which keeps its digits where M is near −1.
    """
    low, high = law._hull
    tiny = 1e-30 if is_product else 1e-30 / max(abs(low), abs(high), 1e-300)
    target = np.where(np.abs(target) < tiny, np.where(target < 0.0, -tiny, tiny), target)
    omega = np.full(target.shape, np.nan)
    for arc in [gap] if gap is not None else _outer(law):
        here = (
            np.ones(target.shape, dtype=bool) if gap is not None else (target > 0.0) == (arc.kind == _ABOVE)
        )
        if np.any(here):
            omega[here] = _inverse(law, target[here], plus_one[here], arc, is_product)
    known = np.isfinite(omega)
    r, loss = np.full(target.shape, np.nan), np.full(target.shape, np.nan)
    if np.any(known):
        at = omega[known]
        parts = _real_jet(law, at)
        wanted, reached = target[known], parts[2] * parts[0] if is_product else parts[0]
        fits = np.abs(reached - wanted) <= _FIT * np.abs(wanted)
        if is_product:
            fits &= np.abs(at * parts[0] - plus_one[known]) <= _FIT * np.abs(plus_one[known])
        r[known] = np.where(fits, parts[2], np.nan)
        loss[known] = np.where(fits, _stiffness(is_product, at, parts)[1], np.nan)
    return omega, r, loss


def _inverse(
    law: SpectralLaw, target: np.ndarray, plus_one: np.ndarray, gap: Gap, is_product: bool
) -> np.ndarray:
    """The point of the gap with G (or M) = target; NaN where there is none."""
    if isinstance(law, Semicircle | MarchenkoPastur):
        omega = _closed_inverse(law, target, plus_one, is_product)
        return np.where((omega > gap.left) & (omega < gap.right), omega, np.nan)
    if isinstance(law, Discrete | Empirical) and law._atom_masses[0].size == 2:
        return _inverse_of_two_points(law, target, plus_one, gap, is_product)
    result = np.full(target.shape, np.nan)
    for part in gap.split_at_zero() if is_product else [gap]:
        _invert_in(part, law, target, plus_one, is_product, result)
    return result


def _invert_in(
    gap: Gap,
    law: SpectralLaw,
    target: np.ndarray,
    plus_one: np.ndarray,
    is_product: bool,
    result: np.ndarray,
) -> None:
    """Newton's method between brackets in the gap's coordinate, into `result` where there is a root."""

    def at(y: np.ndarray, wanted: np.ndarray, wanted_plus_one: np.ndarray) -> tuple[np.ndarray, ...]:
        omega = gap.point(y)
        value, slope, r, _, m_slope = _real_jet(law, omega)
        if not is_product:
            return value, value - wanted, slope
        by_one = np.abs(wanted_plus_one) < 0.5
        reached = np.where(by_one, omega * value, r * value)
        return reached, reached - np.where(by_one, wanted_plus_one, wanted), m_slope

    first, last = gap.range(is_product)
    first, last = (
        (first - _REACH if gap.kind == _BELOW else first),
        (last + _REACH if gap.kind == _ABOVE else last),
    )
    above_last = at(np.full(target.shape, first), target, plus_one)[1] >= 0.0
    below_first = at(np.full(target.shape, last), target, plus_one)[1] <= 0.0
    exists = above_last & below_first
    if not np.any(exists):
        return
    target, plus_one = target[exists], plus_one[exists]
    low, high = np.full(target.shape, first), np.full(target.shape, last)
    y = 0.5 * (low + high)
    for _ in range(90):
        reached, miss, change = at(y, target, plus_one)
        low, high = np.where(miss > 0.0, y, low), np.where(miss > 0.0, high, y)
        rate = change * gap.width * _stretch(gap, y)
        ratio = reached / (reached - miss)
        if gap.kind == _BETWEEN and not (is_product and 0.0 in (gap.left, gap.right)):
            newton, trusted = y - miss / rate, high - low < 6.0
        else:
            newton, trusted = y - reached / rate * np.log(ratio), ratio > 0.0
        inside = trusted & (newton > low) & (newton < high)
        following = np.where(inside, newton, 0.5 * (low + high))
        if np.all((np.abs(following - y) <= 1e-13) | (high - low <= 1e-13)):
            break
        y = following
    result[exists] = gap.point(y)


def _inverse_of_two_points(
    law: Discrete | Empirical, target: np.ndarray, plus_one: np.ndarray, gap: Gap, is_product: bool
) -> np.ndarray:
    """The root in the gap of a quadratic."""
    (a, b), (share, rest) = law._atom_masses
    if is_product:
        middle, constant = target * (a + b) + share * a + rest * b, plus_one * a * b
    else:
        middle, constant = target * (a + b) + 1.0, target * a * b + share * b + rest * a
    root = np.sqrt(np.maximum(middle**2 - 4.0 * target * constant, 0.0))
    larger = 0.5 * (middle + np.where(middle < 0.0, -root, root))
    result = np.full(target.shape, np.nan)
    for omega in (larger / target, constant / larger):
        result = np.where((omega > gap.left) & (omega < gap.right), omega, result)
    return result


def _stretch(gap: Gap, y: np.ndarray) -> np.ndarray:
    if gap.kind == _ABOVE:
        return np.exp(y)
    if gap.kind == _BELOW:
        return np.exp(-y)
    return 1.0 / ((1.0 + np.exp(-y)) * (1.0 + np.exp(y)))


def _closed_inverse(
    law: Semicircle | MarchenkoPastur, target: np.ndarray, plus_one: np.ndarray, is_product: bool
) -> np.ndarray:
    if not is_product:
        if isinstance(law, Semicircle):
            return law.var * target + 1.0 / target
        return law.scale / (1.0 - law.aspect * law.scale * target) + 1.0 / target
    if isinstance(law, Semicircle):
        return np.sign(target) * np.sqrt(law.var / target) * plus_one
    return law.scale * (1.0 - law.aspect + law.aspect * plus_one) * plus_one / target


def _real_jet(law: SpectralLaw, omega: np.ndarray) -> Jet:
    if isinstance(law, Discrete | Empirical | Dirac):
        return jet(law, omega)
    value, slope, r, bend, m_slope = jet(law, omega + 0j)
    return value.real, slope.real, r.real, bend.real, m_slope.real


def _cost(law: SpectralLaw) -> float:
    """Order in which laws are spared from being inverted."""
    if isinstance(law, Semicircle | MarchenkoPastur):
        return 0.0
    if isinstance(law, Discrete | Empirical | Dirac):
        return float(law._atom_masses[0].size)
    return 1e4 if hasattr(law, "_cauchy_and_slopes") else 100.0


def _radius(law: SpectralLaw) -> float:
    return max(map(abs, law._hull)) or 1.0
