r"""Averages of d/(ζ − d) for a d that moves along a smooth curve, right up to the real axis.

A curve is d(t) ≥ 0 with a weight w(t) dt, sampled on a uniform grid of a variable t in which both are analytic
and w vanishes faster than any exponential at the ends. The trapezoid rule is then exact up to the poles of
1/(ζ − d(t)), and each pole t₀ (residue r, step η) that comes near the real t-axis costs exactly

.. math:: \text{trapezoid} - \int = \frac{\pm 2\pi i\,r}{e^{\mp 2\pi i t_0/\eta} - 1}, \quad \pm\mathrm{Im}\,t_0 > 0,

which is taken off. For ζ in the upper half-plane the pole lies above the axis where d rises and below where d
falls; keeping that sign continues the average through the cut, so that boundary values are regular points.
At complex t, ln d(t), or √d(t) with its sign where it crosses 0, is the polynomial through the 13 nearest samples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Sampler = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_REACH = 6
_WIDTH = 2 * _REACH + 1
_ORDERS = np.arange(1.0, _WIDTH)
_OFFSETS = np.arange(-_REACH, _REACH + 1)
_NEAR = 5.5  # a pole further than this many steps from the axis costs less than 1e-15
_NEWTON = 10
_SETTLED = 1e-14
_BESIDE_AXIS = 0.3  # steps within which a pole may have crossed the axis
_MEETING = 0.02  # steps between a pole and a node that cost two digits
_SERIES = 8
_UNIT = np.eye(1, _SERIES)
_BERNOULLI = np.array([1.0, -1 / 2, 1 / 12, 0.0, -1 / 720, 0.0, 1 / 30240, 0.0])
_BLOCK = 1 << 19
_GOAL = 3e-13
_MOST = 1 << 14
_LIGHTEST = 1e-38  # nodes that are kept, for the shape of the tails, and
_VISIBLE = 1e-17  # nodes that count when the range of d is told, over the heaviest
_TAIL = 1e-3
_FLAT = 1e-13
TINY = 1e-300  # d is not let below, where its logarithm would end


def _taylor_rule() -> np.ndarray:
    """Coefficients of the polynomial through 13 samples at −6 … 6, one row a sample."""
    rows = []
    for k in _OFFSETS:
        others = np.delete(_OFFSETS, k + _REACH)
        rows.append(np.poly(others)[::-1] / np.prod(k - others.astype(float)))
    return np.array(rows)


_TAYLOR = _taylor_rule()


@dataclass(frozen=True, eq=False)
class Curve:
    """d(t) and w(t)·η on the grid; Taylor coefficients of g = ln d or √d, and of w, at every node, in t/η."""

    d: np.ndarray
    w: np.ndarray
    g_series: np.ndarray
    w_series: np.ndarray
    is_log: bool
    twins: float = 1.0  # 2 where the curve is one half of an even one

    @property
    def mass(self) -> float:
        """Integral of w."""
        return float(self.w.sum())

    @cached_property
    def hull(self) -> tuple[float, float]:
        """Smallest and largest d of visible weight; 0 for a tail that thins out over many magnitudes."""
        visible = self._visible
        tails = [float(self.d[visible[-1]])] + ([] if self.twins == 2.0 else [float(self.d[visible[0]])])
        high = max(*self.turns, *tails) if self.turns else max(tails)
        return min([*self.turns, *(end if end > _TAIL * high else 0.0 for end in tails)]), high

    @property
    def turns(self) -> list[float]:
        """The values of d at its inner extrema of visible weight."""
        first, last = self._visible[[0, -1]]
        levels = [
            level
            for node, _, level, _ in self._turning
            if (first < node < last) or (node == 0 and self.twins == 2.0)
        ]
        values = {float(np.exp(level) if self.is_log else level**2) for level in levels}
        root = self.g_series[first : last + 1, 0]
        crosses = not self.is_log and root.min() < 0.0 < root.max()
        return sorted(values | ({0.0} if crosses or (not self.is_log and 0.0 in root) else set()))

    @cached_property
    def _turning(self) -> list[tuple[int, float, float, float]]:
        """Nodes next to the extrema of g, their places from the node, g there, and half its second derivative."""
        found = []
        for node in sorted({k for start, stop, _ in self.branches for k in (start, stop - 1)}):
            c = self.g_series[node][None]
            s = np.array([-c[0, 1] / (2.0 * c[0, 2]) if c[0, 2] else np.inf]) + 0j
            for _ in range(6):
                if not abs(s[0]) <= 1.0:
                    break
                _, first, second = _polynomial(c, s)
                if not abs(second[0]) > abs(first[0]):
                    break
                s = s - first / second
            if abs(s[0]) <= 0.75:
                level, _, second = (part[0].real for part in _polynomial(c, s))
                found.append((node, float(s[0].real), float(level), 0.5 * float(second)))
        return [
            turn
            for k, turn in enumerate(found)
            if k == 0 or turn[0] + turn[1] > found[k - 1][0] + found[k - 1][1] + 0.5
        ]

    @property
    def _turns_at_zero(self) -> bool:
        """Whether this is one half of a curve whose g is even."""
        return self.twins == 2.0 and abs(self.g_series[0, 1]) < abs(self.g_series[0, 2])

    @property
    def _visible(self) -> np.ndarray:
        return np.flatnonzero(self.w > _VISIBLE * self.w.max())

    def scaled(self, factor: float, share: float) -> "Curve":
        """Return the curve of factor·d with weight share·w."""
        if self.is_log:
            series = self.g_series.copy()
            series[:, 0] += np.log(factor)
        else:
            series = np.sqrt(factor) * self.g_series
        return Curve(factor * self.d, share * self.w, series, share * self.w_series, self.is_log, self.twins)

    @cached_property
    def branches(self) -> list[tuple[int, int, bool]]:
        """Runs of nodes [start, stop) on which g is strictly monotone, and whether it rises."""
        g = self.g_series[:, 0]
        change = np.diff(g)
        flat = np.abs(change) <= _FLAT * (1.0 if self.is_log else np.maximum(np.abs(g[1:]), np.abs(g[:-1])))
        sign = np.where(flat, 0, np.sign(change)).astype(int)
        ends = np.flatnonzero(np.diff(sign)) + 1
        starts, stops = np.r_[0, ends], np.r_[ends, sign.size]
        return [
            (int(a), int(b) + 1, bool(sign[a] > 0)) for a, b in zip(starts, stops, strict=True) if sign[a]
        ]

    def correction(self, zeta: np.ndarray) -> "Correction":
        """What the trapezoid rule has too much in E[d/(ζ − d)] and in its derivative."""
        total, slope = np.zeros_like(zeta), np.zeros_like(zeta)
        keys = []
        for target, is_principal in self._targets(zeta):
            at, node, s, is_above = self._poles(target, is_principal)
            if not at.size:
                keys.append(at)
                continue
            turn = np.where(is_above, -2j, 2j) * np.pi
            key = at * self.d.size + node
            meets = (np.abs(s) < _MEETING) & ((node > 0) | (not self._turns_at_zero))
            meets[meets] = np.bincount(key[meets])[key[meets]] == 1
            for chosen, cost in ((~meets, self._cost), (meets, self._cost_beside_node)):
                if np.any(chosen):
                    own, own_slope = cost(node[chosen], s[chosen], target[at[chosen]], turn[chosen])
                    np.add.at(total, at[chosen], own)
                    np.add.at(slope, at[chosen], own_slope)
            keys.append(key[meets])
        if not self.is_log:
            self._complete(zeta, keys, total, slope)
        left_out = np.unique(np.concatenate(keys))
        return Correction(
            self.twins * total, self.twins * slope, left_out // self.d.size, left_out % self.d.size
        )

    def _complete(
        self, zeta: np.ndarray, keys: list[np.ndarray], total: np.ndarray, slope: np.ndarray
    ) -> None:
        """Give back the half of a node's term that belongs to the other root of d = ζ, where that is far."""
        for own, other, sign in ((0, 1, -1.0), (1, 0, 1.0)):
            key = np.setdiff1d(keys[own], keys[other])
            at, node = key // self.d.size, key % self.d.size
            at, node = (at[node > 0], node[node > 0]) if self.twins == 2.0 else (at, node)
            target, g = sign * np.sqrt(zeta[at]), self.g_series[node, 0]
            half = 0.5 * self.w_series[node, 0] * target / (target - g)
            np.add.at(total, at, -half)
            np.add.at(slope, at, half * g / (2.0 * zeta[at] * (target - g)))

    def _targets(self, zeta: np.ndarray) -> list[tuple[np.ndarray, bool]]:
        """The values of g at which d = ζ, and whether they lie on the side of the axis that ζ lies on."""
        if self.is_log:
            log = np.log(zeta)
            return [(log + 2j * np.pi * k, k >= 0) for k in range(-self._sheets, self._sheets + 1)]
        root = np.sqrt(zeta)
        return [(root, True), (-root, True)]

    def _cost(
        self, node: np.ndarray, s: np.ndarray, target: np.ndarray, turn: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The excess of the trapezoid rule that a pole causes, and its derivative in ζ."""
        w, w1, _ = _polynomial(self.w_series[node], s)
        _, g1, g2 = _polynomial(self.g_series[node], s)
        level, level_slope, stretch = self._chain_rule(target)
        residue = -w * level / g1
        residue_slope = -level_slope * w / g1 - level * (w1 / g1 - w * g2 / g1**2) * stretch / g1
        gap = np.expm1(turn * s)
        cost = -turn * residue / gap
        return cost, -turn * (residue_slope / gap - residue * turn * stretch / g1 * (gap + 1.0) / gap**2)

    def _chain_rule(self, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """ζ dg/dζ, its derivative in ζ, and dg/dζ, at g = target."""
        if self.is_log:
            return np.ones_like(target), np.zeros_like(target), np.exp(-target)
        return 0.5 * target, 0.25 / target, 0.5 / target

    def _cost_beside_node(
        self, node: np.ndarray, s: np.ndarray, target: np.ndarray, turn: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        r"""The same less the node's own ζ/(ζ − d), both of which are infinite where the pole meets the node.

        With g(s) = g₀ + s e(s) that is −(ζ dg/dζ) n/(s e g'), n = w₀g' − w e B, of which n(0) = 0 is left out;
        B(x) = x/(eˣ − 1) at turn·s. Where g is √d it is the half of the term that has the pole.
        """
        order = _SERIES
        w, g = self.w_series[node, :order] + 0j, self.g_series[node, :order]
        g1 = np.arange(1, order + 1) * np.concatenate([g[:, 1:], np.zeros((node.size, 1))], axis=1)
        bernoulli = _BERNOULLI * turn[:, None] ** np.arange(order)
        rise = _UNIT - _exponential(g[:, :1] * _UNIT - g) if self.is_log else g
        e = np.concatenate([rise[:, 1:], np.zeros((node.size, 1))], axis=1)
        value, slope = _ratio(
            (w[:, :1] * g1 - _times(_times(w, e), bernoulli))[:, 1:], _times(e, g1)[:, :-1], s
        )
        level, level_slope, stretch = self._chain_rule(target)
        speed = stretch / _polynomial(self.g_series[node], s)[1]
        return -level * value, -level_slope * value - level * slope * speed

    def _poles(
        self, target: np.ndarray, is_principal: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The poles near the real axis: whose ζ, nearest node, (t₀ − node)/η, and on which side they belong.

        A pole belongs to the side on which it lies for Im ζ > 0.
        """
        at, node = self._starts(target)
        if not at.size:
            return at, node, np.empty(0, dtype=np.complex128), np.empty(0, dtype=bool)
        at, node, s = self._candidates(at, node, target)
        for _ in range(_NEWTON):
            shift = np.rint(np.clip(s.real, -_REACH, _REACH)).astype(int)
            moved = np.clip(node + shift, 0, self.d.size - 1)
            s, node = s - (moved - node), moved
            value, slope = _polynomial(self.g_series[node], s)[:2]
            step = np.divide(value - target[at], slope, out=np.zeros_like(s), where=slope != 0.0)
            s = s - step
            if np.max(np.abs(step), initial=0.0) < _SETTLED:
                break
        _, slope, _ = _polynomial(self.g_series[node], s)
        slope = slope if self.is_log else slope * target[at]
        rises = (slope.real > 0.0) == is_principal
        is_plain = (np.abs(s.imag) > _BESIDE_AXIS) | (np.abs(slope.real) < np.abs(slope.imag))
        is_above = np.where(is_plain, s.imag > 0.0, rises)
        keep = (np.abs(s.imag) < _NEAR) & (np.abs(s.real) <= 1.0)
        if self.twins == 2.0:
            outward = (self.d[1] > self.d[0]) == is_principal
            keep &= (is_above == outward) | (node + s.real > 0.5)
        keep &= slope != 0.0
        at, node, s, is_above = at[keep], node[keep], s[keep], is_above[keep]
        place = np.rint(64.0 * (node + s.real)).astype(np.int64)
        _, first = np.unique((at * 128 * self.d.size + place) * 2 + is_above, return_index=True)
        return at[first], node[first], s[first], is_above[first]

    def _candidates(
        self, at: np.ndarray, node: np.ndarray, target: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Both roots of the parabola at every start, where they are within the polynomial's reach."""
        c = self.g_series[node]
        gap = target[at] - c[:, 0]
        root = np.sqrt(c[:, 1] ** 2 + 4.0 * c[:, 2] * gap)
        with np.errstate(all="ignore"):
            both = [2.0 * gap / (c[:, 1] + sign * root) for sign in (1.0, -1.0)]
            for turn, place, level, bend in self._turning:
                here = np.abs(node - turn) <= 1
                half = np.sqrt((target[at[here]] - level) / bend)
                for s, sign in zip(both, (1.0, -1.0), strict=True):
                    s[here] = turn + place - node[here] + sign * half
            near = [np.abs(s) < _REACH + _NEAR for s in both]
        return (
            np.concatenate([at[keep] for keep in near]),
            np.concatenate([node[keep] for keep in near]),
            np.concatenate([s[keep] for s, keep in zip(both, near, strict=True)]),
        )

    def _starts(self, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs (point, node) from which the poles near the axis can be reached: one a branch, if near enough."""
        ats, nodes = [np.empty(0, dtype=int)], [np.empty(0, dtype=int)]
        g = self.g_series[:, 0]
        beside = np.flatnonzero(np.abs(target.imag) < _NEAR * self._reach.max())
        for start, stop, rises in self.branches if beside.size else ():
            run = g[start:stop] if rises else g[start:stop][::-1]
            place = np.clip(np.searchsorted(run, target.real[beside]), 0, stop - start - 1)
            node = start + (place if rises else stop - start - 1 - place)
            near = np.abs(g[node] - target[beside]) < 2.0 * _NEAR * self._reach[node]
            ats.append(beside[near])
            nodes.append(node[near])
        return np.concatenate(ats), np.concatenate(nodes)

    @cached_property
    def _reach(self) -> np.ndarray:
        """How far g moves in a step, at every node."""
        return np.abs(self.g_series[:, 1]) + _NEAR * np.abs(self.g_series[:, 2])

    @cached_property
    def _steepest(self) -> float:
        """The largest slope of g, in steps."""
        return float(np.abs(self.g_series[:, 1]).max())

    @cached_property
    def _sheets(self) -> int:
        """How many further values of ln ζ, above and below, have poles near the axis."""
        return int((_NEAR * self._steepest + np.pi) / (2.0 * np.pi)) if self.is_log else 0


@dataclass(frozen=True, eq=False)
class Correction:
    """What to take off E[ζ/(ζ − d)] and its derivative once the terms of the pairs (point, node) are left out."""

    total: np.ndarray
    slope: np.ndarray
    points: np.ndarray
    nodes: np.ndarray


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product of power series, one row a point."""
    order = a.shape[1]
    result = np.zeros(a.shape, dtype=np.result_type(a, b))
    for k in range(order):
        result[:, k:] += a[:, k : k + 1] * b[:, : order - k]
    return result


def _exponential(g: np.ndarray) -> np.ndarray:
    """Power series of e^g."""
    result = np.zeros(g.shape)
    result[:, 0] = np.exp(g[:, 0])
    for k in range(1, g.shape[1]):
        weights = np.arange(1, k + 1) * g[:, 1 : k + 1]
        result[:, k] = np.sum(weights * result[:, k - 1 :: -1][:, :k], axis=1) / k
    return result


def _ratio(a: np.ndarray, b: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a(s)/b(s) of power series, and its derivative."""
    k = np.arange(a.shape[1])
    powers = s[:, None] ** k
    lower = np.concatenate([np.zeros((s.size, 1)), powers[:, :-1] * k[1:]], axis=1)
    top, bottom = np.sum(a * powers, axis=1), np.sum(b * powers, axis=1)
    top1, bottom1 = np.sum(a * lower, axis=1), np.sum(b * lower, axis=1)
    return top / bottom, (top1 - top / bottom * bottom1) / bottom


def _polynomial(c: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, first and second derivative of Σ c_k s^k, one row a point."""
    powers = np.ones((s.size, _WIDTH), dtype=np.complex128)
    np.cumprod(np.broadcast_to(s[:, None], (s.size, _WIDTH - 1)), axis=1, out=powers[:, 1:])
    value = np.einsum("ij,ij->i", c, powers)
    first = np.einsum("ij,j,ij->i", c[:, 1:], _ORDERS, powers[:, :-1])
    second = np.einsum("ij,j,ij->i", c[:, 2:], _ORDERS[1:] * _ORDERS[:-1], powers[:, :-2])
    return value, first, second


def sampled(sample: Sampler, low: float, high: float, step: float, even: bool = False) -> Curve | None:
    """Sample a curve finely enough that its polynomials are right; None where even the finest is not.

    `even` says that the curve is symmetric about t = 0, which halves the work.
    """
    while (high - low) / step <= _MOST:
        curve = _with_step(sample, low, high, step, even)
        if curve is not None:
            return curve
        step *= 0.5
    return None


def _with_step(sample: Sampler, low: float, high: float, step: float, even: bool) -> Curve | None:
    first, last = (0 if even else int(np.floor(low / step))), int(np.ceil(high / step))
    nodes = np.arange(first - _REACH, last + _REACH + 1)
    root, w = sample(step * nodes)
    inner = slice(_REACH, nodes.size - _REACH)
    weight = w[inner] / w[inner].max()
    between, between_w = sample(step * (nodes[inner] + 0.5))
    w_series = _series(w)
    if np.max(np.abs(_halfway(w_series) - between_w)) > _GOAL * w.max():
        return None
    certain = np.lib.stride_tricks.sliding_window_view(np.abs(root), _WIDTH).min(axis=1) > np.sqrt(TINY)
    relevant = np.where(weight > 1e-16, np.minimum(1.0, 1e2 * weight), 0.0)
    d = np.maximum(root**2, TINY)
    for is_log in (True, False):
        series = _series(np.log(d) if is_log else root)
        found = np.exp(np.minimum(0.5 * _halfway(series), 350.0)) if is_log else _halfway(series)
        aim, scale = (
            (np.abs(between), np.sqrt(d[inner]))
            if is_log
            else (between, np.max(np.abs(series[:, :3]), axis=1))
        )
        counts = relevant * (certain if is_log else scale > np.sqrt(TINY))
        if np.max(counts * np.abs(found - aim) / np.maximum(scale, np.sqrt(TINY))) <= _GOAL:
            break
    else:
        return None
    w = step * w[inner]
    if even:
        w = w * np.where(nodes[inner] == 0, 1.0, 2.0)
    light = np.flatnonzero(weight > _LIGHTEST)
    keep = slice(light[0], light[-1] + 1)
    return Curve(d[inner][keep], w[keep], series[keep], step * w_series[keep], is_log, 2.0 if even else 1.0)


def _series(values: np.ndarray) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(values, _WIDTH) @ _TAYLOR


def _halfway(series: np.ndarray) -> np.ndarray:
    """The polynomials half a step from their nodes."""
    return series @ 0.5 ** np.arange(_WIDTH)
