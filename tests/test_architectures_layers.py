"""Layers beyond the dense ones: kernels against loops written out, and against their own finite twins."""

from itertools import product

import numpy as np
import pytest
import torch

import rmtlab as rl
from rmtlab.layers import (
    Activation,
    Attention,
    AvgPool,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool,
    LayerNorm,
    Noise,
    Residual,
    State,
    Sum,
    TokenMixing,
)
from rmtlab.networks import CNN, MLP, Mixer, ResNet, TransformerBlock, serial

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((3, 2, 6, 5)) + 0.4
SEQUENCES = RNG.standard_normal((3, 4, 7)) + 0.4
FLAT = RNG.standard_normal((3, 12)) + 0.4


# --- The rules, written out as loops -----------------------------------------------------------------


def mean_over_patch(k, size, stride, padding):
    """A(K) of K (n, n, h, w, h′, w′), position by position."""
    height, width = k.shape[2:4]
    margin = 0 if padding == "none" else size // 2
    out = [(extent + 2 * margin - size) // stride + 1 for extent in (height, width)]
    mean = np.zeros((*k.shape[:2], *out, *out))
    for p, q, r, s in product(*map(range, (*out, *out))):
        for a, b in product(range(size), repeat=2):
            at = [stride * i + step - margin for i, step in ((p, a), (q, b), (r, a), (s, b))]
            if padding == "circular":
                at = [i % extent for i, extent in zip(at, (height, width) * 2, strict=True)]
            if all(0 <= i < extent for i, extent in zip(at, (height, width) * 2, strict=True)):
                mean[:, :, p, q, r, s] += k[(..., *at)] / size**2
    return mean


def by_loops(x, activation, read_out, size, stride, padding):
    """K and Θ of two convolutions with activations and a read-out, σ_w² = 1.5, σ_b² = 0.1."""
    act = rl.activations.get(activation)
    k = np.einsum("icab,jcde->ijabde", x, x) / x.shape[1]
    t = np.zeros_like(k)
    for _ in range(2):
        k = 1.5 * mean_over_patch(k, size, stride, padding) + 0.1
        t = k + 1.5 * mean_over_patch(t, size, stride, padding)
        v = np.einsum("iiabab->iab", k)
        k, slope = act.dual(v[:, None, :, :, None, None], v[None, :, None, None], k)
        t = slope * t
    if read_out == "pool":
        k, t = k.mean((2, 3, 4, 5)), t.mean((2, 3, 4, 5))
    else:
        k, t = (np.einsum("ijabab->ij", m) / (m.shape[2] * m.shape[3]) for m in (k, t))
    k = 1.5 * k + 0.1
    return k, k + 1.5 * t


PATCHES = [(3, 1, "circular"), (3, 1, "zero"), (3, 2, "zero"), (2, 1, "none"), (3, 2, "circular")]


@pytest.mark.parametrize("read_out", ["pool", "flatten"])
@pytest.mark.parametrize(
    ("activation", "size", "stride", "padding"),
    [*(("relu", *p) for p in PATCHES), *(("erf", *p) for p in PATCHES), ("tanh", 3, 2, "zero")],
)
def test_convolutions_are_means_over_patches(activation, read_out, size, stride, padding):
    """Closed form: the recursion over all pairs of positions, to rounding (1e-11 for the series of tanh)."""
    x = np.concatenate([IMAGES[:2], IMAGES[:1] + 1e-7])
    net = CNN(2, activation, 1.5, 0.1, size=size, stride=stride, padding=padding, read_out=read_out)
    found, expected = net.kernel(x), by_loops(x, activation, read_out, size, stride, padding)
    np.testing.assert_allclose(found.nngp, expected[0], rtol=1e-11)
    np.testing.assert_allclose(found.ntk, expected[1], rtol=1e-7)


def test_one_position_is_a_dense_network():
    """Limit: a convolution over one position is a Dense, whatever stands at the end."""
    x = FLAT[:, :, None]
    dense = MLP(2, "relu", 1.5, 0.1).kernel(FLAT)
    for read_out in ("flatten", "pool"):
        net = CNN(2, "relu", 1.5, 0.1, size=1, dimensions=1, read_out=read_out)
        np.testing.assert_allclose(net.kernel(x).ntk, dense.ntk, rtol=1e-13)


def test_a_row_is_an_image_of_height_one():
    """Symmetry: on images of height one two thirds of a zero-padded patch are empty."""
    one = CNN(1, "relu", 1.5, dimensions=1, padding="zero", read_out="pool").kernel(SEQUENCES)
    two = CNN(1, "relu", 1.5, padding="zero", read_out="pool").kernel(SEQUENCES[:, :, None])
    np.testing.assert_allclose(3 * two.nngp, one.nngp, rtol=1e-12)


def test_circular_convolutions_do_not_see_a_rotation():
    """Symmetry: rotating one input changes nothing behind a mean over all positions."""
    net = CNN(2, "erf", 1.5, 0.1, read_out="pool")
    rolled = np.roll(IMAGES, (2, 1), axis=(2, 3))
    np.testing.assert_allclose(net.kernel(IMAGES, rolled).ntk, net.kernel(IMAGES, IMAGES).ntk, rtol=1e-12)


def test_average_pools_compose():
    """Symmetry: means of means over equal windows are the mean over all."""
    x = IMAGES[:, :, :4, :4]
    once = serial(Conv2d(), Activation("relu"), GlobalAvgPool(), Dense()).kernel(x)
    twice = serial(Conv2d(), Activation("relu"), AvgPool(2), AvgPool(2), Flatten(), Dense()).kernel(x)
    np.testing.assert_allclose(once.ntk, twice.ntk, rtol=1e-13)


def test_residual_kernels_add_up():
    """Closed form: K′ = K + a K_g; q ↦ q(1 + a σ_w²/2) for rectifiers without biases."""
    net = ResNet(5, "relu", 1.2, branch_var=0.3, size=None)
    q = 1.2 * np.mean(FLAT[0] ** 2) * (1 + 0.3 * 1.2**2 / 4) ** 5 * 1.2 / 2
    assert net.kernel(FLAT).nngp[0, 0] == pytest.approx(q, rel=1e-13)
    state = Dense(1.0, 0.1).propagate(State.from_inputs(FLAT))
    branch = Dense(1.0).propagate(Activation("erf").propagate(state))
    both = Residual(Activation("erf"), Dense(1.0), branch_var=0.5).propagate(state)
    np.testing.assert_allclose(both.ntk, state.ntk + 0.5 * branch.ntk, rtol=1e-14)
    same = Sum([], [Activation("erf"), Dense(1.0)]).propagate(state)
    np.testing.assert_allclose(same.nngp, state.nngp + branch.nngp, rtol=1e-14)
    np.testing.assert_allclose(
        same.gap, 1 - np.abs(same.nngp) / np.sqrt(np.outer(same.diag1, same.diag1)), atol=1e-14
    )


def test_a_branch_may_tell_what_positions_there_are():
    """Contract: in front of the inputs a Dense leaves open how many axes follow; a convolution in a branch says it."""
    block = Residual(Activation("relu"), Conv1d(3, 1.2, 0.1))
    net = serial(Dense(1.5, 0.1), block, Activation("erf"), Flatten(), Dense())
    state = Dense(1.5, 0.1).propagate(State.from_inputs(SEQUENCES))
    expected = Activation("erf").propagate(block.propagate(state)).nngp.mean(-1)
    np.testing.assert_allclose(net.kernel(SEQUENCES).nngp, expected, rtol=1e-12)
    assert net.sample(8, in_features=4, positions=(7,))(SEQUENCES).shape == (3, 1)
    with pytest.raises(ValueError, match="needs branches with the same positions"):
        serial(Sum(Conv1d(), Conv2d()), Activation("relu"), Flatten(), Dense())


def test_layer_norm_keeps_the_correlation():
    """Closed form: K′_ii = q/(q + ε), correlations and gaps stay."""
    state = Dense(3.0, 0.1).propagate(State.from_inputs(FLAT))
    after = LayerNorm(eps=0.5).propagate(state)
    np.testing.assert_allclose(after.diag1, state.diag1 / (state.diag1 + 0.5))
    np.testing.assert_array_equal(after.gap, state.gap)
    size = np.sqrt(np.outer(state.diag1 + 0.5, state.diag1 + 0.5))
    np.testing.assert_allclose(after.ntk, state.ntk / size, rtol=1e-14)
    assert after.kind == "normalised"


def test_attention_by_hand():
    """Closed form: one layer on the input, K′ = v o G K Gᵀ + b; untied keys look everywhere alike."""
    x = SEQUENCES[:2]
    k = np.einsum("ica,jcb->ijab", x, x) / x.shape[1]
    logits = np.exp(2.0 * np.einsum("iiab->iab", k))
    g = logits / logits.sum(-1, keepdims=True)
    expected = 1.5 * np.einsum("iab,ijbc,jdc->ijad", g, k, g)
    state = State.from_inputs(x, all_pairs=True)
    found = Attention(2.0, 1.5, 1.0, 0.1).propagate(state)
    np.testing.assert_allclose(found.nngp, expected + 0.1, rtol=1e-12)
    np.testing.assert_allclose(found.ntk, 2 * expected + 0.1, rtol=1e-12)
    uniform = Attention(2.0, 1.5, 1.0, tied=False).propagate(state)
    np.testing.assert_allclose(uniform.nngp[..., 0, 0], 1.5 * k.mean((2, 3)), rtol=1e-12)


def test_token_mixing_by_hand():
    """Closed form: K′ = T K Tᵀ and Θ′ = T Θ Tᵀ with the T of the finite twin; kinds and positions behind."""
    layer = TokenMixing(3, weight_var=2.0, seed=4)
    module = layer.module(4, 4, positions=(7,), dtype="float64")
    t = module.mix.numpy()
    assert t.shape == (3, 7)
    x = torch.tensor(SEQUENCES)
    torch.testing.assert_close(module(x), torch.einsum("ab,ncb->nca", module.mix, x))
    state = Dense(1.5, 0.1).propagate(State.from_inputs(SEQUENCES, all_pairs=True))
    found = layer.propagate(state)
    np.testing.assert_allclose(found.nngp, t @ state.nngp @ t.T, rtol=1e-12)
    np.testing.assert_allclose(found.ntk, t @ state.ntk @ t.T, rtol=1e-12)
    assert (found.kind, found.positions) == ("preactivation", (3,))
    assert layer.propagate(State.from_inputs(SEQUENCES, all_pairs=True)).kind == "signal"
    q = TokenMixing(weights="orthogonal").module(1, 1, positions=(2, 3), dtype="float64")
    torch.testing.assert_close(q.mix @ q.mix.T, torch.eye(6, dtype=torch.float64))
    assert q(torch.ones(1, 1, 2, 3, dtype=torch.float64)).shape == (1, 1, 2, 3)


def test_trained_token_mixing_has_a_finite_twin_only():
    """Contract: the same matrix, as a parameter; the description refuses a kernel."""
    frozen, trained = (Mixer(1, 7, trained_tokens=t, token_seed=3) for t in (False, True))
    one, two = (net.sample(8, in_features=4, positions=(7,), dtype="float64") for net in (frozen, trained))
    torch.testing.assert_close(one(SEQUENCES), two(SEQUENCES))
    assert len(list(two.parameters())) == len(list(one.parameters())) + 2
    with pytest.raises(ValueError, match="no infinite-width kernel"):
        trained.kernel(SEQUENCES)


def test_the_kernel_of_a_mixer_stays_random_until_tokens_are_many():
    """Rate in S: over token-mixing matrices, Θ of inputs with S tokens scatters less and less, about 1/√S or faster.

    Sixteen times the tokens: the scatter falls by a factor of 2 at least, with a standard deviation of 16 draws
    known to 18 %.
    """

    def scatter(tokens):
        x = np.random.default_rng(0).standard_normal((2, 3, tokens))
        kernels = [Mixer(1, tokens, "erf", 1.5, 0.1, token_seed=s).kernel(x).ntk for s in range(16)]
        return np.mean(np.std(kernels, axis=0) / np.abs(np.mean(kernels, axis=0)))

    few, many = scatter(4), scatter(64)
    assert few > 0.1
    assert many < few / 2


@pytest.mark.parametrize("device", [None, "cpu"])
def test_blocks_and_devices_give_the_same(device):
    """Contract: one input at a time, and torch, give the same kernels as all at once."""
    for net, x in (
        (CNN(2, "erf", 1.5, 0.1, padding="zero", read_out="pool"), IMAGES),
        (CNN(2, "tanh", 1.5, 0.1), IMAGES),
        (ResNet(1, "relu", 1.0, 0.1, dimensions=1), SEQUENCES),
        (TransformerBlock(1, "gelu", 1.2, 0.1), SEQUENCES),
        (Mixer(1, 7, "gelu", 1.2, 0.1), SEQUENCES),
        (serial(Conv1d(), Activation("relu"), AvgPool(2), Flatten(), Dense()), SEQUENCES),
    ):
        whole, parts = net.kernel(x), net.kernel(x, block=1, device=device)
        np.testing.assert_allclose(parts.nngp, whole.nngp, rtol=1e-12)
        np.testing.assert_allclose(parts.ntk, whole.ntk, rtol=1e-12)
        np.testing.assert_allclose(net.kernel(x, x[:2]).ntk, whole.ntk[:, :2], rtol=1e-7)


# --- Wrong compositions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([Dense(), Activation("relu"), Activation("relu"), Dense()], "An Activation needs a Dense before it"),
        ([LayerNorm(), Dense()], "A LayerNorm needs preactivations before it"),
        ([Dense(), Activation("relu"), LayerNorm(), Dense()], "A LayerNorm needs preactivations before it"),
        ([Conv2d(), Activation("relu"), Dense()], "still has positions; put a Flatten or a GlobalAvgPool"),
        ([Conv2d(), Conv2d(), Flatten(), Dense()], "A convolution needs a signal before it"),
        ([Conv1d(), Activation("relu"), Conv2d(), Flatten(), Dense()], "needs inputs of the shape"),
        ([Conv2d(), Flatten(), Dense()], "A Flatten needs a signal before it"),
        ([Conv2d(), Activation("relu"), Flatten(), Flatten(), Dense()], "meets a flat signal"),
        ([Dense(), Attention(), GlobalAvgPool(), Dense()], "An Attention needs a signal before it"),
        ([Conv1d(), Activation("relu"), TokenMixing(), Activation("relu"), Flatten(), Dense()],
         "An Activation needs a Dense before it"),
        ([Flatten(), TokenMixing(), Dense()], "needs positions to mix"),
        ([Dense(), Residual(Activation("relu"), TokenMixing(4), Dense()), LayerNorm(), GlobalAvgPool(), Dense()],
         "needs branches with the same positions"),
        ([Flatten(), Attention(), Dense()], "needs positions that look at each other"),
        ([Dense(), Residual(Activation("relu")), Dense()], "needs a Dense, a convolution"),
        ([Dense(), Sum((), ()), Dense()], "kernels of other branches do not add up"),
        ([Conv1d(), Residual(Activation("relu"), Conv1d(padding="none")), Activation("relu"), Flatten(), Dense()],
         "needs branches with the same positions"),
    ],
)  # fmt: skip
def test_wrong_chains_raise_sentences(layers, sentence):
    """Contract: some are seen when the network is made, the sizes of positions when inputs come."""
    with pytest.raises(ValueError, match=sentence):
        serial(*layers).kernel(SEQUENCES)


def test_attention_without_a_limit_says_so():
    """Contract: with 1/√d the finite layer exists, the kernel does not."""
    net = serial(Attention(scaling="1/sqrt(d)"), Activation("relu"), GlobalAvgPool(), Dense())
    assert net.sample(8, in_features=4, positions=(7,))(SEQUENCES).shape == (3, 1)
    with pytest.raises(ValueError, match="no known infinite-width kernel"):
        net.kernel(SEQUENCES)


def test_pooling_asks_for_all_pairs():
    """Contract."""
    with pytest.raises(ValueError, match="all_pairs=True"):
        GlobalAvgPool().propagate(State.from_inputs(SEQUENCES))


# --- The finite twins --------------------------------------------------------------------------------


def test_modules_take_batches_single_inputs_and_transforms():
    """Contract: shapes as in torch; one input without its first axis; torch.func."""
    net = serial(
        Conv2d(stride=2), Residual(Activation("relu"), Conv2d()), Activation("tanh"), Flatten(), Dense()
    )
    module = net.sample(8, in_features=2, positions=(6, 5), out_features=3, dtype="float64")
    shapes = [tuple(z.shape) for z in module.preactivations(IMAGES)]
    assert shapes == [(3, 8, 3, 3), (3, 8, 3, 3), (3, 3)]
    assert [tuple(w.shape) for w in module.weights] == [(8, 2, 3, 3), (8, 8, 3, 3), (3, 72)]
    x = torch.tensor(IMAGES)
    torch.testing.assert_close(module(x[0]), module(x)[0])
    torch.testing.assert_close(torch.func.vmap(module)(x), module(x))
    with pytest.raises(ValueError, match=r"x must have the shape \(n, 2, 6, 5\)"):
        module(np.zeros((3, 2, 5, 6)))


@pytest.mark.parametrize("padding", ["circular", "zero", "none"])
def test_convolution_module_by_hand(padding):
    """Closed form: z(p) = Σ_β W_β h(s p + β) + b, by loops."""
    module = Conv1d(3, 1.5, 0.1, stride=2, padding=padding).module(4, 5, positions=(7,), dtype="float64")
    w, b = module.effective_weight.detach().numpy(), module.effective_bias.detach().numpy()
    x, margin = SEQUENCES[0], 0 if padding == "none" else 1
    out = (7 + 2 * margin - 3) // 2 + 1
    z = np.repeat(b[:, None], out, axis=1)
    for p, step in product(range(out), range(3)):
        at = 2 * p + step - margin
        if padding == "circular" or 0 <= at < 7:
            z[:, p] += w[:, :, step] @ x[:, at % 7]
    np.testing.assert_allclose(module(torch.tensor(x)).detach(), z, atol=1e-13)


def twins(p):
    c = {"parameterization": p}
    relu, tanh = Activation("relu"), Activation("tanh")
    dense, conv = Dense(1.5, 0.1, **c), Conv1d(3, 1.5, 0.1, **c)
    drop = Noise(rl.noise.Dropout(0.7))
    return {
        "cnn": (CNN(2, "relu", 2.0, 0.1, **c), IMAGES),
        "cnn-zero-pool": (CNN(2, "erf", 1.5, 0.1, padding="zero", read_out="pool", **c), IMAGES),
        "cnn-stride": (
            serial(
                Conv2d(3, 1.5, 0.1, 2, "zero", **c),
                tanh,
                Conv2d(2, 1.5, 0.1, 1, "none", **c),
                tanh,
                Flatten(),
                dense,
            ),
            IMAGES,
        ),
        "average-pool": (serial(conv, relu, AvgPool(2), conv, relu, Flatten(), dense), SEQUENCES),
        "orthogonal": (
            serial(
                Conv1d(weights="orthogonal", **c), relu, GlobalAvgPool(), Dense(weights="orthogonal", **c)
            ),
            SEQUENCES,
        ),
        "resnet-flat": (ResNet(2, "relu", 1.0, 0.1, size=None, branch_var=0.5, **c), FLAT),
        "resnet": (ResNet(1, "relu", 1.0, 0.1, dimensions=1, **c), SEQUENCES),
        "sum": (serial(dense, relu, Sum(dense, [dense, relu, dense]), tanh, Sum((), dense), dense), FLAT),
        "layer-norm": (serial(dense, LayerNorm(), relu, dense, LayerNorm(), tanh, dense), FLAT),
        "attention": (
            serial(dense, relu, Attention(2.0, 1.5, 1.0, 0.1, **c), relu, GlobalAvgPool(), dense),
            SEQUENCES,
        ),
        "attention-untied": (
            serial(dense, relu, Attention(2.0, 1.5, 1.0, tied=False, **c), relu, Flatten(), dense),
            SEQUENCES,
        ),
        "transformer": (TransformerBlock(1, "gelu", 1.2, 0.1, query_var=2.0, **c), SEQUENCES),
        "mixer": (Mixer(1, 7, "gelu", 1.2, 0.1, expansion=2, **c), SEQUENCES),
        "mixer-flat": (Mixer(1, 7, "relu", 1.2, 0.1, read_out="flatten", **c), SEQUENCES),
        "token-mixing": (
            serial(
                TokenMixing(5, 1.3, "orthogonal"),
                dense,
                TokenMixing(4, seed=1),
                tanh,
                TokenMixing(seed=2),
                conv,
                relu,
                Flatten(),
                dense,
            ),
            SEQUENCES,
        ),
        "dropout": (serial(drop, conv, relu, drop, conv, relu, GlobalAvgPool(), dense), SEQUENCES),
    }


def empirical(module, x):
    parameters, rows = list(module.parameters()), []
    for y in module(x)[:, 0]:
        found = torch.autograd.grad(y, parameters, retain_graph=True, allow_unused=True)
        parts = [torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True)]
        rows.append(torch.cat([part.flatten() for part in parts]))
    jacobian = torch.stack(rows).numpy()
    return jacobian @ jacobian.T


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
@pytest.mark.parametrize("name", twins("ntk"))
def test_kernels_of_the_finite_twin(name, parameterization):
    """Simulation: the mean over 12 networks of width n = 96 of z zᵀ/n over n outputs, and of J Jᵀ.

    Each layer adds a relative fluctuation of about √2/√(n·draws); up to eight layers' worth is allowed,
    with a bias of 4/n. Deviations are within 4.5 standard errors, up to that bias.
    """
    net, x = twins(parameterization)[name]
    n, draws = 96, 12
    expected = net.kernel(x, width=n)
    sizes = {"in_features": x.shape[1], "positions": x.shape[2:], "dtype": "float64"}
    outputs = [net.sample(n, out_features=n, seed=s, **sizes)(x).detach().numpy() for s in range(draws)]
    nngp = [z @ z.T / n for z in outputs]
    ntk = [empirical(net.sample(n, seed=s, **sizes), x) for s in range(draws)]
    for found, theory in ((nngp, expected.nngp), (ntk, expected.ntk)):
        mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(draws)
        size = np.sqrt(np.outer(np.diag(theory), np.diag(theory)))
        distance = np.linalg.norm(mean - theory) / np.linalg.norm(theory)
        assert distance < np.sqrt(2 * 8) / np.sqrt(n * draws) + 4 / n
        assert np.max((np.abs(mean - theory) - 4.5 * error) / size) < 4 / n
