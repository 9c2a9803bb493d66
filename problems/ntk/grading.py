"""Truths, tolerances and planted errors of the problem set on the neural tangent kernel."""

from itertools import pairwise

import numpy as np

from problems.frame.judging import Function, Value
from rmtlab.coursework import Numbers
from rmtlab.networks import MLP

NETWORKS = 3000


def _gradient(x: np.ndarray, weights: list[np.ndarray], weight_var: float) -> np.ndarray:
    """∇f by carrying the derivative with respect to every weight forward."""
    h, slopes = x, np.zeros((x.size, 0))
    for i, w in enumerate(weights):
        scale = np.sqrt(weight_var / w.shape[1])
        own = np.kron(np.eye(len(w)), scale * h)
        slopes = np.hstack([scale * w @ slopes, own])
        h = scale * w @ h
        if i < len(weights) - 1:
            slopes, h = (h > 0)[:, None] * slopes, np.maximum(h, 0)
    return slopes[0]


def _tangent_kernel(x1: np.ndarray, x2: np.ndarray, weights: list[np.ndarray], weight_var: float) -> float:
    return float(_gradient(x1, weights, weight_var) @ _gradient(x2, weights, weight_var))


def _networks(own: Numbers, rng: np.random.Generator) -> list[tuple]:
    drawn = []
    for depth in (1, 2, 4):
        widths = [*rng.integers(4, 9, size=depth + 1), 1]
        weights = [rng.standard_normal((n, m)) for m, n in pairwise(widths)]
        x1, x2 = rng.standard_normal((2, widths[0]))
        drawn.append((x1, x1 + 0.5 * x2, weights, rng.uniform(1, 3)))
    return drawn


def _step_limit(own: Numbers) -> float:
    x = np.random.default_rng(own.seed).standard_normal((own.points, 6))
    theta = MLP(own.layers, own.activation, own.weight_var, own.bias_var).kernel(x).ntk
    times = {"half sum": 1.0, "half mean": own.points, "mse": own.points / 2}[own.loss]
    return times * 2 * (1 + own.momentum) / np.linalg.eigvalsh(theta)[-1]


def _growth(own: Numbers) -> float:
    """The larger root of ρ² + (ηλ − 1 − β)ρ + β = 0 in size, at ηλ = overshoot · 2(1 + β); both are negative."""
    beta = own.momentum
    half = (own.overshoot * 2 * (1 + beta) - 1 - beta) / 2
    return float(half + np.sqrt(half**2 - beta))


def _growth_tolerance(own: Numbers) -> float:
    """Relative: what the smaller root still does at step 10, and a thousandth for a kernel that moves.

    The roots' product is β, so the smaller one has died to (β/ρ²)^10 of the larger, times at most one for
    their weights; the tenth root divides by ten. Residuals stay below 1e-8·ρ^20 < 1e-2, and so does what
    they do to the kernel, in the last steps alone.
    """
    return float((own.momentum / _growth(own) ** 2) ** 10 / 10 + 1e-3)


def _theta_limit(own: Numbers) -> float:
    """(L+1)·σ_w²·(σ_w²/2)^L·|x|²/d."""
    net = MLP(own.depth, "relu", own.relu_weight_var)
    return float(net.kernel(np.array([[np.sqrt(own.size)]])).ntk[0, 0])


def _leading(own: Numbers) -> float:
    L = own.depth
    return L / own.units * (5 - 4 * (L + 2) / (3 * (L + 1)))


def _spread(own: Numbers) -> float:
    """Relative variance of Θ(x, x), every layer's factor kept whole.

    E[T_l T_k]/E[T]² = (1 + 5/n)^{L−|l−k|}(1 + 1/n)^{|l−k|}; its first order in 1/n is the leading one.
    It takes the weights of the backward pass as independent of those of the forward pass.
    """
    n, layers = own.units, np.arange(own.depth + 1)
    apart = np.abs(np.subtract.outer(layers, layers))
    return float(np.mean((1 + 5 / n) ** (own.depth - apart) * (1 + 1 / n) ** apart) - 1)


def _spread_tolerance(own: Numbers) -> float:
    """Relative: four standard errors of a variance, √((κ − 1)/N), and O(L/n) for the shared weights.

    Θ is near a lognormal variable, whose kurtosis is κ = w⁴ + 2w³ + 3w² − 3 with w = 1 + its relative variance.
    """
    w = 1 + _spread(own)
    kurtosis = w**4 + 2 * w**3 + 3 * w**2 - 3
    return float(4 * np.sqrt((kurtosis - 1) / NETWORKS) + own.depth / own.units)


ANSWERS = {
    "tangent_kernel": {
        "tangent_kernel": Function(
            _tangent_kernel,
            _networks,
            1e-9,
            "only the order of additions may differ, which costs a few roundings",
        ),
    },
    "momentum": {
        "step_limit": Value(_step_limit, 1e-4, "the kernel is exact; four digits are asked for"),
        "growth_theory": Value(_growth, 1e-4, "the root of a quadratic equation"),
        "growth_measured": Value(
            _growth,
            _growth_tolerance,
            "what is left of the other root after ten steps, and a kernel that hardly moves",
        ),
    },
    "spread": {
        "theta_limit": Value(_theta_limit, 1e-6, "a short formula"),
        "spread": Value(
            _spread,
            _spread_tolerance,
            "four standard errors of a variance over 3000 networks, and a relative bias of the order L/n",
        ),
        "spread_theory": Value(_leading, 1e-6, "a short formula"),
    },
}

# A wrong turn for each question: what stands in the solution, and what a student might write instead.
PLANTED = {
    "tangent_kernel": ("(scaled[layer].T @ error) * (kept[layer] > 0)", "scaled[layer].T @ error"),
    "momentum": ("step_limit = times * 2 * (1 + beta)", "step_limit = times * 2 * (1 - beta)"),
    "spread": ("spread_theory = L / n * (5 - 4 *", "spread_theory = L / n * (5 - 5 *"),
}
