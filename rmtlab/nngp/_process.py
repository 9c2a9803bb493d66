"""The Gaussian process of an infinitely wide network, conditioned on data."""

from dataclasses import dataclass
from math import log, pi
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.networks import Network
from rmtlab.nngp import _blocks, _gram, _solver


@dataclass(frozen=True)
class GaussianProcess:
    r"""The prior over functions that an infinitely wide random network is.

    Its outputs are independent Gaussian processes with the covariance K = ``net.kernel(x1, x2).nngp``.

    Parameters
    ----------
    net : Network
        In either parameterisation; noise in it adds to the diagonal of K.
    noise_var : float
        σ_ε², the variance of the noise on targets.
    jitter : float, optional
        What is added to the diagonal beside σ_ε². By default as little of 0, 1e-10, 1e-9, …, 1e-5 times
        the mean of the diagonal as a stable Cholesky decomposition asks for; the posterior's ``jitter``
        and its text say how much that was. A number is taken as it is, and 0 forbids it.
    block_size : int, optional
        Rows of a block. Then, or with more than 46 340 training inputs (blocks of 2048), a blocked
        Cholesky decomposition is scheduled by `dask <https://docs.dask.org>`_, which comes with
        ``pip install "rmtlab[cluster]"``: it keeps n²/2 numbers in this process, or in the workers of the
        current ``distributed.Client``, which spill what is beyond their memory to disk. Without, K is kept
        and factorised in place, n² numbers.

    Raises
    ------
    TypeError
        If `net` is no network of :mod:`rmtlab.networks`.
    ValueError
        If a variance is negative or a block has no rows.

    References
    ----------
    .. [1] J. Lee et al., "Deep neural networks as Gaussian processes", ICLR 2018.

    Examples
    --------
    >>> import rmtlab as rl
    >>> net = rl.MLP(depth=1, activation="relu", weight_var=2.0)
    >>> posterior = GaussianProcess(net, noise_var=0.1).fit([[1.0, 0.0], [0.0, 1.0]], [1.0, -1.0])
    >>> found = posterior.predict([[1.0, 0.0], [1.0, 0.5]])
    >>> found.mean.round(3).ravel(), found.var.round(3)
    (array([0.872, 0.473]), array([0.09 , 0.199]))
    """

    net: Network
    noise_var: float = 0.0
    jitter: float | None = None
    block_size: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.net, Network):
            raise TypeError(
                f"net must be a network such as rmtlab.MLP(…), but a {type(self.net).__name__} was given."
            )
        for name in ("noise_var", "jitter"):
            value = getattr(self, name)
            if value is not None:
                checked = _checks.number(value, name, low=0.0, hint="It is added to the diagonal of K.")
                object.__setattr__(self, name, checked)
        if self.block_size is not None:
            object.__setattr__(self, "block_size", _checks.count(self.block_size, "block_size"))

    def fit(self, x: Any, y: Any, *, progress: bool | None = None) -> "Posterior":
        """Condition the process on data.

        Parameters
        ----------
        x : array_like, shape (n, …)
            Training inputs.
        y : array_like, shape (n, o) or (n,)
            Targets; :func:`class_targets` makes them from labels.
        progress : bool, optional
            Whether to show a bar of the kernel's blocks; by default in a terminal or an open notebook.

        Returns
        -------
        Posterior

        Raises
        ------
        ValueError
            If the numbers of inputs and targets differ, values are NaN, or the kernel is singular beyond
            the jitter allowed: the sentence says its condition number and what to do.
        ImportError
            If blocks are needed and dask is absent.

        Examples
        --------
        >>> import rmtlab as rl
        >>> net = rl.MLP(depth=1, activation="relu", weight_var=2.0)
        >>> twice = GaussianProcess(net).fit([[1.0, 0.0], [1.0, 0.0]], [1.0, 1.0])
        >>> twice.jitter.relative, twice.predict([[1.0, 0.0]]).mean.round(6)
        (1e-10, array([[1.]]))
        """
        inputs, targets = data(x, y)
        size = self.block_size
        if size is None and len(inputs) > _solver.LARGEST:
            size = _gram.BLOCK
        if size is not None and not _blocks.available():
            raise ImportError(
                f"{len(inputs)} training inputs in blocks need dask, which is not installed: "
                'pip install "rmtlab[cluster]".'
            )
        return Posterior(self, inputs, targets, size, progress)


class Posterior:
    r"""A Gaussian process conditioned on data, as :meth:`GaussianProcess.fit` gives it.

    Attributes
    ----------
    jitter : Jitter
        What was added to the diagonal of K beside the noise, and why.
    log_marginal_likelihood : float
        :math:`\log p(Y) = -\tfrac12 \mathrm{tr}\,Y^\top C^{-1} Y - \tfrac o2 \log\det C - \tfrac{no}2 \log 2\pi`
        with C = K + σ_ε² (and the jitter), of all outputs together.
    """

    def __init__(
        self, process: GaussianProcess, x: np.ndarray, y: np.ndarray, size: int | None, progress: bool | None
    ) -> None:
        self._process, self._x = process, x
        self._factor: Any
        net, noise_var = process.net, process.noise_var
        if size is None:
            kernel = _gram.square(net, x, progress)
            scale = float(np.trace(kernel)) / len(x)
            self._factor, self.jitter = _solver.with_jitter(
                lambda jitter: _solver.Dense(kernel, noise_var + jitter),
                scale,
                process.jitter,
                lambda: _solver.condition_of(kernel, noise_var),
            )
        else:
            scale = float(np.mean(_gram.diagonal(net, x)))
            self._factor, self.jitter = _solver.with_jitter(
                lambda jitter: _blocks.Blocked(net, x, noise_var + jitter, size, progress),
                scale,
                process.jitter,
                lambda: _solver.condition_above(len(x)),
            )
        self._weights = self._factor.solve(y)
        self.log_marginal_likelihood = log_evidence(y, self._weights, self._factor.log_det)

    @property
    def condition(self) -> float:
        """Condition number of K + σ_ε²: LAPACK's estimate, or in blocks the trace over the smallest eigenvalue."""
        return self._factor.condition

    def __repr__(self) -> str:
        added = f", jitter {self.jitter.relative:.0e} of the mean diagonal" if self.jitter.value else ""
        return (
            f"Posterior({self._process.net!r} on {len(self._x)} inputs, noise_var={self._process.noise_var:g}"
            f"{added})"
        )

    def predict(self, x_test: Any, *, variance: bool = True, progress: bool | None = None) -> "Prediction":
        r"""Return mean and variance of the outputs at test inputs.

        .. math:: K_{*X} C^{-1} Y, \qquad K_{**} - K_{*X} C^{-1} K_{X*}, \qquad C = K_{XX} + \sigma_\epsilon^2 .

        Parameters
        ----------
        x_test : array_like, shape (m, …)
            Where to predict; taken in batches.
        variance : bool
            Whether to find the variance too, which costs n² operations a test input, and the mean n.
        progress : bool, optional
            Whether to show a bar; by default in a terminal or an open notebook.

        Returns
        -------
        Prediction

        Raises
        ------
        ValueError
            If test inputs have another shape than training inputs, or hold NaN.

        References
        ----------
        .. [1] J. Lee et al., "Deep neural networks as Gaussian processes", ICLR 2018, eqs. (8) and (9).

        Examples
        --------
        >>> import rmtlab as rl
        >>> net = rl.MLP(depth=1, activation="relu", weight_var=2.0)
        >>> posterior = GaussianProcess(net, noise_var=1.0).fit([[1.0, 1.0]], [3.0])
        >>> found = posterior.predict([[1.0, 1.0]])
        >>> found.mean.round(12), found.var.round(12)
        (array([[2.]]), array([0.66666667]))
        """
        test = like(self._x, x_test)
        means, variances = [], []
        explained: np.ndarray | float
        for batch in _gram.shown(_gram.parts(len(test)), "prediction", progress):
            if variance and isinstance(self._factor, _solver.Dense):
                across = _gram.across(self._process.net, self._x, test[batch])
                means.append(across.T @ self._weights)
                explained = self._factor.explained(across)
            else:
                means.append(_gram.weighted(self._process.net, self._x, test[batch], self._weights))
                explained = self._factor.explained(test[batch]) if variance else 0.0
            if variance:
                prior = _gram.diagonal(self._process.net, test[batch])
                variances.append(np.maximum(prior - explained, 0.0))
        return Prediction(np.concatenate(means), np.concatenate(variances) if variance else None)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Gaussian predictions at m test inputs.

    Attributes
    ----------
    mean : ndarray, shape (m, o)
        Posterior mean of every output.
    var : ndarray, shape (m,), or None
        Posterior variance, the same for every output: that of the function, to which observations add
        noise_var. None where it was not asked for.
    """

    mean: np.ndarray
    var: np.ndarray | None

    @property
    def labels(self) -> np.ndarray:
        """The class of every test input, (m,): its largest output."""
        return np.argmax(self.mean, axis=1)


def data(x: Any, y: Any, names: tuple[str, str] = ("x", "y")) -> tuple[np.ndarray, np.ndarray]:
    """Return checked inputs (n, …) and targets (n, o)."""
    inputs = _checks.array(x, names[0])
    targets = _checks.array(y, names[1], ndim=(1, 2), hint="class_targets makes them from labels.")
    if inputs.ndim < 2:
        raise ValueError(f"{names[0]} must have an input a row, but its shape is {inputs.shape}.")
    if len(inputs) != len(targets):
        raise ValueError(
            f"{names[0]} and {names[1]} must go together, but they hold {len(inputs)} inputs and "
            f"{len(targets)} targets."
        )
    return inputs, targets.reshape(len(targets), -1)


def like(x: np.ndarray, x_test: Any, name: str = "x_test") -> np.ndarray:
    """Return checked test inputs of the training inputs' shape."""
    test = _checks.array(x_test, name)
    if test.ndim != x.ndim or test.shape[1:] != x.shape[1:]:
        raise ValueError(
            f"{name} must have the shape {('m', *x.shape[1:])} of the training inputs, but its shape is {test.shape}."
        )
    return test


def log_evidence(y: np.ndarray, weights: np.ndarray, log_det: float) -> float:
    """Return log p(Y) for C⁻¹Y and log det C."""
    n, o = y.shape
    return -0.5 * (float(np.sum(y * weights)) + o * log_det + n * o * log(2 * pi))
