"""Answers to the exercises of the chapter on architectures."""

from math import pi

import numpy as np
from scipy import special

from rmtlab import activations
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]


def _kernels(n: int, p: int) -> np.ndarray:
    signals = np.random.default_rng(n * p).normal(size=(n, p, 2 * p))
    return np.einsum("iac,jbc->ijab", signals, signals) / (2 * p)


def _pair(p: int, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kernel = scale * _kernels(2, p)
    return kernel[0, 1], kernel[0, 0], kernel[1, 1]


def _blocks(*, start: float, factor: float) -> float:
    return start * factor ** (1 / (1 - 2 / pi))


def _blocks_of_the_sign_slope(*, start: float, factor: float) -> float:
    return start * factor ** (pi / 2)


def _blocks_of_one_over_l(*, start: float, factor: float) -> float:
    return start * factor


def _duals(activation: str) -> tuple[float, float]:
    square, slopes = activations.get(activation).dual(1.0, 1.0, 1.0)
    return float(square), float(slopes)


def _critical_ratio(*, activation: str) -> float:
    square, slopes = _duals(activation)
    return slopes - square


def _slope_without_biases(*, activation: str) -> float:
    square, slopes = _duals(activation)
    return slopes / square


def _slopes_alone(*, activation: str) -> float:
    return _duals(activation)[1]


def _convolved(kernel: np.ndarray, size: int, weight_var: float, bias_var: float) -> np.ndarray:
    steps = range(-(size // 2), size // 2 + 1)
    return weight_var * np.mean([np.roll(kernel, (b, b), axis=(-2, -1)) for b in steps], axis=0) + bias_var


def _convolved_by_a_sum(kernel: np.ndarray, size: int, weight_var: float, bias_var: float) -> np.ndarray:
    return _convolved(kernel, size, size * weight_var, bias_var)


def _convolved_in_all_steps(kernel: np.ndarray, size: int, weight_var: float, bias_var: float) -> np.ndarray:
    steps = range(-(size // 2), size // 2 + 1)
    rolled = [np.roll(kernel, (a, b), axis=(-2, -1)) for a in steps for b in steps]
    return weight_var * np.mean(rolled, axis=0) + bias_var


def _convolved_without_bias(kernel: np.ndarray, size: int, weight_var: float, bias_var: float) -> np.ndarray:
    return _convolved(kernel, size, weight_var, 0.0)


def _attended(k12: np.ndarray, k11: np.ndarray, k22: np.ndarray, query_var: float) -> np.ndarray:
    one, two = (special.softmax(query_var * k, axis=1) for k in (k11, k22))
    return one @ k12 @ two.T


def _attended_by_one(k12: np.ndarray, k11: np.ndarray, k22: np.ndarray, query_var: float) -> np.ndarray:
    return _attended(k12, k11, k11, query_var)


def _attended_by_columns(k12: np.ndarray, k11: np.ndarray, k22: np.ndarray, query_var: float) -> np.ndarray:
    one, two = (special.softmax(query_var * k, axis=0) for k in (k11, k22))
    return one @ k12 @ two.T


def _attended_untransposed(k12: np.ndarray, k11: np.ndarray, k22: np.ndarray, query_var: float) -> np.ndarray:
    one, two = (special.softmax(query_var * k, axis=1) for k in (k11, k22))
    return one @ k12 @ two


EXERCISES = {
    "blocks": Exercise(
        truth=_blocks,
        tolerance=0.01,
        why="two digits of a power law",
        slips=(
            Slip(_blocks_of_the_sign_slope, "This uses the slope of C; the exponent is 1 − C′(0)."),
            Slip(_blocks_of_one_over_l, "The correlation falls more slowly than the inverse of depth."),
        ),
    ),
    "critical-ratio": Exercise(
        truth=_critical_ratio,
        tolerance=1e-3,
        why="three digits of a closed form",
        slips=(
            Slip(
                _slope_without_biases, "This is χ without biases; look for the ratio that brings it to one."
            ),
            Slip(_slopes_alone, "The layer norm makes the mean square of φ count as well."),
        ),
    ),
    "convolved": Exercise(
        truth=_convolved,
        tolerance=1e-9,
        why="a mean of a few arrays",
        inputs={
            f"For {n} inputs, {p} positions and size {size}": (_kernels(n, p), size, 1.5, 0.2)
            for n, p, size in ((1, 4, 1), (2, 5, 3), (3, 7, 5))
        },
        slips=(
            Slip(_convolved_by_a_sum, "Weights have the variance σ_w² over the size of the patch."),
            Slip(
                _convolved_in_all_steps, "Weights of different steps are independent: both ends move alike."
            ),
            Slip(_convolved_without_bias, "The biases are missing."),
        ),
    ),
    "attended": Exercise(
        truth=_attended,
        tolerance=1e-9,
        why="a softmax and two products of small matrices",
        inputs={
            f"For {p} positions and logits of size {scale:g}": (*_pair(p, scale), 1.5)
            for p, scale in ((1, 1.0), (4, 1.0), (6, 2000.0))
        },
        slips=(
            Slip(_attended_by_one, "Each input looks at itself: G of x′ comes from K(x′, x′)."),
            Slip(_attended_by_columns, "Each row of G sums to one: the softmax runs over what is looked at."),
            Slip(_attended_untransposed, "The second G stands on the right, and transposed."),
        ),
    ),
}
