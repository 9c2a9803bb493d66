r"""Averages E[f(u)f(v)] over many Gaussian pairs at once, by Mehler's formula with a certified tail.

With He_n the Hermite polynomials and a_n(q) = E[f(√q z) He_n(z)]/√n!,

    E[f(u)f(v)] = Σ_n a_n(q₁₁) a_n(q₂₂) cⁿ,

and by Cauchy–Schwarz the terms from N on add up to at most |c|^N √(r(q₁₁) r(q₂₂)), where r(q) is
E[f²] less the first N squares. Pairs for which that is not negligible, or whose coefficients change
when the panels are halved, are left to the adaptive quadrature of :mod:`rmtlab.gaussian`.
"""

from collections.abc import Callable

import numpy as np

from rmtlab import gaussian
from rmtlab.activations._pair import Pair

Plain = Callable[[np.ndarray], np.ndarray]

_TERMS = ((64, 4), (256, 16), (1024, 32))  # how many, and from how many pairs on they beat quadrature
_PANELS = (2, 4, 8, 16, 32)  # per unit of z
_TAIL = 1e-12
_CHANGE = 1e-13
_REACH = (
    13.0  # beyond it the density is below 1e-37; a function that outgrows that is seen in the last panels
)
_EDGE = 1e-16
_X, _W = np.polynomial.legendre.leggauss(32)
_BLOCK = 1 << 11
_ROWS = 128


def pair_average(f: Plain, pair: Pair, kinks: tuple[float, ...]) -> np.ndarray:
    """Return E[f(u)f(v)] for every pair, to 1e-12·√(E[f(u)²] E[f(v)²])."""
    shape = pair.a.shape
    a, b, k, c = (part.ravel() for part in (pair.a, pair.b, pair.k, pair.c))
    value = np.empty(a.shape)
    same = (a == b) & (b == k)
    value[same] = gaussian.expectation(lambda x: f(x) ** 2, a[same], kinks=kinks) if same.any() else 0.0
    left = np.flatnonzero(~same)
    for terms, fewest in _TERMS:
        if left.size < fewest:
            break
        value[left], certain = _series(f, a[left], b[left], c[left], kinks, terms)
        left = left[~certain]
    if left.size:
        cov = np.stack([a[left], k[left], k[left], b[left]], axis=-1).reshape(-1, 2, 2)
        value[left] = gaussian.expectation2(f, f, cov, kinks=kinks)
    return value.reshape(shape)


def _series(
    f: Plain, a: np.ndarray, b: np.ndarray, c: np.ndarray, kinks: tuple[float, ...], terms: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of `terms` terms and whether each is certain."""
    q, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    i, j = place.reshape(2, -1)
    coefficients, energy, sure = all_coefficients(f, q, kinks, terms)
    rest = np.sqrt(np.maximum(energy - np.sum(coefficients**2, axis=0), 0.0))
    tail = np.abs(c) ** terms * rest[i] * rest[j]
    certain = sure[i] & sure[j] & (tail <= _TAIL * np.sqrt(energy[i] * energy[j]))
    i, j, c = i[certain], j[certain], c[certain]
    total = np.zeros(len(c))
    for row in coefficients[::-1]:
        total = total * c + row[i] * row[j]
    value = np.zeros(len(a))
    value[certain] = total
    return value, certain


def all_coefficients(
    f: Plain, q: np.ndarray, kinks: tuple[float, ...], terms: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a_n(q) in the shape (terms, q), E[f²], and whether halving the panels left them as they were.

    Variances share their panels where no kink moves with them.
    """
    moving = any(x != 0 for x in kinks)
    rows = 1 if moving else _ROWS
    parts = [_coefficients(f, q[r : r + rows], kinks, terms) for r in range(0, len(q), rows)]
    coefficients, energy, sure = (np.concatenate(found, axis=-1) for found in zip(*parts, strict=True))
    return coefficients, energy, sure


def _coefficients(
    f: Plain, q: np.ndarray, kinks: tuple[float, ...], terms: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    coefficients, energy = np.zeros((terms, len(q))), np.zeros(len(q))
    sure = np.zeros(len(q), dtype=bool)
    for panels in _PANELS:
        todo = np.flatnonzero(~sure)
        finer, energy[todo], inside = _project(f, q[todo], kinks, terms, panels)
        change = np.max(np.abs(finer - coefficients[:, todo]), axis=0)
        coefficients[:, todo] = finer
        sure[todo] = inside & (change <= _CHANGE * np.sqrt(energy[todo])) & (panels > _PANELS[0])
        if sure.all():
            break
    return coefficients, energy, sure


def _project(
    f: Plain, q: np.ndarray, kinks: tuple[float, ...], terms: int, panels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coefficients, energy, and whether f² times the density is negligible in the last panels."""
    z, weight = _nodes(kinks, float(q[0]), panels)
    coefficients, energy, edge = np.zeros((terms, len(q))), np.zeros(len(q)), np.zeros(len(q))
    for start in range(0, len(z), _BLOCK):
        at, w = z[start : start + _BLOCK], weight[start : start + _BLOCK]
        root = np.exp(-0.25 * at * at) / (2 * np.pi) ** 0.25
        with np.errstate(all="ignore"):
            values = f(np.sqrt(q)[:, None] * at) * root
            squares = values**2 * w
            energy += np.sum(squares, axis=1)
            edge += np.sum(squares[:, np.abs(at) > _REACH - 1], axis=1)
            coefficients += _hermite_functions(at, root, terms) @ (values * w).T
    fine = np.isfinite(energy) & np.isfinite(coefficients).all(axis=0)
    inside = fine & (edge <= _EDGE * energy)
    return np.where(fine, coefficients, 0.0), np.where(fine, energy, 0.0), inside


def _nodes(kinks: tuple[float, ...], q: float, panels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss–Legendre nodes and weights on panels in z, split at zero and at the kinks."""
    edges = np.linspace(-_REACH, _REACH, int(2 * _REACH * panels) + 1)
    if q > 0:
        corners = np.array(kinks) / np.sqrt(q)
        edges = np.unique(np.concatenate([edges, corners[np.abs(corners) < _REACH]]))
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    return (middle[:, None] + half[:, None] * _X).ravel(), (half[:, None] * _W).ravel()


def _hermite_functions(z: np.ndarray, root: np.ndarray, terms: int) -> np.ndarray:
    """Return He_n(z)/√n! times the square root of the density, by the three-term recurrence."""
    rows = np.empty((terms, len(z)))
    rows[0], rows[1] = root, z * root
    for n in range(1, terms - 1):
        rows[n + 1] = (z * rows[n] - np.sqrt(n) * rows[n - 1]) / np.sqrt(n + 1)
    return rows
