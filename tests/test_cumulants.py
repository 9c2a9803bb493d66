"""Free cumulants and moments."""

from itertools import combinations
from math import comb, prod

import numpy as np
import pytest

from rmtlab.laws import (
    Arcsine,
    Dirac,
    Discrete,
    Empirical,
    FreePoisson,
    FussCatalan,
    MarchenkoPastur,
    QuarterCircle,
    Semicircle,
    SpectralLaw,
    Wachter,
    free_cumulants,
    moments_from_free_cumulants,
)

LAWS = (
    Semicircle(2.0),
    QuarterCircle(1.7),
    MarchenkoPastur(0.3, scale=2.0),
    MarchenkoPastur(5.0),
    Arcsine(3.0),
    Dirac(-2.0),
    Discrete([-1.0, 0.5, 3.0], [0.5, 0.2, 0.3]),
    Empirical(np.random.default_rng(0).standard_normal(50)),
    FreePoisson(0.4, -1.5),
    FussCatalan(0.5),
    FussCatalan(2),
    Wachter(3.0, 0.6),
)


def partitions(points):
    """All set partitions of a list."""
    if not points:
        yield []
        return
    first, rest = points[0], points[1:]
    for size in range(len(rest) + 1):
        for mates in combinations(rest, size):
            for others in partitions([x for x in rest if x not in mates]):
                yield [(first, *mates), *others]


def is_crossing(partition):
    return any(
        a < c < b < d
        for one in partition
        for other in partition
        if one is not other
        for a, b in combinations(one, 2)
        for c, d in combinations(other, 2)
    )


class TestMomentsAndCumulants:
    def test_moments_are_sums_over_non_crossing_partitions(self):
        """Evidence: independent method; the definition, by listing all partitions of up to seven points."""
        kappa = [2, -1, 3, 0, 5, -2, 4]
        for k, moment in enumerate(moments_from_free_cumulants(kappa).tolist(), start=1):
            planar = [p for p in partitions(list(range(k))) if not is_crossing(p)]
            assert len(planar) == comb(2 * k, k) // (k + 1)
            assert moment == sum(prod(kappa[len(block) - 1] for block in p) for p in planar)

    def test_whole_numbers_are_exact_at_any_size(self):
        """Evidence: closed form; Catalan numbers to order 60 and back, and numbers beyond float64."""
        catalan = [comb(2 * k, k) // (k + 1) for k in range(1, 61)]
        assert moments_from_free_cumulants([1] * 60).tolist() == catalan
        assert free_cumulants(catalan).tolist() == [1] * 60
        assert free_cumulants([10**400, 10**800 + 1]).tolist() == [10**400, 1]
        assert free_cumulants(np.array([1, 2, 5])).dtype == np.int64
        assert free_cumulants([1.0, 2, 5]).dtype == np.float64
        assert free_cumulants([7]).tolist() == [7]

    def test_one_undoes_the_other(self):
        """Evidence: round trip; moments computed from cumulants, and from there back, lose 4^k·eps."""
        kappa = np.random.default_rng(0).standard_normal(10)
        back = free_cumulants(moments_from_free_cumulants(kappa))
        np.testing.assert_allclose(back, kappa, atol=4.0**10 * 1e-15)

    def test_a_shift_moves_the_first_cumulant_alone(self):
        """Evidence: symmetry; moments of λ + 2 by the binomial theorem."""
        m = [1, 3, 1, 4, 1, 5, 9]
        shifted = [sum(comb(k, j) * m[j] * 2 ** (k - j) for j in range(k + 1)) for k in range(1, 7)]
        expected = free_cumulants(m[1:])
        expected[0] += 2
        assert free_cumulants(shifted).tolist() == expected.tolist()


class TestLaws:
    @pytest.mark.parametrize("law", LAWS, ids=repr)
    def test_cumulants_belong_to_the_moments(self, law):
        """Evidence: closed form against closed form; the error of a moment grows like 4^k."""
        r = max(abs(x) for x in (law.quantile(0.0), law.quantile(1.0)))
        m = [law.moment(k) for k in range(1, 9)]
        for k, kappa in enumerate(free_cumulants(m).tolist(), start=1):
            assert abs(law.free_cumulant(k) - kappa) < 4.0**k * 1e-14 * r**k

    @pytest.mark.parametrize("law", LAWS, ids=repr)
    def test_closed_cumulants_agree_with_central_moments(self, law):
        """Evidence: independent quadrature of the law's density."""
        r = max(abs(x) for x in (law.quantile(0.0), law.quantile(1.0)))
        for k in range(2, 9):
            assert abs(law.free_cumulant(k) - SpectralLaw._free_cumulant(law, k)) < 1e-12 * r**k

    @pytest.mark.parametrize("law", LAWS, ids=repr)
    def test_they_are_the_coefficients_of_r(self, law):
        """Evidence: limit; a contour integral of R on a circle within its certain domain."""
        r = max(abs(x) for x in (law.quantile(0.0), law.quantile(1.0)))
        radius = 0.1 / r
        g = radius * np.exp(2j * np.pi * np.arange(32) / 32)
        coefficients = np.fft.fft(law.r_transform(g)) / 32
        for k in range(1, 6):
            gap = abs(coefficients[k - 1] - law.free_cumulant(k) * radius ** (k - 1))
            assert gap < 1e-11 * r

    def test_against_the_textbook(self):
        """Evidence: closed form."""
        assert [Semicircle(3.0).free_cumulant(k) for k in range(1, 5)] == [0.0, 3.0, 0.0, 0.0]
        assert [MarchenkoPastur(0.5, 2.0).free_cumulant(k) for k in range(1, 5)] == [2.0, 2.0, 2.0, 2.0]
        assert [FreePoisson(3.0, -2.0).free_cumulant(k) for k in range(1, 4)] == [-6.0, 12.0, -24.0]
        assert [Arcsine().free_cumulant(k) for k in range(1, 9)] == [0, 2, 0, -2, 0, 4, 0, -10]

    def test_two_rows_far_from_zero_keep_their_digits(self):
        """Evidence: symmetry; a narrow law far out, where raw moments would lose twelve digits."""
        law = Discrete([1e6 - 1.0, 1e6 + 1.0], [0.5, 0.5])
        for k, exact in ((2, 1.0), (3, 0.0), (4, -1.0), (6, 2.0)):
            assert law.free_cumulant(k) == pytest.approx(exact, abs=1e-12)
