"""Answers to the exercises of the chapter on layers as a lattice."""

from math import exp, log

import numpy as np

from rmtlab import field
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]

_RNG = np.random.default_rng(0)
_DELTA = _RNG.normal(size=(7, 12)).cumsum(axis=1)


def _weight_var(*, length: float) -> float:
    return 2 * exp(-1 / length)


def _weight_var_of_linear(*, length: float) -> float:
    return exp(-1 / length)


def _weight_var_from_mass(*, length: float) -> float:
    return 2 * (1 - 1 / length)


def _width(*, weight_var: float, relative_spread: float) -> float:
    chain = field.Lattice("relu", weight_var, 1 - weight_var / 2, width=1)
    return float(chain.covariance(0)) / relative_spread**2


def _width_of_linear(*, weight_var: float, relative_spread: float) -> float:
    return 2 / (1 - weight_var**2 / 4) / relative_spread**2


def _width_of_variance(*, weight_var: float, relative_spread: float) -> float:
    return _width(weight_var=weight_var, relative_spread=relative_spread) * relative_spread


def _width_of_independent_layers(*, weight_var: float, relative_spread: float) -> float:
    return 2 / relative_spread**2


def _dark(*, width: int, factor: float) -> float:
    return -2 * width * log(factor) / 5


def _dark_of_linear(*, width: int, factor: float) -> float:
    return -width * log(factor)


def _dark_amplitude(*, width: int, factor: float) -> float:
    return 2 * _dark(width=width, factor=factor)


def _structure_factor(delta: np.ndarray) -> np.ndarray:
    return _sum_of_modes(delta) / delta.shape[1]


def _sum_of_modes(delta: np.ndarray) -> np.ndarray:
    return np.mean(np.abs(np.fft.rfft(delta, axis=1)) ** 2, axis=0)


def _square_of_mean(delta: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfft(delta, axis=1).mean(axis=0)) ** 2 / delta.shape[1]


def _mean_amplitude(delta: np.ndarray) -> np.ndarray:
    return np.mean(np.abs(np.fft.rfft(delta, axis=1)), axis=0) / delta.shape[1] ** 0.5


EXERCISES = {
    "weight-var": Exercise(
        truth=_weight_var,
        tolerance=2e-4,
        why="the answer lies so near the critical value that three digits would not tell them apart",
        slips=(
            Slip(_weight_var_of_linear, "This is right for a linear network; ReLU keeps half of the square."),
            Slip(_weight_var_from_mass, "This takes 1 − a for 1/ξ; the lattice has a = exp(−1/ξ)."),
        ),
    ),
    "width": Exercise(
        truth=_width,
        tolerance=1e-2,
        why="leading order of a short formula",
        slips=(
            Slip(
                _width_of_linear, "This is the width of a linear network with the same a; ReLU scatters more."
            ),
            Slip(
                _width_of_variance,
                "The spread is a standard deviation; compare its square with the variance.",
            ),
            Slip(_width_of_independent_layers, "This forgets what a layer inherits from those before it."),
        ),
    ),
    "dark": Exercise(
        truth=_dark,
        tolerance=1e-2,
        why="the next order in one over the width is about one percent",
        slips=(
            Slip(_dark_of_linear, "This is the drift of a linear network."),
            Slip(_dark_amplitude, "This is when |z| has fallen by that factor; q is its square."),
        ),
    ),
    "structure-factor": Exercise(
        truth=_structure_factor,
        tolerance=1e-9,
        why="a sum of a few squares",
        inputs={
            "For seven chains of twelve layers": (_DELTA,),
            "For an odd number of layers": (_DELTA[:, :5],),
            "For a single chain": (_DELTA[:1],),
        },
        slips=(
            Slip(_sum_of_modes, "Divide by the number of layers."),
            Slip(_square_of_mean, "Take the mean over chains of the squares, not the square of the mean."),
            Slip(_mean_amplitude, "This is the mean of the amplitude, not of its square."),
        ),
    ),
}
