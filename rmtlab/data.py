"""Pictures to learn from: digits without a network, MNIST and its kin where they can be had.

Scikit-learn's digits come with its wheel. MNIST, Fashion-MNIST and CIFAR-10 are read from the folder
that the environment variable ``RMTLAB_DATA`` names, else fetched once from OpenML and cached by
scikit-learn; where neither works, digits stand in and one line says so.
"""

import gzip
import http.client
import os
import socket
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rmtlab import _checks

__all__ = ["Dataset", "load"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures and their classes, split into a training and a test part.

    Parameters
    ----------
    name, requested : str
        What the pictures are, and what was asked for; they differ when digits stand in.
    x_train, x_test : ndarray of float64, (n, d) or (n, channels, height, width)
        Pictures, in the units that `load` was asked for.
    y_train, y_test : ndarray of int64, (n,)
        Classes, as positions in `classes`.
    classes : tuple of str
        The classes' names.
    image_shape : tuple of int
        (channels, height, width); its product is d.
    """

    name: str
    requested: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]

    def __repr__(self) -> str:
        stands_in = "" if self.name == self.requested else f" in place of {self.requested!r}"
        shape = "×".join(map(str, self.image_shape))
        parts = f"{len(self.x_train)} training and {len(self.x_test)} test pictures"
        return f"Dataset({self.name!r}{stands_in}: {parts}, {shape}, {len(self.classes)} classes)"


def load(
    name: str = "digits",
    *,
    n_train: int | None = None,
    n_test: int | None = None,
    normalize: str | None = "unit",
    flatten: bool = True,
    seed: int = 0,
) -> Dataset:
    r"""Load a set of labelled pictures.

    Parameters
    ----------
    name : {"digits", "mnist", "fashion_mnist", "cifar10"}
        Which pictures. ``RMTLAB_DATA`` may name a folder that holds ``mnist/`` or ``fashion-mnist/`` with
        the four IDX files, gzipped or not, or ``cifar-10-batches-bin/``; or it may be such a folder itself.
    n_train, n_test : int, optional
        How many pictures of each part; by default all of them. Digits have no official split: `seed` keeps
        360 of the 1797 for testing. A smaller set is the beginning of a larger one.
    normalize : {"unit", "standard", None}
        "unit": the mean training picture is subtracted, then every picture x is scaled to |x|² = d,
        so that :math:`K^0 = \sigma_w^2\, x x^\top / d + \sigma_b^2` has the diagonal σ_w² + σ_b².
        "standard": one mean and one standard deviation, over all training pixels, become 0 and 1.
        None: pixels in [0, 1]. Means are over all training pictures, whatever `n_train` is.
    flatten : bool
        Whether a picture is a row of d numbers, or (channels, height, width).
    seed : int
        Chooses the pictures and their order. Every beginning of either part holds the classes in the
        proportions of the whole, to within two or so of each.

    Returns
    -------
    Dataset
        In float64; ask for fewer than the 50 000 training pictures of CIFAR-10 where 1.2 GB is too much.

    Raises
    ------
    ValueError
        If a name is unknown, or more pictures are asked for than there are.

    Notes
    -----
    Where neither the folder nor OpenML gives the pictures, one printed line says why, and digits are
    returned, as many of `n_train` and `n_test` as there are.

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI repository, 1998.
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86, 1998.
    H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST", arXiv:1708.07747.
    A. Krizhevsky, "Learning multiple layers of features from tiny images", University of Toronto, 2009.

    Examples
    --------
    >>> from rmtlab import data
    >>> digits = data.load("digits", n_train=1000)
    >>> digits
    Dataset('digits': 1000 training and 360 test pictures, 1×8×8, 10 classes)
    >>> round(float((digits.x_train[0] ** 2).sum()), 9)
    64.0
    """
    _checks.one_of(name, "name", _SOURCES)
    if normalize is not None:
        _checks.one_of(normalize, "normalize", ("unit", "standard"), hint="None keeps pixels in [0, 1].")
    n_train = None if n_train is None else _checks.count(n_train, "n_train")
    n_test = None if n_test is None else _checks.count(n_test, "n_test")
    rng = np.random.default_rng(_checks.count(seed, "seed", minimum=0))

    found = _read(name)
    given, pictures = (name, found) if found else ("digits", _read_digits())
    source = _SOURCES[given]
    train_pool, test_pool = _pools(pictures, rng)
    train = _beginning(train_pool, n_train, "n_train", shrink=given != name)
    test = _beginning(test_pool, n_test, "n_test", shrink=given != name)
    scale = _scale(pictures.x[train_pool], pictures.brightest, normalize)
    x_train, x_test = scale(pictures.x[train]), scale(pictures.x[test])
    if not flatten:
        x_train, x_test = (x.reshape(-1, *source.image_shape) for x in (x_train, x_test))
    return Dataset(
        name=given,
        requested=name,
        x_train=x_train,
        y_train=pictures.y[train],
        x_test=x_test,
        y_test=pictures.y[test],
        classes=source.classes,
        image_shape=source.image_shape,
    )


class _Source(NamedTuple):
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    folders: tuple[str, ...] = ()
    openml: str = ""
    openml_version: int = 1
    n_official_train: int = 0


class _Pictures(NamedTuple):
    """Raw pictures, flat, with the number of them that the official split trains on (0: no split)."""

    x: np.ndarray
    y: np.ndarray
    brightest: int
    n_official_train: int = 0


_DIGIT_NAMES = tuple("0123456789")
_SOURCES = {
    "digits": _Source((1, 8, 8), _DIGIT_NAMES),
    "mnist": _Source((1, 28, 28), _DIGIT_NAMES, ("mnist",), "mnist_784", 1, 60_000),
    "fashion_mnist": _Source(
        (1, 28, 28),
        (
            "T-shirt",
            "trouser",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ),
        ("fashion-mnist", "fashion_mnist", "dataset-fashion-mnist"),
        "Fashion-MNIST",
        1,
        60_000,
    ),
    "cifar10": _Source(
        (3, 32, 32),
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        ("cifar-10-batches-bin", "cifar10", "cifar-10"),
        "CIFAR_10",
        1,
        50_000,
    ),
}
_N_DIGITS_TEST = 360
_SECONDS_TO_ANSWER = 20.0


def _read(name: str) -> _Pictures | None:
    """Return the pictures called `name`, or None after one line that says why they cannot be had."""
    if name == "digits":
        return _read_digits()
    folder = _folder(_SOURCES[name].folders)
    place = "OpenML, or scikit-learn's cache of it" if folder is None else "the folder in RMTLAB_DATA"
    try:
        if folder is not None:
            return _read_cifar10(folder) if name == "cifar10" else _read_idx(folder)
        print(f"Asking {place}, for {name} …", end=" ", flush=True)
        pictures = _fetch(_SOURCES[name])
        print("here it is.")
        return pictures
    except (OSError, ValueError, EOFError, zlib.error, http.client.HTTPException) as problem:
        whence = "Nothing came" if folder is None else f"{name} could not be read from {place}"
        print(f"{whence} ({_reason(problem)}), so scikit-learn's 8×8 digits stand in for it.")
        return None


def _reason(problem: Exception) -> str:
    """Return what went wrong in a few words, with no path of the reader's machine in them."""
    if isinstance(problem, OSError) and problem.filename:
        return f"{Path(os.fsdecode(problem.filename)).name}: {problem.strerror}"
    text = " ".join(str(getattr(problem, "reason", problem)).split())
    return f"{type(problem).__name__}: {text[:80]}"


def _folder(names: tuple[str, ...]) -> Path | None:
    """Return the folder in, or at, RMTLAB_DATA that has one of the names."""
    root = os.environ.get("RMTLAB_DATA")
    if not root:
        return None
    at = Path(root).expanduser()
    if at.name.lower() in names:
        return at
    return next((at / name for name in names if (at / name).is_dir()), None)


def _read_digits() -> _Pictures:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return _Pictures(x.astype(np.uint8), y.astype(np.int64), brightest=16)


def _read_idx(folder: Path) -> _Pictures:
    x_train, y_train, x_test, y_test = (
        _idx(folder, f"{part}-{kind}-ubyte")
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    )
    for x, y in ((x_train, y_train), (x_test, y_test)):
        if x.shape != (y.size, 28, 28):
            raise ValueError(f"pictures of shape {x.shape} do not go with {y.size} labels")
    x = np.concatenate([x_train, x_test]).reshape(-1, 784)
    y = np.concatenate([y_train, y_test]).astype(np.int64)
    return _Pictures(x, y, brightest=255, n_official_train=len(x_train))


def _idx(folder: Path, name: str) -> np.ndarray:
    """Read an IDX file of bytes: two zeros, the type 8, the number of axes, their lengths, the values."""
    zipped = folder / f"{name}.gz"
    raw = gzip.decompress(zipped.read_bytes()) if zipped.exists() else (folder / name).read_bytes()
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{name} is not an IDX file of bytes")
    axes = raw[3]
    shape = np.frombuffer(raw, ">u4", count=axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _read_cifar10(folder: Path) -> _Pictures:
    """Read the binary version: a record is one byte of class and 3072 bytes of red, green, blue rows."""
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    batches = [np.frombuffer((folder / name).read_bytes(), np.uint8).reshape(-1, 3073) for name in names]
    records = np.concatenate(batches)
    n_train = len(records) - len(batches[-1])
    return _Pictures(records[:, 1:], records[:, 0].astype(np.int64), brightest=255, n_official_train=n_train)


def _fetch(source: _Source) -> _Pictures:
    from sklearn.datasets import fetch_openml

    # The quicker parser needs pandas, which the course does not ask for.
    parser = "pandas" if find_spec("pandas") else "liac-arff"
    with _short_patience(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = fetch_openml(
            source.openml, version=source.openml_version, as_frame=False, parser=parser, n_retries=1
        )
    x, y = np.asarray(found.data, dtype=np.uint8), np.asarray(found.target).astype(np.int64)
    if x.ndim != 2 or x.shape[1] != np.prod(source.image_shape):
        raise ValueError(f"pictures of shape {x.shape} came")
    return _Pictures(x, y, brightest=255, n_official_train=source.n_official_train)


@contextmanager
def _short_patience() -> Iterator[None]:
    """Let a network that does not answer fail soon, rather than hold a notebook."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_TO_ANSWER)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _pools(pictures: _Pictures, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of all training and of all test pictures, each in a stratified order."""
    n = pictures.n_official_train
    if n:
        return _stratified_order(pictures.y[:n], rng), n + _stratified_order(pictures.y[n:], rng)
    order = _stratified_order(pictures.y, rng)
    return order[:-_N_DIGITS_TEST], order[-_N_DIGITS_TEST:]


def _stratified_order(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random order in which every stretch holds the classes in the proportions of the whole.

    The k-th of a class's m members, in random order, comes at a random time between k/m and (k+1)/m.
    """
    time = np.empty(len(y))
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        time[members] = (np.arange(len(members)) + rng.random(len(members))) / len(members)
    return np.argsort(time)


def _beginning(pool: np.ndarray, n: int | None, name: str, *, shrink: bool) -> np.ndarray:
    if n is not None and n > len(pool) and not shrink:
        raise ValueError(f"{name} must be at most {len(pool)} for these pictures, but {n} was given.")
    return pool[:n]


def _scale(x_pool: np.ndarray, brightest: int, normalize: str | None) -> Callable[[np.ndarray], np.ndarray]:
    """Return the map from raw pictures to the units asked for, fixed by all the training pictures."""
    if normalize is None:
        return lambda x: x / brightest
    if normalize == "standard":
        mean = x_pool.mean()
        std = np.sqrt(_mean_square(x_pool) - mean**2)
        return lambda x: (x - mean) / std
    mean_picture = x_pool.mean(axis=0)

    def to_unit(x: np.ndarray) -> np.ndarray:
        centred = x - mean_picture
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        return np.sqrt(x.shape[1]) * centred / np.maximum(length, np.finfo(np.float64).tiny)

    return to_unit


def _mean_square(x: np.ndarray) -> float:
    """Return the mean of x², in blocks, so that bytes never become a large float array."""
    blocks = np.array_split(x, 1 + len(x) // 4096)
    return sum(float(np.sum(np.square(block, dtype=np.float64))) for block in blocks) / x.size
