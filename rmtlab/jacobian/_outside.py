"""R- and S-transforms of a chain: its own parametrisation by T inverts G and M off the spectrum."""

import numpy as np

from rmtlab.jacobian._chain import Chain
from rmtlab.jacobian._edges import above_all, real_curve, side_by_zero

_ITERATIONS = 60
_GOAL = 1e-13
_RESIDUAL = 1e-9
_REACH = 40.0


def s_at_real(chain: Chain, m: np.ndarray) -> np.ndarray:
    """S(m) = (1 + m)/(m z(m)) at real m; NaN outside the domain."""
    result = np.full(m.shape, 1.0 / chain.mean)
    for side, here in ((above_all, m > 0.0), (side_by_zero, m < 0.0)):
        if np.any(here):
            log_z, slope, sign = real_curve(chain, m[here], side)
            fine = (sign == np.sign(m[here])) & (slope * sign < 0.0) & (m[here] > -chain.rank)
            with np.errstate(all="ignore"):
                value = (1.0 + m[here]) / (np.abs(m[here]) * np.exp(log_z))
            result[here] = np.where(fine, value, np.nan)
    return result


def s_at_complex(chain: Chain, m: np.ndarray) -> np.ndarray:
    """S(m) for complex m near 0."""
    y = _start(chain, m)
    for _ in range(_ITERATIONS):
        step = np.zeros_like(y)
        for k, factor in enumerate(chain.factors):
            value, _, slope = factor.squares.transform(np.exp(y[k]))
            step[k] = (factor.size * value - m) / (factor.size * slope * np.exp(y[k]))
        y = y - step
        if np.max(np.abs(step), initial=0.0) < _GOAL:
            break
    log_z = _log_z(chain, m, y)
    return (1.0 + m) / (m * np.exp(log_z))


def r_at_complex(chain: Chain, g: np.ndarray) -> np.ndarray:
    """R(g) = z − 1/g with G(z) = g, for complex g near 0."""
    t = chain.mean * g
    y = _start(chain, t)
    for _ in range(_ITERATIONS):
        misses, rates = np.zeros_like(y), np.zeros_like(y)
        steepness = chain.rational(t, t + chain.rank)[1] - 1.0 / (1.0 + t)
        gap = np.log((1.0 + t) / (g * np.exp(_log_z(chain, t, y))))
        for k, factor in enumerate(chain.factors):
            value, _, slope = factor.squares.transform(np.exp(y[k]))
            misses[k], rates[k] = factor.size * value - t, factor.size * slope * np.exp(y[k])
            steepness = steepness + factor.count / rates[k]
            gap = gap + factor.count * misses[k] / rates[k]
        dt = gap / steepness
        y = y + (dt - misses) / rates if len(y) else y
        t = t * np.exp(dt / t)
        if np.max(np.abs(dt / t)) < _GOAL:
            break
    return np.exp(_log_z(chain, t, y)) - 1.0 / g


def r_at_real(chain: Chain, g: np.ndarray) -> np.ndarray:
    """R(g) at real g ≠ 0; NaN outside the domain."""
    result = np.empty(g.shape)
    for side, sign in ((above_all, 1.0), (side_by_zero, -1.0)):
        here = np.sign(g) == sign
        if np.any(here):
            result[here] = _r_on_side(chain, g[here], sign, side)
    return result


def _r_on_side(chain: Chain, g: np.ndarray, sign: float, side: object) -> np.ndarray:
    """Newton's method on ln|G| as a function of s, T = rank·e^s or −rank/(1 + e^{−s}), kept in a bracket."""
    target = np.log(np.abs(g))
    low, high = np.full(g.shape, -_REACH), np.full(g.shape, _REACH)
    s = np.clip(np.log(chain.mean * np.abs(g) / chain.rank), -_REACH, 0.0)
    gap, log_z = np.full(g.shape, np.nan), np.zeros(g.shape)
    for _ in range(_ITERATIONS):
        t = chain.rank * np.exp(s) if sign > 0 else -chain.rank / (1.0 + np.exp(-s))
        stretch = t if sign > 0 else t / (1.0 + np.exp(s))
        log_z, slope, found = real_curve(chain, t, side)  # type: ignore[arg-type]
        gap = np.log1p(t) - log_z - target
        beyond = ~(gap <= 0.0) | (found != sign) | (slope * sign > 0.0)
        low, high = np.where(beyond, low, s), np.where(beyond, s, high)
        with np.errstate(all="ignore"):
            newton = s - gap / ((1.0 / (1.0 + t) - slope) * stretch)
        following = np.where((newton > low) & (newton < high), newton, 0.5 * (low + high))
        if np.all((np.abs(gap) <= _GOAL) | (high - low <= 1e-15 * np.abs(s))):
            break
        s = following
    return np.where(np.abs(gap) <= _RESIDUAL, sign * np.exp(log_z) - 1.0 / g, np.nan)


def _start(chain: Chain, t: np.ndarray) -> np.ndarray:
    """ln ζ of every factor for small T: ζ ≈ n μ₁/T + μ₂/μ₁."""
    rows = [
        np.log(
            factor.size * factor.squares.moments[0] / t
            + factor.squares.moments[1] / factor.squares.moments[0]
        )
        for factor in chain.factors
    ]
    return np.array(rows, dtype=np.complex128).reshape(len(rows), t.size)


def _log_z(chain: Chain, t: np.ndarray, y: np.ndarray) -> np.ndarray:
    counts = np.array([factor.count for factor in chain.factors], dtype=float)[:, None]
    return chain.rational(t, t + chain.rank)[0] + chain.log_scale + np.sum(counts * y, axis=0)
