"""A network's first-order Taylor expansion in its parameters, as a torch module."""

import warnings
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jvp

from rmtlab.ntk._torch_call import replaceable

with warnings.catch_warnings(action="ignore"):
    # Torch loads its rules for tangents at their first use, and warns of its own code as it does so.
    jvp(torch.sin, (torch.ones(()),), (torch.ones(()),))


class LinearizedModule(nn.Module):
    """f(x; θ₀) + ∇f(x; θ₀)·δ, in which the displacement δ = θ − θ₀ is trained, from 0."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.origin = deepcopy(module)
        trained = {name: p for name, p in self.origin.named_parameters() if p.requires_grad}
        self._names = tuple(trained)
        self.displacement = nn.ParameterList([torch.zeros_like(p) for p in trained.values()])
        self.origin.requires_grad_(False)

    def forward(self, *args: Any) -> Tensor:
        """Return the expansion's value for whatever the module takes."""
        at = {name: self.origin.get_parameter(name) for name in self._names}
        toward = dict(zip(self._names, self.displacement, strict=True))
        call = replaceable(self.origin)
        value, change = jvp(lambda theta: call(theta, args), (at,), (toward,))[:2]
        return value + change
