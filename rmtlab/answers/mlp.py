"""Answers to the exercises of the chapter on the multilayer perceptron."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np

from rmtlab import activations, laws
from rmtlab import mlp as chapter
from rmtlab.answers import Exercise, Slip
from rmtlab.networks import MLP

__all__ = ["EXERCISES"]

_COMPUTED = "the answer is a short formula, which double precision evaluates to many more digits"


def _shapes(in_features: int, width: int, depth: int, out_features: int) -> list[tuple[int, int]]:
    """(fan-out, fan-in) of W¹ … W^{L+1}."""
    sizes = [in_features, *[width] * depth, out_features]
    return [(rows, columns) for columns, rows in pairwise(sizes)]


def _parameter_count(*, in_features: int, width: int, depth: int, out_features: int) -> int:
    return sum(rows * (columns + 1) for rows, columns in _shapes(in_features, width, depth, out_features))


def _weight_count(**sizes: int) -> int:
    return sum(rows * columns for rows, columns in _shapes(**sizes))


def _count_without_read_out(**sizes: int) -> int:
    return sum(rows * (columns + 1) for rows, columns in _shapes(**sizes)[:-1])


def _count_at_depth(step: int) -> Callable[..., int]:
    return lambda *, depth, **sizes: _parameter_count(depth=depth + step, **sizes)


def _variance(
    *, activation: str, weight_var: float, bias_var: float, layers: int, input_square: float = 1.0
) -> float:
    """q^l = σ_w² E[φ(z)²] + σ_b² with z ~ N(0, q^{l-1}), from q¹ = σ_w² |x|²/d + σ_b²."""
    phi = activations.get(activation)
    q = weight_var * input_square + bias_var
    for _ in range(layers - 1):
        q = weight_var * float(phi.moment(q, 2)) + bias_var
    return q


def _variance_of_signal(*, activation: str, **described: Any) -> float:
    return float(activations.get(activation).moment(_variance(activation=activation, **described), 2))


def _variance_at_layer(step: int) -> Callable[..., float]:
    return lambda *, layers, **described: _variance(layers=layers + step, **described)


def _variance_without_bias(*, bias_var: float, **described: Any) -> float:
    return _variance(bias_var=0.0, **described)


def _orthogonal_singular_values(*, rows: int, columns: int, weight_var: float) -> np.ndarray:
    """√(σ_w² max(n, m)/m), as often as the smaller side is long."""
    return np.full(min(rows, columns), sqrt(weight_var * max(rows, columns) / columns))


def _singular_values_of_isometry(*, rows: int, columns: int, weight_var: float) -> np.ndarray:
    return np.full(min(rows, columns), sqrt(weight_var))


def _marchenko_pastur_edge(*, rows: int, columns: int, weight_var: float) -> float:
    """√(σ_w²)(1 + √(n/m)), the root of the upper edge of W Wᵀ."""
    law = laws.MarchenkoPastur(aspect=rows / columns, scale=weight_var)
    return sqrt(law.support[-1][1])


def _edge_of_transpose(*, rows: int, columns: int, weight_var: float) -> float:
    return sqrt(weight_var) * (1 + sqrt(columns / rows))


def _lower_edge(*, rows: int, columns: int, weight_var: float) -> float:
    return sqrt(weight_var) * abs(1 - sqrt(rows / columns))


def _excess_kurtosis(
    *, activation: str, weight_var: float, bias_var: float, width: int, input_square: float = 1.0
) -> float:
    net = MLP(depth=1, activation=activation, weight_var=weight_var, bias_var=bias_var)
    return chapter.theory(net, np.array([sqrt(input_square)]), width).excess_kurtosis


def _kurtosis(**described: Any) -> float:
    return _excess_kurtosis(**described) + 3


def _kurtosis_without_bias(*, bias_var: float, **described: Any) -> float:
    return _excess_kurtosis(bias_var=0.0, **described)


Matrices = Sequence[np.ndarray]
Phi = Callable[[np.ndarray], np.ndarray]


def _forward(x: np.ndarray, weights: Matrices, biases: Matrices, phi: Phi) -> np.ndarray:
    h = x
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        h = phi(h @ weight.T + bias)
    return h @ weights[-1].T + biases[-1]


def _forward_activating_output(x: np.ndarray, weights: Matrices, biases: Matrices, phi: Phi) -> np.ndarray:
    return phi(_forward(x, weights, biases, phi))


def _forward_without_biases(x: np.ndarray, weights: Matrices, biases: Matrices, phi: Phi) -> np.ndarray:
    return _forward(x, weights, [np.zeros_like(bias) for bias in biases], phi)


def _forward_linear(x: np.ndarray, weights: Matrices, biases: Matrices, phi: Phi) -> np.ndarray:
    return _forward(x, weights, biases, lambda z: z)


def _forward_activating_input(x: np.ndarray, weights: Matrices, biases: Matrices, phi: Phi) -> np.ndarray:
    return _forward(phi(x), weights, biases, phi)


def _forward_transposed(x: np.ndarray, weights: Matrices, biases: Matrices, phi: Phi) -> np.ndarray:
    square = all(weight.shape[0] == weight.shape[1] for weight in weights)
    return _forward(x, [weight.T for weight in weights], biases, phi) if square else np.empty(0)


def _network(sizes: Sequence[int], samples: int) -> tuple[Any, ...]:
    """Test inputs x, weights, biases and φ of a network with these layer sizes."""
    rng = np.random.default_rng(len(sizes) + samples)
    weights = [rng.standard_normal((rows, columns)) for columns, rows in pairwise(sizes)]
    biases = [rng.standard_normal(rows) for rows in sizes[1:]]
    return rng.standard_normal((samples, sizes[0])), weights, biases, np.tanh


EXERCISES = {
    "parameter-count": Exercise(
        truth=_parameter_count,
        tolerance=0.0,
        why="a count is exact",
        slips=(
            Slip(_weight_count, "These are the weights alone; the biases are parameters too."),
            Slip(
                _count_without_read_out, "The linear read-out after the last hidden layer has parameters too."
            ),
            Slip(
                _count_at_depth(1),
                "This network has a hidden layer too many; depth counts the hidden layers.",
            ),
            Slip(_count_at_depth(-1), "A hidden layer is missing; depth counts the hidden layers only."),
        ),
    ),
    "variance-after-layers": Exercise(
        truth=_variance,
        tolerance=1e-4,
        why="the Gaussian average can be had to many more digits by quadrature; sampling gives two or three",
        hints={
            "square": "A variance is asked for.",
            "square-root": "A variance is asked for.",
            "close": "If you sampled, use rl.gaussian.expectation for the Gaussian average instead.",
        },
        slips=(
            Slip(_variance_of_signal, "This is E[φ(z)²], after the activation; z itself is asked for."),
            Slip(
                _variance_at_layer(1), "This is the variance one layer later; the first layer has no φ yet."
            ),
            Slip(_variance_at_layer(-1), "This is the variance one layer earlier; count from z¹ = W¹x + b¹."),
            Slip(_variance_without_bias, "The biases add their variance in every layer."),
        ),
    ),
    "orthogonal-singular-values": Exercise(
        truth=_orthogonal_singular_values,
        tolerance=1e-6,
        why="a semi-orthogonal matrix has them exactly, to the rounding of single precision",
        hints={
            "factor": "The weights' variance is weight_var/fan-in; what does that make of the sum of squares?"
        },
        slips=(
            Slip(
                _singular_values_of_isometry,
                "These would be right for a square matrix; here the variance map asks for a rescaling.",
            ),
        ),
    ),
    "kurtosis": Exercise(
        truth=_excess_kurtosis,
        tolerance=1e-3,
        why="the moments of φ are Gaussian averages that quadrature gives to many more digits",
        hints={"factor": "A Gaussian has E[z⁴] = 3 E[z²]², and Var(mean of n terms) = Var(one term)/n."},
        slips=(
            Slip(_kurtosis, "This is the kurtosis; the excess over a Gaussian's is asked for."),
            Slip(_kurtosis_without_bias, "The biases belong to the variance in both layers."),
        ),
    ),
    "marchenko-pastur-edge": Exercise(
        truth=_marchenko_pastur_edge,
        tolerance=1e-3,
        why=_COMPUTED,
        hints={"square": "Marchenko–Pastur is the law of W Wᵀ; a singular value of W is asked for."},
        slips=(
            Slip(_lower_edge, "This is the smallest singular value; the largest is asked for."),
            Slip(_edge_of_transpose, "Rows and columns are exchanged: aspect is rows over columns."),
        ),
    ),
    "forward": Exercise(
        truth=_forward,
        tolerance=1e-10,
        why="only the order of additions may differ, which costs a few roundings",
        inputs={
            "For one hidden layer": _network((3, 5, 2), samples=1),
            "For equally wide layers": _network((4, 4, 4, 4), samples=3),
            "For several inputs at once": _network((6, 5, 4, 2), samples=7),
            "For no hidden layer": _network((3, 2), samples=2),
        },
        hints={
            "error": "x is (samples, features) and each W is (outputs, inputs): what multiplies what?",
            "shape": "The output is (samples, outputs).",
        },
        slips=(
            Slip(_forward_activating_output, "The last layer is linear; φ does not act on the output."),
            Slip(_forward_without_biases, "The biases are missing."),
            Slip(_forward_linear, "φ is missing between the layers."),
            Slip(_forward_activating_input, "φ acts on the input; the first layer sees x itself."),
            Slip(_forward_transposed, "Each W is used as its transpose; its rows are the layer's outputs."),
        ),
    ),
}
