"""The signals of one network description: in the infinite-width limit, and measured on finite draws."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtlab import _checks
from rmtlab.layers import Activation, Dense, Noise, State
from rmtlab.networks import Network

if TYPE_CHECKING:
    from rmtlab._torch_layers import NetworkModule


@dataclass(frozen=True, eq=False)
class Signals:
    r"""Variances, correlations and gradients at the hidden layers l = 1 … L, for n inputs.

    Attributes
    ----------
    variances : ndarray, shape (L, n)
        q^l = |z^l|²/N.
    correlations : ndarray, shape (L, n, n)
        Covariance of z^l over √(q_a q_b), for two inputs with independent noise; 1 on the diagonal.
    gradients : ndarray, shape (L, n)
        |∂y/∂z^l|² for one output y.
    variance_errors, correlation_errors, gradient_errors : ndarray or None
        Standard errors of the means over draws, in the same shapes; None in theory.
    width, draws : int or None
        What was measured; None in theory.
    """

    variances: np.ndarray
    correlations: np.ndarray
    gradients: np.ndarray
    variance_errors: np.ndarray | None = None
    correlation_errors: np.ndarray | None = None
    gradient_errors: np.ndarray | None = None
    width: int | None = None
    draws: int | None = None


def theory(net: Network, x: Any) -> Signals:
    r"""Return the signals of the infinitely wide network, layer by layer.

    .. math:: q^{l+1}_{ab} = \sigma_w^2 E[\phi(u_a)\phi(u_b)] + \sigma_b^2, \qquad
              E\Big|\frac{\partial y}{\partial z^l}\Big|^2 = \prod_{k=l}^{L} \sigma_w^2\mu_2 E[\phi'(z^k)^2]

    Parameters
    ----------
    net : Network
        Any chain of dense layers, activations and noise; layers may differ.
    x : array_like, shape (n, d)
        Inputs, one a row.

    Returns
    -------
    Signals

    Raises
    ------
    ValueError
        If the network has no hidden layer, or `x` is no finite matrix.
    TypeError
        If `net` is not a network, or holds other layers than Dense, Activation and Noise.

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> from rmtlab import signal
    >>> net = rl.MLP(depth=3, activation="relu", weight_var=2.0)
    >>> signal.theory(net, np.ones((1, 4))).gradients.ravel()
    array([1., 1., 1.])
    """
    net, x = _checked(net, x)
    state = State.from_inputs(x)
    variances, correlations, factors = [], [], []
    weights = iter([*(dense.weight_var for dense in net.layers if isinstance(dense, Dense))][1:])
    for layer in net.layers:
        if isinstance(layer, Activation):
            variances.append(state.diag1)
            correlations.append(_normalised(state.nngp, state.diag1))
            factors.append(next(weights) * layer.activation.derivative_moment(state.diag1, 2))
        elif isinstance(layer, Noise) and factors:
            factors[-1] = layer.noise.gain * factors[-1]
        state = layer.propagate(state)
    gradients = np.cumprod(factors[::-1], axis=0)[::-1]
    return Signals(np.stack(variances), np.stack(correlations), gradients)


def measure(net: Network, x: Any, width: int = 1000, *, draws: int = 10, seed: int = 0) -> Signals:
    """Measure the same signals on finite networks, as means over `draws` with their standard errors.

    Parameters
    ----------
    net : Network
        As in :func:`theory`.
    x : array_like, shape (n, d)
        Inputs, one a row. Two rows have independent noise.
    width : int
        Number of neurons of each hidden layer.
    draws : int
        Number of networks, at least 2.
    seed : int
        Seed of the draws.

    Returns
    -------
    Signals
        In float64, with standard errors. A correlation is that of the two vectors z^l in one draw.

    Raises
    ------
    ValueError, TypeError
        As :func:`theory`, and if `draws` is below 2 or `width` below 1.

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> from rmtlab import signal
    >>> net = rl.MLP(depth=3, activation="tanh", weight_var=1.5, bias_var=0.05)
    >>> found = signal.measure(net, np.ones((1, 4)), width=200, draws=20)
    >>> bool(np.all(abs(found.variances - signal.theory(net, np.ones((1, 4))).variances) < 0.2))
    True
    """
    net, x = _checked(net, x)
    width, draws = _checks.count(width, "width"), _checks.count(draws, "draws", minimum=2)
    seeds = np.random.SeedSequence(_checks.count(seed, "seed", minimum=0)).generate_state(draws)
    samples = [
        _once(net.sample(width, in_features=x.shape[1], seed=int(s), dtype="float64"), x) for s in seeds
    ]
    stacks = [np.stack(parts) for parts in zip(*samples, strict=True)]
    variances, correlations, gradients = (stack.mean(axis=0) for stack in stacks)
    errors = [stack.std(axis=0, ddof=1) / np.sqrt(draws) for stack in stacks]
    return Signals(variances, correlations, gradients, errors[0], errors[1], errors[2], width, draws)


def _once(module: "NetworkModule", x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    import torch

    *hidden, output = module.preactivations(x)
    slopes = torch.autograd.grad(output.sum(), hidden)
    gradients = np.stack([slope.square().sum(dim=1).numpy() for slope in slopes])
    covariances = [(z @ z.T / z.shape[1]).detach().numpy() for z in hidden]
    variances = np.stack([np.diagonal(k) for k in covariances])
    correlations = np.stack([_normalised(k, q) for k, q in zip(covariances, variances, strict=True)])
    return variances, correlations, gradients


def _normalised(covariance: np.ndarray, variance: np.ndarray) -> np.ndarray:
    root = np.sqrt(variance)
    scale = np.outer(root, root)
    found = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
    np.fill_diagonal(found, 1.0)
    return found


def _checked(net: Any, x: Any) -> tuple[Network, np.ndarray]:
    if not isinstance(net, Network):
        raise TypeError(f"net must be a network such as rl.MLP(depth=10, …), but {net!r} was given.")
    others = [layer for layer in net.layers if not isinstance(layer, Dense | Activation | Noise)]
    if others:
        raise TypeError(
            "The signals are those of fully connected networks, whose layers are Dense, Activation and Noise, but "
            f"this one holds {others[0]!r}; net.kernel(x) gives the kernels of any network."
        )
    if net.depth == 0:
        raise ValueError(
            "net has no hidden layer, and so no signals to follow; build it with rl.MLP(depth=10, …)."
        )
    return net, _checks.array(x, "x", ndim=2, hint="Give one input a row.")
