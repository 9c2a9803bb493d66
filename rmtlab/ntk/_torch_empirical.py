"""The empirical tangent kernel of a torch module, assembled block by block."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from rmtlab import _checks
from rmtlab._torch_noise import NoiseModule
from rmtlab.ntk import _torch_jacobian, _torch_layerwise

Block = tuple[slice, slice]


def kernel(
    module: nn.Module, x1: Tensor, x2: Tensor | None, *, mean: bool, method: str, memory: float
) -> np.ndarray:
    """Return Θ (n1, n2, o, o), or its mean over equal outputs (n1, n2), and leave the module as it was."""
    with _kept_buffers(module):
        return _kernel(module, x1, x2, mean=mean, method=method, memory=memory)


def _kernel(
    module: nn.Module, x1: Tensor, x2: Tensor | None, *, mean: bool, method: str, memory: float
) -> np.ndarray:
    noisy = [layer for layer in module.modules() if layer.training and _draws(layer)]
    with _quiet(noisy):
        probe = (
            None if method == "jacobian" else _torch_layerwise.probe(module, x1[:2] if noisy else x1, memory)
        )
    if probe is not None:
        if x2 is None and not noisy and len(x1) == probe.inputs <= probe.size.chunk(memory):
            return _at_once(probe, mean=mean)
        return _by_layers(module, x1, x2, probe.size, mean=mean, memory=memory)
    _check_outputs(module, x1)
    if method == "layerwise":
        raise ValueError(
            "The layer-wise identity does not hold for this module: a parameter acts outside the layer that owns "
            "it, or a layer mixes inputs or takes several tensors. Use method='auto' or 'jacobian'."
        )
    if noisy:
        raise ValueError(
            "The module is in training mode and draws noise, and its Jacobian is taken input by input; "
            "call module.eval() first."
        )
    return _by_jacobian(module, x1, x2, mean=mean, memory=memory)


def as_input(module: nn.Module, x: Any, name: str) -> Tensor:
    """Return inputs in the precision and on the device of the module; tensors of integers stay integers."""
    first = next(p for p in module.parameters() if p.requires_grad)
    if isinstance(x, Tensor) and not x.is_floating_point() and not x.is_complex():
        found = x.detach().to(first.device)
    else:
        found = torch.as_tensor(_checks.array(x, name)).to(first)
    if found.ndim < 2 or not len(found):
        raise ValueError(
            f"{name} must have the shape (n, …), one input a row, but its shape is {tuple(found.shape)}."
        )
    return found


def _check_outputs(module: nn.Module, x: Tensor) -> None:
    """Refuse a module that can't take the inputs, or does not give a row of outputs for each."""
    try:
        with torch.no_grad():
            out = module(x[:1])
    except RuntimeError as problem:
        raise ValueError(
            f"The module can't take inputs of the shape {tuple(x.shape)}: {str(problem).splitlines()[0]}."
        ) from problem
    if not isinstance(out, Tensor) or out.ndim not in (1, 2) or len(out) != 1:
        given = f"the shape {tuple(out.shape)}" if isinstance(out, Tensor) else f"a {type(out).__name__}"
        raise ValueError(
            f"The module must give (n, o) for n inputs, but it gives {given} for one; flatten its output first."
        )


def _draws(layer: nn.Module) -> bool:
    return isinstance(layer, NoiseModule) or (isinstance(layer, _DropoutNd) and layer.p > 0)


@contextmanager
def _quiet(noisy: list[nn.Module]) -> Iterator[None]:
    """Switch noise off: what is checked is how the layers hang together."""
    for layer in noisy:
        layer.training = False
    try:
        yield
    finally:
        for layer in noisy:
            layer.training = True


@contextmanager
def _kept_buffers(module: nn.Module) -> Iterator[None]:
    """Undo what calls do to buffers, such as a spectral normalisation's steps in training mode."""
    kept = [
        (owner, name, buffer, buffer.clone())
        for owner in module.modules()
        for name, buffer in owner._buffers.items()
        if buffer is not None
    ]
    try:
        yield
    finally:
        for owner, name, buffer, values in kept:
            if not torch.equal(buffer, values):
                with torch.no_grad():
                    buffer.copy_(values)
            owner._buffers[name] = buffer


def _at_once(probe: "_torch_layerwise.Probe", *, mean: bool) -> np.ndarray:
    found = _torch_layerwise.merged(probe.gradients) if mean else probe.gradients
    products = _torch_layerwise.gram(found, found)
    q, n, *_ = products.shape
    square = products.view(n * q, n * q)
    theta = (square + square.T).mul_(0.5).view(q, n, q, n).permute(1, 3, 0, 2).cpu()
    return (theta[:, :, 0, 0] / probe.size.outputs if mean else theta.contiguous()).numpy()


def _by_layers(
    module: nn.Module,
    x1: Tensor,
    x2: Tensor | None,
    size: "_torch_layerwise.Size",
    *,
    mean: bool,
    memory: float,
) -> np.ndarray:
    def gradients(x: Tensor, _: slice) -> "_torch_layerwise.Gradients":
        return _torch_layerwise.gradients(module, x, merge=mean)

    result = _Result(len(x1), None if x2 is None else len(x2), size.outputs, mean, module)
    step = size.chunk(memory)
    every = slice(0, size.outputs)
    left = [(part, every) for part in _slices(len(x1), step)]
    right = left if x2 is None else [(part, every) for part in _slices(len(x2), step)]
    return _contract(result, left, right, x1, x2, gradients, _torch_layerwise.gram)


def _by_jacobian(
    module: nn.Module, x1: Tensor, x2: Tensor | None, *, mean: bool, memory: float
) -> np.ndarray:
    trained = [p for p in module.parameters() if p.requires_grad]
    with torch.no_grad():
        o = module(x1[:1]).numel()
    row = sum(p.numel() for p in trained) * trained[0].element_size()
    if 4 * row > memory:
        raise ValueError(
            f"memory={memory:g} bytes is too little: two rows of the Jacobian and the way to them take "
            f"{4 * row:.3g}. Allow more."
        )
    q = min(o, int(memory // (4 * row)))
    step = max(1, int(memory // (4 * row * q)))
    blocks = _torch_jacobian.working_rows(module, x1)

    def parts(n: int) -> list[Block]:
        return [(inputs, some) for inputs in _slices(n, step) for some in _slices(o, q)]

    def gram(a: Tensor, b: Tensor) -> Tensor:
        if mean:
            return (a.flatten(1) @ b.flatten(1).T)[None, :, None]
        return (a.flatten(0, 1) @ b.flatten(0, 1).T).view(*a.shape[:2], *b.shape[:2]).permute(1, 0, 3, 2)

    result = _Result(len(x1), None if x2 is None else len(x2), o, mean, module)
    left = parts(len(x1))
    right = left if x2 is None else parts(len(x2))
    return _contract(result, left, right, x1, x2, blocks, gram)


class _Result:
    """Where blocks of the kernel are put, (n1, n2, o, o), or (n1, n2, 1, 1) for its sum over equal outputs."""

    def __init__(self, n1: int, n2: int | None, o: int, mean: bool, module: nn.Module) -> None:
        dtype = next(p for p in module.parameters() if p.requires_grad).detach().cpu().numpy().dtype
        self.one_pass = n2 is None
        self.mean, self.o = mean, o
        q = 1 if mean else o
        self.values = np.zeros((n1, n1 if n2 is None else n2, q, q), dtype)

    def add(self, rows: Block, columns: Block, products: Tensor) -> None:
        """Add (o, n1, o, n2) products, and their mirror image where rows and columns are the same inputs."""
        (i, a), (j, b) = rows, columns
        values, found = torch.from_numpy(self.values), products.cpu().permute(1, 3, 0, 2)
        if self.mean:
            a = b = slice(0, 1)
        if self.one_pass:
            mirrored = found.permute(1, 0, 3, 2)
            if rows == columns:
                found = (found + mirrored).mul_(0.5)
            else:
                values[j, i, b, a] += mirrored
        values[i, j, a, b] += found

    def handed_out(self) -> np.ndarray:
        return self.values[:, :, 0, 0] / self.o if self.mean else self.values


def _contract(
    result: _Result,
    left: list[Block],
    right: list[Block],
    x1: Tensor,
    x2: Tensor | None,
    gradients: Callable[[Tensor, slice], Any],
    gram: Callable[[Any, Any], Tensor],
) -> np.ndarray:
    for at, rows in enumerate(left):
        a = gradients(x1[rows[0]], rows[1])
        for columns in right[at:] if x2 is None else right:
            if result.mean and rows[1] != columns[1]:
                continue
            same = x2 is None and rows == columns
            b = a if same else gradients((x1 if x2 is None else x2)[columns[0]], columns[1])
            result.add(rows, columns, gram(a, b))
    return result.handed_out()


def _slices(n: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
