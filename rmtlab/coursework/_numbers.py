"""A student's own numbers: a hash of the course, the problem set, the student's ID and the parameter's name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any

from rmtlab import _checks

__all__ = ["Numbers", "numbers", "problem_sets"]


@dataclass(frozen=True, repr=False)
class Numbers:
    """The parameters of one student in one problem set; each is also an attribute.

    Attributes
    ----------
    problem_set : str
        Name of the problem set.
    student : str
        The student's ID, without blanks and in small letters.
    values : mapping of str to object
        The parameters by name.
    """

    problem_set: str
    student: str
    values: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("values", {})
        if name in values:
            return values[name]
        raise AttributeError(f"There is no parameter {name!r} here; there are {', '.join(values)}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.problem_set, self.student, dict(self.values))

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"Numbers of {self.student!r} for {self.problem_set!r}: {told}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row"><code>own.{escape(name)}</code></th><td>{escape(str(value))}</td></tr>'
            for name, value in self.values.items()
        )
        return f"<table><caption>The numbers of {escape(self.student)}</caption><tbody>{rows}</tbody></table>"


def problem_sets() -> tuple[str, ...]:
    """Return the names of the problem sets.

    Examples
    --------
    >>> "signal" in problem_sets()
    True
    """
    return tuple(sorted(_drawn()))


def numbers(problem_set: str, student: str, *, course: str) -> Numbers:
    """Return a student's own parameters for a problem set.

    Parameters
    ----------
    problem_set : str
        Name of the problem set, such as ``"signal"``.
    student : str
        The student's ID; blanks and capitals make no difference.
    course : str
        Public name of the course.

    Returns
    -------
    Numbers
        The same on every machine and in every version of Python and NumPy.

    Raises
    ------
    TypeError, ValueError
        If there is no such problem set, or the ID or the course is not a text or is empty.

    Examples
    --------
    >>> own = numbers("signal", "S 1234567", course="Random matrices")
    >>> own.student
    's1234567'
    >>> own.weight_var == numbers("signal", "s1234567", course="Random matrices").weight_var
    True
    """
    draws = _drawn()[_checks.one_of(problem_set, "problem_set", _drawn())]
    who = "".join(_text(student, "student").split()).casefold()
    key = f"{_text(course, 'course').strip()}\0{problem_set}\0{who}"
    values = {name: draw.pick(_hash(f"{key}\0{name}")) for name, draw in draws.items()}
    return Numbers(problem_set, who, MappingProxyType(values))


def _rebuilt(problem_set: str, student: str, values: dict[str, Any]) -> Numbers:
    return Numbers(problem_set, student, MappingProxyType(values))


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text in quotes, but {value!r} was given.")
    if not value.strip():
        raise ValueError(f"{name} is empty; write it between the quotes.")
    return value


def _hash(key: str) -> int:
    return int.from_bytes(sha256(key.encode()).digest()[:8], "big")


@cache
def _drawn() -> dict[str, dict[str, Any]]:
    """Every problem set by name: the modules of this package that hold ``NUMBERS``."""
    from rmtlab import coursework

    names = [found.name for found in iter_modules(coursework.__path__) if not found.name.startswith("_")]
    return {name: import_module(f"{coursework.__name__}.{name}").NUMBERS for name in names}
