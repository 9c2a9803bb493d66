"""Calls of a module with other tensors in the places of its parameters."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

Call = Callable[[dict[str, Tensor], tuple], Any]


def replaceable(module: nn.Module) -> Call:
    """Return the function of tensors, by the parameters' names, and of arguments that `module` is.

    A parameter that several layers own is replaced in all of them. A layer that stands in several places is changed
    once: torch's own way, which goes by places, would not put its parameters back.
    """
    aliases: dict[str, list[str]] = {}
    first: dict[int, str] = {}
    for prefix, layer in module.named_modules():
        for key, parameter in layer._parameters.items():
            if parameter is not None:
                name = f"{prefix}.{key}" if prefix else key
                aliases.setdefault(first.setdefault(id(parameter), name), []).append(name)

    def call(tensors: dict[str, Tensor], args: tuple) -> Any:
        everywhere = {alias: tensor for name, tensor in tensors.items() for alias in aliases[name]}
        return functional_call(module, everywhere, args, tie_weights=False)

    return call
