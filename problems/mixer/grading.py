"""Truths, tolerances and planted errors of the problem set on MLP-Mixer as a wide sparse MLP."""

import numpy as np

from problems.frame.judging import Function, Value
from rmtlab.coursework import Numbers

LAYERS, PERMUTATIONS, BLOCKS = 60, 100, 400
TRACY_WIDOM_MEAN, TRACY_WIDOM_SD = -1.2065, 1.2680


def _nearest_mixer(matrix: np.ndarray, tokens: int, channels: int) -> np.ndarray:
    """The nearest Vᵀ ⊗ W by alternating least squares, from the best of the blocks: no SVD."""
    blocks = matrix.reshape(channels, tokens, channels, tokens).transpose(0, 2, 1, 3)
    w = blocks.reshape(-1, tokens, tokens)[np.argmax(np.linalg.norm(blocks, axis=(2, 3)))]
    for _ in range(20_000):
        vt = np.einsum("cdst,st->cd", blocks, w) / np.sum(w**2)
        fresh = np.einsum("cdst,cd->st", blocks, vt) / np.sum(vt**2)
        moved, w = np.linalg.norm(fresh - w), fresh
        if moved < 1e-13 * np.linalg.norm(w):
            break
    return np.kron(vt, w)


def _layers(own: Numbers, rng: np.random.Generator) -> list[tuple]:
    """Dense layers that hold a Mixer layer of the norm of the noise, so that the nearest one is well apart."""
    drawn = []
    for tokens, channels in ((2, 3), (4, 3), (3, 5)):
        n = tokens * channels
        vt, w = rng.standard_normal((channels, channels)), rng.standard_normal((tokens, tokens))
        drawn.append((np.kron(vt, w) + rng.standard_normal((n, n)), tokens, channels))
    return drawn


def _small(own: Numbers) -> tuple[int, int]:
    return own.small_tokens, own.small_channels


def _share_limit(own: Numbers) -> float:
    s, c = _small(own)
    return (1 / s + 1 / c) ** 2


def _edge_scale(own: Numbers) -> tuple[float, float, int, int]:
    """Johnstone's centring and scaling of the largest squared singular value, and the sides of the matrix."""
    p, m = sorted(size**2 for size in _small(own))
    ends = np.sqrt(m - 1) + np.sqrt(p)
    return ends**2, ends * (1 / np.sqrt(m - 1) + 1 / np.sqrt(p)) ** (1 / 3), p, m


def _share(own: Numbers) -> float:
    centre, scale, p, m = _edge_scale(own)
    return float((centre + TRACY_WIDOM_MEAN * scale) / (p * m))


def _share_tolerance(own: Numbers) -> float:
    """Four standard errors of the Tracy–Widom law, and the next order at the edge, of relative size p^(−2/3)."""
    _, scale, p, m = _edge_scale(own)
    spread = 4 * TRACY_WIDOM_SD / np.sqrt(LAYERS) + abs(TRACY_WIDOM_MEAN) * p ** (-2 / 3)
    return float(spread * scale / (p * m))


def _overlap(own: Numbers) -> float:
    (s, c), t = _small(own), own.strength**2
    return (t**2 - 1) ** 2 / (t**2 * (t + s / c) * (t + c / s))


def _overlap_tolerance(own: Numbers) -> float:
    """Four standard errors over the layers, and a bias of 1/(SC).

    To leading order the overlap is what is left beside the noise orthogonal to the planted directions,
    1 − (χ²_{S²} + χ²_{C²})/(SC θ²), whose standard deviation is √(2(1/S² + 1/C²))/θ².
    """
    s, c = _small(own)
    spread = np.sqrt(2 * (1 / s**2 + 1 / c**2)) / own.strength**2
    return float(4 * spread / np.sqrt(LAYERS) + 1 / (s * c))


def _seen(own: Numbers) -> float:
    n, i = own.tokens * own.channels, np.arange(own.tokens)
    return float(1 - np.prod((n - own.channels - i) / (n - i)))


def _seen_tolerance(own: Numbers) -> float:
    """Four standard errors over the permutations, to leading order in 1/S and 1/C.

    Row and column meet in N units, nearly Poisson of mean 1, and the share is the mean of SC indicators of N > 0.
    Rows and columns have fixed sums, which takes the part that is linear in N out of the variance: what is left of
    each is Var 1_{N>0} − Cov(1_{N>0}, N)² = e⁻¹(1 − e⁻¹) − e⁻².
    """
    each = np.exp(-1) * (1 - np.exp(-1)) - np.exp(-2)
    return float(4 * np.sqrt(each / (own.tokens * own.channels) / PERMUTATIONS))


def _word_tolerance(own: Numbers) -> float:
    """Four standard errors over the draws, to leading order in 1/S.

    Given Q, each of C blocks has a word of variance 8/S²: 6 from the pairs of signs, 2 from the trace of B.
    Through Q the blocks share ΣQ⁴/S; a row's ΣQ⁴ has variance 24/S³, so that of the mean of S rows is 24/S⁴.
    """
    s, c = own.tokens, own.channels
    return float(4 * np.sqrt((8 / (s**2 * c) + 24 / s**4) / BLOCKS))


ANSWERS = {
    "nearest_mixer": {
        "nearest_mixer": Function(
            _nearest_mixer,
            _layers,
            1e-6,
            "the nearest product is unique, and known to rounding error",
        ),
    },
    "hidden_mixer": {
        "share_limit": Value(_share_limit, 1e-6, "a short formula"),
        "share_measured": Value(
            _share,
            _share_tolerance,
            "four standard errors over 60 layers, and the next order at the edge",
            absolute=True,
        ),
        "overlap": Value(_overlap, 1e-6, "a short formula"),
        "overlap_measured": Value(
            _overlap,
            _overlap_tolerance,
            "four standard errors over 60 layers of your size, and a bias of 1/(SC)",
            absolute=True,
        ),
    },
    "seen": {
        "seen": Value(_seen, 1e-6, "a finite product"),
        "seen_measured": Value(
            _seen,
            _seen_tolerance,
            "four standard errors over 100 permutations",
            absolute=True,
        ),
    },
    "words": {
        "short_rms": Value(
            lambda own: np.sqrt(3 / (own.channels * own.tokens * (own.tokens + 2))),
            1e-6,
            "a short formula, exact at every size",
        ),
        "long_mean": Value(lambda own: 3 / (own.tokens + 2), 1e-6, "a short formula, exact at every size"),
        "long_dense": Value(
            lambda own: 3 / (own.tokens * own.channels + 2), 1e-6, "a short formula, exact at every size"
        ),
        "long_measured": Value(
            lambda own: 3 / (own.tokens + 2),
            _word_tolerance,
            "four standard errors over 400 draws at your S and C",
            absolute=True,
        ),
    },
}

# A wrong turn for each question: what stands in the solution, and what a student might write instead.
PLANTED = {
    "nearest_mixer": (".transpose(0, 2, 1, 3)", ".transpose(1, 3, 0, 2)"),
    "hidden_mixer": ("(1 / S + 1 / C) ** 2", "1 / (S * C)"),
    "seen": ("(n - C - i) / (n - i)", "(n - C) / n"),
    "words": ("long_mean = 3 / (S + 2)", "long_mean = 3 / (S * C + 2)"),
}
