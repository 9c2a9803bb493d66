"""Truths, tolerances and planted errors of the problem set on asymptotic freeness."""

import numpy as np

from problems.frame.judging import Function, Value
from rmtlab import freeness, gaussian
from rmtlab.coursework import Numbers

WORDS, NETWORKS, MATRICES = 400, 100, 60
EDGES = (-1.0, 1.0)


def _free_moment(word: str, a: np.ndarray, b: np.ndarray) -> float:
    return freeness.predict(word, {"a": a, "b": b})


def _words(own: Numbers, rng: np.random.Generator) -> list[tuple]:
    """Words of growing length, and ten moments of two discrete laws on positive numbers."""
    drawn = []
    for turns, longest in ((1, 3), (2, 1), (2, 3), (3, 2), (4, 1)):
        powers = rng.integers(1, longest + 1, size=(turns, 2))
        word = "".join("a" * k + "b" * l for k, l in powers)
        points = rng.uniform(0.2, 1.5, size=(2, 3))
        shares = rng.dirichlet(np.ones(3), size=2)
        moments = [[float(w @ x**k) for k in range(1, 11)] for x, w in zip(points, shares, strict=True)]
        drawn.append((word[1:] + word[0], *moments) if turns == 3 else (word, *moments))
    return drawn


def _variances(own: Numbers) -> tuple[float, float]:
    shares = [round(share * own.size) / own.size for share in (own.share_1, own.share_2)]
    return shares[0] * (1 - shares[0]), shares[1] * (1 - shares[1])


def _rms_haar(own: Numbers) -> float:
    first, second = _variances(own)
    return float(np.sqrt(2 * first * second / ((own.size - 1) * (own.size + 2))))


def _rms_permutation(own: Numbers) -> float:
    first, second = _variances(own)
    return float(np.sqrt(first * second / (own.size - 1)))


def _rms_tolerance(own: Numbers) -> float:
    """Relative: four standard errors of a root mean square, √((κ − 1)/M)/2, with the kurtosis κ = 3 + O(1/n)."""
    return float(4 * np.sqrt((2 + 12 / own.size) / WORDS) / 2)


def _on(z: np.ndarray) -> np.ndarray:
    return (np.abs(z) <= 1) * 1.0


def _moments(state: np.ndarray, own: Numbers) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (Dy², Dyφ(z), φ(z)²) of one unit of the next layer.

    The state is (|v|², v·h, |h|²)/n of the layer below; z and y = (Wv)_i are Gaussian with covariance
    σ_w²v·h/n, so that y = rz + √t·e with r = σ_w²(v·h/n)/q.
    """
    length, overlap, square = state
    q = own.weight_var * square + own.bias_var
    r = own.weight_var * overlap / q
    t = own.weight_var * length - r**2 * q
    p, z2, z4 = (gaussian.expectation(lambda z, k=k: _on(z) * z**k, q, kinks=EDGES) for k in (0, 2, 4))
    phi2, phi4 = (gaussian.expectation(lambda z, k=k: np.clip(z, -1, 1) ** k, q, kinks=EDGES) for k in (2, 4))
    mean = np.array([r**2 * z2 + t * p, r * z2, phi2])
    yy, yz = r**2 * z4 + t * z2, r**3 * z4 + 3 * r * t * z2
    yyyy = r**4 * z4 + 6 * r**2 * t * z2 + 3 * t**2 * p
    squares = np.array([[yyyy, yz, yy], [yz, yy, r * z4], [yy, r * z4, phi4]])
    return mean, squares - np.outer(mean, mean)


def _along(own: Numbers) -> float:
    state = np.ones(3)
    for _ in range(own.depth):
        state = _moments(state, own)[0]
    return float(state[0])


def _across(own: Numbers) -> float:
    square, mean = 1.0, 1.0
    for _ in range(own.depth):
        q = own.weight_var * square + own.bias_var
        mean *= own.weight_var * gaussian.expectation(_on, q, kinks=EDGES)
        square = float(gaussian.expectation(lambda z: np.clip(z, -1, 1) ** 2, q, kinks=EDGES))
    return float(mean)


def _along_tolerance(own: Numbers) -> float:
    """Four standard errors over the networks, and a bias of relative size L/n.

    Given the layer below, the state is a mean of n independent triples, whose covariance is Gaussian moments;
    the error made in one layer is carried on by the derivative of the map.
    """
    state, covariance, step = np.ones(3), np.zeros((3, 3)), 1e-5
    for _ in range(own.depth):
        mean, fresh = _moments(state, own)
        slope = np.array([(_moments(state + step * e, own)[0] - mean) / step for e in np.eye(3)]).T
        covariance = slope @ covariance @ slope.T + fresh / own.width
        state = mean
    return float(4 * np.sqrt(covariance[0, 0] / NETWORKS) + own.depth / own.width * state[0])


def _top(own: Numbers) -> float:
    return own.strength + 1 / own.strength


def _top_tolerance(own: Numbers) -> float:
    """Four standard errors of a mean over the matrices, and a bias of 2/n.

    An outlier of this model is Gaussian with variance (1 − 1/θ²)/n to leading order; for large θ that is the
    variance 1/n of uᵀWv, which it never exceeds.
    """
    variance = (1 - own.strength**-2) / own.matrix_size
    return float(4 * np.sqrt(variance / MATRICES) + 2 / own.matrix_size)


def _inferred(own: Numbers) -> float:
    top = 2 + own.strength
    return (top + np.sqrt(top**2 - 4)) / 2


ANSWERS = {
    "free_moment": {
        "free_moment": Function(
            _free_moment,
            _words,
            1e-6,
            "a finite sum of products of moments; only roundings may differ",
        ),
    },
    "shortest_word": {
        "rms_haar": Value(_rms_haar, 1e-6, "a short formula, exact at every size"),
        "rms_permutation": Value(_rms_permutation, 1e-6, "a short formula, exact at every size"),
        "measured_haar": Value(
            _rms_haar, _rms_tolerance, "four standard errors of a root mean square of 400 words"
        ),
        "measured_permutation": Value(
            _rms_permutation, _rms_tolerance, "four standard errors of a root mean square of 400 words"
        ),
    },
    "own_direction": {
        "along": Value(_along, 1e-5, "the recursion is exact at infinite width; five digits are asked for"),
        "across": Value(_across, 1e-5, "the recursion is exact at infinite width; five digits are asked for"),
        "along_measured": Value(
            _along,
            _along_tolerance,
            "four standard errors over 100 networks of your depth and width, and a bias of relative size L/n",
            absolute=True,
        ),
    },
    "spike": {
        "top": Value(_top, 1e-6, "a short formula"),
        "top_measured": Value(
            _top,
            _top_tolerance,
            "four standard errors over 60 matrices of your size, and a bias of 2/n",
            absolute=True,
        ),
        "inferred": Value(_inferred, 1e-6, "a quadratic equation"),
    },
}

# A wrong turn for each question: what stands in the solution, and what a student might write instead.
PLANTED = {
    "free_moment": ("(-1) ** (len(chosen) + 1)", "1"),
    "shortest_word": ("2 * spread / ((n - 1) * (n + 2))", "spread / n**2"),
    "own_direction": ("r = own.weight_var * overlap / q", "r = 0.0 / q"),
    "spike": ("top = own.strength + 1 / own.strength", "top = max(2.0, own.strength)"),
}
