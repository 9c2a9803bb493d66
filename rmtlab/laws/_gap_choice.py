"""Which gaps of the parts can hold the subordination points of a gap of their free convolution."""

from collections.abc import Iterator
from itertools import product as choices

import numpy as np

from rmtlab.laws._base import SpectralLaw
from rmtlab.laws._gap_inverse import real_jet, stiffness
from rmtlab.laws._gaps import Gap, bounded_gaps, outer_gaps
from rmtlab.laws._subordination import System
from rmtlab.laws.discrete import Dirac, Discrete, Empirical
from rmtlab.laws.marchenko_pastur import MarchenkoPastur
from rmtlab.laws.semicircle import Semicircle

PROMISING = -0.7
_FEW_CHOICES = 64
_SLACK = 3.0
_COARSE = np.array([-2.5, 0.013, 2.5])
_FINER = np.array([-9.0, -6.0, -4.0, -2.5, -1.2, 0.013, 1.2, 2.5, 4.0, 6.0, 9.0])
_REMOTE = -0.9


def choices_of_gaps(system: System) -> Iterator[tuple[int, Gap, tuple[Gap | None, ...]]]:
    """Leading law, its gap, and the gaps of all laws (None: outside everything), as far as they can matter."""
    laws = system.laws
    bounded = [bounded_gaps(law) for law in laws]
    outer: tuple[Gap | None, ...] = (None,) * len(laws)
    lead = system.signed if system.signed is not None else int(np.argmax([_cost(law) for law in laws]))
    for gap in outer_gaps(laws[lead]):
        yield lead, gap, outer
    total = np.prod([len(own) + 1.0 for own in bounded])
    if total <= _FEW_CHOICES:
        for chosen in choices(*([None, *own] for own in bounded)):
            yield from _led(system, chosen)
        return
    for i, own in enumerate(bounded):
        for gap in _promising(system, i, own):
            yield from _led(system, tuple(gap if j == i else None for j in range(len(laws))))
    strong = [_strong(law, own, float(n)) for law, own, n in zip(laws, bounded, system.counts, strict=True)]
    outside: tuple[Gap | None, float] = (None, 0.0)
    for some in choices(*([outside, *own] for own in strong)):
        if sum(gap is not None for gap, _ in some) > 1 and sum(loss for _, loss in some) < 1.0:
            yield from _led(system, tuple(gap for gap, _ in some))


def _led(system: System, chosen: tuple[Gap | None, ...]) -> Iterator[tuple[int, Gap, tuple[Gap | None, ...]]]:
    """Choose the law that leads: the one with negative spectrum, else the dearest one in a bounded gap."""
    if all(gap is None for gap in chosen):
        return
    if system.signed is not None:
        signed = chosen[system.signed]
        for gap in [signed] if signed is not None else outer_gaps(system.laws[system.signed]):
            yield system.signed, gap, chosen
        return
    bounded = [(i, gap) for i, gap in enumerate(chosen) if gap is not None]
    lead, own = max(bounded, key=lambda pair: _cost(system.laws[pair[0]]))
    yield lead, own, chosen


def _promising(system: System, lead: int, gaps: list[Gap]) -> list[Gap]:
    """The gaps of one law in which the score, with all other laws outside, comes near zero."""
    if len(gaps) <= _FEW_CHOICES or system.signed not in (None, lead):
        return gaps
    tables = [
        None if i == lead else _outer_table(law, system.is_product) for i, law in enumerate(system.laws)
    ]
    for coordinates, level in ((_COARSE, _REMOTE), (_FINER, PROMISING)):
        if not gaps:
            break
        omega = np.stack([gap.point(coordinates) for gap in gaps])
        best = np.max(_rough_score(system, lead, omega.ravel(), tables).reshape(omega.shape), axis=1)
        gaps = [gap for gap, score in zip(gaps, best, strict=True) if score > level]
    return gaps


def _outer_table(law: SpectralLaw, is_product: bool) -> tuple[np.ndarray, np.ndarray]:
    """G (or M) along the outside of a law, increasing, with 1 − q."""
    omega = np.concatenate([gap.point(gap.grid(is_product)) for gap in outer_gaps(law)])
    with np.errstate(all="ignore"):
        value, slope, r, bend, m_slope = real_jet(law, omega)
        target = r * value if is_product else value
        _, loss = stiffness(is_product, omega, (value, slope, r, bend, m_slope))
    usable = np.isfinite(target) & np.isfinite(loss)
    order = np.argsort(target[usable])
    return target[usable][order], loss[usable][order]


def _rough_score(
    system: System, lead: int, omega: np.ndarray, tables: list[tuple[np.ndarray, np.ndarray] | None]
) -> np.ndarray:
    """The score with 1 − q of the other laws interpolated in their tables."""
    with np.errstate(all="ignore"):
        value, slope, r, bend, m_slope = real_jet(system.laws[lead], omega)
        target = r * value if system.is_product else value
        own = system.counts[lead] * stiffness(system.is_product, omega, (value, slope, r, bend, m_slope))[0]
        rest = np.full(omega.shape, system.counts[lead] - 1.0)
        for n, table in zip(system.counts, tables, strict=True):
            if table is not None:
                rest = rest + n * np.interp(target, *table, left=1.0, right=1.0)
        score = (own - rest) / (np.abs(own) + np.abs(rest))
        if system.is_product:
            score = score * np.sign(own)
    return np.where(np.isfinite(score), score, 1.0)


def _strong(law: SpectralLaw, gaps: list[Gap], count: float) -> list[tuple[Gap, float]]:
    """Gaps with a lower bound on their loss n(1 − q), where it can be below 1."""
    if not gaps:
        return []
    omega = np.stack([gap.point(_FINER) for gap in gaps])
    value, slope, _, _, _ = real_jet(law, omega.ravel())
    q = np.max((-(value**2) / slope).reshape(omega.shape), axis=1)
    loss = count * (1.0 - np.minimum(1.0, _SLACK * q))
    return [(gap, float(own)) for gap, own in zip(gaps, loss, strict=True) if own < 0.9]


def _cost(law: SpectralLaw) -> float:
    """Order in which laws are spared from being inverted."""
    if isinstance(law, Semicircle | MarchenkoPastur):
        return 0.0
    if isinstance(law, Discrete | Empirical | Dirac):
        return float(law._atom_masses[0].size)
    return 1e4 if hasattr(law, "_cauchy_and_slopes") else 100.0
