"""Feature maps and networks as one torch module. Imported only when one is drawn."""

import numpy as np
import torch
from torch import Tensor, nn

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

    def forward(self, v: Tensor) -> Tensor:
        """Return (n, out_features) for points (n, d)."""
        if self.frequencies is None or self.amplitudes is None:
            return self.net(torch.cat([v, torch.ones_like(v[..., :1])], dim=-1))
        phases = 2 * torch.pi * v @ self.frequencies.mT
        return self.net(torch.cat([self.amplitudes * phases.cos(), self.amplitudes * phases.sin()], dim=-1))
