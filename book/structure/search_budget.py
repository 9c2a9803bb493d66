"""What is theory worth to a search? The stored experiment of the chapter on search.

    make experiments

Expectations, written before any run
------------------------------------
Networks of width 64 learn the digits for eight epochs of stochastic gradient descent with momentum 0.9. A search
draws settings, trains each once, and keeps the one with the best validation accuracy. The space: activation (ReLU,
tanh, GELU), keep probability of dropout (1, 0.9, 0.8, 0.6), σ_w² (0.1 to 4) and σ_b² (0 to 0.5) on a grid, and a
step size, log-uniform over three decades around 0.01. In the task "deep" the depth is 32; in the task "free" it is
one more thing to draw, from 2, 4, 8, 16, 32. All arms draw activation, keep, step size and depth by the same law
and train as long; they differ in the rest:

blind     σ_w² and σ_b² from the whole grid.
halving   the blind draws by successive halving: eight start, half go on after epochs 1, 2 and 4. A bracket of
          eight costs 20 epochs, as much as two and a half full trials.
folklore  σ_w² = 2 (He) for ReLU and GELU, 1 (Glorot) for tanh, σ_b² = 0.
library   what torch.nn.Linear does by default: σ_w² = 1/3, σ_b² = 1/(3·64).
theory    blind draws that `rmtlab.design.region` does not refuse for their activation, depth and keep.

Let p be the allowed share of the space. It is about 7 % at depth 32 (known before: it needs no run).

E1 deep: after 16 trials theory is ahead of blind in test accuracy.
E2 deep: if only what is allowed trains, the shares of trials that train (70 % of the validation pictures) are as
   1 to p. So theory's share times p is the blind share, within a factor of 2.
E3 free: search walks to where training is easy. After 16 trials theory and blind are within one percentage point.
E4 deep: after 16 trials theory is ahead of folklore, which does not know that 32 layers stand no dropout, nor
   where GELU is critical.
E5 deep: where folklore is right, theory adds nothing. Among ReLU and tanh without dropout, folklore's share of
   trials that train is not more than 0.2 below theory's.
E6 deep: of library's trials at most one in ten trains.
E7 deep: for the epochs of 16 trials (a) halving is ahead of blind, and (b) theory is ahead of halving.
E8 deep: of the blind trials that theory refuses at most one in twenty trains.

Protocol, fixed before the runs that are stored
-----------------------------------------------
The step size is part of what each arm searches, so that every arm tunes its own. Of 1437 training pictures the
last 360 are for validation; 360 others are the test set. Deep: 160 blind trials, 96 of folklore, 64 of theory, 40
of library; free: 80 of blind, folklore and theory each. Each trial has its own seed for draw, weights and batches.
The trials of an arm are independent, so that the best of n of them has the distribution function Fⁿ; F is the
empirical one, the mean is over Fⁿ, and the test accuracy is that of the chosen trial. Intervals are 95 % percentile
intervals of 1000 bootstrap samples of the trials. E1, E4, E7 hold if the interval of the difference lies above 0
and fail if below. E3 holds if the interval of the difference lies within one percentage point of 0 and fails if it
lies outside. E2 holds if the interval of the ratio lies within [1/2, 2], fails if outside. E5 holds if the interval
of the difference of shares lies above −0.2, fails if below. E6 and E8 hold or fail if the interval of Clopper and
Pearson lies below or above 0.1 and 0.05. Undecided else. The nine intervals are not corrected for being nine.

Five runs on another seed, to see how long they take, came between expectations and protocol. They changed the number
of trials (128 an arm and a task before) and, since library got 40, its bound in E6 (one in twenty before).

Finished runs, about a quarter of an hour of one core, are kept in ``_build/experiments``, so that an interrupted
call goes on where it stopped; the result goes to ``search_budget.json`` beside this file.
"""

from functools import cache
from pathlib import Path

import numpy as np
import rmtlab as rl
from scipy import stats

HERE = Path(__file__).resolve().parent
STORE = HERE.parents[1] / "_build" / "experiments" / "search_budget.jsonl"
RESULT = HERE / "search_budget.json"

WIDTH, BATCH, MOMENTUM, VALIDATION = 64, 64, 0.9, 360
RUNGS = (1, 2, 4, 8)
DEEP = 32
DEPTHS = {"deep": (DEEP,), "free": (2, 4, 8, 16, 32)}
ACTIVATIONS = ("relu", "tanh", "gelu")
KEEPS = (1.0, 0.9, 0.8, 0.6)
WEIGHT_VARS = np.linspace(0.1, 4.0, 40).round(10)
BIAS_VARS = np.linspace(0.0, 0.5, 26).round(10)
STEPS = (10**-3.5, 10**-0.5)
HE_GLOROT = {"relu": (2.0, 0.0), "gelu": (2.0, 0.0), "tanh": (1.0, 0.0)}
LIBRARY = (1 / 3, 1 / (3 * WIDTH))
ARMS = ("blind", "folklore", "library", "theory")
TRIALS = {
    ("deep", "blind"): 160,
    ("deep", "folklore"): 96,
    ("deep", "library"): 40,
    ("deep", "theory"): 64,
    ("free", "blind"): 80,
    ("free", "folklore"): 80,
    ("free", "theory"): 80,
}
BUDGET, BRACKET = 16, 8
THRESHOLD = 0.7
RESAMPLES = 1000

Kind = tuple[str, int, float]  # activation, depth, keep


@cache
def region(kind: Kind) -> rl.design.Region:
    """Return what theory allows for an activation, a depth and a keep probability."""
    activation, depth, keep = kind
    return rl.design.region(
        activation,
        depth,
        None if keep == 1 else rl.noise.Dropout(keep),
        weight_vars=WEIGHT_VARS,
        bias_vars=BIAS_VARS,
    )


def kinds(task: str) -> list[Kind]:
    """Return every activation, depth and keep of a task, which blind search draws with equal odds."""
    return [
        (activation, depth, keep)
        for depth in DEPTHS[task]
        for activation in ACTIVATIONS
        for keep in KEEPS
    ]


def draw(task: str, arm: str, trial: int) -> dict:
    """Return the setting that an arm tries."""
    rng = np.random.default_rng(
        [list(DEPTHS).index(task), ARMS.index(arm), trial]
    )
    lr = float(np.exp(rng.uniform(*np.log(STEPS))))
    every = kinds(task)
    if arm == "theory":
        shares = np.array([region(k).allowed.mean() for k in every])
        kind = every[rng.choice(len(every), p=shares / shares.sum())]
        point = region(kind).sample(1, rng=rng)[0]
    else:
        kind = every[rng.integers(len(every))]
        blind = (rng.choice(WEIGHT_VARS), rng.choice(BIAS_VARS))
        point = {
            "blind": blind,
            "folklore": HE_GLOROT[kind[0]],
            "library": LIBRARY,
        }[arm]
    return {
        "activation": kind[0],
        "depth": kind[1],
        "keep": kind[2],
        "weight_var": float(point[0]),
        "bias_var": float(point[1]),
        "lr": float(f"{lr:.6g}"),
    }


def network(
    activation: str,
    depth: int,
    keep: float,
    weight_var: float,
    bias_var: float,
) -> rl.networks.Network:
    """Return the network of a setting."""
    return rl.MLP(
        depth,
        activation,
        weight_var,
        bias_var,
        noise=None if keep == 1 else rl.noise.Dropout(keep),
        parameterization="standard",
    )


def train(
    activation: str,
    depth: int,
    keep: float,
    weight_var: float,
    bias_var: float,
    lr: float,
    seed: int,
    epochs: int = RUNGS[-1],
) -> dict:
    """Train one network; return its validation accuracy at each rung, and its test accuracy at the end."""
    digits = rl.data.load("digits", seed=0)
    x, y = digits.x_train[:-VALIDATION], digits.y_train[:-VALIDATION]
    net = network(activation, depth, keep, weight_var, bias_var)
    module = net.sample(WIDTH, in_features=64, out_features=10, seed=seed)
    valid, done, diverged = [], 0, False
    for rung in (r for r in RUNGS if r <= epochs):
        if not diverged:
            diverged = rl.training.fit(
                module,
                x,
                y,
                epochs=rung - done,
                lr=lr,
                momentum=MOMENTUM,
                batch_size=BATCH,
                loss="cross_entropy",
                seed=1000 * seed + rung,
                record_every=rung,
                progress=False,
            ).diverged
            done = rung
        valid.append(
            rl.training.accuracy(
                module,
                digits.x_train[-VALIDATION:],
                digits.y_train[-VALIDATION:],
            )
        )
    test = rl.training.accuracy(module, digits.x_test, digits.y_test)
    return {
        "valid": [round(v, 6) for v in valid],
        "test": round(test, 6),
        "diverged": diverged,
    }


def seed_of(task: str, arm: str, trial: int) -> int:
    """Return the seed of a trial; no two share one."""
    return 1000 * list(TRIALS).index((task, arm)) + trial


def row(task: str, arm: str) -> dict:
    """Draw and train the trials of one arm; return them column by column."""
    points = [
        {**draw(task, arm, t), "seed": seed_of(task, arm, t)}
        for t in range(TRIALS[task, arm])
    ]
    found = rl.experiment.results(train, points, store=STORE, n_jobs=1)
    trials = [{**p, **r} for p, r in zip(points, found, strict=True)]
    allowed = [is_allowed(t) for t in trials] if arm == "blind" else None
    return {
        "task": task,
        "arm": arm,
        **{name: [t[name] for t in trials] for name in trials[0]},
        "allowed": allowed,
    }


def is_allowed(trial: dict) -> bool:
    """Whether theory allows a point of the grid."""
    found = region((trial["activation"], trial["depth"], trial["keep"]))
    i = int(np.argmin(np.abs(WEIGHT_VARS - trial["weight_var"])))
    j = int(np.argmin(np.abs(BIAS_VARS - trial["bias_var"])))
    return bool(found.allowed[i, j])


def allowed_shares() -> list[dict]:
    """Return the allowed share of the grid for every activation, depth and keep."""
    return [
        {
            "activation": activation,
            "depth": depth,
            "keep": keep,
            "share": float(
                region((activation, depth, keep)).allowed.mean()
            ),
        }
        for activation, depth, keep in kinds("free")
    ]


def share_at(shares: list[dict], depth: int) -> float:
    """Return p, the allowed share of the space, at a depth."""
    return float(
        np.mean([s["share"] for s in shares if s["depth"] == depth])
    )


def pool(rows: list[dict], task: str, arm: str) -> dict:
    """Return the trials of an arm as arrays."""
    (found,) = (r for r in rows if (r["task"], r["arm"]) == (task, arm))
    return {
        name: np.array(value)
        for name, value in found.items()
        if isinstance(value, list)
    }


def best_of(
    valid: np.ndarray, test: np.ndarray, budgets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean best validation accuracy of n draws, and the mean test accuracy of what is chosen.

    The best of n has the distribution function Fⁿ; where trials tie, one of them is chosen by lot.
    """
    values, place = np.unique(valid, return_inverse=True)
    counts = np.bincount(place)
    cdf = np.cumsum(counts) / len(valid)
    tests = np.bincount(place, weights=test) / counts
    weights = np.diff(
        cdf[:, None] ** np.atleast_1d(budgets), axis=0, prepend=0.0
    )
    return values @ weights, tests @ weights


def halve(
    valid: np.ndarray, test: np.ndarray, rng: np.random.Generator, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what n brackets of successive halving end with; `valid` has a column for each rung."""
    alive = rng.integers(len(valid), size=(n, BRACKET))
    for rung in range(len(RUNGS) - 1):
        order = np.argsort(-valid[alive, rung], axis=1, kind="stable")
        half = alive.shape[1] // 2
        alive = np.take_along_axis(alive, order[:, :half], axis=1)
    return valid[alive[:, 0], -1], test[alive[:, 0]]


def bracket_cost() -> float:
    """Return the epochs of a bracket, in units of full trials: 8·1 + 4·1 + 2·2 + 1·4 over 8."""
    left = BRACKET / 2 ** np.arange(len(RUNGS))
    return float(left @ np.diff(RUNGS, prepend=0)) / RUNGS[-1]


def curve(
    trials: dict,
    budgets: np.ndarray,
    halving: bool = False,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean validation and test accuracy that a budget of n trials reaches."""
    if not halving:
        return best_of(trials["valid"][:, -1], trials["test"], budgets)
    rng = np.random.default_rng(0) if rng is None else rng
    ended = halve(trials["valid"], trials["test"], rng, 2000)
    return best_of(*ended, np.asarray(budgets) / bracket_cost())


def resampled(trials: dict, rng: np.random.Generator) -> dict:
    """Return a bootstrap sample of the trials."""
    chosen = rng.integers(len(trials["test"]), size=len(trials["test"]))
    return {
        name: value[chosen]
        for name, value in trials.items()
        if value.ndim
    }


def band(
    trials: dict, budgets: np.ndarray, halving: bool = False
) -> np.ndarray:
    """Return bootstrap samples of the test curve, (samples, budgets)."""
    rng = np.random.default_rng(1)
    return np.array(
        [
            curve(resampled(trials, rng), budgets, halving, rng)[1]
            for _ in range(RESAMPLES)
        ]
    )


def ends(samples: np.ndarray) -> tuple[float, float]:
    """Return the percentile interval of bootstrap samples."""
    low, high = np.percentile(samples, [2.5, 97.5])
    return float(low), float(high)


def trained(trials: dict) -> np.ndarray:
    """Return which trials train."""
    return trials["valid"][:, -1] >= THRESHOLD


def clopper_pearson(hits: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share."""
    found = stats.binomtest(int(hits), int(n)).proportion_ci(0.95)
    return float(found.low), float(found.high)


def lead(
    rows: list[dict], task: str, ahead: str, behind: str
) -> tuple[float, tuple[float, float]]:
    """Return the difference in test accuracy after the whole budget, and its interval."""
    value, samples = [], []
    for arm in (ahead, behind):
        halving = arm == "halving"
        trials = pool(rows, task, "blind" if halving else arm)
        budgets = np.array([BUDGET])
        value.append(curve(trials, budgets, halving)[1][0])
        samples.append(band(trials, budgets, halving)[:, 0])
    # The two arms are resampled apart: shuffle one against the other.
    order = np.random.default_rng(2).permutation(RESAMPLES)
    return value[0] - value[1], ends(samples[0] - samples[1][order])


def straight(trials: dict) -> np.ndarray:
    """Return which trials are ReLU or tanh without dropout."""
    return (trials["keep"] == 1) & (trials["activation"] != "gelu")


def verdicts(rows: list[dict], shares: list[dict]) -> list[dict]:
    """Return each expectation with what was found, its interval, and whether it holds."""
    deep = {arm: pool(rows, "deep", arm) for arm in ARMS}
    p = share_at(shares, DEEP)
    found = []

    def judge(
        name: str,
        value: float,
        interval: tuple[float, float],
        low: float = -np.inf,
        high: float = np.inf,
    ) -> None:
        found.append(
            {
                "expectation": name,
                "value": round(float(value), 4),
                "low": round(interval[0], 4),
                "high": round(interval[1], 4),
                "verdict": rl.experiment.verdict(interval, low, high),
            }
        )

    def judge_ratio() -> None:
        rng = np.random.default_rng(3)
        share = {arm: trained(deep[arm]) for arm in ("blind", "theory")}
        samples = [
            ratio(
                *(rng.choice(s, len(s)).mean() for s in share.values()),
                p,
            )
            for _ in range(RESAMPLES)
        ]
        value = ratio(share["blind"].mean(), share["theory"].mean(), p)
        judge("E2", value, ends(np.array(samples)), 0.5, 2.0)

    def judge_straight() -> None:
        rng = np.random.default_rng(4)
        parts = [
            trained(deep[arm])[straight(deep[arm])]
            for arm in ("folklore", "theory")
        ]
        samples = [
            np.subtract(
                *(rng.choice(part, len(part)).mean() for part in parts)
            )
            for _ in range(RESAMPLES)
        ]
        value = parts[0].mean() - parts[1].mean()
        judge("E5", value, ends(np.array(samples)), low=-0.2)

    judge("E1", *lead(rows, "deep", "theory", "blind"), low=0.0)
    judge_ratio()
    judge("E3", *lead(rows, "free", "theory", "blind"), -0.01, 0.01)
    judge("E4", *lead(rows, "deep", "theory", "folklore"), low=0.0)
    judge_straight()
    of_library = trained(deep["library"])
    judge(
        "E6",
        of_library.mean(),
        clopper_pearson(of_library.sum(), len(of_library)),
        high=0.1,
    )
    judge("E7a", *lead(rows, "deep", "halving", "blind"), low=0.0)
    judge("E7b", *lead(rows, "deep", "theory", "halving"), low=0.0)
    refused = trained(deep["blind"])[~deep["blind"]["allowed"]]
    judge(
        "E8",
        refused.mean(),
        clopper_pearson(refused.sum(), len(refused)),
        high=0.05,
    )
    return found


def ratio(blind: float, theory: float, p: float) -> float:
    """Return the share that trains of theory's trials, times p, over the blind share."""
    return theory * p / max(blind, 0.5 / TRIALS["deep", "blind"])


def main() -> None:
    """Draw, train, judge, and store the result with where it came from."""
    shares = allowed_shares()
    rows = [row(task, arm) for task, arm in TRIALS]
    stored = describe(rows, shares)
    RESULT.write_text(
        rl.experiment.as_text(stored, tables=("shares", "rows"))
    )
    for one in stored["verdicts"]:
        print(one)
    print(f"{len(rows)} arms written to {RESULT.name}")


def describe(rows: list[dict], shares: list[dict]) -> dict:
    """Return the rows with the verdicts, and the command, commit and hash that they came from."""
    return {
        **rl.experiment.origin(__file__),
        "budget": BUDGET,
        "width": WIDTH,
        "epochs": RUNGS[-1],
        "threshold": THRESHOLD,
        "verdicts": verdicts(rows, shares),
        "sha256": rl.experiment.digest([shares, rows]),
        "shares": shares,
        "rows": rows,
    }


if __name__ == "__main__":
    main()
