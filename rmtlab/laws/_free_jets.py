r"""What free convolution needs to know of a law off its spectrum: its jet G, G′, :math:`r = R(G) = M/G`, r′, M′.

With :math:`M(\omega) = E[\lambda/(\omega - \lambda)]`, :math:`r = \omega - 1/G` is the quantity that free sums add
and free products multiply. It and :math:`r' = 1 + G'/G^2` are formed without cancellation where the law allows,
so that ω may be far away, and so is M′, so that it may be near an atom at 0.
"""

from functools import singledispatch

import numpy as np

from rmtlab.laws._base import SpectralLaw
from rmtlab.laws.affine import Affine
from rmtlab.laws.arcsine import Arcsine
from rmtlab.laws.discrete import Dirac, Discrete, Empirical
from rmtlab.laws.fuss_catalan import FussCatalan
from rmtlab.laws.marchenko_pastur import MarchenkoPastur
from rmtlab.laws.semicircle import QuarterCircle, Semicircle

Jet = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_BLOCK = 2_000_000
_FAR = 30.0
_SMALL = 0.3
_LARGEST = 1e120
_STEP = 1e-4
_CIRCLE = 0.03
_DIRECTIONS = np.exp(0.25j * np.pi * (np.arange(4) + 0.5))


@singledispatch
def jet(law: SpectralLaw, z: np.ndarray) -> Jet:
    """G, G′, r, r′ and M′ of a law at complex z of either half-plane, or real and off the spectrum."""
    slopes = getattr(law, "_cauchy_and_slopes", None)
    flipped, above, usable = _upper(z)
    if slopes:
        value, slope, m_slope = slopes(above)
        bend = 1.0 + slope / value**2
    else:
        value, slope, bend = _by_differences(law, above)
        r = above - 1.0 / value
        is_far = np.abs(above * bend) < 0.5 * np.abs(r)
        m_slope = np.where(is_far, slope * r + value * bend, value + above * slope)
    parts = (value, slope, above - 1.0 / value, bend, m_slope)
    value, slope, r, bend, m_slope = (np.where(flipped, w.conj(), w) for w in parts)
    return np.where(usable, value, np.nan), slope, r, bend, m_slope


@jet.register
def _(law: Semicircle, z: np.ndarray) -> Jet:
    edge = 2.0 * np.sqrt(law.var)
    root = np.sqrt(z - edge) * np.sqrt(z + edge)
    value = 2.0 / (z + root)
    slope = -value / root
    return value, slope, law.var * value, law.var * slope, 2.0 * law.var * value * slope


@jet.register
def _(law: QuarterCircle, z: np.ndarray) -> Jet:
    flipped, above, usable = _upper(z)
    w = above / np.sqrt(law.scale)
    root = np.sqrt(w - 2.0) * np.sqrt(w + 2.0)
    v = 2.0 / (w + root)
    ratio, ratio_slope = _arctan_defect_ratio(v, -0.5j * (w - w**2 / (root + 2.0j)), np.abs(w) < 1.0)
    value, by_v = v + 2.0 / np.pi * v * ratio, 1.0 + 2.0 / np.pi * (ratio + v * ratio_slope)
    r = v + 2.0 / np.pi * ratio / value
    bend = -v / root * (1.0 + 2.0 / np.pi * (ratio_slope - ratio * by_v / value) / value)
    slope = -v / root * by_v
    m_slope = np.where(np.abs(v) < _SMALL, slope * r + value * bend, value + w * slope)
    sigma = np.sqrt(law.scale)
    parts = (value / sigma, slope / law.scale, r * sigma, bend, m_slope / sigma)
    value, slope, r, bend, m_slope = (np.where(flipped, part.conj(), part) for part in parts)
    return np.where(usable, value, np.nan), slope, r, bend, m_slope


def _arctan_defect_ratio(v: np.ndarray, below: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E = (1 − (1/v − v)·arctan v)/v and dE/dv; `below` is 1 − iv without cancellation where v is `near` −i."""
    k = np.arange(1.0, 17.0)
    coefficients = -((-1.0) ** k) * 4.0 * k / (4.0 * k**2 - 1.0)
    small = np.abs(v) < _SMALL
    small_v = np.where(small, v, 0.0)
    square = small_v**2
    series = np.polynomial.polynomial.polyval(square, coefficients)
    series_slope = np.polynomial.polynomial.polyval(square, coefficients * (2.0 * k - 1.0))
    v = np.where(small, 1.0, v)
    below = np.where(near, below, 1.0 - 1j * v)
    arctan = (np.log(1.0 + 1j * v) - np.log(below)) / 2j
    defect = 1.0 - (1.0 / v - v) * arctan
    defect_slope = (1.0 / v**2 + 1.0) * arctan - (1.0 / v - v) / ((1.0 + 1j * v) * below)
    ratio, ratio_slope = defect / v, (defect_slope - defect / v) / v
    return np.where(small, series * small_v, ratio), np.where(small, series_slope, ratio_slope)


@jet.register
def _(law: Arcsine, z: np.ndarray) -> Jet:
    root = np.sqrt(z - law.radius) * np.sqrt(z + law.radius)
    r = law.radius**2 / (z + root)
    value, slope, bend = 1.0 / root, -z / root**3, -r / root
    return value, slope, r, bend, bend * value + r * slope


@jet.register
def _(law: MarchenkoPastur, z: np.ndarray) -> Jet:
    c, w = law.aspect, z / law.scale
    root = np.sqrt(w - (1.0 - np.sqrt(c)) ** 2) * np.sqrt(w - (1.0 + np.sqrt(c)) ** 2)
    plus = _sum(w - 1.0 + c, root, 4.0 * c * w)
    value, rest = 2.0 / plus, _sum(w - 1.0 - c, root, 4.0 * c) / plus
    slope, r = -value * rest / root / law.scale**2, law.scale / rest
    return value / law.scale, slope, r, c * r**2 * slope, -value / rest / root / law.scale


def _sum(a: np.ndarray, b: np.ndarray, product: np.ndarray | float) -> np.ndarray:
    """a + b, by way of (a + b)(a − b) = product where it would cancel."""
    total, difference = a + b, a - b
    stable = np.abs(total) >= np.abs(difference)
    return np.where(stable, total, product / np.where(stable, 1.0, difference))


@jet.register
def _(law: Affine, z: np.ndarray) -> Jet:
    value, slope, r, bend, m_slope = jet(law.law, (z - law.shift) / law.scale)
    value, slope = value / law.scale, slope / law.scale**2
    m_slope = m_slope / law.scale if law.shift == 0.0 else value + z * slope
    return value, slope, law.scale * r + law.shift, bend, m_slope


@jet.register
def _(law: FussCatalan, z: np.ndarray) -> Jet:
    flipped, above, usable = _upper(z)
    value = law._cauchy(above)
    value = np.where(usable, np.where(flipped, np.conj(value), value), np.nan)
    w = z * value
    m_slope = value * (w - 1.0) / (law.order * (w - 1.0) - 1.0)
    r = w**law.order
    return value, (m_slope - value) / z, r, law.order * r / w * m_slope, m_slope


@jet.register(Discrete)
@jet.register(Empirical)
@jet.register(Dirac)
def _(law: Discrete | Empirical | Dirac, z: np.ndarray) -> Jet:
    points, weights = law._atom_masses
    moments = np.stack([weights, weights * points], axis=1).astype(z.dtype)
    flat = z.ravel()
    result = np.empty((4, flat.size), dtype=np.complex128 if np.iscomplexobj(z) else np.float64)
    block = max(1, _BLOCK // points.size)
    for start in range(0, flat.size, block):
        part = slice(start, start + block)
        resolvent = 1.0 / (flat[part, None] - points)
        value, moment = (resolvent @ moments).T
        np.square(resolvent, out=resolvent)
        result[:2, part] = value, moment / value
        result[2:, part] = -(resolvent @ moments).T
    value, r, slope, m_slope = result
    bend = 1.0 + slope / value**2
    low, high = law._hull
    far = np.abs(flat - 0.5 * (low + high)) > _FAR * (high - low)
    if np.any(far):
        resolvent = 1.0 / (flat[far, None] - points)
        bend[far] = -((resolvent / value[far, None] - 1.0) ** 2 @ weights)
    shape = z.shape
    return (
        value.reshape(shape),
        slope.reshape(shape),
        r.reshape(shape),
        bend.reshape(shape),
        m_slope.reshape(shape),
    )


def _upper(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which z are below the axis, all of them above it, and which are fit for use; the others become 1 + i."""
    usable = np.isfinite(z) & (np.abs(z) < _LARGEST) & (z != 0.0)
    tame = np.where(usable, z, 1.0 + 1.0j)
    flipped = tame.imag < 0.0
    return flipped, np.where(flipped, tame.conj(), tame), usable


def _by_differences(law: SpectralLaw, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """G, with G′ and r′ from its values nearby: precise on the axis, where edges are found, rough above it."""
    low, high = law._hull
    outside = np.maximum(np.maximum(low - z.real, z.real - high), 0.0)
    gaps = [
        np.where((z.real > left) & (z.real < right), np.minimum(z.real - left, right - z.real), 0.0)
        for left, right in gaps_of(law)
    ]
    distance = np.maximum.reduce([outside, z.imag, *gaps])
    on_axis = z.imag == 0.0
    value = law._cauchy(z.ravel()).reshape(z.shape)
    slope = np.empty(z.shape, dtype=np.complex128)
    bend = np.empty(z.shape, dtype=np.complex128)
    if np.any(on_axis):
        radius = _CIRCLE * distance[on_axis]
        circle = z[on_axis] + radius * _DIRECTIONS[:, None]
        values = law._cauchy(circle.ravel()).reshape(circle.shape)
        slope[on_axis] = np.mean((values / _DIRECTIONS[:, None]).real, axis=0) / radius
        bend[on_axis] = 1.0 + slope[on_axis] / value[on_axis] ** 2
    if not np.all(on_axis):
        above, step = z[~on_axis], _STEP * distance[~on_axis]
        ahead, behind = 1.0 / law._cauchy(np.concatenate([above + step, above - step])).reshape(2, -1)
        rise = (ahead - behind) / (2.0 * step)
        slope[~on_axis], bend[~on_axis] = -rise * value[~on_axis] ** 2, 1.0 - rise
    return value, slope, bend


def gaps_of(law: SpectralLaw) -> list[tuple[float, float]]:
    """The bounded open intervals between the parts of the spectrum, atoms included, in increasing order."""
    blocks = sorted([*law.support, *((x, x) for x in law.atoms)])
    gaps = []
    reached = blocks[0][1]
    for low, high in blocks[1:]:
        if low > reached:
            gaps.append((reached, low))
        reached = max(reached, high)
    return gaps
