"""Evidence for `rmtlab.field`; each test says of what kind."""

import dataclasses
from functools import cache

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import rmtlab as rl
from rmtlab import activations, field, gaussian

LINEAR, RELU = ("linear", 0.8, 0.2), ("relu", 1.6, 0.2)  # a = 0.8, q* = 1, ξ = 4.48
FIELDS = [LINEAR, RELU, ("leaky_relu", 1.5, 0.3), ("tanh", 1.5, 0.3), ("gelu", 1.5, 0.3), ("cos", 1.0, 0.1)]
MANY, N = 200_000, 200


def lattice(case, width=N):
    return field.Lattice(*case, width=width)


@cache
def simulated(case, width=N):
    """200 000 chains: a variance is resolved to √(2/MANY) ≈ 0.3 %; after 30 layers the input is left to a⁶⁰ = 2e-6."""
    return lattice(case, width).simulate(depth=9, chains=MANY, rng=1, discard=30)


# The Gaussian field


@pytest.mark.parametrize("a", [0.2, 0.5, 0.8, 0.95])
def test_linear_and_relu_have_their_closed_forms(a):
    """Closed form: the covariances and structure factors of linear and ReLU lattices."""
    b, lags, k = 0.3, np.arange(6), np.linspace(-np.pi, np.pi, 9)
    q = b / (1 - a)
    for case, numerator in ((("linear", a, b), 2.0), (("relu", 2 * a, b), 2 + 3 * a * a)):
        found = lattice(case)
        assert (found.q, found.slope) == pytest.approx((q, a))
        expected = q * q / N * numerator / (1 - a * a) * a**lags
        np.testing.assert_allclose(found.covariance(lags), expected, rtol=1e-12)
        expected = q * q / N * numerator / (1 + a * a - 2 * a * np.cos(k))
        np.testing.assert_allclose(found.structure_factor(k), expected, rtol=1e-12)
        action = found.gaussian_action(q + np.array([0.0, 0.1]))
        assert action == pytest.approx(0.01 * N / (2 * q * q * numerator))


@pytest.mark.parametrize("case", FIELDS, ids=str)
def test_every_covariance_is_a_geometric_sequence(case):
    """Independent quadrature: a^k v_s + a^{k−1} q* σ_w² Cov(z², φ²)/N, which Stein's lemma sums up."""
    found = lattice(case)
    phi, q, a, w = found.activation, found.q, found.slope, found.weight_var
    mean = gaussian.expectation(lambda x: phi(x) ** 2, q, kinks=phi.kinks)
    common = gaussian.expectation(lambda x: (x * x / q - 1) * phi(x) ** 2, q, kinks=phi.kinks)
    spread = gaussian.expectation(lambda x: phi(x) ** 4, q, kinks=phi.kinks) - mean**2
    v = w * w * spread / N / (1 - a * a)
    lags = np.arange(1, 6)
    expected = a**lags * v + a ** (lags - 1.0) * q * w * common / N
    np.testing.assert_allclose(found.covariance(lags), expected, rtol=1e-9, atol=1e-18)
    assert found.covariance(0) == pytest.approx(v + 2 * q * q / N)
    assert found.second_moments("leading").excess_kurtosis == pytest.approx(3 * v / q**2)


@pytest.mark.parametrize("case", FIELDS, ids=str)
def test_mass_and_correlation_length(case):
    """Closed form: 2 sinh(1/2ξ) = m = (1 − |a|)/√|a|; the length is the depth scale of the variance."""
    found = lattice(case)
    a = abs(found.slope)
    assert found.mass == pytest.approx((1 - a) / np.sqrt(a))
    assert 2 * np.sinh(1 / (2 * found.correlation_length)) == pytest.approx(found.mass)
    scales = rl.signal.MeanField(*case).depth_scales()
    assert found.correlation_length == pytest.approx(scales.xi_q)


def test_the_field_is_massless_at_the_critical_point():
    """Limit: m ≃ 1 − a → 0, and m = 0, ξ = ∞ there; a critical tanh network keeps its mass, because V′ < 1."""
    for gap in (1e-2, 1e-4, 1e-6):
        assert field.Lattice("relu", 2 * (1 - gap), 0.1).mass == pytest.approx(gap, rel=gap)
    for name, weight_var in (("relu", 2.0), ("linear", 1.0), ("abs", 1.0)):
        critical = field.Lattice(name, weight_var)
        assert (critical.mass, critical.correlation_length) == (0.0, np.inf)
    point = rl.signal.critical_point("tanh", 0.05)
    assert field.Lattice("tanh", point.weight_var, 0.05).mass > 0.5


@pytest.mark.parametrize("case", FIELDS, ids=str)
def test_the_structure_factor_is_the_transform_of_the_covariance(case):
    """Symmetry: the sum over lags; over L layers the quadratic form of the covariance matrix, at every mode."""
    found, depth = lattice(case), 24
    k = 2 * np.pi * np.arange(depth) / depth
    lags = np.arange(1, 400)
    expected = found.covariance(0) + 2 * np.cos(np.outer(k, lags)) @ found.covariance(lags)
    np.testing.assert_allclose(found.structure_factor(k), expected, rtol=1e-9)
    wave = np.exp(-1j * np.outer(k, np.arange(depth))) / np.sqrt(depth)
    matrix = found.covariance_matrix(depth)
    expected = np.einsum("ki,ij,kj->k", wave.conj(), matrix, wave).real
    np.testing.assert_allclose(found.structure_factor(k, depth=depth), expected, rtol=1e-9)
    delta = np.random.default_rng(0).normal(size=(3, depth))
    expected = 0.5 * np.einsum("ci,ij,cj->c", delta, np.linalg.inv(matrix), delta)
    np.testing.assert_allclose(found.gaussian_action(found.q + delta), expected, rtol=1e-8)


def test_the_edge_forgets_its_input():
    """Limit: behind an input Var s grows as 1 − a^{2(l−1)}, from a first layer of 2q*²/N, to the stationary field."""
    for case in FIELDS:
        found = lattice(case)
        edge, inside = found.covariance_matrix(60, from_input=True), found.covariance_matrix(60)
        assert edge[0, 0] == pytest.approx(2 * found.q**2 / N)
        np.testing.assert_allclose(edge[-5:, -5:], inside[-5:, -5:], rtol=1e-4, atol=1e-12)


# The exact action


def test_the_action_is_the_negative_logarithm_of_the_density():
    """Cross-library: SciPy's multivariate normal, layer after layer, for one input and for three."""
    rng = np.random.default_rng(0)
    for name in ("relu", "tanh"):
        found = field.Lattice(name, 1.7, 0.2, width=5)
        phi = found.activation
        for shape in ((), (3,)):
            z, x = rng.normal(size=(4, 5, *shape)), rng.normal(size=(*shape, 7))
            layers, inputs = z.reshape(4, 5, -1), np.atleast_2d(x)
            signals = [inputs.T, *(phi(layer) for layer in layers[:-1])]
            terms = [
                -multivariate_normal(cov=1.7 * h.T @ h / len(h) + 0.2).logpdf(layer).sum()
                for h, layer in zip(signals, layers, strict=True)
            ]
            assert found.action(z, inputs=x) == pytest.approx(sum(terms))
            assert found.action(z) == pytest.approx(sum(terms[1:]))


def test_the_partition_function_is_one():
    """Independent quadrature: ∫ e^{−H} dz¹dz² at N = 1, by the trapezoid rule, which errs by e^{−(π s/h)²}."""
    found = field.Lattice("tanh", 1.5, 0.4, width=1)

    grid = np.arange(-9, 9.1, 0.25)
    densities = [np.exp(-found.action([[z1], [z2]], inputs=[0.7])) for z1 in grid for z2 in grid]
    assert 0.25**2 * sum(densities) == pytest.approx(1, abs=1e-9)


# Finite width


@pytest.mark.parametrize("case", [LINEAR, RELU], ids=str)
def test_exact_second_moments(case):
    """Simulation: 200 000 chains at N = 200 resolve a variance to 0.3 %; exact theory is within 1 %."""
    chains, exact = simulated(case), lattice(case).second_moments()
    (variance,), (error,) = chains.covariance(0, mean=exact.mean)
    assert error < 0.004 * variance
    assert variance == pytest.approx(exact.variance, rel=0.01)
    assert chains.s.var() == pytest.approx(exact.conditional_variance, rel=0.01)
    kurtosis = 3 * chains.s.var() / chains.mean**2
    assert kurtosis == pytest.approx(exact.excess_kurtosis, rel=0.015)
    lags = np.arange(9)
    found, errors = chains.covariance(lags, mean=exact.mean)
    assert np.all(np.abs(found - lattice(case).covariance(lags, "exact")) < 4 * errors)


@pytest.mark.parametrize("case", [LINEAR, RELU, ("leaky_relu", 1.5, 0.3)], ids=str)
def test_exact_second_moments_solve_their_own_recursion(case):
    """Closed form: E s² of one step, from the fourth Gaussian moment of φ; and the limit N → ∞."""
    found = lattice(case, 20)
    m, fourth = (float(found.activation.moment(1.0, k)) for k in (2, 4))
    moments, (w, b) = found.second_moments(), case[1:]
    square = moments.conditional_variance + moments.mean**2
    after = w * w * square * (fourth / 20 + m * m * 19 / 20) + 2 * w * b * m * moments.mean + b * b
    assert after == pytest.approx(square)
    assert moments.variance == pytest.approx((1 + 2 / 20) * square - moments.mean**2)
    wide = lattice(case, 10**7)
    assert wide.covariance(2, "exact") == pytest.approx(wide.covariance(2), rel=1e-5)


@pytest.mark.parametrize("case", [LINEAR, RELU], ids=str)
def test_leading_order_is_near_and_its_bias_halves(case):
    """Convergence rate in N: within 8 % at N = 200, lag by lag, and half of the bias at 2N (± 0.3 % of sampling)."""
    lags = np.arange(9)
    found, _ = simulated(case).covariance(lags, mean=1.0)
    assert np.all(np.abs(found / lattice(case).covariance(lags) - 1) < 0.08)
    biases, blur = [], []
    for width in (N, 2 * N):
        (variance,), (error,) = simulated(case, width).covariance(0, mean=1.0)
        leading = lattice(case, width).covariance(0)
        biases.append(variance / leading - 1)
        blur.append(error / leading)
    assert biases[0] > 4 * blur[0]
    assert abs(biases[1] - biases[0] / 2) < 4 * np.hypot(blur[1], blur[0] / 2)


@pytest.mark.parametrize("case", [LINEAR, RELU], ids=str)
def test_structure_factor_over_all_modes(case):
    """Simulation: 20 000 chains of 64 layers, one mode to 0.7 %; exact within 4.5 errors, leading within 8 %."""
    found = lattice(case)
    k, power, errors = found.simulate(depth=64, chains=20_000, rng=2).structure_factor(mean=1.0)
    assert len(k) == 33
    assert np.all(np.abs(power - found.structure_factor(k, "exact", depth=64)) < 4.5 * errors)
    assert np.all(np.abs(power / found.structure_factor(k, depth=64) - 1) < 0.08)


def test_smooth_activations_at_leading_order():
    """Simulation unit by unit: 8 000 chains at N = 200, ± 1.6 % and a bias of order a/N."""
    for case in (("tanh", 1.5, 0.3), ("cos", 1.0, 0.1)):
        found, lags = lattice(case), np.arange(4)
        measured, errors = found.simulate(depth=6, chains=8000, rng=3).covariance(lags)
        assert np.all(np.abs(measured - found.covariance(lags)) < 4 * errors + 0.02 * found.covariance(0))
    assert found.covariance(1) < 0 < found.covariance(2)


@pytest.mark.parametrize("case", [("linear", 0.5, 0.5), ("relu", 1.0, 0.5), ("tanh", 1.5, 0.3)], ids=str)
def test_networks_with_explicit_weights_are_the_same_chain(case):
    """Simulation: 200 sampled networks of N = 50 resolve covariances, as a mean over layers, to 6 % of the variance."""
    name, weight_var, bias_var = case
    net = rl.MLP(10, name, weight_var, bias_var)
    found = field.Lattice.of(net, width=50)
    assert found == lattice(case, 50)
    x = np.sqrt((found.q - bias_var) / weight_var) * np.ones((1, 5))
    q = np.array([layer_variances(net.sample(50, in_features=5, seed=s), x) for s in range(200)])
    chains = found.simulate(depth=10, chains=20_000, rng=4, discard=0)
    size = np.mean(np.var(chains.q, axis=0))
    for lag in (0, 1, 3):
        off = [covariance(q, l, l + lag) - covariance(chains.q, l, l + lag) for l in range(10 - lag)]
        assert abs(np.mean(off)) < 0.2 * size
    assert np.mean(q) == pytest.approx(np.mean(chains.q), abs=5 * np.std(q.mean(axis=1)) / np.sqrt(200))


def layer_variances(module, x):
    *hidden, _ = module.preactivations(x)
    return [float(z.detach().square().mean()) for z in hidden]


def covariance(q, i, j):
    return np.mean(q[:, i] * q[:, j]) - np.mean(q[:, i]) * np.mean(q[:, j])


def test_the_first_layer_behind_an_input():
    """Closed form: q¹ = s¹ χ²_N/N, mean s¹ and variance 2s¹²/N; five standard errors."""
    q = field.Lattice("relu", 1.6, 0.2, width=20).simulate(2, 50_000, rng=5, start=3.0).q[:, 0]
    assert q.mean() == pytest.approx(3.0, abs=5 * q.std() / np.sqrt(50_000))
    assert q.var() == pytest.approx(2 * 9 / 20, rel=0.05)


def test_units_drawn_one_by_one_are_the_chi_squares():
    """Cross-check: ReLU under another name, which is not known to be homogeneous, has the same moments of (q, s)."""
    activations.register("plain_relu", lambda x: (x + abs(x)) / 2, kinks=(0.0,))
    fast, slow = (field.Lattice(name, 1.6, 0.2, width=10) for name in ("relu", "plain_relu"))
    one, two = (found.simulate(3, 40_000, rng=6, start=1.0) for found in (fast, slow))
    for a, b in ((one.q, two.q), (one.s, two.s), (one.q[:, 0] * one.s[:, 1], two.q[:, 0] * two.s[:, 1])):
        for power in (1, 2):
            error = np.std(a**power) * np.sqrt(2 / 40_000)
            assert np.mean(a**power) == pytest.approx(np.mean(b**power), abs=5 * error)


# Without mass


@pytest.mark.parametrize(
    ("name", "weight_var", "drift", "spread"), [("linear", 1, 1, 2), ("relu", 2, 2.5, 5)]
)
def test_without_biases_ln_q_walks(name, weight_var, drift, spread):
    """Limit: drift −1/N or −5/2N and variance 2/N or 5/N up to 1/N²; simulation within five standard errors."""
    wide = field.Lattice(name, weight_var, width=4000).log_walk()
    assert (-4000 * wide.drift, 4000 * wide.variance) == pytest.approx((drift, spread), rel=2e-3)
    chains = field.Lattice(name, weight_var, width=30).simulate(20, 20_000, rng=7)
    walk = field.Lattice(name, weight_var, width=30).log_walk()
    steps = np.diff(np.log(chains.s), axis=1)
    error = steps.std() / np.sqrt(steps.size)
    assert steps.mean() == pytest.approx(walk.drift, abs=5 * error)
    assert steps.var() == pytest.approx(walk.variance, rel=0.02)
    assert abs(np.corrcoef(steps[:, 0], steps[:, 1])[0, 1]) < 0.03
    ends = chains.s[:, -1]
    assert ends.mean() == pytest.approx(1, abs=5 * ends.std() / np.sqrt(20_000))
    assert np.median(ends) == pytest.approx(np.exp(19 * walk.drift), rel=0.05)


def test_narrow_relu_networks_die():
    """Closed form: no unit of N is active with probability 2^{−N}."""
    narrow = field.Lattice("relu", 2.0, width=3)
    walk = narrow.log_walk()
    assert walk.death == 1 / 8
    dead = narrow.simulate(2, 20_000, rng=8).s[:, 1] == 0
    assert dead.mean() == pytest.approx(1 / 8, abs=5 * np.sqrt(7 / 64 / 20_000))


def test_the_walk_is_known_for_few_functions():
    for found in (field.Lattice("relu", 2.0, 0.1), field.Lattice("tanh", 2.0)):
        with pytest.raises(ValueError, match="only where φ is homogeneous"):
            found.log_walk()
    with pytest.raises(ValueError, match=r"simulate\(\) the walk"):
        field.Lattice("leaky_relu", 1.9).log_walk()


def test_a_heavy_tail_gets_a_sentence_and_the_width_that_mends_it():
    """Closed form: linear networks need N > 2σ_w⁴/(1 − σ_w⁴)."""
    enough = 2 * 0.9**2 / (1 - 0.9**2)
    with pytest.raises(ValueError, match=f"width above {enough:.4g}"):
        field.Lattice("linear", 0.9, 0.1, width=int(enough)).second_moments()
    assert field.Lattice("linear", 0.9, 0.1, width=int(enough) + 1).second_moments().variance > 0


# Habits


def test_a_seed_is_a_draw_and_results_are_frozen():
    found = lattice(RELU, 20)
    a, b, c = (found.simulate(3, 4, rng=s) for s in (0, 0, np.random.default_rng(1)))
    np.testing.assert_array_equal(a.q, b.q)
    assert not np.array_equal(a.q, c.q)
    for thing in (found, a, found.second_moments(), field.Lattice("relu", 2.0).log_walk()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            thing.width = 3
