"""Matrices as vectors: Kronecker products, and the permutation that transposes."""

from typing import Any

import numpy as np
from scipy import sparse as sparse_matrices

from rmtlab import _checks, ensembles

Operator = Any  # a dense array, or a scipy.sparse array


def vec(x: Any) -> np.ndarray:
    r"""Put the columns of a matrix on top of each other, :math:`(\mathrm{vec}\,X)_{cS+s} = X_{sc}`.

    Parameters
    ----------
    x : array_like, shape (…, S, C)
        A matrix, or several.

    Returns
    -------
    ndarray, shape (…, SC)

    Raises
    ------
    ValueError
        If there are fewer than two axes.

    Examples
    --------
    >>> vec([[1.0, 2.0], [3.0, 4.0]])
    array([1., 3., 2., 4.])
    """
    x = _checks.array(x, "x")
    if x.ndim < 2:
        raise ValueError(f"x must be a matrix or a stack of them, but its shape is {x.shape}.")
    return np.ascontiguousarray(x.mT).reshape(*x.shape[:-2], -1)


def unvec(v: Any, rows: int, columns: int) -> np.ndarray:
    """Return the matrix whose columns a vector holds, the inverse of :func:`vec`.

    Parameters
    ----------
    v : array_like, shape (…, rows · columns)
        A vector, or several.
    rows, columns : int
        S and C.

    Returns
    -------
    ndarray, shape (…, rows, columns)

    Raises
    ------
    ValueError
        If the length is not rows · columns.

    Examples
    --------
    >>> unvec([1.0, 3.0, 2.0, 4.0], 2, 2)
    array([[1., 2.],
           [3., 4.]])
    """
    v = _checks.array(v, "v")
    s, c = _checks.count(rows, "rows"), _checks.count(columns, "columns")
    if v.ndim == 0 or v.shape[-1] != s * c:
        raise ValueError(
            f"v must have {s * c} entries on its last axis, rows times columns, but its shape is {v.shape}."
        )
    return np.ascontiguousarray(v.reshape(*v.shape[:-1], c, s).mT)


def commutation_index(rows: int, columns: int) -> np.ndarray:
    r"""Return the permutation p of indices with :math:`\mathrm{vec}(X^\top) = (\mathrm{vec}\,X)_p`.

    Parameters
    ----------
    rows, columns : int
        Shape of X.

    Returns
    -------
    ndarray of int, shape (rows · columns,)

    Raises
    ------
    ValueError
        If a size is below 1.

    References
    ----------
    .. [1] J. R. Magnus, H. Neudecker, "The commutation matrix: some properties and applications",
       Ann. Statist. 7 (1979).

    Examples
    --------
    >>> commutation_index(2, 3)
    array([0, 2, 4, 1, 3, 5])
    """
    s, c = _checks.count(rows, "rows"), _checks.count(columns, "columns")
    return np.arange(s * c).reshape(c, s).T.ravel()


def commutation(rows: int, columns: int, *, sparse: bool = False) -> Operator:
    r"""Return the commutation matrix, :math:`J_c\,\mathrm{vec}\,X = \mathrm{vec}\,X^\top`.

    It is orthogonal, and turns Kronecker products round: for X of S × C,

    .. math:: V^\top \otimes I_S = J_c^\top (I_S \otimes V^\top) J_c .

    Parameters
    ----------
    rows, columns : int
        Shape of X.
    sparse : bool
        Return a ``scipy.sparse.csr_array``.

    Returns
    -------
    ndarray or scipy.sparse.csr_array, square of size rows · columns

    Raises
    ------
    ValueError
        If a size is below 1.

    References
    ----------
    .. [1] J. R. Magnus, H. Neudecker, "The commutation matrix: some properties and applications",
       Ann. Statist. 7 (1979).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(6.0).reshape(2, 3)
    >>> bool(np.all(commutation(2, 3) @ vec(x) == vec(x.T)))
    True
    """
    index = commutation_index(rows, columns)
    ones = sparse_matrices.csr_array((np.ones(len(index)), index, np.arange(len(index) + 1)))
    return ones if sparse else ones.toarray()


def token_operator(w: Any, channels: int, *, sparse: bool = False) -> Operator:
    r"""Return what mixing tokens does to vectors: :math:`\mathrm{vec}(WX) = (I_C \otimes W)\,\mathrm{vec}\,X`.

    One entry in C is not zero, and the C blocks on the diagonal are the same.

    Parameters
    ----------
    w : array_like, shape (S′, S)
        W.
    channels : int
        C, the columns of X.
    sparse : bool
        Return a ``scipy.sparse.csr_array``.

    Returns
    -------
    ndarray or scipy.sparse.csr_array, shape (S′C, SC)

    Raises
    ------
    ValueError
        If `w` is no matrix or `channels` is below 1.

    References
    ----------
    .. [1] T. Hayase, R. Karakida, "Understanding MLP-Mixer as a wide and sparse MLP", ICML 2024,
       arXiv:2306.01470.

    Examples
    --------
    >>> token_operator([[1.0, 2.0]], 2)
    array([[1., 2., 0., 0.],
           [0., 0., 1., 2.]])
    """
    w = _checks.array(w, "w", ndim=2)
    return _kron(sparse_matrices.eye_array(_checks.count(channels, "channels")), w, sparse)


def channel_operator(v: Any, tokens: int, *, sparse: bool = False) -> Operator:
    r"""Return what mixing channels does to vectors: :math:`\mathrm{vec}(XV) = (V^\top \otimes I_S)\,\mathrm{vec}\,X`.

    It is block-diagonal behind a commutation matrix, :math:`J_c^\top (I_S \otimes V^\top) J_c`.

    Parameters
    ----------
    v : array_like, shape (C, C′)
        V.
    tokens : int
        S, the rows of X.
    sparse : bool
        Return a ``scipy.sparse.csr_array``.

    Returns
    -------
    ndarray or scipy.sparse.csr_array, shape (SC′, SC)

    Raises
    ------
    ValueError
        If `v` is no matrix or `tokens` is below 1.

    References
    ----------
    .. [1] T. Hayase, R. Karakida, "Understanding MLP-Mixer as a wide and sparse MLP", ICML 2024,
       arXiv:2306.01470.

    Examples
    --------
    >>> channel_operator([[1.0], [2.0]], 2)
    array([[1., 0., 2., 0.],
           [0., 1., 0., 2.]])
    """
    v = _checks.array(v, "v", ndim=2)
    return _kron(v.T, sparse_matrices.eye_array(_checks.count(tokens, "tokens")), sparse)


def monarch(left: Any, right: Any) -> np.ndarray:
    r"""Return a Monarch matrix: block-diagonal, permuted, block-diagonal, permuted back.

    .. math:: M = J_c^\top\, \mathrm{diag}(L_1, \dots, L_S)\, J_c\, \mathrm{diag}(R_1, \dots, R_C) .

    With all blocks equal, L_s = Vᵀ and R_c = W, it is what a linear Mixer block does,
    :math:`V^\top \otimes W`: a Mixer is a Monarch matrix with shared weights.

    Parameters
    ----------
    left : array_like, shape (S, C′, C)
        A block for each token.
    right : array_like, shape (C, S, S′)
        A block for each channel.

    Returns
    -------
    ndarray, shape (SC′, S′C)

    Raises
    ------
    ValueError
        If the shapes do not belong together.

    References
    ----------
    .. [1] T. Dao et al., "Monarch: expressive structured matrices for efficient and accurate training",
       ICML 2022.

    Examples
    --------
    >>> import numpy as np
    >>> w, vt = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[3.0, 1.0], [1.0, 0.0]])
    >>> bool(np.all(monarch([vt, vt], [w, w]) == np.kron(vt, w)))
    True
    """
    left, right = _checks.array(left, "left", ndim=3), _checks.array(right, "right", ndim=3)
    (s, c_behind, c), (channels, tokens, _) = left.shape, right.shape
    if (s, c) != (tokens, channels):
        raise ValueError(
            f"left must hold S blocks with C columns and right C blocks with S rows, but their shapes are "
            f"{left.shape} and {right.shape}."
        )
    lefts, rights = (sparse_matrices.block_diag(list(blocks), format="csr") for blocks in (left, right))
    there, back = (commutation(s, size, sparse=True) for size in (c, c_behind))
    return (back.T @ lefts @ there @ rights).toarray()


def block_haar(tokens: int, channels: int, rng: _checks.Rng = None) -> np.ndarray:
    r"""Sample the orthogonal weight of a token-mixing layer, :math:`I_C \otimes Q` with Q Haar of size S.

    It becomes free from diagonal matrices as S grows, at the rate 1/S: that there are C blocks, all the same,
    does not help.

    Parameters
    ----------
    tokens, channels : int
        S and C.
    rng : int or numpy.random.Generator, optional
        Seed or generator; fresh entropy when left out.

    Returns
    -------
    ndarray, shape (SC, SC)

    Raises
    ------
    ValueError
        If a size is below 1.

    References
    ----------
    .. [1] B. Collins, T. Hayase, "Asymptotic freeness of layerwise Jacobians caused by invariance of
       multilayer perceptron: the Haar orthogonal case", Commun. Math. Phys. 2022, arXiv:2103.13466.

    Examples
    --------
    >>> w = block_haar(2, 3, rng=0)
    >>> w.shape, float(abs(w[:2, 2:]).max())
    ((6, 6), 0.0)
    """
    s = _checks.count(tokens, "tokens")
    return token_operator(ensembles.haar_orthogonal(s, rng=rng), channels)


def _kron(left: Any, right: Any, sparse: bool) -> Operator:
    product = sparse_matrices.csr_array(sparse_matrices.kron(left, right))
    product.eliminate_zeros()
    return product if sparse else product.toarray()
