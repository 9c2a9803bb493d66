"""Own numbers of the problem set on networks as Gaussian processes."""

from rmtlab.coursework._draws import Choice, Grid, Whole

__all__ = ["NUMBERS"]

NUMBERS = {
    "activation": Choice(("relu", "erf", "tanh")),
    "weight_var": Grid(0.80, 1.80, 0.01),
    "bias_var": Grid(0.05, 0.30, 0.01),
    "cosine": Grid(0.20, 0.80, 0.01),
    "width": Whole(150, 300),
    "layers": Whole(2, 4),
    "images": Whole(150, 250),
    "noise_var": Grid(0.010, 0.100, 0.001),
    "points": Whole(50, 60),
    "dimension": Whole(25, 30),
    "units": Whole(60, 80),
    "label_noise": Grid(0.020, 0.060, 0.001),
    "seed": Whole(0, 999_999),
}
