"""Evidence: contract. The public tree holds nothing of the instructor's, and the scan would see it if it did."""

import json

import pytest

from problems.frame import judging, release, sets
from problems.frame.sandbox import ROOT

pytestmark = pytest.mark.filterwarnings("ignore")
NAME = sets.names()[-1]


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    tree = tmp_path_factory.mktemp("public") / "tree"
    return tree, release.release(ROOT, tree, site=(ROOT / "_build" / "html" / "book" / "index.html").exists())


def test_the_public_tree_is_clean_and_whole(public):
    tree, found = public
    assert found == []
    for name in (
        "rmtlab/coursework/__init__.py",
        "book/index.md",
        "environment.yml",
        "postBuild",
        "Makefile",
    ):
        assert (tree / name).exists(), name
    assert {path.stem for path in (tree / "coursework").glob("*.ipynb")} == set(sets.names())
    assert not (tree / "problems").exists()
    assert not (tree / "tests" / "problems").exists()
    assert not list(tree.rglob("salt.txt"))


def leaks():
    source = "\n".join(cell.source for cell in sets.source(NAME).cells)
    solution = source.partition("# BEGIN SOLUTION")[2].partition("# END SOLUTION")[0]
    prose = next(c.source for c in sets.source(NAME).cells if "**Rubric**" in c.source)
    grading = (ROOT / "problems" / NAME / "grading.py").read_text()
    code = next(c for c in sets.solution_cells(NAME) if "# BEGIN SOLUTION" in c)
    return {
        "a solution in a notebook": (
            "book/leak.ipynb",
            json.dumps({"cells": [{"source": code.splitlines(True)}]}),
        ),
        "a solution in a page": (
            "site/leak.html",
            "<pre>" + code.replace("<", "&lt;").replace(" ", " <b></b>") + "</pre>",
        ),
        "a derivation": ("book/leak.md", prose),
        "the grading": ("rmtlab/leak.py", grading),
        "the salt": ("book/leak.txt", f"it is {judging.salt()}."),
        "a solution in prose": ("book/leak.md", solution or prose),
        "the folder": ("problems/x.txt", "x"),
    }


@pytest.mark.parametrize("what", leaks())
def test_the_scan_sees_a_leak(what, tmp_path):
    name, text = leaks()[what]
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(text)
    assert release.scan(tmp_path)
