"""Spectral laws. Every class inherits the contract and adds its own closed forms and limits, each tagged."""

import importlib
import inspect
import pickle
from dataclasses import dataclass
from itertools import pairwise
from math import comb, pi, sqrt
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy import integrate, special, stats

import rmtlab as rl
from rmtlab.laws import (
    Arcsine,
    Circular,
    CircularModulus,
    Dirac,
    Discrete,
    Empirical,
    MarchenkoPastur,
    QuarterCircle,
    Semicircle,
    SpectralLaw,
    TracyWidom,
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


class TestCircularModulus(LawContract):
    laws = (CircularModulus(), CircularModulus(radius=0.03), CircularModulus(radius=40.0))

    @pytest.mark.parametrize(
        "z", [-1e-6, -0.5, -2.0, 1.0 + 1e-9, 1.5, 3.99, 4.01, -4.01, 1e6, 0.5 + 1e-7j, 1e-9j, 2j]
    )
    def test_cauchy_against_quadrature(self, z):
        """Evidence: independent quadrature (mpmath), on both sides of the change from formula to series."""
        exact = mpmath.quad(lambda r: 2 * r / (mpmath.mpc(z) - r), _graded(0, 1, z))
        assert abs(CircularModulus().cauchy(z) - complex(exact)) < 3e-14 * abs(complex(exact))


class TestCircular:
    def test_it_is_frozen_and_says_its_parameters(self):
        """Evidence: contract."""
        law = Circular(scale=2.25)
        with pytest.raises(AttributeError):
            law.scale = 1.0
        assert (repr(law), law.radius) == ("Circular(scale=2.25)", 1.5)
        assert law == Circular(2.25)

    def test_its_mass_is_one_and_it_is_round(self):
        """Evidence: closed form, symmetry; height times area, and the same height at every angle."""
        law = Circular(scale=2.25)
        z = 1.4999 * np.exp(1j * np.linspace(0.0, 6.0, 12)).reshape(3, 4)
        np.testing.assert_allclose(law.density(z) * pi * law.radius**2, np.ones((3, 4)), rtol=1e-15)
        assert not np.any(law.density(1.001 * z))
        assert isinstance(law.density(0.5), float)

    def test_its_shadows_are_its_modulus_and_real_part(self):
        """Evidence: independent quadrature; mass of a disc, and of the strip Re z ≤ x."""
        law = Circular(scale=2.25)
        assert law.modulus.cdf(0.6) == pytest.approx(law.density(0.0) * pi * 0.36, rel=1e-14)
        strip = mpmath.quad(lambda x: 2 * mpmath.sqrt(2.25 - x * x), [-1.5, 0.4]) * law.density(0.0)
        assert law.real_part.cdf(0.4) == pytest.approx(float(strip), rel=1e-13)

    def test_sample_is_uniform_on_the_disc(self):
        """Evidence: simulation; modulus, both parts and angle within the 1e-9 DKW bound, fixed seed."""
        law, n = Circular(scale=2.25), 4000
        draws = law.sample(n, rng=3)
        np.testing.assert_array_equal(draws, law.sample(n, rng=3))
        bound = sqrt(np.log(2e9) / (2 * n))
        for shadow, values in (
            (law.modulus, abs(draws)),
            (law.real_part, draws.real),
            (law.real_part, draws.imag),
            (stats.uniform(-pi, 2 * pi), np.angle(draws)),
        ):
            assert rl.compare(shadow, values).ks < bound

    @pytest.mark.parametrize("entries", ["gaussian", "signs"])
    def test_eigenvalues_follow_it(self, entries):
        """Evidence: simulation; the rim is blurred over a width 1/√n and about √(2n/π) eigenvalues are real,

        so that the distance is O(1/√n): below 1/√n at both sizes, for Gaussian entries and for coin flips.
        """
        rng, law = np.random.default_rng(0), Circular(scale=4.0)
        for n in (100, 400):
            matrices = [
                rl.ensembles.ginibre(n, var=4.0, rng=rng)
                if entries == "gaussian"
                else 2.0 * rng.choice([-1.0, 1.0], size=(n, n)) / sqrt(n)
                for _ in range(800 // n)
            ]
            found = np.linalg.eigvals(matrices).ravel()
            assert rl.compare(law.modulus, abs(found)).ks < 1.0 / sqrt(n)
            assert rl.compare(law.real_part, found.real).ks < 1.0 / sqrt(n)
            assert rl.compare(law.real_part, found.imag).ks < 1.0 / sqrt(n)


# Bornemann, "On the numerical evaluation of distributions in random matrix theory", 2010: mean and variance.
TRACY_WIDOM = {1: (-1.2065335745820, 1.607781034581), 2: (-1.771086807411, 0.8131947928329)}


class TestTracyWidom:
    accuracy = 1e-13  # the one its docstring states

    @pytest.mark.parametrize("beta", [1, 2])
    def test_mean_and_variance_are_the_printed_ones(self, beta):
        """Evidence: published values, to their last digit; total mass by the same nodes."""
        mean, var = TRACY_WIDOM[beta]
        law = TracyWidom(beta)
        assert abs(law.mean - mean) < 2e-12
        assert abs(law.var - var) < 2e-12
        assert law.moment(0) == 1.0
        assert law.moment(2) == pytest.approx(law.var + law.mean**2, rel=1e-13)

    @pytest.mark.parametrize("s", [-2.5, -1.0, 0.5])
    def test_cdf_against_determinants_in_twenty_digits(self, s):
        """Evidence: independent quadrature; a doubly exponential rule instead of Gauss–Legendre, in mpmath."""
        minus, plus = _determinants(s)
        assert abs(TracyWidom(1).cdf(s) - minus) < self.accuracy
        assert abs(TracyWidom(2).cdf(s) - minus * plus) < self.accuracy

    def test_against_painleve(self):
        """Evidence: a second characterisation; q″ = sq + 2q³ with q ~ Ai gives F₂ and F₁ by quadrature."""
        s = np.linspace(6.0, -4.0, 41)
        value, slope, _, _ = special.airy(6.0)
        solution = integrate.solve_ivp(
            lambda x, y: [y[1], x * y[0] + 2 * y[0] ** 3, y[0], y[0] ** 2, y[3]],
            (6.0, -4.0),
            [value, slope, 0.0, 0.0, 0.0],
            method="DOP853",
            t_eval=s,
            rtol=1e-12,
            atol=1e-14,
        )
        _, _, first, _, second = solution.y
        log_f2 = -second  # ∫∫ q² from s up, in both variables
        # Beyond s = 6 the tails are those of the laws themselves, below 1e-6: taken from them.
        start = {beta: np.log(TracyWidom(beta).cdf(6.0)) for beta in (1, 2)}
        slope_2 = TracyWidom(2).density(6.0) / TracyWidom(2).cdf(6.0)
        log_f2 = log_f2 + start[2] + slope_2 * (s - 6.0)
        np.testing.assert_allclose(np.exp(log_f2), TracyWidom(2).cdf(s), atol=1e-9)
        tail = start[1] - 0.5 * start[2]
        np.testing.assert_allclose(np.exp(0.5 * (log_f2 + first) + tail), TracyWidom(1).cdf(s), atol=1e-9)

    @pytest.mark.parametrize("beta", [1, 2])
    def test_density_is_the_slope_of_the_cdf(self, beta):
        """Evidence: independent quadrature (scipy's adaptive one) of the density between points."""
        law = TracyWidom(beta, centre=3.0, scale=0.5)
        marks = 3.0 + 0.5 * np.array([-9.0, -4.0, -2.0, -1.0, 0.0, 2.0, 8.0])
        for a, b in pairwise(marks):
            mass, _ = integrate.quad(law.density, a, b, epsabs=1e-14, epsrel=1e-13)
            assert abs(law.cdf(b) - law.cdf(a) - mass) < self.accuracy

    @pytest.mark.parametrize("beta", [1, 2])
    def test_right_tail(self, beta):
        """Evidence: limit; 1 − F_1 ≈ e^{−⅔s^{3/2}}/(4√π s^{3/4}), 1 − F_2 ≈ e^{−4/3 s^{3/2}}/(16π s^{3/2}),

        with relative corrections of order s^{−3/2}: 3 % and 11 % at s = 5.
        """
        s = 5.0
        leading = {
            1: np.exp(-2 / 3 * s**1.5) / (4 * sqrt(pi) * s**0.75),
            2: np.exp(-4 / 3 * s**1.5) / (16 * pi * s**1.5),
        }[beta]
        assert 1.0 - TracyWidom(beta).cdf(s) == pytest.approx(leading, rel=2.0 / s**1.5)

    def test_its_face(self):
        """Evidence: contract; numbers give numbers, shapes are kept, the far ends are exact, frozen."""
        law = TracyWidom(2, centre=-1.0, scale=2.0)
        for function, argument in ((law.density, 0.3), (law.cdf, 0.3), (law.quantile, 0.3)):
            assert isinstance(function(argument), float)
            table = function(np.full((2, 3), argument))
            assert table.shape == (2, 3)
            np.testing.assert_allclose(table, function(argument), rtol=1e-14)
        assert (law.support, law.atoms) == ([(-np.inf, np.inf)], {})
        assert (law.quantile(0.0), law.quantile(1.0)) == (-np.inf, np.inf)
        assert (law.cdf(-1e9), law.cdf(1e9), law.density(-1e9), law.density(1e9)) == (0.0, 1.0, 0.0, 0.0)
        assert np.all(law.density(np.linspace(-30.0, 40.0, 701)) >= 0.0)
        with pytest.raises(AttributeError):
            law.scale = 1.0
        twin = pickle.loads(pickle.dumps(law))
        assert (twin, hash(twin), repr(twin)) == (law, hash(law), "TracyWidom(beta=2, centre=-1, scale=2)")

    def test_centre_and_scale_are_location_and_scale(self):
        """Evidence: symmetry."""
        unit, law = TracyWidom(1), TracyWidom(1, centre=5.0, scale=0.2)
        x = np.linspace(-6.0, 4.0, 21)
        np.testing.assert_allclose(law.cdf(5.0 + 0.2 * x), unit.cdf(x), atol=self.accuracy)
        np.testing.assert_allclose(0.2 * law.density(5.0 + 0.2 * x), unit.density(x), atol=self.accuracy)
        assert law.mean == pytest.approx(5.0 + 0.2 * unit.mean, rel=1e-13)
        assert law.var == pytest.approx(0.04 * unit.var, rel=1e-13)
        p = np.array([0.01, 0.5, 0.99])
        np.testing.assert_allclose(law.quantile(p), 5.0 + 0.2 * unit.quantile(p), rtol=1e-13)

    @pytest.mark.parametrize("beta", [1, 2])
    def test_quantile_and_sample_follow_the_cdf(self, beta):
        """Evidence: contract, and simulation within the 1e-9 DKW bound, fixed seed."""
        law, n = TracyWidom(beta), 2000
        p = np.array([1e-9, 1e-4, 0.05, 0.5, 0.95, 1 - 1e-6])
        assert np.max(np.abs(law.cdf(law.quantile(p)) - p)) < self.accuracy
        draws = law.sample(n, rng=5)
        np.testing.assert_array_equal(draws, law.sample(n, rng=5))
        assert rl.compare(law, draws).ks < sqrt(np.log(2e9) / (2 * n))

    def test_the_largest_eigenvalue_of_goe(self):
        """Evidence: simulation, convergence rate in n; the bias of the mean is c·n^{−2/3} with |c| < 0.3

        (measured: −0.15), where centring at the edge itself leaves 0.5·n^{−1/3}; within five standard errors.
        """
        rng, draws = np.random.default_rng(0), 4000
        for n in (4, 16, 40):
            law = TracyWidom.goe(n, var=2.0)
            matrices = [rl.ensembles.goe(n, var=2.0, rng=rng) for _ in range(draws)]
            largest = np.linalg.eigvalsh(matrices)[:, -1]
            error = 5.0 * sqrt(law.var / draws)
            assert abs(largest.mean() - law.mean) < 0.3 * n ** (-2 / 3) * law.scale + error
            edge = 2.0 * sqrt(2.0) + sqrt(2.0) * n ** (-2 / 3) * TracyWidom().mean
            assert largest.mean() < edge - 0.3 * n ** (-1 / 3) * law.scale + error
            noise = sqrt(np.log(2e9) / (2 * draws))
            assert rl.compare(law, largest).ks < 0.1 * n ** (-2 / 3) + noise

    @pytest.mark.parametrize("shape", [(8, 32), (32, 8), (24, 24), (16, 64)])
    def test_the_largest_eigenvalue_of_wishart(self, shape):
        """Evidence: simulation; the bias of the mean is c·min(n, m)^{−2/3} with c < 0.5 (measured: 0.2 to

        0.3), within five standard errors; so for wide, tall and square X.
        """
        rng, draws = np.random.default_rng(1), 3000
        law = TracyWidom.wishart(*shape, var=3.0)
        largest = np.array(
            [np.linalg.eigvalsh(rl.ensembles.wishart(*shape, var=3.0, rng=rng))[-1] for _ in range(draws)]
        )
        rate = min(shape) ** (-2 / 3)
        assert abs(largest.mean() - law.mean) < 0.5 * rate * law.scale + 5.0 * sqrt(law.var / draws)
        assert rl.compare(law, largest).ks < 0.25 * rate + sqrt(np.log(2e9) / (2 * draws))

    def test_large_matrices_come_to_the_edge(self):
        """Evidence: limit; centre → edge of the spectral law, scale·n^{2/3} → its constant."""
        assert TracyWidom.goe(10**9, var=4.0).centre == pytest.approx(Semicircle(4.0).support[0][1], rel=1e-8)
        assert TracyWidom.goe(10**9, var=4.0).scale * 10**6 == pytest.approx(2.0, rel=1e-8)
        law = TracyWidom.wishart(2 * 10**8, 10**9, var=3.0)
        assert law.centre == pytest.approx(MarchenkoPastur(0.2, scale=3.0).support[0][1], rel=1e-8)


def _determinants(s):
    """det(1 ∓ B) of the kernel Ai(x + y + s) on [0, ∞), by the trapezoid rule in x = exp(t − e^{−t})."""
    with mpmath.workdps(20):
        t = [mpmath.mpf(k) / 7 for k in range(-25, 22)]
        x = [mpmath.exp(u - mpmath.exp(-u)) for u in t]
        root = [mpmath.sqrt((1 + mpmath.exp(-u)) * y / 7) for u, y in zip(t, x, strict=True)]
        kernel = mpmath.matrix(len(t), len(t))
        for i in range(len(t)):
            for j in range(i + 1):
                kernel[i, j] = kernel[j, i] = root[i] * root[j] * mpmath.airyai(x[i] + x[j] + s)
        one = mpmath.eye(len(t))
        return float(mpmath.det(one - kernel)), float(mpmath.det(one + kernel))


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
        for path in Path(__file__).parent.glob("test_*.py"):
            if "(LawContract)" in path.read_text(encoding="utf-8"):
                importlib.import_module(f"{__package__}.{path.stem}")
        tested = {type(law) for case in LawContract.__subclasses__() for law in case.laws}
        public = {thing for name in rl.laws.__all__ if inspect.isclass(thing := getattr(rl.laws, name))}
        laws = {thing for thing in public if issubclass(thing, SpectralLaw) and not inspect.isabstract(thing)}
        assert laws <= tested


def _graded(a, b, z):
    near = min(max(complex(z).real, a), b)
    steps = [10.0**-k for k in range(1, 8)]
    marks = {a, b, near, *(near + s for s in steps), *(near - s for s in steps)}
    return sorted(x for x in marks if a <= x <= b)
