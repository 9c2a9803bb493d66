"""Grade a folder of submissions: in parallel, each in the sandbox, resumed where it stopped."""

import contextlib
import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from problems.frame import judging, sets, settings
from problems.frame.judging import Finding, Value
from problems.frame.sandbox import ROOT, Limits, Run, Sandbox
from problems.frame.submissions import INLINE, Roster, Submission, collect, normal
from rmtlab.coursework import numbers

FAILED = "The grader failed on it"
UNGRADED = "Not graded."


@dataclass
class Mark:
    """What one question got, and why."""

    question: str
    points: float
    possible: float
    message: str


@dataclass
class Record:
    """Everything that is kept of one submission.

    ``reason`` is empty where there is nothing to say; ``given`` holds the values that were handed in, so that
    they can be compared with other students' truths.
    """

    submission: str
    student: str | None
    claimed: str | None
    marks: list[Mark] = field(default_factory=list)
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    prose: dict[str, str] = field(default_factory=dict)
    given: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    problem_set: str = ""

    @property
    def points(self) -> float:
        """The sum over the questions that are graded by computation."""
        return sum(mark.points for mark in self.marks)

    @classmethod
    def read(cls, text: str) -> "Record":
        """A record from the JSON text that it was kept as."""
        held = json.loads(text)
        return cls(**{**held, "marks": [Mark(**mark) for mark in held["marks"]]})

    def text(self) -> str:
        """The record as JSON."""
        return json.dumps(asdict(self), indent=1)


def grade_folder(
    folder: Path,
    problem_set: str | None,
    to: Path,
    *,
    roster: Path | None = None,
    jobs: int | None = None,
    limits: Limits | None = None,
    isolate: bool = True,
    say: Any = print,
) -> list[Record]:
    """Grade every file of a folder and return a record for each; what was graded before is not graded again."""
    known = Roster(roster)
    found = collect(folder, known)
    problem_set = problem_set or _the_set(found)
    store = to / "records"
    store.mkdir(parents=True, exist_ok=True)
    limits = limits or settings.limits()
    worker = _Worker(problem_set, limits, _private(folder, to), isolate)
    version = _version(problem_set, limits)
    records: dict[str, Record] = {}
    waiting = []
    for submission in found:
        key = hashlib.sha256(
            f"{version}\0{submission.name}\0{submission.owner}\0{_digest(submission.path)}".encode(
                "utf-8", "surrogatepass"
            )
        )
        kept = store / f"{key.hexdigest()[:32]}.json"
        if kept.exists():
            records[submission.name] = Record.read(kept.read_text(encoding="utf-8"))
        else:
            waiting.append((submission, kept))
    if records:
        say(f"{len(records)} of {len(found)} were graded before.")
    try:
        with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
            for done, record in enumerate(pool.map(lambda pair: _kept(worker, *pair), waiting), 1):
                records[record.submission] = record
                say(
                    f"[{done}/{len(waiting)}] {record.submission}: {record.points:g} {record.reason}".rstrip()
                )
    finally:
        worker.close()
    if not worker.alone and waiting and isolate:
        say(
            "This system gives submissions no namespaces of their own: limits and the audit hook alone hold them."
        )
    ordered = [records[submission.name] for submission in found]
    _whose(problem_set, ordered, known)
    return ordered


def _private(folder: Path, to: Path) -> list[Path]:
    """The folders that no submission may see, none inside another: truths, histories, sockets, the marker's own."""
    needed = [ROOT, *map(Path, sys.path), Path(sys.prefix), Path(sys.base_prefix)]
    own = [ROOT / "problems", ROOT / "tests" / "problems", ROOT / ".git", ROOT / "_build", Path("/run")]
    with contextlib.suppress(OSError, RuntimeError):
        own += [
            part
            for part in Path.home().iterdir()
            if part.is_dir()
            and not part.is_symlink()
            and not any(path.is_relative_to(part) for path in needed)
        ]
    own += [copy for path in sys.path if (copy := Path(path).resolve() / "problems").is_dir()]
    every = list(dict.fromkeys([*own, folder.resolve(), to.resolve()]))
    return [
        path for path in every if not any(path != other and path.is_relative_to(other) for other in every)
    ]


def _kept(worker: "_Worker", submission: Submission, path: Path) -> Record:
    """Grade a submission and keep the record, unless the grader itself failed."""
    record = worker.grade(submission)
    if not record.reason.startswith(FAILED):
        _keep(path, record)
    return record


def _keep(path: Path, record: Record) -> None:
    """Write a record whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(record.text(), encoding="utf-8")
    part.replace(path)


class _Worker:
    """Grades submissions, with a nursery for each thread that asks."""

    def __init__(self, problem_set: str, limits: Limits, hidden: Sequence[Path], isolate: bool) -> None:
        self._set, self._limits, self._hidden, self._isolate = problem_set, limits, hidden, isolate
        self._own = threading.local()
        self._boxes: list[Sandbox] = []
        self.alone = True
        self._prompts = _prompts(problem_set)

    def close(self) -> None:
        for box in self._boxes:
            box.close()

    def grade(self, submission: Submission) -> Record:
        """Grade one; whatever goes wrong is told in the record."""
        record = Record(submission.name, submission.owner, submission.claimed, notes=list(submission.notes))
        record.problem_set = self._set
        record.marks = [
            Mark(question.name, 0.0, question.points, UNGRADED)
            for question in sets.questions(self._set)
            if not question.manual
        ]
        try:
            record.prose = prose(self._prompts, submission)
            record.reason = self._unfit(submission)
            if not record.reason:
                self._run(submission, record)
        except Exception as error:
            record.reason = f"{FAILED}; grade it by hand. ({type(error).__name__}: {error})"
        return record

    def _unfit(self, submission: Submission) -> str:
        """Why it cannot be graded, or nothing."""
        if submission.trouble:
            return submission.trouble
        if submission.problem_set not in (None, self._set):
            return (
                f"This is the problem set {submission.problem_set!r}, not {self._set!r}: hand in the notebook of "
                "this one."
            )
        if not submission.owner:
            return (
                "Whose it is cannot be told: neither the file's name nor the notebook has an ID. Write yours "
                "into STUDENT_ID, run the notebook from the top and hand it in again."
            )
        return ""

    def _box(self) -> Sandbox:
        if not hasattr(self._own, "box"):
            self._own.box = Sandbox(self._limits, self._hidden, isolate=self._isolate)
            self._boxes.append(self._own.box)
        return self._own.box

    def _run(self, submission: Submission, record: Record) -> None:
        assert submission.owner is not None
        own = numbers(self._set, submission.owner, course=settings.course())
        wanted = judging.answers(self._set)
        inputs = {
            name: judging.hidden_inputs(name, answer, own)
            for named in wanted.values()
            for name, answer in named.items()
            if not isinstance(answer, Value)
        }
        values = [name for named in wanted.values() for name, a in named.items() if isinstance(a, Value)]
        run = self._box().run(submission.code, [*values, "STUDENT_ID"], inputs)
        self.alone = self.alone and run.alone
        if (named := run.values.get("STUDENT_ID")) is not None and named.text is not None:
            record.claimed = normal(named.text)
        record.reason = _story(run, submission)
        record.notes += [f"It tried to {deed}." for deed in list(dict.fromkeys(run.refused))[:5]]
        for mark in record.marks:
            findings = {
                name: self._finding(mark.question, name, own, run, inputs) for name in wanted[mark.question]
            }
            right = all(finding.ok for finding in findings.values())
            mark.points = mark.possible if right else 0.0
            mark.message = " ".join(
                f"{name}: {finding.message}" for name, finding in findings.items() if not finding.ok
            )
            mark.message = mark.message or "Right."
            record.given[mark.question] = {
                name: run.values[name].numbers.ravel()[:1000].tolist()  # type: ignore[union-attr]
                for name in wanted[mark.question]
                if name in run.values and run.values[name].numbers is not None
            }
        if record.claimed not in (None, record.student) and record.points < sum(
            m.possible for m in record.marks
        ):
            record.reason = (
                f"The notebook draws the numbers of {record.claimed!r}, but it is graded with those of "
                f"{record.student!r}: write that ID into STUDENT_ID and do it again with your own numbers. "
                f"{record.reason}"
            ).rstrip()

    def _finding(
        self, question: str, name: str, own: Any, run: Run, inputs: dict[str, list[tuple]]
    ) -> Finding:
        if run.ended != "finished" and name not in run.values and name not in run.calls:
            return Finding(False, "Not reached: the run ended before it could be read.")
        if name in inputs:
            return judging.judge_function(question, name, own, inputs[name], run.calls.get(name, []))
        return judging.judge_value(question, name, own, run.values.get(name, judging.Answer(missing=True)))


def _story(run: Run, submission: Submission) -> str:
    """What went wrong in running it, the most important first; nothing if it all ran."""
    told = [] if run.ended == "finished" else [run.ended]
    places = [number for number, (kind, _) in enumerate(submission.cells, 1) if kind == "code"]
    for cell, error in sorted(run.errors.items())[:3]:
        if cell < len(places):
            first = next((line.strip() for line in submission.code[cell].splitlines() if line.strip()), "")
            told.append(f"Cell {places[cell]} from the top ({first[:40]!r}) failed: {error.rstrip('.: ')}.")
    if len(run.errors) > 3:
        told.append(f"{len(run.errors) - 3} more cells failed.")
    return " ".join(told)


@dataclass(frozen=True)
class _Prompts:
    """What the student version says: the question under each title, those that a person marks, and the cells."""

    titles: dict[str, str]
    manual: tuple[str, ...]
    cells: frozenset[str]


def _prompts(problem_set: str) -> _Prompts:
    return _Prompts(
        {f"# {question.title}": question.name for question in sets.questions(problem_set)},
        tuple(question.name for question in sets.questions(problem_set) if question.manual),
        frozenset(_squeezed(cell.source) for cell in sets.student_version(problem_set).cells),
    )


def prose(prompts: _Prompts, submission: Submission) -> dict[str, str]:
    """What a student wrote under each question: the text cells that are not in the student version.

    Under a question that a person marks, code that was added too; and where pictures are, since a sheet shows
    none. Where nothing stands under such a question, it says which cells elsewhere hold something.
    """
    texts: dict[str, list[str]] = {}
    pictures: dict[str, list[str]] = {}
    here, elsewhere = "", []
    for number, (kind, source) in enumerate(submission.cells, 1):
        if kind == "markdown":
            here = next((name for title, name in prompts.titles.items() if title in source), here)
        new = bool(source.strip()) and _squeezed(source) not in prompts.cells
        if kind != "code" and new:
            texts.setdefault(here, []).append(INLINE.sub("(picture)", source.strip()))
        elif new and here in prompts.manual:
            texts.setdefault(here, []).append(f"[Code, cell {number} from the top]\n{source.strip()}")
        for what in submission.pictures.get(number, []):
            told = f"[There is {what} in cell {number} from the top of {submission.name}: look there.]"
            pictures.setdefault(here, []).append(told)
        if here not in prompts.manual and kind != "code" and (new or number in submission.pictures):
            elsewhere.append(str(number))
    found = {name: pictures.get(name, []) + texts.get(name, []) for name in {**pictures, **texts}}
    if elsewhere:
        some = ", ".join(elsewhere[:20])
        told = f"[Nothing is here, but something was added elsewhere in {submission.name}: cells {some}.]"
        found |= {name: [told] for name in prompts.manual if name not in found}
    return {name: "\n\n".join(told)[:20_000] for name, told in found.items()}


def _squeezed(text: str) -> str:
    return "".join(text.split())


def set_of(records: Sequence[Record]) -> str:
    """The problem set that these records are of."""
    return records[0].problem_set


def _the_set(found: Iterable[Submission]) -> str:
    present = sorted({submission.problem_set for submission in found if submission.problem_set})
    if len(present) != 1:
        told = ", ".join(present) or "none"
        raise SystemExit(f"Which problem set is this? The folder holds {told}: add SET=name.")
    return present[0]


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return type(error).__name__


def _version(problem_set: str, limits: Limits) -> str:
    """Changes when anything changes that a mark depends on."""
    total = hashlib.sha256(f"{judging.salt()}\0{settings.course()}\0{limits}".encode())
    package = sorted((ROOT / "rmtlab").rglob("*.py"))
    for path in [
        *sorted((ROOT / "problems" / problem_set).glob("*.*")),
        *sorted(Path(__file__).parent.glob("*.py")),
        *package,
    ]:
        total.update(path.read_bytes())
    return total.hexdigest()


def _whose(problem_set: str, records: list[Record], roster: Roster) -> None:
    """Tell of each wrong answer whether it is right for another student."""
    everyone = {normal(name) for name in roster.students()}
    everyone |= {who for record in records for who in (record.student, record.claimed) if who}
    for record in records:
        if record.claimed and record.student and record.claimed != record.student:
            record.notes.append(f"The notebook draws the numbers of {record.claimed!r}.")
        wrong = [
            mark.question for mark in record.marks if not mark.points and record.given.get(mark.question)
        ]
        fits = {
            who: _fitting(problem_set, who, record, wrong)
            for who in sorted(everyone - {record.student})
            if wrong
        }
        best = max(fits, key=lambda who: len(fits[who]), default=None)
        if best is not None and fits[best]:
            told = ", ".join(fits[best])
            record.notes.append(f"Wrong here, but right for the numbers of {best!r}: {told}.")


def _fitting(problem_set: str, who: str, record: Record, wrong: list[str]) -> list[str]:
    """The questions whose values were all handed in, and are all right for somebody else."""
    own = numbers(problem_set, who, course=settings.course())
    fitting = []
    for question in wrong:
        given = record.given[question]
        asked = {name for name, a in judging.answers(problem_set)[question].items() if isinstance(a, Value)}
        if asked == set(given) and all(
            judging.judge_value(question, name, own, judging.kept(question, name, own, flat)).ok
            for name, flat in given.items()
        ):
            fitting.append(question)
    return fitting
