"""Truths, tolerances and planted errors of the problem set on the multilayer perceptron."""

from itertools import pairwise

import numpy as np

from problems.frame.judging import Function, Value
from rmtlab import activations, mlp
from rmtlab.coursework import Numbers
from rmtlab.networks import MLP

NETWORKS, MATRICES = 4000, 400
TRACY_WIDOM_MEAN, TRACY_WIDOM_SD = -1.2065, 1.2680


def _input_gradient(x: np.ndarray, weights: list[np.ndarray], biases: list[np.ndarray]) -> np.ndarray:
    jacobian, signal = np.eye(x.size), x
    for W, b in zip(weights[:-1], biases[:-1], strict=True):
        signal = np.tanh(W @ signal + b)
        jacobian = (1 - signal**2)[:, None] * (W @ jacobian)
    return (weights[-1] @ jacobian)[0]


def _networks(own: Numbers, rng: np.random.Generator) -> list[tuple]:
    drawn = []
    for depth in (1, 2, 4):
        widths = [*rng.integers(2, 7, size=depth + 1), 1]
        weights = [rng.standard_normal((n, m)) for m, n in pairwise(widths)]
        drawn.append((rng.standard_normal(widths[0]), weights, [rng.standard_normal(n) for n in widths[1:]]))
    return drawn


def _variances(own: Numbers) -> list[float]:
    phi, found = activations.get(own.activation), [own.weight_var * own.size + own.bias_var]
    for _ in range(own.depth):
        found.append(float(own.weight_var * phi.moment(found[-1], 2) + own.bias_var))
    return found


def _kurtosis(own: Numbers) -> float:
    net = MLP(1, own.activation, own.weight_var, own.bias_var)
    return mlp.theory(net, np.full(4, np.sqrt(own.size)), own.width).excess_kurtosis


def _kurtosis_tolerance(own: Numbers) -> float:
    """Relative: four standard errors of a variance of near-Gaussian s, √(2/networks), and O(1/n) beyond it.

    s is an average of n terms with kurtosis κ₄, so its own excess κ₄/n, below 30/n for these activations,
    widens the error; 8/n allows for the next order of the kurtosis and of this.
    """
    return 4 * np.sqrt((2 + 30 / own.width) / NETWORKS) + 8 / own.width


def _shape(own: Numbers) -> tuple[int, int]:
    return own.rows, round(own.rows / own.aspect)


def _edge(own: Numbers) -> float:
    rows, columns = _shape(own)
    return np.sqrt(own.weight_var) * (1 + np.sqrt(rows / columns))


def _largest(own: Numbers) -> float:
    """Mean of the largest singular value by Johnstone's centring and scaling of the Tracy–Widom law."""
    rows, columns = _shape(own)
    ends = np.sqrt(columns - 1) + np.sqrt(rows)
    scale = ends * (1 / np.sqrt(columns - 1) + 1 / np.sqrt(rows)) ** (1 / 3)
    return np.sqrt(own.weight_var * (ends**2 + TRACY_WIDOM_MEAN * scale) / columns)


def _largest_tolerance(own: Numbers) -> float:
    """A quarter of the gap at most: four standard errors, and the next order of relative size p^(−2/3)."""
    gap = _edge(own) - _largest(own)
    spread = gap * TRACY_WIDOM_SD / abs(TRACY_WIDOM_MEAN)
    return 4 * spread / np.sqrt(MATRICES) + gap * own.rows ** (-2 / 3)


ANSWERS = {
    "input_gradient": {
        "input_gradient": Function(
            _input_gradient,
            _networks,
            1e-9,
            "only the order of additions may differ, which costs a few roundings",
        ),
    },
    "variances": {"q": Value(_variances, 1e-4, "quadrature gives more digits than are asked for")},
    "kurtosis": {
        "kurtosis_theory": Value(_kurtosis, 1e-3, "the moments are Gaussian averages, known to more digits"),
        "kurtosis_measured": Value(
            _kurtosis, _kurtosis_tolerance, "four standard errors over 4000 networks, and terms of order 1/n"
        ),
    },
    "edge": {
        "edge": Value(_edge, 1e-6, "a short formula"),
        "largest": Value(
            _largest,
            _largest_tolerance,
            "four standard errors over 400 matrices, and the next order at the edge",
            absolute=True,
        ),
    },
}

# A wrong turn for each question: what stands in the solution, and what a student might write instead.
PLANTED = {
    "input_gradient": ("delta = W.T @ (slope * delta)", "delta = slope[0] * (W.T @ delta)"),
    "variances": ("q = [own.weight_var * own.size + own.bias_var]", "q = [own.weight_var * own.size]"),
    "kurtosis": (
        "own.weight_var * np.mean(hidden**2, axis=1) + own.bias_var",
        "own.weight_var * np.mean(hidden**2, axis=1)",
    ),
    "edge": ("largest = np.mean(np.sqrt(", "largest = np.mean(1.0 * ("),
}
