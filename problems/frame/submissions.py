"""What students handed in: every file of a folder, whose it is, and what can be read of it."""

import ast
import csv
import json
import os
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rmtlab.coursework import problem_sets

LARGEST = 20 * 2**20
SKIPPED = {"__MACOSX", ".ipynb_checkpoints", ".DS_Store", "Thumbs.db"}
ID_COLUMNS = ("SIS User ID", "SIS Login ID", "ID")


@dataclass
class Submission:
    """One file as handed in.

    ``trouble`` says why nothing of it can be run, or is empty; ``notes`` what the instructor should know.
    """

    path: Path
    name: str
    cells: list[tuple[str, str]] = field(default_factory=list)
    problem_set: str | None = None
    claimed: str | None = None
    owner: str | None = None
    trouble: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def code(self) -> list[str]:
        """The sources of its code cells."""
        return [source for kind, source in self.cells if kind == "code"]


def normal(student: str) -> str:
    """An ID as it is compared: without blanks and capitals."""
    readable = str(student).encode("utf-8", "replace").decode()
    return "".join(readable.split()).casefold()


class Roster:
    """The students of a course, from a gradebook that Canvas exported; empty without one."""

    def __init__(self, path: Path | None = None) -> None:
        self.rows: list[dict[str, str]] = []
        if path is not None:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = [
                    {key: (value or "").strip() for key, value in row.items() if key}
                    for row in csv.DictReader(file)
                ]
            self.rows = [
                row for row in rows if row.get("ID") and row.get("Student") not in ("", "Points Possible")
            ]
            if not self.rows:
                raise SystemExit(
                    f"{path} names no student: export the gradebook from Canvas, with a column ID."
                )
        self._by_id = {
            normal(row[column]): row
            for row in self.rows
            for column in reversed(ID_COLUMNS)
            if row.get(column)
        }

    def find(self, student: str | None) -> dict[str, str] | None:
        """The row of a student, by any of the IDs."""
        return self._by_id.get(normal(student)) if student else None

    def student(self, row: dict[str, str]) -> str:
        """The ID from which a student's numbers are drawn."""
        return normal(next(row[column] for column in ID_COLUMNS if row.get(column)))

    def students(self) -> list[str]:
        """All IDs from which numbers are drawn."""
        return [self.student(row) for row in self.rows]


def collect(folder: Path, roster: Roster) -> list[Submission]:
    """Read every file under `folder`, sorted by name; none is left out, whatever is in it."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in sorted([*files, *links]):
            if name not in SKIPPED:
                path = Path(root) / name
                found.append(_read(path, str(path.relative_to(folder)), roster))
    return found


def _read(path: Path, name: str, roster: Roster) -> Submission:
    submission = Submission(path, name)
    try:
        submission.cells = _cells(_text(path))
        _describe(submission)
        if not any(source.strip() for source in submission.code):
            submission.trouble = "There is no code in it."
    except Exception as error:
        submission.trouble = str(error) if isinstance(error, _Unreadable) else f"It cannot be read: {error}"
    submission.owner = _owner(submission, roster)
    return submission


class _Unreadable(ValueError):
    """Why a file is no notebook, in a sentence."""


def _text(path: Path) -> str:
    """The text of a notebook, also if it is the only one in a zip file."""
    if path.is_symlink() or not path.is_file():
        raise _Unreadable("It is a link or a special file, not a notebook.")
    if path.stat().st_size > LARGEST:
        raise _Unreadable(f"It is larger than {LARGEST // 2**20} MB.")
    data = path.read_bytes()
    if not data.strip():
        raise _Unreadable("The file is empty.")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = [
                entry
                for entry in archive.infolist()
                if entry.filename.endswith(".ipynb") and "__MACOSX" not in entry.filename
            ]
            if len(inside) != 1:
                raise _Unreadable(f"It is a zip file with {len(inside)} notebooks in it; one is needed.")
            with archive.open(inside[0]) as file:
                data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise _Unreadable(f"Unpacked, it is larger than {LARGEST // 2**20} MB.")
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        try:
            text = data.decode(encoding)
            if "\0" not in text:
                return text
        except UnicodeDecodeError:
            continue
    raise _Unreadable("It is not a text, so not a notebook.")


def _cells(text: str) -> list[tuple[str, str]]:
    """The cells of a notebook. Nothing but their kind and source is looked at: no metadata can cost marks."""
    try:
        held = json.loads(text)
    except RecursionError:
        raise _Unreadable("It is nested too deeply to be a notebook.") from None
    except ValueError as error:
        raise _Unreadable(f"It is not a notebook, or a damaged one: {error}.") from None
    if not isinstance(held, dict):
        raise _Unreadable("It is not a notebook.")
    cells = held.get("cells")
    if cells is None and isinstance(held.get("worksheets"), list):
        cells = [
            cell for sheet in held["worksheets"] if isinstance(sheet, dict) for cell in sheet.get("cells", [])
        ]
    if not isinstance(cells, list):
        raise _Unreadable("It is not a notebook: it has no cells.")
    return [
        (str(cell.get("cell_type")), _joined(cell.get("source", cell.get("input", ""))))
        for cell in cells
        if isinstance(cell, dict)
    ]


def _joined(source: Any) -> str:
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def _describe(submission: Submission) -> None:
    """Find, without running anything, which set this is and what ID it names."""
    code = "\n".join(submission.code)
    named = [match for match in re.findall(r"""coursework\.numbers\(\s*["'](\w+)["']""", code)]
    submission.problem_set = next((name for name in named if name in problem_sets()), None)
    if match := re.search(r"^STUDENT_ID[ \t]*=[ \t]*([^\n]{1,300})", code, re.MULTILINE):
        try:
            submission.claimed = normal(ast.literal_eval(match[1]))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            submission.notes.append("The ID in the notebook cannot be read.")


def _owner(submission: Submission, roster: Roster) -> str | None:
    """Whose submission it is: what the file's name says, or else the notebook."""
    parts = [part for part in re.split(r"[\\/_\s.()-]+", submission.name) if part]
    whole = re.split(r"[\\/_]", submission.name.rsplit(".", 1)[0])
    if roster.rows:
        rows = [row for row in map(roster.find, [*whole, *parts]) if row is not None]
        if rows:
            return roster.student(rows[0])
        if row := roster.find(submission.claimed):
            submission.notes.append("The file's name tells no ID of the roster; the notebook's was taken.")
            return roster.student(row)
        submission.notes.append("Neither the file's name nor the notebook tells an ID of the roster.")
        return submission.claimed
    if submission.claimed is not None and submission.claimed in map(normal, [*whole, *parts]):
        return submission.claimed
    if submission.claimed is not None and re.search(r"_\d+_\d+_", submission.name):
        submission.notes.append(
            "The numbers in the file's name are Canvas's own; the notebook's ID was taken."
        )
        return submission.claimed
    if told := next(
        (normal(part) for part in whole if re.fullmatch(r"[A-Za-z]{0,4}\d{4,}", part.strip())), None
    ):
        return told
    if submission.claimed is not None:
        submission.notes.append("The file's name tells no ID; the notebook's was taken.")
    return submission.claimed
