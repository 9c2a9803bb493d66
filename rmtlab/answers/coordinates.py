"""Answers to the exercises of the chapter on coordinate networks."""

from math import expm1, log, pi, sqrt

import numpy as np

from rmtlab import features, networks
from rmtlab.answers import Exercise, Slip

__all__ = ["EXERCISES"]

_RNG = np.random.default_rng(0)
_LAGS = [np.minimum(np.arange(n), n - np.arange(n)) for n in (8, 12, 16)]
_CASES = [
    (
        _RNG.standard_normal(len(lag) // 2),
        np.exp(-0.7 * lag) + 0.05,
    )
    for lag in _LAGS
]


def _kernels(frequencies: tuple[float, ...], difference: float) -> networks.Kernel:
    net = networks.MLP(1, "relu", weight_var=2.0)
    return features.composed_kernel(net, features.FourierFeatures(np.array(frequencies)), [0.0], [difference])


def _kernel(*, frequencies: tuple[float, ...], difference: float) -> float:
    return float(_kernels(frequencies, difference).ntk[0, 0])


def _covariance(*, frequencies: tuple[float, ...], difference: float) -> float:
    return float(_kernels(frequencies, difference).nngp[0, 0])


def _kernel_of_the_first_layer(*, frequencies: tuple[float, ...], difference: float) -> float:
    return float(np.mean(np.cos(2 * pi * np.array(frequencies) * difference)))


def _learnt(*, rate: float, alias: float, time: float) -> float:
    both = rate + alias
    return -rate / both * expm1(-both * time / 2)


def _learnt_at_the_end(*, rate: float, alias: float, time: float) -> float:
    return rate / (rate + alias)


def _learnt_if_all_were_shown(*, rate: float, alias: float, time: float) -> float:
    return -expm1(-rate * time)


def _learnt_without_half(*, rate: float, alias: float, time: float) -> float:
    return _learnt(rate=rate, alias=alias, time=2 * time)


def _learnt_of_the_alias(*, rate: float, alias: float, time: float) -> float:
    return _learnt(rate=alias, alias=rate, time=time)


def _filled(y: np.ndarray, rates: np.ndarray) -> np.ndarray:
    p = len(y)
    share = rates / np.tile(rates[:p] + rates[p:], 2)
    return np.fft.ifft(2 * share * np.tile(np.fft.fft(y), 2)).real


def _filled_without_share(y: np.ndarray, rates: np.ndarray) -> np.ndarray:
    return np.fft.ifft(np.tile(np.fft.fft(y), 2)).real


def _filled_half(y: np.ndarray, rates: np.ndarray) -> np.ndarray:
    return _filled(y, rates) / 2


def _bandwidth(*, shown: int) -> float:
    return sqrt(log(2) / 2) / pi * shown


def _bandwidth_without_periods(*, shown: int) -> float:
    return sqrt(2 * log(2)) * shown


def _bandwidth_squared(*, shown: int) -> float:
    return _bandwidth(shown=shown) ** 2


EXERCISES = {
    "kernel": Exercise(
        truth=_kernel,
        tolerance=5e-3,
        why="three digits of a closed form",
        slips=(
            Slip(_covariance, "This is the read-out's part alone; the layer below is trained, too."),
            Slip(
                _kernel_of_the_first_layer,
                "This is the cosine between the features, from which the kernel is made.",
            ),
        ),
    ),
    "learnt": Exercise(
        truth=_learnt,
        tolerance=5e-3,
        why="three digits of an exponential",
        slips=(
            Slip(_learnt_at_the_end, "This is the end of training; you were asked for an earlier time."),
            Slip(
                _learnt_if_all_were_shown, "This is right if all points are shown; here every second one is."
            ),
            Slip(_learnt_without_half, "With half of the points the kernel's eigenvalues are half as large."),
            Slip(_learnt_of_the_alias, "This is what the alias wrongly gets."),
        ),
    ),
    "filled": Exercise(
        truth=_filled,
        tolerance=1e-9,
        why="two Fourier transforms",
        inputs={f"For {len(y)} points shown": (y, np.fft.fft(r).real) for y, r in _CASES},
        slips=(
            Slip(
                _filled_without_share,
                "This leaves the hidden points at 0: hand each wave out in proportion to the rates.",
            ),
            Slip(
                _filled_half,
                "The shown points must come out as they are; mind the number of points in the transform.",
            ),
        ),
    ),
    "bandwidth": Exercise(
        truth=_bandwidth,
        tolerance=1e-2,
        why="two digits of a closed form",
        slips=(
            Slip(
                _bandwidth_without_periods,
                "Frequencies are in periods: there is a factor of 2π in the cosine.",
            ),
            Slip(_bandwidth_squared, "This is the square of the bandwidth."),
        ),
    ),
}
