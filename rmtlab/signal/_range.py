"""After how many layers a variance leaves the numbers that a floating-point format can hold."""

from math import inf, log
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.signal._moments import HIGH, LOW, Moments

FORMATS = {  # smallest normal and largest number
    "float16": (2.0**-14, 65504.0),
    "bfloat16": (2.0**-126, (2 - 2.0**-7) * 2.0**127),
    "float32": (2.0**-126, (2 - 2.0**-23) * 2.0**127),
    "float64": (2.0**-1022, float(np.finfo(np.float64).max)),
}
_LAYERS = 10_000
_RESTING = 1e-13


def format_name(dtype: Any) -> str:
    """Return the name of a format given as a string, a NumPy or a torch type."""
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", str(dtype))
    return _checks.one_of(name.removeprefix("torch."), "dtype", FORMATS)


def layers_to(bound: float, q: float, moments: Moments, w: float, b: float) -> float:
    """Return the number of applications of V(q) = w M(q) + b after which q has passed the bound."""
    upward = bound > q
    if moments.activation.homogeneous:
        return _straight(bound, q, w * moments.zero_gain, b)
    for layer in range(_LAYERS):
        if _is_straight(moments, q):
            slope = w * (moments.zero_gain if q < 1 else moments.far_gain)
            offset = b if q < 1 else w * float(moments.second(q)) + b - slope * q
            return layer + _straight(bound, q, slope, offset)
        after = float(w * moments.look_up(np.array([q]))[0][0] + b)
        if after >= bound if upward else after <= bound:
            return layer + (1.0 if after in (0.0, inf) else log(bound / q) / log(after / q))
        away = after > q if not upward else after < q
        if after == inf or abs(after - q) <= _RESTING * q or (away and moments.monotone):
            return inf
        q = after
    return inf


def _is_straight(moments: Moments, q: float) -> bool:
    """Whether V is a straight line from q on, as far as floats can tell."""
    if log(q) < LOW:
        return moments.vanishes_at_zero
    return log(q) > HIGH and moments.far_slopes is not None


def _straight(bound: float, q: float, slope: float, offset: float) -> float:
    """Solve q_n = bound for q_{n+1} = slope·q_n + offset: a geometric approach to, or flight from, its fixed point."""
    if abs(slope - 1) <= 1e-15:
        return (bound - q) / offset if offset and (bound > q) == (offset > 0) else inf
    rest = offset / (1 - slope)
    ratio = (bound - rest) / (q - rest) if q != rest else 0.0
    if slope <= 0 or ratio <= 0:
        return inf if ratio <= 0 or q == rest else 1.0
    layers = log(ratio) / log(slope)
    return layers if layers >= 0 else inf
