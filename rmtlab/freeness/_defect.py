"""How far matrices are from free, and how fast that vanishes with their size."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.freeness._moments import Word, as_families, as_matrices, centred


@dataclass(frozen=True, eq=False)
class Defect:
    """The centred alternating words of a family of matrices, all of which vanish under freeness.

    Attributes
    ----------
    largest, rms : float
        Largest size, and root mean square, of the words.
    word : tuple of str
        The largest one.
    words : mapping of tuple of str to float
        All of them.
    """

    largest: float
    rms: float
    word: Word
    words: Mapping[Word, float]


@dataclass(frozen=True, eq=False)
class Rate:
    """A fitted power law, rms ∝ N^slope.

    Attributes
    ----------
    slope, error : float
        Exponent and its standard error.
    sizes, rms : ndarray
        N, and the root mean square over the draws there.
    rms_error : ndarray or None
        Its standard errors; None where there was one draw a size.
    """

    slope: float
    error: float
    sizes: np.ndarray
    rms: np.ndarray
    rms_error: np.ndarray | None


def defect(
    matrices: Mapping[str, Any], families: Iterable[Sequence[str]] = (), max_length: int = 4
) -> Defect:
    r"""Measure all centred alternating words of length 2 to `max_length`.

    Letters are centred and scaled to size one, :math:`å/\sqrt{\mathrm{tr}_N(å^\top å)}`; neighbours are of
    different families, the last and the first letter too, and of words that are rotations of each other
    (and so have the same trace) one is kept.

    Parameters
    ----------
    matrices : mapping of str to array_like, shape (N, N)
        The letters; powers and transposes are letters of their own.
    families : sequence of sequences of str, optional
        Letters that share an algebra, and so are never neighbours, such as ("W", "W*"). Letters in no
        family are each their own.
    max_length : int
        Length of the longest word, at least 2. The number of words grows as its power of the letters.

    Returns
    -------
    Defect

    Raises
    ------
    ValueError
        If the matrices are not square and of one size, there is one family only, or a letter is in two.

    References
    ----------
    .. [1] D. Voiculescu, "Limit laws for random matrices and free products", Invent. Math. 104 (1991).

    Examples
    --------
    >>> import rmtlab as rl
    >>> a, b = rl.ensembles.goe(200, rng=0), rl.ensembles.wishart(200, 400, rng=1)
    >>> defect({"a": a, "b": b}).largest < 0.05
    True
    >>> defect({"a": a, "b": a + b}).largest > 0.5
    True
    """
    checked = as_matrices(matrices)
    family_of = as_families(families, checked)
    longest = _checks.count(max_length, "max_length", minimum=2)
    if len(set(family_of.values())) < 2:
        raise ValueError(
            "Freeness is between algebras, and all letters are in one; give at least two families."
        )
    unit = {letter: _normalised(a) for letter, a in checked.items()}
    words = dict(_words(unit, family_of, longest))
    values = np.array(list(words.values()))
    worst = max(words, key=lambda word: abs(words[word]))
    return Defect(abs(words[worst]), float(np.sqrt(np.mean(values**2))), worst, words)


def rate(sizes: Any, values: Any) -> Rate:
    r"""Fit :math:`\mathrm{rms} \propto N^{\mathrm{slope}}` to a quantity measured at several sizes.

    The fit is least squares of log rms against log N. Its standard error is carried over from the scatter
    of the draws, log rms having the error :math:`\mathrm{se}(v^2)/(2\,\overline{v^2})`; with one value a
    size, from the residuals of the fit.

    Parameters
    ----------
    sizes : array_like, shape (k,)
        N, increasing or not, at least two different (three with one value a size).
    values : sequence of k array_likes
        The values of all draws at each size, signed or not; the numbers of draws may differ.

    Returns
    -------
    Rate

    Raises
    ------
    ValueError
        If the lengths differ, there are too few sizes, a size is not positive, or all values at a size
        are zero.

    Examples
    --------
    >>> import numpy as np
    >>> found = rate([10, 100, 1000], [[0.1, -0.1], [0.01, -0.01], [0.001, -0.001]])
    >>> round(found.slope, 12), found.error < 1e-12
    (-1.0, True)
    """
    n = _checks.array(sizes, "sizes", ndim=1)
    draws = [_checks.array(v, "values at one size", ndim=(0, 1)).ravel() for v in _sequence(values)]
    if len(draws) != len(n):
        raise ValueError(
            f"values must hold the draws of each size, but there are {len(n)} sizes and {len(draws)} groups of values."
        )
    fewest = min(v.size for v in draws)
    needed = 3 if fewest == 1 else 2
    if np.any(n <= 0) or len(np.unique(n)) < needed:
        raise ValueError(
            f"sizes must be positive and hold at least {needed} different ones, but {n.tolist()} was given; "
            "a slope needs a range, and its error several draws a size or a third size."
        )
    mean_square = np.array([np.mean(v**2) for v in draws])
    if np.any(mean_square == 0):
        raise ValueError(
            f"All values at size {n[mean_square == 0][0]:g} are zero, which no power law reaches; leave that size out."
        )
    x = np.log(n) - np.mean(np.log(n))
    weight = x / np.sum(x**2)
    y = 0.5 * np.log(mean_square)
    slope, rms = float(weight @ y), np.sqrt(mean_square)
    if fewest == 1:
        residual = y - y.mean() - slope * x
        return Rate(slope, float(np.sqrt(residual @ residual / (len(n) - 2) / (x @ x))), n, rms, None)
    spread = np.array([np.std(v**2, ddof=1) / np.sqrt(v.size) for v in draws])
    log_error = spread / (2 * mean_square)
    return Rate(slope, float(np.sqrt(np.sum((weight * log_error) ** 2))), n, rms, rms * log_error)


def neighbour_moments(first: Any, weight: Any, second: Any) -> tuple[float, float]:
    r"""Return the shortest words that join the derivatives of two layers through the weight between them.

    .. math:: \mathrm{tr}_N(\mathring D_1 B), \quad \mathrm{tr}_N(\mathring D_1 B \mathring D_1 B), \qquad
              B = W_2^\top \mathring D_2 W_2, \quad \mathring D = D^2 - \mathrm{tr}_N D^2.

    Both vanish if the D's are free from W₂ (for an orthogonal or Gaussian W₂, in the limit).

    Parameters
    ----------
    first : array_like, shape (n1,)
        Diagonal of D₁², φ′(z¹)².
    weight : array_like, shape (n2, n1)
        W₂.
    second : array_like, shape (n2,)
        Diagonal of D₂².

    Returns
    -------
    (float, float)

    Raises
    ------
    ValueError
        If the shapes do not belong together.

    References
    ----------
    .. [1] B. Collins, T. Hayase, "Asymptotic freeness of layerwise Jacobians caused by invariance of
       multilayer perceptron: the Haar orthogonal case", Commun. Math. Phys. 2022, arXiv:2103.13466.

    Examples
    --------
    >>> import numpy as np
    >>> neighbour_moments([0.0, 1.0], np.eye(2), [0.0, 1.0])
    (0.25, 0.0625)
    """
    one, two = _checks.array(first, "first", ndim=1), _checks.array(second, "second", ndim=1)
    w = _checks.array(weight, "weight", ndim=2)
    if w.shape != (two.size, one.size):
        raise ValueError(
            f"weight must have the shape ({two.size}, {one.size}) that second and first imply, "
            f"but its shape is {w.shape}."
        )
    one, two = one - one.mean(), two - two.mean()
    joint = (w.T * two) @ w
    scaled = one[:, None] * joint
    return float(np.trace(scaled)) / one.size, float(np.einsum("ij,ji->", scaled, scaled)) / one.size


def _sequence(values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"values must hold one group of draws a size, but {values!r} was given.")
    return list(values)


def _normalised(a: np.ndarray) -> np.ndarray:
    """Return å/√tr(åᵀå), and zero where `a` is a multiple of 1 to rounding."""
    free = centred(a)
    size, whole = (float(np.sqrt(np.mean(np.sum(m**2, axis=1)))) for m in (free, a))
    return free / size if size > 1e-12 * whole else np.zeros_like(a)


def _words(
    unit: Mapping[str, np.ndarray], family_of: Mapping[str, int], longest: int
) -> Iterator[tuple[Word, float]]:
    """Yield each cyclically alternating word, once among its rotations, with its trace."""

    def extend(word: Word, product: np.ndarray) -> Iterator[tuple[Word, float]]:
        for letter, a in unit.items():
            if family_of[letter] == family_of[word[-1]]:
                continue
            longer = (*word, letter)
            closes = family_of[letter] != family_of[word[0]]
            if closes and longer == min(longer[i:] + longer[:i] for i in range(len(longer))):
                yield longer, float(np.einsum("ij,ji->", product, a)) / len(a)
            if len(longer) < longest:
                yield from extend(longer, product @ a)

    for letter, a in unit.items():
        yield from extend((letter,), a)
