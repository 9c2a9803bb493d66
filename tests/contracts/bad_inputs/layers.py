"""Bad input for rmtlab.layers."""

import numpy as np

from rmtlab.layers import (
    Activation,
    Attention,
    AvgPool,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool,
    LayerNorm,
    Noise,
    Residual,
    State,
    Sum,
    TokenMixing,
)
from rmtlab.noise import Dropout

ONES = np.ones((2, 3))
SIGNAL = State.from_inputs(ONES)
PREACTIVATION = Dense().propagate(SIGNAL)
NOISE = Noise(Dropout(keep=0.5))
SEQUENCES = State.from_inputs(np.ones((2, 3, 5)))
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
        (
            lambda: State(PAIR, PAIR, DIAGONAL, DIAGONAL, gap=np.ones(2)),
            "nngp and ntk must have the shape (2, 2)",
        ),
        (
            lambda: State(PAIR, PAIR, DIAGONAL, DIAGONAL, positions=(2,)),
            "nngp and ntk must have the shape (2, 2, 2)",
        ),
        (lambda: State(PAIR, PAIR, DIAGONAL, [1.0, np.nan]), "diag2 holds 1 values that are NaN"),
    ],
    "State.from_inputs": [
        (lambda: State.from_inputs([1.0, 2.0]), "x1 must have 2 axes or more"),
        (lambda: State.from_inputs(ONES, [1.0, 2.0]), "x2 must have 2 axes or more"),
        (lambda: State.from_inputs([[np.nan]]), "x1 holds 1 values that are NaN or infinite"),
        (lambda: State.from_inputs(np.ones((0, 3))), "x1 is empty"),
        (lambda: State.from_inputs(ONES, np.ones((2, 4))), "x1 has 3 and x2 has 4"),
        (lambda: State.from_inputs(ONES, width=0), "width must be a whole number of at least 1"),
        (lambda: State.from_inputs("digits"), "x1 must be an array of real numbers"),
    ],
    "Layer.propagate": [
        (lambda: LayerNorm().propagate(SIGNAL), "A LayerNorm needs preactivations before it"),
        (lambda: Conv1d().propagate(SIGNAL), "A Conv1d needs inputs of the shape (n, channels, length)"),
        (lambda: Conv2d().propagate(SEQUENCES), "(n, channels, height, width)"),
        (lambda: Conv1d(size=7, padding="none").propagate(SEQUENCES), "does not fit into positions (5,)"),
        (lambda: Flatten().propagate(SIGNAL), "A Flatten needs positions, but it meets a flat signal"),
        (lambda: GlobalAvgPool().propagate(SEQUENCES), "all_pairs=True"),
        (
            lambda: AvgPool(6).propagate(State.from_inputs(np.ones((2, 3, 5)), all_pairs=True)),
            "AvgPool(6) needs larger positions",
        ),
        (lambda: Attention().propagate(SIGNAL), "needs positions that look at each other"),
        (lambda: Residual(Activation("relu")).propagate(PREACTIVATION), "at the end of all branches but one"),
        (lambda: Sum(Dense(), Dense()).propagate(PREACTIVATION), "put an Activation between them"),
        (lambda: TokenMixing().propagate(SIGNAL), "needs positions to mix"),
        (lambda: TokenMixing().propagate(SEQUENCES), "all_pairs=True"),
        (
            lambda: TokenMixing(trained=True).propagate(
                State.from_inputs(np.ones((2, 3, 5)), all_pairs=True)
            ),
            "no infinite-width kernel",
        ),
        (lambda: Dense().propagate(None), "state must be a State"),
        (lambda: Dense().propagate(ONES), "state must be a State, but a ndarray was given"),
        (lambda: Dense().propagate(PREACTIVATION), "put an Activation between them"),
        (
            lambda: Dense(parameterization="standard").propagate(Activation("relu").propagate(PREACTIVATION)),
            "the tangent kernel grows with the width",
        ),
        (lambda: Activation("relu").propagate(SIGNAL), "An Activation needs a Dense before it"),
        (lambda: Activation("relu").propagate(ONES), "state must be a State"),
        (lambda: NOISE.propagate(PREACTIVATION), "it meets preactivations"),
        (lambda: NOISE.propagate(ONES), "state must be a State"),
    ],
    "Layer.module": [
        (lambda: Flatten().module(2, 2, positions=(3,)), "A Flatten keeps the number of features"),
        (lambda: TokenMixing().module(2, 3, positions=(3,)), "A TokenMixing keeps the number of features"),
        (lambda: TokenMixing().module(2, 2), "needs positions to mix"),
        (lambda: Residual(Dense()).module(2, 3), "A Residual keeps the number of features"),
        (lambda: Sum((), Dense()).module(2, 3), "ends with 2 features, and another with 3"),
        (lambda: AvgPool().module(2, 2, positions=(4, 4, 4)), "number of positions cannot be '3'"),
        (lambda: Dense().module(0, 1), "in_features must be a whole number of at least 1"),
        (lambda: Dense().module(1, 2.5), "out_features must be a whole number"),
        (lambda: Dense().module(1, 1, rng="seed"), "rng must be a whole number"),
        (lambda: Dense().module(1, 1, dtype="float46"), "Did you mean 'float64'"),
        (lambda: Dense().module(1, 1, dtype="int64"), "dtype cannot be 'int64'"),
        (lambda: Activation("relu").module(2, 3), "An Activation keeps the number of features"),
        (lambda: Activation("relu").module(0, 0), "in_features must be a whole number of at least 1"),
        (lambda: NOISE.module(2, 3), "Noise keeps the number of features"),
        (lambda: NOISE.module(2, 2, rng=-1), "rng must be a whole number of at least 0"),
        (lambda: Dense().module(1, 1, positions=(0,)), "positions must be a whole number of at least 1"),
    ],
    "Dense": [
        (lambda: Dense(weight_var=-1.0), "weight_var must be a finite number at least 0, but -1.0"),
        (lambda: Dense(bias_var=-0.1), "bias_var must be a finite number at least 0"),
        (lambda: Dense(weight_var=np.nan), "weight_var must be a finite number"),
        (lambda: Dense(weight_var="two"), "weight_var must be a number"),
        (lambda: Dense(weights="orthogonl"), "Did you mean 'orthogonal'?"),
        (lambda: Dense(parameterization="NTK"), "Known: 'ntk', 'standard'."),
        (lambda: Dense(parameterization="standart"), "Did you mean 'standard'?"),
    ],
    "Activation": [
        (lambda: Activation("rleu"), "Did you mean 'relu'"),
        (lambda: Activation(np.tanh), "activation must be a name or an rmtlab activation"),
    ],
    "Conv1d": [
        (lambda: Conv1d(size=4), "size must be odd"),
        (lambda: Conv1d(size=0), "size must be a whole number of at least 1"),
        (lambda: Conv1d(weight_var=-1.0), "weight_var must be a finite number at least 0"),
        (lambda: Conv1d(padding="zeros"), "Did you mean 'zero'"),
    ],
    "Conv2d": [
        (lambda: Conv2d(stride=0), "stride must be a whole number of at least 1"),
        (lambda: Conv2d(bias_var=np.nan), "bias_var must be a finite number"),
        (lambda: Conv2d(parameterization="standart"), "Did you mean 'standard'?"),
    ],
    "AvgPool": [(lambda: AvgPool(0), "size must be a whole number of at least 1")],
    "LayerNorm": [(lambda: LayerNorm(eps=-1.0), "eps must be a finite number at least 0")],
    "Attention": [
        (lambda: Attention(query_var=-1.0), "query_var must be a finite number at least 0"),
        (lambda: Attention(scaling="1/d²"), "Did you mean '1/d'"),
        (lambda: Attention(parameterization="mup"), "parameterization cannot be 'mup'"),
    ],
    "Residual": [
        (lambda: Residual(), "Residual needs a layer or more"),
        (lambda: Residual("relu"), "it holds a str"),
        (lambda: Residual(Dense(), branch_var=-1.0), "branch_var must be a finite number at least 0"),
    ],
    "Sum": [
        (lambda: Sum(Dense()), "Sum needs two branches or more, but 1 were given"),
        (lambda: Sum(Dense(), 3.0), "A branch must be a layer or a sequence of layers"),
        (lambda: Sum(Dense(), ["relu"]), "it holds a str"),
    ],
    "TokenMixing": [
        (lambda: TokenMixing(0), "tokens must be a whole number of at least 1"),
        (lambda: TokenMixing(weight_var=-1.0), "weight_var must be a finite number at least 0"),
        (lambda: TokenMixing(weights="orthogonl"), "Did you mean 'orthogonal'?"),
        (lambda: TokenMixing(seed=-1), "seed must be a whole number of at least 0"),
    ],
    "Noise": [
        (lambda: Noise("dropout"), "noise must be a noise of rmtlab.noise"),
        (lambda: Noise(0.5), "rmtlab.noise.Dropout(keep=0.8) is one"),
    ],
}

NOTHING_TO_REFUSE: dict[str, str] = {}
