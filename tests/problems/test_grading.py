"""Evidence: contract. No submission is lost, none does harm, and grading goes on where it stopped."""

import csv
import shutil
from pathlib import Path

import pytest

from problems.frame import grading, report, sets
from problems.frame.sandbox import Limits
from problems.frame.submissions import Roster, Submission
from tests.problems import hostile

pytestmark = pytest.mark.filterwarnings("ignore")
LIMITS = Limits(seconds=90, cell_seconds=15, memory=2**29, grace=3)
BRIEF = Limits(seconds=12, cell_seconds=2, memory=2**29, grace=3)
FULL = sum(question.points for question in sets.questions(hostile.NAME) if not question.manual)


def quiet(_):
    pass


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Every hostile submission, graded once: (cases, home, rows of grades.csv, victim).

    What never ends is in a folder of its own, with little time; the others have more than they need.
    """
    home = tmp_path_factory.mktemp("hostile")
    victim = home / "victim"
    for folder in (home / "in", home / "endless", victim):
        folder.mkdir()
    (victim / "thesis.txt").write_text("ten years of work")
    cases = hostile.cases(victim)
    for name, content, points, fragment in cases:
        endless = points == 0 and fragment == "time was over"
        (home / ("endless" if endless else "in") / name).write_bytes(content)
    (home / "in" / "link.ipynb").symlink_to(victim / "thesis.txt")
    records = [
        record
        for folder, limits in (("in", LIMITS), ("endless", BRIEF))
        for record in grading.grade_folder(
            home / folder, hostile.NAME, home / "out", limits=limits, jobs=2, say=quiet
        )
    ]
    report.write(hostile.NAME, records, home / "out")
    return cases, home, rows(home / "out" / "grades.csv"), victim


def test_each_of_more_than_thirty_gets_its_row_and_its_reason(graded):
    cases, _, found, _ = graded
    by_name = {row["submission"]: row for row in found}
    assert len(found) == len(cases) + 1 > 30
    assert by_name["link.ipynb"]["reason"].startswith("It is a link")
    for name, _, points, fragment in cases:
        row = by_name[name]
        assert row["reason"][:1].isupper(), (name, row)
        assert row["reason"].endswith((".", ")")), (name, row)
        assert fragment in f"{row['reason']} {row['notes']}", (name, row)
        assert float(row["points"]) == (FULL if points is None else points), (name, row)


def test_errors_do_not_tell_the_hidden_inputs(tmp_path):
    (tmp_path / "in").mkdir()
    telling = hostile.notebook("def variance_map(*a):\n    raise ValueError(repr(a))")
    (tmp_path / "in" / "s1000001.ipynb").write_bytes(telling)
    (record,) = grading.grade_folder(
        tmp_path / "in", hostile.NAME, tmp_path / "out", limits=LIMITS, say=quiet
    )
    message = next(mark.message for mark in record.marks if mark.question == "variance_map")
    assert "raised ValueError" in message
    assert "(" not in message


def test_prose_stands_under_its_question():
    """A new cell below an untouched placeholder, and words put into a prompt, belong to that problem."""
    prompts = grading._prompts(hostile.NAME)
    manual = [question for question in sets.questions(hostile.NAME) if question.manual]
    handed_out = [(cell.cell_type, cell.source) for cell in sets.student_version(hostile.NAME).cells]
    assert grading.prose(prompts, Submission(Path(), "x", handed_out)) == {}
    for question in manual:
        first = next(i for i, (_, source) in enumerate(handed_out) if f"# {question.title}" in source)
        placeholder = next(i for i in range(first, len(handed_out)) if "Type your answer" in handed_out[i][1])
        below = [*handed_out[: placeholder + 1], ("markdown", "my words"), *handed_out[placeholder + 1 :]]
        assert grading.prose(prompts, Submission(Path(), "x", below)) == {question.name: "my words"}
        kind, source = handed_out[first]
        inside = [*handed_out[:first], (kind, f"{source} my words"), *handed_out[first + 1 :]]
        assert grading.prose(prompts, Submission(Path(), "x", inside))[question.name].endswith("my words")


def test_nothing_was_harmed(graded):
    cases, home, _, victim = graded
    assert (victim / "thesis.txt").read_text() == "ten years of work"
    left = {path.name: path for folder in ("in", "endless") for path in (home / folder).iterdir()}
    assert set(left) == {name for name, *_ in cases} | {"link.ipynb"}
    assert all(left[name].read_bytes() == content for name, content, *_ in cases)
    assert (sets.source_path(hostile.NAME)).exists()


def test_without_namespaces_the_hook_and_the_limits_hold(graded, tmp_path):
    """As on a system that has none: the same deeds are refused."""
    _, home, _, victim = graded
    (tmp_path / "in").mkdir()
    for number in (23, 26, 28, 29, 30, 31, 32, 34, 35, 39):
        for path in home.glob(f"*/s10000{number}_*"):
            shutil.copy(path, tmp_path / "in")
    records = grading.grade_folder(
        tmp_path / "in", hostile.NAME, tmp_path / "out", limits=BRIEF, jobs=1, isolate=False, say=quiet
    )
    assert len(records) == 10
    assert all(record.points == 0 and record.reason for record in records)
    assert (victim / "thesis.txt").exists()


@pytest.fixture
def three(tmp_path):
    folder = tmp_path / "in"
    (folder / "late").mkdir(parents=True)
    (folder / "doejane_501_77_s1000001.ipynb").write_bytes(hostile.right("s1000001"))
    (folder / "roerick_LATE_502_78_signal.ipynb").write_bytes(hostile.right("s1000002"))
    (folder / "late" / "loop.ipynb").write_bytes(hostile.notebook("1/0", student="s1000003"))
    return folder


ROSTER = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Final (9)\n    Points Possible,,,,,10\n"
    '"Doe, Jane",501,S1000001,jane,A,\n"Roe, Rick",502,S1000002,rick,A,\n"Moe, Max",503,S1000003,max,B,\n'
)


def test_grading_goes_on_where_it_stopped_and_keeps_the_markers_points(three, tmp_path):
    roster, out = tmp_path / "roster.csv", tmp_path / "out"
    roster.write_text(ROSTER)

    def interrupt(text):
        if text.startswith("[1/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grading.grade_folder(three, None, out, roster=roster, jobs=1, limits=LIMITS, say=interrupt)
    told = []
    records = grading.grade_folder(three, None, out, roster=roster, jobs=1, limits=LIMITS, say=told.append)
    assert "were graded before" in told[0]
    report.write(hostile.NAME, records, out, roster)
    sheet = rows(out / "manual.csv")
    sheet[0] |= {"points": "3.5", "comment": "=nice"}
    with (out / "manual.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, sheet[0])
        writer.writeheader()
        writer.writerows(sheet)
    again = grading.grade_folder(three, None, out, roster=roster, limits=LIMITS, say=quiet)
    report.write(hostile.NAME, again, out, roster)
    assert rows(out / "manual.csv")[0]["points"] == "3.5"
    report.write(hostile.NAME, again[1:], out, roster)
    assert [
        row["points"] for row in rows(out / "manual.csv") if row["submission"] == again[0].submission
    ] == ["3.5"]
    report.write(hostile.NAME, again, out, roster)
    found = {row["student"]: row for row in rows(out / "grades.csv")}
    assert float(found["s1000001"]["points"]) == FULL + 3.5
    canvas = rows(out / "canvas.csv")
    assert list(canvas[0])[:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert canvas[0]["Student"].strip() == "Points Possible"
    assert [(row["ID"], row["Student"]) for row in canvas[1:]] == [
        ("501", "Doe, Jane"),
        ("502", "Roe, Rick"),
        ("503", "Moe, Max"),
    ]
    pages = list((out / "feedback").glob("*.html"))
    assert len(pages) == 3
    assert any("ZeroDivisionError" in page.read_text() for page in pages)


def test_a_roster_knows_a_student_by_any_id(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER, encoding="utf-8-sig")
    roster = Roster(path)
    for known in ("501", "s1000001", " S1000001", "JANE"):
        assert roster.student(roster.find(known)) == "s1000001"
    assert roster.find("nobody") is None
    path.write_text("ID,b\n,2\n")
    with pytest.raises(SystemExit, match="names no student"):
        Roster(path)
