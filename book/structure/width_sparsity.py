"""Are wider networks better at the same number of weights? The stored experiment of the chapter on width and sparsity.

    make experiments

A hidden layer of base width n is made k times as wide while a fixed random mask keeps one weight in k, in both
layers: the number of weights stays. Weights have the variance 2/(fan-in × density).

Tasks. "redundant-d": d inputs x = tanh(1.5 A z) + 0.1 noise of 12 latent variables z, ten classes given by a random
network of z; "redundant-100" sees the first 100 of the 400 inputs, and so on. "digits": 64 pixels. "copies": the same
pixels, each six times. "mixer": one Mixer block of S tokens and C channels between a fixed random stem and a read-out
of 1280 connections, on digits of which 300 are for training; S tokens are S equal rectangles of the picture; all
shapes have about the same number of connections, Ω = SC(S + C)/2 = 3648 to 4224 a layer. "unshared": the same without
sharing: every column and every row has matrices of its own, so that there are as many free weights as connections.
"right" and "naive": six hidden layers of 128 units at density 1/8 on digits, variance 2/(fan-in × density) and
2/fan-in, plain gradient steps.

Expectations, written before any run of this script
---------------------------------------------------
E1  Wider is better where inputs are redundant. "redundant-400", base width (a, b) 8 and (c, d) 16, four and eight
    times as wide: the gain in test accuracy is more than three standard errors above 0.
E2  Not without end. At base width 16 it is lower at 32 times than at 8 times the width.
E3  Not where inputs are not redundant. "digits", base width (a) 8 and (b) 16: eight times as wide is worse than dense.
E4  Redundancy is the reason. "copies" carry nothing new, but a unit with one weight in four sees a share
    1 − (3/4)⁶ = 82 % of the pixels. At base width 8, four times as wide is better than dense.
E5  The dose. At base width 8 the gain of four times the width is smaller with 25 inputs than with 400.
E6  A Mixer of a given Ω is widest where S = C. So S = C = 16 is better than (a) 2 tokens, (b) 64 tokens.
E7  The same for "unshared", where free weights are equal in number too.
E8  (a) "right" trains, to a test accuracy above 70 %; (b) "naive", whose signals lose a factor of eight in variance a
    layer, does not.

Protocol, fixed before the runs that are stored
-----------------------------------------------
Adam (E8: gradient descent) in batches of 64, cross-entropy. Step sizes are powers of two. The one of each cell has the
best test accuracy (then the smaller loss) on seed 0, on a grid that is extended until neither end is the best or the
limits 2⁻¹² and 1 (E8: 8) are reached. A seed draws task, mask, weights and batches; eight other seeds measure, and
cells are compared seed by seed. E1 as it is stated. E2 to E7 hold if the 95 % t-interval of the paired difference lies
on the side that is stated, fail if it lies on the other, and are undecided if it contains 0. E8 likewise by the
interval of the mean and 70 %. Training accuracies are stored beside, and decide nothing.

What was known before: a run of the same kind as E1 (other draws, one step size 0.003 for all, three seeds) had gained
four points at base width 8 and one at 16, and one on digits had gained nothing; one run of each Mixer shape on all
digits, untuned, had been 98 to 99.7 % right, which is why 300 are used; and eight single runs on seed 100, to see how
long they take, among them S = C = 16 (93 %, unshared 94 %) and the unshared ends (94 and 95 %): they shortened the
epochs and changed nothing else. E1 and E3 therefore confirm; the others were open.

A follow-up, written after E1 to E8 were known
----------------------------------------------
The gains of E1 at base width 16 had the expected sign (0.67 and 0.56 points) and were two standard errors and less. In
E8 the tuned step of "right", 1, was at the edge: six of eight networks were 94 to 96 % right, two had collapsed; and
all first steps of "naive" had given chance, so that its grid was never extended. Hence:

F1  Base width 16, (a) four and (b) eight times as wide, the same step sizes, seeds 9 to 40: E1's rule, on these alone.
F2  E8 again, (a) "right" and (b) "naive", seeds 9 to 16, with the step size of the best mean test accuracy over the
    seeds 100, 101 and 102 among all powers of two from 2⁻⁸ to 8.

Finished runs are kept in ``_build/experiments``, so that an interrupted call goes on where it stopped; the result
goes to ``width_sparsity.json`` beside this file.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rmtlab as rl
import torch
from scipy import stats

HERE = Path(__file__).resolve().parent
STORE = (
    HERE.parents[1] / "_build" / "experiments" / "width_sparsity.jsonl"
)
RESULT = HERE / "width_sparsity.json"

LATENT, INPUTS, COPIES, BATCH = 12, 400, 6, 64
OMEGA, READ_OUT = 4224, 1280
THRESHOLD, ERRORS = 0.7, 3
LEAST, MOST, MOST_PLAIN = 2.0**-12, 1.0, 8.0
STEP_SIZES = (2.0**-8, 2.0**-7, 2.0**-6)
TUNING_SEED = 0
SEEDS = (1, 2, 3, 4, 5, 6, 7, 8)
MORE_SEEDS = tuple(range(9, 41))
MORE_TUNING_SEEDS = (100, 101, 102)
MORE_STEP_SIZES = tuple(2.0**k for k in range(-8, 4))
PATCHES = {
    2: (4, 8),
    4: (4, 4),
    8: (2, 4),
    16: (2, 2),
    32: (1, 2),
    64: (1, 1),
}
SHAPES = ((2, 64), (4, 44), (8, 28), (16, 16), (32, 6), (64, 2))

Cell = tuple[
    str, int, int
]  # task; base width and factor, or S and C, or depth and 1/density
CELLS: tuple[Cell, ...] = (
    *(("redundant-400", 8, k) for k in (1, 2, 4, 8, 16)),
    *(("redundant-400", 16, k) for k in (1, 2, 4, 8, 16, 32)),
    *((f"redundant-{d}", 8, k) for d in (100, 25) for k in (1, 4)),
    *(("digits", n, k) for n in (8, 16) for k in (1, 2, 4, 8)),
    *(("copies", 8, k) for k in (1, 2, 4, 8)),
    *(("mixer", s, c) for s, c in SHAPES),
    *(("unshared", s, c) for s, c in SHAPES),
    ("right", 6, 8),
    ("naive", 6, 8),
)
MORE_CELLS: tuple[Cell, ...] = (
    *(("redundant-400", 16, k) for k in (1, 4, 8)),
    ("right", 6, 8),
    ("naive", 6, 8),
)


class Task(NamedTuple):
    """Inputs and classes of a training and a test part."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


@cache
def redundant(seed: int, train: int = 3000, test: int = 4000) -> Task:
    """Draw 400 inputs that are functions of 12 latent variables, and classes that are, too."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((LATENT, INPUTS)) / LATENT**0.5
    first = rng.standard_normal((LATENT, 40)) / LATENT**0.5
    second = rng.standard_normal((40, 10))
    z = rng.standard_normal((train + test, LATENT))
    noise = rng.standard_normal((train + test, INPUTS))
    x = np.tanh(1.5 * z @ a) + 0.1 * noise
    y = np.argmax(np.tanh(2 * z @ first) @ second, axis=1)
    return Task(x[:train], y[:train], x[train:], y[train:])


@cache
def digits(seed: int, train: int = 1000) -> Task:
    """Split the digits anew; every picture is scaled to |x|² = d."""
    data = rl.data.load("digits", normalize=None)
    x = np.concatenate([data.x_train, data.x_test])
    y = np.concatenate([data.y_train, data.y_test])
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    x = x - x[:train].mean(axis=0)
    x *= (x.shape[1] / np.sum(x**2, axis=1, keepdims=True)) ** 0.5
    return Task(x[:train], y[:train], x[train:], y[train:])


def tokens(x: np.ndarray, number: int) -> np.ndarray:
    """Cut 8 × 8 pictures into equal rectangles."""
    high, wide = PATCHES[number]
    tiles = x.reshape(-1, 8 // high, high, 8 // wide, wide)
    return tiles.transpose(0, 1, 3, 2, 4).reshape(len(x), number, -1)


def task_of(name: str, size: int, seed: int) -> Task:
    """Return the pictures of a cell."""
    if name.startswith("redundant"):
        full, inputs = redundant(seed), int(name.split("-")[1])
        return full._replace(
            x=full.x[:, :inputs], x_test=full.x_test[:, :inputs]
        )
    if name in ("mixer", "unshared"):
        part = digits(seed, 300)
        return part._replace(
            x=tokens(part.x, size), x_test=tokens(part.x_test, size)
        )
    part = digits(seed)
    if name == "copies":
        return part._replace(
            x=np.tile(part.x, COPIES), x_test=np.tile(part.x_test, COPIES)
        )
    return part


class Unshared(torch.nn.Module):
    """A Mixer block in which every column and every row has its own matrices."""

    def __init__(self, tokens: int, channels: int, seed: int) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        self.weights = torch.nn.ParameterList(
            torch.nn.Parameter(
                torch.tensor(
                    rng.standard_normal((copies, n, n)) * (2 / n) ** 0.5,
                    dtype=torch.float32,
                )
            )
            for copies, n in ((channels, tokens), (tokens, channels))
            for _ in range(2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, S, C) for (n, S, C)."""
        first, second, third, fourth = self.weights
        h = torch.einsum("cts,nsc->ntc", first, standardised(x)).relu()
        x = x + torch.einsum("cts,nsc->ntc", second, h)
        h = torch.einsum("sdc,nsc->nsd", third, standardised(x)).relu()
        return x + torch.einsum("sdc,nsc->nsd", fourth, h)


class Mixing(torch.nn.Module):
    """A fixed random stem, one Mixer block, and a read-out of a fixed number of connections."""

    def __init__(
        self, tokens: int, channels: int, shared: bool, seed: int
    ) -> None:
        super().__init__()
        rng = np.random.default_rng([seed, 1])
        pixels = 64 // tokens
        self.register_buffer(
            "stem", drawn(rng, (pixels, channels), 1 / pixels)
        )
        self.block = (
            rl.mixer.block(
                rl.mixer.Shape(tokens, channels),
                skip=True,
                normalise=True,
                seed=seed,
            )
            if shared
            else Unshared(tokens, channels, seed)
        )
        size = 10 * tokens * channels
        mask = np.zeros(size, dtype=np.float32)
        mask[rng.permutation(size)[:READ_OUT]] = 1
        self.register_buffer("mask", torch.tensor(mask.reshape(10, -1)))
        self.read_out = torch.nn.Parameter(
            drawn(rng, (10, tokens * channels), 10 / READ_OUT)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, 10) for (n, S, 64/S)."""
        h = standardised(self.block(x @ self.stem)).flatten(1)
        return h @ (self.mask * self.read_out).mT


def standardised(x: torch.Tensor) -> torch.Tensor:
    """Return x with mean 0 and variance 1 over its last two axes."""
    x = x - x.mean((-2, -1), keepdim=True)
    return x * (x.square().mean((-2, -1), keepdim=True) + 1e-5).rsqrt()


def drawn(
    rng: np.random.Generator, shape: tuple[int, int], var: float
) -> torch.Tensor:
    """Draw a Gaussian matrix."""
    return torch.tensor(
        rng.standard_normal(shape) * var**0.5, dtype=torch.float32
    )


def network(
    task: str, first: int, second: int, inputs: int, seed: int
) -> torch.nn.Module:
    """Draw the network of a cell."""
    if task in ("mixer", "unshared"):
        return Mixing(first, second, task == "mixer", seed)
    if task in ("right", "naive"):
        return rl.mixer.masked_mlp(
            inputs,
            128,
            10,
            density=1 / second,
            depth=first,
            weight_var=2 / second if task == "naive" else 2.0,
            seed=seed,
        )
    return rl.mixer.masked_mlp(
        inputs, first * second, 10, density=1 / second, seed=seed
    )


def train(
    task: str, first: int, second: int, lr: float, seed: int
) -> dict:
    """Train one network; return its last loss and its accuracies."""
    data = task_of(task, first, seed)
    module = network(task, first, second, data.x.shape[-1], seed)
    epochs = {3000: 15, 1000: 20, 300: 40}[len(data.x)]
    history = rl.training.fit(
        module,
        data.x,
        data.y,
        epochs=epochs,
        lr=lr,
        batch_size=BATCH,
        optimizer="sgd" if task in ("right", "naive") else "adam",
        loss="cross_entropy",
        x_test=data.x_test,
        y_test=data.y_test,
        seed=seed,
        record_every=epochs,
        progress=False,
    )
    loss = float(history.test_loss[-1])
    return {
        "loss": float(f"{loss:.4g}") if np.isfinite(loss) else None,
        "train": round(float(history.accuracy[-1]), 5),
        "test": round(float(history.test_accuracy[-1]), 5),
        "diverged": history.diverged,
    }


def runs(cases: list[tuple[Cell, float, int]]) -> list[dict]:
    """Train every (cell, lr, seed), as far as it is not in the store yet."""
    points = [
        {"task": t, "first": a, "second": b, "lr": lr, "seed": seed}
        for (t, a, b), lr, seed in cases
    ]
    return rl.experiment.results(train, points, store=STORE)


def most(cell: Cell) -> float:
    """Return the largest step size that is tried."""
    return MOST_PLAIN if cell[0] in ("right", "naive") else MOST


def tune(cell: Cell) -> list[dict]:
    """Return what each step size gave on the tuning seed, on a grid whose ends are not the best, if it can be."""

    def measure(sizes: list[float]) -> list[dict]:
        return runs([(cell, lr, TUNING_SEED) for lr in sizes])

    return rl.experiment.tune(
        measure, STEP_SIZES, best, least=LEAST, most=most(cell)
    )


def best(tried: list[dict]) -> float:
    """Return the step size of the best test accuracy, then of the smaller loss."""

    def rank(one: dict) -> tuple[bool, float, float]:
        loss = np.inf if one["loss"] is None else one["loss"]
        return one["diverged"], -one["test"], loss

    return min(tried, key=rank)["lr"]


def row(cell: Cell) -> dict:
    """Tune and measure one cell."""
    tried = tune(cell)
    return measured(cell, tried, best(tried), SEEDS)


def more(cell: Cell, rows: list[dict]) -> dict:
    """Measure one cell of the follow-up."""
    if cell[0].startswith("redundant"):
        first = next(r for r in rows if tuple(r["cell"]) == cell)
        return measured(cell, [], first["lr"], MORE_SEEDS)
    tried = []
    for lr in MORE_STEP_SIZES:
        found = runs([(cell, lr, s) for s in MORE_TUNING_SEEDS])
        tried.append(
            {
                "lr": lr,
                "test": round(
                    float(np.mean([r["test"] for r in found])), 5
                ),
                "diverged": any(r["diverged"] for r in found),
            }
        )
    lr = max(tried, key=lambda one: one["test"])["lr"]
    return measured(cell, tried, lr, MORE_SEEDS[:8])


def measured(
    cell: Cell, tried: list[dict], lr: float, seeds: tuple[int, ...]
) -> dict:
    """Train a cell on its seeds; return the row that is stored."""
    results = runs([(cell, lr, s) for s in seeds])
    return {
        "cell": list(cell),
        "tuning": tried,
        "lr": lr,
        **{
            name: [result[name] for result in results]
            for name in ("train", "test")
        },
    }


def accuracies(
    rows: list[dict], part: str = "test"
) -> dict[Cell, np.ndarray]:
    """Return the accuracies of every cell, one a seed."""
    return {tuple(r["cell"]): np.array(r[part]) for r in rows}


def verdicts(rows: list[dict]) -> list[dict]:
    """Return each expectation with what was found, and whether it holds."""
    test = accuracies(rows)

    def gain(task: str, base: int, factor: int) -> np.ndarray:
        return test[task, base, factor] - test[task, base, 1]

    found = []
    for letter, base, k in zip(
        "abcd", (8, 8, 16, 16), (4, 8, 4, 8), strict=True
    ):
        found.append(
            gained(f"E1{letter}", gain("redundant-400", base, k))
        )
    wide = test["redundant-400", 16, 8] - test["redundant-400", 16, 32]
    found.append(judged_by_interval("E2", wide, low=0))
    for letter, base in (("a", 8), ("b", 16)):
        found.append(
            judged_by_interval(
                f"E3{letter}", -gain("digits", base, 8), low=0
            )
        )
    found.append(judged_by_interval("E4", gain("copies", 8, 4), low=0))
    dose = gain("redundant-400", 8, 4) - gain("redundant-25", 8, 4)
    found.append(judged_by_interval("E5", dose, low=0))
    for name, task in (("E6", "mixer"), ("E7", "unshared")):
        for letter, other in (("a", (2, 64)), ("b", (64, 2))):
            gap = test[task, 16, 16] - test[task, *other]
            found.append(
                judged_by_interval(f"{name}{letter}", gap, low=0)
            )
    return [*found, *initialised("E8", test)]


def more_verdicts(rows: list[dict]) -> list[dict]:
    """Return the expectations of the follow-up, judged."""
    test, found = accuracies(rows), []
    for letter, k in zip("ab", (4, 8), strict=True):
        g = test["redundant-400", 16, k] - test["redundant-400", 16, 1]
        found.append(gained(f"F1{letter}", g))
    found += initialised("F2", test)
    return found


def gained(name: str, gain: np.ndarray) -> dict:
    """Judge whether a gain is more than three standard errors above 0."""
    ratio = float(gain.mean() / stats.sem(gain))
    words = f"{100 * gain.mean():.2f} points, {ratio:.1f} standard errors"
    return judged(name, words, "holds" if ratio > ERRORS else "fails")


def initialised(name: str, test: dict[Cell, np.ndarray]) -> list[dict]:
    """Judge whether the right variance trains, and the naive one does not."""
    right, naive = test["right", 6, 8], test["naive", 6, 8]
    return [
        judged_by_interval(f"{name}a", right, low=THRESHOLD),
        judged_by_interval(f"{name}b", naive, high=THRESHOLD),
    ]


def judged_by_interval(
    name: str,
    values: np.ndarray,
    low: float = -np.inf,
    high: float = np.inf,
) -> dict:
    """Judge whether the interval of a mean lies between two numbers."""
    found = rl.experiment.interval(values)
    words = f"[{100 * found.low:.1f}, {100 * found.high:.1f}] points"
    return judged(name, words, rl.experiment.verdict(found, low, high))


def judged(name: str, found: str, verdict: str) -> dict:
    """Return one verdict in words."""
    return {"expectation": name, "found": found, "verdict": verdict}


def main() -> None:
    """Tune, measure, judge, and store the result with where it came from."""
    rows = [row(cell) for cell in CELLS]
    follow_up = [more(cell, rows) for cell in MORE_CELLS]
    RESULT.write_text(
        rl.experiment.as_text(
            describe(rows, follow_up), tables=("rows", "follow_up")
        )
    )
    for one in [*verdicts(rows), *more_verdicts(follow_up)]:
        print(one)
    print(f"{len(rows)} cells written to {RESULT.name}")


def describe(rows: list[dict], follow_up: list[dict]) -> dict:
    """Return the rows with the verdicts, and the command, seeds, commit and hash that they came from."""
    return {
        **rl.experiment.origin(__file__),
        "tuning_seed": TUNING_SEED,
        "seeds": list(SEEDS),
        "more_seeds": list(MORE_SEEDS),
        "batch_size": BATCH,
        "threshold": THRESHOLD,
        "verdicts": [*verdicts(rows), *more_verdicts(follow_up)],
        "sha256": rl.experiment.digest([*rows, *follow_up]),
        "rows": rows,
        "follow_up": follow_up,
    }


if __name__ == "__main__":
    main()
