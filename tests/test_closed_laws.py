"""Fuss–Catalan, Wachter and free Poisson laws, and closed transforms of two points."""

from math import comb, pi, sqrt

import mpmath
import numpy as np
import pytest

import rmtlab as rl
from rmtlab.laws import (
    Arcsine,
    Dirac,
    Discrete,
    Empirical,
    FreePoisson,
    FussCatalan,
    MarchenkoPastur,
    Semicircle,
    SpectralLaw,
    Wachter,
)
from rmtlab.laws._monotone import increasing_root
from tests.law_contract import LawContract

ORDERS = (0.5, 1.0, 2.0, 3.7, 10.0)


class TestFussCatalan(LawContract):
    laws = tuple(FussCatalan(order) for order in (0.03, *ORDERS))

    def test_order_one_is_marchenko_pastur(self):
        """Evidence: closed form; relative, down to 1e-300 and up to 1e300. A float's distance to the edge is
        known to 1e-16, so that G near the edge, and the density with it, keep half of the digits there."""
        law, model = FussCatalan(1), MarchenkoPastur(1.0)
        x = np.concatenate([np.linspace(0.001, 3.99, 200), 10.0 ** -np.arange(4.0, 300.0, 7.0)])
        assert law.support == model.support
        np.testing.assert_allclose(law.density(x), model.density(x), rtol=2e-13)
        np.testing.assert_allclose(law.cdf(x), model.cdf(x), rtol=2e-13)
        p = np.concatenate([np.linspace(0.01, 0.99, 50), 10.0 ** -np.arange(3.0, 140.0, 7.0)])
        np.testing.assert_allclose(law.quantile(p), model.quantile(p), rtol=2e-13)
        for z in (x + 1e-9j, x + 0.3j, -x, 4.01 + x, 1j * 10.0 ** np.arange(-300.0, 301.0, 20.0)):
            np.testing.assert_allclose(law.cauchy(z), model.cauchy(z), rtol=2e-13)
        tail = 4.0 + 10.0 ** -np.arange(3.0, 15.0)
        np.testing.assert_allclose(
            law.cauchy(tail), model.cauchy(tail), atol=5e-16 / np.sqrt(tail - 4.0).min()
        )

    def test_order_two_has_radicals(self):
        """Evidence: closed form (Penson and Życzkowski 2011)."""
        x = np.linspace(0.01, 6.74, 300)
        a = 27.0 + 3.0 * np.sqrt(81.0 - 12.0 * x)
        height = 2 ** (1 / 3) * a ** (2 / 3) - 6.0 * np.cbrt(x)
        exact = 2 ** (1 / 3) * sqrt(3.0) / (12.0 * pi) * height / (x ** (2 / 3) * np.cbrt(a))
        np.testing.assert_allclose(FussCatalan(2).density(x), exact, atol=1e-13)

    @pytest.mark.parametrize("order", [*ORDERS, 1e-3, 100.0])
    def test_cdf_against_quadrature(self, order):
        """Evidence: independent quadrature (mpmath at 30 digits) of −Im(w)/π dlog(x) in the angle."""
        law, s = FussCatalan(order), mpmath.mpf(order)
        with mpmath.workdps(30):

            def x_of(t):
                return mpmath.sin((s + 1) * t) ** (s + 1) / (mpmath.sin(t) * mpmath.sin(s * t) ** s)

            def in_angle(t):
                pull = (s + 1) ** 2 * mpmath.cot((s + 1) * t) - mpmath.cot(t) - s**2 * mpmath.cot(s * t)
                return -mpmath.sin((s + 1) * t) * mpmath.sin(t) / mpmath.sin(s * t) * pull / mpmath.pi

            end = mpmath.pi / (s + 1)
            for share in (0.1, 0.5, 0.9, 0.99):
                exact = 1 - mpmath.quad(in_angle, [1e-12 * end, share * end / 2, share * end])
                if (x := float(x_of(share * end))) > 0.0:
                    assert abs(law.cdf(x) - float(exact)) < 2e-14 * (1.0 + order / 10.0) + 1e-15 / sqrt(order)

    @pytest.mark.parametrize("order", ORDERS)
    def test_the_hard_edge_is_exact(self, order):
        """Evidence: limit; F(x) ≈ (s+1)/π·sin(π/(s+1))·x^{1/(s+1)}, with the next power of that root as error."""
        law = FussCatalan(order)
        x = 10.0 ** np.arange(-300.0, -150.0, 10.0)
        leading = (order + 1.0) / pi * np.sin(pi / (order + 1.0)) * x ** (1.0 / (order + 1.0))
        np.testing.assert_allclose(law.cdf(x), leading, rtol=2e-13)
        np.testing.assert_allclose(law.density(x), leading / (order + 1.0) / x, rtol=2e-13)
        np.testing.assert_allclose(law.quantile(leading), x, rtol=1e-12 * (order + 1.0))
        assert law.density(0.0) == np.inf
        assert law.density(law.support[0][1]) == 0.0

    @pytest.mark.parametrize("order", [*ORDERS, 1e-3, 200.0])
    def test_cauchy_is_the_root_that_belongs_to_infinity(self, order):
        """Evidence: closed form; w = zG solves w^{s+1} = z(w − 1) to rounding (times the logarithms it is formed
        of), in the one drop of the plane that z ↦ w fills: |w| < sin((s+1)α)/sin(sα) at arg w = −α."""
        law, edge = FussCatalan(order), FussCatalan(order).support[0][1]
        scale = edge * np.concatenate([10.0 ** np.arange(-60.0, 12.0, 3.0), [0.5, 0.999, 1.001, 2.0]])
        turn = np.exp(1j * pi * np.array([1e-9, 1e-4, 0.1, 0.5, 0.9, 1.0 - 1e-6]))
        z = (scale[:, None] * turn).ravel()
        w = z * law.cauchy(z)
        alpha = -np.angle(w)
        assert np.all(alpha > 0.0)
        assert np.all((order + 1.0) * alpha < pi)
        beyond = np.abs(w) * np.sin(order * alpha) / np.sin((order + 1.0) * alpha)
        assert np.all(beyond < 1.0 + 1e-12)
        moderate = np.abs(np.log(np.abs(z / edge))) < 5.0
        w, z = w[moderate], z[moderate]
        with np.errstate(under="ignore"):
            gap = np.abs((order + 1.0) * np.log(w) - np.log(w - 1.0) - np.log(z))
        assert np.max(gap) < 4e-15 * (10.0 + order) * np.max(1.0 / np.abs(w - 1.0))

    @pytest.mark.parametrize("order", ORDERS)
    def test_cauchy_is_the_series_of_the_moments(self, order):
        """Evidence: closed form; Σ m_k z^{−k−1} with m_k from gamma functions (mpmath), |z| = 4·edge."""
        law = FussCatalan(order)
        z = 4.0 * law.support[0][1] * np.exp(1j * np.array([0.0, 0.3, 1.5, 3.0, pi]))
        with mpmath.workdps(30):
            s = mpmath.mpf(order)
            m = [float(mpmath.binomial((s + 1) * k, k) / (s * k + 1)) for k in range(40)]
        np.testing.assert_allclose([law.moment(k) for k in range(40)], m, rtol=1e-15)
        series = sum(m[k] / z ** (k + 1) for k in range(40))
        np.testing.assert_allclose(law.cauchy(z), series, rtol=3e-15)

    def test_against_the_textbook(self):
        """Evidence: closed form; Fuss–Catalan numbers, edges, S of a product is the product of S."""
        assert [FussCatalan(3).moment(k) for k in range(6)] == [1, 1, 4, 22, 140, 969]
        assert [FussCatalan(2).free_cumulant(k) for k in range(1, 6)] == [1, 2, 5, 14, 42]
        assert [FussCatalan(order).support[0][1] for order in (1, 2)] == [4.0, 6.75]
        assert FussCatalan(3).support[0][1] == pytest.approx(256 / 27, rel=1e-15)
        m = np.array([-0.99, -0.3, 1e-9, 4.0])
        product = FussCatalan(1.3).s_transform(m) * FussCatalan(2.4).s_transform(m)
        np.testing.assert_allclose(product, FussCatalan(3.7).s_transform(m), rtol=1e-14)

    @pytest.mark.parametrize("order", [1.5, 3.7])
    def test_it_is_a_compound_free_poisson_law(self, order):
        """Evidence: closed form; κ_k of order s is m_k of order s − 1, so R_s(g) = G_{s−1}(1/g)/g² − 1/g."""
        law, jumps = FussCatalan(order), FussCatalan(order - 1.0)
        assert law.free_cumulant(7) == pytest.approx(jumps.moment(7), rel=1e-15)
        g = np.array([-3.0, -0.5, 0.05, 0.08])
        np.testing.assert_allclose(law.r_transform(g), jumps.cauchy(1.0 / g) / g**2 - 1.0 / g, rtol=1e-12)

    def test_no_factor_leaves_a_point(self):
        """Evidence: limit; the law of order s → 0 has mean 1 and spread √s."""
        for order in (1e-3, 1e-5):
            law = FussCatalan(order)
            assert abs(law.quantile(0.5) - Dirac(1.0).mean) < 2.0 * sqrt(order)
            assert law.var == order

    def test_many_factors_stretch_evenly(self):
        """Evidence: limit; λ^{1/s} tends to the uniform law on [0, 1] (Haagerup and Möller), at rate log(s)/s."""
        u = np.linspace(0.05, 0.95, 19)
        gaps = []
        for order in (50.0, 200.0):
            gaps.append(np.max(np.abs(FussCatalan(order).cdf(u**order) - u)) * order / np.log(order))
        assert max(gaps) < 1.0
        assert gaps[1] == pytest.approx(gaps[0], rel=0.3)

    @pytest.mark.parametrize("order", [2, 3])
    def test_products_of_ginibre_matrices_come_to_it(self, order):
        """Evidence: simulation; KS falls with n like 1/n (rigid eigenvalues), constant below 3."""
        for n, draws in ((50, 16), (200, 4)):
            law, rng, spectra = FussCatalan(order), np.random.default_rng(order), []
            for _ in range(draws):
                product = np.linalg.multi_dot([rl.ensembles.ginibre(n, rng=rng) for _ in range(order)])
                spectra.append(np.linalg.svd(product, compute_uv=False) ** 2)
            assert rl.compare(law, np.array(spectra)).ks < 3.0 / n

    @pytest.mark.parametrize("order", [0.03, 0.5, 1.0, 2.0, 10.0])
    def test_r_is_found_up_to_its_branch_point(self, order):
        """Evidence: closed form; g = m(1 + m)^{−s} and R = (1 + m)^s, for m from −1 to 1/(s − 1)."""
        top = 0.999 / (order - 1.0) if order > 1.0 else 1e3
        m = np.concatenate(
            [
                -1.0 + 10.0 ** -np.arange(12.0),
                -(10.0 ** -np.arange(3.0, 9.0)),
                top * np.arange(1e-3, 1.0, 0.1),
            ]
        )
        g = m[1:] * (1.0 + m[1:]) ** -order
        np.testing.assert_allclose(FussCatalan(order).r_transform(g), (1.0 + m[1:]) ** order, rtol=1e-10)

    def test_beyond_its_domain_it_is_refused(self):
        """Evidence: contract."""
        with pytest.raises(ValueError, match="above -1"):
            FussCatalan(2).s_transform(-1.0)
        with pytest.raises(ValueError, match=r"below 0\.25"):
            FussCatalan(2).r_transform([0.1, 0.25])


class TestWachter(LawContract):
    laws = tuple(
        Wachter(a, b)
        for a, b in (
            (3.0, 2.0),
            (1.0, 1.0),
            (1.0, 4.0),
            (2.5, 1.0),
            (0.4, 3.0),
            (3.0, 0.4),
            (0.7, 0.6),
            (0.3, 0.7),
            (1.001, 60.0),
            (1e3, 2e3),
        )
    )

    @pytest.mark.parametrize(
        ("a", "b"), [(3, 2), (0.7, 0.6), (1, 1), (1.001, 60), (1e3, 2e3), (1, 1e6), (1e5, 0.5)]
    )
    def test_cdf_against_quadrature(self, a, b):
        """Evidence: independent quadrature (mpmath at 30 digits) of the density in the angle."""
        law = Wachter(a, b)
        with mpmath.workdps(30):
            a, b = mpmath.mpf(a), mpmath.mpf(b)
            roots = [(mpmath.sqrt(a * (a + b - 1)) + sign * mpmath.sqrt(b)) / (a + b) for sign in (-1, 1)]
            low, high = (root**2 for root in roots)
            middle, half = (low + high) / 2, (high - low) / 2

            def in_angle(t):
                x = low + 2 * half * mpmath.sin(t / 2) ** 2
                rest = (1 - high) + 2 * half * mpmath.cos(t / 2) ** 2
                return (a + b) * (half * mpmath.sin(t)) ** 2 / (2 * mpmath.pi * x * rest)

            for u in (1e-3, 0.5, 0.999):
                x = float(low + u * (high - low))
                t = mpmath.acos((middle - mpmath.mpf(x)) / half)
                pieces = [0, *(s for s in (1e-3, 1e-2, 0.1, 1.0, 3.0, 3.1, 3.13) if s < t), t]
                exact = float(mpmath.quad(in_angle, pieces))
                conditioning = 2e-16 * max(1.0, float(x / half))
                assert abs(law.cdf(x) - law.cdf(0.0) - exact) < 1e-14 + 4.0 * conditioning

    def test_equal_square_matrices_give_the_arcsine(self):
        """Evidence: closed form; on [0, 1], with both hard edges."""
        law, model, x = Wachter(1.0, 1.0), Arcsine(0.5), np.linspace(0.0, 1.0, 101)
        np.testing.assert_allclose(law.cdf(x), model.cdf(x - 0.5), atol=1e-15)
        np.testing.assert_allclose(law.density(x[1:-1]), model.density(x[1:-1] - 0.5), rtol=1e-13)
        assert law.density([0.0, 1.0]).tolist() == [np.inf, np.inf]
        np.testing.assert_allclose(law.cdf([1e-300, 1e-20]), 2.0 / pi * np.array([1e-150, 1e-10]), rtol=1e-14)

    @pytest.mark.parametrize(("a", "b"), [(3.0, 2.0), (0.4, 3.0), (0.7, 0.6)])
    def test_exchanging_the_matrices_mirrors_it(self, a, b):
        """Evidence: symmetry; A(A + B)⁻¹ + B(A + B)⁻¹ = 1."""
        law, twin = Wachter(a, b), Wachter(b, a)
        x = np.linspace(0.0, 1.0, 101)
        np.testing.assert_allclose(law.cdf(x), 1.0 - twin.cdf(1.0 - x, side="left"), atol=3e-15)
        z = np.array([0.3 + 0.1j, -2.0 + 1e-3j, 5.0 + 0j, 1e6 + 1j])
        np.testing.assert_allclose(law.cauchy(z), -twin.cauchy(1.0 - z), rtol=1e-13)

    def test_enough_columns_bring_marchenko_pastur(self):
        """Evidence: limit; B/n₂ → 1, so (b/a)·x becomes Marchenko–Pastur at aspect 1/a with error O(b^{−1/2})."""
        x = np.linspace(0.3, 2.8, 26)
        for b in (1e4, 1e8):
            gap = Wachter(4.0, b).cdf(4.0 * x / b) - MarchenkoPastur(0.25).cdf(x)
            assert np.max(np.abs(gap)) < 2.0 / sqrt(b)

    @pytest.mark.parametrize(("p", "q"), [(0.3, 0.6), (0.7, 0.5), (0.5, 0.5), (0.8, 0.9)])
    def test_free_projections(self, p, q):
        """Evidence: closed form; (1 − p)δ₀ + p·Wachter has the edges, atoms and density of PQP, and S = S_P S_Q."""
        law = Wachter(q / p, (1.0 - q) / p)
        middle, half = p + q - 2.0 * p * q, 2.0 * sqrt(p * q * (1.0 - p) * (1.0 - q))
        np.testing.assert_allclose(law.support[0], [middle - half, middle + half], atol=3e-16)
        assert 1.0 - p + p * law.atoms.get(0.0, 0.0) == pytest.approx(1.0 - min(p, q), rel=1e-14)
        assert p * law.atoms.get(1.0, 0.0) == pytest.approx(max(p + q - 1.0, 0.0), abs=1e-15)
        x = middle + half * np.linspace(-0.99, 0.99, 21)
        exact = np.sqrt(half**2 - (x - middle) ** 2) / (2.0 * pi * x * (1.0 - x))
        np.testing.assert_allclose(p * law.density(x), exact, rtol=1e-13)
        z = np.array([-0.7, 1.3, 0.4 + 0.2j])
        m = p * (z * law.cauchy(z) - 1.0)
        np.testing.assert_allclose((1.0 + m) / (m * z), (1.0 + m) ** 2 / ((p + m) * (q + m)), rtol=1e-13)

    def test_against_the_textbook(self):
        """Evidence: closed form; moments of the arcsine, R at both ends of the line, S and its pole."""
        assert [Wachter(1, 1).moment(k) for k in range(1, 6)] == [comb(2 * k, k) / 4**k for k in range(1, 6)]
        law = Wachter(3.0, 2.0)
        assert (law.mean, law.var) == (0.6, 6.0 / 125.0)
        np.testing.assert_allclose(law.r_transform([-1e9, 0.0, 1e9]), [3e-9, 0.6, 1.0], rtol=1e-8)
        assert law.s_transform(1.0) == 1.5
        with pytest.raises(ValueError, match="pole"):
            law.s_transform(-3.0)

    @pytest.mark.parametrize(("a", "b"), [(2.0, 1.5), (0.5, 2.0), (1.5, 0.6), (0.75, 0.75)])
    def test_wishart_matrices_come_to_it(self, a, b):
        """Evidence: simulation; exact multiplicities at 0 and 1, KS within 3/n of the rigid eigenvalues."""
        law, rng = Wachter(a, b), np.random.default_rng(0)
        for n, draws in ((40, 16), (160, 4)):
            spectra = []
            for _ in range(draws):
                x, y = (rng.standard_normal((n, round(n * shape))) for shape in (a, b))
                total = np.linalg.cholesky(x @ x.T + y @ y.T)
                spectra.append(np.linalg.svd(np.linalg.solve(total, x), compute_uv=False) ** 2)
                spectra[-1] = np.concatenate([spectra[-1], np.zeros(n - spectra[-1].size)])
            values = np.array(spectra)
            for x, mass in law.atoms.items():
                assert np.count_nonzero(np.abs(values - x) < 1e-10) == round(mass * n) * draws
            assert rl.compare(law, values).ks < 3.0 / n


class TestFreePoisson(LawContract):
    laws = tuple(
        FreePoisson(rate, jump)
        for rate, jump in ((1, 1), (0.25, 2), (3, 0.5), (0.6, -1.5), (1, -2), (5, -0.1), (0.05, 1), (1e3, 1))
    )

    def test_it_is_marchenko_pastur_in_other_letters(self):
        """Evidence: closed form; aspect 1/rate, scale rate·jump."""
        for rate, jump in ((0.3, 2.0), (1.0, 0.1), (40.0, 3.0)):
            law, model = FreePoisson(rate, jump), MarchenkoPastur(1.0 / rate, scale=rate * jump)
            np.testing.assert_allclose(law.support, model.support, rtol=1e-14)
            x = np.linspace(*model.support[0], 33)[1:-1]
            np.testing.assert_allclose(law.cdf(x), model.cdf(x), atol=1e-14)
            np.testing.assert_allclose(law.density(x), model.density(x), rtol=1e-12)
            np.testing.assert_allclose(
                law.r_transform([0.1, -2.0]), model.r_transform([0.1, -2.0]), rtol=1e-14
            )

    def test_a_negative_jump_mirrors_it(self):
        """Evidence: symmetry."""
        law, twin = FreePoisson(0.4, -2.0), FreePoisson(0.4, 2.0)
        x = np.linspace(-8.0, 8.0, 65)
        np.testing.assert_allclose(law.cdf(-x), 1.0 - twin.cdf(x, side="left"), atol=1e-15)
        np.testing.assert_array_equal(law.density(-x), twin.density(x))
        z = np.array([1.0 + 0.5j, -3.0 + 1e-3j, 20.0 + 0j])
        np.testing.assert_allclose(law.cauchy(z), -twin.cauchy(-z), rtol=1e-14)

    def test_rare_jumps_add_up_to_it(self):
        """Evidence: limit; n coins of mass rate/n have cumulants n·κ_k → rate·jump^k, with error O(1/n)."""
        law = FreePoisson(0.8, 1.5)
        for n in (100, 10_000):
            coin = Discrete([0.0, 1.5], [1.0 - 0.8 / n, 0.8 / n])
            for k in (1, 2, 3, 5):
                assert n * coin.free_cumulant(k) == pytest.approx(law.free_cumulant(k), rel=10.0 / n)

    def test_many_small_jumps_are_a_semicircle(self):
        """Evidence: limit; centred and scaled to variance 1, with error O(rate^{−1/2})."""
        x = np.linspace(-1.9, 1.9, 21)
        for rate in (1e4, 1e8):
            law = FreePoisson(rate, rate**-0.5)
            assert np.max(np.abs(law.cdf(law.mean + x) - Semicircle().cdf(x))) < 0.5 / sqrt(rate)

    def test_the_poles_of_its_transforms_are_refused(self):
        """Evidence: contract."""
        with pytest.raises(ValueError, match="pole at g = -2"):
            FreePoisson(3.0, -0.5).r_transform(-2.0)
        with pytest.raises(ValueError, match="pole at m = -3"):
            FreePoisson(3.0, -0.5).s_transform(-3.0)


class TestTwoPoints:
    """Closed transforms of two atoms against the certified inversion that every law has."""

    @pytest.mark.parametrize("law", [Discrete([-1.0, 2.0], [0.3, 0.7]), Empirical([5.0, 5.0, 1.0])], ids=repr)
    def test_r_is_the_root_of_a_quadratic(self, law):
        """Evidence: independent method, certified to 1e-8 and found to rounding; also far out on the line."""
        g = np.array([-40.0, -1.0, -1e-3, 1e-3, 0.5, 40.0])
        np.testing.assert_allclose(law.r_transform(g), SpectralLaw._r_transform(law, g), rtol=1e-11)
        small = 0.02 * np.exp(1j * np.arange(6.0))
        np.testing.assert_allclose(law.r_transform(small), SpectralLaw._r_transform(law, small), rtol=1e-12)

    @pytest.mark.parametrize("law", [Discrete([0.0, 3.0], [0.3, 0.7]), Empirical([-1.0, 0.0])], ids=repr)
    def test_s_of_a_scaled_projection(self, law):
        """Evidence: independent method; the range of m in which the inversion is certain."""
        m = np.array([-0.05, -1e-4, 1e-4, 0.05])
        np.testing.assert_allclose(law.s_transform(m), SpectralLaw._s_transform(law, m), rtol=1e-11)
        with pytest.raises(ValueError, match="pole"):
            law.s_transform(-law.atoms.get(3.0, 0.5))


class TestIncreasingRoot:
    def test_it_finds_every_root_of_a_bent_curve(self):
        """Evidence: closed form; sinh over thirty orders of magnitude, from one guess."""
        target = np.concatenate([-(10.0 ** np.arange(-15.0, 15.0)), [0.0], 10.0 ** np.arange(-15.0, 15.0)])
        root = increasing_root(lambda t: (np.sinh(t), np.cosh(t)), target, np.full_like(target, 30.0), 40.0)
        np.testing.assert_allclose(root, np.arcsinh(target), atol=5e-16, rtol=5e-16)

    def test_an_unsettled_equation_is_not_handed_back(self):
        """Evidence: contract."""
        with pytest.raises(ArithmeticError, match="did not settle"):
            increasing_root(lambda t: (t * np.nan, t + 1.0), np.ones(2), np.zeros(2), 1.0)


@pytest.mark.parametrize(
    "law", [Wachter(3.0, 2.0), Wachter(0.4, 3.0), Wachter(0.3, 0.7), FreePoisson(0.4, -2.0), FreePoisson(3.0)]
)
def test_the_slope_of_cauchy_is_its_derivative(law):
    """Evidence: independent method; a contour integral of G on a small circle, spectrally accurate."""
    z = np.array([0.3 + 0.5j, -1.5 + 1e-1j, 2.0 + 0.3j, 30.0 + 5.0j])
    value, slope = law._cauchy_and_slope(z)
    np.testing.assert_array_equal(value, law.cauchy(z))
    turn = np.exp(2j * pi * np.arange(64) / 64)
    around = np.mean(law.cauchy(z[:, None] + 0.05 * turn) / (0.05 * turn), axis=1)
    np.testing.assert_allclose(slope, around, rtol=1e-12, atol=1e-14)
