"""The face that every spectral law shows, and what it can do without being told how."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from rmtlab import _checks
from rmtlab.laws._bisection import first_float
from rmtlab.laws._quadrature import Panels
from rmtlab.laws._transforms import Inversion
from rmtlab.laws.cumulants import free_cumulants

ATOM_WIDTH = 1e-10  # a value within this of an atom, relative to the largest value, counts at it
_HEIGHTS = 0.5 ** np.arange(3.0, 10.0)


class SpectralLaw(ABC):
    r"""A probability law on the real line: atoms plus a density on a few intervals.

    A new law is a frozen dataclass that says its `support` (and `atoms`, where it has some) and overrides
    ``_density`` or ``_cauchy``. Everything else follows from these by quadrature, bisection and certified
    inversion; a closed form replaces the hook of the same name (``_cdf``, ``_moment``, ``_free_cumulant``,
    ``_quantile``, ``_r_transform``, ``_s_transform``). Arguments are checked here, once: the hooks receive
    float64 arrays, ``_density`` and ``_cdf`` only points of the support, ``_cauchy`` only complex z with
    Im z ≥ 0 off the spectrum. ``_density`` and ``_cdf`` speak of the continuous part alone.

    Numbers in, number out; array in, array of the same shape out.

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.laws.Semicircle(var=1.0)
    >>> law.support, law.mean, law.var, law.moment(4)
    ([(-2.0, 2.0)], 0.0, 1.0, 2.0)
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if cls._density is SpectralLaw._density and cls._cauchy is SpectralLaw._cauchy:
            raise TypeError(
                f"The law {cls.__name__} must define _density or _cauchy; each follows from the other."
            )

    @property
    @abstractmethod
    def support(self) -> list[tuple[float, float]]:
        """Intervals [(a, b), …] of the continuous part in increasing order; empty where there is none."""

    @property
    def atoms(self) -> dict[float, float]:
        """Atoms {location: mass}."""
        return {}

    @property
    def mean(self) -> float:
        """Mean of the law."""
        return self._moment(1)

    @property
    def var(self) -> float:
        """Variance of the law."""
        mean = self.mean
        return self._expectation(lambda x: (x - mean) ** 2)

    def density(self, x: ArrayLike) -> float | np.ndarray:
        r"""Density of the continuous part.

        .. math:: \rho(x) = -\frac1\pi \mathrm{Im}\,G(x + i0) \quad \text{away from atoms};

        0 outside the (closed) support, infinite at a hard edge. Atoms are in `atoms`.

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
        >>> rl.laws.Semicircle().density([0.0, 3.0]).round(4)
        array([0.3183, 0.    ])
        """
        points = _checks.array(x, "x")
        result = np.zeros_like(points)
        for a, b in self.support:
            inside = (points >= a) & (points <= b)
            if np.any(inside):
                result[inside] = self._density(points[inside])
        return _shaped(result, points)

    def cdf(self, x: ArrayLike, side: Literal["right", "left"] = "right") -> float | np.ndarray:
        r"""Distribution function :math:`F(x) = P(\lambda \le x)`, or its left limit :math:`P(\lambda < x)`.

        Parameters
        ----------
        x : float or array_like
        side : {"right", "left"}
            "right" counts an atom at x, "left" does not.

        Returns
        -------
        float or numpy.ndarray, the shape of `x`

        Raises
        ------
        ValueError
            If `x` holds NaN or infinity, or `side` is unknown.

        Examples
        --------
        >>> import rmtlab as rl
        >>> coin = rl.laws.Discrete([0.0, 1.0], [0.25, 0.75])
        >>> coin.cdf(0.0), coin.cdf(0.0, side="left")
        (0.25, 0.0)
        """
        _checks.one_of(side, "side", ("right", "left"))
        points = _checks.array(x, "x")
        return _shaped(self._full_cdf(points.ravel(), side), points)

    def quantile(self, p: ArrayLike) -> float | np.ndarray:
        r"""Smallest x with :math:`F(x) \ge p`; at an atom's jump it stays on the atom.

        Parameters
        ----------
        p : float or array_like
            Probabilities. 0 and 1 give the lower and the upper end of the spectrum.

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
        >>> rl.laws.MarchenkoPastur(aspect=2.0).quantile([0.1, 0.4, 1.0]).round(4)
        array([0.    , 0.    , 5.8284])
        """
        levels = _checks.array(p, "p")
        if np.any((levels < 0.0) | (levels > 1.0)):
            raise ValueError(
                f"p must be between 0 and 1, but it reaches from {levels.min():g} to {levels.max():g}; "
                "a quantile belongs to a probability."
            )
        low, high = self._hull
        flat = levels.ravel()
        return _shaped(np.select([flat <= 0.0, flat >= 1.0], [low, high], self._quantile(flat)), levels)

    def moment(self, k: int) -> float:
        r"""Moment :math:`m_k = E[\lambda^k]`.

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
        >>> rl.laws.MarchenkoPastur(aspect=0.5).moment(2)
        1.5
        """
        k = _checks.count(k, "k", minimum=0)
        return 1.0 if k == 0 else self._moment(k)

    def free_cumulant(self, k: int) -> float:
        r"""Free cumulant :math:`\kappa_k`, the coefficient of :math:`g^{k-1}` in R(g); free sums add it.

        :math:`\kappa_1` is the mean and :math:`\kappa_2` the variance. Where a law has no closed form it comes
        from central moments, and loses about a factor 4 of accuracy with each order.

        Parameters
        ----------
        k : int
            Order, at least 1.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If `k` is below 1.

        References
        ----------
        R. Speicher, "Multiplicative functions on the lattice of non-crossing partitions and free
        convolution", Math. Ann. 298 (1994).

        Examples
        --------
        >>> import rmtlab as rl
        >>> [rl.laws.Semicircle(var=2.0).free_cumulant(k) for k in (1, 2, 3, 4)]
        [0.0, 2.0, 0.0, 0.0]
        """
        k = _checks.count(k, "k")
        return self.mean if k == 1 else self._free_cumulant(k)

    def cauchy(self, z: ArrayLike) -> Any:
        r"""Cauchy transform :math:`G(z) = E[1/(z - \lambda)]` off the spectrum.

        Parameters
        ----------
        z : float, complex or array_like

        Returns
        -------
        float, complex or numpy.ndarray, the shape of `z`
            Real for real `z`.

        Raises
        ------
        ValueError
            If a real `z` lies on the spectrum, where G jumps or has a pole.

        Examples
        --------
        >>> import rmtlab as rl
        >>> rl.laws.Semicircle().cauchy(2.5)
        0.5
        """
        points = _real_or_complex(z, "z")
        flat = points.ravel()
        on_axis = flat.imag == 0.0
        spectrum = on_axis & self._is_on_spectrum(flat.real)
        if np.any(spectrum):
            raise ValueError(
                f"z = {flat.real[spectrum][0]:g} lies on the spectrum, where G is cut; "
                "step off the real axis (z + 1e-6j) or use density and atoms."
            )
        value = self._cauchy(flat.real + 1j * np.abs(flat.imag))
        value.imag = np.where(on_axis, 0.0, np.where(flat.imag < 0, -value.imag, value.imag))
        return _shaped(value.real if np.isrealobj(points) else value, points)

    def sample(self, n: int, rng: _checks.Rng = 0) -> np.ndarray:
        """Sample n independent draws from the law: quantiles of uniform numbers.

        They are independent, unlike the eigenvalues of a random matrix, which repel each other.

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
        >>> rl.laws.Dirac(2.0).sample(3)
        array([2., 2., 2.])
        """
        n = _checks.count(n, "n")
        return np.asarray(self.quantile(_checks.generator(rng).random(n)))

    def r_transform(self, g: ArrayLike) -> Any:
        r"""R-transform :math:`R(g) = G^{-1}(g) - 1/g`; free sums add it.

        :math:`R(0)` is the mean. Where a law has no closed form, G is inverted outside the spectrum: at real
        g between the values of G at the spectrum's two ends, at complex g with :math:`|g| \le
        1/(6\max|\lambda|)`. The root carries a certificate.

        Parameters
        ----------
        g : float, complex or array_like

        Returns
        -------
        float, complex or numpy.ndarray, the shape of `g`

        Raises
        ------
        ValueError
            If `g` is outside the domain.

        References
        ----------
        D. Voiculescu, "Addition of certain non-commuting random variables", J. Funct. Anal. 66 (1986).

        Examples
        --------
        >>> import rmtlab as rl
        >>> rl.laws.Semicircle(var=2.0).r_transform(0.25)
        0.5
        """
        points = _real_or_complex(g, "g")
        return _shaped(self._r_transform(points.ravel()), points)

    def s_transform(self, m: ArrayLike) -> Any:
        r"""S-transform :math:`S(m) = \frac{1+m}{m\,M^{-1}(m)}`; free products multiply it.

        :math:`S(0)` is 1/mean. Where a law has no closed form, :math:`M(z) = zG(z) - 1` is inverted: for a
        law on [0, ∞) at all real m in its range, else in the disc where it is certainly injective. The root
        carries a certificate.

        Parameters
        ----------
        m : float, complex or array_like

        Returns
        -------
        float, complex or numpy.ndarray, the shape of `m`

        Raises
        ------
        ValueError
            If `m` is outside the domain, or the law has mean 0.

        References
        ----------
        D. Voiculescu, "Multiplication of certain non-commuting random variables", J. Operator Theory 18
        (1987).

        Examples
        --------
        >>> import rmtlab as rl
        >>> rl.laws.MarchenkoPastur(aspect=1.0).s_transform(1.0)
        0.5
        """
        points = _real_or_complex(m, "m")
        return _shaped(self._s_transform(points.ravel()), points)

    def _density(self, x: np.ndarray) -> np.ndarray:
        """−Im G(x + iε)/π without the atoms, extrapolated to ε = 0 on the scale of the nearest edge."""
        edges = np.array([edge for interval in self.support for edge in interval])
        landmarks = np.concatenate([edges, self._atom_table[0]])
        distance = np.min(np.abs(x[:, None] - landmarks), axis=1)
        heights = np.maximum(distance, np.finfo(float).tiny)[:, None] * _HEIGHTS
        z = (x[:, None] + 1j * heights).ravel()
        continuous = self._cauchy(z) - _poles(z, *self._atom_masses)
        weights = [np.prod([h / (h - own) for h in _HEIGHTS if h != own]) for own in _HEIGHTS]
        return np.maximum(-(continuous.imag.reshape(heights.shape) @ weights) / np.pi, 0.0)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return np.sum([panels.mass_below(x) for panels in self._panels], axis=0)

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        result = _poles(z, *self._atom_masses)
        for interval in self.support:
            result += [Panels(self._density, interval, near=point).cauchy(point) for point in z.tolist()]
        return result

    def _moment(self, k: int) -> float:
        return self._expectation(lambda x: x**k)

    def _free_cumulant(self, k: int) -> float:
        """From the moments about the mean; a shift moves the first cumulant alone."""
        mean = self.mean
        reach = max(abs(end - mean) for end in self._hull) or 1.0
        central = [self._expectation(lambda x, j=j: ((x - mean) / reach) ** j) for j in range(2, k + 1)]
        return float(free_cumulants([0.0, *central])[-1] * reach**k)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        low, high = (np.full(p.shape, end) for end in self._hull)
        return first_float(lambda x: self._full_cdf(x, "right") >= p, low, high)

    def _r_transform(self, g: np.ndarray) -> np.ndarray:
        return self._inversion.r_transform(g)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        return self._inversion.s_transform(m)

    def _full_cdf(self, x: np.ndarray, side: Literal["right", "left"]) -> np.ndarray:
        locations, cumulative = self._atom_table
        result = cumulative[np.searchsorted(locations, x, side=side)]
        if self.support:
            low, high = self.support[0][0], self.support[-1][1]
            inside = (x > low) & (x < high)
            continuous = np.where(x >= high, 1.0 - cumulative[-1], 0.0)
            if np.any(inside):
                continuous[inside] = self._cdf(x[inside])
            result = result + continuous
        return np.clip(result, 0.0, 1.0)

    def _expectation(self, f: Any) -> float:
        locations, masses = self._atom_masses
        return float(np.sum(masses * f(locations)) + sum(panels.integral(f) for panels in self._panels))

    def _is_on_spectrum(self, x: np.ndarray) -> np.ndarray:
        result = np.isin(x, self._atom_masses[0])
        for a, b in self.support:
            result |= (x >= a) & (x <= b)
        return result

    @cached_property
    def _atom_masses(self) -> tuple[np.ndarray, np.ndarray]:
        atoms = sorted(self.atoms.items())
        return np.array([x for x, _ in atoms]), np.array([mass for _, mass in atoms])

    @cached_property
    def _atom_table(self) -> tuple[np.ndarray, np.ndarray]:
        """Locations of the atoms, and the mass of the first 0, 1, 2, … of them."""
        locations, masses = self._atom_masses
        cumulative = np.concatenate([[0.0], np.cumsum(masses)])
        if not self.support:
            cumulative[-1] = 1.0
        return locations, cumulative

    @cached_property
    def _hull(self) -> tuple[float, float]:
        ends = [edge for interval in self.support for edge in interval] + list(self.atoms)
        return min(ends), max(ends)

    @cached_property
    def _panels(self) -> list[Panels]:
        return [Panels(self._density, interval) for interval in self.support]

    @cached_property
    def _inversion(self) -> Inversion:
        return Inversion(self._cauchy, self._hull, self._moment, self.atoms.get(0.0, 0.0))


def _poles(z: np.ndarray, locations: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Σ mass/(z − location), in blocks that keep memory small."""
    block = max(1, 1_000_000 // max(1, locations.size))
    result = np.zeros(z.shape, dtype=np.complex128)
    for start in range(0, z.size, block):
        part = z[start : start + block]
        result[start : start + block] = (1.0 / (part[:, None] - locations)) @ masses
    return result


def _real_or_complex(value: Any, name: str) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    given = np.asarray(value)
    if given.dtype.kind != "c":
        return _checks.array(value, name)
    _checks.array(given.real, name)
    _checks.array(given.imag, name)
    return given.astype(np.complex128)


def _shaped(result: np.ndarray, like: np.ndarray) -> Any:
    return result.item() if like.ndim == 0 else result.reshape(like.shape)
