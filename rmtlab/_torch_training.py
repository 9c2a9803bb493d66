"""The training loop itself; `rmtlab.training` is its public face."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from rmtlab import _progress

# Above this multiple of where it began (or of the loss of answering zero), a loss is not coming back:
# the rise before a large step size settles on a flatter place stays orders of magnitude below it.
BLOW_UP = 1e6

Update = Callable[[Sequence[Tensor]], None]


@dataclass(frozen=True)
class Plan:
    """What `fit` was asked for, checked."""

    epochs: int
    lr: float
    batch_size: int | None
    optimizer: str
    momentum: float
    loss: str
    seed: int
    record_every: int
    progress: bool | None


@dataclass
class Log:
    """What is recorded while training runs."""

    steps: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    seconds: float = 0.0
    diverged: bool = False


@dataclass(frozen=True)
class Part:
    """Inputs and targets on the module's device, and the classes if the targets name some."""

    x: Tensor
    y: Tensor
    labels: np.ndarray | None


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that training moves."""
    return [p for p in module.parameters() if p.requires_grad]


def tensor_like(module: nn.Module, value: np.ndarray) -> Tensor:
    """Return a copy of `value` with the type and the device of the module's parameters."""
    first = next(module.parameters(), torch.empty(0))
    return torch.tensor(value, dtype=first.dtype, device=first.device)


def class_tensor(module: nn.Module, labels: np.ndarray) -> Tensor:
    """Return whole-number labels on the module's device."""
    return torch.tensor(labels, dtype=torch.int64, device=next(module.parameters()).device)


def outputs(module: nn.Module, x: Tensor, block: int = 4096) -> Tensor:
    """Return the module's outputs (n, o) in evaluation mode; its own mode is left as it was."""
    with _mode(module, training=False), torch.no_grad():
        return torch.cat([_forward(module, part) for part in x.split(block)])


def loss_value(out: Tensor, y: Tensor, loss: str) -> Tensor:
    """Return the mean over samples of ½|f − y|² ("mse") or of −log softmax(f)_y ("cross_entropy")."""
    if loss == "cross_entropy":
        return nn.functional.cross_entropy(out, y)
    return (out - y).square().sum() / (2 * len(y))


def hits(out: Tensor, labels: np.ndarray) -> float:
    """Return the fraction of outputs that name their label: by the largest output, or a single one's sign."""
    chosen = out.argmax(dim=1) if out.shape[1] > 1 else torch.where(out[:, 0] >= 0, 1, -1)
    return float(np.mean(chosen.cpu().numpy() == labels))


def train(module: nn.Module, part: Part, test: Part | None, plan: Plan) -> Log:
    """Train `module` in place, epoch after epoch, until the plan is done or the loss has blown up."""
    log, start, step = Log(), time.perf_counter(), 0
    weights = trainable(module)
    # torch.optim computes the same, but its first use loads torch's compiler: seconds and 70 MB.
    update = (
        _adam(weights, plan.lr) if plan.optimizer == "adam" else _descent(weights, plan.lr, plan.momentum)
    )
    generator = torch.Generator().manual_seed(plan.seed)
    _record(log, module, part, test, plan.loss, step)
    ceiling = BLOW_UP * max(log.loss[0], _loss_of_zero(module, part, plan.loss))
    log.diverged = not math.isfinite(log.loss[0])
    with _mode(module, training=True), _bar(plan) as bar:
        for epoch in range(1, plan.epochs + 1):
            if log.diverged:
                break
            for batch in _batches(len(part.x), plan.batch_size, generator):
                if not _step(module, update, part.x[batch], part.y[batch], plan.loss, ceiling):
                    log.diverged = True
                    break
                step += 1
            if log.diverged or epoch % plan.record_every == 0 or epoch == plan.epochs:
                _record(log, module, part, test, plan.loss, step)
                log.diverged = log.diverged or not log.loss[-1] <= ceiling
                bar.set_postfix_str(f"loss {log.loss[-1]:.3g}", refresh=False)
            bar.update()
    log.seconds = time.perf_counter() - start
    return log


def _forward(module: nn.Module, x: Tensor) -> Tensor:
    out = module(x)
    return out[:, None] if out.ndim == 1 else out


def _loss_of_zero(module: nn.Module, part: Part, loss: str) -> float:
    return float(loss_value(torch.zeros_like(outputs(module, part.x)), part.y, loss))


def _step(module: nn.Module, update: Update, x: Tensor, y: Tensor, loss: str, ceiling: float) -> bool:
    """Move the parameters once, unless the loss is above the ceiling or NaN; say whether they moved."""
    value = loss_value(_forward(module, x), y, loss)
    if not value.item() <= ceiling:
        return False
    update(torch.autograd.grad(value, trainable(module), materialize_grads=True))
    return True


def _record(log: Log, module: nn.Module, part: Part, test: Part | None, loss: str, step: int) -> None:
    if log.steps and log.steps[-1] == step:
        return
    log.steps.append(step)
    for where, losses, accuracies in (
        (part, log.loss, log.accuracy),
        (test, log.test_loss, log.test_accuracy),
    ):
        if where is None:
            continue
        out = outputs(module, where.x)
        losses.append(float(loss_value(out, where.y, loss)))
        if where.labels is not None:
            accuracies.append(hits(out, where.labels))


def _descent(parameters: list[nn.Parameter], lr: float, momentum: float) -> Update:
    """Heavy ball: v ← μv + g, w ← w − ηv."""
    velocity = [torch.zeros_like(w) for w in parameters]

    @torch.no_grad()
    def update(gradients: Sequence[Tensor]) -> None:
        for w, v, g in zip(parameters, velocity, gradients, strict=True):
            v.mul_(momentum).add_(g)
            w.sub_(lr * v)

    return update


def _adam(parameters: list[nn.Parameter], lr: float) -> Update:
    """Adam: running means m of g and s of g², each divided by its weight so far; w ← w − ηm/(√s + ε)."""
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8
    moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in parameters]
    step = 0

    @torch.no_grad()
    def update(gradients: Sequence[Tensor]) -> None:
        nonlocal step
        step += 1
        for w, (m, s), g in zip(parameters, moments, gradients, strict=True):
            m.lerp_(g, 1 - beta1)
            s.lerp_(g.square(), 1 - beta2)
            mean, square = m / (1 - beta1**step), s / (1 - beta2**step)
            w.sub_(lr * mean / (square.sqrt() + epsilon))

    return update


def _batches(n: int, size: int | None, generator: torch.Generator) -> Iterator[Tensor | slice]:
    if size is None or size >= n:
        yield slice(None)
    else:
        yield from torch.randperm(n, generator=generator).split(size)


@contextmanager
def _mode(module: nn.Module, *, training: bool) -> Iterator[None]:
    before = module.training
    module.train(training)
    try:
        yield
    finally:
        module.train(before)


def _bar(plan: Plan) -> tqdm:
    """Return a bar on standard output: a site's build takes anything on standard error for a failure."""
    hidden = not _progress.shown(plan.progress)
    return tqdm(total=plan.epochs, desc="training", unit="epoch", file=sys.stdout, disable=hidden)
