"""Answers to the exercises of the chapter on signals."""

from typing import Any

import numpy as np

from rmtlab import activations
from rmtlab import signal as chapter
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]

_RULE = 6


def _relu_map(c: np.ndarray, layers: int) -> np.ndarray:
    relu = activations.get("relu")
    found = np.asarray(c, dtype=float)
    for _ in range(layers):
        found = 2 * relu.dual(1.0, 1.0, found)[0]
    return found


def _relu_map_once(c: np.ndarray, layers: int) -> np.ndarray:
    return _relu_map(c, 1)


def _relu_fixed_point(*, weight_var: float, bias_var: float) -> float:
    return chapter.MeanField("relu", weight_var, bias_var).fixed_point().q


def _linear_fixed_point(*, weight_var: float, bias_var: float) -> float:
    return bias_var / (1 - weight_var) if weight_var != 1 else np.inf


def _depth_limit(*, weight_var: float, bias_var: float) -> int:
    return int(_RULE * chapter.MeanField("tanh", weight_var, bias_var).depth_scales().xi_c)


def _depth_scale(*, weight_var: float, bias_var: float) -> int:
    return int(chapter.MeanField("tanh", weight_var, bias_var).depth_scales().xi_c)


def _limit_of_the_variance(*, weight_var: float, bias_var: float) -> int:
    return int(_RULE * chapter.MeanField("tanh", weight_var, bias_var).depth_scales().xi_q)


def _gradient_ratio(*, weight_var: float, bias_var: float, layers: int) -> float:
    return chapter.MeanField("tanh", weight_var, bias_var).chi ** layers


def _gradient_ratio_of_lengths(**described: Any) -> float:
    return float(np.sqrt(_gradient_ratio(**described)))


def _gradient_ratio_inverted(**described: Any) -> float:
    return 1 / _gradient_ratio(**described)


def _gradient_ratio_one_layer_more(*, layers: int, **described: Any) -> float:
    return _gradient_ratio(layers=layers + 1, **described)


EXERCISES = {
    "relu-map": Exercise(
        truth=_relu_map,
        tolerance=1e-7,
        why="near c = 1 the formula loses half the digits of double precision",
        inputs={
            "For one layer": (np.array([0.0, 0.5, 0.9]), 1),
            "For ten layers": (np.array([-0.9, 0.0, 0.3]), 10),
            "For no layer": (np.array([0.2]), 0),
        },
        slips=(Slip(_relu_map_once, "The map is applied once only; each layer applies it again."),),
    ),
    "relu-fixed-point": Exercise(
        truth=_relu_fixed_point,
        tolerance=1e-6,
        why="the fixed point is a short formula",
        slips=(
            Slip(_linear_fixed_point, "This is right for a linear network; ReLU halves the mean square."),
        ),
    ),
    "depth-limit": Exercise(
        truth=_depth_limit,
        tolerance=0.0,
        why="a whole number of layers",
        slips=(
            Slip(_depth_scale, "This is the depth scale itself; the rule allows six of them."),
            Slip(_limit_of_the_variance, "This is six times ξ_q; what must survive is the correlation."),
        ),
    ),
    "gradient-ratio": Exercise(
        truth=_gradient_ratio,
        tolerance=1e-2,
        why="a factor known to nine digits, to the power 49",
        slips=(
            Slip(
                _gradient_ratio_of_lengths,
                "This is the ratio of the gradients' lengths; their squares are asked for.",
            ),
            Slip(_gradient_ratio_inverted, "This is the ratio the other way round."),
            Slip(_gradient_ratio_one_layer_more, "Count the steps from layer 50 down to layer 1 again."),
        ),
    ),
}
