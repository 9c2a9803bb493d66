"""Feature maps and networks as one torch module. Imported only when one is drawn."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rmtlab._torch_layers import real_tensor
from rmtlab.features._maps import FeatureMap, FourierFeatures


class CoordinateNetwork(nn.Module):
    """f(γ(v))."""

    def __init__(self, features: FeatureMap, net: nn.Module) -> None:
        super().__init__()
        self.features, self.net = features, net
        self.frequencies: Tensor | None
        self.amplitudes: Tensor | None
        known = isinstance(features, FourierFeatures)
        first = next(net.parameters())
        for name in ("frequencies", "amplitudes"):
            values = torch.tensor(np.asarray(getattr(features, name))).to(first) if known else None
            self.register_buffer(name, values)

    def forward(self, v: Any) -> Tensor:
        """Return (n, out_features) for points (n, d), or (d,) for one."""
        v = real_tensor(v, next(self.net.parameters()), "v")
        if v.ndim == 0 or v.shape[-1] != self.features.dimensions:
            raise ValueError(
                f"v must have {self.features.dimensions} coordinates a point, but its shape is {tuple(v.shape)}."
            )
        if self.frequencies is None or self.amplitudes is None:
            return self.net(torch.cat([v, torch.ones_like(v[..., :1])], dim=-1))
        phases = 2 * torch.pi * v @ self.frequencies.mT
        return self.net(torch.cat([self.amplitudes * phases.cos(), self.amplitudes * phases.sin()], dim=-1))
