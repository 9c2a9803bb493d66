r"""Where a Jacobian law has its edges: the real critical points of z(T), never a threshold on the density.

Off the spectrum z is real and decreases in T, and each ζ_l is real outside the values of d_l. A stretch of real
T on which z > 0 decreases is a hole of the law; where the stretch ends, dz/dT = 0 or d_l begins, is an edge.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import exp

import numpy as np

from rmtlab.jacobian._chain import Chain, Factor
from rmtlab.jacobian._squares import gaps

_GRID = 100
_REFINED = 17
_ROUNDS = 7
_STRAIGHT = 3  # rounds after which the slope is straight to rounding
_BISECTIONS = 60
_BELOW, _ABOVE = -16.0, 14.0  # of ln(T/rank)
_SAME = 1e-15
_NARROW = 1e-9  # of a hole, over its place: rounding
_RUNGS = np.linspace(-32.0, 32.0, 129)
_ITERATIONS = 12
_SETTLED = 1e-8  # the step after which Newton's method is right to rounding

Interval = tuple[float, float]
Path = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Hole:
    """An interval of x without density, the ends inclusive."""

    low: float
    high: float

    @property
    def probes(self) -> np.ndarray:
        """Points inside."""
        return self.low + (self.high - self.low) * np.array([0.03, 0.3, 0.5, 0.7, 0.97])


def support(chain: Chain, is_empty: Callable[[np.ndarray], bool]) -> list[Interval]:
    """The intervals of the continuous part; `is_empty(x)` tells whether the density vanishes at all x."""
    if sum(chain.atoms.values()) > 1.0 - 1e-13:
        return []
    if chain.is_single:
        return _split_at_turns(chain)
    top, is_atom = _top(chain)
    holes = [*_holes(chain, side_by_zero), *_inner_holes(chain)]
    if is_atom:
        top = max((hole.low for hole in holes if hole.high >= top * (1.0 - 1e-9)), default=top)
    holes = [Hole(hole.low, min(hole.high, top)) for hole in holes]
    confirmed = [
        hole for hole in holes if hole.high - hole.low > _NARROW * hole.high and is_empty(hole.probes)
    ]
    edges, reached = [], 0.0
    for hole in sorted(confirmed, key=lambda hole: hole.low):
        if hole.low > reached:
            edges.append((reached, hole.low))
        reached = max(reached, hole.high)
    if reached < top * (1.0 - 1e-12):
        edges.append((reached, top))
    return edges


def _split_at_turns(chain: Chain) -> list[Interval]:
    """The support of one φ′² alone, cut where φ′² turns: the density is infinite there."""
    (factor,) = chain.factors
    scale = exp(chain.log_scale)
    turns = sorted(scale * value for curve in factor.squares.curves for value in curve.turns)
    found = []
    for low, high in ((scale * a, scale * b) for a, b in factor.squares.parts if a < b):
        inner = [turn for turn in turns if low + _NARROW * high < turn < high * (1.0 - _NARROW)]
        found += list(pairwise([low, *inner, high]))
    return found


def _top(chain: Chain) -> tuple[float, bool]:
    """The upper end of the law, and whether it is an atom."""
    run = next(iter(_runs(chain, lambda s: chain.rank * np.exp(s), above_all)), None)
    if run is None:
        raise ArithmeticError("The upper edge of this Jacobian law was not found; move weight_var slightly.")
    positive = [a for a in chain.atoms if a > 0.0]
    if run.is_open_above and positive:
        return max(positive), True
    return run.last, False


def _holes(chain: Chain, side: "Side") -> list[Hole]:
    """Holes whose T lies below −rank: above 0, and under an atom at the top."""
    found = []
    runs = _runs(chain, lambda s: -chain.rank * (1.0 + np.exp(s)), side, low=-32.0, high=32.0)
    for k, run in enumerate(runs):
        starts_at_zero = k == 0 and run.starts_low
        if not starts_at_zero:
            found.append(Hole(run.first, run.last))
        elif chain.leaves_zero:
            found.append(Hole(0.0, run.last))
    return found


def _inner_holes(chain: Chain) -> list[Hole]:
    """Holes whose ζ lie between two parts of d, where there are several."""
    found = []
    for k in range(max((len(gaps(factor.squares)) for factor in chain.factors), default=0)):
        inside = _between(k)
        for run in _runs(chain, lambda s: chain.rank * np.exp(s), inside):
            found.append(Hole(run.last, run.first))
        for run in _runs(chain, lambda s: -chain.rank * np.exp(s), inside):
            found.append(Hole(run.first, run.last))
    return found


Side = Callable[[Factor, float], Interval | None]


def above_all(factor: Factor, t: float) -> Interval | None:
    return factor.squares.parts[-1][1], np.inf


def side_by_zero(factor: Factor, t: float) -> Interval | None:
    if -t < factor.size * factor.squares.positive_mass:
        return -np.inf, 0.0
    low = factor.squares.parts[0][0]
    return (0.0, low) if low > 0.0 else None


def _between(k: int) -> Side:
    def side(factor: Factor, t: float) -> Interval | None:
        own = gaps(factor.squares)
        if k < len(own):
            return own[k]
        return above_all(factor, t) if t > 0.0 else side_by_zero(factor, t)

    return side


@dataclass(frozen=True)
class _Run:
    """z at the two ends of a stretch on which it falls, and where in the grid it starts and ends."""

    first: float
    last: float
    starts_low: bool
    is_open_above: bool


def _runs(chain: Chain, path: Path, side: Side, low: float = _BELOW, high: float = _ABOVE) -> list[_Run]:
    """The stretches of s on which dz/dT < 0 and z > 0 along T = path(s)."""
    s = np.linspace(low, high, _GRID)
    log_z, falls = _along(chain, path(s), side)
    ends = np.flatnonzero(np.diff(np.r_[False, falls, False].astype(int)))
    runs = []
    for start, stop in ends.reshape(-1, 2):
        below, above = start == 0, stop == s.size
        first = log_z[0] if below else _refined(chain, path, side, s[start], s[start - 1])
        last = (
            _at_infinity(chain, side, path(s[-1:])[0], log_z[-1])
            if above
            else _refined(chain, path, side, s[stop - 1], s[stop])
        )
        runs.append(_Run(_exp(first), _exp(last), bool(start < s.size // 4), bool(above)))
    return runs


def _at_infinity(chain: Chain, side: Side, t: float, log_z: float) -> float:
    """ln z at |T| = ∞, where every ζ meets the end of its interval; `log_z` where z has no limit there."""
    if sum(chain.powers.values()) != 0 or chain.drift:
        return log_z
    value = chain.log_scale
    for factor in chain.factors:
        low, high = side(factor, t) or (np.nan, np.nan)
        value += factor.count * np.log(low if t > 0.0 else high)
    return float(value)


def _refined(chain: Chain, path: Path, side: Side, inside: float, outside: float) -> float:
    """ln z at the end of a run that lies between the two values of s: where its slope crosses 0, or is lost."""
    outside = _within_reach(chain, path, side, inside, outside)
    log_z = np.nan
    for k in range(_ROUNDS):
        s = np.linspace(inside, outside, _REFINED)
        t = path(s)
        values, slope, sign = real_curve(chain, t, side)
        falls = _falls(slope, sign)
        if np.all(falls):
            return float(values[-1])
        last = max(int(np.argmin(falls)) - 1, 0)
        log_z, inside, outside = values[last], s[last], s[last + 1]
        rise, fall = slope[last + 1], slope[last]
        if k >= _STRAIGHT and sign[last + 1] > 0.0 and rise >= 0.0 > fall:
            return float(log_z + 0.5 * fall**2 / (fall - rise) * (t[last + 1] - t[last]))
        if abs(values[last + 1] - log_z) < _SAME:
            break
    return float(log_z)


def _within_reach(chain: Chain, path: Path, side: Side, inside: float, outside: float) -> float:
    """The s next to `outside` at which every ζ exists."""
    t_inside, t_outside = path(np.array([inside, outside]))
    reach = (-np.inf, np.inf)
    for factor in chain.factors:
        interval = side(factor, t_inside)
        if interval is None or interval != side(factor, t_outside):
            return outside
        m = factor.size * _ladder(factor, interval).m
        reach = max(reach[0], m.min(initial=np.inf)), min(reach[1], m.max(initial=-np.inf))
    if not reach[0] < t_inside < reach[1]:
        return outside
    for _ in range(_BISECTIONS if not reach[0] < t_outside < reach[1] else 0):
        middle = 0.5 * (inside + outside)
        if reach[0] < path(np.array([middle]))[0] < reach[1]:
            inside = middle
        else:
            outside = middle
    return inside if not reach[0] < path(np.array([outside]))[0] < reach[1] else outside


def _along(chain: Chain, t: np.ndarray, side: Side) -> tuple[np.ndarray, np.ndarray]:
    """ln|z| at real T, and where z > 0 falls with T; False where some ζ does not exist."""
    log_z, slope, sign = real_curve(chain, t, side)
    return log_z, _falls(slope, sign)


def _falls(slope: np.ndarray, sign: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (sign > 0.0) & (slope < 0.0)


def real_curve(chain: Chain, t: np.ndarray, side: Side) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ln|z| at real T, its derivative, and the sign of z; NaN where some ζ does not exist."""
    u = t + chain.rank
    value, slope = chain.rational(t + 0j, u + 0j)
    log_z = value.real + chain.log_scale
    sign = np.prod(
        [np.sign(t if size == 0.0 else t + size) ** power for size, power in chain.powers.items()], axis=0
    )
    sign = sign * np.ones(t.shape)
    steepness = slope.real.copy()
    exists = np.ones(t.shape, dtype=bool)
    for factor in chain.factors:
        intervals = [side(factor, float(one)) for one in t]
        for interval in set(intervals):
            here = np.array([own == interval for own in intervals])
            if interval is None:
                exists &= ~here
                continue
            zeta, rate, found = _real_zeta(factor, t[here], interval)
            log_z[here] += factor.count * np.log(np.abs(zeta))
            steepness[here] += factor.count / (factor.size * rate * zeta)
            sign[here] *= np.sign(zeta) ** factor.count
            exists[here] &= found
    return np.where(exists, log_z, np.nan), steepness, np.where(exists, sign, np.nan)


def _real_zeta(
    factor: Factor, t: np.ndarray, interval: Interval
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ζ of an interval free of d with n·m(ζ) = T, dm/dζ there, and whether it exists."""
    place, measure = _coordinates(interval)
    mass = factor.squares.positive_mass
    target, _ = measure(t / factor.size, t / factor.size + mass)
    v, low, high, rate, gap = (np.full(t.shape, np.nan) for _ in range(5))
    ladder = _ladder(factor, interval)
    pending = ladder.between(target)
    v[pending], low[pending], high[pending] = ladder.bracket(target[pending])
    with np.errstate(all="ignore"):
        for _ in range(_ITERATIONS):
            if not pending.size:
                break
            at = v[pending]
            zeta, stretch = place(at)
            m, o, slope = (part.real for part in factor.squares.transform(zeta + 0j))
            value, sensitivity = measure(m, o)
            miss, rise = value - target[pending], sensitivity * slope * stretch
            beyond = np.isnan(miss) | (miss * np.sign(rise) > 0.0)
            below, above = np.where(beyond, low[pending], at), np.where(beyond, at, high[pending])
            newton = at - miss / rise
            following = np.where((newton >= below) & (newton <= above), newton, 0.5 * (below + above))
            v[pending], rate[pending], gap[pending] = following, slope, miss
            low[pending], high[pending] = below, above
            pending = pending[~(np.abs(following - at) <= _SETTLED)]
        return place(v)[0], rate, np.abs(gap) < 1e-6


@dataclass(frozen=True)
class _Ladder:
    """Places v throughout an interval in the order of their measures, and m there."""

    v: np.ndarray
    measure: np.ndarray
    m: np.ndarray

    def between(self, target: np.ndarray) -> np.ndarray:
        """Which targets lie between the measures."""
        if not self.v.size:
            return np.empty(0, dtype=int)
        return np.flatnonzero((target > self.measure[0]) & (target < self.measure[-1]))

    def bracket(self, target: np.ndarray) -> np.ndarray:
        """A guess at v, and the places below and above."""
        if not target.size:
            return np.empty((3, 0))
        k = np.searchsorted(self.measure, target)
        ends = np.sort([self.v[k - 1], self.v[k]], axis=0)
        return np.array([np.interp(target, self.measure, self.v), *ends])


@lru_cache(maxsize=64)
def _ladder(factor: Factor, interval: Interval) -> _Ladder:
    place, measure = _coordinates(interval)
    zeta, _ = place(_RUNGS)
    inside = (zeta > interval[0]) & (zeta < interval[1])
    with np.errstate(all="ignore"):
        m, o, _ = (part.real for part in factor.squares.transform(zeta[inside] + 0j))
        value = measure(m, o)[0]
    finite = np.isfinite(value)
    ladder = _RUNGS[inside][finite], value[finite], m[finite]
    falls = np.any(finite) and ladder[1][0] > ladder[1][-1]
    return _Ladder(*(rung[::-1] for rung in ladder)) if falls else _Ladder(*ladder)


Coordinate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
Measure = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _coordinates(interval: Interval) -> tuple[Coordinate, Measure]:
    """ζ(v) and dζ/dv for a v in (−∞, ∞), and a measure of m, with its derivative, that is nearly straight in v."""
    low, high = interval
    if low == -np.inf:
        return lambda v: (-np.exp(v), -np.exp(v)), lambda m, o: (np.log(-m) - np.log(o), 1.0 / m - 1.0 / o)
    if high == np.inf:
        return lambda v: (low * (1.0 + np.exp(v)), low * np.exp(v)), lambda m, o: (np.log(m), 1.0 / m)
    if low == 0.0:
        return lambda v: _logistic(0.0, high, v), lambda m, o: (np.log(-o), 1.0 / o)
    return lambda v: _logistic(low, high, v), lambda m, o: (np.arcsinh(m), 1.0 / np.sqrt(1.0 + m**2))


def _logistic(low: float, high: float, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share, rest = 1.0 / (1.0 + np.exp(-v)), 1.0 / (1.0 + np.exp(v))
    zeta = np.where(v < 0.0, low + (high - low) * share, high - (high - low) * rest)
    return zeta, (high - low) * share * rest


def _exp(x: float) -> float:
    return exp(x) if x < 709.0 else float("inf")
