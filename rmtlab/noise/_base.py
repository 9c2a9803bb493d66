"""What every noise knows, and what is checked about it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rmtlab import _checks

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, repr=False)
class Noise(ABC):
    """What every noise knows: the moments of ε, a sample of ε, and the module that applies it.

    Parameters
    ----------
    shared : bool
        Whether all inputs of one pass have the same draw; by default each has its own.
    """

    shared: bool = field(default=False, kw_only=True)

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

    @property
    def pair_gain(self) -> float:
        """The factor on E[h_a h_b] of two inputs of one pass: the gain if they share ε, else 1."""
        return self.gain if self.shared else 1.0

    @property
    def pair_additive_var(self) -> float:
        """What is added to E[h_a h_b] of two inputs of one pass."""
        return self.additive_var if self.shared else 0.0

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
        >>> from rmtlab.noise import AdditiveGaussian, Dropout
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
            Its shape; the first axis counts the inputs.
        rng : int or numpy.random.Generator, optional
            Seed or generator; None draws fresh entropy.

        Returns
        -------
        ndarray of float64
            Independent entries; where noise is shared, the same for every input.

        Raises
        ------
        ValueError
            If a length is negative, or noise is shared and there is no axis of inputs.

        Examples
        --------
        >>> from rmtlab.noise import Dropout
        >>> Dropout(keep=0.5).mask(6, rng=0)
        array([0., 2., 2., 2., 0., 0.])
        """
        lengths = shape if isinstance(shape, tuple | list) else (shape,)
        lengths = tuple(_checks.count(n, "shape", minimum=0) for n in lengths)
        if not self.shared:
            return self._draw(_checks.generator(rng), lengths)
        if not lengths:
            raise ValueError("shape () has no axis of inputs, which share the draw; give at least (1,).")
        one = self._draw(_checks.generator(rng), (min(lengths[0], 1), *lengths[1:]))
        return np.broadcast_to(one, lengths).copy()

    def module(
        self, seed: int | None = None, *, generator: "torch.Generator | None" = None
    ) -> "torch.nn.Module":
        """Return a torch module that applies the noise in training mode.

        Here noise belongs to the model: a fresh module is in training mode and draws anew at every
        call, for every entry; shared noise once for all inputs, which the first axis counts. As with
        torch's own dropout, ``module.eval()`` switches it off and ``module.train()`` on again; inverted
        masks need no rescaling.

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
        >>> from rmtlab.noise import Dropout
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

    def __repr__(self) -> str:
        known = [f.name for f in fields(self) if f.name != "shared"] + ["shared"] * self.shared
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in known)})"


def checked(noise: Any) -> Noise | None:
    """Return a noise whose moments the theory can use, or None."""
    if noise is None:
        return None
    if not isinstance(noise, Noise):
        raise TypeError(f"noise must be None or a noise such as Dropout(keep=0.8), but {noise!r} was given.")
    mean = noise.first_moment
    if noise.multiplicative and not abs(mean - 1) <= 1e-12:
        raise ValueError(
            f"{noise!r} has mean {mean:g}, but multiplicative noise must have mean one: "
            + (
                "with mean zero any two inputs are uncorrelated after one layer. Shift its values."
                if mean == 0
                else "divide ε by its mean, and multiply weight_var by the square of the mean."
            )
        )
    return noise


def store(noise: Noise, **checked: Any) -> None:
    """Store checked parameters in a frozen noise, if a float holds its moments."""
    if not isinstance(noise.shared, bool):
        raise TypeError(
            f"shared must be True (one draw for all inputs of a pass) or False, but {noise.shared!r} was given."
        )
    for name, value in checked.items():
        object.__setattr__(noise, name, value)
    try:
        held = isfinite(noise.fourth_moment)
    except (OverflowError, ZeroDivisionError):
        held = False
    if not held:
        raise ValueError(f"{noise!r} has a fourth moment too large for a float; choose a weaker noise.")
