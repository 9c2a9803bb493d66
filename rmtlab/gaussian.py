"""Averages of any function under Gaussians, certified to 1e-12.

Gauss–Hermite rules fail on kinks and on saturated functions, so none is used here. Everything rests
on composite Gauss–Legendre panels in z = x/√q, split at the kinks and halved until they are resolved.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from rmtlab import _checks, _quadrature

__all__ = ["expectation", "expectation2"]

_CHUNK = 1024  # averages, and
_PAIRS = 64  # covariances, that are worked on together: bounds the memory
_INNER = 0.1 * _quadrature.GOAL  # or else the outer average sees the inner error as roughness
_LAYER = 8.0  # a step averaged over a standard normal is flat to 1e-15 beyond eight deviations


def expectation(f: Callable, var: Any = 1.0, kinks: Iterable[float] = ()) -> float | np.ndarray:
    r"""Average a function under a centred normal law: E[f(x)], x ~ N(0, var).

    .. math:: \int f(\sqrt{q}\,z)\,\frac{e^{-z^2/2}}{\sqrt{2\pi}}\,dz, \qquad q = \text{var}

    The error is below 1e-12 of E|f(x)|, or of what rounding x to float64 does to f.

    Parameters
    ----------
    f : callable
        Takes a float64 array of any shape and returns one of the same shape, elementwise.
    var : float or array of any shape
        The variance q ≥ 0. Where it is zero the answer is f(0), as f itself defines it there.
    kinks : sequence of float
        Points x where f or one of its derivatives jumps. Naming them is several times faster; those
        that nobody named are found by bisection. A point too many does no harm.

    Returns
    -------
    float, or ndarray in the shape of `var`

    Raises
    ------
    ValueError
        If `var` is negative, f gives NaN, the average is not finite in float64, or f is too rough
        for the error to be certified (a strong singularity, noise).
    TypeError
        If f does not map float64 arrays to real float64 arrays.

    Notes
    -----
    f is asked for values up to 54√q. A bump about one unit of x wide, far from 0 and from every
    kink, is sure to be seen while q ≤ 1e6; beyond that, name its place in `kinks`.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtlab import gaussian
    >>> round(gaussian.expectation(lambda x: np.maximum(x, 0) ** 2, var=3.0, kinks=[0]), 12)
    1.5
    >>> gaussian.expectation(np.cos, var=[0.0, 2.0]).round(8)
    array([1.        , 0.36787944])
    """
    function = _Elementwise(f, "f")
    variances = _checks.array(var, "var")
    if variances.min() < 0:
        raise ValueError(f"var must not be negative, but {variances.min():g} was given; it is a variance σ².")
    std = np.sqrt(variances.ravel())
    value, _ = _smoothed(function, np.zeros_like(std), std, _points(kinks), _quadrature.GOAL)
    if not np.isfinite(value).all():
        culprit = variances.ravel()[~np.isfinite(value)][0]
        raise ValueError(
            f"E[f(x)] at var={culprit:g} is not finite in float64: {function.excess()}. "
            "Take a smaller var, or a function that grows less."
        )
    return float(value[0]) if variances.ndim == 0 else value.reshape(variances.shape)


def expectation2(f: Callable, g: Callable, cov: Any, kinks: Iterable[float] = ()) -> float | np.ndarray:
    r"""Average a product under a centred bivariate normal law: E[f(u) g(v)], (u, v) ~ N(0, cov).

    With correlation c and independent standard normals t, w, w′,

    .. math:: u = \sqrt{q_{11}}\,(\sqrt{|c|}\,t + \sqrt{1-|c|}\,w), \qquad
              v = \sqrt{q_{22}}\,(\pm\sqrt{|c|}\,t + \sqrt{1-|c|}\,w'),

    so that E[f g] = E_t[E_w f(u) · E_w′ g(v)]: three nested averages on a line, each as in
    `expectation`, symmetric in (f, g), and right at every correlation including ±1.
    The error is below 1e-12 of E_t[E_w|f(u)| · E_w′|g(v)|]. A pair takes some 10 ms, half of that
    when f is g and the variances are equal.

    Parameters
    ----------
    f, g : callable
        Take a float64 array of any shape and return one of the same shape, elementwise.
    cov : array (2, 2) or (…, 2, 2)
        Covariances [[q11, q12], [q12, q22]]. 1 − |c| is formed as (√(q11 q22) − |q12|)/√(q11 q22):
        the correlation is as precise as `cov` states it, and no more.
    kinks : sequence of float
        Points where f or g, or a derivative of either, jumps. One list serves both, because a point
        too many does no harm.

    Returns
    -------
    float, or ndarray in the shape of `cov` without its last two axes

    Raises
    ------
    ValueError
        If `cov` is not a symmetric positive semidefinite 2×2 matrix, f or g gives NaN, the average is
        not finite in float64, or f or g is too rough for the error to be certified.
    TypeError
        If f or g does not map float64 arrays to real float64 arrays.

    Examples
    --------
    The ReLU kernel at correlation 1/2 is (√3/2 + π/3)/(2π):

    >>> import numpy as np
    >>> from rmtlab import gaussian
    >>> relu = lambda x: np.maximum(x, 0)
    >>> round(gaussian.expectation2(relu, relu, [[1, 0.5], [0.5, 1]], kinks=[0]), 12)
    0.304498890522
    """
    first = _Elementwise(f, "f")
    second = first if g == f else _Elementwise(g, "g")
    matrices = _covariances(cov)
    points = _points(kinks)
    flat = matrices.reshape(-1, 2, 2)
    parts = [_products(first, second, flat[i : i + _PAIRS], points) for i in range(0, len(flat), _PAIRS)]
    value = np.concatenate(parts)
    if not np.isfinite(value).all():
        culprit = flat[~np.isfinite(value)][0].tolist()
        side = first if np.isfinite(first.infinite_from) else second
        raise ValueError(
            f"E[f(u) g(v)] at cov={culprit} is not finite in float64: {side.excess()}. "
            "Take smaller variances, or functions that grow less."
        )
    return float(value[0]) if matrices.ndim == 2 else value.reshape(matrices.shape[:-2])


class _Elementwise:
    """A user's function, checked: float64 array in, real array of the same shape out, no NaN."""

    def __init__(self, function: Callable, name: str) -> None:
        if not callable(function):
            raise TypeError(
                f"{name} must be a function of an array, but a {type(function).__name__} was given."
            )
        self.function, self.name = function, name
        self.infinite_from = np.inf

    def __call__(self, x: np.ndarray) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):
                value = np.asarray(self.function(x))
        except (TypeError, ValueError, AttributeError) as error:
            raise TypeError(
                f"{self.name} must take a NumPy array and act on each element, but it failed with "
                f"“{error}”; write it with NumPy functions, or wrap it in np.vectorize."
            ) from error
        if value.shape != x.shape:
            raise ValueError(
                f"{self.name} must return an array of the shape it was given, {x.shape}, but returned shape "
                f"{value.shape}; a constant is written np.full_like(x, constant)."
            )
        if value.dtype.kind not in "fiub" or (value.dtype.kind == "f" and value.dtype.itemsize < 8):
            raise TypeError(f"{self.name} must return real float64 values, but it returned {value.dtype}.")
        value = value.astype(np.float64, copy=False)
        with np.errstate(all="ignore"):
            suspect = not np.isfinite(np.sum(value))
        if suspect:
            self._examine(x, value)
        return value

    def _examine(self, x: np.ndarray, value: np.ndarray) -> None:
        if np.isnan(value).any():
            raise ValueError(
                f"{self.name} gives NaN at x = {x[np.isnan(value)][0]:g}; it must have a value wherever "
                "|x| ≤ 54 standard deviations (write it so that no step overflows)."
            )
        self.infinite_from = min(self.infinite_from, np.min(np.abs(x[np.isinf(value)]), initial=np.inf))

    def excess(self) -> str:
        """Say where the function was seen to be infinite."""
        if np.isinf(self.infinite_from):
            return "the values are too large"
        return (
            f"{self.name} is infinite at |x| = {self.infinite_from:g}, "
            "where the normal density does not make it negligible"
        )

    def unresolved(self, x: float) -> ValueError:
        """Say that the function is too rough near x."""
        return ValueError(
            f"The average of {self.name} could not be resolved to {_quadrature.GOAL:g} near x = {x:g}; "
            "if it jumps or bends there, name the point in kinks; if it is singular there the average may not "
            f"exist; if it is noisy, make {self.name} deterministic and accurate in float64."
        )


def _smoothed(
    function: _Elementwise, mean: np.ndarray, std: np.ndarray, kinks: np.ndarray, goal: float
) -> tuple[np.ndarray, np.ndarray]:
    """Give E[f(m + σz)] and E|f(m + σz)| for each mean m and deviation σ."""
    value = np.empty_like(mean)
    sharp = std == 0
    if sharp.any():
        value[sharp] = function(mean[sharp])
    size = np.abs(value)
    rest = np.flatnonzero(~sharp)
    for chunk in (rest[i : i + _CHUNK] for i in range(0, len(rest), _CHUNK)):
        value[chunk], size[chunk] = _smoothed_chunk(function, mean[chunk], std[chunk], kinks, goal)
    return value, size


def _smoothed_chunk(
    function: _Elementwise, mean: np.ndarray, std: np.ndarray, kinks: np.ndarray, goal: float
) -> tuple[np.ndarray, np.ndarray]:
    def integrand(z: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, None]:
        x = std[owner, None] * z
        x += mean[owner, None]
        return function(x), None

    with np.errstate(over="ignore"):
        breaks, offset = (kinks - mean[:, None]) / std[:, None], np.abs(mean) / std
    try:
        return _quadrature.average(integrand, _quadrature.panels(breaks, std), offset, goal)
    except _quadrature.Unconverged as failure:
        raise function.unresolved(mean[failure.owner] + std[failure.owner] * failure.where) from None


def _products(first: _Elementwise, second: _Elementwise, cov: np.ndarray, kinks: np.ndarray) -> np.ndarray:
    """Give E[f(u) g(v)] for a few covariances at once, by what u and v have in common."""
    closeness, gap, sign = _correlation(cov[:, 0, 0], cov[:, 1, 1], cov[:, 0, 1])
    variances = np.stack([cov[:, 0, 0], cov[:, 1, 1]])
    common = np.sqrt(variances * closeness) * np.stack([np.ones_like(sign), sign])
    own = np.sqrt(variances * gap)
    alike = (own[0] == own[1]) & (first is second)
    twins, mirrored = alike & (common[0] == common[1]), alike & (common[0] == -common[1])

    def integrand(t: np.ndarray, pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        def side(i: int, function: _Elementwise, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            mean = common[i][pair[rows], None] * t[rows]
            std = np.broadcast_to(own[i][pair[rows], None], mean.shape)
            value, size = _smoothed(function, mean.ravel(), std.ravel(), kinks, _INNER)
            return value.reshape(mean.shape), size.reshape(mean.shape)

        a, size_a = side(0, first, np.full(len(pair), True))
        b, size_b = a.copy(), size_a.copy()
        other = ~twins[pair]
        if other.any():
            b[other], size_b[other] = side(1, second, other)
        with np.errstate(all="ignore"):
            value, size = a * b, size_a * size_b
        return value, np.where(np.isfinite(value), size, np.inf)

    try:
        layout = _outer_panels(common, own, kinks, mirrored)
        value, _ = _quadrature.average(integrand, layout, np.zeros(len(cov)), most=0)
        return np.where(mirrored, 2 * value, value)
    except _quadrature.Unconverged as failure:
        raise ValueError(
            f"E[f(u) g(v)] could not be resolved to {_quadrature.GOAL:g} near "
            f"u = {common[0][failure.owner] * failure.where:g}, v = {common[1][failure.owner] * failure.where:g} "
            f"at cov={cov[failure.owner].tolist()}; name the points where f or g jumps or bends in kinks."
        ) from None


def _outer_panels(
    common: np.ndarray, own: np.ndarray, kinks: np.ndarray, mirrored: np.ndarray
) -> _quadrature.Panels:
    """Split t at the images of the kinks and at the ends of the layer in which w smooths them.

    An average F(t) F(−t) is even in t: it needs only its right half.
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        images = np.where(common[:, :, None] == 0, 0.0, kinks / common[:, :, None])
        layers = np.where(common == 0, 0.0, _LAYER * own / common)[:, :, None]
        breaks = np.concatenate([*images, *(images - layers), *(images + layers)], axis=1)
    left, right, pair = _quadrature.panels(breaks, np.max(np.abs(common) / np.maximum(own, 1.0), axis=0))
    needed = ~mirrored[pair] | (left >= 0)
    return left[needed], right[needed], pair[needed]


def _geometric_mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Give √(ab), exact where a = b, without forming the product."""
    return np.where(a == b, a, np.sqrt(a) * np.sqrt(b))


def _correlation(a: np.ndarray, b: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give |c|, 1 − |c| (from a difference, not from rounded c) and the sign of c (1 where c is 0)."""
    most = _geometric_mean(a, b)
    some = most > 0
    gap = np.divide(most - np.abs(k), most, out=np.ones_like(most), where=some)
    closeness = np.divide(np.abs(k), most, out=np.zeros_like(most), where=some)
    return np.clip(closeness, 0.0, 1.0), np.clip(gap, 0.0, 1.0), np.where(k < 0, -1.0, 1.0)


def _covariances(cov: Any) -> np.ndarray:
    matrices = _checks.array(cov, "cov", hint="It is [[q11, q12], [q12, q22]], or a stack of such matrices.")
    if matrices.ndim < 2 or matrices.shape[-2:] != (2, 2):
        raise ValueError(
            f"cov must have shape (2, 2) or (…, 2, 2), but its shape is {matrices.shape}; "
            "it is [[q11, q12], [q12, q22]], or a stack of such matrices."
        )
    a, b, k, other = matrices[..., 0, 0], matrices[..., 1, 1], matrices[..., 0, 1], matrices[..., 1, 0]
    least = min(a.min(), b.min())
    if least < 0:
        raise ValueError(
            f"cov must hold variances that are not negative on its diagonal, but {least:g} was given."
        )
    most = _geometric_mean(a, b)
    lopsided = np.abs(k - other) > 1e-12 * most
    if lopsided.any():
        raise ValueError(
            f"cov must be symmetric, but it holds {k[lopsided][0]:g} above and {other[lopsided][0]:g} "
            "below the diagonal; the two are one covariance."
        )
    excess = np.abs(k) > most * (1 + 1e-12)
    if excess.any():
        with np.errstate(divide="ignore"):
            correlation = k[excess][0] / most[excess][0]
        raise ValueError(
            f"cov must be positive semidefinite, but its correlation is {correlation:.6g}; "
            "|q12| may not exceed √(q11 q22)."
        )
    return matrices


def _points(kinks: Any) -> np.ndarray:
    """Give the points at which panels are split: the kinks, and zero."""
    given = list(kinks) if np.iterable(kinks) else [kinks]
    if not given:
        return np.zeros(1)
    points = _checks.array(given, "kinks", ndim=1, hint="It is a list of numbers, such as kinks=[-1, 1].")
    return np.unique(np.append(points, 0.0))
