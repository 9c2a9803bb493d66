r"""The mean-field theory of a deep network: two maps, their fixed points and their depth scales."""

from dataclasses import dataclass
from math import inf, log
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.layers import Activation, Dense, Noise
from rmtlab.networks import Network
from rmtlab.signal import _correlation, _range, _variance
from rmtlab.signal._fixed import Solver, is_one
from rmtlab.signal._records import Curvature, DepthScales, FixedPoint, FloatDepths


@dataclass(frozen=True)
class MeanField(Solver):
    r"""The variance and correlation maps of an infinitely wide network.

    .. math:: V(q) = \sigma_w^2\,(\mu_2 E[\phi(\sqrt q z)^2] + \sigma_\epsilon^2) + \sigma_b^2, \qquad
              C(c) = \frac{\sigma_w^2 E[\phi(u)\phi(v)] + \sigma_b^2}{V(q)}

    with Var u = Var v = q, Cov(u, v) = cq. Multiplicative noise has a μ₂, additive noise a variance
    σ_ε²; two inputs have independent noise, so neither enters the numerator of C. Noise that the two share
    (``shared=True``) enters it as it enters V: C is then that of a noiseless network with weight_var·μ₂ and
    bias_var + weight_var·σ_ε².

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
        For an unknown activation, a weight_var that is not positive, a negative bias_var, or multiplicative noise
        whose mean is not one.
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
            If `net` is not a network, or holds other layers than Dense, Activation and Noise.

        Examples
        --------
        >>> from rmtlab import MLP, signal
        >>> signal.MeanField.of(MLP(3, "relu", weight_var=2.0)).chi
        1.0
        """
        if not isinstance(net, Network):
            raise TypeError(f"net must be a network such as rl.MLP(depth=10, …), but {net!r} was given.")
        others = [layer for layer in net.layers if not isinstance(layer, Dense | Activation | Noise)]
        if others:
            raise TypeError(
                "MeanField describes fully connected networks, whose layers are Dense, Activation and Noise, but "
                f"this one holds {others[0]!r}; net.kernel(x) gives the kernels of any network."
            )
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
        return self._v(_variances(q, "q"))

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
        return self._v_slope(_variances(q, "q"))

    def correlation(self, c: Any, q: float | None = None) -> Any:
        """Return C(c), the correlation one layer on of two signals of variance q.

        Parameters
        ----------
        c : array_like
            Correlations in [−1, 1], of any shape; two inputs, so with noise two independent masks even
            at c = 1, unless they share it.
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
            return (self._pair_weight * k + self._pair_bias) / self.variance(q)
        slopes = self._moments.zero_slopes if q == 0 else self._moments.far_slopes
        if slopes is None:
            raise ValueError(
                f"the variance of {self.activation.name!r} diverges faster than any straight line, and its "
                "correlation map has no limit; give a variance q."
            )
        rectifier, point = _correlation.tangent(slopes, self._own_gain)
        return (point.w * rectifier.dual(1.0, 1.0, c)[0]).reshape(np.shape(c))[()]

    @property
    def chi(self) -> float:
        """χ₁ = σ_w² μ₂ E[φ′²] at the q* reached by inputs with |x|² = d: the factor on squared gradients."""
        return self.fixed_point().chi

    @property
    def chi2(self) -> float:
        """χ₂ = σ_w² μ₂ E[φ″²] at q*, which bends curves and sets 1 − c^l ≃ 2/(χ₂ q* l) at criticality."""
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

    def float_depths(self, dtype: Any = "float32", start: float = 1.0) -> FloatDepths:
        r"""Return after how many layers the variance overflows and underflows in a floating-point format.

        .. math:: L = \frac{\ln(K/q)}{\ln(\sigma_w^2\mu_2/2)} \quad\text{for ReLU without biases,}

        K the largest or the smallest normal number. The signals themselves are of size √q and last twice as
        deep; their squares, norms and losses don't.

        Parameters
        ----------
        dtype : {"float16", "bfloat16", "float32", "float64"}, or a NumPy or torch type
            The format.
        start : float
            The variance q to start from, above 0.

        Returns
        -------
        FloatDepths
            Infinite where it never happens: at a fixed point between the two, at criticality, and where q moves
            as a power of depth and is not there after 10 000 layers.

        Raises
        ------
        ValueError
            For an unknown format, or a start that is not positive.

        References
        ----------
        .. [1] A. Pretorius et al., "Critical initialisation for deep signal propagation in noisy rectifier
           neural networks", NeurIPS 2018.

        Examples
        --------
        >>> from rmtlab import noise, signal
        >>> m = signal.MeanField("relu", weight_var=1.5, noise=noise.Dropout(keep=0.6))
        >>> round(m.float_depths("float32").overflow, 1), m.float_depths("float32").underflow
        (397.6, inf)
        """
        name = _range.format_name(dtype)
        q = _checks.number(start, "start", low=0, low_open=True, hint="It is a variance q.")
        small, large = _range.FORMATS[name]
        over = (
            0.0 if q >= large else _range.layers_to(large, q, self._moments, self._weight_gain, self._floor)
        )
        under = (
            0.0 if q <= small else _range.layers_to(small, q, self._moments, self._weight_gain, self._floor)
        )
        return FloatDepths(over, under, name)

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


def _scale(slope: float, signed: bool = False) -> float:
    """Return −1/ln slope: 0 at slope 0, infinite at 1 and, unless signed, beyond."""
    if slope == 0:
        return 0.0
    if is_one(slope) or (slope > 1 and not signed):
        return inf
    return -1 / log(slope) if slope < inf else 0.0


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
