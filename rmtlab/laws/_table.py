r"""The mass of a density, tabulated once: Gauss–Legendre panels in a variable that each edge chooses.

Seen from an edge e the distance is :math:`d = h u^2` where the edge is soft (a square root, or its inverse,
becomes analytic in u), and :math:`d = h e^{v}` at 0 and at marked points (a power law becomes an exponential).
Panels are halved until the last Legendre coefficients of the density in that variable are negligible.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Density = Callable[[np.ndarray], np.ndarray]

_ORDER = 20
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_ORDER)
_DEGREES = np.arange(_ORDER)
_ANALYSIS = (np.polynomial.legendre.legvander(_NODES, _ORDER - 1) * _WEIGHTS[:, None]).T * (
    _DEGREES[:, None] + 0.5
)
_TAIL = 3
_TOLERANCE = 2e-14
_UNRESOLVED = 1e-10
_ROUNDS = 60
_MOST_PANELS = 6000
_ROUNDING = 1e-15
_FLOOR = 1e-290
_NEGLIGIBLE = 1e-17
_LADDER = np.array([1.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0, 192.0, 256.0, 290.0])


@dataclass(frozen=True, eq=False)
class Side:
    """The density seen from one edge: panels in its variable v, masses counted from the edge outwards."""

    edge: float
    sign: float
    reach: float
    is_log: bool
    breaks: np.ndarray
    coefficients: np.ndarray
    cumulative: np.ndarray
    cap_power: float

    @property
    def mass(self) -> float:
        """Mass of the whole side."""
        return float(self.cumulative[-1])

    def distance(self, v: np.ndarray) -> np.ndarray:
        """Distance from the edge."""
        return self.reach * (np.exp(v) if self.is_log else v**2)

    def variable(self, distance: np.ndarray) -> np.ndarray:
        """Inverse of `distance`."""
        ratio = distance / self.reach
        return np.log(np.maximum(ratio, 1e-320)) if self.is_log else np.sqrt(ratio)

    def mass_within(self, distance: np.ndarray) -> np.ndarray:
        """Mass between the edge and the given distance from it."""
        v = np.clip(self.variable(np.clip(distance, 0.0, self.reach)), None, self.breaks[-1])
        panel = np.clip(np.searchsorted(self.breaks, v, side="right") - 1, 0, self.breaks.size - 2)
        t = (2.0 * v - self.breaks[panel] - self.breaks[panel + 1]) / np.diff(self.breaks)[panel]
        inside = self.cumulative[panel] + _antiderivative(self.coefficients[panel], np.maximum(t, -1.0))
        capped = self.cumulative[0] * np.exp(self.cap_power * np.minimum(v - self.breaks[0], 0.0))
        return np.where(v < self.breaks[0], capped, inside)

    def distance_at(self, mass: np.ndarray) -> np.ndarray:
        """Inverse of `mass_within`."""
        panel = np.clip(np.searchsorted(self.cumulative, mass, side="right") - 1, 0, self.breaks.size - 2)
        coefficients, target = self.coefficients[panel], mass - self.cumulative[panel]
        low, high = np.full(mass.shape, -1.0), np.full(mass.shape, 1.0)
        t = np.zeros(mass.shape)
        for _ in range(60):
            miss = _antiderivative(coefficients, t) - target
            low, high = np.where(miss < 0.0, t, low), np.where(miss < 0.0, high, t)
            slope = np.polynomial.legendre.legval(t, coefficients.T, tensor=False)
            step = np.divide(miss, slope, out=np.full_like(t, 9.0), where=slope > 0.0)
            newton = t - step
            inside = (newton > low) & (newton < high)
            following = np.where(inside, newton, 0.5 * (low + high))
            if np.all(np.abs(following - t) <= _ROUNDING):
                break
            t = following
        width = np.diff(self.breaks)[panel]
        v = self.breaks[panel] + 0.5 * width * (1.0 + t)
        if self.cumulative[0] > 0.0:
            fraction = np.maximum(mass / self.cumulative[0], 1e-300)
            capped = self.breaks[0] + np.log(np.minimum(fraction, 1.0)) / self.cap_power
            v = np.where(mass < self.cumulative[0], capped, v)
        return np.where(mass <= 0.0, 0.0, np.minimum(self.distance(v), self.reach))


@dataclass(frozen=True, eq=False)
class Table:
    """All sides of a law's continuous part, in increasing order, with quadrature nodes and their masses."""

    sides: tuple[Side, ...]
    cumulative: np.ndarray
    nodes: np.ndarray
    masses: np.ndarray

    @property
    def mass(self) -> float:
        """Mass of the continuous part."""
        return float(self.cumulative[-1])

    def mass_below(self, x: np.ndarray) -> np.ndarray:
        """Mass of the continuous part up to x."""
        result = np.zeros(x.shape)
        for side, before in zip(self.sides, self.cumulative, strict=False):
            distance = side.sign * (x - side.edge)
            if side.sign > 0:
                here = distance > 0.0
                result[here] = before + side.mass_within(distance[here])
            else:
                here = distance < side.reach
                result[here] = before + side.mass - side.mass_within(distance[here])
                result[distance <= 0.0] = before + side.mass
        return result

    def quantile(self, mass: np.ndarray) -> np.ndarray:
        """Inverse of `mass_below`."""
        mass = np.clip(mass, 0.0, self.mass)
        which = np.clip(np.searchsorted(self.cumulative, mass, side="left") - 1, 0, len(self.sides) - 1)
        result = np.empty(mass.shape)
        for k, side in enumerate(self.sides):
            here = which == k
            if not np.any(here):
                continue
            own = mass[here] - self.cumulative[k]
            own = own if side.sign > 0 else np.maximum(side.mass - own, 0.0)
            result[here] = side.edge + side.sign * side.distance_at(own)
        return result

    def integral(self, f: Callable[[Any], Any]) -> Any:
        """Integral of f against the continuous part."""
        return np.sum(self.masses * f(self.nodes))


def build(
    density: Density,
    support: list[tuple[float, float]],
    marks: tuple[float, ...],
    mass: float,
    grain: float = 0.0,
) -> Table:
    """Tabulate `density` on `support`; `mass` is what it should integrate to, `grain` the rounding of its argument.

    Raises
    ------
    ValueError
        If the panels do not resolve the density.
    """
    sketches = [sketch for interval in support for sketch in _sketches(interval, marks)]
    scale = max((abs(edge) for interval in support for edge in interval), default=1.0)
    starts, caps = [], []
    for sketch in sketches:
        start, cap_mass, cap_power = _start(density, sketch, scale)
        starts.append(start)
        caps.append((cap_mass, cap_power))
    panels = _panels(density, sketches, starts, grain)
    caps = _missing_mass(sketches, panels, caps, mass)
    sides, nodes, masses = [], [], []
    for (edge, sign, reach, is_log), own, (cap_mass, cap_power) in zip(sketches, panels, caps, strict=True):
        breaks = np.array([panel.low for panel in own] + [own[-1].high])
        coefficients = np.array([0.5 * (panel.high - panel.low) * panel.coefficients for panel in own])
        cumulative = cap_mass + np.concatenate([[0.0], np.cumsum(2.0 * coefficients[:, 0])])
        side = Side(edge, sign, reach, is_log, breaks, coefficients, cumulative, cap_power)
        sides.append(side)
        nodes += [panel.nodes for panel in own] + [np.array([edge + sign * side.distance(breaks[0])])]
        masses += [panel.masses for panel in own] + [np.array([cap_mass])]
    totals = np.concatenate([[0.0], np.cumsum([side.mass for side in sides])])
    return Table(
        tuple(sides),
        totals,
        np.concatenate(nodes) if nodes else np.empty(0),
        np.concatenate(masses) if masses else np.empty(0),
    )


Sketch = tuple[float, float, float, bool]


@dataclass(frozen=True, eq=False)
class _Panel:
    low: float
    high: float
    nodes: np.ndarray
    masses: np.ndarray
    coefficients: np.ndarray


def _sketches(interval: tuple[float, float], marks: tuple[float, ...]) -> list[Sketch]:
    a, b = interval
    inner = sorted({mark for mark in marks if a < mark < b})
    points = [a, *inner, b]
    result: list[Sketch] = []
    for left, right in pairwise(points):
        half = 0.5 * (right - left)
        result.append((left, 1.0, half, left in marks))
        result.append((right, -1.0, half, right in marks))
    return result


def _start(density: Density, sketch: Sketch, scale: float) -> tuple[float, float, float]:
    """Where the side's variable starts, the mass before it, and the power by which that mass vanishes."""
    edge, sign, reach, is_log = sketch
    if not is_log:
        return 0.0, 0.0, 1.0
    floor = 64.0 * np.spacing(abs(edge)) / reach if edge else _FLOOR * max(1.0, scale) / reach
    exponents = np.append(_LADDER[floor < 10.0**-_LADDER], -np.log10(floor))
    near, far, power, chosen = 0.0, 0.0, 1.0, exponents[-1]
    for group in np.array_split(exponents, max(1, exponents.size // 3)):
        distance = (np.array([[1.0], [0.5]]) * 10.0**-group).ravel() * reach
        profile = (distance * density(edge + sign * distance)).reshape(2, -1)
        for exponent, far, near in zip(group, *profile, strict=True):
            power = max(float(np.log2(far / near)), 1e-6) if near > 0.0 and far > 0.0 else 1.0
            if far <= _NEGLIGIBLE * power:
                return _log_start(exponent, far, power)
        chosen = group[-1]
    return _log_start(chosen, far, power)


def _log_start(exponent: float, profile: float, power: float) -> tuple[float, float, float]:
    return float(-exponent * np.log(10.0)), float(profile) / power, power


def _panels(
    density: Density, sketches: list[Sketch], starts: list[float], grain: float
) -> list[list[_Panel]]:
    done: list[list[_Panel]] = [[] for _ in sketches]
    pending = [
        (k, low, high)
        for k, (sketch, start) in enumerate(zip(sketches, starts, strict=True))
        for low, high in _first_panels(sketch[3], start)
    ]
    worst = 0.0
    for round_ in range(_ROUNDS):
        if not pending:
            break
        tried = _measure(density, sketches, pending, grain)
        is_last = round_ == _ROUNDS - 1 or sum(map(len, done)) + 2 * len(pending) > _MOST_PANELS
        pending = []
        for k, panel, excess in tried:
            if excess <= 0.0 or is_last:
                done[k].append(panel)
                worst = max(worst, excess)
            else:
                middle = 0.5 * (panel.low + panel.high)
                pending += [(k, panel.low, middle), (k, middle, panel.high)]
    if worst > _UNRESOLVED:
        raise ValueError(
            f"The density of this law could not be resolved (an error of {worst:.1e} in mass remains); "
            "move the parameters slightly away from where two parts of the spectrum touch."
        )
    return [sorted(own, key=lambda panel: panel.low) for own in done]


def _first_panels(is_log: bool, start: float) -> list[tuple[float, float]]:
    if not is_log:
        return [(0.0, 0.5), (0.5, 1.0)]
    breaks = [0.0]
    while -breaks[-1] < -start:
        breaks.append(max(start, breaks[-1] - max(4.0, -0.6 * breaks[-1])))
    return [(low, high) for high, low in pairwise(breaks)]


def _measure(
    density: Density, sketches: list[Sketch], pending: list[tuple[int, float, float]], grain: float
) -> list[tuple[int, _Panel, float]]:
    which = np.array([k for k, _, _ in pending])
    low, high = (np.array([part[i] for part in pending])[:, None] for i in (1, 2))
    edge, sign, reach, is_log = (np.array([sketch[i] for sketch in sketches])[which, None] for i in range(4))
    half = 0.5 * (high - low)
    v = 0.5 * (low + high) + half * _NODES
    distance = reach * np.where(is_log, np.exp(np.minimum(v, 0.0)), v**2)
    x = edge + sign * distance
    actual = np.where(edge == 0.0, distance, sign * (x - edge))
    stretch = np.where(is_log, actual, 2.0 * np.sqrt(np.maximum(actual, 0.0) * reach))
    heights = np.maximum(density(x.ravel()).reshape(x.shape), 0.0) * stretch
    coefficients = heights @ _ANALYSIS.T
    tail = np.max(np.abs(coefficients[:, -_TAIL:]), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        blur = np.maximum(np.abs(edge) * np.finfo(float).eps, grain) / actual * heights
    allowed = np.maximum(_TOLERANCE, half[:, 0] * np.max(np.nan_to_num(blur), axis=1))
    excess = half[:, 0] * tail
    excess = np.where(
        excess <= np.maximum(allowed, 4e-15 * half[:, 0] * np.abs(coefficients[:, 0])), 0.0, excess
    )
    return [
        (
            int(which[i]),
            _Panel(low[i, 0], high[i, 0], x[i], half[i, 0] * _WEIGHTS * heights[i], coefficients[i]),
            excess[i],
        )
        for i in range(which.size)
    ]


def _missing_mass(
    sketches: list[Sketch],
    panels: list[list[_Panel]],
    caps: list[tuple[float, float]],
    mass: float,
) -> list[tuple[float, float]]:
    """Give the caps that reach below the smallest floats what is missing, if their own estimate agrees.

    A density like 1/(x ln²x) keeps a part of its mass below every float; the estimate from its slope is then
    right to a factor of order one, and the mass that all panels leave is exact.
    """
    slow = [k for k, (cap, power) in enumerate(caps) if cap > 1e-12 and power < 0.05]
    if not slow:
        return caps
    found = sum(float(np.sum(panel.masses)) for own in panels for panel in own)
    missing = mass - found - sum(cap for k, (cap, _) in enumerate(caps) if k not in slow)
    estimate = sum(caps[k][0] for k in slow)
    if not 0.4 * estimate <= missing <= 4.0 * estimate:
        return caps
    return [
        (cap * missing / estimate, power) if k in slow else (cap, power)
        for k, (cap, power) in enumerate(caps)
    ]


def _antiderivative(coefficients: np.ndarray, t: np.ndarray) -> np.ndarray:
    r"""∫ from −1 to t of Σ c_k P_k, through :math:`(2k+1) \int P_k = P_{k+1} - P_{k-1}`."""
    before, now = np.ones_like(t), t
    total = coefficients[..., 0] * (t + 1.0)
    for k in range(1, _ORDER):
        following = ((2 * k + 1) * t * now - k * before) / (k + 1)
        total = total + coefficients[..., k] * (following - before) / (2 * k + 1)
        before, now = now, following
    return total
