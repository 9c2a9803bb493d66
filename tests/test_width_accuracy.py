"""The stored experiment of the chapter on NNGP: what it holds is what its script computes.

Evidence: closed forms (intervals, verdicts), contracts (hash, widths, seeds, tuned step sizes), a rerun of the
process and of one trained network.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import rmtlab as rl

SCRIPT = Path(__file__).resolve().parents[1] / "book" / "wide_limit" / "width_accuracy.py"
_spec = importlib.util.spec_from_file_location("width_accuracy", SCRIPT)
width_accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(width_accuracy)

STORED = json.loads(width_accuracy.RESULT.read_text())
ROWS = STORED["rows"]

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["width"]))


# --- Contract: the file is what the script would write from its rows.


def test_hash_and_verdicts_follow_from_the_rows():
    assert rl.experiment.digest(ROWS) == STORED["sha256"]
    assert width_accuracy.verdicts(ROWS, STORED["process"]) == STORED["verdicts"]
    assert rl.experiment.as_text(STORED) == width_accuracy.RESULT.read_text()


def test_every_width_is_there_once_and_seeds_were_not_tuned_on():
    assert [row["width"] for row in ROWS] == list(width_accuracy.WIDTHS)
    assert STORED["seeds"] == list(width_accuracy.SEEDS)
    assert len(set(STORED["seeds"])) >= 5
    assert STORED["tuning_seed"] not in STORED["seeds"]


@each_row
def test_each_width_has_its_seeds_and_an_interior_step_size(row):
    assert len(row["test"]) == len(row["train_loss"]) == len(STORED["seeds"])
    tried = [t["lr"] for t in row["tuning"]]
    assert np.allclose(np.diff(np.log2(tried)), 1)
    assert row["lr"] == width_accuracy.best(row["tuning"])
    assert min(tried) < row["lr"] < max(tried)


def test_the_parts_do_not_overlap():
    parts = {part: width_accuracy.images(part)[0] for part in ("train", "validation", "test")}
    assert [len(x) for x in parts.values()] == [1000, 437, 360]
    digits = rl.data.load("digits", seed=0)
    assert np.array_equal(np.vstack([parts["train"], parts["validation"]]), digits.x_train)


# --- Closed form: intervals and verdicts.


def made(narrow, wide, together):
    """Rows whose networks are right as often as the two numbers say, give or take a thousandth."""
    spread = np.array([-1, -0.5, 0, 0.5, 1]) / 1000
    levels = np.linspace(narrow, wide, len(width_accuracy.WIDTHS))
    return [
        {"width": width, "test": list(level + spread), "together": together}
        for width, level in zip(width_accuracy.WIDTHS, levels, strict=True)
    ]


def test_values_and_ends_are_those_of_t_intervals():
    half = (
        0.001 * 2.7764451051977987 * np.sqrt(0.625) / np.sqrt(5)
    )  # the 97.5 % point of t, four degrees of freedom
    found = width_accuracy.verdicts(made(0.5, 0.9, 0.95), process=0.95)[2]
    assert (found["value"], found["low"], found["high"]) == pytest.approx(
        (-0.05, -0.05 - half, -0.05 + half), abs=1e-5
    )


@pytest.mark.parametrize(
    ("narrow", "wide", "together", "expected"),
    [
        (0.5, 0.945, 0.96, ["holds", "holds", "holds", "holds"]),
        (0.5, 0.96, 0.95, ["holds", "fails", "undecided", "fails"]),
        (0.9, 0.8, 0.8, ["fails", "holds", "fails", "undecided"]),
        (0.5, 0.95, 0.96, ["holds", "undecided", "holds", "holds"]),
        (0.5, 0.94, 0.96, ["holds", "holds", "undecided", "holds"]),
    ],
)
def test_verdicts(narrow, wide, together, expected):
    found = width_accuracy.verdicts(made(narrow, wide, together), process=0.95)
    assert [v["verdict"] for v in found] == expected


def test_tuning_extends_its_grid_until_the_best_is_inside(monkeypatch):
    best = width_accuracy.STEP_SIZES[0] / 2

    def runs(_, cases, part):
        assert part == "validation"
        return [{"loss": abs(np.log2(lr / best)), "diverged": lr > 0.2} for lr, _ in cases]

    monkeypatch.setattr(width_accuracy, "runs", runs)
    tried = [t["lr"] for t in width_accuracy.tune(8)]
    assert tried == [best / 2, best, *width_accuracy.STEP_SIZES]


# --- A rerun: the stored numbers come out again.


def test_the_process_comes_out_again():
    assert width_accuracy.process_accuracy() == pytest.approx(STORED["process"], abs=1.5 / 360)


def test_a_trained_network_comes_out_again():
    row = next(row for row in ROWS if row["width"] == 32)
    again = width_accuracy.train(32, row["lr"], STORED["seeds"][0], "test")
    # Another processor rounds differently, and 800 steps carry that as far as another seed would.
    assert again["accuracy"] == pytest.approx(row["test"][0], abs=0.03)
    labels = width_accuracy.images("test")[1]
    assert np.mean(np.argmax(again["outputs"], axis=1) == labels) == pytest.approx(
        again["accuracy"], abs=1e-6
    )
