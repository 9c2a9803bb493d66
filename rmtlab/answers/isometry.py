"""Answers to the exercises of the chapter on dynamical isometry."""

from math import sqrt

import numpy as np
from scipy.stats import norm

from rmtlab import ensembles
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]

_RNG = np.random.default_rng(0)
_WEIGHTS = [
    ensembles.ginibre(6, 5, rng=_RNG),
    ensembles.ginibre(6, rng=_RNG),
    ensembles.ginibre(4, 6, rng=_RNG),
]
_SLOPES = [_RNG.random(6), _RNG.random(6), _RNG.random(4)]


def _variance(*, layers: int, p: float) -> float:
    return layers * (1 / p - 1)


def _variance_with_gaussian_weights(*, layers: int, p: float) -> float:
    return layers / p


def _variance_of_one_layer(*, layers: int, p: float) -> float:
    return 1 / p - 1


def _design(*, layers: int, alpha: float, variance: float) -> float:
    return (alpha / norm.ppf(1 / (1 + variance / layers))) ** 2


def _design_deviation(*, layers: int, alpha: float, variance: float) -> float:
    return sqrt(_design(layers=layers, alpha=alpha, variance=variance))


def _design_of_hard_tanh(*, layers: int, alpha: float, variance: float) -> float:
    return (alpha / norm.ppf(0.5 + 0.5 / (1 + variance / layers))) ** 2


def _edge(*, layers: int, p: float) -> float:
    m = (1 - layers + sqrt((layers - 1) ** 2 + 4 * layers * p)) / (2 * layers)
    return (1 + m) / m * ((m + p) / p) ** layers


def _edge_with_orthogonal_weights(*, layers: int, p: float) -> float:
    return (1 - p) / p * layers**layers / (layers - 1) ** (layers - 1)


def _edge_as_singular_value(*, layers: int, p: float) -> float:
    return sqrt(_edge(layers=layers, p=p))


def _jacobian(weights: list[np.ndarray], slopes: list[np.ndarray]) -> np.ndarray:
    product = np.eye(weights[0].shape[1])
    for matrix, slope in zip(weights, slopes, strict=True):
        product = slope[:, None] * (matrix @ product)
    return product


def _mean_square(weights: list[np.ndarray], slopes: list[np.ndarray]) -> float:
    product = _jacobian(weights, slopes)
    return float(np.sum(product**2) / len(product))


def _sum_of_squares(weights: list[np.ndarray], slopes: list[np.ndarray]) -> float:
    return float(np.sum(_jacobian(weights, slopes) ** 2))


def _mean_singular_value(weights: list[np.ndarray], slopes: list[np.ndarray]) -> float:
    return float(np.linalg.svd(_jacobian(weights, slopes), compute_uv=False).mean())


EXERCISES = {
    "variance": Exercise(
        truth=_variance,
        tolerance=5e-3,
        why="three digits of a short formula",
        slips=(
            Slip(
                _variance_with_gaussian_weights,
                "This is right for Gaussian weights; orthogonal ones add nothing.",
            ),
            Slip(_variance_of_one_layer, "This is one layer; relative variances of free factors add."),
        ),
    ),
    "design": Exercise(
        truth=_design,
        tolerance=5e-3,
        why="three digits of a short formula",
        slips=(
            Slip(_design_deviation, "This is the square root; q* is a variance."),
            Slip(_design_of_hard_tanh, "This is for two kinks, at ±α; a shifted ReLU has one."),
        ),
    ),
    "edge": Exercise(
        truth=_edge,
        tolerance=2e-3,
        why="the edge is the turning point of a short formula",
        slips=(
            Slip(_edge_with_orthogonal_weights, "This is the edge for orthogonal weights."),
            Slip(
                _edge_as_singular_value,
                "This is the largest singular value; the question is about its square.",
            ),
        ),
    ),
    "mean-square": Exercise(
        truth=_mean_square,
        tolerance=1e-9,
        why="three products of small matrices",
        inputs={
            "For three rectangular layers": (_WEIGHTS, _SLOPES),
            "For one layer": (_WEIGHTS[:1], _SLOPES[:1]),
            "For two layers": (_WEIGHTS[:2], _SLOPES[:2]),
        },
        slips=(
            Slip(_sum_of_squares, "This is the sum of the eigenvalues; divide by their number."),
            Slip(_mean_singular_value, "This is the mean of the singular values, not of their squares."),
        ),
    ),
}
