"""Answers to the exercises of the chapter on random matrices."""

from math import comb, sqrt

import numpy as np

from rmtlab import ensembles, laws
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]


def _moment(*, order: int, var: float) -> float:
    return laws.Semicircle(var=var).moment(order)


def _moment_at_unit_variance(*, order: int, var: float) -> float:
    return _moment(order=order, var=1.0)


def _gaussian_moment(*, order: int, var: float) -> float:
    return float(np.prod(np.arange(1, order, 2))) * var ** (order // 2)


def _catalan_of_order(*, order: int, var: float) -> float:
    return comb(2 * order, order) / (order + 1) * var**order


def _condition_number(*, rows: int, columns: int) -> float:
    low, high = laws.MarchenkoPastur(aspect=min(rows, columns) / max(rows, columns)).support[0]
    return sqrt(high / low)


def _condition_number_squared(*, rows: int, columns: int) -> float:
    return _condition_number(rows=rows, columns=columns) ** 2


def _trace_moment(a: np.ndarray, k: int) -> float:
    return float(np.sum(np.linalg.eigvalsh(a) ** k) / len(a))


def _trace_without_average(a: np.ndarray, k: int) -> float:
    return _trace_moment(a, k) * len(a)


def _trace_of_entrywise_power(a: np.ndarray, k: int) -> float:
    return float(np.trace(a**k) / len(a))


def _edge_excess(*, n: int, observed: float) -> float:
    edge = laws.TracyWidom.goe(n)
    return (observed - edge.mean) / sqrt(edge.var)


def _edge_excess_in_variances(*, n: int, observed: float) -> float:
    edge = laws.TracyWidom.goe(n)
    return (observed - edge.mean) / edge.var


def _edge_excess_over_two(*, n: int, observed: float) -> float:
    return (observed - 2.0) / sqrt(laws.TracyWidom.goe(n).var)


EXERCISES = {
    "moment": Exercise(
        truth=_moment,
        tolerance=1e-9,
        why="a Catalan number times a power is exact",
        slips=(
            Slip(_moment_at_unit_variance, "This is right for entries of variance 1/n; each pair brings σ²."),
            Slip(_gaussian_moment, "This counts all pairings; only those without a crossing survive."),
            Slip(
                _catalan_of_order, "Six steps make three pairs: the Catalan number is that of half the order."
            ),
        ),
    ),
    "condition-number": Exercise(
        truth=_condition_number,
        tolerance=1e-3,
        why="the edges of the law are a short formula",
        hints={"square": "Marchenko–Pastur is the law of squared singular values."},
        slips=(Slip(_condition_number_squared, "This is the ratio of the squared singular values."),),
    ),
    "trace-moment": Exercise(
        truth=_trace_moment,
        tolerance=1e-9,
        why="matrix powers of small matrices lose few digits",
        inputs={
            "For a 5 × 5 matrix": (ensembles.goe(5, rng=0), 3),
            "For a 20 × 20 matrix": (ensembles.goe(20, rng=1), 4),
            "For a 3 × 3 matrix and k = 1": (ensembles.goe(3, rng=2), 1),
        },
        slips=(
            Slip(_trace_without_average, "The trace is to be divided by n."),
            Slip(
                _trace_of_entrywise_power,
                "a ** k takes powers of the entries; a matrix power multiplies matrices.",
            ),
        ),
    ),
    "edge-excess": Exercise(
        truth=_edge_excess,
        tolerance=5e-3,
        why="mean and variance of the law are known to many digits",
        slips=(
            Slip(_edge_excess_in_variances, "Divide by the standard deviation, not by the variance."),
            Slip(_edge_excess_over_two, "The largest eigenvalue of noise is on average below 2, not at 2."),
        ),
    ),
}
