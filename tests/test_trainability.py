"""The stored experiment of the chapter on signals: what it holds is what its script writes.

Evidence: contracts (hash, text, cells, seeds, step sizes). The chapter runs a slice of it again.
"""

import importlib.util
import json
from itertools import product
from pathlib import Path

import pytest

import rmtlab as rl

SCRIPT = Path(__file__).resolve().parents[1] / "book" / "foundations" / "trainability.py"
_spec = importlib.util.spec_from_file_location("trainability", SCRIPT)
trainability = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(trainability)

STORED = json.loads(trainability.RESULT.read_text())
ROWS = STORED["rows"]


@pytest.fixture(autouse=True)
def no_git(monkeypatch):
    """The commit is the stored one: what is tested may be no checkout."""
    origin = {name: STORED[name] for name in ("command", "commit")}
    monkeypatch.setattr(rl.experiment, "origin", lambda file: origin)


def test_the_file_is_what_the_script_writes_from_its_rows():
    told = trainability.describe(ROWS)
    assert rl.experiment.as_text(told, tables=()) == trainability.RESULT.read_text()


def test_every_cell_is_there_once_and_seeds_were_not_tuned_on():
    cells = [(row["depth"], row["weight_var"]) for row in ROWS]
    assert cells == list(product(trainability.DEPTHS, trainability.WEIGHT_VARS))
    assert trainability.TUNING_SEED not in trainability.SEEDS
    assert {len(row["test"]) for row in ROWS} == {len(set(trainability.SEEDS))}
    assert {row["lr"] for row in ROWS} <= set(trainability.STEP_SIZES)


def test_each_cell_is_measured_with_its_best_step_size(tmp_path, monkeypatch):
    """Planted accuracies: the best step size of a cell depends on its depth, and the test accuracy on its seed."""

    def results(points):
        best = {
            depth: size for depth, size in zip(trainability.DEPTHS, trainability.STEP_SIZES * 2, strict=False)
        }
        return [{"train": float(p["lr"] == best[p["depth"]]), "test": p["seed"] / 10} for p in points]

    monkeypatch.setattr(trainability, "results", results)
    monkeypatch.setattr(trainability, "RESULT", tmp_path / "found.json")
    trainability.main()
    found = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert [row["depth"] for row in found] == [row["depth"] for row in ROWS]
    assert all(row["test"] == [0.1, 0.2, 0.3, 0.4, 0.5] for row in found)
    assert [row["lr"] for row in found if row["weight_var"] == 1.0] == [0.003, 0.01, 0.03, 0.1, 0.003, 0.01]
