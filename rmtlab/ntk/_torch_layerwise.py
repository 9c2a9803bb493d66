r"""Tangent kernels from the Gram matrices of each layer, without the network's Jacobian.

A dense layer z = W a + b has, for output o of the network, the gradient ∂f_o/∂W = b_o aᵀ with
b_o = ∂f_o/∂z. Inner products of such gradients factorise,

    Θ_{oo'}(x, x') = Σ_layers (a·a' + 1)(b_o·b'_{o'}),

so that only the activations and the back-propagated errors of each layer are ever stored. A layer that
acts at several positions t (pixels, tokens, calls) has ∂f_o/∂W = Σ_t b_{o,t} a_tᵀ, and every other layer
with parameters gets its own small Jacobian.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, sqrt

import torch
from torch import Tensor, nn
from torch.func import vjp, vmap

from rmtlab._torch_layers import ConvolutionModule, DenseModule, LinearModule
from rmtlab.ntk._torch_call import replaceable
from rmtlab.ntk._torch_plain import is_plain

Calls = dict[nn.Module, list[tuple[Tensor, Tensor]]]

_AT_ONCE = 128


class NotLayerwise(Exception):
    """The module is no composition of layers that each act on one tensor, input by input."""


class TooLarge(Exception):
    """All inputs at once would take more memory than is allowed."""


@dataclass
class Outer:
    """Gradients Σ_t b_{o,t} a_tᵀ of one layer: signals `a` (n, T, m) and errors `b` (o, n, T, k)."""

    a: Tensor
    b: Tensor

    def gram(self, other: "Outer") -> Tensor:
        """Return the inner products, (o, n1, o, n2)."""
        (o1, n1, t1, _), (o2, n2, t2, _) = self.b.shape, other.b.shape
        errors = self.b.flatten(0, 2) @ other.b.flatten(0, 2).T
        signals = self.a.flatten(0, 1) @ other.a.flatten(0, 1).T
        products = errors.view(o1, n1, t1, o2, n2, t2).mul_(signals.view(1, n1, t1, 1, n2, t2))
        return products.sum((2, 5)) if t1 * t2 > 1 else products.view(o1, n1, o2, n2)

    def rows(self) -> "Rows":
        """Return the gradients themselves."""
        return Rows(torch.einsum("ontk,ntm->onkm", self.b, self.a).flatten(2))

    def merged(self) -> "Outer":
        """Return the gradients of all outputs side by side, as if of one."""
        return Outer(self.a, self.b.permute(1, 2, 0, 3).flatten(2)[None])

    @property
    def example(self) -> Tensor:
        """A tensor (o, n, …)."""
        return self.b

    def at(self, i: int) -> "Outer":
        """Return the gradients at one input."""
        return Outer(self.a[i : i + 1], self.b[:, i : i + 1])

    @property
    def size(self) -> int:
        """Numbers held for an input."""
        return self.a[0].numel() + self.b[:, 0].numel()

    @property
    def pair_size(self) -> int:
        """Numbers needed on the way for a pair of inputs."""
        return (self.b.shape[0] * self.b.shape[2]) ** 2


@dataclass
class Rows:
    """Gradients of one layer themselves: `g` (o, n, P)."""

    g: Tensor

    def gram(self, other: "Rows") -> Tensor:
        """Return the inner products, (o, n1, o, n2)."""
        products = self.g.flatten(0, 1) @ other.g.flatten(0, 1).T
        return products.view(*self.g.shape[:2], *other.g.shape[:2])

    def merged(self) -> "Rows":
        """Return the gradients of all outputs side by side, as if of one."""
        return Rows(self.g.transpose(0, 1).flatten(1)[None])

    @property
    def example(self) -> Tensor:
        """A tensor (o, n, …)."""
        return self.g

    def at(self, i: int) -> "Rows":
        """Return the gradients at one input."""
        return Rows(self.g[:, i : i + 1])

    @property
    def size(self) -> int:
        """Numbers held for an input."""
        return self.g[:, 0].numel()

    @property
    def pair_size(self) -> int:
        """Numbers needed on the way for a pair of inputs."""
        return self.g.shape[0] ** 2


Gradients = dict[nn.Module, Outer | Rows]


def gradients(module: nn.Module, x: Tensor, *, merge: bool) -> Gradients:
    """Return every layer's gradients at `x`."""
    blocks, _ = _with_outputs(module, x)
    return merged(blocks) if merge else blocks


def merged(blocks: Gradients) -> Gradients:
    """Return the gradients of all outputs side by side, as if of one."""
    return {layer: block.merged() for layer, block in blocks.items()}


def _with_outputs(module: nn.Module, x: Tensor, memory: float = inf) -> tuple[Gradients, Tensor]:
    """Return every layer's gradients, and the outputs (n, o) with their graph."""
    with _scaling_signals(module):
        with torch.enable_grad(), _recorded(module) as calls:
            out = module(x)
        if not calls or not isinstance(out, Tensor) or not out.requires_grad or out.ndim not in (1, 2):
            raise NotLayerwise
        out = out[:, None] if out.ndim == 1 else out
        places = [(layer, *pair) for layer, made in calls.items() for pair in made]
        if any(len(tensor) != len(x) for _, *pair in places for tensor in (*pair, out)):
            raise NotLayerwise
        if sum(z.nbytes for *_, z in places) * out.shape[1] > memory:
            raise TooLarge
        found: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {}
        for (layer, a, _), b in zip(places, _errors(out, [z for *_, z in places]), strict=True):
            found.setdefault(layer, []).append((a, b))
        return {layer: _of_layer(layer, made) for layer, made in found.items()}, out


def gram(left: Gradients, right: Gradients) -> Tensor:
    """Return the tangent kernel (o, n1, o, n2), the sum over the layers that both sides pass through."""
    some, other = (next(iter(side.values())).example for side in (left, right))
    total = some.new_zeros(*some.shape[:2], *other.shape[:2])
    for layer in left:
        if layer in right:
            total += _gram_of_layer(left[layer], right[layer])
    return total


def _gram_of_layer(p: Outer | Rows, q: Outer | Rows) -> Tensor:
    if isinstance(p, Outer) and isinstance(q, Outer):
        return p.gram(q)
    return (p.rows() if isinstance(p, Outer) else p).gram(q.rows() if isinstance(q, Outer) else q)


@dataclass(frozen=True)
class Size:
    """Number of outputs, and what the layers hold for an input and need for a pair, in bytes."""

    outputs: int
    held: int
    pair: int

    def chunk(self, memory: float) -> int:
        """Return for how many inputs at a time all of it fits."""
        return max(1, int(min(memory / (8 * self.held), sqrt(memory / (4 * self.pair)))))


@dataclass(frozen=True)
class Probe:
    """What the identity takes, and the gradients at the inputs on which that was found out."""

    size: Size
    inputs: int
    gradients: Gradients


def probe(module: nn.Module, x: Tensor, memory: float) -> Probe | None:
    """Use the identity on all inputs if they are few, else on two; None where it does not hold."""
    try:
        try:
            return _tried(module, x if len(x) <= _AT_ONCE else x[:2], memory / 4)
        except TooLarge:
            return _tried(module, x[:2], inf)
    except (NotLayerwise, RuntimeError):
        return None


def _tried(module: nn.Module, x: Tensor, memory: float) -> Probe | None:
    found, out = _with_outputs(module, x, memory)
    if not _is_known(module) and not _acts_alone(module, x, out):
        return None
    if not is_plain(module) and not _holds(module, found, out):
        return None
    item = out.element_size()
    size = Size(
        outputs=out.shape[1],
        held=item * sum(block.size for block in found.values()),
        pair=item * max(block.pair_size for block in found.values()),
    )
    return Probe(size, len(x), found)


def _holds(module: nn.Module, found: Gradients, out: Tensor) -> bool:
    """Compare the kernel of one input with the square of an honest gradient, of a mixture of its outputs.

    Of the input for which most comes back to the layers; where nothing does, nothing is known.
    """
    lively = sum(
        block.example.detach().square().transpose(0, 1).flatten(1).sum(1) for block in found.values()
    )
    i = int(torch.as_tensor(lively).argmax())
    there = {layer: block.at(i) for layer, block in found.items()}
    theta = gram(there, there)[:, 0, :, 0].detach()
    mix = torch.linspace(1.0, 2.0, out.shape[1], dtype=out.dtype, device=out.device)
    trained = [p for p in module.parameters() if p.requires_grad]
    with torch.enable_grad():
        mixture = out[i] @ mix
    gradient = torch.autograd.grad(
        mixture, trained, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    honest = sum(float(g.flatten() @ g.flatten()) for g in gradient)
    return honest > 0 and abs(float(mix @ theta @ mix) - honest) <= torch.finfo(out.dtype).eps ** 0.6 * honest


def _is_known(module: nn.Module) -> bool:
    """Whether all of a module's parts are rmtlab's or torch's own."""
    return all(type(m).__module__.startswith(("rmtlab.", "torch.nn.")) for m in module.modules())


def _acts_alone(module: nn.Module, x: Tensor, out: Tensor) -> bool:
    """Whether the first and the last input give alone what they give in company."""
    with torch.no_grad():
        alone = torch.cat([module(x[:1]), module(x[-1:])]).reshape(2, -1)
    return torch.allclose(alone, out[[0, -1]].detach(), rtol=torch.finfo(out.dtype).eps ** 0.6)


@contextmanager
def _scaling_signals(module: nn.Module) -> Iterator[None]:
    """Let rmtlab's linear layers scale what comes in, which is small, and not their weights.

    Modules of other people may look at the weights themselves; then all stays as it is.
    """
    layers = [m for m in module.modules() if isinstance(m, LinearModule)] if _is_known(module) else []
    scales = [layer.weight_scale for layer in layers]
    hooks = [
        layer.register_forward_pre_hook(lambda _, args, scale=scale: (args[0] * scale, *args[1:]))
        for layer, scale in zip(layers, scales, strict=True)
    ]
    for layer in layers:
        layer.weight_scale = 1.0
    try:
        yield
    finally:
        for layer, scale, hook in zip(layers, scales, hooks, strict=True):
            layer.weight_scale = scale
            hook.remove()


@contextmanager
def _recorded(module: nn.Module) -> Iterator[Calls]:
    """Record what every layer with trained parameters takes and gives, while the module runs."""
    calls: Calls = {}
    owners = [
        m for m in module.modules() if any(p.requires_grad for p in m._parameters.values() if p is not None)
    ]
    owned = [id(p) for m in owners for p in m._parameters.values() if p is not None and p.requires_grad]
    if len(set(owned)) < len(owned):
        raise NotLayerwise

    def record(layer: nn.Module, args: tuple, out: Tensor) -> Tensor:
        if len(args) != 1 or not isinstance(args[0], Tensor) or not isinstance(out, Tensor):
            raise NotLayerwise
        calls.setdefault(layer, []).append((args[0].detach().clone(), out))
        return out.clone()  # what follows may change it in place

    hooks = [layer.register_forward_hook(record) for layer in owners]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _errors(out: Tensor, places: list[Tensor]) -> list[Tensor]:
    """Return ∂f_o/∂z at every place, (o, n, …), for all inputs at once: they do not meet."""
    n, o = out.shape
    one_each = torch.eye(o, dtype=out.dtype, device=out.device)[:, None].expand(o, n, o)
    try:
        with warnings.catch_warnings(action="ignore"):  # an operation may be slow under vmap
            return list(_pulled(out, places, one_each, is_grads_batched=True))
    except RuntimeError:
        passes = [_pulled(out, places, only) for only in one_each]
        return [torch.stack(of_place) for of_place in zip(*passes, strict=True)]


def _pulled(out: Tensor, places: list[Tensor], cotangent: Tensor, **options: bool) -> Sequence[Tensor]:
    return torch.autograd.grad(
        out, places, cotangent, retain_graph=True, allow_unused=True, materialize_grads=True, **options
    )


def _of_layer(layer: nn.Module, made: list[tuple[Tensor, Tensor]]) -> Outer | Rows:
    if isinstance(layer, DenseModule | nn.Linear):
        axis = -1 - getattr(layer, "rank", 0)
        parts = [(_by_position(a, axis, 1), _by_position(b, axis, 2)) for a, b in made]
    elif isinstance(layer, ConvolutionModule | nn.Conv1d | nn.Conv2d) and getattr(layer, "groups", 1) == 1:
        parts = [(_patches(layer, a), b.flatten(3).transpose(2, 3)) for a, b in made]
    else:
        return Rows(torch.stack([_own_rows(layer, a, b) for a, b in made]).sum(0))
    a = _joined([_with_bias(layer, a) for a, _ in parts], 1)
    b = _joined([b for _, b in parts], 2)
    (t, m), k = a.shape[1:], b.shape[3]
    if t > 1 and t * t * (m + k) >= m * k:
        return Outer(a, b).rows()
    return Outer(a, b)


def _joined(tensors: list[Tensor], axis: int) -> Tensor:
    return torch.cat(tensors, axis) if len(tensors) > 1 else tensors[0]


def _by_position(tensor: Tensor, axis: int, before: int) -> Tensor:
    """Bring features on an axis, with positions around it, to (n, T, features); `before` axes stay in front."""
    return tensor.movedim(axis, -1).unflatten(-1, (1, -1)).flatten(before, -2)


def _with_bias(layer: nn.Module, a: Tensor) -> Tensor:
    """Return the signals that the trained parameters of a linear layer meet: scaled, and a 1 for the bias."""
    parts = []
    if layer.weight.requires_grad:
        parts.append(a * getattr(layer, "weight_scale", 1.0))
    if layer.bias is not None and layer.bias.requires_grad:
        parts.append(a.new_full((*a.shape[:-1], 1), getattr(layer, "bias_scale", 1.0)))
    return _joined(parts, -1)


def _patches(layer: "ConvolutionModule | nn.Conv1d | nn.Conv2d", a: Tensor) -> Tensor:
    """Return what the kernel sees at every position, (n, T, channels·kernel size)."""
    size = tuple(layer.weight.shape[2:])
    if isinstance(layer, ConvolutionModule):
        sides, mode = (layer.margin,) * 2 * len(size), layer.padding
        stride, dilation = (layer.stride,) * len(size), (1,) * len(size)
    else:
        sides, mode = tuple(layer._reversed_padding_repeated_twice), layer.padding_mode
        stride, dilation = layer.stride, layer.dilation
    a = nn.functional.pad(a, sides, mode="constant" if mode in ("zero", "zeros", "none") else mode)
    if len(size) == 1:
        a, size, dilation, stride = a[:, :, None], (1, *size), (1, *dilation), (1, *stride)
    return nn.functional.unfold(a, size, dilation, 0, stride).transpose(1, 2)


def _own_rows(layer: nn.Module, a: Tensor, b: Tensor) -> Tensor:
    """Return the gradients of one layer's own parameters, (o, n, P), from its own small Jacobian.

    Layers inside it keep theirs, which ask for gradients: the result is cut off from them.
    """
    trained = {name: p.detach() for name, p in layer._parameters.items() if p is not None and p.requires_grad}
    call = replaceable(layer)

    def of_one(signal: Tensor, errors: Tensor) -> Tensor:
        pull = vjp(lambda p: call(p, (signal[None],))[0], trained)[1]
        (pulled,) = vmap(pull)(errors)
        return torch.cat([g.reshape(len(g), -1) for g in pulled.values()], 1)

    return vmap(of_one, in_dims=(0, 1))(a, b).transpose(0, 1).detach()
