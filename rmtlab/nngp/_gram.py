"""Kernels of a network, block by block, so that nothing is held beside the result."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from rmtlab import _progress
from rmtlab.networks import Network

T = TypeVar("T")

BLOCK = 2048


def pairs(net: Network, x1: np.ndarray, x2: np.ndarray | None = None) -> np.ndarray:
    """Return the covariance of the outputs, which does not depend on the width."""
    return net.kernel(x1, x2, width=1).nngp


def square(net: Network, x: np.ndarray, progress: bool | None = False) -> np.ndarray:
    """Return K(x, x) (n, n)."""
    found = np.empty((len(x), len(x)))
    for i in shown(parts(len(x)), "kernel", progress):
        found[i, i] = pairs(net, x[i])
        for j in parts(i.start):
            found[i, j] = pairs(net, x[i], x[j])
            found[j, i] = found[i, j].T
    return found


def across(net: Network, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """Return K(x1, x2) (n1, n2)."""
    found = np.empty((len(x1), len(x2)))
    for i in parts(len(x1)):
        for j in parts(len(x2)):
            found[i, j] = pairs(net, x1[i], x2[j])
    return found


def weighted(net: Network, x1: np.ndarray, x2: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return K(x2, x1) @ weights, of which only a block is held at a time."""
    blocks = (pairs(net, x1[i], x2).T @ weights[i] for i in parts(len(x1)))
    return sum(blocks, start=np.zeros((len(x2), weights.shape[1])))


def diagonal(net: Network, x: np.ndarray) -> np.ndarray:
    """Return K(x, x) of every input with itself (n,)."""
    return np.concatenate([np.diagonal(pairs(net, x[i])) for i in parts(len(x), 64)])


def parts(n: int, step: int | None = None) -> Iterator[slice]:
    """Yield the slices that make up range(n), by default of BLOCK rows."""
    step = step or BLOCK
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def shown(things: Iterable[T], what: str, progress: bool | None, unit: str = "block") -> Iterator[T]:
    """Go through things with a bar on standard output, where there are several and a bar is wanted."""
    every = list(things)
    hidden = len(every) == 1 or not _progress.shown(progress)
    return iter(tqdm(every, desc=what, unit=unit, file=sys.stdout, disable=hidden))
