"""Bad input to rmtlab.noise."""

from rmtlab import noise

CASES = {
    "Dropout": [
        (lambda: noise.Dropout(keep=0), "keep"),
        (lambda: noise.Dropout(keep=1.2), "at most 1"),
        (lambda: noise.Dropout(keep=float("nan")), "keep"),
        (lambda: noise.Dropout(keep="half"), "number"),
        (lambda: noise.Dropout(keep=1e-320), "Dropout(keep=1e-320) has a fourth moment too large"),
        (lambda: noise.Dropout(keep=1e-105), "choose a weaker noise"),
    ],
    "MultiplicativeGaussian": [
        (lambda: noise.MultiplicativeGaussian(var=-0.1), "at least 0"),
        (lambda: noise.MultiplicativeGaussian(var=float("inf")), "finite"),
        (lambda: noise.MultiplicativeGaussian(var=1e200), "fourth moment too large"),
    ],
    "MultiplicativeLaplace": [
        (lambda: noise.MultiplicativeLaplace(scale=-1), "at least 0"),
        (lambda: noise.MultiplicativeLaplace(scale=1e100), "fourth moment too large"),
    ],
    "Poisson": [
        (lambda: noise.Poisson(rate=0), "above 0"),
        (lambda: noise.Poisson(rate=1e-200), "fourth moment too large"),
    ],
    "AdditiveGaussian": [
        (lambda: noise.AdditiveGaussian(var=-1), "at least 0"),
        (lambda: noise.AdditiveGaussian(var=1e200), "fourth moment too large"),
    ],
    "Noise.noisy_second_moment": [
        (lambda: noise.Poisson().noisy_second_moment(-1.0), "at least 0"),
        (lambda: noise.Poisson().noisy_second_moment([1.0, float("nan")]), "NaN"),
        (lambda: noise.Poisson().noisy_second_moment("one"), "real numbers"),
    ],
    "Noise.mask": [
        (lambda: noise.Poisson().mask(-1), "at least 0"),
        (lambda: noise.Poisson().mask((2, 1.5)), "whole number"),
        (lambda: noise.Poisson().mask(3, rng=-1), "rng"),
        (lambda: noise.Poisson().mask(3, rng="seed"), "rng"),
    ],
    "Noise.module": [
        (lambda: noise.Poisson().module(seed=-1), "seed"),
        (lambda: noise.Poisson().module(seed=1.5), "seed"),
        (lambda: noise.Poisson().module(seed=2**70), "seed must be below 2**64"),
        (lambda: noise.Poisson().module(generator=3), "torch.Generator"),
        (lambda: noise.Poisson().module(seed=1, generator=3), "one of the two"),
    ],
    "critical": [
        (lambda: noise.critical(noise.AdditiveGaussian(var=1.0)), "no critical point"),
        (lambda: noise.critical(0.8), "Dropout(keep=0.8)"),
    ],
}
NOTHING_TO_REFUSE: dict[str, str] = {}
