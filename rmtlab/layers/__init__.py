r"""Layers with two faces: an infinite-width rule and a finite twin.

Every layer is a frozen description with two methods. ``propagate`` carries the kernels of pairs of
inputs through the infinitely wide layer; ``module`` draws the matching finite layer. A network is a
fold of either method over its layers (:mod:`rmtlab.networks`).

Signals come in three kinds. Linear layers turn a *signal* (the input x, or an activated h) into
*preactivations* z, which are Gaussian; activations turn these into a signal; noise acts on signals. What
a LayerNorm makes of preactivations is *normalised*: Gaussian, and a signal as well. A layer that has
no limit where it stands says in a sentence what is missing.

Inputs are flat, (n, features), or have positions: (n, channels, length) for sequences,
(n, channels, height, width) for images. In a state the positions are one axis, of size p.
"""

from rmtlab.layers._activation import Activation
from rmtlab.layers._attention import Attention
from rmtlab.layers._base import Layer, State
from rmtlab.layers._convolution import Conv1d, Conv2d
from rmtlab.layers._linear import Dense
from rmtlab.layers._noise import Noise
from rmtlab.layers._normalisation import LayerNorm
from rmtlab.layers._parallel import Residual, Sum
from rmtlab.layers._pooling import AvgPool, Flatten, GlobalAvgPool
from rmtlab.layers._tokens import TokenMixing

__all__ = [
    "Activation",
    "Attention",
    "AvgPool",
    "Conv1d",
    "Conv2d",
    "Dense",
    "Flatten",
    "GlobalAvgPool",
    "Layer",
    "LayerNorm",
    "Noise",
    "Residual",
    "State",
    "Sum",
    "TokenMixing",
]
