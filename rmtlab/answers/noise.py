"""Answers to the exercises of the chapter on noise."""

from math import exp, log

import numpy as np
from scipy.optimize import brentq

from rmtlab import noise, signal
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]

_CORRELATIONS = np.array([-0.9, -0.2, 0.0, 0.3, 0.8, 1.0])


def _plain_mask(*, drop: float) -> float:
    return 2 / (1 - drop)


def _plain_mask_with_drop_for_keep(*, drop: float) -> float:
    return 2 / drop


def _inverted_mask(*, drop: float) -> float:
    return noise.critical(noise.Dropout(1 - drop))[0]


def _inverted_mask_with_drop_for_keep(*, drop: float) -> float:
    return 2 * drop


def _overflow(*, keep: float, weight_var: float, largest: float) -> float:
    factor = 0.5 * weight_var / keep
    if factor <= 1:
        raise ValueError("the variance does not grow.")
    return log(largest) / log(factor)


def _overflow_of_signals(*, keep: float, weight_var: float, largest: float) -> float:
    return 2 * _overflow(keep=keep, weight_var=weight_var, largest=largest)


def _overflow_without_half(*, keep: float, weight_var: float, largest: float) -> float:
    return log(largest) / log(weight_var / keep)


def _overflow_from_drop(*, keep: float, weight_var: float, largest: float) -> float:
    return log(largest) / log(0.5 * weight_var / (1 - keep))


def _kappa(c: np.ndarray) -> np.ndarray:
    return signal.MeanField("relu", weight_var=2.0).correlation(c, q=1.0)


def _correlation_map(c: np.ndarray, second_moment: float, layers: int) -> np.ndarray:
    for _ in range(layers):
        c = np.clip(_kappa(c) / second_moment, -1, 1)
    return c


def _noiseless(c: np.ndarray, second_moment: float, layers: int) -> np.ndarray:
    return _correlation_map(c, 1.0, layers)


def _noise_once(c: np.ndarray, second_moment: float, layers: int) -> np.ndarray:
    return _noiseless(c, second_moment, layers) / second_moment


def _one_layer(c: np.ndarray, second_moment: float, layers: int) -> np.ndarray:
    return _correlation_map(c, second_moment, 1)


def _limit(keep: float) -> float:
    mask = noise.Dropout(keep)
    return signal.MeanField("relu", noise.critical(mask)[0], noise=mask).depth_scales().trainable_depth


def _keep_for_depth(*, depth: float) -> float:
    return brentq(lambda keep: _limit(keep) - depth, 0.01, 1 - 1e-9, xtol=1e-14)


def _drop_for_depth(*, depth: float) -> float:
    return 1 - _keep_for_depth(depth=depth)


def _keep_for_depth_scale(*, depth: float) -> float:
    return _keep_for_depth(depth=6 * depth)


def _keep_by_the_bound(*, depth: float) -> float:
    return exp(-6 / depth)


def _keep_by_weak_noise(*, depth: float) -> float:
    return 1 / (1 + (1.48728 * 6 / depth) ** 3)


EXERCISES = {
    "plain-mask": Exercise(
        truth=_plain_mask,
        tolerance=5e-3,
        why="three digits of a short formula",
        slips=(
            Slip(_plain_mask_with_drop_for_keep, "The formula needs the probability to keep a unit."),
            Slip(_inverted_mask, "This is right for inverted masks; hers are not scaled up."),
            Slip(
                _inverted_mask_with_drop_for_keep,
                "This is the formula for inverted masks, and with the drop rate for the keep probability.",
            ),
        ),
    ),
    "overflow": Exercise(
        truth=_overflow,
        tolerance=5e-3,
        why="three digits of a short formula",
        slips=(
            Slip(
                _overflow_of_signals,
                "This is where the signals overflow, of size √q; the question is about q.",
            ),
            Slip(_overflow_without_half, "ReLU passes half of the variance on."),
            Slip(_overflow_from_drop, "Here 0.7 is the probability to keep a unit, not to drop it."),
        ),
    ),
    "correlation-map": Exercise(
        truth=_correlation_map,
        tolerance=1e-7,
        why="a closed form, a few times over; a root near c = 1 costs half of the digits",
        inputs={
            "For weak noise and three layers": (_CORRELATIONS, 1.25, 3),
            "For strong noise and one layer": (_CORRELATIONS, 2.0, 1),
            "For strong noise and thirty layers": (_CORRELATIONS, 2.0, 30),
        },
        slips=(
            Slip(_noiseless, "This is the map without noise, or with a mask that both inputs share."),
            Slip(_noise_once, "The noise acts in every layer, not only in the last one."),
            Slip(_one_layer, "This is one layer; apply the map to its own result."),
        ),
    ),
    "keep-for-depth": Exercise(
        truth=_keep_for_depth,
        tolerance=1e-3,
        why="three digits of a root",
        slips=(
            Slip(_drop_for_depth, "This is the share that is dropped."),
            Slip(
                _keep_for_depth_scale, "Here one depth scale is as long as the network; the rule allows six."
            ),
            Slip(
                _keep_by_the_bound,
                "This is what the bound for all activations allows; a rectifier bears less.",
            ),
            Slip(_keep_by_weak_noise, "This is the law for weak noise; the exact root is asked for."),
        ),
    ),
}
