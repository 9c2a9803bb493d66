r"""The input–output Jacobian J = ∂h^L/∂x of a deep network: the law of its spectrum, and the measurement.

    J = D_L W_L ⋯ D_1 W_1,   D_l = diag φ′(z^l),   W¹ in, read-out out.

J Jᵀ is n_L × n_L. With multiplicative noise, J = D_L W_L E_{L−1} ⋯ D_1 W_1 E_0 has the masks of x and of
h¹ … h^{L−1}; the one on h^L belongs to the read-out. The mean of the spectrum is Π χ_l with χ = σ_w² μ₂ E[φ′²].

:func:`law` is the limit of infinite width for any activation, :func:`plug_in` the same with the slopes of
one module at one input, :func:`universal` the limit of infinite depth. :func:`singular_values`,
:func:`log_singular_values` and :func:`layer_jacobians` measure finite networks.
"""

from rmtlab.jacobian._law import JacobianLaw, PlugInLaw, law, plug_in
from rmtlab.jacobian._limits import BernoulliLimit, SmoothLimit, universal
from rmtlab.jacobian._singular import layer_jacobians, log_singular_values, singular_values

__all__ = [
    "BernoulliLimit",
    "JacobianLaw",
    "PlugInLaw",
    "SmoothLimit",
    "law",
    "layer_jacobians",
    "log_singular_values",
    "plug_in",
    "singular_values",
    "universal",
]
