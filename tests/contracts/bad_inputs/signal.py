import numpy as np

import rmtlab as rl
from rmtlab import signal
from tests.contracts.bad_inputs.noise import Sign

M = signal.MeanField("tanh", 1.5, 0.05)
NET = rl.MLP(depth=2, activation="tanh", weight_var=1.5)
MIXED = rl.serial(rl.layers.Dense(1.0), rl.layers.Activation("tanh"), rl.layers.Dense(2.0))
X = np.ones((2, 3))
NORMALISED = rl.serial(
    rl.layers.Dense(1.0), rl.layers.LayerNorm(), rl.layers.Activation("tanh"), rl.layers.Dense(1.0)
)
NOISE = rl.noise.Dropout(keep=0.5)
SIGN = Sign()


def description(function):
    return [
        (lambda: function("tanh", X), "must be a network"),
        (lambda: function(rl.serial(rl.layers.Dense(1.0)), X), "no hidden layer"),
        (lambda: function(NORMALISED, X), "this one holds LayerNorm"),
        (lambda: function(NET, np.ones(3)), "axes"),
        (lambda: function(NET, [[1.0, np.nan]]), "NaN"),
    ]


def on_the_line(function):
    return [
        (lambda: function("tahn", 0.05), "tanh"),
        (lambda: function("tanh", -0.05), "bias_var"),
        (lambda: function("tanh", "small"), "must be a number"),
        (lambda: function("softplus", 0.05), "no critical point"),
        (lambda: function("relu", 0.05), "only at weight_var = 2"),
        (lambda: function("sign", 0.05), "no critical point"),
        (lambda: function("cos", 1e9), "it runs from"),
        (lambda: function("relu", 0.0, rl.noise.AdditiveGaussian(var=0.1)), "no critical point"),
        (lambda: function("relu", 0.1, NOISE), "only at weight_var = 1,"),
        (lambda: function("softplus", 0.05, NOISE), "has no critical point"),
        (lambda: function("tanh", 0.05, "dropout"), "must be None or a noise"),
        (lambda: function("tanh", 0.05, SIGN), "has mean 0"),
    ]


CASES = {
    "MeanField": [
        (lambda: signal.MeanField("tahn", 1.5), "tanh"),
        (lambda: signal.MeanField("tanh", 0.0), "weight_var"),
        (lambda: signal.MeanField("tanh", -1.0), "weight_var"),
        (lambda: signal.MeanField("tanh", 1.0, -0.1), "bias_var"),
        (lambda: signal.MeanField("tanh", np.nan), "weight_var"),
        (lambda: signal.MeanField("tanh", 1.0, 0.0, 0.8), "Dropout"),
        (lambda: signal.MeanField("relu", 2.0, 0.0, SIGN), "mean zero any two inputs are uncorrelated"),
    ],
    "MeanField.of": [
        (lambda: signal.MeanField.of("tanh"), "must be a network"),
        (lambda: signal.MeanField.of(NORMALISED), "this one holds LayerNorm"),
        (lambda: signal.MeanField.of(MIXED), "differ in weight_var"),
    ],
    "MeanField.variance": [
        (lambda: M.variance(-1.0), "at least 0"),
        (lambda: M.variance([1.0, np.inf]), "NaN or infinite"),
    ],
    "MeanField.variance_slope": [(lambda: M.variance_slope(-1.0), "at least 0")],
    "MeanField.correlation": [
        (lambda: M.correlation(1.5), "[−1, 1]"),
        (lambda: M.correlation(0.5, q=-1.0), "q must be"),
        (lambda: signal.MeanField("exp", 1.0, 1.0).correlation(0.5), "diverges faster"),
    ],
    "MeanField.fixed_point": [
        (lambda: M.fixed_point(-1.0), "start"),
        (lambda: M.fixed_point("one"), "must be a number"),
    ],
    "MeanField.depth_scales": [
        (lambda: M.depth_scales(-1.0), "start"),
        (lambda: signal.MeanField("exp", 1.0, 1.0).depth_scales(), "without bound"),
    ],
    "MeanField.float_depths": [
        (lambda: M.float_depths("float23"), "float32"),
        (lambda: M.float_depths(int), "dtype cannot be 'int'"),
        (lambda: M.float_depths(start=0.0), "start"),
    ],
    "MeanField.variances": [
        (lambda: M.variances(-1.0, 3), "at least 0"),
        (lambda: M.variances(1.0, 0), "depth"),
    ],
    "MeanField.correlations": [
        (lambda: M.correlations(2.0, 3), "[−1, 1]"),
        (lambda: M.correlations(0.5, 2.5), "whole number"),
        (lambda: M.correlations(0.5, 3, q=-1.0), "q must be"),
    ],
    "MeanField.curvature": [
        (lambda: M.curvature(0), "depth"),
        (lambda: signal.MeanField("relu", 1.5, 0.1).curvature(3), "without jumps"),
        (lambda: signal.MeanField("tanh", 1.0).curvature(3), "no circle"),
        (lambda: signal.MeanField("tanh", 1.5, 0.05, NOISE).curvature(3), "own noise"),
    ],
    "critical_weight_var": on_the_line(signal.critical_weight_var),
    "critical_points": on_the_line(signal.critical_points),
    "critical_point": [
        *on_the_line(signal.critical_point),
        (
            lambda: signal.critical_point("tanh", None, rl.noise.AdditiveGaussian(var=1.0), preact_var=0.1),
            "which is negative",
        ),
        (lambda: signal.critical_point("tanh"), "either bias_var=σ_b² or preact_var=q*"),
        (lambda: signal.critical_point("tanh", 0.05, preact_var=0.5), "not both"),
        (lambda: signal.critical_point("tanh", preact_var=0.0), "preact_var"),
        (
            lambda: signal.critical_point(rl.activations.get("shifted_relu", alpha=-0.5), preact_var=0.25),
            "which is negative",
        ),
    ],
    "phase_diagram": [
        (lambda: signal.phase_diagram("tahn", [1.0], [0.1]), "tanh"),
        (lambda: signal.phase_diagram("tanh", [0.0, 1.0], [0.1]), "positive"),
        (lambda: signal.phase_diagram("tanh", [1.0], [-0.1]), "at least 0"),
        (lambda: signal.phase_diagram("tanh", [[1.0]], [0.1]), "axes"),
        (lambda: signal.phase_diagram("tanh", [1.0], []), "empty"),
        (lambda: signal.phase_diagram("tanh", [1.0], [0.1], 0.5), "must be None or a noise"),
        (lambda: signal.phase_diagram("exp", [1.0], [1.0]), "diverges faster"),
    ],
    "theory": description(signal.theory),
    "measure": [
        *description(signal.measure),
        (lambda: signal.measure(NET, X, 0), "width"),
        (lambda: signal.measure(NET, X, 10, draws=1), "draws"),
        (lambda: signal.measure(NET, X, 10, seed=-1), "seed"),
    ],
}
RECORDS = ["CorrelationPoint", "CriticalPoint", "Curvature", "DepthScales"]
RECORDS += ["FixedPoint", "FloatDepths", "PhaseDiagram", "Signals"]
NOTHING_TO_REFUSE = dict.fromkeys(RECORDS, "a record that the solvers fill in")
