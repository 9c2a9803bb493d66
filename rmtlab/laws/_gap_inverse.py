"""G and M of a law on the real axis off its spectrum, and their inverses in a chosen gap."""

import numpy as np

from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._free_jets import Jet, jet
from rmtlab.laws._gaps import ABOVE, BELOW, BETWEEN, Gap, outer_gaps
from rmtlab.laws.discrete import Dirac, Discrete, Empirical
from rmtlab.laws.marchenko_pastur import MarchenkoPastur
from rmtlab.laws.semicircle import Semicircle

_FIT = 1e-4
_NOISE = 1e-14
_REACH = 75.0


def real_jet(law: SpectralLaw, omega: np.ndarray) -> Jet:
    if isinstance(law, Discrete | Empirical | Dirac):
        return jet(law, omega)
    value, slope, r, bend, m_slope = jet(law, omega + 0j)
    return value.real, slope.real, r.real, bend.real, m_slope.real


def stiffness(is_product: bool, omega: np.ndarray, parts: Jet) -> tuple[np.ndarray, np.ndarray]:
    """q and 1 − q."""
    value, slope, r, bend, m_slope = parts
    if is_product:
        bend = omega * bend / r
        q = np.where(np.abs(bend) < 0.5, 1.0 / (1.0 - bend), -r * value * value / m_slope)
    else:
        q = -(value**2) / slope
    return q, -bend * q


def at_target(
    law: SpectralLaw, target: np.ndarray, plus_one: np.ndarray, gap: Gap | None, is_product: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ω, r and 1 − q of a law at the point of its gap with G (or M) = target; NaN where there is none.

    `plus_one` is 1 + M, which keeps its digits where M is near −1.
    """
    low, high = law._hull
    tiny = 1e-30 if is_product else 1e-30 / max(abs(low), abs(high), 1e-300)
    target = np.where(np.abs(target) < tiny, np.where(target < 0.0, -tiny, tiny), target)
    omega = np.full(target.shape, np.nan)
    for arc in [gap] if gap is not None else outer_gaps(law):
        here = np.ones(target.shape, dtype=bool) if gap is not None else (target > 0.0) == (arc.kind == ABOVE)
        if np.any(here):
            omega[here] = _inverse(law, target[here], plus_one[here], arc, is_product)
    known = np.isfinite(omega)
    r, loss = np.full(target.shape, np.nan), np.full(target.shape, np.nan)
    if np.any(known):
        at = omega[known]
        parts = real_jet(law, at)
        wanted, reached = target[known], parts[2] * parts[0] if is_product else parts[0]
        fits = np.abs(reached - wanted) <= _FIT * np.abs(wanted)
        own_r, own_loss = parts[2], stiffness(is_product, at, parts)[1]
        if is_product:
            one = plus_one[known]
            noise = _NOISE * np.abs(at) * np.sqrt(np.abs(parts[1]))
            fits &= np.abs(at * parts[0] - one) <= _FIT * np.abs(one) + noise
            exact = np.abs(one) < 0.5
            own_r = np.where(exact, at * wanted / one, own_r)
            own_loss = np.where(exact, 1.0 + wanted * one / (at * parts[4]), own_loss)
        r[known], loss[known] = np.where(fits, own_r, np.nan), np.where(fits, own_loss, np.nan)
    return omega, r, loss


def _inverse(
    law: SpectralLaw, target: np.ndarray, plus_one: np.ndarray, gap: Gap, is_product: bool
) -> np.ndarray:
    """The point of the gap with G (or M) = target; NaN where there is none."""
    if isinstance(law, Semicircle | MarchenkoPastur):
        omega = _closed_inverse(law, target, plus_one, is_product)
        return np.where((omega > gap.left) & (omega < gap.right), omega, np.nan)
    if isinstance(law, Discrete | Empirical) and law._atom_masses[0].size == 2:
        return _inverse_of_two_points(law, target, plus_one, gap, is_product)
    result = np.full(target.shape, np.nan)
    for part in gap.split_at_zero() if is_product else [gap]:
        _invert_in(part, law, target, plus_one, is_product, result)
    return result


def _invert_in(
    gap: Gap,
    law: SpectralLaw,
    target: np.ndarray,
    plus_one: np.ndarray,
    is_product: bool,
    result: np.ndarray,
) -> None:
    """Newton's method between brackets in the gap's coordinate, into `result` where there is a root."""

    def at(y: np.ndarray, wanted: np.ndarray, wanted_plus_one: np.ndarray) -> tuple[np.ndarray, ...]:
        omega = gap.point(y)
        value, slope, r, _, m_slope = real_jet(law, omega)
        if not is_product:
            return value, value - wanted, slope
        by_one = np.abs(wanted_plus_one) < 0.5
        reached = np.where(by_one, omega * value, r * value)
        return reached, reached - np.where(by_one, wanted_plus_one, wanted), m_slope

    first, last = gap.range(is_product)
    first, last = (
        (first - _REACH if gap.kind == BELOW else first),
        (last + _REACH if gap.kind == ABOVE else last),
    )
    above_last = at(np.full(target.shape, first), target, plus_one)[1] >= 0.0
    below_first = at(np.full(target.shape, last), target, plus_one)[1] <= 0.0
    exists = above_last & below_first
    if not np.any(exists):
        return
    target, plus_one = target[exists], plus_one[exists]
    low, high = np.full(target.shape, first), np.full(target.shape, last)
    y = 0.5 * (low + high)
    for _ in range(90):
        reached, miss, change = at(y, target, plus_one)
        low, high = np.where(miss > 0.0, y, low), np.where(miss > 0.0, high, y)
        rate = change * gap.width * _stretch(gap, y)
        ratio = reached / (reached - miss)
        if gap.kind == BETWEEN and not (is_product and 0.0 in (gap.left, gap.right)):
            newton, trusted = y - miss / rate, high - low < 6.0
        else:
            newton, trusted = y - reached / rate * np.log(ratio), ratio > 0.0
        inside = trusted & (newton > low) & (newton < high)
        following = np.where(inside, newton, 0.5 * (low + high))
        if np.all((np.abs(following - y) <= 1e-13) | (high - low <= 1e-13)):
            break
        y = following
    result[exists] = gap.point(y)


def _inverse_of_two_points(
    law: Discrete | Empirical, target: np.ndarray, plus_one: np.ndarray, gap: Gap, is_product: bool
) -> np.ndarray:
    """The root in the gap of a quadratic."""
    (a, b), (share, rest) = law._atom_masses
    if is_product:
        middle, constant = target * (a + b) + share * a + rest * b, plus_one * a * b
    else:
        middle, constant = target * (a + b) + 1.0, target * a * b + share * b + rest * a
    root = np.sqrt(np.maximum(middle**2 - 4.0 * target * constant, 0.0))
    larger = 0.5 * (middle + np.where(middle < 0.0, -root, root))
    result = np.full(target.shape, np.nan)
    for omega in (larger / target, constant / larger):
        result = np.where((omega > gap.left) & (omega < gap.right), omega, result)
    return result


def _stretch(gap: Gap, y: np.ndarray) -> np.ndarray:
    if gap.kind == ABOVE:
        return np.exp(y)
    if gap.kind == BELOW:
        return np.exp(-y)
    return 1.0 / ((1.0 + np.exp(-y)) * (1.0 + np.exp(y)))


def _closed_inverse(
    law: Semicircle | MarchenkoPastur, target: np.ndarray, plus_one: np.ndarray, is_product: bool
) -> np.ndarray:
    """The inverse function; NaN where it increases, beyond the values that G (or M) takes off the spectrum."""
    if isinstance(law, Semicircle):
        bound = 1.0 if is_product else 1.0 / np.sqrt(law.var)
        physical = np.abs(target) < bound
        omega = (
            np.sign(target) * np.sqrt(law.var / target) * plus_one
            if is_product
            else law.var * target + 1.0 / target
        )
    elif is_product:
        physical = law.aspect * target**2 < 1.0
        omega = law.scale * (1.0 - law.aspect + law.aspect * plus_one) * plus_one / target
    else:
        g = law.scale * target
        physical = law.aspect * g**2 < (1.0 - law.aspect * g) ** 2
        omega = law.scale / (1.0 - law.aspect * g) + 1.0 / target
    return np.where(physical, omega, np.nan)
