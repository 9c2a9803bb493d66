"""Random matrices: moments, invariance, orthogonality, and spectra that approach their laws."""

import numpy as np
import pytest

import rmtlab as rl
from rmtlab.ensembles import ginibre, goe, haar_orthogonal, haar_semi_orthogonal, permutation, wishart

SAMPLERS = {
    "ginibre": lambda rng: ginibre(4, 3, rng=rng),
    "haar_orthogonal": lambda rng: haar_orthogonal(4, rng=rng),
    "haar_semi_orthogonal": lambda rng: haar_semi_orthogonal(4, 3, rng=rng),
    "goe": lambda rng: goe(4, rng=rng),
    "wishart": lambda rng: wishart(4, 3, rng=rng),
    "permutation": lambda rng: permutation(30, rng=rng),
}


def ks(law, values):
    """Kolmogorov distance of sorted eigenvalues to a law without atoms among them."""
    values = np.sort(values)
    n = values.size
    cdf = law.cdf(values)
    return max(np.max(np.arange(1, n + 1) / n - cdf), np.max(cdf - np.arange(n) / n))


def standard_errors(samples, expected):
    samples = np.asarray(samples)
    return abs(samples.mean() - expected) / (samples.std() / np.sqrt(samples.size))


@pytest.mark.parametrize("name", SAMPLERS)
def test_seeds_reproduce_and_generators_move_on(name):
    """Evidence: contract; float64; a seed repeats, a generator moves on, None is fresh."""
    sample = SAMPLERS[name]
    first = sample(5)
    assert first.dtype == np.float64
    np.testing.assert_array_equal(first, sample(5))
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(first, sample(rng))
    assert np.any(first != sample(rng))
    assert np.any(sample(None) != sample(None))


def test_global_state_is_left_alone():
    """Evidence: contract."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for sample in SAMPLERS.values():
        sample(0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_ginibre_entries():
    """Evidence: simulation; moments of 240 000 entries N(0, var/m) within 5 standard errors."""
    w = ginibre(400, 600, var=2.5, rng=0) * np.sqrt(600 / 2.5)
    assert w.shape == (400, 600)
    assert ginibre(3).shape == (3, 3)
    for power, expected in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)]:
        assert standard_errors(w.ravel() ** power, expected) < 5.0
    assert not np.any(ginibre(3, var=0.0))


@pytest.mark.parametrize("shape", [(1, 1), (40, 40), (40, 15), (15, 40), (1, 7), (7, 1)])
def test_semi_orthogonal_to_rounding(shape):
    """Evidence: closed form; the shorter side is orthonormal to 1e-12."""
    w = haar_semi_orthogonal(*shape, rng=1)
    assert w.shape == shape
    short = w.T if shape[0] >= shape[1] else w
    np.testing.assert_allclose(short @ short.T, np.eye(min(shape)), atol=1e-12)


def test_orthogonal_to_rounding():
    """Evidence: closed form."""
    u = haar_orthogonal(200, rng=0)
    np.testing.assert_allclose(u @ u.T, np.eye(200), atol=1e-12)


def traces(sample, draws=3000, n=8):
    rng = np.random.default_rng(3)
    matrices = [sample(n, rng) for _ in range(draws)]
    return np.array([np.trace(u) for u in matrices]), np.array([np.trace(u @ u) for u in matrices])


def test_orthogonal_is_haar():
    """Evidence: simulation; Haar has E tr U = 0, E (tr U)² = E tr U² = 1: within 5 standard errors."""
    trace, trace_of_square = traces(haar_orthogonal)
    assert standard_errors(trace, 0.0) < 5.0
    assert standard_errors(trace**2, 1.0) < 5.0
    assert standard_errors(trace_of_square, 1.0) < 5.0
    assert standard_errors([np.linalg.det(haar_orthogonal(3, rng=s)) for s in range(500)], 0.0) < 5.0


def test_raw_qr_fails_the_haar_test():
    """Evidence: the test above has teeth; Q without corrected signs is off by dozens of standard errors."""
    trace, trace_of_square = traces(lambda n, rng: np.linalg.qr(rng.standard_normal((n, n)))[0])
    assert standard_errors(trace, 0.0) > 20.0
    assert standard_errors(trace**2, 1.0) > 20.0
    assert standard_errors(trace_of_square, 1.0) > 20.0


@pytest.mark.parametrize("shape", [(5, 2), (2, 5)])
def test_semi_orthogonal_is_invariant(shape):
    """Evidence: simulation; on the Stiefel manifold E W = 0 and E W_ij² = 1/max(n, m) for every entry."""
    rng = np.random.default_rng(0)
    w = np.array([haar_semi_orthogonal(*shape, rng=rng) for _ in range(4000)])
    for i in range(shape[0]):
        for j in range(shape[1]):
            assert standard_errors(w[:, i, j], 0.0) < 5.0
            assert standard_errors(w[:, i, j] ** 2, 0.2) < 5.0


def test_eigenangles_of_haar_are_rigid_and_uniform():
    """Evidence: limit; angles repel: their Kolmogorov distance to uniform is O(log n/n), not n^(-1/2)."""
    angles = np.angle(np.linalg.eigvals(haar_orthogonal(400, rng=0)))
    cdf = np.sort((angles + np.pi) / (2.0 * np.pi))
    n = cdf.size
    distance = max(np.max(np.arange(1, n + 1) / n - cdf), np.max(cdf - np.arange(n) / n))
    assert distance < np.log(n) / n


def test_goe_entries():
    """Evidence: closed form and simulation; variance var/n off the diagonal, twice that on it."""
    n = 500
    h = goe(n, var=3.0, rng=0)
    np.testing.assert_array_equal(h, h.T)
    assert standard_errors(h[np.triu_indices(n, 1)] ** 2 * n / 3.0, 1.0) < 5.0
    assert standard_errors(np.diagonal(h) ** 2 * n / 3.0, 2.0) < 5.0


def test_wishart_is_a_covariance():
    """Evidence: closed form and simulation; (1/m)XXᵀ of the same X, and mean var on the diagonal."""
    np.testing.assert_allclose(wishart(3, 5, var=2.0, rng=1), (w := ginibre(3, 5, var=2.0, rng=1)) @ w.T)
    assert standard_errors(np.diagonal(wishart(2000, 30, var=2.0, rng=0)), 2.0) < 5.0


def test_permutation_matrix():
    """Evidence: closed form; one 1 in each row and column, acts as x[π], uniform on S₃ (chi-square)."""
    p = permutation(50, rng=0)
    x = np.arange(50.0)
    np.testing.assert_array_equal(p @ p.T, np.eye(50))
    np.testing.assert_array_equal(p @ x, x[p.argmax(axis=1)])
    rng = np.random.default_rng(0)
    draws = [tuple(permutation(3, rng=rng).argmax(axis=1)) for _ in range(3000)]
    counts = np.array([draws.count(pi) for pi in set(draws)])
    assert counts.size == 6
    assert np.sum((counts - 500.0) ** 2 / 500.0) < 30.0  # 5 degrees of freedom: p < 2e-5


@pytest.mark.parametrize(
    ("spectrum", "law"),
    [
        (lambda n, rng: np.linalg.eigvalsh(goe(n, var=2.0, rng=rng)), rl.laws.Semicircle(2.0)),
        (lambda n, rng: np.linalg.svd(ginibre(n, var=2.0, rng=rng))[1], rl.laws.QuarterCircle(2.0)),
        (
            lambda n, rng: np.linalg.eigvalsh(wishart(n, 2 * n, var=3.0, rng=rng)),
            rl.laws.MarchenkoPastur(0.5, scale=3.0),
        ),
        (
            lambda n, rng: np.linalg.eigvalsh((u := haar_orthogonal(n, rng=rng)) + u.T)[::2],
            rl.laws.Arcsine(),
        ),
    ],
    ids=["goe", "ginibre", "wishart", "haar"],
)
def test_spectra_approach_their_laws(spectrum, law):
    """Evidence: convergence rate; rigidity makes the distance O(log n/n): below 2 log n/n, and falling.

    U + Uᵀ has its eigenvalues in pairs 2cos θ: one of each is taken.
    """
    rng = np.random.default_rng(0)
    sizes = (50, 400)
    distances = [np.mean([ks(law, spectrum(n, rng)) for _ in range(3)]) for n in sizes]
    for n, distance in zip(sizes, distances, strict=True):
        assert distance < 2.0 * np.log(n) / n
    assert distances[1] < 0.4 * distances[0]


def test_wishart_beyond_aspect_one_has_its_zeros():
    """Evidence: closed form; at aspect 2 exactly half of the eigenvalues are 0, the rest follow the law."""
    eigenvalues = np.linalg.eigvalsh(wishart(400, 200, rng=0))
    law = rl.laws.MarchenkoPastur(2.0)
    zeros = np.abs(eigenvalues) < 1e-10 * eigenvalues.max()
    assert zeros.mean() == law.atoms[0.0]
    upper = np.sort(eigenvalues[~zeros])
    assert np.max(np.abs(law.cdf(upper) - (0.5 + np.arange(1, 201) / 400))) < 2.0 * np.log(400) / 400
