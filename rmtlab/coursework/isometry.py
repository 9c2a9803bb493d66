"""Own numbers of the problem set on dynamical isometry."""

from rmtlab.coursework._draws import Choice, Grid, Whole

__all__ = ["NUMBERS"]

NUMBERS = {
    "leak": Grid(0.20, 0.60, 0.01),
    "depth": Whole(8, 20),
    "width": Whole(40, 70),
    "activation": Choice(("tanh", "erf", "sin")),
    "spread": Grid(0.10, 0.60, 0.01),
    "relu_depth": Whole(10, 24),
    "relu_width": Whole(60, 120),
    "seed": Whole(0, 999_999),
}
