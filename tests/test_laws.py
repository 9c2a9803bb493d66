"""Spectral laws. Every class inherits the contract and adds its own closed forms and limits, each tagged."""

import inspect
from dataclasses import dataclass
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
    MarchenkoPastur,
    QuarterCircle,
    Semicircle,
    SpectralLaw,
)
from tests.law_contract import LawContract


class TestSemicircle(LawContract):
    laws = (Semicircle(), Semicircle(var=2.5), Semicircle(var=1e-6), Semicircle(var=1e6))

    def test_against_the_textbook(self):
        """Evidence: closed form; Catalan moments, the height at 0, G by the Joukowski map."""
        law = Semicircle(var=4.0)
        assert [Semicircle().moment(2 * k) for k in range(6)] == [1, 1, 2, 5, 14, 42]
        assert law.density(0.0) == pytest.approx(1.0 / (2.0 * pi), rel=1e-15)
        assert law.cdf(0.0) == 0.5
        w = 0.3 * np.exp(0.7j)
        assert law.cauchy(2.0 * (w + 1.0 / w)) == pytest.approx(w / 2.0, rel=1e-14)

    def test_it_is_stable_under_free_addition(self):
        """Evidence: closed form; R is linear in var."""
        g = np.linspace(-3.0, 3.0, 7)
        np.testing.assert_allclose(
            Semicircle(1.5).r_transform(g),
            Semicircle(1.0).r_transform(g) + Semicircle(0.5).r_transform(g),
            atol=1e-15,
        )

    def test_far_from_the_spectrum_g_keeps_its_digits(self):
        """Evidence: limit; z − √z²−4 would lose them all at z = 1e9."""
        assert 1e9 * Semicircle().cauchy(1e9) == pytest.approx(1.0, rel=1e-15)


class TestQuarterCircle(LawContract):
    laws = (QuarterCircle(), QuarterCircle(scale=0.04), QuarterCircle(scale=300.0))

    def test_its_square_is_marchenko_pastur(self):
        """Evidence: closed form; singular values squared are eigenvalues at aspect 1."""
        x = np.linspace(0.0, 2.0 * sqrt(1.7), 101)
        square = MarchenkoPastur(1.0, scale=1.7)
        np.testing.assert_allclose(QuarterCircle(1.7).cdf(x), square.cdf(x**2), atol=2e-15)
        for k in range(1, 6):
            assert QuarterCircle(1.7).moment(2 * k) == pytest.approx(square.moment(k), rel=1e-13)

    def test_it_is_the_absolute_value_of_a_semicircle(self):
        """Evidence: symmetry; G(z) − G(−z) reflected add to twice the semicircle's transform."""
        z = np.array([0.4 + 0.1j, -1.0 + 0.01j, 3.0 + 0.5j, 1e-3j, -0.2 + 1e-9j, 1e4 + 1j])
        both = QuarterCircle().cauchy(z) - QuarterCircle().cauchy(-z)
        np.testing.assert_allclose(both, 2.0 * Semicircle().cauchy(z), rtol=1e-13)

    @pytest.mark.parametrize("z", [-1.0, -1e-3, -5.0, 2.5, 0.3 + 1e-4j, 0.5j, -1.5 + 1e-6j, 100.0 + 3j])
    def test_cauchy_against_quadrature(self, z):
        """Evidence: independent quadrature (mpmath), on the cut of the closed form's pieces, too."""
        exact = mpmath.quad(
            lambda t: mpmath.sqrt(4 - t * t) / mpmath.pi / (mpmath.mpc(z) - t), _graded(0, 2, z)
        )
        assert abs(QuarterCircle().cauchy(z) - complex(exact)) < 2e-14 * abs(complex(exact))


class TestMarchenkoPastur(LawContract):
    laws = (
        *(MarchenkoPastur(c) for c in (1e-3, 0.3, 0.99, 1.0, 2.0, 50.0)),
        MarchenkoPastur(0.5, scale=3.0),
        MarchenkoPastur(1.0, scale=1e-4),
        MarchenkoPastur(4.0, scale=250.0),
    )

    @pytest.mark.parametrize("c", [1e-6, 1e-3, 0.08, 0.1, 0.3, 0.999, 1.0, 1.001, 2.0, 50.0, 1e6])
    def test_cdf_against_quadrature(self, c):
        """Evidence: independent quadrature (mpmath at 30 digits) of the density in the angle."""
        law, (low, high) = MarchenkoPastur(c), MarchenkoPastur(c).support[0]
        mass = min(1.0, 1.0 / c)
        with mpmath.workdps(30):
            root = mpmath.sqrt(c)

            def in_angle(t):
                distance = (1 - root) ** 2 + 4 * root * mpmath.sin(t / 2) ** 2
                return 2 * mpmath.sin(t) ** 2 / (mpmath.pi * distance)

            for u in (1e-3, 0.1, 0.5, 0.9, 0.999):
                x = low + u * (high - low)
                t = mpmath.acos((1 + mpmath.mpf(c) - mpmath.mpf(x)) / (2 * root))
                pieces = [0, *(s for s in (1e-3, 1e-2, 0.1, 1.0) if s < t), t]
                exact = float(mpmath.quad(in_angle, pieces))
                assert abs(law.cdf(x) - law.cdf(0.0) - exact) < 1e-12 * mass + 1e-15

    def test_the_hard_edge_is_exact(self):
        """Evidence: limit; at aspect 1 F(x) ≈ 2√x/π near 0, so Q(p) ≈ (πp/2)², in relative terms."""
        law = MarchenkoPastur(1.0)
        x = 10.0 ** np.arange(-300.0, -12.0, 12.0)
        np.testing.assert_allclose(law.cdf(x), 2.0 * np.sqrt(x) / pi, rtol=1e-12)
        p = np.array([1e-100, 1e-30, 1e-12, 1e-8])
        np.testing.assert_allclose(law.quantile(p), (pi * p / 2.0) ** 2, rtol=1e-13)
        np.testing.assert_allclose(law.density(x) * np.sqrt(x), 1.0 / pi, rtol=1e-12)
        assert law.density(0.0) == np.inf

    def test_tiny_aspect_is_a_semicircle_about_the_scale(self):
        """Evidence: limit; (x − 1)/√c tends to the semicircle with error O(√c)."""
        x = np.linspace(-1.9, 1.9, 21)
        for c in (1e-6, 1e-8):
            gap = MarchenkoPastur(c).cdf(1.0 + sqrt(c) * x) - Semicircle().cdf(x)
            assert np.max(np.abs(gap)) < 0.5 * sqrt(c)

    @pytest.mark.parametrize("c", [1.3, 2.0, 1e6])
    def test_transposing_the_matrix_moves_only_zeros(self, c):
        """Evidence: symmetry; c·MP(1/c) carries the non-zero eigenvalues of MP(c), a fraction 1/c of them."""
        law, twin = MarchenkoPastur(c), MarchenkoPastur(1.0 / c, scale=c)
        x = np.linspace(*law.support[0], 31)
        np.testing.assert_allclose(law.cdf(x) - 1.0 + 1.0 / c, twin.cdf(x) / c, atol=2e-15)
        z = np.mean(x) * (1.0 + 0.2j)
        assert law.cauchy(z) == pytest.approx(twin.cauchy(z) / c + (1.0 - 1.0 / c) / z, rel=1e-12)

    def test_the_atom_is_everywhere(self):
        """Evidence: closed form; aspect 2 has half its mass at 0, also in sample and quantile."""
        law = MarchenkoPastur(2.0, scale=3.0)
        assert law.atoms == {0.0: 0.5}
        assert (law.cdf(-1e-12), law.cdf(0.0), law.cdf(0.1)) == (0.0, 0.5, 0.5)
        assert law.density(0.0) == 0.0
        assert law.quantile(0.5) == 0.0
        assert law.quantile(0.5 + 1e-9) > law.support[0][0] * (1.0 - 1e-12)
        zeros = np.count_nonzero(law.sample(10_000) == 0.0)
        assert abs(zeros - 5000) < 6.0 * 50.0
        assert 1e-8 * law.cauchy(1e-8j) * 1j == pytest.approx(0.5, abs=1e-7)

    def test_against_the_textbook(self):
        """Evidence: closed form; Narayana moments and both free transforms."""
        law = MarchenkoPastur(0.25, scale=2.0)
        assert law.moment(3) == pytest.approx(8.0 * (1 + 3 * 0.25 + 0.25**2), rel=1e-15)
        assert [MarchenkoPastur(1.0).moment(k) for k in range(1, 6)] == [
            comb(2 * k, k) / (k + 1) for k in range(1, 6)
        ]
        assert law.r_transform(0.5) == pytest.approx(2.0 / 0.75, rel=1e-15)
        assert law.s_transform(0.5) == pytest.approx(0.5 / 1.125, rel=1e-15)

    def test_the_poles_of_its_transforms_are_refused(self):
        """Evidence: contract."""
        with pytest.raises(ValueError, match="pole"):
            MarchenkoPastur(0.5).r_transform(2.0)
        with pytest.raises(ValueError, match="pole"):
            MarchenkoPastur(0.5).s_transform(-2.0)


class TestArcsine(LawContract):
    laws = (Arcsine(), Arcsine(radius=0.3), Arcsine(radius=40.0))

    def test_against_the_textbook(self):
        """Evidence: closed form; central binomial moments, R of two fair coins, F and Q in degrees."""
        assert [Arcsine().moment(2 * k) for k in range(5)] == [1, 2, 6, 20, 70]
        g = np.array([-2.0, -0.1, 1e-9, 0.3, 5.0])
        np.testing.assert_allclose(Arcsine().r_transform(g) * g, np.sqrt(1.0 + 4.0 * g**2) - 1.0, atol=1e-15)
        assert Arcsine().cdf(1.0) == pytest.approx(2.0 / 3.0, rel=1e-15)
        assert Arcsine().quantile(2.0 / 3.0) == pytest.approx(1.0, rel=1e-15)
        assert Arcsine().density(2.0) == np.inf

    def test_it_is_the_free_sum_of_two_coins(self):
        """Evidence: closed form against certified inversion; R of ±1 is half of the arcsine's."""
        coin = Discrete([-1.0, 1.0], [0.5, 0.5])
        g = np.array([-3.0, -0.4, 0.01, 0.2, 2.0])
        np.testing.assert_allclose(2.0 * coin.r_transform(g), Arcsine().r_transform(g), rtol=1e-11)


class TestDirac(LawContract):
    laws = (Dirac(2.0), Dirac(0.0), Dirac(-3.5))

    def test_everything_is_the_point(self):
        """Evidence: closed form."""
        law = Dirac(-2.0)
        assert (law.mean, law.var, law.moment(3)) == (-2.0, 0.0, -8.0)
        assert law.cauchy(1.0) == pytest.approx(1.0 / 3.0)
        assert law.r_transform([1.0, 9.0]).tolist() == [-2.0, -2.0]
        assert law.s_transform(0.7) == -0.5


class TestDiscrete(LawContract):
    laws = (
        Discrete([0.0, 1.0], [0.7, 0.3]),
        Discrete([-1.0, 1.0], [0.5, 0.5]),
        Discrete([3.0, -1.0, 2.0], [0.5, 0.2, 0.3]),
        Discrete(np.arange(1.0, 40.0), np.full(39, 1.0 / 39.0)),
    )

    def test_it_sorts_merges_and_drops(self):
        """Evidence: contract; the law does not depend on how its points are listed."""
        law = Discrete([2.0, 0.0, 2.0, 5.0], [0.25, 0.5, 0.25, 0.0])
        assert law.atoms == {0.0: 0.5, 2.0: 0.5}
        assert law == Discrete([0.0, 2.0], [0.5, 0.5])
        assert law != Discrete([0.0, 2.0], [0.4, 0.6])
        assert law.support == []

    def test_quantile_on_a_jump(self):
        """Evidence: closed form; the smallest x with F(x) ≥ p."""
        law = Discrete([0.0, 1.0], [0.25, 0.75])
        assert law.quantile([0.0, 0.25, 0.2500001, 1.0]).tolist() == [0.0, 0.0, 1.0, 1.0]

    def test_s_transform_of_a_projection(self):
        """Evidence: closed form, S = (1 + m)/(p + m), down to the end of its range at m = −p."""
        m = np.array([-0.2999, -0.2, -1e-5, 1e-7, 0.3, 20.0])
        exact = (1.0 + m) / (0.3 + m)
        np.testing.assert_allclose(Discrete([0.0, 1.0], [0.7, 0.3]).s_transform(m), exact, rtol=1e-10)

    def test_r_transform_of_a_coin(self):
        """Evidence: closed form, R = (√(1 + 4g²) − 1)/(2g), at complex g, too."""
        g = np.array([1e-6, 0.004, 0.1, 0.1j, 0.15 * np.exp(2j)])
        np.testing.assert_allclose(
            Discrete([-1.0, 1.0], [0.5, 0.5]).r_transform(g), 2 * g / (1 + np.sqrt(1 + 4 * g**2)), rtol=1e-11
        )


class TestEmpirical(LawContract):
    laws = (
        Empirical([1.0, 2.0, 2.0, 7.0]),
        Empirical(np.random.default_rng(0).standard_normal(300)),
        Empirical(np.random.default_rng(1).random(101)),
    )

    def test_it_counts_eigenvalues(self):
        """Evidence: closed form; F is a step function, exact in sevenths."""
        law = Empirical([3.0, 1.0, 1.0, 2.0, 2.0, 2.0, 0.0])
        assert law.cdf([-1.0, 0.0, 1.0, 1.5, 2.0, 3.0]).tolist() == [0.0, 1 / 7, 3 / 7, 3 / 7, 6 / 7, 1.0]
        assert law.cdf([0.0, 1.0, 2.0, 3.0], side="left").tolist() == [0.0, 1 / 7, 3 / 7, 6 / 7]
        assert law.atoms[2.0] == 3 / 7
        assert law.eigenvalues.tolist() == [0.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0]

    def test_it_keeps_its_own_copy(self):
        """Evidence: contract."""
        values = np.array([2.0, 1.0])
        law = Empirical(values)
        values[0] = 9.0
        assert law.eigenvalues.tolist() == [1.0, 2.0]
        with pytest.raises(ValueError, match="read-only"):
            law.eigenvalues[0] = 5.0

    def test_its_transforms_are_those_of_the_matrix(self):
        """Evidence: closed form; the normalised trace of the resolvent and of powers."""
        matrix = rl.ensembles.goe(40, rng=0)
        law = Empirical(np.linalg.eigvalsh(matrix))
        resolvent = np.linalg.inv((0.3 + 0.2j) * np.eye(40) - matrix)
        assert law.cauchy(0.3 + 0.2j) == pytest.approx(np.trace(resolvent) / 40, rel=1e-12)
        assert law.moment(4) == pytest.approx(np.trace(np.linalg.matrix_power(matrix, 4)) / 40, rel=1e-12)

    def test_a_torch_like_tensor_is_taken(self):
        """Evidence: contract; anything with detach().cpu().numpy()."""

        class Tensor:
            def detach(self):
                return self

            cpu = detach

            def numpy(self):
                return np.array([2.0, 1.0])

        assert Empirical(Tensor()).mean == 1.5


@dataclass(frozen=True)
class FromDensity(SpectralLaw):
    """A law that says only its support, its atoms and its density."""

    model: SpectralLaw

    @property
    def support(self):
        return self.model.support

    @property
    def atoms(self):
        return self.model.atoms

    def _density(self, x):
        return self.model._density(x)


@dataclass(frozen=True)
class FromCauchy(SpectralLaw):
    """A law that says only its support, its atoms and its Cauchy transform."""

    model: SpectralLaw

    @property
    def support(self):
        return self.model.support

    @property
    def atoms(self):
        return self.model.atoms

    def _cauchy(self, z):
        return self.model._cauchy(z)


@dataclass(frozen=True)
class FreeProjections(FromDensity):
    """The product PQP of two free projections of ranks p and q with p + q < 1."""

    model: SpectralLaw | None = None
    p: float = 0.5
    q: float = 0.3

    @property
    def support(self):
        middle, half = (
            self.p + self.q - 2 * self.p * self.q,
            sqrt(4 * self.p * self.q * (1 - self.p) * (1 - self.q)),
        )
        return [(middle - half, middle + half)]

    @property
    def atoms(self):
        return {0.0: 1.0 - min(self.p, self.q)}

    def _density(self, x):
        (a, b) = self.support[0]
        return np.sqrt(np.maximum((b - x) * (x - a), 0.0)) / (2.0 * pi * x * (1.0 - x))


@dataclass(frozen=True)
class TwoIntervals(SpectralLaw):
    """Half semicircles at −3 and at 2 with an atom between them."""

    weight: float = 0.25

    @property
    def support(self):
        return [(-5.0, -1.0), (1.0, 3.0)]

    @property
    def atoms(self):
        return {0.5: self.weight}

    def _density(self, x):
        left, right = Semicircle(1.0)._density(x + 3.0), Semicircle(0.25)._density(x - 2.0)
        return 0.5 * (1.0 - self.weight) * (left + right)


class TestFromDensity(LawContract):
    laws = (
        FromDensity(MarchenkoPastur(1.0)),
        FromDensity(MarchenkoPastur(2.0, scale=3.0)),
        FreeProjections(),
        TwoIntervals(),
    )

    @pytest.mark.parametrize(
        "model", [Semicircle(2.0), QuarterCircle(), MarchenkoPastur(1.0), MarchenkoPastur(3.0)]
    )
    def test_quadrature_agrees_with_closed_forms(self, model):
        """Evidence: closed form; near the axis and near the edges, too."""
        law, (low, high) = FromDensity(model), model.support[0]
        x = np.linspace(low, high, 101)
        np.testing.assert_allclose(law.cdf(x), model.cdf(x), atol=2e-14)
        z = np.array([0.5 * (low + high) + 1e-9j, high + 1e-6, low + 0.01 + 1e-4j, high + 1e-5j, -3.0])
        np.testing.assert_allclose(law.cauchy(z), model.cauchy(z), rtol=1e-11)
        g = np.array([-0.05, 1e-5, 0.02, 0.05]) * 2.0
        np.testing.assert_allclose(law.r_transform(g), model.r_transform(g), atol=1e-11 * high)


class TestFromCauchy(LawContract):
    laws = (
        FromCauchy(MarchenkoPastur(1.0)),
        FromCauchy(MarchenkoPastur(2.0, scale=3.0)),
    )
    accuracy = 1e-10  # seven heights, extrapolated
    draws = 200

    @pytest.mark.parametrize(
        "model", [Semicircle(2.0), QuarterCircle(), MarchenkoPastur(1.0), MarchenkoPastur(3.0)]
    )
    def test_boundary_values_agree_with_closed_forms(self, model):
        """Evidence: closed form."""
        law, (low, high) = FromCauchy(model), model.support[0]
        x = low + (high - low) * np.array([1e-6, 1e-4, 0.1, 0.5, 0.9, 0.9999])
        np.testing.assert_allclose(law.density(x), model.density(x), rtol=1e-9)
        np.testing.assert_allclose(law.cdf(x), model.cdf(x), atol=1e-10)


class TestEdgesOfTheDomain:
    """Evidence: contract; beyond the domain there is a sentence, up to its end there is a certified value."""

    def test_r_transform_ends_where_g_ends(self):
        law = FromCauchy(Semicircle())
        np.testing.assert_allclose(law.r_transform([-0.999, 0.999]), [-0.999, 0.999], atol=1e-10)
        with pytest.raises(ValueError, match="exists at real g from -1 to 1"):
            law.r_transform(1.1)
        with pytest.raises(ValueError, match="complex g"):
            law.r_transform(0.9j)

    def test_s_transform_ends_at_the_mass_at_zero(self):
        law = FromCauchy(MarchenkoPastur(2.0))
        np.testing.assert_allclose(law.s_transform([-0.499, 0.5]), [1.0 / 0.002, 0.5], rtol=1e-9)
        with pytest.raises(ValueError, match=r"above -0\.5"):
            law.s_transform(-0.6)
        with pytest.raises(ValueError, match="certain to exist"):
            Discrete([-1.0, 2.0], [0.5, 0.5]).s_transform(0.9)

    def test_a_law_that_says_nothing_is_refused(self):
        with pytest.raises(TypeError, match="must define _density or _cauchy"):
            type("Silent", (SpectralLaw,), {})

    def test_every_public_law_inherits_the_contract_here(self):
        tested = {type(law) for case in LawContract.__subclasses__() for law in case.laws}
        public = {getattr(rl.laws, name) for name in rl.laws.__all__}
        laws = {thing for thing in public if inspect.isclass(thing) and not inspect.isabstract(thing)}
        assert laws <= tested


def _graded(a, b, z):
    near = min(max(complex(z).real, a), b)
    steps = [10.0**-k for k in range(1, 8)]
    marks = {a, b, near, *(near + s for s in steps), *(near - s for s in steps)}
    return sorted(x for x in marks if a <= x <= b)
