"""The one place where a public function turns bad input into a sentence.

Every helper takes the value and the name under which the caller's user knows it, and returns the
value in the form that the numerics want. A message says what was given, what is needed and how to
mend it.
"""

import operator
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import numpy as np

Rng = int | np.random.Generator | None


def number(
    value: Any,
    name: str,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    low_open: bool = False,
    high_open: bool = False,
    hint: str = "",
) -> float:
    """Return `value` as a finite float inside the interval from `low` to `high`."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, but {value!r} was given.{_tail(hint)}") from None
    below = result <= low if low_open else result < low
    above = result >= high if high_open else result > high
    if not np.isfinite(result) or below or above:
        needed = _interval(low, high, low_open, high_open)
        raise ValueError(f"{name} must be {needed}, but {value!r} was given.{_tail(hint)}")
    return result


def count(value: Any, name: str, *, minimum: int = 1, hint: str = "") -> int:
    """Return `value` as an int that is at least `minimum`."""
    try:
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, but {value!r} was given.{_tail(hint)}") from None
    if isinstance(value, bool) or result < minimum:
        raise ValueError(
            f"{name} must be a whole number of at least {minimum}, but {value!r} was given.{_tail(hint)}"
        )
    return result


def array(value: Any, name: str, *, ndim: int | tuple[int, ...] | None = None, hint: str = "") -> np.ndarray:
    """Return `value` as a non-empty float64 array without NaN or infinity."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        if np.iscomplexobj(value):
            raise TypeError
        result = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        kind = "complex array" if np.iscomplexobj(value) else type(value).__name__
        raise TypeError(
            f"{name} must be an array of real numbers, but a {kind} was given.{_tail(hint)}"
        ) from None
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if allowed is not None and result.ndim not in allowed:
        axes = " or ".join(str(a) for a in allowed)
        raise ValueError(f"{name} must have {axes} axes, but its shape is {result.shape}.{_tail(hint)}")
    if result.size == 0:
        raise ValueError(f"{name} is empty; at least one value is needed.{_tail(hint)}")
    bad = result.size - np.count_nonzero(np.isfinite(result))
    if bad:
        raise ValueError(
            f"{name} holds {bad} values that are NaN or infinite; remove or replace them first.{_tail(hint)}"
        )
    return result


def symmetric(value: Any, name: str, *, rtol: float = 1e-10, hint: str = "") -> np.ndarray:
    """Return `value` as a square float64 matrix that equals its transpose to `rtol`."""
    result = array(value, name, ndim=2, hint=hint)
    if result.shape[0] != result.shape[1]:
        raise ValueError(f"{name} must be square, but its shape is {result.shape}.{_tail(hint)}")
    gap = float(np.max(np.abs(result - result.T)))
    if gap > rtol * float(np.max(np.abs(result))):
        raise ValueError(
            f"{name} must be symmetric, but it differs from its transpose by up to {gap:.3g}; "
            f"pass (A + A.T) / 2 if that is what you mean.{_tail(hint)}"
        )
    return result


def one_of(value: Any, name: str, choices: Iterable[str], *, hint: str = "") -> str:
    """Return `value` if it is one of `choices`; otherwise say which names come near."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    near = get_close_matches(str(value), known, n=3, cutoff=0.5)
    ask = (
        f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(map(repr, known))}."
    )
    raise ValueError(f"{name} cannot be {value!r}. {ask}{_tail(hint)}")


def generator(rng: Rng, name: str = "rng") -> np.random.Generator:
    """Return a NumPy generator from a seed, a generator, or None (fresh entropy)."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        return np.random.default_rng()
    return np.random.default_rng(
        count(rng, name, minimum=0, hint="Pass a seed such as rng=0 or a numpy.random.Generator.")
    )


def _interval(low: float, high: float, low_open: bool, high_open: bool) -> str:
    above = f"{'above' if low_open else 'at least'} {low:g}"
    below = f"{'below' if high_open else 'at most'} {high:g}"
    if np.isinf(low) and np.isinf(high):
        return "a finite number"
    if np.isinf(high):
        return f"a finite number {above}"
    if np.isinf(low):
        return f"a finite number {below}"
    return f"{above} and {below}"


def _tail(hint: str) -> str:
    return f" {hint}" if hint else ""
