"""Bad input for rmtlab.networks."""

import numpy as np
import torch

from rmtlab._torch_layers import NetworkModule
from rmtlab.layers import Activation, Dense, Noise, State
from rmtlab.networks import CNN, MLP, Mixer, Network, ResNet, TransformerBlock, serial
from rmtlab.noise import Dropout

NET = MLP(2, "relu")
ONES = np.ones((2, 3))
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
    "CNN": [
        (lambda: CNN(0, "relu"), "depth must be a whole number of at least 1"),
        (lambda: CNN(2, "relu", size=2), "size must be odd"),
        (lambda: CNN(2, "relu", dimensions=3), "dimensions must be 1 or 2"),
        (lambda: CNN(2, "relu", read_out="flaten"), "Did you mean 'flatten'"),
        (lambda: CNN(2, "relu").kernel(ONES), "A Conv2d needs inputs of the shape"),
    ],
    "ResNet": [
        (lambda: ResNet(0, "relu"), "depth must be a whole number of at least 1"),
        (lambda: ResNet(2, "relu", branch_var=-1.0), "branch_var must be a finite number at least 0"),
        (lambda: ResNet(2, "rleu", size=None), "Did you mean 'relu'"),
    ],
    "TransformerBlock": [
        (lambda: TransformerBlock(0), "depth must be a whole number of at least 1"),
        (lambda: TransformerBlock(query_var=-1.0), "query_var must be a finite number at least 0"),
        (lambda: TransformerBlock().kernel(ONES), "needs positions that look at each other"),
    ],
    "Mixer": [
        (lambda: Mixer(0, 4), "depth must be a whole number of at least 1"),
        (lambda: Mixer(1, 0), "tokens must be a whole number of at least 1"),
        (lambda: Mixer(1, 4, "rleu"), "Did you mean 'relu'"),
        (lambda: Mixer(1, 4, token_var=-1.0), "token_var must be a finite number at least 0"),
        (lambda: Mixer(1, 4, expansion=0), "expansion must be a whole number of at least 1"),
        (lambda: Mixer(1, 4, token_seed=-1), "token_seed must be a whole number of at least 0"),
        (lambda: Mixer(1, 4, read_out="flaten"), "Did you mean 'flatten'"),
        (lambda: Mixer(1, 4).kernel(ONES), "needs positions to mix"),
        (lambda: Mixer(1, 4).kernel(np.ones((2, 3, 5))), "needs branches with the same positions"),
        (lambda: Mixer(1, 5, trained_tokens=True).kernel(np.ones((2, 3, 5))), "no infinite-width kernel"),
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
        (lambda: NET.sample(2, in_features=1, device="gpu"), "device must be a device of torch"),
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
        (lambda: CNN(1, "relu").sample(3, in_features=1), "A Conv2d needs inputs of the shape"),
        (lambda: NET.sample(3, in_features=1, positions=(0,)), "positions must be a whole number"),
        (lambda: NET.sample(3, in_features=1, dtype="float16"), "dtype cannot be 'float16'"),
    ],
    "Network.kernel": [
        (lambda: NET.kernel(ONES, device="gpu"), "device must be a device of torch"),
        (lambda: NET.kernel([1.0, 2.0]), "x1 must have 2 axes or more"),
        (lambda: NET.kernel(ONES, [1.0, 2.0]), "x2 must have 2 axes or more"),
        (lambda: NET.kernel([[np.nan]]), "x1 holds 1 values that are NaN or infinite"),
        (lambda: NET.kernel(ONES, np.ones((2, 4))), "x1 has 3 and x2 has 4"),
        (lambda: NET.kernel(ONES, width=0), "width must be a whole number of at least 1"),
        (lambda: NET.kernel(ONES, dtype="float46"), "Did you mean 'float64'"),
        (lambda: NET.kernel(ONES, block=0), "block must be a whole number of at least 1"),
        (lambda: MLP(2, "relu", parameterization="standard").kernel(ONES), "grows with the width"),
        (lambda: MLP(600, "relu", weight_var=20.0).kernel(ONES), "leave the range of float64 at layer"),
        (lambda: NET.kernel(1e30 * ONES, dtype="float32"), "leave the range of float32 at the input"),
        (lambda: NET.kernel(np.ones((2, 3, 4))), "still has positions"),
    ],
    "NetworkModule.forward": input_cases(MODULE),
    "NetworkModule.preactivations": input_cases(MODULE.preactivations),
}

NOTHING_TO_REFUSE = {
    "Kernel": "Network.kernel makes it",
    "NetworkModule": "Network.sample makes it from checked input",
}
