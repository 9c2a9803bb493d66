"""Joint moments of matrices, and what freeness says about them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, groupby, pairwise
from typing import Any

import numpy as np

from rmtlab import _checks

Word = tuple[str, ...]


def joint_moment(word: str | Sequence[str], matrices: Mapping[str, Any]) -> float:
    r"""Return the joint moment :math:`\mathrm{tr}_N(a_1 a_2 \cdots a_k)` of a word in matrices.

    Parameters
    ----------
    word : str or sequence of str
        The letters in order: "abab", or ("W*", "D", "W", "D") where names are longer than a letter.
    matrices : mapping of str to array_like, shape (N, N)
        What each letter stands for. A transpose is a letter of its own.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the word is empty or holds a letter without a matrix, or the matrices are not real and
        square, all of one size.

    References
    ----------
    .. [1] A. Nica, R. Speicher, "Lectures on the Combinatorics of Free Probability", Cambridge 2006.

    Examples
    --------
    >>> import numpy as np
    >>> joint_moment("aab", {"a": np.diag([1.0, 2.0]), "b": np.ones((2, 2))})
    2.5
    """
    checked = as_matrices(matrices)
    return trace_of([checked[letter] for letter in as_word(word, checked)])


def alternating_moment(word: str | Sequence[str], matrices: Mapping[str, Any]) -> float:
    r"""Return :math:`\mathrm{tr}_N(å_1 å_2 \cdots å_k)` with :math:`å = a - \mathrm{tr}_N(a)`: zero under freeness.

    Parameters
    ----------
    word : str or sequence of str
        The letters in order, of which no two neighbours are equal.
    matrices : mapping of str to array_like, shape (N, N)
        What each letter stands for; letters that are neighbours should belong to algebras that may be
        free, so a power of a letter is a letter of its own only beside other algebras.

    Returns
    -------
    float
        Of order 1/N for independent matrices of which one is rotated at random.

    Raises
    ------
    ValueError
        As :func:`joint_moment`, and if two neighbours are equal.

    References
    ----------
    .. [1] D. Voiculescu, "Limit laws for random matrices and free products", Invent. Math. 104 (1991).

    Examples
    --------
    >>> import numpy as np
    >>> a = np.diag([1.0, -1.0])
    >>> alternating_moment("abab", {"a": a, "b": a + 3.0 * np.eye(2)})
    1.0
    """
    checked = as_matrices(matrices)
    letters = as_word(word, checked)
    for left, right in pairwise(letters):
        if left == right:
            raise ValueError(
                f"word must alternate, but {left!r} stands beside itself; "
                "under freeness only products of centred neighbours from different algebras vanish."
            )
    return trace_of([centred(checked[letter]) for letter in letters])


def predict(
    word: str | Sequence[str], marginals: Mapping[str, Any], families: Iterable[Sequence[str]] = ()
) -> float:
    r"""Return the joint moment of a word in free variables, from their own moments alone.

    Freeness is the vanishing of mixed free cumulants, so in the sum over non-crossing partitions only
    blocks within one algebra remain. With V the block of the first letter and the words between its
    members,

    .. math:: \tau(a_1 \cdots a_k) = \sum_{V \ni 1} \kappa(a_V) \prod_{\text{gaps}} \tau(\text{gap}),

    and κ follows from the same equation within its algebra. For example
    :math:`\tau(abab) = \tau(a^2)\tau(b)^2 + \tau(a)^2\tau(b^2) - \tau(a)^2\tau(b)^2`.

    Parameters
    ----------
    word : str or sequence of str
        The letters in order; a power is a letter repeated.
    marginals : mapping of str to law, moments or matrix
        What is known of each letter: a spectral law, its moments (m₁, m₂, …), or a matrix (N, N) whose
        moments are taken.
    families : sequence of sequences of str, optional
        Letters that share an algebra, such as ("W", "W*") or the D's of a network. They are not free of
        each other; their joint moments are measured, so they must be matrices. Letters in no family are
        free of all others.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a letter has no marginal, too few moments are given for the word, a letter is in two
        families, or a letter of a family is not a matrix.

    References
    ----------
    .. [1] A. Nica, R. Speicher, "Lectures on the Combinatorics of Free Probability", Cambridge 2006.

    Examples
    --------
    >>> import rmtlab as rl
    >>> coin = rl.laws.Discrete([0.0, 1.0], [0.5, 0.5])
    >>> predict("abab", {"a": coin, "b": coin})
    0.1875
    >>> predict("aabab", {"a": rl.laws.Semicircle(), "b": [0.5, 0.5]})
    0.0
    """
    if not isinstance(marginals, Mapping) or not marginals:
        raise TypeError("marginals must be a mapping from letters to laws, moments or matrices.")
    letters = as_word(word, marginals)
    family_of = as_families(families, marginals)
    marginal = _marginal_moments(set(letters), marginals, family_of)
    runs = [tuple(run) for _, run in groupby(letters, key=family_of.__getitem__)]
    if len(runs) > 1 and family_of[runs[0][0]] == family_of[runs[-1][0]]:
        runs = [runs[-1] + runs[0], *runs[1:-1]]
    return _free_moment(tuple(runs), family_of, marginal)


def as_word(word: Any, known: Iterable[str]) -> Word:
    """Return the letters of `word`, each of which is among the `known` ones."""
    if isinstance(word, str | bytes) or not isinstance(word, Iterable):
        letters = tuple(word) if isinstance(word, str) else ()
    else:
        letters = tuple(word)
    if not letters:
        raise ValueError(f"word must hold at least one letter, such as 'abab', but {word!r} was given.")
    names = list(known)
    return tuple(_checks.one_of(letter, "a letter of word", names) for letter in letters)


def as_matrices(matrices: Any) -> dict[str, np.ndarray]:
    """Return square float64 matrices, all of one size."""
    if not isinstance(matrices, Mapping) or not matrices:
        raise TypeError(
            f"matrices must be a mapping from letters to matrices, such as {{'a': …, 'b': …}}, "
            f"but a {type(matrices).__name__} was given."
        )
    checked = {letter: _checks.array(a, f"the matrix {letter!r}", ndim=2) for letter, a in matrices.items()}
    sizes = {a.shape for a in checked.values()}
    if len(sizes) > 1 or any(n != m for n, m in sizes):
        shapes = ", ".join(f"{letter!r} {a.shape}" for letter, a in checked.items())
        raise ValueError(f"The matrices must be square and of one size, but their shapes are {shapes}.")
    return checked


def as_families(families: Any, letters: Iterable[str]) -> dict[str, int]:
    """Return the number of its family for each letter; a letter in none is a family of its own."""
    known = list(letters)
    given = list(families) if isinstance(families, Iterable) else [families]
    if isinstance(families, str) or any(isinstance(g, str) or not isinstance(g, Iterable) for g in given):
        raise TypeError(
            "families must be a sequence of groups of letters, such as [('W', 'W*')], "
            f"but {families!r} was given."
        )
    groups = [tuple(_checks.one_of(a, "a letter of families", known) for a in group) for group in given]
    grouped = [letter for group in groups for letter in group]
    for letter in grouped:
        if grouped.count(letter) > 1:
            raise ValueError(
                f"families must not share letters, but {letter!r} is in two of them or twice in one."
            )
    groups += [(letter,) for letter in known if letter not in grouped]
    return {letter: number for number, group in enumerate(groups) for letter in group}


def centred(a: np.ndarray) -> np.ndarray:
    """Return a − tr_N(a)·1."""
    return a - np.trace(a) / len(a) * np.eye(len(a))


def trace_of(factors: Sequence[np.ndarray]) -> float:
    """Return the normalised trace of a product of square matrices."""
    *before, last = factors
    product = np.eye(len(last)) if not before else before[0]
    for factor in before[1:]:
        product = product @ factor
    return float(np.einsum("ij,ji->", product, last)) / len(last)


def _marginal_moments(
    letters: set[str], marginals: Mapping[str, Any], family_of: Mapping[str, int]
) -> Callable[[Word], float]:
    """Return τ for words within one family."""
    members = list(family_of.values())
    shared = {letter for letter in letters if members.count(family_of[letter]) > 1}
    for letter in shared:
        if np.ndim(marginals[letter]) != 2:
            raise ValueError(
                f"The letter {letter!r} shares its algebra with others, so its marginal must be a matrix, "
                "from which their joint moments are measured."
            )
    matrices = as_matrices({a: marginals[a] for a in shared}) if shared else {}
    own = {letter: _moments_of(letter, marginals[letter]) for letter in letters - shared}

    @cache
    def moment(word: Word) -> float:
        return trace_of([matrices[a] for a in word]) if word[0] in shared else own[word[0]](len(word))

    return moment


def _moments_of(letter: str, marginal: Any) -> Callable[[int], float]:
    """Return the moments k ↦ m_k of a law, of a sequence of moments or of a matrix."""
    if callable(getattr(marginal, "moment", None)):
        return lambda k: float(marginal.moment(k))
    values = _checks.array(marginal, f"the marginal of {letter!r}", ndim=(1, 2))
    if values.ndim == 2:
        matrix = as_matrices({letter: values})[letter]
        return lambda k: float(np.trace(np.linalg.matrix_power(matrix, k))) / len(matrix)

    def given(k: int) -> float:
        if k > len(values):
            raise ValueError(
                f"The word needs {k} moments of {letter!r}, but {len(values)} were given; "
                "give more, or a law or a matrix, which have all."
            )
        return float(values[k - 1])

    return given


def _free_moment(
    runs: tuple[Word, ...], family_of: Mapping[str, int], marginal: Callable[[Word], float]
) -> float:
    """Return τ of a product of elements, each a word within one family, by the sum over non-crossing blocks."""

    @cache
    def tau(elements: tuple[Word, ...]) -> float:
        if not elements:
            return 1.0
        own = family_of[elements[0][0]]
        inside = [i for i, element in enumerate(elements) if family_of[element[0]] == own]
        if len(inside) == len(elements):
            return marginal(sum(elements, ()))
        return sum(
            cumulant(tuple(elements[i] for i in block)) * between(elements, block)
            for block in _blocks(inside)
        )

    @cache
    def cumulant(elements: tuple[Word, ...]) -> float:
        everything = range(len(elements))
        return marginal(sum(elements, ())) - sum(
            cumulant(tuple(elements[i] for i in block)) * between(elements, block)
            for block in _blocks(everything)
            if len(block) < len(elements)
        )

    def between(elements: tuple[Word, ...], block: tuple[int, ...]) -> float:
        ends = (*block[1:], len(elements))
        return float(np.prod([tau(elements[i + 1 : j]) for i, j in zip(block, ends, strict=True)]))

    return tau(runs)


def _blocks(positions: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the subsets of `positions` that hold its first member."""
    for size in range(len(positions)):
        for others in combinations(positions[1:], size):
            yield (positions[0], *others)
