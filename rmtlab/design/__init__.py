r"""Choosing an architecture by theory, and finding out what is wrong with one.

:func:`region` is the part of the plane (σ_w², σ_b²) in which signals, gradients and the Jacobian's spectrum survive
a given depth, with noise and for any activation:

    L ≤ 6 ξ_c,    |Σ_l ln χ(q^l)| ≤ 6,    variance/mean² of J Jᵀ ≤ 99.

:func:`diagnose` reads a torch network, whoever wrote it, layer by layer: signal, gradient, Jacobian, dead and
saturated units, distance to criticality and stable step, and names the fault.
"""

from rmtlab.design._diagnose import diagnose
from rmtlab.design._records import (
    DEAD_RECTIFIERS,
    FAULTS,
    MISSING_RESIDUAL_SCALE,
    NOISE_TOO_STRONG,
    OUTPUT_SCALE,
    SATURATED_TANH,
    UNEXPLAINED,
    VARIANCE_TOO_LARGE,
    VARIANCE_TOO_SMALL,
    WRONG_FAN,
    Diagnosis,
    Finding,
    Layer,
)
from rmtlab.design._region import Region, Setting, region

__all__ = [
    "DEAD_RECTIFIERS",
    "FAULTS",
    "MISSING_RESIDUAL_SCALE",
    "NOISE_TOO_STRONG",
    "OUTPUT_SCALE",
    "SATURATED_TANH",
    "UNEXPLAINED",
    "VARIANCE_TOO_LARGE",
    "VARIANCE_TOO_SMALL",
    "WRONG_FAN",
    "Diagnosis",
    "Finding",
    "Layer",
    "Region",
    "Setting",
    "diagnose",
    "region",
]
