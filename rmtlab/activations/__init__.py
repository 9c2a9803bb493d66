"""Activation functions, with everything that wide networks ask of them.

An :class:`Activation` knows φ and φ′ for arrays and tensors, its kinks, its Gaussian moments and its
dual, the pair (E[φ(u)φ(v)], E[φ′(u)φ′(v)]) over Gaussian (u, v) from which every kernel is built.
Closed forms are used where they exist and certified quadrature elsewhere; torch is imported when a
tensor comes in.
"""

from rmtlab.activations._activation import Activation
from rmtlab.activations._registry import get, names, register

__all__ = ["Activation", "get", "names", "register"]
