"""The stored experiment of the chapter on search: what it holds is what its script computes.

Evidence: closed forms (best of n, cost of a bracket, intervals), contracts (hash, arms, draws inside what theory
allows, the same law for all arms), simulation with a stated error (best of n, halving), and a rerun of two trials.
"""

import importlib.util
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import rmtlab as rl

SCRIPT = Path(__file__).resolve().parents[1] / "book" / "structure" / "search_budget.py"
_spec = importlib.util.spec_from_file_location("search_budget", SCRIPT)
search = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(search)

STORED = json.loads(search.RESULT.read_text())
ROWS, SHARES = STORED["rows"], STORED["shares"]

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['task']}-{row['arm']}")


# --- Contract: the file is what the script would write from its rows.


def test_hash_and_text_follow_from_the_rows():
    assert rl.experiment.digest([SHARES, ROWS]) == STORED["sha256"]
    assert rl.experiment.as_text(STORED, tables=("shares", "rows")) == search.RESULT.read_text()


def test_verdicts_follow_from_the_rows():
    assert search.verdicts(ROWS, SHARES) == STORED["verdicts"]
    names = [v["expectation"] for v in STORED["verdicts"]]
    assert names == ["E1", "E2", "E3", "E4", "E5", "E6", "E7a", "E7b", "E8"]


def test_every_arm_is_there_once_and_no_two_trials_share_a_seed():
    assert [(r["task"], r["arm"]) for r in ROWS] == list(search.TRIALS)
    seeds = [seed for row in ROWS for seed in row["seed"]]
    assert len(set(seeds)) == len(seeds)


@each_row
def test_an_arm_has_its_trials_as_its_law_draws_them(row):
    task, arm = row["task"], row["arm"]
    assert len(row["test"]) == len(row["valid"]) == search.TRIALS[task, arm]
    assert {len(v) for v in row["valid"]} == {len(search.RUNGS)}
    columns = ("activation", "depth", "keep", "weight_var", "bias_var", "lr")
    # Theory's draws need every region of the task, a minute of work: they are judged below.
    for trial in range(3) if arm != "theory" else ():
        assert {c: row[c][trial] for c in columns} == search.draw(task, arm, trial)


@each_row
def test_settings_are_in_the_space(row):
    assert set(row["activation"]) <= set(search.ACTIVATIONS)
    assert set(row["depth"]) <= set(search.DEPTHS[row["task"]])
    assert set(row["keep"]) <= set(search.KEEPS)
    assert search.STEPS[0] <= min(row["lr"]) <= max(row["lr"]) <= search.STEPS[1]
    if row["arm"] in ("blind", "theory"):
        assert set(row["weight_var"]) <= set(search.WEIGHT_VARS)
        assert set(row["bias_var"]) <= set(search.BIAS_VARS)


@each_row
def test_every_arm_draws_its_step_size_by_the_same_law(row):
    """Kolmogorov–Smirnov: one p-value in seven below 0.001 would be an accident of 0.7 %."""
    found = stats.kstest(np.log(row["lr"]), stats.uniform(*_start_and_length()).cdf)
    assert found.pvalue > 1e-3


def _start_and_length():
    low, high = np.log(search.STEPS)
    return low, high - low


@pytest.mark.parametrize("activation", search.ACTIVATIONS)
def test_theory_stays_inside_what_is_allowed(activation):
    """Contract, at the keep probability whose region is quick to compute."""
    row = next(r for r in ROWS if (r["task"], r["arm"]) == ("deep", "theory"))
    trials = [dict(zip(row, values, strict=True)) for values in _columns(row)]
    mine = [t for t in trials if t["activation"] == activation and t["keep"] == 1]
    assert mine
    assert all(search.is_allowed(t) for t in mine)


def _columns(row):
    n = len(row["seed"])
    return zip(*(v if isinstance(v, list) else [v] * n for v in row.values()), strict=True)


@pytest.mark.parametrize("kind", [("tanh", 32, 1.0), ("relu", 16, 1.0), ("tanh", 8, 0.8)])
def test_stored_shares_are_those_of_the_region(kind):
    (stored,) = (s for s in SHARES if (s["activation"], s["depth"], s["keep"]) == kind)
    assert stored["share"] == pytest.approx(search.region(kind).allowed.mean())


def test_the_share_of_a_depth_is_the_mean_over_kinds():
    shares = [{"depth": 8, "share": 0.5}, {"depth": 8, "share": 0.1}, {"depth": 4, "share": 1.0}]
    assert search.share_at(shares, 8) == pytest.approx(0.3)


# --- Closed form: the best of n, with ties.


@pytest.mark.parametrize("n", [1, 2, 3])
def test_best_of_n_is_the_average_over_all_draws(n):
    valid, test = np.array([0.1, 0.5, 0.5, 0.9]), np.array([0.2, 0.4, 0.8, 0.7])
    best, chosen = [], []
    for places in product(range(4), repeat=n):
        top = valid[list(places)].max()
        best.append(top)
        chosen.append(test[valid == top].mean())
    found = search.best_of(valid, test, np.array([n]))
    assert np.ravel(found) == pytest.approx([np.mean(best), np.mean(chosen)])


def test_a_bracket_costs_two_and_a_half_trials():
    # Eight for one epoch, four for one more, two for two more, one for four more: 20 epochs of 8.
    assert search.bracket_cost() == pytest.approx(20 / 8)


def test_halving_keeps_the_better_half_at_every_rung():
    rng = np.random.default_rng(0)
    steady = np.linspace(0.1, 0.9, 5)
    valid = np.tile(steady[:, None], (1, 4))
    ended, _ = search.halve(valid, steady, rng, 20_000)
    # With curves that never cross, a bracket ends with the best of its eight: (k/5)^8 − ((k−1)/5)^8.
    shares = np.diff((np.arange(6) / 5) ** 8)
    counts = [(ended == value).mean() for value in steady]
    assert counts == pytest.approx(shares, abs=4 * 0.5 / np.sqrt(20_000))


def test_halving_loses_a_late_bloomer():
    valid = np.array([[0.5, 0.5, 0.5, 0.5]] * 7 + [[0.1, 0.1, 0.1, 0.9]])
    ended, _ = search.halve(valid, valid[:, -1], np.random.default_rng(0), 1000)
    # It survives only in brackets of which it fills more than seven places: hardly ever.
    assert (ended == 0.9).mean() < 0.01


def test_clopper_pearson_without_a_hit():
    # (1 − p)^40 = 0.025
    assert search.clopper_pearson(0, 40) == pytest.approx((0.0, 1 - 0.025 ** (1 / 40)))


def test_ratio_is_one_when_only_the_region_trains():
    assert search.ratio(blind=0.07 * 0.4, theory=0.4, p=0.07) == pytest.approx(1)


def test_bootstrap_resamples_whole_trials():
    trials = {"valid": np.arange(8.0).reshape(4, 2), "test": np.arange(4), "allowed": np.array(None)}
    again = search.resampled(trials, np.random.default_rng(0))
    assert set(again) == {"valid", "test"}
    assert np.array_equal(again["valid"], trials["valid"][again["test"]])


def test_bootstrap_of_a_mean_has_its_standard_error():
    rng = np.random.default_rng(0)
    test = rng.random(100)
    trials = {"valid": test[:, None].repeat(4, axis=1), "test": test}
    samples = search.band(trials, np.array([1]))[:, 0]
    # A standard deviation of 1000 samples is known to 1/√2000, 2.2 %.
    assert samples.std() == pytest.approx(test.std() / 10, rel=0.08)


# --- A rerun: stored trials come out again.


@pytest.mark.parametrize(("task", "arm", "epochs"), [("deep", "theory", 1), ("free", "folklore", 2)])
def test_a_stored_trial_comes_out_again(task, arm, epochs):
    row = next(r for r in ROWS if (r["task"], r["arm"]) == (task, arm))
    trial = int(np.argmax([v[search.RUNGS.index(epochs)] for v in row["valid"]]))
    columns = ("activation", "depth", "keep", "weight_var", "bias_var", "lr", "seed")
    again = search.train(**{c: row[c][trial] for c in columns}, epochs=epochs)
    # Another processor rounds differently in the seventh digit; up to 32 layers and 34 steps carry that on to some
    # of 360 pictures.
    assert again["valid"] == pytest.approx(row["valid"][trial][: len(again["valid"])], abs=0.04)
