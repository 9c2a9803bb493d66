"""Answers to the exercises of the chapter on Mixers."""

from math import sqrt

import numpy as np

from rmtlab import activations, mixer
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]

_RNG = np.random.default_rng(0)
_SIZES = ((2, 3), (5, 3), (4, 6))
_CASES = [(_RNG.normal(size=s * c), _RNG.normal(size=(s, s)), _RNG.normal(size=(c, c))) for s, c in _SIZES]
_GRADIENTS = [(_RNG.normal(size=(s * c, s * c)), s) for s, c in _SIZES]


def _gain(*, tokens: int, channels: int) -> float:
    shape = mixer.Shape(tokens, channels)
    return mixer.maximal_width(float(shape.mean_connections)) / shape.width


def _gain_at_equal_sum(*, tokens: int, channels: int) -> float:
    return ((tokens + channels) / 2) ** 2 / (tokens * channels)


def _gain_per_side(*, tokens: int, channels: int) -> float:
    return sqrt(_gain(tokens=tokens, channels=channels))


def _rectangle(*, activation: str, q: float) -> float:
    phi = activations.get(activation)
    return (phi.derivative_moment(q, 1) ** 2 / phi.derivative_moment(q, 2)) ** 2


def _rectangle_unscaled(*, activation: str, q: float) -> float:
    return activations.get(activation).derivative_moment(q, 1) ** 4


def _rectangle_of_one_side(*, activation: str, q: float) -> float:
    return sqrt(_rectangle(activation=activation, q=q))


def _wide(x: np.ndarray, W: np.ndarray, V: np.ndarray) -> np.ndarray:
    return mixer.vec(W @ mixer.unvec(x, len(W), len(V)) @ V)


def _wide_by_rows(x: np.ndarray, W: np.ndarray, V: np.ndarray) -> np.ndarray:
    return (W @ x.reshape(len(W), len(V)) @ V).ravel()


def _wide_transposed(x: np.ndarray, W: np.ndarray, V: np.ndarray) -> np.ndarray:
    return _wide(x, W, V.T)


def _blocks(G: np.ndarray, tokens: int) -> np.ndarray:
    channels = len(G) // tokens
    return np.einsum("csct->cst", G.reshape(channels, tokens, channels, tokens))


def _shared(G: np.ndarray, tokens: int) -> np.ndarray:
    return _blocks(G, tokens).sum(axis=0)


def _shared_mean(G: np.ndarray, tokens: int) -> np.ndarray:
    return _blocks(G, tokens).mean(axis=0)


def _shared_everywhere(G: np.ndarray, tokens: int) -> np.ndarray:
    channels = len(G) // tokens
    return G.reshape(channels, tokens, channels, tokens).sum(axis=(0, 2))


def _shared_by_channels(G: np.ndarray, tokens: int) -> np.ndarray:
    channels = len(G) // tokens
    return np.einsum("scuc->su", G.reshape(tokens, channels, tokens, channels))


EXERCISES = {
    "square": Exercise(
        truth=_gain,
        tolerance=1e-2,
        why="two digits of a closed form",
        slips=(
            Slip(_gain_at_equal_sum, "This keeps S + C; keep SC(S + C)/2, the mean connections."),
            Slip(_gain_per_side, "This is the factor of one side; the width is the product of both."),
        ),
    ),
    "rectangle": Exercise(
        truth=_rectangle,
        tolerance=1e-2,
        why="two digits of a Gaussian average",
        slips=(
            Slip(_rectangle_unscaled, "Divide by the square of the mean, (E[φ′²])²."),
            Slip(_rectangle_of_one_side, "A rectangle has four corners, each with one slope."),
        ),
    ),
    "wide": Exercise(
        truth=_wide,
        tolerance=1e-10,
        why="products of small matrices",
        inputs={
            f"For {s} tokens and {c} channels": case for (s, c), case in zip(_SIZES, _CASES, strict=True)
        },
        slips=(
            Slip(_wide_by_rows, "vec puts columns on top of each other; NumPy's reshape goes along rows."),
            Slip(_wide_transposed, "Multiply by V from the right; the transpose is in V^T ⊗ W only."),
        ),
    ),
    "shared": Exercise(
        truth=_shared,
        tolerance=1e-10,
        why="a sum of a few numbers",
        inputs={
            f"For {s} tokens and {c} channels": case for (s, c), case in zip(_SIZES, _GRADIENTS, strict=True)
        },
        slips=(
            Slip(_shared_mean, "A shared weight collects what all of its copies get: a sum, not a mean."),
            Slip(_shared_everywhere, "Off the diagonal blocks I ⊗ W is zero whatever W is."),
            Slip(_shared_by_channels, "These are the blocks of W ⊗ I; vec has channels outside."),
        ),
    ),
}
