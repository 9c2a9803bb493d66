"""The stored experiment of the chapter on Mixers: what it holds is what its script computes.

Evidence: contracts (hash, cells, seeds, tuned step sizes, counts of weights), a comparison of a control with a matrix
written out, closed forms (intervals, verdicts), and a rerun of one cell.
"""

import importlib.util
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import rmtlab as rl

SCRIPT = Path(__file__).resolve().parents[1] / "book" / "structure" / "mixer_training.py"
_spec = importlib.util.spec_from_file_location("mixer_training", SCRIPT)
training = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(training)

STORED = json.loads(training.RESULT.read_text())
ROWS = STORED["rows"]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['arm']}-{row['channels']}")


def cell_of(row):
    return row["arm"], row["channels"]


# --- Contract: the file is what the script would write from its rows.


def test_hash_and_verdicts_follow_from_the_rows():
    assert rl.experiment.digest(ROWS) == STORED["sha256"]
    assert training.verdicts(ROWS) == STORED["verdicts"]
    assert rl.experiment.as_text(STORED) == training.RESULT.read_text()


def test_every_cell_is_there_once_and_seeds_were_not_tuned_on():
    assert Counter(map(cell_of, ROWS)) == Counter(training.CELLS)
    assert STORED["seeds"] == list(training.SEEDS)
    assert len(set(STORED["seeds"])) >= 5
    assert not set(STORED["tuning_seeds"]) & set(STORED["seeds"])
    assert len(training.CHANNELS) >= 4


@each_row
def test_each_cell_has_its_seeds_and_a_step_size_inside_its_grid(row):
    assert len(row["train"]) == len(row["test"]) == len(STORED["seeds"])
    tried = [t["lr"] for t in row["tuning"]]
    assert np.allclose(np.diff(np.log2(tried)), 1)
    assert row["lr"] == training.best(row["tuning"])
    assert min(tried) < row["lr"] < max(tried) or row["lr"] in (training.LEAST, training.MOST)


# --- Contract: the arms are what the docstring says.


@each_row
def test_arms_have_the_weights_that_were_counted(row):
    arm, channels = cell_of(row)
    shape = rl.mixer.Shape(training.TOKENS, channels)
    ends = channels * training.PATCH**2 + training.CLASSES * shape.width
    blocks = 2 * training.DEPTH
    if arm == "dense":
        n = training.dense_width(shape)
        ends = n * (training.TOKENS * training.PATCH**2 + training.CLASSES)
        expected = ends + 2 * blocks * n**2
    elif arm == "sparse":
        expected = ends + blocks * sum(shape.connections)
    else:
        expected = ends + blocks * sum(shape.trainable)
    assert row["weights"] == training.weights(*cell_of(row)) == expected


@pytest.mark.parametrize("channels", training.CHANNELS)
def test_the_dense_network_has_the_same_number_of_connections(channels):
    """A whole number n: 4n² of a block is off by at most a relative 1/n."""
    shape = rl.mixer.Shape(training.TOKENS, channels)
    n = training.dense_width(shape)
    assert 4 * n**2 == pytest.approx(2 * sum(shape.connections), rel=1.1 / n)


def test_the_sparse_block_is_an_rp_mixer_when_its_blocks_agree():
    """Comparison: give all blocks one matrix, and the RP-Mixer its permutations."""
    torch = pytest.importorskip("torch")
    shape = rl.mixer.Shape(4, 3)
    sparse = training.SparseBlock(shape, np.random.default_rng(0))
    shared = rl.mixer.block(shape, permutation="random", skip=True, normalise=True)
    shared.orders = torch.stack(sparse.orders)
    names = ("token_in", "token_out", "channel_in", "channel_out")
    with torch.no_grad():
        for own, name in zip(sparse.weights, names, strict=True):
            own[:] = getattr(shared, name)
        x = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0))
        # The sparse block reads its matrix row by row, the RP-Mixer column by column.
        expected = shared(x.reshape(5, 3, 4).mT).mT.reshape(5, 4, 3)
        torch.testing.assert_close(sparse(x), expected)


def test_random_arms_have_lost_their_tokens():
    mixer, rp = (training.network(arm, 8, 1) for arm in ("mixer", "rp"))
    assert mixer.blocks[0].orders is None
    assert rp.blocks[0].orders.shape == (4, 128)
    assert (rp.blocks[0].token_in == mixer.blocks[0].token_in).all()


def test_pictures_judge_by_others_than_those_trained_on():
    x, y, x_judge, y_judge = training.pictures(1, tuning=False)
    assert (len(x), len(y), len(x_judge), len(y_judge)) == (600, 600, 1197, 1197)
    assert len(training.pictures(1, tuning=True)[2]) == 837
    seen = {picture.tobytes() for picture in x}
    assert not any(picture.tobytes() in seen for picture in x_judge)


# --- Closed form: intervals and verdicts.


@pytest.mark.parametrize(
    ("centre", "region", "expected"),
    [
        (0.03, (0.0, np.inf), "holds"),
        (0.0, (0.0, np.inf), "undecided"),
        (-0.03, (0.0, np.inf), "fails"),
        (0.0, (-0.01, 0.01), "holds"),
        (0.01, (-0.01, 0.01), "undecided"),
        (0.03, (-0.01, 0.01), "fails"),
    ],
)
def test_verdicts_ask_where_the_interval_lies(centre, region, expected):
    found = training.judged("E", centre + 0.001 * np.array([-1.0, 0.0, 1.0]), region)
    half = (
        0.1 * 4.302652729911275 / np.sqrt(3)
    )  # the 97.5 % point of t with two degrees of freedom, in percent
    assert found["verdict"] == expected
    assert found["found"] == f"[{100 * centre - half:.1f}, {100 * centre + half:.1f}] points"


def fake_rows(accuracy):
    noise = 0.001 * np.arange(5)
    return [
        {"arm": arm, "channels": c, "test": list(accuracy(arm, c) + noise * (1 + (arm == "rp")))}
        for arm, c in training.CELLS
    ]


def test_verdicts_of_a_gap_that_closes_and_of_one_that_opens():
    closing = fake_rows(lambda arm, c: 0.95 - (0.2 / c if arm != "mixer" else 0))
    opening = fake_rows(lambda arm, c: 0.95 - (0.002 * c if arm == "rp" else 0))
    words = [v["verdict"] for v in training.verdicts(closing)]
    assert words == ["holds"] * 6
    found = {v["expectation"]: v["verdict"] for v in training.verdicts(opening)}
    assert found["E2"] == found["E3"] == found["E4"] == found["E5"] == "fails"


# --- A rerun: a stored number comes out again.


def test_a_run_comes_out_again():
    row = next(r for r in ROWS if cell_of(r) == ("mixer", 4))
    again = training.train("mixer", 4, row["lr"], STORED["seeds"][0])
    # Another processor rounds differently: some of 1197 pictures near a tie may change sides.
    assert again["test"] == pytest.approx(row["test"][0], abs=0.015)
