"""What the right answers are, how near an answer must come, and why.

A set's ``grading.py`` holds ``ANSWERS``, from the name of a question to its named answers, each a
:class:`Value` or a :class:`Function`. Truths come from ``rmtlab`` for exactly the student's numbers, hidden
inputs from a salt that only the grader reads, tolerances from theory.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from problems.frame.sandbox import ROOT, SECRET, Answer
from rmtlab.coursework import Numbers

UNANSWERED = "Not answered: nothing has been put into it."
METADATA = Path("/autograder/submission_metadata.json")
SALT_FILE = ROOT / "problems" / "salt.txt"


@dataclass(frozen=True)
class Value:
    """A number or an array that depends on the student's numbers.

    ``truth(own)`` computes it. ``tolerance`` is the largest error, a number or ``tolerance(own)``; relative
    to the truth's largest entry, or absolute. ``why`` says where the tolerance comes from; students read it.
    """

    truth: Callable[[Numbers], Any]
    tolerance: float | Callable[[Numbers], float]
    why: str
    absolute: bool = False


@dataclass(frozen=True)
class Function:
    """A function, called on hidden inputs: ``inputs(own, rng)`` draws a list of tuples of arguments.

    Arguments must be picklable without ``problems``: numbers, arrays, NumPy functions, rmtlab objects.
    ``truth(*arguments)`` gives the value; the tolerance is relative to its largest entry.
    """

    truth: Callable[..., Any]
    inputs: Callable[[Numbers, np.random.Generator], list[tuple]]
    tolerance: float
    why: str


@dataclass(frozen=True)
class Finding:
    """Whether an answer is right, and what to tell its author."""

    ok: bool
    message: str


def answers(problem_set: str) -> Mapping[str, Mapping[str, Value | Function]]:
    """The answers of a set, by question and by name."""
    return import_module(f"problems.{problem_set}.grading").ANSWERS


def salt() -> str:
    """The secret of the grader: from the environment, or from a file beside the sets, made once."""
    if SECRET in os.environ:
        return os.environ[SECRET]
    if not SALT_FILE.exists():
        SALT_FILE.touch(mode=0o600)
        SALT_FILE.write_text(secrets.token_hex(16) + "\n")
    return SALT_FILE.read_text().strip()


def hidden_inputs(name: str, wanted: Function, own: Numbers) -> list[tuple]:
    """The inputs on which a function is tried: secret, and the same each time it is graded."""
    key = f"{salt()}\0{own.problem_set}\0{own.student}\0{name}".encode()
    return wanted.inputs(own, np.random.default_rng(list(hashlib.sha256(key).digest())))


def truth(question: str, name: str, own: Numbers) -> np.ndarray:
    """The true value for these numbers."""
    return _truth(own.problem_set, question, name, _Hashable(own))


@cache
def _truth(problem_set: str, question: str, name: str, own: "_Hashable") -> np.ndarray:
    wanted = answers(problem_set)[question][name]
    assert isinstance(wanted, Value)
    return np.asarray(wanted.truth(own.numbers), dtype=float)


class _Hashable:
    """A student's numbers as a key: two are one if their values are."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers, self._key = numbers, tuple(numbers.values.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashable) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def judge_value(question: str, name: str, own: Numbers, given: Answer) -> Finding:
    """Judge a value against the truth for these numbers."""
    wanted = answers(own.problem_set)[question][name]
    assert isinstance(wanted, Value)
    right = truth(question, name, own)
    return _compare(given, right, tolerance_of(wanted, own, right), wanted.why)


def tolerance_of(wanted: Value, own: Numbers, truth: np.ndarray) -> float:
    """The largest absolute error that is accepted."""
    tolerance = wanted.tolerance(own) if callable(wanted.tolerance) else wanted.tolerance
    return tolerance if wanted.absolute else tolerance * _scale(truth)


def judge_function(
    question: str, name: str, own: Numbers, inputs: list[tuple], given: list[Answer]
) -> Finding:
    """Judge what a function returned on the hidden inputs; the first wrong value tells."""
    wanted = answers(own.problem_set)[question][name]
    assert isinstance(wanted, Function)
    if len(given) != len(inputs):
        return Finding(
            False, UNANSWERED if not given else "Its values cannot be read: return numbers or an array."
        )
    for arguments, answer in zip(inputs, given, strict=True):
        truth = np.asarray(wanted.truth(*arguments), dtype=float)
        if answer.missing:
            return Finding(False, "Not answered: there is no function of this name, or it returns nothing.")
        found = _compare(answer, truth, wanted.tolerance * _scale(truth), wanted.why)
        if not found.ok:
            return found
    return Finding(True, "Right.")


def _compare(given: Answer, truth: np.ndarray, slack: float, why: str) -> Finding:
    if given.missing:
        return Finding(False, UNANSWERED)
    if given.numbers is None:
        return Finding(
            False, given.error or "A text was given where numbers are asked for: leave out the quotes."
        )
    numbers = given.numbers.reshape(()) if truth.ndim == 0 and given.numbers.size == 1 else given.numbers
    if numbers.shape != truth.shape:
        shapes = [
            f"an array of shape {shape}" if shape else "a single number"
            for shape in (numbers.shape, truth.shape)
        ]
        return Finding(False, f"This is {shapes[0]}, but {shapes[1]} is asked for.")
    if not np.all(np.isfinite(numbers)):
        return Finding(
            False, "There is a NaN or an infinity in it: look for a division by zero or an overflow."
        )
    error = float(np.max(np.abs(numbers - truth), initial=0.0))
    if error <= slack:
        return Finding(True, "Right.")
    if error <= 5 * slack:
        size, look = "near, but not within", "at accuracy, at the number of draws and at small terms"
    else:
        size, look = "far outside", "for a factor, a square root or a layer too many or too few"
    return Finding(False, f"This is {size} the tolerance ({why}): look {look}.")


def _scale(truth: np.ndarray) -> float:
    return float(np.max(np.abs(truth), initial=0.0)) or 1.0


def kept(question: str, name: str, own: Numbers, flat: list[float]) -> Answer:
    """An answer that was kept as a flat list, in the shape of the truth where it has its size."""
    shape, held = truth(question, name, own).shape, np.asarray(flat, dtype=float)
    return Answer(numbers=held.reshape(shape) if held.size == np.prod(shape, dtype=int) else held)


def demand(problem_set: str, question: str, name: str, world: Mapping[str, Any]) -> None:
    """Judge an answer inside the student's own process, as Otter's autograder does; raise where it is wrong.

    Otter's hidden tests are one call of this each. ``make grade`` never runs them: it judges outside the
    student's process, with the same truths.
    """
    from problems.frame.nursery import encode
    from problems.frame.settings import course
    from rmtlab.coursework import numbers

    own = numbers(problem_set, _claimed(world.get("STUDENT_ID")), course=course())
    wanted = answers(problem_set)[question][name]
    if isinstance(wanted, Value):
        found = judge_value(question, name, own, Answer.decoded(encode(world.get(name))))
    else:
        inputs, function = hidden_inputs(name, wanted, own), world.get(name)
        if not callable(function):
            raise AssertionError("Not answered.")
        given = [Answer.decoded(encode(function(*arguments))) for arguments in inputs]
        found = judge_function(question, name, own, inputs, given)
    if not found.ok:
        raise AssertionError(found.message)


def _claimed(student: Any) -> str:
    """The ID that a notebook names, refused where Gradescope knows that somebody else handed it in.

    What stands before an address's @ counts only where addresses are IDs: with an address of one's own anybody
    could else take another's ID.
    """
    from problems.frame.settings import id_is_email

    if not isinstance(student, str) or not student.strip():
        raise AssertionError(
            "The notebook has no STUDENT_ID: write yours between the quotes of the second cell."
        )
    users = _users()
    emails = {str(user["email"]) for user in users if user.get("email")}
    ids = {str(user["sid"]) for user in users if user.get("sid")}
    known = ids | emails
    if id_is_email():
        known |= {email.partition("@")[0] for email in emails}
    if (ids or (emails and id_is_email())) and _folded(student) not in map(_folded, known):
        told = ", ".join(sorted(ids or emails))
        raise AssertionError(
            f"The notebook draws the numbers of {student!r}, but Gradescope has it from {told}: write your own "
            "STUDENT_ID, and do it again with your own numbers."
        )
    return student


def _users() -> list[dict[str, Any]]:
    """Who handed this in, as far as Gradescope says; nobody elsewhere."""
    try:
        users = json.loads(METADATA.read_text(encoding="utf-8"))["users"]
        return [user for user in users if isinstance(user, dict)]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _folded(name: str) -> str:
    return "".join(name.split()).casefold()
