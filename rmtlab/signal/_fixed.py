"""The fixed points of the two maps: how they are found, certified and described."""

from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from rmtlab import _checks, activations
from rmtlab import noise as noises
from rmtlab.noise._base import checked
from rmtlab.signal import _correlation, _variance
from rmtlab.signal._moments import Moments, moments
from rmtlab.signal._records import CorrelationPoint, FixedPoint

_TOLERANCE = 1e-9  # residual, over q* or absolute for c*, above which no answer is given
_POLISH = 3


@dataclass(frozen=True)
class Solver:
    """The maps without their public face."""

    activation: Any
    weight_var: float
    bias_var: float = 0.0
    noise: noises.Noise | None = None

    def __post_init__(self) -> None:
        hint = "It is a variance."
        checked(self.noise)
        values = {
            "activation": activations.get(self.activation),
            "weight_var": _checks.number(self.weight_var, "weight_var", low=0, low_open=True, hint=hint),
            "bias_var": _checks.number(self.bias_var, "bias_var", low=0, hint=hint),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _v(self, q: Any) -> Any:
        """Return V(q)."""
        before = self.activation.moment(q, 2)
        noisy = before if self.noise is None else self.noise.noisy_second_moment(before)
        return self.weight_var * noisy + self.bias_var

    def _v_slope(self, q: Any) -> Any:
        """Return V′(q)."""
        return (self._weight_gain * self._moments.slope(q))[()]

    @cached_property
    def _natural(self) -> FixedPoint:
        return self._flow_from(self.weight_var * (self._gain + self._added) + self.bias_var)

    @property
    def _moments(self) -> Moments:
        return moments(self.activation)

    @property
    def _gain(self) -> float:
        return 1.0 if self.noise is None else self.noise.gain

    @property
    def _added(self) -> float:
        return 0.0 if self.noise is None else self.noise.additive_var

    @property
    def _weight_gain(self) -> float:
        return self.weight_var * self._gain

    @property
    def _floor(self) -> float:
        """What V adds to σ_w² μ₂ E[φ²]."""
        return self.weight_var * self._added + self.bias_var

    @property
    def _pair_weight(self) -> float:
        """What E[φ(u)φ(v)] is multiplied by."""
        return self.weight_var if self.noise is None else self.weight_var * self.noise.pair_gain

    @property
    def _pair_bias(self) -> float:
        """What is added to it."""
        added = 0.0 if self.noise is None else self.noise.pair_additive_var
        return self.weight_var * added + self.bias_var

    @property
    def _own_gain(self) -> float:
        """The factor on E[φ²] that is of one input alone."""
        return 1.0 if self.noise is None else self.noise.gain / self.noise.pair_gain

    @property
    def _own_added(self) -> float:
        """What the noise adds to E[φ²] of one input alone, before the weights of the pair."""
        return 0.0 if self.noise is None or self.noise.shared else self.noise.additive_var

    @property
    def _quiet(self) -> bool:
        """Whether two equal inputs stay equal."""
        return self._own_gain == 1.0 and self._own_added == 0.0

    def _flow_from(self, start: float) -> FixedPoint:
        one = np.ones(1)
        return self._describe(
            float(
                _variance.reached(self._moments, self._weight_gain * one, self._floor * one, start * one)[0]
            )
        )

    def _describe(self, q: float) -> FixedPoint:
        return self._at_a_limit(q) if q in (0.0, inf) else self._at(q)

    def _at(self, q: float) -> FixedPoint:
        q, residual, iterations = self._polished(q)
        variance_slope = float(self._v_slope(q))
        chi = float(self._weight_gain * self._moments.derivative(q))
        points = _correlation.Points(
            np.array([q]),
            np.array([self._pair_weight]),
            np.array([self._pair_bias]),
            np.array([float(self.activation.moment(q, 2))]),
            self._own_gain,
            self._own_added,
        )
        gap, slope, left = (float(x[0]) for x in _correlation.fixed(self.activation, points, np.array([chi])))
        c = 1.0 - gap
        if gap > 0:
            k, k_dot = self.activation.dual(q, q, c * q)
            value = (self._pair_weight * k + self._pair_bias) / float(points.v[0])
            slope, left = float(self._pair_weight * k_dot * q / points.v[0]), abs(float(value) - c)
        residual = max(residual, left)
        if not residual <= _TOLERANCE:
            raise RuntimeError(
                f"the fixed point of {self!r} near q = {q:.6g} could not be certified: its residual is "
                f"{residual:.2g}; move weight_var or bias_var a little, away from where two solutions meet."
            )
        kind = self._kind(chi, variance_slope)
        return FixedPoint(
            q,
            c,
            slope,
            chi,
            variance_slope,
            kind == "scale-free" or self._is_stable(q, variance_slope),
            kind,
            self._all_correlations(c, slope, chi),
            residual,
            iterations,
            True,
            _sentence(kind, q, c, slope, variance_slope),
        )

    def _at_a_limit(self, q: float) -> FixedPoint:
        slopes = self._moments.zero_slopes if q == 0 else self._moments.far_slopes
        if slopes is None:
            return FixedPoint(
                inf, None, None, inf, inf, True, "diverging", (), 0.0, 0, True, _sentence("diverging", inf)
            )
        chi = self._weight_gain * sum(s * s for s in slopes) / 2
        gap, slope, residual = _correlation.at_a_limit(slopes, self._own_gain)
        if self._quiet and q == 0:
            slope = chi
        kind = "diverging" if q == inf else self._kind(chi, 0.0)
        stable = q == inf or self._is_stable(0.0, chi)
        found = (CorrelationPoint(1.0 - gap, slope, slope <= 1),)
        return FixedPoint(
            q, 1.0 - gap, slope, chi, chi, stable, kind, found, residual, 0, True,
            _sentence(kind, q, 1.0 - gap, slope, chi),
        )  # fmt: skip

    def _polished(self, q: float) -> tuple[float, float, int]:
        """Take a few Newton steps with exact averages; return q, |V(q) − q|/q and the number of steps."""
        excess = float(self._v(q)) - q
        for steps in range(_POLISH):
            if abs(excess) <= 1e-15 * q:
                return q, abs(excess) / q, steps
            slope = float(self._v_slope(q))
            step = q + excess / (1 - slope) if slope != 1 else q
            after = float(self._v(step)) - step if step > 0 else inf
            if abs(after) >= abs(excess):
                return q, abs(excess) / q, steps
            q, excess = step, after
        return q, abs(excess) / q, _POLISH

    def _kind(self, chi: float, variance_slope: float) -> str:
        if self.activation.homogeneous and self._floor == 0 and is_one(variance_slope):
            return "scale-free"
        if not self._quiet:
            return "noisy"
        return "critical" if is_one(chi) else "ordered" if chi < 1 else "chaotic"

    def _is_stable(self, q: float, slope: float) -> bool:
        if not is_one(slope):
            return abs(slope) < 1
        above = q + 1e-3 * max(q, 1.0)
        return bool(self._v(above) < above)

    def _all_correlations(self, c: float, slope: float, chi: float) -> tuple[CorrelationPoint, ...]:
        found = [CorrelationPoint(c, slope, True)]
        if self._quiet and c < 1:
            found.append(CorrelationPoint(1.0, chi, False))
        if self._quiet and self._pair_bias == 0 and self.activation.name != "linear" and self._moments.is_odd:
            found.insert(0, CorrelationPoint(-1.0, chi, chi <= 1))
        return tuple(found)

    def _chi2(self, q: float) -> float:
        if not self._quiet:
            raise ValueError(
                f"the image of a curve is rough under {self.noise!r}, because every point has its own noise; "
                "its curvature is defined for noise=None and for shared noise."
            )
        if not 0 < q < inf:
            raise ValueError(
                f"there is no circle of radius √(N q*) at q* = {q:g}; choose a bias_var above 0 and a "
                "weight_var at which the variance has a fixed point."
            )
        moment = self._moments.curvature(q)
        if moment is None:
            raise ValueError(
                f"E[φ″²] of {self.activation.name!r} is infinite or unknown: curvature needs a φ′ without jumps "
                "that torch can differentiate."
            )
        return self._weight_gain * moment


def is_one(value: float) -> bool:
    return abs(value - 1) <= _correlation.CRITICAL


def _sentence(
    kind: str, q: float, c: float | None = None, slope: float | None = None, rate: float = 0.0
) -> str:
    """Say what a fixed point means."""
    where = f"at q* = {q:.6g}"
    if kind == "diverging":
        return "the variance grows without bound: there is no fixed point ahead of the start."
    quiet = kind in ("ordered", "critical", "chaotic")
    text = (
        "signals die out (q* = 0)."
        if q == 0 and quiet
        else {
            "scale-free": f"every variance is fixed, and the one given here is that of the start, q = {q:.6g}; "
            f"correlations flow to c* = {c:.6g}.",
            "ordered": f"{where} all inputs become alike (c* = 1) and gradients vanish.",
            "critical": f"{where} the network is at the edge of chaos: correlations flow to 1 as a power of depth "
            "and gradients neither vanish nor explode.",
            "chaotic": f"{where} inputs drift apart to c* = {c:.6g} and gradients explode.",
            "noisy": f"{where} independent noise holds correlations at c* = {c:.6g}, so that ξ_c is finite.",
        }[kind]
    )
    if kind != "scale-free" and abs(rate) > 1 + _correlation.CRITICAL:
        text += f" The fixed point is unstable (V′ = {rate:.6g}): iterating the map leaves it."
    return text
