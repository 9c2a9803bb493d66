"""What a module does with a batch: one pass, written down as a graph of its leaf modules and functions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

from rmtlab._torch_layers import ActivationModule, LayerNormModule, LinearModule
from rmtlab._torch_noise import NoiseModule
from rmtlab.design import _names as names

_WEIGHTS = (nn.Linear, _ConvNd, LinearModule)
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, LayerNormModule) + (
    (nn.RMSNorm,) if hasattr(nn, "RMSNorm") else ()
)
_ACTIVATIONS = (ActivationModule, *(getattr(nn, name) for name in sorted(names.ACTIVATION_MODULES)))
_NOISES = (_DropoutNd, NoiseModule)


@dataclass(eq=False)
class Node:
    """One step of the pass: what came out, from which steps, and by which module or function."""

    kind: str  # input, weight, activation, norm, noise, sum, product, plain or other
    name: str
    tensor: Tensor
    parents: tuple["Node", ...] = ()
    module: nn.Module | None = None
    apply: Callable[[Tensor], Tensor] | None = None
    weight: Tensor | None = None
    bias: Tensor | None = None
    order: int = 0


@dataclass
class Trace:
    """The steps of one pass in their order, and what could not be followed."""

    nodes: list[Node] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    output: Tensor | None = None

    @property
    def path(self) -> list[str]:
        """What was called, in order."""
        return [node.name for node in self.nodes]


def trace(module: nn.Module, x: Tensor) -> Trace:
    """Run the module once; every tensor that is written down stays as it was, whatever acts in place later."""
    recorder = _Recorder(module)
    start = x.detach().clone()
    if start.is_floating_point():
        start.requires_grad_(True)
    given = recorder.add(Node("input", "input", start))
    with torch.enable_grad(), recorder.hooked(module), recorder:
        output = module(given)
    recorder.trace.output = output
    if isinstance(output, Tensor) and id(output) in recorder.owner:
        recorder.trace.output = recorder.owner[id(output)].tensor
    recorder.name_what_was_missed(module)
    return recorder.trace


class _Recorder(TorchFunctionMode):
    """Sees every call of a leaf module, and every function of tensors between them."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.trace = Trace()
        self.owner: dict[int, Node] = {}
        self._kept: list[Tensor] = []
        self._products: list[str] = []
        self._inside = 0
        self._names = {id(m): name or type(m).__name__ for name, m in module.named_modules()}
        self._parameters = {id(p): name for name, p in module.named_parameters()}
        self._calls: dict[int, int] = {}

    def add(self, node: Node) -> Tensor:
        """Write a step down, and return a copy of its tensor for the pass to go on with."""
        node.order = len(self.trace.nodes)
        self.trace.nodes.append(node)
        onward = node.tensor.clone()
        self._kept += [node.tensor, onward]
        self.owner[id(node.tensor)] = self.owner[id(onward)] = node
        return onward

    @contextmanager
    def hooked(self, module: nn.Module) -> Iterator[None]:
        """Put hooks on the leaves, and take them off again."""
        handles = []
        for leaf in _leaves(module):
            handles.append(leaf.register_forward_pre_hook(self._enter))
            handles.append(leaf.register_forward_hook(self._leave, with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, leaf: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._inside += 1

    def _leave(self, leaf: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> Any:
        try:
            return self._read_leaf(leaf, [*inputs, *named.values()], output)
        finally:
            self._inside -= 1

    def _read_leaf(self, leaf: nn.Module, inputs: list[Any], output: Any) -> Any:
        count = self._calls[id(leaf)] = self._calls.get(id(leaf), 0) + 1
        name = self._names[id(leaf)] + (f" (call {count})" if count > 1 else "")
        parents = self._parents(inputs)
        if not isinstance(output, Tensor):
            self.trace.unseen.append(
                f"{name} ({type(leaf).__name__}) gives a {type(output).__name__}: its inside is not read."
            )
            for item in output if isinstance(output, tuple | list) else ():
                if isinstance(item, Tensor) and item.is_floating_point():
                    self.add(Node("other", name, item, parents, leaf))
                    self.owner[id(item)] = self.trace.nodes[-1]
            return output
        if not output.is_floating_point():
            return output
        kind = _kind(leaf, parents, output)
        if count == 2 and kind == "weight":
            self.trace.unseen.append(
                f"{name.removesuffix(' (call 2)')} is called several times with the same weights, which theory takes "
                "for independent ones."
            )
        if kind == "other":
            self.trace.unseen.append(f"{name} ({type(leaf).__name__}) is not read: its gain is unknown.")
        if kind == "product":
            self._products.append(_product(f"{name} ({type(leaf).__name__})", parents))
        weight, bias = _affine(leaf) if kind == "weight" else (None, None)
        if kind == "plain" and output is inputs[0] and parents:
            return output
        return self.add(Node(kind, name, output, parents, leaf, leaf.forward, weight, bias))

    def _parents(self, things: Any) -> tuple[Node, ...]:
        found: list[Node] = []
        for thing in things:
            if isinstance(thing, tuple | list):
                found += self._parents(thing)
            elif isinstance(thing, Tensor) and id(thing) in self.owner:
                found.append(self.owner[id(thing)])
        return tuple(dict.fromkeys(found))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._inside:
            return func(*args, **kwargs)
        parents = self._parents([*args, *kwargs.values()])
        name = getattr(func, "__name__", str(func))
        apply = self._as_function(func, name, args, kwargs)
        output = func(*args, **kwargs)
        if parents and name in names.NUMBERS:
            self.trace.unseen.append(
                f"a signal behind {_place(parents[-1])} becomes a number of Python (`{name}`): what follows may differ "
                "from batch to batch, and only the path of this one is read."
            )
        if not parents or not isinstance(output, Tensor) or not output.is_floating_point():
            return self._spread(output, name, parents)
        kind = self._function_kind(name, parents, args)
        if kind == "product":
            self._products.append(_product(f"`{name}`", parents))
        if name in ("detach", "__get__") and not output.requires_grad:
            self.trace.unseen.append(
                f"`detach` behind {_place(parents[-1])} cuts the gradient; what lies before it is not read."
            )
        if kind == "other":
            self.trace.unseen.append(
                f"`{name}` behind {_place(parents[-1])} acts outside the leaf modules, and is not read."
            )
        weight, bias = (
            (args[1], args[2] if len(args) > 2 else kwargs.get("bias")) if kind == "weight" else (None,) * 2
        )
        label = self._parameters.get(id(weight), name).removesuffix(".weight")
        self.owner.pop(id(output), None)
        onward = self.add(Node(kind, label, output, parents, None, apply, weight, bias))
        return output if name.endswith("_") and not name.startswith("__") else onward

    def _spread(self, output: Any, name: str, parents: tuple[Node, ...]) -> Any:
        """Own the parts of what comes as a tuple (chunk, split, unbind), and comparisons."""
        if parents and isinstance(output, Tensor) and name not in names.CHECKS:
            self.owner[id(output)] = parents[-1]
            self._kept.append(output)
        if parents and isinstance(output, tuple | list):
            real = any(isinstance(item, Tensor) and item.is_floating_point() for item in output)
            if real and name not in names.PARTS:
                self.trace.unseen.append(
                    f"`{name}` behind {_place(parents[-1])} gives several tensors, and is not read."
                )
            for item in output:
                if isinstance(item, Tensor) and item.is_floating_point():
                    self.add(Node("plain", name, item, parents))
        return output

    def _function_kind(self, name: str, parents: tuple[Node, ...], args: Any) -> str:
        if name in names.PRODUCTS and (name == "glu" or self._signals(args) > 1):
            return "product"
        if name in names.SUMS and len(parents) == 2:
            return "sum"
        if name in names.CURVES and len(parents) == 1:
            return "activation"
        if name in names.DROPOUTS:
            return "noise"
        if name in names.AFFINE and len(args) > 1 and isinstance(args[1], Tensor):
            return "weight"
        if name in names.NORMS:
            return "norm"
        return "plain" if name in names.PLAIN and len(parents) == 1 else "other"

    def _signals(self, args: Any) -> int:
        """Count the arguments that come from the input, a square's twice."""
        return sum(isinstance(a, Tensor) and a.is_floating_point() and id(a) in self.owner for a in args)

    @staticmethod
    def _as_function(
        func: Any, name: str, args: Any, kwargs: dict[str, Any]
    ) -> Callable[[Tensor], Tensor] | None:
        if name not in names.CURVES or not args:
            return None
        rest = args[1:]
        return lambda z: func(z.clone(), *rest, **kwargs)

    def name_what_was_missed(self, module: nn.Module) -> None:
        """Note products of signals, and the layers that this batch did not reach."""
        if self._products:
            places = [self._products[0], *self._products[1:][-1:]]
            count = "once" if len(self._products) == 1 else f"{len(self._products)} times"
            self.trace.unseen.append(
                f"signals are multiplied by signals {count} ({' … '.join(places)}), as gates do: what a product does "
                "to a variance is not read, and no weights are judged across it."
            )
        for leaf in _leaves(module):
            if id(leaf) not in self._calls and any(True for _ in leaf.parameters()):
                self.trace.unseen.append(
                    f"{self._names[id(leaf)]} is not called on this batch: nothing is said about it."
                )


def _place(node: Node) -> str:
    """Name the last module on the way to a step."""
    while node.module is None and node.parents:
        node = max(node.parents, key=lambda parent: parent.order)
    return node.name


def _product(what: str, parents: tuple[Node, ...]) -> str:
    return f"{what} behind {' and '.join(dict.fromkeys(_place(parent) for parent in parents))}"


def _leaves(module: nn.Module) -> list[nn.Module]:
    """Return the modules that are taken as one step: those without children, and layers with parametrised weights."""
    whole = (*_WEIGHTS, *_NORMS, nn.MultiheadAttention)
    inner = {
        id(m)
        for layer in module.modules()
        if isinstance(layer, whole)
        for m in layer.modules()
        if m is not layer
    }
    return [
        m
        for m in module.modules()
        if id(m) not in inner and (isinstance(m, whole) or not any(True for _ in m.children()))
    ]


def _kind(leaf: nn.Module, parents: tuple[Node, ...], output: Tensor) -> str:
    if isinstance(leaf, _ConvTransposeNd):
        return "other"
    if isinstance(leaf, nn.GLU):
        return "product"
    for kind, types in (
        ("weight", _WEIGHTS),
        ("norm", _NORMS),
        ("noise", _NOISES),
        ("activation", _ACTIVATIONS),
    ):
        if isinstance(leaf, types):
            return kind
    if len(parents) != 1 or not parents[0].tensor.is_floating_point():
        return "other"
    return _kind_by_trial(leaf, parents[0].tensor.detach(), output.detach())


def _kind_by_trial(leaf: nn.Module, x: Tensor, output: Tensor) -> str:
    """Tell an activation, noise or a custom norm by what it does."""
    if next(leaf.parameters(), None) is not None:
        return "other"
    with torch.no_grad():
        if x.shape != output.shape:
            return "plain"
        if torch.equal(x, output):
            return "noise" if _draws(leaf, x) else "plain"
        if _draws(leaf, x):
            return "noise"
        order = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(0)).to(x.device)
        turned = leaf.forward(x.flatten()[order].view_as(x)).flatten()[order.argsort()].view_as(x)
        if torch.allclose(turned, output, rtol=1e-4, atol=1e-6, equal_nan=True):
            return "activation"
        if torch.allclose(leaf.forward(3.0 * x), output, rtol=1e-2, atol=1e-3 * float(output.abs().max())):
            return "norm"
    return "other"


def _draws(leaf: nn.Module, x: Tensor) -> bool:
    return not torch.equal(leaf.forward(x.clone()), leaf.forward(x.clone()))


def _affine(leaf: nn.Module) -> tuple[Tensor, Tensor | None]:
    if isinstance(leaf, LinearModule):
        return leaf.effective_weight.detach(), leaf.effective_bias
    assert isinstance(leaf, nn.Linear | _ConvNd)
    return leaf.weight.detach(), leaf.bias
