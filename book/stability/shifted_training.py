"""Is ReLU the best rectifier for a deep network? The stored experiment of the chapter on shifted ReLU.

    make experiments

Expectations, written before any run
------------------------------------
ReLU against the shifted ReLU max(x, −1) at q* = 0.3696, where 95 % of its units are active. All networks are
critical, χ₁ = 1, with the noise that they have; width 100, the digits, plain stochastic gradient descent. Two
depths, 8 and 40; without noise, and with inverted dropout that keeps 95 % of the input and of every hidden unit;
orthogonal and Gaussian weights. The theory says at birth:

                               ReLU              shifted
    σ²_JJᵀ, no noise, L = 40   40 | 80           2.1 | 42.1      (orthogonal | Gaussian)
    6 ξ_c, keep 0.95           19 layers         63 layers       (either kind of weights)

The outcome is the accuracy on test pictures after 18 epochs, noise switched off, in percent.

E1  No noise, depth 40, orthogonal: the shifted ReLU is more accurate than ReLU. (Expected from the chapter on
    isometry, where this pair had been seen at depth 64.)
E2  No noise, depth 8, orthogonal: they differ by less than 2 points. What isometry gives, shallow networks
    don't need.
E3  Noise, depth 40: the shifted ReLU is more accurate by more than 10 points, since 19 < 40 < 63, with (a)
    orthogonal and (b) Gaussian weights: the depth scale of correlations does not know the kind of weights.
E4  Noise, depth 40: the rule L < 6 ξ_c, with 70 % accuracy called trained, as in the chapter on signals. ReLU is
    below 70 % with (a) orthogonal and (b) Gaussian weights, the shifted ReLU above it with (c) orthogonal ones.
E5  No noise, depth 40: what the shift gains is more with orthogonal weights than with Gaussian ones, since only
    together they make an isometry.
E6  Noise, depth 8, orthogonal: they differ by less than 2 points, since 8 < 19.

Protocol, fixed before any run
------------------------------
Eighteen epochs of 23 steps, 64 pictures each (the last of an epoch has fewer). Step sizes are powers of two; that
of each arm is the one with the highest training accuracy on seed 0, then the smaller training loss, on a grid that
is extended until neither its smallest nor its largest step size is the best, or it has 14 members. Six other seeds
measure; a seed fixes weights, masks and the order of the pictures. A run that blows up counts with the accuracy at
that moment. A difference is paired by seed and has a 95 % t-interval; the nine intervals are not corrected for
being nine. "Above x" holds if the interval lies above x and fails if it lies below, "below x" likewise; "the same"
holds if it lies between −2 and 2 and fails if it lies outside; else undecided.

Finished runs, some twenty minutes of one core, are kept in ``_build/experiments``, so that an interrupted call
goes on where it stopped; the result goes to ``shifted_training.json`` beside this file.
"""

from pathlib import Path

import numpy as np
import rmtlab as rl
from scipy import stats

HERE = Path(__file__).resolve().parent
STORE = (
    HERE.parents[1] / "_build" / "experiments" / "shifted_training.jsonl"
)
RESULT = HERE / "shifted_training.json"

WIDTH, BATCH, EPOCHS = 100, 64, 18
DEPTHS, KEEPS = (8, 40), (1.0, 0.95)
ACTIVE, TRAINED, SAME = 0.95, 70.0, 2.0
STEP_SIZES = tuple(2.0**k for k in range(-10, -2))
MOST_STEP_SIZES = 14
TUNING_SEED = 0
SEEDS = (1, 2, 3, 4, 5, 6)

Arm = tuple[str, str, int, float]  # activation, weights, depth, keep
RELU, SHIFTED = "relu", "shifted_relu"
ARMS: tuple[Arm, ...] = tuple(
    (activation, weights, depth, keep)
    for depth in DEPTHS
    for keep in KEEPS
    for weights in ("orthogonal", "gaussian")
    for activation in (RELU, SHIFTED)
)


def gain(weights: str, depth: int, keep: float) -> list[tuple[int, Arm]]:
    """Return the arms, with signs, whose sum is what the shift gains."""
    return [
        (1, (SHIFTED, weights, depth, keep)),
        (-1, (RELU, weights, depth, keep)),
    ]


# What an expectation may say of such a sum, in percent: that it lies between two numbers.
REGIONS = {
    "above 0": (0.0, np.inf),
    "above 10": (10.0, np.inf),
    "below 70": (-np.inf, TRAINED),
    "above 70": (TRAINED, np.inf),
    "the same": (-SAME, SAME),
}
# Each expectation: what it says of a signed sum of accuracies in percent, and that sum.
EXPECTATIONS: dict[str, tuple[str, list[tuple[int, Arm]]]] = {
    "E1": ("above 0", gain("orthogonal", 40, 1.0)),
    "E2": ("the same", gain("orthogonal", 8, 1.0)),
    "E3a": ("above 10", gain("orthogonal", 40, 0.95)),
    "E3b": ("above 10", gain("gaussian", 40, 0.95)),
    "E4a": ("below 70", [(1, (RELU, "orthogonal", 40, 0.95))]),
    "E4b": ("below 70", [(1, (RELU, "gaussian", 40, 0.95))]),
    "E4c": ("above 70", [(1, (SHIFTED, "orthogonal", 40, 0.95))]),
    "E5": (
        "above 0",
        gain("orthogonal", 40, 1.0)
        + [(-sign, arm) for sign, arm in gain("gaussian", 40, 1.0)],
    ),
    "E6": ("the same", gain("orthogonal", 8, 0.95)),
}


def fixed_point(activation: str) -> float:
    """Return q*: 1 for ReLU, and where 95 % of the units of max(x, −1) are active."""
    if activation == RELU:
        return 1.0
    return float(stats.norm.ppf(ACTIVE) ** -2)


def network(
    activation: str, weights: str, depth: int, keep: float
) -> rl.networks.Network:
    """Return the critical network with this q* and this noise."""
    noise = None if keep == 1 else rl.noise.Dropout(keep=keep)
    phi = rl.activations.get(
        activation, **({"alpha": 1.0} if activation == SHIFTED else {})
    )
    point = rl.signal.critical_point(
        phi, noise=noise, preact_var=fixed_point(activation)
    )
    return rl.MLP(
        depth,
        phi,
        point.weight_var,
        point.bias_var,
        weights,
        noise=noise,
        parameterization="standard",
    )


def birth(
    activation: str, weights: str, depth: int, keep: float
) -> dict[str, float]:
    """Return what the theory says of an arm at birth: σ²_JJᵀ, and 6 ξ_c (0 where it is infinite)."""
    net = network(activation, weights, depth, keep)
    q = fixed_point(activation)
    field = rl.signal.MeanField.of(net)
    slope = float(net.activation.derivative_moment(q, 2))
    law = rl.jacobian.law(net, preact_var=q)
    scale = 0.0
    if keep < 1:
        c = 1.0
        for _ in range(2000):
            c = float(field.correlation(c, q=q))
        step = 1e-5
        up, down = (
            float(field.correlation(c + h, q=q)) for h in (step, -step)
        )
        scale = -6 / np.log((up - down) / (2 * step))
    found = {
        "weight_var": net.weight_var,
        "bias_var": net.bias_var,
        "active": slope,
        "spectral_variance": law.var / law.mean**2,
        "six_xi_c": scale,
    }
    return {name: float(f"{value:.6g}") for name, value in found.items()}


def train(
    activation: str,
    weights: str,
    depth: int,
    keep: float,
    lr: float,
    seed: int,
    epochs: int = EPOCHS,
) -> dict:
    """Train one network on the digits; return its records, one an epoch, in evaluation mode.

    The mean picture is subtracted and every picture scaled to |x|²/d = E[φ²], the average at q*, so that
    q¹ = q*.
    """
    net = network(activation, weights, depth, keep)
    digits = rl.data.load("digits", seed=0)
    q = fixed_point(activation)
    size = np.sqrt(float(net.activation.moment(q, 2)))
    module = net.sample(WIDTH, in_features=64, out_features=10, seed=seed)
    history = rl.training.fit(
        module,
        size * digits.x_train,
        digits.y_train,
        epochs=epochs,
        lr=lr,
        batch_size=BATCH,
        loss="cross_entropy",
        x_test=size * digits.x_test,
        y_test=digits.y_test,
        seed=seed,
        progress=False,
    )
    return {
        "loss": [float(f"{value:.4g}") for value in history.loss],
        "train": [round(float(v), 4) for v in history.accuracy],
        "test": [round(float(v), 4) for v in history.test_accuracy],
        "diverged": history.diverged,
    }


def tune(arm: Arm) -> list[dict]:
    """Return what each step size gave on the tuning seed, on a grid that is extended where its end is the best."""

    def measure(sizes: list[float]) -> list[dict]:
        return [
            {
                "train": result["train"][-1],
                "loss": result["loss"][-1],
                "diverged": result["diverged"],
            }
            for result in runs([(arm, lr, TUNING_SEED) for lr in sizes])
        ]

    return rl.experiment.tune(
        measure, STEP_SIZES, best, by=2, at_most=MOST_STEP_SIZES
    )


def best(tried: list[dict]) -> float:
    """Return the step size with the highest training accuracy, then the smallest loss."""
    return min(
        tried, key=lambda t: (t["diverged"], -t["train"], t["loss"])
    )["lr"]


def runs(cases: list[tuple[Arm, float, int]]) -> list[dict]:
    """Train each arm with a step size and a seed, or read from the store that it was done."""
    points = [
        {
            "activation": activation,
            "weights": weights,
            "depth": depth,
            "keep": keep,
            "lr": lr,
            "seed": seed,
        }
        for (activation, weights, depth, keep), lr, seed in cases
    ]
    return rl.experiment.results(train, points, store=STORE, n_jobs=-1)


def row(arm: Arm) -> dict:
    """Tune and measure one arm; return it with what the theory says of it at birth."""
    activation, weights, depth, keep = arm
    tried = tune(arm)
    lr = best(tried)
    measured = runs([(arm, lr, s) for s in SEEDS])
    return {
        "activation": activation,
        "weights": weights,
        "depth": depth,
        "keep": keep,
        **birth(*arm),
        "tuning": tried,
        "lr": lr,
        "train": [result["train"][-1] for result in measured],
        "test": [result["test"] for result in measured],
    }


def accuracies(rows: list[dict]) -> dict[Arm, np.ndarray]:
    """Return the final test accuracy of every seed in percent, by arm."""
    return {
        (r["activation"], r["weights"], r["depth"], r["keep"]): 100
        * np.array([curve[-1] for curve in r["test"]])
        for r in rows
    }


def verdicts(rows: list[dict]) -> list[dict]:
    """Return each expectation's value in percent, its interval and whether it holds."""
    found = accuracies(rows)
    judged = []
    for name, (claim, terms) in EXPECTATIONS.items():
        total = np.sum([sign * found[arm] for sign, arm in terms], axis=0)
        interval = rl.experiment.interval(total)
        judged.append(
            {
                "expectation": name,
                "claim": claim,
                "value": round(interval.mean, 2),
                "low": round(interval.low, 2),
                "high": round(interval.high, 2),
                "verdict": rl.experiment.verdict(
                    interval, *REGIONS[claim]
                ),
            }
        )
    return judged


def main() -> None:
    """Tune, measure, judge, and store the result with where it came from."""
    rows = [row(arm) for arm in ARMS]
    RESULT.write_text(rl.experiment.as_text(describe(rows)))
    for judged in verdicts(rows):
        print(judged)
    print(f"{len(rows)} arms written to {RESULT.name}")


def describe(rows: list[dict]) -> dict:
    """Return the rows with the verdicts, and the command, seeds, commit and hash that they came from."""
    return {
        **rl.experiment.origin(__file__),
        "tuning_seed": TUNING_SEED,
        "seeds": list(SEEDS),
        "width": WIDTH,
        "batch_size": BATCH,
        "epochs": EPOCHS,
        "verdicts": verdicts(rows),
        "sha256": rl.experiment.digest(rows),
        "rows": rows,
    }


if __name__ == "__main__":
    main()
