"""Is my answer right, and if not, what kind of wrong is it? Nothing here shows the right answer.

Exercises are named ``"chapter.exercise"``. Their truths live in ``rmtlab.answers``.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from inspect import signature
from itertools import chain
from math import pi, sqrt
from typing import Any

import numpy as np

from rmtlab import _checks
from rmtlab.answers import Exercise, Slip, catalogue

__all__ = ["Verdict", "answer", "exercises", "function"]

_SAY = {
    "right": "Right.",
    "unanswered": "Not answered yet.",
    "not-finite": "There is a NaN or an infinity in it; look for a division by zero or an overflow.",
    "slip": "Not yet.",
    "order": "The right values in another order.",
    "sign": "The sign is wrong.",
    "transposed": "This is the transpose of what is asked for.",
    "square": "This looks like the square of what is asked: a variance in place of a standard deviation?",
    "square-root": "This looks like the root of what is asked: a standard deviation in place of a variance?",
    "rounded": "The digits are right, but there are too few; compute the number instead of typing it.",
    "factor": "Off by a constant factor; look at the constants of the formula.",
    "close": "Very near, but not within the tolerance",
    "magnitude": "The order of magnitude is right, the value is not.",
    "wrong": "This is not it yet.",
    "changed": "Your function changes its arguments; work on copies, and return the result.",
}
_FACTORS = (2, 3, 4, 8, sqrt(2), pi, 2 * pi, sqrt(pi), sqrt(2 * pi), sqrt(pi / 2), 10, 100)
_PROPORTIONAL = 1e-9
_CLOSE = 10
_MAGNITUDE = 3


@dataclass(frozen=True, repr=False)
class Verdict:
    """What :func:`answer` or :func:`function` found.

    Attributes
    ----------
    ok : bool
        Whether the answer is right.
    kind : str
        ``"right"``, ``"unanswered"``, ``"type"``, ``"shape"``, ``"not-finite"``, ``"slip"`` (a typical
        mistake), ``"order"``, ``"sign"``, ``"transposed"``, ``"square"``, ``"square-root"``,
        ``"rounded"``, ``"factor"``, ``"close"``, ``"magnitude"``, ``"wrong"``; for functions also
        ``"error"`` and ``"changed"``.
    message : str
        What to tell the student.
    """

    ok: bool
    kind: str
    message: str

    @property
    def _mark(self) -> str:
        if self.ok:
            return "✓"
        return "○" if self.kind == "unanswered" else "✗"

    def __repr__(self) -> str:
        return f"{self._mark} {self.message}"

    def _repr_html_(self) -> str:
        return (
            f'<p class="rmtlab-verdict rmtlab-{self.kind}" role="status">'
            f'<span aria-hidden="true">{self._mark}</span> {escape(self.message)}</p>'
        )


def exercises() -> tuple[str, ...]:
    """Return the names of all exercises.

    Examples
    --------
    >>> "mlp.parameter-count" in exercises()
    True
    """
    return tuple(sorted(catalogue()))


def answer(exercise: str, value: Any, /, **parameters: Any) -> Verdict:
    """Judge a number or an array that answers an exercise.

    Parameters
    ----------
    exercise : str
        Name of the exercise, such as ``"mlp.parameter-count"``.
    value : float or array_like
        The student's answer; None or ``...`` where there is none yet.
    **parameters
        The numbers that the exercise states.

    Returns
    -------
    Verdict
        Whatever the value is; a wrong answer raises nothing.

    Raises
    ------
    TypeError, ValueError
        If there is no such exercise, it asks for a function, its parameters are not these, or it has
        no answer at their values.

    Examples
    --------
    >>> answer("mlp.parameter-count", ..., in_features=64, width=100, depth=2, out_features=10)
    ○ Not answered yet.
    >>> answer("mlp.parameter-count", 17400, in_features=64, width=100, depth=2, out_features=10)
    ✗ Not yet. These are the weights alone; the biases are parameters too.
    """
    found = _find(exercise)
    if found.inputs is not None:
        raise ValueError(f"exercise {exercise!r} asks for a function; judge it with check.function.")
    _bound(exercise, found, parameters)
    if value is None or value is ...:
        return _verdict(found, "unanswered")
    try:
        slips = [(slip, slip.formula(**parameters)) for slip in found.slips]
        truth = found.truth(**parameters)
    except Exception as error:
        stated = ", ".join(f"{name}={parameter!r}" for name, parameter in parameters.items())
        raise ValueError(_ended(f"exercise {exercise!r} has no answer for {stated}: {error}")) from None
    return _judge(found, truth, value, slips)


def function(exercise: str, f: Callable[..., Any] | None, /) -> Verdict:
    """Judge a function that answers an exercise, by calling it on fixed inputs.

    Parameters
    ----------
    exercise : str
        Name of the exercise, such as ``"mlp.forward"``.
    f : callable
        The student's function. None, one that raises NotImplementedError and one that returns None or
        ``...`` count as not answered yet.

    Returns
    -------
    Verdict
        Of the first input at which the function is not right; exceptions that it raises are told,
        not passed on.

    Raises
    ------
    ValueError
        If there is no such exercise, or it asks for a value.

    Examples
    --------
    >>> function("mlp.forward", lambda x, weights, biases, phi: ...)
    ○ Not answered yet. The function returns nothing.
    """
    found = _find(exercise)
    if found.inputs is None:
        raise ValueError(
            f"exercise {exercise!r} asks for a value, not for a function; judge it with check.answer."
        )
    if f is None or f is ...:
        return _verdict(found, "unanswered")
    if not callable(f):
        return _verdict(found, "type", f"A function is asked for, not a {type(f).__name__}.")
    verdicts = (_call(found, f, where, arguments) for where, arguments in found.inputs.items())
    return next((verdict for verdict in verdicts if not verdict.ok), _verdict(found, "right"))


def _find(exercise: str) -> Exercise:
    return catalogue()[_checks.one_of(exercise, "exercise", catalogue())]


def _bound(exercise: str, found: Exercise, parameters: dict[str, Any]) -> None:
    expected = signature(found.truth)
    try:
        expected.bind(**parameters)
    except TypeError:
        names = ", ".join(expected.parameters)
        raise TypeError(
            f"exercise {exercise!r} takes the parameters {names}, "
            f"but {', '.join(parameters) or 'none'} were given."
        ) from None


def _call(found: Exercise, f: Callable[..., Any], where: str, arguments: tuple[Any, ...]) -> Verdict:
    given = copy.deepcopy(arguments)
    try:
        value = f(*given)
    except NotImplementedError:
        return _verdict(found, "unanswered", "Not answered yet. The function raises NotImplementedError.")
    except Exception as error:
        told = _ended(f"{where}, your function raises {type(error).__name__}: {error}")
        return _verdict(found, "error", told)
    if value is None or value is ...:
        return _verdict(found, "unanswered", "Not answered yet. The function returns nothing.")
    if not _unchanged(given, arguments):
        return _verdict(found, "changed")
    slips = [(slip, slip.formula(*arguments)) for slip in found.slips]
    verdict = _judge(found, found.truth(*arguments), value, slips)
    return verdict if verdict.ok else Verdict(False, verdict.kind, f"{where}: {verdict.message}")


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def _unchanged(given: Any, original: Any) -> bool:
    if isinstance(original, tuple | list):
        return len(given) == len(original) and all(map(_unchanged, given, original))
    return not isinstance(original, np.ndarray) or np.array_equal(given, original)


def _judge(found: Exercise, truth: Any, value: Any, slips: list[tuple[Slip, Any]]) -> Verdict:
    expected = np.asarray(truth, dtype=float)
    given = _numbers(value)
    if given is None:
        wanted = f"an array of shape {expected.shape}" if expected.ndim else "a number"
        return _verdict(found, "type", f"{wanted.capitalize()} is asked for, not {_described(value)}.")
    if expected.ndim == 0 and given.size == 1:
        given = given.reshape(())
    with np.errstate(all="ignore"):
        return next(chain(_of_form(found, given, expected), _of_value(found, given, expected, slips)))


def _of_form(found: Exercise, given: np.ndarray, expected: np.ndarray) -> Iterator[Verdict]:
    if given.shape != expected.shape:
        if given.ndim == 2 and _near(given.T, expected, found.tolerance):
            yield _verdict(found, "transposed")
        wanted = f"an array of shape {expected.shape}" if expected.ndim else "a single number"
        yield _verdict(found, "shape", f"The shape is {given.shape}, but {wanted} is asked for.")
    if not np.all(np.isfinite(given)):
        yield _verdict(found, "not-finite")


def _of_value(
    found: Exercise, given: np.ndarray, expected: np.ndarray, slips: list[tuple[Slip, Any]]
) -> Iterator[Verdict]:
    """What is true of the answer, most specific first."""
    slack = max(found.tolerance, _PROPORTIONAL)
    if _near(given, expected, found.tolerance):
        yield _verdict(found, "right")
    for slip, mistaken in slips:
        if _near(given, np.asarray(mistaken, dtype=float), slack):
            yield _verdict(found, "slip", f"{_SAY['slip']} {slip.message}")
    for kind, shows in _SYMPTOMS.items():
        if shows(given, expected, slack):
            yield _verdict(found, kind)
    if _near(given, expected, _CLOSE * found.tolerance):
        yield _verdict(found, "close", f"{_SAY['close']}: {found.why}.")
    sizes = np.linalg.norm(given), np.linalg.norm(expected)
    same_size = max(sizes) <= _MAGNITUDE * min(sizes)
    yield _verdict(found, "magnitude" if same_size and expected.ndim == 0 else "wrong")


def _near(given: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays agree to a tolerance relative to the larger one's largest entry."""
    if given.shape != expected.shape:
        return False
    scale = np.max(np.abs(expected), initial=0.0)
    return bool(np.all(np.abs(given - expected) <= tolerance * (scale if scale > 0 else 1.0)))


def _opposite(given: np.ndarray, expected: np.ndarray, slack: float) -> bool:
    return _near(-given, expected, slack) or bool(expected.ndim == 0 and given * expected < 0)


def _in_other_order(given: np.ndarray, expected: np.ndarray, slack: float) -> bool:
    return given.ndim > 0 and _near(np.sort(given, axis=None), np.sort(expected, axis=None), slack)


def _transposed(given: np.ndarray, expected: np.ndarray, slack: float) -> bool:
    return given.ndim == 2 and _near(given.T, expected, slack)


def _rounded(given: np.ndarray, expected: np.ndarray, slack: float) -> bool:
    """Whether the answer is the truth cut to between two and six significant digits."""
    size = np.max(np.abs(expected))
    if size == 0:
        return False
    first = -int(np.floor(np.log10(size)))
    return any(_near(given, np.round(expected, first + digits), 1e-12) for digits in range(1, 6))


def _proportional(given: np.ndarray, expected: np.ndarray, slack: float) -> bool:
    """Whether an array is a multiple of the truth, or a number a common multiple of it."""
    if not np.any(given) or not np.any(expected):
        return False
    if expected.ndim == 0:
        ratio = abs(float(given / expected))
        return any(abs(r / factor - 1) <= slack for r in (ratio, 1 / ratio) for factor in _FACTORS)
    ratio = float(np.vdot(given, expected) / np.vdot(expected, expected))
    return ratio != 0 and _near(given, ratio * expected, slack)


_SYMPTOMS: dict[str, Callable[[np.ndarray, np.ndarray, float], bool]] = {
    "sign": _opposite,
    "transposed": _transposed,
    "order": _in_other_order,
    "square": lambda given, expected, slack: _near(given, expected**2, slack),
    "square-root": lambda given, expected, slack: _near(given, np.sqrt(np.abs(expected)), slack),
    "rounded": _rounded,
    "factor": _proportional,
}


def _numbers(value: Any) -> np.ndarray | None:
    """Return an answer as a float array, or None if it holds anything but real numbers."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        held = np.asarray(value)
        return held.astype(float) if held.dtype.kind in "iufO" else None
    except Exception:
        return None


def _described(value: Any) -> str:
    name = type(value).__name__
    kind = getattr(getattr(value, "dtype", None), "name", None)
    return f"a {name} of {kind}" if kind else f"a {name}"


def _verdict(found: Exercise, kind: str, message: str = "") -> Verdict:
    hint = found.hints.get(kind, "")
    return Verdict(kind == "right", kind, f"{message or _SAY[kind]} {hint}".strip())
