"""The phase diagram: fixed points over a grid of weight and bias variances."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rmtlab import _checks, activations
from rmtlab import noise as noises
from rmtlab.activations import Activation
from rmtlab.signal import _correlation, _variance
from rmtlab.signal._meanfield import MeanField
from rmtlab.signal._moments import moments


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """Fixed points over a grid; arrays have the shape (weight_vars, bias_vars).

    Attributes
    ----------
    weight_vars, bias_vars : ndarray
        The axes, σ_w² and σ_b².
    q : ndarray
        q* reached by inputs with |x|² = d; infinite where the variance diverges.
    c : ndarray
        The stable correlation c*.
    chi : ndarray
        χ₁ = σ_w² μ₂ E[φ′²].
    xi_c : ndarray
        −1/ln C′(c*), infinite at criticality.
    phase : ndarray of str
        The kinds of :class:`FixedPoint`.
    residual : float
        The largest of |V(q*) − q*|/q* (exact averages) and |C(c*) − c*| over the grid.
    """

    weight_vars: np.ndarray
    bias_vars: np.ndarray
    q: np.ndarray
    c: np.ndarray
    chi: np.ndarray
    xi_c: np.ndarray
    phase: np.ndarray
    residual: float


def phase_diagram(
    activation: str | Activation, weight_vars: Any, bias_vars: Any, noise: noises.Noise | None = None
) -> PhaseDiagram:
    """Return fixed points, phases and depth scales over a grid of variances.

    Each entry is what :meth:`MeanField.fixed_point` gives there; all are found together.

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        φ.
    weight_vars : array_like, shape (n,)
        Values of σ_w², positive.
    bias_vars : array_like, shape (m,)
        Values of σ_b², at least 0.
    noise : rmtlab.noise.Noise, optional
        What acts on every signal.

    Returns
    -------
    PhaseDiagram
        Arrays of shape (n, m).

    Raises
    ------
    ValueError
        If an axis is not one-dimensional or holds a variance that is not allowed, or if the variance
        diverges faster than any straight line somewhere on the grid.
    RuntimeError
        If a fixed point can't be certified to 1e-9.

    Examples
    --------
    >>> from rmtlab import signal
    >>> diagram = signal.phase_diagram("tanh", [1.0, 2.0], [0.05, 0.1])
    >>> diagram.phase
    array([['ordered', 'ordered'],
           ['chaotic', 'chaotic']], dtype='<U10')
    """
    phi = activations.get(activation)
    weights, biases = _axis(weight_vars, "weight_vars", False), _axis(bias_vars, "bias_vars", True)
    corner = MeanField(phi, float(weights[0]), float(biases[0]), noise)
    gain, added = corner._gain, corner._added
    pair_gain, pair_added = (1.0, 0.0) if noise is None else (noise.pair_gain, noise.pair_additive_var)
    w, b = (grid.ravel() for grid in np.meshgrid(weights, biases, indexing="ij"))
    q = _variance.reached(moments(phi), w * gain, b + w * added, w * (gain + added) + b)
    chi, gap, slope, phase = np.empty_like(q), np.empty_like(q), np.empty_like(q), np.empty(q.shape, "<U10")
    residual = 0.0
    inner = np.flatnonzero((q > 0) & (q < np.inf))
    if inner.size:
        m = moments(phi).second(q[inner])
        points = _correlation.Points(
            q[inner],
            w[inner] * pair_gain,
            b[inner] + w[inner] * pair_added,
            m,
            corner._own_gain,
            corner._own_added,
        )
        chi[inner] = w[inner] * gain * moments(phi).derivative(q[inner])
        gap[inner], slope[inner], off = _correlation.fixed(phi, points, chi[inner])
        residual = float(np.maximum(np.abs(points.v / points.q - 1), off).max())
        phase[inner] = _phases(chi[inner])
        if not corner._quiet:
            phase[inner] = "noisy"
        if phi.homogeneous:
            phase[inner[points.b + points.w * added == 0]] = "scale-free"
    if not residual <= 1e-9:
        raise RuntimeError(
            f"the phase diagram of {phi.name!r} could not be certified: its largest residual is "
            f"{residual:.2g}; shift the grid a little, away from where two solutions meet."
        )
    for i in np.flatnonzero((q == 0) | (q == np.inf)):
        point = MeanField(phi, float(w[i]), float(b[i]), noise)._describe(float(q[i]))
        if point.c is None or point.slope is None:
            raise ValueError(
                f"at weight_var = {w[i]:g}, bias_var = {b[i]:g} the variance of {phi.name!r} diverges faster than "
                "any straight line, and no correlation map is left; choose smaller variances."
            )
        chi[i], gap[i], slope[i], phase[i] = point.chi, 1 - point.c, point.slope, point.kind
    with np.errstate(divide="ignore"):
        scale = np.where(slope < 1 - _correlation.CRITICAL, -1 / np.log(np.minimum(slope, 1.0)), np.inf)
    shape = (len(weights), len(biases))
    q, c, chi, scale = (array.reshape(shape) for array in (q, 1 - gap, chi, scale))
    return PhaseDiagram(weights, biases, q, c, chi, scale, phase.reshape(shape), residual)


def _phases(chi: np.ndarray) -> np.ndarray:
    off = np.where(chi < 1, "ordered", "chaotic")
    return np.where(np.abs(chi - 1) <= _correlation.CRITICAL, "critical", off)


def _axis(values: Any, name: str, zero: bool) -> np.ndarray:
    found = _checks.array(values, name, ndim=1)
    least = float(found.min())
    if least < 0 or (least == 0 and not zero):
        needed = "at least 0" if zero else "positive"
        raise ValueError(f"{name} are variances and must be {needed}, but {least:g} was given.")
    return found
