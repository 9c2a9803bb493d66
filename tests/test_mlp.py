"""How Gaussian a one-hidden-layer network is: closed forms, direct simulation, rate in n."""

import numpy as np
import pytest

import rmtlab as rl

X = np.full(20, 1.0)


def network(activation, weights="gaussian", weight_var=1.0, bias_var=0.0):
    return rl.MLP(1, activation, weight_var, bias_var, weights=weights)


@pytest.mark.parametrize(("activation", "constant"), [("relu", 15.0), ("linear", 6.0), ("sign", 0.0)])
@pytest.mark.parametrize("width", [1, 7, 300])
def test_gaussian_weights_closed_form(activation, constant, width):
    """Closed form: ReLU has Eφ⁴/(Eφ²)² = 6, a Gaussian 3, a sign 1."""
    found = rl.mlp.theory(network(activation, weight_var=2.0), X, width)
    assert found.excess_kurtosis == pytest.approx(constant / width, rel=1e-10, abs=1e-12)
    assert found.variance_spread == pytest.approx(constant / 3 / width, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("width", [20, 50, 400])
def test_orthogonal_linear_network_is_a_point_on_a_sphere(width):
    """Closed form: both matrices keep lengths, so the output is one coordinate of a sphere in Rⁿ."""
    found = rl.mlp.theory(network("linear", "orthogonal"), X, width)
    assert found.variance_spread == pytest.approx(0, abs=1e-12)
    assert found.excess_kurtosis == pytest.approx(-6 / (width + 2), rel=1e-10)


def test_orthogonal_rectifier_constant():
    """Closed form: Var φ² = 5/4 loses c²/2 = 1/2 to the fixed length, so v/(Eφ²)² = 3."""
    found = rl.mlp.theory(network("relu", "orthogonal", weight_var=2.0), X, 10**6)
    assert found.variance_spread * 10**6 == pytest.approx(3, rel=1e-9)
    assert found.excess_kurtosis * 10**6 == pytest.approx(3, rel=1e-4)


@pytest.mark.parametrize("bias_var", [0.0, 0.3])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_measured_spread_gaussian(activation, bias_var):
    """Simulation: the variance of s over M networks has relative standard error √((2 + κ_s)/M), κ_s ≲ 12/n."""
    net, width, draws = network(activation, weight_var=1.7, bias_var=bias_var), 30, 1500
    theory, found = rl.mlp.theory(net, X, width), rl.mlp.measure(net, X, width, draws=draws)
    assert found.excess_kurtosis == pytest.approx(theory.excess_kurtosis, rel=4 * np.sqrt(3 / draws))
    assert found.variance == pytest.approx(theory.variance, rel=4 * np.sqrt(theory.variance_spread / draws))


@pytest.mark.parametrize("width", [10, 40])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("bias_var", [0.0, 0.3])
def test_measured_kurtosis_orthogonal(activation, bias_var, width):
    """Simulation, widths below and above the input's 20: the leading order is off by O(1/n²)."""
    net, draws = network(activation, "orthogonal", 1.7, bias_var), 1500
    theory, found = rl.mlp.theory(net, X, width), rl.mlp.measure(net, X, width, draws=draws)
    sampling = 4 * 3 * theory.variance_spread * np.sqrt(3 / draws)
    assert found.excess_kurtosis == pytest.approx(theory.excess_kurtosis, abs=sampling + 20 / width**2)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_kurtosis_of_the_outputs_themselves(weights):
    """Simulation, independent of `measure`: the fourth moment of 40 000 outputs, standard error √(96/M)."""
    net, width, draws = network("relu", weights, 2.0), 6, 40_000
    rng = np.random.default_rng(0)
    sample = {"gaussian": rl.ensembles.ginibre, "orthogonal": rl.ensembles.haar_semi_orthogonal}[weights]
    if weights == "gaussian":
        first = rng.normal(0, np.sqrt(2 / X.size), (draws, width, X.size)) @ X
        second = rng.normal(0, np.sqrt(2 / width), (draws, width))
    else:
        first = np.stack([np.sqrt(2.0) * sample(width, X.size, rng=rng) @ X for _ in range(draws)])
        second = rng.standard_normal((draws, width))
        second *= np.sqrt(2.0) / np.linalg.norm(second, axis=1, keepdims=True)
    outputs = np.sum(second * np.maximum(first, 0), axis=1)
    kurtosis = np.mean(outputs**4) / np.mean(outputs**2) ** 2 - 3
    theory = rl.mlp.theory(net, X, width).excess_kurtosis
    leading_order = 0 if weights == "gaussian" else 20 / width**2
    assert kurtosis == pytest.approx(theory, abs=4 * np.sqrt(96 * (1 + theory) ** 2 / draws) + leading_order)


def test_rate_in_the_width():
    """Convergence rate: slope −1 in log-log, within four standard errors of a fit to 5 widths."""
    net, widths, draws = network("tanh", weight_var=1.5, bias_var=0.05), np.array([8, 16, 32, 64, 128]), 1000
    kurtosis = [rl.mlp.measure(net, X, n, draws=draws).excess_kurtosis for n in widths]
    logs = np.log(widths)
    standard_error = np.sqrt(2.5 / draws / np.sum((logs - logs.mean()) ** 2))
    assert np.polyfit(logs, np.log(kurtosis), 1)[0] == pytest.approx(-1, abs=4 * standard_error)


def test_reproducible():
    """Contract: a seed fixes the measurement."""
    net = network("tanh")
    assert rl.mlp.measure(net, X, 5, draws=20, seed=3) == rl.mlp.measure(net, X, 5, draws=20, seed=3)
    assert rl.mlp.measure(net, X, 5, draws=20, seed=3) != rl.mlp.measure(net, X, 5, draws=20, seed=90)
