r"""The law of φ′(h)² ε² for a Gaussian h and a mask ε."""

from functools import cache, lru_cache, partial
from itertools import pairwise
from math import inf, pi, sqrt

import numpy as np

from rmtlab import noise as noises
from rmtlab.activations import Activation
from rmtlab.jacobian._curve import Curve, sampled
from rmtlab.jacobian._squares import Squares, mixture

_REACH = 13.0  # standard deviations: the normal density is 1e-37 there
_STEPS = 24.0  # samples a standard deviation, or a unit of h where that is less
_NEXT_TO_ZERO = 1e-300
_CONSTANT = 1e-14
_UNSEEN = 1e-13  # mass of a mask's atom
_PROBES = np.linspace(-0.97, 0.97, 41)


@lru_cache(maxsize=4096)
def squares(activation: Activation, q: float, noise: noises.Noise | None) -> Squares:
    """Return the law of φ′(√q z)² ε²; `noise` is the mask that follows the activation."""
    with np.errstate(over="ignore"):
        law = _of_activation(activation, q)
    return law if noise is None or not noise.multiplicative else _masked(law, noise)


@cache
def mask(noise: noises.Noise) -> Squares:
    """Return the law of ε²."""
    moments = (noise.second_moment, noise.fourth_moment)
    scales = _scales(noise)
    if scales is not None:
        one = Squares({1.0: 1.0}, (), (1.0, 1.0))
        found = mixture(one, scales)
        return Squares(found.atoms, found.curves, moments)
    return Squares({}, _mask_curves(noise), moments)


def _of_activation(activation: Activation, q: float) -> Squares:
    if activation.name == "sign":
        raise ValueError(
            "The slope of 'sign' is 0 almost everywhere and infinite at 0, so that its networks have no "
            "Jacobian; choose a continuous activation such as 'hard_tanh'."
        )
    if activation.homogeneous or q == 0.0:
        h = np.array([-1.0, 1.0]) * (1.0 if q > 0.0 or activation.homogeneous else _NEXT_TO_ZERO)
        left, right = (float(slope) ** 2 for slope in activation.derivative(h))
        sides = {left: 0.5, right: 0.5} if left != right else {left: 1.0}
        return Squares(sides, (), (0.5 * (left + right), 0.5 * (left**2 + right**2)))
    ends = [-inf, *(kink for kink in activation.kinks), inf]
    atoms: dict[float, float] = {}
    curves: list[Curve] = []
    for low, high in pairwise(ends):
        level = _level(activation, low, high, sqrt(q))
        if level is None:
            curves += _pieces(activation, low, high, sqrt(q))
        else:
            atoms[level] = atoms.get(level, 0.0) + _probability(low, high, sqrt(q))
    second, fourth = (float(activation.derivative_moment(q, k)) for k in (2, 4))
    return Squares({a: mass for a, mass in atoms.items() if mass > 0.0}, tuple(curves), (second, fourth))


def _level(activation: Activation, low: float, high: float, spread: float) -> float | None:
    """φ′² on the piece between two kinks, where it is constant."""
    a, b = max(low, min(high, 0.0) - _REACH * spread), min(high, max(low, 0.0) + _REACH * spread)
    values = activation.derivative(0.5 * (a + b) + 0.5 * (b - a) * _PROBES) ** 2
    return float(values[0]) if np.ptp(values) <= _CONSTANT * np.max(values) else None


def _probability(low: float, high: float, spread: float) -> float:
    if low > 0.0:
        low, high = -high, -low
    a, b = (_erfc(-x / (spread * sqrt(2.0))) / 2 for x in (low, high))
    return b - a


def _erfc(x: float) -> float:
    from scipy.special import erfc

    return float(erfc(x))


def _pieces(activation: Activation, low: float, high: float, spread: float) -> list[Curve]:
    """The curve of φ′² between two kinks; cut at the zeros of φ′ where it spans too many magnitudes."""
    whole = _piece(activation, low, high, spread)
    if whole is not None:
        return [whole]
    cuts = [low, *_zeros(activation, low, high, spread), high]
    found = [_piece(activation, a, b, spread) for a, b in pairwise(cuts)]
    if any(curve is None for curve in found):
        raise ValueError(
            f"φ′² of {activation.name!r} could not be resolved on ({low:g}, {high:g}) at pre-activations of "
            f"variance {spread**2:g}; name the points where φ′ jumps or bends in kinks when you register it."
        )
    return [curve for curve in found if curve is not None]


def _piece(activation: Activation, low: float, high: float, spread: float) -> Curve | None:
    def sample(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h, stretch = _unfold(t, low, high, spread)
        weight = np.exp(-0.5 * (h / spread) ** 2) / (sqrt(2.0 * pi) * spread) * stretch
        return np.asarray(activation.derivative(h)), weight

    whole = low == -inf and high == inf
    start, end = _range(low, high, spread)
    step = min(spread, 1.0) / _STEPS if whole else 1.0 / _STEPS
    x = np.linspace(0.01, end, 64)
    right, left = (np.asarray(activation.derivative(sign * x)) ** 2 for sign in (1.0, -1.0))
    even = whole and np.array_equal(right, left)
    return sampled(sample, start, end, step, even)


def _zeros(activation: Activation, low: float, high: float, spread: float) -> list[float]:
    h = np.linspace(max(low, -_REACH * spread), min(high, _REACH * spread), 20001)[1:-1]
    slope = np.asarray(activation.derivative(h))
    at = np.flatnonzero(np.sign(slope[1:]) * np.sign(slope[:-1]) < 0)
    below, above = h[at], h[at + 1]
    for _ in range(60):
        middle = 0.5 * (below + above)
        left = np.sign(np.asarray(activation.derivative(middle))) == np.sign(slope[at])
        below, above = np.where(left, middle, below), np.where(left, above, middle)
    return np.unique(0.5 * (below + above)).tolist()


def _unfold(t: np.ndarray, low: float, high: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """h(t) and dh/dt: the line as it is, a half-line or an interval stretched double-exponentially."""
    if low == -inf and high == inf:
        return t, np.ones_like(t)
    if low == -inf or high == inf:
        kink, side = (high, -1.0) if low == -inf else (low, 1.0)
        rest = np.exp(np.minimum(-t, 700.0))
        grown = spread * np.exp(t - rest)
        h = kink + side * np.maximum(grown, 2.0 * np.spacing(abs(kink)))
        return h, grown * (1.0 + rest)
    u = 0.5 * pi * np.sinh(t)
    inside = np.clip(np.tanh(u), -1.0 + 1e-15, 1.0 - 1e-15)
    half = 0.5 * (high - low)
    return 0.5 * (low + high) + half * inside, half * 0.5 * pi * np.cosh(t) / np.cosh(
        np.clip(u, -350, 350)
    ) ** 2


def _range(low: float, high: float, spread: float) -> tuple[float, float]:
    if low == -inf and high == inf:
        return -_REACH * spread, _REACH * spread
    if low > -inf and high < inf:
        return -3.4, 3.4
    kink = high if low == -inf else -low
    return -3.9, float(np.log(_REACH + max(kink, 0.0) / spread))


def _scales(noise: noises.Noise) -> list[tuple[float, float]] | None:
    """ε² as (value, mass) pairs, where the mask is discrete."""
    if isinstance(noise, noises.Dropout):
        keep = noise.keep
        return [(keep**-2, keep)] + ([(0.0, 1.0 - keep)] if keep < 1.0 else [])
    if isinstance(noise, noises.Poisson):
        from scipy.stats import poisson

        n = np.arange(int(noise.rate + 12.0 * sqrt(noise.rate) + 30.0))
        mass = poisson.pmf(n, noise.rate)
        seen = mass > _UNSEEN
        masses = mass[seen] / mass[seen].sum()
        return list(zip(((n[seen] / noise.rate) ** 2).tolist(), masses.tolist(), strict=True))
    if isinstance(noise, noises.Discrete):
        return [(v * v, p) for v, p in zip(noise.values, noise.probabilities, strict=True)]
    if isinstance(noise, noises.MultiplicativeGaussian) and noise.var == 0.0:
        return [(1.0, 1.0)]
    if isinstance(noise, noises.MultiplicativeLaplace) and noise.scale == 0.0:
        return [(1.0, 1.0)]
    return None


def _masked(law: Squares, noise: noises.Noise) -> Squares:
    scales = _scales(noise)
    if scales is not None:
        return mixture(law, scales)
    moments = (law.moments[0] * noise.second_moment, law.moments[1] * noise.fourth_moment)
    curves = [
        curve.scaled(a, share) for a, share in law.atoms.items() if a > 0.0 for curve in _mask_curves(noise)
    ]
    curves += [_product(curve, noise) for curve in law.curves]
    return Squares({0.0: law.zero_mass} if law.zero_mass else {}, tuple(curves), moments)


@cache
def _mask_curves(noise: noises.Noise) -> tuple[Curve, ...]:
    """ε² of a mask with a density, as curves."""
    if isinstance(noise, noises.MultiplicativeGaussian):
        std = sqrt(noise.var)

        def gaussian_mask(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return 1.0 + std * t, np.exp(-0.5 * t**2) / sqrt(2.0 * pi)

        found = [sampled(gaussian_mask, -_REACH, _REACH, 1.0 / _STEPS)]
    elif isinstance(noise, noises.MultiplicativeLaplace):

        def side(t: np.ndarray, sign: float) -> tuple[np.ndarray, np.ndarray]:
            rest = np.exp(-t)
            s = np.exp(t - rest)
            return 1.0 + sign * noise.scale * s, 0.5 * np.exp(-s) * s * (1.0 + rest)

        found = [sampled(partial(side, sign=sign), -3.9, 4.45, 1.0 / _STEPS) for sign in (1.0, -1.0)]
    else:
        raise ValueError(
            f"The Jacobian law knows the masks of rmtlab.noise, but not the law of {noise!r}; "
            "use Dropout, MultiplicativeGaussian, MultiplicativeLaplace or Poisson."
        )
    if any(curve is None for curve in found):
        raise ValueError(f"The law of the mask {noise!r} could not be resolved; choose a weaker noise.")
    return tuple(curve for curve in found if curve is not None)


def _product(curve: Curve, noise: noises.Noise) -> Curve:
    r"""d ε² for a smooth curve d and a Gaussian mask, in the variable s = ln(dε²).

    Its density is :math:`E_d[\rho(s - \ln d)]`, ρ that of ln ε²; below the bulk s = t − e^{−t}.
    """
    if not isinstance(noise, noises.MultiplicativeGaussian):
        raise ValueError(
            f"The Jacobian law of a curved activation under {noise!r} is not available: its mask has a corner. "
            "Use Dropout, MultiplicativeGaussian or Poisson, or a piecewise linear activation."
        )
    std = sqrt(noise.var)
    logs = np.log(curve.d)
    centre = float(curve.w @ logs / curve.mass) - 2.0
    top = float(logs.max()) + 2.0 * np.log1p(_REACH * std)

    def sample(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rest = np.exp(-t)
        s = centre + t - rest
        half = np.exp(0.5 * (s[:, None] - logs))
        bells = sum(np.exp(-0.5 * ((sign * half - 1.0) / std) ** 2) for sign in (1.0, -1.0))
        density = (0.5 * half * bells) @ curve.w / (sqrt(2.0 * pi) * std)
        return np.exp(0.5 * s), density * (1.0 + rest)

    found = sampled(sample, -5.0, top - centre, min(1.0, std) / 8.0)
    if found is None:
        raise ValueError(f"The law of φ′² under {noise!r} could not be resolved; choose a stronger noise.")
    return found
