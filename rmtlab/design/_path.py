"""The way of the variance through a finite number of layers, over a whole grid of hyper-parameters."""

from dataclasses import dataclass
from math import e

import numpy as np
from scipy.interpolate import CubicSpline

from rmtlab import noise as noises
from rmtlab.activations import Activation
from rmtlab.signal import MeanField, _correlation
from rmtlab.signal._moments import moments

GROWTH = 6.0  # |ln(q^L/q¹)| under noise that is added: the house's bound on squared gradients
_NODES = np.linspace(np.log(1e-14), np.log(1e14), 400)


@dataclass(frozen=True, eq=False)
class Path:
    """What depth does to gradients, to the spectrum of the Jacobian and to the size of signals."""

    log_gradient: np.ndarray
    spread: np.ndarray
    in_range: np.ndarray
    log_growth: np.ndarray  # ln(q^L/q¹)
    lost: np.ndarray | None  # −ln ∂c^{L+1}/∂c¹ where noise is added and q may have no place to rest


class _Moments:
    """E φ², E φ′² and E φ′⁴ as functions of q, looked up in a table of logarithms."""

    def __init__(self, phi: Activation) -> None:
        self._nodes = _nodes_of(phi)
        q = np.exp(self._nodes)
        found = (phi.moment(q), phi.derivative_moment(q), phi.derivative_moment(q, 4))
        if not all(np.isfinite(values).all() for values in found) or not found[1].any():
            raise ValueError(
                f"The slope of {phi.name!r} is 0 almost everywhere or has no mean square, so that no gradient comes "
                "back; choose a continuous activation such as 'hard_tanh'."
            )
        with np.errstate(divide="ignore"):
            logs = [np.maximum(np.log(values), -745.0) for values in found]
        self._curves = [CubicSpline(self._nodes, values) for values in logs]

    def __call__(self, log_q: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return ln E φ², ln E φ′² and ln E φ′⁴; straight lines go on beyond the table."""
        inside = np.clip(log_q, self._nodes[0], self._nodes[-1])
        return tuple(curve(inside) + curve(inside, 1) * (log_q - inside) for curve in self._curves)


def _nodes_of(phi: Activation) -> np.ndarray:
    """Return all nodes, or those up to q = 1000 where quadrature fails beyond: √q spans too many waves of a sine."""
    try:
        phi.derivative_moment(np.exp(_NODES), 4)
    except ValueError:
        return _NODES[: np.searchsorted(_NODES, np.log(1e3))]
    return _NODES


def walk(
    phi: Activation,
    depth: int,
    noise: noises.Noise | None,
    weights: str,
    weight_vars: np.ndarray,
    bias_vars: np.ndarray,
    dtype: str,
) -> Path:
    """Follow q¹ … q^L from an input with |x|² = d."""
    low, high = _range(dtype)
    w, b = np.meshgrid(weight_vars, bias_vars, indexing="ij")
    gain, added = (1.0, 0.0) if noise is None else (noise.gain, noise.additive_var)
    masked = 1.0 if noise is None or not noise.multiplicative else noise.fourth_moment / gain**2
    look_up = _Moments(phi)
    log_q = np.log(w * (gain + added) + b)
    log_gradient, spread = np.zeros_like(w), np.full_like(w, masked - 1.0)
    in_range = np.ones(w.shape, dtype=bool)
    slopes = moments(phi).far_slopes if added else None
    apart = _Apart(slopes, noise, w, log_q) if noise is not None and slopes and any(slopes) else None
    first = last = log_q
    for layer in range(depth):
        in_range &= (log_q >= low) & (log_q <= high)
        last = log_q
        log_q = np.clip(log_q, low, high)
        second, slope, fourth = look_up(log_q)
        log_gradient += np.log(w * gain) + slope
        behind = masked if layer < depth - 1 else 1.0
        spread += np.exp(fourth - 2 * slope) * behind - 1 + (weights == "gaussian")
        with np.errstate(divide="ignore"):
            log_q = np.logaddexp(np.log(w * gain) + second, np.log(b + w * added))
        if apart is not None:
            apart.step(second, log_q)
    if added:
        in_range &= np.abs(last - first) <= GROWTH
    return Path(log_gradient, spread, in_range, last - first, None if apart is None else apart.lost)


class _Apart:
    """Two passes of one input, with noise that is added: 1 − c^l, and −ln ∂c^{l+1}/∂c¹ so far.

    With κ the normalised dual of φ as it is far from zero,

        1 − c′ = σ_w² (M (1 − κ(c)) + σ²)/q′,    ∂c′/∂c = σ_w² M κ′(c)/q′,    M = E φ².
    """

    def __init__(
        self, slopes: tuple[float, float], noise: noises.Noise, w: np.ndarray, log_q: np.ndarray
    ) -> None:
        self._rectifier, self._unit = _correlation.tangent(slopes, 1.0)
        self._w, self._own = w, 0.0 if noise.shared else noise.additive_var
        self._gap = w * self._own * np.exp(-log_q)
        self.lost = np.zeros_like(w)

    def step(self, log_second: np.ndarray, log_q: np.ndarray) -> None:
        """Go one layer on, to the variance that is given."""
        kappa, slope = (self._unit.w * k for k in self._rectifier.dual(1.0, 1.0, 1 - self._gap))
        carried = self._w * np.exp(log_second - log_q)
        with np.errstate(divide="ignore"):
            self.lost -= np.log(carried * slope)
        self._gap = np.clip(carried * (1 - kappa) + self._w * self._own * np.exp(-log_q), 0.0, 1.0)


def _range(dtype: str) -> tuple[float, float]:
    """The logarithms of the smallest normal and the largest number of a format, from e^(depth) of a linear network."""
    doubling = MeanField("linear", e).float_depths(dtype)
    halving = MeanField("linear", 1 / e).float_depths(dtype)
    return -halving.underflow, doubling.overflow
