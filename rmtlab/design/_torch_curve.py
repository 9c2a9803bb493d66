"""What an activation does to Gaussian pre-activations, whatever module or function it is."""

from collections.abc import Callable
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

_Z = (np.arange(-256, 256) + 0.5) / 32  # never at 0, where rectifiers have their kink
_WEIGHT = np.exp(-(_Z**2) / 2) / np.exp(-(_Z**2) / 2).sum()
_LOG_Q = np.linspace(np.log(1e-8), np.log(1e8), 161)
_TERMS = 80
_FLAT = 0.05
_ALIKE = 0.95


class Curve:
    """φ with its slope, and the Gaussian averages that the mean-field maps need, by the trapezoid rule."""

    def __init__(self, apply: Callable[[Tensor], Tensor], like: Tensor) -> None:
        self._apply, self._like = apply, like.detach()

    def slope(self, z: Tensor) -> Tensor:
        """Return φ′, entry by entry."""
        with torch.enable_grad():
            at = z.detach().clone().requires_grad_(True)
            (found,) = torch.autograd.grad(self._apply(at.clone()).sum(), at)
        return found.detach()

    def _values(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = torch.as_tensor(z).to(self._like)
        with torch.no_grad():
            value = self._apply(at.clone())
        return value.double().cpu().numpy(), self.slope(at).double().cpu().numpy()

    @cached_property
    def top(self) -> float:
        """The largest |φ′| near zero."""
        return float(np.abs(self._values(_Z)[1]).max())

    @cached_property
    def shape(self) -> str:
        """Where φ is flat: "rectifier" on one side, "saturating" on both, "open" on none."""
        left, right = np.abs(self._values(np.array([-40.0, 40.0]))[1]) < _FLAT * self.top
        return "saturating" if left and right else "rectifier" if left or right else "open"

    @cached_property
    def positive(self) -> bool:
        """Whether φ ≥ 0 everywhere, as a gate's."""
        return bool((self._values(40 * _Z)[0] >= 0).all())

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        values, slopes = self._values(np.exp(_LOG_Q[:, None] / 2) * _Z)
        tiny = np.finfo(float).tiny
        return np.log(values**2 @ _WEIGHT + tiny), np.log(slopes**2 @ _WEIGHT + tiny)

    def second(self, q: float) -> float:
        """Return E φ(√q z)²."""
        inside = np.clip(np.log(max(q, 1e-300)), _LOG_Q[0], _LOG_Q[-1])
        found = np.exp(np.interp(inside, _LOG_Q, self._table[0]))
        return float(found * max(q, 1e-300) / np.exp(inside)) if self.second_scales else float(found)

    @cached_property
    def second_scales(self) -> bool:
        """Whether E φ² grows with q at both ends of the table, as a rectifier's does."""
        log = self._table[0]
        return bool(log[-1] - log[-2] > 0.5 * (_LOG_Q[1] - _LOG_Q[0]))

    def slope_squared(self, q: float) -> float:
        """Return E φ′(√q z)²."""
        return float(np.exp(np.interp(np.log(max(q, 1e-300)), _LOG_Q, self._table[1])))

    def loss_by_noise(self, q: float, weight_var: float, bias_var: float, noise: float) -> float:
        """Return what noise of ratio μ₂/μ₁² behind φ adds to 1/ξ_c = −ln C′(c*)."""
        values, _ = self._values(np.sqrt(q) * _Z)
        squares = (_hermite() @ (_WEIGHT * values)) ** 2
        squares[1] += max(values**2 @ _WEIGHT - squares.sum(), 0.0)
        noisy, _ = _rate(weight_var * squares, bias_var, noise)
        quiet, c = _rate(weight_var * squares, bias_var, 1.0)
        if c > _ALIKE:  # where the series of a kinked φ ends too early
            slope = weight_var * self.slope_squared(q) * q / (weight_var * squares.sum() + bias_var)
            quiet = -np.log(np.clip(slope, 1e-12, 1.0))
        return max(noisy - quiet, 0.0)


def _rate(gains: np.ndarray, bias_var: float, noise: float) -> tuple[float, float]:
    """−ln C′(c*) and c* for C(c) = (Σ g_n cⁿ + σ_b²)/(μ Σ g_n + σ_b²)."""
    total, order, c = noise * gains.sum() + bias_var, np.arange(_TERMS), 0.5
    for _ in range(300):
        c = float((gains @ c**order + bias_var) / total)
    slope = (order[1:] * gains[1:]) @ c ** order[:-1] / total
    return float(-np.log(np.clip(slope, 1e-12, 1.0))), c


@cache
def _hermite() -> np.ndarray:
    """Return He_n(z)/√n! at the nodes."""
    rows = [np.ones_like(_Z), _Z]
    for n in range(1, _TERMS - 1):
        rows.append((_Z * rows[n] - np.sqrt(n) * rows[n - 1]) / np.sqrt(n + 1))
    return np.stack(rows)
