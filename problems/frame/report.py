"""What grading leaves behind: a row a submission, a file for Canvas, a sheet for the marker, a page a student."""

import csv
import hashlib
import io
import math
import re
import shutil
import unicodedata
from collections.abc import Callable
from html import escape
from pathlib import Path

from problems.frame import sets, tables
from problems.frame.grading import UNGRADED, Record
from problems.frame.submissions import Roster

# By submission and question, the marker's points, or None where there are none yet, and comment.
ByHand = dict[tuple[str, str], tuple[float | None, str]]

# Where a formula begins, its sign perhaps as wide as East Asian keyboards write it; and where one is guarded.
BEGINS = r"(?=[ \"]*[=+\-@\uff1d\uff0b\uff0d\uff20])"
FORMULA, GUARDED = re.compile(rf"(\A|[;\n]){BEGINS}"), re.compile(rf"(\A|[;\n])'{BEGINS}")
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem;
       color-scheme: light dark; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8886; }
td.points { white-space: nowrap; }
pre { white-space: pre-wrap; }
"""


def write(
    problem_set: str,
    records: list[Record],
    to: Path,
    roster: Path | None = None,
    *,
    say: Callable[[str], object] = lambda _: None,
) -> list[Path]:
    """Write every file of a grading and return their paths; tell what the marker should know.

    The marker's sheet is written anew, so that it has a row for what has come in since; what was there
    before is kept as ``manual.before.csv``.
    """
    sheet = to / "manual.csv"
    by_hand = read_manual(sheet, problem_set)
    graded = {_name(record.submission) for record in records}
    lost = sorted({name for name, _ in by_hand if name not in graded})
    if lost:
        say(
            f"{sheet} has points or comments for what is not in this folder; they are kept: {', '.join(lost)}"
        )
    for other in sorted(to.glob("manual.*")):
        if other.suffix in (".xlsx", ".xls", ".ods", ".numbers"):
            say(f"{other} is not read: save it as CSV under the name {sheet.name}.")
    files = {
        to / "grades.csv": grades(problem_set, records, by_hand),
        to / "canvas.csv": canvas(problem_set, records, by_hand, Roster(roster)),
        sheet: manual(problem_set, records, by_hand),
    }
    for record in records:
        files[to / "feedback" / f"{_page(record.submission)}.html"] = feedback(problem_set, record, by_hand)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        # Excel takes a table for Windows' own letters unless it begins with the mark of UTF-8.
        encoding = "utf-8-sig" if path.name in ("grades.csv", "manual.csv") else "utf-8"
        part.write_text(text, encoding=encoding, errors="replace", newline="")
        if path == sheet and path.exists() and path.read_bytes() != part.read_bytes():
            shutil.copy2(path, to / "manual.before.csv")
        part.replace(path)
    return list(files)


def _name(submission: str) -> str:
    """A submission's name as it comes back from a spreadsheet."""
    return unicodedata.normalize("NFC", _unguarded(_printable(submission)).strip())


def _given(record: Record, by_hand: ByHand) -> dict[str, tuple[float | None, str]]:
    """The marker's points and comments for one submission, by question."""
    mine = _name(record.submission)
    return {question: given for (name, question), given in by_hand.items() if name == mine}


def _page(submission: str) -> str:
    """A file name for a submission's page, with a hash where two could share one or it were too long."""
    plain = submission.removesuffix(".ipynb")
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in plain)
    if safe == plain != submission and len(safe.encode()) <= 100:
        return safe
    return f"{safe[:60]}-{hashlib.sha256(submission.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def total(record: Record, by_hand: ByHand) -> float:
    """All points of a submission, the marker's among them."""
    return record.points + sum(points or 0.0 for points, _ in _given(record, by_hand).values())


def grades(problem_set: str, records: list[Record], by_hand: ByHand) -> str:
    """A row for every submission: whose, how many points, and why."""
    questions = sets.questions(problem_set)
    rows = [
        ["submission", "student", "points", *(question.name for question in questions), "reason", "notes"]
    ]
    for record in records:
        marks = {mark.question: f"{mark.points:g}" for mark in record.marks}
        by_person = _given(record, by_hand).items()
        marks |= {question: f"{points:g}" for question, (points, _) in by_person if points is not None}
        points = [marks.get(question.name, "") for question in questions]
        shown = [
            record.submission,
            record.student or "",
            f"{total(record, by_hand):g}",
            *points,
            _reason(record),
        ]
        rows.append([*shown, " ".join(record.notes)])
    return _table(rows)


def _reason(record: Record) -> str:
    if any(mark.message == UNGRADED for mark in record.marks):
        return record.reason
    wrong = [f"{mark.question}: {mark.message}" for mark in record.marks if mark.points < mark.possible]
    return f"{record.reason} {' '.join(wrong) or 'All computed answers are right.'}".strip()


def canvas(problem_set: str, records: list[Record], by_hand: ByHand, roster: Roster) -> str:
    """What Canvas imports: a row a student, the best submission of each; nobody who handed in nothing."""
    best: dict[str, Record] = {}
    for record in records:
        who = record.student
        if who and (who not in best or total(record, by_hand) > total(best[who], by_hand)):
            best[who] = record
    possible = sum(question.points for question in sets.questions(problem_set))
    rows = [
        [*CANVAS, f"Problem set: {problem_set}"],
        ["    Points Possible", "", "", "", "", f"{possible:g}"],
    ]
    for who, record in sorted(best.items()):
        row = roster.find(who) or {"Student": who, "SIS User ID": who}
        rows.append([*(row.get(column, "") for column in CANVAS), f"{total(record, by_hand):g}"])
    return _table(rows)


def manual(problem_set: str, records: list[Record], by_hand: ByHand) -> str:
    """The marker's sheet: fill in points and comment, then run the grading again; nothing is lost by that."""
    rows = [["submission", "student", "question", "possible", "points", "comment", "rubric", "written"]]
    graded = {_name(record.submission) for record in records}
    for record in records:
        given = _given(record, by_hand)
        for question in sets.questions(problem_set):
            if question.manual:
                points, comment = given.get(question.name, (None, ""))
                told = [record.submission, record.student or "", question.name, f"{question.points:g}"]
                written = record.prose.get(question.name, "")
                rows.append([*told, _shown(points), comment, question.rubric, written])
    rows += [
        [name, "", question, "", _shown(points), comment, "", "(not in this folder)"]
        for (name, question), (points, comment) in by_hand.items()
        if name not in graded
    ]
    return _table(rows)


def _shown(points: float | None) -> str:
    return "" if points is None else f"{points:g}"


def read_manual(path: Path, problem_set: str | None = None) -> ByHand:
    """The points and comments that the marker has filled in, whatever spreadsheet has saved them.

    Every row must name a submission and a question, one that a person marks if the `problem_set` is known: a
    sheet that was opened with the wrong separator holds pieces of what students wrote as rows of their own.
    """
    if not path.exists():
        return {}
    marked = [q.name for q in sets.questions(problem_set) if q.manual] if problem_set else None
    found: ByHand = {}
    rows: dict[tuple[str, str], int] = {}
    needed = ("submission", "question", "points")
    for number, row in tables.read(path, needed, ("possible", "comment")):
        key = _name(row.get("submission", "")), row.get("question", "")
        place = f"{path}, row {number} ({', '.join(key)[:80]})"
        if not all(key):
            raise SystemExit(
                f"{place}: no submission or question; fill them in, or take the row out. If the spreadsheet "
                "showed everything in one column, note your points, delete the file, grade again, and open the "
                "new one by the spreadsheet's import, with the comma as separator."
            )
        points, comment = row.get("points", ""), _unguarded(row.get("comment", ""))
        if points or comment:
            if marked is not None and key[1] not in marked:
                raise SystemExit(
                    f"{place}: {key[1][:80]!r} is no question that a person marks; those are "
                    f"{', '.join(marked) or 'none'}."
                )
            if key in rows:
                raise SystemExit(f"{place}: row {rows[key]} is for the same; leave one of them.")
            rows[key] = number
            found[key] = (_points(place, points, row.get("possible", "")), comment)
    return found


def _points(place: str, written: str, possible: str) -> float | None:
    """A number of points, with a point or a comma; None if nothing is written."""
    if not written:
        return None
    points, most = _number(written), _number(possible)
    if math.isnan(points):
        raise SystemExit(f"{place}: {written!r} is no number of points; write it as 3.5 or 3,5.")
    if points > most:
        raise SystemExit(
            f"{place}: {written!r} is more than the {possible} points that are possible; mend it."
        )
    return points


def _number(written: str) -> float:
    """A number of at least 0 in the writing of any country; NaN for anything else."""
    plain = written.removeprefix("'").strip()
    return (
        float(plain.replace(",", ".")) if re.fullmatch(r"[0-9]+([.,][0-9]*)?|[.,][0-9]+", plain) else math.nan
    )


def feedback(problem_set: str, record: Record, by_hand: ByHand) -> str:
    """One student's page. It tells neither truths nor hidden inputs."""
    rows = []
    marks, given = {mark.question: mark for mark in record.marks}, _given(record, by_hand)
    for question in sets.questions(problem_set):
        if question.manual:
            points, message = given.get(question.name, (None, ""))
            message = message or ("Not marked yet." if points is None else "")
        else:
            points, message = marks[question.name].points, marks[question.name].message
        shown = f"{'–' if points is None else f'{points:g}'} / {question.points:g}"
        rows.append(
            f'<tr><th scope="row">{escape(question.title)}</th><td class="points">{shown}</td>'
            f"<td>{escape(message)}</td></tr>"
        )
    possible = sum(question.points for question in sets.questions(problem_set))
    trouble = f"<h2>What happened when it ran</h2><pre>{escape(record.reason)}</pre>" if record.reason else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Problem set: {escape(problem_set)}'
        f'</title><meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>Problem set: {escape(problem_set)}</h1><p>{escape(record.student or record.submission)}: "
        f"{total(record, by_hand):g} of {possible:g} points</p>"
        f'<table><thead><tr><th scope="col">Problem</th><th scope="col">Points</th><th scope="col">Why</th></tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table>{trouble}</body></html>\n"
    )


def _table(rows: list[list[str]]) -> str:
    """CSV; what a student wrote and a spreadsheet would run as a formula is kept from it.

    Also one that separates columns by semicolons, and so takes the text after each of them, and each line,
    for a cell.
    """
    text = io.StringIO()
    csv.writer(text).writerows([[_guarded(cell) for cell in row] for row in rows])
    return text.getvalue()


def _guarded(cell: str) -> str:
    cell = _printable(cell)
    number = cell.removeprefix("-").replace(".", "", 1).isdigit()
    return cell if number else FORMULA.sub(r"\1'", cell)


def _printable(text: str) -> str:
    """A text whose blanks are plain, and whose other invisible letters are shown."""
    text = "".join(
        " " if letter.isspace() and letter != "\n" else letter for letter in text.replace("\r\n", "\n")
    )
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)


def _unguarded(cell: str) -> str:
    return GUARDED.sub(r"\1", cell)
