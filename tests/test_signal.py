"""Evidence for `rmtlab.signal`; each test says of what kind."""

import dataclasses
import time

import mpmath
import numpy as np
import pytest

import rmtlab as rl
from rmtlab import activations, noise, signal

MF = signal.MeanField
INF = float("inf")

# Tables: σ_b², σ_w², q*, V′(q*), β of 1 − c^l ≃ β/l
TANH_LINE = [
    (1e-6, 1.01825261851128, 0.00925038892280, 0.98199354, 6164.847),
    (1e-4, 1.08602629249969, 0.0457090786952825, 0.91916557, 302.8009),
    (0.001, 1.18918958523468, 0.107292356147532, 0.83420554, 69.75233),
    (0.0025, 1.26009381722907, 0.153691935821217, 0.78219624, 39.28204),
    (0.01, 1.42420529048860, 0.273300913458231, 0.67819125, 16.63929),
    (0.05, 1.76095463960674, 0.570047881640764, 0.51818648, 6.171126),
    (0.09, 1.94765463170916, 0.763474766910464, 0.45164027, 4.282695),
    (0.1, 1.98607264113586, 0.805799181913487, 0.43945308, 4.009579),
    (0.2, 2.28515247372019, 1.16449628745798, 0.35868763, 2.587201),
    (0.25, 2.40148923510837, 1.31793899897215, 0.33289953, 2.242092),
    (0.5, 2.84316745972408, 1.97103061341686, 0.25572631, 1.424478),
    (1, 3.44321091226544, 3.03639639462370, 0.18637096, 0.889737),
    (4, 5.40574096687739, 7.94750673052876, 0.08353153, 0.324374),
]
# σ_w², σ_b², q*, χ₁, c*, ξ_q, ξ_c
TANH_POINTS = [
    (1.69, 0.09, 0.6070467919, 0.9398074287, 1, 1.33766764, 16.10817),
    (6.25, 0.09, 4.0791238753, 1.5852247650, 0.1221037473, 0.68834145, 5.108919),
    (16, 0.09, 12.6041494978, 2.3672610355, 0.0296959216, 0.49029475, 3.639351),
    (2.5, 0.05, 1.0639583774, 1.1335156987, 0.4468042323, 1.17987292, 11.795598),
    (4, 0.25, 2.4797104611, 1.2722295538, 0.5209464355, 0.77702647, 6.453320),
]
# noise, σ_w², c*, slope, ξ_c
NOISY_RELU = [
    (noise.Dropout(0.9), 1.8, 0.6271458849, 0.6441993180, 2.274034),
    (noise.Dropout(0.8), 1.6, 0.4727993472, 0.5254051653, 1.553795),
    (noise.Dropout(0.6), 1.2, 0.2839086535, 0.3549787487, 0.965533),
    (noise.Dropout(0.5), 1.0, 0.2172336282, 0.2848516734, 0.796314),
    (noise.Poisson(), 1.0, 0.2172336282, 0.2848516734, 0.796314),
    (noise.Dropout(0.1), 0.2, 0.0335251350, 0.0510673382, 0.336178),
    (noise.MultiplicativeGaussian(0.01), 2 / 1.01, 0.9035358646, 0.8505324804, 6.176932),
    (noise.MultiplicativeGaussian(0.0625), 2 / 1.0625, 0.7203807700, 0.7115603998, 2.938627),
    (noise.MultiplicativeGaussian(4), 0.4, 0.0709134595, 0.1045182833, 0.442793),
]
# α, σ_b², q*, σ_w², V′
SHIFTED_LINE = [
    (0.5, 0.01, 0.150250050692, 1.109310653279, 0.751563),
    (0.5, 0.05, 0.404795915431, 1.275463304871, 0.706356),
    (0.5, 0.2, 1.410887678412, 1.508064021540, 0.768219),
    (1.0, 0.05, 0.674337512997, 1.125692314623, 0.739459),
]


def printed(value, digits):
    """A number printed to so many decimals, rounded or cut off: one unit of the last."""
    return pytest.approx(value, abs=1.0 * 10.0**-digits)


# The critical line


@pytest.mark.parametrize(("bias_var", "weight_var", "q", "slope", "beta"), TANH_LINE)
def test_tanh_line_agrees_with_the_tables(bias_var, weight_var, q, slope, beta):
    """Cross-check against tables made with a trapezoid rule, to every digit that they print."""
    point = signal.critical_point("tanh", bias_var)
    assert point.weight_var == printed(weight_var, 14)
    assert point.q == pytest.approx(q, rel=2e-14, abs=1e-14)
    assert point.variance_slope == printed(slope, 8)
    assert point.stable
    assert point.residual < 1e-12
    model = MF("tanh", point.weight_var, bias_var)
    assert 2 / (model.chi2 * point.q) == pytest.approx(beta, rel=6e-7)
    assert model.fixed_point().kind == "critical"
    assert model.depth_scales().xi_c == model.depth_scales().xi_gradient == INF


@pytest.mark.parametrize(
    ("name", "value"),
    [("erf", 1.37583900734668), ("hard_tanh", 1.16554468963588), ("sin", 1.50207010255790)],
)
def test_other_lines_agree_with_the_tables(name, value):
    assert signal.critical_weight_var(name, 0.05) == printed(value, 14)


@pytest.mark.parametrize("q", [1e-4, 0.03, 1.0, 20.0])
def test_lines_have_their_closed_forms(q):
    """Closed form: erf and sin, parametrised by q."""
    found = signal.critical_point("sin", q - np.tanh(q))
    assert found.weight_var == pytest.approx(1 + np.tanh(q), rel=1e-9)
    root = np.sqrt(1 + 4 * q)
    bias_var = q - root / 2 * np.arcsin(2 * q / (1 + 2 * q))
    assert signal.critical_weight_var("erf", bias_var) == pytest.approx(np.pi / 4 * root, rel=1e-9)


def test_small_biases_give_a_cube_root_cusp():
    """Limit: σ_w² − 1 → 2(3σ_b²/4)^{1/3}, with a relative error of the order of q*."""
    for bias_var in (1e-6, 1e-9, 1e-12):
        q = (0.75 * bias_var) ** (1 / 3)
        point = signal.critical_point("tanh", bias_var)
        assert point.q == pytest.approx(q, rel=2 * q)
        assert point.weight_var - 1 == pytest.approx(2 * q, rel=2 * q)
    origin = signal.critical_point("tanh", 0.0)
    assert (origin.weight_var, origin.q, origin.variance_slope, origin.stable) == (1.0, 0.0, 1.0, True)


@pytest.mark.parametrize(("alpha", "bias_var", "q", "weight_var", "slope"), SHIFTED_LINE)
def test_shifted_relu_line_agrees_with_the_table(alpha, bias_var, q, weight_var, slope):
    phi = activations.get("shifted_relu", alpha=alpha)
    point = signal.critical_point(phi, bias_var)
    assert point.q == printed(q, 12)
    assert point.weight_var == printed(weight_var, 12)
    assert point.variance_slope == printed(slope, 6)
    assert point.stable


@pytest.mark.parametrize("q", [0.1, 0.25, 2.0])
@pytest.mark.parametrize("name", ["tanh", "hard_tanh", "erf", "shifted_relu"])
def test_the_critical_point_of_a_given_q_is_that_of_its_bias(name, q):
    """Symmetry: the line is read from q* to σ_b² and back."""
    phi = activations.get(name, **({"alpha": 0.5} if name == "shifted_relu" else {}))
    point = signal.critical_point(phi, preact_var=q)
    back = signal.critical_point(phi, point.bias_var)
    assert (back.q, back.weight_var) == pytest.approx((q, point.weight_var), rel=1e-9)
    assert signal.MeanField(phi, point.weight_var, point.bias_var).fixed_point().q == pytest.approx(
        q, rel=1e-9
    )


def test_shifted_relu_line_needs_a_positive_shift():
    with pytest.raises(ValueError, match="no critical point"):
        signal.critical_point(activations.get("shifted_relu", alpha=-0.5), 0.05)


def test_gelu_folds_and_is_unstable_on_part_of_its_line():
    """Closed-form maps, against a table: (4, 0), minimum at q = 10.213, V′ > 1 below q = 3.56155."""
    origin = signal.critical_point("gelu", 0.0)
    assert (origin.weight_var, origin.q, origin.stable) == (4.0, 0.0, False)
    assert not signal.critical_point("gelu", 0.1729).stable
    assert signal.critical_point("gelu", 0.17293).stable
    edge = signal.critical_point("gelu", 0.172922)
    assert edge.q == pytest.approx(3.56155, abs=2e-4)
    assert edge.weight_var == printed(1.983058, 6)
    assert edge.variance_slope == pytest.approx(1, abs=1e-6)
    around = [signal.critical_point("gelu", b) for b in np.linspace(0.30, 0.36, 61)]
    lowest = min(around, key=lambda p: p.weight_var)
    assert lowest.weight_var == pytest.approx(1.95580886, abs=1e-7)
    assert lowest.q == pytest.approx(10.213, abs=0.1)
    assert signal.critical_weight_var("gelu", 50.0) == pytest.approx(2, abs=1e-3)


def test_gelu_is_bistable():
    model = MF("gelu", 1.99606248443199, 0.15437952960937)
    low, middle, high = model.fixed_points()
    assert (low.q, high.q) == (printed(1.12852149, 7), pytest.approx(52.8910306, abs=1e-5))
    assert (low.chi, high.chi) == (printed(0.92419, 5), printed(1.01231, 5))
    assert (low.kind, high.kind) == ("ordered", "chaotic")
    assert middle.q == pytest.approx(3, abs=1e-6)
    assert (low.stable, middle.stable, high.stable) == (True, False, True)
    assert "unstable" in middle.sentence
    assert model.fixed_point(2.9).q == pytest.approx(low.q)
    assert model.fixed_point(3.1).q == pytest.approx(high.q)
    other = MF("gelu", 2.19369990353239, 0.06719167470563)
    assert other.fixed_point(0.9).q == printed(0.25277606, 8)
    assert other.fixed_point(1.1).q == INF


def test_unstable_lines_and_several_points_are_all_listed():
    """Closed form: e^x has χ₁ = 1 at σ_b² = q − 1, with V′ = 2."""
    (point,) = signal.critical_points("exp", 1.0)
    assert (point.q, point.weight_var) == (pytest.approx(2), pytest.approx(np.exp(-4)))
    assert point.variance_slope == pytest.approx(2)
    assert not point.stable


@pytest.mark.parametrize(("name", "weight_var"), [("relu", 2.0), ("linear", 1.0), ("abs", 1.0)])
def test_homogeneous_functions_are_critical_at_one_point(name, weight_var):
    point = signal.critical_point(name, 0.0)
    assert (point.weight_var, point.bias_var, point.stable) == (weight_var, 0.0, True)
    found = MF(name, weight_var).fixed_point(start=7.0)
    assert (found.kind, found.q, found.c, found.slope) == ("scale-free", 7.0, 1.0, 1.0)
    assert MF(name, weight_var).fixed_points() == ()


# Fixed points and depth scales


@pytest.mark.parametrize("row", TANH_POINTS)
def test_tanh_points_agree_with_the_tables(row):
    weight_var, bias_var, q, chi, c, xi_q, xi_c = row
    model = MF("tanh", weight_var, bias_var)
    point, scales = model.fixed_point(), model.depth_scales()
    assert (point.q, point.chi, point.c) == (printed(q, 10), printed(chi, 10), printed(c, 10))
    assert model.chi == point.chi
    assert scales.xi_q == printed(xi_q, 8)
    assert scales.xi_c == pytest.approx(xi_c, rel=3e-7)
    assert point.kind == ("ordered" if c == 1 else "chaotic")
    assert point.stable
    assert point.converged
    assert point.residual < 1e-12


@pytest.mark.parametrize(("weight_var", "bias_var"), [(16, 0.09), (2.5, 0.05)])
def test_tanh_points_are_right_to_1e_9(weight_var, bias_var):
    """Independent quadrature: mpmath at 20 digits, c* from two-dimensional averages."""
    with mpmath.workdps(20):

        def average(f):
            panels = [-13, -5, -2, -0.5, 0, 0.5, 2, 5, 13]
            return mpmath.quad(lambda z: f(z) * mpmath.npdf(z), panels)

        def variance(q):
            return weight_var * average(lambda z: mpmath.tanh(mpmath.sqrt(q) * z) ** 2) + bias_var

        point = MF("tanh", weight_var, bias_var).fixed_point()
        q = mpmath.findroot(lambda q: variance(q) - q, point.q)
        chi = weight_var * average(lambda z: mpmath.sech(mpmath.sqrt(q) * z) ** 4)
    assert abs(point.q - q) < 1e-12
    assert abs(point.chi - chi) < 1e-12
    z = np.arange(-12, 12, 1 / 64)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) / 64
    u, v = np.meshgrid(z, z)
    mean = np.tanh(np.sqrt(point.q) * z)
    second = np.tanh(np.sqrt(point.q) * (point.c * u + np.sqrt(1 - point.c**2) * v))
    k = (density * mean) @ (density @ second)
    assert (weight_var * k + bias_var) / point.q == pytest.approx(point.c, abs=1e-12)


def test_relu_is_ordered_below_two_and_diverges_above():
    """Closed form."""
    for weight_var, bias_var in ((1.5, 0.1), (1.9, 2.0)):
        model = MF("relu", weight_var, bias_var)
        point, scales = model.fixed_point(), model.depth_scales()
        assert point.q == pytest.approx(bias_var / (1 - weight_var / 2), rel=1e-14)
        assert (point.c, point.kind) == (1.0, "ordered")
        assert scales.xi_q == scales.xi_c == pytest.approx(-1 / np.log(weight_var / 2))
    for weight_var, bias_var in ((2.0, 0.1), (3.0, 0.0)):
        point = MF("relu", weight_var, bias_var).fixed_point()
        assert (point.q, point.kind, point.c) == (INF, "diverging", 1.0)
        assert "without bound" in point.sentence
    np.testing.assert_allclose(MF("relu", 2.0, 0.5).variances(1.0, 4), [1, 1.5, 2, 2.5])


def test_relu_correlations():
    """Closed form and limit: κ(c), c¹⁰ from 0, and 1 − c^l ≃ 9π²/2l² (35.8 at l = 100, as simulated)."""
    path = MF("relu", 2.0).correlations(0.0, 101)
    assert path[1] == printed(0.3183098862, 10)
    assert path[2] == printed(0.4937310902, 10)
    assert path[10] == printed(0.8715355160, 10)
    assert (1 - path[100]) * 100**2 == pytest.approx(35.8, abs=0.05)
    long = MF("relu", 2.0).correlations(0.0, 3001)
    assert (1 - long[3000]) * 3000**2 == pytest.approx(4.5 * np.pi**2, rel=0.02)


def test_no_bias_and_no_growth_lets_signals_die_as_a_power():
    """Limit: tanh at (1, 0) has q^l ≃ 1/(2l)."""
    path = MF("tanh", 1.0).variances(1.0, 1001)
    assert 1000 * path[1000] == pytest.approx(0.5, abs=0.002)
    point = MF("tanh", 1.0).fixed_point()
    assert (point.q, point.variance_slope, point.kind) == (0.0, 1.0, "critical")
    assert point.stable
    below = MF("tanh", 0.5).fixed_point()
    assert (below.q, below.slope, below.kind) == (0.0, 0.5, "ordered")


def test_every_fixed_point_of_both_maps_is_listed():
    """Symmetry: an odd φ without biases has C(−c) = −C(c), hence −1, 0 and 1."""
    zero, point = MF("tanh", 2.0).fixed_points()
    assert (zero.q, zero.stable) == (0.0, False)
    assert [(c.c, c.stable) for c in point.correlations] == [(-1.0, False), (0.0, True), (1.0, False)]
    assert point.slope == pytest.approx(point.correlations[1].slope)
    (biased,) = MF("tanh", 4.0, 0.25).fixed_points()
    assert [c.stable for c in biased.correlations] == [True, False]
    assert biased.correlations[1].slope == biased.chi


@pytest.mark.parametrize(
    "name", ["tanh", "erf", "hard_tanh", "sin", "gelu", "silu", "softplus", "cos", "sign"]
)
def test_slopes_are_the_derivatives_of_the_maps(name):
    """Contract: V′ and C′ against central differences (error h² and rounding/h), residuals recomputed."""
    model, h = MF(name, 1.9, 0.3), 1e-4
    point = model.fixed_point()
    assert float(model.variance(point.q)) == pytest.approx(point.q, rel=1e-12)
    rise = (model.variance(point.q * (1 + h)) - model.variance(point.q * (1 - h))) / (2 * h * point.q)
    assert rise == pytest.approx(point.variance_slope, abs=1e-7)
    assert float(model.correlation(point.c)) == pytest.approx(point.c, abs=1e-12)
    if point.c < 1:
        up, down = model.correlation([point.c + h, point.c - h])
        assert (up - down) / (2 * h) == pytest.approx(point.slope, abs=1e-6)


def test_superlinear_growth_gets_a_typed_answer():
    point = MF("exp", 1.0, 1.0).fixed_point()
    assert (point.q, point.c, point.kind) == (INF, None, "diverging")
    assert MF("exp", 0.01, 0.1).fixed_point().kind == "ordered"


def test_results_are_frozen():
    model = MF("tanh", 1.5, 0.05)
    for thing in (model, model.fixed_point(), model.depth_scales(), signal.critical_point("tanh", 0.1)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            thing.q = 1.0


# Noise


@pytest.mark.parametrize(("kind", "weight_var", "c", "slope", "xi_c"), NOISY_RELU, ids=str)
def test_noisy_relu_agrees_with_the_table(kind, weight_var, c, slope, xi_c):
    model = MF("relu", weight_var, 0.0, kind)
    point = model.fixed_point()
    assert (weight_var, 0.0) == pytest.approx(noise.critical(kind))
    assert (point.c, point.slope) == (printed(c, 10), printed(slope, 10))
    assert model.depth_scales().xi_c == printed(xi_c, 6)
    assert model.depth_scales().trainable_depth == pytest.approx(6 * xi_c, abs=1e-5)
    assert point.kind == "scale-free"
    assert model.correlation(0.3) == pytest.approx(MF("relu", 2.0).correlation(0.3) / kind.second_moment)


def test_weak_noise_limits():
    """Limit: ξ_c ≃ 1.487280 η^{−1/3} for μ₂ = 1 + η; exactly 148.214 at η = 1e-6."""
    model = MF("relu", 2 / (1 + 1e-6), 0.0, noise.MultiplicativeGaussian(1e-6))
    assert model.depth_scales().xi_c == printed(148.214, 3)
    assert model.fixed_point().c == pytest.approx(1 - (3 * np.pi * 1e-6 / 2**1.5) ** (2 / 3), abs=1e-6)


def test_tanh_with_dropout_agrees_with_the_table():
    model = MF("tanh", 1.76, 0.05, noise.Dropout(0.9))
    point = model.fixed_point()
    assert (point.q, point.c) == (printed(0.692837, 6), printed(0.356737, 6))
    assert model.depth_scales().xi_c == printed(4.66668, 5)
    assert point.kind == "noisy"
    assert point.chi == pytest.approx(1.76 / 0.9 * float(activations.get("tanh").derivative_moment(point.q)))


def test_additive_noise_leaves_relu_without_a_fixed_point():
    model = MF("relu", 2.0, 0.0, noise.AdditiveGaussian(1.0))
    np.testing.assert_allclose(model.variances(2.0, 4), [2, 4, 6, 8])
    assert model.fixed_point().kind == "diverging"
    with pytest.raises(ValueError, match="rectifiers have no critical point"):
        signal.critical_point("relu", 0.0, noise.AdditiveGaussian(1.0))


def test_noise_that_does_nothing_changes_nothing():
    assert MF("tanh", 4, 0.25, noise.Dropout(1.0)).fixed_point() == MF("tanh", 4, 0.25).fixed_point()
    assert signal.critical_point("tanh", 0.1, noise.Dropout(1.0)) == signal.critical_point("tanh", 0.1)


@pytest.mark.parametrize("kind", [noise.Dropout(0.7), noise.Poisson(), noise.AdditiveGaussian(0.05)], ids=str)
@pytest.mark.parametrize(("name", "bias_var"), [("tanh", 0.05), ("gelu", 0.2), ("shifted_relu", 0.05)])
def test_critical_points_under_noise(kind, name, bias_var):
    """Contract: χ₁ = 1 and V(q*) = q*, where MeanField comes to rest; a mask leaves q* and V′, and takes 1/μ₂."""
    phi = activations.get(name, **({"alpha": 0.5} if name == "shifted_relu" else {}))
    point = signal.critical_point(phi, bias_var, kind)
    model = MF(phi, point.weight_var, bias_var, kind)
    found = model.fixed_point(point.q)
    assert (found.q, found.chi) == pytest.approx((point.q, 1), rel=1e-9)
    assert found.variance_slope == pytest.approx(point.variance_slope)
    assert point.residual < 1e-12
    assert found.c < 1
    assert model.depth_scales().xi_gradient == INF
    assert model.depth_scales().xi_c < INF
    assert "holds c* below 1" in point.sentence
    assert signal.critical_weight_var(phi, bias_var, kind) == point.weight_var
    back = signal.critical_point(phi, noise=kind, preact_var=point.q)
    assert (back.weight_var, back.bias_var) == pytest.approx((point.weight_var, bias_var), rel=1e-7)
    quiet = signal.critical_point(phi, bias_var)
    if kind.multiplicative:
        assert point.weight_var == pytest.approx(quiet.weight_var / kind.second_moment, rel=1e-12)
        assert (point.q, point.variance_slope) == pytest.approx((quiet.q, quiet.variance_slope), rel=1e-9)
    else:
        total = bias_var + point.weight_var * kind.var
        assert point.weight_var == pytest.approx(signal.critical_weight_var(phi, total), rel=1e-9)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "abs", "linear"])
def test_critical_points_of_noisy_rectifiers(name):
    """Contract: noise.critical gives the same; a bias has none, and the sentence says where it is."""
    kind = noise.Dropout(0.6)
    point = signal.critical_point(name, 0.0, kind)
    assert (point.weight_var, point.bias_var) == noise.critical(kind, name)
    assert point.q == pytest.approx(signal.critical_point(name, 0.0).q)


# Shared masks


def test_shared_masks_have_the_noiseless_correlation_map():
    """Symmetry: σ_w²μ₂ in place of σ_w², σ_b² + σ_w²σ_ε² in place of σ_b², and every phase comes back."""
    c = np.linspace(-1, 1, 9)
    for name, weight_var, bias_var in (
        ("tanh", 1.2, 0.05),
        ("tanh", 3.0, 0.1),
        ("relu", 1.2, 0.0),
        ("gelu", 1.0, 0.2),
    ):
        for one in (noise.Dropout(0.6), noise.AdditiveGaussian(0.1)):
            kind = dataclasses.replace(one, shared=True)
            model = MF(name, weight_var, bias_var, kind)
            quiet = MF(name, weight_var * kind.gain, bias_var + weight_var * kind.additive_var)
            a, b = model.fixed_point(2.0), quiet.fixed_point(2.0)
            assert (a.kind, a.q, a.c, a.slope) == (
                b.kind,
                *(pytest.approx(v, rel=1e-9) for v in (b.q, b.c, b.slope)),
            )
            np.testing.assert_allclose(model.correlation(c, q=1.5), quiet.correlation(c, q=1.5), rtol=1e-12)
            np.testing.assert_allclose(
                model.variance(c**2), MF(name, weight_var, bias_var, one).variance(c**2)
            )
            diagram = signal.phase_diagram(name, [weight_var], [bias_var], kind)
            expected = model.fixed_point()
            assert (diagram.phase[0, 0], diagram.c[0, 0]) == (expected.kind, pytest.approx(expected.c))
    model = MF("tanh", 2.4, 0.25, noise.Dropout(0.6, shared=True))
    assert model.curvature(4).limit == pytest.approx(MF("tanh", 4.0, 0.25).curvature(4).limit)


def test_shared_and_independent_masks_at_depth_15():
    """Two objects: κ¹⁴(0) = 0.916, as without noise, and c* = 0.284; simulated at N = 500, five standard errors."""
    quiet = MF("relu", 2.0).correlations(0.0, 15)[-1]
    for kind, expected in ((noise.Dropout(0.6), 0.2839), (noise.Dropout(0.6, shared=True), quiet)):
        net = rl.MLP(15, "relu", 1.2, noise=kind)
        x = np.array([[1.0, 0.0], [0.0, 1.0]]) * np.sqrt(2)
        limit = signal.theory(net, x)
        assert limit.correlations[-1, 0, 1] == pytest.approx(expected, abs=1e-4)
        found = signal.measure(net, x, 500, draws=6, seed=4)
        off = abs(found.correlations[-1, 0, 1] - limit.correlations[-1, 0, 1])
        assert off < 5 * found.correlation_errors[-1, 0, 1] + 2 / 500


# Floats


def test_overflow_and_underflow_of_rectifiers():
    """Literature value 397.6, and closed form: ln(K/q)/ln(σ_w²μ₂/2), or (K − q)/σ_b² at criticality with biases."""
    found = MF("relu", 1.5, 0.0, noise.Dropout(0.6)).float_depths("float32")
    assert (found.overflow, found.underflow) == (printed(397.6, 1), INF)
    below = MF("relu", 1.0).float_depths(np.float16, start=4.0)
    assert (below.overflow, below.underflow) == (INF, pytest.approx(16))
    assert MF("relu", 2.0, 0.5).float_depths("float16").overflow == pytest.approx((65504 - 1) / 0.5)
    critical = MF("relu", 1.2, 0.0, noise.Dropout(0.6)).float_depths()
    assert critical.overflow == critical.underflow == INF
    for kind in (np.float16, np.float32, np.float64):
        limits = MF("linear", 2.0).float_depths(kind).overflow, MF("linear", 0.5).float_depths(kind).underflow
        assert limits == pytest.approx((np.log2(np.finfo(kind).max), -np.log2(np.finfo(kind).tiny)))
    assert MF("linear", 2.0).float_depths("bfloat16").overflow == pytest.approx(128, abs=0.01)
    assert MF("linear", 4.0).float_depths("float16", start=1e9).overflow == 0


@pytest.mark.parametrize(
    ("name", "weight_var", "bias_var", "dtype"),
    [("gelu", 3.0, 0.0, "float64"), ("softplus", 3.0, 0.1, "float32"), ("tanh", 0.8, 0.0, "float32"),
     ("exp", 1.0, 1.0, "float16"), ("tanh", 1.0, 0.0, "float16")],
)  # fmt: skip
def test_overflow_and_underflow_of_any_activation(name, weight_var, bias_var, dtype):
    """Contract: the layer at which the iterated map itself crosses the limit, rounded up."""
    model = MF(name, weight_var, bias_var)
    found = model.float_depths(dtype)
    depth = min(found.overflow, found.underflow)
    if depth > 2500:
        assert (name, dtype) == ("tanh", "float16")
        assert depth == pytest.approx(0.5 * 2**14, rel=2e-3)
        return
    q, layers = 1.0, 0
    large, small = {
        "float16": (65504, 2**-14),
        "float32": (3.4028235e38, 2**-126),
        "float64": (1.797e308, 0),
    }[dtype]
    while small < q < large:
        with np.errstate(over="ignore"):
            q, layers = float(model.variance(q)), layers + 1
    assert layers - 1 < depth <= layers
    assert MF("tanh", 1.5, 0.1).float_depths(dtype) == signal.FloatDepths(INF, INF, dtype)


# Curvature


def test_curvature_of_a_circle():
    """Recursion against its fixed value; that one against mpmath at 25 digits, 8.026686990942."""
    model = MF("tanh", 4.0, 0.25)
    found = model.curvature(depth=200)
    assert found.limit == pytest.approx(8.026686990942, abs=1e-10)
    assert found.curvature[0] == pytest.approx(1 / model.fixed_point().q)
    assert found.curvature[-1] == pytest.approx(found.limit, rel=1e-12)
    np.testing.assert_allclose(found.metric[1:] / found.metric[:-1], model.chi)
    assert MF("tanh", 1.69, 0.09).curvature(3).limit == INF


def test_curvature_moment_is_the_bend_of_the_correlation_map():
    """Closed form: sin has χ₂ = σ_w² E sin² and C″(1) = χ₂ q*."""
    model = MF("sin", 2.0, 0.1)
    q = model.fixed_point().q
    assert model.chi2 == pytest.approx(2.0 * (1 - np.exp(-2 * q)) / 2, rel=1e-12)


# The phase diagram


def test_phase_diagram_is_made_of_fixed_points_and_takes_seconds():
    """Contract: every entry is MeanField's answer; 10 000 points in under 5 s on one core."""
    weights, biases = np.linspace(0.5, 4, 100), np.linspace(0, 0.5, 100)
    start = time.process_time()
    found = signal.phase_diagram("tanh", weights, biases)
    assert time.process_time() - start < 5
    assert found.q.shape == found.c.shape == found.phase.shape == (100, 100)
    assert found.residual < 1e-12
    for i, j in [*np.random.default_rng(0).integers(0, 100, (15, 2)), (0, 0), (99, 0)]:
        model = MF("tanh", weights[i], biases[j])
        point = model.fixed_point()
        assert found.phase[i, j] == point.kind
        assert found.q[i, j] == pytest.approx(point.q, rel=1e-11)
        assert found.c[i, j] == pytest.approx(point.c, abs=1e-9)
        assert found.chi[i, j] == pytest.approx(point.chi, rel=1e-11)
        assert found.xi_c[i, j] == pytest.approx(model.depth_scales().xi_c, rel=1e-8)
    line = np.array([signal.critical_weight_var("tanh", b) for b in biases[::20]])
    assert np.array_equal(found.phase[:, ::20] == "chaotic", weights[:, None] > line)


@pytest.mark.parametrize("name", ["relu", "gelu", "hard_tanh", "softplus"])
def test_phase_diagram_holds_typed_answers_and_no_nan(name):
    found = signal.phase_diagram(name, [0.5, 1.99, 2.0, 3.0], [0.0, 0.1])
    assert not any(np.isnan(a).any() for a in (found.q, found.c, found.chi, found.xi_c))
    assert found.phase[2, 0] == {"relu": "scale-free", "gelu": "ordered", "softplus": "diverging"}.get(
        name, "chaotic"
    )
    noisy = signal.phase_diagram(name, [0.5, 1.5], [0.0, 0.1], noise.Dropout(0.8))
    assert np.all(noisy.c < 1)


# Finite networks


def inputs(d, seed=0):
    x = np.random.default_rng(seed).normal(size=(2, d))
    x[1] = 0.6 * x[0] + 0.8 * x[1]
    return x * np.sqrt(d / np.sum(x**2, axis=1, keepdims=True))


def test_theory_of_a_network_is_the_mean_field():
    """Contract: the layers' own kernels and MeanField agree, with noise; gradients are products of χ."""
    for kind in (None, noise.Dropout(0.8), noise.AdditiveGaussian(0.1)):
        net = rl.MLP(6, "tanh", 2.5, 0.05, noise=kind)
        x = inputs(30)
        found, model = signal.theory(net, x), MF.of(net)
        assert model == MF("tanh", 2.5, 0.05, kind)
        np.testing.assert_allclose(found.variances, model.variances(found.variances[0], 6), rtol=1e-12)
        expected = model.correlations(found.correlations[0, 0, 1], 6, q=found.variances[0, 0])
        np.testing.assert_allclose(found.correlations[:, 0, 1], expected, rtol=1e-10)
    rested = signal.theory(rl.MLP(40, "tanh", 2.5, 0.05), x)
    assert rested.gradients[20, 0] / rested.gradients[21, 0] == pytest.approx(MF("tanh", 2.5, 0.05).chi)


@pytest.mark.parametrize(
    ("weights", "weight_var", "bias_var", "draws"),
    [("gaussian", 1.69, 0.09, 6), ("gaussian", 4.0, 0.25, 6), ("orthogonal", 4.0, 0.25, 3)],
)
def test_networks_of_a_thousand_neurons_agree(weights, weight_var, bias_var, draws):
    """Simulation at N = 1000. One draw fluctuates by √(2/N)·q and 1/√N, up to the factor
    1/√(1 − V′²) < 1.4 or 1/√(1 − C′²) < 2 that depth adds up: five standard errors of the mean."""
    net = rl.MLP(7, "tanh", weight_var, bias_var, weights=weights)
    x = inputs(1000)
    found, limit = signal.measure(net, x, 1000, draws=draws, seed=1), signal.theory(net, x)
    one = 5 / np.sqrt(1000 * draws)
    assert np.max(np.abs(found.variances / limit.variances - 1)) < 1.4 * np.sqrt(2) * one
    assert np.max(np.abs(found.correlations - limit.correlations)) < 2 * one
    np.testing.assert_allclose(found.gradients, limit.gradients, rtol=0.35)
    assert found.variance_errors.shape == limit.variances.shape
    assert np.all(found.variance_errors > 0)


def test_the_error_shrinks_as_one_over_root_n():
    """Convergence rate: Var(q) N at rest is σ_w⁴ Var[φ²]/(1 − V′²) + 2q*², with sampling error √(2/draws)."""
    net, draws = rl.MLP(5, "tanh", 1.5, 0.3), 300
    point = MF.of(net).fixed_point()
    phi = net.activation
    spread = 1.5**2 * (phi.moment(point.q, 4) - phi.moment(point.q, 2) ** 2)
    expected = spread / (1 - point.variance_slope**2) + 2 * point.q**2
    for width in (40, 160):
        found = signal.measure(net, inputs(20)[:1], width, draws=draws, seed=2)
        variance = draws * found.variance_errors[-1, 0] ** 2
        assert width * variance == pytest.approx(expected, rel=4 * np.sqrt(2 / draws) + 5 / width)


def test_noisy_networks_decorrelate():
    """Simulation: independent masks pull equal inputs apart, to c* of the noisy map (±5 standard errors)."""
    net = rl.MLP(8, "relu", 1.2, 0.0, noise=noise.Dropout(0.6))
    x = np.ones((2, 300))
    found, limit = signal.measure(net, x, 500, draws=20, seed=3), signal.theory(net, x)
    assert limit.correlations[-1, 0, 1] == pytest.approx(MF.of(net).fixed_point().c, abs=1e-3)
    off = np.abs(found.correlations - limit.correlations)[:, 0, 1]
    assert np.all(off < 5 * found.correlation_errors[:, 0, 1] + 2 / 500)


@pytest.mark.parametrize("row", NOISY_RELU, ids=str)
def test_noisy_networks_of_a_thousand_neurons_agree(row):
    """Simulation at N = 1000 at the critical point. Means are of q and not of ln q, whose Var(q^l)/q² is
    (1 + (6μ₄/μ₂² − 1)/N)^l − 1; one correlation fluctuates by √(μ₄/μ₂²/N) a layer, which C′ < 1 adds up."""
    kind, weight_var, draws, depth = row[0], row[1], 3, 6
    net = rl.MLP(depth, "relu", weight_var, noise=kind)
    x = np.ones((2, 40))
    found, limit = signal.measure(net, x, 1000, draws=draws, seed=5), signal.theory(net, x)
    tails = kind.fourth_moment / kind.second_moment**2
    spread = np.sqrt(((1 + (6 * tails - 1) / 1000) ** depth * (1 + 2 * tails / 40) - 1) / draws)
    assert np.max(np.abs(found.variances / limit.variances - 1)) < 4 * spread
    off = np.abs(found.correlations - limit.correlations)[:, 0, 1]
    assert np.max(off[1:]) < 4 * np.sqrt((1 + 5 * tails) / (1 - row[3] ** 2) / (1000 * draws))


def test_a_seed_is_a_draw():
    net = rl.MLP(2, "tanh", 1.5, 0.1)
    a, b, c = (signal.measure(net, inputs(10), 20, draws=2, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(a.gradients, b.gradients)
    assert not np.array_equal(a.variances, c.variances)
    assert (a.width, a.draws) == (20, 2)
