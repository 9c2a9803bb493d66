r"""Random matrices: samplers for the ensembles of the course.

Every sampler takes ``rng=``, a seed or a ``numpy.random.Generator``, and returns a float64 matrix. The same
seed gives the same matrix, so matrices that should be independent are drawn from one generator:

>>> import numpy as np
>>> import rmtlab as rl
>>> rng = np.random.default_rng(0)
>>> first, second = rl.ensembles.ginibre(3, rng=rng), rl.ensembles.ginibre(3, rng=rng)
>>> bool(np.any(first == second))
False
"""

import numpy as np

from rmtlab import _checks

__all__ = ["ginibre", "goe", "haar_orthogonal", "haar_semi_orthogonal", "permutation", "wishart"]


def ginibre(n: int, m: int | None = None, var: float = 1.0, rng: _checks.Rng = None) -> np.ndarray:
    r"""Sample a Ginibre matrix, :math:`W_{ij} \sim N(0, \mathrm{var}/m)` independently.

    The singular values of a square one follow ``laws.QuarterCircle(var)`` as n grows, and the eigenvalues of
    :math:`W W^\top` follow ``laws.MarchenkoPastur(n / m, scale=var)``.

    Parameters
    ----------
    n, m : int
        Rows and columns; square when `m` is left out.
    var : float
        Variance of an entry times the number of columns (the fan-in).
    rng : int or numpy.random.Generator, optional
        Seed or generator; fresh entropy when left out.

    Returns
    -------
    numpy.ndarray, shape (n, m)

    Raises
    ------
    ValueError
        If a dimension is below 1 or `var` is negative.

    References
    ----------
    J. Ginibre, "Statistical ensembles of complex, quaternion, and real matrices", J. Math. Phys. 6 (1965).

    Examples
    --------
    >>> import rmtlab as rl
    >>> rl.ensembles.ginibre(2, 3, rng=0).shape
    (2, 3)
    """
    n = _checks.count(n, "n")
    m = n if m is None else _checks.count(m, "m")
    var = _checks.number(var, "var", low=0.0)
    return np.sqrt(var / m) * _checks.generator(rng).standard_normal((n, m))


def haar_orthogonal(n: int, rng: _checks.Rng = None) -> np.ndarray:
    r"""Sample an orthogonal matrix from Haar measure on :math:`O(n)`.

    A Gaussian matrix is factored :math:`A = QR`, and the signs of R's diagonal move into Q. Without that step
    Q depends on the conventions of the factorisation and is not Haar.

    Parameters
    ----------
    n : int
        Rows and columns.
    rng : int or numpy.random.Generator, optional
        Seed or generator; fresh entropy when left out.

    Returns
    -------
    numpy.ndarray, shape (n, n)

    Raises
    ------
    ValueError
        If `n` is below 1.

    References
    ----------
    F. Mezzadri, "How to generate random matrices from the classical compact groups", Notices AMS 54 (2007).

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> u = rl.ensembles.haar_orthogonal(4, rng=0)
    >>> bool(np.allclose(u @ u.T, np.eye(4)))
    True
    """
    n = _checks.count(n, "n")
    return haar_semi_orthogonal(n, n, rng=rng)


def haar_semi_orthogonal(n: int, m: int, rng: _checks.Rng = None) -> np.ndarray:
    r"""Sample an n×m matrix with orthonormal rows (n ≤ m) or columns (n ≥ m), uniformly.

    It is Haar distributed on the Stiefel manifold: :math:`U W V` has the law of :math:`W` for all orthogonal
    U, V.

    Parameters
    ----------
    n, m : int
        Rows and columns.
    rng : int or numpy.random.Generator, optional
        Seed or generator; fresh entropy when left out.

    Returns
    -------
    numpy.ndarray, shape (n, m)

    Raises
    ------
    ValueError
        If a dimension is below 1.

    References
    ----------
    F. Mezzadri, "How to generate random matrices from the classical compact groups", Notices AMS 54 (2007).

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> w = rl.ensembles.haar_semi_orthogonal(2, 5, rng=0)
    >>> bool(np.allclose(w @ w.T, np.eye(2)))
    True
    """
    n, m = _checks.count(n, "n"), _checks.count(m, "m")
    tall = _checks.generator(rng).standard_normal((max(n, m), min(n, m)))
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return np.ascontiguousarray(q if n >= m else q.T)


def goe(n: int, var: float = 1.0, rng: _checks.Rng = None) -> np.ndarray:
    r"""Sample from the Gaussian orthogonal ensemble, a symmetric matrix with invariant law.

    :math:`H = (A + A^\top)/\sqrt2`, :math:`A_{ij} \sim N(0, \mathrm{var}/n)`: off the diagonal the variance
    is var/n, on it 2·var/n. The spectrum follows ``laws.Semicircle(var)`` as n grows.

    Parameters
    ----------
    n : int
        Rows and columns.
    var : float
        Variance of the limiting spectrum.
    rng : int or numpy.random.Generator, optional
        Seed or generator; fresh entropy when left out.

    Returns
    -------
    numpy.ndarray, shape (n, n)

    Raises
    ------
    ValueError
        If `n` is below 1 or `var` is negative.

    References
    ----------
    E. Wigner, "On the distribution of the roots of certain symmetric matrices", Ann. Math. 67 (1958).

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> h = rl.ensembles.goe(3, rng=0)
    >>> bool(np.all(h == h.T))
    True
    """
    a = ginibre(n, var=var, rng=rng)
    return (a + a.T) / np.sqrt(2.0)


def wishart(n: int, m: int, var: float = 1.0, rng: _checks.Rng = None) -> np.ndarray:
    r"""Sample the covariance of m observations of n Gaussian features, :math:`\frac1m X X^\top`.

    X is n×m with independent entries N(0, var). The spectrum follows
    ``laws.MarchenkoPastur(aspect=n / m, scale=var)`` as n and m grow together.

    Parameters
    ----------
    n : int
        Features: rows of X, and rows and columns of the result.
    m : int
        Observations: columns of X.
    var : float
        Variance of an entry of X, and mean of the spectrum.
    rng : int or numpy.random.Generator, optional
        Seed or generator; fresh entropy when left out.

    Returns
    -------
    numpy.ndarray, shape (n, n)

    Raises
    ------
    ValueError
        If a dimension is below 1 or `var` is negative.

    References
    ----------
    J. Wishart, "The generalised product moment distribution in samples from a normal multivariate
    population", Biometrika 20A (1928).

    Examples
    --------
    >>> import rmtlab as rl
    >>> rl.ensembles.wishart(2, 50, rng=0).shape
    (2, 2)
    """
    x = ginibre(n, _checks.count(m, "m"), var=var, rng=rng)
    return x @ x.T


def permutation(n: int, rng: _checks.Rng = None) -> np.ndarray:
    r"""Sample a permutation matrix uniformly from the n! of them.

    Row i of :math:`P` holds its one in column :math:`\pi(i)`, so that :math:`(Px)_i = x_{\pi(i)}`; the
    permutation of indices is ``P.argmax(axis=1)``.

    Parameters
    ----------
    n : int
        Rows and columns.
    rng : int or numpy.random.Generator, optional
        Seed or generator; fresh entropy when left out.

    Returns
    -------
    numpy.ndarray, shape (n, n)

    Raises
    ------
    ValueError
        If `n` is below 1.

    Examples
    --------
    >>> import numpy as np, rmtlab as rl
    >>> p, x = rl.ensembles.permutation(4, rng=0), np.arange(4.0)
    >>> bool(np.all(p @ x == x[p.argmax(axis=1)]))
    True
    """
    n = _checks.count(n, "n")
    return np.eye(n)[_checks.generator(rng).permutation(n)]
