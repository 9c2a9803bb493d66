"""Evidence: contract. An import of rmtlab never climbs a floor, never runs in a circle, and runs sideways
only where one concept is built on another. No import can hide from these tests.
"""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import rmtlab

PACKAGE = Path(rmtlab.__file__).parent
FLOORS = (
    ("_checks", "_progress", "_quadrature"),
    ("gaussian", "ensembles", "laws"),
    ("activations", "noise", "layers", "networks", "_torch_layers", "_torch_noise"),
    ("mlp", "signal", "field", "jacobian", "freeness", "nngp", "ntk", "mixer", "features"),
    ("training", "design", "_torch_training"),
    (
        "comparison",
        "ledger",
        "sweep",
        "experiment",
        "plots",
        "data",
        "explore",
        "check",
        "answers",
        "coursework",
    ),
)
SIDEWAYS = {
    "noise": {"_torch_noise", "activations"},
    "_torch_noise": {"noise"},
    "layers": {"activations", "noise", "_torch_layers"},
    "networks": {"activations", "noise", "layers", "_torch_layers"},
    "_torch_layers": {"activations", "networks"},
    "field": {"signal"},
    "jacobian": {"signal"},
    "features": {"ntk"},
    "training": {"_torch_training"},
    "experiment": {"sweep"},
    "check": {"answers"},
    "coursework": {"check"},
}
OPENS_BY_NAME = ("__init__.py", "answers/__init__.py", "coursework/_numbers.py")
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
SOURCES = {
    path: path.relative_to(PACKAGE).with_suffix("").parts[0]
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py"
}


def imports(path):
    """Yield (module, names, at_import_time) for every import statement of a file."""
    tree = ast.parse(path.read_text())
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_type_checking(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, [], id(node) not in lazy
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", [alias.name for alias in node.names], id(node) not in lazy


def is_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def hidden_imports(tree):
    """Return the imports that `rooms_imported` does not see: relative, of the whole package, by name."""
    by_name = {"import_module", "__import__"}

    def hides(node):
        aliases = {alias.name for alias in getattr(node, "names", ()) if isinstance(alias, ast.alias)}
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        whole = isinstance(node, ast.Import) and "rmtlab" in aliases
        called = by_name & ({getattr(node, "id", None), getattr(node, "attr", None)} | aliases)
        return relative or whole or called

    return [ast.unparse(node) for node in ast.walk(tree) if hides(node)]


def rooms_imported(path):
    for module, names, _ in imports(path):
        if module == "rmtlab":
            yield from names
        elif module.startswith("rmtlab."):
            yield module.split(".")[1]


def test_every_room_has_a_floor():
    assert set(SOURCES.values()) <= set(FLOOR)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_is_hidden(path):
    if path.relative_to(PACKAGE).as_posix() not in OPENS_BY_NAME:
        assert not hidden_imports(ast.parse(path.read_text()))


@pytest.mark.parametrize(
    "line",
    [
        "from . import networks",
        "from .networks import MLP",
        "import rmtlab",
        "import rmtlab as rl",
        "import importlib; importlib.import_module('rmtlab.networks')",
        "from importlib import import_module as load; load('rmtlab.networks')",
        "__import__('rmtlab.networks')",
    ],
)
def test_hidden_imports_are_seen(line):
    assert hidden_imports(ast.parse(line))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_climbs(path):
    here = SOURCES[path]
    for there in rooms_imported(path):
        assert FLOOR[there] <= FLOOR[here], (
            f"{here} (floor {FLOOR[here]}) imports {there} (floor {FLOOR[there]})"
        )


@pytest.mark.parametrize("here", sorted(set(SOURCES.values())))
def test_sideways_only_where_one_concept_is_built_on_another(here):
    imported = {there for path, room in SOURCES.items() if room == here for there in rooms_imported(path)}
    beside = {there for there in imported - {here} if FLOOR[there] == FLOOR[here]}
    assert beside == SIDEWAYS.get(here, set())


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if FLOOR[SOURCES[p]] <= FLOOR["laws"]], ids=lambda p: p.name
)
def test_no_torch_at_all_below_the_networks(path):
    assert "torch" not in {module.split(".")[0] for module, _, _ in imports(path)}


def test_no_circle():
    graph = {room: set() for room in FLOOR}
    for path, here in SOURCES.items():
        at_import = {
            room
            for module, names, eager in imports(path)
            if eager and module.startswith("rmtlab")
            for room in (names if module == "rmtlab" else [module.split(".")[1]])
        }
        graph[here] |= at_import - {here}
    tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if not p.stem.startswith("_torch")], ids=lambda p: p.name
)
def test_torch_is_imported_only_inside_functions(path):
    eager = {module.split(".")[0] for module, _, at_import in imports(path) if at_import}
    assert "torch" not in eager
    assert not any(
        module.startswith("rmtlab._torch") or any(n.startswith("_torch") for n in names)
        for module, names, at_import in imports(path)
        if at_import
    )
