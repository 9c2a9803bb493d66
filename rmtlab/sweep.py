"""A grid of independent runs: in parallel, with a progress bar, and resumable.

A run is a call of one function with one point of the grid; its seed is one of the point's parameters, so that
neither the number of workers nor the order in which they finish changes a result.

>>> from rmtlab import sweep
>>> def area(width, height):
...     return {"area": width * height}
>>> found = sweep.run(area, sweep.grid(width=[1, 2], height=[3, 4, 5]))
>>> found.array("area")
array([[ 3,  4,  5],
       [ 6,  8, 10]])
"""

from __future__ import annotations

import inspect
import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rmtlab import _checks, _progress

__all__ = ["Run", "Sweep", "grid", "load", "run"]

Point = dict[str, Any]
Outcome = tuple[dict[str, Any] | None, str | None, float]
Statement = tuple[str, str]  # a function's name and version

_START = b'{"function": '
_CLUSTERS = {"dask": "distributed", "ray": "ray"}


@dataclass(frozen=True)
class Run:
    """One call of the function.

    Parameters
    ----------
    point : dict
        Its parameters.
    result : dict or None
        What it returned, by name; None where it failed.
    error : str or None
        Type and message of the exception that ended it; None where it succeeded.
    seconds : float
        Its wall-clock time.
    """

    point: Point
    result: dict[str, Any] | None
    error: str | None
    seconds: float


@dataclass(frozen=True, repr=False)
class Sweep:
    """What the runs of a function gave.

    Parameters
    ----------
    function : str
        Full name of the function.
    version : str
        Its version, as the caller named it.
    runs : tuple of Run
        In the order of the points.
    """

    function: str
    version: str
    runs: tuple[Run, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of a point's parameters."""
        return tuple(self.runs[0].point)

    @property
    def failed(self) -> tuple[Run, ...]:
        """The runs that ended in an error."""
        return tuple(run for run in self.runs if run.error is not None)

    def axis(self, parameter: str) -> tuple[Any, ...]:
        """Return the distinct values of a parameter, in the order of the points.

        Parameters
        ----------
        parameter : str

        Returns
        -------
        tuple

        Raises
        ------
        ValueError
            If there is no such parameter.

        Examples
        --------
        >>> from rmtlab import sweep
        >>> sweep.run(pow, [{"base": b, "exp": e} for b in (2, 3) for e in (1, 2)]).axis("exp")
        (1, 2)
        """
        _checks.one_of(parameter, "parameter", self.parameters)
        return tuple({_key(run.point[parameter]): run.point[parameter] for run in self.runs}.values())

    def array(self, name: str, over: Iterable[str] | None = None, missing: Any = None) -> np.ndarray:
        """Return one result of every run, arranged along the axes of the grid.

        Parameters
        ----------
        name : str
            Name of the result; "value" where the function returned a bare number.
        over : names of parameters, optional
            One axis each, in this order; by default all of them. The runs that differ in the other
            parameters alone, such as the seed, share one more axis behind these: average over ``axis=-1``.
        missing : optional
            What stands for a failed run, such as ``math.nan``; without it, failed runs are refused.

        Returns
        -------
        ndarray
            Shape (values of the first parameter, …), then the axis of what `over` leaves out, then the shape
            of the result itself. Along each axis the order is that of :meth:`axis`.

        Raises
        ------
        ValueError
            If a name is unknown, a run failed, the runs do not fill the grid, or their results differ in
            shape.

        Examples
        --------
        >>> from rmtlab import sweep
        >>> def draw(scale, seed):
        ...     return scale * (-1) ** seed
        >>> found = sweep.run(draw, sweep.grid(scale=[1.0, 2.0, 3.0], seed=range(4)))
        >>> found.array("value", over=["scale"]).mean(axis=-1)
        array([0., 0., 0.])
        """
        over = self.parameters if over is None else (over,) if isinstance(over, str) else tuple(over)
        for parameter in over:
            _checks.one_of(parameter, "over", self.parameters)
        if len(set(over)) < len(over):
            raise ValueError(f"over names a parameter twice: {', '.join(over)}; each axis is one parameter.")
        values = self._values(name, missing)
        cells: dict[str, list[Any]] = {
            _key(cell): [] for cell in product(*(self.axis(parameter) for parameter in over))
        }
        for run, value in zip(self.runs, values, strict=True):
            cells[_key([run.point[parameter] for parameter in over])].append(value)
        counts = Counter(map(len, cells.values()))
        if len(counts) > 1:
            raise ValueError(
                f"The runs do not fill the grid over {' × '.join(over)}: its cells hold "
                f"{' or '.join(map(str, sorted(counts)))} runs; choose a full part of it with where(…)."
            )
        lengths = [len(self.axis(parameter)) for parameter in over]
        rest = [] if len(over) == len(self.parameters) else [next(iter(counts))]
        return np.array(list(cells.values())).reshape(*lengths, *rest, *np.shape(values[0]))

    def where(self, **fixed: Any) -> Sweep:
        """Return the part of the sweep in which parameters have the given values.

        Parameters
        ----------
        **fixed
            Parameters and their values.

        Returns
        -------
        Sweep

        Raises
        ------
        ValueError
            If there is no such parameter, or no such run.

        Examples
        --------
        >>> from rmtlab import sweep
        >>> found = sweep.run(pow, [{"base": b, "exp": e} for b in (2, 3) for e in (1, 2)])
        >>> found.where(base=3).array("value", over="exp").ravel()
        array([3, 9])
        """
        for parameter in fixed:
            _checks.one_of(parameter, "parameter", self.parameters)
        wanted = {parameter: _key(_parameter(value, parameter)) for parameter, value in fixed.items()}
        kept = tuple(
            run for run in self.runs if all(_key(run.point[name]) == value for name, value in wanted.items())
        )
        if not kept:
            raise ValueError(f"No run has {_in_words(fixed)}; axis(name) says which values there are.")
        return Sweep(self.function, self.version, kept)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sweep to a file, a line of JSON a run; :func:`load` reads it, and ``store=`` goes on from it.

        Parameters
        ----------
        path : path
            Replaced if it exists.

        Raises
        ------
        TypeError
            If `path` is no path.
        """
        file = _path(path, "path")
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}")
        part.write_text(
            "".join(_line((self.function, self.version), run) for run in self.runs), encoding="utf-8"
        )
        part.replace(file)

    def _values(self, name: str, missing: Any) -> list[np.ndarray]:
        """Return a result of every run as an array; all of one shape."""
        results = [run.result for run in self.runs if run.result is not None]
        if self.failed and missing is None:
            raise ValueError(
                f"{len(self.failed)} of {len(self.runs)} runs failed (see failed); run them again, "
                "or say what stands for them: missing=math.nan."
            )
        if results:
            _checks.one_of(name, "name", [known for known in results[0] if all(known in r for r in results)])
        shapes = sorted({np.shape(result[name]) for result in results}) or [()]
        if len(shapes) > 1:
            raise ValueError(
                f"{name} has the shapes {' and '.join(map(str, shapes))} in different runs; an array needs one "
                "shape: choose the runs with where(…), or read the results from runs."
            )
        stand_in = np.full(shapes[0], missing)
        return [stand_in if run.result is None else np.asarray(run.result[name]) for run in self.runs]

    def __repr__(self) -> str:
        parts = [f"{len(self.runs)} runs of {self.function} over {' × '.join(self.parameters)}"]
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        return f"Sweep({', '.join(parts)}, {sum(run.seconds for run in self.runs):.1f} s of computing)"


def grid(**values: Any) -> list[Point]:
    """Return every combination of parameter values; the last parameter changes fastest.

    Parameters
    ----------
    **values
        For each parameter its values; a number, a text or None stands for itself alone. Values are numbers,
        texts, None, or tuples of these.

    Returns
    -------
    list of dict
        Lists can be added to each other and filtered before they are run.

    Raises
    ------
    TypeError, ValueError
        If there is no parameter, one has no value, or a value can't be written down.

    Examples
    --------
    >>> from rmtlab import sweep
    >>> sweep.grid(depth=[10, 20], activation="tanh", seed=range(2))[1]
    {'depth': 10, 'activation': 'tanh', 'seed': 1}
    """
    if not values:
        raise ValueError("grid needs at least one parameter with its values, such as grid(depth=[10, 20]).")
    axes = {name: _axis(given, name) for name, given in values.items()}
    return [dict(zip(axes, point, strict=True)) for point in product(*axes.values())]


def run(
    function: Callable[..., Any],
    points: Iterable[Mapping[str, Any]],
    *,
    store: str | os.PathLike[str] | None = None,
    version: str = "",
    n_jobs: int | None = None,
    backend: str | None = None,
    progress: bool | None = None,
) -> Sweep:
    """Call a function at every point, and return what it gave.

    Parameters
    ----------
    function : callable
        Takes a point's parameters by name; returns a number, an array, or a dict of named numbers, arrays,
        texts. For parallel runs it must be importable or picklable (joblib's workers take functions of a
        notebook, too).
    points : iterable of dict
        Such as :func:`grid` makes; all with the same parameters, no two equal. Randomness comes from a
        parameter such as ``seed``.
    store : path, optional
        A file that gets a line for every finished run at once. The same call later, after an interruption or
        with more points, runs only what is not in it; failed runs are tried again.
    version : str
        Change it when the function changes its meaning: stored runs belong to a function's name, version and
        parameters.
    n_jobs : int, optional
        How many runs at a time, −1 for one a core; by default one, or what the surrounding
        ``joblib.parallel_config`` says, or as many as the cluster of `backend` takes.
    backend : str, optional
        A backend of joblib: "loky" (processes, joblib's own default), "threading", … "dask" runs on the cluster
        of the current ``distributed.Client``, "ray" on the one of ``ray.init``; both need the extra
        ``rmtlab[cluster]``, or ray itself.
    progress : bool, optional
        Whether to show a bar; by default in a terminal or an open Jupyter notebook, and not in a build.
        ``RMTLAB_PROGRESS=0`` hides it everywhere.

    Returns
    -------
    Sweep
        Its runs are in the order of the points. A printed line says how many failed, if any did.

    Raises
    ------
    TypeError, ValueError
        If the points do not fit the function, a point comes twice, or the store is not one.
    ImportError
        If the backend's package is not installed.

    Examples
    --------
    >>> from rmtlab import sweep
    >>> def root(x):
    ...     return x**0.5
    >>> sweep.run(root, sweep.grid(x=[1.0, 4.0])).array("value")
    array([1., 2.])
    """
    statement = (_name(function, stored=store is not None), _version(version))
    todo = _points(points, function)
    workers = _parallel(n_jobs, backend)
    file = None if store is None else _path(store, "store")
    known = {} if file is None else _resume(file, statement)
    done = {i: known[_key(point)] for i, point in enumerate(todo) if _key(point) in known}
    left = [(i, point) for i, point in enumerate(todo) if i not in done]
    with _bar(len(todo), len(done), progress) as bar:
        for i, outcome in workers(function, left):
            done[i] = Run(todo[i], *outcome)
            if file is not None:
                _append(file, _line(statement, done[i]))
            bar.update()
    found = Sweep(*statement, tuple(done[i] for i in range(len(todo))))
    _report(found, stored=file is not None)
    return found


def load(path: str | os.PathLike[str], version: str | None = None) -> Sweep:
    """Return the sweep that a file holds, whether it was saved or is the store of a run.

    Parameters
    ----------
    path : path
    version : str, optional
        Which version of the function, where the file holds several.

    Returns
    -------
    Sweep
        Its runs are sorted by their parameters, as a store has them in the order in which they finished. Of
        a point that was run twice, the last run counts.

    Raises
    ------
    ValueError
        If there is no such file, it is no store, or it holds several functions or versions.

    Examples
    --------
    >>> import os, tempfile
    >>> from rmtlab import sweep
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = os.path.join(folder, "runs.jsonl")
    ...     _ = sweep.run(pow, sweep.grid(base=[2, 3], exp=[2, 4]), store=file)
    ...     sweep.load(file).array("value")
    array([[ 4, 16],
           [ 9, 81]])
    """
    file = _path(path, "path")
    if not file.is_file():
        raise ValueError(f"There is no file {str(file)!r}; run(…, store=…) or save(…) makes one.")
    records, _ = _read(file)
    chosen = {
        (statement, _key(found.point)): found
        for statement, found in records
        if version is None or statement[1] == version
    }
    statements = sorted({statement for statement, _ in chosen})
    if len(statements) != 1:
        listed = (
            "; ".join(f"{name}, version {v!r}" for name, v in sorted({s for s, _ in records})) or "no run"
        )
        raise ValueError(f"{str(file)!r} holds {listed}; name one version, and keep a file a function.")
    runs = sorted(chosen.values(), key=lambda found: [_rank(value) for value in found.point.values()])
    return Sweep(*statements[0], tuple(runs))


def _name(function: Any, stored: bool) -> str:
    if not callable(function):
        raise TypeError(f"function must be a function, but {function!r} was given.")
    name = getattr(function, "__qualname__", None)
    if stored and (name is None or "<lambda>" in name or inspect.ismethod(function)):
        raise ValueError(
            "A store knows runs by their function's name, which a lambda, a partial or an object's method "
            "does not fix; write the function with def, and make what it depends on a parameter."
        )
    return f"{function.__module__}.{name}" if name else type(function).__name__


def _version(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f'version must be a text such as "2", but {value!r} was given.')
    return value


def _path(value: Any, name: str) -> Path:
    try:
        file = Path(value)
    except TypeError:
        raise TypeError(f"{name} must be a path, but {value!r} was given.") from None
    if file.is_dir():
        raise ValueError(f"{name} must be a file, but {str(file)!r} is a folder; name a file in it.")
    return file


# Points


def _axis(given: Any, name: str) -> list[Any]:
    single = isinstance(given, str) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0
    values = [given] if single else list(given)
    if not values:
        raise ValueError(f"{name} has no value; give at least one, or leave the parameter out.")
    return [_parameter(value, name) for value in values]


def _parameter(value: Any, name: str) -> Any:
    """Return a parameter as plain Python that JSON can hold."""
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, tuple | list):
        return tuple(_parameter(part, name) for part in value)
    if not (value is None or isinstance(value, bool | int | float | str)):
        raise TypeError(
            f"{name} holds a {type(value).__name__}, but a run's parameters are numbers, texts, None or tuples "
            "of these, so that they can be written down; pass a name and build the object in the function."
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} holds {value}; a run's parameters are finite.")
    return value


def _points(points: Iterable[Mapping[str, Any]], function: Callable[..., Any]) -> list[Point]:
    try:
        given = [{name: _parameter(value, name) for name, value in point.items()} for point in points]
    except AttributeError:
        raise TypeError("points must be dicts of parameters, such as grid(depth=[10, 20]) makes.") from None
    if not given:
        raise ValueError("points is empty; at least one run is needed.")
    for point in given:
        if set(point) != set(given[0]):
            raise ValueError(
                f"points must all have the same parameters, but one has {', '.join(given[0])} and another "
                f"{', '.join(point)}."
            )
    twice = [key for key, times in Counter(map(_key, given)).items() if times > 1]
    if twice:
        raise ValueError(
            f"points holds {twice[0]} twice; tell repetitions apart by a parameter such as seed."
        )
    _fits(function, given[0])
    return [{name: point[name] for name in given[0]} for point in given]


def _fits(function: Callable[..., Any], point: Point) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**point)
    except TypeError as problem:
        raise ValueError(
            f"The points' parameters ({', '.join(point)}) do not fit the function: {problem}."
        ) from None


def _key(value: Any) -> str:
    """Return a text that is equal for equal parameters: 2 and 2.0, a tuple and a list."""
    return json.dumps(_canonical(value), sort_keys=True, ensure_ascii=False)


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _canonical(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_canonical(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rank(value: Any) -> tuple[Any, ...]:
    """Return a sort key: None, then numbers, then texts, then tuples."""
    if value is None:
        return (0,)
    if isinstance(value, tuple):
        return (3, *map(_rank, value))
    return (2, value) if isinstance(value, str) else (1, value)


def _in_words(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in point.items())


# Runs


def _parallel(n_jobs: Any, backend: Any) -> Callable[..., Iterator[tuple[int, Outcome]]]:
    """Return what carries out (index, point) pairs and yields (index, outcome) as they finish."""
    import joblib
    from joblib.parallel import BACKENDS

    if n_jobs is not None and n_jobs != -1:
        _checks.count(n_jobs, "n_jobs", hint="−1 takes every core.")
    if backend is not None:
        _checks.one_of(backend, "backend", dict.fromkeys([*BACKENDS, *_CLUSTERS]))
        _connect(backend)
    if n_jobs is None and backend in _CLUSTERS:
        n_jobs = -1
    with nullcontext() if backend is None else joblib.parallel_config(backend=backend):
        try:
            parallel, block = joblib.Parallel(n_jobs, return_as="generator_unordered"), None
        except ValueError as problem:
            if "return_as" not in str(problem):
                raise
            # Ray's backend hands back whole lists only: then a block of runs at a time.
            parallel, block = joblib.Parallel(n_jobs), max(1, joblib.effective_n_jobs(n_jobs))

    def workers(function: Callable[..., Any], left: list[tuple[int, Point]]) -> Iterator[tuple[int, Outcome]]:
        size = block or max(1, len(left))
        with parallel:
            for start in range(0, len(left), size):
                part = left[start : start + size]
                yield from parallel(joblib.delayed(_attempt)(function, *pair) for pair in part)

    return workers


def _connect(backend: str) -> None:
    package = _CLUSTERS.get(backend)
    if package is not None and find_spec(package) is None:
        how = 'pip install "rmtlab[cluster]"' if backend == "dask" else f"pip install {package}"
        raise ImportError(f"backend={backend!r} needs the package {package}, which is not installed: {how}.")
    if backend == "ray":
        from ray.util.joblib import register_ray

        register_ray()


def _attempt(function: Callable[..., Any], i: int, point: Point) -> tuple[int, Outcome]:
    start = time.perf_counter()
    try:
        result, error = _result(function(**point)), None
    except Exception as problem:
        result, error = None, f"{type(problem).__name__}: {problem}"
    return i, (result, error, round(time.perf_counter() - start, 4))


def _result(value: Any) -> dict[str, Any]:
    named = value if isinstance(value, Mapping) else {"value": value}
    return {str(name): _plain(part) for name, part in named.items()}


def _plain(value: Any) -> Any:
    """Return a result as plain Python that JSON can hold."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if not (value is None or isinstance(value, bool | int | float | str)):
        raise TypeError(
            f"the function returned a {type(value).__name__}, which can't be written down; "
            "return numbers, arrays or texts, one or a dict of them"
        )
    return value


def _report(found: Sweep, stored: bool) -> None:
    if found.failed:
        first = found.failed[0]
        again = ", and the same call tries them again" if stored else ""
        print(
            f"{len(found.failed)} of {len(found.runs)} runs failed, the first at {_in_words(first.point)} with "
            f"{first.error.rstrip('.') if first.error else ''}. They are in failed{again}."
        )


def _bar(total: int, done: int, progress: bool | None) -> tqdm:
    """Return a bar on standard output: a site's build takes anything on standard error for a failure."""
    hidden = not _progress.shown(progress)
    return tqdm(total=total, initial=done, desc="sweep", unit="run", file=sys.stdout, disable=hidden)


# The store: a file with a line of JSON a run


def _line(statement: Statement, found: Run) -> str:
    record = {"function": statement[0], "version": statement[1], **asdict(found)}
    return json.dumps(record, ensure_ascii=False) + "\n"


def _append(file: Path, line: str) -> None:
    """Add a line in one write, and see it on the disk."""
    with file.open("ab", buffering=0) as stream:
        stream.write(line.encode("utf-8"))
        os.fsync(stream.fileno())


def _resume(file: Path, statement: Statement) -> dict[str, Run]:
    """Return the finished runs of a store by their point, and make it ready for more."""
    file.parent.mkdir(parents=True, exist_ok=True)
    records, size = _read(file) if file.exists() else ([], 0)
    with file.open("ab") as stream:
        stream.truncate(size)
    if size and not file.read_bytes().endswith(b"\n"):
        _append(file, "\n")
    mine = {_key(found.point): found for made_by, found in records if made_by == statement}
    return {key: found for key, found in mine.items() if found.error is None}


def _read(file: Path) -> tuple[list[tuple[Statement, Run]], int]:
    """Return the records of a store, and how many of its bytes hold them."""
    records, size = [], 0
    lines = file.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            records.append(_record(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            if number < len(lines) or not _is_cut_off(line):
                raise ValueError(
                    f"Line {number} of {str(file)!r} is not a run; mend or remove it, or name another store."
                ) from None
            print(f"The last line of {str(file)!r} was cut off by an interruption; its run is not counted.")
            break
        size += len(line)
    return records, size


def _is_cut_off(line: bytes) -> bool:
    return line.startswith(_START[: len(line)]) and not line.endswith(b"\n")


def _record(line: bytes) -> tuple[Statement, Run]:
    record = json.loads(line)
    point = {name: _parameter(value, name) for name, value in record["point"].items()}
    found = Run(point, record["result"], record["error"], record["seconds"])
    return (record["function"], record["version"]), found
