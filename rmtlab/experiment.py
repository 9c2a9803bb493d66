"""What experiments with trained networks share: tuned step sizes, intervals, verdicts, and where the rows came from.

An expectation is stated before any run; every arm gets a step size of its own; other seeds measure; and the
interval of a mean says whether the expectation holds, fails, or stays undecided.

>>> from rmtlab import experiment
>>> found = experiment.interval([0.91, 0.93, 0.95])
>>> experiment.verdict(found, low=0.8)
'holds'
>>> experiment.verdict(found, low=0.92)
'undecided'
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from rmtlab import _checks, sweep

__all__ = ["Interval", "as_text", "digest", "interval", "jointly", "origin", "results", "tune", "verdict"]

Row = dict[str, Any]

_VERDICTS = ("holds", "fails", "undecided")


@dataclass(frozen=True)
class Interval:
    """A mean and the interval around it; made by :func:`interval`.

    Parameters
    ----------
    mean, low, high : float
        The mean, and the ends of its interval.
    """

    mean: float
    low: float
    high: float

    @property
    def ends(self) -> tuple[float, float]:
        """The two ends, low and high."""
        return self.low, self.high

    @property
    def half(self) -> float:
        """Half the length, as an error bar has it."""
        return (self.high - self.low) / 2


def results(
    function: Callable[..., Any], points: Iterable[Mapping[str, Any]], **options: Any
) -> list[dict[str, Any]]:
    """Call a function at every point, and return what it gave; one that failed is an error.

    Parameters
    ----------
    function, points, **options
        As :func:`rmtlab.sweep.run` takes them: a ``store`` keeps what is finished.

    Returns
    -------
    list of dict
        One a point, in their order.

    Raises
    ------
    RuntimeError
        If a run failed; bad input is refused as :func:`rmtlab.sweep.run` does it.

    Examples
    --------
    >>> from rmtlab import experiment
    >>> experiment.results(pow, [{"base": 2, "exp": 3}])
    [{'value': 8}]
    """
    found = sweep.run(function, points, **options)
    if found.failed:
        raise RuntimeError(
            f"{len(found.failed)} of {len(found.runs)} runs failed, the first with {found.failed[0].error}; "
            "mend the cause and run them again."
        )
    return [run.result for run in found.runs if run.result is not None]


def tune(
    measure: Callable[[list[float]], Iterable[Mapping[str, Any]]],
    sizes: Iterable[float],
    best: Callable[[list[Row]], float],
    *,
    by: int = 1,
    least: float = 0.0,
    most: float = math.inf,
    at_most: int | None = None,
) -> list[Row]:
    """Try step sizes, and go on beyond an end of the grid for as long as the best one is there.

    Below its smallest step size the grid goes on with halves, above its largest with doubles.

    Parameters
    ----------
    measure : callable
        Takes a list of step sizes and returns what each gave: named numbers, in the same order. It gets every
        step size once.
    sizes : floats
        The step sizes to begin with: positive, increasing.
    best : callable
        Takes all that was tried and returns the best step size.
    by : int
        How many step sizes are added at a time.
    least, most : float
        No step size is added below or above these.
    at_most : int, optional
        The grid does not grow beyond so many step sizes.

    Returns
    -------
    list of dict
        What was tried, by increasing step size "lr". The best is inside the grid, or at an end that the limits
        did not let grow.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or the best step size runs off to zero or infinity.

    Examples
    --------
    >>> from rmtlab import experiment
    >>> def measure(sizes):
    ...     return [{"loss": (lr - 2) ** 2} for lr in sizes]
    >>> def best(tried):
    ...     return min(tried, key=lambda one: one["loss"])["lr"]
    >>> [one["lr"] for one in experiment.tune(measure, [0.5, 1.0], best)]
    [0.5, 1.0, 2.0, 4.0]
    """
    begun = _checks.array(list(sizes), "sizes", ndim=1)
    if begun[0] <= 0 or np.any(np.diff(begun) <= 0):
        raise ValueError("sizes must be positive and increase from one to the next.")
    by = _checks.count(by, "by")
    least, most = _ordered(least, most, "least", "most")
    room = math.inf if at_most is None else _checks.count(at_most, "at_most")
    tried = _tried(measure, begun.tolist())
    while True:
        chosen = best(tried)
        if all(chosen != one["lr"] for one in tried):
            raise ValueError(f"best must return a step size that was tried, but it gave {chosen!r}.")
        halves = [chosen / 2**k for k in range(by, 0, -1)] if chosen == tried[0]["lr"] else []
        doubles = [chosen * 2**k for k in range(1, by + 1)] if chosen == tried[-1]["lr"] else []
        below = [lr for lr in halves if lr >= least]
        more = below or [lr for lr in doubles if lr <= most]
        if not more or len(tried) + len(more) > room:
            return tried
        if more[0] == 0 or math.isinf(more[-1]):
            raise ValueError(f"The best step size runs off beyond {chosen:g}; set least, most or at_most.")
        tried = [*_tried(measure, more), *tried] if below else [*tried, *_tried(measure, more)]


def interval(values: Any, level: float = 0.95) -> Interval:
    """Return the mean of values and its t-interval: x̄ ± t s/√n, with a quantile t of Student's distribution.

    Parameters
    ----------
    values : array, shape (n,)
        At least two, independent: one a seed, or differences paired by seed.
    level : float
        How often such an interval holds the true mean, if the values are Gaussian.

    Returns
    -------
    Interval

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two values, or the level is not between 0 and 1.

    Examples
    --------
    >>> from rmtlab import experiment
    >>> round(experiment.interval([1.0, 2.0, 3.0]).half, 3)
    2.484
    """
    values = _checks.array(values, "values", ndim=1)
    level = _checks.number(level, "level", low=0.0, high=1.0, low_open=True, high_open=True)
    if len(values) < 2:
        raise ValueError(
            "values holds one number; an interval needs at least two, such as those of several seeds."
        )
    mean, half = values.mean(), stats.t.ppf((1 + level) / 2, len(values) - 1) * stats.sem(values)
    return Interval(float(mean), float(mean - half), float(mean + half))


def verdict(interval: Interval | tuple[float, float], low: float = -math.inf, high: float = math.inf) -> str:
    """Say whether an interval lies between two numbers.

    Parameters
    ----------
    interval : Interval, or its two ends
        An end may be infinite.
    low, high : float
        What the expectation says; one of them may stay open.

    Returns
    -------
    str
        "holds" if the whole interval is above `low` and below `high`, "fails" if the whole interval is on the
        other side of one of them, else "undecided".

    Raises
    ------
    TypeError, ValueError
        If these are no intervals, or neither `low` nor `high` is given.

    Examples
    --------
    >>> from rmtlab import experiment
    >>> [experiment.verdict(ends, low=-1, high=1) for ends in ((-0.5, 0.5), (0.5, 1.5), (1.5, 2.5))]
    ['holds', 'undecided', 'fails']
    """
    try:
        first, last = interval.ends if isinstance(interval, Interval) else interval
    except (TypeError, ValueError):
        raise TypeError(f"interval must be an Interval or its two ends, but it is {interval!r}.") from None
    start, end = _ordered(first, last, "the lower end of interval", "its upper end")
    low, high = _ordered(low, high, "low", "high")
    if math.isinf(low) and math.isinf(high):
        raise ValueError("verdict needs low, high or both: what does the expectation say of the interval?")
    if end < low or start > high:
        return "fails"
    inside = (start > low or math.isinf(low)) and (end < high or math.isinf(high))
    return "holds" if inside else "undecided"


def jointly(verdicts: Iterable[str]) -> str:
    """Return the verdict on an expectation of several parts.

    Parameters
    ----------
    verdicts : iterable of str
        Those on its parts.

    Returns
    -------
    str
        "holds" if all parts hold, "fails" if one fails, else "undecided".

    Raises
    ------
    ValueError
        If there is no part, or one is no verdict.

    Examples
    --------
    >>> from rmtlab import experiment
    >>> experiment.jointly(["holds", "undecided"])
    'undecided'
    """
    parts = [_checks.one_of(part, "verdicts", _VERDICTS) for part in verdicts]
    if not parts:
        raise ValueError("verdicts is empty; an expectation needs at least one part.")
    return next((word for word in ("fails", "undecided") if word in parts), "holds")


def origin(file: str | os.PathLike[str], command: str = "make experiments") -> dict[str, str]:
    """Return the command and the commit that a result comes from.

    Parameters
    ----------
    file : path
        The script, in a git checkout: ``__file__``.
    command : str
        What one types to run it.

    Returns
    -------
    dict
        "command" and "commit".

    Raises
    ------
    ValueError
        If the script is not in a git checkout.
    """
    folder, ask = Path(file).resolve().parent, ["git", "rev-parse", "HEAD"]
    try:
        told = subprocess.run(ask, capture_output=True, text=True, cwd=folder, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise ValueError(f"git names no commit for {str(folder)!r}; run the script in a checkout.") from None
    return {"command": command, "commit": told.stdout.strip()}


def digest(rows: Any) -> str:
    """Return the SHA-256 hash of rows, in hexadecimal digits; the order of a row's names does not matter.

    Parameters
    ----------
    rows : list
        Anything that JSON can hold.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If JSON can't hold it.

    Examples
    --------
    >>> from rmtlab import experiment
    >>> experiment.digest([{"lr": 0.5}])[:8]
    'b3b90c26'
    """
    return hashlib.sha256(_json(rows, "rows", sort_keys=True).encode()).hexdigest()


def as_text(stored: Mapping[str, Any], tables: Iterable[str] = ("rows",)) -> str:
    """Return JSON in which tables have one line a row, so that a change is seen where it is.

    Parameters
    ----------
    stored : dict
        What is stored, with text for names.
    tables : names
        Which of its entries are lists of rows.

    Returns
    -------
    str

    Raises
    ------
    TypeError, ValueError
        If JSON can't hold it, a name is no text, or a table is missing or no list.

    Examples
    --------
    >>> from rmtlab import experiment
    >>> print(experiment.as_text({"seed": 0, "rows": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}).rstrip())
    {
     "seed": 0,
     "rows": [
      {"x": 1, "y": 2},
      {"x": 3, "y": 4}
     ]
    }
    """
    for name in (tables := tuple(tables)):
        _checks.one_of(name, "tables", stored)
    parts = []
    for name, value in stored.items():
        if not isinstance(name, str):
            raise TypeError(f"stored must have text for names, but {name!r} is one of them.")
        if name in tables:
            if not isinstance(value, list | tuple):
                raise TypeError(f"{name} must be a list of rows, but it is of type {type(value).__name__}.")
            lines = ",\n  ".join(_json(row, name) for row in value)
            text = f"[\n  {lines}\n ]"
        else:
            text = _json(value, name, indent=1).replace("\n", "\n ")
        parts.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _tried(measure: Callable[[list[float]], Iterable[Mapping[str, Any]]], sizes: list[float]) -> list[Row]:
    found = list(measure(sizes))
    if len(found) != len(sizes):
        raise ValueError(f"measure must return one dict a step size; of {len(sizes)} it gave {len(found)}.")
    return [{"lr": lr, **one} for lr, one in zip(sizes, found, strict=True)]


def _ordered(low: Any, high: Any, *names: str) -> tuple[float, float]:
    """Return two numbers, either of which may be infinite, in order."""
    infinite = (-math.inf, math.inf)
    first, last = (
        value if value in infinite else _checks.number(value, name)
        for value, name in zip((low, high), names, strict=True)
    )
    if first > last:
        raise ValueError(f"{names[0]} must not be above {names[1]}, but {low!r} and {high!r} were given.")
    return first, last


def _json(value: Any, name: str, **options: Any) -> str:
    try:
        return json.dumps(value, **options)
    except (TypeError, ValueError) as problem:
        raise TypeError(f"{name} holds what JSON can't hold: {problem}.") from None
