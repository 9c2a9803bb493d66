"""The public tree: everything but the instructor's, and a scan that proves it."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import nbformat

from problems.frame import judging, sets
from problems.frame.sandbox import ROOT

PRIVATE = ("problems", "tests/problems")
STUDENT = "coursework"
SITE = "site"
MARKS = ("# BEGIN SOLUTION", "# END SOLUTION", "# BEGIN TESTS", "# HIDDEN", "problems.frame")
SHORTEST, LONG = 24, 60


def release(root: Path, to: Path, *, site: bool = True) -> list[str]:
    """Export the public tree of `root` into the new folder `to`; return what the scan found, a line each."""
    shutil.rmtree(to, ignore_errors=True)
    for name in _tracked(root):
        if not any(f"{name}/".startswith(f"{private}/") for private in PRIVATE):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
    for problem_set in sets.names():
        path = to / STUDENT / f"{problem_set}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(sets.student_version(problem_set), path)
    if site:
        built = root / "_build" / "html"
        if not (built / "book" / "index.html").exists():
            raise SystemExit("There is no site to release: run make book first.")
        shutil.copytree(built, to / SITE, ignore=shutil.ignore_patterns(".doctrees", "reports"))
    return scan(to)


def _tracked(root: Path) -> list[str]:
    """The files that git keeps: nothing that happens to lie around is released."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True)
    return [name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def scan(tree: Path) -> list[str]:
    """Look for solutions, hidden tests, truths and salt in every file of a tree, in any of its encodings."""
    problems = [f"{private} is in the public tree." for private in PRIVATE if (tree / private).exists()]
    secrets = {judging.salt(): "the salt"} | _secrets()
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            name = path.relative_to(tree).as_posix()
            texts = list(_readings(path))
            problems += [
                f"{name} holds {what}: {secret[:60]!r}"
                for secret, what in secrets.items()
                if any(secret in text for text in texts)
            ]
            if path.suffix in (".ipynb", ".html"):
                marks = [_squeezed(mark) for mark in MARKS]
                problems += [
                    f"{name} holds {mark!r}." for mark in marks if any(mark in text for text in texts)
                ]
    return problems


def _readings(path: Path) -> Iterator[str]:
    """A file's text without white space: as it is, as a page shows it, and as a notebook's cells."""
    text = path.read_bytes().decode("utf-8", errors="replace")
    yield _squeezed(text)
    if path.suffix in (".html", ".js", ".json"):
        yield _squeezed(html.unescape(re.sub(r"<[^>]*>", "", text)))
    if path.suffix in (".ipynb", ".json", ".js"):
        try:
            yield _squeezed("\n".join(_strings(json.loads(text))))
        except ValueError:
            yield _squeezed(text.replace("\\n", "").replace('\\"', '"'))


def _strings(held: object) -> Iterator[str]:
    if isinstance(held, str):
        yield held
    elif isinstance(held, dict | list):
        for item in held.values() if isinstance(held, dict) else held:
            yield from _strings(item)


def _secrets() -> dict[str, str]:
    """Every passage that may not be public: of solutions in code and prose, of rubrics, tests and truths."""
    found: dict[str, str] = {}
    for problem_set in sets.names():
        public = {
            _squeezed(line)
            for cell in sets.student_version(problem_set).cells
            for line in cell.source.splitlines()
        }
        for text, what in _private_texts(problem_set):
            for passage in _passages(text):
                if not any(line in passage and len(line) > len(passage) / 2 for line in public):
                    found[passage] = f"{what} of {problem_set!r}"
    return found


def _private_texts(problem_set: str) -> Iterator[tuple[str, str]]:
    inside = testing = False
    for cell in sets.source(problem_set).cells:
        if cell.cell_type == "raw":
            if cell.source.startswith(("# BEGIN SOLUTION", "# END SOLUTION")):
                inside = cell.source.startswith("# BEGIN")
            if cell.source.startswith(("# BEGIN TESTS", "# END TESTS")):
                testing = cell.source.startswith("# BEGIN")
        elif testing:
            yield cell.source, "a hidden test"
        elif inside:
            yield cell.source, "a solution"
    yield (ROOT / "problems" / problem_set / "grading.py").read_text(encoding="utf-8"), "the grading"


def _passages(text: str) -> Iterator[str]:
    """Long lines, and every two lines in a row, without white space, if they can be told from common code."""
    lines = [_squeezed(line) for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", "import", "from", '"""#'))]
    yield from (line for line in lines if len(line) >= LONG)
    for first, second in pairwise(lines):
        if len(first) + len(second) >= SHORTEST and min(len(first), len(second)) >= 6:
            yield first + second


def _squeezed(text: str) -> str:
    return "".join(text.split())
