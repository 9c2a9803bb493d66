"""Measured Jacobians against closed forms, other ways of differentiating, and many digits."""

import mpmath
import numpy as np
import pytest
import torch
from torch import nn

import rmtlab as rl
from rmtlab._torch_layers import ActivationModule
from rmtlab.jacobian import _graded, _torch_jacobian
from rmtlab.jacobian._singular import layer_jacobians, log_singular_values, singular_values

DROPOUT = rl.noise.Dropout(keep=0.8)


def sampled(activation="tanh", depth=4, width=12, in_features=9, out_features=5, dtype="float64", **changes):
    net = rl.MLP(depth, activation, **{"weight_var": 1.5, "bias_var": 0.1} | changes)
    return net.sample(width, in_features=in_features, out_features=out_features, seed=3, dtype=dtype)


def inputs(n=6, d=9, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


class Hidden(nn.Module):
    """h^L of a sampled network, without what the package knows about it."""

    def __init__(self, module):
        super().__init__()
        layers = list(module.layers)
        last = max(i for i, layer in enumerate(layers) if isinstance(layer, ActivationModule))
        self.layers = nn.Sequential(*layers[: last + 1])

    def forward(self, x):
        return self.layers(x)


class Wrapped(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)


class Residual(nn.Module):
    """A residual convolutional block, as one meets it outside this package."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(3), nn.Linear(2 * 4 * 4, 7)
        self.norm.running_var.fill_(2.0)

    def forward(self, x):
        branch = self.second(nn.functional.gelu(self.norm(self.first(x))))
        return self.head(nn.functional.silu(x + branch).flatten(1))


def finite_differences(function, x, step=1e-5):
    """Central differences, (outputs, inputs): the error is O(step²) + O(1e-16/step), below 1e-9 here."""
    columns = []
    for i in range(x.size):
        shift = np.zeros_like(x)
        shift.flat[i] = step
        columns.append((function(x + shift) - function(x - shift)).ravel() / (2 * step))
    return np.stack(columns, axis=1)


# singular values


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orthogonal_linear_network_has_equal_singular_values(dtype):
    """Closed form: J is √weight_var^L times an orthogonal matrix; float32 weights are rounded to 6e-8."""
    module = sampled("linear", 10, 16, 16, weights="orthogonal", weight_var=1.21, dtype=dtype)
    found = singular_values(module, inputs(3, 16))
    assert found.dtype == np.float64
    assert found.shape == (3, 16)
    np.testing.assert_allclose(found, 1.1**10, rtol=1e-12 if dtype == "float64" else 1e-5)


def test_masked_orthogonal_layer_counts_its_active_units():
    """Closed form: one ReLU layer of an orthogonal matrix has the singular values 1 and 0, one a unit."""
    module = sampled("relu", 1, 20, 20, weights="orthogonal", weight_var=1.0, bias_var=0.0)
    (z, _), x = module.preactivations(inputs(4, 20)), inputs(4, 20)
    active = (z > 0).sum(dim=1).numpy()
    np.testing.assert_allclose(singular_values(module, x), np.arange(20) < active[:, None], atol=1e-14)


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf", "hard_tanh", "sin", "gelu"])
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-13), ("float32", 2e-5)])
@pytest.mark.parametrize("shape", [(9, 12, 5), (5, 7, 11), (8, 8, 8)], ids=["wide", "tall", "square"])
def test_product_and_automatic_differentiation_agree(activation, dtype, rtol, shape):
    """Two ways to one number; they round differently, by the precision of the module."""
    d, width, o = shape
    module, x = sampled(activation, 4, width, d, o, dtype), inputs(6, d)
    for to, same in (("hidden", Hidden(module)), ("output", Wrapped(module))):
        fast, generic = singular_values(module, x, to), singular_values(same, x, "output")
        assert fast.shape == (6, min(d, width if to == "hidden" else o))
        np.testing.assert_allclose(fast, generic, rtol=rtol, atol=rtol * fast.max())


@pytest.mark.parametrize(
    "noise",
    [DROPOUT, rl.noise.MultiplicativeGaussian(0.3), rl.noise.AdditiveGaussian(0.3), rl.noise.Poisson(2.0)],
)
@pytest.mark.parametrize("to", ["hidden", "output"])
def test_the_masks_of_a_noisy_pass_are_the_masks_used(noise, to):
    """Two ways to one number: equal seeds draw equal masks, once by a product, once by differentiation."""
    twins = [sampled(noise=noise).train() for _ in range(2)]
    other = Hidden(twins[1]) if to == "hidden" else Wrapped(twins[1])
    fast, generic = singular_values(twins[0], inputs(), to), singular_values(other, inputs(), "output")
    np.testing.assert_allclose(fast, generic, rtol=1e-12, atol=1e-13)
    assert np.max(np.abs(fast - singular_values(twins[0].eval(), inputs(), to))) > 1e-3


def test_noise_is_off_in_evaluation_mode():
    """Contract: after eval() a noisy network has the Jacobian of the network without noise."""
    noisy, plain = sampled(noise=DROPOUT).eval(), sampled()
    np.testing.assert_array_equal(singular_values(noisy, inputs()), singular_values(plain, inputs()))


def test_layers_between_dropout_layers_are_masked():
    """Contract: a network whose layers differ, with noise twice in a row and none at the input."""
    from rmtlab.layers import Activation, Dense, Noise

    net = rl.serial(
        Dense(), Activation("relu"), Noise(DROPOUT), Noise(DROPOUT), Dense(), Activation("tanh"), Dense()
    )
    twins = [net.sample([7, 6], in_features=8, seed=1, dtype="float64").train() for _ in range(2)]
    fast, generic = (
        singular_values(twins[0], inputs(5, 8)),
        singular_values(Hidden(twins[1]), inputs(5, 8), "output"),
    )
    np.testing.assert_allclose(fast, generic, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_trained_parameters_are_the_ones_measured(parameterization):
    """Contract: the Jacobian is that of the module as it is now."""
    module = sampled(parameterization=parameterization)
    before = singular_values(module, inputs())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.3)
    np.testing.assert_allclose(
        singular_values(module, inputs(), "output"),
        singular_values(Wrapped(module), inputs(), "output"),
        rtol=1e-12,
    )
    assert np.all(before != singular_values(module, inputs()))


def test_residual_convolutional_module_against_finite_differences():
    """Independent: central differences of a module that this package has never seen, image by image."""
    module = Residual().double().eval()
    images = np.random.default_rng(1).standard_normal((3, 2, 4, 4))

    def outputs(x):
        return module(torch.tensor(x[None])).detach().numpy()

    expected = [np.linalg.svd(finite_differences(outputs, x), compute_uv=False) for x in images]
    np.testing.assert_allclose(singular_values(module, images, "output"), expected, rtol=1e-8)


@pytest.mark.parametrize("budget", [1, 2000, 9000])
def test_blocks_do_not_change_the_answer(monkeypatch, budget):
    """Contract: however little memory is granted, the values are the same to rounding."""
    module, x = sampled(), inputs(7)
    whole = [singular_values(module, x), singular_values(Wrapped(module), x, "output")]
    monkeypatch.setattr(_torch_jacobian, "BUDGET", budget)
    np.testing.assert_allclose(singular_values(module, x), whole[0], rtol=1e-13)
    np.testing.assert_allclose(singular_values(Wrapped(module), x, "output"), whole[1], rtol=1e-13)


def test_one_input_is_a_row_of_many_and_tensors_are_arrays():
    """Contract: shapes (d,) and (n, d), arrays and tensors, give the same numbers."""
    module, x = sampled(), inputs()
    many = singular_values(module, x)
    np.testing.assert_allclose(singular_values(module, x[2]), many[2], rtol=1e-13)
    np.testing.assert_array_equal(singular_values(module, torch.tensor(x)), many)
    wrapped = Wrapped(module)
    np.testing.assert_allclose(
        singular_values(wrapped, x[2], "output"), singular_values(wrapped, x, "output")[2], rtol=1e-13
    )


def test_measuring_leaves_the_module_as_it_was():
    """Contract: mode, parameters and gradients are untouched."""
    module, x = sampled(noise=DROPOUT).train(), inputs()
    before = [p.detach().clone() for p in module.parameters()]
    singular_values(module, x)
    singular_values(Wrapped(module), x, "output")
    assert module.training
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


def test_modules_that_write_in_place_or_bring_their_own_gradient():
    """Contract: "any torch module" holds for an in-place activation and for a hand-written derivative."""

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, grad):
            return 3 * ctx.saved_tensors[0] ** 2 * grad

    class Own(nn.Module):
        def forward(self, x):
            return Cube.apply(x)

    x = inputs()
    found = singular_values(nn.Sequential(nn.ReLU(inplace=True), Own()), x, "output")
    np.testing.assert_allclose(found, np.sort(3 * np.maximum(x, 0) ** 2)[:, ::-1], rtol=1e-13)


def test_a_refusal_leaves_gradients_on():
    """Contract: an error half-way does not change torch's mode."""
    with pytest.raises(ValueError, match="no float64") as caught:
        singular_values(sampled("linear", 400, 6, 6, weight_var=1600.0), np.ones(6))
    assert torch.is_grad_enabled()
    assert caught.traceback


def test_a_module_that_mixes_its_rows_is_refused():
    """Contract: attention across the rows has no Jacobian of one row."""

    class Mixing(nn.Module):
        def forward(self, x):
            return x - x.mean(dim=0)

    with pytest.raises(ValueError, match="mixes the rows"):
        singular_values(Mixing(), inputs(), "output")


def test_batch_normalisation_is_refused_only_where_it_couples():
    """Contract: batch statistics couple inputs, running statistics do not."""
    module = nn.Sequential(nn.Linear(9, 4), nn.BatchNorm1d(4)).double()
    before = module[1].running_mean.clone()
    with pytest.raises(ValueError, match="eval"):
        singular_values(module, inputs(), "output")
    assert torch.equal(before, module[1].running_mean)
    assert singular_values(module.eval(), inputs(), "output").shape == (6, 4)


# layers


@pytest.mark.parametrize("training", [False, True])
def test_layer_jacobians_multiply_to_the_jacobian(training):
    """Contract: the same pass, taken apart."""
    twins = [sampled(noise=DROPOUT, width=11).train(training) for _ in range(2)]
    layers = layer_jacobians(twins[0], inputs())
    assert [layer.shape for layer in layers] == [(6, 11, 9)] + 3 * [(6, 11, 11)]
    product = layers[0]
    for layer in layers[1:]:
        product = layer @ product
    np.testing.assert_allclose(
        np.linalg.svd(product, compute_uv=False), singular_values(twins[1], inputs()), rtol=1e-12, atol=1e-13
    )


def test_layer_jacobians_of_one_input_are_slopes_times_weights():
    """Closed form: D_l W_l with D = diag φ′(z)."""
    module, x = sampled("tanh"), inputs()[0]
    *hidden, _ = module.preactivations(x)
    for layer, z, w in zip(layer_jacobians(module, x), hidden, module.weights, strict=False):
        slope = 1 - np.tanh(z.detach().numpy()) ** 2
        np.testing.assert_allclose(layer, slope[:, None] * w.numpy(), rtol=1e-13, atol=1e-15)


# log singular values


def exact(factors, digits):
    """Log singular values of the product, with `digits` digits."""
    with mpmath.workdps(digits):
        product = mpmath.matrix(factors[0].tolist())
        for factor in factors[1:]:
            product = mpmath.matrix(factor.tolist()) * product
        return np.array([float(mpmath.log(s)) for s in mpmath.svd_r(product, compute_uv=False)])


@pytest.mark.parametrize(
    ("activation", "weights", "depth", "width"),
    [("linear", "gaussian", 100, 8), ("tanh", "gaussian", 60, 12), ("hard_tanh", "orthogonal", 80, 10),
     ("tanh", "orthogonal", 100, 10), ("erf", "gaussian", 60, 8)],
)  # fmt: skip
def test_log_singular_values_against_many_digits(activation, weights, depth, width):
    """Independent: 200 digits. A backward error of ε a layer gives about depth·width·1e-16 ≈ 1e-13 times
    the sensitivity of σ, a few tens at such sizes."""
    module = sampled(activation, depth, width, width, weights=weights)
    layers = layer_jacobians(module, inputs(1, width)[0])
    rank = min(np.count_nonzero(layer.any(axis=1)) for layer in layers)
    found, expected = log_singular_values(module, inputs(1, width)[0]), exact(layers, 200)
    np.testing.assert_allclose(found[:rank], expected[:rank], rtol=0, atol=3e-12)
    assert np.all(found[rank:] == -np.inf)
    if activation == "linear":
        assert expected[-1] < expected[0] + np.log(1e-40)


def telescoping(n, depth, spread, rng):
    """Factors U_l diag(e^d_l) U_{l−1}ᵀ, whose product has the log singular values Σ_l d_l."""
    left, total, factors = rl.ensembles.haar_orthogonal(n, rng=rng), np.zeros(n), []
    for _ in range(depth):
        right, log_size = left, np.sort(spread * rng.standard_normal(n))
        left, total = rl.ensembles.haar_orthogonal(n, rng=rng), total + log_size
        factors.append(left @ (np.exp(log_size)[:, None] * right.T))
    return factors, np.sort(total)[::-1]


@pytest.mark.parametrize(("n", "depth", "spread"), [(60, 100, 0.2), (60, 500, 0.8), (40, 400, 1.0)])
def test_log_singular_values_of_a_product_that_telescopes(n, depth, spread):
    """Closed form, over up to 1800 nats (1e±390, several windows); the factors' condition e^(6·spread) times
    their rounding, added over the layers at random, is below √depth·n·e^(6·spread)·1e-16."""
    factors, expected = telescoping(n, depth, spread, np.random.default_rng(0))
    tolerance = np.sqrt(depth) * n * np.exp(6 * spread) * 1e-16
    np.testing.assert_allclose(_graded.log_singular_values(factors), expected, rtol=1e-14, atol=tolerance)


def test_log_singular_values_add_up_to_the_determinants():
    """Closed form: Σ log σ = Σ_l log|det D_l W_l|, at depth 100 with values below 1e-60."""
    module = sampled("tanh", 100, 60, 60, bias_var=0.0)
    found = log_singular_values(module, inputs(1, 60)[0])
    volumes = [np.linalg.slogdet(layer)[1] for layer in layer_jacobians(module, inputs(1, 60)[0])]
    assert found[-1] < found[0] + np.log(1e-60)
    assert found.sum() == pytest.approx(sum(volumes), rel=1e-12)


@pytest.mark.parametrize("to", ["hidden", "output"])
@pytest.mark.parametrize("shape", [(9, 12, 5), (5, 7, 11)])
def test_log_and_linear_scales_agree_while_both_resolve(to, shape):
    """Two ways to one number, in a noisy network of moderate depth; σ is good to 1e-16 of the largest."""
    d, width, o = shape
    twins = [sampled("tanh", 3, width, d, o, noise=DROPOUT).train() for _ in range(2)]
    found, plain = (
        log_singular_values(twins[0], inputs(6, d), to),
        singular_values(twins[1], inputs(6, d), to),
    )
    np.testing.assert_allclose(np.exp(found), plain, rtol=1e-11, atol=1e-13)


def test_units_that_are_off_give_exact_zeros():
    """Closed form: the rank of a product of generic layers is the smallest number of active units."""
    module = sampled("relu", 30, 20, 20, weight_var=2.0)
    layers = layer_jacobians(module, inputs(1, 20)[0])
    rank = min(np.count_nonzero(layer.any(axis=1)) for layer in layers)
    found = log_singular_values(module, inputs(1, 20)[0])
    assert rank < 20
    assert np.array_equal(np.isneginf(found), np.arange(20) >= rank)


def test_a_network_of_zeros_has_no_singular_value():
    """Closed form: J = 0."""
    module = sampled("tanh", weight_var=0.0)
    assert np.all(np.isneginf(log_singular_values(module, inputs())))
    assert np.all(singular_values(module, inputs()) == 0)


def test_sizes_that_no_float_holds():
    """Closed form: 40^400 overflows and 40^-400 underflows in J, not in its logarithms."""
    for weight_var, expected in ((1600.0, 400 * np.log(40)), (1 / 1600, -400 * np.log(40))):
        module = sampled("linear", 400, 6, 6, weights="orthogonal", weight_var=weight_var, bias_var=0.0)
        x = np.zeros(6)
        np.testing.assert_allclose(log_singular_values(module, x), expected, rtol=1e-13)
    with pytest.raises(ValueError, match="log_singular_values"):
        singular_values(sampled("linear", 400, 6, 6, weight_var=1600.0), x)


def test_saturated_units_keep_their_tiny_slopes():
    """Independent: 300 digits, with slopes down to 1e-30 in the middle of the network."""
    rng = np.random.default_rng(2)
    factors = [
        10.0 ** rng.uniform(-30, 0, 8)[:, None] * rl.ensembles.haar_orthogonal(8, rng=rng) for _ in range(6)
    ]
    np.testing.assert_allclose(_graded.log_singular_values(factors), exact(factors, 400), rtol=1e-13)
