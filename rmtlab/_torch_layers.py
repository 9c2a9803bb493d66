"""The finite twins as torch modules. Imported only when a layer or a network is first sampled."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from rmtlab import _checks

if TYPE_CHECKING:
    from rmtlab.activations import Activation
    from rmtlab.networks import Network


class DenseModule(nn.Module):
    """z = (weight_scale·weight) h + bias_scale·bias."""

    def __init__(
        self,
        weight: np.ndarray,
        bias: np.ndarray | None,
        weight_scale: float,
        bias_scale: float,
        *,
        dtype: str,
        device: Any,
    ) -> None:
        super().__init__()
        self.weight_scale = weight_scale
        self.bias_scale = bias_scale
        self.weight = _parameter(weight, dtype, device)
        self.bias = None if bias is None else _parameter(bias, dtype, device)

    @property
    def effective_weight(self) -> Tensor:
        """W, out_features × in_features."""
        return self.weight if self.weight_scale == 1.0 else self.weight_scale * self.weight

    @property
    def effective_bias(self) -> Tensor | None:
        """b, or None where the layer has none."""
        if self.bias is None or self.bias_scale == 1.0:
            return self.bias
        return self.bias_scale * self.bias

    def forward(self, h: Tensor) -> Tensor:
        """Return W h + b for each row of `h`."""
        return nn.functional.linear(h, self.effective_weight, self.effective_bias)

    def extra_repr(self) -> str:
        """Say the shape, as torch's own layers do."""
        n, m = self.weight.shape
        return f"in_features={m}, out_features={n}, bias={self.bias is not None}"


class ActivationModule(nn.Module):
    """h = φ(z)."""

    def __init__(self, activation: "Activation") -> None:
        super().__init__()
        self.activation = activation

    def forward(self, z: Tensor) -> Tensor:
        """Return φ of every entry."""
        return self.activation(z)

    def extra_repr(self) -> str:
        """Name the function."""
        return self.activation.name


class NetworkModule(nn.Module):
    """A sampled network: the finite twin of its `description`."""

    def __init__(self, description: "Network", layers: list[nn.Module]) -> None:
        super().__init__()
        self.description = description
        self.layers = nn.ModuleList(layers)

    @property
    def weights(self) -> list[Tensor]:
        """The effective W¹ … W^{L+1} as they are now: copies, cut off from the graph."""
        return [layer.effective_weight.detach().clone() for layer in self._dense_layers()]

    @property
    def biases(self) -> list[Tensor]:
        """The effective b¹ … b^{L+1} as they are now: copies, zeros where there are none."""
        return [
            layer.weight.new_zeros(layer.weight.shape[0])
            if layer.effective_bias is None
            else layer.effective_bias.detach().clone()
            for layer in self._dense_layers()
        ]

    def forward(self, x: Any) -> Tensor:
        """Return the read-out z^{L+1} for inputs of shape (n, in_features), or (in_features,) for one."""
        return self.preactivations(x)[-1]

    def preactivations(self, x: Any) -> list[Tensor]:
        """Return z¹ … z^{L+1}, one tensor (n, width) a dense layer, from one forward pass."""
        h = self._as_input(x)
        found = []
        for layer in self.layers:
            h = layer(h)
            if isinstance(layer, DenseModule):
                found.append(h)
        return found

    def _dense_layers(self) -> list[DenseModule]:
        return [layer for layer in self.layers if isinstance(layer, DenseModule)]

    def _as_input(self, x: Any) -> Tensor:
        first = self._dense_layers()[0].weight
        if x.is_complex() if isinstance(x, Tensor) else np.iscomplexobj(x):
            raise TypeError(
                "x must be real, but complex numbers were given; pass x.real if that is what you mean."
            )
        if not isinstance(x, Tensor):
            x = torch.tensor(_checks.array(x, "x"))
        elif _is_readable(x) and not torch.isfinite(x).all():
            raise ValueError("x holds values that are NaN or infinite; remove or replace them first.")
        if x.ndim == 0 or x.shape[-1] != first.shape[1]:
            raise ValueError(
                f"x must have the shape (n, {first.shape[1]}), one input of {first.shape[1]} features a row, "
                f"but its shape is {tuple(x.shape)}."
            )
        return x.to(dtype=first.dtype, device=first.device)


def _is_readable(x: Tensor) -> bool:
    """Whether the entries can be looked at: not inside a transform of torch.func, nor while compiling."""
    return not (torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x))


def _parameter(values: np.ndarray, dtype: str, device: Any) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=getattr(torch, dtype), device=device))
