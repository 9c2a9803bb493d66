"""The contract that every spectral law's test class inherits.

    class TestSemicircle(LawContract):
        laws = (Semicircle(), Semicircle(var=2.5))

Every test below then runs for every law of the tuple. A law that comes from an iterative solver states how
accurate it is through ``accuracy`` (absolute, on the scale of the law), and why, in its own class; where its
quantiles are slow it lowers ``draws``, the size of the sample that is held against the distribution function.

The quadrature here is this file's own and shares nothing with the package: Gauss–Legendre after the
substitution x = edge ± half·u^q on each half of an interval, which turns algebraic edges into smooth ends.
"""

import copy
import pickle
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest

from rmtlab.laws import SpectralLaw

NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)
PANELS = (0.0, 0.02, 0.2, 1.0)
HEIGHTS = 0.5 ** np.arange(3.0, 10.0)
CONFIDENCE = 1e-9


class LawContract:
    laws: ClassVar[tuple[SpectralLaw, ...]] = ()
    accuracy: ClassVar[float] = 1e-12
    draws: ClassVar[int] = 1000

    def pytest_generate_tests(self, metafunc):
        if "law" in metafunc.fixturenames:
            metafunc.parametrize("law", self.laws, ids=repr)

    # Shape of the face.

    def test_it_is_frozen(self, law):
        """Evidence: contract."""
        field = next(iter(vars(law)))
        with pytest.raises(AttributeError):
            setattr(law, field, 1.0)
        with pytest.raises(AttributeError):
            law.anything = 1.0
        law.atoms.clear()
        law.support.clear()
        assert law.support or law.atoms

    def test_it_equals_its_copy(self, law):
        """Evidence: contract; also after every cache has been filled."""
        law.quantile(0.5), law.r_transform(0.0)
        twin = pickle.loads(pickle.dumps(law))
        assert twin == law
        assert hash(copy.copy(law)) == hash(law)

    def test_its_repr_is_one_line_with_its_name(self, law):
        """Evidence: contract."""
        assert type(law).__name__ in repr(law)
        assert "\n" not in repr(law)
        assert len(repr(law)) < 200

    def test_numbers_give_numbers_and_arrays_keep_their_shape(self, law):
        """Evidence: contract; a scalar and an array take the same path."""
        z = beyond(law, 1.0)
        assert isinstance(law.cauchy(z), float)
        assert isinstance(law.cauchy(z + 1j), complex)
        for function, argument in [
            (law.density, z),
            (law.cdf, z),
            (law.quantile, 0.3),
            (law.cauchy, z),
            (law.r_transform, 0.01 / radius(law)),
        ]:
            assert isinstance(function(argument), float)
            table = function(np.full((2, 3), argument))
            assert table.shape == (2, 3)
            np.testing.assert_allclose(table, function(argument), rtol=1e-11)

    def test_support_and_atoms_are_in_order(self, law):
        """Evidence: contract."""
        edges = [edge for interval in law.support for edge in interval]
        assert edges == sorted(edges)
        assert all(a < b for a, b in law.support)
        assert all(0.0 < mass <= 1.0 for mass in law.atoms.values())

    # Density, distribution function, quantile.

    def test_density_is_positive_inside_and_zero_outside(self, law):
        """Evidence: contract."""
        for a, b in law.support:
            x = interior(a, b, 41)
            assert np.all(law.density(x) > 0.0)
        low, high = hull(law)
        assert law.density(low - 1e-3 * width(law)) == 0.0
        assert law.density(high + 1e-3 * width(law)) == 0.0

    def test_total_mass_is_one(self, law):
        """Evidence: independent quadrature."""
        assert abs(average(law, np.ones_like) - 1.0) < 1e-10 + self.accuracy

    def test_cdf_climbs_from_zero_to_one(self, law):
        """Evidence: contract."""
        low, high = hull(law)
        step = 0.1 * width(law)
        assert law.cdf(low - step) == 0.0
        assert law.cdf(high + step) == 1.0
        x = np.linspace(low - step, high + step, 1001)
        assert np.all(np.diff(law.cdf(x)) >= -self.accuracy)

    def test_cdf_is_the_integral_of_the_density(self, law):
        """Evidence: independent quadrature, between interior points and from each edge."""
        for a, b in law.support:
            marks = np.concatenate([[a], interior(a, b, 6), [b]])
            for left, right in pairwise(marks):
                _, masses = rule(law, left, right)
                inside = sum(mass for x, mass in law.atoms.items() if left < x < right)
                gained = law.cdf(right, side="left") - law.cdf(left)
                assert abs(gained - inside - np.sum(masses)) < 1e-10 + self.accuracy

    def test_cdf_jumps_by_the_mass_of_each_atom(self, law):
        """Evidence: contract; the two sides agree where there is no atom."""
        for x, mass in list(law.atoms.items())[:20]:
            assert abs(law.cdf(x) - law.cdf(x, side="left") - mass) < 1e-12
            assert law.quantile(law.cdf(x, side="left") + 0.5 * mass) == x
        for a, b in law.support:
            x = interior(a, b, 6)
            x = x[~np.isin(x, list(law.atoms))]
            np.testing.assert_array_equal(law.cdf(x), law.cdf(x, side="left"))

    def test_quantile_inverts_the_cdf(self, law):
        """Evidence: contract; F crosses p within a few floats of Q(p), and Q(F(x)) = x inside."""
        p = np.concatenate([[1e-9, 1e-6, 1e-3], np.linspace(0.01, 0.99, 33), [1.0 - 1e-6]])
        x = law.quantile(p)
        assert np.all(np.diff(x) >= 0.0)
        ulps = 8.0 * np.spacing(np.abs(x))
        assert np.all(law.cdf(x + ulps) >= p - self.accuracy)
        assert np.all(law.cdf(x - ulps, side="left") <= p + self.accuracy)
        for a, b in law.support:
            x = interior(a, b, 21)
            rounding = (self.accuracy + 4e-15) / law.density(x) + 1e-14 * radius(law)
            assert np.all(np.abs(law.quantile(law.cdf(x)) - x) <= rounding)

    def test_quantile_reaches_both_ends(self, law):
        """Evidence: contract."""
        assert (law.quantile(0.0), law.quantile(1.0)) == hull(law)

    # Moments.

    def test_moments_are_averages_of_powers(self, law):
        """Evidence: independent quadrature."""
        r = radius(law)
        assert law.moment(0) == 1.0
        assert abs(law.mean - law.moment(1)) <= 1e-13 * r
        for k in range(1, 7):
            assert abs(law.moment(k) - average(law, lambda x, k=k: x**k)) < (1e-10 + self.accuracy) * r**k
        spread = average(law, lambda x: (x - law.mean) ** 2)
        assert abs(law.var - spread) < (1e-10 + self.accuracy) * r**2

    def test_moments_are_the_coefficients_of_cauchy_at_infinity(self, law):
        """Evidence: limit; a contour integral of z^k G(z) on |z| = 3·radius, spectrally accurate."""
        angle = 2.0 * np.pi * (np.arange(64) + 0.5) / 64
        z = 3.0 * radius(law) * np.exp(1j * angle)
        values = law.cauchy(z)
        for k in range(6):
            coefficient = np.mean(z ** (k + 1) * values).real
            assert abs(coefficient - law.moment(k)) < (1e-13 + self.accuracy) * (3.0 * radius(law)) ** k

    # Cauchy transform.

    def test_cauchy_maps_the_half_planes_to_each_other(self, law):
        """Evidence: symmetry; G(z̄) is the conjugate, Im G < 0 above the axis, real outside the spectrum."""
        z = off_axis(law)
        above = law.cauchy(z)
        assert np.all(above.imag < 0.0)
        np.testing.assert_array_equal(law.cauchy(z.conj()), above.conj())
        assert law.cauchy(beyond(law, 0.3)) > 0.0
        assert law.cauchy(beyond(law, -0.3)) < 0.0

    def test_cauchy_is_the_average_of_the_resolvent(self, law):
        """Evidence: independent quadrature, off the axis and on it outside the spectrum."""
        points = [*off_axis(law, heights=(0.3, 2.0)), beyond(law, 0.3), beyond(law, -0.3)]
        for z in points:
            expected = average(law, lambda x, z=z: 1.0 / (z - x))
            assert abs(law.cauchy(z) - expected) < (1e-10 + self.accuracy) / abs(width(law))

    def test_cauchy_is_normalised_at_infinity(self, law):
        """Evidence: limit; zG(z) → 1 with the mean as first correction, along the axes and the diagonal."""
        for direction in (1.0, -1.0, 1j, -1j, np.exp(0.25j * np.pi)):
            z = 1e6 * radius(law) * direction
            assert abs(z * law.cauchy(z) - 1.0 - law.mean / z) < 2e-12

    def test_density_is_the_boundary_value_of_cauchy(self, law):
        """Evidence: limit; −Im G(x + iε)/π extrapolated to ε = 0 with atoms taken out analytically."""
        weights = [np.prod([h / (h - own) for h in HEIGHTS if h != own]) for own in HEIGHTS]
        landmarks = np.array([*(edge for interval in law.support for edge in interval), *law.atoms])
        for a, b in law.support:
            for x in interior(a, b, 15):
                if (gap := np.min(np.abs(x - landmarks))) == 0.0:
                    continue
                z = x + 1j * gap * HEIGHTS
                continuous = law.cauchy(z) - sum(mass / (z - at) for at, mass in law.atoms.items())
                value = -(continuous.imag @ weights) / np.pi
                tolerance = 1e-9 * law.density(x) + self.accuracy * 20.0 / width(law)
                assert abs(value - law.density(x)) < tolerance

    def test_cauchy_refuses_the_spectrum(self, law):
        """Evidence: contract."""
        points = [0.5 * (a + b) for a, b in law.support] + list(law.atoms)[:3]
        for x in points:
            with pytest.raises(ValueError, match="lies on the spectrum"):
                law.cauchy(x)

    # Free transforms.

    def test_r_transform_inverts_cauchy(self, law):
        """Evidence: round trip G(R(g) + 1/g) = g at real and complex g."""
        r = radius(law)
        for g in (1e-4 / r, -0.01 / r, 0.1 / r, -0.1 / r, 0.1 * np.exp(1j) / r, 0.03 * np.exp(-2j) / r):
            z = law.r_transform(g) + 1.0 / g
            assert abs(law.cauchy(z) / g - 1.0) < 1e-11 + self.accuracy

    def test_r_transform_starts_with_mean_and_variance(self, law):
        """Evidence: limit; R(g) = mean + var·g + O(g²), the slope by a fourth-order difference."""
        r = radius(law)
        assert abs(law.r_transform(0.0) - law.mean) < (1e-13 + self.accuracy) * r
        h = 0.005 / r
        ahead, further = (law.r_transform(s * h) - law.r_transform(-s * h) for s in (1, 2))
        assert abs((8.0 * ahead - further) / (12.0 * h) - law.var) < (1e-6 + 400 * self.accuracy) * r**2

    def test_s_transform_inverts_the_moment_series(self, law):
        """Evidence: round trip M((1 + m)/(m S(m))) = m, for positive laws on all of m < 0; S(0), S′(0)."""
        r = radius(law)
        relative = abs(law.mean) / r
        if relative < 1e-12:
            with pytest.raises(ValueError, match="mean is 0"):
                law.s_transform(0.1)
            return
        m_scale = 0.1 * relative**2
        domain = [m_scale, -m_scale, 0.1 * m_scale, m_scale * np.exp(1j), 0.01 * m_scale * np.exp(-2j)]
        if hull(law)[0] >= 0.0:
            reach = 1.0 - law.atoms.get(0.0, 0.0)
            domain += [-0.9 * reach, -0.5 * reach, -0.05 * reach]
        for m in domain:
            z = (1.0 + m) / (m * law.s_transform(m))
            assert abs(z * law.cauchy(z) - 1.0 - m) < 1e-10 * abs(m) + 1e-15 + self.accuracy
        assert abs(law.s_transform(0.0) * law.mean - 1.0) < 1e-12 + self.accuracy
        h = 0.02 * m_scale
        ahead, further = (law.s_transform(s * h) - law.s_transform(-s * h) for s in (1, 2))
        slope = (8.0 * ahead - further) / (12.0 * h)
        expected = -law.var / law.mean**3
        noise = self.accuracy / (h * abs(law.mean))
        assert abs(slope - expected) < 1e-5 * (abs(expected) + 1.0 / abs(law.mean)) + noise

    # Samples.

    def test_sample_is_reproducible(self, law):
        """Evidence: contract; a seed repeats, a generator moves on, shape and range hold."""
        draws = law.sample(50, rng=7)
        assert draws.shape == (50,)
        np.testing.assert_array_equal(draws, law.sample(50, rng=7))
        np.testing.assert_array_equal(law.sample(20), law.sample(20, rng=0))
        rng = np.random.default_rng(7)
        np.testing.assert_array_equal(law.sample(50, rng=rng), draws)
        if len(law.atoms) != 1 or law.support:
            assert np.any(law.sample(50, rng=rng) != draws)
        low, high = hull(law)
        assert np.all((draws >= low) & (draws <= high))

    def test_sample_follows_the_cdf(self, law):
        """Evidence: simulation; Dvoretzky–Kiefer–Wolfowitz bound at confidence 1 − 1e-9, fixed seed."""
        n = self.draws
        values, counts = np.unique(law.sample(n, rng=1), return_counts=True)
        after = np.cumsum(counts) / n
        distance = max(
            np.max(np.abs(after - law.cdf(values))),
            np.max(np.abs(after - counts / n - law.cdf(values, side="left"))),
        )
        assert distance <= np.sqrt(np.log(2.0 / CONFIDENCE) / (2.0 * n))


def hull(law):
    ends = [edge for interval in law.support for edge in interval] + list(law.atoms)
    return min(ends), max(ends)


def radius(law):
    return max(map(abs, hull(law))) or 1.0


def width(law):
    low, high = hull(law)
    return (high - low) or radius(law)


def beyond(law, distance):
    """A real point outside the spectrum, by `distance` widths above it or (negative) below it."""
    low, high = hull(law)
    return (high if distance > 0 else low) + distance * width(law)


def off_axis(law, heights=(1e-3, 0.1, 1.0)):
    low, high = hull(law)
    x = np.linspace(low - 0.5 * width(law), high + 0.5 * width(law), 7)
    return (x[:, None] + 1j * width(law) * np.array(heights)).ravel()


def interior(a, b, n):
    """Points inside (a, b) that come near both ends."""
    return a + (b - a) * np.sin(0.5 * np.pi * (np.arange(n) + 0.5) / n) ** 2


def rule(law, left, right):
    """Nodes and masses of the density on [left, right], a piece of the support."""
    nodes, masses = [], []
    half = 0.5 * (right - left)
    for edge, sign in ((left, 1.0), (right, -1.0)):
        power = edge_power(law, sign * half) if edge == 0.0 else 2
        for start, end in pairwise(PANELS):
            u = 0.5 * (start + end) + 0.5 * (end - start) * NODES
            x = edge + sign * half * u**power
            nodes.append(x)
            masses.append(law.density(x) * half * power * u ** (power - 1) * 0.5 * (end - start) * WEIGHTS)
    return np.concatenate(nodes), np.concatenate(masses)


def edge_power(law, half):
    """The q for which x = u^q makes the mass near a hard edge at 0 smooth in u: 8, more for a heavier edge."""
    near, far = law.density(half * np.array([1e-14, 1e-12]))
    growth = 1.0 + np.log(far / near) / np.log(100.0) if near > 0.0 else 1.0
    return max(8.0, 4.0 / growth)


def average(law, f):
    """E f(λ) by this file's quadrature of the density and the sum over atoms."""
    locations, weights = np.array(list(law.atoms)), np.array(list(law.atoms.values()))
    total = np.sum(weights * f(locations)) if locations.size else 0.0
    for a, b in law.support:
        nodes, masses = rule(law, a, b)
        total += np.sum(masses * f(nodes))
    return total
