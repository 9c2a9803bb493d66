r"""Asymptotic freeness put to the test: joint moments, centred words, and the device of the proof.

Matrices are free when the trace of every alternating product of centred elements vanishes,

    τ(å₁ å₂ ⋯ å_k) = 0,   å = a − τ(a)·1,   neighbours from different algebras,

with τ = tr_N, the normalised trace. Freeness gives every joint moment from the marginal ones
(:func:`predict`); random matrices have it in the limit, up to a :func:`defect` that shrinks with N at a
measurable :func:`rate`. In a multilayer perceptron the weights are free from the derivatives
D_l = diag φ′(z^l) although these depend on them: :func:`rerandomise` shows the argument at work.
"""

from rmtlab.freeness._defect import Defect, Rate, defect, neighbour_moments, rate
from rmtlab.freeness._moments import alternating_moment, joint_moment, predict
from rmtlab.freeness._networks import fixing_rotation, layer_family, rerandomise

__all__ = [
    "Defect",
    "Rate",
    "alternating_moment",
    "defect",
    "fixing_rotation",
    "joint_moment",
    "layer_family",
    "neighbour_moments",
    "predict",
    "rate",
    "rerandomise",
]
