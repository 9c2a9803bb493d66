"""Evidence: contract, of every problem set, graded as a folder of submissions.

The solution scores full marks for every student, the untouched version nothing, a planted error costs its
question and no other, and another student's numbers are told. RMTLAB_STUDENTS=20 takes twenty random IDs.
"""

import importlib
import random
import re
import zipfile

import nbformat
import pytest

from problems.frame import grading, judging, sets
from problems.frame.sandbox import ROOT
from rmtlab import coursework
from tests.problems.conftest import STUDENTS

# Otter and what it runs warn of their own future.
pytestmark = pytest.mark.filterwarnings("ignore")
IDS = [f"s{number}" for number in random.Random(2026).sample(range(10**6, 10**7), STUDENTS)]


def computed(name):
    return [question for question in sets.questions(name) if not question.manual]


@pytest.fixture(scope="module", params=sets.names())
def graded(request, tmp_path_factory):
    """Every kind of submission of one set, graded: (name of the set, records by name of the file)."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    (folder / "in").mkdir()
    made = {f"{student}_solution": sets.answered(name, student) for student in IDS}
    made[f"{IDS[0]}_untouched"] = sets.untouched(name, IDS[0])
    made |= {f"{IDS[1]}_{q.name}": sets.answered(name, IDS[1], q.name) for q in computed(name)}
    made[f"{IDS[0]}_others"] = sets.answered(name, IDS[1])
    for stem, notebook in made.items():
        nbformat.write(notebook, folder / "in" / f"{stem}.ipynb")
    found = grading.grade_folder(folder / "in", name, folder / "out", jobs=1, say=lambda _: None)
    return name, {record.submission.removesuffix(".ipynb"): record for record in found}


def test_the_solution_scores_full_marks_for_every_student(graded):
    name, records = graded
    full = sum(question.points for question in computed(name))
    for student in IDS:
        record = records[f"{student}_solution"]
        assert (record.points, record.reason, record.notes) == (full, "", []), record


def test_the_untouched_version_runs_and_scores_nothing(graded):
    _, records = graded
    record = records[f"{IDS[0]}_untouched"]
    assert record.points == 0
    assert record.reason == "", "with the stubs in place, every cell must run"
    assert all("Not answered" in mark.message for mark in record.marks), record.marks


def test_a_planted_error_costs_its_question_and_no_other(graded):
    name, records = graded
    for question in computed(name):
        lost = [
            mark.question
            for mark in records[f"{IDS[1]}_{question.name}"].marks
            if mark.points < mark.possible
        ]
        assert lost == [question.name]


def test_another_students_numbers_fail_and_are_told(graded):
    name, records = graded
    record = records[f"{IDS[0]}_others"]
    answers = judging.answers(name)
    for mark in record.marks:
        if any(isinstance(answer, judging.Value) for answer in answers[mark.question].values()):
            assert mark.points == 0, mark
    notes = " ".join(record.notes)
    assert f"draws the numbers of {IDS[1]!r}" in notes
    assert f"right for the numbers of {IDS[1]!r}" in notes


@pytest.mark.parametrize("name", sets.names())
def test_a_set_is_whole(name):
    """Four or five problems, both kinds of marking, a rubric for each derivation, a test for each answer."""
    questions = sets.questions(name)
    answers, module = judging.answers(name), importlib.import_module(f"problems.{name}.grading")
    titles = {match[1] for q in questions if (match := re.match(r"(Problem \d+)", q.title))}
    assert len(titles) in (4, 5)
    assert all(q.rubric and f"({q.points:g} points)" in q.rubric for q in questions if q.manual)
    assert any(q.manual for q in questions)
    assert set(answers) == {q.name for q in computed(name)} == set(module.PLANTED)
    kinds = {type(answer) for named in answers.values() for answer in named.values()}
    assert kinds == {judging.Value, judging.Function}
    source = "\n".join(cell.source for cell in sets.source(name).cells)
    demanded = re.findall(r'demand\("(\w+)", "(\w+)", "(\w+)", env\)', source)
    assert sorted(demanded) == sorted((name, q, answer) for q, named in answers.items() for answer in named)
    every = [answer for named in answers.values() for answer in named]
    assert len(every) == len(set(every)), "answers are looked up by name, so each has its own"


@pytest.mark.parametrize("name", sets.names())
def test_the_instructors_guide_maps_every_problem(name):
    guide = (ROOT / "book" / "teaching" / "guide.md").read_text(encoding="utf-8")
    for question in sets.questions(name):
        number = re.match(r"Problem (\d+)", question.title)[1]
        assert f"| {name} {number} " in guide, f"book/teaching/guide.md has no row for {name} {number}"


@pytest.mark.parametrize("name", sets.names())
def test_the_student_version_says_at_once_whether_an_answer_is_plausible(name):
    code = "\n".join(cell.source for cell in sets.student_version(name).cells if cell.cell_type == "code")
    for question in computed(name):
        for answer in judging.answers(name)[question.name]:
            assert re.search(rf"plausible\(\s*{answer}\b", code), f"{answer} gets no plausible()"


@pytest.mark.parametrize("name", sets.names())
def test_tolerances_tell_students_apart(name):
    """Of one student's true values, no question is right for another of fifty."""
    course = "A course"
    first = coursework.numbers(name, "s0", course=course)
    for question, named in judging.answers(name).items():
        values = {key: answer for key, answer in named.items() if isinstance(answer, judging.Value)}
        shared = 0
        for other in range(1, 6 if STUDENTS < 20 else 51):
            own = coursework.numbers(name, f"s{other}", course=course)
            shared += bool(values) and all(
                judging.judge_value(
                    question, key, own, judging.Answer(numbers=judging.truth(question, key, first))
                ).ok
                for key in values
            )
        assert shared <= 1, f"{question}: {shared} others have the same answer"


def test_the_autograder_is_pinned_and_grades_as_we_do(tmp_path, graded):
    """Otter itself, for one set in a sample: the same points from the same notebook."""
    name, records = graded
    if STUDENTS < 20 and name != sets.names()[0]:
        pytest.skip("one set stands for all in a sample")
    from otter.run import main as otter_run

    archive, notebook = tmp_path / "autograder.zip", tmp_path / f"{IDS[0]}.ipynb"
    sets.write_autograder(name, archive)
    with zipfile.ZipFile(archive) as held:
        environment = held.read("environment.yml").decode()
    needed = re.findall(r"^ +- ([\w.-]+)(==\S+)?$", environment.partition("pip:")[2], re.MULTILINE)
    assert {"torch", "numpy", "otter-grader"} <= {package for package, _ in needed}
    assert all(pin for _, pin in needed)
    nbformat.write(sets.answered(name, IDS[0]), notebook)
    results = otter_run(str(notebook), autograder=str(archive), output_dir=None, no_logo=True)
    assert results.total == records[f"{IDS[0]}_solution"].points
