r"""Spectra of infinitely deep orthogonal networks: two universal families at fixed variance."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import e, exp, pi

import numpy as np
from scipy.special import lambertw

from rmtlab import _checks
from rmtlab.jacobian._chain import Chain
from rmtlab.jacobian._law import ChainLaw
from rmtlab.laws import SpectralLaw

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_KINDS = ("bernoulli", "smooth")


@dataclass(frozen=True)
class BernoulliLimit(SpectralLaw):
    r"""The Bernoulli class, :math:`S(m) = e^{-\sigma_0^2 m/(1+m)}`; :func:`universal` makes it.

    .. math:: G(z) = \frac{\sigma_0^2}{z\,(\sigma_0^2 + W_0(-\sigma_0^2/z))}

    The continuous part lives on (0, eσ₀²], where :math:`x = \sigma_0^2 \frac{\sin\varphi}\varphi
    e^{\varphi\cot\varphi}`, 0 < φ < π; an atom of mass 1 − σ₀² sits at :math:`e^{\sigma_0^2}` for σ₀² < 1. Near 0 the
    distribution function is :math:`\sigma_0^2/\ln(1/x)`: a part of the mass lies below every float.

    Parameters
    ----------
    variance : float
        σ₀² > 0.

    Raises
    ------
    ValueError
        If the variance is not positive.

    References
    ----------
    .. [1] J. Pennington, S. Schoenholz, S. Ganguli, "The emergence of spectral universality in deep networks",
       AISTATS 2018.

    Examples
    --------
    >>> law = BernoulliLimit(0.5)
    >>> {round(x, 6): mass for x, mass in law.atoms.items()}, round(law.cdf(1e-12), 4)
    ({1.648721: 0.5}, 0.0205)
    """

    variance: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", _variance(self.variance))

    @property
    def support(self) -> list[tuple[float, float]]:
        """(0, eσ₀²]."""
        return [(0.0, e * self.variance)]

    @property
    def atoms(self) -> dict[float, float]:
        """Mass 1 − σ₀² at exp(σ₀²), for σ₀² < 1."""
        return {exp(self.variance): 1.0 - self.variance} if self.variance < 1.0 else {}

    @property
    def mean(self) -> float:
        """One."""
        return 1.0

    @property
    def var(self) -> float:
        """σ₀²."""
        return self.variance

    def _cauchy(self, z: np.ndarray) -> np.ndarray:
        return self.variance / (z * (self.variance + lambertw(-self.variance / z)))

    def _density(self, x: np.ndarray) -> np.ndarray:
        result = np.full(x.shape, np.inf)
        inside = x > 0.0
        phi = self._angle(x[inside])
        sine = np.sin(phi)
        with np.errstate(over="ignore"):
            result[inside] = phi * sine**2 / (pi * self.variance * x[inside] * self._square(phi))
        return result

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return self._mass(self._angle(np.maximum(x, 5e-324)))

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        low, high = np.zeros(p.shape), np.full(p.shape, pi)
        for _ in range(60):
            middle = 0.5 * (low + high)
            beyond = self._mass(middle) < p
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        with np.errstate(divide="ignore"):
            x = np.exp(self._log_x(np.maximum(0.5 * (low + high), 1e-300)))
        return np.where(p > min(1.0, self.variance), max(self.atoms, default=e * self.variance), x)

    def _moment(self, k: int) -> float:
        order = np.arange(k)
        log_power = k * (np.where(order > 0, (-1.0) ** (order + 1.0), 0.0) / np.maximum(order, 1))
        log_power -= k * self.variance * np.where(order > 0, (-1.0) ** order, 0.0)
        series = np.eye(1, k).ravel()
        for n in range(1, k):
            j = np.arange(1, n + 1)
            series[n] = np.sum(j * log_power[j] * series[n - j]) / n
        return float(series[k - 1] / k)

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        if np.any(m == -1.0):
            raise ValueError(
                "The S-transform of this law has an essential singularity at m = −1; take m above −1."
            )
        return np.exp(-self.variance * m / (1.0 + m))

    def _log_x(self, phi: np.ndarray) -> np.ndarray:
        return np.log(self.variance * np.sin(phi) / phi) + phi / np.tan(phi)

    def _angle(self, x: np.ndarray) -> np.ndarray:
        """φ ∈ (0, π) of a point of the support."""
        target = np.log(x)
        low, high = np.zeros(x.shape), np.full(x.shape, pi)
        phi = np.full(x.shape, 0.5 * pi)
        for _ in range(60):
            gap = self._log_x(phi) - target
            low, high = np.where(gap > 0.0, phi, low), np.where(gap > 0.0, high, phi)
            slope = -phi * _bend(phi) / np.sin(phi) ** 2 / phi
            newton = phi - gap / slope
            following = np.where((newton > low) & (newton < high), newton, 0.5 * (low + high))
            if np.all(np.abs(following - phi) <= 2e-16 * phi):
                break
            phi = np.maximum(following, 1e-150)
        return phi

    def _square(self, phi: np.ndarray) -> np.ndarray:
        """sin²φ |1 − u|², where G = 1/(z(1 − u))."""
        sine, ratio = np.sin(phi), phi / self.variance
        return (sine - ratio * np.cos(phi)) ** 2 + (ratio * sine) ** 2

    def _rate(self, phi: np.ndarray) -> np.ndarray:
        """Mass per unit of φ."""
        return phi / (pi * self.variance) * _bend(phi) / self._square(phi)

    def _mass(self, phi: np.ndarray) -> np.ndarray:
        """Mass of the continuous part between φ and π, that is below x(φ)."""
        breaks, above = self._panels_in_angle
        k = np.clip(np.searchsorted(breaks, phi, side="right") - 1, 0, breaks.size - 2)
        half = 0.5 * (breaks[k + 1] - phi)
        points = 0.5 * (breaks[k + 1] + phi)[..., None] + half[..., None] * _NODES
        rest = half * (self._rate(points) @ _WEIGHTS)
        return np.where(phi < breaks[0], above[0], above[k + 1] + rest)

    @cached_property
    def _panels_in_angle(self) -> tuple[np.ndarray, np.ndarray]:
        """Breaks in φ, finer towards 0 where 1 − σ₀² is small, and the mass above each."""
        breaks = np.concatenate([pi * 0.5 ** np.arange(60.0, 2.0, -1.0), pi * np.linspace(0.25, 1.0, 7)])
        masses = []
        for low, high in pairwise(breaks):
            points = 0.5 * (low + high) + 0.5 * (high - low) * _NODES
            masses.append(0.5 * (high - low) * float(self._rate(points) @ _WEIGHTS))
        return breaks, np.append(np.cumsum(masses[::-1])[::-1], 0.0)


@dataclass(frozen=True)
class SmoothLimit(ChainLaw):
    r"""The smooth class, :math:`S(m) = e^{-\sigma_0^2 m}`; :func:`universal` makes it.

    .. math:: z = \frac{1+m}{m} e^{\sigma_0^2 m}, \qquad
              \text{edges at } m_\pm = \tfrac12\Big(-1 \pm \sqrt{1 + 4/\sigma_0^2}\Big)

    It is the law of positive free multiplicative Brownian motion at time σ₀², bounded away from 0.

    Parameters
    ----------
    variance : float
        σ₀² > 0.

    Raises
    ------
    ValueError
        If the variance is not positive.

    References
    ----------
    .. [1] J. Pennington, S. Schoenholz, S. Ganguli, "The emergence of spectral universality in deep networks",
       AISTATS 2018.

    Examples
    --------
    >>> [(round(a, 4), round(b, 4)) for a, b in SmoothLimit(0.5).support]
    [(0.1839, 3.2974)]
    """

    variance: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", _variance(self.variance))

    @property
    def support(self) -> list[tuple[float, float]]:
        """The interval between z(m₋) and z(m₊)."""
        root = np.sqrt(1.0 + 4.0 / self.variance)
        m = np.array([-0.5 * (1.0 + root), 2.0 / (self.variance * (1.0 + root))])
        low, high = (1.0 + m) / m * np.exp(self.variance * m)
        return [(float(low), float(high))]

    def _s_transform(self, m: np.ndarray) -> np.ndarray:
        return np.exp(-self.variance * m)

    @cached_property
    def _chain(self) -> Chain:
        return _SmoothChain(self.variance)

    def __reduce__(self) -> tuple:
        return type(self), (self.variance,)


class _SmoothChain(Chain):
    """ln z = ln(1 + T) − ln T + σ₀²T."""

    def __init__(self, variance: float) -> None:
        super().__init__([], [1.0], None)
        self.drift, self.powers = variance, Counter({1.0: 1, 0.0: -1})

    @cached_property
    def atoms(self) -> dict[float, float]:
        """None."""
        return {}

    @property
    def relative_variance(self) -> float:
        """σ₀²."""
        return self.drift


def universal(variance: float, kind: str = "bernoulli") -> BernoulliLimit | SmoothLimit:
    r"""Return the law of J Jᵀ for depth L → ∞ at fixed σ₀² = L(μ₂/μ₁² − 1), χ = 1 and orthogonal weights.

    What is left of φ is the way in which its slopes become one: a vanishing share of them is 0
    ("bernoulli", :math:`S = e^{-\sigma_0^2 m/(1+m)}`: hard_tanh, shifted_relu), or all bend a little ("smooth",
    :math:`S = e^{-\sigma_0^2 m}`: tanh, erf, sin). Both have mean 1 and variance σ₀²; their third moments differ.
    Gaussian weights have no such limit: their variance is at least L.

    Parameters
    ----------
    variance : float
        σ₀² > 0.
    kind : {"bernoulli", "smooth"}
        The class.

    Returns
    -------
    BernoulliLimit or SmoothLimit
        With the whole face of a law.

    Raises
    ------
    ValueError
        If the variance is not positive, or the kind is unknown.

    References
    ----------
    .. [1] J. Pennington, S. Schoenholz, S. Ganguli, "The emergence of spectral universality in deep networks",
       AISTATS 2018.

    Examples
    --------
    >>> import rmtlab as rl
    >>> law = rl.jacobian.universal(2.0)
    >>> law.mean, law.var, round(law.support[0][1], 6)
    (1.0, 2.0, 5.436564)
    """
    kind = _checks.one_of(kind, "kind", _KINDS)
    return BernoulliLimit(variance) if kind == "bernoulli" else SmoothLimit(variance)


def _variance(value: float) -> float:
    return _checks.number(value, "variance", low=0.0, low_open=True, hint="It is σ₀² = L(μ₂/μ₁² − 1).")


def _bend(phi: np.ndarray) -> np.ndarray:
    """sin²φ/φ + φ − sin 2φ, without cancellation."""
    u = 2.0 * np.minimum(phi, 0.2)
    small = u**3 * (1 / 8 - u**2 * (1 / 144 - u**2 * (1 / 5760 - u**2 * (1 / 403200 - u**2 / 43545600))))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(phi < 0.2, small, np.sin(phi) ** 2 / phi + phi - np.sin(2.0 * phi))
