"""The activations that rmtlab knows, one entry each: φ, φ′ and what is known in closed form.

A new one is a function that returns a :class:`Rule`; its arguments are the parameters.
"""

from collections.abc import Callable
from math import pi, sqrt

import numpy as np

from rmtlab.activations import _closed
from rmtlab.activations._activation import Function, Rule

TABLE: dict[str, Callable[..., Rule]] = {}


def _entry(make: Callable[..., Rule]) -> Callable[..., Rule]:
    TABLE[make.__name__.removesuffix("_")] = make
    return make


def _two_slopes(left: float, right: float, function: Function, derivative: Function) -> Rule:
    return Rule(
        function,
        derivative,
        kinks=() if left == right else (0.0,),
        homogeneous=True,
        dual=lambda p: _closed.two_slopes(p, left, right),
        moment=lambda q, k: _closed.two_slopes_moment(q, k, left, right),
        derivative_moment=lambda q, k: np.full_like(q, (left**k + right**k) / 2),
    )


@_entry
def linear() -> Rule:
    """x."""
    return _two_slopes(1.0, 1.0, lambda ns, x: +x, lambda ns, x: ns.ones_like(x))


@_entry
def relu() -> Rule:
    """max(x, 0)."""
    return _two_slopes(0.0, 1.0, lambda ns, x: ns.relu(x), lambda ns, x: ns.step(x))


@_entry
def leaky_relu(slope: float = 0.01) -> Rule:
    """x for x > 0, slope·x for x < 0."""
    return _two_slopes(
        slope,
        1.0,
        lambda ns, x: ns.leaky_relu(x, slope),
        lambda ns, x: slope + (1 - slope) * ns.step(x),
    )


@_entry
def abs_() -> Rule:
    """|x|."""
    return _two_slopes(-1.0, 1.0, lambda ns, x: ns.abs(x), lambda ns, x: ns.sign(x))


@_entry
def shifted_relu(alpha: float) -> Rule:
    """max(x, −α)."""
    if alpha == 0:
        return relu()
    return Rule(
        lambda ns, x: ns.at_least(x, -alpha),
        lambda ns, x: ns.step(x + alpha),
        kinks=(-alpha,),
        dual=lambda p: _closed.shifted_relu(p, alpha),
        moment=lambda q, k: _closed.shifted_relu_moment(q, k, alpha),
        derivative_moment=lambda q, k: _closed.shifted_relu_derivative_moment(q, k, alpha),
    )


@_entry
def hard_tanh() -> Rule:
    """x clipped to [−1, 1]."""
    return Rule(
        lambda ns, x: ns.hard_tanh(x),
        lambda ns, x: ns.step(1 - ns.abs(x)),
        kinks=(-1.0, 1.0),
        odd=True,
        dual=_closed.hard_tanh,
        moment=_closed.hard_tanh_moment,
        derivative_moment=_closed.hard_tanh_derivative_moment,
    )


@_entry
def sign() -> Rule:
    """−1, 0 or 1; φ′ = 2δ, which is 0 almost everywhere."""
    return Rule(
        lambda ns, x: ns.sign(x),
        lambda ns, x: ns.zeros_like(x),
        kinks=(0.0,),
        odd=True,
        dual=_closed.sign,
        moment=_closed.sign_moment,
        derivative_moment=_closed.sign_derivative_moment,
    )


@_entry
def tanh() -> Rule:
    """tanh x; φ′ = 4σ(2x)σ(−2x) keeps its digits in the tails."""
    return Rule(
        lambda ns, x: ns.tanh(x),
        lambda ns, x: 4 * ns.sigmoid(2 * x) * ns.sigmoid(-2 * x),
        odd=True,
    )


@_entry
def erf() -> Rule:
    """erf x."""
    return Rule(
        lambda ns, x: ns.erf(x),
        lambda ns, x: 2 / sqrt(pi) * ns.exp(-x * x),
        odd=True,
        dual=_closed.erf,
    )


@_entry
def sin() -> Rule:
    """sin x."""
    return Rule(lambda ns, x: ns.sin(x), lambda ns, x: ns.cos(x), odd=True, dual=_closed.sin)


@_entry
def cos() -> Rule:
    """cos x."""
    return Rule(lambda ns, x: ns.cos(x), lambda ns, x: -ns.sin(x), dual=_closed.cos)


@_entry
def exp() -> Rule:
    """e^x."""
    return Rule(
        lambda ns, x: ns.exp(x),
        lambda ns, x: ns.exp(x),
        dual=_closed.exp,
        moment=_closed.exp_moment,
        derivative_moment=_closed.exp_moment,
    )


@_entry
def gelu() -> Rule:
    """xΦ(x), Φ the normal distribution function."""
    return Rule(
        lambda ns, x: ns.gelu(x),
        lambda ns, x: ns.ndtr(x) + x * ns.exp(-x * x / 2) / sqrt(2 * pi),
        dual=_closed.gelu,
    )


@_entry
def silu() -> Rule:
    """xσ(x), σ the logistic function."""
    return Rule(
        lambda ns, x: ns.silu(x),
        lambda ns, x: ns.sigmoid(x) * (1 + x * ns.sigmoid(-x)),
    )


@_entry
def softplus() -> Rule:
    """ln(1 + e^x)."""
    return Rule(lambda ns, x: ns.softplus(x), lambda ns, x: ns.sigmoid(x))
