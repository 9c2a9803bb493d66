"""Jacobians of torch modules. Imported only when a Jacobian is first measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rmtlab._torch_layers import ActivationModule, DenseModule, NetworkModule
from rmtlab._torch_noise import NoiseModule

# Bytes of Jacobians that are held at a time; more inputs than that go in blocks.
BUDGET = 2**28
NOT_FINITE = (
    "The Jacobian holds NaN, or values that no float64 can hold; look at the module's weights, or take "
    "log_singular_values of a network whose Jacobian is only too large as a whole."
)


@dataclass(frozen=True)
class Factor:
    """One layer of one pass of n inputs: diag(slope) W diag(mask), without a slope for the read-out.

    `weight` is n_l × n_{l−1} and shared by all inputs; `slope` is (n, n_l), `mask` (n, n_{l−1}).
    """

    weight: Tensor
    mask: Tensor | None
    slope: Tensor | None = None

    @property
    def matrices(self) -> Tensor:
        """The layer's Jacobian at every input, (n, n_l, n_{l−1}), for factors with a slope."""
        return self.before(self.weight) if self.slope is None else self.after(self.before(self.weight))

    def before(self, left: Tensor) -> Tensor:
        """Return left · diag(mask)."""
        return left if self.mask is None else left * self.mask[:, None, :]

    def after(self, right: Tensor) -> Tensor:
        """Return diag(slope) · right."""
        return right if self.slope is None else right * self.slope[:, :, None]

    def rows(self, block: slice) -> "Factor":
        """Return the factor for a block of the inputs."""
        mask = None if self.mask is None else self.mask[block]
        slope = None if self.slope is None else self.slope[block]
        return Factor(self.weight, mask, slope)


@torch.no_grad()
def factors(module: NetworkModule, x: np.ndarray, to: str) -> list[Factor]:
    """Return the layers' Jacobians, input first, from one forward pass of the rows of `x`, in float64."""
    h = module._as_input(x)
    mask: Tensor | None = None
    found: list[Factor] = []
    for layer in module.layers:
        if isinstance(layer, DenseModule):
            weight = layer.effective_weight.detach().double()
            found.append(Factor(weight, None if mask is None else mask.double()))
            h, mask = layer(h), None
        elif isinstance(layer, ActivationModule):
            slope = layer.activation.derivative(h)
            found[-1] = replace(found[-1], slope=slope.double())
            h = layer(h)
        elif isinstance(layer, NoiseModule) and layer.training and layer.noise.multiplicative:
            draw = layer(torch.ones_like(h))
            h, mask = h * draw, draw if mask is None else mask * draw
        else:
            h = layer(h)
    return found if to == "output" else [factor for factor in found if factor.slope is not None]


def of_network(module: NetworkModule, x: np.ndarray, to: str) -> Iterator[Tensor]:
    """Yield the Jacobians of blocks of rows of `x`, each (rows, n_out, n_in), from one forward pass."""
    chain = factors(module, x, to)
    n_in, n_out = chain[0].weight.shape[1], chain[-1].weight.shape[0]
    widest = max(max(factor.weight.shape) for factor in chain)
    size = max(1, BUDGET // (8 * widest * min(n_in, n_out)))
    from_output = n_out < n_in
    for start in range(0, len(x), size):
        block = [factor.rows(slice(start, start + size)) for factor in chain]
        n = min(size, len(x) - start)
        yield (_from_output(block) if from_output else _from_input(block)).expand(n, n_out, n_in)


def _from_input(chain: list[Factor]) -> Tensor:
    jacobian = chain[0].matrices
    for factor in chain[1:]:
        right = jacobian if factor.mask is None else factor.mask[:, :, None] * jacobian
        jacobian = factor.after(factor.weight @ right)
    return jacobian


def _from_output(chain: list[Factor]) -> Tensor:
    jacobian = chain[-1].matrices
    for factor in reversed(chain[:-1]):
        left = jacobian if factor.slope is None else jacobian * factor.slope[:, None, :]
        jacobian = factor.before(left @ factor.weight)
    return jacobian


def of_module(module: nn.Module, x: np.ndarray) -> Iterator[Tensor]:
    """Yield the Jacobians of blocks of rows of `x`, each (rows, outputs, inputs), by reverse mode.

    One forward pass a block, and one backward pass of the whole block for every output; the first axis
    of inputs and outputs counts the rows.
    """
    floating = (p for p in module.parameters() if p.is_floating_point())
    like = next(floating, torch.empty(0, dtype=torch.float64))
    yield from _blocks(module, torch.tensor(x, dtype=like.dtype, device=like.device))


def _blocks(module: nn.Module, x: Tensor) -> Iterator[Tensor]:
    out, pull = _pass(module, x)
    n, outputs, inputs = len(x), out[0].numel(), x[0].numel()
    size = max(1, BUDGET // (8 * outputs * inputs))
    if n > size:
        del out, pull
        for block in x.split(size):
            yield from _blocks(module, block)
        return
    _check_rows_are_apart(out, pull)
    basis = torch.eye(outputs, dtype=out.dtype, device=out.device)
    directions = basis.reshape(outputs, 1, *out.shape[1:]).expand(outputs, *out.shape)
    chunk = max(1, BUDGET // (64 * n * inputs))
    rows = torch.func.vmap(pull, chunk_size=min(chunk, outputs))(directions)
    yield rows.reshape(outputs, n, inputs).transpose(0, 1).double()


def _pass(module: nn.Module, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return the output of one forward pass, and the map from its directions to gradients at `x`."""
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        out = module(at.clone())
    _check_output(out, x)

    def pull(direction: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(out, at, direction, retain_graph=True, materialize_grads=True)
        return slope

    return out.detach(), pull


def _check_output(out: Any, x: Tensor) -> None:
    if not isinstance(out, Tensor) or not out.is_floating_point():
        kind = out.dtype if isinstance(out, Tensor) else type(out).__name__
        raise TypeError(
            f"The module must return one tensor of real numbers, but it returns a {kind}; "
            "wrap it in a module that picks the output you mean."
        )
    if out.ndim == 0 or len(out) != len(x):
        raise ValueError(
            f"The module must return one output a row, but for {len(x)} rows its output has the shape "
            f"{tuple(out.shape)}; give x as (n, …) with one input a row."
        )
    if not out.requires_grad:
        raise ValueError(
            "The module's output can't be differentiated: it does not depend on x, or the module works under "
            "torch.no_grad() or detaches on the way; remove that first."
        )


def _check_rows_are_apart(out: Tensor, pull: Callable[[Tensor], Tensor]) -> None:
    """Refuse a module in which the first row's output depends on another row's input."""
    first = torch.zeros_like(out)
    first[0] = torch.linspace(1.0, 2.0, out[0].numel()).reshape(out.shape[1:])
    slope = pull(first)
    if torch.any(slope[1:].nan_to_num(0.0, 0.0, 0.0) != 0):
        raise ValueError(
            "The module mixes the rows of x: its first output depends on other inputs than the first, so "
            "there is no Jacobian of one input; give the inputs one at a time or change the module."
        )


def refuse_batch_statistics(module: nn.Module) -> None:
    """Refuse batch normalisation that uses the statistics of the batch."""
    for name, layer in module.named_modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and (
            layer.training or layer.running_mean is None
        ):
            raise ValueError(
                f"The batch normalisation {name or 'module'!r} normalises with the batch it sees, which couples "
                "the inputs of a batch; call module.eval() first, so that it uses its running statistics."
            )


def layers_at(chain: list[Factor], row: int) -> list[np.ndarray]:
    """Return the layers' Jacobians at one row of the inputs."""
    found = []
    for factor in chain:
        matrix = factor.rows(slice(row, row + 1)).matrices
        if not torch.isfinite(matrix).all():
            raise ValueError(NOT_FINITE)
        found.append(matrix.reshape(factor.weight.shape).cpu().numpy())
    return found


def singular_values(jacobians: Iterator[Tensor]) -> np.ndarray:
    """Return the singular values (n, r) of all blocks of Jacobians, descending."""
    found = []
    for block in jacobians:
        if not torch.isfinite(block).all():
            raise ValueError(NOT_FINITE)
        found.append(torch.linalg.svdvals(block).cpu().numpy())
    return np.concatenate(found)
