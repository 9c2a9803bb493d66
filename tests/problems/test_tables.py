"""Evidence: contract. What any spreadsheet has saved is read, or refused in a sentence; nothing is lost."""

import csv
import io
import re
import unicodedata

import pytest

from problems.frame import report, sets
from problems.frame.grading import Mark, Record
from problems.frame.submissions import Roster

NAME = "signal"
MANUAL = next(question for question in sets.questions(NAME) if question.manual)
SPREADSHEETS = {
    "plain": (",", "utf-8"),
    "with a mark": (",", "utf-8-sig"),
    "semicolons": (";", "utf-8-sig"),
    "Windows' letters": (";", "cp1252"),
    "Unicode text": ("\t", "utf-16"),
    "tabs": ("\t", "utf-8"),
}


def table(rows, separator=",", ends="\r\n"):
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=ends).writerows(rows)
    return text.getvalue()


def sheet(*rows):
    """A marker's sheet of these (submission, points, comment)."""
    head = ["submission", "student", "question", "possible", "points", "comment", "rubric", "written"]
    return [head] + [
        [name, "s1", MANUAL.name, f"{MANUAL.points:g}", points, comment, "1 for …", 'a, "b"; c\nd']
        for name, points, comment in rows
    ]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("how", SPREADSHEETS)
def test_a_sheet_is_read_from_any_spreadsheet(how, ends, tmp_path):
    separator, encoding = SPREADSHEETS[how]
    path = tmp_path / "manual.csv"
    rows = sheet(("Müller.ipynb", "3,5", "très bien; or, not"), ("b.ipynb", "", ""), ("c.ipynb", " 2 ", ""))
    path.write_bytes(table([*rows, [""] * 8], separator, ends).encode(encoding))
    assert report.read_manual(path) == {
        ("Müller.ipynb", MANUAL.name): (3.5, "très bien; or, not"),
        ("c.ipynb", MANUAL.name): (2.0, ""),
    }


@pytest.mark.parametrize("how", SPREADSHEETS)
def test_a_gradebook_is_read_from_any_spreadsheet(how, tmp_path):
    separator, encoding = SPREADSHEETS[how]
    path = tmp_path / "roster.csv"
    rows = [
        ["Student", "id ", "SIS User ID", "SIS Login ID", "Section"],
        ["    Points Possible", "", "", "", ""],
        ["Müller, Jörg", "501", "S1000001", "joerg", "A"],
    ]
    path.write_bytes(table(rows, separator).encode(encoding))
    roster = Roster(path)
    assert roster.students() == ["s1000001"]
    assert roster.find("joerg")["Student"] == "Müller, Jörg"


def test_a_line_that_names_the_separator_is_passed_over(tmp_path):
    path = tmp_path / "manual.csv"
    path.write_text("sep=;\r\n" + table(sheet(("a.ipynb", "1", "")), ";"))
    assert report.read_manual(path) == {("a.ipynb", MANUAL.name): (1.0, "")}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            table(sheet(("a.ipynb", "03. May", ""))).encode(),
            "row 2 .a.ipynb, .*'03. May' is no number of points",
        ),
        (table(sheet(("a.ipynb", "1", ""), ("b.ipynb", "nan", ""))).encode(), "row 3 .*no number of points"),
        (table(sheet(("a.ipynb", "-1", ""))).encode(), "no number of points"),
        (table(sheet(("a.ipynb", "35", ""))).encode(), "'35' is more than the"),
        (table(sheet(("a.ipynb", "1", ""), ("a.ipynb", "2", ""))).encode(), "row 3 .*row 2 is for the same"),
        (table(sheet(("", "1", ""))).encode(), "row 2 .*no submission or question"),
        (table([[line] for line in table(sheet(("a.ipynb", "1", ""))).splitlines()]).encode(), "one column"),
        (
            table([*sheet(), ["checked by A. B."]]).encode(),
            "row 2 .checked by A. B.*no submission or question",
        ),
        (
            table(sheet(("a.ipynb", "?", ""))).replace("?", "3,5").encode(),
            "row 2: there is text beyond the last column",
        ),
        (b"submission,question,points,Points\na.ipynb,q,1,2\n", "has 2 columns 'points': leave one"),
        (b"", "must name the columns, 'submission' and 'question' and 'points'"),
        (b"PK\x03\x04 and so on", "is a workbook.*save it as CSV"),
        (b"submission,\x81\xff", "letters cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(written, told, tmp_path):
    path = tmp_path / "manual.csv"
    path.write_bytes(written)
    with pytest.raises(SystemExit, match=told) as refused:
        report.read_manual(path)
    assert str(path) in str(refused.value)
    assert str(refused.value).endswith(".")


def test_points_for_what_no_person_marks_are_refused(tmp_path):
    """They would be added to the total, and be gone from the sheet that is written next."""
    computed = next(question for question in sets.questions(NAME) if not question.manual)
    for question in ("misspelt", computed.name):
        rows = [[cell.replace(MANUAL.name, question) for cell in row] for row in sheet(("a.ipynb", "1", ""))]
        (tmp_path / "manual.csv").write_text(table(rows))
        with pytest.raises(SystemExit, match=f"row 2 .*{question!r} is no question.*{MANUAL.name}"):
            report.write(NAME, [record("a.ipynb")], tmp_path)


def test_what_a_student_wrote_gives_no_points_where_semicolons_separate(tmp_path):
    """Such a spreadsheet shows each line of the sheet in one cell, and saves it so."""
    handed_in = record("a.ipynb")
    handed_in.prose = {MANUAL.name: f"by parts\nb.ipynb,s2,{MANUAL.name},4,4,very good\nhence"}
    lines = report.manual(NAME, [handed_in], {}).replace("\r\n", "\n").splitlines()
    (tmp_path / "manual.csv").write_text(table([[line] for line in lines], ";"))
    with pytest.raises(SystemExit, match=r"row 2 .*in one column.*by the spreadsheet's import"):
        report.read_manual(tmp_path / "manual.csv")


def test_no_formula_reaches_a_spreadsheet_whatever_it_takes_for_a_cell():
    """Where semicolons separate, lines and what follows a semicolon are cells; and all of it comes back."""
    written = ["=1", 'a;=1;b\n+c\n; "@d', "- a list\n- of two", "\uff1d1", "-3x", " =1"]
    text = report._table([[cell, "-3.5", "a - b; c"] for cell in written])
    for cell in re.split(r"[;,\n]", text):
        assert re.fullmatch(r"-[0-9.]+", cell.strip()) or cell.strip(' "')[:1] not in {*"=+-@\uff1d"}, cell
    held = [row[0] for row in csv.reader(io.StringIO(text, newline=""))]
    assert [report._unguarded(cell) for cell in held] == written


def test_every_submission_has_a_page_of_its_own(tmp_path):
    names = ["s1.v2.ipynb", "s1_v2.ipynb", "s1_v2", "s1_v2_ipynb", "a/s1_v2.ipynb", "\u5b66" * 83 + ".ipynb"]
    pages = [p for p in report.write(NAME, list(map(record, names)), tmp_path) if p.suffix == ".html"]
    assert len(set(pages)) == len(names)
    assert all(page.exists() for page in pages)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Student,ID\nA,1.00001E+06\n", "row 2: '1.00001E.06' was an ID before a spreadsheet rounded it"),
        ("Student,ID\nA,501\nB, 5 01\n", "rows 2 and 3 have the same 'ID'"),
        ("Student,Number\nA,501\n", "must name the columns, 'ID'"),
    ],
)
def test_a_spoilt_gradebook_is_refused_in_a_sentence(written, told, tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text(written)
    with pytest.raises(SystemExit, match=told):
        Roster(path)
    with pytest.raises(SystemExit, match="cannot be read"):
        Roster(tmp_path / "none.csv")


def test_a_number_that_two_students_have_is_the_one_whose_numbers_are_drawn_from_it(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text("Student,ID,SIS User ID\nA,9,501\nB,501,77\nC,77,88\n")
    roster = Roster(path)
    assert [roster.find(known)["Student"] for known in ("501", "77", "88", "9")] == ["A", "B", "C", "A"]


def record(name, student="s1"):
    marks = [Mark(q.name, 0.0, q.points, "Not answered.") for q in sets.questions(NAME) if not q.manual]
    return Record(name, student, student, marks, problem_set=NAME)


def test_points_find_their_submission_whatever_a_spreadsheet_does_to_its_name(tmp_path):
    """Blanks that don't break, accents in two pieces, and a name that looks like a formula."""
    names = [
        "a\xa0b (1).ipynb",
        unicodedata.normalize("NFD", "Müller.ipynb"),
        "=sum.ipynb",
        " =sum;=1.ipynb",
        "tab\there.ipynb",
    ]
    records = [record(name) for name in names]
    report.write(NAME, records, tmp_path)
    path = tmp_path / "manual.csv"
    held = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    for row in held:
        row["points"] = "1,5"
    rows = [list(held[0]), *(list(row.values()) for row in held)]
    path.write_bytes(unicodedata.normalize("NFC", table(rows, ";")).encode("cp1252", "replace"))
    told = []
    report.write(NAME, records, tmp_path, say=told.append)
    assert told == []
    of_person = sum(question.manual for question in sets.questions(NAME))
    by_hand = report.read_manual(path)
    assert [report.total(held, by_hand) for held in records] == [1.5 * of_person] * len(names)


def test_comments_outlive_a_second_grading_and_the_markers_own_file_is_kept(tmp_path):
    report.write(NAME, [record("a.ipynb")], tmp_path)
    path = tmp_path / "manual.csv"
    written = table(sheet(("a.ipynb", "", "see page 3"), ("gone.ipynb", "1", "")), ";").encode(
        "cp1252", "replace"
    )
    path.write_bytes(written)
    (tmp_path / "manual.xlsx").write_bytes(b"")
    told = []
    report.write(NAME, [record("a.ipynb")], tmp_path, say=told.append)
    assert (tmp_path / "manual.before.csv").read_bytes() == written
    assert "not in this folder; they are kept: gone.ipynb" in told[0]
    assert "manual.xlsx is not read" in told[1]
    assert report.read_manual(path) == {
        ("a.ipynb", MANUAL.name): (None, "see page 3"),
        ("gone.ipynb", MANUAL.name): (1.0, ""),
    }
    assert "see page 3" in (tmp_path / "feedback").glob("*.html").__next__().read_text()


def test_excel_is_told_that_the_sheet_is_utf_8_and_canvas_needs_no_mark(tmp_path):
    report.write(NAME, [record("a.ipynb")], tmp_path)
    for name, marked in (("manual.csv", True), ("grades.csv", True), ("canvas.csv", False)):
        assert (tmp_path / name).read_bytes().startswith(b"\xef\xbb\xbf") == marked
