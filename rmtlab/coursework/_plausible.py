"""Has an answer the right shape and order of magnitude? Whether it is right, only the grading tells."""

from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.check import Verdict

__all__ = ["plausible"]


def plausible(
    value: Any, *, shape: tuple[int, ...] = (), between: tuple[float, float] = (-np.inf, np.inf)
) -> Verdict:
    """Say at once whether an answer has the right shape and order of magnitude.

    Parameters
    ----------
    value : float or array_like
        The student's answer; None or ``...`` where there is none yet.
    shape : tuple of int
        The shape asked for; ``()`` for a number.
    between : (float, float)
        Bounds that any right answer keeps, whatever the student's numbers.

    Returns
    -------
    Verdict
        Of kind ``"plausible"``, ``"unanswered"``, ``"type"``, ``"shape"``, ``"not-finite"`` or
        ``"magnitude"``. A plausible answer may still be wrong.

    Raises
    ------
    TypeError, ValueError
        If the shape or the bounds are none.

    Examples
    --------
    >>> plausible(...)
    ○ Not answered yet.
    >>> plausible(0.8, between=(0, 10))
    ✓ Shape and size are plausible. Whether it is right is told when it is graded.
    >>> plausible(-0.8, between=(0, 10))
    ✗ The size is not plausible: any right answer lies between 0 and 10.
    """
    shape, (low, high) = _shape(shape), _bounds(between)
    if value is None or value is ...:
        return Verdict(False, "unanswered", "Not answered yet.")
    wanted = f"an array of shape {shape}" if shape else "a number"
    given = _numbers(value)
    if given is None:
        found = type(value).__name__
        return Verdict(False, "type", f"{wanted.capitalize()} is asked for, and this is of type {found}.")
    if given.shape != shape and not (shape == () and given.size == 1):
        return Verdict(False, "shape", f"The shape is {given.shape}, but {wanted} is asked for.")
    if not np.all(np.isfinite(given)):
        return Verdict(False, "not-finite", "There is a NaN or an infinity in it.")
    if np.any(given < low) or np.any(given > high):
        told = f"The size is not plausible: any right answer lies between {low:g} and {high:g}."
        return Verdict(False, "magnitude", told)
    told = "Shape and size are plausible. Whether it is right is told when it is graded."
    return Verdict(True, "plausible", told)


def _shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, tuple):
        raise TypeError(f"shape must be a tuple such as (3,), or () for a number, but {shape!r} was given.")
    return tuple(_checks.count(size, "shape") for size in shape)


def _bounds(between: Any) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in between)
    except (TypeError, ValueError):
        raise TypeError(f"between must be two numbers, low and high, but {between!r} was given.") from None
    if not low < high:
        raise ValueError(f"between must be low before high, but {between!r} was given.")
    return low, high


def _numbers(value: Any) -> np.ndarray | None:
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        held = np.asarray(value)
        return held.astype(float) if held.dtype.kind in "iuf" else None
    except Exception:
        return None
