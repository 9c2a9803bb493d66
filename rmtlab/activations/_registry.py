"""Names of activations, the ones in the table and a reader's own."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from rmtlab import _checks
from rmtlab.activations import _own
from rmtlab.activations._activation import Activation, Rule
from rmtlab.activations._table import TABLE


def names() -> list[str]:
    """Return the names that :func:`get` knows, in alphabetical order.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "tanh" in names()
    True
    """
    return sorted(TABLE)


def get(name: str | Activation, **params: float) -> Activation:
    r"""Return the activation of that name.

    ============== ============================= ====================
    name           φ(x)                          parameters
    ============== ============================= ====================
    linear         x
    relu           max(x, 0)
    leaky_relu     x if x > 0 else slope·x       ``slope=0.01``
    shifted_relu   max(x, −α)                    ``alpha`` (required)
    hard_tanh      x clipped to [−1, 1]
    tanh           tanh x
    erf            erf x
    sin, cos       sin x, cos x
    gelu           xΦ(x)
    silu           x/(1 + e^{−x})
    softplus       ln(1 + e^x)
    exp            e^x
    abs, sign      \|x\|, x/\|x\|
    ============== ============================= ====================

    Parameters
    ----------
    name : str or Activation
        A name in :func:`names`; an activation is returned as it is.
    **params : float
        Parameters of the function.

    Returns
    -------
    Activation
        The same object whenever name and parameters are the same.

    Raises
    ------
    ValueError
        For an unknown name or parameter (the sentence lists near ones), a missing parameter, or
        one that is not finite.

    Examples
    --------
    >>> get("shifted_relu", alpha=0.5)([-2.0, 0.0, 2.0])
    array([-0.5,  0. ,  2. ])
    """
    if isinstance(name, Activation):
        if params:
            raise ValueError(
                f"{name!r} has its parameters already; give a name to choose {', '.join(params)}."
            )
        return name
    make = TABLE[_checks.one_of(name, "activation", names())]
    return _make(name, make, _complete(name, make, params))


def register(
    name: str,
    function: Callable[[Any], Any],
    derivative: Callable[[Any], Any] | None = None,
    kinks: Sequence[float] = (),
    *,
    homogeneous: bool = False,
    overwrite: bool = False,
) -> Activation:
    r"""Give a name to a function of your own, so that networks and kernels know it.

    The function acts entry by entry and is continuous. It may be written for NumPy, for torch, or
    for both; it is tried once on a few points to find out, on tensors as soon as torch is imported. Its
    moments and its dual are computed by quadrature, its derivative by torch's automatic
    differentiation (which imports torch) where none is given.

    Parameters
    ----------
    name : str
        An identifier, such as ``"mish"``.
    function : callable
        φ, from an array or tensor to one of the same shape.
    derivative : callable, optional
        φ′. Needed where `function` does not take tensors.
    kinks : sequence of float
        Points where φ is not smooth; quadrature splits there.
    homogeneous : bool
        Whether φ(λx) = λφ(x) for all λ > 0.
    overwrite : bool
        Replace an activation of the same name. One that was got before keeps its function.

    Returns
    -------
    Activation
        What ``get(name)`` returns from now on.

    Raises
    ------
    ValueError
        If the name is taken, the function fails on arrays and on tensors, is not finite, does not
        act entry by entry, jumps at a kink, or disagrees with `derivative` or `homogeneous`.
    TypeError
        If `name` is not a string or a function is not callable.

    Examples
    --------
    >>> import numpy as np
    >>> square = register("square", lambda x: x**2, lambda x: 2 * x)
    >>> value, slope = square.dual(1.0, 1.0, 0.5)   # 1 + 2c² and 4c
    >>> round(float(value), 12), round(float(slope), 12)
    (1.5, 2.0)
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise TypeError(f"name must be an identifier such as 'mish', but {name!r} was given.")
    if name in TABLE and not overwrite:
        raise ValueError(f"an activation called {name!r} exists already; pass overwrite=True to replace it.")
    rule = _own.rule(name, function, derivative, kinks, homogeneous)
    TABLE[name] = lambda: rule
    return get(name)


def restore(name: str, params: Mapping[str, float]) -> Activation:
    """Return what was pickled: an activation travels as its name and parameters."""
    return get(name, **params)


def _complete(
    name: str, make: Callable[..., Rule], params: Mapping[str, Any]
) -> tuple[tuple[str, float], ...]:
    """Check `params` against the entry's arguments and fill in the defaults."""
    known = inspect.signature(make).parameters
    for given in params:
        if not known:
            raise ValueError(f"activation {name!r} takes no parameters, but {given} was given.")
        _checks.one_of(given, f"parameter of activation {name!r}", known)
    missing = [p for p, argument in known.items() if p not in params and argument.default is argument.empty]
    if missing:
        raise ValueError(f"activation {name!r} needs {missing[0]}: get({name!r}, {missing[0]}=…).")
    return tuple((p, _checks.number(params.get(p, argument.default), p)) for p, argument in known.items())


@cache
def _make(name: str, make: Callable[..., Rule], params: tuple[tuple[str, float], ...]) -> Activation:
    return Activation(name, dict(params), make(**dict(params)))
