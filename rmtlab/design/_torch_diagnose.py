"""A diagnosis from the copy of the module to the record, with everything that can be refused."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rmtlab import _checks
from rmtlab.design import _faults
from rmtlab.design._records import Diagnosis
from rmtlab.design._torch_measure import read
from rmtlab.design._torch_step import stable_step
from rmtlab.design._torch_trace import Trace, trace


def run(module: nn.Module, batch: Any, seed: int) -> Diagnosis:
    """Return the diagnosis of a module on a batch."""
    _check_module(module)
    own = _copied(module)
    x = _as_batch(own, batch)
    with _own_randomness(x, seed):
        pass_ = _pass(own, x)
        _check_path(own, x, pass_)
        readings = read(pass_, torch.Generator().manual_seed(seed))
        step = stable_step(own, x)
    layers = tuple(reading.layer for reading in readings.layers)
    unseen = tuple(dict.fromkeys(pass_.unseen))
    return Diagnosis(layers, _faults.find(readings), unseen, step, len(x), readings.output)


def _check_module(module: Any) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module must be a torch module, but a {type(module).__name__} was given; "
            "net.sample(width=…, in_features=…) makes one."
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise ValueError(
            "A scripted module can't be followed by hooks; diagnose the module it was made from."
        )
    lazy = [p for p in module.parameters() if isinstance(p, nn.parameter.UninitializedParameter)]
    if lazy:
        raise ValueError(
            "The module holds lazy layers that have no weights yet; run it once on a batch first."
        )
    if not any(p.is_floating_point() for p in module.parameters()):
        raise ValueError(
            "The module has no parameters, and so nothing to diagnose; give a network with weights."
        )
    bad = [name for name, p in module.named_parameters() if not torch.isfinite(p).all()]
    if bad:
        raise ValueError(
            f"{bad[0]} holds values that are NaN or infinite, as after a training that blew up; diagnose the network "
            "as it was before."
        )


def _as_batch(module: nn.Module, batch: Any) -> Tensor:
    first = next(p for p in module.parameters() if p.is_floating_point())
    if isinstance(batch, Tensor) and not batch.is_floating_point() and not batch.is_complex():
        x = batch.detach().to(first.device)
    else:
        x = torch.as_tensor(_checks.array(batch, "batch")).to(first)
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(
            f"batch must have the shape (n, …) with at least two inputs, whose correlation is followed, but its shape "
            f"is {tuple(x.shape)}."
        )
    if x.is_floating_point() and not x.any():
        raise ValueError(
            "batch is zero everywhere, and no signal can be followed; give inputs as in training."
        )
    return x


def _copied(module: nn.Module) -> nn.Module:
    try:
        own = copy.deepcopy(module)
    except Exception as problem:
        raise ValueError(
            f"The module can't be copied, and diagnose works on a copy: {_told(problem)} "
            "Keep no tensors with a history, no generators and no open files in it."
        ) from problem
    if any(p.dtype in (torch.float16, torch.bfloat16) for p in own.parameters()):
        own = own.float()
    for parameter in own.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    return own.train()


def _told(problem: Exception) -> str:
    """The first line of what went wrong, as the end of a sentence."""
    line = next(iter(str(problem).splitlines()), "")
    line = f"{type(problem).__name__}: {line}" if line else type(problem).__name__
    return line if line.endswith(".") else f"{line}."


@contextmanager
def _own_randomness(x: Tensor, seed: int) -> Iterator[None]:
    devices = [x.device] if x.is_cuda else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _pass(module: nn.Module, x: Tensor) -> Trace:
    try:
        found = trace(module, x)
    except Exception as problem:  # whatever a forward of the user's raises
        raise ValueError(
            f"The module can't be run on a batch of the shape {tuple(x.shape)}: {_told(problem)}"
        ) from problem
    if not isinstance(found.output, Tensor) or not found.output.is_floating_point():
        raise ValueError(
            f"The module must give one tensor of real numbers, but it gives a {type(found.output).__name__}; wrap it "
            "so that the output you train on is returned."
        )
    if not found.output.requires_grad:
        raise ValueError(
            "The module's output does not depend on its parameters by a gradient; take out detach and no_grad."
        )
    if not any(node.kind == "weight" for node in found.nodes):
        raise ValueError(
            "No linear layer or convolution was seen in this pass; hooks follow leaf modules such as nn.Linear, and "
            "torch.nn.functional.linear and its kin between them."
        )
    return found


def _check_path(module: nn.Module, x: Tensor, found: Trace) -> None:
    """Refuse control flow that depends on the data: the layers of this batch would not be those of another."""
    others = [x[:2], x.flip(0)] + ([-x] if x.is_floating_point() else [])
    for other in others:
        try:
            path = trace(module, other).path
        except Exception:  # whatever a forward of the user's raises
            continue
        if path != found.path:
            raise ValueError(
                "The module takes another path for another batch (its forward branches or loops on the data or at "
                "random), and hooks can only follow one; diagnose each path by itself."
            )
