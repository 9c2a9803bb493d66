"""Noise as a torch module. Imported only when a noise is asked for its module."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rmtlab import _checks

if TYPE_CHECKING:
    from rmtlab.noise import Noise


class Source:
    """Where a module's randomness comes from: one generator a device, all from one seed."""

    def __init__(self, seed: int | None, generator: torch.Generator | None) -> None:
        if generator is not None:
            if seed is not None:
                raise ValueError(f"seed={seed!r} and a generator were given; give one of the two.")
            if not isinstance(generator, torch.Generator):
                raise TypeError(
                    f"generator must be a torch.Generator, but a {type(generator).__name__} was given."
                )
        self._given = generator
        self._seed = torch.Generator().seed() if seed is None else _checked_seed(seed)
        self._made: dict[torch.device, torch.Generator] = {}

    def on(self, device: torch.device) -> torch.Generator:
        """Return the generator for signals on `device`."""
        if self._given is not None:
            return self._given
        if device not in self._made:
            self._made[device] = torch.Generator(device).manual_seed(self._seed)
        return self._made[device]


def _checked_seed(seed: int) -> int:
    checked = _checks.count(seed, "seed", minimum=0)
    if checked >= 2**64:
        raise ValueError(
            f"seed must be below 2**64, because torch keeps 64 bits of it, but {seed} was given."
        )
    return checked


class NoiseModule(nn.Module):
    """h ⊙ ε or h + ε in training mode, h itself in evaluation mode."""

    def __init__(self, noise: "Noise", source: Source) -> None:
        super().__init__()
        self.noise = noise
        self._source = source

    def forward(self, h: Tensor) -> Tensor:
        """Return the signal under a fresh draw."""
        if not self.training:
            return h
        like = h.detach()[:1] if self.noise.shared else h.detach()
        draw = self.noise._draw_like(like, self._source.on(h.device))
        return h * draw if self.noise.multiplicative else h + draw

    def extra_repr(self) -> str:
        """Say which noise it is."""
        return repr(self.noise)
