"""Evidence: contract. Every promised name and convention of `book/notation` that exists so far.

One test a line. Later chapters add theirs here.
"""

import dataclasses

import numpy as np
import pytest
import torch

import rmtlab as rl

X = np.random.default_rng(0).normal(size=(4, 30))


def mlp(**changes):
    described = {"depth": 2, "activation": "tanh", "weight_var": 1.5, "bias_var": 0.05} | changes
    return rl.MLP(**described)


def sample(net, width=400, **changes):
    return net.sample(**({"width": width, "in_features": 30, "seed": 0, "dtype": torch.float64} | changes))


def arrays(tensors):
    return [t.detach().numpy() for t in tensors]


# The package


def test_promised_rooms_and_names():
    assert {"gaussian", "laws", "ensembles", "activations", "noise", "MLP", "serial", "compare"} <= set(
        dir(rl)
    )
    assert rl.MLP is rl.networks.MLP
    assert rl.compare is rl.comparison.compare


# Laws


def test_laws_face_and_frozenness():
    law = rl.laws.MarchenkoPastur(aspect=2.0, scale=1.0)
    assert [len(interval) for interval in law.support] == [2]
    assert law.atoms == {0.0: pytest.approx(0.5)}
    assert law.mean == pytest.approx(1)
    assert law.var == pytest.approx(2)
    assert law.moment(2) == pytest.approx(3)
    assert law.cdf(law.quantile(0.7)) == pytest.approx(0.7)
    assert law.density(0.0) == 0, "an atom is no part of the density"
    np.testing.assert_array_equal(law.sample(5), law.sample(5, rng=0))
    assert not np.array_equal(law.sample(5), law.sample(5, rng=1))
    z = 3.0 + 1j
    g = law.cauchy(z)
    assert g.imag < 0, "G(z) = E[1/(z − λ)], so that Im G < 0 above the axis"
    with pytest.raises((AttributeError, dataclasses.FrozenInstanceError)):
        law.aspect = 1.0


def test_r_transform_is_the_inverse_of_g_minus_one_over_g():
    law, g = rl.laws.Semicircle(var=2.0), 0.1
    assert law.cauchy(law.r_transform(g) + 1 / g) == pytest.approx(g)


def test_s_transform_of_marchenko_pastur_is_one_over_one_plus_aspect_m():
    assert rl.laws.MarchenkoPastur(aspect=0.5).s_transform(0.3) == pytest.approx(1 / 1.15)


def test_promised_laws():
    assert rl.laws.Semicircle(var=4.0).support == [(-4.0, 4.0)]
    assert rl.laws.Dirac(2.0).atoms == {2.0: 1.0}
    assert rl.laws.Discrete([0.0, 1.0], [0.25, 0.75]).mean == pytest.approx(0.75)
    assert rl.laws.Empirical([1.0, 2.0, 3.0]).mean == pytest.approx(2)


def test_aspect_is_rows_over_columns():
    """(1/n) X Xᵀ with X of p rows and n columns has the law of aspect p/n."""
    p, n = 600, 200
    x = rl.ensembles.ginibre(p, n, var=float(n), rng=0)
    eigenvalues = np.linalg.eigvalsh(x @ x.T / n)
    assert rl.compare(rl.laws.MarchenkoPastur(aspect=p / n), eigenvalues).ks < 0.02
    assert rl.compare(rl.laws.MarchenkoPastur(aspect=n / p), eigenvalues).ks > 0.3


# Gaussian averages and ensembles


def test_gaussian_averages_take_variances():
    assert rl.gaussian.expectation(np.square, var=3.0) == pytest.approx(3)
    assert rl.gaussian.expectation(np.abs, var=1.0, kinks=(0,)) == pytest.approx(np.sqrt(2 / np.pi))
    assert rl.gaussian.expectation2(np.sin, np.sin, [[1.0, 0.5], [0.5, 1.0]]) == pytest.approx(
        np.exp(-1) * np.sinh(0.5)
    )
    kinked = rl.gaussian.expectation2(np.abs, np.abs, np.eye(2), kinks=(0,))
    assert kinked == pytest.approx(2 / np.pi, rel=1e-12)


def test_public_functions_take_tensors_where_they_take_arrays():
    x = np.linspace(0.1, 2.0, 5)
    t = torch.tensor(x)
    law, act = rl.laws.MarchenkoPastur(0.5), rl.activations.get("tanh")
    cov = np.array([[1.0, 0.3], [0.3, 2.0]])
    for of_array, of_tensor in [
        (law.density(x), law.density(t)),
        (law.cdf(x), law.cdf(t)),
        (law.quantile(x / 3), law.quantile(t / 3)),
        (law.cauchy(x + 1j), law.cauchy(t + 1j)),
        (rl.gaussian.expectation(np.square, x[1]), rl.gaussian.expectation(np.square, t[1])),
        (
            rl.gaussian.expectation2(np.sin, np.sin, cov),
            rl.gaussian.expectation2(np.sin, np.sin, torch.tensor(cov)),
        ),
        (rl.compare(law, x).ks, rl.compare(law, t).ks),
        (act.moment(x, 2), act.moment(t, 2)),
        (act.dual(x, x, x / 2), act.dual(t, t, t / 2)),
    ]:
        assert not isinstance(of_tensor, torch.Tensor), "theory is NumPy"
        np.testing.assert_array_equal(of_tensor, of_array)
    np.testing.assert_allclose(act(t).numpy(), act(x), rtol=1e-14)
    module = sample(mlp(), width=8)
    np.testing.assert_array_equal(module(torch.tensor(X)).detach(), module(X).detach())


def test_ginibre_is_n_by_m_with_variance_over_m():
    x = rl.ensembles.ginibre(500, 800, var=2.0, rng=0)
    assert x.shape == (500, 800)
    assert x.var() * 800 == pytest.approx(2, rel=5 * np.sqrt(2 / x.size))
    assert rl.ensembles.ginibre(7, rng=0).shape == (7, 7)


def test_haar_goe_and_wishart():
    u = rl.ensembles.haar_orthogonal(40, rng=0)
    np.testing.assert_allclose(u @ u.T, np.eye(40), atol=1e-13)
    goe = rl.ensembles.goe(40, rng=0)
    np.testing.assert_array_equal(goe, goe.T)
    wishart = rl.ensembles.wishart(20, 40, rng=0)
    assert wishart.shape == (20, 20)
    assert np.linalg.eigvalsh(wishart)[0] > 0


# Activations and noise


@pytest.mark.parametrize("name", ["relu", "erf", "tanh", "hard_tanh", "gelu", "sin", "linear"])
def test_promised_activations(name):
    act = rl.activations.get(name)
    k, k_dot = act.dual(1.0, 1.0, 1.0)
    assert k == pytest.approx(act.moment(1.0, 2))
    assert k_dot == pytest.approx(act.derivative_moment(1.0, 2))


def test_erf_is_erf_of_x_and_shifted_relu_is_max_of_x_and_minus_alpha():
    assert rl.activations.get("erf")(np.array(1.0)) == pytest.approx(0.8427007929497149)
    x = np.array([-2.0, 0.3])
    np.testing.assert_array_equal(rl.activations.get("shifted_relu", alpha=0.5)(x), [-0.5, 0.3])


def test_dropout_is_named_by_what_it_keeps_and_its_mask_has_mean_one():
    noise = rl.noise.Dropout(keep=0.8)
    assert noise.second_moment == pytest.approx(1 / 0.8)
    assert rl.noise.MultiplicativeGaussian(var=0.25).second_moment == pytest.approx(1.25)
    assert rl.noise.critical(noise) == pytest.approx((1.6, 0.0))


# Networks


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_depth_counts_hidden_layers_and_a_linear_read_out_follows(parameterization):
    module = sample(mlp(depth=3, parameterization=parameterization), width=8, out_features=2)
    assert isinstance(module, torch.nn.Module)
    weights, biases = arrays(module.weights), arrays(module.biases)
    z = arrays(module.preactivations(X))
    assert [W.shape for W in weights] == [(8, 30), (8, 8), (8, 8), (2, 8)]
    h = X
    for W, b, found in zip(weights, biases, z, strict=True):
        np.testing.assert_allclose(h @ W.T + b, found, atol=1e-13)
        h = np.tanh(found)
    np.testing.assert_array_equal(module(X).detach().numpy(), z[-1])


def test_mlp_is_a_serial_of_layers():
    layers = rl.layers
    dense, act = layers.Dense(1.5, 0.05), layers.Activation("tanh")
    assert rl.serial(dense, act, dense, act, dense) == mlp()


def test_gaussian_weights_have_variance_weight_var_over_fan_in():
    for W in arrays(sample(mlp(), width=(300, 500)).weights)[:2]:
        assert W.var() * W.shape[1] == pytest.approx(1.5, rel=5 * np.sqrt(2 / W.size))


def test_orthogonal_weights_are_rescaled_so_that_the_variance_map_is_the_same():
    net = mlp(weights="orthogonal")
    for W in arrays(sample(net, width=(50, 50), in_features=20, out_features=10).weights):
        n, m = W.shape
        singular = np.linalg.svd(W, compute_uv=False)
        np.testing.assert_allclose(singular, np.sqrt(1.5 * max(n, m) / m), rtol=1e-12)
        assert np.sum(W**2) / n == pytest.approx(1.5), "E|Wx|²/n = weight_var·|x|²/m"


def test_ntk_parameters_have_unit_variance_and_weights_are_effective():
    ntk, standard = sample(mlp()), sample(mlp(parameterization="standard"))
    for a, b in zip(arrays(ntk.weights), arrays(standard.weights), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    omega = max(ntk.parameters(), key=torch.numel)
    assert float(omega.detach().var()) == pytest.approx(1, rel=5 * np.sqrt(2 / omega.numel()))


def test_zero_bias_variance_makes_no_bias_parameters():
    assert len(list(sample(mlp(bias_var=0.0)).parameters())) == 3
    assert len(list(sample(mlp()).parameters())) == 6


def test_a_module_can_be_transformed_by_torch_func():
    module, x = sample(mlp(), width=8), torch.tensor(X)
    rows = torch.func.vmap(lambda row: module(row))(x)
    torch.testing.assert_close(rows, module(x))
    slopes = torch.func.vmap(torch.func.jacrev(module))(x)
    torch.testing.assert_close(slopes[0], torch.autograd.functional.jacobian(module, x[0]))


def test_one_output_unless_more_are_asked_for():
    assert sample(mlp(), width=8)(X).shape == (4, 1)


def test_kernels_start_from_the_scaled_inner_product():
    """K⁰ = Θ⁰ = weight_var·x xᵀ/d + bias_var."""
    state = rl.layers.Dense(1.5, 0.05).propagate(rl.layers.State.from_inputs(X))
    np.testing.assert_allclose(state.nngp, 1.5 * X @ X.T / 30 + 0.05)
    np.testing.assert_allclose(state.ntk, state.nngp)


def test_tangent_kernel_recursion():
    """Θ^l = K^l + weight_var·K̇^{l−1}∘Θ^{l−1}; for ReLU at weight_var 2 and |x|² = d, Θ(x, x) = 2(L + 1)."""
    x = np.ones((1, 5))
    for depth in (1, 4):
        state = rl.MLP(depth, "relu", weight_var=2.0).propagate(rl.layers.State.from_inputs(x))
        assert state.ntk == pytest.approx(2 * (depth + 1))


def test_the_standard_tangent_kernel_grows_with_the_width_and_asks_for_it():
    """Θ of the standard parameterisation is n times that of features, to which the O(1) biases add."""
    net = mlp(parameterization="standard")
    with pytest.raises(ValueError, match="width"):
        net.propagate(rl.layers.State.from_inputs(X))
    narrow, wide = (net.propagate(rl.layers.State.from_inputs(X, width=n)).ntk for n in (10**6, 10**7))
    np.testing.assert_allclose(wide / 1e7, narrow / 1e6, rtol=1e-4)


def test_noise_acts_on_the_input_and_on_every_hidden_layer():
    """A diagonal is one pass (μ₂), every other pair has independent masks, even of equal rows; Θ likewise."""
    noise = rl.noise.Dropout(keep=0.5)
    net = rl.MLP(1, "linear", weight_var=1.0, noise=noise)
    assert [type(layer).__name__ for layer in net.layers] == [
        "Noise",
        "Dense",
        "Activation",
        "Noise",
        "Dense",
    ]
    same = np.ones((2, 3))
    one_pass = net.propagate(rl.layers.State.from_inputs(same))
    two_passes = net.propagate(rl.layers.State.from_inputs(same, same))
    np.testing.assert_allclose(one_pass.nngp, [[4, 1], [1, 4]])
    np.testing.assert_allclose(two_passes.nngp, np.ones((2, 2)))
    np.testing.assert_allclose(one_pass.ntk, [[8, 2], [2, 8]])
    np.testing.assert_allclose(two_passes.ntk, np.full((2, 2), 2))


def test_a_shared_mask_multiplies_every_pair():
    net = rl.MLP(1, "linear", weight_var=1.0, noise=rl.noise.Dropout(keep=0.5, shared=True))
    np.testing.assert_allclose(net.kernel(np.ones((2, 3))).nngp, np.full((2, 2), 4))


# Infinitely wide networks


def test_kernels_are_frozen_float64_and_one_row_an_input():
    k = mlp().kernel(X, X[:3])
    assert k.nngp.shape == k.ntk.shape == (4, 3)
    assert k.nngp.dtype == k.ntk.dtype == np.float64
    with pytest.raises(dataclasses.FrozenInstanceError):
        k.nngp = k.ntk
    with pytest.raises(ValueError, match="width"):
        mlp(parameterization="standard").kernel(X)


def test_kernels_contain_the_variances_of_the_read_out():
    """K = σ_w² E[φφ] + σ_b² and Θ = K + σ_w² K̇∘Θ⁰, here for one linear hidden layer."""
    k = rl.MLP(1, "linear", weight_var=1.5, bias_var=0.05).kernel(X)
    first = 1.5 * X @ X.T / 30 + 0.05
    np.testing.assert_allclose(k.nngp, 1.5 * first + 0.05)
    np.testing.assert_allclose(k.ntk, k.nngp + 1.5 * first)


def test_channels_stand_before_positions():
    """A convolution of size 1 sees the channels of one position."""
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 5))
    state = rl.layers.Conv2d(1, weight_var=1.5).propagate(rl.layers.State.from_inputs(x))
    assert state.positions == (4, 5)
    expected = 1.5 * np.einsum("acp,bcp->abp", *[x.reshape(2, 3, 20)] * 2) / 3
    np.testing.assert_allclose(state.nngp, expected, atol=1e-14)


@pytest.mark.parametrize(("rank", "patch"), [(1, 3), (2, 9)])
def test_convolutions_have_variance_weight_var_over_channels_times_patch(rank, patch):
    layer = (rl.layers.Conv1d, rl.layers.Conv2d)[rank - 1](3, weight_var=1.5)
    W = layer.module(50, 200, positions=(8,) * rank, dtype="float64").effective_weight.detach().numpy()
    assert W.var() * 50 * patch == pytest.approx(1.5, rel=5 * np.sqrt(2 / W.size))


def test_branch_var_multiplies_the_kernels_of_the_branch():
    layers = rl.layers
    before = layers.Dense(1.5, 0.05).propagate(layers.State.from_inputs(X))
    phi, dense = layers.Activation("tanh"), layers.Dense(2.0)
    branch = dense.propagate(phi.propagate(before))
    after = layers.Residual(phi, dense, branch_var=0.3).propagate(before)
    np.testing.assert_allclose(after.nngp, before.nngp + 0.3 * branch.nngp)
    np.testing.assert_allclose(after.ntk, before.ntk + 0.3 * branch.ntk)


def test_attention_is_named_by_variances_and_looks_with_tied_keys_divided_by_d():
    x = np.random.default_rng(2).normal(size=(1, 6, 4))
    k = np.einsum("cp,cq->pq", x[0], x[0]) / 6
    looks = np.exp(0.7 * k)
    looks /= looks.sum(axis=1, keepdims=True)
    attention = rl.layers.Attention(query_var=0.7, value_var=2.0, output_var=3.0)
    state = attention.propagate(rl.layers.State.from_inputs(x, all_pairs=True))
    np.testing.assert_allclose(state.nngp[0, 0], 6.0 * looks @ k @ looks.T, rtol=1e-12)
    assert attention.tied
    assert attention.scaling == "1/d"


def test_layer_norm_has_no_gain_and_no_shift():
    assert not list(rl.layers.LayerNorm().module(30, 30).parameters())


def test_a_gaussian_process_takes_the_variance_of_the_noise():
    posterior = rl.nngp.GaussianProcess(mlp(), noise_var=0.2).fit(X[:1], [[2.0, -1.0]])
    found = posterior.predict(X[:1])
    k = mlp().kernel(X[:1]).nngp.item()
    np.testing.assert_allclose(found.mean, [[2.0 * k / (k + 0.2), -k / (k + 0.2)]])
    np.testing.assert_allclose(found.var, [k - k * k / (k + 0.2)])
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.mean = found.var


def test_the_empirical_kernel_has_all_pairs_of_outputs_or_their_mean():
    module = sample(mlp(), width=8, out_features=2)
    full = rl.ntk.empirical(module, X)
    assert full.shape == (4, 4, 2, 2)
    mean = rl.ntk.empirical(module, X, outputs="mean")
    np.testing.assert_allclose(mean, np.einsum("ijaa->ij", full) / 2)


def test_gradient_flow_has_unit_rate_for_half_the_summed_squares():
    theta = mlp().kernel(X[:1]).ntk.item()
    found = rl.ntk.GradientFlow(mlp()).fit(X[:1], [[2.0]]).predict(X[:1], time=0.3)
    assert found.mean.item() == pytest.approx(2.0 * -np.expm1(-0.3 * theta))
    assert found.cov.shape == (1, 1)


# The bench


def test_comparison_is_frozen_and_says_its_verdict_in_a_line():
    found = rl.compare(rl.laws.Semicircle(), np.linalg.eigvalsh(rl.ensembles.goe(300, rng=0)))
    assert found.n == 300
    assert 0 < found.ks < 0.02
    assert found.wasserstein > 0
    assert "\n" not in repr(found)
    assert [moment.order for moment in found.moments] == [1, 2, 3, 4]
    assert found.moments[1].error < 0.05
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.ks = 0.0


def test_a_value_within_rounding_of_an_atom_counts_at_it():
    law = rl.laws.Discrete([0.0, 1.0], [0.5, 0.5])
    assert rl.compare(law, [1e-12, 1.0 - 1e-12]).ks == pytest.approx(0, abs=1e-12)
    assert rl.compare(law, [1e-8, 1.0 - 1e-8]).ks == pytest.approx(0.5), "1e-8·λ_max is not within rounding"


# Floors and precision


def test_theory_is_float64_and_networks_follow_the_dtype_asked_for():
    assert (
        rl.layers.Dense().propagate(rl.layers.State.from_inputs(X.astype(np.float32))).nngp.dtype
        == np.float64
    )
    assert mlp().sample(width=3, in_features=30).weights[0].dtype == torch.float32
    assert sample(mlp()).weights[0].dtype == torch.float64


# How signals travel


def test_mean_field_maps_and_frozen_answers():
    m = rl.signal.MeanField("tanh", weight_var=2.5, bias_var=0.05)
    point, scales = m.fixed_point(), m.depth_scales()
    assert m.variance(point.q) == pytest.approx(point.q)
    assert m.correlation(point.c) == pytest.approx(point.c)
    step = 1e-5
    slope = (m.correlation(point.c + step) - m.correlation(point.c - step)) / (2 * step)
    assert point.slope == pytest.approx(slope, rel=1e-6), "slope = C′(c*)"
    assert scales.xi_c == pytest.approx(-1 / np.log(point.slope))
    assert scales.xi_q == pytest.approx(-1 / np.log(abs(point.variance_slope)))
    assert point.stable is True
    for frozen in (m, point, scales):
        with pytest.raises(dataclasses.FrozenInstanceError):
            frozen.q = 1.0


def test_chi_is_weight_var_times_the_noise_times_the_squared_slope():
    noise = rl.noise.Dropout(keep=0.9)
    m = rl.signal.MeanField("tanh", 1.76, 0.05, noise=noise)
    squared = rl.activations.get("tanh").derivative_moment(m.fixed_point().q, 2)
    assert m.chi == pytest.approx(1.76 * noise.second_moment * squared)


def test_critical_weight_var_is_a_float_or_a_sentence():
    assert type(rl.signal.critical_weight_var("tanh", 0.05)) is float
    with pytest.raises(ValueError, match="softplus"):
        rl.signal.critical_weight_var("softplus", 0.05)


def test_a_rectifier_at_criticality_is_scale_free_and_no_nan():
    point = rl.signal.MeanField("relu", 2.0).fixed_point()
    assert point.kind == "scale-free"
    assert np.isfinite([point.q, point.c, point.chi]).all()


# Free convolution


def test_free_convolutions_give_laws_with_the_whole_face():
    coin = rl.laws.Discrete([-1.0, 1.0], [0.5, 0.5])
    for law in (
        rl.laws.free_add(coin, coin),
        rl.laws.free_multiply(rl.laws.MarchenkoPastur(0.5), rl.laws.MarchenkoPastur(2.0)),
        rl.laws.free_power(coin, 1.5, kind="add"),
        rl.laws.free_power(rl.laws.MarchenkoPastur(1.0), 2.0, kind="multiply"),
    ):
        assert isinstance(law, rl.laws.SpectralLaw)
        assert law.certificate.converged
    assert rl.laws.FussCatalan(order=2).moment(2) == pytest.approx(3)


# The Jacobian


def test_the_jacobian_runs_from_the_input_to_the_last_hidden_layer():
    net = mlp()
    module = sample(net, width=40)
    z1, z2, _ = arrays(module.preactivations(X[:1]))
    W1, W2, W3 = arrays(module.weights)
    slope = net.activation.derivative
    J = slope(z2[0])[:, None] * W2 @ (slope(z1[0])[:, None] * W1)
    measured = rl.jacobian.singular_values(module, X[0])
    np.testing.assert_allclose(measured, np.linalg.svd(J, compute_uv=False), rtol=1e-9)
    np.testing.assert_allclose(
        rl.jacobian.singular_values(module, X[0], to="output"), np.linalg.norm(W3 @ J, ord=2), rtol=1e-9
    )


@pytest.mark.parametrize(("weights", "s1"), [("gaussian", -1.0), ("orthogonal", 0.0)])
def test_mean_and_variance_of_the_squared_jacobian(weights, s1):
    net = mlp(depth=3, weights=weights)
    mean_field = rl.signal.MeanField.of(net)
    q = mean_field.fixed_point().q
    mu1, mu2 = (net.activation.derivative_moment(q, 2 * k) for k in (1, 2))
    law = rl.jacobian.law(net)
    assert law.mean == pytest.approx(mean_field.chi**3, rel=1e-9)
    assert law.var / law.mean**2 == pytest.approx(3 * (mu2 / mu1**2 - 1 - s1), rel=1e-9)


def test_preact_var_is_that_of_the_first_layer():
    net = mlp(depth=2)
    q1 = 0.3
    q2 = rl.signal.MeanField.of(net).variance(q1)
    chi = [net.weight_var * net.activation.derivative_moment(q, 2) for q in (q1, q2)]
    assert rl.jacobian.law(net, preact_var=q1).mean == pytest.approx(chi[0] * chi[1], rel=1e-9)
    relu = mlp(activation="relu", weight_var=2.0, bias_var=0.0)
    assert rl.jacobian.law(relu, preact_var=7.0).mean == pytest.approx(rl.jacobian.law(relu).mean)


def test_only_ratios_of_widths_matter():
    net = mlp(depth=2)
    one, other = (rl.jacobian.law(net, widths=w) for w in ((1, 2, 1), (10, 20, 10)))
    assert one.support == other.support
    assert one.var == pytest.approx(other.var)
