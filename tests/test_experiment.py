"""Experiments with trained networks: step sizes, intervals, verdicts, and what is stored.

Evidence: closed forms (intervals against SciPy's, verdicts, step sizes of functions whose best is known), simulation
with a stated error (how often an interval holds the mean), contracts (text, hash and origin of what is stored).
"""

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from rmtlab import experiment

ROOT = Path(__file__).resolve().parents[1]


# --- Results: those of a sweep, and none is missing.


def test_results_come_in_the_order_of_the_points(tmp_path):
    points = [{"base": 3, "exp": 2}, {"base": 2, "exp": 5}]
    options = {"store": tmp_path / "runs.jsonl", "progress": False}
    assert experiment.results(pow, points[1:], **options) == [{"value": 32}]
    assert experiment.results(pow, points, **options) == [{"value": 9}, {"value": 32}]


def test_a_failed_run_is_an_error_that_says_so():
    points = [{"base": 0, "exp": power} for power in (1, -1)]
    with pytest.raises(
        RuntimeError, match=r"1 of 2 runs failed, the first with ZeroDivisionError: .*run them again\."
    ):
        experiment.results(pow, points, progress=False)


# --- Step sizes: on a function whose best is known.


class Bowl:
    """A loss with its least value at a power of two, and what was asked of it."""

    def __init__(self, power):
        self.power, self.asked = power, []

    def __call__(self, sizes):
        self.asked.append(sizes)
        return [{"loss": abs(float(np.log2(lr)) - self.power)} for lr in sizes]


def best(tried):
    return min(tried, key=lambda one: one["loss"])["lr"]


def powers(tried):
    return [np.log2(one["lr"]) for one in tried]


START = [2.0**k for k in (-1, 0, 1)]


@pytest.mark.parametrize(
    ("power", "options", "expected"),
    [
        (0, {}, range(-1, 2)),
        (-1, {}, range(-2, 2)),
        (1, {}, range(-1, 3)),
        (-4, {}, range(-5, 2)),
        (4, {}, range(-1, 6)),
        (-4, {"by": 2}, range(-5, 2)),
        (-3, {"by": 2}, range(-5, 2)),
        (3, {"by": 3}, range(-1, 5)),
        (-4, {"least": 2.0**-3}, range(-3, 2)),
        (-4, {"least": 0.2}, range(-2, 2)),
        (-4, {"by": 2, "least": 2.0**-4}, range(-4, 2)),
        (4, {"most": 8.0}, range(-1, 4)),
        (4, {"most": 2.0}, range(-1, 2)),
        (-9, {"at_most": 5}, range(-3, 2)),
        (9, {"at_most": 6, "by": 2}, range(-1, 4)),
        (9, {"at_most": 3}, range(-1, 2)),
    ],
)
def test_the_grid_goes_on_until_the_best_is_inside_or_a_limit_is_reached(power, options, expected):
    bowl = Bowl(power)
    tried = experiment.tune(bowl, START, best, **options)
    assert powers(tried) == list(expected)
    assert sorted(lr for sizes in bowl.asked for lr in sizes) == [
        one["lr"] for one in tried
    ]  # each of them once
    assert min(powers(tried)) < power < max(powers(tried)) or options


@pytest.mark.parametrize("power", [-3, 0, 3])
def test_a_grid_may_begin_with_one_step_size(power):
    tried = powers(experiment.tune(Bowl(power), [1.0], best))
    assert min(tried) < power < max(tried)
    assert np.allclose(np.diff(tried), 1)


def test_ties_are_for_best_to_decide():
    """All losses are equal: whoever takes the first goes down to the limit, whoever takes the last up."""
    flat = lambda sizes: [{"loss": 1.0}] * len(sizes)  # noqa: E731
    last = lambda tried: best(tried[::-1])  # noqa: E731
    assert powers(experiment.tune(flat, START, best, least=0.125)) == [-3, -2, -1, 0, 1]
    assert powers(experiment.tune(flat, START, last, most=8.0)) == [-1, 0, 1, 2, 3]


def test_the_rows_keep_what_was_measured_behind_the_step_size():
    tried = experiment.tune(lambda sizes: [{"loss": (lr - 1) ** 2, "steps": 5} for lr in sizes], START, best)
    assert [list(one) for one in tried] == [["lr", "loss", "steps"]] * 3


def test_what_goes_wrong_in_a_measurement_comes_out():
    def fails(sizes):
        raise FloatingPointError("overflow")

    with pytest.raises(FloatingPointError):
        experiment.tune(fails, START, best)


@pytest.mark.parametrize("power", [-5000, 5000])
def test_a_best_that_runs_off_is_an_error(power):
    with pytest.raises(ValueError, match="runs off"):
        experiment.tune(Bowl(power), START, best)


# --- Intervals.


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [2, 5, 30])
def test_intervals_are_those_of_scipy(n, level):
    values = np.random.default_rng(n).normal(3.0, 2.0, n)
    found = experiment.interval(values, level)
    expected = stats.t.interval(level, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert found.ends == pytest.approx(expected, rel=1e-12)
    assert found.mean == pytest.approx(values.mean())
    assert found.half == pytest.approx((expected[1] - expected[0]) / 2)


def test_the_interval_of_three_numbers():
    """With two degrees of freedom t = a√(2/(1 − a²)) at the level a."""
    half = 0.95 * np.sqrt(2 / (1 - 0.95**2)) / np.sqrt(3)
    assert experiment.interval([1, 2, 3]).ends == pytest.approx((2 - half, 2 + half), rel=1e-12)


def test_equal_values_have_an_interval_without_length():
    assert experiment.interval([0.5] * 4) == experiment.Interval(0.5, 0.5, 0.5)


def test_an_interval_holds_the_mean_as_often_as_it_says():
    """Simulation: the share of 2000 draws has a standard error of √(0.95·0.05/2000), half a percent."""
    draws = np.random.default_rng(0).standard_normal((2000, 4))
    held = [found.low < 0 < found.high for found in map(experiment.interval, draws)]
    assert np.mean(held) == pytest.approx(0.95, abs=4 * 0.005)


# --- Verdicts.

INF = np.inf


@pytest.mark.parametrize(
    ("ends", "low", "high", "expected"),
    [
        ((1, 2), 0, INF, "holds"),
        ((-1, 2), 0, INF, "undecided"),
        ((-2, -1), 0, INF, "fails"),
        ((-2, -1), -INF, 0, "holds"),
        ((-2, 1), -INF, 0, "undecided"),
        ((1, 2), -INF, 0, "fails"),
        ((-1, 1), -2, 2, "holds"),
        ((-3, 1), -2, 2, "undecided"),
        ((-3, 3), -2, 2, "undecided"),
        ((3, 4), -2, 2, "fails"),
        ((-4, -3), -2, 2, "fails"),
        # Ends without end: a run that was cut off says only from where.
        ((1, INF), 0, INF, "holds"),
        ((1, INF), 0, 2, "undecided"),
        ((3, INF), 0, 2, "fails"),
        ((-INF, INF), -2, 2, "undecided"),
        # No difference at all is not above 0, and not below it.
        ((0, 0), 0, INF, "undecided"),
        ((0, 0), -INF, 0, "undecided"),
        ((0, 0), -1, 1, "holds"),
        ((0, 1), 0, INF, "undecided"),
        ((-1, 0), 0, INF, "undecided"),
    ],
)
def test_verdicts_say_where_an_interval_lies(ends, low, high, expected):
    assert experiment.verdict(ends, low, high) == expected
    assert experiment.verdict(experiment.Interval(5.0, *ends), low, high) == expected
    assert experiment.verdict((-ends[1], -ends[0]), -high, -low) == expected  # symmetry


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["holds"], "holds"),
        (["holds", "holds"], "holds"),
        (["holds", "undecided"], "undecided"),
        (["undecided", "fails"], "fails"),
        (["fails", "holds"], "fails"),
    ],
)
def test_an_expectation_of_parts_is_as_bad_as_its_worst(parts, expected):
    assert experiment.jointly(parts) == experiment.jointly(iter(parts[::-1])) == expected


# --- What is stored.

STORED = {
    "seeds": [1, 2],
    "nothing": [],
    "verdicts": [{"found": 'a "rows": [] in a text\nand a line'}],
    "sha": "α",
    "rows": [{"x": [1, 2], "rows": []}, {"x": None}],
    "shares": [],
}


@pytest.mark.parametrize("tables", [(), ("rows",), ("rows", "shares")])
def test_text_gives_back_what_was_stored(tables):
    assert json.loads(experiment.as_text(STORED, tables)) == STORED
    assert list(json.loads(experiment.as_text(STORED, tables))) == list(STORED)


def test_text_without_tables_is_indented_json():
    assert experiment.as_text(STORED, tables=()) == json.dumps(STORED, indent=1) + "\n"


def test_a_table_has_a_line_a_row():
    lines = experiment.as_text(STORED).splitlines()
    start = lines.index(' "rows": [')
    assert lines[start + 1 : start + 4] == ['  {"x": [1, 2], "rows": []},', '  {"x": null}', " ],"]


def test_the_hash_is_that_of_sorted_json():
    rows = [{"b": 1, "a": [0.1, None]}]
    assert experiment.digest(rows) == hashlib.sha256(b'[{"a": [0.1, null], "b": 1}]').hexdigest()
    assert experiment.digest(rows) == experiment.digest([{"a": [0.1, None], "b": 1}])
    assert experiment.digest(rows) != experiment.digest([{"a": [0.1, None], "b": 2}])


def test_origin_is_the_commit_of_the_checkout_of_the_script(tmp_path):
    def git(*words):
        told = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    found = experiment.origin(tmp_path / "script.py", "make it")
    assert found == {"command": "make it", "commit": git("rev-parse", "HEAD")}
    assert list(found) == ["command", "commit"]
