r"""Solving a chain's equation for complex z, and along the real axis where it is real.

Unknowns are T (with T + rank beside it, so that neither loses digits) and one ζ for every distinct factor:

.. math:: n_l\,m_l(\zeta_l) = T, \qquad \sum_l c_l \ln\zeta_l + \sum_\nu p_\nu \ln(T + \nu) + \ln s = \ln z .

Newton's matrix is an arrow, so a step costs one division a factor. A point starts on the negative axis, where
everything is real and monotone, and turns with arg z from π to its goal; a step that Newton corrects by much
is taken in two.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtlab.jacobian._chain import Chain, Factor, log_below
from rmtlab.laws._solved import Certificate

_TURNS = 4
_STEPS = 12
_BRISK = 7  # steps that are enough from a good guess
_HALVINGS = 46
_FAR = 0.35  # how much a Newton correction may move the logarithms of the unknowns
_GOAL = 2e-14
_COARSE = 1e-5  # on the way, and
_FINE = 1e-10  # on the last turn
_SURE = 1e-12  # beside a point that is known
_WORST = 1e-10
_BESIDE = 1e-7  # rounding beyond the real axis; near an edge a root feels the square root of it
_TABLE = 400
_ROUGH = 1e-5  # of the table's ln|ζ|, which is interpolated
_CROWD = 12
_SPACINGS = (24, 8, 3, 1)
_PROGRESS = 0.9
_MEMORY = 4000
_BESIDE_ANCHOR = 0.1
_LAST_MASS = 30.0  # ln(rank/u) beyond which hardly any mass is left
_SPAN = 640.0  # of ln(rank/u) and of ln(rank/|T|) on the negative axis


@dataclass(frozen=True, eq=False)
class State:
    """ln ζ of every factor (factors × points), T and T + rank."""

    y: np.ndarray
    t: np.ndarray
    u: np.ndarray

    def at(self, index: np.ndarray) -> "State":
        """The chosen points."""
        return State(self.y[:, index], self.t[index], self.u[index])

    def put(self, index: np.ndarray, other: "State") -> None:
        """Write other states over the chosen points."""
        self.y[:, index], self.t[index], self.u[index] = other.y, other.t, other.u


class Solver:
    """Finds T(z) of one chain; remembers its worst residual."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._residual, self._iterations = 0.0, 0
        self._known = np.empty(0), _empty(chain, 0), _empty(chain, 0)

    @property
    def certificate(self) -> Certificate:
        """The worst residual of all points so far."""
        return Certificate(self._residual, self._iterations, True)

    def resolvent_trace(self, log_size: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """Return zG(z) at ln z = log_size + i·angle."""
        return self.solve(log_size, angle).u + (1.0 - self.chain.rank)

    def solve(self, log_size: np.ndarray, angle: np.ndarray) -> State:
        """Solve at ln z = log_size + i·angle, 0 ≤ angle ≤ π.

        Closer to 0 than all but 1e-13 of the spectrum, the solution goes on as the power law that it is there.
        """
        if self.chain.is_single:
            return self._single(log_size, angle)
        reached = np.maximum(log_size, self._closest)
        if np.any(angle):
            state, slope = self._from_negative_axis(reached, angle)
        else:
            state, slope = self._on_axis(reached, angle)
        return self._ahead(state, slope, log_size - reached)

    def _single(self, log_size: np.ndarray, angle: np.ndarray) -> State:
        """One factor alone: ζ is z itself, over a constant."""
        (factor,) = self.chain.factors
        y = log_size + 1j * angle - self.chain.log_scale
        m, o, _ = factor.squares.transform(np.exp(y))
        self._iterations = max(self._iterations, 1)
        return State(y[None], factor.size * m, factor.size * o - (factor.reach - self.chain.rank))

    def _on_axis(self, log_size: np.ndarray, angle: np.ndarray) -> tuple[State, State]:
        """Solve at positive z: from a cubic between points that are known, the others from scratch.

        Of many points some are solved from scratch before the rest.
        """
        state, slope = _empty(self.chain, log_size.size), _empty(self.chain, log_size.size)
        pending = self._spread(np.arange(log_size.size), log_size, state, slope)
        for spacing in _SPACINGS:
            order = pending[np.argsort(log_size[pending])]
            is_start = self._known[0].size < 2 and order.size <= _CROWD
            first = order if is_start else order[min(spacing, order.size) // 2 :: spacing]
            if first.size:
                self._from_scratch(first, log_size, state, slope)
                pending = self._spread(np.setdiff1d(pending, first), log_size, state, slope)
        return state, slope

    def _spread(self, index: np.ndarray, log_size: np.ndarray, state: State, slope: State) -> np.ndarray:
        """Solve points from known ones, and others from those, as long as that leads to many; return the rest."""
        while True:
            rest = self._from_known(index, log_size, state, slope)
            if rest.size == 0 or rest.size > _PROGRESS * index.size:
                return rest
            index = rest

    def _from_known(self, index: np.ndarray, log_size: np.ndarray, state: State, slope: State) -> np.ndarray:
        """Solve the points that known neighbours lead to; return the others."""
        x, known, tangent = self._known
        if x.size < 2 or index.size == 0:
            return index
        at = log_size[index]
        inside = (at >= x[0]) & (at <= x[-1])
        guess = _empty(self.chain, at.size)
        guess.put(inside, _interpolated(x, known, tangent, at[inside], self.chain.rank))
        for beyond, near, next_ in ((at < x[0], 0, 1), (at > x[-1], -1, -2)):
            guess.put(beyond, _extrapolated(x, known, tangent, at[beyond], self.chain.rank, near, next_))
        found, its, residual, moved = self._newton(guess, at + 0j, _GOAL, _BRISK)
        good = (residual < _SURE) & (moved < _BESIDE_ANCHOR) & _in_half_plane(found, _BESIDE)
        self._judge(residual[good], at[good])
        state.put(index[good], found.at(good))
        slope.put(index[good], its.at(good))
        self._remember(at[good], found.at(good), its.at(good))
        return index[~good]

    def _from_scratch(self, index: np.ndarray, log_size: np.ndarray, state: State, slope: State) -> None:
        """Solve the points from the negative axis, and remember them."""
        at = log_size[index]
        found, its = self._from_negative_axis(at, np.zeros(at.shape))
        state.put(index, found)
        slope.put(index, its)
        self._remember(at, found, its)

    def _remember(self, at: np.ndarray, found: State, its: State) -> None:
        x, known, tangent = self._known
        every = np.concatenate([x, at])
        _, order = np.unique(every, return_index=True)
        order = order[:: 1 + order.size // _MEMORY]
        self._known = every[order], _joined(known, found).at(order), _joined(tangent, its).at(order)

    def _from_negative_axis(self, log_size: np.ndarray, angle: np.ndarray) -> tuple[State, State]:
        """Turn from arg z = π, where the start is certain, to the goal."""
        state = self._start(log_size)
        here = np.full(log_size.shape, np.pi)
        state, slope, _, _ = self._newton(state, log_size + 1j * here, _COARSE)
        for k in range(1, _TURNS + 1):
            goal = np.pi + (angle - np.pi) * k / _TURNS
            tolerance = _COARSE if k < _TURNS else _FINE
            state, slope = self._turn(state, slope, log_size, here, goal, tolerance)
            here = goal
        state, slope, residual, _ = self._newton(state, log_size + 1j * angle, _GOAL)
        self._judge(np.where(_in_half_plane(state, _BESIDE), residual, np.inf), log_size)
        return state, slope

    @cached_property
    def _closest(self) -> float:
        """The ln|z| below which laws with smooth φ′ are continued as a power."""
        if np.isinf(_deepest(self.chain)):
            return -np.inf
        log_z, odds = self._negative_axis[:2]
        return float(np.interp(-_LAST_MASS, -odds, log_z))

    def _turn(
        self,
        state: State,
        slope: State,
        log_size: np.ndarray,
        here: np.ndarray,
        goal: np.ndarray,
        tolerance: float,
    ) -> tuple[State, State]:
        """Carry all points from angle `here` to `goal`; halve the step of those that resist."""
        state, slope = _copy(state), _copy(slope)
        at, step = here.copy(), goal - here
        pending = np.flatnonzero(step != 0.0)
        halvings = np.zeros(log_size.shape, dtype=int)
        while pending.size:
            turn = step[pending]
            guess = self._ahead(state.at(pending), slope.at(pending), 1j * turn)
            to = np.where(
                np.abs(goal[pending] - at[pending] - turn) < 1e-15, goal[pending], at[pending] + turn
            )
            found, tangent, residual, moved = self._newton(guess, log_size[pending] + 1j * to, tolerance)
            good = (residual < tolerance) & (moved < _FAR) & _in_half_plane(found, 1e2 * tolerance)
            won = pending[good]
            state.put(won, found.at(good))
            slope.put(won, tangent.at(good))
            at[won] = to[good]
            lost = pending[~good]
            step[lost] *= 0.5
            halvings[lost] += 1
            if np.any(halvings[lost] > _HALVINGS):
                worst = lost[np.argmax(halvings[lost])]
                raise ArithmeticError(
                    f"The Jacobian law could not be followed to |z| = {np.exp(log_size[worst]):.6g}; "
                    "take a z further from the edges of the spectrum, or move weight_var slightly."
                )
            step[won] = np.where(np.abs(step[won]) < np.abs(goal[won] - at[won]), 2.0 * step[won], step[won])
            rest = goal[won] - at[won]
            step[won] = np.where(np.abs(step[won]) > np.abs(rest), rest, step[won])
            pending = np.flatnonzero(at != goal)
        return state, slope

    def _ahead(self, state: State, slope: State, d_log_z: np.ndarray) -> State:
        """Move along the tangent; logarithms of the unknowns are the smooth ones."""
        return self._moved(state, slope.y * d_log_z, slope.t * d_log_z)

    def _moved(self, state: State, dy: np.ndarray, dt: np.ndarray) -> State:
        rank = self.chain.rank
        near_zero = np.abs(state.t) < np.abs(state.u)
        base = np.where(near_zero, state.t, state.u)
        moved = base * np.exp(dt / base)
        t = np.where(near_zero, moved, moved - rank)
        u = np.where(near_zero, moved + rank, moved)
        return State(state.y + dy, t, u)

    def _newton(
        self, state: State, log_z: np.ndarray, goal: float, steps: int = _STEPS
    ) -> tuple[State, State, np.ndarray, np.ndarray]:
        """Return the root, the tangent d(ln ζ, T)/d ln z there, the residual, and how far it moved."""
        first, state = state, _copy(state)
        tangent = State(np.zeros_like(state.y), np.zeros_like(state.t), np.zeros_like(state.t))
        residual = np.full(log_z.size, np.inf)
        active = np.arange(log_z.size)
        with np.errstate(all="ignore"):
            for iteration in range(steps):
                part = state.at(active)
                dy, dt, slope, miss = self._step(part, log_z[active])
                tangent.put(active, slope)
                stalled = (iteration > 2) & ~(miss < 0.5 * residual[active])
                residual[active] = miss
                size = np.maximum(np.max(np.abs(dy), axis=0, initial=0.0), np.abs(dt) / _lesser(part))
                going = (miss > goal) & ~stalled & (size < 3.0)
                if not np.any(going) or iteration == steps - 1:
                    break
                active = active[going]
                state.put(active, self._moved(part.at(going), dy[:, going], dt[going]))
                self._iterations = max(self._iterations, iteration + 1)
            drift = np.abs(np.log(state.t / first.t)) + np.abs(np.log(state.u / first.u))
            moved = np.maximum(np.max(np.abs(state.y - first.y), axis=0, initial=0.0), drift)
        return state, tangent, np.nan_to_num(residual, nan=np.inf), np.nan_to_num(moved, nan=np.inf)

    def _step(self, state: State, log_z: np.ndarray) -> tuple[np.ndarray, np.ndarray, State, np.ndarray]:
        chain = self.chain
        value, steepness = chain.rational(state.t, state.u)
        miss0 = value + chain.log_scale - log_z
        misses, rates = np.empty_like(state.y), np.empty_like(state.y)
        worst = np.zeros(log_z.shape)
        near_zero = np.abs(state.t) < np.abs(state.u)
        for k, factor in enumerate(chain.factors):
            zeta = np.exp(state.y[k])
            m, o, slope = factor.squares.transform(zeta)
            below = factor.reach - chain.rank
            misses[k] = np.where(near_zero, factor.size * m - state.t, factor.size * o - (state.u + below))
            rates[k] = factor.size * slope * zeta
            miss0 = miss0 + factor.count * state.y[k]
            steepness = steepness + factor.count / rates[k]
            worst = np.maximum(
                worst, np.abs(misses[k]) / np.abs(np.where(near_zero, state.t, state.u + below))
            )
        counts = np.array([factor.count for factor in chain.factors], dtype=float)[:, None]
        residual = np.maximum(worst, np.abs(miss0))
        dt = (np.sum(counts * misses / rates, axis=0) - miss0) / steepness
        dt_dlog = 1.0 / steepness
        slope_state = State(dt_dlog / rates, dt_dlog, dt_dlog)
        return (dt - misses) / rates, dt, slope_state, residual

    def _judge(self, residual: np.ndarray, log_size: np.ndarray) -> None:
        worst = float(np.max(residual, initial=0.0))
        if not worst <= _WORST:
            at = float(np.exp(log_size[np.argmax(residual)]))
            raise ArithmeticError(
                f"The Jacobian law could not be solved at |z| = {at:.6g} (residual {worst:.1e} instead of "
                f"{_WORST:.0e}); move weight_var or preact_var slightly."
            )
        self._residual = max(self._residual, worst)

    # The negative axis.

    def _start(self, log_size: np.ndarray) -> State:
        table = self._negative_axis
        rank = self.chain.rank
        rows = [np.interp(log_size, table[0], row) for row in table[1:]]
        t, u = -rank / (1.0 + np.exp(-rows[0])), rank / (1.0 + np.exp(rows[0]))
        beyond = log_size > table[0, -1]
        t = np.where(beyond, t * np.exp(np.minimum(table[0, -1] - log_size, 0.0)), t)
        y = np.array(rows[1:]).reshape(len(rows) - 1, log_size.size) + 1j * np.pi
        y = y + np.where(beyond, log_size - table[0, -1], 0.0)
        return State(y, t + 0j, u + 0j)

    @cached_property
    def _negative_axis(self) -> np.ndarray:
        """Rows ln|z|, ln(|T|/u), ln|ζ_1|, … for T from near −rank to near 0, sorted by |z|."""
        chain = self.chain
        grid = np.linspace(-1.0, 1.0, _TABLE)
        span = _SPAN if np.isinf(_deepest(chain)) else _LAST_MASS + 10.0
        odds = np.where(grid < 0.0, span, _LAST_MASS + 10.0) * -np.sinh(6.0 * grid) / np.sinh(6.0)
        t, u = -chain.rank / (1.0 + np.exp(-odds)), chain.rank / (1.0 + np.exp(odds))
        rows, kept = [], np.ones(odds.shape, dtype=bool)
        for factor in chain.factors:
            v = _log_on_negative_axis(factor, t, u + (factor.reach - chain.rank))
            rows.append(v)
            kept &= np.isfinite(v) & (np.abs(v) < _SPAN)
        log_z = chain.rational(t + 0j, u + 0j)[0].real + chain.log_scale
        for factor, v in zip(chain.factors, rows, strict=True):
            log_z = log_z + factor.count * v
        table = np.array([log_z, odds, *rows])[:, kept & np.isfinite(log_z)]
        order = np.argsort(table[0])
        return table[:, order]


def _log_on_negative_axis(factor: Factor, t: np.ndarray, above: np.ndarray) -> np.ndarray:
    """ln|ζ| with n·m(ζ) = T at ζ < 0, to start from; `above` is n·(m + P(d > 0)), positive."""
    target = np.log(-t) - np.log(above)
    first, _ = factor.squares.moments
    v = np.log(first) - target
    low, high = np.full(v.shape, -_SPAN - 60.0), np.full(v.shape, _SPAN + 60.0)
    pending = np.arange(v.size)
    for _ in range(80):
        at = np.clip(v[pending], low[pending], high[pending])
        zeta = -np.exp(np.clip(at, -690.0, 690.0))
        m, o, slope = (part.real for part in factor.squares.transform(zeta + 0j))
        with np.errstate(all="ignore"):
            gap = np.log(-m) - np.log(o) - target[pending]
            rate = slope * zeta * (1.0 / m - 1.0 / o)
            floor, ceiling = np.where(gap > 0.0, at, low[pending]), np.where(gap > 0.0, high[pending], at)
            newton = at - gap / rate
        inside = (newton > floor) & (newton < ceiling)
        v[pending] = np.where(inside, newton, 0.5 * (floor + ceiling))
        low[pending], high[pending] = floor, ceiling
        pending = pending[~(np.abs(v[pending] - at) <= _ROUGH * (1.0 + np.abs(at)))]
        if not pending.size:
            break
    return v


def _deepest(chain: Chain) -> float:
    """The ln(rank/u) up to which the solver goes: without limit where φ′² takes finitely many values."""
    return _LAST_MASS if any(factor.squares.curves for factor in chain.factors) else np.inf


def _lesser(state: State) -> np.ndarray:
    return np.minimum(np.abs(state.t), np.abs(state.u))


def _interpolated(x: np.ndarray, known: State, slope: State, at: np.ndarray, rank: float) -> State:
    """Cubic Hermite interpolation of ln ζ, ln T and ln(T + rank) along ln|z|."""
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, x.size - 2)
    step = x[k + 1] - x[k]
    s = np.divide(at - x[k], step, out=np.zeros_like(at), where=step > 0.0)

    def between(value: np.ndarray, rate: np.ndarray) -> np.ndarray:
        rise = value[..., k + 1] - value[..., k]
        left, right = step * rate[..., k] - rise, step * rate[..., k + 1] - rise
        return value[..., k] + s * rise + s * (1.0 - s) * ((1.0 - s) * left - s * right)

    return _between_or_beyond(between, known, slope, rank)


def _extrapolated(
    x: np.ndarray, known: State, slope: State, at: np.ndarray, rank: float, near: int, next_: int
) -> State:
    """Beyond the outermost points, as a square root that has the slopes of two: so the law goes to its edge."""
    step = at - x[near]

    def beyond(value: np.ndarray, rate: np.ndarray) -> np.ndarray:
        value, rate = value[..., [near, next_], None], rate[..., [near, next_], None]
        own, other = rate[..., 0, :], rate[..., 1, :]
        bend = own * (own - other) / (other * (value[..., 1, :] - value[..., 0, :]))
        return value[..., 0, :] + 2.0 * own * step / (1.0 + np.sqrt(1.0 + 2.0 * bend * step))

    return _between_or_beyond(beyond, known, slope, rank)


def _between_or_beyond(
    predicted: Callable[[np.ndarray, np.ndarray], np.ndarray], known: State, slope: State, rank: float
) -> State:
    """The state with ln ζ, ln T and ln(T + rank) as predicted from their values and slopes."""
    with np.errstate(all="ignore"):
        y = predicted(known.y, slope.y)
        t = np.exp(predicted(log_below(known.t), slope.t / known.t))
        u = np.exp(predicted(log_below(known.u), slope.t / known.u))
    near_zero = np.abs(t) < np.abs(u)
    return State(y, np.where(near_zero, t, u - rank), np.where(near_zero, t + rank, u))


def _empty(chain: Chain, size: int) -> State:
    return State(
        *(np.empty(shape, dtype=np.complex128) for shape in ((len(chain.factors), size), size, size))
    )


def _joined(a: State, b: State) -> State:
    return State(np.concatenate([a.y, b.y], axis=1), np.concatenate([a.t, b.t]), np.concatenate([a.u, b.u]))


def _copy(state: State) -> State:
    return State(state.y.copy(), state.t.copy(), state.u.copy())


def _in_half_plane(state: State, tolerance: float) -> np.ndarray:
    """ζ in the upper half-plane, T in the lower."""
    upper = np.all((state.y.imag > -tolerance) & (state.y.imag < np.pi + tolerance), axis=0)
    return upper & (state.t.imag <= tolerance * np.abs(state.t))
