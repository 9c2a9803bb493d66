"""The instructor's commands; ``make`` calls them.

python -m problems.frame build                      student versions and autograders, into _build
python -m problems.frame grade FOLDER [--set NAME] [--roster FILE] [--jobs N]
python -m problems.frame release [--no-site]        the public tree, scanned
"""

import argparse
import sys
from pathlib import Path

import nbformat

from problems.frame import grading, release, report, sets
from problems.frame.sandbox import ROOT

BUILT = ROOT / "_build"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m problems.frame", description="The instructor's commands."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="write student versions and autograders")
    grade = commands.add_parser("grade", help="grade a folder of submissions")
    grade.add_argument("folder", type=Path)
    grade.add_argument("--set", dest="problem_set", choices=sets.names(), help="which problem set it is")
    grade.add_argument("--roster", type=Path, help="the gradebook that Canvas exported")
    grade.add_argument("--jobs", type=int, help="how many at a time")
    public = commands.add_parser("release", help="export the public tree")
    public.add_argument("--no-site", action="store_true", help="leave the built site out")
    options = parser.parse_args(arguments)
    if options.command == "build":
        return build()
    if options.command == "grade":
        return grade_folder(options.folder, options.problem_set or None, options.roster, options.jobs)
    return publish(not options.no_site)


def build() -> int:
    """Write every set's student version and autograder."""
    for name in sets.names():
        student, autograder = BUILT / "problems" / f"{name}.ipynb", BUILT / "autograders" / f"{name}.zip"
        student.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(sets.student_version(name), student)
        sets.write_autograder(name, autograder)
        points = sum(question.points for question in sets.questions(name))
        print(
            f"{name}: {points:g} points. {_told(student)} for students, {_told(autograder)} for the grader."
        )
    return 0


def grade_folder(folder: Path, problem_set: str | None, roster: Path | None, jobs: int | None) -> int:
    """Grade a folder; say where the results are."""
    if not folder.is_dir():
        sys.exit(f"There is no folder {folder}: unpack the submissions, then make grade SUBMISSIONS=folder")
    to = BUILT / "grades" / (problem_set or folder.resolve().name)
    report.read_manual(to / "manual.csv", problem_set)
    records = grading.grade_folder(folder, problem_set, to, roster=roster, jobs=jobs)
    if not records:
        sys.exit(f"There is nothing in {folder} to grade.")
    problem_set = problem_set or grading.set_of(records)
    report.write(problem_set, records, to, roster, say=print)
    print(f"{len(records)} submissions graded. {_told(to / 'grades.csv')} has a row and a reason for each,")
    print(f"{_told(to / 'canvas.csv')} is for Canvas, {_told(to / 'manual.csv')} for the marker;")
    print(f"{_told(to / 'feedback')} has a page for each student.")
    return 0


def publish(site: bool) -> int:
    """Export the public tree and scan it."""
    to = BUILT / "release"
    found = release.release(ROOT, to, site=site)
    if found:
        print("\n".join(found))
        print("The release is not clean: do not publish it.")
        return 1
    print(f"{_told(to)} is the public tree; no solution, hidden test or salt is in it.")
    return 0


def _told(path: Path) -> str:
    return str(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
