"""Bad input for `rmtlab.ntk`."""

import numpy as np
import torch
from torch import nn

import rmtlab as rl
from rmtlab import ntk

NET = rl.MLP(1, "relu", 2.0)
MODULE = NET.sample(4, in_features=3, out_features=2)
X, Y = np.eye(3), np.ones((3, 2))
DYNAMICS = ntk.LinearDynamics(np.diag([2.0, 1.0]))
ENSEMBLE = ntk.GradientFlow(NET).fit(X, Y)
SINGULAR = ntk.GradientFlow(NET).fit(np.ones((2, 3)), [1.0, 1.0])
NOISY = rl.MLP(1, "relu", 2.0, noise=rl.noise.Dropout(keep=0.5))


class Outside(nn.Module):
    """Draws noise, and uses a weight outside its layer."""

    def __init__(self):
        super().__init__()
        self.layer, self.noise = nn.Linear(3, 3), nn.Dropout(0.5)

    def forward(self, x):
        return self.noise(self.layer(x) @ self.layer.weight)


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        return self.layer(x), x


NORMALISED = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
UNTRACKED = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False)).eval()
IMAGES = nn.Conv1d(2, 2, 2)


def modules(function):
    """Cases of what takes a module."""
    return [
        (lambda: function(NET), "module must be a torch module, but a Network was given"),
        (lambda: function(nn.ReLU()), "has no parameter that asks for a gradient"),
        (lambda: function(NORMALISED), "call module.eval() first"),
        (lambda: function(UNTRACKED), "keep running statistics"),
    ]


CASES = {
    "empirical": [
        *modules(lambda module: ntk.empirical(module, X)),
        (lambda: ntk.empirical(MODULE, X, outputs="trace"), "outputs cannot be 'trace'"),
        (lambda: ntk.empirical(MODULE, X, method="jacobi"), "Did you mean 'jacobian'"),
        (lambda: ntk.empirical(MODULE, X, memory=0), "memory must be a finite number above 0"),
        (lambda: ntk.empirical(MODULE, X, memory=100, method="jacobian"), "memory=100 bytes is too little"),
        (lambda: ntk.empirical(MODULE, X[0]), "x1 must have the shape (n, …)"),
        (lambda: ntk.empirical(MODULE, X, X[0]), "x2 must have the shape (n, …)"),
        (lambda: ntk.empirical(MODULE, [[np.nan, 0.0, 1.0]]), "x1 holds 1 values that are NaN"),
        (lambda: ntk.empirical(MODULE, X, np.ones((2, 4))), "those of x1 are (3,) and those of x2 (4,)"),
        (lambda: ntk.empirical(MODULE, np.ones((2, 4))), "x must have the shape (n, 3)"),
        (lambda: ntk.empirical(nn.Linear(3, 1), np.ones((2, 4))), "can't take inputs of the shape (2, 4)"),
        (lambda: ntk.empirical(IMAGES, np.ones((2, 2, 3))), "it gives the shape (1, 2, 2) for one"),
        (lambda: ntk.empirical(Pair(), X), "it gives a tuple for one"),
        (lambda: ntk.empirical(Outside().eval(), X, method="layerwise"), "layer-wise identity does not hold"),
        (lambda: ntk.empirical(Outside(), X), "draws noise, and its Jacobian is taken input by input"),
        (lambda: ntk.empirical(MODULE, torch.ones(0, 3)), "x1 is empty"),
    ],
    "linearize": modules(ntk.linearize),
    "LinearDynamics": [
        (lambda: ntk.LinearDynamics(np.ones((2, 3))), "kernel must be square"),
        (lambda: ntk.LinearDynamics(np.tri(3)), "kernel must be symmetric"),
        (lambda: ntk.LinearDynamics(np.ones(3)), "kernel must have 2 or 4 axes"),
        (lambda: ntk.LinearDynamics(np.ones((2, 2, 3, 1))), "kernel must have the shape (n1, n2, o, o)"),
        (lambda: ntk.LinearDynamics([[1.0, np.nan], [np.nan, 1.0]]), "kernel holds 2 values that are NaN"),
        (lambda: ntk.LinearDynamics(np.diag([1.0, -0.5])), "kernel must be positive semi-definite"),
        (lambda: ntk.LinearDynamics(np.zeros((2, 2))), "positive semi-definite and not 0"),
    ],
    "LinearDynamics.change": [
        (lambda: DYNAMICS.change(np.ones((1, 3)), Y[:2]), "kernel_test is Θ(test, training)"),
        (lambda: DYNAMICS.change(np.ones((1, 2)), Y), "a residual has a row for each training input"),
        (lambda: DYNAMICS.change(np.ones((1, 2)), [1.0, 1.0]), "residual must have 2 axes"),
        (lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], -1.0), "time must be one number"),
        (lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], np.nan), "time must be one number"),
        (lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], "end"), "time must be a number"),
        (lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], []), "time must be one number"),
        (
            lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], 1.0, steps=3, step_size=0.1),
            "steps together with step_size, and not both",
        ),
        (lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], steps=3), "steps together with step_size"),
        (lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], step_size=0.1), "steps together with step_size"),
        (
            lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], steps=1.5, step_size=0.1),
            "steps must be one whole",
        ),
        (lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], steps=-1, step_size=0.1), "steps must be one whole"),
        (lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], steps=1, step_size=0), "step_size must be"),
        (
            lambda: DYNAMICS.change(np.ones((1, 2)), Y[:2], steps=10**6, step_size=1.1),
            "it converges below max_step_size=1",
        ),
    ],
    "GradientFlow": [
        (lambda: ntk.GradientFlow(MODULE), "net must be a network such as rmtlab.MLP"),
        (lambda: ntk.GradientFlow(NET, width=0), "width must be a whole number of at least 1"),
    ],
    "GradientFlow.fit": [
        (lambda: ntk.GradientFlow(NET).fit(X, Y[:2]), "x and y must go together"),
        (lambda: ntk.GradientFlow(NET).fit(X, [np.nan, 0.0, 1.0]), "y holds 1 values that are NaN"),
        (lambda: ntk.GradientFlow(NOISY).fit(X, Y), "fresh noise at every step is no gradient flow"),
        (
            lambda: ntk.GradientFlow(rl.MLP(1, "relu", 2.0, parameterization="standard")).fit(X, Y),
            "grows with the width",
        ),
    ],
    "Ensemble.predict": [
        (lambda: ENSEMBLE.predict(np.ones((2, 4))), "equally many features"),
        (lambda: ENSEMBLE.predict([[np.nan, 1.0, 0.0]]), "x_test holds 1 values that are NaN"),
        (lambda: ENSEMBLE.predict(X, -1.0), "time must be one number"),
        (lambda: ENSEMBLE.predict(X, steps=3), "steps together with step_size"),
        (lambda: SINGULAR.predict(np.ones((1, 3))), "Θ is singular to working precision"),
    ],
}

NOTHING_TO_REFUSE = {
    "Ensemble": "made by GradientFlow.fit, from what it has checked",
    "Prediction": "made by Ensemble.predict, from what it has checked",
}
