"""Own numbers of the problem set on the neural tangent kernel."""

from rmtlab.coursework._draws import Choice, Grid, Whole

__all__ = ["NUMBERS"]

NUMBERS = {
    "activation": Choice(("tanh", "erf")),
    "layers": Whole(1, 3),
    "weight_var": Grid(1.20, 2.20, 0.01),
    "bias_var": Grid(0.05, 0.30, 0.01),
    "points": Whole(5, 9),
    "width": Whole(200, 400),
    "momentum": Grid(0.50, 0.90, 0.01),
    "overshoot": Grid(1.02, 1.10, 0.01),
    "loss": Choice(("half sum", "half mean", "mse")),
    "depth": Whole(2, 4),
    "units": Whole(40, 60),
    "relu_weight_var": Grid(1.50, 2.50, 0.01),
    "size": Grid(0.50, 2.00, 0.01),
    "seed": Whole(0, 999_999),
}
