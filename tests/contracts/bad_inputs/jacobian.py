"""Bad input to `rmtlab.jacobian`."""

import numpy as np

import rmtlab as rl
from rmtlab import jacobian

NET = rl.MLP(2, "tanh", 1.5, 0.05)
RELU = rl.MLP(2, "relu", 2.0)
MIXED = rl.serial(
    rl.layers.Dense(1.0),
    rl.layers.Activation("tanh"),
    rl.layers.Dense(1.0),
    rl.layers.Activation("erf"),
    rl.layers.Dense(1.0),
)
DEAD = rl.serial(rl.layers.Dense(0.0), rl.layers.Activation("tanh"), rl.layers.Dense(1.0))


def module():
    return RELU.sample(8, in_features=4)


CASES = {
    "law": [
        (lambda: jacobian.law("tanh"), "net must be a network"),
        (lambda: jacobian.law(rl.serial(rl.layers.Dense(1.0))), "no hidden layer"),
        (lambda: jacobian.law(DEAD), "weight_var = 0"),
        (lambda: jacobian.law(NET, preact_var=-1.0), "preact_var must be"),
        (lambda: jacobian.law(NET, preact_var=np.nan), "preact_var must be"),
        (lambda: jacobian.law(NET, preact_var="fix"), "Did you mean 'fixed'?"),
        (lambda: jacobian.law(MIXED), "share no fixed point"),
        (lambda: jacobian.law(rl.MLP(2, "exp", 2.0)), "no fixed point q*"),
        (lambda: jacobian.law(rl.MLP(2, "sign", 2.0)), "no Jacobian"),
        (lambda: jacobian.law(NET, widths=(1, 1)), "3 numbers for depth 2"),
        (lambda: jacobian.law(NET, widths=(1, 0, 1)), "widths must be positive"),
        (lambda: jacobian.law(NET, widths=(1, np.inf, 1)), "NaN or infinite"),
        (lambda: jacobian.law(RELU).cauchy(1.0), "lies on the spectrum"),
    ],
    "JacobianLaw": [
        (lambda: jacobian.JacobianLaw("tanh"), "net must be a network"),
        (lambda: jacobian.JacobianLaw(NET, 1.0, (1.0, 2.0)), "3 numbers for depth 2"),
    ],
    "plug_in": [
        (lambda: jacobian.plug_in(NET, np.ones(4)), "net.sample"),
        (lambda: jacobian.plug_in(module(), np.ones((2, 4))), "one input"),
        (lambda: jacobian.plug_in(module(), np.ones(5)), "4 features"),
        (lambda: jacobian.plug_in(module(), np.full(4, np.nan)), "NaN"),
    ],
    "PlugInLaw": [
        (lambda: jacobian.PlugInLaw((np.zeros(3),), ((1.0, False),), np.ones(2)), "slope 0"),
    ],
    "universal": [
        (lambda: jacobian.universal(0.0), "variance must be"),
        (lambda: jacobian.universal(np.nan), "variance must be"),
        (lambda: jacobian.universal(1.0, "bernouli"), "Did you mean 'bernoulli'?"),
    ],
    "BernoulliLimit": [
        (lambda: jacobian.BernoulliLimit(-1.0), "variance must be"),
        (lambda: jacobian.BernoulliLimit(1.0).s_transform(-1.0), "essential singularity"),
    ],
    "SmoothLimit": [
        (lambda: jacobian.SmoothLimit(-1.0), "variance must be"),
    ],
}
NOTHING_TO_REFUSE: dict[str, str] = {}
