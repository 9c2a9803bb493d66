"""A small honest training loop: gradient steps, what they did, and whether they blew up.

Torch is loaded when something is first trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtlab import _checks

if TYPE_CHECKING:
    from torch import nn

    from rmtlab._torch_training import Part

__all__ = ["History", "accuracy", "fit", "one_hot"]


@dataclass(frozen=True, eq=False)
class History:
    """What happened while a network was trained.

    Parameters
    ----------
    steps : ndarray of int, (r,)
        Number of parameter updates before each record; the first is 0, before training.
    loss : ndarray, (r,)
        Mean loss over the whole training set, in evaluation mode.
    accuracy : ndarray, (r,), or None
        Fraction of the training set that is classified rightly; None where targets are not classes.
    test_loss, test_accuracy : ndarray, (r,), or None
        The same on the test set, if there was one.
    seconds : float
        Wall-clock time, records included.
    diverged : bool
        Whether training stopped because the loss blew up.
    """

    steps: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray | None
    test_loss: np.ndarray | None
    test_accuracy: np.ndarray | None
    seconds: float
    diverged: bool

    def __repr__(self) -> str:
        head = f"diverged at step {self.steps[-1]}" if self.diverged else f"{self.steps[-1]} steps"
        parts = [f"loss {self.loss[0]:.3g} → {self.loss[-1]:.3g}"]
        if self.test_loss is not None:
            parts.append(f"test loss {self.test_loss[0]:.3g} → {self.test_loss[-1]:.3g}")
        if self.accuracy is not None:
            parts.append(f"accuracy {self.accuracy[-1]:.1%}")
        if self.test_accuracy is not None:
            parts.append(f"test accuracy {self.test_accuracy[-1]:.1%}")
        return f"History({head} in {self.seconds:.1f} s: {', '.join(parts)})"


def fit(
    module: nn.Module,
    x: Any,
    y: Any,
    *,
    epochs: int,
    lr: float,
    batch_size: int | None = None,
    optimizer: str = "sgd",
    momentum: float = 0.0,
    loss: str = "mse",
    x_test: Any = None,
    y_test: Any = None,
    seed: int = 0,
    record_every: int = 1,
    progress: bool | None = None,
) -> History:
    r"""Train a network in place, and return what happened.

    The loss is a mean over the n samples: for "mse" half the squared error,

    .. math:: \mathcal L = \frac1{2n} \sum_{i=1}^n |f(x_i) - y_i|^2,

    so that t full-batch steps of size η are the gradient flow of ½Σ|f − y|² up to time tη/n; for
    "cross_entropy" −log softmax(f(x_i)) at the right class. Gradient descent on a quadratic with largest
    curvature λ converges for η < 2/λ and blows up beyond.

    Parameters
    ----------
    module : torch.nn.Module
        Takes (n, …) and returns (n, o), or (n,) for o = 1. Its parameters are changed; its mode
        (training or evaluation) is not.
    x : array_like, (n, …)
        Inputs, turned into the type of the module's parameters and moved to their device.
    y : array_like, (n,) or (n, o)
        For "mse": real targets, such as `one_hot` classes, or ±1. For "cross_entropy": classes 0 … o−1
        or one-hot rows.
    epochs : int
        Passes over the data. With a full batch, one pass is one step.
    lr : float
        Step size η.
    batch_size : int, optional
        Samples a step, drawn without replacement in each epoch; by default all of them.
    optimizer : {"sgd", "adam"}
        Gradient descent w ← w − ηv with v ← μv + g, or Adam with β = (0.9, 0.999), ε = 1e-8.
    momentum : float
        Heavy-ball momentum μ in [0, 1), for "sgd".
    loss : {"mse", "cross_entropy"}
        What is made small.
    x_test, y_test : array_like, optional
        A test set in the same form. It is only ever looked at.
    seed : int
        Chooses the order of the batches. Noise inside the module draws from its own source.
    record_every : int
        Epochs between two records. The first and the last state are always recorded.
    progress : bool, optional
        Whether to show a bar; by default in a terminal or an open Jupyter notebook, and not in a build.
        ``RMTLAB_PROGRESS=0`` hides it everywhere. A printed line says that training diverged, unless
        `progress` is False.

    Returns
    -------
    History
        ``diverged`` is true if the loss became NaN, infinite, or a million times the larger of its first
        value and the loss of answering 0; training stops there.

    Raises
    ------
    TypeError
        If `module` is not a torch module.
    ValueError
        If shapes do not fit, targets are no classes where classes are needed, or a number is out of range.

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964 (momentum).
    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980.

    Examples
    --------
    Six steps on ½(w − 1)², each of which halves the distance to 1:

    >>> import torch
    >>> from rmtlab import training
    >>> line = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.zeros_(line.weight)
    >>> history = training.fit(line, [[1.0]], [1.0], epochs=6, lr=0.5)
    >>> 1 - line.weight.item(), float(history.loss[-1] / history.loss[0]), history.diverged
    (0.015625, 0.000244140625, False)
    """
    from rmtlab import _torch_training as loop

    _check_module(module, trainable=True)
    plan = loop.Plan(
        epochs=_checks.count(epochs, "epochs"),
        lr=_checks.number(lr, "lr", low=0.0, low_open=True),
        batch_size=None if batch_size is None else _checks.count(batch_size, "batch_size"),
        optimizer=_checks.one_of(optimizer, "optimizer", ("sgd", "adam")),
        momentum=_checks.number(momentum, "momentum", low=0.0, high=1.0, high_open=True),
        loss=_checks.one_of(loss, "loss", ("mse", "cross_entropy")),
        seed=_checks.count(seed, "seed", minimum=0),
        record_every=_checks.count(record_every, "record_every"),
        progress=progress,
    )
    if plan.optimizer == "adam" and plan.momentum:
        raise ValueError(f'momentum={momentum!r} goes with optimizer="sgd"; leave it out for "adam".')
    if (x_test is None) != (y_test is None):
        raise ValueError("x_test and y_test go together, but only one of them was given.")
    train_part = _part(module, x, y, plan.loss, ("x", "y"))
    test_part = None if x_test is None else _part(module, x_test, y_test, plan.loss, ("x_test", "y_test"))
    log = loop.train(module, train_part, test_part, plan)
    if log.diverged and progress is not False:
        print(
            f"Training diverged at step {log.steps[-1]} (loss {log.loss[-1]:.3g}); try lr below {plan.lr:g}."
        )
    return History(
        steps=np.array(log.steps),
        loss=np.array(log.loss),
        accuracy=np.array(log.accuracy) if log.accuracy else None,
        test_loss=np.array(log.test_loss) if log.test_loss else None,
        test_accuracy=np.array(log.test_accuracy) if log.test_accuracy else None,
        seconds=log.seconds,
        diverged=log.diverged,
    )


def accuracy(module: nn.Module, x: Any, y: Any) -> float:
    """Return the fraction of inputs that a network classifies rightly, in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        Takes (n, …) and returns (n, o), or (n,) for o = 1.
    x : array_like, (n, …)
        Inputs.
    y : array_like, (n,) or (n, o)
        Classes 0 … o−1 or one-hot rows, compared with the largest output; for o = 1, ±1, compared with
        the output's sign.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    TypeError
        If `module` is not a torch module.
    ValueError
        If shapes do not fit, or `y` holds no classes.

    Examples
    --------
    >>> import torch
    >>> from rmtlab import training
    >>> training.accuracy(torch.nn.Identity(), [[0.2, 0.8], [0.9, 0.1]], [1, 1])
    0.5
    """
    from rmtlab import _torch_training as loop

    _check_module(module, trainable=False)
    inputs, targets, n_outputs = _matched(module, x, y, ("x", "y"))
    labels = _labels(targets, n_outputs)
    if labels is None:
        raise ValueError(_not_classes("y", n_outputs))
    return loop.hits(loop.outputs(module, loop.tensor_like(module, inputs)), labels)


def one_hot(y: Any, n_classes: int) -> np.ndarray:
    """Return the rows of an identity matrix that classes choose: 1 at the class, 0 elsewhere.

    Parameters
    ----------
    y : array_like, (n,)
        Classes 0 … n_classes − 1.
    n_classes : int
        How many classes there are.

    Returns
    -------
    ndarray of float64, (n, n_classes)

    Raises
    ------
    ValueError
        If `y` holds anything but those classes.

    Examples
    --------
    >>> from rmtlab import training
    >>> training.one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    size = _checks.count(n_classes, "n_classes")
    values = _checks.array(y, "y", ndim=1)
    if not _are_classes(values, size):
        raise ValueError(_not_classes("y", size))
    return np.eye(size)[values.astype(np.int64)]


def _check_module(module: Any, *, trainable: bool) -> None:
    from rmtlab import _torch_training as loop

    if not isinstance(module, loop.nn.Module):
        raise TypeError(
            f"module must be a torch.nn.Module, but a {type(module).__name__} was given; "
            "a network's description gives one by its sample(...) method."
        )
    if trainable and not loop.trainable(module):
        raise ValueError("module has no parameter that asks for a gradient, so there is nothing to train.")


def _part(module: nn.Module, x: Any, y: Any, loss: str, names: tuple[str, str]) -> Part:
    """Return checked inputs and targets as tensors, with the classes where the targets name some."""
    from rmtlab import _torch_training as loop

    inputs, targets, n_outputs = _matched(module, x, y, names)
    labels = _labels(targets, n_outputs)
    tensor = loop.tensor_like(module, inputs)
    if loss == "cross_entropy":
        if n_outputs == 1:
            raise ValueError('loss="cross_entropy" needs one output a class, but module has one output.')
        if labels is None:
            raise ValueError(_not_classes(names[1], n_outputs))
        return loop.Part(tensor, loop.class_tensor(module, labels), labels)
    columns = targets.reshape(len(targets), -1)
    if columns.shape[1] != n_outputs:
        raise ValueError(
            f"{names[1]} has {columns.shape[1]} numbers a sample, but module has {n_outputs} outputs; "
            f"turn classes into targets with one_hot({names[1]}, {n_outputs})."
        )
    return loop.Part(tensor, loop.tensor_like(module, columns), labels)


def _matched(module: nn.Module, x: Any, y: Any, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Return inputs and targets of one length, and how many outputs the module has for them."""
    from rmtlab import _torch_training as loop

    inputs = _checks.array(x, names[0], ndim=(2, 3, 4), hint="The first axis counts samples.")
    targets = _checks.array(y, names[1], ndim=(1, 2))
    if len(inputs) != len(targets):
        raise ValueError(
            f"{names[0]} and {names[1]} must have one row a sample, "
            f"but they have {len(inputs)} and {len(targets)} rows."
        )
    try:
        out = loop.outputs(module, loop.tensor_like(module, inputs[:1]))
    except RuntimeError as problem:
        raise ValueError(f"{names[0]} of shape {inputs.shape} does not fit the module: {problem}.") from None
    if out.ndim != 2:
        raise ValueError(f"module must return (n, o) outputs, but it returned the shape {tuple(out.shape)}.")
    return inputs, targets, out.shape[1]


def _labels(y: np.ndarray, n_outputs: int) -> np.ndarray | None:
    """Return the classes that targets name, or None where they are other numbers."""
    if n_outputs == 1:
        signs = y.ravel()
        return signs.astype(np.int64) if np.all(np.abs(signs) == 1) else None
    if y.ndim == 1:
        return y.astype(np.int64) if _are_classes(y, n_outputs) else None
    # One-hot rows, or one-hot rows shifted and scaled, hold two values, the larger one once.
    chosen = y == y.max()
    one_each = np.all(chosen.sum(axis=1) == 1) and np.unique(y).size == 2
    return np.argmax(y, axis=1) if one_each and y.shape[1] == n_outputs else None


def _are_classes(values: np.ndarray, n_classes: int) -> bool:
    return bool(np.all((values == np.round(values)) & (values >= 0) & (values < n_classes)))


def _not_classes(name: str, n_outputs: int) -> str:
    if n_outputs == 1:
        return f"{name} must hold the signs −1 and 1 where there is one output, but it holds other numbers."
    return f"{name} must hold classes, whole numbers from 0 to {n_outputs - 1}, but it holds other numbers."
