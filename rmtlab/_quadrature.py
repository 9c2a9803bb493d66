"""Averages of many functions under N(0, 1) at once, by adaptive Gauss–Legendre panels.

A panel is an interval [left, right] of z and has an owner, the index of the average it belongs to.
Panels whose last Legendre coefficients are not negligible beside the whole average are halved, all
owners together, until every panel is resolved. So steps and corners that nobody named are found by
bisection, and no value is handed back without its certificate.
"""

from collections.abc import Callable

import numpy as np

Panels = tuple[np.ndarray, np.ndarray, np.ndarray]
Integrand = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray | None]]

REACH = 54.0  # the largest float64 times the normal density at 54 is 1e-325: no finite f matters beyond
GOAL = 1e-12  # error over size
_OWN = 2e-13  # the part of a panel that rounding may have spoilt: more halving can't mend it
_GRAIN = 4 * np.finfo(float).eps  # how coarse the integrand's variable is, over its magnitude
_NEGLIGIBLE = 1e-15
_HUGE = 1e-3 * np.finfo(float).max
_LEVELS = 100
MOST_PANELS = 1 << 16
_PANELS_EACH = 1 << 8
_BLOCK = 1 << 11

_NODES = 32
_EDGE = 1 - 1e-8  # inside the panel even where rounding shifts its ends


def _rule() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give nodes, weights, and (first the weights) functionals that bound the error of the weights.

    The last three Legendre coefficients together see a step or a corner wherever nodes lie on both
    sides of it. Between the last node and the end of the panel two more points, of weight zero,
    look for it: the polynomial through the nodes must meet the function there.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    edges = np.array([-_EDGE, _EDGE])
    gap = 1 - nodes[-1]
    vander = np.polynomial.legendre.legvander
    coefficients = vander(nodes, _NODES - 1) * weights[:, None] * (np.arange(_NODES) + 0.5)
    functionals = np.zeros((_NODES + 2, 6))
    functionals[1:-1, 0] = weights
    functionals[1:-1, 1:4] = coefficients[:, -3:]
    functionals[1:-1, 4:] = -gap * coefficients @ vander(edges, _NODES - 1).T
    functionals[[0, -1], [4, 5]] = gap
    return np.concatenate([edges[:1], nodes, edges[1:]]), functionals[:, 0].copy(), functionals


_X, _W, _FUNCTIONALS = _rule()
_TRUNK = np.array([0.0, 4.0, 9.0])
_BASE = np.concatenate([[-REACH], -_TRUNK[:0:-1], _TRUNK, [REACH]])
_LONGEST = 64.0
_MOST_PIECES = 64


class Unconverged(Exception):
    """An average that could not be certified: its owner, and the z around which it is rough."""

    def __init__(self, owner: int, where: float) -> None:
        super().__init__(owner, where)
        self.owner, self.where = owner, where


def panels(breaks: np.ndarray, spread: np.ndarray) -> Panels:
    """Lay out panels (left, right, owner) split at `breaks`, one row an owner.

    `spread` is how far the integrand's own variable moves per unit of z: panels near the centre are
    no longer than 64 of its units, so that a feature of width one is seen by the nodes.
    """
    edges = np.concatenate([np.broadcast_to(_BASE, (len(spread), len(_BASE))), breaks], axis=1)
    edges = np.sort(np.clip(edges, -REACH, REACH), axis=1)
    left, right = edges[:, :-1], edges[:, 1:]
    owner, column = np.nonzero(right > left)
    left, right = left[owner, column], right[owner, column]
    central = np.maximum(-left, right) <= _TRUNK[-1]
    length = np.where(central, (right - left) * spread[owner], 0.0)
    pieces = np.clip(np.ceil(length / _LONGEST), 1, _MOST_PIECES).astype(int)
    if pieces.max() == 1:
        return left, right, owner
    which = np.repeat(np.arange(len(pieces)), pieces)
    place = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    step = ((right - left) / pieces)[which]
    last = place + 1 == pieces[which]
    return (
        left[which] + place * step,
        np.where(last, right[which], left[which] + (place + 1) * step),
        owner[which],
    )


def average(
    integrand: Integrand, layout: Panels, offset: np.ndarray, goal: float = GOAL, most: int = MOST_PANELS
) -> tuple[np.ndarray, np.ndarray]:
    """Average functions under N(0, 1), one an entry of `offset`; give values and sizes (averages of |·|).

    `integrand(z, owner)` returns values and sizes in the shape of z, (panels, nodes), and forms its
    own variable as z + offset, up to scale: what float64 rounds off there can't be resolved either.
    Beyond that and 2e-13, the error estimates of an average add up to less than goal/2 of its size.
    A value that overflows where the density makes it negligible is dropped; elsewhere it makes the average inf.
    Beyond `most` panels, and 256 more for each average, it gives up.
    """
    count = len(offset)
    state = (*layout, *_apply(integrand, *layout, offset))
    for _ in range(_LEVELS):
        left, right, owner = state[:3]
        rough = _rough(state, count, goal)
        if not rough.any() or len(left) > most + _PANELS_EACH * count:
            break
        a, b, of = left[rough], right[rough], owner[rough]
        middle = 0.5 * (a + b)
        halves = np.concatenate([a, middle]), np.concatenate([middle, b]), np.concatenate([of, of])
        fresh = (*halves, *_apply(integrand, *halves, offset))
        state = tuple(np.concatenate([old[~rough], new]) for old, new in zip(state, fresh, strict=True))
    left, right, owner, value, size, error, lost = state
    rough = _rough(state, count, goal)
    if rough.any():
        worst = int(np.argmax(np.where(rough, error, -1.0)))
        raise Unconverged(int(owner[worst]), 0.5 * (left[worst] + right[worst]))
    scale, overflows = _scale(owner, size, lost, count)
    total = np.bincount(owner, value, count)
    return np.where(overflows, np.inf, total), np.where(overflows, np.inf, scale)


def _rough(state: tuple[np.ndarray, ...], count: int, goal: float) -> np.ndarray:
    """Mark the panels whose error is more than their share of the goal."""
    _, _, owner, _, size, error, lost = state
    scale, overflows = _scale(owner, size, lost, count)
    share = np.where(overflows, np.inf, 0.5 * goal * scale / np.bincount(owner, minlength=count))
    return error > share[owner]


def _scale(
    owner: np.ndarray, size: np.ndarray, lost: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give each owner's size, and whether what overflowed there could matter."""
    scale = np.bincount(owner, size, count)
    return scale, ~((np.bincount(owner, lost, count) <= _NEGLIGIBLE * scale) & (scale < _HUGE))


def _apply(
    integrand: Integrand, left: np.ndarray, right: np.ndarray, owner: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Give integral, size, error and overflow bound of every panel, in blocks of bounded memory."""
    blocks = [slice(i, i + _BLOCK) for i in range(0, len(left), _BLOCK)]
    parts = [_apply_block(integrand, left[b], right[b], owner[b], offset) for b in blocks]
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _apply_block(
    integrand: Integrand, left: np.ndarray, right: np.ndarray, owner: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, ...]:
    half = 0.5 * (right - left)
    z = 0.5 * (left + right)[:, None] + half[:, None] * _X
    half = half / np.sqrt(2 * np.pi)
    value, size = integrand(z, owner)
    z *= z
    z *= -0.25
    root = np.exp(z, out=z)  # applied twice: the density itself underflows before f overflows
    with np.errstate(over="ignore", invalid="ignore"):
        weighted = value * root
        weighted *= root
        mass = half * ((np.abs(weighted) if size is None else size * root * root) @ _W)
        lost = np.zeros(len(left))
        if not np.isfinite(mass).all():
            fine = np.isfinite(value if size is None else size)
            lost = half * ((~fine * np.finfo(float).max * root * root) @ _W)
            value, weighted = np.where(fine, value, 0.0), np.where(fine, weighted, 0.0)
            mass = half * (np.where(fine, np.abs(weighted) if size is None else size * root * root, 0.0) @ _W)
        summary = half[:, None] * (weighted @ _FUNCTIONALS)
        error = np.abs(summary[:, 1:]).max(axis=1)
        error[error <= _OWN * mass] = 0.0
        rest = np.flatnonzero(error)
        steps = np.abs(np.diff(value[rest], axis=1)) * np.minimum(root[rest, 1:], root[rest, :-1]) ** 2
        grain = _GRAIN * (offset[owner[rest]] + np.maximum(-left[rest], right[rest])) * steps.sum(axis=1)
        error[rest[error[rest] <= grain]] = 0.0
    return summary[:, 0], mass, error, lost
