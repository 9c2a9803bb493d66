"""Bad input for rmtlab.layers."""

import numpy as np

from rmtlab.layers import Activation, Dense, Noise, State
from rmtlab.noise import Dropout

ONES = np.ones((2, 3))
SIGNAL = State.from_inputs(ONES)
PREACTIVATION = Dense().propagate(SIGNAL)
NOISE = Noise(Dropout(keep=0.5))
PAIR, DIAGONAL = np.ones((2, 2)), np.ones(2)

CASES = {
    "State": [
        (lambda: State(np.ones((2, 3)), PAIR, DIAGONAL, DIAGONAL), "nngp and ntk must have the shape (2, 2)"),
        (lambda: State(PAIR, PAIR[0], DIAGONAL, DIAGONAL), "nngp and ntk must have the shape (2, 2)"),
        (
            lambda: State(PAIR, PAIR, DIAGONAL, DIAGONAL, kind="preactivations"),
            "Did you mean 'preactivation'",
        ),
        (lambda: State(np.tri(2), PAIR, DIAGONAL, DIAGONAL, one_pass=True), "nngp must be symmetric"),
        (lambda: State(PAIR, np.tri(2), DIAGONAL, DIAGONAL, one_pass=True), "ntk must be symmetric"),
        (lambda: State(PAIR, PAIR, DIAGONAL, [1.0, np.nan]), "diag2 holds 1 values that are NaN"),
    ],
    "State.from_inputs": [
        (lambda: State.from_inputs([1.0, 2.0]), "x1 must have 2 axes"),
        (lambda: State.from_inputs(ONES, [1.0, 2.0]), "x2 must have 2 axes"),
        (lambda: State.from_inputs([[np.nan]]), "x1 holds 1 values that are NaN or infinite"),
        (lambda: State.from_inputs(np.ones((0, 3))), "x1 is empty"),
        (lambda: State.from_inputs(ONES, np.ones((2, 4))), "x1 has 3 and x2 has 4"),
        (lambda: State.from_inputs(ONES, width=0), "width must be a whole number of at least 1"),
        (lambda: State.from_inputs("digits"), "x1 must be an array of real numbers"),
    ],
    "Layer.propagate": [(lambda: Dense().propagate(None), "state must be a State")],
    "Layer.module": [(lambda: Dense().module(0, 1), "in_features must be a whole number of at least 1")],
    "Dense": [
        (lambda: Dense(weight_var=-1.0), "weight_var must be a finite number at least 0, but -1.0"),
        (lambda: Dense(bias_var=-0.1), "bias_var must be a finite number at least 0"),
        (lambda: Dense(weight_var=np.nan), "weight_var must be a finite number"),
        (lambda: Dense(weight_var="two"), "weight_var must be a number"),
        (lambda: Dense(weights="orthogonl"), "Did you mean 'orthogonal'?"),
        (lambda: Dense(parameterization="NTK"), "Known: 'ntk', 'standard'."),
        (lambda: Dense(parameterization="standart"), "Did you mean 'standard'?"),
    ],
    "Dense.propagate": [
        (lambda: Dense().propagate(ONES), "state must be a State, but a ndarray was given"),
        (lambda: Dense().propagate(PREACTIVATION), "put an Activation between them"),
        (
            lambda: Dense(parameterization="standard").propagate(Activation("relu").propagate(PREACTIVATION)),
            "the tangent kernel grows with the width",
        ),
    ],
    "Dense.module": [
        (lambda: Dense().module(0, 1), "in_features must be a whole number of at least 1"),
        (lambda: Dense().module(1, 2.5), "out_features must be a whole number"),
        (lambda: Dense().module(1, 1, rng="seed"), "rng must be a whole number"),
        (lambda: Dense().module(1, 1, dtype="float46"), "Did you mean 'float64'"),
        (lambda: Dense().module(1, 1, dtype="int64"), "dtype cannot be 'int64'"),
    ],
    "Activation": [
        (lambda: Activation("rleu"), "Did you mean 'relu'"),
        (lambda: Activation(np.tanh), "activation must be a name or an rmtlab activation"),
    ],
    "Activation.propagate": [
        (lambda: Activation("relu").propagate(SIGNAL), "An Activation needs a Dense before it"),
        (lambda: Activation("relu").propagate(ONES), "state must be a State"),
    ],
    "Activation.module": [
        (lambda: Activation("relu").module(2, 3), "An Activation keeps the number of features"),
        (lambda: Activation("relu").module(0, 0), "in_features must be a whole number of at least 1"),
    ],
    "Noise": [
        (lambda: Noise("dropout"), "noise must be a noise of rmtlab.noise"),
        (lambda: Noise(0.5), "rmtlab.noise.Dropout(keep=0.8) is one"),
    ],
    "Noise.propagate": [
        (lambda: NOISE.propagate(PREACTIVATION), "it meets preactivations"),
        (lambda: NOISE.propagate(ONES), "state must be a State"),
    ],
    "Noise.module": [
        (lambda: NOISE.module(2, 3), "Noise keeps the number of features"),
        (lambda: NOISE.module(2, 2, rng=-1), "rng must be a whole number of at least 0"),
    ],
}

NOTHING_TO_REFUSE: dict[str, str] = {}
