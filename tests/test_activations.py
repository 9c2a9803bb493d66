"""Activations: values, derivatives, moments and duals against torch, quadrature and the literature."""

import copy
import pickle
import subprocess
import sys

import mpmath
import numpy as np
import pytest
import torch

from rmtlab import activations, gaussian
from rmtlab.activations import _registry, get, names, register

PARAMS = {"shifted_relu": {"alpha": 0.5}, "leaky_relu": {"slope": 0.1}}
ALL = [get(name, **PARAMS.get(name, {})) for name in names()]
CLOSED = [a for a in ALL if a._rule.dual is not None]
QUADRATURE = [a for a in ALL if a._rule.dual is None]
PAIRS = np.array(
    [  # q₁₁, q₂₂, c
        (1e-8, 1e-8, 0.5),
        (1.0, 1.0, -1.0),
        (1.0, 1.0, -0.9),
        (1.0, 1.0, 0.0),
        (1.0, 1.0, 1 - 1e-9),
        (1.0, 1.0, 1.0),
        (0.3, 2.5, -1.0),
        (0.3, 2.5, 0.5),
        (100.0, 100.0, -0.9),
        (1e4, 1e4, 0.5),
        (1e4, 1e4, 1.0),
        (1e-8, 1e4, -0.9),
    ]
)


def by_name(activation):
    return activation.name


@pytest.fixture
def clean_names():
    """Take away what a test registers."""
    before = dict(_registry.TABLE)
    yield
    _registry.TABLE.clear()
    _registry.TABLE.update(before)


def covariances(activation):
    rows = PAIRS if activation.name != "exp" else PAIRS[PAIRS[:, :2].max(axis=1) < 10]  # e^q leaves float64
    a, b, c = rows.T
    return a, b, c * np.sqrt(a * b)


# φ and φ′


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ALL, ids=by_name)
def test_arrays_and_tensors_agree(activation, dtype):
    """Cross-library: NumPy and torch to a few roundings, and the dtype is kept."""
    x = np.linspace(-9, 9, 181).astype(dtype)
    tolerance = 8 * np.finfo(dtype).eps
    for function in (activation, activation.derivative):
        on_array, on_tensor = function(x), function(torch.tensor(x))
        assert on_array.dtype == x.dtype
        assert str(on_tensor.dtype) == f"torch.{dtype}"
        np.testing.assert_allclose(on_array, on_tensor.numpy(), rtol=tolerance * 10, atol=tolerance)


@pytest.mark.parametrize("activation", ALL, ids=by_name)
def test_derivative_is_the_gradient(activation):
    """Cross-library: φ′ equals torch's gradient at every point, kinks included."""
    x = torch.tensor([*np.linspace(-4, 4, 81), *activation.kinks], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(activation(x).sum(), x)
    np.testing.assert_allclose(
        activation.derivative(x.detach().numpy()), gradient.numpy(), atol=1e-14, rtol=1e-13
    )


@pytest.mark.parametrize("activation", ALL, ids=by_name)
def test_derivative_is_the_limit_of_differences(activation):
    """Convergence: the central difference with step 1e-5 is off by h²|φ‴|/6 + eps/h < 1e-8 (φ‴ < 60)."""
    x = np.linspace(-3.93, 3.91, 57)
    x = x[[np.all(np.abs(at - np.array(activation.kinks)) > 1e-3) for at in x]]
    quotient = (activation(x + 1e-5) - activation(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(activation.derivative(x), quotient, atol=1e-8)


def test_tails_keep_their_digits():
    """Closed form: tanh′(20) = 4e^{−40} to first order, and softplus(±30) is ln(1 + e^{±30})."""
    assert get("tanh").derivative(20.0) == pytest.approx(4 * np.exp(-40), rel=1e-14)
    x = torch.tensor([-30.0, 30.0], dtype=torch.float64)
    np.testing.assert_allclose(get("softplus")(x), [np.log1p(np.exp(-30)), 30 + np.exp(-30)], rtol=4e-16)


@pytest.mark.parametrize("activation", ALL, ids=by_name)
def test_homogeneity_and_kinks_are_what_they_say(activation):
    """Symmetry: φ(λx) = λφ(x) exactly for the homogeneous; slopes jump at kinks and nowhere else seen."""
    x = np.linspace(-3, 3, 61)
    assert activation.homogeneous == np.allclose(activation(3 * x), 3 * activation(x), rtol=1e-14, atol=1e-14)
    for kink in activation.kinks:
        left, right = activation.derivative(np.array([kink - 1e-9, kink + 1e-9]))
        assert activation.name == "sign" or abs(left - right) > 0.5


def test_scalars_lists_and_integers():
    """Contract: a number gives a number; whole numbers become float64."""
    relu = get("relu")
    assert isinstance(relu(-1.0), float)
    assert relu([-1, 2]).tolist() == [0.0, 2.0]
    assert relu(torch.tensor([-1, 2])).dtype == torch.float64
    assert np.isnan(relu(np.nan))


# moments


@pytest.mark.parametrize("activation", ALL, ids=by_name)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_moments_against_quadrature(activation, k):
    """Independent quadrature: every closed form of a moment, to 1e-12 of E|φ|^k."""
    q = np.array([1e-8, 0.3, 1.0, 4.0] if activation.name == "exp" else [1e-8, 0.3, 1.0, 50.0, 1e4])
    for function, moment in (
        (activation, activation.moment),
        (activation.derivative, activation.derivative_moment),
    ):
        if activation.name == "sign" and function is not activation:
            continue
        expected = gaussian.expectation(lambda x, f=function: f(x) ** k, q, kinks=activation.kinks)
        size = gaussian.expectation(lambda x, f=function: np.abs(f(x)) ** k, q, kinks=activation.kinks)
        assert np.all(np.abs(moment(q, k) - expected) <= 1e-12 * size)
        assert moment(0.3, k) == pytest.approx(moment(q, k)[1], rel=1e-14, abs=1e-300)


@pytest.mark.parametrize("activation", CLOSED, ids=by_name)
def test_moments_are_the_duals_diagonal(activation):
    """Limit: E[φ²] and E[φ′²] are the dual at equal variances and correlation one."""
    q = np.array([0.0, 1e-8, 0.3, 1.0, 50.0])
    value, slope = activation.dual(q, q, q)
    np.testing.assert_allclose(activation.moment(q), value, rtol=1e-12)
    np.testing.assert_allclose(activation.derivative_moment(q), slope, rtol=1e-12)


@pytest.mark.parametrize("activation", CLOSED, ids=by_name)
def test_duals_and_moments_reach_the_ends_of_float64(activation):
    """Limit: no closed form leaves float64 on the way; at equal inputs it is the moment, else within its bound.

    The variances are where products, squares and thresholds under- or overflow, zero among them.
    """
    q = np.array([1e-305, 1e-161, 1e-100, 0.0, 1.0, 1e100, 1e160, 1.7e308])
    q = q[q <= (1 if activation.name == "exp" else np.inf)]
    a, b, c = (x.ravel() for x in np.meshgrid(q, q, [-1.0, -0.5, 0.0, 0.5, 1.0]))
    k = c * np.where(a == b, a, np.sqrt(a) * np.sqrt(b))
    value, slope = activation.dual(a, b, k)
    assert not np.isnan(slope).any()
    moment = activation.moment(a)
    assert np.all(np.abs(value) <= np.sqrt(moment) * np.sqrt(activation.moment(b)) * (1 + 1e-12))
    same = (a == b) & (c == 1)
    np.testing.assert_allclose(value[same], moment[same], rtol=1e-14)


@pytest.mark.parametrize(("name", "weight_var", "depth"), [("relu", 0.5, 640), ("tanh", 0.2, 270)])
def test_a_vanishing_signal_vanishes(name, weight_var, depth):
    """Limit: layer by layer a kernel shrinks through the smallest floats to zero, its c in [−1, 1] on the way."""
    q, k = np.full(2, 1e-140), 0.5e-140
    for _ in range(depth):
        (*q, k), _ = get(name).dual([q[0], q[1], q[0]], [q[0], q[1], q[1]], [q[0], q[1], k])
        q, k = weight_var * np.array(q), weight_var * k
        assert np.abs(k) <= q[0] * (1 + 1e-12) + 1e-300
    assert q.tolist() == [0.0, 0.0]


def test_the_delta_of_sign():
    """Closed form: φ′ = 2δ has mean 2/√(2πq) and no second moment."""
    sign = get("sign")
    assert sign.derivative_moment(2.0, 1) == pytest.approx(2 / np.sqrt(4 * np.pi), rel=1e-15)
    assert sign.derivative_moment([1.0, 2.0], 2).tolist() == [np.inf, np.inf]
    assert sign.dual(1.0, 1.0, 1.0) == (1.0, np.inf)


# duals


@pytest.mark.parametrize("activation", CLOSED, ids=by_name)
def test_closed_duals_against_quadrature(activation):
    """Independent quadrature, q from 1e-8 to 1e4 and c from −1 to 1.

    To 1e-12 of the Cauchy–Schwarz bound, plus what roundings of the covariance allow: 5e-16·√(ab) in
    K, and in K̇ of a kinked function 1e-16/√(1 − |c|).
    """
    a, b, k = covariances(activation)
    cov = np.stack([a, k, k, b], axis=-1).reshape(-1, 2, 2)
    value, slope = activation.dual(a, b, k)
    found = gaussian.expectation2(activation, activation, cov, kinks=activation.kinks)
    bound = np.sqrt(activation.moment(a) * activation.moment(b))
    assert np.all(np.abs(value - found) <= 1e-12 * bound + 5e-16 * np.sqrt(a * b))
    if activation.name == "sign":
        return
    found = gaussian.expectation2(activation.derivative, activation.derivative, cov, kinks=activation.kinks)
    bound = np.sqrt(activation.derivative_moment(a) * activation.derivative_moment(b))
    parallel = np.maximum(1 - np.abs(k) / np.sqrt(a * b), 1e-16 * (a != b) + 1e-300 * (a == b))
    rounding = np.where((a == b) & (np.abs(k) == a), 0.0, 1e-16 / np.sqrt(np.maximum(parallel, 1e-17)))
    assert np.all(np.abs(slope - found) <= 1e-12 * bound + rounding)


@pytest.mark.parametrize("activation", [a for a in ALL if a.name != "sign"], ids=by_name)
@pytest.mark.parametrize(("a", "b", "c"), [(0.7, 1.9, -0.55), (1.3, 1.3, 0.9), (4.0, 0.2, 0.0)])
def test_duals_against_a_plain_double_integral(activation, a, b, c):
    """Independent quadrature: z₁, then z₂ given z₁, by Gauss–Legendre panels that follow v's kinks."""
    r = np.sqrt(1 - c * c)
    kinks = np.array(activation.kinks)
    z1, w1 = panels(kinks[None] / np.sqrt(a))
    z2, w2 = panels((kinks / np.sqrt(b) - c * z1[0][:, None]) / r)
    u, v = np.sqrt(a) * z1[0], np.sqrt(b) * (c * z1[0][:, None] + r * z2)
    for found, f in zip(
        activation.dual(a, b, c * np.sqrt(a * b)), (activation, activation.derivative), strict=True
    ):
        assert found == pytest.approx(
            w1[0] @ (f(u) * np.sum(f(v) * w2, axis=1)), abs=1e-12 * (1 + abs(found))
        )


def panels(splits):
    """Nodes in z and weights of N(0, 1), a row for each row of `splits`: 24 nodes on at least 20 panels."""
    x, w = np.polynomial.legendre.leggauss(24)
    regular = np.broadcast_to(np.linspace(-10, 10, 21), (len(splits), 21))
    edges = np.sort(np.concatenate([regular, np.clip(splits, -10, 10)], axis=1), axis=1)
    half, middle = np.diff(edges)[..., None] / 2, (edges[:, 1:] + edges[:, :-1])[..., None] / 2
    z = (middle + half * x).reshape(len(splits), -1)
    return z, (half * w).reshape(len(splits), -1) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def test_hard_tanh_against_mpmath():
    """Independent quadrature: K = √(ab) ∫₀^c B(r) dr by Price's theorem, with 25 digits in mpmath."""
    a, b, c = 0.7, 1.9, 0.97
    with mpmath.workdps(25):
        h, t = 1 / mpmath.sqrt(a), 1 / mpmath.sqrt(b)

        def inside(r):
            s = mpmath.sqrt(1 - r * r)
            given = lambda z: mpmath.npdf(z) * (mpmath.ncdf((t - r * z) / s) - mpmath.ncdf((-t - r * z) / s))  # noqa: E731
            return mpmath.quad(given, [-h, h], maxdegree=4)

        expected = mpmath.sqrt(a * b) * mpmath.quad(inside, [0, 0.6, c], maxdegree=3)
    value, slope = get("hard_tanh").dual(a, b, c * np.sqrt(a * b))
    assert value == pytest.approx(float(expected), abs=1e-12)
    assert slope == pytest.approx(float(inside(c)), abs=1e-12)


def test_hard_tanh_at_large_variances():
    """Independent quadrature: E[φ(u) E[φ(v)|u]] with 30 digits, E[φ(v)|u] in closed form, for a = b = q.

    To 1e-14 beyond the rounding of the covariance, |k| eps K̇.
    """
    cases = [(1e3, 1 - 1e-6), (1e4, 0.9999), (1e4, -0.5), (1e8, 0.9), (1e8, 1 - 1e-9), (1e20, 0.3)]
    hard_tanh = get("hard_tanh")
    for q, c in cases:
        value, slope = hard_tanh.dual(q, q, c * q)
        allowed = 1e-14 + 2e-16 * abs(c) * q * slope
        assert value == pytest.approx(float(hard_tanh_dual(q, c * q)), abs=2 * allowed)
        assert hard_tanh.dual(q, q, q)[0] == hard_tanh.moment(q)


def hard_tanh_dual(q, k):
    with mpmath.workdps(30):
        q, k = mpmath.mpf(q), mpmath.mpf(k)
        root, spread, c = mpmath.sqrt(q), mpmath.sqrt(q - k * k / q), k / q

        def given(u):
            low, high = (-1 - c * u) / spread, (1 - c * u) / spread
            middle = mpmath.ncdf(high) - mpmath.ncdf(low)
            edges = mpmath.npdf(low) - mpmath.npdf(high)
            return mpmath.ncdf(-high) - mpmath.ncdf(low) + c * u * middle + spread * edges

        corner, layer = 1 / abs(c), spread / abs(c)
        splits = [0, 1, *(corner + j * layer for j in (-8, -2, 0, 2, 8)), root, 4 * root, 12 * root]
        splits = sorted(u for u in splits if 0 <= u <= 12 * root)
        f = lambda u: min(u, 1) * given(u) * mpmath.npdf(u / root) / root  # noqa: E731
        return 2 * mpmath.quad(f, splits, maxdegree=7)


@pytest.mark.parametrize("activation", ALL, ids=by_name)
def test_price(activation):
    """Closed form: ∂K/∂q₁₂ = K̇ (Price); a five-point difference is off by about h⁴ + eps/h = 1e-11."""
    a, b, k, h = 1.3, 0.6, np.array([-0.5, 0.0, 0.2, 0.7]), 2e-3
    _, slope = activation.dual(a, b, k)
    up, upper, down, lower = (activation.dual(a, b, k + step)[0] for step in (h, 2 * h, -h, -2 * h))
    np.testing.assert_allclose((8 * (up - down) - (upper - lower)) / (12 * h), slope, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("activation", ALL, ids=by_name)
def test_duals_are_symmetric_and_broadcast(activation):
    """Symmetry: exchanging u and v changes nothing; the shapes of a kernel block broadcast."""
    a, b = np.array([[0.2], [1.0], [3.0]]), np.array([0.5, 2.0])
    k = 0.6 * np.sqrt(a * b)
    there, back = activation.dual(a, b, k), activation.dual(b, a, k)
    for one, other in zip(there, back, strict=True):
        assert one.shape == (3, 2)
        np.testing.assert_allclose(one, other, rtol=1e-14)
    assert np.ndim(activation.dual(1.0, 1.0, 0.5)[0]) == 0


def test_equal_inputs_are_exactly_parallel():
    """Contract: rounding never opens an angle between equal inputs, nor makes a NaN."""
    q = np.random.default_rng(0).uniform(1e-8, 1e4, 1000)
    value, slope = get("relu").dual(q, q, q)
    assert np.array_equal(slope, np.full(1000, 0.5))
    np.testing.assert_allclose(value, q / 2, rtol=3e-16)
    value, slope = get("relu").dual(q, q, -q)
    assert np.array_equal(slope, np.zeros(1000))
    beyond = get("relu").dual(q, q, q * (1 + 1e-9))
    assert np.array_equal(beyond[1], np.full(1000, 0.5))


@pytest.mark.parametrize("activation", ALL, ids=by_name)
def test_zero_variance(activation):
    """Limit: at q = 0 only φ(0) is left, and nothing is NaN."""
    at_zero = float(activation(0.0))
    value, slope = activation.dual([0.0, 0.0], [0.0, 1.0], 0.0)
    np.testing.assert_allclose(value, [at_zero**2, at_zero * activation.moment(1.0, 1)], atol=1e-15)
    assert not np.isnan(slope).any()
    assert activation.moment(0.0) == at_zero**2


@pytest.mark.parametrize("activation", QUADRATURE, ids=by_name)
def test_many_pairs_agree_with_one_by_one(activation):
    """Independent quadrature: Mehler's series against the adaptive rule, on both sides of its reach."""
    a, b, k = covariances(activation)
    value, slope = activation.dual(a, b, k)
    for i in range(len(a)):
        cov = [[a[i], k[i]], [k[i], b[i]]]
        for found, f, moment in (
            (value, activation, activation.moment),
            (slope, activation.derivative, activation.derivative_moment),
        ):
            expected = gaussian.expectation2(f, f, cov, kinks=activation.kinks)
            assert abs(found[i] - expected) <= 2e-12 * np.sqrt(moment(a[i]) * moment(b[i]))


def test_quadrature_of_many_pairs_meets_closed_forms(clean_names):
    """Cross-check: known functions registered as a reader's own, at every length of the series and beyond it.

    e^x at q = 30 outgrows the series' panels, where the adaptive rule has to take over.
    """
    c = np.concatenate([np.linspace(-0.95, 0.95, 38), [0.999, 1.0]])
    for name, params, q in (("hard_tanh", {}, 1.0), ("shifted_relu", {"alpha": 0.5}, 2.0), ("exp", {}, 30.0)):
        known = get(name, **params)
        own = register(f"own_{name}", known, known.derivative, known.kinks)
        unit = np.array([[known.moment(q)], [known.derivative_moment(q)]])
        found, expected = own.dual(q, q, c * q), known.dual(q, q, c * q)
        np.testing.assert_allclose(found / unit, expected / unit, atol=2e-12)


# the equation sheet


def test_shifted_relu_critical_line():
    """Literature values: σ_w² = 1/p, σ_b² = q − σ_w²E[φ²], χ₁ = 1, at three tabulated fixed points."""
    table = [
        (0.5, 0.01, 0.150250050692, 1.109310653279, 0.901460737841),
        (0.5, 0.2, 1.410887678412, 1.508064021540, 0.663101821751),
        (1.0, 0.05, 0.674337512997, 1.125692314623, 0.888342211286),
    ]
    for alpha, bias_var, q, weight_var, p in table:
        act = get("shifted_relu", alpha=alpha)
        assert act.derivative_moment(q) == pytest.approx(p, abs=1e-11)
        assert weight_var * act.derivative_moment(q) == pytest.approx(1, abs=1e-11)
        assert weight_var * act.moment(q) + bias_var == pytest.approx(q, abs=1e-11)


def test_shifted_relu_limits():
    """Limit: α = 0 is relu; a large α is linear; a negative α is a threshold above zero."""
    k = np.array([-0.5, 0.3, 1.0])
    np.testing.assert_array_equal(
        get("shifted_relu", alpha=0.0).dual(1.0, 1.0, k), get("relu").dual(1.0, 1.0, k)
    )
    value, slope = get("shifted_relu", alpha=40.0).dual(1.0, 1.0, k)
    np.testing.assert_allclose(value, k, atol=1e-15)
    np.testing.assert_allclose(slope, 1.0, atol=1e-15)
    above = get("shifted_relu", alpha=-1.0)
    assert above([0.0, 2.0]).tolist() == [1.0, 2.0]
    cov = [[1.0, 0.3], [0.3, 1.0]]
    assert above.dual(1.0, 1.0, 0.3)[0] == pytest.approx(
        gaussian.expectation2(above, above, cov, kinks=[1]), abs=1e-12
    )


@pytest.mark.parametrize(("alpha", "q"), [(-3.0, 0.1), (-3.0, 0.3), (-1.0, 0.01), (-0.5, 2.0)])
def test_a_rare_threshold_keeps_its_digits(alpha, q):
    """Limit and independent quadrature: P(u > −α, v > −α) is right beside √(P(u > −α) P(v > −α)), however rare.

    One dimension at c = 1; else ∫ density(u) P(v > −α | u) du over u > −α with 20 digits.
    """
    act = get("shifted_relu", alpha=alpha)
    assert act.dual(q, q, q)[1] == pytest.approx(act.derivative_moment(q), rel=1e-14)
    b, k = 4 * q, q
    with mpmath.workdps(20):
        root, spread = mpmath.sqrt(q), mpmath.sqrt(b - k * k / mpmath.mpf(q))
        f = lambda u: mpmath.npdf(u / root) / root * mpmath.ncdf((alpha + k / q * u) / spread)  # noqa: E731
        expected = float(mpmath.quad(f, [-alpha + root * x for x in (0, 0.1, 0.5, 1, 3, 12)]))
    unit = np.sqrt(act.derivative_moment(q) * act.derivative_moment(b))
    assert act.dual(q, b, k)[1] == pytest.approx(expected, abs=1e-12 * unit)


def test_noisy_relu_fixed_point():
    """Literature value: dropout keep = .6 has c* = .2839086535 with slope .3549787487 at q = 1."""
    c = 0.2839086535
    value, slope = get("relu").dual(1.0, 1.0, c)
    assert 1.2 * value == pytest.approx(c, abs=1e-10)
    assert 1.2 * slope == pytest.approx(0.3549787487, abs=1e-10)


# names


def test_get_gives_one_object_and_travels():
    """Contract: the same name and parameters are the same frozen object, also after pickling."""
    act = get("leaky_relu", slope=0.2)
    assert get("leaky_relu", slope=0.2) is act
    assert get(act) is act
    assert get("leaky_relu") is not act
    assert dict(act.params) == {"slope": 0.2}
    assert pickle.loads(pickle.dumps(act)) is act
    assert copy.deepcopy(act) is act
    assert "slope=0.2" in repr(act)
    with pytest.raises(AttributeError):
        act.name = "other"


def test_importing_activations_leaves_torch_alone():
    """Contract: torch loads when a tensor comes in, not before."""
    use = "from rmtlab.activations import get; get('tanh').dual(1, 1, .5)"
    code = f"import sys; {use}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_registering_arrays_leaves_torch_alone():
    """Contract: a NumPy function with its derivative needs no torch until a tensor comes; then it has its gradient."""
    code = """
import sys
import numpy as np
from rmtlab.activations import register
own = register("own", lambda x: np.arctan(np.asarray(x)), lambda x: 1 / (1 + np.square(x)))
own.dual(1.0, 1.0, 0.5)
assert "torch" not in sys.modules
import torch
x = torch.ones(2, requires_grad=True)
own(x).sum().backward()
assert x.grad.tolist() == [0.5, 0.5]
assert own.derivative(x.detach()).tolist() == [0.5, 0.5]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_register_torch_only(clean_names):
    """Contract: a torch function without derivative, used on arrays and differentiated by torch."""
    mish = register("mish", lambda x: x * torch.tanh(torch.nn.functional.softplus(x)))
    x = np.linspace(-3, 3, 13)
    soft = np.logaddexp(x, 0)
    np.testing.assert_allclose(mish(x), x * np.tanh(soft), rtol=1e-13)
    slope = np.tanh(soft) + x * (1 - np.tanh(soft) ** 2) / (1 + np.exp(-x))
    np.testing.assert_allclose(mish.derivative(x), slope, rtol=1e-12)
    at = torch.tensor(x, requires_grad=True)
    (second,) = torch.autograd.grad(mish.derivative(at).sum(), at)
    (expected,) = torch.autograd.grad(torch.autograd.grad(mish(at).sum(), at, create_graph=True)[0].sum(), at)
    assert torch.equal(second, expected)
    assert "mish" in activations.names()


def test_register_numpy_only(clean_names):
    """Contract: a NumPy function with its derivative, used on tensors with the gradient that it was told."""
    own = register("own", np.arctan, lambda x: 1 / (1 + np.square(x)))
    x = torch.linspace(-2, 2, 9, requires_grad=True)
    y = own(x)
    assert y.dtype == torch.float32
    (gradient,) = torch.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(gradient.numpy(), 1 / (1 + x.detach().numpy() ** 2), rtol=1e-6)
    np.testing.assert_allclose(own.derivative(x.detach()).numpy(), gradient.numpy(), rtol=1e-6)


def test_register_for_both_and_overwrite(clean_names):
    """Contract: a plain formula serves both; an activation got earlier keeps its function."""
    cube = register("own", lambda x: x**3)
    assert cube.dual(1.0, 1.0, 0.5)[0] == pytest.approx(9 * 0.5 + 6 * 0.125, abs=1e-12)
    assert cube.moment(2.0) == pytest.approx(15 * 8, rel=1e-12)
    square = register("own", lambda x: x * x, overwrite=True)
    assert cube(3.0) == 27
    assert get("own") is square


def test_register_scaled_kink(clean_names):
    """Closed form: a homogeneous function of one's own, slopes −1 and 2, has the dual of its two slopes."""
    own = register("own", lambda x: 2 * x * (x > 0) - x * (x < 0), kinks=[0], homogeneous=True)
    assert own.homogeneous
    assert own.kinks == (0.0,)
    linear, absolute = get("linear").dual(1.0, 2.0, 0.4), get("abs").dual(1.0, 2.0, 0.4)
    expected = 0.25 * np.array(linear) + 2.25 * np.array(absolute)
    np.testing.assert_allclose(own.dual(1.0, 2.0, 0.4), expected, atol=1e-11)
