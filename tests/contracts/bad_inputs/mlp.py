import numpy as np

import rmtlab as rl
from rmtlab.layers import Activation, Dense, Noise

NET = rl.MLP(depth=1, activation="tanh", weight_var=1.5)
X = np.ones(3)
MIXED = rl.serial(Dense(1.0), Activation("tanh"), Dense(2.0))
NOISY_INSIDE = rl.serial(Dense(), Activation("tanh"), Noise(rl.noise.Dropout(0.5)), Dense())


def of(activation, **changes):
    return rl.MLP(depth=1, activation=activation, **changes)


def cases(function):
    return [
        (lambda: function("tanh", X, 10), "one hidden layer"),
        (lambda: function(rl.MLP(depth=2, activation="tanh"), X, 10), "depth=1"),
        (
            lambda: function(rl.MLP(depth=1, activation="tanh", noise=rl.noise.Dropout(0.5)), X, 10),
            "noiseless",
        ),
        (lambda: function(MIXED, X, 10), "whose two Dense layers are equal"),
        (lambda: function(NOISY_INSIDE, X, 10), "noiseless"),
        (lambda: function(of("relu", weight_var=0.0), X, 10), "has the variance 0"),
        (lambda: function(of("relu", weight_var=1e-200, weights="orthogonal"), X, 10), "of moderate size"),
        (lambda: function(of("exp", weight_var=2000.0), X, 10), "of moderate size"),
        (lambda: function(of("tanh", weight_var=1e300, weights="orthogonal"), X, 10), "moderate size"),
        (lambda: function(NET, np.ones((2, 3)), 10), "one input"),
        (lambda: function(NET, [1.0, np.nan], 10), "NaN"),
        (lambda: function(NET, np.zeros(3), 10), "non-zero"),
        (lambda: function(NET, X, 0), "width"),
        (lambda: function(NET, X, 2.5), "whole number"),
    ]


CASES = {
    "theory": cases(rl.mlp.theory),
    "measure": [
        *cases(rl.mlp.measure),
        (lambda: rl.mlp.measure(NET, X, 10, draws=1), "draws"),
        (lambda: rl.mlp.measure(NET, X, 10, seed=-1), "seed"),
    ],
}
NOTHING_TO_REFUSE = {"OutputStatistics": "a record that theory and measure fill in"}
