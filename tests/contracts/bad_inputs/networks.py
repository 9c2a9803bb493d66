"""Bad input for rmtlab.networks."""

import numpy as np
import torch

from rmtlab._torch_layers import NetworkModule
from rmtlab.layers import Activation, Dense, Noise, State
from rmtlab.networks import MLP, Network, serial
from rmtlab.noise import Dropout

NET = MLP(2, "relu")
MODULE = NET.sample(3, in_features=2)
RETURNED = [NetworkModule]


def input_cases(face):
    return [
        (lambda: face(np.ones(3)), "x must have the shape (n, 2), one input of 2 features a row"),
        (lambda: face(torch.ones(4, 3)), "but its shape is (4, 3)"),
        (lambda: face(1.0), "x must have the shape (n, 2)"),
        (lambda: face("digits"), "x must be an array of real numbers"),
        (lambda: face([[1.0, np.nan]]), "x holds 1 values that are NaN or infinite"),
        (lambda: face(torch.tensor([[1.0, np.inf]])), "x holds values that are NaN or infinite"),
        (lambda: face(np.array([[1.0, 1j]])), "x must be real, but complex numbers were given"),
        (lambda: face(torch.tensor([[1.0, 1j]])), "x must be real, but complex numbers were given"),
    ]


CASES = {
    "MLP": [
        (lambda: MLP(0, "relu"), "depth must be a whole number of at least 1"),
        (lambda: MLP(2.5, "relu"), "depth must be a whole number, but 2.5"),
        (lambda: MLP(2, "tahn"), "Did you mean 'tanh'"),
        (lambda: MLP(2, np.tanh), "activation must be a name or an rmtlab activation"),
        (lambda: MLP(2, "relu", weight_var=-2.0), "weight_var must be a finite number at least 0"),
        (lambda: MLP(2, "relu", bias_var=np.inf), "bias_var must be a finite number at least 0"),
        (lambda: MLP(2, "relu", weights="haar"), "weights cannot be 'haar'"),
        (lambda: MLP(2, "relu", noise=0.8), "noise must be a noise of rmtlab.noise"),
        (lambda: MLP(2, "relu", parameterization="mup"), "parameterization cannot be 'mup'"),
    ],
    "serial": [
        (lambda: serial(), "needs a Dense as its last layer"),
        (lambda: serial(Dense(), Activation("relu")), "needs a Dense as its last layer"),
        (lambda: serial(Dense(), Dense()), "put an Activation between them"),
        (lambda: serial(Activation("relu"), Dense()), "An Activation needs a Dense before it"),
        (lambda: serial(Dense(), Noise(Dropout(0.5)), Dense()), "it meets preactivations"),
        (lambda: serial("relu", Dense()), "Layer 1 of the network is a str"),
        (lambda: serial([Dense()]), "Layer 1 of the network is a list"),
    ],
    "Network": [
        (lambda: Network(()), "needs a Dense as its last layer"),
        (lambda: Network(Dense()), "layers must be a sequence of layers, but a Dense was given"),
    ],
    "Network.propagate": [
        (lambda: NET.propagate(np.ones((2, 2))), "state must be a State"),
        (
            lambda: NET.propagate(Dense().propagate(State.from_inputs([[1.0]]))),
            "put an Activation between them",
        ),
    ],
    "Network.sample": [
        (lambda: NET.sample(0, in_features=1), "width must be a whole number of at least 1"),
        (lambda: NET.sample([3, 0], in_features=1), "width must be a whole number of at least 1"),
        (
            lambda: NET.sample([3, 3, 3], in_features=1),
            "one for each of the 2 hidden layers, but 3 were given",
        ),
        (lambda: NET.sample("wide", in_features=1), "width must be a whole number"),
        (lambda: NET.sample([[3, 3], [3, 3]], in_features=1), "width must be a whole number"),
        (lambda: NET.sample(3, in_features=0), "in_features must be a whole number of at least 1"),
        (lambda: NET.sample(3, in_features=1, out_features=-1), "out_features must be a whole number"),
        (lambda: NET.sample(3, in_features=1, seed=-1), "seed must be a whole number of at least 0"),
        (lambda: NET.sample(3, in_features=1, seed=None), "seed must be a whole number"),
        (lambda: NET.sample(3, in_features=1, dtype="float16"), "dtype cannot be 'float16'"),
    ],
    "NetworkModule.forward": input_cases(MODULE),
    "NetworkModule.preactivations": input_cases(MODULE.preactivations),
}

NOTHING_TO_REFUSE = {"NetworkModule": "Network.sample makes it from checked input"}
