"""Does a Mixer need its structure? The stored experiment of the chapter on Mixers.

    make experiments

Expectations, written before any run
------------------------------------
Digits, cut into S = 16 patches of 2 × 2 pixels; 600 pictures to train on, 1197 to test on; two blocks with skips and
normalisation, C = 4, 8, 16, 32 or 64 channels, so that the effective width SC goes from 64 to 1024. Four arms:

mixer   a Mixer: tokens mix, then channels mix.
rp      the same with random permutations in place of the commutation matrix: nothing is left of "a token".
sparse  as rp, but no two blocks on a diagonal share weights: C or S times as many weights to train.
dense   dense matrices, on a vector of all pixels, as narrow as it takes to have the same number of connections.

E1  Narrow networks need the structure: at C = 4 the Mixer is better than the RP-Mixer.
E2  The gap between them is smaller at C = 64 than at C = 4.
E3  At C = 64 there is no gap: the two are equal within one percentage point.
E4  Width helps without structure, too: the RP-Mixer is better at C = 64 than at C = 4.
E5  Sharing costs a wide network nothing: at C = 64 the RP-Mixer is within one point of the sparse network, which has
    up to 64 times as many weights.
E6  Wide and sparse against narrow and dense, at the same number of connections: at C = 16 the sparse network is
    within one point of the dense one. (A hypothesis has wide ones ahead; on the 64 pixels of digits, where no input
    repeats another, an earlier measurement found no gain.)

Protocol, fixed before the runs that are stored
-----------------------------------------------
ReLU, fifteen epochs of stochastic gradient descent with momentum 0.9, batches of 32, cross-entropy. A seed chooses
the split of the pictures, the draw of the network with its permutations, and the order of the batches; it is the
same for all arms, so that differences are paired. Step sizes are powers of two, one for each arm and size: the best
mean accuracy of seeds 100 and 101 on pictures that are neither trained on nor in the test part of their splits
(then the smaller loss on them), on a grid that is extended until neither end is the best. Other seeds measure,
on all the 1197 pictures that they don't train on. (These are other splits of the same 1797 pictures, so that some
test pictures were judged by in the choice of a step size; so they were for all arms.) E1, E2 and E4 hold if the 95 %
t-interval of the paired difference lies above zero, fail if it lies below, and are undecided else. E3, E5 and E6
hold if it lies within one point of zero, fail if it lies outside, and are undecided else. The training accuracy is
reported and decides nothing.

Before that only the time of a run was measured (it made fifteen epochs of twenty), with accuracies not looked at.

A first measurement, on seeds 1 to 6, left all but E4, which held, undecided: E1 [-0.7, 0.2] points, E2 [-0.0, 1.5],
E3 [-1.8, -0.1], E4 [1.0, 1.7], E5 [-1.0, 0.6], E6 [-1.8, -0.2]. So ten new seeds, 11 to 20, were drawn, on which
alone the stored verdicts rest. Nothing else was changed, and no third measurement was to follow.

Finished runs are kept in ``_build/experiments``, so that an interrupted call goes on where it stopped; the result
goes to ``mixer_training.json`` beside this file. About thirteen minutes on one core.
"""

from pathlib import Path

import numpy as np
import rmtlab as rl
import torch
from rmtlab.layers import Activation, Dense, LayerNorm, Residual
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
STORE = (
    HERE.parents[1] / "_build" / "experiments" / "mixer_training.jsonl"
)
RESULT = HERE / "mixer_training.json"

TOKENS, PATCH, DEPTH, CLASSES = 16, 2, 2, 10
EPOCHS, BATCH, MOMENTUM, TRAINED_ON = 15, 32, 0.9, 600
CHANNELS = (4, 8, 16, 32, 64)
ARMS = ("mixer", "rp", "sparse", "dense")
MARGIN = 0.01
STEP_SIZES = tuple(2.0**k for k in range(-7, -3))
LEAST, MOST = 2.0**-14, 1.0
TUNING_SEEDS = (100, 101)
SEEDS = tuple(range(11, 21))

Cell = tuple[str, int]  # arm, channels
CELLS: tuple[Cell, ...] = tuple(
    (arm, channels) for channels in CHANNELS for arm in ARMS
)


class SparseBlock(nn.Module):
    """An RP-Mixer block, every block on whose diagonals has its own weights."""

    def __init__(self, shape: rl.mixer.Shape, rng: np.random.Generator):
        super().__init__()
        width = shape.width
        self.orders = [
            torch.tensor(rng.permutation(width)) for _ in range(4)
        ]
        self.weights = nn.ParameterList(
            nn.Parameter(
                torch.tensor(
                    rng.normal(size=(width // n, n, n)) * (2 / n) ** 0.5,
                    dtype=torch.float32,
                )
            )
            for n in (
                shape.tokens,
                shape.tokens,
                shape.channels,
                shape.channels,
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a batch of S × C matrices for another."""
        h = x.flatten(1)
        for half in (0, 2):
            first, second = self.weights[half], self.weights[half + 1]
            before, after = self.orders[half : half + 2]
            scaled = nn.functional.layer_norm(h, h.shape[1:])[:, before]
            blocks = scaled.unflatten(1, first.shape[:2]).transpose(0, 1)
            mixed = torch.relu(blocks @ first.mT) @ second.mT
            h = h + mixed.transpose(0, 1).flatten(1)[:, after]
        return h.view_as(x)


def dense_width(shape: rl.mixer.Shape) -> int:
    """Return the width n at which four n × n matrices have the connections of a block."""
    return round(float(shape.mean_connections) ** 0.5)


def network(arm: str, channels: int, seed: int) -> nn.Module:
    """Return a network that takes (n, 16, 4) and gives (n, 10)."""
    shape = rl.mixer.Shape(TOKENS, channels)
    if arm == "dense":
        inner = Dense(2.0, parameterization="standard")
        outer = Dense(1.0, parameterization="standard")
        half = Residual(LayerNorm(), inner, Activation("relu"), inner)
        net = rl.networks.serial(
            outer, *[half] * 2 * DEPTH, LayerNorm(), outer
        )
        sampled = net.sample(
            dense_width(shape),
            in_features=TOKENS * PATCH**2,
            out_features=CLASSES,
            seed=seed,
        )
        return nn.Sequential(nn.Flatten(), sampled)
    module = rl.mixer.network(
        shape,
        PATCH**2,
        CLASSES,
        depth=DEPTH,
        permutation="commutation" if arm == "mixer" else "random",
        seed=seed,
    )
    if arm == "sparse":
        rng = np.random.default_rng(seed)
        module.blocks = nn.ModuleList(
            SparseBlock(shape, rng) for _ in range(DEPTH)
        )
    return module


def weights(arm: str, channels: int) -> int:
    """Return how many numbers an arm trains."""
    return sum(p.numel() for p in network(arm, channels, 0).parameters())


def pictures(seed: int, tuning: bool) -> tuple[np.ndarray, ...]:
    """Return patches and classes to train on and to judge by."""
    digits = rl.data.load("digits", flatten=False, seed=seed)
    x, y = digits.x_train[TRAINED_ON:], digits.y_train[TRAINED_ON:]
    if not tuning:
        x = np.concatenate([x, digits.x_test])
        y = np.concatenate([y, digits.y_test])
    return (
        rl.mixer.patches(digits.x_train[:TRAINED_ON, 0], PATCH),
        digits.y_train[:TRAINED_ON],
        rl.mixer.patches(x[:, 0], PATCH),
        y,
    )


def train(arm: str, channels: int, lr: float, seed: int) -> dict:
    """Train one network on the digits; return its accuracies and its loss on the pictures it is judged by."""
    x, y, x_judge, y_judge = pictures(seed, seed in TUNING_SEEDS)
    history = rl.training.fit(
        network(arm, channels, seed),
        x,
        y,
        epochs=EPOCHS,
        lr=lr,
        batch_size=BATCH,
        momentum=MOMENTUM,
        loss="cross_entropy",
        x_test=x_judge,
        y_test=y_judge,
        seed=seed,
        record_every=EPOCHS,
        progress=False,
    )
    loss = float(history.test_loss[-1])
    return {
        "train": round(float(history.accuracy[-1]), 4),
        "test": round(float(history.test_accuracy[-1]), 6),
        "loss": float(f"{loss:.4g}") if np.isfinite(loss) else None,
        "diverged": history.diverged,
    }


def runs(cases: list[tuple[Cell, float, int]]) -> list[dict]:
    """Train every (cell, lr, seed), as far as it is not in the store yet."""
    points = [
        {"arm": arm, "channels": channels, "lr": lr, "seed": seed}
        for (arm, channels), lr, seed in cases
    ]
    return rl.experiment.results(train, points, store=STORE, n_jobs=1)


def tune(cell: Cell) -> list[dict]:
    """Return what each step size gave on the tuning seeds, on a grid whose ends are not the best, if it can be."""

    def measure(sizes: list[float]) -> list[dict]:
        return [one_size(cell, lr) for lr in sizes]

    return rl.experiment.tune(
        measure, STEP_SIZES, best, least=LEAST, most=MOST
    )


def one_size(cell: Cell, lr: float) -> dict:
    """Return what a step size gave on the tuning seeds, on average."""
    found = runs([(cell, lr, s) for s in TUNING_SEEDS])
    diverged = any(r["diverged"] or r["loss"] is None for r in found)
    return {
        "accuracy": round(float(np.mean([r["test"] for r in found])), 6),
        "loss": None
        if diverged
        else float(f"{np.mean([r['loss'] for r in found]):.4g}"),
        "diverged": diverged,
    }


def best(tried: list[dict]) -> float:
    """Return the step size of the best accuracy, then of the smaller loss."""

    def rank(one: dict) -> tuple[bool, float, float]:
        loss = np.inf if one["loss"] is None else one["loss"]
        return one["diverged"], -one["accuracy"], loss

    return min(tried, key=rank)["lr"]


def row(cell: Cell) -> dict:
    """Tune and measure one cell."""
    tried = tune(cell)
    lr = best(tried)
    measured = runs([(cell, lr, s) for s in SEEDS])
    arm, channels = cell
    return {
        "arm": arm,
        "channels": channels,
        "weights": weights(*cell),
        "tuning": tried,
        "lr": lr,
        **{
            name: [result[name] for result in measured]
            for name in ("train", "test")
        },
    }


def accuracies(rows: list[dict]) -> dict[Cell, np.ndarray]:
    """Return the test accuracies of every cell, one a seed."""
    return {(r["arm"], r["channels"]): np.array(r["test"]) for r in rows}


def verdicts(rows: list[dict]) -> list[dict]:
    """Return each expectation with the interval that was found, and whether it holds."""
    test = accuracies(rows)
    narrow, wide = CHANNELS[0], CHANNELS[-1]
    gap = {c: test["mixer", c] - test["rp", c] for c in CHANNELS}
    square = TOKENS
    above, near = (0.0, np.inf), (-MARGIN, MARGIN)
    return [
        judged("E1", gap[narrow], above),
        judged("E2", gap[narrow] - gap[wide], above),
        judged("E3", gap[wide], near),
        judged("E4", test["rp", wide] - test["rp", narrow], above),
        judged("E5", test["rp", wide] - test["sparse", wide], near),
        judged(
            "E6", test["sparse", square] - test["dense", square], near
        ),
    ]


def judged(
    name: str, differences: np.ndarray, region: tuple[float, float]
) -> dict:
    """Return a verdict: does the interval of a mean lie in a region, outside it, or neither?"""
    found = rl.experiment.interval(differences)
    return {
        "expectation": name,
        "found": f"[{100 * found.low:.1f}, {100 * found.high:.1f}] points",
        "verdict": rl.experiment.verdict(found, *region),
    }


def main() -> None:
    """Tune, measure, judge, and store the result with where it came from."""
    torch.set_num_threads(1)
    rows = [row(cell) for cell in CELLS]
    RESULT.write_text(rl.experiment.as_text(describe(rows)))
    for one in verdicts(rows):
        print(one)
    print(f"{len(rows)} cells written to {RESULT.name}")


def describe(rows: list[dict]) -> dict:
    """Return the rows with the verdicts, and the command, seeds, commit and hash that they came from."""
    return {
        **rl.experiment.origin(__file__),
        "tuning_seeds": list(TUNING_SEEDS),
        "seeds": list(SEEDS),
        "tokens": TOKENS,
        "depth": DEPTH,
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "momentum": MOMENTUM,
        "trained_on": TRAINED_ON,
        "verdicts": verdicts(rows),
        "sha256": rl.experiment.digest(rows),
        "rows": rows,
    }


if __name__ == "__main__":
    main()
