"""Truths, tolerances and planted errors of the problem set on networks as Gaussian processes."""

import numpy as np
from scipy.optimize import brentq

from problems.frame.judging import Function, Value
from rmtlab import activations, data
from rmtlab.coursework import Numbers
from rmtlab.networks import MLP, Network
from rmtlab.nngp import GaussianProcess, class_targets

NETWORKS, READ_OUTS, READ_OUT_WEIGHT_VAR = 4000, 100, 2.0


def _dual(q1: np.ndarray, q2: np.ndarray, k: np.ndarray) -> np.ndarray:
    """E[φ(u)φ(v)] for φ = sin + cos; the mixed terms have mean zero."""
    return sum(activations.get(name).dual(q1, q2, k)[0] for name in ("sin", "cos"))


def _fourier_kernel(
    x1: np.ndarray, x2: np.ndarray, depth: int, weight_var: float, bias_var: float
) -> np.ndarray:
    x = np.concatenate([x1, x2])
    averages = x @ x.T / x.shape[1]
    for _ in range(depth):
        K = weight_var * averages + bias_var
        averages = _dual(np.diag(K)[:, None], np.diag(K), K)
    return (weight_var * averages + bias_var)[: len(x1), len(x1) :]


def _inputs(own: Numbers, rng: np.random.Generator) -> list[tuple]:
    drawn = []
    for depth in (1, 2, 5):
        x1, x2 = (rng.normal(0, rng.uniform(0.5, 1.5), (count, 6)) for count in rng.permutation([3, 5]))
        drawn.append((x1, x2, depth, rng.uniform(0.5, 2), rng.uniform(0, 0.4)))
    return drawn


def _relative_spread(own: Numbers) -> tuple[float, float]:
    """K¹(x, x′), and n times the variance of K̂(x, x′), for φ = sin + cos.

    (φ(u)φ(v))² = cos²(u−v) + sin²(u+v) + a term odd in (u, v), each by E cos g = exp(−Var(g)/2).
    """
    q = own.weight_var + own.bias_var
    k = own.weight_var * own.cosine + own.bias_var
    mean = np.exp(k - q)
    square = 1 + (np.exp(-4 * (q - k)) - np.exp(-4 * (q + k))) / 2
    return own.weight_var * mean + own.bias_var, own.weight_var**2 * (square - mean**2)


def _width_needed(own: Numbers) -> float:
    limit, spread = _relative_spread(own)
    return spread / (0.01 * limit) ** 2


def _kernel_sd(own: Numbers) -> float:
    return float(np.sqrt(_relative_spread(own)[1] / own.width))


def _kernel_sd_tolerance(own: Numbers) -> float:
    """Relative: four standard errors of a standard deviation, √((2 + κ)/4N) over N networks.

    K̂ is a mean of n independent terms, so its variance is exact at every n, and its excess kurtosis κ is at
    most (M²/v − 3)/n for terms within M = 4 of their mean, of variance v ≥ 1/4; 60/n covers it.
    """
    return 4 * np.sqrt((2 + 60 / own.width) / (4 * NETWORKS))


def _net(own: Numbers) -> Network:
    return MLP(own.layers, own.activation, own.weight_var, own.bias_var)


def _digits(own: Numbers) -> tuple[data.Dataset, np.ndarray]:
    digits = data.load("digits", seed=own.seed, n_train=own.images, n_test=100)
    return digits, class_targets(digits.y_train, 10)


def _leave_one_out(C: np.ndarray, t: np.ndarray) -> np.ndarray:
    found = np.empty_like(t)
    for i in range(len(C)):
        kept = np.arange(len(C)) != i
        found[i] = C[i, kept] @ np.linalg.solve(C[np.ix_(kept, kept)], t[kept])
    return found


def _matrices(own: Numbers, rng: np.random.Generator) -> list[tuple]:
    drawn = []
    for m in (4, 9):
        root = rng.standard_normal((m, 2 * m))
        drawn.append((root @ root.T / m + 0.1 * np.eye(m), rng.standard_normal((m, 3))))
    return drawn


def _left_out_error(own: Numbers) -> float:
    digits, t = _digits(own)
    inverse = np.linalg.inv(_net(own).kernel(digits.x_train).nngp + own.noise_var * np.eye(own.images))
    return float(np.mean((inverse @ t / np.diag(inverse)[:, None]) ** 2))


def _test_error(own: Numbers) -> float:
    digits, t = _digits(own)
    posterior = GaussianProcess(_net(own), own.noise_var).fit(digits.x_train, t, progress=False)
    found = posterior.predict(digits.x_test, variance=False, progress=False)
    return float(np.mean((class_targets(digits.y_test, 10) - found.mean) ** 2))


def _eigenvalues(own: Numbers) -> np.ndarray:
    x = np.random.default_rng(own.seed).standard_normal((own.points, own.dimension))
    return np.linalg.eigvalsh(MLP(1, own.activation, READ_OUT_WEIGHT_VAR).kernel(x).nngp)


def _effective_noise(own: Numbers) -> float:
    values, noise = _eigenvalues(own), own.label_noise
    return brentq(
        lambda s: s - noise - s / own.units * np.sum(values / (values + s)),
        noise,
        noise + values.sum() / own.units,
        xtol=1e-12,
    )


def _unexplained(own: Numbers) -> float:
    s = _effective_noise(own)
    return float(np.mean(s / (s + _eigenvalues(own))))


def _unexplained_tolerance(own: Numbers) -> float:
    """Four standard errors over the networks, and the next order.

    A sum over the spectrum of K̂ fluctuates by O(1), whatever the size of the matrix, here by less than a
    half: the share, such a sum over m, by 1/2m from network to network. The average misses its leading order
    by O(1/n) (a half of it at most was seen). The limit kernel misses it by five times as much or more.
    """
    return 4 * 0.5 / own.points / np.sqrt(READ_OUTS) + 1 / own.units


ANSWERS = {
    "fourier_kernel": {
        "fourier_kernel": Function(
            _fourier_kernel, _inputs, 1e-6, "the kernel is exact; the truth is a quadrature with more digits"
        ),
    },
    "one_network": {
        "width_needed": Value(_width_needed, 1e-4, "the averages are exact; four digits are asked for"),
        "kernel_sd": Value(
            _kernel_sd,
            _kernel_sd_tolerance,
            "four standard errors of a standard deviation over 4000 networks",
        ),
    },
    "left_out": {
        "leave_one_out": Function(
            _leave_one_out, _matrices, 1e-8, "well-conditioned matrices lose a few digits at most"
        ),
        "left_out_error": Value(_left_out_error, 1e-4, "linear algebra; four digits are asked for"),
        "test_error": Value(_test_error, 1e-4, "linear algebra; four digits are asked for"),
    },
    "effective_noise": {
        "unexplained": Value(
            _unexplained,
            _unexplained_tolerance,
            "four standard errors over 100 networks, and the next order, 1/n",
            absolute=True,
        ),
        "unexplained_limit": Value(
            lambda own: np.mean(own.label_noise / (own.label_noise + _eigenvalues(own))),
            1e-4,
            "linear algebra; four digits are asked for",
        ),
        "effective_noise": Value(
            _effective_noise, 1e-4, "one equation in one unknown; four digits are asked for"
        ),
    },
}

# A wrong turn for each question: what stands in the solution, and what a student might write instead.
PLANTED = {
    "fourier_kernel": (
        "q1 = np.full(len(x1), weight_var + bias_var)",
        "q1 = np.full(len(x1), weight_var)",
    ),
    "one_network": (
        "second = 1 + np.exp(-4 * q) * np.sinh(4 * k)",
        "second = 1 + np.exp(-2 * q) * np.sinh(2 * k)",
    ),
    "left_out": ("+ own.noise_var * np.eye(own.images)", "+ own.noise_var**0.5 * np.eye(own.images)"),
    "effective_noise": ("lambda s: s - noise - s / n", "lambda s: s - noise - noise / n"),
}
