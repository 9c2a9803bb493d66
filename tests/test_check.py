"""Answers to exercises: right, or what kind of wrong, and never the answer itself."""

import dataclasses
import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from rmtlab import MLP, check, ensembles, gaussian
from rmtlab.answers import Exercise, Slip, catalogue

COUNT = {"in_features": 64, "width": 100, "depth": 2, "out_features": 10}
VARIANCE = {"activation": "tanh", "weight_var": 1.7, "bias_var": 0.3, "layers": 3}
HAAR = {"rows": 5, "columns": 3, "weight_var": 1.7}
TAIL = {"activation": "relu", "weight_var": 1.7, "bias_var": 0.3, "width": 40}
EDGE = {"rows": 300, "columns": 100, "weight_var": 1.7}
VALUES = {
    "mlp.parameter-count": COUNT,
    "mlp.variance-after-layers": VARIANCE,
    "mlp.orthogonal-singular-values": HAAR,
    "mlp.kurtosis": TAIL,
    "mlp.marchenko-pastur-edge": EDGE,
    "random_matrices.moment": {"order": 6, "var": 3.0},
    "random_matrices.condition-number": {"rows": 1000, "columns": 250},
    "random_matrices.edge-excess": {"n": 500, "observed": 2.08},
    "signal.relu-fixed-point": {"weight_var": 1.5, "bias_var": 0.1},
    "signal.depth-limit": {"weight_var": 1.3, "bias_var": 0.05},
    "signal.gradient-ratio": {"weight_var": 1.0, "bias_var": 0.05, "layers": 49},
    "free_probability.mixed-moment": {"a": (1.0, 3.0), "b": (2.0, 5.0)},
    "free_probability.atoms": {"p": 0.6, "q": 0.75, "n": 1000},
    "free_probability.relu-edge": {"layers": 4},
    "isometry.variance": {"layers": 20, "p": 0.95},
    "isometry.design": {"layers": 100, "alpha": 1.0, "variance": 0.5},
    "isometry.edge": {"layers": 32, "p": 0.5},
    "freeness.walks": {"generators": 3},
    "freeness.kept": {"q": 2.0},
    "freeness.plateau": {"p": 0.25},
    "nngp.correlation": {"layers": 2},
    "nngp.posterior": {"variance": 2.4, "covariance": 1.8, "noise_var": 0.1, "target": 0.9},
    "nngp.depth": {"q": 0.2925, "xi_c": 2.710, "noise_var": 1e-6},
    "ntk.diagonal": {"depth": 5},
    "ntk.one-hidden-layer": {"correlation": 0.5},
    "ntk.step-size": {"inputs": 500, "outputs": 10, "largest": 250.0},
    "architectures.blocks": {"start": 100.0, "factor": 10.0},
    "architectures.critical-ratio": {"activation": "sin"},
    "fields.weight-var": {"length": 50.0},
    "fields.width": {"weight_var": 1.96, "relative_spread": 0.1},
    "fields.dark": {"width": 256, "factor": 0.01},
    "shifted_relu.share": {"alpha": 0.8, "bias_var": 0.02},
    "shifted_relu.depth": {"p": 0.97, "keep": 0.98, "variance": 1.0},
    "shifted_relu.ceiling": {"drop": 0.2},
    "noise.plain-mask": {"drop": 0.3},
    "noise.overflow": {"keep": 0.7, "weight_var": 2.0, "largest": 65504.0},
    "noise.keep-for-depth": {"depth": 30},
    "search.trials": {"allowed": 0.07, "step": 0.08, "sure": 0.95},
    "search.window": {"depth": 100},
    "search.interval": {"keep": 0.8},
    "mixer.square": {"tokens": 64, "channels": 256},
    "mixer.rectangle": {"activation": "tanh", "q": 0.5},
    "coordinates.kernel": {"frequencies": (1.0, 2.0), "difference": 0.125},
    "coordinates.learnt": {"rate": 2.0, "alias": 0.5, "time": 0.6},
    "coordinates.bandwidth": {"shown": 100},
    "width_and_sparsity.variance": {"fan_in": 784, "density": 0.05},
    "width_and_sparsity.density": {"inputs": 64, "width": 100, "outputs": 10, "factor": 4},
    "width_and_sparsity.channels": {"tokens": 49, "connections": 1_000_000, "expansion": 2},
}
SCALAR, VECTOR, MATRIX = "mock.scalar", "mock.vector", "mock.matrix"
TRUTHS = {
    SCALAR: 7.38905609893065,
    VECTOR: np.array([3.3166247903554, 2.2360679774997, 1.4142135623731]),
    MATRIX: np.array([[1.1, 2.7182818284590], [3.1415926535898, 0.4], [0.5, 0.6]]),
}


@pytest.fixture
def mock(monkeypatch):
    """Three exercises whose truths are known here: a number, a vector, a matrix."""
    exercises = {
        name: Exercise(truth=lambda value=value: value, tolerance=1e-3, why="the series is short")
        for name, value in TRUTHS.items()
    }
    monkeypatch.setattr(check, "catalogue", lambda: exercises)


def shows(verdict, truth):
    """Whether three or more significant digits of the truth can be read off the verdict."""
    text = f"{verdict!r} {verdict._repr_html_()} {verdict}"
    digits = [f"{abs(number):.12e}".replace(".", "")[:3] for number in np.ravel(truth)]
    return any(digit in re.sub(r"[^0-9]", "", word) for word in text.split() for digit in digits)


KINDS = [
    (SCALAR, lambda t: t, "right"),
    (SCALAR, lambda t: t * (1 + 0.9e-3), "right"),
    (SCALAR, lambda t: [t], "right"),
    (SCALAR, lambda t: Fraction(t), "right"),
    (SCALAR, lambda t: None, "unanswered"),
    (SCALAR, lambda t: ..., "unanswered"),
    (SCALAR, lambda t: "7.38905609893065", "type"),
    (SCALAR, lambda t: t + 0j, "type"),
    (SCALAR, lambda t: True, "type"),
    (SCALAR, lambda t: {"t": t}, "type"),
    (SCALAR, lambda t: lambda: t, "type"),
    (SCALAR, lambda t: [[t], [t, t]], "type"),
    (SCALAR, lambda t: [t, t], "shape"),
    (SCALAR, lambda t: [], "shape"),
    (SCALAR, lambda t: np.nan, "not-finite"),
    (SCALAR, lambda t: -np.inf, "not-finite"),
    (SCALAR, lambda t: -t, "sign"),
    (SCALAR, lambda t: -5 * t, "sign"),
    (SCALAR, lambda t: t**2, "square"),
    (SCALAR, lambda t: np.sqrt(t), "square-root"),
    (SCALAR, lambda t: 7.4, "rounded"),
    (SCALAR, lambda t: t * np.pi, "factor"),
    (SCALAR, lambda t: t / 2, "factor"),
    (SCALAR, lambda t: t * 1.005, "close"),
    (SCALAR, lambda t: t * 1.3, "magnitude"),
    (SCALAR, lambda t: t * 57, "wrong"),
    (SCALAR, lambda t: 0, "wrong"),
    (VECTOR, lambda t: list(t), "right"),
    (VECTOR, lambda t: t[::-1], "order"),
    (VECTOR, lambda t: t[:2], "shape"),
    (VECTOR, lambda t: t[:, None], "shape"),
    (VECTOR, lambda t: t[0], "shape"),
    (VECTOR, lambda t: -t, "sign"),
    (VECTOR, lambda t: t**2, "square"),
    (VECTOR, lambda t: np.sqrt(t), "square-root"),
    (VECTOR, lambda t: t.round(2), "rounded"),
    (VECTOR, lambda t: 0.37 * t, "factor"),
    (VECTOR, lambda t: np.add(t, [0.02, 0, 0]), "close"),
    (VECTOR, lambda t: np.add(t, [1, 0, 0]), "wrong"),
    (VECTOR, lambda t: 0 * t, "wrong"),
    (VECTOR, lambda t: np.where(t > 3, np.nan, t), "not-finite"),
    (MATRIX, lambda t: t.T, "transposed"),
    (MATRIX, lambda t: t.ravel(), "shape"),
    (MATRIX, lambda t: t, "right"),
]


@pytest.mark.parametrize(("name", "change", "kind"), KINDS)
def test_kinds_of_answers(mock, name, change, kind):
    """Contract: every kind of mistake is named, none raises, and no message shows the truth."""
    verdict = check.answer(name, change(TRUTHS[name]))
    assert verdict.kind == kind
    assert verdict.ok == (kind == "right")
    assert verdict.message.endswith((".", "?"))
    assert not shows(verdict, TRUTHS[name])


def test_the_scan_for_digits_sees_a_leak():
    """Contract of the test itself."""
    assert shows(check.Verdict(False, "wrong", "It is 7.389."), TRUTHS[SCALAR])
    assert not shows(check.Verdict(False, "wrong", "It is 7."), TRUTHS[SCALAR])


@pytest.mark.parametrize("name", VALUES)
def test_real_exercises_accept_their_truth_and_tell_their_slips(name):
    """Contract: each typical mistake is recognised as itself, and its message has no digit of the truth."""
    exercise, parameters = catalogue()[name], VALUES[name]
    truth = exercise.truth(**parameters)
    assert check.answer(name, truth, **parameters).ok
    for slip in exercise.slips:
        verdict = check.answer(name, slip.formula(**parameters), **parameters)
        assert (verdict.kind, verdict.message) == ("slip", f"Not yet. {slip.message}")
    wrong = np.multiply(truth, -1.37)
    for value in (
        None,
        "?",
        np.nan,
        wrong,
        np.square(truth),
        np.sqrt(truth),
        np.multiply(truth, 2),
        [truth, 0],
    ):
        verdict = check.answer(name, value, **parameters)
        assert not verdict.ok
        assert not shows(verdict, truth)


@pytest.mark.parametrize("name", catalogue())
def test_every_exercise_says_why_and_its_hints_belong_to_kinds(name):
    """Contract: a reason for each tolerance; hints are reachable."""
    exercise = catalogue()[name]
    kinds = {kind for _, _, kind in KINDS} | {"slip", "error", "changed"}
    assert exercise.why
    assert set(exercise.hints) <= kinds
    assert all(isinstance(slip, Slip) and slip.message.endswith(".") for slip in exercise.slips)
    assert name in check.exercises()


def test_parameter_count_of_a_sampled_network():
    """Cross-library: torch's own count of the network's parameters."""
    net = MLP(depth=2, activation="relu", weight_var=2.0, bias_var=0.1)
    module = net.sample(width=100, in_features=64, out_features=10)
    count = sum(parameter.numel() for parameter in module.parameters())
    assert check.answer("mlp.parameter-count", count, **COUNT).ok


def test_variance_by_independent_quadrature():
    """Independent quadrature of q³ from q¹ = σ_w² + σ_b²."""
    q = 1.7 + 0.3
    for _ in range(2):
        q = 1.7 * gaussian.expectation(lambda z: np.tanh(z) ** 2, var=q) + 0.3
    assert check.answer("mlp.variance-after-layers", q, **VARIANCE).ok
    assert check.answer(
        "mlp.variance-after-layers", 1.7 * 4 + 0.3, **{**VARIANCE, "layers": 1}, input_square=4.0
    ).ok


@pytest.mark.parametrize(("rows", "columns"), [(5, 3), (3, 5), (4, 4)])
def test_singular_values_of_a_semi_orthogonal_matrix(rows, columns):
    """Simulation, exact at finite size: the singular values of one sampled weight matrix."""
    net = MLP(depth=1, activation="linear", weight_var=1.7, weights="orthogonal")
    weight = net.sample(width=rows, in_features=columns, dtype="float64").weights[0]
    values = np.linalg.svd(np.asarray(weight.detach()), compute_uv=False)
    exercise = {"rows": rows, "columns": columns, "weight_var": 1.7}
    assert check.answer("mlp.orthogonal-singular-values", values, **exercise).ok


def test_kurtosis_of_relu_in_closed_form():
    """Closed form: E φ² = q/2 and E φ⁴ = 3q²/2, so Var(φ²) = 5q²/4."""
    q = 2.0
    spread = 1.7**2 * 1.25 * q**2 / 40
    truth = 3 * spread / (1.7 * q / 2 + 0.3) ** 2
    assert check.answer("mlp.kurtosis", truth, **TAIL).ok
    verdict = check.answer("mlp.kurtosis", truth / 3, **TAIL)
    assert verdict.kind == "factor"
    assert "Var" in verdict.message


def test_edge_of_a_sampled_matrix():
    """Simulation, finite size: the largest singular value misses the edge by O(n^(−2/3)), 5 % allowed."""
    largest = np.linalg.norm(ensembles.ginibre(300, 100, var=1.7, rng=0), 2)
    verdict = check.answer("mlp.marchenko-pastur-edge", largest, **EDGE)
    assert verdict.kind in ("right", "close", "magnitude")
    truth = catalogue()["mlp.marchenko-pastur-edge"].truth(**EDGE)
    assert largest == pytest.approx(truth, rel=0.05)


def forward(x, weights, biases, phi):
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = phi(np.einsum("oi,ni->no", weight, x) + bias)
    return np.einsum("oi,ni->no", weights[-1], x) + biases[-1]


def changing(x, weights, biases, phi):
    result = forward(x, weights, biases, phi)
    biases[0] += 1
    return result


def unfinished(x, weights, biases, phi):
    raise NotImplementedError


FUNCTIONS = [
    (forward, "right", "Right."),
    (None, "unanswered", "Not answered yet."),
    (lambda *_: None, "unanswered", "returns nothing"),
    (unfinished, "unanswered", "NotImplementedError"),
    (3.0, "type", "A function is asked for, not a float."),
    (lambda x: x, "error", "raises TypeError"),
    (lambda x, w, b, phi: w[0] @ x, "error", "what multiplies what?"),
    (lambda *given: forward(*given).T, "transposed", "For one hidden layer"),
    (lambda *given: forward(*given)[0], "shape", "(samples, outputs)"),
    (lambda *given: -forward(*given), "sign", "sign"),
    (lambda *given: given[3](forward(*given)), "slip", "last layer is linear"),
    (lambda *given: forward(*given[:3], lambda z: z), "slip", "φ is missing"),
    (lambda x, w, b, phi: forward(x, w, [0 * v for v in b], phi), "slip", "biases are missing"),
    (lambda x, w, b, phi: forward(phi(x), w, b, phi), "slip", "φ acts on the input"),
    (lambda *given: forward(*given) + np.arange(len(given[0]))[:, None], "wrong", "For equally wide layers"),
    (lambda *given: forward(*given).astype(str), "type", "not a ndarray of str"),
    (changing, "changed", "changes its arguments"),
]


@pytest.mark.parametrize(("f", "kind", "fragment"), FUNCTIONS)
def test_kinds_of_functions(f, kind, fragment):
    """Contract: a student's function is called, never trusted; its exceptions are told, not raised."""
    verdict = check.function("mlp.forward", f)
    assert verdict.kind == kind
    assert fragment in verdict.message
    assert verdict.ok == (kind == "right")


def test_a_transposed_weight_is_recognised_where_shapes_allow_it():
    """Contract: with equally wide layers W and Wᵀ both fit; the verdict says which was used."""

    def transposed(x, weights, biases, phi):
        square = [w.T if w.shape[0] == w.shape[1] else w for w in weights]
        return forward(x, square, biases, phi)

    verdict = check.function("mlp.forward", transposed)
    assert verdict.kind == "slip"
    assert "transpose" in verdict.message


def test_forward_agrees_with_a_sampled_network():
    """Cross-library: the truth is the forward pass of rl.MLP's torch module."""
    net = MLP(depth=3, activation="tanh", weight_var=1.5, bias_var=0.2)
    module = net.sample(width=6, in_features=4, out_features=2, dtype="float64")
    arrays = ([np.asarray(part.detach()) for part in parts] for parts in (module.weights, module.biases))
    x = np.random.default_rng(0).normal(size=(5, 4))
    truth = catalogue()["mlp.forward"].truth(x, *arrays, np.tanh)
    np.testing.assert_allclose(truth, np.asarray(module(x).detach()), rtol=1e-12)


def test_test_inputs_tell_layers_apart():
    """Contract: shapes chain, and biases and inputs are nowhere zero."""
    for x, weights, biases, _ in catalogue()["mlp.forward"].inputs.values():
        assert all(after.shape[1] == before.shape[0] for before, after in pairwise(weights))
        assert x.shape[1] == weights[0].shape[1]
        assert all(np.all(bias) for bias in biases)


FUNCTION_EXERCISES = [name for name, exercise in catalogue().items() if exercise.inputs]


@pytest.mark.parametrize("name", FUNCTION_EXERCISES)
def test_function_exercises_accept_their_truth_and_tell_their_slips(name):
    """Contract, on the exercises of the course."""
    exercise = catalogue()[name]
    assert check.function(name, exercise.truth).ok
    for slip in exercise.slips:
        assert not check.function(name, slip.formula).ok


def test_every_exercise_of_a_value_is_in_the_table():
    assert set(VALUES) == {name for name, exercise in catalogue().items() if not exercise.inputs}


def test_answers_of_the_later_chapters_in_closed_form():
    """Closed form: a Catalan number, a ratio of edges, a linear equation, a table of the literature's map."""
    truths = {name: catalogue()[name].truth(**VALUES[name]) for name in VALUES}
    assert truths["random_matrices.moment"] == pytest.approx(5 * 27)
    assert truths["random_matrices.condition-number"] == pytest.approx(3)
    assert truths["signal.relu-fixed-point"] == pytest.approx(0.4)
    relu_map = catalogue()["signal.relu-map"].truth
    assert relu_map(np.array([0.0]), 10) == pytest.approx(0.8715355160)


def test_verdicts_are_frozen_and_readable_without_colour():
    """Contract: a mark and words, escaped in HTML."""
    verdict = check.Verdict(False, "wrong", "a < b.")
    assert repr(verdict) == "✗ a < b."
    assert "a &lt; b." in verdict._repr_html_()
    assert 'role="status"' in verdict._repr_html_()
    assert repr(check.Verdict(True, "right", "Right.")) == "✓ Right."
    with pytest.raises(dataclasses.FrozenInstanceError):
        verdict.ok = True
