"""Kernels of networks behind features, and what grids make of them."""

from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.features._maps import FeatureMap, FourierFeatures, check_map, grid
from rmtlab.networks import Kernel, Network


def composed_kernel(net: Network, features: FeatureMap, v1: Any, v2: Any = None) -> Kernel:
    r"""Return the kernels of an infinitely wide network behind features, :math:`\Theta(\gamma(v), \gamma(v'))`.

    Behind Fourier features they depend on v − v′ alone. For a rectifier network without biases,
    ``MLP(L, "relu", weight_var=2.0)``, and a_j = 1, with κ₀(u) = (π − arccos u)/π,
    κ₁(u) = (u(π − arccos u) + √(1 − u²))/π and u = (1/k) Σ_j cos 2πb_j·(v − v′), L steps of

    .. math:: \Theta \leftarrow \Theta\,\kappa_0(\Sigma) + \kappa_1(\Sigma), \qquad
              \Sigma \leftarrow \kappa_1(\Sigma)

    from Σ = Θ = u give the tangent kernel, whose value at v = v′ is L + 1.

    Parameters
    ----------
    net : Network
        Such as ``rmtlab.MLP(…)``.
    features : FeatureMap
        γ.
    v1 : array_like, shape (n1, d), or (n1,) for one coordinate
        Points.
    v2 : array_like, like v1, optional
        Other points; those of `v1` without them.

    Returns
    -------
    Kernel
        ``nngp`` and ``ntk``, (n1, n2).

    Raises
    ------
    TypeError
        If `net` is no network or `features` no feature map.
    ValueError
        If points have another number of coordinates, or hold NaN.

    References
    ----------
    .. [1] M. Tancik et al., "Fourier features let networks learn high frequency functions in low dimensional
       domains", NeurIPS 2020.

    Examples
    --------
    >>> import rmtlab as rl
    >>> composed_kernel(rl.MLP(3, "relu", weight_var=2.0), rl.features.basic(), [0.0]).ntk.round(12)
    array([[4.]])
    """
    check_network(net)
    mapped = check_map(features)._named(v1, "v1")
    return net.kernel(mapped, None if v2 is None else features._named(v2, "v2"))


def circulant_defect(kernel: Any, *sizes: int) -> float:
    """Return how far the kernel of a periodic grid is from depending on differences alone.

    It is the largest spread among entries whose points differ by the same steps, round the grid: 0 for a
    circulant matrix, or one whose blocks are circulant in a circulant arrangement.

    Parameters
    ----------
    kernel : array_like, shape (N, N)
        Of the points that :func:`grid` lists.
    *sizes : int
        Of the grid, with the product N; without any, one axis.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the kernel is not square, or `sizes` do not multiply to N.

    Examples
    --------
    >>> circulant_defect([[2.0, 1.0], [1.0, 2.0]]), circulant_defect([[2.0, 1.0], [1.0, 5.0]])
    (0.0, 3.0)
    """
    k = _checks.array(kernel, "kernel", ndim=2)
    shape = tuple(_checks.count(size, "sizes") for size in sizes) or (len(k),)
    if k.shape != (int(np.prod(shape)),) * 2:
        raise ValueError(
            f"kernel must be square with {int(np.prod(shape))} rows, but its shape is {k.shape}."
        )
    places = np.unravel_index(np.arange(len(k)), shape)
    steps = [(p[None] - p[:, None]) % n for p, n in zip(places, shape, strict=True)]
    lag = np.ravel_multi_index(steps, shape)
    same = np.take_along_axis(k, np.argsort(lag, axis=1), axis=1)
    return float(np.max(np.ptp(same, axis=0)))


def spectrum(net: Network, features: FourierFeatures, *sizes: int) -> np.ndarray:
    r"""Return the eigenvalues of the tangent kernel on a periodic grid, by frequency.

    A circulant kernel has waves for eigenvectors, and the Fourier transform of a row for eigenvalues,

    .. math:: \lambda_k = \sum_j \Theta(0, j/n)\, e^{-2\pi i jk/n} .

    Under gradient flow on ½Σ|f − y|² the part of frequency k is learnt at the rate λ_k.

    Parameters
    ----------
    net : Network
        Such as ``rmtlab.MLP(…)``.
    features : FourierFeatures
        With whole frequencies.
    *sizes : int
        Points along each axis.

    Returns
    -------
    ndarray, shape sizes
        In the order of ``numpy.fft.fftfreq``: from frequency 0 up, then the negative ones.

    Raises
    ------
    TypeError
        If `net` is no network or `features` no feature map.
    ValueError
        If frequencies are not whole numbers, or sizes and coordinates differ in number.

    References
    ----------
    .. [1] M. Tancik et al., "Fourier features let networks learn high frequency functions in low dimensional
       domains", NeurIPS 2020.

    Examples
    --------
    >>> import rmtlab as rl
    >>> rates = spectrum(rl.MLP(3, "relu", weight_var=2.0), rl.features.basic(), 64)
    >>> round(float(rates.max() / rates.min()))
    1104
    """
    check_network(net)
    check_map(features)
    if not isinstance(features, FourierFeatures) or not features.periodic:
        raise ValueError(
            "features must be Fourier features whose frequencies are whole numbers, such as basic() or positional(4): "
            "others are not periodic, and waves are not their eigenvectors."
        )
    points = grid(*sizes)
    if points.shape[1] != features.dimensions:
        raise ValueError(
            f"sizes must be {features.dimensions}, one for each coordinate of features, but {len(sizes)} were given."
        )
    row = composed_kernel(net, features, points[:1], points).ntk
    return np.fft.fftn(row.reshape(sizes)).real


def check_network(net: Any) -> None:
    """Raise a sentence unless `net` is a network."""
    if not isinstance(net, Network):
        raise TypeError(f"net must be a network such as rmtlab.MLP(…), but a {type(net).__name__} was given.")
