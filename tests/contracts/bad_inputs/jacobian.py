"""Bad input to `rmtlab.jacobian`."""

import numpy as np
from torch import nn

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
DENSE, TANH = rl.layers.Dense(1.0), rl.layers.Activation("tanh")
OTHERS = (
    rl.serial(DENSE, rl.layers.LayerNorm(), TANH, DENSE),
    rl.serial(DENSE, rl.layers.Residual(TANH, DENSE), TANH, DENSE),
    rl.serial(rl.layers.Conv1d(3), TANH, rl.layers.Flatten(), DENSE),
    rl.serial(DENSE, TANH, rl.layers.Attention(), TANH, rl.layers.Flatten(), DENSE),
)
DEAD = rl.serial(rl.layers.Dense(0.0), rl.layers.Activation("tanh"), rl.layers.Dense(1.0))


def module():
    return RELU.sample(8, in_features=4)


MODULE = rl.MLP(depth=2, activation="tanh").sample(width=4, in_features=3)
READ_OUT = rl.serial(rl.layers.Dense()).sample(in_features=3)
X = np.ones(3)


class Odd(nn.Module):
    """A module whose output is what `answer` makes of its input."""

    def __init__(self, answer):
        super().__init__()
        self.forward = answer


def of_networks(function):
    return [
        (lambda: function(MODULE, np.ones(4)), "3 features"),
        (lambda: function(MODULE, np.ones((2, 2, 3))), "1 or 2 axes"),
        (lambda: function(MODULE, 1.0), "1 or 2 axes"),
        (lambda: function(MODULE, [1.0, np.nan, 0.0]), "NaN"),
        (lambda: function(MODULE, 1j * X), "real"),
        (lambda: function(READ_OUT, X), "no hidden layer"),
        (lambda: function(rl.MLP(depth=2, activation="tanh"), X), "net.sample"),
    ]


MEASURED = {
    "singular_values": [
        *of_networks(jacobian.singular_values),
        (lambda: jacobian.singular_values(MODULE, X, to="hiden"), "Did you mean 'hidden'?"),
        (lambda: jacobian.singular_values(np.eye(3), X), "must be a torch module"),
        (lambda: jacobian.singular_values(nn.Linear(3, 2), X), "to='output'"),
        (lambda: jacobian.singular_values(nn.Linear(3, 2), 1.0, "output"), "one input"),
        (lambda: jacobian.singular_values(nn.Linear(3, 2), [1.0, np.inf, 0.0], "output"), "infinite"),
        (lambda: jacobian.singular_values(nn.BatchNorm1d(3), np.ones((2, 3)), "output"), "module.eval()"),
        (
            lambda: jacobian.singular_values(Odd(lambda x: x - x.mean(0)), np.eye(3), "output"),
            "mixes the rows",
        ),
        (lambda: jacobian.singular_values(Odd(lambda x: x.sum()), np.eye(3), "output"), "one output a row"),
        (lambda: jacobian.singular_values(Odd(lambda x: (x, x)), X, "output"), "a tuple"),
        (lambda: jacobian.singular_values(Odd(lambda x: x.detach()), X, "output"), "can't be differentiated"),
        (lambda: jacobian.singular_values(Odd(lambda x: x * np.inf), X, "output"), "no float64 can hold"),
    ],
    "log_singular_values": [
        *of_networks(jacobian.log_singular_values),
        (lambda: jacobian.log_singular_values(nn.Linear(3, 2), X), "sampled network"),
        (lambda: jacobian.log_singular_values(MODULE, X, to="input"), "to cannot be"),
    ],
    "layer_jacobians": [
        *of_networks(jacobian.layer_jacobians),
        (lambda: jacobian.layer_jacobians(nn.Linear(3, 2), X), "sampled network"),
    ],
}

CASES = {
    **MEASURED,
    "law": [
        (lambda: jacobian.law("tanh"), "net must be a network"),
        (lambda: jacobian.law(rl.serial(rl.layers.Dense(1.0))), "no hidden layer"),
        (lambda: jacobian.law(DEAD), "weight_var = 0"),
        *(
            (lambda net=net: jacobian.law(net), f"this one holds {name}")
            for net, name in zip(OTHERS, ("LayerNorm", "Residual", "Conv1d", "Attention"), strict=True)
        ),
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
        (
            lambda: jacobian.plug_in(OTHERS[2].sample(4, in_features=2, positions=(5,)), np.ones((1, 2, 5))),
            "this one holds Conv1d",
        ),
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
