"""The exercises of the course and their true answers, a module a chapter.

Each module holds ``EXERCISES``, a mapping from the exercise's name after the dot to an
:class:`Exercise`. Truths are computed from what the exercise states, through :mod:`rmtlab` wherever
it knows the formula. :mod:`rmtlab.check` compares a student's answer with them and never shows them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

__all__ = ["Exercise", "Slip", "catalogue"]


@dataclass(frozen=True)
class Slip:
    """A typical mistake: the wrong formula, with the parameters of the truth, and what to say of it."""

    formula: Callable[..., Any]
    message: str


@dataclass(frozen=True)
class Exercise:
    """What an exercise asks and how an answer to it is judged.

    Attributes
    ----------
    truth : callable
        Computes the answer from the exercise's parameters, given by keyword. Where a function is
        asked for, it is that function.
    tolerance : float
        Largest accepted error, relative to the largest entry of the truth.
    why : str
        Where the tolerance comes from; shown when an answer only just misses it.
    hints : mapping of str to str
        What to add to the standard message, by kind of verdict.
    slips : tuple of Slip
        Typical mistakes.
    inputs : mapping of str to tuple, or None
        Where a function is asked for: descriptions of test inputs, and their positional arguments.
    """

    truth: Callable[..., Any]
    tolerance: float
    why: str
    hints: Mapping[str, str] = field(default_factory=dict)
    slips: tuple[Slip, ...] = ()
    inputs: Mapping[str, tuple[Any, ...]] | None = None


@cache
def catalogue() -> dict[str, Exercise]:
    """Return every exercise of the course by its full name, such as ``"mlp.parameter-count"``."""
    return {
        f"{chapter.name}.{name}": exercise
        for chapter in iter_modules(__path__)
        for name, exercise in import_module(f"{__name__}.{chapter.name}").EXERCISES.items()
    }
