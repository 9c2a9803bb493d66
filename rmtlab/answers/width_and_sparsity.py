"""Answers to the exercises of the chapter on width and sparsity."""

from math import sqrt

import numpy as np

from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]

_RNG = np.random.default_rng(0)
_CASES = [
    (
        _RNG.standard_normal((n, r)) @ _RNG.standard_normal((r, d))
        + 0.3 * _RNG.standard_normal((n, d))
        + 1.0,
        part,
    )
    for n, r, d, part in ((40, 2, 6, [0, 3]), (60, 4, 9, [1, 2, 5, 8]), (50, 3, 5, [4]))
]


def _variance(*, fan_in: int, density: float) -> float:
    return 2 / (fan_in * density)


def _variance_of_the_dense_layer(*, fan_in: int, density: float) -> float:
    return 2 / fan_in


def _variance_of_what_is_gone(*, fan_in: int, density: float) -> float:
    return 2 / (fan_in * (1 - density))


def _variance_without_rectifier(*, fan_in: int, density: float) -> float:
    return 1 / (fan_in * density)


def _weights(inputs: int, width: int, outputs: int) -> int:
    return inputs * width + width**2 + width * outputs


def _density(*, inputs: int, width: int, outputs: int, factor: float) -> float:
    return _weights(inputs, width, outputs) / _weights(inputs, int(factor * width), outputs)


def _density_of_one_layer(*, inputs: int, width: int, outputs: int, factor: float) -> float:
    return 1 / factor


def _density_of_the_square_layer(*, inputs: int, width: int, outputs: int, factor: float) -> float:
    return 1 / factor**2


def _known(x: np.ndarray, part: list[int]) -> float:
    return _known_as_it_is(x - x.mean(axis=0), part)


def _known_as_it_is(x: np.ndarray, part: list[int]) -> float:
    rest = x - x[:, part] @ np.linalg.lstsq(x[:, part], x, rcond=None)[0]
    return float(1 - np.sum(rest**2) / np.sum(x**2))


def _unknown(x: np.ndarray, part: list[int]) -> float:
    return 1 - _known(x, part)


def _held(x: np.ndarray, part: list[int]) -> float:
    var = x.var(axis=0)
    return float(var[part].sum() / var.sum())


def _channels(*, tokens: int, connections: float, expansion: int) -> float:
    return (sqrt(tokens**2 + 8 * connections / (expansion * tokens)) - tokens) / 2


def _channels_without_expansion(*, tokens: int, connections: float, expansion: int) -> float:
    return _channels(tokens=tokens, connections=connections, expansion=1)


def _channels_of_the_sum(*, tokens: int, connections: float, expansion: int) -> float:
    return _channels(tokens=tokens, connections=connections / 2, expansion=expansion)


EXERCISES = {
    "variance": Exercise(
        truth=_variance,
        tolerance=1e-2,
        why="two digits of a quotient",
        slips=(
            Slip(_variance_of_the_dense_layer, "This counts inputs that the mask has taken away."),
            Slip(_variance_of_what_is_gone, "The density is the share of weights that exist."),
            Slip(_variance_without_rectifier, "The layer is a rectifier, which halves the mean square."),
        ),
    ),
    "density": Exercise(
        truth=_density,
        tolerance=1e-2,
        why="two digits of a quotient of counts",
        slips=(
            Slip(_density_of_one_layer, "The layer between the hidden layers grows in both directions."),
            Slip(_density_of_the_square_layer, "The first and the last layer grow in one direction only."),
        ),
    ),
    "known": Exercise(
        truth=_known,
        tolerance=1e-8,
        why="a least-squares problem of full rank",
        inputs={f"For {len(part)} of {x.shape[1]} inputs": (x, part) for x, part in _CASES},
        slips=(
            Slip(_known_as_it_is, "Take the mean of each column away first."),
            Slip(_unknown, "This is the share that is left over."),
            Slip(_held, "This is the variance of the part itself; let it predict the other columns, too."),
        ),
    ),
    "channels": Exercise(
        truth=_channels,
        tolerance=5e-3,
        why="three digits of the root of a quadratic equation",
        slips=(
            Slip(_channels_without_expansion, "The hidden layers are wider than the Mixer by the expansion."),
            Slip(_channels_of_the_sum, "Ω is the mean of both kinds of layer, not their sum."),
        ),
    ),
}
