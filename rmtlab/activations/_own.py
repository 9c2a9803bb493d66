"""A reader's own function, tried once and lifted to arrays and tensors."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rmtlab import _checks
from rmtlab.activations._activation import Function, Rule
from rmtlab.activations._namespace import NUMPY, is_tensor

Plain = Callable[[Any], Any]

_POINTS = np.array([[-2.713, -1.377, -0.6181, -0.0719], [0.0523, 0.5772, 1.2021, 2.6854]])
_STEP = 1e-5
_SLOPE_TOLERANCE = 1e-4  # a difference quotient of that step is right to 1e-10 where φ is smooth
_JUMP = 1e-6


class _Tried(NamedTuple):
    """Whether a function takes arrays and whether it takes tensors."""

    arrays: bool
    tensors: bool


def rule(name: str, function: Any, derivative: Any, kinks: Any, homogeneous: bool) -> Rule:
    """Try the functions once and return the rule that they define, or say what is wrong with them."""
    corners = _corners(kinks)
    takes = _try(name, "function", function)
    on_arrays, on_tensors = _lift(function, takes)
    if derivative is not None:
        slope_on_arrays, slope_on_tensors = _lift(derivative, _try(name, "derivative", derivative))
        if not takes.tensors:
            on_tensors = _torch().differentiable(on_tensors, slope_on_tensors)
    elif takes.tensors:
        slope_on_tensors = _torch().gradient(function)
        slope_on_arrays = _torch().on_arrays(slope_on_tensors)
    else:
        raise ValueError(
            f"the function of activation {name!r} takes arrays but not tensors, so torch cannot "
            "differentiate it; pass derivative=, or write it in torch."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _agree(name, on_arrays, slope_on_arrays)
        _continuous(name, on_arrays, corners)
        if homogeneous:
            _scales(name, on_arrays)
    return Rule(_both(on_arrays, on_tensors), _both(slope_on_arrays, slope_on_tensors), corners, homogeneous)


def _torch() -> Any:
    from rmtlab.activations import _torch

    return _torch


def _both(on_arrays: Plain, on_tensors: Plain) -> Function:
    return lambda ns, x: on_arrays(x) if ns is NUMPY else on_tensors(x)


def _lift(function: Plain, takes: _Tried) -> tuple[Plain, Plain]:
    """Return the function for arrays and for tensors."""
    on_arrays = function if takes.arrays else _torch().on_arrays(function)
    on_tensors = function if takes.tensors else _torch().on_tensors(function)
    return on_arrays, on_tensors


def _corners(kinks: Any) -> tuple[float, ...]:
    if np.size(kinks) == 0:
        return ()
    found = _checks.array(kinks, "kinks", ndim=1, hint="Give a sequence of numbers, such as kinks=(0.0,).")
    return tuple(float(x) for x in np.unique(found))


def _try(name: str, what: str, function: Any) -> _Tried:
    """Call the function on a few points, as an array and as a tensor, and judge what it gives."""
    if not callable(function):
        raise TypeError(
            f"the {what} of activation {name!r} must be callable, not a {type(function).__name__}."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        on_array = _attempt(lambda: _array_values(function))
        on_tensor = _attempt(lambda: _torch().values(function, _POINTS))
        if isinstance(on_array, str) and isinstance(on_tensor, str):
            raise ValueError(
                f"the {what} of activation {name!r} works neither on an array ({on_array}) nor on a tensor "
                f"({on_tensor}); it must take either and give the same shape."
            )
        for found in (on_array, on_tensor):
            if not isinstance(found, str):
                _judge(name, what, found)
        takes = _Tried(not isinstance(on_array, str), not isinstance(on_tensor, str))
        if takes.arrays and takes.tensors and not np.allclose(on_array, on_tensor, rtol=1e-5, atol=1e-7):
            raise ValueError(
                f"the {what} of activation {name!r} gives different values for arrays and tensors."
            )
        _entry_by_entry(name, what, _lift(function, takes)[0])
    return takes


def _attempt(call: Callable[[], np.ndarray]) -> np.ndarray | str:
    """Return the values, or why there are none: anything at all may go wrong in a reader's function."""
    try:
        return call()
    except Exception as error:
        first = (str(error).splitlines() or [""])[0].rstrip(".")
        return f"{type(error).__name__}: {first}"


def _array_values(function: Plain) -> np.ndarray:
    values = function(_POINTS.copy())
    if is_tensor(values):
        raise TypeError("it gives a tensor")
    values = np.asarray(values)
    if values.shape != _POINTS.shape:
        raise ValueError(f"it gives the shape {values.shape} for the shape {_POINTS.shape}")
    return values


def _judge(name: str, what: str, values: np.ndarray) -> None:
    if values.dtype.kind not in "fiub":
        raise TypeError(
            f"the {what} of activation {name!r} gives {values.dtype} values; it must give real numbers."
        )
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(
            f"the {what} of activation {name!r} is {values[bad][0]} at x = {_POINTS[bad][0]:g}; "
            "it must be finite for every x."
        )


def _entry_by_entry(name: str, what: str, on_arrays: Plain) -> None:
    together = np.asarray(on_arrays(_POINTS.copy()), dtype=float)
    alone = [np.ravel(on_arrays(np.full((1, 1), x)))[0] for x in _POINTS.flat]
    if not np.allclose(together.ravel(), alone, rtol=1e-10, atol=1e-12):
        raise ValueError(
            f"the {what} of activation {name!r} does not act entry by entry: "
            "its value at one point depends on the others."
        )


def _agree(name: str, function: Plain, derivative: Plain) -> None:
    quotient = (np.asarray(function(_POINTS + _STEP)) - np.asarray(function(_POINTS - _STEP))) / (2 * _STEP)
    slope = np.asarray(derivative(_POINTS.copy()))
    off = np.abs(quotient - slope) > _SLOPE_TOLERANCE * (1 + np.abs(slope))
    if off.any():
        raise ValueError(
            f"the derivative of activation {name!r} is {slope[off][0]:g} at x = {_POINTS[off][0]:g}, "
            f"but the function rises there at the rate {quotient[off][0]:g}."
        )


def _continuous(name: str, function: Plain, corners: tuple[float, ...]) -> None:
    for corner in corners:
        gap = 1e-9 * max(1.0, abs(corner))
        below, above = np.asarray(function(np.array([corner - gap, corner + gap])), dtype=float)
        if abs(above - below) > _JUMP * (1 + abs(above) + abs(below)):
            raise ValueError(
                f"activation {name!r} jumps from {below:g} to {above:g} at x = {corner:g}, where its "
                "derivative would be infinite; register continuous functions (of steps, 'sign' is known)."
            )


def _scales(name: str, function: Plain) -> None:
    if not np.allclose(function(3 * _POINTS), 3 * np.asarray(function(_POINTS.copy())), rtol=1e-6, atol=1e-9):
        raise ValueError(f"activation {name!r} is not homogeneous: φ(3x) differs from 3φ(x).")
