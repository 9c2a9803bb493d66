"""What students handed in: every file of a folder, whose it is, and what can be read of it."""

import ast
import json
import os
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from problems.frame import tables
from rmtlab.coursework import problem_sets

LARGEST = 20 * 2**20
SKIPPED = {"__MACOSX", ".ipynb_checkpoints", ".DS_Store", "Thumbs.db"}
ID_COLUMNS = ("SIS User ID", "SIS Login ID", "ID")
EXAMPLE = "0000"
CANVAS, GRADESCOPE = re.compile(r"_\d+(?=_\d+_)"), re.compile(r"\bsubmission_\d+[\\/]")
INLINE = re.compile(r"data:image/[\w.+-]{1,40};base64,[A-Za-z0-9+/=%]*")
LINKED = re.compile(
    r"!\[[^\]\n]{0,300}\]\(\s{0,9}<?([^)\s>]{1,300})|<img\s[^>]{0,300}?src=[\"']?([^\"'\s>]{1,300})"
)


@dataclass
class Submission:
    """One file as handed in.

    ``pictures`` tells, by the cell's number from the top, what pictures there are, since ``cells`` is without.
    ``trouble`` says why nothing of it can be run, or is empty; ``notes`` what the instructor should know.
    """

    path: Path
    name: str
    cells: list[tuple[str, str]] = field(default_factory=list)
    pictures: dict[int, list[str]] = field(default_factory=dict)
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
            found = [
                (number, row)
                for number, row in tables.read(path, ["ID"], [*ID_COLUMNS, "Student", "Section"])
                if row.get("ID") and row.get("Student") not in ("", "Points Possible")
            ]
            if not found:
                raise SystemExit(
                    f"{path} names no student: export the gradebook from Canvas, with a column ID."
                )
            _unspoilt(path, found)
            self.rows = [row for _, row in found]
        self._by_id = {
            normal(row[column]): row
            for column in reversed(ID_COLUMNS)
            for row in self.rows
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


def _unspoilt(path: Path, rows: list[tuple[int, tables.Row]]) -> None:
    """Refuse a gradebook whose IDs a spreadsheet has rounded, or that has two students of one ID."""
    for column in ID_COLUMNS:
        seen: dict[str, int] = {}
        for number, row in rows:
            if not (name := row.get(column, "")):
                continue
            if re.fullmatch(r"\d([.,]\d+)?E\+\d+", name):
                raise SystemExit(
                    f"{path}, row {number}: {name!r} was an ID before a spreadsheet rounded it; export the "
                    "gradebook again and do not save it from the spreadsheet."
                )
            if (first := seen.setdefault(normal(name), number)) != number:
                raise SystemExit(
                    f"{path}: rows {first} and {number} have the same {column!r}, {name!r}; leave one of them."
                )


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
        held = _cells(_text(path))
        submission.cells = [
            (str(cell.get("cell_type")), _joined(cell.get("source", cell.get("input", "")))) for cell in held
        ]
        submission.pictures = {
            number: told
            for number, (cell, (kind, source)) in enumerate(zip(held, submission.cells, strict=True), 1)
            if kind != "code" and (told := _pictures(cell, source))
        }
        _describe(submission)
        if not any(source.strip() for source in submission.code):
            submission.trouble = "There is no code in it: hand in the notebook with your answers."
    except Exception as error:
        damaged = f"It cannot be read: {error}. Open the notebook, save it and hand it in again."
        submission.trouble = str(error) if isinstance(error, _Unreadable) else damaged
    submission.owner = _owner(submission, roster)
    return submission


class _Unreadable(ValueError):
    """Why a file is no notebook, in a sentence."""


def _text(path: Path) -> str:
    """The text of a notebook, also if it is the only one in a zip file."""
    if path.is_symlink() or not path.is_file():
        raise _Unreadable("It is a link or a special file, not a notebook: hand in the .ipynb file.")
    if path.stat().st_size > LARGEST:
        raise _Unreadable(
            f"It is larger than {LARGEST // 2**20} MB: clear its outputs, make pictures smaller and hand it in again."
        )
    data = path.read_bytes()
    if not data.strip():
        raise _Unreadable("The file is empty: save the notebook and hand it in again.")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = [
                entry
                for entry in archive.infolist()
                if entry.filename.endswith(".ipynb") and "__MACOSX" not in entry.filename
            ]
            if len(inside) != 1:
                raise _Unreadable(
                    f"It is a zip file with {len(inside)} notebooks in it: hand in one, the .ipynb file."
                )
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
    raise _Unreadable("It is not a text, so not a notebook: hand in the .ipynb file.")


def _cells(text: str) -> list[dict[str, Any]]:
    """The cells of a notebook. Kind, source and pictures alone are looked at: no metadata can cost marks."""
    try:
        held = json.loads(text)
    except RecursionError:
        raise _Unreadable("It is nested too deeply to be a notebook: hand in the .ipynb file.") from None
    except ValueError as error:
        raise _Unreadable(
            f"It is not a notebook, or a damaged one: {error}. Open your .ipynb file, save it and hand it in again."
        ) from None
    if not isinstance(held, dict):
        raise _Unreadable("It is not a notebook: hand in the .ipynb file.")
    cells = held.get("cells")
    if cells is None and isinstance(held.get("worksheets"), list):
        cells = [
            cell for sheet in held["worksheets"] if isinstance(sheet, dict) for cell in sheet.get("cells", [])
        ]
    if not isinstance(cells, list):
        raise _Unreadable("It is not a notebook: it has no cells. Hand in the .ipynb file.")
    return [cell for cell in cells if isinstance(cell, dict)]


def _joined(source: Any) -> str:
    if isinstance(source, list):
        return "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def _pictures(cell: dict[str, Any], source: str) -> list[str]:
    """What pictures a text cell holds, and those that it names but that were not handed in."""
    held = cell.get("attachments")
    attached = [str(name)[:100] for name in held] if isinstance(held, dict) else []
    told = [f"a picture, {name!r}," for name in attached]
    told += ["a picture"] * len(INLINE.findall(source))
    for match in LINKED.finditer(source):
        target = unquote(match[1] or match[2])
        name = target.removeprefix("attachment:")
        if not target.startswith(("data:", "http:", "https:")) and name not in attached:
            told.append(f"the name of a picture that was not handed in, {name!r},")
    return told[:20]


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


def _not_chosen(name: str) -> tuple[str, bool]:
    """What of a file's name its author has not chosen on Canvas or Gradescope, and whether it is from there.

    Canvas begins with a name, the user's number and the submission's; Gradescope's folder has a number alone.
    """
    if match := GRADESCOPE.search(name):
        return name[: match.start()], True
    if match := CANVAS.search(name):
        return name[: match.end()], True
    return name.rsplit(".", 1)[0], False


def _owner(submission: Submission, roster: Roster) -> str | None:
    """Whose submission it is: what the file's name says, or else the notebook, if it names more than the example."""
    claimed = submission.claimed if submission.claimed != EXAMPLE else None
    name, platform = _not_chosen(submission.name)
    parts = [part for part in re.split(r"[\\/_\s.()-]+", name) if part]
    whole = re.split(r"[\\/_]", name)
    if roster.rows:
        rows = [row for row in map(roster.find, [*whole, *parts]) if row is not None]
        if rows:
            return roster.student(rows[0])
        if row := roster.find(claimed):
            submission.notes.append("The file's name tells no ID of the roster; the notebook's was taken.")
            return roster.student(row)
        submission.notes.append("Neither the file's name nor the notebook tells an ID of the roster.")
        return claimed
    if claimed is not None and claimed in map(normal, [*whole, *parts]):
        return claimed
    if claimed is not None and platform:
        submission.notes.append(
            "The numbers in the file's name are Canvas's or Gradescope's own; the notebook's ID was taken."
        )
        return claimed
    an_id = r"[A-Za-z]{1,4}\d{4,}" if platform else r"[A-Za-z]{0,4}\d{4,}"
    if told := next((normal(part) for part in whole if re.fullmatch(an_id, part.strip())), None):
        return told
    if claimed is not None:
        submission.notes.append("The file's name tells no ID; the notebook's was taken.")
    return claimed
