r"""How signals travel through wide random networks: variances, correlations and gradients in depth.

In the infinitely wide network z^l = W^l φ(z^{l−1}) + b^l two numbers carry everything, the variance q^l
of a pre-activation and the correlation c^l of two of them:

    q^{l+1} = V(q^l) = σ_w² E[φ(√q^l z)²] + σ_b²,    c^{l+1} = C(c^l) = (σ_w² E[φ(u)φ(v)] + σ_b²)/q*.

:class:`MeanField` holds the two maps, their fixed points, slopes and depth scales, with noise from the
start; :func:`critical_point` finds the edge of chaos χ₁ = 1, with noise too, and :func:`phase_diagram` draws the plane.
:func:`theory` and :func:`measure` give the same quantities for one network description, in the limit and
on finite draws.
"""

from rmtlab.signal._critical import CriticalPoint, critical_point, critical_points, critical_weight_var
from rmtlab.signal._diagram import PhaseDiagram, phase_diagram
from rmtlab.signal._meanfield import MeanField
from rmtlab.signal._records import CorrelationPoint, Curvature, DepthScales, FixedPoint, FloatDepths
from rmtlab.signal._simulation import Signals, measure, theory

__all__ = [
    "CorrelationPoint",
    "CriticalPoint",
    "Curvature",
    "DepthScales",
    "FixedPoint",
    "FloatDepths",
    "MeanField",
    "PhaseDiagram",
    "Signals",
    "critical_point",
    "critical_points",
    "critical_weight_var",
    "measure",
    "phase_diagram",
    "theory",
]
