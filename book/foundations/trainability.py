"""How deep may a tanh network be before training fails? The stored experiment of the chapter on signals.

    make experiments

For each depth and weight variance the step size is chosen on seed 0, by training accuracy; the test accuracy is
then measured on five other seeds. Finished runs are kept in ``_build/experiments``, so that an interrupted call
goes on where it stopped; the result goes to ``trainability.json`` beside this file.
"""

from pathlib import Path

import rmtlab as rl

HERE = Path(__file__).resolve().parent
STORE = HERE.parents[1] / "_build" / "experiments" / "trainability.jsonl"
RESULT = HERE / "trainability.json"

DEPTHS = (5, 10, 20, 30, 40, 60)
WEIGHT_VARS = (1.0, 1.25, 1.5, 1.76, 2.0, 2.5, 3.0, 4.0)
BIAS_VAR = 0.05
STEP_SIZES = (0.003, 0.01, 0.03, 0.1)
TUNING_SEED = 0
SEEDS = (1, 2, 3, 4, 5)
WIDTH, EPOCHS, BATCH = 100, 10, 64


def accuracy(
    depth: int, weight_var: float, lr: float, seed: int
) -> dict[str, float]:
    """Train one network on the digits; return its final training and test accuracy."""
    digits = rl.data.load("digits", seed=0)
    net = rl.MLP(
        depth, "tanh", weight_var, BIAS_VAR, parameterization="standard"
    )
    history = rl.training.fit(
        net.sample(WIDTH, in_features=64, out_features=10, seed=seed),
        digits.x_train,
        digits.y_train,
        epochs=EPOCHS,
        lr=lr,
        batch_size=BATCH,
        loss="cross_entropy",
        x_test=digits.x_test,
        y_test=digits.y_test,
        seed=seed,
        record_every=EPOCHS * len(digits.x_train),
        progress=False,
    )
    return {
        "train": float(history.accuracy[-1]),
        "test": float(history.test_accuracy[-1]),
    }


def results(points: list[dict]) -> list[dict[str, float]]:
    """Train at every point that is not in the store yet; return all accuracies."""
    return rl.experiment.results(accuracy, points, store=STORE, n_jobs=-1)


def main() -> None:
    """Tune, measure, and store the result with where it came from."""
    tuning = rl.sweep.grid(
        depth=DEPTHS,
        weight_var=WEIGHT_VARS,
        lr=STEP_SIZES,
        seed=TUNING_SEED,
    )
    tuned = results(tuning)
    best: dict[tuple[int, float], tuple[float, float]] = {}
    for point, result in zip(tuning, tuned, strict=True):
        key = point["depth"], point["weight_var"]
        best[key] = max(
            best.get(key, (-1.0, 0.0)), (result["train"], point["lr"])
        )
    points = [
        {"depth": depth, "weight_var": weight_var, "lr": lr, "seed": seed}
        for (depth, weight_var), (_, lr) in best.items()
        for seed in SEEDS
    ]
    cells: dict[tuple[int, float], dict] = {}
    for point, result in zip(points, results(points), strict=True):
        row = {n: point[n] for n in ("depth", "weight_var", "lr")}
        cell = cells.setdefault(
            (row["depth"], row["weight_var"]), {**row, "test": []}
        )
        cell["test"].append(round(result["test"], 6))
    rows = list(cells.values())
    RESULT.write_text(rl.experiment.as_text(describe(rows), tables=()))
    print(f"{len(rows)} cells written to {RESULT.name}")


def describe(rows: list[dict]) -> dict:
    """Return the rows with the command, seeds, commit and hash that they came from."""
    return {
        **rl.experiment.origin(__file__),
        "tuning_seed": TUNING_SEED,
        "seeds": list(SEEDS),
        "bias_var": BIAS_VAR,
        "width": WIDTH,
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "step_sizes": list(STEP_SIZES),
        "sha256": rl.experiment.digest(rows),
        "rows": rows,
    }


if __name__ == "__main__":
    main()
