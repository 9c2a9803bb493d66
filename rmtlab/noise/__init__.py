r"""Noise inside networks: what is drawn, its moments, and the torch module that applies it.

A noise acts on every signal h of a network, the input included, with an independent draw for every
entry and every input: h ⊙ ε (multiplicative, inverted so that E[ε] = 1) or h + ε (additive, E[ε] = 0).
Of two different inputs it leaves the covariance alone, because their draws are independent with mean
one (or zero); of one input with itself it changes the second moment, see :meth:`Noise.noisy_second_moment`.
A network without noise has ``noise=None``.

With ``shared=True`` all inputs of one pass have the same draw: another model, in which the second moments of
any two inputs change alike and equal inputs stay equal.
"""

from rmtlab.noise._base import Noise
from rmtlab.noise._classes import (
    AdditiveGaussian,
    Discrete,
    Dropout,
    MultiplicativeGaussian,
    MultiplicativeLaplace,
    Poisson,
)
from rmtlab.noise._critical import critical

__all__ = [
    "AdditiveGaussian",
    "Discrete",
    "Dropout",
    "MultiplicativeGaussian",
    "MultiplicativeLaplace",
    "Noise",
    "Poisson",
    "critical",
]
