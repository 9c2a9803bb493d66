"""The stored experiment of the chapter on noise: what it holds is what its script computes.

Evidence: closed forms (bounds, intervals, verdicts), contracts (hash, cells, seeds, tuned step sizes), and a rerun
of one cell.
"""

import importlib.util
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

import rmtlab as rl

SCRIPT = Path(__file__).resolve().parents[1] / "book" / "stability" / "noise_depth.py"
_spec = importlib.util.spec_from_file_location("noise_depth", SCRIPT)
depth = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(depth)

STORED = json.loads(depth.RESULT.read_text())
ROWS = STORED["rows"]
each_row = pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row['kind']}-{row['keep']:g}-{row['depth']}"
)


def cell_of(row):
    return row["kind"], row["keep"], row["depth"]


# --- Contract: the file is what the script would write from its rows.


def test_hash_and_verdicts_follow_from_the_rows():
    assert rl.experiment.digest(ROWS) == STORED["sha256"]
    assert depth.verdicts(ROWS) == STORED["verdicts"]
    assert rl.experiment.as_text(STORED) == depth.RESULT.read_text()


def test_every_cell_is_there_once_and_seeds_were_not_tuned_on():
    assert Counter(map(cell_of, ROWS)) == Counter(depth.CELLS)
    assert STORED["seeds"] == list(depth.SEEDS)
    assert len(set(STORED["seeds"])) >= 5
    assert STORED["tuning_seed"] not in STORED["seeds"]


@each_row
def test_each_cell_has_its_seeds_and_a_step_size_inside_its_grid(row):
    assert all(len(row[name]) == len(STORED["seeds"]) for name in ("train", "test", "noisy"))
    tried = [t["lr"] for t in row["tuning"]]
    assert np.allclose(np.diff(np.log2(tried)), 1)
    assert row["lr"] == depth.best(row["tuning"])
    assert min(tried) < row["lr"] < max(tried) or row["lr"] in (depth.LEAST, depth.MOST)


# --- Closed form: what the theory says.


@each_row
def test_bounds_of_rectifiers_are_the_closed_form(row):
    if row["kind"] == "tanh":
        assert row["bound"] == pytest.approx(17.2726, rel=1e-4)  # independent trapezoid quadrature
    elif row["kind"] == "shared" or row["keep"] == 1:
        assert row["bound"] is None
    else:
        keep = row["keep"]
        c = brentq(
            lambda c: keep * (np.sqrt(1 - c**2) + c * (np.pi - np.arccos(c))) / np.pi - c, 0, 1, xtol=1e-15
        )
        assert row["bound"] == pytest.approx(-6 / np.log(keep * (0.5 + np.arcsin(c) / np.pi)), rel=1e-8)


@pytest.mark.parametrize(
    ("kind", "weight_var"), [("relu", 1.6), ("he", 2.0), ("swapped", 0.4), ("shared", 1.6)]
)
def test_kinds_have_their_weight_variance_and_masks(kind, weight_var):
    net = depth.network(kind, 0.8, 4)
    noise = next(layer.noise for layer in net.layers if hasattr(layer, "noise"))
    assert net.weight_var == pytest.approx(weight_var)
    assert (noise.keep, noise.shared) == (0.8, kind == "shared")


def test_tanh_is_critical_for_its_noise():
    assert rl.signal.MeanField.of(depth.network("tanh", 0.8, 4)).chi == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("centre", "expected"), [(0.0, "holds"), (0.02, "undecided"), (0.04, "fails"), (-0.04, "fails")]
)
def test_verdicts_ask_where_the_interval_lies(centre, expected):
    found = depth.judged_by_interval("E", centre + 0.001 * np.array([-1.0, 0.0, 1.0]), -0.02, 0.02)
    half = (
        0.1 * 4.302652729911275 / np.sqrt(3)
    )  # the 97.5 % point of t with two degrees of freedom, in percent
    assert found["verdict"] == expected
    assert found["found"] == f"[{100 * centre - half:.1f}, {100 * centre + half:.1f}] %"


def fake_rows(accuracy):
    """Rows whose test accuracies are those of a function of the cell."""
    found = []
    for cell in depth.CELLS:
        limit = {0.9: 13.64, 0.8: 9.32, 0.6: 5.79}.get(cell[1])
        values = [accuracy(*cell) + 0.001 * k for k in range(5)]
        names = dict(zip(("kind", "keep", "depth"), cell, strict=True))
        found.append({**names, "bound": limit, "test": values})
    return found


def test_verdicts_of_networks_that_all_train_and_of_none():
    all_train = {v["expectation"]: v for v in depth.verdicts(fake_rows(lambda *cell: 0.9))}
    none = {v["expectation"]: v for v in depth.verdicts(fake_rows(lambda *cell: 0.1))}
    assert all_train["E1"]["found"] == "11 of 20"
    assert none["E1"]["found"] == "9 of 20"
    assert (all_train["E2"]["verdict"], all_train["E3"]["verdict"]) == ("holds", "fails")
    assert (all_train["E5"]["verdict"], none["E5"]["verdict"]) == ("fails", "holds")
    assert (all_train["E6"]["verdict"], none["E6"]["verdict"]) == ("holds", "fails")
    assert all_train["E4a"]["verdict"] == "holds"


def test_verdicts_of_networks_that_follow_the_rule():
    rows = fake_rows(lambda kind, keep, d: 0.9 if d <= {1: 99, 0.9: 13, 0.8: 9, 0.6: 5}[keep] else 0.1)
    found = {v["expectation"]: v for v in depth.verdicts(rows)}
    assert found["E1"]["found"] == "20 of 20"
    assert found["E2"]["found"] == "24, 12, 8, 4"
    assert found["E1"]["verdict"] == found["E2"]["verdict"] == "holds"


# --- A rerun: a stored number comes out again.


def test_a_run_comes_out_again():
    row = next(r for r in ROWS if cell_of(r) == ("relu", 0.8, 4))
    again = depth.train("relu", 0.8, 4, row["lr"], STORED["seeds"][0])
    # Another processor rounds differently: a few of 360 pictures near a tie may change sides.
    assert again["test"] == pytest.approx(row["test"][0], abs=0.02)
