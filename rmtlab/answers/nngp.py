"""Answers to the exercises of the chapter on networks as Gaussian processes."""

from math import exp, log, sqrt
from typing import Any

import numpy as np

from rmtlab import activations, networks
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]

_RNG = np.random.default_rng(0)


def _correlation(*, layers: int) -> float:
    relu, c = activations.get("relu"), 0.0
    for _ in range(layers):
        c = 2 * float(relu.dual(1.0, 1.0, c)[0])
    return c


def _correlation_a_layer_early(*, layers: int) -> float:
    return _correlation(layers=layers - 1)


def _correlation_a_layer_late(*, layers: int) -> float:
    return _correlation(layers=layers + 1)


def _posterior(*, variance: float, covariance: float, noise_var: float, target: float) -> list[float]:
    weight = covariance / (variance + noise_var)
    return [weight * target, variance - weight * covariance]


def _posterior_of_exact_data(*, noise_var: float, **described: Any) -> list[float]:
    return _posterior(noise_var=0.0, **described)


def _posterior_deviation(**described: Any) -> list[float]:
    mean, variance = _posterior(**described)
    return [mean, sqrt(variance)]


def _posterior_of_an_observation(*, noise_var: float, **described: Any) -> list[float]:
    mean, variance = _posterior(noise_var=noise_var, **described)
    return [mean, variance + noise_var]


def _depth(*, q: float, xi_c: float, noise_var: float) -> float:
    return xi_c * log(q / noise_var)


def _depth_without_variance(*, q: float, xi_c: float, noise_var: float) -> float:
    return -xi_c * log(noise_var)


def _depth_by_rule(*, q: float, xi_c: float, noise_var: float) -> float:
    return 6 * xi_c


def _depth_with_slope(*, q: float, xi_c: float, noise_var: float) -> float:
    return exp(-1 / xi_c) * log(q / noise_var)


def _kernel(x: np.ndarray, depth: int, weight_var: float, bias_var: float) -> np.ndarray:
    return networks.MLP(depth, "relu", weight_var, bias_var).kernel(x).nngp


def _kernel_a_layer_late(x: np.ndarray, depth: int, weight_var: float, bias_var: float) -> np.ndarray:
    return _kernel(x, depth + 1, weight_var, bias_var)


def _kernel_without_dimension(x: np.ndarray, depth: int, weight_var: float, bias_var: float) -> np.ndarray:
    return _kernel(x * sqrt(x.shape[1]), depth, weight_var, bias_var)


def _kernel_of_unit_inputs(x: np.ndarray, depth: int, weight_var: float, bias_var: float) -> np.ndarray:
    lengths = np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    return _kernel(x / lengths, depth, weight_var, bias_var)


def _kernel_without_bias(x: np.ndarray, depth: int, weight_var: float, bias_var: float) -> np.ndarray:
    return _kernel(x, depth, weight_var, 0.0)


EXERCISES = {
    "correlation": Exercise(
        truth=_correlation,
        tolerance=1e-2,
        why="two digits of a short formula",
        slips=(
            Slip(_correlation_a_layer_early, "This is the correlation one hidden layer earlier."),
            Slip(_correlation_a_layer_late, "This is the correlation one hidden layer later."),
        ),
    ),
    "posterior": Exercise(
        truth=_posterior,
        tolerance=5e-3,
        why="two ratios of numbers with two digits",
        slips=(
            Slip(
                _posterior_of_exact_data, "The observation is noisy: its variance is K(x, x) and the noise's."
            ),
            Slip(_posterior_deviation, "The second number is a standard deviation; a variance is asked for."),
            Slip(
                _posterior_of_an_observation,
                "The second number is the variance of another observation; that of the function is asked for.",
            ),
        ),
    ),
    "depth": Exercise(
        truth=_depth,
        tolerance=1e-2,
        why="a logarithm of numbers with two digits or more",
        slips=(
            Slip(_depth_without_variance, "The differences start from q*, not from one."),
            Slip(
                _depth_by_rule, "This is the rule of six depth scales, which suits one noise variance only."
            ),
            Slip(_depth_with_slope, "ξ_c is a number of layers already; multiply by it, not by its slope."),
        ),
    ),
    "kernel": Exercise(
        truth=_kernel,
        tolerance=1e-7,
        why="near correlation 1 the formula loses half the digits of double precision",
        hints={
            "not-finite": "Rounding may carry a correlation beyond 1, where it has no arccosine: clip it."
        },
        inputs={
            "For one layer": (_RNG.normal(size=(3, 5)), 1, 2.0, 0.0),
            "For four layers": (_RNG.normal(size=(4, 7)), 4, 1.5, 0.3),
            "For inputs of different lengths": (
                _RNG.normal(size=(3, 6)) * [[0.3], [1.0], [3.0]],
                2,
                1.8,
                0.1,
            ),
        },
        slips=(
            Slip(
                _kernel_a_layer_late, "There is one layer too many: the first kernel is that of the inputs."
            ),
            Slip(_kernel_without_dimension, "Divide x·x′ by the number of inputs, d, in the first layer."),
            Slip(
                _kernel_of_unit_inputs, "Inputs may have any length; use the two diagonal entries of a pair."
            ),
            Slip(_kernel_without_bias, "σ_b² is missing: it is added at every layer, the first one too."),
        ),
    ),
}
