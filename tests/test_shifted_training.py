"""The stored experiment of the chapter on shifted ReLU: what it holds is what its script computes.

Evidence: closed forms (theory at birth, intervals, verdicts), contracts (hash, arms, seeds, tuned step sizes),
and a rerun of the first epoch of two arms.
"""

import importlib.util
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import rmtlab as rl

SCRIPT = Path(__file__).resolve().parents[1] / "book" / "stability" / "shifted_training.py"
_spec = importlib.util.spec_from_file_location("shifted_training", SCRIPT)
shift = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(shift)

STORED = json.loads(shift.RESULT.read_text())
ROWS = STORED["rows"]


def arm_of(row):
    return row["activation"], row["weights"], row["depth"], row["keep"]


def name(row):
    return "-".join(map(str, arm_of(row)))


each_row = pytest.mark.parametrize("row", ROWS, ids=name)


def row_of(arm):
    return next(row for row in ROWS if arm_of(row) == arm)


# --- Contract: the file is what the script would write from its rows.


def test_hash_and_verdicts_follow_from_the_rows():
    assert rl.experiment.digest(ROWS) == STORED["sha256"]
    assert shift.verdicts(ROWS) == STORED["verdicts"]
    assert rl.experiment.as_text(STORED) == shift.RESULT.read_text()
    assert {v["expectation"] for v in STORED["verdicts"]} == set(shift.EXPECTATIONS)


def test_every_arm_is_there_once_and_seeds_were_not_tuned_on():
    assert Counter(map(arm_of, ROWS)) == Counter(shift.ARMS)
    assert STORED["seeds"] == list(shift.SEEDS)
    assert len(set(STORED["seeds"])) >= 5
    assert STORED["tuning_seed"] not in STORED["seeds"]


@each_row
def test_each_arm_has_its_seeds_and_its_own_step_size(row):
    assert len(row["test"]) == len(row["train"]) == len(STORED["seeds"])
    tried = [t["lr"] for t in row["tuning"]]
    assert np.allclose(np.diff(np.log2(tried)), 1)
    assert row["lr"] == shift.best(row["tuning"])
    assert min(tried) < row["lr"] < max(tried) or len(tried) >= shift.MOST_STEP_SIZES


@each_row
def test_every_run_has_an_epoch_a_record(row):
    """A run that blew up may have fewer."""
    assert all(len(curve) <= shift.EPOCHS + 1 for curve in row["test"])
    if min(row["train"]) > 0.5:
        assert {len(curve) for curve in row["test"]} == {shift.EPOCHS + 1}


# --- Closed form: what the theory says at birth.


@each_row
def test_arms_are_critical(row):
    activation, _, _, keep = arm_of(row)
    p = 0.5 if activation == "relu" else 0.95
    assert row["active"] == pytest.approx(p, rel=1e-5)
    assert row["weight_var"] == pytest.approx(keep / p, rel=1e-5)
    a = stats.norm.ppf(p)
    expected = 0.0 if activation == "relu" else (stats.norm.pdf(a) - a * (1 - p)) / (a * p)
    assert row["bias_var"] == pytest.approx(expected, rel=1e-5)


@each_row
def test_spectral_variance_is_the_closed_form(row):
    """A mask on h^l shares the coin of its unit's slope; x's mask is alone, and so is the last slope."""
    activation, weights, depth, keep = arm_of(row)
    p = 0.5 if activation == "relu" else 0.95
    orthogonal = (depth - 1) * (1 / (p * keep) - 1) + (1 / p - 1) + (1 / keep - 1)
    expected = orthogonal + depth * (weights == "gaussian")
    assert row["spectral_variance"] == pytest.approx(expected, rel=1e-4)


@each_row
def test_depth_scales_are_those_of_mean_field(row):
    net = shift.network(*arm_of(row))
    if row["keep"] == 1:
        assert row["six_xi_c"] == 0
    else:
        xi = rl.signal.MeanField.of(net).depth_scales().xi_c
        assert row["six_xi_c"] == pytest.approx(6 * xi, rel=1e-3)
        assert row["six_xi_c"] < -6 / np.log(row["keep"])


# --- Closed form: intervals and verdicts.


@pytest.mark.parametrize(
    ("claim", "low", "high", "expected"),
    [
        ("above 10", 11, 20, "holds"),
        ("above 10", 5, 20, "undecided"),
        ("above 10", -5, 9, "fails"),
        ("below 70", 10, 60, "holds"),
        ("below 70", 60, 75, "undecided"),
        ("below 70", 71, 75, "fails"),
        ("the same", -1, 1.9, "holds"),
        ("the same", -1, 3, "undecided"),
        ("the same", 2.5, 4, "fails"),
    ],
)
def test_verdicts_of_intervals(claim, low, high, expected):
    assert rl.experiment.verdict((low, high), *shift.REGIONS[claim]) == expected


@pytest.mark.parametrize(("gain", "expected"), [(3e-5, "holds"), (-3e-5, "fails")])
def test_a_verdict_is_on_the_interval_before_it_is_rounded(gain, expected):
    rows = [
        {
            "activation": a,
            "weights": w,
            "depth": d,
            "keep": k,
            "test": [[0.5 + gain * (a == shift.SHIFTED)]] * 6,
        }
        for a, w, d, k in shift.ARMS
    ]
    found = {v["expectation"]: v for v in shift.verdicts(rows)}["E1"]
    assert (found["low"], found["high"], found["verdict"]) == (0, 0, expected)


def test_what_the_shift_gains_is_paired_by_seed():
    """Contract: E5 adds and subtracts four arms seed by seed, so that a luck which they share cancels."""
    luck = np.arange(len(shift.SEEDS)) / 100
    rows = [
        {
            "activation": a,
            "weights": w,
            "depth": d,
            "keep": k,
            "test": [[0.5 + x + 0.1 * (a == "shifted_relu") * (w == "orthogonal")] for x in luck],
        }
        for a, w, d, k in shift.ARMS
    ]
    found = {v["expectation"]: v for v in shift.verdicts(rows)}
    assert (found["E5"]["value"], found["E5"]["low"], found["E5"]["high"]) == (10, 10, 10)
    assert found["E3b"]["value"] == 0


def test_tuning_extends_its_grid_until_the_best_is_inside(monkeypatch):
    best = shift.STEP_SIZES[-1] * 2

    def runs(cases):
        found = []
        for _, lr, _ in cases:
            result = {"train": [0.5], "loss": [abs(np.log2(lr / best))], "diverged": lr > 2 * best}
            found.append(result)
        return found

    monkeypatch.setattr(shift, "runs", runs)
    tried = shift.tune(shift.ARMS[0])
    assert [t["lr"] for t in tried] == [*shift.STEP_SIZES, best, 2 * best]
    assert shift.best(tried) == best


# --- A rerun: the stored records come out again.


@pytest.mark.parametrize("arm", [("shifted_relu", "orthogonal", 8, 0.95), ("relu", "gaussian", 8, 1.0)])
def test_the_first_epoch_comes_out_again(arm):
    row = row_of(arm)
    again = shift.train(*arm, row["lr"], STORED["seeds"][0], epochs=1)["test"]
    # Another processor rounds differently in the seventh digit, which moves a few of 360 test pictures.
    assert again == pytest.approx(row["test"][0][:2], abs=0.03)
