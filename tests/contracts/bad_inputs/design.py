"""Bad input to `rmtlab.design`."""

import warnings

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from rmtlab import design, noise

X = np.random.default_rng(0).standard_normal((4, 3))
REGION = design.region("relu", 20, weight_vars=[1.9, 2.0], bias_vars=[0.0, 0.1])
NONE = design.region("relu", 20, weight_vars=[0.1, 0.2], bias_vars=[0.0])
LINE = nn.Linear(3, 2)
FOUND = design.diagnose(LINE, X)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        return self.left(x) if x.sum() > 0 else self.right(x)


class Cut(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x).detach()


class Outside(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(3))

    def forward(self, x):
        return x @ self.weight


class Uncopied(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.kept = 2 * self.layer.weight

    def forward(self, x):
        return self.layer(x)


class Raising(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.layer, self.error = nn.Linear(3, 2), error

    def forward(self, x):
        raise self.error


def blown_up():
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.fill_(np.nan)
    return layer


def lazy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # older torch says that lazy modules are new
        return nn.LazyLinear(2)


CASES = {
    "diagnose": [
        (lambda: design.diagnose("net", X), "module must be a torch module, but a str was given"),
        (lambda: design.diagnose(nn.ReLU(), X), "has no parameters"),
        (lambda: design.diagnose(lazy(), X), "lazy layers"),
        (lambda: design.diagnose(blown_up(), X), "weight holds values that are NaN"),
        (lambda: design.diagnose(LINE, X[:1]), "at least two inputs"),
        (lambda: design.diagnose(LINE, X[0]), "batch must have the shape (n, …)"),
        (lambda: design.diagnose(LINE, X * np.nan), "batch holds 12 values that are NaN"),
        (lambda: design.diagnose(LINE, X * 0), "batch is zero everywhere"),
        (lambda: design.diagnose(LINE, "data"), "batch must be an array"),
        (lambda: design.diagnose(Raising(KeyError("mask")), X), "shape (4, 3): KeyError: 'mask'."),
        (lambda: design.diagnose(Raising(AssertionError()), X), "shape (4, 3): AssertionError."),
        (lambda: design.diagnose(LINE, X[:, :2]), "can't be run on a batch of the shape (4, 2)"),
        (lambda: design.diagnose(nn.LSTM(3, 2), X), "must give one tensor"),
        (lambda: design.diagnose(Branching(), X), "takes another path for another batch"),
        (lambda: design.diagnose(Cut(), X), "does not depend on its parameters"),
        (lambda: design.diagnose(Outside(), X), "No linear layer or convolution was seen"),
        (lambda: design.diagnose(Uncopied(), X), "can't be copied"),
        (lambda: design.diagnose(LINE, X, seed=-1), "seed must be"),
    ],
    "Diagnosis.plot": [(lambda: FOUND.plot("figure"), "figure must be a matplotlib figure")],
    "region": [
        (lambda: design.region("tahn", 10), "tanh"),
        (lambda: design.region("tanh", 0), "depth must be"),
        (lambda: design.region("tanh", 2.5), "depth must be a whole number"),
        (lambda: design.region("tanh", 10, 0.8), "must be None or a noise"),
        (lambda: design.region("tanh", 10, weights="gausian"), "Did you mean 'gaussian'"),
        (lambda: design.region("tanh", 10, weight_vars=[0.0, 1.0]), "positive"),
        (lambda: design.region("tanh", 10, bias_vars=[-0.1]), "at least 0"),
        (lambda: design.region("tanh", 10, bias_vars=[]), "empty"),
        (lambda: design.region("tanh", 10, weight_vars=[[1.0]]), "axes"),
        (lambda: design.region("tanh", 10, weight_vars=[np.nan]), "NaN"),
        (lambda: design.region("tanh", 10, dtype="float23"), "float32"),
        (lambda: design.region("tanh", 10, gradient=0.0), "gradient must be"),
        (lambda: design.region("tanh", 10, correlation=-6.0), "correlation must be"),
        (lambda: design.region("tanh", 10, isometry=np.nan), "isometry must be"),
        (lambda: design.region("relu", 10, noise.AdditiveGaussian(var=-1.0)), "var"),
        (lambda: design.region("sign", 10), "sign"),
    ],
    "Region.sample": [
        (lambda: REGION.sample(0), "n must be"),
        (lambda: REGION.sample(3, rng=-1), "rng must be"),
        (lambda: NONE.sample(3), "theory allows no point of this grid"),
    ],
    "Region.plot": [
        (lambda: REGION.plot(Figure()), "ax must be matplotlib axes"),
        (lambda: NONE.plot(), "at least two points a side"),
    ],
}
RECORDS = ["Diagnosis", "Finding", "Layer", "Region", "Setting"]
NOTHING_TO_REFUSE = dict.fromkeys(RECORDS, "a record that diagnose and region fill in")
