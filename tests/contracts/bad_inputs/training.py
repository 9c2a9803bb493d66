"""Bad input for `rmtlab.training`."""

import numpy as np
import torch

from rmtlab import training

X, Y = np.eye(4), np.array([0, 1, 2, 1])
NAN = np.full((4, 4), np.nan)


def module(out=3):
    return torch.nn.Linear(4, out, dtype=torch.float64)


def frozen():
    return module().requires_grad_(False)


def fit(net=None, x=X, y=Y, **options):
    return training.fit(net or module(), x, y, **{"epochs": 1, "lr": 0.1, "loss": "cross_entropy", **options})


CASES = {
    "fit": [
        (lambda: fit(net="mlp"), "torch.nn.Module"),
        (lambda: fit(net=frozen()), "nothing to train"),
        (lambda: fit(x=NAN), "NaN"),
        (lambda: fit(x=np.eye(3), y=Y[:3]), "does not fit the module"),
        (lambda: fit(x=np.arange(4.0)), "axes"),
        (lambda: fit(y=Y[:3]), "4 and 3 rows"),
        (lambda: fit(y=[0, 1, 2, 3]), "0 to 2"),
        (lambda: fit(y=[0, 1, 2, 0.5]), "whole numbers"),
        (lambda: fit(net=module(1)), "one output a class"),
        (lambda: fit(loss="mse"), "one_hot(y, 3)"),
        (lambda: fit(net=torch.nn.Conv1d(4, 2, 1, dtype=torch.float64), x=np.ones((4, 4, 1))), "(n, o)"),
        (lambda: fit(loss="cross entropy"), "'cross_entropy'"),
        (lambda: fit(optimizer="adma"), "'adam'"),
        (lambda: fit(optimizer="adam", momentum=0.9), "momentum"),
        (lambda: fit(momentum=1.0), "below 1"),
        (lambda: fit(lr=0.0), "lr"),
        (lambda: fit(lr=-1.0), "lr"),
        (lambda: fit(lr="fast"), "lr"),
        (lambda: fit(epochs=0), "epochs"),
        (lambda: fit(epochs=1.5), "epochs"),
        (lambda: fit(batch_size=0), "batch_size"),
        (lambda: fit(record_every=0), "record_every"),
        (lambda: fit(seed=-1), "seed"),
        (lambda: fit(x_test=X), "go together"),
        (lambda: fit(x_test=X, y_test=[0, 1, 2, 9]), "y_test"),
    ],
    "accuracy": [
        (lambda: training.accuracy("mlp", X, Y), "torch.nn.Module"),
        (lambda: training.accuracy(module(), NAN, Y), "NaN"),
        (lambda: training.accuracy(module(), X, Y[:2]), "4 and 2 rows"),
        (lambda: training.accuracy(module(), X, [0, 1, 2, 3]), "0 to 2"),
        (lambda: training.accuracy(module(1), X, Y), "signs"),
        (lambda: training.accuracy(module(), np.eye(5), [0] * 5), "does not fit the module"),
    ],
    "one_hot": [
        (lambda: training.one_hot([0, 3], 3), "0 to 2"),
        (lambda: training.one_hot([0, -1], 3), "0 to 2"),
        (lambda: training.one_hot([0.5], 3), "whole numbers"),
        (lambda: training.one_hot([[0]], 3), "axes"),
        (lambda: training.one_hot([], 3), "empty"),
        (lambda: training.one_hot([0], 0), "n_classes"),
    ],
}

NOTHING_TO_REFUSE = {"History": "made by fit, from numbers that fit has checked"}
