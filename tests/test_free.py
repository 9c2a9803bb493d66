"""Free convolution: sums, products, powers and compressions of laws, each test tagged with its kind of evidence.

All laws here come from a solver whose certified residual is below 1e-11; `accuracy` = 1e-9 leaves room for the
square-root sensitivity of a density to its residual near an edge.
"""

from dataclasses import dataclass
from itertools import permutations
from math import pi, sqrt

import mpmath
import numpy as np
import pytest

import rmtlab as rl
from rmtlab.laws import (
    Affine,
    Arcsine,
    Dirac,
    Discrete,
    Empirical,
    FreePower,
    FreeProduct,
    FreeSum,
    FussCatalan,
    MarchenkoPastur,
    QuarterCircle,
    Semicircle,
    SpectralLaw,
    free_add,
    free_compress,
    free_multiply,
    free_power,
)
from tests.law_contract import LawContract

COIN = Discrete([-1.0, 1.0], [0.5, 0.5])
MP = MarchenkoPastur


def projection(p):
    return Discrete([0.0, 1.0], [1.0 - p, p])


def five_products():
    law = MP(0.1)
    for aspect in (0.3, 0.5, 0.8, 1.3):
        law = free_multiply(law, MP(aspect))
    return law


def inside(law, n=40, margin=0.01):
    return np.concatenate([a + (b - a) * np.linspace(margin, 1.0 - margin, n) for a, b in law.support])


def flat(support):
    return np.array([edge for interval in support for edge in interval])


@dataclass(frozen=True)
class Opaque(SpectralLaw):
    """A law that hides how it was made, so that it cannot be taken apart."""

    law: SpectralLaw

    @property
    def support(self):
        return self.law.support

    @property
    def atoms(self):
        return self.law.atoms

    @property
    def mean(self):
        return self.law.mean

    @property
    def var(self):
        return self.law.var

    def _density(self, x):
        return self.law._density(x)

    def _cauchy(self, z):
        return self.law._cauchy(z)

    def _cauchy_and_slopes(self, z):
        return self.law._cauchy_and_slopes(z)


class TestFreeSum(LawContract):
    laws = (
        FreeSum(Semicircle(0.8), COIN),
        FreeSum(projection(0.7), projection(0.8)),
    )
    accuracy = 1e-9


class TestFreeProduct(LawContract):
    laws = (
        FreeProduct(MP(2.0), MP(3.0)),
        FreeProduct(MP(1.0), MP(0.3)),
        FreeProduct(Semicircle(), Discrete([1.0, 2.0], [0.5, 0.5])),
    )
    accuracy = 1e-9


class TestFreePower(LawContract):
    laws = (FreePower(projection(0.75), 2.5), FreePower(MP(0.5), 2.5, kind="multiply"))
    accuracy = 1e-9


class TestAffine(LawContract):
    laws = (
        Affine(Semicircle(), 2.0, 1.0),
        Affine(MP(2.0), -1.5),
        Affine(Discrete([0.0, 1.0], [0.25, 0.75]), -2.0, 1.0),
        Affine(FreePower(projection(0.75), 2.5), 0.4),
    )
    accuracy = 1e-9


class TestClosedForms:
    @pytest.mark.parametrize(("aspect", "var"), [(0.5, 1.0), (0.1, 0.3), (2.0, 0.5), (1.0, 2.0)])
    def test_semicircle_plus_marchenko_pastur(self, aspect, var):
        """Evidence: closed form; a cubic for G, whose discriminant gives the edges."""
        law = free_add(Semicircle(var), MP(aspect))
        x = inside(law)
        exact = [
            -np.min(np.roots([aspect * var, -(var + aspect * t), t - 1.0 + aspect, -1.0]).imag) / pi
            for t in x
        ]
        np.testing.assert_allclose(law.density(x), exact, atol=1e-12)
        z = np.poly1d([1.0, 0.0])
        a, b, c, d = aspect * var, -(var + aspect * z), z - 1.0 + aspect, -1.0
        discriminant = 18 * a * b * c * d - 4 * b**3 * d + b**2 * c**2 - 4 * a * c**3 - 27 * a**2 * d**2
        roots = np.roots(discriminant)
        real = np.sort(roots[np.abs(roots.imag) < 1e-6].real)
        for edge in flat(law.support):
            assert np.min(np.abs(real - edge)) < 1e-8

    @pytest.mark.parametrize("var", [0.1, 0.9, 1.0 - 1e-3, 1.0 - 1e-6, 1.0, 1.0 + 1e-6, 1.1, 4.0])
    def test_semicircle_plus_a_coin(self, var):
        """Evidence: closed form; x = ω + var·ω/(ω² − 1), with a gap below variance 1 and a cusp at 1."""
        law = free_add(Semicircle(var), COIN)
        squares = 1.0 + 0.5 * (var + np.array([1.0, -1.0]) * sqrt(var**2 + 8.0 * var))
        omega = np.sqrt(squares[squares > 0.0])
        edges = np.abs(omega + var * omega / (omega**2 - 1.0))
        if var >= 1.0:
            edges = edges[:1]
        assert len(law.support) == (2 if var < 1.0 else 1)
        np.testing.assert_allclose(np.sort(flat(law.support)), np.sort([*edges, *-edges]), rtol=0, atol=1e-10)
        x = inside(law, margin=0.003)
        exact = [np.max(np.roots([1.0, -t, var - 1.0, t]).imag) / (pi * var) for t in x]
        np.testing.assert_allclose(law.density(x), exact, atol=1e-10)
        assert law.cdf(0.0) == pytest.approx(0.5, abs=1e-12)
        assert law.moment(4) == pytest.approx(2.0 * var**2 + 4.0 * var + 1.0, rel=1e-11)

    def test_at_the_cusp_the_density_is_a_cube_root(self):
        """Evidence: limit; x ≈ −ω³ and G = x − ω at variance 1, so that ρ ≈ (√3/2π)·|x|^{1/3}.

        The equations are solved to 2e-15 of the radius, which moves x = 1e-12 by less than a hundredth.
        """
        x = 10.0 ** -np.arange(6.0, 13.0)
        density = free_add(Semicircle(1.0), COIN).density(x)
        np.testing.assert_allclose(density, sqrt(3.0) / (2.0 * pi) * np.cbrt(x), rtol=3e-3)

    @pytest.mark.parametrize(
        "aspects", [(0.5, 0.3), (2.0, 3.0), (1.0, 0.3), (2.0, 0.3), (1.0, 1.0), (0.999, 1.0)]
    )
    def test_marchenko_pastur_times_marchenko_pastur(self, aspects):
        """Evidence: closed form; the cubic z m = (1 + m)(1 + c m)(1 + d m), edges from dz/dm = 0."""
        law = free_multiply(MP(aspects[0]), MP(aspects[1]))
        cubic = np.poly1d([1.0])
        for factor in (1.0, *aspects):
            cubic = cubic * np.poly1d([factor, 1.0])
        x = inside(law)
        exact = [-np.min(np.roots(cubic - np.poly1d([t, 0.0])).imag) / (-pi * t) for t in x]
        np.testing.assert_allclose(law.density(x), np.abs(exact), rtol=1e-9, atol=1e-12)
        turning = np.roots(np.poly1d([1.0, 0.0]) * cubic.deriv() - cubic)
        turning = turning[np.abs(turning.imag) < 1e-9].real
        values = np.append(cubic(turning) / turning, 0.0)
        for edge in flat(law.support):
            assert np.min(np.abs(values - edge)) < 1e-8
        assert law.atoms.get(0.0, 0.0) == max(0.0, 1.0 - 1.0 / max(aspects))

    @pytest.mark.parametrize("order", [1.5, 2, 3, 5, 10])
    def test_powers_of_marchenko_pastur_are_fuss_catalan(self, order):
        """Evidence: closed form; the sheet's parametrisation by an angle, down to x below 1e-20."""
        angle = (
            pi / (order + 1.0) * np.concatenate([np.linspace(0.03, 0.97, 60), 1.0 - np.array([1e-3, 1e-2])])
        )
        outer, inner = np.sin((order + 1.0) * angle), np.sin(order * angle)
        x = outer ** (order + 1.0) / (np.sin(angle) * inner**order)
        density = np.sin(angle) ** 2 * inner ** (order - 1.0) / (pi * outer**order)
        law = free_power(MP(1.0), order, kind="multiply")
        np.testing.assert_allclose(law.density(x), density, rtol=1e-9)
        assert law.support[0][0] == 0.0
        assert law.support[0][1] == pytest.approx((order + 1.0) ** (order + 1.0) / order**order, rel=1e-12)

    def test_the_cdf_is_resolved_at_a_hard_edge(self):
        """Evidence: closed form; relative accuracy of the mass below x for x down to 1e-60."""
        x = 10.0 ** -np.arange(2.0, 60.0, 6.0)
        law, exact = free_power(MP(1.0), 5.0, kind="multiply"), FussCatalan(5.0)
        np.testing.assert_allclose(law.cdf(x), exact.cdf(x), rtol=1e-10)
        p = np.array([1e-8, 1e-4, 0.1])
        np.testing.assert_allclose(law.quantile(p), exact.quantile(p), rtol=1e-9)

    @pytest.mark.parametrize(("p", "q"), [(0.7, 0.5), (0.5, 0.5), (0.7, 0.7), (0.2, 0.9), (0.3, 0.1)])
    def test_two_projections(self, p, q):
        """Evidence: closed form; density, edges and both atoms of PQP."""
        law = free_multiply(projection(p), projection(q))
        centre, half = p + q - 2.0 * p * q, 2.0 * sqrt(p * q * (1.0 - p) * (1.0 - q))
        np.testing.assert_allclose(flat(law.support), [centre - half, centre + half], atol=1e-14)
        x = inside(law)
        exact = np.sqrt((centre + half - x) * (x - centre + half)) / (2.0 * pi * x * (1.0 - x))
        np.testing.assert_allclose(law.density(x), exact, rtol=1e-11)
        assert law.atoms.get(0.0) == pytest.approx(1.0 - min(p, q), abs=1e-15)
        assert law.atoms.get(1.0, 0.0) == pytest.approx(max(p + q - 1.0, 0.0), abs=1e-15)

    @pytest.mark.parametrize("summands", [2, 3, 4, 10])
    def test_sums_of_coins_are_kesten_laws(self, summands):
        """Evidence: closed form; the random walk on a free product, at two summands the arcsine law."""
        power = free_power(COIN, summands)
        law = COIN
        for _ in range(summands - 1):
            law = free_add(law, COIN)
        d, edge = summands, 2.0 * sqrt(summands - 1.0)
        x = edge * np.linspace(-0.99, 0.99, 41)
        exact = d * np.sqrt(edge**2 - x**2) / (2.0 * pi * (d**2 - x**2))
        np.testing.assert_allclose(law.density(x), exact, rtol=1e-11)
        np.testing.assert_allclose(power.density(x), exact, rtol=1e-11)
        np.testing.assert_allclose(flat(law.support), [-edge, edge], rtol=1e-12)
        if summands == 2:
            np.testing.assert_allclose(law.cdf(x), Arcsine().cdf(x), atol=1e-12)

    def test_semicircles_add_their_variances(self):
        """Evidence: closed form."""
        law = free_add(Semicircle(0.5), Semicircle(1.5))
        x = np.linspace(-2.8, 2.8, 41)
        np.testing.assert_allclose(law.density(x), Semicircle(2.0).density(x), atol=1e-13)
        np.testing.assert_allclose(law.cdf(x), Semicircle(2.0).cdf(x), atol=1e-13)

    def test_five_factors_against_polynomial_roots(self):
        """Evidence: closed form; the root of a degree-6 polynomial followed from +i∞, polished in 30 digits."""
        law, aspects = five_products(), (0.1, 0.3, 0.5, 0.8, 1.3)
        for x in (0.003, 0.01, 0.1, 1.0, 4.0, 9.5):
            assert law.density(x) == pytest.approx(_followed_density(x, aspects), rel=1e-9)


class TestAlgebra:
    def test_sums_commute_and_associate(self):
        """Evidence: symmetry; also against a sum whose inner sum cannot be taken apart."""
        laws = (Semicircle(0.5), MP(0.5), COIN)
        reference = free_add(free_add(*laws[:2]), laws[2])
        x = inside(reference)
        for a, b, c in permutations(laws):
            other = free_add(a, free_add(b, c))
            np.testing.assert_allclose(other.density(x), reference.density(x), atol=1e-11)
            np.testing.assert_allclose(flat(other.support), flat(reference.support), atol=1e-11)
        nested = free_add(Opaque(free_add(*laws[:2])), laws[2])
        np.testing.assert_allclose(nested.density(x), reference.density(x), atol=1e-10)
        np.testing.assert_allclose(flat(nested.support), flat(reference.support), atol=1e-10)

    def test_products_commute_and_associate(self):
        """Evidence: symmetry; also against a product whose inner product cannot be taken apart."""
        laws = (MP(0.5), MP(0.2), Discrete([1.0, 3.0], [0.5, 0.5]))
        reference = free_multiply(free_multiply(*laws[:2]), laws[2])
        x = inside(reference)
        for a, b, c in permutations(laws):
            other = free_multiply(a, free_multiply(b, c))
            np.testing.assert_allclose(other.density(x), reference.density(x), atol=1e-11)
        nested = free_multiply(Opaque(free_multiply(*laws[:2])), laws[2])
        np.testing.assert_allclose(nested.density(x), reference.density(x), atol=1e-10)
        np.testing.assert_allclose(flat(nested.support), flat(reference.support), atol=1e-10)

    def test_a_sum_of_a_product(self):
        """Evidence: closed form; moments of (MP ⊠ MP) ⊞ semicircle from free cumulants."""
        product = free_multiply(MP(0.5), MP(0.3))
        law = free_add(product, Semicircle())
        cumulants = _cumulants([product.moment(k) for k in range(1, 7)]) + np.array([0, 1, 0, 0, 0, 0])
        for k, expected in enumerate(_moments(cumulants), start=1):
            assert law.moment(k) == pytest.approx(expected, rel=1e-9)

    def test_powers_are_repeated_sums_and_products(self):
        """Evidence: symmetry; whole powers, and t + (1/2 of the square)."""
        three = Discrete([0.0, 1.0, 3.0], [0.5, 0.25, 0.25])
        x = np.linspace(0.5, 6.0, 12)
        twice = free_add(three, free_power(three, 1.5))
        np.testing.assert_allclose(twice.density(x), free_power(three, 2.5).density(x), atol=1e-11)
        half = free_power(Opaque(free_power(MP(0.5), 2.0, kind="multiply")), 1.5, kind="multiply")
        whole = free_power(MP(0.5), 3.0, kind="multiply")
        x = inside(whole, 12)
        np.testing.assert_allclose(half.density(x), whole.density(x), rtol=1e-8)

    def test_points_shift_and_stretch(self):
        """Evidence: closed form."""
        assert free_add(Dirac(1.0), Dirac(2.0)) == Dirac(3.0)
        assert free_multiply(Dirac(-1.0), Dirac(2.0)) == Dirac(-2.0)
        assert free_multiply(Dirac(0.0), Semicircle()) == Dirac(0.0)
        assert free_power(Dirac(3.0), 2.0, kind="multiply") == Dirac(9.0)
        assert free_add(MP(0.5), Discrete([2.0], [1.0])) == Affine(MP(0.5), 1.0, 2.0)
        assert free_add(free_add(MP(0.5), Dirac(2.0)), Dirac(-2.0)) == MP(0.5)
        assert free_power(COIN, 1.0) is COIN
        moved = free_add(free_add(Semicircle(), Dirac(3.0)), COIN)
        x = np.linspace(-2.0, 2.0, 9)
        np.testing.assert_allclose(
            moved.density(x + 3.0), free_add(Semicircle(), COIN).density(x), atol=1e-13
        )
        flipped = free_multiply(free_multiply(MP(0.5), Dirac(-2.0)), MP(0.3))
        straight = free_multiply(MP(0.5), MP(0.3))
        x = inside(straight, 9)
        np.testing.assert_allclose(flipped.density(-2.0 * x), straight.density(x) / 2.0, rtol=1e-12)
        np.testing.assert_allclose(flipped.cdf(-2.0 * x), 1.0 - straight.cdf(x), atol=1e-12)

    def test_compression(self):
        """Evidence: closed form; corners of a semicircle and of a projection, and free_power back again."""
        corner = free_compress(Semicircle(2.0), 0.5)
        x = np.linspace(-1.9, 1.9, 9)
        np.testing.assert_allclose(corner.density(x), Semicircle(1.0).density(x), atol=1e-13)
        p, t = 0.7, 0.6
        corner, product = free_compress(projection(p), t), free_multiply(projection(p), projection(t))
        x = inside(product, 9)
        np.testing.assert_allclose(corner.density(x), product.density(x) / t, rtol=1e-10)
        assert corner.atoms[1.0] == pytest.approx((p + t - 1.0) / t, abs=1e-14)
        back = free_power(free_compress(MP(0.5), 0.25), 4.0)
        assert back.moment(3) == pytest.approx(_moments([4.0 * 0.125**k for k in range(3)])[2], rel=1e-10)

    def test_moments_of_sums_from_free_cumulants(self):
        """Evidence: closed form; cumulants by the recursion over non-crossing partitions, written here."""
        a, b = Discrete([0.0, 1.0, 3.0], [0.5, 0.25, 0.25]), QuarterCircle(2.0)
        law = free_add(a, b)
        total = sum(_cumulants([part.moment(k) for k in range(1, 9)]) for part in (a, b))
        for k, expected in enumerate(_moments(total), start=1):
            assert law.moment(k) == pytest.approx(expected, rel=1e-10)

    def test_moments_of_products_by_lagrange_inversion(self):
        """Evidence: closed form; m_k = (1/k)[w^{k−1}](Π(1 + c w)(1 + w))^k."""
        law = five_products()
        base = np.poly1d([1.0, 1.0])
        for aspect in (0.1, 0.3, 0.5, 0.8, 1.3):
            base = base * np.poly1d([aspect, 1.0])
        for k in range(1, 7):
            assert law.moment(k) == pytest.approx((base**k).coeffs[::-1][k - 1] / k, rel=1e-10)

    def test_a_symmetric_factor_needs_no_s_transform(self):
        """Evidence: closed form; ±1 times free b has moments κ-free: m₂ = b₁², m₄ = 2b₁²b₂ − b₁⁴; odd ones vanish."""
        b = Discrete([1.0, 5.0], [0.5, 0.5])
        law = free_multiply(COIN, b)
        b1, b2 = b.mean, b.moment(2)
        assert law.moment(2) == pytest.approx(b1**2, rel=1e-12)
        assert law.moment(4) == pytest.approx(2.0 * b1**2 * b2 - b1**4, rel=1e-11)
        assert abs(law.moment(3)) < 1e-9
        np.testing.assert_allclose(law.density([-2.0, -4.0]), law.density([2.0, 4.0]), rtol=1e-11)


class TestHardCases:
    @pytest.mark.parametrize("seed", range(8))
    def test_random_discrete_sums(self, seed):
        """Evidence: closed form; six moments of sums with gaps and atoms anywhere, and mass in every interval."""
        rng = np.random.default_rng(seed)
        parts = [Discrete(rng.normal(size=k), rng.dirichlet(np.ones(k))) for k in rng.integers(2, 5, size=2)]
        law = free_add(*parts)
        total = sum(_cumulants([part.moment(k) for k in range(1, 7)]) for part in parts)
        radius = max(abs(law.quantile(0.0)), abs(law.quantile(1.0)))
        for k, expected in enumerate(_moments(total), start=1):
            assert abs(law.moment(k) - expected) < 1e-10 * radius**k
        for a, b in law.support:
            assert law.cdf(b, side="left") - law.cdf(a) > 1e-6
            assert np.all(law.density(a + (b - a) * np.linspace(0.02, 0.98, 9)) > 0.0)

    def test_a_root_at_infinity_is_not_a_solution(self):
        """Evidence: closed form; Newton can run ω to infinity at a node of this sum, where G would seem to be 0."""
        law = free_add(Discrete([-3.6, -2.9], [0.6438, 0.3562]), Semicircle(2.8))
        x = inside(law, 200, 0.001)
        sum_rule = -3.6 * 0.3562 - 2.9 * 0.6438
        exact = []
        for t in x:
            left = np.polymul([-1.0, t], np.polymul([1.0, 3.6], [1.0, 2.9])) / 2.8
            exact.append(np.max(np.roots(np.polyadd(left, [-1.0, sum_rule])).imag) / (2.8 * pi))
        np.testing.assert_allclose(law.density(x), exact, atol=1e-11)
        assert law.cdf(law.support[0][1]) == 1.0

    def test_the_cusp_where_two_intervals_touch(self):
        """Evidence: closed form; with w = z − G the equation G = w/(w² − 1) gives z = G³ to leading order, so that
        the density near 0 is (√3/2)|x|^(1/3)/π, and 0 at 0 itself.
        """
        law = free_add(Semicircle(), COIN)
        assert law.support == [
            (pytest.approx(-1.5 * 3**0.5, abs=1e-12), pytest.approx(1.5 * 3**0.5, abs=1e-12))
        ]
        assert law.density(0.0) == 0.0
        x = np.array([-1e-9, 1e-9, 1e-8, -1e-8])
        np.testing.assert_allclose(law.density(x), 3**0.5 / 2 * np.cbrt(np.abs(x)) / pi, rtol=1e-5)

    def test_an_edge_just_short_of_the_edge_of_a_part(self):
        """Evidence: closed form; at the upper edge the second law's ω is 1e-6 from its own edge, where the inverse
        function of G turns; the edge is where x = ω_1 + R_2(G_1(ω_1)) is stationary, in 40 digits.
        """
        law = free_add(Discrete([-1.0, -0.8], [0.1074, 0.8926]), MP(2.24, 1.72))
        with mpmath.workdps(40):

            def x(omega):
                g = mpmath.mpf("0.1074") / (omega + 1) + mpmath.mpf("0.8926") / (omega + mpmath.mpf("0.8"))
                return omega + mpmath.mpf("1.72") / (1 - mpmath.mpf("2.24") * mpmath.mpf("1.72") * g)

            edge = x(mpmath.findroot(lambda omega: mpmath.diff(x, omega), 5.61))
        assert law.support[-1][1] == pytest.approx(float(edge), abs=1e-9)
        assert law.cdf(law.support[-1][1]) == 1.0

    def test_the_parts_of_a_product_of_three_discrete_laws(self):
        """Evidence: contract; moments of the density are those of the parts, with no piece lost or made up."""
        first = free_multiply(
            Discrete([2.4, 2.9, 4.1], [0.2675, 0.305, 0.4275]), Discrete([0.5, 2.0], [0.3828, 0.6172])
        )
        law = free_multiply(first, Discrete([1.14, 1.18, 1.99], [0.1161, 0.5035, 0.3804]))
        assert len(law.support) == 2
        assert law._expectation(lambda x: x) == pytest.approx(law.mean, rel=1e-9)

    def test_a_gap_of_a_billionth_beside_a_hard_edge(self):
        """Evidence: closed form; a coin with bias 1e-3 times MP(1) is a compound free Poisson law,
        x = 1/g + E[λ/(1 − λg)], whose hard edge at 0 is one-sided: a gap ends at the critical value just below 0.
        """
        bias = 1e-3
        up, down = 0.5 + 0.5 * bias, 0.5 - 0.5 * bias
        law = free_multiply(Discrete([-1.0, 1.0], [down, up]), MP(1.0))
        assert len(law.support) == 2
        assert law.support[1][0] == 0.0
        with mpmath.workdps(40):

            def x(g):
                return 1 / g + mpmath.mpf(up) / (1 - g) - mpmath.mpf(down) / (1 + g)

            turning = mpmath.findroot(lambda g: mpmath.diff(x, g), -1500)
            assert law.support[0][1] == pytest.approx(float(x(turning)), rel=1e-6)


class TestSimulation:
    """Eigenvalues of random matrices lie within O(log n / n) of the quantiles: KS ≤ 6/n with room for one draw."""

    @pytest.mark.parametrize("n", [100, 400])
    def test_sum_of_rotated_matrices(self, n):
        """Evidence: simulation with a finite-size error."""
        a, b = Discrete([-1.0, 0.0, 2.0], [0.25, 0.5, 0.25]), MP(0.5)
        rng = np.random.default_rng(3)
        points = np.repeat([-1.0, 0.0, 2.0], [n // 4, n // 2, n // 4])
        matrix = np.diag(points) + rl.ensembles.wishart(n, 2 * n, rng=rng)
        assert _distance(free_add(a, b), np.linalg.eigvalsh(matrix)) < 6.0 / n

    @pytest.mark.parametrize("n", [100, 400])
    def test_product_of_rotated_matrices(self, n):
        """Evidence: simulation with a finite-size error; the symmetric factor has no S-transform."""
        rng = np.random.default_rng(4)
        root = np.sqrt(np.repeat([1.0, 4.0], n // 2))
        matrix = root[:, None] * rl.ensembles.goe(n, rng=rng) * root
        law = free_multiply(Semicircle(), Discrete([1.0, 4.0], [0.5, 0.5]))
        assert _distance(law, np.linalg.eigvalsh(matrix)) < 6.0 / n

    @pytest.mark.parametrize("n", [100, 400])
    def test_corner_of_a_rotated_matrix(self, n):
        """Evidence: simulation with a finite-size error."""
        q = rl.ensembles.haar_orthogonal(n, rng=5)
        matrix = (q * np.repeat([0.0, 1.0, 3.0], [n // 4, n // 2, n // 4])) @ q.T
        law = free_compress(Discrete([0.0, 1.0, 3.0], [0.25, 0.5, 0.25]), 0.25)
        m = n // 4
        assert _distance(law, np.linalg.eigvalsh(matrix[:m, :m])) < 6.0 / m


class TestEmpirical:
    EIGENVALUES = np.linalg.eigvalsh(rl.ensembles.wishart(1000, 2000, rng=0))

    def test_against_an_independent_fixed_point(self):
        """Evidence: independent iteration; Pastur's G = mean 1/(z − G − λ), at Im z = 0.1 where it contracts."""
        law = free_add(Empirical(self.EIGENVALUES), Semicircle())
        for x in (-1.0, 0.5, 3.0):
            z, g = complex(x, 0.1), -1j
            for _ in range(600):
                g = 0.5 * (g + np.mean(1.0 / (z - g - self.EIGENVALUES)))
            assert abs(law.cauchy(z) - g) < 1e-11
        assert law.moment(2) == pytest.approx(np.mean(self.EIGENVALUES**2) + 1.0, rel=1e-11)

    def test_clusters_and_outliers_keep_their_own_intervals(self):
        """Evidence: limit; an outlier of weight w at λ far away is a semicircle of radius 2√(w·var) about λ + var·G."""
        values = np.concatenate([self.EIGENVALUES[::5], [12.0]])
        law = free_add(Empirical(values), Semicircle(0.01))
        low, high = law.support[-1]
        weight = 1.0 / values.size
        assert 0.5 * (low + high) == pytest.approx(
            12.0 + 0.01 * np.mean(1.0 / (12.0 - values[:-1])), abs=1e-4
        )
        assert high - low == pytest.approx(4.0 * sqrt(0.01 * weight), rel=1e-2)
        assert law.cdf(high) - law.cdf(low) == pytest.approx(weight, abs=1e-11)

    def test_product(self):
        """Evidence: closed form; two moments of the product of a sample with its limit."""
        law = free_multiply(Empirical(self.EIGENVALUES), MP(0.3))
        m1, m2 = np.mean(self.EIGENVALUES), np.mean(self.EIGENVALUES**2)
        assert law.moment(2) == pytest.approx(m2 + 0.3 * m1**2, rel=1e-10)
        assert _distance(law, np.sort(law.sample(2000))) < 0.06


class TestCertificate:
    def test_it_is_small_and_frozen(self):
        """Evidence: contract."""
        for law in (free_add(Semicircle(), COIN), five_products(), free_compress(MP(0.5), 0.3)):
            certificate = law.certificate
            assert certificate.converged
            assert 0.0 <= certificate.residual <= 1e-11
            assert 0 < certificate.iterations < 1000
            with pytest.raises(AttributeError):
                certificate.residual = 0.0

    def test_the_unsafe_point_of_the_sheet(self):
        """Evidence: closed form; plain iteration gives .042 for projections (.7, .5) at z = .5 + 1e-6i, truth .2917."""
        law = free_multiply(projection(0.7), projection(0.5))
        z = 0.5 + 1e-6j
        continuous = law.cauchy(z) - sum(mass / (z - x) for x, mass in law.atoms.items())
        assert -continuous.imag / pi == pytest.approx(0.2917, abs=5e-5)

    def test_the_wrong_root_of_the_sheet(self):
        """Evidence: closed form; Fuss–Catalan 3 at x = 1 has a second root, .2973, that looks like a density."""
        assert free_power(MP(1.0), 3.0, kind="multiply").density(1.0) == pytest.approx(0.1369, abs=5e-5)


def _followed_density(x, aspects):
    base = np.poly1d([1.0, 1.0])
    for aspect in aspects:
        base = base * np.poly1d([aspect, 1.0])
    m = 0.0
    for height in [*np.geomspace(1e4, 1e-6, 1500), 0.0]:
        roots = np.roots(base - np.poly1d([complex(x, height), 0.0]))
        m = roots[np.argmin(np.abs(roots - m))]
    with mpmath.workdps(30):
        coefficients = [mpmath.mpf(c) for c in base.coeffs]
        root = mpmath.findroot(lambda t: mpmath.polyval(coefficients, t) - x * t, mpmath.mpc(m))
    return abs(float(mpmath.im(root))) / (pi * x)


def _moments(cumulants):
    """Moments from free cumulants: m_n = Σ_s κ_s Σ_{i_1+…+i_s = n−s} m_{i_1}⋯m_{i_s}."""
    moments = [1.0]
    for n in range(1, len(cumulants) + 1):
        total, power = 0.0, np.array([1.0])
        for s in range(1, n + 1):
            power = np.convolve(power, moments)
            total += cumulants[s - 1] * (power[n - s] if n - s < power.size else 0.0)
        moments.append(total)
    return moments[1:]


def _cumulants(moments):
    cumulants = np.zeros(len(moments))
    for n, moment in enumerate(moments):
        cumulants[n] = moment - _moments(cumulants[: n + 1])[n]
    return cumulants


def _distance(law, eigenvalues):
    n = eigenvalues.size
    levels = np.arange(n + 1) / n
    cdf = law.cdf(eigenvalues)
    left = law.cdf(eigenvalues, side="left")
    return max(np.max(np.abs(cdf - levels[1:])), np.max(np.abs(left - levels[:-1])))


@pytest.mark.parametrize("points", [[0.0, 1.0], [0.0, 0.5], [-1.0, 0.0], [0.0, 10.0], [-0.1, 0.2]])
def test_two_equal_coins_add_up_to_an_arcsine_law_wherever_they_stand(points):
    """Evidence: closed form; the edge may be 0, where floats have far more digits than the equations."""
    coin = Discrete(points, [0.5, 0.5])
    law, reach = free_add(coin, coin), points[1] - points[0]
    exact = Affine(Arcsine(reach), 1.0, sum(points))
    np.testing.assert_allclose(law.support[0], exact.support[0], atol=1e-14 * max(map(abs, points)))
    x = np.linspace(*exact.support[0], 9)
    np.testing.assert_allclose(law.cdf(x), exact.cdf(x), atol=2e-8)


@pytest.mark.parametrize("excess", [1e-9, 1e-6, 1e-4])
def test_a_power_just_above_one_keeps_its_narrow_piece(excess):
    """Evidence: closed form; for the coin on 0 and 1 it is [t/2 − √(t − 1), t/2 + √(t − 1)], of mass t − 1."""
    law = free_power(Discrete([0.0, 1.0], [0.5, 0.5]), 1.0 + excess)
    ((low, high),) = law.support
    assert sum(law.atoms.values()) == pytest.approx(1.0 - excess, abs=1e-15)
    assert (high - low) / 2 == pytest.approx(np.sqrt(excess), rel=1e-6)
    assert law.cdf(high) - law.cdf(low) == pytest.approx(excess, rel=1e-6)
