"""Fixed points of the variance map V(q) = w M(q) + b, for many (w, b) at once.

Every search looks for sign changes of V(q) − q on a fine grid of log q, then refines a bracket by
Newton's method, which bisects where a step leaves the bracket. A start on the way to a fixed point reaches
the next one in the direction of V(q) − q, because V is monotone; where it is not, V itself is iterated.
"""

import numpy as np

from rmtlab.signal._moments import HIGH, Moments

_LEVEL = 1e-12  # |V(q)/q − 1| below this is zero
_STEPS = 100
_ITERATIONS = 1000
_CHUNK = 2048


def reached(moments: Moments, w: np.ndarray, b: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the fixed point that each start flows to: 0, finite, or inf where the variance diverges.

    `w` holds the gain of the noise and `b` what is added to the variance; all are flat arrays.
    """
    if moments.activation.homogeneous:
        return _linear(w * moments.zero_gain, b, start)
    if not moments.monotone:
        start = _iterated(moments, w, b, start)
    parts = [slice(i, i + _CHUNK) for i in range(0, len(w), _CHUNK)]
    return np.concatenate([_reached(moments, w[p], b[p], start[p]) for p in parts])


def all_fixed_points(moments: Moments, w: float, b: float) -> list[float]:
    """Return every isolated fixed point, zero included, in increasing order."""
    if moments.activation.homogeneous:
        rho = w * moments.zero_gain
        return [0.0] if b == 0 and rho != 1 else [b / (1 - rho)] if rho < 1 else []
    q, m, _, _ = moments.grid
    with np.errstate(all="ignore"):
        height = np.where(np.isfinite(m), (w * m + b) / q - 1, np.inf)
    height[np.abs(height) <= _LEVEL] = 0.0
    q, height = _with_turning_points(moments, w, b, q, height)
    q, height = q[height != 0], height[height != 0]
    turn = np.flatnonzero(np.sign(height[1:]) != np.sign(height[:-1]))
    found = [0.0] if b == 0 and moments.vanishes_at_zero else []
    if len(height) and height[0] < 0 and b > 0:
        found.append(b / (1 - w * moments.zero_gain))
    ws, bs = np.full(len(turn), w), np.full(len(turn), b)
    found += _refined(moments, ws, bs, q[turn], q[turn + 1], np.sign(height[turn])).tolist()
    if len(height) and 0 < height[-1] < np.inf and w * moments.far_gain < 1 - _LEVEL:
        found.append(_beyond(moments, w, b))
    return found


def _linear(rho: np.ndarray, b: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the answers for V(q) = ρq + b; at (ρ, b) = (1, 0) every start is fixed."""
    level = np.abs(rho - 1) <= 4 * np.finfo(float).eps
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where((rho < 1) & ~level, b / (1 - rho), np.inf)
    return np.where((b == 0) & (level | (start == 0)), start, q)


def _iterated(moments: Moments, w: np.ndarray, b: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Apply a map that is not monotone until it comes to rest."""
    q = np.maximum(start, np.exp(-36.0))
    for _ in range(_ITERATIONS):
        before, q = q, np.minimum(w * moments.look_up(q)[0] + b, np.exp(HIGH))
        if np.all(np.abs(q - before) <= 1e-10 * q):
            return q
    moving = np.flatnonzero(np.abs(q - before) > 1e-3 * q)
    if moving.size:
        raise RuntimeError(
            f"the variance of {moments.activation.name!r} does not settle: after {_ITERATIONS} layers it still "
            f"moves between {before[moving[0]]:.6g} and {q[moving[0]]:.6g}; read it off MeanField.variances, or "
            "list the fixed points with MeanField.fixed_points()."
        )
    return q


def _reached(moments: Moments, w: np.ndarray, b: np.ndarray, start: np.ndarray) -> np.ndarray:
    q, m, _, _ = moments.grid
    excess = w[:, None] * m + b[:, None] - q
    slack = _LEVEL * q
    origin = moments.vanishes_at_zero & (b == 0)
    inside = np.clip(start, q[0], q[-1])
    drift = w * moments.look_up(inside)[0] + b - inside
    upward = drift > _LEVEL * inside
    resting = (np.abs(drift) <= _LEVEL * inside) & (start == inside)
    above, below = q > inside[:, None], q < inside[:, None]
    stop = above & (excess <= 0)
    first = np.where(stop.any(axis=1), stop.argmax(axis=1), len(q))
    stop = below & (excess > slack)
    last = np.where(stop.any(axis=1), len(q) - 1 - stop[:, ::-1].argmax(axis=1), -1)
    low = np.where(upward, np.maximum(q[np.maximum(first, 1) - 1], inside), q[np.maximum(last, 0)])
    high = np.where(
        upward, q[np.minimum(first, len(q) - 1)], np.minimum(q[np.minimum(last + 1, len(q) - 1)], inside)
    )
    beyond, beneath = upward & (first == len(q)), ~upward & (last == -1)
    found = _refined(moments, w, b, low, high, np.ones_like(w))
    found[resting] = start[resting]
    found[beneath & ~resting] = (b / np.maximum(1 - w * moments.zero_gain, _LEVEL))[beneath & ~resting]
    found[origin & ((start == 0) | (beneath & ~resting))] = 0.0
    for i in np.flatnonzero(beyond):
        found[i] = _beyond(moments, w[i], b[i]) if w[i] * moments.far_gain < 1 - _LEVEL else np.inf
    return found


def _refined(
    moments: Moments, w: np.ndarray, b: np.ndarray, low: np.ndarray, high: np.ndarray, sign: np.ndarray
) -> np.ndarray:
    """Solve V(q) = q inside brackets at whose left end V(q) − q has the given sign."""
    q = np.sqrt(low * high)
    todo = np.arange(len(q))
    for _ in range(_STEPS):
        at = q[todo]
        m, dm, _ = moments.look_up(at)
        excess = w[todo] * m + b[todo] - at
        rising = sign[todo] * excess > 0
        low[todo[rising]] = at[rising]
        high[todo[~rising]] = at[~rising]
        with np.errstate(all="ignore"):
            step = at + excess / (1 - w[todo] * dm)
        bad = ~((step > low[todo]) & (step < high[todo]))
        step[bad] = np.sqrt(low[todo[bad]] * high[todo[bad]])
        q[todo] = step
        todo = todo[np.abs(step - at) > 4 * np.finfo(float).eps * at]
        if not todo.size:
            break
    return q


def _beyond(moments: Moments, w: float, b: float) -> float:
    """Follow Newton's method to a fixed point above the table, where V is almost straight."""
    q = np.exp(HIGH)
    for _ in range(_STEPS):
        step = (w * moments.second(q) + b - q) / (1 - w * moments.slope(q))
        q = float(q + step)
        if abs(step) <= 1e-13 * q:
            return q
    raise RuntimeError(
        f"the fixed point of the variance above {np.exp(HIGH):.3g} could not be found; take a smaller weight_var."
    )


def _with_turning_points(
    moments: Moments, w: float, b: float, q: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add the extrema of V(q)/q − 1 at which it might just touch zero between two points of the grid."""
    from scipy.optimize import minimize_scalar

    extra = []
    for i in range(1, len(q) - 1):
        here = height[i]
        towards = here < 0 and height[i - 1] <= here >= height[i + 1]
        away = np.inf > here > 0 and height[i - 1] >= here <= height[i + 1]
        if not (towards or away) or abs(here) > 0.05 or height[i - 1] == height[i + 1]:
            continue
        sign = 1.0 if away else -1.0

        def value(s: float, sign: float = sign) -> float:
            at = np.exp([s])
            return float(sign * ((w * moments.look_up(at)[0] + b) / at - 1)[0])

        best = minimize_scalar(
            value, bounds=(np.log(q[i - 1]), np.log(q[i + 1])), method="bounded", options={"xatol": 1e-9}
        )
        if best.fun < -_LEVEL:
            extra.append((float(np.exp(best.x)), sign * float(best.fun)))
    if not extra:
        return q, height
    points, values = np.array(extra).T
    order = np.argsort(np.concatenate([q, points]))
    return np.concatenate([q, points])[order], np.concatenate([height, values])[order]
