"""Own numbers of the problem set on signals."""

from rmtlab.coursework._draws import Choice, Grid, Whole

__all__ = ["NUMBERS"]

NUMBERS = {
    "activation": Choice(("tanh", "erf")),
    "weight_var": Grid(2.00, 3.00, 0.01),
    "bias_var": Grid(0.05, 0.25, 0.01),
    "cosine": Grid(0.30, 0.80, 0.01),
    "depth": Whole(6, 12),
    "width": Whole(300, 500),
    "narrow_width": Whole(30, 50),
    "narrow_depth": Whole(20, 35),
    "seed": Whole(0, 999_999),
}
