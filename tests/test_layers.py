"""Layers: finite twins keep the conventions, infinite-width rules the closed forms, and the two agree."""

from functools import reduce

import numpy as np
import pytest
import torch

import rmtlab as rl
from rmtlab.layers import Activation, Dense, Noise, State

WIDE, TALL, SQUARE = (30, 120), (120, 30), (60, 60)
X = np.random.default_rng(5).standard_normal((4, 6))
X[3] = X[0]  # equal rows: without noise the same signal, with noise another pass
LONG = np.random.default_rng(6).standard_normal((4, 64)) + 0.5
LONG[3] = LONG[0]


def effective(dense, n, m, seed=0, dtype="float64"):
    return dense.module(m, n, rng=seed, dtype=dtype).effective_weight.detach().numpy()


# --- Dense: the finite twin --------------------------------------------------------------------------


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
@pytest.mark.parametrize("shape", [WIDE, TALL, SQUARE])
def test_gaussian_weights_have_variance_weight_var_over_fan_in(shape, parameterization):
    """Simulation: the mean of N squares of N(0, v) has standard error v·√(2/N), their mean √(v/N)."""
    n, m = shape
    w = effective(Dense(1.7, parameterization=parameterization), n, m)
    assert w.shape == shape
    assert abs(np.mean(w**2) / (1.7 / m) - 1) < 4.5 * np.sqrt(2 / w.size)
    assert abs(np.mean(w)) < 4.5 * np.sqrt(1.7 / m / w.size)


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
@pytest.mark.parametrize("shape", [WIDE, TALL, SQUARE])
def test_orthogonal_weights_are_scaled_semi_orthogonal(shape, parameterization):
    """Contract: W Wᵀ (wide) or Wᵀ W (tall) is weight_var·max(n, m)/m times the identity, to rounding."""
    n, m = shape
    w = effective(Dense(1.7, weights="orthogonal", parameterization=parameterization), n, m)
    gram = w @ w.T if n <= m else w.T @ w
    np.testing.assert_allclose(gram, 1.7 * max(n, m) / m * np.eye(min(n, m)), atol=1e-13)


@pytest.mark.parametrize("shape", [WIDE, TALL, SQUARE])
def test_both_kinds_of_weights_have_the_same_variance_map(shape):
    """Simulation: E|Wh|²/n = weight_var·|h|²/m.

    For Gaussian weights |Wh|² is χ²_n (relative variance 2/n); for wide orthogonal ones it is
    Beta(n/2, (m−n)/2), with relative variance 2(m−n)/(n(m+2)); for tall ones it is exact.
    """
    n, m = shape
    h = np.random.default_rng(1).standard_normal(m)
    expected, draws = 1.3 * h @ h / m, 60
    for weights, spread in (("gaussian", 2 / n), ("orthogonal", max(0.0, 2 * (m - n) / (n * (m + 2))))):
        dense = Dense(1.3, weights=weights)
        measured = np.mean([np.sum((effective(dense, n, m, s) @ h) ** 2) / n for s in range(draws)])
        assert abs(measured / expected - 1) < 4.5 * np.sqrt(spread / draws) + 1e-12


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_trained_parameters_have_unit_variance_in_the_ntk_parameterisation(weights):
    """Simulation: N squares of a unit normal; orthogonal entries are constrained to it exactly."""
    layer = Dense(1.7, 0.3, weights=weights).module(300, 200, dtype="float64")
    omega, beta = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    tolerance = 4.5 * np.sqrt(2 / omega.size) if weights == "gaussian" else 1e-12
    assert abs(np.mean(omega**2) - 1) < tolerance
    assert abs(np.mean(beta**2) - 1) < 4.5 * np.sqrt(2 / 200)
    np.testing.assert_allclose(layer.effective_weight.detach(), np.sqrt(1.7 / 300) * omega)
    np.testing.assert_allclose(layer.effective_bias.detach(), np.sqrt(0.3) * beta)


def test_standard_parameterisation_trains_the_matrices_themselves():
    """Contract."""
    layer = Dense(1.7, 0.3, parameterization="standard").module(30, 20)
    assert layer.effective_weight is layer.weight
    assert layer.effective_bias is layer.bias
    assert abs(layer.bias.var().item() / 0.3 - 1) < 4.5 * np.sqrt(2 / 20)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_parameterisations_share_the_draw_and_differ_in_the_gradient(weights):
    """Closed form: ∂/∂ω = √(σ_w²/m) ∂/∂W and ∂/∂β = σ_b ∂/∂b."""
    h = torch.tensor(np.random.default_rng(2).standard_normal((5, 30)))
    gradients = {}
    for parameterization in ("ntk", "standard"):
        layer = Dense(1.7, 0.3, weights, parameterization).module(30, 20, rng=3, dtype="float64")
        output = layer(h)
        gradients[parameterization] = torch.autograd.grad(output.square().sum(), list(layer.parameters()))
    (omega, beta), (w, b) = gradients["ntk"], gradients["standard"]
    torch.testing.assert_close(omega, np.sqrt(1.7 / 30) * w)
    torch.testing.assert_close(beta, np.sqrt(0.3) * b)


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_no_bias_variance_means_no_bias_parameters(parameterization):
    """Contract."""
    layer = Dense(1.0, 0.0, parameterization=parameterization).module(3, 2)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer.effective_bias is None


def test_seed_decides_the_draw():
    """Contract: equal seeds agree, also across precisions (to float32 rounding); other seeds differ."""
    for weights in ("gaussian", "orthogonal"):
        dense = Dense(weights=weights)
        np.testing.assert_array_equal(effective(dense, 8, 5, 1), effective(dense, 8, 5, 1))
        np.testing.assert_allclose(effective(dense, 8, 5, 1, "float32"), effective(dense, 8, 5, 1), rtol=3e-7)
        assert np.min(np.abs(effective(dense, 8, 5, 1) - effective(dense, 8, 5, 2))) > 0


def test_activation_module_is_the_function():
    """Contract: the same values as the NumPy face, in the precision that comes in."""
    z = np.linspace(-3, 3, 50)
    module = Activation("tanh").module(50, 50)
    np.testing.assert_allclose(module(torch.tensor(z)), np.tanh(z), rtol=1e-14)
    assert module(torch.tensor(z, dtype=torch.float32)).dtype is torch.float32


def test_layers_are_frozen_values():
    """Contract: equal by value, hashable, and not to be changed."""
    assert Activation("relu") == Activation(rl.activations.get("relu"))
    assert len({Dense(1), Dense(1.0), Dense(2.0)}) == 2
    with pytest.raises(AttributeError):
        Dense().weight_var = 2.0


# --- State and the infinite-width rules --------------------------------------------------------------


def chain(depth, activation, weight_var, bias_var=0.0, noise=None, **options):
    return rl.MLP(depth, activation, weight_var, bias_var, noise=noise, **options).layers


def fold(layers, state):
    return reduce(lambda reached, layer: layer.propagate(reached), layers, state)


def test_input_state_is_the_scaled_gram_matrix():
    """Closed form."""
    state = State.from_inputs(X, X[:2])
    np.testing.assert_allclose(state.nngp, X @ X[:2].T / 6)
    np.testing.assert_allclose(state.diag1, np.sum(X**2, 1) / 6)
    assert state.diag2.shape == (2,)
    assert not state.ntk.any()
    assert not state.one_pass


@pytest.mark.parametrize(("depth", "half"), [(1, 1.8846622288), (3, 3.4756893584)])
def test_relu_tangent_kernel_closed_form(depth, half):
    """Closed form: σ_w² = 2, |x|² = d gives Θ(x, x) = 2(L+1); the values at c = ½ have ten digits."""
    x = np.array([[np.sqrt(2), 0.0], [np.sqrt(0.5), np.sqrt(1.5)]])
    state = fold(chain(depth, "relu", 2.0), State.from_inputs(x))
    np.testing.assert_allclose(np.diag(state.ntk), 2 * (depth + 1), rtol=1e-12)
    np.testing.assert_allclose(state.ntk[0, 1], half, atol=6e-11)
    np.testing.assert_allclose(state.nngp, state.nngp.T, rtol=1e-14)


@pytest.mark.parametrize(
    ("weight_var", "bias_var", "q", "c"),
    [(2.5, 0.05, 1.0639583774, 0.4468042323), (6.25, 0.09, 4.0791238753, 0.1221037473)],
)
def test_tanh_fixed_point_stays(weight_var, bias_var, q, c):
    """Closed form: at (q*, c*), known to ten digits, Dense after Activation changes nothing."""
    pair = q * np.array([[1.0, c], [c, 1.0]])
    state = State(pair, pair, np.array([q, q]), np.array([q, q]), kind="preactivation", one_pass=True)
    after = fold([Activation("tanh"), Dense(weight_var, bias_var)], state)
    np.testing.assert_allclose(after.nngp, pair, atol=2e-9)


@pytest.mark.parametrize(
    ("keep", "weight_var", "c"),
    [(0.8, 1.6, 0.4727993472), (0.6, 1.2, 0.2839086535), (0.9, 1.8, 0.6271458849)],
)
def test_critical_dropout_fixed_point_stays(keep, weight_var, c):
    """Closed form: κ(c*) = μ₂ c* at σ_w² = 2/μ₂; any variance is kept."""
    q, c_matrix = 1.7, np.array([[1.0, c], [c, 1.0]])
    state = State(
        q * c_matrix, c_matrix, np.array([q, q]), np.array([q, q]), kind="preactivation", one_pass=True
    )
    block = [Activation("relu"), Noise(rl.noise.Dropout(keep=keep)), Dense(weight_var)]
    np.testing.assert_allclose(fold(block, state).nngp, q * c_matrix, rtol=1e-9)


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
def test_pairs_with_themselves_are_pairs_like_others_without_noise(activation):
    """Symmetry: x2=None and x2=x1 agree; a diagonal pair is then c = 1 met by the general rule."""
    layers = chain(3, activation, 1.5, 0.1)
    alone, paired = fold(layers, State.from_inputs(X)), fold(layers, State.from_inputs(X, X))
    np.testing.assert_allclose(alone.nngp, paired.nngp, rtol=1e-6)
    np.testing.assert_allclose(alone.ntk, paired.ntk, rtol=1e-6)
    np.testing.assert_array_equal(np.diag(alone.nngp), alone.diag1)
    np.testing.assert_array_equal(alone.diag1, alone.diag2)


def test_noise_multiplies_one_pass_and_leaves_other_pairs():
    """Closed form: μ₂ on the diagonal of x2=None and on both diag; other pairs, equal rows too, stay."""
    before = State.from_inputs(X)
    after = Noise(rl.noise.Dropout(keep=0.5)).propagate(before)
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_array_equal(after.nngp[off], before.nngp[off])
    np.testing.assert_allclose(np.diag(after.nngp), 2 * before.diag1)
    np.testing.assert_allclose(after.diag1, 2 * before.diag1)
    np.testing.assert_allclose(after.nngp[0, 3], before.diag1[0])
    paired = Noise(rl.noise.Dropout(keep=0.5)).propagate(State.from_inputs(X, X))
    np.testing.assert_allclose(paired.nngp, X @ X.T / 6)
    np.testing.assert_allclose(paired.diag2, 2 * before.diag1)


def test_noise_acts_on_the_tangent_kernel_by_its_slope():
    """Closed form: a gradient passes the mask, E[m²] = μ₂; additive noise has no gradient."""
    state = fold([Dense(1.5, 0.1), Activation("tanh")], State.from_inputs(X))
    diagonal = np.diag(state.ntk)
    times = Noise(rl.noise.MultiplicativeGaussian(var=0.3)).propagate(state)
    plus = Noise(rl.noise.AdditiveGaussian(var=0.3)).propagate(state)
    np.testing.assert_allclose(np.diag(times.ntk), 1.3 * diagonal)
    np.testing.assert_allclose(np.diag(times.nngp), 1.3 * state.diag1)
    np.testing.assert_array_equal(plus.ntk, state.ntk)
    np.testing.assert_allclose(np.diag(plus.nngp), state.diag1 + 0.3)


def test_standard_tangent_kernel_of_a_linear_network():
    """Closed form: f = v·Wx with variances 1: Θ = |Wx|² + |v|²|x|² → n|x|²/d + |x|²; biases add n/n·1 + 1."""
    x = np.array([[1.0, 2.0, 2.0]])
    free = fold(chain(1, "linear", 1.0, parameterization="standard"), State.from_inputs(x, width=50))
    np.testing.assert_allclose(free.ntk, 50 * 9 / 3 + 9)
    biased = fold(chain(1, "linear", 1.0, 0.5, parameterization="standard"), State.from_inputs(x, width=50))
    np.testing.assert_allclose(biased.ntk, 50 * (9 / 3 + 0.5) + 1 + (9 + 1))


def test_wrong_compositions_raise_sentences():
    """Contract: each layer says what it misses."""
    signal = State.from_inputs(X)
    preactivation = Dense().propagate(signal)
    with pytest.raises(ValueError, match="An Activation needs a Dense before it"):
        Activation("relu").propagate(signal)
    with pytest.raises(ValueError, match="put an Activation between them"):
        Dense().propagate(preactivation)
    with pytest.raises(ValueError, match="Noise acts on the input and on activated signals"):
        Noise(rl.noise.Dropout(0.5)).propagate(preactivation)
    hidden = Activation("relu").propagate(preactivation)
    with pytest.raises(ValueError, match="grows with the width"):
        Dense(parameterization="standard").propagate(hidden)


# --- The two faces agree -----------------------------------------------------------------------------

TWINS = [
    pytest.param(dict(activation="relu", weight_var=2.0), id="relu"),
    pytest.param(dict(activation="tanh", weight_var=1.5, bias_var=0.2), id="tanh"),
    pytest.param(dict(activation="erf", weight_var=2.0, bias_var=0.1, weights="orthogonal"), id="erf-haar"),
    pytest.param(dict(activation="relu", weight_var=1.6, noise=("Dropout", 0.8)), id="relu-dropout"),
    pytest.param(
        dict(activation="tanh", weight_var=1.5, bias_var=0.2, noise=("AdditiveGaussian", 0.2)),
        id="tanh-additive",
    ),
    pytest.param(
        dict(activation="relu", weight_var=1.5, bias_var=0.1, parameterization="standard"), id="relu-standard"
    ),
]


def twin(options):
    options = dict(options)
    if options.get("noise"):
        name, argument = options["noise"]
        options["noise"] = getattr(rl.noise, name)(argument)
    return rl.MLP(depth=2, **options)


def assert_agrees(found, expected, n):
    """Mean of the draws and theory: 4.5 standard errors, and a bias of up to 6/n from finite width."""
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert np.max(error / size) < 0.05, "too few draws to say anything"
    assert np.max((np.abs(np.mean(found, axis=0) - expected) - 4.5 * error) / size) < 6 / n


@pytest.mark.parametrize("options", TWINS)
def test_covariance_of_a_sampled_network_is_the_propagated_nngp(options):
    """Simulation: z^{L+1} zᵀ/n over the outputs of 30 networks of width n = 400.

    One entry in one network has a standard deviation of about √(2/n) of its size per layer, so the
    mean is known to about 2 %.
    """
    net, n = twin(options), 400
    expected = net.propagate(State.from_inputs(LONG, width=n)).nngp
    found = []
    for seed in range(30):
        z = net.sample(n, in_features=64, out_features=n, seed=seed)(LONG).detach().double().numpy()
        found.append(z @ z.T / n)
    assert_agrees(found, expected, n)


@pytest.mark.parametrize("options", TWINS)
def test_empirical_tangent_kernel_is_the_propagated_ntk(options):
    """Simulation: J Jᵀ by autograd in 30 networks of width n = 200, known to about 3 %."""
    net, n = twin(options), 200
    expected = net.propagate(State.from_inputs(LONG, width=n)).ntk
    samples = (net.sample(n, in_features=64, seed=seed, dtype="float64") for seed in range(30))
    assert_agrees([empirical_ntk(module, LONG) for module in samples], expected, n)


def empirical_ntk(module, x):
    outputs = module(x)[:, 0]
    parameters = list(module.parameters())
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(y, parameters, retain_graph=True)])
        for y in outputs
    ]
    jacobian = torch.stack(rows).numpy()
    return jacobian @ jacobian.T
