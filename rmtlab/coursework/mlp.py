"""Own numbers of the problem set on the multilayer perceptron."""

from rmtlab.coursework._draws import Choice, Grid, Whole

__all__ = ["NUMBERS"]

NUMBERS = {
    "activation": Choice(("tanh", "erf", "relu")),
    "weight_var": Grid(1.20, 2.40, 0.01),
    "bias_var": Grid(0.05, 0.40, 0.01),
    "size": Grid(0.50, 2.00, 0.01),
    "depth": Whole(4, 9),
    "width": Whole(150, 300),
    "rows": Whole(60, 120),
    "aspect": Grid(0.30, 0.80, 0.01),
    "seed": Whole(0, 999_999),
}
