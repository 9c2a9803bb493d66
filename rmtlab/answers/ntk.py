"""Answers to the exercises of the chapter on the neural tangent kernel."""

from math import acos, pi, sqrt

import numpy as np

from rmtlab.answers import Exercise, Slip
from rmtlab.networks import MLP
from rmtlab.ntk import LinearDynamics

__all__ = ["EXERCISES"]


def _training_problem(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    rng = np.random.default_rng(n)
    features = rng.normal(size=(n + 2, 2 * n)) / sqrt(2 * n)
    kernel = features @ features.T
    return kernel[:n, :n], kernel[n:, :n], rng.normal(size=n), 0.5 * n


def _diagonal(*, depth: int) -> float:
    return float(MLP(depth, "relu", 2.0).kernel([[1.0]]).ntk[0, 0])


def _diagonal_of_the_covariance(*, depth: int) -> float:
    return float(MLP(depth, "relu", 2.0).kernel([[1.0]]).nngp[0, 0])


def _diagonal_without_the_first(*, depth: int) -> float:
    return _diagonal(depth=depth - 1)


def _one_hidden_layer(*, correlation: float) -> float:
    return _read_out(correlation=correlation) + _first_layer(correlation=correlation)


def _read_out(*, correlation: float) -> float:
    angle = acos(correlation)
    return 2 / pi * (sqrt(1 - correlation**2) + (pi - angle) * correlation)


def _first_layer(*, correlation: float) -> float:
    return 2 * correlation * (pi - acos(correlation)) / pi


def _step_size(*, inputs: int, outputs: int, largest: float) -> float:
    return inputs * outputs / largest


def _step_size_of_the_sum(*, inputs: int, outputs: int, largest: float) -> float:
    return 2 / largest


def _step_size_without_outputs(*, inputs: int, outputs: int, largest: float) -> float:
    return inputs / largest


def _step_size_with_a_half(*, inputs: int, outputs: int, largest: float) -> float:
    return 2 * inputs * outputs / largest


def _trained(theta: np.ndarray, theta_test: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
    return LinearDynamics(theta).change(theta_test, np.asarray(y)[:, None], t)[:, 0]


def _trained_to_the_end(theta: np.ndarray, theta_test: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
    return _trained(theta, theta_test, y, np.inf)


def _still_to_learn(theta: np.ndarray, theta_test: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
    return _trained_to_the_end(theta, theta_test, y, t) - _trained(theta, theta_test, y, t)


EXERCISES = {
    "diagonal": Exercise(
        truth=_diagonal,
        tolerance=1e-9,
        why="a small whole number",
        slips=(
            Slip(_diagonal_of_the_covariance, "This is K; its tangent kernel has a share from every layer."),
            Slip(_diagonal_without_the_first, "A network of L hidden layers has a read-out as well."),
        ),
    ),
    "one-hidden-layer": Exercise(
        truth=_one_hidden_layer,
        tolerance=1e-3,
        why="three digits of a closed form",
        slips=(
            Slip(_read_out, "This is the share of the read-out; the first layer is trained too."),
            Slip(_first_layer, "This is the share of the first layer; the read-out is trained too."),
        ),
    ),
    "step-size": Exercise(
        truth=_step_size,
        tolerance=1e-3,
        why="a quotient of given numbers",
        slips=(
            Slip(
                _step_size_of_the_sum,
                "This is the limit for half the sum of squares; the loss here is a mean.",
            ),
            Slip(_step_size_without_outputs, "This loss is a mean over outputs as well as over inputs."),
            Slip(_step_size_with_a_half, "There is no factor one half in this loss."),
        ),
    ),
    "trained": Exercise(
        truth=_trained,
        tolerance=1e-6,
        why="matrix functions of small, well-conditioned matrices",
        inputs={f"For {n} training inputs": _training_problem(n) for n in (1, 4, 9)},
        slips=(
            Slip(_trained_to_the_end, "This is the end of training; the time does not matter in it."),
            Slip(_still_to_learn, "This is what remains to be learnt after time t."),
        ),
    ),
}
