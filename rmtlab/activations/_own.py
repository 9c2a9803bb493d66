"""A reader's own function, tried once and lifted to arrays and tensors."""

import sys
import warnings
from collections.abc import Callable
from functools import cache, cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.activations._activation import Function, Rule
from rmtlab.activations._namespace import NUMPY, is_tensor

Plain = Callable[[Any], Any]

_POINTS = np.array([[-2.713, -1.377, -0.6181, -0.0719], [0.0523, 0.5772, 1.2021, 2.6854]])
_STEP = 1e-5
_SLOPE_TOLERANCE = 1e-4  # a difference quotient of that step is right to 1e-10 where φ is smooth
_JUMP = 1e-6


class _Own:
    """A reader's function, tried on arrays at once and on tensors where torch is there, or as soon as it is."""

    def __init__(self, name: str, what: str, function: Any) -> None:
        if not callable(function):
            raise TypeError(
                f"the {what} of activation {name!r} must be callable, not a {type(function).__name__}."
            )
        self.name, self.what, self.function = name, what, function
        self._on_array = _attempt(lambda: _array_values(function))
        if not isinstance(self._on_array, str):
            _judge(name, what, self._on_array)
        if isinstance(self._on_array, str) or "torch" in sys.modules:
            _ = self.takes_tensors
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _entry_by_entry(name, what, self.on_arrays)

    @cached_property
    def takes_tensors(self) -> bool:
        """Call the function on a tensor, and judge what it gives beside its values on an array."""
        on_tensor = _attempt(lambda: _torch().values(self.function, _POINTS))
        if isinstance(on_tensor, str):
            if isinstance(self._on_array, str):
                raise ValueError(
                    f"the {self.what} of activation {self.name!r} works neither on an array "
                    f"({self._on_array}) nor on a tensor ({on_tensor}); it must take either and give "
                    "the same shape."
                )
            return False
        _judge(self.name, self.what, on_tensor)
        if not isinstance(self._on_array, str) and not np.allclose(
            self._on_array, on_tensor, rtol=1e-5, atol=1e-7
        ):
            raise ValueError(
                f"the {self.what} of activation {self.name!r} gives different values for arrays and tensors."
            )
        return True

    @property
    def on_arrays(self) -> Plain:
        return _torch().on_arrays(self.function) if isinstance(self._on_array, str) else self.function

    @property
    def on_tensors(self) -> Plain:
        return self.function if self.takes_tensors else _torch().on_tensors(self.function)


def rule(name: str, function: Any, derivative: Any, kinks: Any, homogeneous: bool) -> Rule:
    """Try the functions once and return the rule that they define, or say what is wrong with them."""
    corners = _corners(kinks)
    own = _Own(name, "function", function)
    slope = _gradient(own) if derivative is None else _Own(name, "derivative", derivative)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _agree(name, own.on_arrays, slope.on_arrays)
        _continuous(name, own.on_arrays, corners)
        if homogeneous:
            _scales(name, own.on_arrays)

    @cache
    def on_tensors() -> Plain:
        if own.takes_tensors:
            return own.on_tensors
        return _torch().differentiable(own.on_tensors, slope.on_tensors)

    return Rule(
        _both(own.on_arrays, on_tensors),
        _both(slope.on_arrays, lambda: slope.on_tensors),
        corners,
        homogeneous,
    )


def _gradient(own: _Own) -> Any:
    """Return the derivative that torch finds, for arrays and for tensors."""
    if not own.takes_tensors:
        raise ValueError(
            f"the function of activation {own.name!r} takes arrays but not tensors, so torch cannot "
            "differentiate it; pass derivative=, or write it in torch."
        )
    on_tensors = _torch().gradient(own.function)
    return SimpleNamespace(on_arrays=_torch().on_arrays(on_tensors), on_tensors=on_tensors)


def _torch() -> Any:
    from rmtlab.activations import _torch

    return _torch


def _both(on_arrays: Plain, on_tensors: Callable[[], Plain]) -> Function:
    return lambda ns, x: on_arrays(x) if ns is NUMPY else on_tensors()(x)


def _corners(kinks: Any) -> tuple[float, ...]:
    if np.size(kinks) == 0:
        return ()
    found = _checks.array(kinks, "kinks", ndim=1, hint="Give a sequence of numbers, such as kinks=(0.0,).")
    return tuple(float(x) for x in np.unique(found))


def _attempt(call: Callable[[], np.ndarray]) -> np.ndarray | str:
    """Return the values, or why there are none: anything at all may go wrong in a reader's function."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
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
