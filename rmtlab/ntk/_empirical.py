"""The public face of the empirical tangent kernel; torch is loaded when a module is first given."""

from typing import TYPE_CHECKING, Any

import numpy as np

from rmtlab import _checks

if TYPE_CHECKING:
    from torch import nn


def empirical(
    module: "nn.Module",
    x1: Any,
    x2: Any = None,
    outputs: str = "full",
    *,
    method: str = "auto",
    memory: float = 1e9,
) -> np.ndarray:
    r"""Return the tangent kernel of a finite network at its present parameters, exactly.

    .. math:: \Theta_{ab}(x, x') = \nabla_\theta f_a(x) \cdot \nabla_\theta f_b(x'),

    over the parameters that ask for gradients. Two exact ways lead there:

    - "layerwise" sums the Gram matrices of every layer: for a dense layer z = W h + b with errors
      B = ∂f/∂z it adds (h·h' + 1)(B_a·B'_b), and no Jacobian is formed. Linear, convolution and rmtlab's
      own layers work so, at any number of positions and calls; every other layer that takes one tensor
      (layer norm, embedding …) adds the inner product of its own gradients.
    - "jacobian" forms rows of the whole Jacobian by ``torch.func`` and contracts them; modules that
      ``torch.func`` can't transform (recurrent ones), or whose weights are made of others by hand, get a
      backward pass a row.

    "auto" takes the first where it holds and the second elsewhere. It holds where every parameter acts only
    inside the layer that owns it and inputs do not mix: by construction where dense and elementwise layers
    follow each other and none was changed by hand; else this is looked up in a trial run, and one gradient is
    compared with autograd's.

    Parameters
    ----------
    module : torch.nn.Module
        Maps (n, …) to (n, o) or (n,), in the mode it is in. Noise that is switched on (training mode) is
        drawn once for each input of each argument: without `x2`, the diagonal is one pass.
    x1 : array_like, shape (n1, …)
        Inputs, turned into the type of the parameters and moved to their device; a tensor of integers
        (tokens) stays one.
    x2 : array_like, shape (n2, …), optional
        Other inputs. Without them the kernel is that of `x1` with itself, and takes half the work.
    outputs : {"full", "mean"}
        All pairs of outputs, or (1/o) Σ_a Θ_aa, which is cheaper by up to a factor o².
    method : {"auto", "layerwise", "jacobian"}
        Which way.
    memory : float
        Bytes that gradients and blocks may take beside the result. What does not fit is computed in
        blocks, and gradients then more than once.

    Returns
    -------
    ndarray
        (n1, n2, o, o) for "full", (n1, n2) for "mean", in the precision of the module.

    Raises
    ------
    TypeError
        If `module` is not a torch module.
    ValueError
        If it has no trained parameters, holds batch normalisation in training mode (its inputs mix), gives
        something else than a row of outputs, or if inputs do not fit; if "layerwise" is asked for and does
        not hold; if noise is on and only the Jacobian is left; if one row of it is beyond the memory.

    References
    ----------
    .. [1] A. Jacot, F. Gabriel, C. Hongler, "Neural tangent kernel", NeurIPS 2018.
    .. [2] R. Novak, J. Sohl-Dickstein, S. S. Schoenholz, "Fast finite width neural tangent kernel",
       ICML 2022.

    Examples
    --------
    >>> import rmtlab as rl
    >>> net = rl.MLP(depth=1, activation="relu", weight_var=2.0)
    >>> module = net.sample(width=4000, in_features=2, dtype="float64")
    >>> bool(abs(empirical(module, [[1.0, 1.0]], outputs="mean") - 4.0) < 0.4)
    True
    """
    _check_module(module)
    _checks.one_of(outputs, "outputs", ("full", "mean"))
    _checks.one_of(method, "method", ("auto", "layerwise", "jacobian"))
    memory = _checks.number(memory, "memory", low=0.0, low_open=True, hint="It counts bytes.")
    from rmtlab.ntk import _torch_empirical

    a = _torch_empirical.as_input(module, x1, "x1")
    b = None if x2 is None else _torch_empirical.as_input(module, x2, "x2")
    if b is not None and b.shape[1:] != a.shape[1:]:
        raise ValueError(
            f"x1 and x2 must hold inputs of one shape, but those of x1 are {tuple(a.shape[1:])} and those of "
            f"x2 {tuple(b.shape[1:])}."
        )
    return _torch_empirical.kernel(module, a, b, mean=outputs == "mean", method=method, memory=memory)


def _check_module(module: Any) -> None:
    """Refuse what is no torch module, has nothing to train, or mixes its inputs."""
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module must be a torch module, but a {type(module).__name__} was given; "
            "net.sample(width=…, in_features=…) makes one."
        )
    if not any(p.requires_grad for p in module.parameters()):
        raise ValueError(
            "The module has no parameter that asks for a gradient, and so no tangent kernel; "
            "call requires_grad_(True) on those that are trained."
        )
    normalised = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    if any(layer.training or layer.running_mean is None for layer in normalised):
        raise ValueError(
            "The module holds batch normalisation by the statistics of the batch, under which inputs mix; keep "
            "running statistics and call module.eval() first."
        )
