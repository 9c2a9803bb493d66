"""Bad input to rmtlab.field."""

import numpy as np

import rmtlab as rl
from rmtlab import field

LATTICE = field.Lattice("linear", 0.5, 0.5, width=20)
TANH = field.Lattice("tanh", 1.5, 0.3, width=20)
HEAVY = field.Lattice("linear", 0.9, 0.1, width=5)
MASSLESS = field.Lattice("relu", 2.0, width=20)
BIASED = field.Lattice("relu", 2.0, 0.1, width=20)
ALMOST = field.Lattice("linear", 1 - 1e-7, 0.1, width=20)
CHAINS = LATTICE.simulate(depth=4, chains=3, rng=0)
Z = np.ones((3, 20))


def stationary(call):
    return [
        (lambda: call(MASSLESS), "the field is massless"),
        (lambda: call(BIASED), "grows without bound"),
        (lambda: call(field.Lattice("tanh", 0.5, width=20)), "signals die out"),
    ]


def exact(call):
    return [
        *stationary(lambda lattice: call(lattice, "exact")),
        (lambda: call(HEAVY, "exact"), "the second moment of q diverges at width = 5"),
        (lambda: call(TANH, "exact"), "no exact second moment is known for 'tanh'"),
        (lambda: call(LATTICE, "leeding"), "leading"),
    ]


CASES = {
    "Lattice": [
        (lambda: field.Lattice("reluu", 1.0), "relu"),
        (lambda: field.Lattice("relu", 0.0), "weight_var"),
        (lambda: field.Lattice("relu", 1.0, -0.1), "bias_var"),
        (lambda: field.Lattice("relu", 1.0, 0.1, width=0), "width"),
        (lambda: field.Lattice("relu", 1.0, 0.1, width=1.5), "whole number"),
    ],
    "Lattice.of": [
        (lambda: field.Lattice.of("relu", 10), "must be a network"),
        (lambda: field.Lattice.of(rl.MLP(2, "relu", weights="orthogonal"), 10), "Gaussian weights"),
        (lambda: field.Lattice.of(rl.MLP(2, "relu", noise=rl.noise.Poisson()), 10), "without noise"),
        (lambda: field.Lattice.of(rl.MLP(2, "relu"), 0), "width"),
    ],
    "Lattice.action": [
        (lambda: LATTICE.action([1.0, 2.0]), "axes"),
        (lambda: LATTICE.action(Z * np.nan), "NaN"),
        (lambda: LATTICE.action(Z[:1]), "give inputs=x"),
        (lambda: LATTICE.action(Z, inputs=np.ones((1, 3))), "axes"),
        (lambda: LATTICE.action(np.ones((3, 20, 2)), inputs=np.ones((3, 4))), "3 inputs were given"),
        (lambda: LATTICE.action(np.ones((3, 20, 2))), "singular"),
        (lambda: MASSLESS.action(-Z), "singular"),
    ],
    "Lattice.gaussian_action": [
        *stationary(lambda lattice: lattice.gaussian_action([1.0, 1.0])),
        (lambda: LATTICE.gaussian_action([np.inf]), "NaN or infinite"),
    ],
    "Lattice.covariance": [
        *exact(lambda lattice, order: lattice.covariance(0, order)),
        (lambda: LATTICE.covariance([-1]), "at least 0"),
        (lambda: LATTICE.covariance(0.5), "whole numbers"),
    ],
    "Lattice.covariance_matrix": [
        *stationary(lambda lattice: lattice.covariance_matrix(3)),
        (lambda: LATTICE.covariance_matrix(0), "depth"),
    ],
    "Lattice.structure_factor": [
        *exact(lambda lattice, order: lattice.structure_factor(0.0, order)),
        (lambda: LATTICE.structure_factor("zero"), "real numbers"),
        (lambda: LATTICE.structure_factor(0.0, depth=0), "depth"),
    ],
    "Lattice.second_moments": exact(lambda lattice, order: lattice.second_moments(order)),
    "Lattice.simulate": [
        (lambda: LATTICE.simulate(0, 10), "depth"),
        (lambda: LATTICE.simulate(5, 0), "chains"),
        (lambda: LATTICE.simulate(5, 10, rng="seed"), "rng"),
        (lambda: LATTICE.simulate(5, 10, start=0.0), "start"),
        (lambda: LATTICE.simulate(5, 10, discard=-1), "discard"),
        (lambda: ALMOST.simulate(5, 10), "say with discard="),
        (lambda: field.Lattice("exp", 1.0, width=5).simulate(30, 2, rng=0), "leaves the range of float64"),
    ],
    "Chains.covariance": [
        (lambda: CHAINS.covariance([4]), "below the depth 4"),
        (lambda: CHAINS.covariance([1.5]), "whole numbers"),
        (lambda: CHAINS.covariance([0], mean=np.nan), "mean"),
    ],
    "Chains.structure_factor": [(lambda: CHAINS.structure_factor(mean="one"), "mean must be a number")],
}
NOTHING_TO_REFUSE = dict.fromkeys(
    ["Chains", "LogWalk", "SecondMoments"], "a record that the lattice fills in"
)
