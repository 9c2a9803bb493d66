"""Evidence and errors of Gaussian processes over a grid of hyper-parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import product
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.networks import Network
from rmtlab.nngp import _gram, _solver
from rmtlab.nngp._process import GaussianProcess, data, like, log_evidence

_NOISE = "noise_var"


@dataclass(frozen=True, eq=False)
class Grid:
    """What :func:`grid` found. Arrays have an axis for each parameter, in the order given.

    Attributes
    ----------
    parameters : dict
        Names and the values tried.
    log_marginal_likelihood : ndarray
        Of the training data.
    error : ndarray or None
        Mean squared error on the validation data: a mean over inputs and outputs.
    accuracy : ndarray or None
        Fraction of validation inputs whose largest output is that of the target; None for one output.
    jitter : ndarray
        What was added to the diagonal beside the noise, in units of its mean.
    failures : dict
        The sentence, at every point (a tuple of values) that could not be computed; arrays hold NaN there.
    """

    parameters: dict[str, tuple]
    log_marginal_likelihood: np.ndarray
    error: np.ndarray | None
    accuracy: np.ndarray | None
    jitter: np.ndarray
    failures: dict[tuple, str]

    def best(self, by: str = "log_marginal_likelihood") -> dict[str, Any]:
        """Return the parameters of the best point.

        Parameters
        ----------
        by : {"log_marginal_likelihood", "error", "accuracy"}
            What decides: the largest evidence, the least error or the largest accuracy.

        Returns
        -------
        dict

        Raises
        ------
        ValueError
            If the name is unknown, or there was no validation data for it.
        """
        _checks.one_of(by, "by", ("log_marginal_likelihood", "error", "accuracy"))
        values = getattr(self, by)
        if values is None:
            raise ValueError(
                f"There is no {by}; give grid validation data, with two or more outputs for an accuracy."
            )
        if np.all(np.isnan(values)):
            raise ValueError("No point of the grid could be computed; failures says why.")
        flat = np.nanargmin(values) if by == "error" else np.nanargmax(values)
        at = np.unravel_index(flat, values.shape)
        return {name: tried[i] for (name, tried), i in zip(self.parameters.items(), at, strict=True)}

    def __repr__(self) -> str:
        axes = " × ".join(f"{len(tried)} {name}" for name, tried in self.parameters.items())
        failed = f", {len(self.failures)} failed" if self.failures else ""
        lifted = int(np.sum(self.jitter > 0))
        return f"Grid({axes}{failed}{f', {lifted} with jitter' if lifted else ''})"


def grid(
    build: Callable[..., Network],
    parameters: Mapping[str, Sequence[Any]],
    x: Any,
    y: Any,
    *,
    x_valid: Any = None,
    y_valid: Any = None,
    noise_var: float = 0.0,
    progress: bool | None = None,
) -> Grid:
    """Try every combination of hyper-parameters.

    Parameters
    ----------
    build : callable
        Makes a network from the parameters by name, such as
        ``functools.partial(rmtlab.MLP, 3, "relu")``.
    parameters : mapping of str to sequences
        Values to try, such as ``{"weight_var": [1.0, 2.0], "bias_var": [0.0, 0.1]}``. The name
        ``"noise_var"`` is that of the process; a network's kernel is computed once for all its values.
    x, y : array_like, shape (n, …), and (n, o) or (n,)
        Training data.
    x_valid, y_valid : array_like, optional
        Validation data in the same form.
    noise_var : float
        σ_ε² where it is not tried.
    progress : bool, optional
        Whether to show a bar; by default in a terminal or an open notebook.

    Returns
    -------
    Grid

    Raises
    ------
    TypeError
        If `build` can't be called, or gives no network.
    ValueError
        If there is nothing to try, data do not go together, or a variance is negative. A kernel that is
        singular at one point stops nothing: it is in ``failures``.

    Examples
    --------
    >>> import rmtlab as rl
    >>> x, y = [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], [1.0, -1.0, -0.5]
    >>> tried = {"depth": [1, 2], "weight_var": [0.5, 2.0], "noise_var": [0.01, 1.0]}
    >>> found = grid(lambda **p: rl.MLP(activation="relu", **p), tried, x, y)
    >>> found, found.best()
    (Grid(2 depth × 2 weight_var × 2 noise_var), {'depth': 1, 'weight_var': 2.0, 'noise_var': 0.01})
    """
    if not callable(build):
        raise TypeError(f"build must make a network from parameters, but a {type(build).__name__} was given.")
    tried = _tried(parameters)
    noises = tried.get(_NOISE, (noise_var,))
    for value in noises:
        _checks.number(value, _NOISE, low=0.0, hint="It is a variance.")
    inputs, targets = data(x, y)
    if (x_valid is None) != (y_valid is None):
        raise ValueError("x_valid and y_valid go together, but only one of them was given.")
    valid = None
    if x_valid is not None:
        test, wanted = data(x_valid, y_valid, ("x_valid", "y_valid"))
        valid = like(inputs, test, "x_valid"), wanted
        if wanted.shape[1] != targets.shape[1]:
            raise ValueError(
                f"y and y_valid must have equally many outputs, but have {targets.shape[1]} and {wanted.shape[1]}."
            )
    return _run(build, tried, noises, inputs, targets, valid, progress)


def _tried(parameters: Any) -> dict[str, tuple]:
    if not isinstance(parameters, Mapping) or not parameters:
        raise ValueError("parameters must map names to the values to try, and none was given.")
    tried = {name: tuple(np.atleast_1d(values).tolist()) for name, values in parameters.items()}
    for name, values in tried.items():
        if not values:
            raise ValueError(f"{name} has no value to try.")
    return tried


def _run(
    build: Callable[..., Network],
    tried: dict[str, tuple],
    noises: tuple,
    x: np.ndarray,
    y: np.ndarray,
    valid: tuple[np.ndarray, np.ndarray] | None,
    progress: bool | None,
) -> Grid:
    names = [name for name in tried if name != _NOISE]
    points = list(product(*(tried[name] for name in names)))
    found: dict[tuple, tuple[float, float, float, float]] = {}
    failures: dict[tuple, str] = {}
    for point in _gram.shown(points, "grid", progress, "network"):
        net = _built(build, dict(zip(names, point, strict=True)))
        kernel = _gram.square(net, x)
        across = None if valid is None else _gram.across(net, x, valid[0])
        for noise_var in noises:
            values = dict(zip(names, point, strict=True)) | {_NOISE: noise_var}
            key = tuple(values[name] for name in tried)
            try:
                found[key] = _at(kernel.copy(), across, y, valid, noise_var)
            except ValueError as problem:
                found[key] = (np.nan,) * 4
                failures[key] = str(problem)
    shape = tuple(map(len, tried.values()))
    evidence, error, accuracy, jitter = (
        np.array([found[key][i] for key in product(*tried.values())]).reshape(shape) for i in range(4)
    )
    return Grid(
        parameters=tried,
        log_marginal_likelihood=evidence,
        error=None if valid is None else error,
        accuracy=None if valid is None or y.shape[1] == 1 else accuracy,
        jitter=jitter,
        failures=failures,
    )


def _built(build: Callable[..., Network], values: dict[str, Any]) -> Network:
    try:
        signature(build).bind(**values)
    except TypeError as problem:
        raise TypeError(f"build can't take the parameters {', '.join(values)}: {problem}.") from None
    return GaussianProcess(build(**values)).net


def _at(
    kernel: np.ndarray,
    across: np.ndarray | None,
    y: np.ndarray,
    valid: tuple[np.ndarray, np.ndarray] | None,
    noise_var: float,
) -> tuple[float, float, float, float]:
    """Return evidence, error, accuracy and jitter at one point."""
    factor, jitter = _solver.with_jitter(
        lambda level: _solver.Dense(kernel, noise_var + level),
        float(np.trace(kernel)) / len(kernel),
        None,
        lambda: _solver.condition_of(kernel, noise_var),
    )
    weights = factor.solve(y)
    evidence = log_evidence(y, weights, factor.log_det)
    if across is None or valid is None:
        return evidence, np.nan, np.nan, jitter.relative
    mean, wanted = across.T @ weights, valid[1]
    hits = np.argmax(mean, axis=1) == np.argmax(wanted, axis=1)
    return evidence, float(np.mean((mean - wanted) ** 2)), float(np.mean(hits)), jitter.relative
