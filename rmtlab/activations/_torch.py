"""Bridges between arrays, tensors and torch's automatic differentiation, for a reader's own function."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

Plain = Callable[[Any], Any]


def values(function: Plain, points: np.ndarray) -> np.ndarray:
    """Return the function's values at `points`, given to it as a tensor that asks for gradients."""
    found = function(torch.tensor(points, requires_grad=True))
    if not isinstance(found, Tensor):
        raise TypeError(f"it gives a {type(found).__name__}")
    if found.shape != points.shape:
        raise ValueError(f"it gives the shape {tuple(found.shape)} for the shape {points.shape}")
    return found.detach().numpy()


def on_arrays(function: Plain) -> Plain:
    """Return a function of tensors as a function of arrays."""
    return lambda x: function(torch.tensor(x)).detach().numpy()


def on_tensors(function: Plain) -> Plain:
    """Return a function of arrays as a function of tensors, without its gradient."""
    return lambda x: torch.as_tensor(function(x.detach().cpu().numpy()), dtype=x.dtype, device=x.device)


def gradient(function: Plain) -> Plain:
    """Return the derivative of a function of tensors, itself differentiable where its argument is."""

    def derivative(x: Tensor) -> Tensor:
        keep = x.requires_grad and torch.is_grad_enabled()
        with torch.enable_grad():
            at = x if keep else x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(function(at).sum(), at, create_graph=keep)
        return slope

    return derivative


def differentiable(function: Plain, derivative: Plain) -> Plain:
    """Return a function of tensors whose gradient torch is told."""

    class Told(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return function(x)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return grad * derivative(x)

    return Told.apply
