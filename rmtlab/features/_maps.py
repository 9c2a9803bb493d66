"""Maps from coordinates to features."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmtlab import _checks

_HINT = "Give one point a row."
_BITS = 53


class FeatureMap(ABC):
    """What a network of coordinates sees of a point: d coordinates in, `size` features out."""

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """d, the number of coordinates."""

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of features."""

    def __call__(self, v: Any) -> np.ndarray:
        """Return the features of points.

        Parameters
        ----------
        v : array_like, shape (n, d), or (n,) for one coordinate
            Points.

        Returns
        -------
        ndarray, shape (n, size)

        Raises
        ------
        ValueError
            If points have another number of coordinates, or hold NaN.

        Examples
        --------
        >>> basic()([0.0, 0.25]).round(12)
        array([[1., 0.],
               [0., 1.]])
        """
        return self._named(v, "v")

    def _named(self, v: Any, name: str) -> np.ndarray:
        """Return the features of points that the caller's user knows under a name."""
        return self._of(self._points(v, name))

    @abstractmethod
    def _of(self, v: np.ndarray) -> np.ndarray:
        """Return the features of checked points."""

    def _points(self, v: Any, name: str) -> np.ndarray:
        points = _checks.array(v, name, ndim=(1, 2), hint=_HINT)
        points = points[:, None] if points.ndim == 1 else points
        if points.shape[1] != self.dimensions:
            raise ValueError(
                f"{name} must have {self.dimensions} coordinates a point, but its shape is {points.shape}. "
                f"{_HINT}"
            )
        return points


@dataclass(frozen=True)
class Coordinates(FeatureMap):
    r"""No features: the coordinates themselves, and a 1 that stands for a bias, :math:`\gamma(v) = (v, 1)`.

    Parameters
    ----------
    dimensions : int
        d.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> Coordinates(2)([[0.25, 0.5]])
    array([[0.25, 0.5 , 1.  ]])
    """

    dimensions: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "dimensions", _checks.count(self.dimensions, "dimensions"))

    @property
    def size(self) -> int:
        """d + 1."""
        return self.dimensions + 1

    def _of(self, v: np.ndarray) -> np.ndarray:
        return np.column_stack([v, np.ones(len(v))])


@dataclass(frozen=True, eq=False)
class FourierFeatures(FeatureMap):
    r"""Cosines and sines, :math:`\gamma(v) = [a_j\cos 2\pi b_j\cdot v,\; a_j\sin 2\pi b_j\cdot v]_{j=1}^k`.

    All features have the same length, |γ|² = Σ_j a_j².

    Parameters
    ----------
    frequencies : array_like, shape (k, d) or (k,)
        b_j, in periods across the unit interval.
    amplitudes : array_like, shape (k,), optional
        a_j; 1 by default.

    Raises
    ------
    ValueError
        If shapes do not belong together, or numbers are not finite.

    References
    ----------
    .. [1] M. Tancik et al., "Fourier features let networks learn high frequency functions in low dimensional
       domains", NeurIPS 2020.

    Examples
    --------
    >>> FourierFeatures([1.0, 2.0])([0.0, 0.25]).round(12)
    array([[ 1.,  1.,  0.,  0.],
           [ 0., -1.,  1.,  0.]])
    """

    frequencies: np.ndarray
    amplitudes: np.ndarray | None = None

    def __post_init__(self) -> None:
        b = _checks.array(self.frequencies, "frequencies", ndim=(1, 2))
        b = b[:, None] if b.ndim == 1 else b
        a = np.ones(len(b))
        if self.amplitudes is not None:
            a = _checks.array(self.amplitudes, "amplitudes", ndim=1)
        if len(a) != len(b):
            raise ValueError(
                f"amplitudes must be one for each of the {len(b)} frequencies, but {len(a)} were given."
            )
        object.__setattr__(self, "frequencies", b.copy())
        object.__setattr__(self, "amplitudes", a.copy())

    @property
    def dimensions(self) -> int:
        """d."""
        return self.frequencies.shape[1]

    @property
    def size(self) -> int:
        """2k."""
        return 2 * len(self.frequencies)

    @property
    def periodic(self) -> bool:
        """Whether all frequencies are whole numbers, so that opposite sides of the unit cube are the same."""
        return bool(np.all(self.frequencies == np.round(self.frequencies)))

    def kernel(self, v1: Any, v2: Any = None) -> np.ndarray:
        r"""Return :math:`\gamma(v)\cdot\gamma(v') = \sum_j a_j^2 \cos 2\pi b_j\cdot(v - v')`.

        Parameters
        ----------
        v1 : array_like, shape (n1, d), or (n1,) for one coordinate
            Points.
        v2 : array_like, like v1, optional
            Other points; those of `v1` without them.

        Returns
        -------
        ndarray, shape (n1, n2)

        Raises
        ------
        ValueError
            If points have another number of coordinates, or hold NaN.

        Examples
        --------
        >>> basic().kernel([0.0, 0.5])
        array([[ 1., -1.],
               [-1.,  1.]])
        """
        one = self._named(v1, "v1")
        two = one if v2 is None else self._named(v2, "v2")
        return one @ two.T

    @property
    def _amplitudes(self) -> np.ndarray:
        return np.asarray(self.amplitudes)

    def _of(self, v: np.ndarray) -> np.ndarray:
        turns = v @ self.frequencies.T
        phases = 2 * np.pi * (turns - np.round(turns))
        return np.hstack([self._amplitudes * np.cos(phases), self._amplitudes * np.sin(phases)])


def basic(dimensions: int = 1) -> FourierFeatures:
    """Return one period along each axis, b = e₁ … e_d: the coordinates wrapped round a circle.

    Parameters
    ----------
    dimensions : int
        d.

    Returns
    -------
    FourierFeatures

    Raises
    ------
    ValueError
        If there is no dimension.

    References
    ----------
    .. [1] M. Tancik et al., "Fourier features let networks learn high frequency functions in low dimensional
       domains", NeurIPS 2020.

    Examples
    --------
    >>> basic(2).frequencies
    array([[1., 0.],
           [0., 1.]])
    """
    return FourierFeatures(np.eye(_checks.count(dimensions, "dimensions")))


def positional(octaves: int, dimensions: int = 1) -> FourierFeatures:
    """Return 1, 2, 4 … 2^(octaves−1) periods along each axis, the positional encoding of radiance fields.

    Parameters
    ----------
    octaves : int
        Frequencies along each axis.
    dimensions : int
        d.

    Returns
    -------
    FourierFeatures

    Raises
    ------
    ValueError
        If a number is below 1, or there are more octaves than float64 has bits.

    References
    ----------
    .. [1] B. Mildenhall et al., "NeRF: representing scenes as neural radiance fields for view synthesis",
       ECCV 2020.

    Examples
    --------
    >>> positional(3).frequencies.ravel()
    array([1., 2., 4.])
    """
    count = _checks.count(octaves, "octaves")
    if count > _BITS:
        raise ValueError(f"octaves must be at most {_BITS}, the bits of a float64, but {count} was given.")
    powers = 2.0 ** np.arange(count)
    return FourierFeatures(np.kron(powers[:, None], np.eye(_checks.count(dimensions, "dimensions"))))


def gaussian(count: int, scale: float, dimensions: int = 1, rng: _checks.Rng = None) -> FourierFeatures:
    r"""Draw random frequencies, :math:`b_j \sim N(0, \mathrm{scale}^2 I_d)`.

    As the count grows, γ(v)·γ(v′)/k tends to exp(−2π² scale² |v − v′|²): `scale` is a bandwidth, small
    values under-fit and large ones over-fit.

    Parameters
    ----------
    count : int
        k; there are 2k features.
    scale : float
        Standard deviation of the frequencies, in periods.
    dimensions : int
        d.
    rng : int or numpy.random.Generator, optional
        Seed or generator; fresh entropy when left out.

    Returns
    -------
    FourierFeatures

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    .. [1] A. Rahimi, B. Recht, "Random features for large-scale kernel machines", NeurIPS 2007.
    .. [2] M. Tancik et al., "Fourier features let networks learn high frequency functions in low dimensional
       domains", NeurIPS 2020.

    Examples
    --------
    >>> gaussian(256, scale=10.0, dimensions=2, rng=0).size
    512
    """
    k, d = _checks.count(count, "count"), _checks.count(dimensions, "dimensions")
    scale = _checks.number(scale, "scale", low=0.0)
    return FourierFeatures(scale * _checks.generator(rng).standard_normal((k, d)))


def grid(*sizes: int) -> np.ndarray:
    """Return the points of a regular grid in the unit cube, 0, 1/n, … (n − 1)/n along each axis.

    The last axis runs fastest.

    Parameters
    ----------
    *sizes : int
        Points along each axis.

    Returns
    -------
    ndarray, shape (product of sizes, number of axes)

    Raises
    ------
    ValueError
        If there is no axis, or a size below 1.

    Examples
    --------
    >>> grid(2, 2)
    array([[0. , 0. ],
           [0. , 0.5],
           [0.5, 0. ],
           [0.5, 0.5]])
    """
    if not sizes:
        raise ValueError(
            "sizes must name the points along each axis, but none was given; grid(64, 64) is a plane."
        )
    counts = [_checks.count(size, "sizes") for size in sizes]
    axes = np.meshgrid(*(np.arange(n) / n for n in counts), indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def check_map(features: Any) -> FeatureMap:
    """Return `features` if it is a feature map."""
    if not isinstance(features, FeatureMap):
        raise TypeError(
            "features must be a feature map such as rmtlab.features.basic(), "
            f"but a {type(features).__name__} was given."
        )
    return features
