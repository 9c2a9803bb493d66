"""Truths, tolerances and planted errors of the problem set on signals."""

import numpy as np
from scipy import special, stats

from problems.frame.judging import Function, Value
from rmtlab import gaussian, signal
from rmtlab.coursework import Numbers
from rmtlab.networks import MLP

DRAWS, NARROW_DRAWS = 16, 400


def _variance_map(q: float, phi: np.ufunc, weight_var: float, bias_var: float) -> float:
    return float(weight_var * gaussian.expectation(lambda u: phi(u) ** 2, q) + bias_var)


def _variance_inputs(own: Numbers, rng: np.random.Generator) -> list[tuple]:
    functions = (np.tanh, np.sin, np.cos)
    return [(rng.uniform(0.1, 4), phi, rng.uniform(0.5, 3), rng.uniform(0, 0.5)) for phi in functions]


def _field(own: Numbers) -> signal.MeanField:
    return signal.MeanField(own.activation, own.weight_var, own.bias_var)


def _pair(own: Numbers) -> np.ndarray:
    angle = np.arccos(own.cosine)
    return np.sqrt(2) * np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]])


def _correlations(own: Numbers) -> np.ndarray:
    net = MLP(own.depth, own.activation, own.weight_var, own.bias_var)
    return signal.theory(net, _pair(own)).correlations[:, 0, 1]


def _correlation_error(own: Numbers) -> float:
    """Standard error of the mean correlation over the draws, from one-layer fluctuations of size 1/N.

    One layer of N units measures c with variance (1−c²)²/N, like a sample correlation of Gaussians (bounded
    activations have a little less); every later layer multiplies an error by the slope of the correlation map.
    """
    field, correlations, variance = _field(own), _correlations(own), 0.0
    step = 1e-4
    for c in correlations:
        slope = (field.correlation(c) - field.correlation(c - step)) / step
        variance = slope**2 * variance + (1 - c**2) ** 2 / own.width
    return float(np.sqrt(variance / DRAWS))


def _log_steps(own: Numbers) -> tuple[float, float]:
    """Mean and variance of ln R, R = (2/N) Σ max(g, 0)²: given K active units, R is (2/N) χ²_K."""
    n = own.narrow_width
    active = np.arange(1, n + 1)
    chance = stats.binom.pmf(active, n, 0.5)
    means = special.digamma(active / 2) + np.log(4 / n)
    mean = chance @ means
    return mean, chance @ (special.polygamma(1, active / 2) + (means - mean) ** 2)


def _leading_log(own: Numbers) -> float:
    return -2.5 * (own.narrow_depth - 1) / own.narrow_width


def _mean_log(own: Numbers) -> float:
    return (own.narrow_depth - 1) * _log_steps(own)[0]


def _mean_log_tolerance(own: Numbers) -> float:
    return 4 * np.sqrt((own.narrow_depth - 1) * _log_steps(own)[1] / NARROW_DRAWS)


ANSWERS = {
    "variance_map": {
        "variance_map": Function(
            _variance_map,
            _variance_inputs,
            1e-6,
            "a trapezoid rule with a few hundred nodes gives ten digits more",
        ),
    },
    "fixed_point": {
        "q_star": Value(lambda own: _field(own).fixed_point().q, 1e-4, "four digits are asked for"),
        "chi": Value(lambda own: _field(own).chi, 1e-4, "four digits are asked for"),
    },
    "correlation": {
        "c_theory": Value(
            lambda own: _correlations(own)[-1],
            1e-5,
            "the maps are exact; five digits are asked for",
            absolute=True,
        ),
        "c_measured": Value(
            lambda own: _correlations(own)[-1],
            lambda own: 4 * _correlation_error(own) + 4 / own.width,
            "four standard errors of a mean over 16 networks of your width, and the bias of order 1/N",
            absolute=True,
        ),
    },
    "narrow": {
        "log_theory": Value(_leading_log, 1e-6, "a short formula"),
        "mean_log": Value(
            _mean_log,
            _mean_log_tolerance,
            "four standard errors of a mean over 400 networks of your depth and width",
            absolute=True,
        ),
    },
}

# A wrong turn for each question: what stands in the solution, and what a student might write instead.
PLANTED = {
    "variance_map": ("weight_var * mean + bias_var", "weight_var * mean"),
    "fixed_point": (
        "field = rl.signal.MeanField(own.activation, own.weight_var",
        "field = rl.signal.MeanField(own.activation, own.weight_var**0.5",
    ),
    "correlation": (
        "own.activation, own.weight_var, own.bias_var)\nc_theory",
        "own.activation, own.weight_var)\nc_theory",
    ),
    "narrow": ("log_theory = -2.5 *", "log_theory = -1.5 *"),
}
