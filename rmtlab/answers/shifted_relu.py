"""Answers to the exercises of the chapter on shifted rectifiers."""

from math import log, sqrt

from scipy.stats import norm

from rmtlab import activations, signal
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]


def _kink(alpha: float, bias_var: float) -> float:
    phi = activations.get("shifted_relu", alpha=alpha)
    return alpha / sqrt(signal.critical_point(phi, bias_var).q)


def _share(*, alpha: float, bias_var: float) -> float:
    return float(norm.cdf(_kink(alpha, bias_var)))


def _share_that_is_off(*, alpha: float, bias_var: float) -> float:
    return 1 - _share(alpha=alpha, bias_var=bias_var)


def _share_by_variance(*, alpha: float, bias_var: float) -> float:
    return float(norm.cdf(_kink(alpha, bias_var) ** 2 / alpha))


def _share_of_erf(*, alpha: float, bias_var: float) -> float:
    return float(norm.cdf(_kink(alpha, bias_var) / sqrt(2)))


def _depth(*, p: float, keep: float, variance: float) -> float:
    return variance / (1 / (p * keep) - 1)


def _depth_without_noise(*, p: float, keep: float, variance: float) -> float:
    return variance / (1 / p - 1)


def _depth_with_gaussian_weights(*, p: float, keep: float, variance: float) -> float:
    return variance * p * keep


def _ceiling(*, drop: float) -> float:
    return -6 / log(1 - drop)


def _ceiling_of_keep(*, drop: float) -> float:
    return -6 / log(drop)


def _ceiling_of_one_scale(*, drop: float) -> float:
    return -1 / log(1 - drop)


def _critical_pair(alpha: float, q: float) -> tuple[float, float]:
    a = alpha / sqrt(q)
    p = float(norm.cdf(a))
    return 1 / p, float(q * a / p * (norm.pdf(a) - a * (1 - p)))


def _pair_of_the_wrong_tail(alpha: float, q: float) -> tuple[float, float]:
    a = alpha / sqrt(q)
    p = float(norm.cdf(-a))
    return 1 / p, float(q * a / p * (norm.pdf(a) - a * (1 - p)))


def _pair_without_constant(alpha: float, q: float) -> tuple[float, float]:
    a = alpha / sqrt(q)
    p = float(norm.cdf(a))
    return 1 / p, float(q * a / p * norm.pdf(a))


def _pair_in_units_of_q(alpha: float, q: float) -> tuple[float, float]:
    weight_var, bias_var = _critical_pair(alpha, q)
    return weight_var, bias_var / q


EXERCISES = {
    "share": Exercise(
        truth=_share,
        tolerance=2e-3,
        why="three digits of a normal probability",
        slips=(
            Slip(_share_that_is_off, "This is the share of units that are off."),
            Slip(_share_by_variance, "Divide α by a standard deviation; q* is a variance."),
            Slip(_share_of_erf, "This has a factor √2 too many: erfc takes it, the normal law doesn't."),
        ),
    ),
    "depth": Exercise(
        truth=_depth,
        tolerance=1e-2,
        why="two or three digits of a short formula",
        slips=(
            Slip(_depth_without_noise, "This leaves out the mask; slope and mask are one coin."),
            Slip(
                _depth_with_gaussian_weights,
                "This is right for Gaussian weights; orthogonal ones add nothing.",
            ),
        ),
    ),
    "ceiling": Exercise(
        truth=_ceiling,
        tolerance=1e-2,
        why="two or three digits of a short formula",
        slips=(
            Slip(
                _ceiling_of_keep, "The number given is the share that is dropped, not the one that is kept."
            ),
            Slip(_ceiling_of_one_scale, "This is one depth scale; the rule allows six."),
        ),
    ),
    "critical-pair": Exercise(
        truth=_critical_pair,
        tolerance=1e-8,
        why="two short formulas",
        inputs={
            "At α = 1/2, q = 0.4": (0.5, 0.4),
            "At α = 1, q = 0.4": (1.0, 0.4),
            "At α = 1, q = 4": (1.0, 4.0),
        },
        slips=(
            Slip(
                _pair_of_the_wrong_tail, "This counts the units that are off; p is the share above the kink."
            ),
            Slip(_pair_without_constant, "Below the kink φ is not zero, it is −α."),
            Slip(_pair_in_units_of_q, "The bias variance is in units of q; multiply by it."),
        ),
    ),
}
