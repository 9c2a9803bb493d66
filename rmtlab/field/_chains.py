"""The chain itself: layer variances of many networks at once, drawn without their weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.activations import Activation

_BLOCK = 2**21  # preactivations that are held at once


@dataclass(frozen=True, eq=False)
class Chains:
    r"""Simulated chains of layers, independent of one another.

    Attributes
    ----------
    q : ndarray, shape (chains, depth)
        q^l = \|z^l\|²/N.
    s : ndarray, shape (chains, depth)
        The variance of z^l given the layer before; its mean is that of q, and it fluctuates less.
    """

    q: np.ndarray
    s: np.ndarray

    @property
    def mean(self) -> float:
        """The mean of q over chains and layers."""
        return float(self.q.mean())

    def covariance(self, lags: Any, mean: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Measure Cov(q^l, q^{l+k}), averaged over chains and layers.

        Parameters
        ----------
        lags : array_like of int, shape (n,)
            k, at least 0 and below the depth.
        mean : float, optional
            E q where it is known, such as q*; by default the mean of all that was drawn.

        Returns
        -------
        (ndarray, ndarray)
            The covariances, shape (n,), and their standard errors over chains.

        Raises
        ------
        ValueError
            If a lag is no whole number from 0 to depth − 1.

        Examples
        --------
        >>> from rmtlab import field
        >>> chains = field.Lattice("linear", 0.5, 0.5, width=100).simulate(depth=8, chains=2000, rng=0)
        >>> value, error = chains.covariance([0, 1])
        >>> bool(abs(value[1] / value[0] - 0.5) < 0.05)
        True
        """
        lags = np.atleast_1d(whole_lags(lags, self.q.shape[1]))
        delta = self.q - (self.mean if mean is None else _checks.number(mean, "mean"))
        depth = delta.shape[1]
        products = np.stack([(delta[:, : depth - k] * delta[:, k:]).mean(axis=1) for k in lags], axis=1)
        return _mean_and_error(products)

    def structure_factor(self, mean: float | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r"""Measure :math:`S(k) = E|\sum_l e^{-ikl}\,\delta q^l|^2/L` at the modes k = 2πn/L, n = 0 … L/2.

        Parameters
        ----------
        mean : float, optional
            As in :meth:`covariance`.

        Returns
        -------
        (ndarray, ndarray, ndarray)
            The modes k, S(k) and its standard errors over chains, each of shape (⌊L/2⌋ + 1,).

        Raises
        ------
        ValueError
            If the mean is not finite.

        Examples
        --------
        >>> from rmtlab import field
        >>> chains = field.Lattice("linear", 0.5, 0.5, width=100).simulate(depth=8, chains=20, rng=0)
        >>> chains.structure_factor()[0].round(2)
        array([0.  , 0.79, 1.57, 2.36, 3.14])
        """
        delta = self.q - (self.mean if mean is None else _checks.number(mean, "mean"))
        depth = delta.shape[1]
        power = np.abs(np.fft.rfft(delta, axis=1)) ** 2 / depth
        return 2 * np.pi * np.arange(power.shape[1]) / depth, *_mean_and_error(power)


def whole_lags(lags: Any, depth: float = np.inf) -> np.ndarray:
    """Return lags as whole numbers from 0 to depth − 1."""
    found = _checks.array(lags, "lags", hint="Give numbers of layers.")
    if found.min() < 0 or found.max() >= depth or np.any(found != np.round(found)):
        top = f" and below the depth {depth:g}" if np.isfinite(depth) else ""
        raise ValueError(f"lags must be whole numbers, at least 0{top}, but {found.tolist()} were given.")
    return found.astype(int)


def draw(
    activation: Activation,
    weight_var: float,
    bias_var: float,
    width: int,
    start: float,
    discard: int,
    depth: int,
    chains: int,
    rng: np.random.Generator,
) -> Chains:
    """Draw chains from s¹ = start and keep `depth` layers after the first `discard`."""
    step = _homogeneous if activation.homogeneous else _sampled
    s = np.full(chains, start)
    kept_q, kept_s = np.empty((chains, depth)), np.empty((chains, depth))
    for layer in range(discard + depth):
        q, energy = step(activation, s, width, rng)
        if layer >= discard:
            kept_q[:, layer - discard], kept_s[:, layer - discard] = q, s
        s = weight_var * energy + bias_var
    return Chains(kept_q, kept_s)


def _homogeneous(
    activation: Activation, s: np.ndarray, width: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return |z|²/N and |φ(z)|²/N by χ² sums over the units on either side of zero, whose number is binomial."""
    left, right = (float(activation(np.array(x))) ** 2 for x in (-1.0, 1.0))
    if left == right:
        q = s * (2.0 / width) * rng.standard_gamma(width / 2, len(s))
        return q, right * q
    positive = rng.binomial(width, 0.5, len(s))
    above = rng.standard_gamma(positive / 2)
    below = rng.standard_gamma((width - positive) / 2)
    return s * (2.0 / width) * (above + below), s * (2.0 / width) * (right * above + left * below)


def _sampled(
    activation: Activation, s: np.ndarray, width: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same from N units drawn one by one."""
    q, energy = np.empty_like(s), np.empty_like(s)
    rows = max(1, _BLOCK // width)
    for i in range(0, len(s), rows):
        part = slice(i, i + rows)
        z = rng.standard_normal((len(s[part]), width)) * np.sqrt(s[part])[:, None]
        q[part] = np.einsum("ij,ij->i", z, z) / width
        h = activation(z)
        energy[part] = np.einsum("ij,ij->i", h, h) / width
    return q, energy


def _mean_and_error(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = len(samples)
    spread = samples.std(axis=0, ddof=1) if n > 1 else np.full(samples.shape[1], np.inf)
    return samples.mean(axis=0), spread / np.sqrt(n)
