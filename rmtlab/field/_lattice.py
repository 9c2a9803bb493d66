"""The lattice of layers: exact action, Gaussian field, and what is known exactly at finite width."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf, log, pi, sinh
from typing import Any

import numpy as np

from rmtlab import _checks, gaussian
from rmtlab.field import _exact
from rmtlab.field._chains import Chains, draw, whole_lags
from rmtlab.field._records import LogWalk, SecondMoments
from rmtlab.layers import Dense
from rmtlab.networks import Network
from rmtlab.signal import FixedPoint, MeanField

_ORDERS = ("leading", "exact")
_FORGETTING = 12.0  # correlation lengths after which a start is forgotten to e^-24 in the variance
_LAYERS = 100_000


@dataclass(frozen=True)
class Lattice:
    r"""The chain of layer variances of a random network of N units a layer, with Gaussian weights and one input.

    Given the layer before, :math:`z^{l+1} \sim N(0, s^{l+1} I)`; around the fixed point q* of mean field, with
    :math:`a = V'(q^*)`,

    .. math:: \delta s^{l+1} = a\,\delta s^l + \zeta^l, \quad \delta q^l = \delta s^l + q^*\epsilon^l, \qquad
              \mathrm{Var}\,\zeta = \frac{\sigma_w^4 \mathrm{Var}[\phi^2]}{N}, \quad
              \mathrm{Var}\,\epsilon = \frac2N

    to leading order in 1/N. The two noises of a layer are correlated, :math:`\sigma_w^2\mathrm{Cov}(z^2, \phi^2) =
    2q^*a` by Stein's lemma, so that for every activation

    .. math:: \mathrm{Cov}(q^l, q^{l+k}) = C_0\,a^{|k|}, \qquad
              C_0 = \frac{1}{N}\Big[\frac{\sigma_w^4 \mathrm{Var}[\phi^2]}{1 - a^2} + 2q^{*2}\Big],

    with :math:`C_0 = 2q^{*2}/(N(1-a^2))` for linear networks and :math:`q^{*2}(2+3a^2)/(N(1-a^2))` for ReLU.

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        φ.
    weight_var, bias_var : float
        σ_w² > 0 and σ_b² ≥ 0. A rectifier without biases has no stationary chain; at weight_var = 1/E[φ(z)²] it
        is massless, see :meth:`log_walk`.
    width : int
        N.

    Raises
    ------
    ValueError
        For an unknown activation, a weight_var that is not positive, a negative bias_var or a width below 1.

    References
    ----------
    .. [1] S. S. Schoenholz, J. Pennington, J. Sohl-Dickstein, "A correspondence between random neural networks and
       statistical field theory", 2017. The formulae here are derived in the chapter ``wide_limit/fields``.

    Examples
    --------
    >>> from rmtlab import field
    >>> lattice = field.Lattice("linear", weight_var=0.8, bias_var=0.2, width=200)
    >>> round(lattice.correlation_length, 4), round(lattice.mass, 4)
    (4.4814, 0.2236)
    >>> lattice.covariance([0, 1]).round(6)
    array([0.027778, 0.022222])
    """

    activation: Any
    weight_var: float
    bias_var: float = 0.0
    width: int = 1000

    def __post_init__(self) -> None:
        theory = MeanField(self.activation, self.weight_var, self.bias_var)
        for name in ("activation", "weight_var", "bias_var"):
            object.__setattr__(self, name, getattr(theory, name))
        object.__setattr__(self, "width", _checks.count(self.width, "width"))

    @classmethod
    def of(cls, net: Network, width: int) -> "Lattice":
        """Return the lattice of a network description.

        Parameters
        ----------
        net : Network
            An ``MLP`` with Gaussian weights and without noise.
        width : int
            N.

        Returns
        -------
        Lattice

        Raises
        ------
        ValueError
            If layers differ, weights are orthogonal (a Haar matrix keeps norms, so that the next layer is not
            Gaussian given the one before), or there is noise.
        TypeError
            If `net` is no network of dense layers.

        Examples
        --------
        >>> import rmtlab as rl
        >>> rl.field.Lattice.of(rl.MLP(3, "relu", weight_var=1.6, bias_var=0.1), width=200)
        Lattice(activation=activations.get('relu'), weight_var=1.6, bias_var=0.1, width=200)
        """
        theory = MeanField.of(net)
        if theory.noise is not None or any(
            isinstance(layer, Dense) and layer.weights != "gaussian" for layer in net.layers
        ):
            raise ValueError(
                "The lattice is that of Gaussian weights without noise: only then is a layer Gaussian given the one "
                f"before. Change weights or noise of {net!r}."
            )
        return cls(theory.activation, theory.weight_var, theory.bias_var, width)

    @property
    def q(self) -> float:
        """q* = E q, the fixed point of mean field (exact at every N for rectifiers and linear networks)."""
        return self._stationary.q

    @property
    def slope(self) -> float:
        """a = V′(q*), by which fluctuations shrink from layer to layer."""
        return self._stationary.variance_slope

    @property
    def correlation_length(self) -> float:
        r"""ξ = −1/ln \|a\|, in layers: the depth scale ξ_q; infinite where the field is massless."""
        slope = 1.0 if self._massless else abs(self.slope)
        return inf if slope == 1.0 else -1 / log(slope) if slope > 0 else 0.0

    @property
    def mass(self) -> float:
        r"""m = (1 − \|a\|)/√\|a\| = 2 sinh(1/2ξ); at small k, S(k) ∝ 1/(m² + k²), staggered for a < 0."""
        length = self.correlation_length
        return 0.0 if length == inf else 2 * sinh(1 / (2 * length)) if length > 1e-3 else inf

    def action(self, z: Any, inputs: Any = None) -> float:
        r"""Return the exact action H of a chain of layers, −ln of its density with the weights integrated out.

        .. math:: H = \frac12 \sum_l \Big[\mathrm{tr}\,Z^l (\Sigma^l)^{-1} Z^{lT} + N \ln\det 2\pi\Sigma^l\Big], \qquad
                  \Sigma^{l+1} = \frac{\sigma_w^2}{N}\phi(Z^l)^T\phi(Z^l) + \sigma_b^2 11^T

        For one input, :math:`H = \frac12\sum_l [\,|z^l|^2/s^l + N\ln 2\pi s^l]`. The partition function is 1.

        Parameters
        ----------
        z : array_like, shape (L, N) or (L, N, M)
            Pre-activations of L layers, for one input or M; N may differ from `width`.
        inputs : array_like, shape (d,) or (M, d), optional
            The inputs x, from which Σ¹ = σ_w² x·x′/d + σ_b². Without them H is that of z² … z^L given z¹.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If shapes do not fit, or a Σ^l is singular: two inputs that are parallel without biases, more inputs
            than units, a silent layer.

        References
        ----------
        .. [1] S. S. Schoenholz, J. Pennington, J. Sohl-Dickstein, "A correspondence between random neural networks
           and statistical field theory", 2017.

        Examples
        --------
        >>> import numpy as np
        >>> from rmtlab import field
        >>> lattice = field.Lattice("relu", weight_var=2.0, bias_var=0.1, width=2)
        >>> round(lattice.action(np.ones((1, 2)), inputs=[1.0, 0.0]), 6)
        2.842278
        """
        z = _checks.array(z, "z", ndim=(2, 3), hint="Give layers × units, or layers × units × inputs.")
        single = z.ndim == 2
        layers = z[..., None] if single else z
        kernels = [self._next_kernel(self.activation(layer)) for layer in layers]
        if inputs is None:
            if len(layers) == 1:
                raise ValueError("One layer has no action given itself; give inputs=x, or more layers.")
            return float(sum(_energy(layer, k) for layer, k in zip(layers[1:], kernels, strict=False)))
        x = _checks.array(
            inputs, "inputs", ndim=1 if single else 2, hint="Give one input a row, as z has them."
        )
        x = np.atleast_2d(x)
        if len(x) != layers.shape[2]:
            raise ValueError(
                f"{len(x)} inputs were given, but z has {layers.shape[2]} in its last axis; give one row each."
            )
        kernels.insert(0, self._next_kernel(x.T))
        return float(sum(_energy(layer, k) for layer, k in zip(layers, kernels, strict=False)))

    def gaussian_action(self, q: Any) -> np.ndarray | float:
        r"""Return the action of the Gaussian field around q*, to leading order in 1/N and up to a constant.

        .. math:: H_0 = \frac{1}{2C_0}\Big[\delta_1^2 + \frac{1}{1-a^2}\sum_l (\delta_{l+1} - a\,\delta_l)^2\Big]
                  \approx \frac12 \sum_k \frac{|\delta_k|^2}{S(k)}

        Linear networks have :math:`1/(2C_0(1-a^2)) = N/4q^{*2}`.

        Parameters
        ----------
        q : array_like, shape (…, L)
            Layer variances, one chain a row.

        Returns
        -------
        float or ndarray, shape (…)

        Raises
        ------
        ValueError
            If there is no stationary field.

        References
        ----------
        .. [1] S. S. Schoenholz, J. Pennington, J. Sohl-Dickstein, "A correspondence between random neural networks
           and statistical field theory", 2017.

        Examples
        --------
        >>> from rmtlab import field
        >>> round(float(field.Lattice("linear", 0.5, 0.5, width=100).gaussian_action([1.1, 1.1])), 12)
        0.25
        """
        q = np.atleast_1d(_checks.array(q, "q"))
        delta, a = q - self.q, self.slope
        steps = delta[..., 1:] - a * delta[..., :-1]
        bonds = np.sum(steps**2, axis=-1) / (1 - a * a)
        return ((delta[..., 0] ** 2 + bonds) / (2 * self._leading.variance))[()]

    def covariance(self, lags: Any, order: str = "leading") -> np.ndarray | float:
        r"""Return Cov(q^l, q^{l+k}) = Var(q) a^{\|k\|} of the stationary chain.

        Parameters
        ----------
        lags : array_like of int
            k, at least 0, of any shape.
        order : {"leading", "exact"}
            To leading order in 1/N, or exact at N, which is known for rectifiers and linear networks.

        Returns
        -------
        float or ndarray
            Same shape.

        Raises
        ------
        ValueError
            If there is no stationary chain, the second moment diverges at this N, or it is not known exactly.

        Examples
        --------
        >>> from rmtlab import field
        >>> relu = field.Lattice("relu", weight_var=1.6, bias_var=0.2, width=200)
        >>> [round(float(relu.covariance(0, order)), 6) for order in ("leading", "exact")]
        [0.054444, 0.056977]
        """
        return (self.second_moments(order).variance * self.slope ** whole_lags(lags))[()]

    def covariance_matrix(self, depth: int, from_input: bool = False) -> np.ndarray:
        r"""Return Cov(q^l, q^{l'}) of the layers l = 1 … L, to leading order.

        A given input fixes s¹, and fluctuations build up behind it: :math:`\mathrm{Var}\,s^l \propto 1 - a^{2(l-1)}`,
        so that many more than ξ layers are to be left out where a stationary chain is wanted.

        Parameters
        ----------
        depth : int
            L.
        from_input : bool
            Whether l = 1 is the first layer behind an input with s¹ = q*, or lies deep inside.

        Returns
        -------
        ndarray, shape (L, L)

        Raises
        ------
        ValueError
            If there is no stationary chain, or `depth` is below 1.

        Examples
        --------
        >>> from rmtlab import field
        >>> lattice = field.Lattice("linear", 0.5, 0.5, width=200)
        >>> lattice.covariance_matrix(2, from_input=True).round(6)
        array([[0.01  , 0.005 ],
               [0.005 , 0.0125]])
        """
        depth = _checks.count(depth, "depth")
        layer = np.arange(depth)
        found, a = self._leading, self.slope
        built = 1 - a ** (2 * layer) if from_input else np.ones(depth)
        variances = found.conditional_variance * built + 2 * found.mean**2 / self.width
        first = np.minimum.outer(layer, layer)
        return variances[first] * a ** np.abs(np.subtract.outer(layer, layer))

    def structure_factor(
        self, k: Any, order: str = "leading", depth: int | None = None
    ) -> np.ndarray | float:
        r"""Return the structure factor, the Fourier transform of the covariance.

        .. math:: S(k) = \sum_r C_0 a^{|r|} e^{ikr} = \frac{C_0(1-a^2)}{1 + a^2 - 2a\cos k}
                  \approx \frac{C_0 (1-a^2)/a}{m^2 + k^2}

        Parameters
        ----------
        k : array_like
            Wave numbers in radians a layer, of any shape.
        order : {"leading", "exact"}
            As in :meth:`covariance`.
        depth : int, optional
            L, for the average of :math:`|\sum_l e^{-ikl}\delta q^l|^2/L` over L layers of the stationary chain, in
            which a lag r is seen L − r times; by default L → ∞.

        Returns
        -------
        float or ndarray
            Same shape as `k`.

        Raises
        ------
        ValueError
            As :meth:`covariance`, and if `depth` is below 1.

        Examples
        --------
        >>> import numpy as np
        >>> from rmtlab import field
        >>> field.Lattice("linear", 0.5, 0.5, width=100).structure_factor([0.0, np.pi]).round(6)
        array([0.08    , 0.008889])
        """
        k = _checks.array(k, "k")
        variance, a = self.second_moments(order).variance, self.slope
        if depth is None:
            return (variance * (1 - a * a) / (1 + a * a - 2 * a * np.cos(k)))[()]
        lag = np.arange(1, _checks.count(depth, "depth"))
        weight = 2 * (1 - lag / depth) * a**lag
        return (variance * (1 + np.cos(k[..., None] * lag) @ weight))[()]

    def second_moments(self, order: str = "exact") -> SecondMoments:
        r"""Return variances and the excess kurtosis of one site of the stationary chain.

        For homogeneous φ they are exact at every N: with :math:`m = E[\phi(z)^2]`, :math:`v = \mathrm{Var}[\phi(z)^2]`,

        .. math:: E s^2 = \frac{2\sigma_w^2 m\,\sigma_b^2 q^* + \sigma_b^4}{1 - \sigma_w^4 (m^2 + v/N)}, \qquad
                  \mathrm{Var}\,q = \Big(1 + \frac2N\Big) E s^2 - q^{*2},

        where :math:`m^2 + v/N` is 1 + 2/N for linear networks and (1 + 5/N)/4 for ReLU. Where
        :math:`\sigma_w^4(m^2 + v/N) \ge 1` the second moment diverges, although q* is finite.

        Parameters
        ----------
        order : {"exact", "leading"}
            At this N, or to leading order in 1/N, for any activation.

        Returns
        -------
        SecondMoments

        Raises
        ------
        ValueError
            If there is no stationary chain; for "exact", if the second moment diverges at this N or φ is not
            homogeneous.

        Examples
        --------
        >>> from rmtlab import field
        >>> lattice = field.Lattice("linear", weight_var=0.8, bias_var=0.2, width=200)
        >>> lattice.second_moments().variance / lattice.second_moments("leading").variance
        1.018099...
        """
        _checks.one_of(order, "order", _ORDERS)
        if order == "leading":
            return self._leading
        point, phi = self._stationary, self.activation
        if not phi.homogeneous:
            raise ValueError(
                f"no exact second moment is known for {phi.name!r} at finite width, only for rectifiers and linear "
                "networks; order='leading' gives it to leading order in 1/N."
            )
        m, v = self._square_moments
        w, b, n, q = self.weight_var, self.bias_var, self.width, point.q
        left = 1 - w * w * (m * m + v / n)
        if left <= 0:
            enough = w * w * v / (1 - w * w * m * m)
            raise ValueError(
                f"the second moment of q diverges at width = {n}, because σ_w⁴(m² + v/N) = {1 - left:.6g} is not below "
                f"1: few networks with huge signals carry it. Take a width above {enough:.4g}, or a smaller weight_var."
            )
        square = (2 * w * m * b * q + b * b) / left
        return _moments(q, square - q * q, (1 + 2 / n) * square - q * q, "exact")

    def log_walk(self) -> LogWalk:
        r"""Return the random walk of ln s through a rectifier network without biases.

        At the critical weight_var, where the field has no mass, E s is kept and yet the typical s decays: for linear
        networks :math:`\ln(s^{l+1}/s^l) = \ln(\sigma_w^2\chi^2_N/N)` has drift :math:`\psi(N/2) - \ln(N/2) \approx
        -1/N` and variance :math:`\psi'(N/2) \approx 2/N`; for ReLU :math:`\chi^2_K`, K binomial, gives −5/(2N) and 5/N.
        Averages of simulations are therefore taken of q, never of ln q.

        Returns
        -------
        LogWalk
            Exact.

        Raises
        ------
        ValueError
            If there are biases, or φ is neither linear, abs nor ReLU (up to a factor).

        Examples
        --------
        >>> from rmtlab import field
        >>> walk = field.Lattice("relu", weight_var=2.0, width=1000).log_walk()
        >>> round(1000 * walk.drift, 3), round(1000 * walk.variance, 3)
        (-2.504, 5.019)
        """
        if self.bias_var > 0 or not self.activation.homogeneous:
            raise ValueError(
                "ln s walks in steps that do not depend on s only where φ is homogeneous and bias_var is 0, but "
                f"{self!r} was given; covariance() describes its fluctuations."
            )
        return LogWalk(*_exact.log_walk(self.activation, self.weight_var, self.width))

    def simulate(
        self,
        depth: int,
        chains: int,
        *,
        rng: _checks.Rng = None,
        start: float | None = None,
        discard: int | None = None,
    ) -> Chains:
        """Draw chains of layers, all at once and without their weights, which are integrated out.

        Given s a layer of a linear or rectifier network enters only through χ² sums over its positive and its
        negative units, so that N costs nothing; for other activations its N units are drawn one by one.

        Parameters
        ----------
        depth : int
            Layers to keep.
        chains : int
            Independent networks.
        rng : int or numpy.random.Generator, optional
            Seed or generator; None draws fresh entropy.
        start : float, optional
            s¹, the variance of z¹ given the input, above 0: q* by default, and 1 where there is none.
        discard : int, optional
            Layers to leave out in front, through which the input is forgotten: 12ξ by default where the chain is
            stationary and no `start` is given, else none. ``discard=0`` shows the edge.

        Returns
        -------
        Chains

        Raises
        ------
        ValueError
            If a count is below 1, `start` is not positive, 12ξ is beyond 100 000 layers and `discard` is not given,
            or the variance leaves the range of float64.

        Examples
        --------
        >>> from rmtlab import field
        >>> lattice = field.Lattice("relu", weight_var=1.6, bias_var=0.2, width=200)
        >>> chains = lattice.simulate(depth=10, chains=2000, rng=0)
        >>> chains.q.shape, abs(chains.mean - lattice.q) < 0.03
        ((2000, 10), True)
        """
        depth, chains = _checks.count(depth, "depth"), _checks.count(chains, "chains")
        given = start is not None
        first = _checks.number(start, "start", low=0, low_open=True) if given else self._natural_start
        left_out = self._forgetting if discard is None and not given else discard or 0
        left_out = _checks.count(left_out, "discard", minimum=0)
        generator = _checks.generator(rng)
        with np.errstate(over="ignore", invalid="ignore"):
            found = draw(
                self.activation,
                self.weight_var,
                self.bias_var,
                self.width,
                first,
                left_out,
                depth,
                chains,
                generator,
            )
        if not np.isfinite(found.q).all():
            raise ValueError(
                f"the variance leaves the range of float64 within {left_out + depth} layers; take fewer, or a smaller "
                "weight_var."
            )
        return found

    @cached_property
    def _theory(self) -> MeanField:
        return MeanField(self.activation, self.weight_var, self.bias_var)

    @cached_property
    def _point(self) -> FixedPoint:
        return self._theory.fixed_point()

    @property
    def _massless(self) -> bool:
        return self._point.kind == "scale-free"

    @property
    def _is_stationary(self) -> bool:
        return 0 < self._point.q < inf and not self._massless and abs(self._point.variance_slope) < 1

    @property
    def _stationary(self) -> FixedPoint:
        if self._is_stationary:
            return self._point
        if self._massless:
            why = "every variance is fixed (the field is massless), and ln q walks at random: log_walk() describes it"
        else:
            why = self._point.sentence.rstrip(".")
        raise ValueError(
            f"{self!r} has no stationary chain: {why}. Choose weight_var and bias_var with a q* > 0."
        )

    @cached_property
    def _square_moments(self) -> tuple[float, float]:
        """Mean and variance of φ² at the fixed point; at unit variance where φ is homogeneous."""
        phi = self.activation
        q = 1.0 if phi.homogeneous else self._stationary.q
        m = float(phi.moment(q, 2))
        return m, float(gaussian.expectation(lambda z: (phi(z) ** 2 - m) ** 2, q, kinks=phi.kinks))

    @cached_property
    def _leading(self) -> SecondMoments:
        point = self._stationary
        q, a, n = point.q, point.variance_slope, self.width
        spread = self._square_moments[1] * (q * q if self.activation.homogeneous else 1.0)
        conditional = self.weight_var**2 * spread / n / (1 - a * a)
        return _moments(q, conditional, conditional + 2 * q * q / n, "leading")

    @property
    def _natural_start(self) -> float:
        return self._point.q if self._is_stationary else 1.0

    @property
    def _forgetting(self) -> int:
        if not self._is_stationary:
            return 0
        layers = _FORGETTING * self.correlation_length
        if layers > _LAYERS:
            raise ValueError(
                f"the chain forgets its input within {layers:.3g} layers only; say with discard= how many to leave out."
            )
        return ceil(layers)

    def _next_kernel(self, h: np.ndarray) -> np.ndarray:
        return self.weight_var * (h.T @ h) / len(h) + self.bias_var


def _moments(q: float, conditional: float, variance: float, order: str) -> SecondMoments:
    return SecondMoments(q, variance, conditional, 3 * conditional / (q * q), order)


def _energy(z: np.ndarray, kernel: np.ndarray) -> float:
    """½ tr Z Σ⁻¹ Zᵀ + (N/2) ln det 2πΣ, Z with one unit a row."""
    try:
        root = np.linalg.cholesky(kernel)
    except np.linalg.LinAlgError:
        raise ValueError(
            "a Σ^l is singular, so that the density of its layer is none: give a bias_var above 0, inputs that are "
            "not parallel, and fewer inputs than units."
        ) from None
    white = np.linalg.solve(root, z.T)
    log_det = 2 * np.sum(np.log(np.diagonal(root))) + len(kernel) * log(2 * pi)
    return float(0.5 * np.sum(white**2) + 0.5 * len(z) * log_det)
