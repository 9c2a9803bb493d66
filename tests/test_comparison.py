"""The distance between a law and data."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
from scipy import stats

from rmtlab import compare, laws

LAWS = [laws.MarchenkoPastur(0.5), laws.MarchenkoPastur(1.0), laws.Semicircle(2.0), laws.QuarterCircle()]
ATOM = laws.MarchenkoPastur(aspect=2.0)


def wasserstein_by_quantiles(law, values):
    """∫|Q_n(p) − Q(p)| dp, piece by piece; p = 3t² − 2t³ smooths Q at the ends of the spectrum."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    t = (nodes + 1) / 2
    share, density = 3 * t**2 - 2 * t**3, 3 * t * (1 - t)
    values, total = np.sort(values), 0.0
    for i, value in enumerate(values):
        low, high = i / values.size, (i + 1) / values.size
        cut = float(np.clip(law.cdf(value), low, high))
        for a, b in ((low, cut), (cut, high)):
            total += (b - a) * np.sum(weights * density * np.abs(value - law.quantile(a + (b - a) * share)))
    return total


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_midpoints_of_the_uniform_law(n):
    """Closed form: KS = 1/(2n) and W₁ = 1/(4n)."""
    found = compare(stats.uniform(), (np.arange(n) + 0.5) / n)
    assert found.ks == pytest.approx(1 / (2 * n), rel=1e-12)
    assert found.wasserstein == pytest.approx(1 / (4 * n), rel=1e-12)


@pytest.mark.parametrize("a", [-30.0, 0.0, 0.7, 1e-9])
def test_one_value_against_a_gaussian(a):
    """Closed form: W₁ = E|X − a| for X ~ N(0, 1), unbounded tails included."""
    exact = 2 * stats.norm.pdf(a) + a * (2 * stats.norm.cdf(a) - 1)
    assert compare(stats.norm(), [a]).wasserstein == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_wasserstein_agrees_with_the_quantile_form(law):
    """Independent quadrature, at few values (wide pieces) and some outside the support."""
    values = np.concatenate([1.2 * law.sample(6, rng=3), [7.0]])
    assert compare(law, values).wasserstein == pytest.approx(wasserstein_by_quantiles(law, values), rel=1e-7)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_ks_of_continuous_laws_agrees_with_scipy(law):
    """Cross-library: the one-sample statistic of scipy.stats."""
    values = 1.1 * law.sample(300, rng=1)
    assert compare(law, values).ks == pytest.approx(stats.ks_1samp(values, law.cdf).statistic, abs=1e-14)


def test_discrete_laws_agree_with_scipy():
    """Cross-library: weighted Wasserstein distance between point sets; KS from the jumps."""
    points, weights = [0.0, 1.0, 2.5], [0.2, 0.5, 0.3]
    values = np.array([0.0, 0.0, 0.4, 1.0, 2.5, 3.0])
    found = compare(laws.Discrete(points, weights), values)
    assert found.wasserstein == pytest.approx(
        stats.wasserstein_distance(values, points, None, weights), rel=1e-12
    )
    assert found.ks == pytest.approx(
        max(abs(2 / 6 - 0.2), abs(3 / 6 - 0.2), abs(4 / 6 - 0.7), abs(5 / 6 - 1.0))
    )


def test_data_that_are_the_law_are_at_distance_zero():
    """Limit: atoms only, and every value on one."""
    for law, values in (
        (laws.Dirac(1.0), [1.0, 1.0 + 1e-13, 1.0 - 1e-13]),
        (laws.Empirical([1.0, 2.0, 4.0]), [4.0, 1.0, 2.0]),
        (stats.bernoulli(0.5), [0.0, 1.0]),
    ):
        found = compare(law, values)
        assert found.ks == pytest.approx(0.0, abs=1e-15)
        assert found.wasserstein == pytest.approx(0.0, abs=1e-15)


def test_eigenvalues_within_rounding_count_at_the_atom():
    """Contract (DESIGN §3): within 1e-10·λ_max of an atom is at it; farther is not."""
    bulk = ATOM.quantile(0.5 + (np.arange(500) + 0.5) / 1000)
    noise = np.random.default_rng(0).uniform(-1, 1, 500) * bulk.max()
    exact, rounded, off = (compare(ATOM, np.r_[scale * noise, bulk]) for scale in (0.0, 0.99e-10, 1.01e-7))
    assert exact.ks == rounded.ks == pytest.approx(1 / 2000)
    assert off.ks > 0.2


def test_a_value_goes_to_the_nearer_of_two_atoms():
    """Contract: snapping picks the nearest atom."""
    law = laws.Discrete([1.0, 1.0 + 1.5e-10], [0.5, 0.5])
    assert compare(law, [1.0 + 0.2e-10, 1.0 + 1.4e-10]).ks == pytest.approx(0.0, abs=1e-15)


def test_units_and_order_do_not_matter():
    """Symmetry: KS is free of scale, W₁ carries it; order and shape of the data are nothing."""
    values = laws.Semicircle().sample(50, rng=2)
    one, scaled = compare(laws.Semicircle(), values), compare(laws.Semicircle(var=1e-12), 1e-6 * values)
    assert scaled.ks == pytest.approx(one.ks, rel=1e-9)
    assert scaled.wasserstein == pytest.approx(1e-6 * one.wasserstein, rel=1e-9)
    backwards = compare(laws.Semicircle(), values[::-1])
    assert (backwards.ks, backwards.wasserstein) == (one.ks, one.wasserstein)
    pooled = compare(laws.Semicircle(), values.reshape(5, 10))
    assert (pooled.n, pooled.draws, pooled.ks, pooled.wasserstein) == (50, 5, one.ks, one.wasserstein)


def test_moments_of_two_points():
    """Closed form: ±1 against the semicircle; odd moments vanish, m₂ = 1, m₄ = 2."""
    found = compare(laws.Semicircle(), [-1.0, 1.0])
    assert [m.order for m in found.moments] == [1, 2, 3, 4]
    assert [m.measured for m in found.moments] == [0.0, 1.0, 0.0, 1.0]
    assert [m.error for m in found.moments] == pytest.approx([0.0, 0.0, 0.0, 0.5])
    first, third = found.moments[0], found.moments[2]
    assert first.standard_error == pytest.approx(1.0)
    assert third.standard_error == pytest.approx(1.0 / 2**0.75)


def test_standard_error_of_independent_values():
    """Closed form: σ/√n of the mean, within the 1/√(2n) spread of an estimated σ (four of them)."""
    n = 4000
    first = compare(stats.norm(1.0, 2.0), stats.norm(1.0, 2.0).rvs(n, random_state=0)).moments[0]
    assert first.standard_error == pytest.approx(2 / np.sqrt(n), rel=4 / np.sqrt(2 * n))
    assert first.error < 4 * first.standard_error


def test_standard_error_between_draws_sees_the_repulsion():
    """Simulation: tr XXᵀ is χ² with n·m degrees of freedom, so one draw's mean λ has error √(2/(nm)).

    An estimate from d draws spreads by 1/√(2d); four of them are allowed. The value as if eigenvalues
    were independent is √(c/n) at c = n/m, larger by √(n/2); half of that factor is asked for.
    """
    n, m, draws = 40, 80, 60
    x = np.random.default_rng(0).normal(size=(draws, n, m)) / np.sqrt(m)
    spectra = np.linalg.eigvalsh(x @ x.transpose(0, 2, 1))
    law = laws.MarchenkoPastur(n / m)
    between = compare(law, spectra).moments[0].standard_error
    assert between == pytest.approx(np.sqrt(2 / (n * m * draws)), rel=4 / np.sqrt(2 * draws))
    assert compare(law, spectra[0]).moments[0].standard_error > np.sqrt(n / 2) / 2 * np.sqrt(2 / (n * m))


def test_eigenvalues_lie_far_below_the_yardstick():
    """Simulation, finite size: Fₙ of a Wishart matrix misses the law by O(log n/n); 2 log n/n is allowed."""
    n = 300
    x = np.random.default_rng(1).normal(size=(2 * n, n)) / np.sqrt(n)
    found = compare(ATOM, np.linalg.eigvalsh(x @ x.T))
    assert found.ks < 2 * np.log(n) / n
    assert found.agrees


def test_verdict_is_one_line_and_takes_sides():
    """Contract: the repr says both distances, n and the yardstick."""
    near = compare(laws.Semicircle(), laws.Semicircle().quantile((np.arange(1000) + 0.5) / 1000))
    far = compare(laws.Semicircle(), np.full(1000, 3.0))
    assert repr(near).startswith("KS 0.0005, W₁ ")
    assert "over 1000 values: within" in repr(near)
    assert "0.043" in repr(near)
    assert "farther from the law" in repr(far)
    assert not far.agrees
    assert "\n" not in repr(near) + repr(far)


def test_one_value_has_no_sampling_error_of_its_own():
    """Limit n = 1: nothing is known of the error, and the yardstick refuses nothing."""
    found = compare(stats.norm(), [0.3])
    assert found.moments[0].standard_error == np.inf
    assert found.ks_yardstick == 1.0


def test_laws_without_a_mean_are_infinitely_far():
    """Limit: W₁ of a Cauchy law diverges while KS stays meaningful."""
    found = compare(stats.cauchy(), stats.cauchy().ppf([0.25, 0.75]))
    assert found.wasserstein == np.inf
    assert found.ks == pytest.approx(0.25)


def test_tensors_are_data_and_results_are_frozen():
    """Contract: NumPy or torch in; the answer cannot be changed."""
    import torch

    values = torch.linspace(-1, 1, 11, dtype=torch.float64, requires_grad=True)
    found = compare(laws.Semicircle(), values)
    assert found.ks == compare(laws.Semicircle(), np.linspace(-1, 1, 11)).ks
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.ks = 0.0


def test_a_law_that_crowds_around_its_atom_is_compared_as_its_data_are():
    """Closed form: half the mass at 0 and half log-uniform on [1e-20, 1], a quarter within rounding of 0."""

    class Crowded:
        atoms: ClassVar[dict[float, float]] = {0.0: 0.5}

        def cdf(self, x, side="right"):
            tail = 0.5 + 0.5 * np.clip(1 + np.log10(np.maximum(x, 1e-30)) / 20, 0, 1)
            return np.where(np.asarray(x) > 0, tail, 0.5 * (np.asarray(x) == 0) * (side == "right"))

        def quantile(self, p):
            return np.where(p <= 0.5, 0.0, 10.0 ** (20 * (2 * np.asarray(p) - 2)))

        def moment(self, k):
            return 0.5 / (k * 20 * np.log(10)) if k else 1.0

    n = 400
    values = Crowded().quantile((np.arange(n) + 0.5) / n)
    assert compare(Crowded(), values).ks <= 1.0 / n
