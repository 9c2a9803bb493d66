"""Answers to the exercises of the chapter on free probability."""

from math import sqrt

import numpy as np

from rmtlab import laws
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]

_POINTS = np.array([-1.0, 0.5, 2.0])


def _mixed_moment(*, a: tuple[float, float], b: tuple[float, float]) -> float:
    return a[1] * b[0] ** 2 + a[0] ** 2 * b[1] - a[0] ** 2 * b[0] ** 2


def _independent_moment(*, a: tuple[float, float], b: tuple[float, float]) -> float:
    return a[1] * b[1]


def _moment_without_correction(*, a: tuple[float, float], b: tuple[float, float]) -> float:
    return a[1] * b[0] ** 2 + a[0] ** 2 * b[1]


def _atoms(*, p: float, q: float, n: int) -> float:
    coins = (laws.Discrete([0.0, 1.0], [1 - share, share]) for share in (p, q))
    return n * laws.free_add(*coins).atoms.get(2.0, 0.0)


def _independent_atoms(*, p: float, q: float, n: int) -> float:
    return n * p * q


def _smaller_rank(*, p: float, q: float, n: int) -> float:
    return n * min(p, q)


def _relu_edge(*, layers: int) -> float:
    m = (1 - layers + sqrt((layers - 1) ** 2 + 2 * layers)) / (2 * layers)
    return (1 + m) / m * (1 + 2 * m) ** layers


def _linear_edge(*, layers: int) -> float:
    return laws.FussCatalan(layers).support[0][1]


def _singular_edge(*, layers: int) -> float:
    return sqrt(_relu_edge(layers=layers))


def _density(x: float, points: np.ndarray, var: float) -> float:
    support, counts = np.unique(points, return_counts=True)
    signal = laws.Discrete(support, counts / len(points))
    return float(laws.free_add(signal, laws.Semicircle(var=var)).density(x))


def _density_without_pi(x: float, points: np.ndarray, var: float) -> float:
    return np.pi * _density(x, points, var)


def _density_by_the_deviation(x: float, points: np.ndarray, var: float) -> float:
    return _density(x, points, sqrt(var))


EXERCISES = {
    "mixed-moment": Exercise(
        truth=_mixed_moment,
        tolerance=1e-9,
        why="a sum of three products is exact",
        slips=(
            Slip(_independent_moment, "This is right for independent numbers, which commute."),
            Slip(_moment_without_correction, "One term is missing: the product of all four means."),
        ),
    ),
    "atoms": Exercise(
        truth=_atoms,
        tolerance=1e-9,
        why="dimensions are exact",
        slips=(
            Slip(_independent_atoms, "This multiplies the masses, as for independent numbers."),
            Slip(_smaller_rank, "Turned subspaces meet only where their dimensions force them to."),
        ),
    ),
    "relu-edge": Exercise(
        truth=_relu_edge,
        tolerance=1e-3,
        why="the edge is the turning point of a short formula",
        slips=(
            Slip(_linear_edge, "This is the edge without the diagonal matrices D."),
            Slip(_singular_edge, "This is the largest singular value; the question is about its square."),
        ),
    ),
    "density": Exercise(
        truth=_density,
        tolerance=1e-4,
        why="a height of 1e-6 above the axis changes the density by about as much",
        inputs={
            "For three points": (0.3, _POINTS, 0.7),
            "For three points, elsewhere": (2.0, _POINTS, 0.7),
            "For points ±1": (0.2, np.array([-1.0, 1.0]), 1.5),
        },
        slips=(
            Slip(_density_without_pi, "The density is −Im G, divided by π."),
            Slip(_density_by_the_deviation, "var is a variance, not a standard deviation."),
        ),
    ),
}
