"""net.kernel: many digits against mpmath, the same numbers by every route, and the limits of memory."""

import tracemalloc

import mpmath
import numpy as np
import pytest
import torch

import rmtlab as rl
from rmtlab.layers import Activation, Dense, LayerNorm, Noise, State, _duals
from rmtlab.networks import CNN, ResNet, serial

RNG = np.random.default_rng(0)
U, V, P = RNG.standard_normal((3, 10))
X = RNG.standard_normal((70, 12)) + 0.3

INPUTS = {
    "separated": np.stack([U, V, P]),
    "near": np.stack([U, U + 1e-4 * P, U + 1e-8 * P, U + 1e-12 * P]),
    "opposite": np.stack([U, -U, -U + 1e-8 * P, -(1 + 1e-5) * U]),
    "scaled": np.stack([U, (1 + 1e-6) * U, 3 * U, (1 + 1e-3) * U + 1e-7 * P]),
    "wild": np.stack([1e-6 * U, U, 1e5 * U, 1e3 * V, 1e-3 * (U + 1e-9 * P)]),
}


# --- High precision ----------------------------------------------------------------------------------


def relu_dual(a, b, k):
    size = mpmath.sqrt(a * b)
    theta = mpmath.acos(max(mpmath.mpf(-1), min(mpmath.mpf(1), k / size)))
    value = size * (mpmath.sin(theta) + (mpmath.pi - theta) * mpmath.cos(theta)) / (2 * mpmath.pi)
    return value, (mpmath.pi - theta) / (2 * mpmath.pi)


def erf_dual(a, b, k):
    product = (1 + 2 * a) * (1 + 2 * b)
    return 2 / mpmath.pi * mpmath.asin(2 * k / mpmath.sqrt(product)), 4 / mpmath.pi / mpmath.sqrt(
        product - 4 * k * k
    )


def sin_dual(a, b, k):
    decay = mpmath.exp(-(a + b) / 2)
    return decay * mpmath.sinh(k), decay * mpmath.cosh(k)


DUALS = {"relu": relu_dual, "erf": erf_dual, "sin": sin_dual}


def exact(x, activation, depth, weight_var, bias_var):
    """K and Θ in 50 digits, by the recursion as it is written."""
    with mpmath.workdps(50):
        rows = [[mpmath.mpf(float(v)) for v in row] for row in x]
        pairs = [(i, j) for i in range(len(x)) for j in range(len(x))]
        w, b = mpmath.mpf(weight_var), mpmath.mpf(bias_var)
        k = {(i, j): w * mpmath.fdot(rows[i], rows[j]) / len(rows[0]) + b for i, j in pairs}
        t = dict(k)
        for _ in range(depth):
            dual = {(i, j): DUALS[activation](k[i, i], k[j, j], k[i, j]) for i, j in pairs}
            k = {p: w * dual[p][0] + b for p in pairs}
            t = {p: k[p] + w * dual[p][1] * t[p] for p in pairs}
        return k, t


def distance(found, expected):
    """The largest error in units of √(K_ii K_jj)."""
    size = {i: mpmath.sqrt(expected[i, i]) for i in range(len(found))}
    return max(
        float(abs(mpmath.mpf(float(found[i, j])) - e) / size[i] / size[j]) for (i, j), e in expected.items()
    )


@pytest.mark.parametrize("depth", [1, 3, 30])
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize(
    ("activation", "weight_var", "bias_var"),
    [("relu", 2.0, 0.0), ("relu", 1.45, 0.28), ("erf", 1.3, 0.05)],
)
def test_both_kernels_in_high_precision(activation, weight_var, bias_var, inputs, depth):
    """Independent evaluation in 50 digits: 1e-12 where inputs are well separated, 1e-9 elsewhere.

    What is asked of the near, opposite and wildly scaled ones is met with room: a carried gap loses
    a few units of rounding a layer, so 1e-12 is asserted for all of them.
    """
    found = rl.MLP(depth, activation, weight_var, bias_var).kernel(INPUTS[inputs])
    for kernel, expected in zip(
        (found.nngp, found.ntk), exact(INPUTS[inputs], activation, depth, weight_var, bias_var), strict=True
    ):
        assert distance(kernel, expected) < 1e-12


@pytest.mark.parametrize("inputs", ["separated", "near", "opposite", "scaled"])
@pytest.mark.parametrize(
    ("activation", "weight_var", "bias_var"), [("erf", 6.0, 0.1), ("erf", 16.0, 0.09), ("sin", 5.0, 0.1)]
)
def test_chaotic_networks_in_high_precision(activation, weight_var, bias_var, inputs):
    """Independent evaluation in 50 digits: χ₁ > 1 amplifies any rounding by χ₁ a layer; 1e-6 at depth 20."""
    found = rl.MLP(20, activation, weight_var, bias_var).kernel(INPUTS[inputs])
    for kernel, expected in zip(
        (found.nngp, found.ntk), exact(INPUTS[inputs], activation, 20, weight_var, bias_var), strict=True
    ):
        assert distance(kernel, expected) < 1e-6


def test_inputs_of_any_size():
    """Limit: a rectifier without biases is homogeneous, K(λx, μy) = λμ K(x, y), up to 1e±150; zero gives 0."""
    net = rl.MLP(4, "relu", 2.0)
    scale = np.array([1e-150, 1.0, 1e150, 0.0])
    x = np.stack([U, V, U + 1e-9 * P, P])
    plain, scaled = net.kernel(x), net.kernel(scale[:, None] * x)
    for a, b in ((plain.nngp, scaled.nngp), (plain.ntk, scaled.ntk)):
        np.testing.assert_allclose(b, a * scale[:, None] * scale, rtol=1e-12)


# --- Activations without closed form -----------------------------------------------------------------


def by_trapezoid(activation, a, b, k):
    """Independent quadrature: trapezoid in two dimensions, h = 1/12, exact to 1e-14 for smooth φ here."""
    z = np.arange(-132, 133) / 12
    weight = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) / 12
    c = k / np.sqrt(a * b)
    second = c * z[:, None] + np.sqrt(max(0.0, 1 - c * c)) * z
    pairs = [
        (f(np.sqrt(a) * z)[:, None] * f(np.sqrt(b) * second)) for f in (activation, activation.derivative)
    ]
    return [weight @ product @ weight for product in pairs]


@pytest.mark.parametrize("name", ["tanh", "silu", "softplus"])
def test_quadrature_activations(name):
    """Independent quadrature: 1e-10 of √(K_ii K_jj), at every correlation and at unequal variances."""
    activation, x = (
        rl.activations.get(name),
        np.concatenate([INPUTS["near"], INPUTS["opposite"], 2 * X[:2, :10]]),
    )
    weight_var, bias_var, depth = 1.6, 0.05, 3
    k = weight_var * x @ x.T / x.shape[1] + bias_var
    t = k.copy()
    for _ in range(depth):
        duals = np.array(
            [
                [by_trapezoid(activation, k[i, i], k[j, j], k[i, j]) for j in range(len(x))]
                for i in range(len(x))
            ]
        )
        k = weight_var * duals[..., 0] + bias_var
        t = k + weight_var * duals[..., 1] * t
    found = rl.MLP(depth, name, weight_var, bias_var).kernel(x)
    for kernel, expected in ((found.nngp, k), (found.ntk, t)):
        size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        assert np.max(np.abs(kernel - expected) / size) < 1e-10


@pytest.mark.parametrize("name", ["tanh", "hard_tanh"])
def test_many_different_variances_agree_with_the_dual(name):
    """Contract: series of many rows (interpolated in ln q) and the certified dual of each pair, to 1e-10."""
    activation = rl.activations.get(name)
    x = X * np.geomspace(0.1, 4.0, len(X))[:, None]
    found = serial(Dense(1.5, 0.1), Activation(name), Dense(1.0)).kernel(x)
    k = 1.5 * x @ x.T / x.shape[1] + 0.1
    q = np.diag(k)
    value, slope = activation.dual(q[:, None], q[None, :], k)
    np.testing.assert_allclose(found.nngp, value, atol=1e-10)
    np.testing.assert_allclose(found.ntk, value + slope * k, atol=1e-10 * q.max())


def test_an_activation_of_ones_own_has_a_kernel():
    """Contract: what is registered goes through the same series; kinks go to the certified quadrature."""
    rl.activations.register("kernel_test_kink", lambda x: np.maximum(x, 0.0) - np.maximum(x - 1, 0.0),
                            lambda x: 1.0 * ((x > 0) & (x < 1)), kinks=(0.0, 1.0), overwrite=True)  # fmt: skip
    net = rl.MLP(1, "kernel_test_kink", 1.5, 0.1)
    found, expected = net.kernel(X[:3]), net.propagate(State.from_inputs(X[:3]))
    np.testing.assert_allclose(found.ntk, expected.ntk, rtol=1e-11)
    k = 1.5 * X[0] @ X[1] / 12 + 0.1
    q = [1.5 * x @ x / 12 + 0.1 for x in X[:2]]
    value, _ = net.activation.dual(*q, k)
    np.testing.assert_allclose(found.nngp[0, 1], 1.5 * value + 0.1, rtol=1e-11)


# --- Every route gives the same ----------------------------------------------------------------------

NETS = {
    "relu": rl.MLP(3, "relu", 2.0, 0.1),
    "leaky": rl.MLP(2, rl.activations.get("leaky_relu", slope=0.3), 1.5),
    "erf": rl.MLP(3, "erf", 2.0, 0.1),
    "tanh": rl.MLP(2, "tanh", 1.5, 0.05),
    "gelu": rl.MLP(2, "gelu", 1.5, 0.05),
    "shifted": rl.MLP(2, rl.activations.get("shifted_relu", alpha=0.5), 1.5, 0.05),
    "standard": rl.MLP(2, "relu", 2.0, 0.1, parameterization="standard"),
    "dropout": rl.MLP(2, "relu", 1.6, 0.1, noise=rl.noise.Dropout(keep=0.8)),
    "linear": serial(Dense(2.0, 0.1)),
}


@pytest.mark.parametrize("name", NETS)
def test_kernel_is_the_propagated_state(name):
    """Contract: blocks of any size, the other side, and the fold of propagate agree to rounding."""
    net = NETS[name]
    width = 100 if name == "standard" else None
    state = net.propagate(State.from_inputs(X, width=width))
    whole = net.kernel(X, width=width)
    for found in (whole, net.kernel(X, width=width, block=7)):
        np.testing.assert_allclose(found.nngp, state.nngp, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(found.ntk, state.ntk, rtol=1e-12, atol=1e-13 * state.ntk.max())
        np.testing.assert_array_equal(found.ntk, found.ntk.T)
    cross = net.kernel(X, X[:30], width=width, block=16)
    other = ~np.eye(len(X), 30, dtype=bool) if name == "dropout" else np.ones((len(X), 30), dtype=bool)
    np.testing.assert_allclose(cross.nngp[other], whole.nngp[:, :30][other], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        cross.ntk[other], whole.ntk[:, :30][other], rtol=1e-12, atol=1e-13 * state.ntk.max()
    )


FOLDED = {
    "relu": NETS["relu"],
    "erf": NETS["erf"],
    "tanh": NETS["tanh"],
    "standard": NETS["standard"],
    "dropout": NETS["dropout"],
    "shared noise": rl.MLP(2, "erf", 1.6, 0.1, noise=rl.noise.Dropout(keep=0.8, shared=True)),
    "residual": ResNet(2, "relu", 2.0, 0.1, size=None),
    "normalised": serial(Dense(2.0, 0.1), LayerNorm(), Activation("gelu"), Dense(2.0)),
    "convolution": CNN(2, "erf", 2.0, 0.1, dimensions=1),
}
SOME = {
    "1": X[:1],
    "2": X[:2],
    "7": X[:7],
    "8": X[:8],
    "7, alike": np.concatenate([X[:4], X[:1], -X[1:2], X[2:3] * (1 + 1e-9)]),
    "8, alike": np.concatenate([X[:6], X[:2] + 1e-7]),
}


@pytest.mark.parametrize("some", SOME)
@pytest.mark.parametrize("name", FOLDED)
def test_pairs_that_go_once_are_those_of_the_propagated_state(name, some):
    """Contract: blocks on the diagonal hold each pair once, states hold it twice; odd and even numbers of inputs."""
    x, width = SOME[some], 100 if name == "standard" else None
    x = x.reshape(-1, 3, 4) if name == "convolution" else x
    state = FOLDED[name].propagate(State.from_inputs(x, width=width))
    ways = [
        {},
        {"device": "cpu"},
        {"dtype": "float32"},
        *({"block": n} for n in (1, 2) if "shared" not in name),
    ]
    for options in ways:
        found = FOLDED[name].kernel(x, width=width, **options)
        tolerance = 3e-5 if "dtype" in options else 1e-11
        for a, b in ((found.nngp, state.nngp), (found.ntk, state.ntk)):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.max(np.abs(b)))
            np.testing.assert_array_equal(a, a.T)


def test_pairs_go_once(monkeypatch):
    """Contract: half the work; n(n + 1)/2 pairs of n inputs pass an activation, and b/2 more for a block of b."""
    sizes = []
    carry = _duals.carry
    monkeypatch.setattr(_duals, "carry", lambda *given: sizes.append(given[1].nngp.size) or carry(*given))
    rl.MLP(1, "relu", 2.0).kernel(X, block=10)
    assert sum(sizes) == 70 * 71 // 2 + 7 * 5


@pytest.mark.parametrize("name", NETS)
def test_torch_and_float32(name):
    """Contract: torch on the CPU gives NumPy's digits, float32 those of float32 (a few hundred units)."""
    net, width = NETS[name], 100 if name == "standard" else None
    x = X[:20]
    exact_kernel = net.kernel(x, width=width)
    for options, tolerance in (
        (dict(device="cpu"), 1e-13),
        (dict(dtype="float32"), 3e-5),
        (dict(dtype="float32", device="cpu"), 3e-5),
    ):
        found = net.kernel(x, width=width, **options)
        assert found.nngp.dtype == options.get("dtype", "float64")
        for a, b in ((found.nngp, exact_kernel.nngp), (found.ntk, exact_kernel.ntk)):
            assert np.max(np.abs(a - b)) < tolerance * np.max(np.abs(b))


def test_identical_rows_are_as_exact_as_the_diagonal():
    """Symmetry: a row that appears twice has the kernel of itself with itself, in one matrix or in two."""
    x = np.concatenate([X[:5], X[:5]])
    for name in ("relu", "erf", "tanh", "shifted"):
        found = NETS[name].kernel(x)
        for kernel in (found.nngp, found.ntk):
            np.testing.assert_allclose(np.diag(kernel, 5), np.diag(kernel)[:5], rtol=1e-14)
        cross = NETS[name].kernel(X[:5], X[:5])
        np.testing.assert_allclose(np.diag(cross.ntk), np.diag(found.ntk)[:5], rtol=1e-13)


def test_the_kernel_is_frozen_and_the_inputs_stay():
    """Contract."""
    x = X.copy()
    found = NETS["relu"].kernel(x)
    with pytest.raises(AttributeError):
        found.ntk = found.nngp
    np.testing.assert_array_equal(x, X)


def test_propagate_leaves_its_state_alone():
    """Contract: layers work in place on copies."""
    state = Dense(1.5, 0.1).propagate(State.from_inputs(X))
    before = [part.copy() for part in (state.nngp, state.ntk, state.gap)]
    for layer in (Activation("relu"), Activation("erf"), Activation("tanh"), Activation("gelu")):
        layer.propagate(state)
    Noise(rl.noise.Dropout(0.5)).propagate(State.from_inputs(X))
    for part, copy in zip((state.nngp, state.ntk, state.gap), before, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_memory_is_that_of_a_few_blocks_beyond_the_result():
    """Contract: at n = 1500, two results of 18 MB, and 6 MB of blocks, rows and inputs (naive: 18 MB a step)."""
    x = np.random.default_rng(0).standard_normal((1500, 20))
    net = rl.MLP(10, "relu", 2.0, 0.1)
    net.kernel(x[:3])
    tracemalloc.start()
    net.kernel(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 8 * 1500**2 + 12e6


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "net",
    [
        rl.MLP(6, "relu", 1.8, 0.1),
        rl.MLP(6, "leaky_relu", 1.8),
        rl.MLP(6, "erf", 2.5, 0.1),
        rl.MLP(3, "relu", 1.8, noise=rl.noise.Dropout(keep=0.8)),
        rl.ResNet(3, "erf", 1.2, 0.1, branch_var=0.3, size=None),
        rl.CNN(3, "erf", 2.5, 0.1, dimensions=1, padding="zero"),
        rl.CNN(3, "relu", 1.8, 0.1, dimensions=1, read_out="pool"),
    ],
    ids=["relu", "leaky", "erf", "dropout", "resnet", "cnn", "pool"],
)
def test_a_nearly_parallel_companion_changes_no_other_pair(net, dtype):
    """Contract: blocks whose inputs are apart go by kernels alone, others carry gaps; both ways agree."""
    shape = (7, 6, 5) if isinstance(net.layers[0], rl.layers.Conv1d) else (7, 30)
    x = np.random.default_rng(5).normal(size=shape)
    alone, beside = (
        net.kernel(inputs, dtype=dtype) for inputs in (x, np.concatenate([x, x[:1] * (1 + 1e-9)]))
    )
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    for found, expected in ((alone.nngp, beside.nngp), (alone.ntk, beside.ntk)):
        np.testing.assert_allclose(found, expected[:7, :7], rtol=tolerance, atol=tolerance * expected.max())


@pytest.mark.parametrize("kind", [np.float32, np.dtype("float32"), torch.float32, "float32"])
def test_precisions_by_any_name(kind):
    """Contract: NumPy's, torch's and plain names mean the same, in kernels and in samples."""
    assert NETS["relu"].kernel(X[:2], dtype=kind).ntk.dtype == np.float32
    module = NETS["relu"].sample(4, in_features=12, dtype=kind)
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert NETS["relu"].kernel(X[:2], dtype=float).ntk.dtype == np.float64


@pytest.mark.parametrize("device", ["foo", 3.5, "meta", "cuda:99", "mps"])
def test_devices_that_are_not_there(device):
    """Contract: a sentence, in kernels and in samples."""
    for use in (
        lambda: NETS["relu"].kernel(X[:2], device=device),
        lambda: NETS["relu"].sample(4, in_features=12, device=device),
        lambda: Dense().module(3, 4, device=device),
    ):
        with pytest.raises(ValueError, match=r"device.*\.$"):
            use()


@pytest.mark.parametrize(
    ("net", "x", "sentence"),
    [
        (rl.MLP(2, "relu", 2.0), 1e25 * X[:2], "variances leave the range of float32 at the input"),
        (rl.MLP(2, "exp", 2.0), 9 * np.ones((2, 3)), "variances leave the range of float32 at layer 2"),
        (
            rl.MLP(9, "relu", 2.0),
            np.full((2, 3), 1e19),
            "ntk kernel leaves .* float32, whose largest number is 3.4e",
        ),
        (rl.MLP(2, "tanh", 2.0), np.array([[1e25, 1.0], [1.0, 2.0]]), "leave the range of float32"),
    ],
)
def test_what_leaves_float32(net, x, sentence):
    """Contract: the sentence says what left it and where, and float64 holds it (but for exp)."""
    with pytest.raises(ValueError, match=sentence):
        net.kernel(x, dtype="float32")
    if net.activation.name != "exp":
        net.kernel(x)


@pytest.mark.parametrize("size", [1e160, 1e200, 1e307])
def test_inputs_beyond_float64(size):
    """Contract: their squares leave float64, and a sentence says so where they come in."""
    for use in (NETS["relu"].kernel, State.from_inputs):
        with pytest.raises(ValueError, match="x1 is too large: its second moments"):
            use(size * X[:2])


@pytest.mark.parametrize("scale", [1e-8, 1e-20, 1e-60])
def test_erf_without_bias_is_linear_at_small_inputs(scale):
    """Evidence: limit; erf u ≈ 2u/√π, so that K = σ_w⁴ (4/π) x·x′/d, relative to the diagonal to rounding."""
    x = np.array([[1.0, 2.0, 0.3], [2.0, 1.0, -0.4], [0.3, -1.0, 0.2], [1.0, 2.0, 0.3]])
    found = rl.MLP(1, "erf", 1.3, 0.0).kernel(scale * x).nngp / scale**2
    exact = 1.3**2 * 4 / np.pi * x @ x.T / 3
    size = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    np.testing.assert_allclose(found / size, exact / size, atol=1e-14)


def test_erf_at_huge_inputs():
    """Evidence: scaling; K saturates, and the tangent kernel's diagonal grows like the norm."""
    net, x = rl.MLP(1, "erf", 1.3, 0.0), np.array([[1.0, 2.0], [2.0, 1.0]])
    diagonals = [np.diag(net.kernel(size * x).ntk) / size for size in (1e100, 1e150)]
    np.testing.assert_allclose(diagonals[1], diagonals[0], rtol=1e-12)
