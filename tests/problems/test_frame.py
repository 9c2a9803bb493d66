"""Evidence: contract. Any name of a course, whose a submission is, pictures, and messages a student can act on."""

import ast
import json
from pathlib import Path

import nbformat
import numpy as np
import pytest

from problems.frame import grading, judging, sandbox, sets, settings
from problems.frame.judging import Value
from problems.frame.sandbox import Answer
from problems.frame.submissions import Roster, Submission, collect
from rmtlab.coursework import numbers

pytestmark = pytest.mark.filterwarnings("ignore")
NAME = "signal"
COURSE = 'The "best" \\course\\ \'of\' {all}, 50 % \\n, größer — ∞ "COURSE NAME"'


@pytest.fixture
def named(monkeypatch):
    """A course whose name has everything in it that could break a notebook."""
    kept = (sets.source, sets.student_version)
    monkeypatch.setattr(settings, "course", lambda: COURSE)
    for function in kept:
        function.cache_clear()
    yield
    for function in kept:
        function.cache_clear()


def test_any_name_of_a_course_reaches_the_students_as_it_is(named, tmp_path):
    """The name is an assignment's value in the notebook that Otter makes, also after a trip through a file."""
    nbformat.write(sets.student_version(NAME), tmp_path / "made.ipynb")
    made = nbformat.read(tmp_path / "made.ipynb", as_version=4)
    nbformat.validate(made)
    (cell,) = [cell.source for cell in made.cells if "COURSE =" in cell.source]
    found = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(cell).body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
    }
    assert found["COURSE"] == COURSE
    (solution,) = [cell for cell in sets.solution_cells(NAME) if "COURSE =" in cell]
    assert json.dumps(COURSE, ensure_ascii=False) in solution


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'course = "The "best" course"', "single quotes"),
        (b'course = "C:\\users"', "single quotes"),
        ("course = 'Grüße'".encode("cp1252"), "UTF-8"),
        (b"course = ' '", "names no course"),
        (b"name = 'x'", "names no course"),
        (b"course = 'x'\nid_is_email = 'false'", "true or false, without quotes"),
    ],
)
def test_a_broken_course_file_is_refused_in_a_sentence(text, told, monkeypatch, tmp_path):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "course.toml").write_bytes(text)
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match=told):
        settings._settings.__wrapped__()


def test_a_course_file_may_begin_with_the_mark_of_utf_8(monkeypatch, tmp_path):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "course.toml").write_bytes("\ufeffcourse = 'The \"best\"'".encode())
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    assert settings._settings.__wrapped__()["course"] == 'The "best"'


@pytest.mark.parametrize(
    ("users", "emails", "student", "refused"),
    [
        ([{"email": "jane@x.edu", "sid": "S1000001"}], False, "s 1000001", False),
        ([{"email": "jane@x.edu", "sid": "S1000001"}], False, "jane@x.edu", False),
        ([{"email": "jane@x.edu", "sid": "S1000001"}], True, "jane", False),
        ([{"email": "s1000002@x.edu", "sid": "S1000001"}], False, "s1000002", True),
        ([{"email": "jane@x.edu", "sid": "S1000001"}], False, "s1000002", True),
        ([{"sid": "1"}, {"sid": "2"}], False, "2", False),
        ([{"email": "jane@x.edu", "id": 7}], False, "s1000002", False),
        ([{"email": "jane@x.edu", "id": 7}], True, "s1000002", True),
        ([{"email": "jane@x.edu", "id": 7}], True, "Jane@x.edu", False),
        ([], True, "s1000002", False),
        ("none", True, "s1000002", False),
        (None, True, "s1000002", False),
    ],
)
def test_gradescope_is_asked_whose_a_submission_is(users, emails, student, refused, monkeypatch, tmp_path):
    metadata = tmp_path / "submission_metadata.json"
    if users is not None:
        metadata.write_text(json.dumps({"users": users}))
    monkeypatch.setattr(judging, "METADATA", metadata)
    monkeypatch.setattr(settings, "id_is_email", lambda: emails)
    question, name, wanted = first_value()
    own = numbers(NAME, student, course=settings.course())
    world = {"STUDENT_ID": student, name: wanted.truth(own)}
    if refused:
        with pytest.raises(AssertionError, match=r"Gradescope has it from .*STUDENT_ID"):
            judging.demand(NAME, question, name, world)
    else:
        judging.demand(NAME, question, name, world)


def first_value():
    return next(
        (question, name, answer)
        for question, named in judging.answers(NAME).items()
        for name, answer in named.items()
        if isinstance(answer, Value)
    )


@pytest.mark.parametrize("student", [None, "", 1000001, ...])
def test_the_autograder_says_that_an_id_is_missing(student):
    question, name, _ = first_value()
    with pytest.raises(AssertionError, match="no STUDENT_ID: write yours"):
        judging.demand(NAME, question, name, {"STUDENT_ID": student, name: 1.0})


def test_every_message_on_an_answer_tells_what_to_do():
    question, name, wanted = first_value()
    own = numbers(NAME, "s1", course=settings.course())
    truth = judging.truth(question, name, own)
    slack = judging.tolerance_of(wanted, own, truth)
    cases = {
        "nothing has been put into it": Answer(missing=True),
        "leave out the quotes": Answer(text="one"),
        "is of type list, but a real number": Answer.decoded({"type": "list"}),
        "an array of shape (3,), but a single number is asked for": Answer(numbers=np.zeros(3)),
        "look for a division by zero": Answer(numbers=np.array(np.nan)),
        "near, but not within the tolerance": Answer(numbers=truth + 2 * slack),
        "far outside the tolerance": Answer(numbers=truth + 100 * slack + 100),
    }
    for told, given in cases.items():
        found = judging.judge_value(question, name, own, given)
        assert not found.ok
        assert told in found.message
        assert found.message[0].isupper()
        assert found.message.endswith(".")


def test_a_failing_cell_is_told_by_its_place_and_its_first_line():
    cells = [("markdown", "# Title"), ("code", "x = 1"), ("markdown", "more"), ("code", "\n  y = 1/0\nz = 2")]
    run = sandbox.Run(errors={1: "ZeroDivisionError: division by zero"}, ended="finished")
    told = grading._story(run, Submission(Path(), "x", cells))
    assert told == "Cell 4 from the top ('y = 1/0') failed: ZeroDivisionError: division by zero."


def handed_in(folder, *cells):
    (folder / "s1000001.ipynb").write_text(json.dumps({"nbformat": 4, "cells": list(cells)}))
    (submission,) = collect(folder, Roster())
    return submission


def test_the_sheet_tells_where_pictures_are(tmp_path):
    """Attached, inline, and named but not handed in; whatever stands in them, the sheet holds none of it."""
    prompts = grading._prompts(NAME)
    question = next(question for question in sets.questions(NAME) if question.manual)
    image = {"image/png": "iVBORw0KGgo="}
    text = "![page](attachment:page%201.jpg) ![lost](scan.png) <img src='data:image/png;base64,iVBORw0KGgo='>"
    submission = handed_in(
        tmp_path,
        {"cell_type": "code", "source": "x = 1"},
        {"cell_type": "markdown", "source": f"## {question.title}"},
        {"cell_type": "markdown", "source": text, "attachments": {"page 1.jpg": image}},
    )
    written = grading.prose(prompts, submission)[question.name]
    for what in ("a picture, 'page 1.jpg',", "a picture", "a picture that was not handed in, 'scan.png',"):
        assert f"{what} in cell 3 from the top of s1000001.ipynb: look there." in written
    assert "iVBOR" not in written


def test_a_picture_in_an_untouched_cell_is_told(tmp_path):
    prompts = grading._prompts(NAME)
    question = next(question for question in sets.questions(NAME) if question.manual)
    cells = [dict(cell) for cell in json.loads(nbformat.writes(sets.student_version(NAME)))["cells"]]
    place = next(i for i, cell in enumerate(cells) if question.title in "".join(cell["source"]))
    cells[place]["attachments"] = {"IMG_1.heic": {"image/heic": "AAAA"}}
    found = grading.prose(prompts, handed_in(tmp_path, *cells))
    assert list(found) == [question.name]
    assert f"'IMG_1.heic', in cell {place + 1} from the top" in found[question.name]


def test_what_stands_elsewhere_is_told_where_nothing_is_written(tmp_path):
    """A derivation in a code cell, in a raw cell, or below the last problem."""
    prompts = grading._prompts(NAME)
    first, *others = [question for question in sets.questions(NAME) if question.manual]
    computed = next(question for question in sets.questions(NAME) if not question.manual)
    submission = handed_in(
        tmp_path,
        {"cell_type": "markdown", "source": f"## {first.title}"},
        {"cell_type": "code", "source": "# by parts\n1 + 1"},
        {"cell_type": "raw", "source": "hence"},
        {"cell_type": "markdown", "source": f"## {computed.title}"},
        {"cell_type": "code", "source": "y = 2"},
        {"cell_type": "markdown", "source": "![all](attachment:all.png)", "attachments": {"all.png": {}}},
    )
    found = grading.prose(prompts, submission)
    assert "[Code, cell 2 from the top]\n# by parts" in found[first.name]
    assert "hence" in found[first.name]
    assert "y = 2" not in "".join(found.values())
    assert others
    for question in others:
        assert "elsewhere in s1000001.ipynb: cells 4, 6." in found[question.name]


@pytest.mark.parametrize("attachments", [3, ["a"], {"x" * 500: None}, {"\ud800": {}}, None])
def test_odd_attachments_lose_no_submission(attachments, tmp_path):
    submission = handed_in(
        tmp_path,
        {"cell_type": "markdown", "source": "![" * 50_000, "attachments": attachments},
        {"cell_type": "code", "source": "x = 1"},
    )
    assert submission.trouble == ""


@pytest.mark.parametrize("name", ["submission_31415926/signal.ipynb", "doejane_501_77_signal.ipynb"])
def test_the_numbers_of_a_platform_are_nobodys_id(name, tmp_path):
    code = 'STUDENT_ID = "s1000001"\nown = rl.coursework.numbers("signal", STUDENT_ID, course=COURSE)'
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": code}]}))
    (submission,) = collect(tmp_path, Roster())
    assert submission.owner == "s1000001"
    assert "the notebook's ID was taken" in submission.notes[0]


@pytest.mark.parametrize("name", ["submission_31415926/signal.ipynb", "doejane_501234_7712345_signal.ipynb"])
def test_who_names_no_id_is_not_taken_for_the_number_of_a_platform(name, tmp_path):
    code = 'STUDENT_ID = "0000"\nown = rl.coursework.numbers("signal", STUDENT_ID, course=COURSE)'
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": code}]}))
    (submission,) = collect(tmp_path, Roster())
    assert submission.owner is None


@pytest.mark.parametrize("name", ["submission_31415926/s1000002.ipynb", "doejane_501_77_s1000002.ipynb"])
@pytest.mark.parametrize("roster", ["", "Student,ID,SIS User ID\nRoe,9,s1000002\nMoe,31415926,77\n"])
def test_a_name_that_a_student_chose_on_a_platform_tells_nobodys_id(name, roster, tmp_path):
    """Who hands in a friend's notebook and names the file after the friend is told of, too."""
    code = 'STUDENT_ID = "s1000002"\nown = rl.coursework.numbers("signal", STUDENT_ID, course=COURSE)'
    path = tmp_path / "in" / name
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": code}]}))
    (tmp_path / "roster.csv").write_text(roster)
    (submission,) = collect(tmp_path / "in", Roster(tmp_path / "roster.csv" if roster else None))
    assert submission.owner == "s1000002"
    assert "the notebook's" in submission.notes[0]


def test_the_example_is_nobodys_id(tmp_path):
    code = 'STUDENT_ID = "0000"  # your ID\nown = rl.coursework.numbers("signal", STUDENT_ID, course=COURSE)'
    (tmp_path / "signal.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": code}]}))
    (submission,) = collect(tmp_path, Roster())
    assert submission.owner is None


def test_no_submission_finds_in_the_frames_below_its_own_what_another_handed_in():
    cell = """
import base64, struct, sys
theirs = base64.b64encode(struct.pack("<d", 42.0))
frame, names, found = sys._getframe(), [], 0.0
while frame is not None:
    names.append(frame.f_code.co_name)
    found += sum(theirs in held for held in frame.f_locals.values() if type(held) is bytes and held != theirs)
    frame = frame.f_back
depth = float(names.index("serve"))
"""
    limits = sandbox.Limits(seconds=90, cell_seconds=15, memory=2**29, grace=3)
    with sandbox.Sandbox(limits, [sandbox.ROOT / "problems"]) as box:
        assert box.run(["mine = 42.0"], ["mine"], {}).values["mine"].numbers == 42
        run = box.run([cell], ["depth", "found"], {})
    assert run.errors == {}
    assert run.values["depth"].numbers > 1
    assert run.values["found"].numbers == 0
