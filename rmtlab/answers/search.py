"""Answers to the exercises of the chapter on search."""

from math import ceil, e, log, sinh, sqrt

import numpy as np

from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]


def _trials(*, allowed: float, step: float, sure: float) -> int:
    return ceil(log(1 - sure) / log(1 - allowed * step))


def _trials_on_average(*, allowed: float, step: float, sure: float) -> float:
    return 1 / (allowed * step)


def _trials_with_known_step(*, allowed: float, step: float, sure: float) -> int:
    return ceil(log(1 - sure) / log(1 - allowed))


def _trials_inside(*, allowed: float, step: float, sure: float) -> int:
    return ceil(log(1 - sure) / log(1 - step))


def _window(*, depth: int) -> float:
    return sinh(6 / depth)


def _window_length(*, depth: int) -> float:
    return 4 * sinh(6 / depth)


def _window_of_deviations(*, depth: int) -> float:
    return sqrt(2) * sinh(3 / depth)


def _interval(*, keep: float) -> float:
    return 2 * keep * e


def _interval_by_mean(*, keep: float) -> float:
    return 4 * keep


def _interval_without_noise(*, keep: float) -> float:
    return 2 * e


def _best_of(scores: np.ndarray, n: int) -> float:
    ordered = np.sort(scores)
    below = np.arange(len(ordered) + 1) / len(ordered)
    return float(np.sum(ordered * np.diff(below**n)))


def _best_of_all(scores: np.ndarray, n: int) -> float:
    return float(np.max(scores))


def _best_of_one(scores: np.ndarray, n: int) -> float:
    return float(np.mean(scores))


def _worst_of(scores: np.ndarray, n: int) -> float:
    return -_best_of(-np.asarray(scores), n)


_SCORES = np.random.default_rng(0).random(12)

EXERCISES = {
    "trials": Exercise(
        truth=_trials,
        tolerance=8e-3,
        why="a whole number; one too few or too many is forgiven",
        slips=(
            Slip(_trials_on_average, "This is the mean number of trials; to be this sure takes more."),
            Slip(_trials_with_known_step, "This forgets that the step size has to be right as well."),
            Slip(_trials_inside, "This is for trials inside the region; here they are blind."),
        ),
    ),
    "window": Exercise(
        truth=_window,
        tolerance=5e-3,
        why="three digits of a short formula",
        slips=(
            Slip(_window_length, "This is the length of the strip; the share is of an interval."),
            Slip(
                _window_of_deviations,
                "This is the share for σ_w drawn uniformly; here σ_w² is drawn.",
            ),
        ),
    ),
    "interval": Exercise(
        truth=_interval,
        tolerance=5e-3,
        why="three digits of a short formula",
        slips=(
            Slip(
                _interval_by_mean,
                "This makes the mean of χ one; the typical network goes by the mean of its logarithm.",
            ),
            Slip(_interval_without_noise, "This is right without dropout, which changes χ."),
        ),
    ),
    "best-of": Exercise(
        truth=_best_of,
        tolerance=1e-9,
        why="a sum of a few terms",
        inputs={
            "For twelve scores and three draws": (_SCORES, 3),
            "For one draw": (_SCORES[:5], 1),
            "For scores in another order and eight draws": (_SCORES[::-1].copy(), 8),
        },
        slips=(
            Slip(_best_of_all, "This is the best of all scores; a search sees only some of them."),
            Slip(_best_of_one, "This is the mean, the best of one draw."),
            Slip(_worst_of, "This is the worst of n draws."),
        ),
    ),
}
