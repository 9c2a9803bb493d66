"""Bad input for `rmtlab.data`."""

from rmtlab import data

CASES = {
    "load": [
        (lambda: data.load("digit"), "'digits'"),
        (lambda: data.load("fashion-mnist"), "'fashion_mnist'"),
        (lambda: data.load(7), "name"),
        (lambda: data.load(n_train=0), "n_train"),
        (lambda: data.load(n_train=2.5), "n_train"),
        (lambda: data.load(n_train=1438), "at most 1437"),
        (lambda: data.load(n_test=361), "at most 360"),
        (lambda: data.load(normalize="units"), "'unit'"),
        (lambda: data.load(seed=-1), "seed"),
        (lambda: data.load(seed="now"), "seed"),
    ],
}

NOTHING_TO_REFUSE = {"Dataset": "made by load, from pictures that load has checked"}
