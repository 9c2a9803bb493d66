"""Bad input to rmtlab.noise."""

from dataclasses import dataclass

from rmtlab import noise


@dataclass(frozen=True)
class Sign(noise.Noise):
    """A noise of a reader's own, whose mean is zero, or anything else."""

    mean: float = 0.0

    first_moment = property(lambda self: self.mean)
    second_moment = fourth_moment = property(lambda self: 1.0)

    def _draw(self, rng, shape):
        return rng.choice([-1.0, 1.0], shape)

    def _draw_like(self, h, generator):
        raise NotImplementedError


CASES = {
    "Dropout": [
        (lambda: noise.Dropout(keep=0), "keep"),
        (lambda: noise.Dropout(keep=1.2), "at most 1"),
        (lambda: noise.Dropout(keep=float("nan")), "keep"),
        (lambda: noise.Dropout(keep="half"), "number"),
        (lambda: noise.Dropout(keep=1e-320), "Dropout(keep=1e-320) has a fourth moment too large"),
        (lambda: noise.Dropout(keep=1e-105), "choose a weaker noise"),
        (lambda: noise.Dropout(keep=-0.1), "above 0 and at most 1"),
        (lambda: noise.Dropout(keep=0.5, shared="yes"), "shared must be True"),
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
    "Discrete": [
        (lambda: noise.Discrete([-1, 1], [0.5, 0.5]), "the noise has mean zero"),
        (lambda: noise.Discrete([0, 1], [0.5, 0.6]), "sum to 1"),
        (lambda: noise.Discrete([0, 1], [-0.5, 1.5]), "at least 0"),
        (lambda: noise.Discrete([0, 1], [1.0]), "one probability a value"),
        (lambda: noise.Discrete([], []), "empty"),
        (lambda: noise.Discrete([0, float("nan")], [0.5, 0.5]), "NaN"),
        (lambda: noise.Discrete([-1e30, 1e30, 1.0], [0.25, 0.25, 0.5]), "mean zero"),
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
        (lambda: noise.Poisson(shared=True).mask(()), "no axis of inputs"),
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
        (lambda: noise.critical(noise.AdditiveGaussian(var=1.0, shared=True)), "no critical point"),
        (lambda: noise.critical(0.8), "Dropout(keep=0.8)"),
        (lambda: noise.critical(Sign()), "has mean 0"),
        (lambda: noise.critical(Sign(mean=0.5)), "divide ε by its mean"),
        (lambda: noise.critical(None, "tanh"), "rl.signal.critical_point"),
        (lambda: noise.critical(None, "rellu"), "Did you mean"),
    ],
}
NOTHING_TO_REFUSE = {"Noise": "abstract: the classes above check"}
