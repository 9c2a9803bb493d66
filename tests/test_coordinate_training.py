"""The stored experiment of the chapter on coordinates: what it holds is what its script computes.

Evidence: closed forms (maps, intervals, verdicts), contracts (hash, cells, seeds, tuned step sizes), and a rerun of
one kernel regression and of a shortened training.
"""

import importlib.util
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import rmtlab as rl

SCRIPT = Path(__file__).resolve().parents[1] / "book" / "structure" / "coordinate_training.py"
_spec = importlib.util.spec_from_file_location("coordinate_training", SCRIPT)
coordinate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(coordinate)

STORED = json.loads(coordinate.RESULT.read_text())
ROWS = STORED["rows"]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row["cell"]))


# --- Contract: the file is what the script would write from its rows.


def test_hash_and_verdicts_follow_from_the_rows():
    assert rl.experiment.digest(ROWS) == STORED["sha256"]
    assert coordinate.verdicts(ROWS) == STORED["verdicts"]
    assert rl.experiment.as_text(STORED) == coordinate.RESULT.read_text()


def test_every_cell_is_there_once_and_seeds_were_not_tuned_on():
    assert Counter(tuple(r["cell"]) for r in ROWS) == Counter(coordinate.CELLS)
    assert STORED["seeds"] == list(coordinate.SEEDS)
    assert len(set(STORED["seeds"])) >= 5
    assert STORED["tuning_seed"] not in STORED["seeds"]


@each_row
def test_each_cell_has_its_seeds_and_a_step_size_inside_its_grid(row):
    assert len(row["train"]) == len(row["test"]) == len(STORED["seeds"])
    tried = [t["lr"] for t in row["tuning"]]
    assert np.allclose(np.diff(np.log2(tried)), 1)
    assert row["lr"] == coordinate.best(row["tuning"])
    assert min(tried) < row["lr"] < max(tried) or row["lr"] in (coordinate.LEAST, coordinate.MOST)


# --- Closed form: maps, networks and verdicts.


def test_maps_have_their_sizes_and_bandwidths():
    sizes = [coordinate.features(name, 1).size for name in (*coordinate.MAPS, "loud")]
    assert sizes == [3, 4, 256, 256, 256, 256, 256]
    for name, scale in (("1", 1), ("4", 4), ("10", 10), ("30", 30), ("loud", 4)):
        spread = coordinate.features(name, 1).frequencies.std()
        assert spread == pytest.approx(
            scale, rel=4 / np.sqrt(2 * 256)
        )  # four standard errors of 256 Gaussians


@pytest.mark.parametrize(("name", "var"), [("4", 0.01), ("loud", 2.0)])
def test_only_the_read_out_of_loud_networks_is_loud(name, var):
    dense = [layer for layer in coordinate.network(name).layers if hasattr(layer, "weight_var")]
    assert [layer.weight_var for layer in dense] == [2.0, 2.0, 2.0, var]


def test_a_quarter_of_the_pixels_is_shown():
    assert coordinate.task("synthetic").shown.mean() == 1 / 4


def test_a_verdict_asks_where_the_interval_of_every_part_lies():
    half = 4.302652729911275 / np.sqrt(3)  # the 97.5 % point of t with two degrees of freedom
    values = np.array([1.0, 2.0, 3.0])
    above, unclear, below = ((values + shift, 0.0, np.inf) for shift in (1, 0, -9))
    both = [coordinate.judged("C", [above, other])["verdict"] for other in (above, unclear, below)]
    assert both == ["holds", "undecided", "fails"]
    assert coordinate.judged("C", [unclear])["found"] == f"[{2 - half:.1f}, {2 + half:.1f}] dB"
    near = [(values - 2, -3, 3), (values - 2, -1, 1), (values + 9, -1, 1)]
    assert [coordinate.judged("C", [part])["verdict"] for part in near] == ["holds", "undecided", "fails"]


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ({"raw": 18, "4": 26, "30": 12, "loud": 22}, "holds"),
        ({"raw": 26, "4": 18, "30": 22, "loud": 26}, "fails"),
    ],
)
def test_verdicts_of_networks_that_follow_the_expectations_and_of_their_opposites(test, words):
    scatter = 0.1 * np.sin(np.arange(5))
    rows = [
        {"cell": [image, name], "kernel": 26.5, "test": list(test.get(name, 20) + scatter * (1 + len(name)))}
        for image, name in coordinate.CELLS
    ]
    assert {v["verdict"] for v in coordinate.verdicts(rows)} == {words}


# --- A rerun: stored numbers come out again.


@pytest.mark.parametrize("image", coordinate.IMAGES)
def test_a_kernel_end_comes_out_again(image):
    row = next(r for r in ROWS if r["cell"] == [image, "basic"])
    assert coordinate.kernel_end(image, "basic") == pytest.approx(row["kernel"], abs=2e-3)


def test_a_run_comes_out_again():
    row = next(r for r in ROWS if r["cell"] == ["synthetic", "basic"])
    again = coordinate.train("synthetic", "basic", row["lr"], STORED["seeds"][0])
    # 500 steps of Adam amplify rounding, which differs from one processor to another.
    assert again["test"] == pytest.approx(row["test"][0], abs=1.0)
