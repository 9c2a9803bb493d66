"""The stored experiment of the chapter on width and sparsity: what it holds is what its script computes.

Evidence: closed forms (counts of weights, intervals, verdicts), contracts (hash, cells, seeds, tuned step sizes,
tasks), and a rerun of one cell.
"""

import importlib.util
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

import rmtlab as rl

SCRIPT = Path(__file__).resolve().parents[1] / "book" / "structure" / "width_sparsity.py"
_spec = importlib.util.spec_from_file_location("width_sparsity", SCRIPT)
width = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(width)

STORED = json.loads(width.RESULT.read_text())
ROWS, MORE = STORED["rows"], STORED["follow_up"]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(map(str, row["cell"])))


# --- Contract: the file is what the script would write from its rows.


def test_hash_and_verdicts_follow_from_the_rows():
    assert rl.experiment.digest([*ROWS, *MORE]) == STORED["sha256"]
    assert [*width.verdicts(ROWS), *width.more_verdicts(MORE)] == STORED["verdicts"]
    assert rl.experiment.as_text(STORED, tables=("rows", "follow_up")) == width.RESULT.read_text()


def test_every_cell_is_there_once_and_seeds_were_not_tuned_on():
    assert Counter(tuple(r["cell"]) for r in ROWS) == Counter(width.CELLS)
    assert Counter(tuple(r["cell"]) for r in MORE) == Counter(width.MORE_CELLS)
    tuned_on = {width.TUNING_SEED, *width.MORE_TUNING_SEEDS}
    assert not tuned_on & {*width.SEEDS, *width.MORE_SEEDS}
    assert not set(width.SEEDS) & set(width.MORE_SEEDS)
    assert len(width.SEEDS) >= 6


@each_row
def test_each_cell_has_its_seeds_and_a_step_size_inside_its_grid(row):
    assert len(row["train"]) == len(row["test"]) == len(STORED["seeds"])
    tried = [t["lr"] for t in row["tuning"]]
    assert np.allclose(np.diff(np.log2(tried)), 1)
    assert row["lr"] == width.best(row["tuning"])
    limits = (width.LEAST, width.most(tuple(row["cell"])))
    assert min(tried) < row["lr"] < max(tried) or row["lr"] in limits


def test_the_follow_up_has_its_seeds_and_step_sizes():
    first = {tuple(r["cell"]): r["lr"] for r in ROWS}
    for row in MORE:
        if row["tuning"]:
            best = max(row["tuning"], key=lambda one: one["test"])
            assert (row["lr"], len(row["test"])) == (best["lr"], 8)
            assert tuple(t["lr"] for t in row["tuning"]) == width.MORE_STEP_SIZES
        else:
            assert row["lr"] == first[tuple(row["cell"])]
            assert len(row["test"]) == len(width.MORE_SEEDS)


# --- Closed form: what the networks and tasks are.


@pytest.mark.parametrize("cell", [c for c in width.CELLS if c[0][:4] in ("redu", "digi", "copi")])
def test_widening_keeps_the_number_of_weights(cell):
    task, base, factor = cell
    inputs = {"digits": 64, "copies": 384}.get(task) or int(task.split("-")[1])
    module = width.network(task, base, factor, inputs, seed=0)
    assert module.connections == pytest.approx(base * (inputs + 10), abs=1)
    assert module.weights[0].shape == (base * factor, inputs)


@pytest.mark.parametrize(("tokens", "channels"), width.SHAPES)
def test_mixers_have_their_connections_and_free_weights(tokens, channels):
    shared, unshared = (width.network(kind, tokens, channels, 0, seed=0) for kind in ("mixer", "unshared"))
    omega = tokens * channels * (tokens + channels) / 2
    assert 0.85 * width.OMEGA <= omega <= width.OMEGA
    free = [sum(p.numel() for p in m.block.parameters()) for m in (shared, unshared)]
    assert free == [2 * (tokens**2 + channels**2), 4 * omega]
    assert shared.mask.sum() == unshared.mask.sum() == width.READ_OUT


def test_an_unshared_mixer_with_equal_matrices_is_a_mixer():
    """Symmetry: copying the shared matrices gives the shared block."""
    shared = width.network("mixer", 4, 44, 0, seed=3).block
    unshared = width.Unshared(4, 44, seed=0)
    matrices = (shared.token_in, shared.token_out, shared.channel_in, shared.channel_out)
    with torch.no_grad():
        for own, matrix in zip(unshared.weights, matrices, strict=True):
            own.copy_(matrix.expand_as(own))
    x = torch.tensor(np.random.default_rng(0).standard_normal((5, 4, 44)), dtype=torch.float32)
    torch.testing.assert_close(unshared(x), shared(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("number", width.PATCHES)
def test_tokens_are_equal_rectangles_of_the_picture(number):
    picture = np.arange(64.0)[None]
    cut = width.tokens(picture, number)
    high, wide = width.PATCHES[number]
    assert cut.shape == (1, number, 64 // number)
    assert np.array_equal(cut[0, 0], picture.reshape(8, 8)[:high, :wide].ravel())
    assert np.array_equal(np.sort(cut.ravel()), picture.ravel())


def test_copies_are_copies_and_smaller_tasks_are_parts():
    digits, copies = width.task_of("digits", 8, 1), width.task_of("copies", 8, 1)
    assert np.array_equal(copies.x.reshape(-1, 6, 64), np.repeat(digits.x[:, None], 6, axis=1))
    assert np.allclose(np.sum(digits.x**2, axis=1), 64)
    full, part = width.task_of("redundant-400", 8, 1), width.task_of("redundant-25", 8, 1)
    assert np.array_equal(full.x[:, :25], part.x)
    assert np.array_equal(full.y, part.y)


# --- Closed form: verdicts.


def fake(cells, accuracy, count=8):
    """Rows whose test accuracies are those of a function of the cell, with a little scatter."""
    scatter = 0.001 * np.sin(np.arange(count))
    return [{"cell": list(c), "test": list(accuracy(*c) + scatter * (1 + len(c[0]) + c[2]))} for c in cells]


def test_verdicts_ask_where_the_interval_lies():
    half = 4.302652729911275 / np.sqrt(3)  # the 97.5 % point of t with two degrees of freedom
    values = np.array([1.0, 2.0, 3.0])
    found = [width.judged_by_interval("E", values + shift, low=0) for shift in (1, 0, -9)]
    assert [one["verdict"] for one in found] == ["holds", "undecided", "fails"]
    assert found[1]["found"] == f"[{100 * (2 - half):.1f}, {100 * (2 + half):.1f}] points"


@pytest.mark.parametrize(("sign", "words"), [(1, "holds"), (-1, "fails")])
def test_verdicts_of_experiments_that_follow_the_expectations_and_of_their_opposites(sign, words):
    def accuracy(task, first, second):
        if task.startswith("redundant"):
            rise = {1: 0, 2: 2, 4: 3, 8: 3, 16: 2, 32: 0}[second] if task.endswith("400") else 0
        elif task == "naive":
            rise = -30
        else:
            rise = {"digits": -second, "copies": second, "right": 10}.get(task, 5 * (first == 16))
        return 0.75 + sign * 0.01 * rise

    assert {v["verdict"] for v in width.verdicts(fake(width.CELLS, accuracy))} == {words}
    assert {v["verdict"] for v in width.more_verdicts(fake(width.MORE_CELLS, accuracy))} == {words}


# --- A rerun: a stored number comes out again.


def test_a_run_comes_out_again():
    row = next(r for r in ROWS if r["cell"] == ["digits", 8, 4])
    again = width.train("digits", 8, 4, row["lr"], STORED["seeds"][0])
    # Another processor rounds differently: a few of 797 pictures near a tie may change sides.
    assert again["test"] == pytest.approx(row["test"][0], abs=0.02)
