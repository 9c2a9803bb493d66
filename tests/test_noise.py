"""Noise: moments against simulation, the torch module against its description, the critical point."""

import copy
import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from rmtlab import MLP, activations, signal
from rmtlab.noise import (
    AdditiveGaussian,
    Discrete,
    Dropout,
    MultiplicativeGaussian,
    MultiplicativeLaplace,
    Poisson,
    critical,
)

ALL = [
    Dropout(keep=0.6),
    MultiplicativeGaussian(var=0.25),
    MultiplicativeLaplace(scale=0.5),
    Poisson(),
    Poisson(rate=3.0),
    Discrete([0.0, 1.0, 4.0], [0.25, 0.5, 0.25]),
    AdditiveGaussian(var=0.4),
]
MULTIPLICATIVE = [n for n in ALL if n.multiplicative]
SAMPLES = 400_000


def close_to(sample, expected):
    """Say whether the mean of a sample is within five of its standard errors of what is expected."""
    return abs(sample.mean() - expected) <= 5 * sample.std() / np.sqrt(sample.size) + 1e-12


@pytest.mark.parametrize("noise", ALL, ids=repr)
def test_moments_of_the_array(noise):
    """Simulation: 400 000 draws, within five standard errors (μ₂ to about 1 %)."""
    draw = noise.mask((SAMPLES // 4, 4), rng=1)
    assert draw.dtype == np.float64
    for power, expected in ((1, noise.first_moment), (2, noise.second_moment), (4, noise.fourth_moment)):
        assert close_to(draw**power, expected)


@pytest.mark.parametrize("noise", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_moments_of_the_module(noise, dtype):
    """Simulation: the module applied to the constant 2, within five standard errors, dtype kept."""
    out = noise.module(seed=3)(torch.full((SAMPLES,), 2.0, dtype=dtype))
    assert out.dtype == dtype
    draw = out.double().numpy()
    draw = draw / 2 if noise.multiplicative else draw - 2
    for power, expected in ((1, noise.first_moment), (2, noise.second_moment), (4, noise.fourth_moment)):
        assert close_to(draw**power, expected)


@pytest.mark.parametrize("noise", ALL, ids=repr)
def test_noisy_second_moment(noise):
    """Simulation: E[(noise ∘ h)²] for a Gaussian signal h of second moment 3, within five standard errors."""
    h = np.random.default_rng(0).normal(0, np.sqrt(3), SAMPLES)
    draw = noise.mask(SAMPLES, rng=1)
    noisy = h * draw if noise.multiplicative else h + draw
    assert close_to(noisy**2, noise.noisy_second_moment(3.0))
    np.testing.assert_allclose(
        noise.noisy_second_moment([0.0, 3.0]), noise.gain * np.array([0, 3]) + noise.additive_var
    )


@pytest.mark.parametrize(
    ("noise", "second", "fourth"),
    [
        (Dropout(keep=0.1), 10.0, 1000.0),
        (MultiplicativeGaussian(var=1.0), 2.0, 10.0),
        (MultiplicativeLaplace(scale=1.0), 3.0, 37.0),
        (Poisson(), 2.0, 15.0),
        (Discrete([0, 3], [2 / 3, 1 / 3]), 3.0, 27.0),
        (AdditiveGaussian(var=2.0), 2.0, 12.0),
    ],
    ids=repr,
)
def test_moments_by_hand(noise, second, fourth):
    """Closed form: worked out by hand (15 is the fourth Bell number)."""
    assert noise.second_moment == pytest.approx(second, rel=1e-14)
    assert noise.fourth_moment == pytest.approx(fourth, rel=1e-14)


@pytest.mark.parametrize("noise", MULTIPLICATIVE, ids=repr)
def test_critical_point_keeps_the_variance(noise):
    """Closed form: σ_w² μ₂ E[relu²] + σ_b² = q, for every q."""
    weight_var, bias_var = critical(noise)
    assert bias_var == 0.0
    q = np.array([1e-3, 1.0, 50.0])
    np.testing.assert_allclose(weight_var * noise.noisy_second_moment(activations.get("relu").moment(q)), q)


@pytest.mark.parametrize("noise", [None, *MULTIPLICATIVE], ids=repr)
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("relu", {}),
        ("leaky_relu", {"slope": 0.2}),
        ("leaky_relu", {"slope": -0.5}),
        ("abs", {}),
        ("linear", {}),
    ],
)
def test_critical_point_of_any_rectifier(noise, name, params):
    """Closed form: 2/(μ₂(l² + r²)), where the variance map is the identity and χ₁ = 1."""
    phi = activations.get(name, **params)
    left, right = phi.derivative(np.array([-1.0, 1.0]))
    weight_var, bias_var = critical(noise, phi)
    gain = 1.0 if noise is None else noise.second_moment
    assert weight_var == pytest.approx(2 / (gain * (left**2 + right**2)), rel=1e-14)
    model = signal.MeanField(phi, weight_var, bias_var, noise)
    assert (model.chi, model.fixed_point(3.0).kind) == (pytest.approx(1, rel=1e-14), "scale-free")
    np.testing.assert_allclose(model.variance([0.1, 7.0]), [0.1, 7.0])


def test_critical_point_of_the_sheet():
    """Literature values: σ_w² = 2p for dropout, 1 for Poisson, 1.882353 for σ = 1/4, 2 without noise."""
    assert critical(Dropout(keep=0.6))[0] == pytest.approx(1.2, rel=1e-15)
    assert critical(Poisson())[0] == 1.0
    assert critical(MultiplicativeGaussian(var=0.0625))[0] == pytest.approx(1.882353, abs=1e-6)
    assert critical(None) == critical(AdditiveGaussian(var=0.0)) == (2.0, 0.0)


@pytest.mark.parametrize("noise", ALL, ids=repr)
def test_seeds_and_switches(noise):
    """Contract: one seed one sequence, fresh draws at every call, silence in evaluation mode."""
    h = torch.ones(50, 3)
    first, second, other = noise.module(seed=0), noise.module(seed=0), noise.module(seed=1)
    one, again = first(h), first(h)
    assert torch.equal(one, second(h))
    assert not torch.equal(one, again)
    assert not torch.equal(one, other(h))
    assert not torch.equal(noise.module()(h), noise.module()(h))
    given = noise.module(generator=torch.Generator().manual_seed(0))
    assert torch.equal(given(h), one)
    first.eval()
    assert first(h) is h
    first.train()
    assert not torch.equal(first(h), h)
    assert np.array_equal(noise.mask(5, rng=7), noise.mask((5,), rng=np.random.default_rng(7)))


@pytest.mark.parametrize("noise", ALL, ids=repr)
def test_shared_noise_is_one_draw_for_all_inputs(noise):
    """Contract: rows alike, entries of a row not; a fresh draw at every call; moments and critical point as before."""
    shared = dataclasses.replace(noise, shared=True)
    assert shared != noise
    assert repr(shared) == repr(noise)[:-1] + ", shared=True)"
    draw = shared.mask((5, 1000), rng=0)
    assert (draw == draw[0]).all()
    assert len(np.unique(draw[0])) > 1
    assert np.array_equal(draw[0], noise.mask(1000, rng=0))
    assert shared.mask((0, 3)).shape == (0, 3)
    module, h = shared.module(seed=0), torch.ones(4, 1000)
    one, again = module(h), module(h)
    assert (one == one[0]).all()
    assert not torch.equal(one, again)
    assert torch.equal(one[:1], noise.module(seed=0)(h[:1]))
    assert shared.second_moment == noise.second_moment
    if noise.multiplicative:
        assert critical(shared) == critical(noise)


@pytest.mark.parametrize("noise", ALL, ids=repr)
def test_the_kernel_of_shared_noise_is_that_of_its_networks(noise):
    """Closed form: a linear network; and simulation of E[h_a h_b] behind one mask, within five standard errors."""
    shared = dataclasses.replace(noise, shared=True)
    x = np.array([[1.0, 0.5, -0.3, 0.2], [0.2, 0.4, 0.6, 1.0]])
    kernel = MLP(1, "linear", 1.0 / shared.gain, noise=shared).kernel(x)
    k, added = x @ x.T / 4, shared.additive_var / shared.gain
    np.testing.assert_allclose(kernel.nngp, k + 2 * added)
    np.testing.assert_allclose(kernel.ntk, 2 * k + 3 * added)
    with pytest.raises(ValueError, match="block=len"):
        MLP(1, "relu", noise=shared).kernel(x, x)
    rng = np.random.default_rng(1)
    draws = [shared.mask(x.shape, rng) for _ in range(4000)]
    products = np.array(
        [n[0] * n[1] for n in (x * d if shared.multiplicative else x + d for d in draws)]
    ).sum(axis=1)
    assert close_to(products / 4, shared.gain * k[0, 1] + shared.additive_var)


def test_the_global_generator_is_left_alone():
    """Contract: neither drawing nor seeding touches torch's global state."""
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    Dropout(keep=0.5).module(seed=5)(torch.ones(100))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("noise", ALL, ids=repr)
def test_gradients_pass_through_the_same_draw(noise):
    """Closed form: the gradient of Σ h ⊙ ε is ε; that of Σ h + ε is 1."""
    h = torch.full((20,), 2.0, requires_grad=True)
    out = noise.module(seed=0)(h)
    (gradient,) = torch.autograd.grad(out.sum(), h)
    expected = out.detach() / 2 if noise.multiplicative else torch.ones(20)
    torch.testing.assert_close(gradient, expected)


def test_modules_can_be_copied():
    """Contract: a copied module goes on from the same state, independently."""
    module = Poisson().module(seed=0)
    h = torch.ones(10)
    module(h)
    twin = copy.deepcopy(module)
    assert torch.equal(module(h), twin(h))
    assert "Poisson(rate=1.0)" in repr(module)


def test_descriptions_are_frozen_values():
    """Contract: equal parameters are equal noises; nothing can be changed."""
    assert Dropout(keep=1) == Dropout(keep=1.0)
    assert hash(Dropout(keep=0.5)) == hash(Dropout(keep=0.5))
    assert MultiplicativeGaussian(var=0.5) != AdditiveGaussian(var=0.5)
    with pytest.raises(AttributeError):
        Dropout(keep=0.5).keep = 0.6


def test_importing_noise_leaves_torch_alone():
    """Contract: torch loads when a module is asked for."""
    code = (
        "import sys; from rmtlab import noise; noise.Dropout(.5).mask(3); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
