"""From the steps of one pass to what each layer does: signal, gradient, slopes, Jacobian, noise."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from rmtlab._torch_layers import ConvolutionModule, DenseModule
from rmtlab._torch_noise import NoiseModule
from rmtlab.design._records import Layer
from rmtlab.design._torch_curve import Curve
from rmtlab.design._torch_trace import Node, Trace

_PROBES = 8
_ROWS = 8
_OFF = 0.05
_SATURATED = 0.1
_AFFINE = 1e-5  # how far below 1 a correlation is that rounding explains
_CERTAIN = 256  # entries that no dropout by chance drops all of
_TRIES = 50


@dataclass(eq=False)
class Reading:
    """A layer's record, and what the rules need beside it."""

    layer: Layer
    curve: Curve | None  # of the activation that follows, with nothing but norms and noise between
    before: Curve | None  # of the activation in front
    before_signal: float  # mean square of what that activation takes
    normalised: bool  # whether a norm stands before the activation, so that the scale of W does not matter
    segment: int  # how many norms and products of the trunk lie before it
    isometric: bool  # whether W is semi-orthogonal
    dead: tuple[float, float] = (
        0.0,
        0.0,
    )  # share of units that are off beyond those that signs explain, and its error
    dead_by_bias: tuple[float, float] = (0.0, 0.0)  # of those that a bias holds down


@dataclass(eq=False)
class Junction:
    """A residual sum x + g(x)."""

    name: str
    gain: float  # mean square of g(x) over that of x
    readings: list[Reading]
    normalised: bool  # whether a norm inside g, or right behind the sum, holds the variance
    gated: bool  # whether signals are multiplied inside g


@dataclass(eq=False)
class Readings:
    """All of a network."""

    layers: list[Reading] = field(default_factory=list)
    junctions: list[Junction] = field(default_factory=list)
    output: float = 0.0  # mean square of what the module returns
    output_var: float = 0.0  # its variance
    scale: float | None = (
        None  # by which it is a multiple of what the last layer gives, or None where it is none
    )
    dropped: list[str] = field(default_factory=list)  # the noises that leave nothing


def read(trace: Trace, generator: torch.Generator) -> Readings:
    """Measure every linear layer of a traced pass."""
    graph = _Graph(trace.nodes)
    weights = [node for node in trace.nodes if node.kind == "weight"]
    probes = _Probes(trace, generator)
    gradients = probes.gradients([node.tensor for node in weights])
    curves = _Curves()
    found = {
        node: _read_layer(node, gradient, probes, graph, curves)
        for node, gradient in zip(weights, gradients, strict=True)
    }
    junctions = {node: _junction(node, graph, found) for node in graph.branches}
    blocks = {id(j.readings[-1]): 1.0 + j.gain for j in junctions.values()}
    for reading in found.values():
        if id(reading) in blocks:
            reading.layer = replace(reading.layer, block=blocks[id(reading)])
    assert isinstance(trace.output, Tensor)
    y = trace.output.detach().double()
    return Readings(
        list(found.values()),
        list(junctions.values()),
        float(y.square().mean()),
        float(y.var(correction=0)),
        _scale(y, [node.tensor.detach().double() for node in weights]),
        [
            _label_of_noise(node)
            for node in trace.nodes
            if node.kind == "noise" and np.isinf(_mask_ratio(node))
        ],
    )


def _scale(y: Tensor, layers: list[Tensor]) -> float | None:
    """Return a where the output is a z + b of the last layer whose shape allows it."""
    for z in reversed(layers):
        if z.numel() != y.numel() or z.numel() < 3:
            continue
        a, b = y.flatten() - y.mean(), z.flatten() - z.mean()
        sizes = float(a.norm()), float(b.norm())
        if (
            np.isfinite(sizes).all()
            and min(sizes) > 0
            and abs(float(a @ b)) > (1 - _AFFINE) * sizes[0] * sizes[1]
        ):
            return sizes[0] / sizes[1]
    return None


def _label_of_noise(node: Node) -> str:
    return f"{node.name} ({type(node.module).__name__})" if node.module is not None else f"`{node.name}`"


class _Graph:
    """Who follows whom."""

    def __init__(self, nodes: list[Node]) -> None:
        self.children: dict[Node, list[Node]] = {node: [] for node in nodes}
        self._above: dict[Node, frozenset[Node]] = {}
        for node in nodes:
            for parent in node.parents:
                self.children[parent].append(node)
            self._above[node] = frozenset({node}).union(*(self._above[p] for p in node.parents))
        self.branches = {node: self._branch(node) for node in nodes if node.kind == "sum"}
        self.branches = {
            node: inside
            for node, inside in self.branches.items()
            if any(n.kind == "weight" for n in inside) and not self._mixes(node)
        }
        self.products = {node: self._factors(node) for node in nodes if node.kind == "product"}
        self.in_product = frozenset[Node]().union(*self.products.values())
        self.in_branch = frozenset[Node]().union(*self.branches.values())
        self.cuts = [n.order for n in nodes if n.kind in ("norm", "product") and n not in self.in_branch]
        self.leads_on = {
            node for n in nodes if n.kind in ("weight", "activation") for node in self._above[n] - {n}
        }

    def skip(self, node: Node) -> Node:
        """Of the two things that are added, the one with fewer layers above it."""
        return min(node.parents, key=lambda p: (sum(n.kind == "weight" for n in self._above[p]), p.order))

    def _branch(self, node: Node) -> frozenset[Node]:
        skip = self.skip(node)
        other = next(p for p in node.parents if p is not skip)
        return self._above[other] - self._above[skip]

    def _mixes(self, node: Node) -> bool:
        """Say whether both things that are added are gated, as t·h + (1 − t)·x: that is no residual sum."""
        one, other = node.parents
        return all(
            any(n.kind == "product" for n in self._above[a] - self._above[b])
            for a, b in ((one, other), (other, one))
        )

    def _factors(self, node: Node) -> frozenset[Node]:
        """Return what lies above one factor of a product and not above all."""
        above = [self._above[p] for p in node.parents]
        return above[0].union(*above).difference(above[0].intersection(*above))

    def splits(self, node: Node, after: Node) -> bool:
        """Say whether what follows a step lies in one factor only of a product that the step feeds as a whole."""
        return any(after in inside and node not in inside for inside in self.products.values())

    def onward(self, node: Node, through: tuple[str, ...], kind: str) -> tuple[Node | None, list[Node]]:
        """Return the first node of a kind that is reached through others, and what lay between."""
        between: list[Node] = []
        at = node
        while True:
            steps = [c for c in self.children[at] if c.kind in (*through, kind)]
            if len(self.children[at]) != 1 or not steps:
                target = [c for c in self.children[at] if c.kind == kind]
                return (target[0] if target else None), between
            at = steps[0]
            if at.kind == kind:
                return at, between
            between.append(at)

    @staticmethod
    def back(node: Node, through: tuple[str, ...]) -> tuple[Node | None, list[Node]]:
        """Return the first node in front that is none of the given kinds, and what lay between."""
        between: list[Node] = []
        at = node
        while len(at.parents) == 1:
            at = at.parents[0]
            if at.kind not in through:
                return at, between
            between.append(at)
        return None, between


class _Curves:
    """One curve for every kind of activation."""

    def __init__(self) -> None:
        self._known: dict[str, Curve] = {}

    def of(self, node: Node) -> Curve:
        assert node.apply is not None
        own = type(node.module).__module__.split(".")[0] in ("torch", "rmtlab") and not isinstance(
            node.module, nn.PReLU
        )
        key = repr(node.module) if own else str(id(node))
        if key not in self._known:
            self._known[key] = Curve(_repeatable(node.apply), node.parents[0].tensor)
        return self._known[key]


def _repeatable(apply: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda z: apply(z.clone())


def _read_layer(node: Node, gradient: float, probes: "_Probes", graph: _Graph, curves: _Curves) -> Reading:
    assert node.weight is not None
    w, b = node.weight.detach().double(), None if node.bias is None else node.bias.detach().double()
    z = node.tensor.detach().double()
    after, between = graph.onward(node, ("plain", "norm", "noise"), "activation")
    if after is not None and graph.splits(node, after):
        after = None
    front, in_front = graph.back(node, ("plain", "noise", "norm"))
    before = front if front is not None and front.kind == "activation" else None
    curve = curves.of(after) if after is not None else None
    weight_var = float(w.square().sum() / w.shape[0])
    noises = [n for n in in_front if n.kind == "noise"]
    masks = float(np.prod([_mask_ratio(n) for n in noises]))
    reading = Reading(
        layer=Layer(
            name=node.name,
            place=_place(node, graph),
            fan_in=int(w[0].numel()),
            fan_out=int(w.shape[0] * w[0, 0].numel()),
            weight_var=weight_var,
            bias_var=0.0 if b is None else float(b.square().mean()),
            signal=float(z.square().mean()),
            correlation=_correlation(z),
            gradient=gradient,
            spread=probes.spread(node.tensor),
            activation=None if after is None else _label(after),
            **_slopes(after, curve, node, np.inf if node in graph.in_product else weight_var * masks),
            noise=float(np.prod([_noise_ratio(n) for n in noises])),
        ),
        curve=curve,
        before=None if before is None else curves.of(before),
        before_signal=1.0
        if before is None
        else float(before.parents[0].tensor.detach().double().square().mean()),
        normalised=any(n.kind == "norm" for n in between) or _meets_norm(node, graph),
        segment=sum(order < node.order for order in graph.cuts),
        isometric=_is_isometric(w.flatten(1)),
    )
    if after is not None and curve is not None and curve.shape == "rectifier":
        _count_dead(reading, after.parents[0].tensor, curve, node, b)
    return reading


def _meets_norm(node: Node, graph: _Graph) -> bool:
    return graph.onward(node, ("plain", "noise"), "norm")[0] is not None


def _place(node: Node, graph: _Graph) -> str:
    if node in graph.in_product:
        return "gated"
    if node in graph.in_branch:
        return "branch"
    return "trunk" if node in graph.leads_on else "read-out"


def _label(node: Node) -> str:
    kind = type(node.module).__name__
    if kind == "ActivationModule":
        return str(node.module.activation.name)  # type: ignore[union-attr]
    return node.name if node.module is None else kind


def _correlation(z: Tensor) -> float:
    rows = z.flatten(1)
    unit = rows / rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
    n = len(unit)
    return float((unit.sum(0).square().sum() - unit.square().sum()) / (n * (n - 1)))


def _slopes(after: Node | None, curve: Curve | None, node: Node, gain: float) -> dict[str, float | None]:
    if after is None or curve is None:
        return dict.fromkeys(("slope", "chi", "dead", "saturated"))
    slopes = curve.slope(after.parents[0].tensor).double()
    square = float(slopes.square().mean())
    off = slopes.abs() < _OFF * curve.top
    return {
        "slope": square,
        "chi": gain * square if np.isfinite(gain) else None,
        "dead": float(_all_off(off, node).double().mean()) if curve.shape == "rectifier" else None,
        "saturated": float((slopes.abs() < _SATURATED * curve.top).double().mean())
        if curve.shape == "saturating"
        else None,
    }


def _all_off(off: Tensor, node: Node) -> Tensor:
    """Say of each unit whether it is off for every input and at every position."""
    axis = _unit_axis(node) % node.tensor.ndim
    if off.ndim != node.tensor.ndim:
        return off.flatten(1).all(0)
    return off.movedim(axis, -1).flatten(0, -2).all(0)


def _unit_axis(node: Node) -> int:
    if isinstance(node.module, DenseModule):
        return -1 - node.module.rank
    convolves = isinstance(node.module, ConvolutionModule) or (
        node.weight is not None and node.weight.ndim > 2
    )
    return 1 if convolves else -1


def _count_dead(reading: Reading, z: Tensor, curve: Curve, node: Node, b: Tensor | None) -> None:
    """By symmetry as many units are off for every input as would be if all signs were turned; more are dead."""
    off = _all_off(curve.slope(z).abs() < _OFF * curve.top, node)
    mirrored = _all_off(curve.slope(-z).abs() < _OFF * curve.top, node)
    reading.dead = _excess(off, mirrored)
    if b is None or node.weight is None or not node.parents or b.shape != off.shape:
        return
    h = node.parents[0].tensor.detach().double().square().mean()
    held = 2 * (node.weight.double().flatten(1).square().sum(1) * h).sqrt()
    reading.dead_by_bias = _excess(off & (b < -held), mirrored & (b > held))


def _excess(some: Tensor, mirrored: Tensor) -> tuple[float, float]:
    n = some.numel()
    return float(some.sum() - mirrored.sum()) / n, float((some.sum() + mirrored.sum()).double().sqrt()) / n


def _noise_ratio(node: Node) -> float:
    """Return what a noise multiplies a mean square by: μ₂/μ₁², and what it adds in units of its input."""
    added = node.module.noise.additive_var if isinstance(node.module, NoiseModule) else 0.0
    before = node.parents[0].tensor.detach().double()
    return _mask_ratio(node) + added / max(float(before.square().mean()), 1e-300)


def _mask_ratio(node: Node) -> float:
    """μ₂/μ₁², from the parameters of a noise where they are known, from its input and output elsewhere."""
    if isinstance(node.module, NoiseModule):
        return float(node.module.noise.gain)
    keep = 1.0 - float(getattr(node.module, "p", 0.0) or 0.0)
    if isinstance(node.module, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
        return 1.0 / keep if keep > 0 else np.inf
    before, after = node.parents[0].tensor.detach().double(), node.tensor.detach().double()
    if before.any() and not after.any() and _drops_all(node):
        return np.inf
    overlap = float((before * after).sum()) ** 2
    return float(before.square().sum() * after.square().sum()) / max(overlap, 1e-300)


def _drops_all(node: Node) -> bool:
    """Say whether a noise that left nothing never leaves anything, tried again where it may drop a batch as a whole."""
    x = node.parents[0].tensor.detach()
    if node.apply is None:
        return x.numel() >= _CERTAIN
    with torch.no_grad():
        return not any(bool(node.apply(x.clone()).any()) for _ in range(_TRIES))


def _is_isometric(w: Tensor) -> bool:
    short = w if w.shape[0] <= w.shape[1] else w.T
    if len(short) < 2:
        return False
    gram = short @ short.T
    size = gram.diagonal().mean()
    return bool(
        (gram - size * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)).abs().max() < 1e-3 * size
    )


def _junction(node: Node, graph: _Graph, found: dict[Node, Reading]) -> Junction:
    skip = graph.skip(node)
    other = next(p for p in node.parents if p is not skip)
    inside = graph.branches[node]
    layers = [found[n] for n in sorted(inside, key=lambda n: n.order) if n in found]
    size = float(skip.tensor.detach().double().square().mean())
    return Junction(
        name=layers[-1].layer.name,
        gain=float(other.tensor.detach().double().square().mean()) / max(size, 1e-300),
        readings=layers,
        normalised=any(n.kind == "norm" for n in inside) or _meets_norm(node, graph),
        gated=any(n.kind == "product" for n in inside),
    )


class _Probes:
    """Random vectors sent back through the graph of a pass."""

    def __init__(self, trace: Trace, generator: torch.Generator) -> None:
        assert isinstance(trace.output, Tensor)
        self._output, self._generator = trace.output, generator
        floating = [node.tensor for node in trace.nodes if node.tensor.requires_grad]
        self._start = floating[0]

    def _random(self, like: Tensor) -> Tensor:
        drawn = torch.randn(like.shape, generator=self._generator, dtype=torch.float64)
        return drawn.to(like)

    def gradients(self, targets: list[Tensor]) -> list[float]:
        """Return |δ|²/|u|² at each target, averaged over inputs and probes."""
        total = np.zeros(len(targets))
        for _ in range(_PROBES):
            u = self._random(self._output)
            back = torch.autograd.grad(self._output, targets, u, retain_graph=True, allow_unused=True)
            size = float(u.double().square().sum())
            total += [0.0 if g is None else float(g.double().square().sum()) / size for g in back]
        return list(total / _PROBES)

    def spread(self, target: Tensor) -> float | None:
        """Return variance/mean² of the spectrum of J Jᵀ, J from the input to a layer, from a Gram matrix of probes.

        G = Uᵀ J Jᵀ U has E[G_ii G_jj] = (tr J Jᵀ)² and E[G_ij²] = tr (J Jᵀ)² for i ≠ j.
        """
        start, rows = self._start, min(_ROWS, len(target))
        if start is target or not target.requires_grad or target.ndim < 2 or len(start) != len(target):
            return None
        u = torch.zeros(_PROBES, *target.shape).to(target)
        u[:, :rows] = self._random(u[:, :rows])
        back = self._sent_back(target, u)
        if back is None:
            return None
        y = back[:, :rows].flatten(2).transpose(0, 1).double()
        gram = y @ y.mT
        diagonal = gram.diagonal(dim1=1, dim2=2)
        pairs = _PROBES * (_PROBES - 1)
        squared_trace = (diagonal.sum(1).square() - diagonal.square().sum(1)).sum() / pairs
        trace_of_square = (gram.square().sum((1, 2)) - diagonal.square().sum(1)).sum() / pairs
        directions = min(target[0].numel(), start[0].numel())
        return float(directions * trace_of_square / squared_trace - 1) if squared_trace > 0 else None

    def _sent_back(self, target: Tensor, u: Tensor) -> Tensor | None:
        """Return Jᵀu for all probes: at once where torch can, one by one where it can't."""
        try:
            (back,) = torch.autograd.grad(
                target, self._start, u, retain_graph=True, allow_unused=True, is_grads_batched=True
            )
            return back
        except RuntimeError:
            each = [
                torch.autograd.grad(target, self._start, one, retain_graph=True, allow_unused=True)[0]
                for one in u
            ]
            return None if each[0] is None else torch.stack(each)
