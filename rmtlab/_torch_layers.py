"""The finite twins as torch modules. Imported only when a layer or a network is first sampled."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from rmtlab import _checks

if TYPE_CHECKING:
    from rmtlab.activations import Activation
    from rmtlab.networks import Network


class LinearModule(nn.Module):
    """What dense and convolutional modules share: W = weight_scale·weight and b = bias_scale·bias."""

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
        """W, out_features × in_features, or × in_channels × patch."""
        return self.weight if self.weight_scale == 1.0 else self.weight_scale * self.weight

    @property
    def effective_bias(self) -> Tensor | None:
        """b, or None where the layer has none."""
        if self.bias is None or self.bias_scale == 1.0:
            return self.bias
        return self.bias_scale * self.bias


class DenseModule(LinearModule):
    """z = W h + b, the same at each of `rank` axes of positions."""

    def __init__(self, *args: Any, rank: int = 0, **where: Any) -> None:
        super().__init__(*args, **where)
        self.rank = rank

    def forward(self, h: Tensor) -> Tensor:
        """Return W h + b; features are the last axis, or stand before the spatial ones."""
        if not self.rank:
            return nn.functional.linear(h, self.effective_weight, self.effective_bias)
        z = nn.functional.linear(h.movedim(-1 - self.rank, -1), self.effective_weight, self.effective_bias)
        return z.movedim(-1, -1 - self.rank)

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


class ConvolutionModule(LinearModule):
    """z(p) = Σ_β W_β h(s p + β) + b."""

    def __init__(self, *args: Any, stride: int, margin: int, padding: str, **where: Any) -> None:
        super().__init__(*args, **where)
        self.stride, self.margin, self.padding = stride, margin, padding

    def forward(self, h: Tensor) -> Tensor:
        """Return the convolution of (n, channels, *positions), or of one such input without its first axis."""
        rank = self.weight.ndim - 2
        single = h.ndim == rank + 1
        h = h[None] if single else h
        margin = 0
        if self.padding == "circular" and self.margin:
            h = nn.functional.pad(h, (self.margin,) * 2 * rank, mode="circular")
        elif self.padding == "zero":
            margin = self.margin
        convolve = nn.functional.conv1d if rank == 1 else nn.functional.conv2d
        z = convolve(h, self.effective_weight, self.effective_bias, self.stride, margin)
        return z[0] if single else z

    def extra_repr(self) -> str:
        """Say the shape, as torch's own layers do."""
        n, m, *size = self.weight.shape
        return f"{m}, {n}, size={tuple(size)}, stride={self.stride}, padding={self.padding!r}"


class GlobalAvgPoolModule(nn.Module):
    """The mean over the last `rank` axes."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.axes = tuple(range(-rank, 0))

    def forward(self, h: Tensor) -> Tensor:
        """Return (…, channels) for (…, channels, *positions)."""
        return h.mean(self.axes)


class LayerNormModule(nn.Module):
    """Mean 0 and variance 1 over the features, which stand before `rank` spatial axes."""

    def __init__(self, rank: int, eps: float) -> None:
        super().__init__()
        self.rank, self.eps = rank, eps

    def forward(self, z: Tensor) -> Tensor:
        """Return the normalised features at every position."""
        axis = -1 - self.rank
        centred = z - z.mean(axis, keepdim=True)
        return centred / (centred.square().mean(axis, keepdim=True) + self.eps).sqrt()


class AttentionModule(nn.Module):
    """W_O W_V h Gᵀ + b with G the row softmax of scale · qᵀk."""

    def __init__(
        self,
        query: nn.Module,
        key: nn.Module | None,
        value: nn.Module,
        output: nn.Module,
        scale: float,
        rank: int,
    ) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = query, key, value, output
        self.scale, self.rank = scale, rank

    def forward(self, h: Tensor) -> Tensor:
        """Return (…, out_features, *positions) for (…, in_features, *positions)."""
        shape = h.shape[h.ndim - self.rank :]
        h = h.flatten(-self.rank)
        query = self.query(h)
        key = query if self.key is None else self.key(h)
        looks = (self.scale * query.mT @ key).softmax(-1)
        return self.output(self.value(h) @ looks.mT).unflatten(-1, shape)


class TokenMixingModule(nn.Module):
    """z(α) = Σ_β T_αβ h(β) over the last `rank` axes, which become those of `behind`."""

    def __init__(
        self, mix: np.ndarray, rank: int, behind: tuple[int, ...], *, trained: bool, dtype: str, device: Any
    ) -> None:
        super().__init__()
        self.rank, self.behind = rank, behind
        self.mix: Tensor
        parameter = _parameter(mix, dtype, device)
        if trained:
            self.mix = parameter
        else:
            self.register_buffer("mix", parameter.detach())

    def forward(self, h: Tensor) -> Tensor:
        """Return (…, channels, *positions behind) for (…, channels, *positions)."""
        return (h.flatten(-self.rank) @ self.mix.mT).unflatten(-1, self.behind)


class ParallelModule(nn.Module):
    """Σ_b scale_b · g_b(h) over branches g_b."""

    def __init__(self, branches: list[list[nn.Module]], scales: list[float]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*branch) for branch in branches)
        self.scales = scales

    def forward(self, h: Tensor) -> Tensor:
        """Return the sum of all branches."""
        parts = [branch(h) for branch in self.branches]
        parts = [p if s == 1.0 else s * p for p, s in zip(parts, self.scales, strict=True)]
        return sum(parts[1:], start=parts[0])


class NetworkModule(nn.Module):
    """A sampled network: the finite twin of its `description`."""

    def __init__(self, description: "Network", layers: list[nn.Module], in_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.description = description
        self.in_shape = in_shape
        self.layers = nn.ModuleList(layers)

    @property
    def weights(self) -> list[Tensor]:
        """The effective W¹ … W^{L+1} as they are now: copies, cut off from the graph."""
        return [layer.effective_weight.detach().clone() for layer in self._linear_layers()]

    @property
    def biases(self) -> list[Tensor]:
        """The effective b¹ … b^{L+1} as they are now: copies, zeros where there are none."""
        return [
            layer.weight.new_zeros(layer.weight.shape[0])
            if layer.effective_bias is None
            else layer.effective_bias.detach().clone()
            for layer in self._linear_layers()
        ]

    def forward(self, x: Any) -> Tensor:
        """Return the read-out z^{L+1} for inputs of shape (n, in_features), or (in_features,) for one.

        With positions the shape is (n, channels, *positions), or (channels, *positions).
        """
        return self.preactivations(x)[-1]

    def preactivations(self, x: Any) -> list[Tensor]:
        """Return z¹ … z^{L+1} from one forward pass, (n, width) or (n, width, *positions).

        One tensor for each linear layer of the chain, and one for each Attention, Residual and Sum.
        """
        h = self._as_input(x)
        found = []
        for layer in self.layers:
            h = layer(h)
            if isinstance(layer, _GIVE_PREACTIVATIONS):
                found.append(h)
        return found

    def _linear_layers(self) -> list[Any]:
        return [layer for layer in self.modules() if isinstance(layer, LinearModule)]

    def _as_input(self, x: Any) -> Tensor:
        if isinstance(x, Tensor) and _is_readable(x) and not torch.isfinite(x).all():
            raise ValueError("x holds values that are NaN or infinite; remove or replace them first.")
        x, shape = real_tensor(x, self._linear_layers()[0].weight), self.in_shape
        crowded = len(shape) > 1 and x.ndim > len(shape) + 1
        if x.ndim == 0 or tuple(x.shape[-len(shape) :]) != shape or crowded:
            needed = ", ".join(map(str, ("n", *shape)))
            raise ValueError(
                f"x must have the shape ({needed}), one input of {shape[0]} features a row, "
                f"but its shape is {tuple(x.shape)}."
            )
        return x


def real_tensor(x: Any, like: Tensor, name: str = "x") -> Tensor:
    """Return real numbers as a tensor, with the precision and the device of `like`."""
    if x.is_complex() if isinstance(x, Tensor) else np.iscomplexobj(x):
        raise TypeError(
            f"{name} must be real, but complex numbers were given; pass {name}.real if that is what you mean."
        )
    if not isinstance(x, Tensor):
        x = torch.tensor(_checks.array(x, name))
    return x.to(dtype=like.dtype, device=like.device)


_GIVE_PREACTIVATIONS = (LinearModule, AttentionModule, ParallelModule)


def _is_readable(x: Tensor) -> bool:
    """Whether the entries can be looked at: not inside a transform of torch.func, nor while compiling."""
    return not (torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x))


def _parameter(values: np.ndarray, dtype: str, device: Any) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=getattr(torch, dtype), device=device))
