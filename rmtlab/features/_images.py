"""Images as functions of coordinates: tasks, reconstructions, and how good they are."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from rmtlab import _checks, ntk
from rmtlab.features._kernels import check_network
from rmtlab.features._maps import FeatureMap, check_map, grid
from rmtlab.networks import Network

IMAGES = ("china", "flower", "synthetic")
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class ImageTask:
    """An image of which some pixels are shown, and the others asked for.

    Attributes
    ----------
    image : ndarray, shape (h, w, c)
        Colours between 0 and 1.
    points : ndarray, shape (hw, 2)
        Where the pixels are, (row/h, column/w).
    shown : ndarray of bool, shape (hw,)
        Which pixels are for training.
    """

    image: np.ndarray
    points: np.ndarray
    shown: np.ndarray

    @property
    def x_train(self) -> np.ndarray:
        """Points of the pixels shown."""
        return self.points[self.shown]

    @property
    def y_train(self) -> np.ndarray:
        """Their colours."""
        return self._colours[self.shown]

    @property
    def x_test(self) -> np.ndarray:
        """Points of the others."""
        return self.points[~self.shown]

    @property
    def y_test(self) -> np.ndarray:
        """Their colours."""
        return self._colours[~self.shown]

    @property
    def _colours(self) -> np.ndarray:
        return self.image.reshape(len(self.points), -1)

    def __repr__(self) -> str:
        height, width, channels = self.image.shape
        return f"ImageTask({height}×{width} pixels of {channels} channels, {self.shown.sum()} shown)"


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """An image as a network, or a kernel, has it.

    Attributes
    ----------
    image : ndarray, shape (h, w, c)
        Cut off at 0 and 1.
    train_psnr, test_psnr : float
        On the pixels that were shown, and on the others, in decibels.
    """

    image: np.ndarray
    train_psnr: float
    test_psnr: float

    def __repr__(self) -> str:
        return f"Reconstruction(PSNR {self.train_psnr:.1f} dB in training, {self.test_psnr:.1f} dB in test)"


def load_image(name: str = "china", size: int = 64, *, colour: bool = False) -> np.ndarray:
    """Load a small square image: a photograph that comes with scikit-learn, or one drawn by formulas.

    The middle square of the photograph is averaged over blocks of pixels.

    Parameters
    ----------
    name : {"china", "flower", "synthetic"}
        A temple, a dahlia, or smooth ground with edges and fine stripes, which has no colours.
    size : int
        Height and width; at most 427 for a photograph.
    colour : bool
        Three channels, or their mean.

    Returns
    -------
    ndarray, shape (size, size, 1) or (size, size, 3)
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the name is unknown, the size does not fit, or colours are asked of the drawing.

    Examples
    --------
    >>> load_image("china", 32).shape
    (32, 32, 1)
    """
    size = _checks.count(size, "size")
    if _checks.one_of(name, "name", IMAGES) == "synthetic":
        if colour:
            raise ValueError("The synthetic image has no colours; take colour=False, or name='china'.")
        return _drawing(size)[..., None]
    photograph = _photograph(name)
    side = min(photograph.shape[:2])
    if size > side:
        raise ValueError(f"size must be at most {side}, the height of the photograph, but {size} was given.")
    block = side // size
    top, left = ((extent - block * size) // 2 for extent in photograph.shape[:2])
    square = photograph[top : top + block * size, left : left + block * size]
    small = square.reshape(size, block, size, block, 3).mean(axis=(1, 3)) / 255
    return small if colour else small.mean(axis=-1, keepdims=True)


def image_task(image: Any, every: int = 2) -> ImageTask:
    """Show every other row and column of an image, and ask for the rest.

    Parameters
    ----------
    image : array_like, shape (h, w) or (h, w, c)
        Colours between 0 and 1.
    every : int
        Each how manyth row and column is shown, at least 2.

    Returns
    -------
    ImageTask

    Raises
    ------
    ValueError
        If `image` has other axes or colours, or `every` leaves nothing to ask for.

    Examples
    --------
    >>> task = image_task(load_image("synthetic", 8))
    >>> task.x_train.shape, task.y_train.shape, task.x_test.shape
    ((16, 2), (16, 1), (48, 2))
    """
    picture = _checks.array(image, "image", ndim=(2, 3))
    if picture.min() < 0 or picture.max() > 1:
        raise ValueError(
            f"image must have colours between 0 and 1, but they lie between {picture.min():g} and {picture.max():g}; "
            "divide by 255 if they are bytes."
        )
    picture = picture[..., None] if picture.ndim == 2 else picture
    step = _checks.count(every, "every", minimum=2)
    shown = np.zeros(picture.shape[:2], dtype=bool)
    shown[::step, ::step] = True
    if shown.all():
        raise ValueError(f"image has {shown.size} pixels, and all of them would be shown; give a larger one.")
    return ImageTask(picture, grid(*picture.shape[:2]), shown.ravel())


def psnr(found: Any, truth: Any, peak: float = 1.0) -> float:
    r"""Return the peak signal-to-noise ratio, :math:`-10\log_{10}(\overline{|f - y|^2}/\mathrm{peak}^2)` decibels.

    Parameters
    ----------
    found, truth : array_like, of one shape
        Colours.
    peak : float
        The largest colour.

    Returns
    -------
    float
        Infinite where both are equal.

    Raises
    ------
    ValueError
        If shapes differ or `peak` is not positive.

    Examples
    --------
    >>> psnr([0.5, 0.5], [0.6, 0.4])
    20.0
    """
    f, y = _checks.array(found, "found"), _checks.array(truth, "truth")
    if f.shape != y.shape:
        raise ValueError(f"found and truth must have one shape, but they have {f.shape} and {y.shape}.")
    top = _checks.number(peak, "peak", low=0.0, low_open=True)
    error = float(np.mean(np.square((f - y) / top)))
    return float(-10 * np.log10(error)) if error else np.inf


def reconstruct(f: Callable[[Any], Any], task: ImageTask) -> Reconstruction:
    """Ask a function for the colours of all pixels.

    Parameters
    ----------
    f : torch.nn.Module or callable
        Takes points (n, 2) and gives colours (n, c), such as :func:`coordinate_network` after training.
    task : ImageTask
        What :func:`image_task` returned.

    Returns
    -------
    Reconstruction

    Raises
    ------
    TypeError
        If `f` can't be called or `task` is no task.
    ValueError
        If the colours have another shape, or are NaN.

    Examples
    --------
    >>> task = image_task(load_image("synthetic", 8))
    >>> reconstruct(lambda v: v[:, :1], task).image.shape
    (8, 8, 1)
    """
    _check_task(task)
    if not callable(f):
        raise TypeError(f"f must be a module or a function of points, but a {type(f).__name__} was given.")
    return _judged(_asked(f, task.points), task)


def kernel_regression(
    net: Network, features: FeatureMap, task: ImageTask, time: Any = None
) -> Reconstruction | tuple[Reconstruction, ...]:
    """Let infinitely wide networks behind features learn an image by gradient flow.

    :class:`rmtlab.ntk.GradientFlow` on ½Σ|f − y|² from the mean colour of the pixels shown; the result is the mean over
    all networks. At the end of training it is regression with the tangent kernel.

    Parameters
    ----------
    net : Network
        Such as ``rmtlab.MLP(…)``.
    features : FeatureMap
        γ, of two coordinates.
    task : ImageTask
        What :func:`image_task` returned.
    time : float or array_like, optional
        When to look; the end of training by default.

    Returns
    -------
    Reconstruction, or a tuple of them for several times

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If `features` have not two coordinates, a time is negative, or the kernel is singular to working
        precision and the time so long that it matters.

    References
    ----------
    .. [1] M. Tancik et al., "Fourier features let networks learn high frequency functions in low dimensional
       domains", NeurIPS 2020.

    Examples
    --------
    >>> import rmtlab as rl
    >>> task = image_task(load_image("synthetic", 16))
    >>> net, features = rl.MLP(3, "relu", weight_var=2.0), rl.features.basic(2)
    >>> early, late = kernel_regression(net, features, task, time=[0.01, 10.0])
    >>> early.train_psnr < late.train_psnr
    True
    """
    check_network(net)
    check_map(features)
    _check_task(task)
    if features.dimensions != 2:
        raise ValueError(f"features must be of two coordinates, but they are of {features.dimensions}.")
    mean = task.y_train.mean(axis=0)
    ensemble = ntk.GradientFlow(net).fit(features(task.x_train), task.y_train - mean)
    found = ensemble.predict(features(task.points), time, cov=False).mean + mean
    if found.ndim == 2:
        return _judged(found, task)
    return tuple(_judged(colours, task) for colours in found)


def _judged(colours: np.ndarray, task: ImageTask) -> Reconstruction:
    truth = task._colours
    if colours.shape != truth.shape:
        raise ValueError(f"f must give colours of the shape {truth.shape}, but it gave {colours.shape}.")
    clipped = np.clip(colours, 0.0, 1.0)
    return Reconstruction(
        clipped.reshape(task.image.shape),
        psnr(clipped[task.shown], truth[task.shown]),
        psnr(clipped[~task.shown], truth[~task.shown]),
    )


def _asked(f: Callable[[Any], Any], points: np.ndarray) -> np.ndarray:
    """Return the colours that a function has at points; a torch module gets tensors, in blocks."""
    if not hasattr(f, "parameters"):
        return _checks.array(f(points), "f(points)", ndim=2)
    import torch

    first = next(f.parameters(), torch.empty(0))
    with torch.no_grad():
        parts = [f(torch.tensor(points[i : i + _BLOCK]).to(first)) for i in range(0, len(points), _BLOCK)]
    return _checks.array(torch.cat(parts), "f(points)", ndim=2)


def _check_task(task: Any) -> None:
    if not isinstance(task, ImageTask):
        raise TypeError(
            f"task must be what rmtlab.features.image_task(image) returns, but a {type(task).__name__} was given."
        )


@cache
def _photograph(name: str) -> np.ndarray:
    from sklearn.datasets import load_sample_image

    return np.asarray(load_sample_image(f"{name}.jpg"), dtype=np.float64)


def _drawing(size: int) -> np.ndarray:
    """Return a smooth ground, a disc and a square with sharp edges, and a grating that becomes finer."""
    row, column = (axis.reshape(size, size) for axis in grid(size, size).T)
    ground = 0.45 + 0.2 * np.sin(2 * np.pi * row) * np.cos(2 * np.pi * column)
    disc = 0.3 * ((row - 0.3) ** 2 + (column - 0.3) ** 2 < 0.03)
    square = 0.3 * ((abs(row - 0.68) < 0.14) & (abs(column - 0.32) < 0.14))
    grating = 0.25 * (column > 0.55) * np.sin(2 * np.pi * (3 * row + 5 * row**2))
    return np.clip(ground + disc - square + grating, 0.0, 1.0)
