"""The noises: what ε is drawn from, and its moments."""

from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from rmtlab import _checks
from rmtlab.noise._base import Noise, store

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, repr=False)
class Dropout(Noise):
    r"""Inverted dropout: ε = 1/p with probability p and 0 otherwise; μ₂ = 1/p, μ₄ = 1/p³.

    Parameters
    ----------
    keep : float
        Probability p with which an entry is kept, in (0, 1]; torch's argument is 1 − p.
    shared : bool
        Whether all inputs of one pass have the same draw.

    Raises
    ------
    ValueError
        If `keep` is not in (0, 1], or so small that no float holds μ₄.

    Examples
    --------
    >>> Dropout(keep=0.8).second_moment
    1.25
    """

    keep: float

    def __post_init__(self) -> None:
        hint = "keep is the probability of keeping an entry."
        store(self, keep=_checks.number(self.keep, "keep", low=0, high=1, low_open=True, hint=hint))

    @property
    def second_moment(self) -> float:
        """μ₂ = 1/p."""
        return 1 / self.keep

    @property
    def fourth_moment(self) -> float:
        """μ₄ = 1/p³."""
        return self.keep**-3

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return (rng.random(shape) < self.keep) / self.keep

    def _draw_like(self, h: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
        return h.new_empty(h.shape).bernoulli_(self.keep, generator=generator) / self.keep


@dataclass(frozen=True, repr=False)
class MultiplicativeGaussian(Noise):
    r"""ε ~ N(1, σ²); μ₂ = 1 + σ², μ₄ = 1 + 6σ² + 3σ⁴.

    Parameters
    ----------
    var : float
        Variance σ², at least 0.
    shared : bool
        Whether all inputs of one pass have the same draw.

    Raises
    ------
    ValueError
        If `var` is negative, or so large that no float holds μ₄.

    Examples
    --------
    >>> MultiplicativeGaussian(var=1.0).second_moment
    2.0
    """

    var: float

    def __post_init__(self) -> None:
        store(self, var=_checks.number(self.var, "var", low=0))

    @property
    def second_moment(self) -> float:
        """μ₂ = 1 + σ²."""
        return 1 + self.var

    @property
    def fourth_moment(self) -> float:
        """μ₄ = 1 + 6σ² + 3σ⁴."""
        return 1 + 6 * self.var + 3 * self.var**2

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.normal(1.0, self.var**0.5, shape)

    def _draw_like(self, h: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
        return h.new_empty(h.shape).normal_(1.0, self.var**0.5, generator=generator)


@dataclass(frozen=True, repr=False)
class MultiplicativeLaplace(Noise):
    r"""ε has the density e^{−|ε−1|/β}/2β; μ₂ = 1 + 2β², μ₄ = 1 + 12β² + 24β⁴.

    Parameters
    ----------
    scale : float
        β, at least 0; the variance is 2β².
    shared : bool
        Whether all inputs of one pass have the same draw.

    Raises
    ------
    ValueError
        If `scale` is negative, or so large that no float holds μ₄.

    Examples
    --------
    >>> MultiplicativeLaplace(scale=0.5).second_moment
    1.5
    """

    scale: float

    def __post_init__(self) -> None:
        store(self, scale=_checks.number(self.scale, "scale", low=0))

    @property
    def second_moment(self) -> float:
        """μ₂ = 1 + 2β²."""
        return 1 + 2 * self.scale**2

    @property
    def fourth_moment(self) -> float:
        """μ₄ = 1 + 12β² + 24β⁴."""
        return 1 + 12 * self.scale**2 + 24 * self.scale**4

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.laplace(1.0, self.scale, shape)

    def _draw_like(self, h: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
        up, down = (h.new_empty(h.shape).exponential_(generator=generator) for _ in range(2))
        return 1 + self.scale * (up - down)


@dataclass(frozen=True, repr=False)
class Poisson(Noise):
    r"""ε = n/λ with n ~ Poisson(λ); μ₂ = 1 + 1/λ, μ₄ = 1 + 6/λ + 7/λ² + 1/λ³.

    The noise does not depend on the signal: it is not the shot noise Poisson(h).

    Parameters
    ----------
    rate : float
        λ > 0, by default 1, for which μ₂ = 2.
    shared : bool
        Whether all inputs of one pass have the same draw.

    Raises
    ------
    ValueError
        If `rate` is not positive, or so small that no float holds μ₄.

    Examples
    --------
    >>> Poisson().second_moment, Poisson().fourth_moment
    (2.0, 15.0)
    """

    rate: float = 1.0

    def __post_init__(self) -> None:
        store(self, rate=_checks.number(self.rate, "rate", low=0, low_open=True))

    @property
    def second_moment(self) -> float:
        """μ₂ = 1 + 1/λ."""
        return 1 + 1 / self.rate

    @property
    def fourth_moment(self) -> float:
        """μ₄ = 1 + 6/λ + 7/λ² + 1/λ³."""
        return 1 + 6 / self.rate + 7 / self.rate**2 + self.rate**-3

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.poisson(self.rate, shape) / self.rate

    def _draw_like(self, h: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
        import torch

        return torch.poisson(h.new_full(h.shape, self.rate), generator=generator) / self.rate


@dataclass(frozen=True, repr=False)
class Discrete(Noise):
    r"""Any multiplicative noise of finitely many values, inverted: ε = v_k/μ with probability p_k, μ = Σ p_k v_k.

    A mask of zeros and ones is inverted too, and is ``Dropout``: a network that multiplies its signals by v
    itself is the same one with weight_var·μ².

    Parameters
    ----------
    values : sequence of float
        v_k; only their ratios matter.
    probabilities : sequence of float
        p_k, at least 0, of sum 1.
    shared : bool
        Whether all inputs of one pass have the same draw.

    Raises
    ------
    ValueError
        If the mean μ is zero: then nothing of the signal is left on average, and two inputs are uncorrelated
        after one layer. Also if the lengths differ or the p_k are no probabilities.

    Examples
    --------
    >>> Discrete([0, 1], [0.2, 0.8]).second_moment == Dropout(keep=0.8).second_moment
    True
    >>> round(Discrete([0.5, 1.5], [0.5, 0.5]).second_moment, 12)
    1.25
    """

    values: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        values = _checks.array(self.values, "values", ndim=1)
        masses = _checks.array(self.probabilities, "probabilities", ndim=1)
        if len(values) != len(masses):
            raise ValueError(
                f"{len(values)} values and {len(masses)} probabilities were given; give one probability a value."
            )
        if masses.min() < 0 or abs(fsum(masses) - 1) > 1e-12:
            raise ValueError(
                f"probabilities must be at least 0 and sum to 1, but the least is {masses.min():g} and their "
                f"sum {fsum(masses):.12g}; divide them by it."
            )
        mean = fsum(masses * values)
        if abs(mean) <= 1e-12 * np.abs(values).max():
            raise ValueError(
                f"the noise has mean zero, and can't be inverted: with values {values.tolist()} nothing of a signal "
                "is left on average, and any two inputs are uncorrelated after one layer. Shift the values."
            )
        store(self, values=tuple((values / mean).tolist()), probabilities=tuple(masses.tolist()))

    @property
    def second_moment(self) -> float:
        """μ₂ = Σ p_k v_k²/μ²."""
        return self._moment(2)

    @property
    def fourth_moment(self) -> float:
        """μ₄ = Σ p_k v_k⁴/μ⁴."""
        return self._moment(4)

    def _moment(self, order: int) -> float:
        return fsum(p * v**order for v, p in zip(self.values, self.probabilities, strict=True))

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.choice(self.values, shape, p=self.probabilities)

    def _draw_like(self, h: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
        import torch

        masses = torch.tensor(self.probabilities, dtype=torch.float64, device=h.device)
        edges = masses.cumsum(0)[:-1].to(h.dtype)
        place = torch.bucketize(h.new_empty(h.shape).uniform_(generator=generator), edges, right=True)
        return h.new_tensor(self.values)[place]


@dataclass(frozen=True, repr=False)
class AdditiveGaussian(Noise):
    r"""h + ε with ε ~ N(0, σ²); μ₁ = 0, μ₂ = σ², μ₄ = 3σ⁴.

    The moments are those of ε; what the noise does to a signal is told by ``gain``, which is 1, and
    ``additive_var``, which is σ².

    Parameters
    ----------
    var : float
        Variance σ², at least 0.
    shared : bool
        Whether all inputs of one pass have the same draw.

    Raises
    ------
    ValueError
        If `var` is negative, or so large that no float holds μ₄.

    Examples
    --------
    >>> noise = AdditiveGaussian(var=0.25)
    >>> noise.second_moment, noise.gain, noise.additive_var
    (0.25, 1.0, 0.25)
    """

    var: float

    multiplicative: ClassVar[bool] = False

    def __post_init__(self) -> None:
        store(self, var=_checks.number(self.var, "var", low=0))

    @property
    def first_moment(self) -> float:
        """μ₁ = 0."""
        return 0.0

    @property
    def second_moment(self) -> float:
        """μ₂ = σ²."""
        return self.var

    @property
    def fourth_moment(self) -> float:
        """μ₄ = 3σ⁴."""
        return 3 * self.var**2

    @property
    def gain(self) -> float:
        """One: what is added does not scale the signal."""
        return 1.0

    @property
    def additive_var(self) -> float:
        """σ²."""
        return self.var

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.normal(0.0, self.var**0.5, shape)

    def _draw_like(self, h: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
        return h.new_empty(h.shape).normal_(0.0, self.var**0.5, generator=generator)
