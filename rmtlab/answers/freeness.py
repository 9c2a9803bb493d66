"""Answers to the exercises of the chapter on asymptotic freeness."""

from functools import reduce
from math import erf, exp, pi, sqrt

import numpy as np

from rmtlab import ensembles, laws
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]

_RNG = np.random.default_rng(0)
_CASES = [(_RNG.random(n), _RNG.random(n), ensembles.haar_orthogonal(n, rng=_RNG)) for n in (4, 7, 12)]


def _walks(*, generators: int) -> float:
    step: laws.SpectralLaw = laws.Arcsine(radius=2.0)
    return reduce(laws.free_add, [step] * generators).moment(4)


def _walks_on_the_grid(*, generators: int) -> float:
    steps = [laws.Arcsine(radius=2.0)] * generators
    return sum(step.moment(4) for step in steps) + 3 * generators * (generators - 1) * steps[0].moment(2) ** 2


def _walks_of_length_two(*, generators: int) -> float:
    return 2.0 * generators


def _kept(*, q: float) -> float:
    return erf(1 / sqrt(2 * q)) - sqrt(2 / (pi * q)) * exp(-1 / (2 * q))


def _kept_of_a_random_direction(*, q: float) -> float:
    return erf(1 / sqrt(2 * q))


def _kept_without_norm(*, q: float) -> float:
    return q * _kept(q=q)


def _plateau(*, p: float) -> float:
    return (p * (1 - p)) ** 2


def _plateau_uncentred(*, p: float) -> float:
    return p**2


def _plateau_of_one(*, p: float) -> float:
    return p * (1 - p)


def _word(d1: np.ndarray, d2: np.ndarray, W: np.ndarray) -> float:
    return _uncentred_word(d1 - d1.mean(), d2 - d2.mean(), W)


def _uncentred_word(d1: np.ndarray, d2: np.ndarray, W: np.ndarray) -> float:
    product = d1[:, None] * (W.T @ (d2[:, None] * W))
    return float(np.trace(product @ product) / len(product))


def _word_without_average(d1: np.ndarray, d2: np.ndarray, W: np.ndarray) -> float:
    return len(d1) * _word(d1, d2, W)


EXERCISES = {
    "walks": Exercise(
        truth=_walks,
        tolerance=1e-6,
        why="a count of walks is exact",
        slips=(
            Slip(
                _walks_on_the_grid,
                "These are walks on a grid, where generators commute; a tree has no squares.",
            ),
            Slip(_walks_of_length_two, "These are the closed walks of length 2."),
        ),
    ),
    "kept": Exercise(
        truth=_kept,
        tolerance=2e-2,
        why="two digits of a Gaussian average",
        slips=(
            Slip(
                _kept_of_a_random_direction,
                "This is right for a random direction, in which D and W are strangers.",
            ),
            Slip(_kept_without_norm, "Divide by the squared length of h, which is q per neuron."),
        ),
    ),
    "plateau": Exercise(
        truth=_plateau,
        tolerance=1e-2,
        why="two digits of a product",
        slips=(
            Slip(_plateau_uncentred, "The diagonal matrices are centred: use their variances."),
            Slip(_plateau_of_one, "Both diagonal matrices appear twice in the word."),
        ),
    ),
    "word": Exercise(
        truth=_word,
        tolerance=1e-9,
        why="products of small matrices",
        inputs={f"For matrices of size {len(d1)}": (d1, d2, W) for d1, d2, W in _CASES},
        slips=(
            Slip(_uncentred_word, "Centre both diagonal matrices first."),
            Slip(_word_without_average, "τ is the trace divided by n."),
        ),
    ),
}
