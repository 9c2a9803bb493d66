"""How far data lie from a law: one call, one frozen answer, one line to read.

The law is any object with ``cdf(x)``, ``quantile(p)`` (or ``ppf(p)``) and ``moment(k)``: every
spectral law of :mod:`rmtlab.laws`, and the frozen distributions of :mod:`scipy.stats`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.laws._base import ATOM_WIDTH

__all__ = ["Comparison", "MomentError", "compare"]

_VERBS = (("cdf",), ("quantile", "ppf"), ("moment",))
_KOLMOGOROV_95 = 1.36
_PANELS = 64
_TAIL_HALVINGS = 50
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


@dataclass(frozen=True)
class MomentError:
    """One moment of the data beside the law's own.

    ``error`` is ``|measured − theory|`` and ``standard_error`` the sampling error of ``measured``,
    both divided by ``|theory|``; where the law's moment vanishes by symmetry, they are divided by the
    natural size ``m_{k+1}^{k/(k+1)}`` of a k-th moment instead.
    """

    order: int
    theory: float
    measured: float
    error: float
    standard_error: float


@dataclass(frozen=True, repr=False)
class Comparison:
    """The distance between a law and data, as :func:`compare` measured it.

    Attributes
    ----------
    n : int
        Number of values compared, over all draws.
    draws : int
        Number of independent spectra they came in.
    ks : float
        Kolmogorov–Smirnov distance, between 0 and 1.
    wasserstein : float
        First Wasserstein distance W₁, in the units of the data.
    moments : tuple of MomentError
        The moments of order 1 to 4.
    """

    n: int
    draws: int
    ks: float
    wasserstein: float
    moments: tuple[MomentError, ...]

    @property
    def ks_yardstick(self) -> float:
        """The value 1.36/√n, at most 1, below which KS of n independent values stays in 95 % of samples."""
        return min(1.0, _KOLMOGOROV_95 / math.sqrt(self.n))

    @property
    def agrees(self) -> bool:
        """Whether KS is no larger than :attr:`ks_yardstick`."""
        return self.ks <= self.ks_yardstick

    @property
    def verdict(self) -> str:
        """The comparison in one line."""
        judged = "within" if self.agrees else "farther from the law than"
        return (
            f"KS {self.ks:.2g}, W₁ {self.wasserstein:.2g} over {self.n} values: {judged} the 95 % level "
            f"{self.ks_yardstick:.2g} of independent draws"
        )

    def __repr__(self) -> str:
        return self.verdict


def compare(law: Any, eigenvalues: Any) -> Comparison:
    r"""Measure how far data lie from a law.

    With F the law's distribution function and Fₙ that of the n values,

    .. math::

        \mathrm{KS} = \sup_x |F_n(x) - F(x)|, \qquad W_1 = \int |F_n(x) - F(x)|\,dx .

    KS is exact, atoms included: a value within 1e-10·max|λ| of an atom of the law counts at it. W₁ is
    integrated piece by piece between the data, the law's edges and the points where F crosses Fₙ; of
    an unbounded tail the part of probability 2⁻⁵⁰ is left out.

    Parameters
    ----------
    law : object
        Anything with ``cdf(x)``, ``quantile(p)`` or ``ppf(p)``, and ``moment(k)``; its ``atoms`` and
        ``support`` are used where it has them.
    eigenvalues : array_like, shape (n,) or (draws, n)
        Real numbers in any order: eigenvalues, singular values, pre-activations. Rows of a
        two-dimensional array are independent draws, which are pooled.

    Returns
    -------
    Comparison
        Frozen; its repr is a one-line verdict.

    Raises
    ------
    TypeError, ValueError
        If the law lacks one of its three verbs, or the data are empty, complex, not finite, or look
        like a symmetric matrix in place of its eigenvalues.

    Notes
    -----
    The verdict sets KS beside 1.36/√n, which independent values exceed in 5 % of samples. Eigenvalues
    repel: for the matrices of this course Fₙ fluctuates by about (log n)/n only, so agreement usually
    lies far *below* this level, and being just below it is not yet strong evidence. What repels
    nothing, such as pre-activations, is judged by it squarely.

    For the same reason one spectrum cannot show its own sampling error. From one draw, the standard
    error of a moment is the one of n independent values, an upper yardstick; from two or more draws
    (rows) it is measured between the draws, and honest for any repulsion. Neither covers the O(1/n)
    bias of a finite matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import stats
    >>> from rmtlab import compare
    >>> compare(stats.uniform(), (np.arange(100) + 0.5) / 100)
    KS 0.005, W₁ 0.0025 over 100 values: within the 95 % level 0.14 of independent draws
    """
    face = _Face(law)
    draws = _at_atoms(_spectra(eigenvalues), face.atoms)
    values = np.sort(draws, axis=None)
    return Comparison(
        n=values.size,
        draws=len(draws),
        ks=_ks(face, values),
        wasserstein=_wasserstein(face, values),
        moments=tuple(_moment_error(face, draws, order) for order in (1, 2, 3, 4)),
    )


@dataclass(frozen=True)
class _Face:
    """What a comparison asks of a law, whichever library it comes from."""

    law: Any

    def __post_init__(self) -> None:
        missing = [verbs[0] for verbs in _VERBS if not any(hasattr(self.law, verb) for verb in verbs)]
        if isinstance(self.law, type):
            raise TypeError(f"law must be a law, but the class {self.law.__name__} was given; call it first.")
        if missing:
            raise TypeError(
                f"law must be a law such as rl.laws.Semicircle() or scipy.stats.norm(), "
                f"but {self.law!r} has no {' and no '.join(missing)}."
            )

    def cdf(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.law.cdf(x), dtype=float)

    def cdf_left(self, x: np.ndarray) -> np.ndarray:
        return self.cdf(np.nextafter(x, -np.inf))

    def moment(self, order: int) -> float:
        return float(self.law.moment(order))

    @cached_property
    def quantile(self) -> Callable[[np.ndarray], np.ndarray]:
        return self.law.quantile if hasattr(self.law, "quantile") else self.law.ppf

    @cached_property
    def atoms(self) -> np.ndarray:
        return np.sort(np.array(list(getattr(self.law, "atoms", {})), dtype=float))

    @cached_property
    def edges(self) -> np.ndarray:
        support = getattr(self.law, "support", ())
        return np.ravel(np.asarray(support() if callable(support) else support, dtype=float))


def _spectra(eigenvalues: Any) -> np.ndarray:
    if hasattr(eigenvalues, "detach"):
        eigenvalues = eigenvalues.detach().cpu()
    if np.iscomplexobj(eigenvalues):
        raise TypeError(
            "eigenvalues must be real, but complex numbers were given; "
            "a symmetric matrix has real ones (numpy.linalg.eigvalsh), and singular values always are."
        )
    values = _checks.array(eigenvalues, "eigenvalues", ndim=(1, 2))
    if values.ndim == 2 and 1 < len(values) == values.shape[1] and np.array_equal(values, values.T):
        raise ValueError(
            f"eigenvalues is a symmetric {len(values)} × {len(values)} matrix; pass its eigenvalues, "
            "numpy.linalg.eigvalsh(matrix), or .ravel() if its entries are the data."
        )
    return np.atleast_2d(values)


def _at_atoms(draws: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Move each value that lies within rounding of an atom onto it."""
    fence = np.concatenate([[-np.inf], atoms, [np.inf]])
    after = np.searchsorted(fence, draws)
    left, right = fence[after - 1], fence[after]
    nearest = np.where(np.abs(draws - left) <= np.abs(draws - right), left, right)
    return np.where(np.abs(draws - nearest) <= ATOM_WIDTH * np.max(np.abs(draws)), nearest, draws)


def _ks(face: _Face, values: np.ndarray) -> float:
    """sup |Fₙ − F|: as Fₙ is constant between the data and F increases, it is reached at a datum.

    Data within rounding of an atom count at it, and so does what the law has there.
    """
    points, counts = np.unique(values, return_counts=True)
    after = np.cumsum(counts) / values.size
    before = after - counts / values.size
    window = np.where(np.isin(points, face.atoms), ATOM_WIDTH * np.max(np.abs(values)), 0.0)
    gaps = np.abs([after - face.cdf(points + window), before - face.cdf_left(points - window)])
    return float(np.max(gaps))


def _wasserstein(face: _Face, values: np.ndarray) -> float:
    """∫|Fₙ − F| dx, Gauss–Legendre on pieces in which the integrand is smooth and keeps its sign."""
    if not np.isfinite(face.moment(1)):
        return np.inf
    halvings = 0.5 ** np.arange(1, _TAIL_HALVINGS + 1)
    steps = values.size * -(-_PANELS // values.size)
    levels = np.unique(np.concatenate([np.arange(steps + 1) / steps, halvings, 1 - halvings]))
    cuts = np.concatenate([values, np.asarray(face.quantile(levels), dtype=float), face.atoms, face.edges])
    cuts = np.unique(cuts[np.isfinite(cuts)])
    if cuts.size == 1:
        return 0.0
    middle, half = (cuts[1:] + cuts[:-1]) / 2, (cuts[1:] - cuts[:-1]) / 2
    empirical = np.searchsorted(values, middle, side="right") / values.size
    nodes = middle[:, None] + half[:, None] * _NODES
    theory = face.cdf(nodes.ravel()).reshape(nodes.shape)
    return float(half @ (np.abs(empirical[:, None] - theory) @ _WEIGHTS))


def _moment_error(face: _Face, draws: np.ndarray, order: int) -> MomentError:
    powers = draws**order
    measured, theory = float(np.mean(powers)), face.moment(order)
    samples = np.mean(powers, axis=1) if len(draws) > 1 else powers.ravel()
    sampling = float(np.std(samples, ddof=1)) / math.sqrt(samples.size) if samples.size > 1 else math.inf
    scale = _moment_scale(face, order, theory)
    error = _ratio(abs(measured - theory), scale)
    return MomentError(order, theory, measured, error, _ratio(sampling, scale))


def _moment_scale(face: _Face, order: int, theory: float) -> float:
    if order % 2 == 0:
        return abs(theory)
    natural = face.moment(order + 1) ** (order / (order + 1))
    return natural if abs(theory) <= 1e-8 * natural else abs(theory)


def _ratio(error: float, scale: float) -> float:
    """An error in units of `scale`; against a law whose moment is zero or infinite, 0 only if exact."""
    if scale > 0:
        return error / scale
    return 0.0 if error == 0 else np.inf
