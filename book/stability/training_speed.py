"""Does isometry at birth make a deep network train faster? The stored experiment of the chapter on isometry.

    make experiments

Expectations, written before any run
------------------------------------
64 hidden layers of width 100 on the digits, plain stochastic gradient descent. The theory offers one number:
σ²_JJᵀ = L(μ₂/μ₁² − 1 − s₁), the variance of the squared singular values of the Jacobian at birth, with s₁ = 0
for orthogonal and −1 for Gaussian weights. All networks are critical (χ = 1), so nothing vanishes or explodes
on average. For tanh and for the shifted ReLU max(x, −α) the variance q* of the pre-activations is 1/64, 1/8 or 1;
α is chosen such that at each q* both have the same σ²_JJᵀ. ReLU has σ²_JJᵀ = 64 or 128 at every q*; it gets q* = 1.

E1  tanh, q* = 1/64: orthogonal weights need fewer steps than Gaussian ones.
E1' The gain of orthogonal tanh over Gaussian tanh is larger at q* = 1/64 than at q* = 1, where σ²_JJᵀ is large
    either way.
E2  ReLU: orthogonal weights gain less than a factor 1.25.
E3  Orthogonal shifted ReLU at q* = 1/64 needs fewer steps than ReLU: (a) orthogonal, (b) Gaussian.
E4  What isometry alone predicts: orthogonal weights need fewer steps at q* = 1/64 than at q* = 1,
    (a) for tanh, (b) for the shifted ReLU. (Against it speaks that a network so close to linear was once
    seen to train slower.)
E5  If σ²_JJᵀ alone set the speed, orthogonal tanh and orthogonal shifted ReLU would need the same number of
    steps, within a factor 1.25, at q* = (a) 1/64, (b) 1/8, (c) 1.

Protocol, fixed before the runs that are stored
-----------------------------------------------
Steps: the number of steps, of 64 pictures each, to 90 % training accuracy, interpolated linearly between records,
whose steps grow geometrically, twenty to a decade. A run that is not there after 1995 steps is censored: it counts
as 1995. Step sizes are powers of two; the one of each arm has the fewest steps on seed 0 (then the smaller final
loss), on a grid that is extended until neither its smallest nor its largest step size is the best. Eight other
seeds measure. A gain is a ratio of steps, averaged over the seeds as logarithms, with a 95 % t-interval of the
differences paired by seed, which share the order of the pictures; the ten intervals are not corrected for being
ten. Where a censored run would make a gain look smaller than it is, the interval has no upper end, and where
larger, no lower end. "Fewer" and "larger" hold if the interval lies above 1 and fail if it lies below; "less than
1.25" holds if it lies below 1.25 and fails if it lies above; "the same" holds if it lies between 1/1.25 and 1.25
and fails if it lies outside; else undecided. The training loss after 100 steps is reported beside it and
decides nothing.

A pilot of five arms on seed 100 came between expectations and protocol, and showed some arms at 90 % within one
epoch and ReLU, with orthogonal weights ahead, nowhere near it after twelve. It changed the budget (575 steps
before), the spacing of the records (one an epoch), the number of seeds (six), the rule for censored runs and the
step at which the loss is reported (the last), and no expectation.

Finished runs, an hour or so of one core, are kept in ``_build/experiments``, so that an interrupted call goes on
where it stopped; the result goes to ``training_speed.json`` beside this file.
"""

from pathlib import Path

import numpy as np
import rmtlab as rl
import torch
from scipy import stats

HERE = Path(__file__).resolve().parent
STORE = (
    HERE.parents[1] / "_build" / "experiments" / "training_speed.jsonl"
)
RESULT = HERE / "training_speed.json"

DEPTH, WIDTH, BATCH = 64, 100, 64
RECORDS = tuple(round(10 ** (k / 20)) for k in range(16, 67))
BUDGET, EARLY = RECORDS[-1], 100
THRESHOLD, MARGIN = 0.9, 1.25
STEP_SIZES = tuple(2.0**k for k in range(-11, -4))
TUNING_SEED = 0
SEEDS = (1, 2, 3, 4, 5, 6, 7, 8)

Arm = tuple[str, str, float]  # activation, weights, q*
SMALL, MIDDLE, LARGE = 1 / 64, 1 / 8, 1.0
ARMS: tuple[Arm, ...] = (
    *(
        (activation, weights, q)
        for activation in ("tanh", "shifted_relu")
        for q in (SMALL, MIDDLE, LARGE)
        for weights in ("orthogonal", "gaussian")
    ),
    ("relu", "orthogonal", LARGE),
    ("relu", "gaussian", LARGE),
)
# What an expectation may say of a gain: that it lies between two numbers.
REGIONS = {
    "above 1": (1.0, np.inf),
    "below 1.25": (-np.inf, MARGIN),
    "the same": (1 / MARGIN, MARGIN),
}
# Each expectation: what it says of a gain, and the arms over and under the fraction bar.
EXPECTATIONS: dict[str, tuple[str, list[Arm], list[Arm]]] = {
    "E1": (
        "above 1",
        [("tanh", "gaussian", SMALL)],
        [("tanh", "orthogonal", SMALL)],
    ),
    "E1'": (
        "above 1",
        [("tanh", "gaussian", SMALL), ("tanh", "orthogonal", LARGE)],
        [("tanh", "orthogonal", SMALL), ("tanh", "gaussian", LARGE)],
    ),
    "E2": (
        "below 1.25",
        [("relu", "gaussian", LARGE)],
        [("relu", "orthogonal", LARGE)],
    ),
    "E3a": (
        "above 1",
        [("relu", "orthogonal", LARGE)],
        [("shifted_relu", "orthogonal", SMALL)],
    ),
    "E3b": (
        "above 1",
        [("relu", "gaussian", LARGE)],
        [("shifted_relu", "orthogonal", SMALL)],
    ),
    "E4a": (
        "above 1",
        [("tanh", "orthogonal", LARGE)],
        [("tanh", "orthogonal", SMALL)],
    ),
    "E4b": (
        "above 1",
        [("shifted_relu", "orthogonal", LARGE)],
        [("shifted_relu", "orthogonal", SMALL)],
    ),
    **{
        f"E5{letter}": (
            "the same",
            [("tanh", "orthogonal", q)],
            [("shifted_relu", "orthogonal", q)],
        )
        for letter, q in zip("abc", (SMALL, MIDDLE, LARGE), strict=True)
    },
}


def spectral_variance(
    phi: rl.activations.Activation, weights: str, q: float
) -> float:
    """Return σ²_JJᵀ = L(μ₂/μ₁² − 1 − s₁) of the critical network, where μ_k = E[φ′(√q z)^{2k}]."""
    s1 = {"orthogonal": 0.0, "gaussian": -1.0}[weights]
    mu1, mu2 = (float(phi.derivative_moment(q, 2 * k)) for k in (1, 2))
    return DEPTH * (mu2 / mu1**2 - 1 - s1)


def activation_at(name: str, q: float) -> rl.activations.Activation:
    """Return φ; the shifted ReLU gets the α at which it has the spectral variance of tanh.

    With Φ(α/√q) = p of its units active, its orthogonal σ²_JJᵀ is L(1 − p)/p.
    """
    if name != "shifted_relu":
        return rl.activations.get(name)
    tanh = rl.activations.get("tanh")
    active = DEPTH / (DEPTH + spectral_variance(tanh, "orthogonal", q))
    alpha = float(np.sqrt(q) * stats.norm.ppf(active))
    return rl.activations.get(name, alpha=alpha)


def network(
    activation: str, weights: str, q: float
) -> rl.networks.Network:
    """Return the critical network with this q*."""
    phi = activation_at(activation, q)
    point = rl.signal.critical_point(phi, preact_var=q)
    return rl.MLP(
        DEPTH,
        phi,
        point.weight_var,
        point.bias_var,
        weights,
        parameterization="standard",
    )


def train(
    activation: str,
    weights: str,
    q: float,
    lr: float,
    seed: int,
    budget: int = BUDGET,
) -> dict:
    """Train one network on the digits until it is there, for 100 steps at least; return its records.

    The mean picture is subtracted and every picture scaled to |x|²/d = E[φ²], the average at q*, so that
    q¹ = q*.
    """
    net = network(activation, weights, q)
    digits = rl.data.load("digits", seed=0)
    x = np.sqrt(float(net.activation.moment(q, 2))) * digits.x_train
    y = digits.y_train
    module = net.sample(WIDTH, in_features=64, out_features=10, seed=seed)
    rng = np.random.default_rng(seed)
    done, curve, diverged = 0, [measure(module, x, y)], False
    for record in RECORDS:
        there = curve[-1][1] >= THRESHOLD and done >= EARLY
        if there or diverged or record > budget:
            break
        pictures = shuffled(len(x), (record - done) * BATCH, rng)
        diverged = rl.training.fit(
            module,
            x[pictures],
            y[pictures],
            epochs=1,
            lr=lr,
            batch_size=BATCH,
            loss="cross_entropy",
            seed=seed,
            progress=False,
        ).diverged
        if not diverged:
            curve.append(measure(module, x, y))
            done = record
    loss, accuracy = zip(*curve, strict=True)
    return {
        "loss": [float(f"{value:.4g}") for value in loss],
        "accuracy": [round(value, 4) for value in accuracy],
        "diverged": diverged,
    }


def measure(
    module: torch.nn.Module, x: np.ndarray, y: np.ndarray
) -> tuple[float, float]:
    """Return the cross-entropy and the accuracy on all pictures."""
    with torch.no_grad():
        out = module(x)
    loss = torch.nn.functional.cross_entropy(out, torch.from_numpy(y))
    return float(loss), float((out.argmax(dim=1).numpy() == y).mean())


def shuffled(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return `size` places: all n in random order, again and again."""
    rounds = [rng.permutation(n) for _ in range(-(-size // n))]
    return np.concatenate(rounds)[:size]


def steps_needed(accuracy: list[float]) -> float:
    """Return the number of steps to the threshold; the whole budget if the records do not reach it."""
    steps = (0, *RECORDS)
    for i in range(1, len(accuracy)):
        if accuracy[i] >= THRESHOLD:
            return float(
                np.interp(
                    THRESHOLD,
                    accuracy[i - 1 : i + 1],
                    steps[i - 1 : i + 1],
                )
            )
    return float(BUDGET)


def tune(arm: Arm) -> list[dict]:
    """Return what each step size gave on the tuning seed, on a grid whose ends are not the best."""

    def measure(sizes: list[float]) -> list[dict]:
        return [
            {
                "steps": round(steps_needed(result["accuracy"]), 1),
                "loss": result["loss"][-1],
                "diverged": result["diverged"],
            }
            for result in runs([(arm, lr, TUNING_SEED) for lr in sizes])
        ]

    return rl.experiment.tune(measure, STEP_SIZES, best, by=2)


def best(tried: list[dict]) -> float:
    """Return the step size with the fewest steps, then the smallest final loss."""
    return min(
        tried, key=lambda t: (t["diverged"], t["steps"], t["loss"])
    )["lr"]


def runs(cases: list[tuple[Arm, float, int]]) -> list[dict]:
    """Train each arm with a step size and a seed, or read from the store that it was done."""
    points = [
        {
            "activation": activation,
            "weights": weights,
            "q": q,
            "lr": lr,
            "seed": seed,
        }
        for (activation, weights, q), lr, seed in cases
    ]
    return rl.experiment.results(train, points, store=STORE, n_jobs=-1)


def row(arm: Arm) -> dict:
    """Tune and measure one arm; return it with what the theory says of it at birth."""
    activation, weights, q = arm
    net = network(*arm)
    phi = net.activation
    birth = {
        "alpha": phi.params.get("alpha", 0.0),
        "weight_var": net.weight_var,
        "bias_var": net.bias_var,
        "chi": net.weight_var * float(phi.derivative_moment(q, 2)),
        "spectral_variance": spectral_variance(phi, weights, q),
    }
    tried = tune(arm)
    lr = best(tried)
    measured = runs([(arm, lr, s) for s in SEEDS])
    return {
        "activation": activation,
        "weights": weights,
        "q": q,
        **{name: float(f"{value:.10g}") for name, value in birth.items()},
        "tuning": tried,
        "lr": lr,
        "loss": [early_loss(result["loss"]) for result in measured],
        "accuracy": [result["accuracy"] for result in measured],
    }


def early_loss(loss: list[float]) -> float:
    """Return the training loss after 100 steps, or the last one before a run blew up."""
    return loss[: RECORDS.index(EARLY) + 2][-1]


def steps_by_arm(rows: list[dict]) -> dict[Arm, np.ndarray]:
    """Return the steps that every seed needed, by arm."""
    return {
        (r["activation"], r["weights"], r["q"]): np.array(
            [steps_needed(accuracy) for accuracy in r["accuracy"]]
        )
        for r in rows
    }


def interval(logs: np.ndarray) -> tuple[float, float, float]:
    """Return exp of the mean and of the ends of its 95 % t-interval."""
    found = rl.experiment.interval(logs)
    return tuple(float(np.exp(v)) for v in (found.mean, *found.ends))


def table(rows: list[dict]) -> list[dict]:
    """Return each arm's steps (geometric mean, 95 % interval), how many runs got there, and the early loss."""
    found = []
    for r, steps in zip(rows, steps_by_arm(rows).values(), strict=True):
        mean, low, high = interval(np.log(steps))
        found.append(
            {
                "activation": r["activation"],
                "weights": r["weights"],
                "q": r["q"],
                "spectral_variance": r["spectral_variance"],
                "lr": r["lr"],
                "steps": mean,
                "low": low,
                "high": high,
                "there": int((steps < BUDGET).sum()),
                "loss": float(np.median(r["loss"])),
            }
        )
    return found


def verdicts(rows: list[dict]) -> list[dict]:
    """Return each expectation's gain, its interval (None: no such end) and whether it holds."""
    steps = steps_by_arm(rows)
    found = []
    for name, (claim, over, under) in EXPECTATIONS.items():
        logs = sum(np.log(steps[arm]) for arm in over)
        logs = logs - sum(np.log(steps[arm]) for arm in under)
        gain, low, high = interval(logs)
        if any((steps[arm] >= BUDGET).any() for arm in under):
            low = 0.0
        if any((steps[arm] >= BUDGET).any() for arm in over):
            high = np.inf
        found.append(
            {
                "expectation": name,
                "claim": claim,
                "gain": round(gain, 3),
                "low": round(low, 3) if low > 0 else None,
                "high": round(high, 3) if np.isfinite(high) else None,
                "verdict": rl.experiment.verdict(
                    (low, high), *REGIONS[claim]
                ),
            }
        )
    return found


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
        "depth": DEPTH,
        "width": WIDTH,
        "batch_size": BATCH,
        "threshold": THRESHOLD,
        "budget": BUDGET,
        "verdicts": verdicts(rows),
        "sha256": rl.experiment.digest(rows),
        "rows": rows,
    }


if __name__ == "__main__":
    main()
