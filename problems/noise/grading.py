"""Truths, tolerances and planted errors of the problem set on noise."""

from collections.abc import Callable

import numpy as np
from scipy import special, stats

from problems.frame.judging import Function, Value
from rmtlab import gaussian, noise, signal
from rmtlab.coursework import Numbers
from rmtlab.networks import MLP

AVERAGED, NARROW_DRAWS = 48, 400


def _noisy_kernel(
    x: np.ndarray, depth: int, weight_var: float, bias_var: float, second_moment: float
) -> np.ndarray:
    blurred = noise.MultiplicativeGaussian(second_moment - 1)
    return MLP(depth, "relu", weight_var, bias_var, noise=blurred).kernel(x).nngp


def _inputs(own: Numbers, rng: np.random.Generator) -> list[tuple]:
    drawn = []
    for depth in (1, 2, 6):
        x = rng.normal(0, rng.uniform(0.5, 1.5), (4, 5))
        x[3] = x[0]
        drawn.append((x, depth, rng.uniform(0.8, 2), rng.uniform(0.01, 0.4), rng.uniform(1.1, 2)))
    return drawn


def _noise(own: Numbers) -> tuple[float, noise.Noise]:
    """The parameter of the student's noise, and the noise."""
    extra = own.second_moment - 1
    parameter, family = {
        "dropout": (1 / own.second_moment, noise.Dropout),
        "gaussian": (extra, noise.MultiplicativeGaussian),
        "laplace": (np.sqrt(extra / 2), noise.MultiplicativeLaplace),
        "poisson": (1 / extra, noise.Poisson),
    }[own.noise]
    return parameter, family(parameter)


def _critical(own: Numbers) -> float:
    return signal.critical_point(own.activation, own.bias_var, _noise(own)[1]).weight_var


def _xi_c(own: Numbers) -> float:
    field = signal.MeanField(own.activation, _critical(own), own.bias_var, _noise(own)[1])
    return field.depth_scales().xi_c


def _same(own: Numbers) -> float:
    """The correlation of two passes of one input in layer L."""
    dropout = noise.Dropout(own.keep)
    net = MLP(own.depth, "relu", noise.critical(dropout)[0], noise=dropout)
    twice = np.ones((2, 1))
    return float(signal.theory(net, twice).correlations[-1, 0, 1])


def _passes_needed(own: Numbers) -> float:
    c = _same(own)
    return own.agreement / (1 - own.agreement) * (1 - c) / c


def _agreement(own: Numbers) -> float:
    c = _same(own)
    return c / (c + (1 - c) / own.passes)


def _pair_scatter(own: Numbers) -> float:
    """N times the variance of the correlation that one layer gives two passes, at the c of the last layer.

    With signals a, b scaled to E[a²] = 1 the correlation moves by the mean over units of ab − c(a² + b²)/2,
    of variance E[a²b²](1 + c²/2) − 2cE[a³b] + c²E[a⁴]/2; for dropout E[a⁴] = 6/p, and E[a²b²] and E[a³b] are
    four times those of two rectified Gaussians.
    """
    c = _same(own)
    cov = np.array([[1.0, c], [c, 1.0]])

    def mean(i: int, j: int) -> float:
        def power(k: int) -> Callable[[np.ndarray], np.ndarray]:
            return lambda u: np.maximum(u, 0) ** k

        return 4 * float(gaussian.expectation2(power(i), power(j), cov, kinks=(0.0,)))

    return mean(2, 2) * (1 + c**2 / 2) - 2 * c * mean(3, 1) + 3 * c**2 / own.keep


def _agreement_tolerance(own: Numbers) -> float:
    """Four standard errors of a mean over the networks, and what a bias of (6/p − 1)/N in c makes of r.

    The last layer measures r over N units with variance (1−r²)²/N. c scatters in every layer, averaged over
    k² pairs of passes by no more than for one pair; a layer damps what came before by its slope; and
    r = c/(c + (1−c)/k) passes it on by its derivative.
    """
    c, r = _same(own), _agreement(own)
    slope = own.keep * (1 - np.arccos(c) / np.pi)
    passed_on = r**2 / (own.passes * c**2)
    scatter = passed_on**2 * _pair_scatter(own) / (1 - slope**2)
    standard_error = np.sqrt(((1 - r**2) ** 2 + scatter) / own.width / AVERAGED)
    return float(4 * standard_error + passed_on * (6 / own.keep - 1) / own.width)


def _log_steps(own: Numbers) -> tuple[float, float]:
    """Mean and variance of ln R for masks on units: given K units active and kept, R is (2/pN) χ²_K."""
    n, p = own.narrow_width, own.narrow_keep
    active = np.arange(1, n + 1)
    chance = stats.binom.pmf(active, n, p / 2)
    means = special.digamma(active / 2) + np.log(4 / (p * n))
    mean = chance @ means
    return mean, chance @ (special.polygamma(1, active / 2) + (means - mean) ** 2)


def _steps(own: Numbers) -> int:
    return own.narrow_depth - 1


def _units_tolerance(own: Numbers) -> float:
    """Four standard errors; the mean of a step is exact at every N, and steps are independent."""
    return float(4 * np.sqrt(_steps(own) * _log_steps(own)[1] / NARROW_DRAWS))


def _next_order(own: Numbers) -> float:
    """What the second order adds to a step's mean, times −N².

    18(1/p − 1) from the scatter of the rows' variances, 4 from third and fourth cumulants of the factor:
    κ₃/3 − κ₂²·3/4 with κ₂ = 5, κ₃ = 44.
    """
    return 18 * (1 / own.narrow_keep - 1) + 4


def _drift_weights(own: Numbers) -> float:
    n = own.narrow_width
    return -_steps(own) * (2.5 / n + _next_order(own) / n**2)


def _weights_tolerance(own: Numbers) -> float:
    """Four standard errors, of steps with variance 5/N and its next order, and a half of the second order."""
    n = own.narrow_width
    variance = 5 / n + 2 * _next_order(own) / n**2
    return float(
        4 * np.sqrt(_steps(own) * variance / NARROW_DRAWS) + _steps(own) * _next_order(own) / 2 / n**2
    )


ANSWERS = {
    "noisy_kernel": {
        "noisy_kernel": Function(
            _noisy_kernel,
            _inputs,
            1e-6,
            "the kernel is known in closed form",
        ),
    },
    "critical": {
        "parameter": Value(lambda own: _noise(own)[0], 1e-4, "a short formula"),
        "critical_weight_var": Value(_critical, 1e-4, "four digits are asked for"),
        "xi_c": Value(_xi_c, 1e-4, "four digits are asked for"),
    },
    "passes": {
        "passes_needed": Value(_passes_needed, 1e-4, "the map is exact; four digits are asked for"),
        "agreement_theory": Value(
            _agreement, 1e-4, "the map is exact; four digits are asked for", absolute=True
        ),
        "agreement_measured": Value(
            _agreement,
            _agreement_tolerance,
            "four standard errors over 48 networks of your width, and a bias of the order (6/p − 1)/N",
            absolute=True,
        ),
    },
    "narrow_noise": {
        "drift_units": Value(
            lambda own: _steps(own) * _log_steps(own)[0],
            _units_tolerance,
            "four standard errors over 400 networks",
            absolute=True,
        ),
        "drift_weights": Value(
            _drift_weights,
            _weights_tolerance,
            "four standard errors over 400 networks, and terms beyond the leading order",
            absolute=True,
        ),
        "drift_units_theory": Value(
            lambda own: -(6 / own.narrow_keep - 1) * _steps(own) / (2 * own.narrow_width),
            1e-6,
            "a short formula",
        ),
        "drift_weights_theory": Value(
            lambda own: -2.5 * _steps(own) / own.narrow_width, 1e-6, "a short formula"
        ),
    },
}

# A wrong turn for each question: what stands in the solution, and what a student might write instead.
PLANTED = {
    "noisy_kernel": ("average + (second_moment - 1) * np.diag(np.diag(average))", "second_moment * average"),
    "critical": ("own.activation, own.bias_var, noise(parameter)", "own.activation, own.bias_var"),
    "passes": ("(1 - c) / (c * (1 - share))", "(1 - c**2) / (c**2 * (1 - share))"),
    "narrow_noise": ("drift_units_theory = -(6 / p - 1)", "drift_units_theory = -(6 - 1) / p"),
}
