"""Bad input for `rmtlab.nngp`."""

import numpy as np

import rmtlab as rl
from rmtlab import nngp

NET = rl.MLP(1, "relu", 2.0)
X, Y = np.eye(3), np.ones((3, 2))
TWICE = np.concatenate([X, X])
PROCESS = nngp.GaussianProcess(NET, noise_var=0.1)
POSTERIOR = PROCESS.fit(X, Y)
FOUND = nngp.grid(lambda depth: rl.MLP(depth, "relu", 2.0), {"depth": [1]}, X, Y, noise_var=0.1)


def grid(build=lambda depth: rl.MLP(depth, "relu", 2.0), parameters=None, x=X, y=Y, **options):
    return nngp.grid(build, {"depth": [1]} if parameters is None else parameters, x, y, **options)


CASES = {
    "GaussianProcess": [
        (lambda: nngp.GaussianProcess("relu"), "net must be a network such as rmtlab.MLP"),
        (lambda: nngp.GaussianProcess(NET.sample(3, in_features=3)), "but a NetworkModule was given"),
        (lambda: nngp.GaussianProcess(NET, noise_var=-0.1), "noise_var must be a finite number at least 0"),
        (lambda: nngp.GaussianProcess(NET, noise_var=np.nan), "noise_var must be a finite number"),
        (lambda: nngp.GaussianProcess(NET, jitter=-1e-6), "jitter must be a finite number at least 0"),
        (lambda: nngp.GaussianProcess(NET, block_size=0), "block_size must be a whole number of at least 1"),
    ],
    "GaussianProcess.fit": [
        (lambda: PROCESS.fit(X, Y[:2]), "x and y must go together, but they hold 3 inputs and 2 targets"),
        (lambda: PROCESS.fit(X[0], Y), "x must have an input a row"),
        (lambda: PROCESS.fit(X, Y[None]), "y must have 1 or 2 axes"),
        (lambda: PROCESS.fit(X, [1.0, np.nan, 0.0]), "y holds 1 values that are NaN or infinite"),
        (lambda: PROCESS.fit([[np.inf, 1.0]], [1.0]), "x holds 1 values that are NaN or infinite"),
        (lambda: PROCESS.fit(X, ["cat", "dog", "cat"]), "class_targets makes them from labels"),
        (
            lambda: nngp.GaussianProcess(NET, jitter=0).fit(TWICE, np.ones(6)),
            "its condition number is above 8e+14, its smallest eigenvalue",
        ),
        (
            lambda: nngp.GaussianProcess(rl.MLP(1, "relu", 0.0)).fit(X, Y),
            "is zero, so that the process is the function zero",
        ),
    ],
    "Posterior.predict": [
        (lambda: POSTERIOR.predict(np.ones((2, 4))), "the shape ('m', 3) of the training inputs"),
        (lambda: POSTERIOR.predict(X[0]), "x_test must have the shape"),
        (lambda: POSTERIOR.predict([[np.nan, 0.0, 1.0]]), "x_test holds 1 values that are NaN"),
    ],
    "class_targets": [
        (lambda: nngp.class_targets([0.5, 1.0]), "labels must be whole numbers"),
        (lambda: nngp.class_targets([-1, 1]), "labels must be whole numbers of at least 0"),
        (lambda: nngp.class_targets([[0, 1]]), "labels must have 1 axes"),
        (lambda: nngp.class_targets([0, 3], n_classes=3), "n_classes=3 is too few for the largest label, 3"),
        (lambda: nngp.class_targets([0, 0], n_classes=1), "n_classes must be a whole number of at least 2"),
    ],
    "grid": [
        (lambda: grid(build=NET), "build must make a network from parameters"),
        (lambda: grid(build=lambda depth: depth), "net must be a network such as rmtlab.MLP"),
        (lambda: grid(parameters={}), "parameters must map names to the values to try"),
        (lambda: grid(parameters=["depth"]), "parameters must map names to the values to try"),
        (lambda: grid(parameters={"depth": []}), "depth has no value to try"),
        (lambda: grid(build=rl.MLP, parameters={"width": [3]}), "build can't take the parameters"),
        (lambda: grid(noise_var=-1.0), "noise_var must be a finite number at least 0"),
        (
            lambda: grid(parameters={"depth": [1], "noise_var": [0.1, -1.0]}),
            "noise_var must be a finite number at least 0",
        ),
        (lambda: grid(y=Y[:2]), "x and y must go together"),
        (lambda: grid(x_valid=X), "x_valid and y_valid go together"),
        (lambda: grid(x_valid=np.ones((2, 4)), y_valid=np.ones((2, 2))), "x_valid must have the shape"),
        (lambda: grid(x_valid=X, y_valid=np.ones(3)), "y and y_valid must have equally many outputs"),
    ],
    "Grid.best": [
        (lambda: FOUND.best("errors"), "Did you mean 'error'"),
        (lambda: FOUND.best("error"), "There is no error; give grid validation data"),
    ],
}

NOTHING_TO_REFUSE = {
    "Grid": "made by grid, from what it has checked",
    "Jitter": "made by fit, from what it has checked",
    "Posterior": "made by GaussianProcess.fit, from what it has checked",
    "Prediction": "made by Posterior.predict, from what it has checked",
}
