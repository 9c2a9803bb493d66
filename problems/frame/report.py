"""What grading leaves behind: a row a submission, a file for Canvas, a sheet for the marker, a page a student."""

import csv
import hashlib
import io
from html import escape
from pathlib import Path

from problems.frame import sets
from problems.frame.grading import Record
from problems.frame.submissions import Roster

CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem;
       color-scheme: light dark; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8886; }
td.points { white-space: nowrap; }
pre { white-space: pre-wrap; }
"""


def write(problem_set: str, records: list[Record], to: Path, roster: Path | None = None) -> list[Path]:
    """Write every file of a grading and return their paths."""
    sheet = to / "manual.csv"
    by_hand = read_manual(sheet)
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
        part.write_text(text, encoding="utf-8", errors="replace", newline="")
        part.replace(path)
    return list(files)


def _page(submission: str) -> str:
    """A file name for a submission's page, with a hash where two could share one or it were too long."""
    plain = submission.replace(".", "_")
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in plain)
    if safe == plain and len(safe) <= 100:
        return safe
    return f"{safe[:60]}-{hashlib.sha256(submission.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def total(record: Record, by_hand: dict[tuple[str, str], tuple[float, str]]) -> float:
    """All points of a submission, the marker's among them."""
    return record.points + sum(
        points for (name, _), (points, _) in by_hand.items() if name == record.submission
    )


def grades(problem_set: str, records: list[Record], by_hand: dict[tuple[str, str], tuple[float, str]]) -> str:
    """A row for every submission: whose, how many points, and why."""
    questions = sets.questions(problem_set)
    rows = [
        ["submission", "student", "points", *(question.name for question in questions), "reason", "notes"]
    ]
    for record in records:
        marks = {mark.question: f"{mark.points:g}" for mark in record.marks}
        marks |= {q: f"{points:g}" for (name, q), (points, _) in by_hand.items() if name == record.submission}
        reason = record.reason or _reason(record)
        points = [marks.get(question.name, "") for question in questions]
        shown = [record.submission, record.student or "", f"{total(record, by_hand):g}", *points, reason]
        rows.append([*shown, " ".join(record.notes)])
    return _table(rows)


def _reason(record: Record) -> str:
    wrong = [f"{mark.question}: {mark.message}" for mark in record.marks if mark.points < mark.possible]
    return " ".join(wrong) or "All computed answers are right."


def canvas(
    problem_set: str, records: list[Record], by_hand: dict[tuple[str, str], tuple[float, str]], roster: Roster
) -> str:
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


def manual(problem_set: str, records: list[Record], by_hand: dict[tuple[str, str], tuple[float, str]]) -> str:
    """The marker's sheet: fill in points and comment, then run the grading again; nothing is lost by that."""
    rows = [["submission", "student", "question", "possible", "points", "comment", "rubric", "written"]]
    graded = {record.submission for record in records}
    for record in records:
        for question in sets.questions(problem_set):
            if question.manual:
                points, comment = by_hand.get((record.submission, question.name), ("", ""))
                told = [record.submission, record.student or "", question.name, f"{question.points:g}"]
                rows.append(
                    [*told, str(points), comment, question.rubric, record.prose.get(question.name, "")]
                )
    rows += [
        [name, "", question, "", f"{points:g}", comment, "", "(not in this folder)"]
        for (name, question), (points, comment) in by_hand.items()
        if name not in graded
    ]
    return _table(rows)


def read_manual(path: Path) -> dict[tuple[str, str], tuple[float, str]]:
    """The points that the marker has filled in, by submission and question."""
    if not path.exists():
        return {}
    found = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            if (row["points"] or "").strip():
                try:
                    points = float(row["points"])
                except ValueError:
                    raise SystemExit(
                        f"{path}, line {line}: {row['points']!r} is no number of points."
                    ) from None
                name = _unguarded(row["submission"])
                found[name, row["question"]] = (points, _unguarded(row["comment"] or ""))
    return found


def feedback(problem_set: str, record: Record, by_hand: dict[tuple[str, str], tuple[float, str]]) -> str:
    """One student's page. It tells neither truths nor hidden inputs."""
    rows = []
    marks = {mark.question: mark for mark in record.marks}
    for question in sets.questions(problem_set):
        if question.manual:
            points, message = by_hand.get((record.submission, question.name), (None, "Not marked yet."))
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
    """CSV; what a student wrote and a spreadsheet would run as a formula is kept from it."""
    text = io.StringIO()
    csv.writer(text).writerows([[_guarded(cell) for cell in row] for row in rows])
    return text.getvalue()


def _guarded(cell: str) -> str:
    cell = "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in cell)
    number = cell.removeprefix("-").replace(".", "", 1).isdigit()
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") and not number else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell
