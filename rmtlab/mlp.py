r"""How Gaussian is the output of a one-hidden-layer network of finite width?

Condition on the hidden layer :math:`h=\phi(z^1)\in\mathbb{R}^n`. With Gaussian weights the read-out
:math:`z^2=W^2h+b^2` is then exactly :math:`N(0, s)` with the random variance
:math:`s=\sigma_w^2|h|^2/n+\sigma_b^2`, so everything that is not Gaussian about it is the fluctuation
of :math:`s` from network to network. This module computes that fluctuation and measures it.
"""

from dataclasses import dataclass

import numpy as np

from rmtlab import _checks, gaussian
from rmtlab.activations import Activation
from rmtlab.networks import Network

__all__ = ["OutputStatistics", "measure", "theory"]


@dataclass(frozen=True)
class OutputStatistics:
    """Variance and tails of the output of a one-hidden-layer network at one input.

    Attributes
    ----------
    variance : float
        The output's variance over networks, q².
    variance_spread : float
        Variance over networks of the conditional variance s, divided by its squared mean.
    excess_kurtosis : float
        E[z⁴]/E[z²]² − 3 of the output over networks; zero for a Gaussian.
    """

    variance: float
    variance_spread: float
    excess_kurtosis: float


def theory(net: Network, x: np.ndarray, width: int) -> OutputStatistics:
    r"""Output statistics of a one-hidden-layer `net` at the input `x`, to leading order in 1/`width`.

    With :math:`q` the variance of a first-layer pre-activation, :math:`a=\sigma_w^2 E[\phi^2]` and
    :math:`v` the variance of a unit's contribution to :math:`|h|^2`,

    .. math:: \mathrm{Var}(s) = \sigma_w^4\,v/n, \qquad
              \kappa = 3\,\mathrm{Var}(s)/E[s]^2 \quad\text{(Gaussian weights, exact)}.

    Haar weights keep :math:`|W^1x|` fixed, which takes a part out of :math:`v`, and a row of a Haar
    matrix is a point of a sphere, whose coordinates have lighter tails than Gaussian ones:

    .. math:: v = \mathrm{Var}(\phi^2) - \tfrac12 c^2\min(1, n/d), \qquad
              \kappa = \frac{3E[s_w^2]\,n/(n+2) + 6E[s_w]\sigma_b^2 + 3\sigma_b^4}{E[s]^2} - 3,

    where :math:`c = E[\phi^2(z)(g^2-1)]` for :math:`z=\sqrt{q-\sigma_b^2}\,g+b`, and
    :math:`s_w=s-\sigma_b^2`; terms of relative size 1/n are left out of :math:`v`.

    Parameters
    ----------
    net : Network
        An ``MLP`` of depth 1 without noise.
    x : array of shape (d,)
        One input.
    width : int
        Number n of hidden units.

    Returns
    -------
    OutputStatistics
        The predicted statistics of one output unit over random networks.

    Raises
    ------
    ValueError
        If `net` is not a noiseless network of depth 1 whose layers share their variances, `x` is not
        one finite vector, or the output is constant or too large for its tails to be told.

    References
    ----------
    R. M. Neal, Bayesian Learning for Neural Networks (1996), chapter 2, for the limit; the finite-width
    terms are derived in the chapter ``foundations/mlp``.

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> net = rl.MLP(depth=1, activation="linear", weight_var=1.0)
    >>> round(rl.mlp.theory(net, np.ones(5), width=100).excess_kurtosis, 12)
    0.06
    """
    net, x, width = _checked(net, x, width)
    phi, weight_var = net.activation, np.float64(net.weight_var)
    with np.errstate(all="ignore"):
        size = weight_var * (x @ x) / x.size
        q = size + net.bias_var
        second, fourth = phi.moment(q, 2), phi.moment(q, 4)
        per_unit = fourth - second**2
        if net.weights == "orthogonal":
            per_unit -= 0.5 * _radial_share(phi, size, q) ** 2 * min(1.0, width / x.size)
        mean, spread = weight_var * second, weight_var**2 * per_unit / width
        return _statistics(net, width, mean, spread, spread + mean**2)


def measure(net: Network, x: np.ndarray, width: int, *, draws: int = 1000, seed: int = 0) -> OutputStatistics:
    """Measure the same statistics over `draws` random networks of the same description.

    The conditional variance s of each network is read off its hidden layer; the output's fourth moment
    follows from s and from the law of the read-out's weights, Gaussian or a row of a Haar matrix, which
    enters exactly (see `theory`). That resolves the excess kurtosis far better than the fourth moment
    of the outputs themselves, and means that only the hidden layer is put to the test.

    Parameters
    ----------
    net, x, width
        As in `theory`.
    draws : int
        Number of networks, at least 2; the relative standard error of the spread is about √(2/draws).
    seed : int
        Seed of the draw.

    Returns
    -------
    OutputStatistics
        The measured statistics.

    Raises
    ------
    ValueError
        As `theory`, and if `draws` is below 2.

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> net = rl.MLP(depth=1, activation="relu", weight_var=2.0)
    >>> found = rl.mlp.measure(net, np.ones(5), width=50, draws=200)
    >>> bool(abs(found.variance - 2.0) < 0.2)
    True
    """
    net, x, width = _checked(net, x, width)
    draws = _checks.count(draws, "draws", minimum=2)
    seed = _checks.count(seed, "seed", minimum=0)
    rng = np.random.default_rng(seed)
    weight_share = np.array([_conditional_weight_variance(net, x, width, rng) for _ in range(draws)])
    with np.errstate(all="ignore"):
        return _statistics(
            net, width, weight_share.mean(), weight_share.var(ddof=1), np.mean(weight_share**2)
        )


def _statistics(
    net: Network, width: int, mean: np.float64, spread: np.float64, mean_square: np.float64
) -> OutputStatistics:
    """Return the output's statistics from E[s_w], Var(s_w) and E[s_w²], where s_w = s − σ_b²."""
    variance = mean + net.bias_var
    tail = width / (width + 2) if net.weights == "orthogonal" else 1.0
    raw_fourth = 3 * tail * mean_square + 6 * mean * net.bias_var + 3 * net.bias_var**2
    found = OutputStatistics(
        float(variance), float(spread / variance**2), float(raw_fourth / variance**2 - 3)
    )
    if not np.isfinite([found.variance, found.variance_spread, found.excess_kurtosis]).all():
        raise ValueError(
            f"The output of {net!r} at this x has the variance {found.variance:.3g}, and tails that no float "
            "can hold; choose variances and an x of moderate size."
        )
    return found


def _radial_share(phi: Activation, size: float, q: float) -> float:
    """Return c = E[φ²(z)(g² − 1)] for z = √size·g + b; Stein's identity turns it into one average over z."""
    covariance = gaussian.expectation(lambda z: phi(z) ** 2 * (z**2 - q), q, kinks=phi.kinks)
    return float(size * covariance / q**2)


def _conditional_weight_variance(net: Network, x: np.ndarray, width: int, rng: np.random.Generator) -> float:
    """Draw the hidden layer of one network and return σ_w²|h|²/n, the share of the weights in s."""
    import torch

    dense, activation = net.layers[:2]
    hidden = activation.module(width, width)(
        dense.module(x.size, width, rng=rng, dtype="float64")(torch.from_numpy(x))
    )
    return net.weight_var * float(hidden.detach().square().mean())


def _checked(net: Network, x: np.ndarray, width: int) -> tuple[Network, np.ndarray, int]:
    if (
        not isinstance(net, Network)
        or net.depth != 1
        or len(net.layers) != 3
        or net.layers[0] != net.layers[2]
    ):
        raise ValueError(
            "net must be a noiseless network with one hidden layer, whose two Dense layers are equal, "
            f"but {net!r} was given; build it with rl.MLP(depth=1, …)."
        )
    x = _checks.array(x, "x", ndim=1, hint="Pass one input, not a batch.")
    if not x.any():
        raise ValueError(
            "x is the zero vector, at which the output's statistics degenerate; pass a non-zero input."
        )
    return net, x, _checks.count(width, "width")
