r"""The mean-field theory of a deep network: two maps, their fixed points and their depth scales."""

from dataclasses import dataclass
from functools import cached_property
from math import inf, log
from typing import Any

import numpy as np

from rmtlab import _checks, activations
from rmtlab import noise as noises
from rmtlab.networks import Network
from rmtlab.signal import _correlation, _variance
from rmtlab.signal._moments import Moments, moments
from rmtlab.signal._records import CorrelationPoint, Curvature, DepthScales, FixedPoint

_TOLERANCE = 1e-9  # residual, over q* or absolute for c*, above which no answer is given
_POLISH = 3


@dataclass(frozen=True)
class MeanField:
    r"""The variance and correlation maps of an infinitely wide network.

    .. math:: V(q) = \sigma_w^2\,(\mu_2 E[\phi(\sqrt q z)^2] + \sigma_\epsilon^2) + \sigma_b^2, \qquad
              C(c) = \frac{\sigma_w^2 E[\phi(u)\phi(v)] + \sigma_b^2}{V(q)}

    with Var u = Var v = q, Cov(u, v) = cq. Multiplicative noise has a μ₂, additive noise a variance
    σ_ε²; two inputs have independent noise, so neither enters the numerator of C.

    Where q* = 0 or q → ∞ only the slopes of φ at zero or far out count, and C is the map κ(c)/μ₂ of the
    rectifier with those slopes. At a noiseless q* = 0 the slope that is reported is χ₁, by which the
    distance of two signals shrinks: the limit of the ordered phase for σ_b² → 0.

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        φ.
    weight_var, bias_var : float
        σ_w² > 0 and σ_b² ≥ 0, variances and never standard deviations.
    noise : rmtlab.noise.Noise, optional
        What acts on every signal.

    Raises
    ------
    ValueError
        For an unknown activation, a weight_var that is not positive or a negative bias_var.
    TypeError
        If `noise` is not a noise.

    References
    ----------
    .. [1] B. Poole et al., "Exponential expressivity in deep neural networks through transient chaos",
       NeurIPS 2016.
    .. [2] S. S. Schoenholz et al., "Deep information propagation", ICLR 2017.
    .. [3] A. Pretorius et al., "Critical initialisation for deep signal propagation in noisy rectifier
       neural networks", NeurIPS 2018.

    Examples
    --------
    >>> from rmtlab import signal
    >>> m = signal.MeanField("tanh", weight_var=4.0, bias_var=0.25)
    >>> point = m.fixed_point()
    >>> round(point.q, 8), round(point.c, 8), point.kind
    (2.47971046, 0.52094644, 'chaotic')
    >>> round(m.depth_scales().xi_c, 6)
    6.45332
    """

    activation: Any
    weight_var: float
    bias_var: float = 0.0
    noise: noises.Noise | None = None

    def __post_init__(self) -> None:
        hint = "It is a variance."
        checked = {
            "activation": activations.get(self.activation),
            "weight_var": _checks.number(self.weight_var, "weight_var", low=0, low_open=True, hint=hint),
            "bias_var": _checks.number(self.bias_var, "bias_var", low=0, hint=hint),
        }
        if self.noise is not None and not isinstance(self.noise, noises.Noise):
            raise TypeError(
                f"noise must be None or a noise such as Dropout(keep=0.8), but {self.noise!r} was given."
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, net: Network) -> "MeanField":
        """Return the theory of a network description.

        Parameters
        ----------
        net : Network
            An ``MLP``, or a chain whose layers share activation, variances and noise.

        Returns
        -------
        MeanField

        Raises
        ------
        ValueError
            If the layers of the network differ.
        TypeError
            If `net` is not a network.

        Examples
        --------
        >>> from rmtlab import MLP, signal
        >>> signal.MeanField.of(MLP(3, "relu", weight_var=2.0)).chi
        1.0
        """
        if not isinstance(net, Network):
            raise TypeError(f"net must be a network such as rl.MLP(depth=10, …), but {net!r} was given.")
        try:
            return cls(net.activation, net.weight_var, net.bias_var, net.noise)
        except AttributeError as different:
            raise ValueError(f"{different} MeanField describes networks whose layers are alike.") from None

    def variance(self, q: Any) -> Any:
        """Return V(q), the variance one layer on.

        Parameters
        ----------
        q : array_like
            Variances of pre-activations, at least 0, of any shape.

        Returns
        -------
        float or ndarray
            Same shape.

        Raises
        ------
        ValueError
            If a variance is negative or not finite.

        Examples
        --------
        >>> from rmtlab import signal
        >>> float(signal.MeanField("relu", weight_var=2.0, bias_var=0.1).variance(3.0))
        3.1
        """
        before = self.activation.moment(_variances(q, "q"), 2)
        noisy = before if self.noise is None else self.noise.noisy_second_moment(before)
        return self.weight_var * noisy + self.bias_var

    def variance_slope(self, q: Any) -> Any:
        """Return V′(q) = σ_w² μ₂ E[φφ′x]/q = χ₁ + σ_w² μ₂ E[φφ″].

        Parameters
        ----------
        q : array_like
            Variances, at least 0, of any shape; at 0 the limit from the right.

        Returns
        -------
        float or ndarray
            Same shape.

        Raises
        ------
        ValueError
            If a variance is negative or not finite.

        Examples
        --------
        >>> from rmtlab import signal
        >>> float(signal.MeanField("relu", weight_var=1.5).variance_slope(3.0))
        0.75
        """
        return (self._weight_gain * self._moments.slope(_variances(q, "q")))[()]

    def correlation(self, c: Any, q: float | None = None) -> Any:
        """Return C(c), the correlation one layer on of two signals of variance q.

        Parameters
        ----------
        c : array_like
            Correlations in [−1, 1], of any shape; two inputs, so with noise two independent masks even
            at c = 1.
        q : float, optional
            Their variance; by default q*, the fixed point reached by inputs with |x|² = d.

        Returns
        -------
        float or ndarray
            Same shape as `c`.

        Raises
        ------
        ValueError
            If a correlation is outside [−1, 1], or q is negative.

        Examples
        --------
        >>> from rmtlab import signal
        >>> signal.MeanField("relu", weight_var=2.0).correlation([0.0, 1.0]).round(6)
        array([0.31831, 1.     ])
        """
        c = _correlations(c, "c")
        q = self.fixed_point().q if q is None else _checks.number(q, "q", low=0)
        if 0 < q < inf or (q == 0 and self.variance(0.0) > 0):
            k, _ = self.activation.dual(q, q, c * q)
            return (self.weight_var * k + self.bias_var) / self.variance(q)
        slopes = self._moments.zero_slopes if q == 0 else self._moments.far_slopes
        if slopes is None:
            raise ValueError(
                f"the variance of {self.activation.name!r} diverges faster than any straight line, and its "
                "correlation map has no limit; give a variance q."
            )
        rectifier, point = _correlation.tangent(slopes, self._gain)
        return (point.w * rectifier.dual(1.0, 1.0, c)[0]).reshape(np.shape(c))[()]

    @property
    def chi(self) -> float:
        """χ₁ = σ_w² μ₂ E[φ′²] at the q* reached by inputs with |x|² = d: the factor on squared gradients."""
        return self.fixed_point().chi

    @property
    def chi2(self) -> float:
        """χ₂ = σ_w² E[φ″²] at q*, which bends curves and sets 1 − c^l ≃ 2/(χ₂ q* l) at criticality."""
        return self._chi2(self.fixed_point().q)

    def fixed_point(self, start: float | None = None) -> FixedPoint:
        """Return the fixed point that the variance flows to.

        Parameters
        ----------
        start : float, optional
            The variance to start from; by default q¹ of an input with |x|² = d, that is
            σ_w²(μ₂ + σ_ε²) + σ_b².

        Returns
        -------
        FixedPoint
            Where every q is fixed, of kind "scale-free" with q = start; where there is nowhere to rest,
            of kind "diverging" with q = ∞.

        Raises
        ------
        ValueError
            If the start is negative.
        RuntimeError
            If the search does not converge.

        Examples
        --------
        GELU is bistable just off its critical line: the phase depends on the norm of the input.

        >>> from rmtlab import signal
        >>> m = signal.MeanField("gelu", weight_var=1.99606248, bias_var=0.15437953)
        >>> [(round(p.q, 2), p.kind) for p in (m.fixed_point(2.0), m.fixed_point(4.0))]
        [(1.13, 'ordered'), (52.89, 'chaotic')]
        """
        if start is None:
            return self._natural
        return self._flow_from(_checks.number(start, "start", low=0, hint="It is a variance q."))

    def fixed_points(self) -> tuple[FixedPoint, ...]:
        """Return every isolated fixed point of the variance, stable or not, in increasing order of q.

        Returns
        -------
        tuple of FixedPoint
            Empty where there is none (the variance diverges, or every q is fixed).

        Examples
        --------
        >>> from rmtlab import signal
        >>> m = signal.MeanField("gelu", weight_var=1.99606248, bias_var=0.15437953)
        >>> [(round(p.q, 3), p.stable) for p in m.fixed_points()]
        [(1.129, True), (3.0, False), (52.891, True)]
        """
        found = _variance.all_fixed_points(self._moments, self._weight_gain, self._floor)
        return tuple(self._describe(q) for q in found)

    def depth_scales(self, start: float | None = None) -> DepthScales:
        """Return ξ_q, ξ_c and ξ_∇ at the fixed point that the variance flows to.

        Parameters
        ----------
        start : float, optional
            As in :meth:`fixed_point`.

        Returns
        -------
        DepthScales

        Raises
        ------
        ValueError
            If the start is negative, or the variance diverges so fast that no correlation map is left.

        Examples
        --------
        >>> from rmtlab import noise, signal
        >>> m = signal.MeanField("relu", weight_var=1.2, noise=noise.Dropout(keep=0.6))
        >>> round(m.depth_scales().xi_c, 6)
        0.965533
        """
        point = self.fixed_point(start)
        if point.slope is None:
            raise ValueError(f"depth_scales need a correlation map, but {point.sentence}")
        return DepthScales(
            inf if point.kind == "diverging" else _scale(abs(point.variance_slope)),
            _scale(abs(point.slope)),
            abs(_scale(point.chi, signed=True)),
        )

    def variances(self, q: Any, depth: int) -> np.ndarray:
        """Return the trajectory q¹ … q^L of the variance.

        Parameters
        ----------
        q : array_like
            q¹, the variances of the first layer's pre-activations, of any shape.
        depth : int
            L.

        Returns
        -------
        ndarray, shape (depth, …)

        Raises
        ------
        ValueError
            If a variance is negative or `depth` below 1.

        Examples
        --------
        >>> from rmtlab import signal
        >>> signal.MeanField("relu", weight_var=2.0, bias_var=0.5).variances(1.0, depth=3)
        array([1. , 1.5, 2. ])
        """
        path = [_variances(q, "q")]
        for _ in range(_checks.count(depth, "depth") - 1):
            path.append(np.asarray(self.variance(path[-1])))
        return np.stack(path)

    def correlations(self, c: Any, depth: int, q: float | None = None) -> np.ndarray:
        """Return the trajectory c¹ … c^L of the correlation.

        Parameters
        ----------
        c : array_like
            c¹, correlations of the first layer's pre-activations, in [−1, 1], of any shape.
        depth : int
            L.
        q : float, optional
            q¹, from which the variance follows its own map; by default it rests at q*.

        Returns
        -------
        ndarray, shape (depth, …)

        Raises
        ------
        ValueError
            If a correlation is outside [−1, 1], q is negative or `depth` below 1.

        Examples
        --------
        >>> from rmtlab import signal
        >>> signal.MeanField("relu", weight_var=2.0).correlations(0.0, depth=3).round(6)
        array([0.      , 0.31831 , 0.493731])
        """
        path = [_correlations(c, "c")]
        q = None if q is None else _checks.number(q, "q", low=0)
        for _ in range(_checks.count(depth, "depth") - 1):
            path.append(np.clip(self.correlation(path[-1], q), -1.0, 1.0))
            q = None if q is None else float(self.variance(q))
        return np.stack(path)

    def curvature(self, depth: int) -> Curvature:
        r"""Return length and curvature of the image of a circle, layer by layer.

        .. math:: g^l = \chi_1 g^{l-1}, \qquad
                  N\kappa_l^2 = \frac{3\chi_2}{\chi_1^2} + \frac{N\kappa_{l-1}^2}{\chi_1}, \qquad
                  \chi_2 = \sigma_w^2 E[\phi''^2]

        Parameters
        ----------
        depth : int
            Number of layers, the circle itself at l = 1 included.

        Returns
        -------
        Curvature

        Raises
        ------
        ValueError
            Where q* is 0 or infinite, φ has a kink (χ₂ is infinite), or the network is noisy.

        References
        ----------
        .. [1] B. Poole et al., "Exponential expressivity in deep neural networks through transient
           chaos", NeurIPS 2016.

        Examples
        --------
        >>> from rmtlab import signal
        >>> round(signal.MeanField("tanh", weight_var=4.0, bias_var=0.25).curvature(depth=5).limit, 6)
        8.026687
        """
        depth = _checks.count(depth, "depth")
        point = self.fixed_point()
        chi, chi2 = point.chi, self._chi2(point.q)
        path = [1 / point.q]
        for _ in range(depth - 1):
            path.append(3 * chi2 / chi**2 + path[-1] / chi)
        limit = 3 * chi2 / (chi * (chi - 1)) if chi > 1 + _correlation.CRITICAL else inf
        return Curvature(point.q * chi ** np.arange(depth), np.array(path), limit)

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
    def _quiet(self) -> bool:
        return self._gain == 1.0 and self._added == 0.0

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
        variance_slope = float(self.variance_slope(q))
        chi = float(self._weight_gain * self._moments.derivative(q))
        points = _correlation.Points(
            np.array([q]),
            np.array([self.weight_var]),
            np.array([self.bias_var]),
            np.array([float(self.activation.moment(q, 2))]),
            self._gain,
            self._added,
        )
        gap, slope, left = (float(x[0]) for x in _correlation.fixed(self.activation, points, np.array([chi])))
        c = 1.0 - gap
        if gap > 0:
            k, k_dot = self.activation.dual(q, q, c * q)
            value = (self.weight_var * k + self.bias_var) / float(points.v[0])
            slope, left = float(self.weight_var * k_dot * q / points.v[0]), abs(float(value) - c)
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
        rectifier, point = _correlation.tangent(slopes, self._gain)
        gap, slope, residual = (float(x[0]) for x in _correlation.fixed(rectifier, point, np.ones(1)))
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
        excess = float(self.variance(q)) - q
        for steps in range(_POLISH):
            if abs(excess) <= 1e-15 * q:
                return q, abs(excess) / q, steps
            slope = float(self.variance_slope(q))
            step = q + excess / (1 - slope) if slope != 1 else q
            after = float(self.variance(step)) - step if step > 0 else inf
            if abs(after) >= abs(excess):
                return q, abs(excess) / q, steps
            q, excess = step, after
        return q, abs(excess) / q, _POLISH

    def _kind(self, chi: float, variance_slope: float) -> str:
        if self.activation.homogeneous and self._floor == 0 and _is_one(variance_slope):
            return "scale-free"
        if not self._quiet:
            return "noisy"
        return "critical" if _is_one(chi) else "ordered" if chi < 1 else "chaotic"

    def _is_stable(self, q: float, slope: float) -> bool:
        if not _is_one(slope):
            return abs(slope) < 1
        above = q + 1e-3 * max(q, 1.0)
        return bool(self.variance(above) < above)

    def _all_correlations(self, c: float, slope: float, chi: float) -> tuple[CorrelationPoint, ...]:
        found = [CorrelationPoint(c, slope, True)]
        if self._quiet and c < 1:
            found.append(CorrelationPoint(1.0, chi, False))
        if self._quiet and self.bias_var == 0 and self.activation.name != "linear" and self._moments.is_odd:
            found.insert(0, CorrelationPoint(-1.0, chi, chi <= 1))
        return tuple(found)

    def _chi2(self, q: float) -> float:
        if not self._quiet:
            raise ValueError(
                f"the image of a curve is rough under {self.noise!r}, because every point has its own noise; "
                "its curvature is defined for noise=None."
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
        return self.weight_var * moment


def _scale(slope: float, signed: bool = False) -> float:
    """Return −1/ln slope: 0 at slope 0, infinite at 1 and, unless signed, beyond."""
    if slope == 0:
        return 0.0
    if _is_one(slope) or (slope > 1 and not signed):
        return inf
    return -1 / log(slope) if slope < inf else 0.0


def _is_one(value: float) -> bool:
    return abs(value - 1) <= _correlation.CRITICAL


def _variances(value: Any, name: str) -> np.ndarray:
    found = _checks.array(value, name)
    if found.min() < 0:
        raise ValueError(f"{name} is a variance and must be at least 0, but {found.min():g} was given.")
    return found


def _correlations(value: Any, name: str) -> np.ndarray:
    found = _checks.array(value, name)
    worst = float(found.ravel()[np.argmax(np.abs(found))])
    if abs(worst) > 1:
        raise ValueError(f"{name} is a correlation and must lie in [−1, 1], but {worst:g} was given.")
    return found


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
