"""Bad input to `rmtlab.gaussian`."""

import math

import numpy as np

from rmtlab.gaussian import expectation, expectation2

UNIT = [[1.0, 0.5], [0.5, 1.0]]

CASES = {
    "expectation": [
        (lambda: expectation(np.tanh, var=-1.0), "var must not be negative"),
        (lambda: expectation(np.tanh, var=[1.0, np.nan]), "var holds 1 values that are NaN"),
        (lambda: expectation(np.tanh, var="one"), "var must be an array of real numbers"),
        (lambda: expectation(np.tanh, var=[]), "var is empty"),
        (lambda: expectation("tanh"), "f must be a function"),
        (lambda: expectation(math.tanh), "f must take a NumPy array"),
        (lambda: expectation(lambda x: max(x, 0)), "f must take a NumPy array"),
        (lambda: expectation(lambda x: 1.0), "np.full_like"),
        (lambda: expectation(lambda x: x[:1]), "array of the shape it was given"),
        (lambda: expectation(lambda x: x.astype(np.float32)), "float32"),
        (lambda: expectation(lambda x: x + 1j), "complex128"),
        (lambda: expectation(lambda x: np.sqrt(x)), "f gives NaN at x ="),
        (lambda: expectation(np.tanh, kinks=[np.inf]), "kinks holds 1 values"),
        (lambda: expectation(np.tanh, kinks=[[0.0], [1.0]]), "kinks must have 1 axes"),
        (lambda: expectation(np.tanh, kinks="zero"), "kinks must be an array"),
        (lambda: expectation(lambda x: np.exp(x**2)), "not finite in float64"),
        (lambda: expectation(np.exp, var=1e4), "f is infinite at |x|"),
        (lambda: expectation(lambda x: 1 / np.abs(x)), "could not be resolved"),
    ],
    "expectation2": [
        (lambda: expectation2(np.tanh, np.tanh, [1.0, 0.5]), "cov must have shape (2, 2)"),
        (lambda: expectation2(np.tanh, np.tanh, np.eye(3)), "cov must have shape (2, 2)"),
        (lambda: expectation2(np.tanh, np.tanh, [[1.0]]), "cov must have shape (2, 2)"),
        (lambda: expectation2(np.tanh, np.tanh, [[1.0, 0.5], [0.4, 1.0]]), "cov must be symmetric"),
        (
            lambda: expectation2(np.tanh, np.tanh, [[-1.0, 0.0], [0.0, 1.0]]),
            "variances that are not negative",
        ),
        (lambda: expectation2(np.tanh, np.tanh, [[1.0, 1.2], [1.2, 1.0]]), "its correlation is 1.2"),
        (lambda: expectation2(np.tanh, np.tanh, [[0.0, 0.1], [0.1, 1.0]]), "its correlation is inf"),
        (lambda: expectation2(np.tanh, np.tanh, [[1.0, np.nan], [np.nan, 1.0]]), "NaN or infinite"),
        (lambda: expectation2(np.tanh, None, UNIT), "g must be a function"),
        (lambda: expectation2(np.tanh, math.tanh, UNIT), "g must take a NumPy array"),
        (lambda: expectation2(np.tanh, lambda x: 2.0, UNIT), "np.full_like"),
        (lambda: expectation2(np.tanh, lambda x: np.log(x), UNIT), "g gives NaN at x ="),
        (lambda: expectation2(np.tanh, np.tanh, UNIT, kinks=[np.nan]), "kinks holds 1 values"),
        (lambda: expectation2(np.tanh, lambda x: np.exp(x**2), UNIT), "g is infinite at |x|"),
        (lambda: expectation2(np.tanh, lambda x: 1 / np.abs(x), UNIT), "could not be resolved"),
    ],
}

NOTHING_TO_REFUSE: dict[str, str] = {}
