"""Freeness: its combinatorics by brute force, its limits by simulation at a stated rate, its failures."""

import subprocess
import sys
from math import comb

import numpy as np
import pytest
import torch

import rmtlab as rl
from rmtlab import ensembles, freeness

COIN = rl.laws.Discrete([0.0, 1.0], [0.5, 0.5])


def moments_of(cumulants, order):
    """Moments from free cumulants by summing over all non-crossing partitions, one by one."""
    return [sum(weight_of(p, [cumulants] * k) for p in non_crossing(k)) for k in range(1, order + 1)]


def set_partitions(n):
    if n == 0:
        yield []
        return
    for partition in set_partitions(n - 1):
        for i in range(len(partition)):
            yield [*partition[:i], [*partition[i], n - 1], *partition[i + 1 :]]
        yield [*partition, [n - 1]]


def crosses(one, two):
    return any(a < b < c < d for a in one for b in two for c in one for d in two)


def non_crossing(n):
    for p in set_partitions(n):
        if not any(crosses(one, two) for one in p for two in p if one is not two):
            yield p


def weight_of(partition, cumulants):
    """Product over blocks of the free cumulant, zero for a block that mixes letters."""
    result = 1.0
    for block in partition:
        if any(cumulants[i] is not cumulants[block[0]] for i in block):
            return 0.0
        result *= cumulants[block[0]][len(block) - 1]
    return result


# what freeness predicts


@pytest.mark.parametrize("seed", range(5))
def test_the_textbook_words(seed):
    """Closed form: the words of length up to four, at random moments."""
    a1, a2, b1, b2 = np.random.default_rng(seed).uniform(-2, 2, 4)
    marginals = {"a": [a1, a2], "b": [b1, b2]}
    assert freeness.predict("ab", marginals) == pytest.approx(a1 * b1)
    assert freeness.predict("aabb", marginals) == pytest.approx(a2 * b2)
    assert freeness.predict("abba", marginals) == pytest.approx(a2 * b2)
    assert freeness.predict("abab", marginals) == pytest.approx(a2 * b1**2 + a1**2 * b2 - a1**2 * b1**2)


def test_two_free_coins():
    """Closed form: τ(abab) = 3/16 for free Bernoulli(½), where classical independence has 1/4."""
    assert freeness.predict("abab", {"a": COIN, "b": COIN}) == pytest.approx(3 / 16, abs=1e-15)


@pytest.mark.parametrize("word", ["abcabc", "aabbcacb", "abababab", "cabbacab", "aaabcbac", "abacabac"])
def test_prediction_against_all_non_crossing_partitions(word):
    """Independent: brute force over the non-crossing partitions whose blocks hold one letter."""
    rng = np.random.default_rng(3)
    cumulants = {letter: rng.uniform(-1, 1, 8) for letter in "abc"}
    marginals = {letter: moments_of(k, 8) for letter, k in cumulants.items()}
    expected = sum(weight_of(p, [cumulants[letter] for letter in word]) for p in non_crossing(len(word)))
    assert freeness.predict(word, marginals) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("word", ["aabb", "abab", "abbacc", "abcabc", "abccba", "aabbccaa"])
def test_free_semicirculars_count_non_crossing_pairings(word):
    """Closed form: τ of a word in free semicirculars is its number of non-crossing pairings of equal letters."""
    pairings = sum(
        all(len(block) == 2 and word[block[0]] == word[block[1]] for block in p)
        for p in non_crossing(len(word))
    )
    semicircles = {letter: rl.laws.Semicircle() for letter in "abc"}
    assert freeness.predict(word, semicircles) == pytest.approx(pairings, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_words_of_a_free_product_are_its_moments(k):
    """Cross-check: τ((ab)^k) is the moment of MP(1) ⊠ MP(1), the Fuss–Catalan number binom(3k, k)/(2k+1)."""
    law = rl.laws.MarchenkoPastur(1.0)
    assert freeness.predict("ab" * k, {"a": law, "b": law}) == pytest.approx(
        comb(3 * k, k) / (2 * k + 1), rel=1e-12
    )


def test_prediction_is_a_trace():
    """Symmetry: a rotation of the word, or a matrix in place of its moments, changes nothing."""
    a, word = np.random.default_rng(0).standard_normal((6, 6)), "aabcabb"
    marginals = {"a": a, "b": COIN, "c": rl.laws.MarchenkoPastur(0.5)}
    as_moments = marginals | {"a": [np.trace(np.linalg.matrix_power(a, k)) / 6 for k in range(1, 5)]}
    values = [freeness.predict(word[i:] + word[:i], m) for i in range(7) for m in (marginals, as_moments)]
    np.testing.assert_allclose(values, values[0], rtol=1e-12)


def test_one_algebra_is_measured_not_predicted():
    """Contract: letters of one family keep their joint moments; a word in one family is its trace."""
    rng = np.random.default_rng(1)
    family = {letter: rng.standard_normal((5, 5)) for letter in "ab"}
    measured = freeness.joint_moment("abab", family)
    assert freeness.predict("abab", family, [("a", "b")]) == pytest.approx(measured)
    joint = freeness.predict("acbc", family | {"c": np.diag([1.0, 2, 3, 4, 5])}, [("a", "b")])
    ta, tb = (np.trace(family[letter]) / 5 for letter in "ab")
    tab = freeness.joint_moment("ab", family)
    assert joint == pytest.approx(tab * 9 + ta * tb * 11 - ta * tb * 9)


def rotated_family(n, rng):
    """Two algebras of two matrices each, of which the second is turned by a Haar matrix."""
    x = np.linspace(-1, 1, n)
    u = ensembles.haar_orthogonal(n, rng=rng)
    shift = np.roll(np.eye(n), 1, axis=1)
    second = {"c": np.diag(x**2), "d": np.diag(np.abs(x)) @ shift}
    return {"a": np.diag(1 + x), "b": np.diag(x) @ shift @ np.diag(x)} | {
        k: u @ m @ u.T for k, m in second.items()
    }


@pytest.mark.parametrize("word", ["ac", "acac", "abcdab", "adbc", "acbdac"])
def test_haar_rotations_make_algebras_free(word):
    """Simulation: a trace of matrices of norm ≤ 2 in a Haar rotation is off by O(1/N), with a factor from
    the word's length; N = 300."""
    n = 300
    family = rotated_family(n, np.random.default_rng(0))
    predicted = freeness.predict(word, family, [("a", "b"), ("c", "d")])
    assert freeness.joint_moment(word, family) == pytest.approx(predicted, abs=3 * len(word) / n)


# words


def test_joint_moment_is_the_normalised_trace():
    """Closed form, with names longer than a letter."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 4, 4))
    assert freeness.joint_moment(("A", "B*", "A"), {"A": a, "B*": b.T}) == pytest.approx(
        np.trace(a @ b.T @ a) / 4
    )
    assert freeness.joint_moment("a", {"a": a}) == pytest.approx(np.trace(a) / 4)


def test_alternating_moment_ignores_multiples_of_the_identity():
    """Symmetry: centring takes out what is added to the diagonal."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 4, 4))
    shifted = {"a": a + 3 * np.eye(4), "b": b - np.eye(4)}
    assert freeness.alternating_moment("abab", shifted) == pytest.approx(
        freeness.alternating_moment("abab", {"a": a, "b": b}), rel=1e-11
    )
    centred = {k: m - np.trace(m) / 4 * np.eye(4) for k, m in {"a": a, "b": b}.items()}
    assert freeness.alternating_moment("aba", {"a": a, "b": b}) == pytest.approx(
        freeness.joint_moment("aba", centred)
    )


def test_defect_lists_each_cyclic_word_once():
    """Contract: the necklaces of length two to four whose neighbours differ, also around the end."""
    rng = np.random.default_rng(0)
    matrices = dict(zip("abc", rng.standard_normal((3, 5, 5)), strict=True))
    found = freeness.defect(matrices, max_length=4)
    expected = {"ab", "ac", "bc", "abc", "acb", "abab", "acac", "bcbc", "abac", "abcb", "acbc"}
    assert {"".join(word) for word in found.words} == expected
    paired = freeness.defect(matrices, [("a", "b")], max_length=4)
    assert {"".join(word) for word in paired.words} == {"ac", "bc", "acac", "acbc", "bcbc"}
    for word, value in found.words.items():
        sizes = [np.sqrt(np.sum((m - np.trace(m) / 5 * np.eye(5)) ** 2) / 5) for m in map(matrices.get, word)]
        assert value == pytest.approx(freeness.alternating_moment(word, matrices) / np.prod(sizes), rel=1e-10)
    assert found.largest == abs(found.words[found.word]) == max(map(abs, found.words.values()))
    assert found.rms == pytest.approx(np.sqrt(np.mean(np.square(list(found.words.values())))))


def test_defect_does_not_see_scale_or_shift():
    """Symmetry: letters are centred and scaled to one."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 6, 6))
    plain, changed = (
        freeness.defect({"a": a, "b": b}),
        freeness.defect({"a": 1e8 * a, "b": 5 * np.eye(6) - 1e-6 * b}),
    )
    assert changed.largest == pytest.approx(plain.largest, rel=1e-6)


def test_a_constant_is_free_of_everything():
    """Closed form: centring a multiple of the identity leaves nothing, at any scale."""
    a = np.random.default_rng(0).standard_normal((6, 6))
    assert freeness.defect({"a": a, "b": 0.1 * np.eye(6)}).largest == 0


def test_defect_tells_free_from_commuting():
    """Simulation: independent GOE matrices are free to O(1/N) with N = 200; functions of one are not."""
    rng = np.random.default_rng(0)
    a, b = ensembles.goe(200, rng=rng), ensembles.goe(200, rng=rng)
    assert freeness.defect({"a": a, "b": b}).largest < 5 / 200
    assert freeness.defect({"a": a, "b": a @ a @ a}).largest > 0.9


# rates


def test_rate_of_a_power_law_is_exact():
    """Closed form: no scatter, no error; unequal numbers of draws; one value a size."""
    sizes = [8, 32, 64, 100]
    found = freeness.rate(sizes, [[2 * n**-1.5, -2 * n**-1.5] * (1 + n % 3) for n in sizes])
    assert found.slope == pytest.approx(-1.5, abs=1e-12)
    assert found.error < 1e-12
    np.testing.assert_allclose(found.rms, 2 * np.array(sizes) ** -1.5)
    single = freeness.rate(sizes, [2 * n**-1.5 for n in sizes])
    assert single.slope == pytest.approx(-1.5, abs=1e-12)
    assert single.rms_error is None


def test_the_error_of_a_rate_is_its_scatter():
    """Simulation: over 400 repetitions the slope's error in units of its standard error has variance one,
    known to √(2/400) = 0.07, beside a bias of order one over the 60 draws."""
    rng, sizes = np.random.default_rng(0), np.array([16, 32, 64, 128])
    scores = []
    for _ in range(400):
        found = freeness.rate(sizes, [rng.standard_normal(60) / n for n in sizes])
        scores.append((found.slope + 1) / found.error)
    assert np.mean(scores) == pytest.approx(0, abs=0.2)
    assert np.var(scores) == pytest.approx(1, abs=0.25)


# the rotation that keeps x


@pytest.mark.parametrize(
    "x",
    [
        [3.0, 4.0, 0.0],
        [-1.0, 0.0, 0.0, 0.0],
        [1.0, 0, 0],
        [0, 0, -2.0],
        [1e-300, 2e-300],
        [1e300, 1e300, 1e300],
        [5.0],
    ],
)
def test_fixing_rotation_is_orthogonal_and_keeps_x(x):
    """Closed form: Ux = x and UUᵀ = 1 to rounding."""
    x = np.array(x)
    u = freeness.fixing_rotation(x, rng=0)
    np.testing.assert_allclose(u @ u.T, np.eye(x.size), atol=1e-14)
    np.testing.assert_allclose(u @ (x / np.max(np.abs(x))), x / np.max(np.abs(x)), atol=1e-14)


def test_fixing_rotation_is_uniform_on_the_complement():
    """Simulation, 4000 draws (errors below 4/√4000 = 0.06 of the spread): for y ⊥ x the vector Uy is uniform
    on the sphere of x^⊥, with E = 0, E[Uy yᵀUᵀ] = P/(N − 1) and E(v·Uy)⁴ = 3/((N−1)(N+1)), and U has either
    determinant equally often."""
    rng, x = np.random.default_rng(0), np.array([1.0, -2.0, 0.5, 1.0, 3.0])
    x /= np.linalg.norm(x)
    complement = np.eye(5) - np.outer(x, x)
    y, v = (complement @ w for w in rng.standard_normal((2, 5)))
    y, v = y / np.linalg.norm(y), v / np.linalg.norm(v)
    draws = [freeness.fixing_rotation(x, rng) for _ in range(4000)]
    images = np.array([u @ y for u in draws])
    np.testing.assert_allclose(images.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(images.T @ images / 4000, complement / 4, atol=0.02)
    assert np.mean((images @ v) ** 4) == pytest.approx(3 / (4 * 6), rel=0.1)
    assert np.mean([np.linalg.det(u) for u in draws]) == pytest.approx(0, abs=0.07)


def test_every_rotation_keeps_zero():
    """Limit: at x = 0 nothing is fixed, and U is Haar on all of O(N): tr U has mean 0 and variance 1."""
    rng = np.random.default_rng(0)
    traces = [np.trace(freeness.fixing_rotation(np.zeros(6), rng)) for _ in range(2000)]
    assert np.mean(traces) == pytest.approx(0, abs=4 / np.sqrt(2000))
    assert np.var(traces) == pytest.approx(1, abs=4 * np.sqrt(2 / 2000))


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 1e-4)])
@pytest.mark.parametrize("weights", ["orthogonal", "gaussian"])
@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_rerandomised_network_does_the_same_at_x(dtype, rtol, weights, parameterization):
    """Closed form: z^l are equal to rounding, the weights are √2 apart to O(1/N) (tr U is O(1), N = 150)."""
    net = rl.MLP(4, "tanh", 1.3, 0.1, weights=weights, parameterization=parameterization)
    module = net.sample(150, in_features=120, out_features=3, seed=1, dtype=dtype)
    x = np.random.default_rng(2).standard_normal(120)
    before = [w.clone() for w in module.weights]
    twin = freeness.rerandomise(module, x, rng=0)
    for z, again in zip(module.preactivations(x), twin.preactivations(x), strict=True):
        torch.testing.assert_close(again, z, rtol=rtol, atol=rtol)
    for w, new in zip(module.weights[:-1], twin.weights, strict=False):
        assert float((new - w).norm() / w.norm()) == pytest.approx(np.sqrt(2), abs=4 / 120)
    assert all(torch.equal(w, old) for w, old in zip(module.weights, before, strict=True))
    y = np.random.default_rng(3).standard_normal(120)
    assert float((twin(y) - module(y)).detach().norm()) > 0.1


def test_rerandomised_weights_keep_their_law():
    """Closed form: WU of an orthogonal W is orthogonal; of a Gaussian W every entry keeps its variance, here
    seen in the fourth moment to 4·√(96/N²)."""
    x = np.ones(100)
    for weights in ("orthogonal", "gaussian"):
        module = rl.MLP(2, "relu", 1.0, weights=weights).sample(100, in_features=100, dtype="float64")
        w = freeness.rerandomise(module, x, rng=0).weights[1].numpy()
        if weights == "orthogonal":
            np.testing.assert_allclose(w @ w.T, np.eye(100), atol=1e-12)
        else:
            assert np.mean((10 * w) ** 4) == pytest.approx(3, abs=4 * np.sqrt(96) / 100)


def test_rerandomising_a_noisy_network_in_evaluation_mode():
    """Contract: noise that has run leaves no obstacle to the copy."""
    net = rl.MLP(2, "relu", 2.0, noise=rl.noise.Dropout(0.5))
    module, x = net.sample(20, in_features=10, dtype="float64"), np.ones(10)
    module(x)
    twin = freeness.rerandomise(module.eval(), x, rng=0)
    torch.testing.assert_close(twin(x), module(x))


def test_rerandomising_behind_a_dead_layer():
    """Limit: where a layer's input is zero all of its weights are drawn anew, and the output stays."""
    module = rl.MLP(2, "relu", 1.0).sample(20, in_features=5, dtype="float64")
    with torch.no_grad():
        module.layers[0].weight.copy_(-module.layers[0].weight.abs())
    twin = freeness.rerandomise(module, np.ones(5), rng=0)
    assert float(twin(np.ones(5)).detach().abs().max()) == 0
    assert float((twin.weights[1] - module.weights[1]).norm() / module.weights[1].norm()) > 1


def test_layer_family_holds_the_network():
    """Contract: the letters are W_l and D_l² at x, and go into every function of the room."""
    module = rl.MLP(2, "tanh", 1.3, 0.1).sample(40, in_features=40, seed=1, dtype="float64")
    x = np.random.default_rng(0).standard_normal(40)
    matrices, families = freeness.layer_family(module, x)
    slopes = 1 - np.tanh(module.preactivations(x)[0].detach().numpy()) ** 2
    expected = np.mean(slopes**2 * np.sum(module.weights[0].numpy() ** 2, axis=1))
    assert freeness.joint_moment(("W1*", "D1", "W1"), matrices) == pytest.approx(expected)
    assert set(freeness.defect(matrices, families, max_length=2).words) >= {("D1", "W1"), ("W1", "W2")}


@pytest.mark.parametrize("weights", ["orthogonal", "gaussian"])
def test_free_prediction_of_a_network(weights):
    """Simulation: words that join layers of a ReLU network at N = 300, to a few 1/N as the theorem says."""
    module = rl.MLP(2, "relu", 2.0, weights=weights).sample(300, in_features=300, seed=0, dtype="float64")
    matrices, families = freeness.layer_family(module, np.random.default_rng(1).standard_normal(300))
    for word in (
        ("W2*", "D2", "W2", "D1"),
        ("W2*", "D2", "W2", "D1") * 2,
        ("W1*", "D1", "W2*", "D2", "W2", "D1", "W1"),
    ):
        predicted = freeness.predict(word, matrices, families)
        assert freeness.joint_moment(word, matrices) == pytest.approx(predicted, abs=15 / 300)
        assert predicted > 0.4


# the rates of the theorem, and where it fails

SIZES, DRAWS = (32, 64, 128, 256), (150, 120, 80, 50)


def network_words(weights):
    def draw(n, rng):
        net = rl.MLP(2, "relu", 2.0, weights=weights)
        module = net.sample(n, in_features=n, seed=int(rng.integers(2**31)), dtype="float64")
        first, second, _ = (z.detach().numpy() > 0 for z in module.preactivations(rng.standard_normal(n)))
        return freeness.neighbour_moments(first, module.weights[1].numpy() / np.sqrt(2), second)

    return draw


def coins_around(weight):
    """Independent derivatives on both sides of a weight: the control."""
    return lambda n, rng: freeness.neighbour_moments(
        rng.integers(0, 2, n), weight(n, rng), rng.integers(0, 2, n)
    )


def relu_network_words(second_weight):
    """A ReLU network with a Haar first weight and a second one made from it."""

    def draw(n, rng):
        first = ensembles.haar_orthogonal(n, rng=rng)
        second = second_weight(first, rng)
        z1 = first @ rng.standard_normal(n)
        return freeness.neighbour_moments(z1 > 0, second, second @ np.maximum(z1, 0) > 0)

    return draw


def words(draw, sizes=SIZES, draws=DRAWS):
    rng = np.random.default_rng(0)
    values = [np.array([draw(n, rng) for _ in range(k)]) for n, k in zip(sizes, draws, strict=True)]
    return [freeness.rate(sizes, [v[:, word] for v in values]) for word in (0, 1)]


@pytest.mark.parametrize(
    "draw",
    [network_words("orthogonal"), network_words("gaussian"), coins_around(ensembles.haar_orthogonal)],
    ids=["haar", "gaussian", "control"],
)
def test_words_of_a_network_vanish_as_those_of_independent_matrices(draw):
    """Rate: slope −1 for both words, in a network as in the control, with a standard error near 0.06;
    finite-size corrections add 0.05 at these sizes."""
    for found in words(draw, (64, 128, 256, 512), (150, 100, 60, 30)):
        assert found.error < 0.08
        assert found.slope == pytest.approx(-1, abs=3.5 * found.error + 0.05)
        assert found.rms[-1] < 1e-3


def test_tied_weights_are_not_free():
    """Failure: with W₂ = W₁ᵀ the word tr(W₂W₁) is 1 at every size, although the words in D still vanish."""
    rng = np.random.default_rng(0)
    for n in (32, 128):
        w = ensembles.haar_orthogonal(n, rng=rng)
        found = freeness.defect({"1": w, "2": w.T}, max_length=2)
        assert found.largest == pytest.approx(1, abs=1e-12)
    for found in words(relu_network_words(lambda w, rng: w.T), draws=(80, 60, 40, 25)):
        assert found.slope == pytest.approx(-1, abs=3.5 * found.error + 0.05)


def test_permutations_are_not_free():
    """Failure: a random permutation makes the D's classically independent, so that the longer word stays at
    τ(d̊₁²)τ(d̊₂²) = 1/16; the shorter one averages over N coins, slope −½."""
    short, long = words(coins_around(ensembles.permutation))
    assert short.slope == pytest.approx(-0.5, abs=3.5 * short.error + 0.05)
    assert long.slope == pytest.approx(0, abs=0.03)
    assert long.rms[-1] == pytest.approx(1 / 16, rel=0.02)


def test_a_permutation_in_a_network_copies_the_derivative():
    """Failure: z² is a permutation of h¹, so PᵀD₂P = D₁, and the words stay at τ(d̊²) = 1/4 and τ(d̊⁴) = 1/16."""
    short, long = words(
        relu_network_words(lambda w, rng: ensembles.permutation(len(w), rng=rng)), draws=(40, 40, 20, 20)
    )
    assert short.rms[-1] == pytest.approx(1 / 4, rel=0.02)
    assert long.rms[-1] == pytest.approx(1 / 16, rel=0.02)
    assert abs(short.slope) < 0.03
    assert abs(long.slope) < 0.05


def shared_blocks(channels):
    """A mixing layer, I_C ⊗ Q: the same S×S Haar matrix in every channel."""
    return lambda s, rng: np.kron(np.eye(channels), ensembles.haar_orthogonal(s, rng=rng))


def test_shared_blocks_are_free_at_the_rate_of_one_block():
    """Rate: I_C ⊗ Q is free as 1/S, at 3/(16S) to leading order, and not as 1/(SC): more channels do not help."""

    def draw(channels):
        def one(s, rng):
            coins = rng.integers(0, 2, (2, s * channels))
            return freeness.neighbour_moments(coins[0], shared_blocks(channels)(s, rng), coins[1])

        return one

    sizes, draws = (8, 16, 32, 64), (100, 80, 60, 30)
    long = words(draw(8), sizes, draws)[1]
    assert long.slope == pytest.approx(-1, abs=0.15)
    wide = words(draw(32), sizes[:2], draws[:2])[1]
    np.testing.assert_allclose(wide.rms, long.rms[:2], rtol=0.2)
    assert wide.rms[1] == pytest.approx(3 / 16 / 16, rel=0.2)


def test_the_room_opens_without_torch():
    """Contract: importing the room, and predicting, loads no torch."""
    code = "import sys; from rmtlab import freeness; freeness.predict('abab', {'a': [0.5, 0.5], 'b': [0.5, 0.5]}); "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
