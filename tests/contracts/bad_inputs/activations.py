"""Bad input to rmtlab.activations."""

import math

import numpy as np
import torch

from rmtlab.activations import get, register

CASES = {
    "get": [
        (lambda: get("rleu"), "'relu'"),
        (lambda: get("hard-tanh"), "'hard_tanh'"),
        (lambda: get(3), "activation"),
        (lambda: get("relu", slope=0.1), "takes no parameters"),
        (lambda: get("leaky_relu", slpoe=0.1), "'slope'"),
        (lambda: get("leaky_relu", slope=math.nan), "finite"),
        (lambda: get("leaky_relu", slope="steep"), "number"),
        (lambda: get("shifted_relu"), "needs alpha"),
        (lambda: get(get("relu"), slope=0.1), "parameters already"),
    ],
    "register": [
        (lambda: register("relu", np.tanh), "overwrite=True"),
        (lambda: register("not a name", np.tanh), "identifier"),
        (lambda: register(3, np.tanh), "identifier"),
        (lambda: register("bad", 3.0), "callable"),
        (lambda: register("bad", np.tanh, derivative=1.0), "callable"),
        (lambda: register("bad", np.tanh), "pass derivative="),
        (lambda: register("bad", math.tanh), "neither on an array"),
        (lambda: register("bad", np.sum), "shape ()"),
        (lambda: register("bad", lambda x: x / np.sum(np.abs(x)), np.cos), "entry by entry"),
        (lambda: register("bad", np.log, lambda x: 1 / x), "finite for every x"),
        (lambda: register("bad", lambda x: x + 1j, np.cos), "real numbers"),
        (lambda: register("bad", np.sin, derivative=np.sin), "rises there at the rate"),
        (lambda: register("bad", np.floor, np.zeros_like, kinks=(0.0,)), "jumps from -1 to 0"),
        (lambda: register("bad", np.sin, np.cos, kinks=0.0), "sequence"),
        (lambda: register("bad", np.sin, np.cos, kinks=(math.nan,)), "NaN"),
        (lambda: register("bad", np.sin, np.cos, homogeneous=True), "not homogeneous"),
    ],
    "Activation.__call__": [
        (lambda: get("relu")(None), "real numbers"),
        (lambda: get("relu")([None, 1.0]), "real numbers"),
        (lambda: get("relu")(np.array([1j])), "complex128"),
        (lambda: get("relu")(torch.tensor([1j])), "complex64"),
    ],
    "Activation.derivative": [
        (lambda: get("relu").derivative("abc"), "real numbers"),
        (lambda: get("relu").derivative(None), "real numbers"),
        (lambda: get("tanh").derivative(torch.tensor([1j])), "complex64"),
    ],
    "Activation.moment": [
        (lambda: get("relu").moment(-1.0), "at least 0"),
        (lambda: get("relu").moment([1.0, math.nan]), "NaN"),
        (lambda: get("relu").moment(1.0, 0), "at least 1"),
        (lambda: get("relu").moment(1.0, 1.5), "whole number"),
    ],
    "Activation.derivative_moment": [
        (lambda: get("tanh").derivative_moment(-1.0), "at least 0"),
        (lambda: get("tanh").derivative_moment(1.0, -1), "at least 1"),
    ],
    "Activation.dual": [
        (lambda: get("relu").dual(-1.0, 1.0, 0.0), "q11 is a variance"),
        (lambda: get("relu").dual(1.0, -1.0, 0.0), "q22 is a variance"),
        (lambda: get("relu").dual(1.0, 1.0, 1.1), "√(q11·q22)"),
        (lambda: get("relu").dual(0.0, 1.0, 0.1), "impossible"),
        (lambda: get("relu").dual(1.0, 1.0, math.nan), "NaN"),
        (lambda: get("relu").dual(np.ones(2), np.ones(3), 0.0), "broadcast"),
    ],
}
NOTHING_TO_REFUSE = {
    "names": "takes no argument",
    "Activation": "made by get and register, which check",
}
