"""The Tracy–Widom laws: how the largest eigenvalue fluctuates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import inf, sqrt

import numpy as np
from numpy.polynomial import Legendre
from numpy.typing import ArrayLike

from rmtlab import _checks
from rmtlab.laws._base import _shaped
from rmtlab.laws._bisection import first_float

__all__ = ["TracyWidom"]

_LOW, _HIGH = -9.5, 14.0  # outside, less than 1e-15 of either law is left
_SERIES = 136
_KERNEL = np.polynomial.legendre.leggauss(40)
_AIRY_ENDS = 16.0  # Ai(16) < 1e-19


@dataclass(frozen=True)
class TracyWidom:
    r"""Tracy–Widom law, the limit of the largest eigenvalue about the spectrum's edge.

    .. math:: \lambda_{\max} \approx \mathrm{centre} + \mathrm{scale}\cdot\chi, \qquad
              P(\chi \le s) = F_\beta(s), \qquad
              F_1(s) = \det(1 - B_s), \quad F_2(s) = \det(1 - B_s^2),

    where :math:`B_s` has the kernel Ai(x + y + s) on [0, ∞). :meth:`goe` and :meth:`wishart` know the centre
    and the scale of a matrix of finite size.

    Its vocabulary is that of the spectral laws, but it is none of them: it lives on the whole line, where no R-
    and no S-transform exists, and it describes one eigenvalue, not their histogram. ``rl.compare`` takes it.

    Parameters
    ----------
    beta : {1, 2}
        1 for real symmetric matrices, 2 for complex Hermitian ones.
    centre : float
        Where the edge is.
    scale : float
        Unit of the fluctuations, above 0.

    Raises
    ------
    ValueError
        If `beta` is neither 1 nor 2, or `centre` or `scale` is out of range.

    Notes
    -----
    Density and distribution function are right to 1e-13/scale and 1e-13, an absolute error: where the law has
    less mass than that, it shows none. The determinants are computed by Gauss–Legendre quadrature, which
    converges exponentially, once a process (half a second), and interpolated by a polynomial.

    References
    ----------
    C. Tracy and H. Widom, "On orthogonal and symplectic matrix ensembles", Commun. Math. Phys. 177 (1996).
    P. Ferrari and H. Spohn, "A determinantal formula for the GOE Tracy–Widom distribution", J. Phys. A 38
    (2005): F₁. F. Bornemann, "On the numerical evaluation of Fredholm determinants", Math. Comp. 79 (2010).

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.TracyWidom(beta=1)
    >>> round(law.mean, 10), round(law.var, 10), round(law.cdf(0.0), 10)
    (-1.2065335746, 1.6077810346, 0.8319080662)
    """

    beta: int = 1
    centre: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        beta = _checks.count(self.beta, "beta")
        if beta not in (1, 2):
            raise ValueError(
                f"beta must be 1 (real symmetric matrices) or 2 (complex Hermitian ones), but {beta} was given."
            )
        object.__setattr__(self, "beta", beta)
        object.__setattr__(self, "centre", _checks.number(self.centre, "centre"))
        object.__setattr__(self, "scale", _checks.number(self.scale, "scale", low=0.0, low_open=True))

    @classmethod
    def goe(cls, n: int, var: float = 1.0) -> TracyWidom:
        r"""Law of the largest eigenvalue of ``ensembles.goe(n, var)``, up to O(n^{-2/3}).

        .. math:: \mathrm{centre} = 2\sqrt{\mathrm{var}\,n'/n}, \qquad
                  \mathrm{scale} = \sqrt{\mathrm{var}/n}\;n'^{-1/6}, \qquad n' = n - \tfrac12.

        With n′ replaced by n, the edge and √var·n^{-2/3}, the error would be O(n^{-1/3}).

        Parameters
        ----------
        n : int
            Rows and columns.
        var : float
            Variance of the limiting spectrum, above 0.

        Returns
        -------
        TracyWidom

        Raises
        ------
        ValueError
            If `n` is below 1 or `var` is not above 0.

        References
        ----------
        I. Johnstone and Z. Ma, "Fast approach to the Tracy–Widom law at the edge of GOE and GUE", Ann. Appl.
        Probab. 22 (2012). F. Bornemann, "Asymptotic expansions of the limit laws of Gaussian and Laguerre
        (Wishart) ensembles at the soft edge", arXiv:2403.07628.

        Examples
        --------
        >>> import rmtlab as rl
        >>> rl.laws.TracyWidom.goe(1000)
        TracyWidom(beta=1, centre=1.9995, scale=0.0100008)
        """
        n = _checks.count(n, "n")
        var = _checks.number(var, "var", low=0.0, low_open=True)
        shifted = n - 0.5
        return cls(1, 2.0 * sqrt(var * shifted / n), sqrt(var / n) * shifted ** (-1 / 6))

    @classmethod
    def wishart(cls, n: int, m: int, var: float = 1.0) -> TracyWidom:
        r"""Law of the largest eigenvalue of ``ensembles.wishart(n, m, var)``, up to O(min(n, m)^{-2/3}).

        .. math:: \mathrm{centre} = \frac{\mathrm{var}}m\bigl(\sqrt{n'} + \sqrt{m'}\bigr)^2, \qquad
                  \mathrm{scale} = \frac{\mathrm{var}}m \bigl(\sqrt{n'} + \sqrt{m'}\bigr)
                  \Bigl(\frac1{\sqrt{n'}} + \frac1{\sqrt{m'}}\Bigr)^{1/3}, \qquad
                  n' = n - \tfrac12, \; m' = m - \tfrac12.

        Johnstone (2001) has n and m − 1 in place of n′ and m′, which moves the centre by O(n^{-1/3}) scales where
        n ≠ m.

        Parameters
        ----------
        n, m : int
            Features and observations.
        var : float
            Variance of an entry of X, above 0.

        Returns
        -------
        TracyWidom

        Raises
        ------
        ValueError
            If a dimension is below 1 or `var` is not above 0.

        References
        ----------
        I. Johnstone, "On the distribution of the largest eigenvalue in principal components analysis", Ann.
        Statist. 29 (2001). Z. Ma, "Accuracy of the Tracy–Widom limits for the extreme eigenvalues in white
        Wishart matrices", Bernoulli 18 (2012).

        Examples
        --------
        >>> import rmtlab as rl
        >>> rl.laws.TracyWidom.wishart(500, 1000)
        TracyWidom(beta=1, centre=2.91215, scale=0.0228958)
        """
        n, m = _checks.count(n, "n"), _checks.count(m, "m")
        var = _checks.number(var, "var", low=0.0, low_open=True)
        a, b = sqrt(n - 0.5), sqrt(m - 0.5)
        return cls(1, var / m * (a + b) ** 2, var / m * (a + b) * (1.0 / a + 1.0 / b) ** (1 / 3))

    @property
    def support(self) -> list[tuple[float, float]]:
        """The whole line."""
        return [(-inf, inf)]

    @property
    def atoms(self) -> dict[float, float]:
        """None."""
        return {}

    @property
    def mean(self) -> float:
        """Mean: centre − 1.2065·scale for beta 1, centre − 1.7711·scale for beta 2."""
        return self.moment(1)

    @property
    def var(self) -> float:
        """Variance."""
        table = _table(self.beta)
        mean = table.masses @ table.nodes
        return float(self.scale**2 * (table.masses @ (table.nodes - mean) ** 2))

    def density(self, x: ArrayLike) -> float | np.ndarray:
        r"""Density :math:`F_\beta'((x - \mathrm{centre})/\mathrm{scale})/\mathrm{scale}`.

        Parameters
        ----------
        x : float or array_like

        Returns
        -------
        float or numpy.ndarray, the shape of `x`

        Raises
        ------
        ValueError
            If `x` holds NaN or infinity.

        Examples
        --------
        >>> import rmtlab as rl
        >>> rl.laws.TracyWidom().density([-1.0, 50.0])
        array([0.30409878, 0.        ])
        """
        points = _checks.array(x, "x")
        s = (points - self.centre) / self.scale
        inside = (s > _LOW) & (s < _HIGH)
        values = _table(self.beta).density(np.clip(s, _LOW, _HIGH))
        return _shaped(np.where(inside, np.maximum(values, 0.0), 0.0) / self.scale, points)

    def cdf(self, x: ArrayLike) -> float | np.ndarray:
        r"""Distribution function :math:`F_\beta((x - \mathrm{centre})/\mathrm{scale})`.

        Parameters
        ----------
        x : float or array_like

        Returns
        -------
        float or numpy.ndarray, the shape of `x`

        Raises
        ------
        ValueError
            If `x` holds NaN or infinity.

        Examples
        --------
        >>> import rmtlab as rl
        >>> rl.laws.TracyWidom(beta=2).cdf([-2.0, 0.0])
        array([0.41322414, 0.96937283])
        """
        points = _checks.array(x, "x")
        return _shaped(self._standard_cdf((points - self.centre) / self.scale), points)

    def quantile(self, p: ArrayLike) -> float | np.ndarray:
        """Smallest x with cdf(x) ≥ p; −∞ and ∞ at 0 and 1.

        Parameters
        ----------
        p : float or array_like
            Probabilities.

        Returns
        -------
        float or numpy.ndarray, the shape of `p`

        Raises
        ------
        ValueError
            If a value is outside [0, 1].

        Examples
        --------
        >>> import rmtlab as rl
        >>> round(rl.laws.TracyWidom().quantile(0.95), 4)
        0.9793
        """
        levels = _checks.array(p, "p")
        if np.any((levels < 0.0) | (levels > 1.0)):
            raise ValueError(
                f"p must be between 0 and 1, but it reaches from {levels.min():g} to {levels.max():g}; "
                "a quantile belongs to a probability."
            )
        flat = levels.ravel()
        low, high = np.full(flat.shape, _LOW), np.full(flat.shape, _HIGH)
        s = first_float(lambda x: self._standard_cdf(x) >= flat, low, high)
        ends = np.select([flat <= 0.0, flat >= 1.0], [-inf, inf], s)
        return _shaped(self.centre + self.scale * ends, levels)

    def moment(self, k: int) -> float:
        r"""Moment :math:`E[\lambda_{\max}^k]`.

        Parameters
        ----------
        k : int
            Order, at least 0.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If `k` is negative.

        Examples
        --------
        >>> import rmtlab as rl
        >>> round(rl.laws.TracyWidom(beta=2).moment(1), 10)
        -1.7710868074
        """
        k = _checks.count(k, "k", minimum=0)
        table = _table(self.beta)
        return 1.0 if k == 0 else float(table.masses @ (self.centre + self.scale * table.nodes) ** k)

    def sample(self, n: int, rng: _checks.Rng = 0) -> np.ndarray:
        """Sample n independent draws: quantiles of uniform numbers.

        Parameters
        ----------
        n : int
            Number of draws.
        rng : int, numpy.random.Generator or None
            Seed or generator; None for fresh entropy.

        Returns
        -------
        numpy.ndarray, shape (n,)

        Raises
        ------
        ValueError
            If `n` is below 1.

        Examples
        --------
        >>> import rmtlab as rl
        >>> rl.laws.TracyWidom().sample(3).shape
        (3,)
        """
        n = _checks.count(n, "n")
        return np.asarray(self.quantile(1.0 - _checks.generator(rng).random(n)))

    def _standard_cdf(self, s: np.ndarray) -> np.ndarray:
        inside = np.clip(_table(self.beta).cdf(np.clip(s, _LOW, _HIGH)), 0.0, 1.0)
        return np.select([s <= _LOW, s >= _HIGH], [0.0, 1.0], inside)

    def __repr__(self) -> str:
        return f"TracyWidom(beta={self.beta}, centre={self.centre:.6g}, scale={self.scale:.6g})"


@dataclass(frozen=True, eq=False)
class _Table:
    """A law on [_LOW, _HIGH]: Gauss–Legendre nodes with their masses, and series for density and cdf."""

    nodes: np.ndarray
    masses: np.ndarray
    density: Legendre
    cdf: Legendre


@lru_cache
def _table(beta: int) -> _Table:
    nodes, weights = np.polynomial.legendre.leggauss(_SERIES)
    half = 0.5 * (_HIGH - _LOW)
    s = _LOW + half * (1.0 + nodes)
    values = _density(s, beta)
    degrees = np.arange(_SERIES)
    legendre = np.polynomial.legendre.legvander(nodes, _SERIES - 1)
    density = Legendre((degrees + 0.5) * (legendre.T @ (weights * values)), domain=[_LOW, _HIGH])
    return _Table(s, half * weights * values, density, density.integ(lbnd=_LOW))


def _density(s: np.ndarray, beta: int) -> np.ndarray:
    r"""Derivative of :math:`F = \prod_k (1 - b_k^\beta)`, from the eigenvalues :math:`b_k(s)` and their slopes."""
    b, slope = _spectrum(s)
    rest = 1.0 - b**beta
    return np.prod(rest, axis=1) * np.sum(-beta * b ** (beta - 1) * slope / rest, axis=1)


def _spectrum(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of the kernel Ai(x + y + s) on [0, ∞), and their derivatives in s; one row an s."""
    from scipy.special import airy

    nodes, weights = _KERNEL
    half = 0.5 * (_AIRY_ENDS - s)[:, None]
    x, root = half * (1.0 + nodes), np.sqrt(half * weights)
    i, j = np.tril_indices(nodes.size)
    values, slopes, _, _ = airy(x[:, i] + x[:, j] + s[:, None])
    kernel = np.empty((2, s.size, nodes.size, nodes.size))
    kernel[:, :, i, j] = kernel[:, :, j, i] = root[:, i] * root[:, j] * np.stack([values, slopes])
    eigenvalues, vectors = np.linalg.eigh(kernel[0])
    return eigenvalues, np.sum(vectors * (kernel[1] @ vectors), axis=1)
