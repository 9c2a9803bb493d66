"""Tangent kernels by contracting Jacobians, in blocks of rows that fit a memory budget."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

Rows = Callable[[Tensor, slice], Tensor]


def rows(module: nn.Module) -> Rows:
    """Return the function that gives ∂f_o/∂θ for inputs x and a range of outputs: (n, outputs, P)."""
    trained = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}

    def of_one(x: Tensor, outputs: slice) -> Tensor:
        def f(parameters: dict[str, Tensor]) -> Tensor:
            return functional_call(module, parameters, (x[None],)).reshape(-1)[outputs]

        return torch.cat([g.flatten(1) for g in jacrev(f)(trained).values()], 1)

    def of_all(x: Tensor, outputs: slice) -> Tensor:
        with warnings.catch_warnings(action="ignore"):  # an operation may be slow under vmap
            return vmap(lambda one: of_one(one, outputs))(x)

    return of_all


def rows_one_by_one(module: nn.Module) -> Rows:
    """Return the same function for modules that torch.func can't transform: a backward pass a row."""
    trained = [p for p in module.parameters() if p.requires_grad]

    def of_one(x: Tensor, outputs: slice) -> Tensor:
        with torch.enable_grad():
            values = module(x[None]).reshape(-1)[outputs]
        passes = [
            torch.autograd.grad(value, trained, retain_graph=True, allow_unused=True, materialize_grads=True)
            for value in values.unbind()
        ]
        return torch.stack([torch.cat([g.flatten() for g in grads]) for grads in passes])

    return lambda x, outputs: torch.stack([of_one(one, outputs) for one in x])


def working_rows(module: nn.Module, x: Tensor) -> Rows:
    """Return the rows by torch.func, or one by one where the module refuses its transforms."""
    first = rows(module)
    try:
        first(x[:2], slice(0, 1))
    except (RuntimeError, NotImplementedError):
        return rows_one_by_one(module)
    return first
