"""The Gaussian moments of an activation as functions of the variance q.

All maps of this package are made of M(q) = E[φ²], dM/dq and X(q) = E[φ′²], in which σ_w² and σ_b² are
linear. So one table an activation, piecewise Chebyshev in log q, serves every search; what is handed
back is certified by the exact averages.
"""

from collections.abc import Callable
from functools import cache, cached_property

import numpy as np

from rmtlab import gaussian
from rmtlab.activations import Activation

LOW, HIGH = -37.0, 18.0  # the table's range of log q: 1e-16 to 6e7
_NODES = 20
_SURE = 1e-12
_GRID = 0.05
_STEP = 1e-9
_SMALL, _LARGE = 1e-150, 1e8
_X = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
_T = np.cos(np.outer(np.arange(_NODES), np.arccos(_X))) * (2 / _NODES)
_T[0] /= 2


def chebyshev(values: np.ndarray) -> np.ndarray:
    """Return Chebyshev coefficients of functions sampled on the last axis at the nodes of an interval."""
    with np.errstate(invalid="ignore"):
        return values @ _T.T


def nodes(first: int, count: int) -> np.ndarray:
    """Return the nodes of the unit intervals [first, first + 1], … of log q, one interval a row."""
    return first + np.arange(count)[:, None] + 0.5 + 0.5 * _X


def polynomials(log_q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval in which each log q lies, and T_0 … T_{n−1} at its place there."""
    interval = np.floor(log_q).astype(int)
    place = np.clip(2 * (log_q - interval) - 1, -1.0, 1.0)
    return interval, np.cos(np.arange(_NODES) * np.arccos(place)[..., None])


class Moments:
    """M, dM/dq and X of one activation: exact, and from the table."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        kinks = activation.kinks
        self._mirrored_kinks = sorted({*kinks, *(-x for x in kinks)})

    def second(self, q: np.ndarray | float) -> np.ndarray:
        """Return M(q) = E[φ²]."""
        return np.asarray(self.activation.moment(q, 2))

    def derivative(self, q: np.ndarray | float) -> np.ndarray:
        """Return X(q) = E[φ′²], at q = 0 its limit from the right."""
        q = np.asarray(q, dtype=float)
        found = np.asarray(self.activation.derivative_moment(q, 2))
        return np.where(q == 0, self.zero_gain, found) if np.any(q == 0) else found

    def slope(self, q: np.ndarray | float) -> np.ndarray:
        """Return dM/dq = E[φφ′x]/q; only the odd part of φφ′ counts. At q = 0 the limit."""
        q = np.asarray(q, dtype=float)
        if self.activation.homogeneous:
            return np.full_like(q, self.second(np.array(1.0)))
        if self.vanishes_at_zero:
            inside = np.where(q == 0, 1.0, q)
            return np.where(q == 0, self.zero_gain, self._slope(inside))
        return self._slope(np.maximum(q, 1e-10))

    def _slope(self, q: np.ndarray) -> np.ndarray:
        phi, derivative = self.activation, self.activation.derivative

        def odd(x: np.ndarray) -> np.ndarray:
            return 0.5 * x * (phi(x) * derivative(x) - phi(-x) * derivative(-x))

        return np.asarray(gaussian.expectation(odd, q, kinks=self._mirrored_kinks)) / q

    def critical_bias(self, q: float) -> float:
        """Return q − E[φ²]/E[φ′²], the bias variance on the edge of chaos.

        Where φ is almost straight over √q the difference loses its digits; there it is taken between the
        moments of r = φ − ax with a = E[φ′], because q E[φ′²] − E[φ²] = q E[r′²] − E[r²].
        """
        phi, derivative, kinks = self.activation, self.activation.derivative, self.activation.kinks
        x2 = float(self.derivative(q))
        plain = float(q - self.second(q) / x2)
        if not 3e-5 * q < plain < 1e-2 * q:
            return plain
        a = float(phi.derivative_moment(q, 1))
        bend = gaussian.expectation(lambda x: q * (derivative(x) - a) ** 2, q, kinks=kinks)
        rest = gaussian.expectation(lambda x: (phi(x) - a * x) ** 2, q, kinks=kinks)
        return float((bend - rest) / x2)

    def curvature(self, q: float) -> float | None:
        """Return E[φ″²], or None where φ′ jumps or torch does not know its derivative."""
        jumps = [self.activation.derivative(np.array([x - _STEP, x + _STEP])) for x in self.activation.kinks]
        if any(abs(right - left) > np.sqrt(_STEP) for left, right in jumps):
            return None
        try:
            return float(gaussian.expectation(lambda x: self._bend(x) ** 2, q, kinks=self.activation.kinks))
        except RuntimeError:
            return None

    def _bend(self, x: np.ndarray) -> np.ndarray:
        import torch

        at = torch.tensor(x, requires_grad=True)
        (bend,) = torch.autograd.grad(self.activation.derivative(at).sum(), at)
        return bend.numpy()

    @cached_property
    def vanishes_at_zero(self) -> bool:
        """Whether φ(0) = 0, so that a network without biases maps zero to zero."""
        return float(self.activation(np.array(0.0))) == 0.0 and np.isfinite(self.zero_gain)

    @cached_property
    def is_odd(self) -> bool:
        """Whether φ(−x) = −φ(x), tried on points."""
        x = np.linspace(0.05, 6.0, 60)
        return bool(np.allclose(self.activation(-x), -self.activation(x), rtol=1e-13, atol=0))

    @cached_property
    def zero_slopes(self) -> tuple[float, float]:
        """φ′(0−) and φ′(0+)."""
        left, right = self.activation.derivative(np.array([-_SMALL, _SMALL]))
        return float(left), float(right)

    @cached_property
    def zero_gain(self) -> float:
        """The limit of X(q) as q → 0, and of M(q)/q where φ(0) = 0."""
        if self.activation.name == "sign":
            return float("inf")
        return sum(s * s for s in self.zero_slopes) / 2

    @cached_property
    def far_slopes(self) -> tuple[float, float] | None:
        """The limits of φ(x)/x as x → ∓∞, or None where φ grows faster than linearly."""
        with np.errstate(all="ignore"):
            far = np.asarray(self.activation(np.array([-_LARGE, _LARGE]))) / np.array([-_LARGE, _LARGE])
            near = np.asarray(self.activation(np.array([-_LARGE, _LARGE]) / 10))
            near = near / (np.array([-_LARGE, _LARGE]) / 10)
        if not np.isfinite(far).all() or np.any(np.abs(far) > np.abs(near) + 1e-6 * (1 + np.abs(near))):
            return None
        return float(np.round(far[0], 7)), float(np.round(far[1], 7))

    @cached_property
    def far_gain(self) -> float:
        """The limit of M(q)/q as q → ∞."""
        return float("inf") if self.far_slopes is None else sum(s * s for s in self.far_slopes) / 2

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the coefficients of M and of X, one interval a row, and which of their intervals are sure."""
        q = np.exp(nodes(int(LOW), int(HIGH - LOW)))
        tables = [chebyshev(_finite(f, q)) for f in (self.second, self.derivative)]
        with np.errstate(all="ignore"):
            sure = [
                np.abs(t[:, -2:]).max(axis=1) <= _SURE * np.maximum(np.abs(t).max(axis=1), 1e-250)
                for t in tables
            ]
        return tables[0], tables[1], sure[0], sure[1]

    def look_up(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return M, dM/dq and X from the table, or exactly where the table is not sure. q is flat, positive."""
        second, derivative, sure_second, sure_derivative = self._table
        log_q = np.log(q)
        interval, t = polynomials(log_q)
        row = np.clip(interval - int(LOW), 0, len(second) - 1)
        inside = (log_q >= LOW) & (log_q < HIGH)
        with np.errstate(all="ignore"):
            m = np.einsum("ij,ij->i", second[row], t)
            x = np.einsum("ij,ij->i", derivative[row], t)
            dm = 2 * np.einsum("ij,ij->i", self._differentiated[row], t[:, :-1]) / q
        rest = ~(inside & sure_second[row])
        if rest.any():
            m[rest], dm[rest] = (_finite(f, q[rest]) for f in (self.second, self.slope))
        rest = ~(inside & sure_derivative[row])
        if rest.any():
            x[rest] = _finite(self.derivative, q[rest])
        return m, dm, x

    @cached_property
    def _differentiated(self) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.polynomial.chebyshev.chebder(self._table[0], axis=1)

    @cached_property
    def grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A fine grid of q with M, dM/dq and X there."""
        q = np.exp(np.arange(LOW, HIGH - _GRID / 2, _GRID))
        return (q, *self.look_up(q))

    @cached_property
    def monotone(self) -> bool:
        """Whether M grows with q everywhere on the grid."""
        q, m, dm, _ = self.grid
        fine = np.isfinite(m) & np.isfinite(dm)
        return bool(np.all((q * dm)[fine] >= -1e-9 * m[fine]))


@cache
def moments(activation: Activation) -> Moments:
    """Return the moments of an activation, with the table made at most once."""
    return Moments(activation)


def _finite(function: Callable, q: np.ndarray) -> np.ndarray:
    """Evaluate at every q; where float64 overflows the answer is infinite."""
    try:
        return np.asarray(function(q))
    except ValueError:
        if q.size == 1:
            return np.full(q.shape, np.inf)
        if q.ndim > 1:
            return np.stack([_finite(function, row) for row in q])
        return np.concatenate([_finite(function, half) for half in np.array_split(q, 2)])
