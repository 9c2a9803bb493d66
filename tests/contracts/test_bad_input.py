"""Evidence: contract. Every public callable refuses bad input with a sentence.

Each room has a file in ``bad_inputs/`` with two tables. ``CASES`` maps a public name to a list of
``(call, fragment)``: the call must raise ValueError or TypeError with a sentence that holds the
fragment. ``NOTHING_TO_REFUSE`` maps a name to the reason why no argument of it can be bad. A public
function, class or method with parameters that is in neither table fails the walk below, and so does
one without a case or a reason. A room that hands out objects of a private class names it in ``RETURNED``.
"""

import importlib
import inspect
import pkgutil

import pytest

import rmtlab
from tests.contracts import bad_inputs

TABLES = {
    found.name: importlib.import_module(f"{bad_inputs.__name__}.{found.name}")
    for found in pkgutil.iter_modules(bad_inputs.__path__)
}
CASES = [
    pytest.param(call, fragment, id=f"{room}.{name}[{i}]")
    for room, table in TABLES.items()
    for name, cases in table.CASES.items()
    for i, (call, fragment) in enumerate(cases)
]


def takes_arguments(function) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name not in ("self", "cls") for p in parameters)


def public_callables(room):
    """Yield the public names of a room: functions, classes, and the methods that classes define here."""
    handed_out = {thing.__name__: thing for thing in getattr(TABLES[name_of(room)], "RETURNED", ())}
    for name, thing in ({name: getattr(room, name) for name in room.__all__} | handed_out).items():
        if inspect.isclass(thing):
            yield from class_callables(name, thing)
        elif callable(thing) and not isinstance(thing, type(room)):
            yield name


def class_callables(name, thing):
    is_error = issubclass(thing, BaseException)
    if not is_error and not getattr(thing, "_is_protocol", False) and takes_arguments(thing):
        yield name
    for attribute, member in vars(thing).items():
        function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        public = attribute == "__call__" or not attribute.startswith("_")
        if public and inspect.isfunction(function) and takes_arguments(function):
            yield f"{name}.{attribute}"


def name_of(room):
    return room.__name__.removeprefix("rmtlab.")


def unlisted(room):
    """Return the functions and classes that a room defines under a public name outside its ``__all__``."""
    defined = {
        name
        for name, thing in vars(room).items()
        if (inspect.isfunction(thing) or inspect.isclass(thing))
        and f"{thing.__module__}.".startswith(f"{room.__name__}.")
        and not name.startswith("_")
    }
    return defined - set(room.__all__)


def answered(table):
    """Return the names that have a case, or a reason to have none."""
    refused = {name for name, cases in table.CASES.items() if cases}
    return refused | {name for name, reason in table.NOTHING_TO_REFUSE.items() if reason.strip()}


@pytest.mark.parametrize("room", rmtlab._ROOMS)
def test_every_public_callable_has_its_bad_input_cases(room):
    table = TABLES.get(room)
    assert table is not None, f"tests/contracts/bad_inputs/{room}.py is missing"
    listed = set(table.CASES) | set(table.NOTHING_TO_REFUSE)
    public = set(public_callables(getattr(rmtlab, room)))
    missing = public - answered(table)
    assert not missing, f"{room}: no bad-input case for {sorted(missing)}"
    assert not listed - public, f"{room}: cases for names that are gone {sorted(listed - public)}"


@pytest.mark.parametrize("room", rmtlab._ROOMS)
def test_every_public_function_and_class_is_in_all(room):
    assert not unlisted(getattr(rmtlab, room))


@pytest.mark.parametrize(("call", "fragment"), CASES)
def test_bad_input_gets_a_sentence(call, fragment):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    message = str(caught.value)
    assert fragment in message
    assert len(message.split()) >= 5, f"not a sentence: {message!r}"
    assert message.rstrip().endswith((".", "?")), f"not a sentence: {message!r}"


def test_the_walk_sees_a_new_function_without_cases(monkeypatch):
    room = rmtlab.gaussian

    def newcomer(x):
        return x

    newcomer.__module__ = room.__name__
    monkeypatch.setattr(room, "newcomer", newcomer, raising=False)
    assert unlisted(room) == {"newcomer"}
    monkeypatch.setattr(room, "__all__", [*room.__all__, "newcomer"])
    assert "newcomer" in set(public_callables(room)) - answered(TABLES["gaussian"])
    monkeypatch.setitem(TABLES["gaussian"].CASES, "newcomer", [])
    monkeypatch.setitem(TABLES["gaussian"].NOTHING_TO_REFUSE, "newcomer", " ")
    assert "newcomer" not in answered(TABLES["gaussian"])
