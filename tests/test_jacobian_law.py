"""The law of J Jᵀ: closed forms, independent quadrature, limits, cross-checks, contract and simulation.

Simulated spectra are compared at a stated finite-size scale: eigenvalues of an N×N product of L matrices differ
from their limit by O(L/N) in distribution for smooth φ; for kinked φ the binomial number of active units adds
O(N^{-1/2}), which the plug-in law has in.
"""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erf, erfinv

import rmtlab as rl
from rmtlab import jacobian
from tests.law_contract import LawContract

MLP = rl.MLP
HAAR = {"weights": "orthogonal"}


def hard_tanh_law(depth, p, **keywords):
    """Critical hard_tanh with E[φ′²] = p: q* = 1/(2 erfinv(p)²), held by a bias."""
    net = critical(depth, "hard_tanh", 0.5 / erfinv(p) ** 2, **keywords)
    return jacobian.law(net)


def critical(depth, activation, q, **keywords):
    """The network at χ = 1 whose fixed point is q."""
    act = rl.activations.get(activation)
    weight_var = 1.0 / float(act.derivative_moment(q, 2))
    bias_var = q - weight_var * float(act.moment(q, 2))
    return MLP(depth, activation, weight_var, max(bias_var, 0.0), **keywords)


def squared_slope(law):
    return law._chain.factors[0].squares


# Closed forms.


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_linear_gaussian_is_fuss_catalan(depth):
    """Evidence: closed form."""
    law, exact = jacobian.law(MLP(depth, "linear")), rl.laws.FussCatalan(depth)
    top = (depth + 1.0) ** (depth + 1) / depth**depth
    assert_allclose(law.support, [(0.0, top)], rtol=1e-12)
    x = top * np.linspace(0.001, 0.999, 60)
    assert_allclose(law.density(x), exact.density(x), rtol=1e-9)
    assert_allclose(law.cdf(x), exact.cdf(x), atol=1e-10)
    assert_allclose([law.moment(k) for k in range(1, 6)], [exact.moment(k) for k in range(1, 6)], rtol=1e-12)


def test_linear_orthogonal_is_a_point():
    """Evidence: closed form."""
    law = jacobian.law(MLP(7, "linear", weight_var=1.5, **HAAR))
    assert law.support == []
    assert_allclose(list(law.atoms), [1.5**7], rtol=1e-14)
    assert law.certificate.converged


@pytest.mark.parametrize("depth", [2, 5, 20])
@pytest.mark.parametrize("p", [0.5, 0.9, 0.99])
def test_bernoulli_edges_atoms_and_variance(depth, p):
    """Evidence: closed form, from dλ/dm = 0 of the master equations."""
    gauss, haar = (hard_tanh_law(depth, p, weights=w) for w in ("gaussian", "orthogonal"))
    m = (-(depth - 1) + np.sqrt((depth - 1) ** 2 + 4 * depth * p)) / (2 * depth)
    assert_allclose(gauss.support[-1][1], (1 + m) / m * ((m + p) / p) ** depth, rtol=1e-11)
    assert_allclose(
        haar.support[-1][1], (1 - p) / p * depth**depth / (depth - 1.0) ** (depth - 1), rtol=1e-11
    )
    assert_allclose(gauss.atoms[0.0], 1 - p, rtol=1e-12)
    top = {x: mass for x, mass in haar.atoms.items() if x}
    if depth * (1 - p) < 1 - 1e-9:
        assert_allclose(list(top.items()), [(p**-depth, 1 - depth * (1 - p))], rtol=1e-11)
    else:
        assert not top
    assert_allclose([gauss.mean, haar.mean], 1.0, rtol=1e-12)
    assert_allclose(gauss.var, depth / p, rtol=1e-11)
    assert_allclose(haar.var, depth * (1 - p) / p, rtol=1e-11)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_bernoulli_density_solves_its_polynomial(weights):
    """Evidence: closed form; of all roots of the master polynomial the law's is one, with Im G < 0."""
    p, depth = 0.6, 4
    law = hard_tanh_law(depth, p, weights=weights)
    a, b = law.support[0]
    m = np.poly1d([1.0, 0.0])
    for x in a + (b - a) * np.array([0.01, 0.1, 0.4, 0.8]):
        right = (m + p) ** depth * p**-depth
        left = right * (m + 1) - m * x if weights == "gaussian" else right - (m + 1) ** (depth - 1) * m * x
        densities = -(1 + left.roots).imag / (np.pi * x)
        assert np.min(np.abs(densities - law.density(x))) < 1e-10 * law.density(x)


def test_erf_variance():
    """Evidence: closed form, L((1 + πq)/√(1 + 2πq) − 1 − s₁) for erf(√π x/2), here as erf with q scaled."""
    q, depth = 0.4, 8
    r = np.pi * (4 * q / np.pi)  # erf(x) at variance q is erf(√π y/2) at variance 4q/π
    for weights, s1 in (("gaussian", -1.0), ("orthogonal", 0.0)):
        law = jacobian.law(critical(depth, "erf", q, weights=weights))
        assert_allclose(law.var / law.mean**2, depth * ((1 + r) / np.sqrt(1 + 2 * r) - 1 - s1), rtol=1e-9)


# The average over h.


@pytest.mark.parametrize("name", ["tanh", "gelu", "sin"])
def test_average_over_h_is_right_next_to_the_axis(name):
    """Evidence: independent quadrature (Gauss–Legendre, panels that shrink towards the poles' real parts)."""
    q = 0.7
    slope = {
        "tanh": lambda h: np.cosh(h) ** -2,
        "gelu": lambda h: 0.5 * (1 + erf(h / np.sqrt(2))) + h * np.exp(-h * h / 2) / np.sqrt(2 * np.pi),
        "sin": np.cos,
    }[name]
    squares = squared_slope(jacobian.law(MLP(2, name, 1.0, 0.1), preact_var=q))
    nodes, weights = np.polynomial.legendre.leggauss(120)
    grid = np.linspace(-8.0, 8.0, 4001)
    for zeta in (0.6 + 0.4j, 0.5 + 3e-3j, 0.93 + 1e-4j):
        gap = lambda h, zeta=zeta: slope(h) ** 2 - zeta.real  # noqa: E731
        at = np.flatnonzero(np.diff(np.sign(gap(grid))))
        at = [brentq(gap, grid[k], grid[k + 1]) for k in at]
        marks = {-8.0, 8.0, *(x + s * 4.0**-k for x in at for k in range(9) for s in (-1, 0, 1))}
        marks = np.array(sorted(x for x in marks if -8.0 <= x <= 8.0))
        half = np.diff(marks)[:, None] / 2
        h = marks[:-1, None] + half * (1 + nodes)
        d = slope(h) ** 2
        exact = np.sum(half * weights * d / (zeta - d) * np.exp(-h * h / (2 * q))) / np.sqrt(2 * np.pi * q)
        found = squares.transform(np.array([zeta]))[0][0]
        assert abs(found - exact) < 1e-10 * abs(exact)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_residual_against_the_true_integral(weights):
    """Evidence: independent quadrature of E[d/(ζ − d)] at the ζ that G(x + i0) implies: below 1e-10."""
    depth, q = 4, 0.9
    net = critical(depth, "tanh", q, weights=weights)
    law = jacobian.law(net)
    for x in np.array([0.01, 0.2, 0.5, 0.9]) * law.support[0][1]:
        m = x * complex(law._boundary(np.array([x]))[0]) - 1
        base = net.weight_var * m / (1.0 if weights == "gaussian" else 1 + m)
        roots = (x * m / (1 + m)) ** (1 / depth) * np.exp(2j * np.pi * np.arange(depth) / depth) / base
        misses = []
        for zeta in roots:
            parts = [
                quad(
                    lambda h, part=part, zeta=zeta: getattr(np.cosh(h) ** -4 / (zeta - np.cosh(h) ** -4), part)
                    * np.exp(-h * h / (2 * q)),
                    0.0, 9.0 * np.sqrt(q), epsabs=1e-12, epsrel=1e-12, limit=400,
                )[0]
                for part in ("real", "imag")
            ]  # fmt: skip
            misses.append(abs(2 * complex(*parts) / np.sqrt(2 * np.pi * q) - m))
        assert min(misses) < 1e-10
    assert law.certificate.residual < 1e-10


# Cross-checks and limits.


def test_one_gaussian_layer_is_a_free_product():
    """Evidence: cross-check against the free-probability engine, W Wᵀ ⊠ φ′²."""
    q = 0.8
    slopes = jacobian.law(MLP(1, "tanh", 1.0, **HAAR), preact_var=q)
    law = jacobian.law(MLP(1, "tanh", 1.0), preact_var=q)
    engine = rl.laws.free_multiply(rl.laws.MarchenkoPastur(1.0), slopes)
    x = law.support[-1][1] * np.array([0.05, 0.3, 0.6, 0.9])
    assert_allclose(law.support[-1][1], engine.support[-1][1], rtol=1e-6)
    assert_allclose(law.density(x), engine.density(x), rtol=1e-7)


def test_two_kinked_layers_are_a_free_product():
    """Evidence: cross-check against the free-probability engine."""
    coin = rl.laws.Discrete([0.0, 2.0], [0.5, 0.5])
    haar = jacobian.law(MLP(2, "relu", 2.0, **HAAR))
    engine = rl.laws.free_multiply(coin, coin)
    x = haar.support[0][1] * np.array([0.05, 0.4, 0.9])
    assert_allclose(haar.density(x), engine.density(x), rtol=1e-8)
    gauss = jacobian.law(MLP(1, "relu", 2.0))
    engine = rl.laws.free_multiply(coin, rl.laws.MarchenkoPastur(1.0))
    x = gauss.support[0][1] * np.array([0.05, 0.4, 0.9])
    assert_allclose(gauss.density(x), engine.density(x), rtol=1e-8)


def test_bernoulli_networks_approach_their_universal_law_as_one_over_depth():
    """Evidence: limit; S_L → e^{−σ₀²m/(1+m)} with an error of O(1/L), so doubling L halves the distance."""
    variance, x = 0.5, np.array([0.2, 0.6, 1.0, 1.3])
    limit = jacobian.universal(variance)
    laws = [hard_tanh_law(depth, 1 / (1 + variance / depth), **HAAR) for depth in (32, 64)]
    errors = [np.max(np.abs(law.cdf(x) - limit.cdf(x))) for law in laws]
    assert errors[1] < 0.03
    assert 1.7 < errors[0] / errors[1] < 2.3


def test_smooth_networks_approach_their_universal_law_as_the_root_of_depth():
    """Evidence: limit; at fixed σ₀² q is O(L^{−1/2}), and the third cumulant of d leaves an error of that order."""
    variance = 0.5
    act, limit = rl.activations.get("tanh"), jacobian.universal(variance, "smooth")
    errors = []
    for depth in (256, 512):
        excess = lambda q, depth=depth: (  # noqa: E731
            depth * (act.derivative_moment(q, 4) / act.derivative_moment(q, 2) ** 2 - 1) - variance
        )
        law = jacobian.law(critical(depth, "tanh", brentq(excess, 1e-5, 0.5), **HAAR))
        assert_allclose([law.mean, law.var], [1.0, variance], rtol=1e-9)
        errors.append([limit.moment(3) - law.moment(3), *(limit.cdf([0.3, 1.0]) - law.cdf([0.3, 1.0]))])
    ratio = np.array(errors[0]) / np.array(errors[1])
    assert np.all((ratio > 1.25) & (ratio < 1.5))
    assert np.max(np.abs(errors[1])) < 0.05


def test_universal_bernoulli_is_lambert():
    """Evidence: closed form and independent quadrature; mass, mean, hard edge σ₀²/ln(1/x)."""
    for variance in (0.5, 2.0):
        law = jacobian.universal(variance)
        assert_allclose(law.support, [(0.0, np.e * variance)])
        assert_allclose(
            [law.moment(k) for k in (1, 2, 3)],
            [1, 1 + variance, 1 + 2 * variance + 1.5 * variance**2],
            rtol=1e-13,
        )
        v = np.linspace(0.0, 25.0, 20001)
        x = law.support[0][1] * np.exp(-(v**2))
        mass = np.trapezoid(law.density(x) * x * 2 * v, v)
        assert abs(mass - (law.cdf(x[0], side="left") - law.cdf(x[-1]))) < 1e-6
        assert abs(law.cdf(1e-200) * np.log(1e200) / variance - 1) < 0.02
        p = np.array([0.05, 0.2, 0.4]) * min(1.0, variance)
        assert_allclose(law.cdf(law.quantile(p)), p, rtol=1e-10)


def test_universal_smooth_edges():
    """Evidence: closed form, the sheet's [.184, 3.297] at σ₀² = ½, also from the critical points."""
    law = jacobian.universal(0.5, "smooth")
    assert_allclose(law.support, [(0.18393972, 3.29744254)], atol=1e-8)
    assert_allclose(law._intervals, law.support, rtol=1e-10)
    assert_allclose([law.moment(k) for k in (1, 2, 3)], [1.0, 1.5, 2.875], rtol=1e-13)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_depth_two_hundred(weights):
    """Evidence: independent quadrature; mass, mean and second moment of the density at depth 200."""
    law = jacobian.law(critical(200, "tanh", 0.05, weights=weights))
    assert_allclose(law._expectation(lambda x: x), law.mean, rtol=1e-9)
    assert_allclose(law._expectation(lambda x: x**2), law.mean**2 + law.var, rtol=1e-8)
    assert law.certificate.residual < 1e-10


def test_variance_of_every_kind_of_factor():
    """Evidence: independent quadrature; closed mean and variance against the density and the moments."""
    noisy = rl.noise.MultiplicativeGaussian(var=0.25)
    for law in (
        jacobian.law(MLP(3, "relu", 2.0), widths=(2, 1, 3, 4)),
        jacobian.law(MLP(3, "tanh", 1.5, 0.05, **HAAR), widths=(2, 1, 3, 4)),
        jacobian.law(MLP(2, "tanh", 1.5, 0.05, noise=rl.noise.Dropout(keep=0.8))),
        jacobian.law(MLP(2, "relu", 1.5, noise=noisy, **HAAR)),
        jacobian.law(MLP(6, "tanh", 1.5, 0.05), preact_var=3.0),
    ):
        assert abs(law._expectation(np.ones_like) - 1.0) < 1e-10
        assert_allclose(law._expectation(lambda x: x), law.mean, rtol=1e-9)
        assert_allclose(law._expectation(lambda x: x**2), law.mean**2 + law.var, rtol=1e-8)
        assert_allclose(law.moment(2), law.mean**2 + law.var, rtol=1e-10)


def test_mean_is_the_product_of_chi():
    """Evidence: cross-module identity, E = Πχ_l with χ = σ_w² μ₂ E[φ′²] of rmtlab.signal."""
    for noise in (None, rl.noise.Dropout(keep=0.7), rl.noise.AdditiveGaussian(var=0.1)):
        net = MLP(5, "tanh", 1.4, 0.05, noise=noise)
        assert_allclose(jacobian.law(net).mean, rl.signal.MeanField.of(net).chi ** 5, rtol=1e-9)


def test_alike_layers_may_be_written_one_by_one():
    """Evidence: equivalent spellings."""
    block = [rl.layers.Dense(1.5, 0.05), rl.layers.Activation("tanh")]
    chained = rl.serial(*block * 3, rl.layers.Dense(9.0))
    a, b = jacobian.law(chained), jacobian.law(MLP(3, "tanh", 1.5, 0.05))
    assert_allclose(a.support, b.support, rtol=1e-13)
    x = np.array([0.1, 1.0, 2.0])
    assert_allclose(a.density(x), b.density(x), rtol=1e-12)


@pytest.mark.parametrize("q", [0.05, 0.3])
def test_layers_at_the_fixed_point_are_one_factor(q):
    """Evidence: symmetry; q¹ = q* is preact_var="fixed", though the variance map returns it with rounding."""
    net = critical(64, "tanh", q, **HAAR)
    by_value, fixed = jacobian.law(net, preact_var=q), jacobian.law(net)
    assert len(by_value._chain.factors) == len(fixed._chain.factors) == 1
    assert_allclose(by_value.support, fixed.support, rtol=1e-9)


def test_two_valued_slopes_leave_one_unknown():
    """Evidence: cross-check; ζ = a(T + np)/T eliminated by hand, against two values that almost agree."""

    def plug_in(slopes):
        return jacobian.PlugInLaw((np.repeat(slopes, 20),) * 3, ((1.5, True),) * 3, np.ones(20 * len(slopes)))

    exact, split = plug_in([0.0, 1.0]), plug_in([0.0, 0.0, 1.0 - 1e-5, 1.0 + 1e-5])
    assert (len(exact._chain.factors), len(split._chain.factors)) == (0, 3)
    a, b = exact.support[0]
    assert_allclose([a, b], split.support[0], atol=1e-8)
    x = a + (b - a) * np.array([0.05, 0.4, 0.9])
    assert_allclose(exact.density(x), split.density(x), rtol=1e-6)
    assert_allclose(exact.cdf(x), split.cdf(x), rtol=1e-6)


def test_import_is_light():
    """Evidence: contract."""
    code = "import sys, rmtlab.jacobian; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# Contract.


class TestKinkedLaws(LawContract):
    """The contract's quadrature meets x^{−L/(L+1)} at 0 with an error of up to 1e-8."""

    laws = (
        jacobian.law(MLP(4, "relu", 2.0)),
        jacobian.law(MLP(3, "hard_tanh", 1.2, **HAAR), preact_var=0.3),
        jacobian.law(MLP(2, "relu", 2.0), widths=(1, 2, 4)),
    )
    accuracy = 1e-8
    draws = 300


class TestSmoothLaws(LawContract):
    """As above for the Gaussian law; the orthogonal ones have a log-normal tail at 0."""

    laws = (
        jacobian.law(MLP(3, "tanh", 1.5, 0.05)),
        jacobian.law(MLP(4, "tanh", 1.5, 0.05, **HAAR)),
        jacobian.law(MLP(2, "erf", 1.2, 0.3, **HAAR), preact_var=0.5),
        jacobian.law(MLP(2, "tanh", 1.5, 0.05, noise=rl.noise.Dropout(keep=0.8))),
    )
    accuracy = 1e-8
    draws = 300


class TestSmoothLimit(LawContract):
    """The solver's own accuracy; the density has square-root edges only."""

    laws = (jacobian.universal(0.5, "smooth"), jacobian.universal(2.0, "smooth"))
    accuracy = 1e-10
    draws = 300


# Simulation.


def drawn(net, width, seed=0, dtype="float64"):
    """A module and an input whose first pre-activations have the variance q*."""
    module = net.sample(width, in_features=width, seed=seed, dtype=dtype).requires_grad_(False)
    gain = 1.0 if net.noise is None else net.noise.second_moment
    point = rl.signal.MeanField.of(net).fixed_point()
    size = (point.q - net.bias_var) / (net.weight_var * gain)
    x = np.random.default_rng(1000 + seed).standard_normal(width)
    return module, x * np.sqrt(size * width) / np.linalg.norm(x)


@pytest.mark.parametrize(
    ("depth", "name", "weights"),
    [
        (4, "tanh", "orthogonal"),
        (4, "erf", "gaussian"),
        (16, "erf", "orthogonal"),
        (64, "tanh", "orthogonal"),
    ],
)
def test_smooth_spectra_at_width_800(depth, name, weights):
    """Evidence: simulation; KS ≤ 0.02 at N = 800, and ≤ 0.015 in units of the plug-in mean.

    The sample means of φ′² fluctuate by O(N^{−1/2}) and move the whole spectrum, which the first bound holds for
    this seed; the shape, and λ_max in those units, are off by O(L/N) and by the edge's own O(N^{−2/3}), and
    there KS is 0.004 to 0.011 whatever the seed.
    """
    net = critical(depth, name, 0.3 if depth < 64 else 0.05, weights=weights)
    module, x = drawn(net, 800, dtype="float32")
    law = jacobian.law(net)
    eigenvalues = jacobian.singular_values(module, x) ** 2
    slopes = [net.activation.derivative(z.numpy()) for z in module.preactivations(x)[:-1]]
    plug_in = np.prod([net.weight_var * np.mean(slope**2) for slope in slopes])
    in_units = eigenvalues * law.mean / plug_in
    assert rl.compare(law, eigenvalues).ks <= 0.02
    assert rl.compare(law, in_units).ks <= 0.015
    assert abs(in_units.mean() / law.mean - 1) < 6 * np.sqrt(2 * law.var) / law.mean / 800 + 2 * depth / 800
    assert abs(in_units.max() / law.support[-1][1] - 1) < 0.05


@pytest.mark.parametrize(("name", "weights"), [("relu", "gaussian"), ("hard_tanh", "orthogonal")])
def test_kinked_spectra_against_their_plug_in_law(name, weights):
    """Evidence: simulation; with the active fractions plugged in, KS ≤ 0.03 at N = 400."""
    net = MLP(4, name, 2.0 if name == "relu" else 1.3, weights=weights)
    module, x = drawn(net, 400)
    law = jacobian.plug_in(module, x)
    eigenvalues = np.sort(jacobian.singular_values(module, x) ** 2)
    eigenvalues[: round(400 * law.atoms.get(0.0, 0.0))] = 0.0
    assert rl.compare(law, eigenvalues).ks <= 0.03
    assert_allclose(law.mean, np.prod([net.weight_var * np.mean(s**2) for s in law.slopes]), rtol=1e-12)
    assert abs(eigenvalues.mean() / law.mean - 1) < 5 * np.sqrt(2 * law.var) / law.mean / 400 + 4 / 400


def test_noisy_spectrum_in_training_mode():
    """Evidence: simulation; masks at x and at h¹ … h^{L−1}. KS ≤ 0.04 at N = 400: the masks are binomial."""
    net = MLP(3, "tanh", 1.5, 0.05, noise=rl.noise.Dropout(keep=0.8))
    module, x = drawn(net, 400)
    law = jacobian.law(net)
    eigenvalues = np.sort(jacobian.singular_values(module.train(), x) ** 2)
    eigenvalues[eigenvalues < 1e-20] = 0.0
    assert rl.compare(law, eigenvalues).ks <= 0.04
    module, x = drawn(net, 400, seed=1)
    plugged = jacobian.plug_in(module, x)
    assert 0.15 < plugged.atoms[0.0] < 0.3
    assert abs(plugged.mean / law.mean - 1) < 0.25


def test_rectangular_and_layered_spectra():
    """Evidence: simulation; widths by ratio, and layers that differ. KS ≤ 0.03 at N of 300 to 600."""
    layers = rl.layers
    net = rl.serial(
        layers.Dense(1.5), layers.Activation("tanh"),
        layers.Dense(1.2, 0.1, "orthogonal"), layers.Activation("erf"),
        layers.Dense(1.0),
    )  # fmt: skip
    module = net.sample([600, 300], in_features=450, seed=3, dtype="float64").requires_grad_(False)
    x = np.random.default_rng(0).standard_normal(450)
    q1 = float(module.preactivations(x)[0].pow(2).mean())
    law = jacobian.law(net, preact_var=q1, widths=(3, 4, 2))
    eigenvalues = jacobian.singular_values(module, x) ** 2
    assert eigenvalues.size == 300
    assert rl.compare(law, eigenvalues).ks <= 0.03


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
@pytest.mark.parametrize(("name", "q"), [("tanh", 0.5), ("relu", 1.0)])
def test_variance_over_many_draws(name, q, weights):
    """Evidence: simulation; variance/mean² over Σ(μ₂/μ₁² − 1 − s₁), plug-in, within 1.5·L/N + 1 standard error of 1.

    The seeds 0 … 23 are fixed. Over the 16 groups of 24 seeds that follow one another from 0 the bias is 0.019(2) for
    tanh and 0.017(3) for ReLU with Gaussian weights, 0.001(1) and 0.011(1) with orthogonal ones, of 0.04 allowed; the
    mean lies 0 to 4 standard errors above 1, and all groups but one, in the Gaussian ReLU, meet the bound.
    """
    depth, width, draws = 4, 150, 24
    net = critical(depth, name, q, weights=weights)
    ratios = []
    for seed in range(draws):
        module, x = drawn(net, width, seed)
        eigenvalues = jacobian.singular_values(module, x) ** 2
        law = jacobian.plug_in(module, x)
        ratios.append(eigenvalues.var() / eigenvalues.mean() ** 2 / (law.var / law.mean**2))
    error = np.std(ratios, ddof=1) / np.sqrt(draws)
    assert error < 0.02
    assert abs(np.mean(ratios) - 1) < 1.5 * depth / width + error


def test_erf_closed_lerch_moment():
    """Evidence: closed form, E[φ′^{2k}] of erf(√π x/2) = (1 + πkq)^{−1/2}, by the law's own average."""
    squares = squared_slope(jacobian.law(MLP(2, "erf", 1.0), preact_var=0.6))
    q = 4 * 0.6 / np.pi
    for k in (1, 2, 5):
        scale = (4 / np.pi) ** k
        assert_allclose(squares.moment(k), scale * (1 + np.pi * k * q) ** -0.5, rtol=1e-13)
    assert abs(erf(1.0) - rl.activations.get("erf")(1.0)) < 1e-15


@pytest.mark.parametrize("q", [1e-12, 1e-9])
def test_a_spectrum_narrower_than_floats_is_a_point(q):
    """Evidence: limit; with q* → 0 an orthogonal tanh network is a rotation."""
    law = jacobian.law(MLP(3, "tanh", 1.0, 0.0, **HAAR), preact_var=q)
    assert law.atoms == pytest.approx({law.mean: 1.0})
    assert law.quantile(0.5) == pytest.approx(1.0, abs=1e-7)
    assert not law.support
