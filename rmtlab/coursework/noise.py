"""Own numbers of the problem set on noise."""

from rmtlab.coursework._draws import Choice, Grid, Whole

__all__ = ["NUMBERS"]

NUMBERS = {
    "noise": Choice(("dropout", "gaussian", "laplace", "poisson")),
    "second_moment": Grid(1.10, 1.90, 0.01),
    "activation": Choice(("tanh", "erf")),
    "bias_var": Grid(0.02, 0.20, 0.01),
    "keep": Grid(0.60, 0.85, 0.01),
    "depth": Whole(6, 12),
    "agreement": Grid(0.90, 0.97, 0.01),
    "passes": Whole(4, 8),
    "width": Whole(150, 220),
    "narrow_width": Whole(50, 65),
    "narrow_depth": Whole(15, 25),
    "narrow_keep": Grid(0.60, 0.75, 0.01),
    "seed": Whole(0, 999_999),
}
