"""Modules for which the layer-wise identity holds by construction: dense and elementwise layers, as they were made."""

from torch import nn
from torch.nn.modules.module import _has_any_global_hook

from rmtlab import activations
from rmtlab._torch_layers import ActivationModule, DenseModule, NetworkModule

_CONTAINERS = {NetworkModule, nn.ModuleList, nn.Sequential}
_ELEMENTWISE = {ActivationModule, nn.Identity, nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.Softplus}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def is_plain(module: nn.Module) -> bool:
    """Say whether a module is made of such layers alone, and nobody has put a hand to one."""
    return not _has_any_global_hook() and all(
        _is_as_made(m) and not any(getattr(m, hooks) for hooks in _HOOKS) and not _is_shadowed(m)
        for m in module.modules()
    )


def _is_as_made(m: nn.Module) -> bool:
    """Say whether a layer is of a known kind, and holds what that kind is made with."""
    if type(m) is ActivationModule and not isinstance(m.activation, activations.Activation):
        return False
    if type(m) in _CONTAINERS | _ELEMENTWISE:
        return not m._parameters
    if type(m) is DenseModule and not (m.rank == 0 and type(m.weight_scale) is type(m.bias_scale) is float):
        return False
    return type(m) in (nn.Linear, DenseModule) and _owns_its_parameters(m)


def _owns_its_parameters(m: nn.Module) -> bool:
    """Say whether weight and bias are parameters of the layer, its only ones; the bias may be missing."""
    only = "weight" in m._parameters and m._parameters.keys() <= {"weight", "bias"}
    plain = all(
        p is None or (type(p) is nn.Parameter and not p._backward_hooks) for p in m._parameters.values()
    )
    return only and plain and vars(m).get("bias") is None


def _is_shadowed(m: nn.Module) -> bool:
    """Say whether a method of the class has another one in its place."""
    return any(callable(getattr(type(m), name, None)) for name in vars(m))
