"""Newton's method that cannot leave its bracket, for many monotone equations at once."""

from collections.abc import Callable

import numpy as np

_ITERATIONS = 200
_ROUNDING = np.finfo(float).eps
_INSIDE = 1.0 - 1e-9

Curve = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def increasing_root(curve: Curve, target: np.ndarray, guess: np.ndarray, bound: float) -> np.ndarray:
    """Return t in (−bound, bound) with f(t) = target, elementwise, where `curve` gives f(t) and f′(t).

    A step that would leave the bracket is replaced by a bisection. A root is accepted when f or t can no
    longer be told from it in float64.
    """
    t = np.clip(guess, -0.99 * bound, 0.99 * bound)
    low, high = np.full_like(t, -bound), np.full_like(t, bound)
    tolerance = _ROUNDING * np.maximum(1.0, np.abs(target))
    for _ in range(_ITERATIONS):
        value, slope = curve(t)
        gap = value - target
        low, high = np.where(gap < 0.0, t, low), np.where(gap < 0.0, high, t)
        step = np.divide(gap, slope, out=np.full_like(t, np.inf), where=slope > 0.0)
        newton = t - step
        proposal = np.where((newton > low) & (newton < high), newton, 0.5 * (low + high))
        stands = (np.abs(proposal - t) <= _ROUNDING * (1.0 + np.abs(t))) & (np.abs(t) < _INSIDE * bound)
        settled = (np.abs(gap) <= tolerance) | (stands & np.isfinite(gap))
        if np.all(settled):
            return t
        t = np.where(settled, t, proposal)
    worst = float(np.max(np.abs(gap)[~settled]))
    raise ArithmeticError(
        f"A monotone equation did not settle in {_ITERATIONS} steps (residual {worst:.1e}); "
        "take a less extreme parameter or argument."
    )
