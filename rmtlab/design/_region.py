r"""The region of hyper-parameters that theory allows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtlab import _checks, activations, signal
from rmtlab import noise as noises
from rmtlab.activations import Activation
from rmtlab.design._path import walk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CRITERIA = ("signal", "gradient", "isometry", "range")


@dataclass(frozen=True)
class Setting:
    """One point of the plane, and how much of each allowance it uses.

    Attributes
    ----------
    weight_var, bias_var : float
        σ_w² and σ_b².
    signal, gradient, isometry : float
        What the point uses of each allowance: at most 1 inside the region.
    growth : float
        q^L/q¹, by which the mean square of pre-activations grows from the first layer to the last.
    """

    weight_var: float
    bias_var: float
    signal: float
    gradient: float
    isometry: float
    growth: float


@dataclass(frozen=True, eq=False, repr=False)
class Region:
    """Where a network of this depth may start; arrays have the shape (weight_vars, bias_vars).

    Attributes
    ----------
    activation : str
        The name of φ.
    depth : int
        L.
    noise : str
        What acts on every signal, such as "Dropout(keep=0.8)", or "no noise".
    weight_vars, bias_vars : ndarray
        The axes, σ_w² and σ_b².
    xi_c : ndarray
        The depth scale of correlations, −1/ln C′(c*); with noise added to an unbounded φ, its average along the path.
    log_gradient : ndarray
        Σ_l ln χ(q^l), the logarithm of what depth does to squared gradients.
    spread : ndarray
        Variance over mean² of the spectrum of J Jᵀ.
    log_growth : ndarray
        ln(q^L/q¹).
    in_range : ndarray of bool
        Whether q¹ … q^L stay numbers of the format, and under added noise |ln(q^L/q¹)| ≤ 6.
    signal, gradient, isometry : ndarray
        What each point uses of its allowance: L/(6 ξ_c), |Σ ln χ|/6 and spread/99 at the default bounds.
    """

    activation: str
    depth: int
    noise: str
    weight_vars: np.ndarray
    bias_vars: np.ndarray
    xi_c: np.ndarray
    log_gradient: np.ndarray
    spread: np.ndarray
    log_growth: np.ndarray
    in_range: np.ndarray
    signal: np.ndarray
    gradient: np.ndarray
    isometry: np.ndarray

    @property
    def use(self) -> np.ndarray:
        """The largest of the three uses at each point."""
        return np.maximum(np.maximum(self.signal, self.gradient), self.isometry)

    @property
    def allowed(self) -> np.ndarray:
        """Where every use is at most 1 and the variances are in range."""
        return (self.use <= 1.0) & self.in_range

    def recommend(self) -> Setting:
        """Return the allowed point of the grid whose three uses add up to least.

        Returns
        -------
        Setting

        Raises
        ------
        ValueError
            If no point of the grid is allowed.

        Examples
        --------
        >>> from rmtlab import design
        >>> point = design.region("relu", depth=20).recommend()
        >>> round(point.weight_var, 6), point.bias_var
        (2.0, 0.0)
        """
        self._need_a_point()
        total = np.where(self.allowed, self.signal + self.gradient + self.isometry, np.inf)
        i, j = np.unravel_index(int(np.argmin(total)), total.shape)
        use = {name: float(getattr(self, name)[i, j]) for name in _CRITERIA[:3]}
        growth = float(np.exp(self.log_growth[i, j]))
        return Setting(float(self.weight_vars[i]), float(self.bias_vars[j]), growth=growth, **use)

    def sample(self, n: int, rng: _checks.Rng = 0) -> np.ndarray:
        """Return allowed grid points, drawn with equal chances and with replacement: a search inside theory.

        Parameters
        ----------
        n : int
            How many.
        rng : int or numpy.random.Generator
            Seed or generator.

        Returns
        -------
        ndarray, (n, 2)
            Rows (σ_w², σ_b²).

        Raises
        ------
        ValueError
            If `n` is below 1, or no point is allowed.

        Examples
        --------
        >>> from rmtlab import design
        >>> design.region("tanh", depth=10).sample(3).shape
        (3, 2)
        """
        n = _checks.count(n, "n")
        self._need_a_point()
        points = np.argwhere(self.allowed)
        chosen = points[_checks.generator(rng).integers(len(points), size=n)]
        return np.stack([self.weight_vars[chosen[:, 0]], self.bias_vars[chosen[:, 1]]], axis=1)

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each point of the grid, as ``pandas.DataFrame`` and ``csv.DictWriter`` take them.

        Returns
        -------
        list of dict
            With "weight_var", "bias_var", "allowed", "xi_c", "log_gradient", "spread", "log_growth" and
            "refused_by", the criteria that the point fails.

        Examples
        --------
        >>> from rmtlab import design
        >>> rows = design.region("relu", 20, weight_vars=[1.0, 2.0], bias_vars=[0.0]).table()
        >>> [(row["weight_var"], row["refused_by"]) for row in rows]
        [(1.0, 'signal, gradient'), (2.0, '')]
        """
        fails = [self.signal > 1, self.gradient > 1, self.isometry > 1, ~self.in_range]
        return [
            {
                "weight_var": float(w),
                "bias_var": float(b),
                "allowed": bool(self.allowed[i, j]),
                "xi_c": float(self.xi_c[i, j]),
                "log_gradient": float(self.log_gradient[i, j]),
                "spread": float(self.spread[i, j]),
                "log_growth": float(self.log_growth[i, j]),
                "refused_by": ", ".join(
                    name for name, fail in zip(_CRITERIA, fails, strict=True) if fail[i, j]
                ),
            }
            for i, w in enumerate(self.weight_vars)
            for j, b in enumerate(self.bias_vars)
        ]

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the region as a shade, and the bound of each criterion as a line.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        TypeError
            If `ax` is not an axes.
        ValueError
            If the grid has fewer than two points a side.

        Examples
        --------
        >>> from rmtlab import design
        >>> design.region("tanh", depth=20).plot().get_xlabel()
        'weight variance σ_w²'
        """
        from rmtlab.design import _picture

        return _picture.region(self, ax)

    def _need_a_point(self) -> None:
        if not self.allowed.any():
            raise ValueError(
                f"theory allows no point of this grid for {self.activation} at depth {self.depth} with {self.noise}; "
                f"{self._nearest()}. Choose a shallower network, weaker noise, wider bounds or another grid."
            )

    def _nearest(self) -> str:
        """Say by what the point is refused that needs least."""
        use = np.where(self.in_range, self.use, np.inf)
        if not self.in_range.any():
            growth = float(np.exp(min(np.abs(self.log_growth).min(), 700.0)))
            return f"on every point q leaves its range (it changes by a factor of at least {growth:.2g})"
        i, j = np.unravel_index(int(np.argmin(use)), use.shape)
        shares = {name: float(getattr(self, name)[i, j]) for name in _CRITERIA[:3]}
        worst = max(shares, key=lambda name: shares[name])
        return (
            f"the best, σ_w² = {self.weight_vars[i]:.4g} and σ_b² = {self.bias_vars[j]:.4g}, uses {shares[worst]:.3g} "
            f"times its allowance of {worst}"
        )

    def __repr__(self) -> str:
        share = float(np.mean(self.allowed))
        return f"Region({self.activation}, depth {self.depth}: {share:.1%} of {self.use.size} points allowed)"


def region(
    activation: str | Activation,
    depth: int,
    noise: noises.Noise | None = None,
    weights: str = "gaussian",
    *,
    weight_vars: Any = None,
    bias_vars: Any = None,
    dtype: str = "float32",
    correlation: float = 6.0,
    gradient: float = 6.0,
    isometry: float = 99.0,
) -> Region:
    r"""Return the region of (σ_w², σ_b²) in which theory expects a network of this depth to be trainable.

    Three conditions and the limits of the number format,

    .. math:: L \le 6\,\xi_c, \qquad \Big|\sum_{l=1}^L \ln\chi(q^l)\Big| \le 6, \qquad
              \frac{\mathrm{var}}{\mathrm{mean}^2}(JJ^T)
              = \sum_{l=1}^L \Big(\frac{\mu_{2,l}}{\mu_{1,l}^2} - 1 - s_1\Big) \le 99,

    along the path q¹ … q^L of an input with ‖x‖² = d. Here μ_k are the moments of φ′(z)² ε², and s₁ is −1 for
    Gaussian and 0 for orthogonal weights.

    Noise that is *added* to a φ without bound may leave q^l no place to rest: rectifiers at χ₁ = 1 grow by
    σ_w²·var a layer, and at the end of that way, q* = ∞, no trace of the noise is left. So the first condition is then
    taken along the path of two passes of one input,

    .. math:: -\ln\frac{\partial c^{L+1}}{\partial c^1}
              = -\sum_{l=1}^L \ln\frac{\sigma_w^2\,q^l\,E\,\varphi'\varphi'}{q^{l+1}} \le 6,

    which is L/ξ_c where q rests (φ counts as the rectifier that it is far from zero), and q^L may not be e⁶ times
    larger or smaller than q¹.

    Parameters
    ----------
    activation : str or rmtlab.activations.Activation
        φ.
    depth : int
        L, the number of hidden layers.
    noise : rmtlab.noise.Noise, optional
        What acts on x and on every h^l.
    weights : {"gaussian", "orthogonal"}
        How weights are drawn.
    weight_vars, bias_vars : array_like, (n,) and (m,), optional
        The grid; by default σ_w² = 0.05 … 4 and σ_b² = 0 … 0.5.
    dtype : str
        The format whose smallest normal and largest number bound q^l, as in
        :meth:`~rmtlab.signal.MeanField.float_depths`: the overflow depth may not be less than L.
    correlation : float
        How many depth scales ξ_c a network may be deep. Six is the bound that [1]_ and [2]_ found by experiment.
    gradient : float
        Bound on the absolute value of Σ ln χ. Six, since in the ordered phase ξ_c = −1/ln χ₁ and the two
        bounds are one.
    isometry : float
        Bound on variance/mean². The share of directions that carry the gradient is, as a participation ratio,
        (E λ)²/E λ² = 1/(1 + variance/mean²); 99 asks for one in a hundred. No paper draws a line here: this
        one is the house's, and inf removes it.

    Returns
    -------
    Region

    Raises
    ------
    ValueError
        For an unknown activation, a depth below 1, axes or bounds that are not allowed.
    TypeError
        If `noise` is not a noise.

    References
    ----------
    .. [1] S. S. Schoenholz et al., "Deep information propagation", ICLR 2017.
    .. [2] A. Pretorius et al., "Critical initialisation for deep signal propagation in noisy rectifier
       neural networks", NeurIPS 2018.
    .. [3] J. Pennington, S. S. Schoenholz, S. Ganguli, "The emergence of spectral universality in deep
       networks", AISTATS 2018 (variance of the spectrum).

    Examples
    --------
    Where each layer drops two units in five, theory stops at six layers:

    >>> from rmtlab import design, noise
    >>> grid = {"weight_vars": [1.0, 1.2, 1.5], "bias_vars": [0.0]}
    >>> [bool(design.region("relu", L, noise.Dropout(keep=0.6), **grid).allowed.any()) for L in (5, 6)]
    [True, False]
    """
    phi = activations.get(activation)
    depth = _checks.count(depth, "depth")
    _checks.one_of(weights, "weights", ("gaussian", "orthogonal"))
    bounds = {
        name: _bound(value, name)
        for name, value in (("correlation", correlation), ("gradient", gradient), ("isometry", isometry))
    }
    w = np.linspace(0.05, 4.0, 80) if weight_vars is None else weight_vars
    b = np.linspace(0.0, 0.5, 51) if bias_vars is None else bias_vars
    diagram = signal.phase_diagram(phi, w, b, noise)
    path = walk(phi, depth, noise, weights, diagram.weight_vars, diagram.bias_vars, dtype)
    with np.errstate(divide="ignore"):
        xi_c = diagram.xi_c if path.lost is None else depth / path.lost
    return Region(
        phi.name,
        depth,
        "no noise" if noise is None else repr(noise),
        diagram.weight_vars,
        diagram.bias_vars,
        xi_c,
        path.log_gradient,
        path.spread,
        path.log_growth,
        path.in_range,
        _shares(depth, xi_c, bounds["correlation"]),
        np.abs(path.log_gradient) / bounds["gradient"],
        path.spread / bounds["isometry"],
    )


def _bound(value: Any, name: str) -> float:
    if isinstance(value, float) and value == np.inf:
        return np.inf
    return _checks.number(value, name, low=0.0, low_open=True, hint="float('inf') removes the bound.")


def _shares(depth: int, xi_c: np.ndarray, bound: float) -> np.ndarray:
    """L/(bound ξ_c): 0 where the scale is infinite, infinite where it is 0."""
    rate = np.divide(1.0, xi_c, out=np.full_like(xi_c, np.inf), where=xi_c > 0)
    return depth * rate / bound if bound < np.inf else np.zeros_like(xi_c)
