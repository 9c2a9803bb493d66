"""Evidence: contract. An import of rmtlab never climbs a floor and never runs in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import rmtlab

PACKAGE = Path(rmtlab.__file__).parent
FLOORS = (
    ("_checks", "_quadrature"),
    ("gaussian", "ensembles", "laws"),
    ("activations", "noise", "layers", "networks", "_torch_layers", "_torch_noise"),
    ("mlp",),
    ("training", "_torch_training"),
    ("comparison", "ledger", "plots", "data", "explore", "check", "answers"),
)
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


def rooms_imported(path):
    for module, names, _ in imports(path):
        if module == "rmtlab":
            yield from names
        elif module.startswith("rmtlab."):
            yield module.split(".")[1]


def test_every_room_has_a_floor():
    assert set(SOURCES.values()) == set(FLOOR)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_climbs(path):
    here = SOURCES[path]
    for there in rooms_imported(path):
        assert FLOOR[there] <= FLOOR[here], (
            f"{here} (floor {FLOOR[here]}) imports {there} (floor {FLOOR[there]})"
        )


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
