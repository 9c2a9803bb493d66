"""Own numbers of the problem set on asymptotic freeness."""

from rmtlab.coursework._draws import Grid, Whole

__all__ = ["NUMBERS"]

NUMBERS = {
    "size": Whole(40, 80),
    "share_1": Grid(0.20, 0.50, 0.01),
    "share_2": Grid(0.20, 0.50, 0.01),
    "weight_var": Grid(1.20, 2.00, 0.01),
    "bias_var": Grid(0.05, 0.30, 0.01),
    "depth": Whole(3, 5),
    "width": Whole(150, 250),
    "strength": Grid(1.400, 2.600, 0.001),
    "matrix_size": Whole(100, 160),
    "seed": Whole(0, 999_999),
}
