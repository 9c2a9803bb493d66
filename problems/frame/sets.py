"""A problem set as written: its questions, its student version, its solution, its autograder.

The source is an Otter-Grader notebook, ``problems/<set>/<set>.ipynb``; Otter makes the student's version.
"""

import contextlib
import io
import json
import re
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import nbformat
import yaml

from problems.frame import judging, settings
from problems.frame.sandbox import ROOT

PLACEHOLDER = "COURSE NAME"
IMPORTED = tuple(f"frame/{name}.py" for name in ("__init__", "judging", "nursery", "sandbox", "settings"))


@dataclass(frozen=True)
class Question:
    """One question: its name, title, points, and whether a person marks it (then with a rubric)."""

    name: str
    title: str
    points: float
    manual: bool
    rubric: str = ""


def names() -> list[str]:
    """The problem sets that have a source."""
    return sorted(
        folder.name for folder in (ROOT / "problems").iterdir() if (folder / f"{folder.name}.ipynb").exists()
    )


def source_path(problem_set: str) -> Path:
    """Where a set is written."""
    return ROOT / "problems" / problem_set / f"{problem_set}.ipynb"


@cache
def source(problem_set: str) -> nbformat.NotebookNode:
    """The set as written, with the name of the course put in."""
    notebook = nbformat.read(source_path(problem_set), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = cell.source.replace(f'"{PLACEHOLDER}"', _quoted(settings.course()))
    return notebook


def _quoted(text: str) -> str:
    """A text in double quotes, as Python reads it and as nothing else can."""
    return json.dumps(text, ensure_ascii=False)


@cache
def questions(problem_set: str) -> tuple[Question, ...]:
    """The questions of a set, in order."""
    found, block = [], None
    for cell in source(problem_set).cells:
        if cell.cell_type == "raw" and cell.source.startswith("# BEGIN QUESTION"):
            block = {**yaml.safe_load(cell.source), "title": "", "rubric": ""}
        elif block is not None and cell.cell_type == "raw" and cell.source.startswith("# END QUESTION"):
            found.append(_question(block))
            block = None
        elif block is not None and cell.cell_type == "markdown":
            if heading := re.match(r"#+ (.+)", cell.source):
                block["title"] = block["title"] or heading[1]
            if "**Rubric**" in cell.source:
                block["rubric"] = cell.source.partition("**Rubric**")[2].strip()
    return tuple(found)


def _question(block: dict) -> Question:
    manual = bool(block.get("manual", False))
    return Question(block["name"], block["title"], float(block["points"]), manual, block["rubric"])


def solution_cells(problem_set: str) -> list[str]:
    """The code of the instructor's own solution, without the tests."""
    cells, testing = [], False
    for cell in source(problem_set).cells:
        if cell.cell_type == "raw":
            testing = testing and not cell.source.startswith("# END TESTS")
            testing = testing or cell.source.startswith("# BEGIN TESTS")
        elif cell.cell_type == "code" and not testing:
            cells.append(cell.source)
    return cells


def answered(problem_set: str, student: str, wrong: str | None = None) -> nbformat.NotebookNode:
    """The solution as a student with this ID would hand it in; with the planted error of one question."""
    cells = [_as(student, cell) for cell in solution_cells(problem_set)]
    if wrong is not None:
        right, mistaken = import_module(f"problems.{problem_set}.grading").PLANTED[wrong]
        places = [index for index, cell in enumerate(cells) if right in cell]
        if len(places) != 1 or cells[places[0]].count(right) != 1:
            raise ValueError(
                f"The error planted in {wrong!r} must replace a text that occurs once: {right!r}."
            )
        cells[places[0]] = cells[places[0]].replace(right, mistaken)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def untouched(problem_set: str, student: str) -> nbformat.NotebookNode:
    """The student version with nothing filled in but the ID."""
    notebook = nbformat.from_dict(student_version(problem_set))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = _as(student, cell.source)
    return notebook


def _as(student: str, code: str) -> str:
    return re.sub(r"(?m)^STUDENT_ID = .*$", lambda _: f"STUDENT_ID = {student!r}", code)


@cache
def student_version(problem_set: str) -> nbformat.NotebookNode:
    """What students get: no solution, no hidden test."""
    with tempfile.TemporaryDirectory() as folder:
        _assign(problem_set, Path(folder))
        made = nbformat.read(Path(folder) / "made" / "student" / f"{problem_set}.ipynb", as_version=4)
    made.metadata.pop("otter", None)
    return made


def write_autograder(problem_set: str, to: Path) -> None:
    """Write the autograder for Otter and Gradescope: hidden tests, truths, salt and pinned requirements."""
    with tempfile.TemporaryDirectory() as folder:
        _assign(problem_set, Path(folder))
        (made,) = (Path(folder) / "made" / "autograder").glob("*.zip")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made, to)


def _assign(problem_set: str, folder: Path) -> None:
    """Run Otter's assign in a folder that holds the source and what its tests import."""
    inside = folder / "problems"
    for name in ("__init__.py", "course.toml", *IMPORTED, f"{problem_set}/grading.py"):
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "problems" / name, inside / name)
    shutil.copytree(ROOT / "rmtlab", folder / "rmtlab", ignore=shutil.ignore_patterns("__pycache__"))
    (inside / "salt.txt").write_text(judging.salt() + "\n")
    (folder / "requirements.txt").write_text("\n".join(requirements()) + "\n")
    master = folder / f"{problem_set}.ipynb"
    notebook = nbformat.from_dict(source(problem_set))
    config = yaml.safe_load(notebook.cells[0].source)
    config |= {"autograder_files": ["problems", "rmtlab"], "requirements": "requirements.txt"}
    config |= {"overwrite_requirements": True, "python_version": "3.11"}
    notebook.cells[0].source = "# ASSIGNMENT CONFIG\n" + yaml.safe_dump(config)
    nbformat.write(notebook, master)
    with (
        warnings.catch_warnings(action="ignore"),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        from otter.assign import main as assign

        assign(str(master), str(folder / "made"), no_run_tests=True)


def requirements() -> list[str]:
    """What the autograder installs, each pinned as in ``constraints.txt``."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["grade"]]
    pins = dict(
        line.lower().split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    )
    direct = {re.split(r"[<>=\[; ]", line)[0] for line in wanted}
    return [f"{name}=={pins[name]}" for name in sorted(direct)]
