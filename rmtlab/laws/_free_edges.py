r"""The support of a free sum or product, from the critical points of its inverse subordination function.

Off its spectrum the law's subordination points are real, each in a gap of its own law. Along a choice of gaps
everything is a function of one real ω of the leading law, :math:`x = \omega + \sum r` (for products
:math:`\omega \prod r`), and x lies outside the spectrum exactly where :math:`dx/d\omega > 0`: the edges are the
critical points. With :math:`q_i = -G_i^2/G_i'` (for products :math:`-m(1+m)/(\omega_i M_i')`) that is
:math:`\sum_i n_i (1 - q_i) < 1`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rmtlab.laws._gap_choice import PROMISING, choices_of_gaps
from rmtlab.laws._gap_inverse import at_target, real_jet, stiffness
from rmtlab.laws._gaps import ABOVE, BELOW, BY_ATOM, Gap
from rmtlab.laws._subordination import System

Piece = tuple[float, float]
Follow = Callable[[np.ndarray], "_Curve"]

_NARROW = 1e-12
_OUTSIDE = 1e-10
_LIFT = 1e-7
_VANISHED, _VANISHED_SIGNED, _VANISHED_IN_SUM = 1e-150, 1e-22, 1e-15
_MEETS = 1e-6
_STAYS = 1e-3
_LOST = 1e-12
_ZOOM = 60
_PASSES = 5
_TURNS = 3


@dataclass(frozen=True, eq=False)
class _Curve:
    """x, the score (positive exactly outside the spectrum) and all ω along one choice of gaps."""

    x: np.ndarray
    score: np.ndarray
    omega: np.ndarray


def support_of(system: System, atoms: dict[float, float]) -> list[Piece]:
    """Intervals of the closed support that are not points; `atoms` are those of the free convolution."""
    pieces = _verified(system, _all_pieces(system), _NARROW * system.radius)
    if system.is_product and system.signed is None:
        pieces = [(-np.inf, 0.0), *((max(low, 0.0), high) for low, high in pieces if high > 0.0)]
    pieces.sort()
    between = [(left[1], right[0]) for left, right in pairwise(pieces)]
    overlap = any(b - a < -1e2 * BY_ATOM * system.radius for a, b in between)
    if overlap or not between or pieces[0][0] != -np.inf or pieces[-1][1] != np.inf:
        raise ValueError(
            "The edges of this free convolution could not be found; "
            "move the parameters slightly and report the case."
        )
    found = [(float(a), float(b)) for a, b in between if not _is_point(a, b, atoms, system.radius)]
    if not found and sum(atoms.values()) < 1.0 - _LOST:
        raise ValueError(
            f"A part of mass {1.0 - sum(atoms.values()):.1e} of this free convolution is too narrow to be found; "
            "move the parameters slightly and report the case."
        )
    return found


def _is_point(a: float, b: float, atoms: dict[float, float], radius: float) -> bool:
    """Whether [a, b] is an atom alone, whose two sides are known to the distance at which gaps stop."""
    if b - a <= _NARROW * radius:
        return True
    blur = 1e2 * BY_ATOM * radius
    return b - a <= blur and any(a - blur <= x <= b + blur for x in atoms)


@dataclass(frozen=True, eq=False)
class _Found:
    """A piece of the complement, one inner x with the subordination points there, and how near ω = 0 it ends."""

    ends: Piece
    x: float
    omega: np.ndarray
    near_zero: tuple[float, float]


def _all_pieces(system: System) -> list[_Found]:
    found: list[_Found] = []
    for lead, gap, others in choices_of_gaps(system):
        sides = [
            _pieces(system, lead, part, others)
            for part in (gap.split_at_zero() if system.is_product else [gap])
        ]
        found += _joined(sides[0], sides[1], system.radius) if len(sides) == 2 else sides[0]
    return found


def _joined(before: list[_Found], after: list[_Found], radius: float) -> list[_Found]:
    """Pieces on the two sides of ω = 0, as one where they meet there."""
    if not before or not after:
        return before + after
    left, right = before[-1], after[0]
    meets = max(left.near_zero[1], right.near_zero[0]) < _MEETS
    if not meets or abs(right.ends[0] - left.ends[1]) > _MEETS * radius:
        return before + after
    roomier = max(left, right, key=lambda piece: min(piece.x - piece.ends[0], piece.ends[1] - piece.x))
    whole = _Found((left.ends[0], right.ends[1]), roomier.x, roomier.omega, (1.0, 1.0))
    return [*before[:-1], whole, *after[1:]]


def _verified(system: System, found: list[_Found], narrow: float) -> list[Piece]:
    """The pieces just above which these subordination points are in the upper half-plane, where they are unique."""
    kept = [piece for piece in found if piece.ends[1] - piece.ends[0] > narrow]
    if not kept:
        return []
    x = np.array([piece.x for piece in kept])
    room = np.array([min(piece.x - piece.ends[0], piece.ends[1] - piece.x, abs(piece.x)) for piece in kept])
    z = x + 1j * np.maximum(_LIFT * room, 1e-300)
    omega = np.array([piece.omega for piece in kept]).T
    solution = system.confirm(z, omega)
    if system.is_product:
        moved, allowed = np.abs(solution.u.real - np.log(np.abs(omega))), _STAYS
    else:
        moved, allowed = np.abs(solution.u - omega), _STAYS * (np.abs(omega) + 1e-3 * system.radius)
    stayed = solution.solved & np.all(moved <= allowed, axis=0)
    return [piece.ends for piece, good in zip(kept, stayed, strict=True) if good]


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
    vanished = system.radius * (
        _VANISHED_IN_SUM
        if not system.is_product
        else _VANISHED
        if system.signed is None
        else _VANISHED_SIGNED
    )
    result = []
    for first, last in zip(starts, stops, strict=True):
        low = ends[np.searchsorted(change, first - 1)] if first > 0 else _limit(curve.x[0], gap, BELOW)
        high = ends[np.searchsorted(change, last)] if last < y.size - 1 else _limit(curve.x[-1], gap, ABOVE)
        low, high = (0.0 if abs(x) < vanished else float(x) for x in (low, high))
        inner = first + _roomiest(curve.x[first : last + 1], low, high, system.radius)
        near_zero = np.abs(curve.omega[lead, [first, last]]) / gap.width
        result.append(
            _Found((low, high), float(curve.x[inner]), curve.omega[:, inner], (near_zero[0], near_zero[1]))
        )
    return result


def _roomiest(x: np.ndarray, low: float, high: float, radius: float) -> int:
    """Index of a point well inside a piece and not too far out."""
    room = np.minimum(np.minimum(x - low, high - x), radius)
    return int(np.argmax(np.where(np.abs(x) > 4.0 * radius, 0.0, room)))


def _limit(x: float, gap: Gap, kind: str) -> float:
    """The x at the end of a gap: infinite beyond everything."""
    if gap.kind == kind:
        return np.inf if kind == ABOVE else -np.inf
    return float(x)


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
    peak = (middle <= _OUTSIDE) & (middle > PROMISING) & (middle >= score[:-2]) & (middle >= score[2:])
    dip = (middle > _OUTSIDE) & (middle < 1.0) & (middle <= score[:-2]) & (middle <= score[2:])
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
        value, slope, r, bend, m_slope = real_jet(system.laws[lead], omega)
        target = r * value if system.is_product else value
        plus_one = omega * value
        q, _ = stiffness(system.is_product, omega, (value, slope, r, bend, m_slope))
        count = system.counts[lead]
        x = omega * r ** (count - 1.0) if system.is_product else omega + (count - 1.0) * r
        rest = np.full(omega.shape, count - 1.0)
        for i, law in enumerate(system.laws):
            if i == lead:
                continue
            points[i], other_r, loss = at_target(law, target, plus_one, others[i], system.is_product)
            n = system.counts[i]
            x = x * other_r**n if system.is_product else x + n * other_r
            rest = rest + n * loss
        score = (count * q - rest) / (np.abs(count * q) + np.abs(rest))
        if system.is_product:
            score = score * np.sign(x / omega) * np.sign(q)
    usable = np.isfinite(score) & np.isfinite(x)
    return _Curve(np.where(usable, x, 0.0), np.where(usable, score, -1.0), points)
