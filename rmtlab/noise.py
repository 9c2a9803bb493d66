r"""Noise inside networks: what is drawn, its moments, and the torch module that applies it.

A noise acts on every signal h of a network, the input included, with an independent draw for every
entry and every input: h ⊙ ε (multiplicative, inverted so that E[ε] = 1) or h + ε (additive, E[ε] = 0).
Of two different inputs it leaves the covariance alone, because their draws are independent with mean
one (or zero); of one input with itself it changes the second moment, see :meth:`Noise.noisy_second_moment`.
A network without noise has ``noise=None``.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import _checks

if TYPE_CHECKING:
    import torch

__all__ = [
    "AdditiveGaussian",
    "Dropout",
    "MultiplicativeGaussian",
    "MultiplicativeLaplace",
    "Noise",
    "Poisson",
    "critical",
]


class Noise(ABC):
    """What every noise knows: the moments of ε, a sample of ε, and the module that applies it."""

    multiplicative: ClassVar[bool] = True

    @property
    def first_moment(self) -> float:
        """μ₁ = E[ε]: one for multiplicative noise (masks are inverted), zero for additive noise."""
        return 1.0

    @property
    @abstractmethod
    def second_moment(self) -> float:
        """μ₂ = E[ε²]."""

    @property
    @abstractmethod
    def fourth_moment(self) -> float:
        """μ₄ = E[ε⁴]."""

    @property
    def gain(self) -> float:
        """The factor on E[h²], and on squared gradients: μ₂, or 1 where the noise is added."""
        return self.second_moment

    @property
    def additive_var(self) -> float:
        """What is added to E[h²]: 0, or the variance of additive noise."""
        return 0.0

    def noisy_second_moment(self, second_moment: Any) -> Any:
        r"""Return the second moment of the noisy signal, E[(h ⊙ ε)²] = μ₂ E[h²] or E[(h + ε)²] = E[h²] + σ².

        Parameters
        ----------
        second_moment : array_like
            E[h²] of the signal before the noise, at least 0.

        Returns
        -------
        float or ndarray
            Same shape.

        Raises
        ------
        ValueError
            If a second moment is negative or not finite.

        References
        ----------
        .. [1] A. Pretorius et al., "Critical initialisation for deep signal propagation in noisy
           rectifier neural networks", NeurIPS 2018.

        Examples
        --------
        >>> float(Dropout(keep=0.5).noisy_second_moment(3.0))
        6.0
        >>> float(AdditiveGaussian(var=0.5).noisy_second_moment(3.0))
        3.5
        """
        before = _checks.array(second_moment, "second_moment")
        if before.min() < 0:
            raise ValueError(
                f"second_moment is E[h²] and must be at least 0, but {before.min():g} was given."
            )
        return (self.gain * before + self.additive_var)[()]

    def mask(self, shape: int | tuple[int, ...], rng: _checks.Rng = None) -> np.ndarray:
        """Return a sample of ε.

        Parameters
        ----------
        shape : int or tuple of int
            Its shape.
        rng : int or numpy.random.Generator, optional
            Seed or generator; None draws fresh entropy.

        Returns
        -------
        ndarray of float64
            Independent entries.

        Raises
        ------
        ValueError
            If a length is negative.

        Examples
        --------
        >>> Dropout(keep=0.5).mask(6, rng=0)
        array([0., 2., 2., 2., 0., 0.])
        """
        lengths = shape if isinstance(shape, tuple | list) else (shape,)
        lengths = tuple(_checks.count(n, "shape", minimum=0) for n in lengths)
        return self._draw(_checks.generator(rng), lengths)

    def module(
        self, seed: int | None = None, *, generator: "torch.Generator | None" = None
    ) -> "torch.nn.Module":
        """Return a torch module that applies the noise in training mode.

        Here noise belongs to the model: a fresh module is in training mode and draws anew at every
        call, for every entry. As with torch's own dropout, ``module.eval()`` switches it off and
        ``module.train()`` on again; inverted masks need no rescaling.

        Parameters
        ----------
        seed : int, optional
            Two modules of the same seed draw the same noise on the same device. None draws fresh
            entropy.
        generator : torch.Generator, optional
            Used in place of a seed; it must live on the device of the signal.

        Returns
        -------
        torch.nn.Module
            Maps a floating-point tensor to one of the same shape, dtype and device.

        Raises
        ------
        ValueError
            If both `seed` and `generator` are given, or the seed is negative or of more than 64 bits.
        TypeError
            If `seed` is not a whole number or `generator` not a torch.Generator.

        Examples
        --------
        >>> import torch
        >>> layer = Dropout(keep=0.5).module(seed=0)
        >>> sorted(set(layer(torch.ones(100)).tolist()))
        [0.0, 2.0]
        >>> layer.eval()(torch.ones(3))
        tensor([1., 1., 1.])
        """
        from rmtlab import _torch_noise

        return _torch_noise.NoiseModule(self, _torch_noise.Source(seed, generator))

    @abstractmethod
    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return ε as an array."""

    @abstractmethod
    def _draw_like(self, h: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
        """Return ε as a tensor of the shape, dtype and device of `h`."""


@dataclass(frozen=True)
class Dropout(Noise):
    r"""Inverted dropout: ε = 1/p with probability p and 0 otherwise; μ₂ = 1/p, μ₄ = 1/p³.

    Parameters
    ----------
    keep : float
        Probability p with which an entry is kept, in (0, 1]; torch's argument is 1 − p.

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
        _set(self, keep=_checks.number(self.keep, "keep", low=0, high=1, low_open=True, hint=hint))

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


@dataclass(frozen=True)
class MultiplicativeGaussian(Noise):
    r"""ε ~ N(1, σ²); μ₂ = 1 + σ², μ₄ = 1 + 6σ² + 3σ⁴.

    Parameters
    ----------
    var : float
        Variance σ², at least 0.

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
        _set(self, var=_checks.number(self.var, "var", low=0))

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


@dataclass(frozen=True)
class MultiplicativeLaplace(Noise):
    r"""ε has the density e^{−|ε−1|/β}/2β; μ₂ = 1 + 2β², μ₄ = 1 + 12β² + 24β⁴.

    Parameters
    ----------
    scale : float
        β, at least 0; the variance is 2β².

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
        _set(self, scale=_checks.number(self.scale, "scale", low=0))

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


@dataclass(frozen=True)
class Poisson(Noise):
    r"""ε = n/λ with n ~ Poisson(λ); μ₂ = 1 + 1/λ, μ₄ = 1 + 6/λ + 7/λ² + 1/λ³.

    The noise does not depend on the signal: it is not the shot noise Poisson(h).

    Parameters
    ----------
    rate : float
        λ > 0, by default 1, for which μ₂ = 2.

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
        _set(self, rate=_checks.number(self.rate, "rate", low=0, low_open=True))

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


@dataclass(frozen=True)
class AdditiveGaussian(Noise):
    r"""h + ε with ε ~ N(0, σ²); μ₁ = 0, μ₂ = σ², μ₄ = 3σ⁴.

    The moments are those of ε; what the noise does to a signal is told by ``gain``, which is 1, and
    ``additive_var``, which is σ².

    Parameters
    ----------
    var : float
        Variance σ², at least 0.

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
        _set(self, var=_checks.number(self.var, "var", low=0))

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


def critical(noise: Noise | None) -> tuple[float, float]:
    r"""Return the critical (weight_var, bias_var) = (2/μ₂, 0) of a noisy ReLU network.

    There the variance map q ↦ weight_var·μ₂·q/2 + bias_var is the identity: signals of any size
    neither grow nor vanish with depth. Noise that is added makes the variance grow at every layer,
    and no initialisation makes up for it.

    Parameters
    ----------
    noise : Noise or None
        The noise on x and on every h^l; None for a network without noise.

    Returns
    -------
    (float, float)
        σ_w² and σ_b².

    Raises
    ------
    ValueError
        If the noise is additive.
    TypeError
        If `noise` is not a noise.

    References
    ----------
    .. [1] A. Pretorius et al., "Critical initialisation for deep signal propagation in noisy
       rectifier neural networks", NeurIPS 2018.

    Examples
    --------
    >>> critical(Dropout(keep=0.8))
    (1.6, 0.0)
    >>> critical(None)
    (2.0, 0.0)
    """
    if noise is None:
        return 2.0, 0.0
    if not isinstance(noise, Noise):
        raise TypeError(f"noise must be None or a noise such as Dropout(keep=0.8), but {noise!r} was given.")
    if noise.additive_var > 0:
        raise ValueError(
            f"with {noise!r} rectifiers have no critical point: the variance grows by weight_var·var at "
            "every layer. Use multiplicative noise, or a small weight_var for a finite fixed point."
        )
    return 2 / noise.gain, 0.0


def _set(noise: Noise, **checked: float) -> None:
    """Store checked parameters in a frozen noise, if a float holds its moments."""
    for name, value in checked.items():
        object.__setattr__(noise, name, value)
    try:
        held = isfinite(noise.fourth_moment)
    except (OverflowError, ZeroDivisionError):
        held = False
    if not held:
        raise ValueError(f"{noise!r} has a fourth moment too large for a float; choose a weaker noise.")
