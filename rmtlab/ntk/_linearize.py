"""The public face of linearisation; torch is loaded when a module is first given."""

from typing import TYPE_CHECKING

from rmtlab.ntk._empirical import _check_module

if TYPE_CHECKING:
    from torch import nn


def linearize(module: "nn.Module") -> "nn.Module":
    r"""Return the first-order expansion of a network in its parameters.

    .. math:: f^{\mathrm{lin}}(x; \theta) = f(x; \theta_0) + \nabla_\theta f(x; \theta_0)\,(\theta - \theta_0),

    with θ₀ the parameters at the time of the call. Its tangent kernel stays that of the network at θ₀, so
    that gradient flow on ½Σ|f − y|² follows the closed form of :class:`LinearDynamics` exactly. The
    directional derivative is taken in one forward pass with tangents; no Jacobian is formed.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode where it holds noise or batch normalisation. It is copied and not changed.

    Returns
    -------
    torch.nn.Module
        Takes what `module` takes. Its trained parameters are the displacement θ − θ₀, at first 0;
        ``origin`` is the frozen network at θ₀.

    Raises
    ------
    TypeError
        If `module` is not a torch module.
    ValueError
        If it has no trained parameters, or holds batch normalisation in training mode.

    References
    ----------
    .. [1] J. Lee et al., "Wide neural networks of any depth evolve as linear models under gradient descent",
       NeurIPS 2019.

    Examples
    --------
    >>> import torch
    >>> line = torch.nn.Linear(2, 1)
    >>> flat, x = linearize(line), torch.ones(3, 2)
    >>> bool((flat(x) == line(x)).all()), [tuple(p.shape) for p in flat.parameters() if p.requires_grad]
    (True, [(1, 2), (1,)])
    """
    _check_module(module)
    from rmtlab.ntk import _torch_linear

    return _torch_linear.LinearizedModule(module)
