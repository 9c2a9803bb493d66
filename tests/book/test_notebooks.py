"""Evidence: contract. Every notebook executes under nbval, within its budget, and is stored clean."""

from pathlib import Path

import nbformat
import pytest

from tools import notebook_budget
from tools.notebook_budget import MEGABYTES, cheapest, execute

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "book").rglob("*.ipynb"))


def write_notebook(path, *sources):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: str(p.relative_to(ROOT)))
@pytest.mark.notebooks
def test_notebook_executes_within_its_budget(path):
    run = cheapest(path)
    print(f"{path.name}: {run.cpu_seconds:.1f} CPU-seconds, {run.megabytes:.0f} MB")
    assert not run.complaints(), "\n".join(run.complaints())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: str(p.relative_to(ROOT)))
def test_notebook_is_stored_without_outputs(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs, cell.source
            assert cell.execution_count is None, cell.source


@pytest.mark.parametrize(("costs", "counted", "runs"), [([20], 20, 1), ([50, 30], 30, 2), ([50, 60], 50, 2)])
def test_an_overspent_budget_is_measured_once_more(monkeypatch, costs, counted, runs):
    left = [notebook_budget.Run(Path("a.ipynb"), True, cost, cost, 1.0, "") for cost in costs]
    monkeypatch.setattr(notebook_budget, "execute", lambda path: left.pop(0))
    assert cheapest(Path("a.ipynb")).cpu_seconds == counted
    assert len(costs) - len(left) == runs


@pytest.mark.parametrize(("first", "second"), [((False, 50), (True, 30)), ((True, 50), (False, 60))])
def test_a_failed_cell_is_not_forgotten_for_a_cheaper_run(monkeypatch, first, second):
    left = [notebook_budget.Run(Path("a.ipynb"), ok, cost, cost, 1.0, "") for ok, cost in (first, second)]
    monkeypatch.setattr(notebook_budget, "execute", lambda path: left.pop(0))
    assert not cheapest(Path("a.ipynb")).passed


@pytest.mark.notebooks
def test_a_failing_cell_and_an_overspent_budget_are_seen(tmp_path):
    """The measurement sees the kernel's own time and memory, and a raised error."""
    failing = execute(write_notebook(tmp_path / "failing.ipynb", "assert 1 + 1 == 3"))
    assert any("a cell failed" in c for c in failing.complaints())

    greedy = execute(
        write_notebook(
            tmp_path / "greedy.ipynb",
            "hoard = bytearray(300_000_000); hoard[::4096] = b'x' * len(hoard[::4096])",
            "import time; start = time.process_time()\nwhile time.process_time() - start < 3: pass",
        )
    )
    assert greedy.passed, greedy.output
    assert not greedy.complaints()
    assert greedy.cpu_seconds > 3
    assert 300 < greedy.megabytes < MEGABYTES
    complaints = greedy.complaints(cpu_seconds=3, megabytes=300)
    assert len(complaints) == 2
    assert greedy.wall_seconds >= 3
    assert "on the clock" in greedy.complaints(wall_seconds=3)[0]
    assert all("budget" in complaint for complaint in complaints)
