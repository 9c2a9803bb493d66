r"""The neural tangent kernel: what training does to a network that is wide enough.

The tangent kernel Θ(x, x') = ∇f(x)·∇f(x') says how a step of gradient descent at x' moves the output at
x. In wide networks it stays where it was at initialisation, and training is linear:

    f_t(x) = f_0(x) + Θ(x, X) Θ⁻¹ (I − e^{−Θt}) (Y − f_0(X)).

``net.kernel(x1, x2).ntk`` is its infinite-width limit. Here are :func:`empirical`, that of a finite torch
module, exactly; :class:`LinearDynamics`, what a kernel that stays put makes of training;
:class:`GradientFlow`, mean and covariance of the whole ensemble of trained networks; and
:func:`linearize`, a module's first-order expansion.
"""

from rmtlab.ntk._dynamics import LinearDynamics
from rmtlab.ntk._empirical import empirical
from rmtlab.ntk._flow import Ensemble, GradientFlow, Prediction
from rmtlab.ntk._linearize import linearize

__all__ = ["Ensemble", "GradientFlow", "LinearDynamics", "Prediction", "empirical", "linearize"]
