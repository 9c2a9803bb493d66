r"""The edge of chaos, χ₁ = 1, parametrised by the variance q.

On it σ_w² = 1/(μ₂E[φ′²]) and σ_b² = q − σ_w² (μ₂E[φ²] + σ_ε²), so that finding the point of a given σ_b² is one
bracketed root in log q.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from rmtlab import _checks, activations
from rmtlab import noise as noises
from rmtlab.activations import Activation
from rmtlab.noise._base import checked
from rmtlab.signal._moments import Moments, moments

_LEVEL = 1e-11  # σ_b²/q below this on the line is rounding
_NOISY = " Independent noise holds c* below 1; MeanField(…).depth_scales() tells how long correlations live."


@dataclass(frozen=True)
class _Line:
    """The edge of chaos of one activation under one noise: σ_w² and σ_b² as functions of q."""

    found: Moments
    noise: noises.Noise | None

    @property
    def name(self) -> str:
        name = repr(self.found.activation.name)
        return name if self.noise is None else f"{name} with {self.noise!r}"

    @property
    def gain(self) -> float:
        return 1.0 if self.noise is None else self.noise.gain

    @property
    def added(self) -> float:
        return 0.0 if self.noise is None else self.noise.additive_var

    @property
    def remark(self) -> str:
        quiet = self.noise is None or self.noise.shared or (self.gain == 1.0 and self.added == 0.0)
        return "" if quiet else _NOISY

    def weight_var(self, q: float) -> float:
        return float(1 / (self.gain * self.found.derivative(q)))

    def bias_var(self, q: float) -> float:
        bias_var = self.found.critical_bias(q)
        return bias_var - self.weight_var(q) * self.added if self.added else bias_var

    def variance(self, q: float, bias_var: float) -> float:
        return self.weight_var(q) * (self.gain * float(self.found.second(q)) + self.added) + bias_var

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Return q and σ_b²/q along the line, where it exists at all."""
        q, m, _, x = self.found.grid
        fine = np.isfinite(m) & np.isfinite(x) & (x > 1e-200)
        q, m, x = q[fine], m[fine], x[fine]
        return q, 1 - (m + self.added / self.gain) / (q * x)


@dataclass(frozen=True)
class CriticalPoint:
    """A point of the edge of chaos, χ₁ = 1.

    Attributes
    ----------
    weight_var, bias_var : float
        σ_w² and σ_b².
    q : float
        The variance q* at which χ₁ = 1; for a rectifier, where every q is fixed, that of |x|² = d.
    variance_slope : float
        V′(q*).
    stable : bool
        Whether the variance flows to q*. If not, a network leaves the point whatever its χ₁ there.
    residual : float
        The larger of |V(q*) − q*|/q* and |χ₁ − 1|, from exact averages.
    sentence : str
        What this means.
    """

    weight_var: float
    bias_var: float
    q: float
    variance_slope: float
    stable: bool
    residual: float
    sentence: str


def critical_weight_var(
    activation: str | Activation, bias_var: float, noise: noises.Noise | None = None
) -> float:
    """Return the σ_w² at which χ₁ = 1 for a given σ_b²; see :func:`critical_point` for its stability.

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        φ.
    bias_var : float
        σ_b², at least 0.
    noise : rmtlab.noise.Noise, optional
        What acts on every signal.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there is no critical point with this bias_var.
    TypeError
        If `noise` is not a noise.

    Examples
    --------
    >>> from rmtlab import signal
    >>> round(signal.critical_weight_var("tanh", bias_var=0.05), 12)
    1.760954639607
    """
    return critical_point(activation, bias_var, noise).weight_var


def critical_point(
    activation: str | Activation,
    bias_var: float | None = None,
    noise: noises.Noise | None = None,
    *,
    preact_var: float | None = None,
) -> CriticalPoint:
    r"""Return the point of the edge of chaos with a given σ_b², or with a given q*.

    Where several points share a σ_b², it is the stable one. The line is parametrised by q*:

    .. math:: \sigma_w^2 = \frac{1}{\mu_2 E[\phi'(\sqrt{q^*}z)^2]}, \qquad
              \sigma_b^2 = q^* - \sigma_w^2 (\mu_2 E[\phi(\sqrt{q^*}z)^2] + \sigma_\epsilon^2)

    Under noise gradients neither vanish nor explode there, on average, as without. Multiplicative noise divides
    σ_w² by μ₂ and leaves q* and V′ as they are; correlations no longer live for ever, because independent noise
    holds c* below 1. Additive noise takes its part of σ_b²: rectifiers have no critical point under it.

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        φ.
    bias_var : float
        σ_b², at least 0. Give this or `preact_var`.
    noise : rmtlab.noise.Noise, optional
        What acts on every signal.
    preact_var : float
        q*, above 0; of σ_b² and σ_w² there is then one pair.

    Returns
    -------
    CriticalPoint

    Raises
    ------
    ValueError
        If there is no critical point with this bias_var or q*, as for a rectifier with additive noise, or not
        exactly one of the two is given.
    TypeError
        If `noise` is not a noise.

    References
    ----------
    .. [1] S. S. Schoenholz et al., "Deep information propagation", ICLR 2017.
    .. [2] A. Pretorius et al., "Critical initialisation for deep signal propagation in noisy rectifier
       neural networks", NeurIPS 2018.

    Examples
    --------
    >>> from rmtlab import signal
    >>> point = signal.critical_point("tanh", bias_var=0.05)
    >>> round(point.q, 12), round(point.variance_slope, 8), point.stable
    (0.570047881641, 0.51818648, True)
    >>> signal.critical_point("gelu", bias_var=0.1).stable
    False
    >>> round(signal.critical_point("hard_tanh", preact_var=0.25).bias_var, 6)
    0.008895

    >>> from rmtlab.noise import Dropout
    >>> noisy = signal.critical_point("tanh", bias_var=0.05, noise=Dropout(keep=0.9))
    >>> round(noisy.q, 12), round(noisy.weight_var / point.weight_var, 12)
    (0.570047881641, 0.9)
    """
    if bias_var is None and preact_var is not None:
        return _point_at(_line(activation, noise), preact_var)
    if bias_var is None or preact_var is not None:
        raise ValueError("critical_point needs either bias_var=σ_b² or preact_var=q*, and not both.")
    found = critical_points(activation, bias_var, noise)
    return next((point for point in found if point.stable), found[0])


def critical_points(
    activation: str | Activation, bias_var: float, noise: noises.Noise | None = None
) -> tuple[CriticalPoint, ...]:
    """Return all points of the edge of chaos with a given σ_b², in increasing order of q.

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        φ.
    bias_var : float
        σ_b², at least 0.
    noise : rmtlab.noise.Noise, optional
        What acts on every signal.

    Returns
    -------
    tuple of CriticalPoint
        Never empty.

    Raises
    ------
    ValueError
        If there is none.
    TypeError
        If `noise` is not a noise.

    Examples
    --------
    >>> from rmtlab import signal
    >>> [round(point.weight_var, 6) for point in signal.critical_points("erf", bias_var=0.05)]
    [1.375839]
    """
    line = _line(activation, noise)
    bias_var = _checks.number(bias_var, "bias_var", low=0, hint="It is a variance σ_b².")
    found = line.found
    if found.activation.homogeneous:
        return (_rectifier(line, bias_var),)
    origin = bias_var == 0 and line.added == 0 and found.vanishes_at_zero and found.zero_gain > 0
    points = [_point(line, 0.0, 0.0)] if origin else []
    points += [_point(line, q, bias_var) for q in _variances_on_the_line(line, bias_var)]
    if not points:
        raise ValueError(_none_there(line, bias_var))
    return tuple(points)


def _line(activation: str | Activation, noise: noises.Noise | None) -> _Line:
    return _Line(moments(activations.get(activation)), checked(noise))


def _variances_on_the_line(line: _Line, bias_var: float) -> list[float]:
    q, share = line.grid()
    height = q * share - bias_var
    signs = np.sign(height)
    if bias_var == 0:
        signs = np.where(np.abs(share) <= _LEVEL, 0.0, signs)
    q, signs = q[signs != 0], signs[signs != 0]

    def excess(log_q: float) -> float:
        return line.bias_var(float(np.exp(log_q))) - bias_var

    roots = []
    for i in np.flatnonzero(signs[1:] != signs[:-1]):
        low, high = np.log(q[i]), np.log(q[i + 1])
        if excess(low) * excess(high) <= 0:
            roots.append(float(np.exp(brentq(excess, low, high, xtol=1e-15, rtol=1e-15))))
    return roots


def _point(line: _Line, q: float, bias_var: float) -> CriticalPoint:
    weight_var = line.weight_var(q)
    slope = float(weight_var * line.gain * line.found.slope(q))
    residual = abs(line.variance(q, bias_var) - q) / q if q > 0 else 0.0
    stable = abs(slope) < 1
    if abs(slope - 1) <= 1e-10:
        above = q + 1e-3 * max(q, 1.0)
        after = weight_var * (line.gain * float(line.found.second(above)) + line.added) + bias_var
        stable = after < above
    where = f"χ₁ = 1 at q* = {q:.6g}, "
    if stable:
        where += f"and the variance flows there (V′ = {slope:.6g})."
    else:
        where += f"but the variance leaves it (V′ = {slope:.6g}): the phase depends on the norm of the input."
    return CriticalPoint(weight_var, bias_var, q, slope, stable, residual, where + line.remark)


def _point_at(line: _Line, preact_var: float) -> CriticalPoint:
    q = _checks.number(preact_var, "preact_var", low=0, low_open=True, hint="It is the variance q*.")
    if line.found.activation.homogeneous:
        return replace(_rectifier(line, 0.0), q=q)
    bias_var = line.bias_var(q)
    if bias_var < -_LEVEL * q:
        raise ValueError(
            f"{line.name} has no critical point with q* = {q:g}: where χ₁ = 1 there, the bias variance would "
            f"have to be {bias_var:.6g}, which is negative. Choose another preact_var."
        )
    return _point(line, q, max(bias_var, 0.0))


def _rectifier(line: _Line, bias_var: float) -> CriticalPoint:
    weight_var, _ = noises.critical(line.noise, line.found.activation)
    if bias_var > 0:
        raise ValueError(
            f"{line.name} is critical only at weight_var = {weight_var:g}, bias_var = 0, but bias_var = "
            f"{bias_var:g} was given: a bias makes the variance grow at every layer there. Set bias_var to 0."
        )
    sentence = "χ₁ = 1 and every variance is fixed: the map is the identity, without an isolated q*."
    q = weight_var * line.gain
    return CriticalPoint(weight_var, 0.0, q, 1.0, True, 0.0, sentence + line.remark)


def _none_there(line: _Line, bias_var: float) -> str:
    q, share = line.grid()
    biases = q * share
    if not len(q) or biases.max() <= 0:
        return (
            f"{line.name} has no critical point: wherever χ₁ = 1 the bias variance would have to be negative or χ₁ "
            "is infinite. Choose another activation, such as 'tanh' or 'gelu'."
        )
    low, high = max(0.0, float(biases.min())), float(biases.max())
    return (
        f"{line.name} has no critical point with bias_var = {bias_var:g} and q* below {q[-1]:.2g}: along χ₁ = 1 it "
        f"runs from {low:.6g} to {high:.6g}; choose a bias_var in between."
    )
