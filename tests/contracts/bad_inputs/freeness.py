import numpy as np
from torch import nn

import rmtlab as rl
from rmtlab import freeness

A = np.eye(3)
PAIR = {"a": A, "b": 2 * A}
SQUARE = rl.MLP(depth=2, activation="relu").sample(width=4, in_features=4)
NOISY = rl.MLP(depth=2, activation="relu", noise=rl.noise.Dropout(0.5)).sample(width=4, in_features=4)
X = np.ones(4)


def of_words(function):
    return [
        (lambda: function("", PAIR), "at least one letter"),
        (lambda: function(7, PAIR), "at least one letter"),
        (lambda: function("axb", PAIR), "a letter of word"),
        (lambda: function(("a", "bb"), PAIR), "Did you mean 'b'?"),
        (lambda: function("ab", [A, A]), "mapping from letters"),
        (lambda: function("ab", {}), "mapping from letters"),
        (lambda: function("ab", {"a": A, "b": np.ones(3)}), "2 axes"),
        (lambda: function("ab", {"a": A, "b": np.ones((3, 2))}), "square and of one size"),
        (lambda: function("ab", {"a": A, "b": np.eye(2)}), "square and of one size"),
        (lambda: function("ab", {"a": A, "b": np.nan * A}), "NaN"),
        (lambda: function("ab", {"a": A, "b": 1j * A}), "complex"),
    ]


def of_networks(function):
    return [
        (lambda: function(nn.Linear(4, 4), X), "sampled network"),
        (lambda: function("relu", X), "sampled network"),
        (lambda: function(SQUARE, np.ones((2, 4))), "one input"),
        (lambda: function(SQUARE, np.ones(3)), "4 features"),
        (lambda: function(SQUARE, [1.0, np.nan, 0.0, 0.0]), "NaN"),
    ]


CASES = {
    "joint_moment": of_words(freeness.joint_moment),
    "alternating_moment": [
        *of_words(freeness.alternating_moment),
        (lambda: freeness.alternating_moment("abba", PAIR), "must alternate"),
    ],
    "predict": [
        (lambda: freeness.predict("", PAIR), "at least one letter"),
        (lambda: freeness.predict("abc", PAIR), "a letter of word"),
        (lambda: freeness.predict("ab", [1.0, 2.0]), "mapping from letters"),
        (lambda: freeness.predict("ab", {}), "mapping from letters"),
        (lambda: freeness.predict("abab", {"a": [0.5], "b": [0.5, 0.5]}), "needs 2 moments of 'a'"),
        (lambda: freeness.predict("ab", {"a": "relu", "b": A}), "array of real numbers"),
        (lambda: freeness.predict("ab", {"a": [0.5, np.nan], "b": A}), "NaN"),
        (lambda: freeness.predict("ab", {"a": np.ones((2, 3)), "b": A}), "square"),
        (lambda: freeness.predict("ab", PAIR, "ab"), "groups of letters"),
        (lambda: freeness.predict("ab", PAIR, 3), "groups of letters"),
        (lambda: freeness.predict("ab", PAIR, [3]), "groups of letters"),
        (lambda: freeness.predict("ab", PAIR, [("a", "c")]), "a letter of families"),
        (lambda: freeness.predict("ab", PAIR, [("a", "b"), ("a",)]), "share"),
        (lambda: freeness.predict("ab", {"a": A, "b": [1.0]}, [("a", "b")]), "must be a matrix"),
        (lambda: freeness.predict("ab", {"a": A, "b": np.eye(2)}, [("a", "b")]), "of one size"),
    ],
    "defect": [
        (lambda: freeness.defect({"a": A}), "at least two families"),
        (lambda: freeness.defect(PAIR, [("a", "b")]), "at least two families"),
        (lambda: freeness.defect({"a": A, "b": np.eye(2)}), "square and of one size"),
        (lambda: freeness.defect(PAIR, "ab"), "groups of letters"),
        (lambda: freeness.defect(PAIR, [("a", "a")]), "share"),
        (lambda: freeness.defect(PAIR, max_length=1), "max_length"),
        (lambda: freeness.defect(PAIR, max_length=2.5), "whole number"),
    ],
    "rate": [
        (lambda: freeness.rate([1, 2], [[1.0, 2.0]]), "2 sizes and 1 groups"),
        (lambda: freeness.rate([1, 2], 3.0), "one group of draws"),
        (lambda: freeness.rate([1, 2], "ab"), "one group of draws"),
        (lambda: freeness.rate([1, 2], [1.0, 2.0]), "at least 3 different"),
        (lambda: freeness.rate([2, 2], [[1.0, 2.0], [1.0, 2.0]]), "at least 2 different"),
        (lambda: freeness.rate([0, 2], [[1.0, 2.0], [1.0, 2.0]]), "positive"),
        (lambda: freeness.rate([1, 2], [[1.0, 2.0], [0.0, 0.0]]), "no power law"),
        (lambda: freeness.rate([1, 2], [[1.0, np.nan], [1.0, 2.0]]), "NaN"),
        (lambda: freeness.rate([1, 2], [[1.0, 2.0], []]), "empty"),
        (lambda: freeness.rate(3, [[1.0, 2.0]]), "1 axes"),
    ],
    "neighbour_moments": [
        (lambda: freeness.neighbour_moments(np.ones((2, 2)), A, np.ones(3)), "1 axes"),
        (lambda: freeness.neighbour_moments(np.ones(2), A, np.ones(3)), "must have the shape (3, 2)"),
        (lambda: freeness.neighbour_moments(np.ones(3), np.ones(3), np.ones(3)), "2 axes"),
        (lambda: freeness.neighbour_moments(np.ones(3), A, [1.0, np.inf, 0.0]), "infinite"),
    ],
    "layer_family": [
        *of_networks(freeness.layer_family),
        (
            lambda: freeness.layer_family(
                rl.MLP(depth=2, activation="relu").sample(width=4, in_features=3), np.ones(3)
            ),
            "in_features equal to width",
        ),
        (
            lambda: freeness.layer_family(rl.serial(rl.layers.Dense()).sample(in_features=4), X),
            "no hidden layer",
        ),
    ],
    "fixing_rotation": [
        (lambda: freeness.fixing_rotation(np.ones((2, 2))), "one vector"),
        (lambda: freeness.fixing_rotation([]), "empty"),
        (lambda: freeness.fixing_rotation([1.0, np.inf]), "infinite"),
        (lambda: freeness.fixing_rotation([1.0, 2.0], rng=-1), "rng"),
    ],
    "rerandomise": [
        *of_networks(freeness.rerandomise),
        (lambda: freeness.rerandomise(SQUARE, X, rng="seed"), "rng"),
        (lambda: freeness.rerandomise(NOISY, X), "module.eval()"),
    ],
}
NOTHING_TO_REFUSE = {
    "Defect": "a record that defect fills in",
    "Rate": "a record that rate fills in",
}
