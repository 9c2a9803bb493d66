r"""Subordination: the equations of free sums and products, solved at complex z and on the real axis itself.

For laws :math:`\mu_i` with multiplicities :math:`n_i`, and :math:`F = 1/G`, :math:`r = \omega - F`, the law of
the free sum is found from points :math:`\omega_i` of the upper half-plane with

.. math:: F_i(\omega_i) = F \text{ for all } i, \qquad F + \sum_i n_i r_i(\omega_i) = z .

Free products obey the same equations for :math:`\log\omega_i`, with :math:`\log r_i` and
:math:`H_i = \log(\omega_i/r_i)` in the places of r and F, and log z in the place of z.

On the real axis inside the support the :math:`\omega_i` lie strictly inside the half-plane, where they are the
fixed point of an analytic self-map of it; such a point is unique, for every z in the closed half-plane. So a root of
the equations in the open half-plane is the right one, whichever way it was found, and no root need be picked.
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._free_jets import jet

_RESIDUAL = 1e-11
_LOOSE = 1e-6
_EXACT = 2e-15
_PATIENCE = 2
_AWAY = 1e3
_INTERIOR = 1e-12
_DEEP = 1e-6
_CLEAR = 100.0
_REFINEMENTS = 3
_FAR = 8.0
_KEEP = 0.1
_POLISH = 14
_APPROACH = 8
_ROUNDS = 400
_RATIO = 0.2
_LARGEST_RATIO = 0.98
_NEIGHBOURLY = 4
_NEAREST = 1e-18
_NEAR = 0.02


@dataclass(frozen=True, eq=False)
class Solution:
    """Coordinates of the subordination points, one row a law, and what they give, one entry a z."""

    u: np.ndarray
    cauchy: np.ndarray
    slope: np.ndarray
    m_slope: np.ndarray
    residual: np.ndarray
    steps: np.ndarray
    solved: np.ndarray


@dataclass(frozen=True, eq=False)
class _State:
    """Everything that one evaluation of all jets yields; `lead` is the law with the nearest ω at each z."""

    u: np.ndarray
    f: np.ndarray
    p: np.ndarray
    bend: np.ndarray
    r: np.ndarray
    cauchy: np.ndarray
    lead: np.ndarray
    misfit: np.ndarray
    defect: np.ndarray
    residual: np.ndarray

    def at(self, which: np.ndarray) -> "_State":
        """The state at some of the points."""
        return _State(*(getattr(self, field.name)[..., which] for field in fields(self)))

    def replaced(self, which: np.ndarray, new: "_State") -> "_State":
        """The state with another at some of the points."""
        parts = [getattr(self, field.name).copy() for field in fields(self)]
        for part, field in zip(parts, fields(self), strict=True):
            part[..., which] = getattr(new, field.name)
        return _State(*parts)


@dataclass(frozen=True, eq=False)
class System:
    """Laws with multiplicities and the chart, additive or multiplicative, in which they are combined."""

    laws: tuple[SpectralLaw, ...]
    counts: np.ndarray
    is_product: bool

    @cached_property
    def signed(self) -> int | None:
        """Index of the factor with negative spectrum, in a product."""
        if not self.is_product:
            return None
        return next((i for i, law in enumerate(self.laws) if law._hull[0] < 0.0), None)

    @cached_property
    def radius(self) -> float:
        """Bound on the spectrum."""
        radii = np.array([max(map(abs, law._hull)) for law in self.laws])
        return float(np.prod(radii**self.counts) if self.is_product else radii @ self.counts)

    @cached_property
    def _ceiling(self) -> np.ndarray:
        """The strip of the chart in which each coordinate's imaginary part stays."""
        if not self.is_product:
            return np.full(len(self.laws), np.inf)
        wide = np.full(len(self.laws), np.pi if self.signed is None else 2.0 * np.pi)
        if self.signed is not None:
            wide[self.signed] = np.pi
        return wide

    def solve(self, z: np.ndarray) -> Solution:
        """Solve at each z of the closed upper half-plane; `solved` says where the root is certified."""
        z = np.asarray(z, dtype=np.complex128)
        result = self._nothing_yet(z)
        path = _ProductPath(self, z) if self.is_product else _SumPath(self, z)
        u, start_ok = path.start()
        active = np.flatnonzero(start_ok)
        u = u[:, active]
        progress, ratio = np.ones(active.size), np.full(active.size, _RATIO)
        is_real = not np.any(z.imag)
        for round_ in range(_ROUNDS):
            if active.size == 0:
                break
            keep = ~self._finish(z[active], u, active, result)
            active, u, progress, ratio = active[keep], u[:, keep], progress[keep], ratio[keep]
            if round_ < _NEIGHBOURLY and active.size and is_real:
                keep = ~self._from_neighbours(z, active, result)
                active, u, progress, ratio = active[keep], u[:, keep], progress[keep], ratio[keep]
            if active.size == 0:
                break
            target = path.at(active, progress * ratio)
            state, steps, good = self._newton(target, u, _APPROACH, self._loose(target), guarded=True)
            result.steps[active] += steps
            u[:, good] = state.u[:, good]
            progress = np.where(good, progress * ratio, progress)
            ratio = np.where(good, np.maximum(ratio * ratio, _RATIO), np.sqrt(ratio))
            alive = (ratio < _LARGEST_RATIO) & (progress > _NEAREST)
            active, u, progress, ratio = active[alive], u[:, alive], progress[alive], ratio[alive]
        return result

    def confirm(self, z: np.ndarray, omega: np.ndarray) -> Solution:
        """Solve at z just above the real axis, from real subordination points close by; one row a law."""
        if self.is_product:
            angle = np.where(omega > 0.0, 0.0, np.pi)
            angle = np.where(
                (z.real < 0.0) & (angle == 0.0) & (self._ceiling[:, None] > 4.0), 2.0 * np.pi, angle
            )
            lift = np.minimum(np.angle(z), np.pi - np.angle(z))
            u = np.log(np.abs(omega)) + 1j * np.where(angle == 0.0, lift, angle - lift)
        else:
            u = omega + 1j * z.imag
        result = self._nothing_yet(z)
        self._finish(z, u, np.arange(z.size), result)
        return result

    def _nothing_yet(self, z: np.ndarray) -> Solution:
        return Solution(
            np.full((len(self.laws), z.size), np.nan + 0j),
            np.full(z.shape, np.nan + 0j),
            np.full(z.shape, np.nan + 0j),
            np.full(z.shape, np.nan + 0j),
            np.full(z.shape, np.inf),
            np.zeros(z.shape),
            np.zeros(z.shape, dtype=bool),
        )

    def _from_neighbours(self, z: np.ndarray, active: np.ndarray, result: Solution) -> np.ndarray:
        """Try each open point on the real axis from the nearest solved one, as long as that helps."""
        open_ = active
        while open_.size:
            solved = np.flatnonzero(result.solved)
            if solved.size == 0:
                break
            solved = solved[np.argsort(z.real[solved])]
            right = np.searchsorted(z.real[solved], z.real[open_])
            left, right = np.maximum(right - 1, 0), np.minimum(right, solved.size - 1)
            nearer = np.abs(z[solved[left]] - z[open_]) <= np.abs(z[solved[right]] - z[open_])
            start = result.u[:, solved[np.where(nearer, left, right)]]
            done = self._finish(z[open_], start, open_, result)
            if not np.any(done):
                break
            open_ = open_[~done]
        return result.solved[active]

    def _finish(self, z: np.ndarray, u: np.ndarray, active: np.ndarray, result: Solution) -> np.ndarray:
        """Polish at z itself; record and return the points whose root is certified."""
        state, steps, good = self._newton(z, u, _POLISH, _RESIDUAL, guarded=False)
        result.steps[active] += steps
        inside = self._is_inside(z, state)
        for _ in range(_REFINEMENTS):
            unclear = np.flatnonzero(good & ~inside)
            if unclear.size == 0:
                break
            state, inside = self._refined(z, state, inside, unclear)
        good &= inside & (state.residual <= _RESIDUAL)
        at = active[good]
        result.u[:, at] = state.u[:, good]
        result.cauchy[at] = state.cauchy[good]
        result.residual[at] = state.residual[good]
        result.solved[at] = True
        slope, m_slope = self._slopes(z, state)
        result.slope[at], result.m_slope[at] = slope[good], m_slope[good]
        return good

    def _refined(
        self, z: np.ndarray, state: _State, inside: np.ndarray, which: np.ndarray
    ) -> tuple[_State, np.ndarray]:
        """One Newton step more at some points: imaginary parts keep relative digits below the rounding of real ones."""
        with np.errstate(all="ignore"):
            part = state.at(which)
            part = self._evaluate(z[which], part.u + self._step(part))
        better = part.residual <= _RESIDUAL
        state = state.replaced(which[better], part.at(better))
        inside = inside.copy()
        inside[which] = better & self._is_inside(z[which], part)
        return state, inside

    def _loose(self, z: np.ndarray) -> np.ndarray:
        """Residual at which a point on the way is good enough: well below its distance from the axis."""
        angle = np.angle(z)
        height = np.minimum(angle, np.pi - angle) if self.is_product else z.imag / self.radius
        return np.clip(0.02 * height, 1e-13, _LOOSE)

    def _is_inside(self, z: np.ndarray, state: _State) -> np.ndarray:
        """Whether the subordination points are in their open half-planes, one of them by more than rounding.

        One is enough: the equations carry it over to the others. Rounding is what the imaginary parts of the
        equations still miss; a real root that Newton's method has almost reached is as close to the axis as that.
        Far from the spectrum it suffices that the points are near their expansion at infinity.
        """
        if self.is_product:
            depth, floor = self._depths_of_product(z, state), np.where(z.imag > 0.0, 0.0, _INTERIOR)
        else:
            depth = state.u.imag / self.radius
            floor = np.where(z.imag > 0.0, 0.5 * z.imag / self.radius, _INTERIOR)
        least, most = np.min(depth, axis=0), np.max(depth, axis=0)
        floor = np.maximum(floor, _CLEAR * self._haze(state))
        far = np.abs(z) > _FAR * self.radius
        if np.any(far):
            size = 1.0 if self.is_product else np.abs(z[far])
            away = np.max(np.abs(state.u[:, far] - self.start_at_infinity(z[far])), axis=0)
            far[far] = away <= 0.5 * size
        return far | (most > floor) & ((least > 0.0) | ((most > _DEEP) & (least > -_INTERIOR)))

    def _haze(self, state: _State) -> np.ndarray:
        """What the imaginary parts of the equations miss, as an error of the coordinates."""
        scale = 1.0 if self.is_product else self.radius
        with np.errstate(all="ignore"):
            missed = np.max(np.abs((state.misfit / state.p).imag), axis=0)
        return np.maximum(np.nan_to_num(missed), np.abs(state.defect.imag)) / scale

    def _depths_of_product(self, z: np.ndarray, state: _State) -> np.ndarray:
        r"""Angles between the boundary and r, factor by factor.

        Taking the positive factor b off a product leaves it at the point :math:`r(1+m)/m`, where
        :math:`r = z/\omega_b` must lie in the open lower half-plane.
        """
        common = state.f[state.lead, np.arange(z.size)]
        remaining = _log(z)
        depths = []
        first = self.signed if self.signed is not None else 0
        for i, count in enumerate(self.counts):
            if i == first:
                continue
            whole = state.u[i] + (count - 1.0) * state.r[i]
            angle = (remaining - whole).imag
            depths.append(np.minimum(-angle, np.pi + angle))
            remaining = remaining - whole + common
        angle = state.u[first].imag
        depths.append(np.minimum(angle, np.pi - angle))
        return np.array(depths)

    def start_at_infinity(self, z: np.ndarray) -> np.ndarray:
        """First guess of the coordinates at |z| well beyond the spectrum."""
        means = np.array([law.mean for law in self.laws])
        if not self.is_product:
            return z - (means @ self.counts) + means[:, None]
        first = self.signed if self.signed is not None else 0
        others = [i for i in range(len(self.laws)) if i != first]
        u = np.empty((len(self.laws), z.size), dtype=np.complex128)
        u[first] = _log(z) - sum(self.counts[i] * np.log(means[i]) for i in others)
        if self.signed is None:
            u[first] -= (self.counts[first] - 1.0) * np.log(means[first])
        omega = np.exp(u[first])
        rest = _log_below(means[first] + self.laws[first].var / omega)
        for i in others:
            u[i] = np.log(means[i]) + u[first] - rest
        return u

    def ladder(self, lowest: float) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates along z = ie^t from beyond the spectrum down to t = `lowest`; kept, and extended on demand."""
        rungs = self._rungs
        step = rungs[-2][0] - rungs[-1][0] if len(rungs) > 1 else 0.7
        while rungs[-1][0] > lowest:
            t, u = rungs[-1]
            guess = u
            if len(rungs) > 1:
                before, previous = rungs[-2]
                guess = u - (previous - u) * step / (before - t)
            z = 1j * np.exp(np.array([t - step]))
            state, steps, good = self._newton(z, guess, 12, _RESIDUAL, guarded=True)
            if good[0]:
                rungs.append((t - step, state.u))
                step = min(step * (1.6 if steps[0] <= 4 else 1.0), 60.0)
            else:
                step *= 0.5
                if step < 1e-6:
                    raise ValueError(
                        f"The free product could not be followed to |z| = {np.exp(t):.3g}; "
                        "move the parameters slightly and report the case."
                    )
        return np.array([t for t, _ in rungs]), np.concatenate([u for _, u in rungs], axis=1)

    @cached_property
    def _rungs(self) -> list[tuple[float, np.ndarray]]:
        t = float(np.log(8.0 * self.radius))
        z = 1j * np.exp(np.array([t]))
        state, _, _ = self._newton(z, self.start_at_infinity(z), 40, _RESIDUAL, guarded=True)
        return [(t, state.u)]

    def _newton(
        self, z: np.ndarray, u: np.ndarray, most: int, tolerance: float | np.ndarray, guarded: bool
    ) -> tuple[_State, np.ndarray, np.ndarray]:
        """Newton's method at all z together; the best state seen, its steps, and whether it is good enough.

        Unguarded, a point must also have come to rest: near a cusp a neighbour's root has a small residual, too.
        """
        steps, level = np.zeros(z.shape), np.broadcast_to(tolerance, z.shape)
        with np.errstate(all="ignore"):
            state = self._evaluate(z, u)
            best, least = u.copy(), state.residual.copy()
            moving, stale = np.flatnonzero(np.isfinite(least)), np.zeros(z.size)
            rests = np.zeros(z.size, dtype=bool)
            if moving.size < z.size:
                state = state.at(moving)
            for _ in range(most):
                if moving.size == 0:
                    break
                target = z[moving]
                step = self._step(state)
                if guarded:
                    step = step * self._fraction(state.u, step)
                elif self.is_product:
                    step = step * np.minimum(1.0, 3.0 / np.maximum(np.max(np.abs(step), axis=0), 1e-300))
                state = self._evaluate(target, state.u + step)
                steps[moving] += 1.0
                before = least[moving]
                better = state.residual < before
                best[:, moving[better]] = state.u[:, better]
                least[moving[better]] = state.residual[better]
                enough = level[moving]
                at_rest = (state.residual >= 0.5 * before) & (state.residual <= _AWAY * before)
                stale[moving] = np.where(at_rest, stale[moving] + 1.0, 0.0)
                settled = (before <= enough) & (stale[moving] >= _PATIENCE)
                settled |= least[moving] <= (enough if guarded else _EXACT)
                rests[moving] = settled | at_rest | better
                going = np.isfinite(state.residual) & ~settled
                if not np.all(going):
                    moving, state = moving[going], state.at(going)
            state = self._evaluate(z, best)
        return state, steps, (least <= level) & (guarded | rests)

    def _evaluate(self, z: np.ndarray, u: np.ndarray) -> _State:
        if self.is_product:
            f, p, bend, r, value, omega = self._product_parts(u)
            target = _log(z)
        else:
            f, p, bend, r, value = self._sum_parts(u)
            omega, target = u, z
        lead = np.argmin(np.abs(omega), axis=0)
        columns = np.arange(z.size)
        total = u[lead, columns] + np.sum(self._weights(lead) * r, axis=0)
        misfit = f[lead, columns] - f
        defect = target - total
        if self.is_product:
            cauchy = value[lead, columns] * omega[lead, columns] / z
            scale = np.ones(z.size)
            relative = np.abs(misfit)
        else:
            cauchy = value[lead, columns]
            scale = np.maximum(np.abs(z), self.radius)
            size = np.maximum(np.abs(f), 1e-300)
            relative = np.abs(misfit) / size * np.minimum(1.0, self.radius / size[lead, columns])
        residual = np.maximum(np.max(relative, axis=0), np.abs(defect) / scale)
        residual = np.where(np.isfinite(residual), residual, np.inf)
        return _State(u, f, p, bend, r, cauchy, lead, misfit, defect, residual)

    def _weights(self, lead: np.ndarray) -> np.ndarray:
        """Multiplicities, less one for the law that leads."""
        weights = np.repeat(self.counts[:, None], lead.size, axis=1)
        weights[lead, np.arange(lead.size)] -= 1.0
        return weights

    def _sum_parts(self, u: np.ndarray) -> tuple[np.ndarray, ...]:
        value, slope, r, bend, _ = (np.stack(part) for part in zip(*map(jet, self.laws, u), strict=True))
        return 1.0 / value, -slope / value**2, bend, r, value

    def _product_parts(self, u: np.ndarray) -> tuple[np.ndarray, ...]:
        omega = np.exp(u)
        value, _, r, bend, m_slope = (
            np.stack(part) for part in zip(*map(jet, self.laws, omega), strict=True)
        )
        n, m = omega * value, r * value
        bend = omega * bend / r
        p = np.where(np.abs(bend) < 0.5, 1.0 - bend, -omega * m_slope / (m * n))
        f = np.log(n / m)
        for i in range(len(self.laws)):
            if i == self.signed:
                f[i] = u[i] - _log_below(r[i])
            else:
                low = omega[i].imag < 0.0
                principal = np.where(low, f[i].conj(), f[i])
                principal = np.where(principal.imag < -0.5 * np.pi, principal + 2j * np.pi, principal)
                f[i] = np.where(low, principal.conj() + 2j * np.pi, principal)
        return f, p, bend, u - f, value, omega

    def _step(self, state: _State) -> np.ndarray:
        """The Newton step: an arrow matrix, eliminated to one unknown, the common value of F (or of G, near G = 0)."""
        columns = np.arange(state.lead.size)
        weight = self._weights(state.lead)
        share, misfit = np.ones(state.p.shape), state.misfit
        if not self.is_product:
            near_zero = np.abs(state.f) > 2.0 * np.abs(state.u)
            by_cauchy = near_zero[state.lead, columns]
            share = np.where(by_cauchy, state.f / state.f[state.lead, columns], 1.0)
            misfit = misfit * share
        rate = weight * state.bend / state.p
        own = 1.0 / state.p[state.lead, columns]
        change = (state.defect - np.sum(rate * misfit, axis=0)) / (own + np.sum(rate * share**2, axis=0))
        return (change * share**2 + misfit) / state.p

    def _slopes(self, z: np.ndarray, state: _State) -> tuple[np.ndarray, np.ndarray]:
        """dG/dz and dM/dz, from the same linear equations with dz on the right."""
        columns = np.arange(z.size)
        weight = self._weights(state.lead)
        with np.errstate(all="ignore"):
            rate = weight * state.bend / state.p
            change = 1.0 / (1.0 / state.p[state.lead, columns] + np.sum(rate, axis=0))
            if not self.is_product:
                slope = -change * state.cauchy**2
                return slope, state.cauchy + z * slope
            n = z * state.cauchy
            ratio = np.exp(state.f[state.lead, columns])
            m_slope = -change * n**2 / ratio / z
            return (m_slope - state.cauchy) / z, m_slope

    def _fraction(self, u: np.ndarray, step: np.ndarray) -> np.ndarray:
        """The share of a step that keeps each coordinate inside its strip."""
        down = (1.0 - _KEEP) * u.imag / np.maximum(-step.imag, 1e-300)
        share = np.min(down, axis=0)
        if self.is_product:
            room = self._ceiling[:, None] - u.imag
            share = np.minimum(share, np.min((1.0 - _KEEP) * room / np.maximum(step.imag, 1e-300), axis=0))
            share = np.minimum(share, 2.0 / np.maximum(np.max(np.abs(step), axis=0), 1e-300))
        return np.minimum(share, 1.0)


class _SumPath:
    """From far above each z straight down to it."""

    def __init__(self, system: System, z: np.ndarray) -> None:
        self._system, self._z, self._height = system, z, 2.0 * system.radius

    def start(self) -> tuple[np.ndarray, np.ndarray]:
        far = self._z.imag >= self._height
        z = np.where(far, self._z, self._z.real + 1j * self._height)
        state, _, good = self._system._newton(z, self._system.start_at_infinity(z), 30, _LOOSE, guarded=True)
        return state.u, good

    def at(self, which: np.ndarray, progress: np.ndarray) -> np.ndarray:
        z = self._z[which]
        return z.real + 1j * np.maximum(z.imag, self._height * progress)


class _ProductPath:
    """Along the imaginary axis to |z|, then round to the argument of z."""

    def __init__(self, system: System, z: np.ndarray) -> None:
        self._system, self._z = system, z

    def start(self) -> tuple[np.ndarray, np.ndarray]:
        system, modulus = self._system, np.abs(self._z)
        z = 1j * modulus
        u = np.empty((len(system.laws), z.size), dtype=np.complex128)
        good = modulus > _NEAR * system.radius
        if np.any(good):
            state, _, near = system._newton(
                z[good], system.start_at_infinity(z[good]), 20, _LOOSE, guarded=True
            )
            u[:, good] = state.u
            good[good] = near & np.all(
                (state.u.imag > 0.0) & (state.u.imag < system._ceiling[:, None]), axis=0
            )
        if not np.all(good):
            log_modulus = np.log(modulus[~good])
            rungs, values = system.ladder(float(np.min(log_modulus)))
            start = np.stack([np.interp(-log_modulus, -rungs, row) for row in values])
            state, _, near = system._newton(z[~good], start, 20, _LOOSE, guarded=True)
            u[:, ~good] = state.u
            good[~good] = near
        return u, good

    def at(self, which: np.ndarray, progress: np.ndarray) -> np.ndarray:
        z = self._z[which]
        angle = np.angle(z)
        return np.abs(z) * np.exp(1j * (angle + (0.5 * np.pi - angle) * progress))


def _log(z: np.ndarray) -> np.ndarray:
    return np.log(np.abs(z)) + 1j * np.angle(z)


def _log_below(r: np.ndarray) -> np.ndarray:
    """log r with the argument in (−3π/2, π/2]: r lies in the closed lower half-plane."""
    value = np.log(r)
    return np.where(value.imag > 0.5 * np.pi, value - 2j * np.pi, value)
