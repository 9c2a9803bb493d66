"""Kernels through whole networks against 30 to 50 digits (exact_kernels.py): every activation, every architecture.

The evidence is independent evaluation: mpmath recursions as they are written, nothing of rmtlab. Errors are in
units of √(K_ii K_jj), for the tangent kernel √(Θ_ii Θ_jj). What is asked: 1e-12 for closed forms on separated
inputs, 1e-9 on nearly parallel, opposite, identical and wildly scaled ones, 1e-10 for series, and 1e-6 for chaotic
networks at depth 10 and beyond, which amplify any rounding by χ₁ a layer.
"""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

import rmtlab as rl
from rmtlab.layers import (
    Activation,
    Attention,
    AvgPool,
    Conv1d,
    Dense,
    Flatten,
    GlobalAvgPool,
    LayerNorm,
    State,
    TokenMixing,
)
from rmtlab.networks import CNN, ResNet, TransformerBlock
from tests import exact_kernels as exact

PARAMS = {"leaky_relu": {"slope": 0.3}, "shifted_relu": {"alpha": 0.5}}


def activation(name):
    return rl.activations.get(name, **PARAMS.get(name, {}))


def assert_close(found, expected, tolerance):
    for kernel, e in zip((found.nngp, found.ntk), expected, strict=True):
        assert exact.distance(kernel, e) < tolerance


# --- Multilayer perceptrons ---------------------------------------------------------------------------

CLOSED = [
    ("linear", 1.0, 0.1),
    ("relu", 2.0, 0.0),
    ("relu", 1.45, 0.28),
    ("leaky_relu", 1.8, 0.0),
    ("leaky_relu", 1.5, 0.2),
    ("abs", 1.0, 0.0),
    ("abs", 0.9, 0.1),
    ("erf", 1.3, 0.0),
    ("erf", 0.7, 0.0),
    ("sin", 1.5, 0.05),
    ("cos", 1.5, 0.05),
    ("gelu", 2.0, 0.1),
    ("gelu", 4.0, 0.0),
]
CHAOTIC = [("erf", 16.0, 0.0), ("erf", 4.0, 0.05), ("sin", 5.0, 0.1), ("cos", 4.0, 0.1)]


@pytest.mark.parametrize("inputs", exact.INPUTS)
@pytest.mark.parametrize(("name", "w", "b"), CLOSED)
def test_closed_forms(name, w, b, inputs):
    """At depths 1, 3, 10 and 30."""
    x = exact.INPUTS[inputs]
    for depth, expected in exact.mlp(x, name, exact.DEPTHS, w, b).items():
        found = rl.MLP(depth, activation(name), w, b).kernel(x)
        assert_close(found, expected, 1e-12 if inputs == "separated" else 1e-9)


@pytest.mark.parametrize("inputs", exact.INPUTS)
@pytest.mark.parametrize(("name", "w", "b"), CHAOTIC)
def test_chaotic_closed_forms(name, w, b, inputs):
    """At depths 10 and 30; near inputs go through every distance on their way to c*."""
    x = exact.INPUTS[inputs]
    for depth, expected in exact.mlp(x, name, (10, 30), w, b).items():
        assert_close(rl.MLP(depth, activation(name), w, b).kernel(x), expected, 1e-6)


@pytest.mark.parametrize("inputs", ["separated", "near", "opposite", "scaled"])
def test_exponential(inputs):
    """At depths 1 and 2, beyond which it explodes."""
    x = exact.INPUTS[inputs]
    for depth, expected in exact.mlp(x, "exp", (1, 2), 0.1, 0.0).items():
        assert_close(rl.MLP(depth, "exp", 0.1).kernel(x), expected, 1e-12)


def test_sign():
    """Covariances at depths 1 to 30, and Θ of separated inputs; K̇ is infinite at c = 1."""
    x, y = exact.INPUTS["separated"], exact.INPUTS["separated"][[1, 2, 0]]
    for depth, (k, t) in exact.mlp(x, "sign", exact.DEPTHS, 1.5, 0.1).items():
        found = rl.MLP(depth, "sign", 1.5, 0.1).kernel(x, y)
        for i, j in ((0, 0), (1, 1), (2, 2)):
            pair = i, (j + 1) % 3
            assert found.nngp[i, j] == pytest.approx(float(k[pair]), rel=1e-12)
            assert found.ntk[i, j] == pytest.approx(float(t[pair]), rel=1e-12)


@pytest.fixture(scope="module")
def stored():
    return exact.stored()


@pytest.mark.parametrize("inputs", exact.SMOOTH_INPUTS)
@pytest.mark.parametrize(("name", "w", "b"), exact.SLOW)
def test_quadrature_activations(stored, name, w, b, inputs):
    """tanh, silu and softplus to 1e-10, the clipped ones to 1e-9, at depths 1, 3, 10 and 30, chaotic too (the
    extreme inputs of others than tanh at 1 and 10)."""
    x = exact.SMOOTH_INPUTS[inputs]
    tolerance = 1e-10 if name in exact.SMOOTH else 1e-9
    kept = stored[name, w, b, inputs]
    for depth in exact.DEPTHS if name == "tanh" or inputs == "mixed" else (1, 10):
        expected = kept[depth]
        assert_close(rl.MLP(depth, activation(name), w, b).kernel(x), expected, tolerance)


@pytest.mark.parametrize("name", ["tanh", "silu", "softplus", "hard_tanh", "shifted_relu"])
def test_a_slice_of_the_stored_values(stored, name):
    """Evidence: computed anew here, at depth 1; the file is what its script says."""
    w, b = next((w, b) for known, w, b in exact.SLOW if known == name)
    (found,) = exact.mlp(exact.SMOOTH_INPUTS["mixed"], name, (1,), w, b).values()
    for anew, kept in zip(found, stored[name, w, b, "mixed"][1], strict=True):
        for pair, value in anew.items():
            assert abs(value - kept[pair]) < 1e-18 * abs(value)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("tanh", mp.tanh),
        ("silu", lambda x: x / (1 + mp.exp(-x))),
        ("softplus", lambda x: mp.log1p(mp.exp(x))),
    ],
)
def test_the_pairs_of_floats(name, function):
    """Evidence: another evaluation; mpmath's own functions on a coarser grid, h = 1/4, to the 1e-9 it gives,
    and Price's theorem, the slope as a difference of values."""
    a, b, k = mpf("0.7"), mpf("0.9"), mpf("0.3")
    with mpmath.workdps(exact.DIGITS):
        value, slope = exact.DUALS[name](a, b, k)
        step = mpf("1e-9")
        price = exact.DUALS[name](a, b, k + step)[0] - exact.DUALS[name](a, b, k - step)[0]
    with mpmath.workdps(20):
        c = k / mp.sqrt(a * b)
        nodes = [mpf(i) / 4 for i in range(-28, 29)]
        weights = [mp.npdf(z) / 4 for z in nodes]
        total = mpf(0)
        for z, weight in zip(nodes, weights, strict=True):
            inner = (function(mp.sqrt(b) * (c * z + mp.sqrt(1 - c * c) * y)) for y in nodes)
            total += weight * function(mp.sqrt(a) * z) * mp.fdot(weights, inner)
        assert abs(total - value) < 1e-9
        assert abs(price / (2 * step) - slope) < 1e-12


@pytest.mark.parametrize("size", [1e6, 1e9])
def test_tanh_of_huge_inputs(size):
    """Limit: E tanh² = 1 − 2ρ(1 − π²/(24q)), E sech⁴ = (4/3)ρ(1 − …/q), ρ = 1/√(2πq), with the rest O(q^{−5/2});
    two separated inputs have (2/π) arcsin c and 2/(π√(ab − k²)), relative O(1/q)."""
    x = size * np.stack([exact.U, exact.V])
    k = x @ x.T / 10
    q = np.diag(k)
    found = rl.MLP(1, "tanh", 1.0).kernel(x)
    density = 1 / np.sqrt(2 * np.pi * q)
    np.testing.assert_allclose(np.diag(found.nngp), 1 - 2 * density, rtol=1e-10)
    np.testing.assert_allclose(np.diag(found.ntk), 1 - 2 * density + 4 / 3 * density * q, rtol=1e-10)
    root = np.sqrt(q[0] * q[1] - k[0, 1] ** 2)
    value = 2 / np.pi * np.arctan2(k[0, 1], root)
    np.testing.assert_allclose(found.nngp[0, 1], value, atol=1e-10)
    np.testing.assert_allclose(found.ntk[0, 1], value + 2 / np.pi * k[0, 1] / root, atol=1e-10)


LARGE = [("relu", 1.5, 0.1), ("erf", 1.3, 0.05), ("gelu", 2.0, 0.1), ("sin", 1.5, 0.05), ("cos", 1.5, 0.05)]


@pytest.mark.parametrize("size", [1e-6, 1e2, 1e4, 1e6])
@pytest.mark.parametrize(("name", "w", "b"), LARGE)
def test_large_inputs_that_nearly_agree(name, w, b, size):
    """At depths 1 to 3: erf is a step there, sin and cos turn many times; near in direction, in size, in both."""
    for near in (0.0, 1e-14, 1e-11, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2):
        for x in (
            np.stack([exact.U, exact.U + near * exact.P]),
            np.stack([exact.U, (1 + near) * exact.U]),
            np.stack([exact.U, -(1 + near) * (exact.U + near * exact.P)]),
        ):
            for depth, expected in exact.mlp(size * x, name, (1, 2, 3), w, b).items():
                assert_close(rl.MLP(depth, name, w, b).kernel(size * x), expected, 1e-9)


# --- Architectures ------------------------------------------------------------------------------------

W, B, WIDTH = mpf(1.5), mpf(0.1), 11
U, V, P = np.random.default_rng(1).standard_normal((3, 3, 4)) + 0.3  # three channels, four positions
SEQUENCES = {
    "separated": np.stack([U, V]),
    "near": np.stack([U, U + 1e-4 * P]),
    "nearer": np.stack([U, U + 1e-10 * P]),
    "identical": np.stack([U, U]),
    "opposite": np.stack([U, -U + 1e-10 * P]),
    "wild": np.stack([1e-6 * U, 1e6 * V]),
    "wild and near": np.stack([1e-6 * U, 1e6 * (U + 1e-10 * P)]),
}


def cnn(name, depth, padding="circular", stride=1, read_out="flatten", standard=False, bias=True):
    """Return the exact kernels as a function of inputs, and the network."""
    b = B if bias else mpf(0)
    options = {
        "padding": padding,
        "stride": stride,
        "dimensions": 1,
        "read_out": read_out,
        "parameterization": "standard" if standard else "ntk",
    }

    def values(x):
        state, fan_in = exact.State.of(x), 3
        for _ in range(depth):
            own = fan_in if standard else None
            state = exact.activation(exact.convolution(state, W, b, padding, stride, standard=own), name)
            fan_in = WIDTH
        if read_out == "flatten":
            fan_in *= state.positions
        state = (exact.flatten if read_out == "flatten" else exact.pool)(state)
        return exact.kernels(exact.dense(state, W, b, standard=fan_in if standard else None))

    return values, CNN(depth, activation(name), 1.5, float(b), **options)


def resnet(name, depth, read_out):
    def values(x):
        state = exact.convolution(exact.State.of(x), W, B)
        for _ in range(depth):
            branch = state
            for _ in range(2):
                branch = exact.convolution(exact.activation(branch, name), W, B)
            state = exact.add(state, branch, mpf(0.5))
        state = (exact.flatten if read_out == "flatten" else exact.pool)(exact.activation(state, name))
        return exact.kernels(exact.dense(state, W, B))

    return values, ResNet(depth, name, 1.5, 0.1, branch_var=0.5, dimensions=1, read_out=read_out)


def attention(name, standard=False):
    def values(x):
        state = exact.dense(exact.State.of(x), W, B, standard=3 if standard else None)
        own = WIDTH + W * WIDTH if standard else None
        state = exact.attention(exact.activation(state, name), mpf(2), W, B, standard=own)
        state = exact.flatten(exact.activation(state, name))
        return exact.kernels(exact.dense(state, W, B, standard=4 * WIDTH if standard else None))

    options = {"parameterization": "standard" if standard else "ntk"}
    dense, phi = Dense(1.5, 0.1, **options), Activation(name)
    look = Attention(2.0, 1.5, 1.0, 0.1, **options)
    return values, rl.serial(dense, phi, look, phi, Flatten(), dense)


def transformer(name, depth):
    def values(x):
        state = exact.dense(exact.State.of(x), W, B)
        for _ in range(depth):
            state = exact.add(state, exact.attention(exact.layer_norm(state), mpf(1), W * W, B))
            inner = exact.dense(exact.layer_norm(state), W, B)
            state = exact.add(state, exact.dense(exact.activation(inner, name), W, B))
        return exact.kernels(exact.dense(exact.pool(exact.layer_norm(state)), W, B))

    return values, TransformerBlock(depth, name, 1.5, 0.1)


def average_pool(name):
    def values(x):
        state = exact.activation(exact.convolution(exact.State.of(x), W, B), name)
        state = exact.convolution(exact.average_pool(state, 2), W, B, "zero")
        return exact.kernels(exact.dense(exact.flatten(exact.activation(state, name)), W, B))

    phi, tail = Activation(name), (Flatten(), Dense(1.5, 0.1))
    return values, rl.serial(
        Conv1d(3, 1.5, 0.1), phi, AvgPool(2), Conv1d(3, 1.5, 0.1, padding="zero"), phi, *tail
    )


def pooled_then_bent(name):
    def values(x):
        state = exact.pool(exact.activation(exact.convolution(exact.State.of(x), W, B), name))
        return exact.kernels(exact.dense(exact.activation(exact.dense(state, W, B), name), W, B))

    dense, phi = Dense(1.5, 0.1), Activation(name)
    return values, rl.serial(Conv1d(3, 1.5, 0.1), phi, GlobalAvgPool(), dense, phi, dense)


def layer_norm(name, depth):
    def values(x):
        state = exact.dense(exact.State.of(x), W, B)
        for _ in range(depth):
            state = exact.dense(exact.activation(exact.layer_norm(state), name), W, B)
        return exact.kernels(exact.dense(exact.flatten(exact.activation(state, name)), W, B))

    dense, phi = Dense(1.5, 0.1), Activation(name)
    return values, rl.serial(dense, *[LayerNorm(), phi, dense] * depth, phi, Flatten(), dense)


def architectures(name):
    return {
        "cnn": cnn(name, 2),
        "zero, pool": cnn(name, 2, "zero", read_out="pool"),
        "zero, stride": cnn(name, 2, "zero", 2),
        "circular, stride, pool": cnn(name, 2, "circular", 2, "pool"),
        "no biases": cnn(name, 2, bias=False),
        "no biases, zero, pool": cnn(name, 2, "zero", read_out="pool", bias=False),
        "depth 10": cnn(name, 10, "zero"),
        "standard": cnn(name, 2, "zero", 2, standard=True),
        "resnet": resnet(name, 2, "pool"),
        "resnet, depth 7": resnet(name, 3, "flatten"),
        "attention": attention(name),
        "attention, standard": attention(name, standard=True),
        "transformer": transformer(name, 2),
        "average pool": average_pool(name),
        "pooled": pooled_then_bent(name),
        "layer norm": layer_norm(name, 3),
    }


TRIED = [
    *[("relu", architecture) for architecture in architectures("relu")],
    *[("leaky_relu", architecture) for architecture in ("no biases", "no biases, zero, pool")],
    *[("erf", a) for a in ("zero, pool", "no biases", "no biases, zero, pool", "resnet", "attention")],
    *[("gelu", a) for a in ("zero, stride", "standard", "transformer", "average pool", "layer norm")],
]


@pytest.mark.parametrize(("name", "architecture"), TRIED)
def test_architectures(name, architecture):
    """Two inputs with four positions, as x with itself and as two sets in the other order."""
    values, net = architectures(name)[architecture]
    for inputs, x in SEQUENCES.items():
        with mpmath.workdps(exact.DIGITS):
            expected = values(x)
        tolerance = 1e-12 if inputs == "separated" else 1e-9
        assert_close(net.kernel(x, width=WIDTH), expected, tolerance)
        across = net.kernel(x, x[::-1], width=WIDTH)
        across = type(across)(across.nngp[:, ::-1], across.ntk[:, ::-1])
        assert_close(across, expected, tolerance)


@pytest.mark.parametrize("name", ["relu", "erf"])
def test_deep_convolutions(name):
    """Depth 30."""
    values, net = cnn(name, 30)
    for inputs in ("separated", "nearer"):
        with mpmath.workdps(exact.DIGITS):
            expected = values(SEQUENCES[inputs][..., :2])
        assert_close(net.kernel(SEQUENCES[inputs][..., :2]), expected, 1e-12)


# --- Rectifiers behind means over positions -----------------------------------------------------------

# Their tangent kernel feels √(1 − c), and 1 − c of two means is a second difference of the kernel before.


def bent_again(means, tail, first, second, bias=0.1):
    """Return a network of two activations, with means over positions between them and perhaps behind."""
    dense, phi, psi = Dense(1.5, bias), Activation(activation(first)), Activation(activation(second))
    b = mpf(bias)
    mean, rule = {
        "pool": (GlobalAvgPool(), exact.pool),
        "windows": (AvgPool(2), lambda state: exact.average_pool(state, 2)),
        "tokens": (TokenMixing(3, seed=4), lambda state: exact.mix(state, MIXING)),
        "attention": (Attention(2.0, 1.5, 1.0, bias), lambda state: exact.attention(state, mpf(2), W, b)),
        "uniform": (
            Attention(1.0, 1.5, 1.0, bias, tied=False),
            lambda state: exact.attention(state, mpf(0), W, b),
        ),
    }[means]
    linear = () if "Attention" in repr(mean) else (dense,)
    end, over = {
        "flatten": ((Flatten(),), exact.flatten),
        "pool": ((GlobalAvgPool(),), exact.pool),
        "": ((), lambda state: state),
    }["" if means == "pool" else tail]

    def values(x):
        state = rule(exact.activation(exact.convolution(exact.State.of(x), W, b), first))
        state = exact.dense(state, W, b) if linear else state
        return exact.kernels(exact.dense(over(exact.activation(state, second)), W, b))

    return values, rl.serial(Conv1d(3, 1.5, bias), phi, mean, *linear, psi, *end, dense)


MIXING = np.random.default_rng(4).standard_normal((3, 4)) / 2
SOME = np.array([0.0, 1.0, 0.0, 0.0])
SIZES = (1e-3, 1e-5, 1e-7, 3e-8, 1e-9, 1e-12, 0.0)


@pytest.mark.parametrize("tail", ["flatten", "pool"])
@pytest.mark.parametrize("means", ["pool", "windows", "tokens", "attention", "uniform"])
@pytest.mark.parametrize(("first", "second"), [("relu", "relu"), ("erf", "abs"), ("gelu", "leaky_relu")])
def test_rectifiers_behind_means_over_positions(first, second, means, tail):
    """Inputs that differ everywhere, at one position of four, in size or by their signs."""
    values, net = bent_again(means, tail, first, second)
    for size in SIZES:
        for x in (
            np.stack([U, U + size * P]),
            np.stack([U, U + size * P * SOME]),
            np.stack([U, (1 + size) * U + 0.01 * size * P]),
            np.stack([U, -U + size * P]),
        ):
            with mpmath.workdps(exact.DIGITS):
                expected = values(x)
            assert_close(net.kernel(x), expected, 1e-11)
            across = net.kernel(x, x[::-1])
            assert_close(type(across)(across.nngp[:, ::-1], across.ntk[:, ::-1]), expected, 1e-11)


@pytest.mark.parametrize("bias", [0.1, 0.0])
@pytest.mark.parametrize("means", ["windows", "attention", "uniform"])
def test_inputs_that_repeat_themselves(means, bias):
    """Positions that are equal, or zero, in one input and in two that nearly agree."""
    values, net = bent_again(means, "pool", "relu", "relu", bias)
    for size in SIZES:
        for x in (
            np.stack([U[:, [0, 0, 0, 0]], U[:, [0, 0, 0, 0]] + size * P[:, :1]]),
            np.stack([U[:, [0, 1, 0, 1]], U[:, [0, 1, 0, 1]] + size * P[:, [0, 1, 0, 1]]]),
            np.stack([U * (1 - SOME), U * (1 - SOME) + size * P]),
        ):
            with mpmath.workdps(exact.DIGITS):
                expected = values(x)
            assert_close(net.kernel(x), expected, 1e-10)


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_means_of_inputs_of_different_size(size):
    """Networks without biases take multiples to multiples."""
    dense, phi = Dense(1.5), Activation("relu")
    net = rl.serial(Conv1d(3, 1.5), phi, GlobalAvgPool(), dense, phi, dense)
    for near in SIZES:
        x = np.stack([U, size * (U + near * P)])
        with mpmath.workdps(exact.DIGITS):
            state = exact.pool(exact.activation(exact.convolution(exact.State.of(x), W, 0), "relu"))
            expected = exact.kernels(exact.dense(exact.activation(exact.dense(state, W, 0), "relu"), W, 0))
        assert_close(net.kernel(x), expected, 1e-11)


@pytest.mark.parametrize("means", ["windows", "attention", "uniform"])
@pytest.mark.parametrize("first", ["relu", "erf"])
def test_sizes_and_signs_that_attention_tells_apart(first, means):
    """2U beside U, and −U with next to no biases: their differences are no small ones in front of a softmax."""
    for bias, factor in ((0.0, 2.0), (0.1, 2.0), (1e-10, -1.0), (0.0, -1.0)):
        values, net = bent_again(means, "pool", first, "relu", bias)
        for scale, size in ((1.0, 1e-4), (1e-4, 1e-5), (1e5, 1e-4), (1.0, 0.0)):
            x = scale * np.stack([U, factor * U + size * P])
            with mpmath.workdps(exact.DIGITS):
                expected = values(x)
            assert_close(net.kernel(x), expected, 1e-9)


@pytest.mark.parametrize("second", ["cos", "sin", "erf"])
def test_attention_to_large_inputs_whose_positions_nearly_agree(second):
    """A rounding of the kernel moves the logits by 1e-3, of both inputs alike."""
    values, net = bent_again("attention", "pool", "abs", second)
    for size in (1e-15, 6e-14, 1e-12):
        x = np.stack([1e-6 * U, 1e6 * (U[:, [0, 0, 0, 0]] + size * P)])
        with mpmath.workdps(exact.DIGITS):
            expected = values(x)
        assert_close(net.kernel(x), expected, 1e-9)
        across = net.kernel(x, x[::-1])
        assert_close(type(across)(across.nngp[:, ::-1], across.ntk[:, ::-1]), expected, 1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1e-5, 1e-7])
def test_transformers_of_small_inputs(scale):
    """Biases make all inputs, and all positions, nearly equal."""
    values, net = transformer("relu", 2)
    for x in (np.stack([U, V]), *(np.stack([U, U + size * P]) for size in SIZES)):
        with mpmath.workdps(exact.DIGITS):
            expected = values(scale * x)
        assert_close(net.kernel(scale * x), expected, 1e-9)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-8, 1e-9])
def test_small_inputs_beside_biases(size):
    """Separated inputs, which the bias of the first layer makes nearly equal."""
    x = size * exact.INPUTS["separated"]
    for name in ("relu", "abs", "gelu", "erf"):
        for depth, expected in exact.mlp(x, name, (1, 3), 1.5, 0.1).items():
            assert_close(rl.MLP(depth, name, 1.5, 0.1).kernel(x), expected, 1e-12)


@pytest.mark.parametrize("options", [{"device": "cpu"}, {"block": 1}, {"block": 2}])
def test_differences_are_the_same_in_blocks_and_in_torch(options):
    """Contract: several twins, some of them equal, and others."""
    net = bent_again("attention", "pool", "erf", "relu")[1]
    x = np.stack([U, U + 1e-8 * P, V, U, V + 1e-6 * P])
    found, expected = net.kernel(x, **options), net.kernel(x)
    np.testing.assert_allclose(found.nngp, expected.nngp, rtol=1e-13)
    np.testing.assert_allclose(found.ntk, expected.ntk, rtol=1e-12)


@pytest.mark.parametrize("name", ["relu", "erf"])
def test_states_follow_differences_too(name):
    """Layer by layer from State.from_inputs, as precisely."""
    values, net = bent_again("attention", "pool", name, "relu")
    for size in SIZES:
        x = np.stack([U, U + size * P])
        state = State.from_inputs(x, all_pairs=True)
        for layer in net.layers:
            state = layer.propagate(state)
        with mpmath.workdps(exact.DIGITS):
            expected = values(x)
        assert exact.distance(state.nngp, expected[0]) < 1e-11
        assert exact.distance(state.ntk, expected[1]) < 1e-11
