"""Averages under Gaussians, against closed forms and quadrature that shares no code with them.

Unless a test says otherwise its tolerance is the promised one: 1e-12 of E|f|.
"""

import math

import mpmath
import numpy as np
import pytest
from scipy.special import erf, erfc, ndtr

from rmtlab.gaussian import expectation, expectation2

PROMISE = 1e-12
VARIANCES = [1e-8, 1e-4, 1e-2, 0.5, 1.0, 10.0, 400.0, 1e4]
CORRELATIONS = [0.0, 1e-10, 0.3, 0.9, 1 - 1e-6, 1 - 1e-12, 1 - 1e-15, 1.0]
CORRELATIONS += [-c for c in CORRELATIONS[1:]]


def relu(x):
    return np.maximum(x, 0.0)


def step(x):
    return np.heaviside(x, 0.5)


def hard_tanh(x):
    return np.clip(x, -1.0, 1.0)


def hard_tanh_square(q):
    return q * (erf(1 / np.sqrt(2 * q)) - np.sqrt(2 / (np.pi * q)) * np.exp(-1 / (2 * q))) + erfc(
        1 / np.sqrt(2 * q)
    )


def shifted_relu_square(q):
    a = 0.5 / np.sqrt(q)
    return q * (ndtr(a) - a * np.exp(-a * a / 2) / np.sqrt(2 * np.pi)) + 0.25 * ndtr(-a)


def gelu_square(q):
    d = (1 + q) ** 2 - q**2
    part = (q**2 + q**2 * d) / ((1 + q) ** 2 * np.sqrt(d)) + q * np.arctan2(q, np.sqrt(d))
    return part / (2 * np.pi) + q / 4


AVERAGES = {
    "x²": (lambda x: x**2, lambda q: q, []),
    "|x|": (np.abs, lambda q: np.sqrt(2 * q / np.pi), [0]),
    "x¹²": (lambda x: x**12, lambda q: 10395 * q**6, []),
    "ReLU²": (lambda x: relu(x) ** 2, lambda q: q / 2, [0]),
    "step": (lambda x: x > 0.3, lambda q: ndtr(-0.3 / np.sqrt(q)), [0.3]),
    "sin²": (lambda x: np.sin(x) ** 2, lambda q: -np.expm1(-2 * q) / 2, []),
    "cos": (np.cos, lambda q: np.exp(-q / 2), []),
    "erf²": (lambda x: erf(x) ** 2, lambda q: 2 / np.pi * np.arctan(2 * q / np.sqrt(1 + 4 * q)), []),
    "erf′²": (lambda x: 4 / np.pi * np.exp(-2 * x**2), lambda q: 4 / np.pi / np.sqrt(1 + 4 * q), []),
    "hard-tanh²": (lambda x: hard_tanh(x) ** 2, hard_tanh_square, [-1, 1]),
    "hard-tanh′²": (lambda x: np.abs(x) < 1, lambda q: erf(1 / np.sqrt(2 * q)), [-1, 1]),
    "shifted ReLU²": (lambda x: np.maximum(x, -0.5) ** 2, shifted_relu_square, [-0.5]),
    "GELU²": (lambda x: (x * ndtr(x)) ** 2, gelu_square, []),
}


@pytest.mark.parametrize("named", [True, False], ids=["kinks named", "kinks unnamed"])
@pytest.mark.parametrize("name", AVERAGES)
def test_one_variable_against_closed_forms(name, named):
    """Evidence: closed form (mean-field maps of the activations), with kinks given and found."""
    f, exact, kinks = AVERAGES[name]
    q = np.array(VARIANCES)
    size = expectation(lambda x: np.abs(f(x)), q, kinks)
    got = expectation(f, q, kinks if named else [])
    assert np.all(np.abs(got - exact(q)) <= PROMISE * size)


@pytest.mark.parametrize("q", [1e-8, 1.0, 100.0, 400.0, 500.0])
def test_the_panels_follow_the_mass_of_the_exponential(q):
    """Evidence: closed form E[eˣ] = e^{q/2}; at q = 500 the mass sits at z = 22."""
    assert expectation(np.exp, q) == pytest.approx(math.exp(q / 2), rel=PROMISE)


def test_a_mass_that_only_the_product_of_function_and_density_shows():
    """Evidence: closed form E[exp(a x²)] = (1 − 2a)^{−1/2}; at a = 0.4 the mass reaches |z| = 20."""
    assert expectation(lambda x: np.exp(0.4 * x**2)) == pytest.approx(5**0.5, rel=PROMISE)


def test_steps_that_nobody_named_are_found_wherever_they_fall():
    """Evidence: closed form, at 3000 places of the step relative to the panels.

    A rule that looks only at its nodes overlooks a step between the last node and the panel's end:
    4 % of these averages would be wrong, by up to 1e-3.
    """
    q = np.geomspace(0.01, 100.0, 3000)
    got = expectation(lambda x: x > 0.3, q)
    assert np.max(np.abs(got - ndtr(-0.3 / np.sqrt(q))) / ndtr(-0.3 / np.sqrt(q))) <= PROMISE


def test_integrable_singularity():
    """Evidence: closed form E[ln|x|] = −(γ + ln 2)/2 at unit variance."""
    assert expectation(lambda x: np.log(np.abs(x))) == pytest.approx(
        -(np.euler_gamma + math.log(2)) / 2, rel=PROMISE
    )


TANH_CRITICAL_LINE = [
    (1e-6, 1.01825261851128, 0.00925038892280),
    (1e-4, 1.08602629249969, 0.0457090786952825),
    (0.01, 1.42420529048860, 0.273300913458231),
    (0.05, 1.76095463960674, 0.570047881640764),
    (0.25, 2.40148923510837, 1.31793899897215),
    (1.0, 3.44321091226544, 3.03639639462370),
    (4.0, 5.40574096687739, 7.94750673052876),
]


@pytest.mark.parametrize(("bias_var", "weight_var", "fixed_point"), TANH_CRITICAL_LINE)
def test_tanh_critical_line(bias_var, weight_var, fixed_point):
    """Evidence: cross-library (trapezoid rule in extended precision); the table has 14 digits."""
    slope = weight_var * expectation(lambda x: np.cosh(np.clip(x, -350, 350)) ** -4.0, fixed_point)
    assert slope == pytest.approx(1.0, abs=2e-13)
    image = weight_var * expectation(lambda x: np.tanh(x) ** 2, fixed_point) + bias_var
    assert image == pytest.approx(fixed_point, abs=5e-14)


@pytest.mark.parametrize("q", [1e-2, 25.0, 1e4])
def test_saturated_derivative_against_mpmath(q):
    """Evidence: independent quadrature (mpmath, 30 digits); Gauss–Hermite misses this by 100 %."""
    with mpmath.workdps(30):
        density = lambda x: mpmath.sech(x) ** 4 * mpmath.exp(-x * x / (2 * mpmath.mpf(q)))  # noqa: E731
        pieces = [0, *(2.0**k for k in range(-4, 7))]
        exact = float(2 * mpmath.quad(density, pieces) / mpmath.sqrt(2 * mpmath.pi * q))
    assert expectation(lambda x: np.cosh(np.clip(x, -150, 150)) ** -4.0, q) == pytest.approx(
        exact, rel=PROMISE
    )


def test_an_array_of_variances_is_its_scalars():
    """Evidence: contract. 1e-14 is the rounding of sums taken in another order."""
    q = np.geomspace(1e-8, 1e4, 12).reshape(3, 4)
    together = expectation(np.tanh, q) + expectation(lambda x: np.tanh(x) ** 2, q)
    apart = [[expectation(np.tanh, v) + expectation(lambda x: np.tanh(x) ** 2, v) for v in row] for row in q]
    assert together.shape == (3, 4)
    np.testing.assert_allclose(together, apart, rtol=1e-14, atol=1e-30)
    assert isinstance(expectation(np.tanh, 1.0), float)


def test_zero_variance_is_the_value_at_zero():
    """Evidence: limit; at a jump it is the function's own value there."""
    assert expectation(np.cos, 0.0) == 1.0
    np.testing.assert_array_equal(expectation(step, [0.0, 1.0, 0.0], kinks=[0])[[0, 2]], [0.5, 0.5])


def angle(cov):
    """The angle arccos c, from 1 − |c| formed as a difference (variances with an exact geometric mean)."""
    r = math.sqrt(cov[0, 0] * cov[1, 1])
    acute = 2 * math.asin(math.sqrt((r - abs(cov[0, 1])) / (2 * r)))
    return acute if cov[0, 1] >= 0 else math.pi - acute


def relu_kernel(cov):
    theta, r = angle(cov), math.sqrt(cov[0, 0] * cov[1, 1])
    return r / (2 * math.pi) * (math.sin(theta) + (math.pi - theta) * math.cos(theta))


def erf_kernel(cov):
    (a, k), (_, b) = cov
    rest = 1 + 2 * a + 2 * b + 4 * (a * b - k * k)
    return 2 / math.pi * math.atan2(2 * k, math.sqrt(rest))


def gelu_kernel(cov):
    (a, k), (_, b) = cov
    p, d = (1 + a) * (1 + b), 1 + a + b + a * b - k * k
    part = (k * k + a * b * d) / (p * math.sqrt(d)) + k * math.atan2(k, math.sqrt(d))
    return part / (2 * math.pi) + k / 4


def sin_kernel(cov):
    (a, k), (_, b) = cov
    return -math.copysign(1, k) * math.exp(abs(k) - (a + b) / 2) * math.expm1(-2 * abs(k)) / 2


PRODUCTS = {
    "ReLU": (relu, relu_kernel, [0], lambda a, b: math.sqrt(a * b)),
    "step": (step, lambda cov: (math.pi - angle(cov)) / (2 * math.pi), [0], lambda a, b: 1.0),
    "sign": (np.sign, lambda cov: 1 - 2 * angle(cov) / math.pi, [0], lambda a, b: 1.0),
    "erf": (erf, erf_kernel, [], lambda a, b: min(1.0, math.sqrt(a * b))),
    "sin": (np.sin, sin_kernel, [], lambda a, b: min(1.0, math.sqrt(a * b))),
    "GELU": (lambda x: x * ndtr(x), gelu_kernel, [], lambda a, b: math.sqrt(a * b)),
}


@pytest.mark.parametrize("q", [1e-8, 1.0, 1e4])
@pytest.mark.parametrize("name", PRODUCTS)
def test_two_variables_against_closed_forms(name, q):
    """Evidence: closed form (dual activations), variances q and 4q, every correlation."""
    f, exact, kinks, size = PRODUCTS[name]
    correlations = CORRELATIONS if q == 1.0 else [0.3, 1 - 1e-6, 1.0, -1 + 1e-12]
    cov = np.array([[[q, 2 * q * c], [2 * q * c, 4 * q]] for c in correlations])
    got = expectation2(f, f, cov, kinks)
    error = np.abs(got - [exact(matrix) for matrix in cov])
    assert np.max(error) <= PROMISE * size(q, 4 * q)


def test_equal_variances_share_their_smoothing():
    """Evidence: closed form; equal variances take a path that evaluates f half as often."""
    cov = np.array([[[2.0, 2 * c], [2 * c, 2.0]] for c in CORRELATIONS])
    error = expectation2(relu, relu, cov, [0]) - [relu_kernel(matrix) for matrix in cov]
    assert np.max(np.abs(error)) <= PROMISE


@pytest.mark.parametrize("c", [0.3, 1 - 1e-9, -0.5, 1.0])
def test_exponentials_move_the_mass(c):
    """Evidence: closed form E[e^{u+v}] = e^{q(1+c)} at q = 100."""
    got = expectation2(np.exp, np.exp, [[100.0, 100 * c], [100 * c, 100.0]])
    assert got == pytest.approx(math.exp(100 * (1 + c)), rel=PROMISE)


def test_steps_that_nobody_named_in_two_variables():
    """Evidence: contract; naming the steps makes no difference."""
    f, g = lambda x: x > 0.37, lambda x: x < -0.2
    cov = [[1.0, 0.8], [0.8, 2.0]]
    assert expectation2(f, g, cov) == pytest.approx(expectation2(f, g, cov, [0.37, -0.2]), rel=PROMISE)


@pytest.mark.parametrize("c", [0.5, -0.8])
def test_different_functions_against_the_trapezoid_rule(c):
    """Evidence: independent quadrature; the trapezoid rule is exact to rounding for analytic functions."""
    z = np.arange(-12, 12 + 1e-9, 1 / 24)
    weight = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) / 24
    u, v = 1.5 * z[:, None], 0.7 * (c * z[:, None] + math.sqrt(1 - c * c) * z)
    exact = weight @ (np.tanh(u) * np.log1p(np.exp(v))) @ weight
    got = expectation2(np.tanh, lambda x: np.logaddexp(0, x), [[2.25, 1.05 * c], [1.05 * c, 0.49]])
    assert got == pytest.approx(exact, abs=PROMISE)


def test_chaotic_fixed_points_of_tanh():
    """Evidence: cross-library; c* of the correlation map, printed with ten digits."""
    for weight_var, bias_var, q, c in [
        (6.25, 0.09, 4.0791238753, 0.1221037473),
        (16.0, 0.09, 12.6041494978, 0.0296959216),
        (4.0, 0.25, 2.4797104611, 0.5209464355),
    ]:
        product = expectation2(np.tanh, np.tanh, [[q, q * c], [q * c, q]])
        assert (weight_var * product + bias_var) / q == pytest.approx(c, abs=3e-10)


@pytest.mark.parametrize("c", [0.4, -0.4, -1 + 1e-9])
def test_swapping_the_arguments_changes_nothing(c):
    """Evidence: symmetry, to the rounding of a sum taken in another order."""
    cov = np.array([[1.3, 1.3 * c], [1.3 * c, 1.3]]) * np.outer([1.0, 0.5], [1.0, 0.5])
    swapped = expectation2(relu, np.tanh, cov[::-1, ::-1], [0])
    assert expectation2(np.tanh, relu, cov, [0]) == pytest.approx(swapped, rel=1e-14)


@pytest.mark.parametrize("f", [np.tanh, relu], ids=["tanh", "relu"])
def test_full_correlation_is_one_variable(f):
    """Evidence: limit c = ±1, with variances whose geometric mean is not exact."""
    a, b = 1.7, 0.3
    k = math.sqrt(a * b)
    plus = expectation(lambda z: f(math.sqrt(a) * z) * f(math.sqrt(b) * z), kinks=[0])
    minus = expectation(lambda z: f(math.sqrt(a) * z) * f(-math.sqrt(b) * z), kinks=[0])
    got = expectation2(f, f, [[[a, k], [k, b]], [[a, -k], [-k, b]]], kinks=[0])
    np.testing.assert_allclose(got, [plus, minus], atol=PROMISE)


def test_independent_and_degenerate_variables_factorise():
    """Evidence: limit; c = 0, and variance zero in one or both arguments."""
    tanh_square = lambda x: np.tanh(x) ** 2  # noqa: E731
    apart = expectation(tanh_square, 3.0) * expectation(relu, 0.2, [0])
    assert expectation2(tanh_square, relu, np.diag([3.0, 0.2]), [0]) == pytest.approx(apart, rel=PROMISE)
    alone = expectation(relu, 0.2, [0])
    assert expectation2(np.cos, relu, np.diag([0.0, 0.2]), [0]) == pytest.approx(alone, rel=PROMISE)
    assert expectation2(relu, np.cos, np.diag([0.2, 0.0]), [0]) == pytest.approx(alone, rel=PROMISE)
    assert expectation2(np.cos, np.exp, np.zeros((2, 2))) == pytest.approx(1.0, abs=1e-15)


def test_a_stack_of_covariances_keeps_its_shape():
    """Evidence: contract."""
    cov = np.broadcast_to([[1.0, 0.25], [0.25, 1.0]], (2, 3, 2, 2))
    got = expectation2(np.tanh, np.tanh, cov)
    one = expectation2(np.tanh, np.tanh, cov[0, 0])
    assert got.shape == (2, 3)
    assert isinstance(one, float)
    np.testing.assert_allclose(got, one, rtol=1e-14)


def test_a_correlation_that_rounding_put_above_one_is_one():
    """Evidence: contract; √(q11 q22) is rarely exact in float64."""
    above = np.nextafter(1.0, 2.0)
    assert expectation2(np.sign, np.sign, [[1.0, above], [above, 1.0]], [0]) == pytest.approx(
        1.0, abs=PROMISE
    )


def test_noise_is_refused():
    """Evidence: contract; single precision inside f can't give twelve digits, and is not passed off as such."""
    with pytest.raises(ValueError, match="deterministic and accurate in float64"):
        expectation(lambda x: np.tanh(x.astype(np.float32)).astype(np.float64))
