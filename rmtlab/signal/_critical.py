r"""The edge of chaos, χ₁ = 1, parametrised by the variance q.

On it σ_w² = 1/E[φ′²] and σ_b² = q − σ_w² E[φ²], so that finding the point of a given σ_b² is one bracketed
root in log q.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq

from rmtlab import _checks, activations
from rmtlab import noise as noises
from rmtlab.activations import Activation
from rmtlab.signal._moments import Moments, moments

_LEVEL = 1e-11  # σ_b²/q below this on the line is rounding


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


def critical_weight_var(activation: str | Activation, bias_var: float) -> float:
    """Return the σ_w² at which χ₁ = 1 for a given σ_b²; see :func:`critical_point` for its stability.

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        φ.
    bias_var : float
        σ_b², at least 0.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there is no critical point with this bias_var.

    Examples
    --------
    >>> from rmtlab import signal
    >>> round(signal.critical_weight_var("tanh", bias_var=0.05), 12)
    1.760954639607
    """
    return critical_point(activation, bias_var).weight_var


def critical_point(
    activation: str | Activation,
    bias_var: float | None = None,
    noise: noises.Noise | None = None,
    *,
    preact_var: float | None = None,
) -> CriticalPoint:
    r"""Return the point of the edge of chaos with a given σ_b², or with a given q*.

    Where several points share a σ_b², it is the stable one. The line is parametrised by q*:

    .. math:: \sigma_w^2 = 1/E[\phi'(\sqrt{q^*}z)^2], \qquad
              \sigma_b^2 = q^* - \sigma_w^2 E[\phi(\sqrt{q^*}z)^2]

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        φ.
    bias_var : float
        σ_b², at least 0. Give this or `preact_var`.
    noise : rmtlab.noise.Noise, optional
        Noise that does anything leaves no point at which correlations live long: the call is refused.
    preact_var : float
        q*, above 0; of σ_b² and σ_w² there is then one pair.

    Returns
    -------
    CriticalPoint

    Raises
    ------
    ValueError
        If there is no critical point with this bias_var or q*, not exactly one of the two is given, or the
        network is noisy.
    TypeError
        If `noise` is not a noise.

    References
    ----------
    .. [1] S. S. Schoenholz et al., "Deep information propagation", ICLR 2017.

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
    """
    _refuse_noise(noise)
    if bias_var is None and preact_var is not None:
        return _point_at(activations.get(activation), preact_var)
    if bias_var is None or preact_var is not None:
        raise ValueError("critical_point needs either bias_var=σ_b² or preact_var=q*, and not both.")
    found = critical_points(activation, bias_var)
    return next((point for point in found if point.stable), found[0])


def critical_points(activation: str | Activation, bias_var: float) -> tuple[CriticalPoint, ...]:
    """Return all points of the edge of chaos with a given σ_b², in increasing order of q.

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        φ.
    bias_var : float
        σ_b², at least 0.

    Returns
    -------
    tuple of CriticalPoint
        Never empty.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> from rmtlab import signal
    >>> [round(point.weight_var, 6) for point in signal.critical_points("erf", bias_var=0.05)]
    [1.375839]
    """
    phi = activations.get(activation)
    bias_var = _checks.number(bias_var, "bias_var", low=0, hint="It is a variance σ_b².")
    found = moments(phi)
    if phi.homogeneous:
        return (_rectifier(found, bias_var),)
    points = [_point(found, 0.0)] if bias_var == 0 and found.vanishes_at_zero and found.zero_gain > 0 else []
    points += [_point(found, q, bias_var) for q in _variances_on_the_line(found, bias_var)]
    if not points:
        raise ValueError(_none_there(found, bias_var))
    return tuple(points)


def _variances_on_the_line(found: Moments, bias_var: float) -> list[float]:
    q, share = _line(found)
    height = q * share - bias_var
    signs = np.sign(height)
    if bias_var == 0:
        signs = np.where(np.abs(share) <= _LEVEL, 0.0, signs)
    q, signs = q[signs != 0], signs[signs != 0]

    def excess(log_q: float) -> float:
        return found.critical_bias(float(np.exp(log_q))) - bias_var

    roots = []
    for i in np.flatnonzero(signs[1:] != signs[:-1]):
        low, high = np.log(q[i]), np.log(q[i + 1])
        if excess(low) * excess(high) <= 0:
            roots.append(float(np.exp(brentq(excess, low, high, xtol=1e-15, rtol=1e-15))))
    return roots


def _line(found: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Return q and σ_b²/q along the edge of chaos, where it exists at all."""
    q, m, _, x = found.grid
    fine = np.isfinite(m) & np.isfinite(x) & (x > 1e-200)
    return q[fine], 1 - m[fine] / (q[fine] * x[fine])


def _point(found: Moments, q: float, bias_var: float = 0.0) -> CriticalPoint:
    weight_var = float(1 / found.derivative(q))
    slope = float(weight_var * found.slope(q))
    residual = 0.0
    if q > 0:
        residual = float(abs(weight_var * found.second(q) + bias_var - q) / q)
    stable = abs(slope) < 1
    if abs(slope - 1) <= 1e-10:
        above = q + 1e-3 * max(q, 1.0)
        stable = bool(weight_var * found.second(above) + bias_var < above)
    where = f"χ₁ = 1 at q* = {q:.6g}, "
    if stable:
        where += f"and the variance flows there (V′ = {slope:.6g})."
    else:
        where += f"but the variance leaves it (V′ = {slope:.6g}): the phase depends on the norm of the input."
    return CriticalPoint(weight_var, bias_var, q, slope, stable, residual, where)


def _point_at(phi: Activation, preact_var: float) -> CriticalPoint:
    q = _checks.number(preact_var, "preact_var", low=0, low_open=True, hint="It is the variance q*.")
    found = moments(phi)
    if phi.homogeneous:
        return replace(_rectifier(found, 0.0), q=q)
    bias_var = found.critical_bias(q)
    if bias_var < -_LEVEL * q:
        raise ValueError(
            f"{phi.name!r} has no critical point with q* = {q:g}: where χ₁ = 1 there, the bias variance would "
            f"have to be {bias_var:.6g}, which is negative. Choose another preact_var."
        )
    return _point(found, q, max(bias_var, 0.0))


def _rectifier(found: Moments, bias_var: float) -> CriticalPoint:
    name, weight_var = found.activation.name, 1 / found.zero_gain
    if bias_var > 0:
        raise ValueError(
            f"{name!r} is critical only at weight_var = {weight_var:g}, bias_var = 0, but bias_var = {bias_var:g} "
            "was given: a bias makes the variance grow at every layer there. Set bias_var to 0."
        )
    sentence = "χ₁ = 1 and every variance is fixed: the map is the identity, without an isolated q*."
    return CriticalPoint(weight_var, 0.0, weight_var, 1.0, True, 0.0, sentence)


def _none_there(found: Moments, bias_var: float) -> str:
    name = found.activation.name
    q, share = _line(found)
    biases = q * share
    if not len(q) or biases.max() <= 0:
        return (
            f"{name!r} has no critical point: wherever χ₁ = 1 the bias variance would have to be negative or χ₁ "
            "is infinite. Choose another activation, such as 'tanh' or 'gelu'."
        )
    low, high = max(0.0, float(biases.min())), float(biases.max())
    return (
        f"{name!r} has no critical point with bias_var = {bias_var:g} and q* below {q[-1]:.2g}: along χ₁ = 1 it runs "
        f"from {low:.6g} to {high:.6g}; choose a bias_var in between."
    )


def _refuse_noise(noise: Any) -> None:
    if noise is None:
        return
    if not isinstance(noise, noises.Noise):
        raise TypeError(f"noise must be None or a noise such as Dropout(keep=0.8), but {noise!r} was given.")
    if noise.gain != 1.0 or noise.additive_var > 0:
        raise ValueError(
            f"with {noise!r} no weight_var makes the network critical: independent noise holds c* below 1 and "
            "ξ_c finite at every point. For rectifiers rl.noise.critical(noise) gives the point at which the "
            "variance is kept."
        )
