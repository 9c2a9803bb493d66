"""The step of ln s in a network without biases, exactly."""

from math import log

import numpy as np
from scipy.special import digamma, polygamma
from scipy.stats import binom

from rmtlab.activations import Activation


def log_walk(activation: Activation, weight_var: float, width: int) -> tuple[float, float, float]:
    """Return mean and variance of ln(σ_w² |φ(z)|²/N s), given that it is finite, and the probability that it isn't."""
    left, right = (float(activation(np.array(x))) ** 2 for x in (-1.0, 1.0))
    if left == right:
        return (
            log(2 * weight_var * right / width) + float(digamma(width / 2)),
            float(polygamma(1, width / 2)),
            0.0,
        )
    if min(left, right) > 0:
        raise ValueError(
            f"the sum of two χ² of different weights in {activation!r} has no known logarithmic moments; take 'relu', "
            "'linear' or 'abs', or simulate() the walk."
        )
    active = np.arange(1, width + 1)
    mass = binom.pmf(active, width, 0.5)
    alive = float(mass.sum())
    mass = mass / alive
    steps = digamma(active / 2)
    mean = float(mass @ steps)
    variance = float(mass @ ((steps - mean) ** 2 + polygamma(1, active / 2)))
    return log(2 * weight_var * max(left, right) / width) + mean, variance, 0.5**width
