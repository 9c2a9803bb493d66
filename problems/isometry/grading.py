"""Truths, tolerances and planted errors of the problem set on dynamical isometry."""

import numpy as np
from scipy import optimize, special, stats

from problems.frame.judging import Function, Value
from rmtlab import activations, jacobian, signal
from rmtlab.coursework import Numbers
from rmtlab.networks import MLP

NETWORKS, RELU_NETWORKS = 200, 100


def _largest(slopes: np.ndarray, weight_var: float, depth: int) -> float:
    square = np.asarray(slopes, dtype=float) ** 2

    def log_z(t: float) -> float:
        zeta = square.max() * (1 + np.exp(t))
        m = np.mean(square / (zeta - square))
        return float(np.log1p(m) - np.log(m) + depth * np.log(weight_var * m * zeta))

    return float(np.exp(optimize.minimize_scalar(log_z, bounds=(-20, 20), method="bounded").fun))


def _layers(own: Numbers, rng: np.random.Generator) -> list[tuple]:
    return [
        (np.repeat([0.0, 1.0], rng.integers(5, 20, 2)), rng.uniform(1, 3), int(rng.integers(1, 5))),
        (1 / np.cosh(rng.standard_normal(50)) ** 2, rng.uniform(1, 3), int(rng.integers(5, 15))),
        (rng.uniform(-1, 2, 30), rng.uniform(0.5, 2), int(rng.integers(20, 40))),
    ]


def _log_slope_and_gain(own: Numbers) -> float:
    return float(np.log(2 / (1 + own.leak**2)) + np.log(own.leak))


def _log_limit(own: Numbers) -> float:
    return own.depth * (_log_slope_and_gain(own) - 1)


def _log_exact(own: Numbers) -> float:
    n = own.width
    return own.depth * (
        _log_slope_and_gain(own) + np.log(2 / n) + special.digamma(np.arange(1, n + 1) / 2).mean()
    )


def _log_tolerance(own: Numbers) -> float:
    """Four standard errors over the networks: the layers are independent, and determinants of slopes.

    Of one layer, (1/n) ln det WWᵀ has variance Σ_k ψ′(k/2)/n², and the share of negative units, 1/(4n), is
    multiplied by ln a². Nothing is left out: the mean is exact at every width.
    """
    n = own.width
    weights = special.polygamma(1, np.arange(1, n + 1) / 2).sum() / n**2
    slopes = np.log(own.leak**2) ** 2 / (4 * n)
    return float(4 * np.sqrt(own.depth * (weights + slopes) / NETWORKS))


def _critical(own: Numbers) -> tuple[float, signal.CriticalPoint]:
    phi = activations.get(own.activation)

    def excess(log_q: float) -> float:
        mean, square = (phi.derivative_moment(np.exp(log_q), k) for k in (2, 4))
        return float(own.depth * (square / mean**2 - 1) - own.spread)

    q = float(np.exp(optimize.brentq(excess, -12, 0, xtol=1e-12)))
    return q, signal.critical_point(phi, preact_var=q)


def _largest_finite(own: Numbers) -> float:
    q, point = _critical(own)
    net = MLP(own.depth, own.activation, point.weight_var, point.bias_var, "orthogonal")
    return float(jacobian.law(net, preact_var=q).support[-1][1])


def _largest_limit(own: Numbers) -> float:
    m = (np.sqrt(1 + 4 / own.spread) - 1) / 2
    return float((1 + m) / m * np.exp(own.spread * m))


def _least_active(own: Numbers) -> np.ndarray:
    """Probabilities that the smallest of relu_depth binomials (relu_width, 1/2) is 0, 1, …, relu_width."""
    at_least = stats.binom.sf(np.arange(-1, own.relu_width + 1), own.relu_width, 0.5) ** own.relu_depth
    return -np.diff(at_least)


def _nonzero(own: Numbers) -> float:
    return float(_least_active(own) @ np.arange(own.relu_width + 1)) / own.relu_width


def _nonzero_tolerance(own: Numbers) -> float:
    """Four standard errors over the networks of the smallest of relu_depth binomial shares."""
    share = np.arange(own.relu_width + 1) / own.relu_width
    variance = _least_active(own) @ (share - _nonzero(own)) ** 2
    return float(4 * np.sqrt(variance / RELU_NETWORKS))


ANSWERS = {
    "largest": {
        "largest": Function(
            _largest,
            _layers,
            1e-6,
            "a minimum is flat: its value has twice the digits of its place",
        ),
    },
    "typical": {
        "log_limit": Value(_log_limit, 1e-6, "a short formula"),
        "log_exact": Value(_log_exact, 1e-6, "a sum of digamma functions"),
        "log_measured": Value(
            _log_exact,
            _log_tolerance,
            "four standard errors over 200 networks of your depth and width; the exact mean has no bias",
            absolute=True,
        ),
    },
    "slow_limit": {
        "q_star": Value(lambda own: _critical(own)[0], 1e-4, "four digits are asked for"),
        "weight_var": Value(lambda own: _critical(own)[1].weight_var, 1e-4, "four digits are asked for"),
        "largest_finite": Value(_largest_finite, 1e-4, "an edge is known to more digits than are asked for"),
        "largest_limit": Value(_largest_limit, 1e-4, "a short formula"),
    },
    "rank": {
        "nonzero_theory": Value(_nonzero, 1e-6, "a finite sum of binomial probabilities"),
        "nonzero_measured": Value(
            _nonzero,
            _nonzero_tolerance,
            "four standard errors over 100 networks of your depth and width",
            absolute=True,
        ),
    },
}

# A wrong turn for each question: what stands in the solution, and what a student might write instead.
PLANTED = {
    "largest": ("depth * np.log(weight_var * m * zeta)", "depth * np.log(weight_var * m * zeta / (1 + m))"),
    "typical": ("gain = 2 / (1 + own.leak**2)", "gain = 2"),
    "slow_limit": ("square / mean**2 - 1", "square - mean**2"),
    "rank": ("active = min(active, np.sum(z > 0))", "active = active * np.mean(z > 0)"),
}
