"""Bad input for `rmtlab.sweep`."""

import functools
from pathlib import Path

from rmtlab import sweep

HERE = Path(__file__)
FOUND = sweep.run(pow, sweep.grid(base=[2, 3], exp=[1, 2]))


def shapes(x):
    return {"row": [0.0] * x, "only": 1.0} if x > 1 else {"row": [0.0]}


def square(x):
    return x * x


RAGGED = sweep.run(shapes, sweep.grid(x=[1, 2]))


def run(points=({"x": 1},), function=square, **options):
    return sweep.run(function, points, **options)


CASES = {
    "grid": [
        (lambda: sweep.grid(), "at least one parameter"),
        (lambda: sweep.grid(depth=[]), "depth has no value"),
        (lambda: sweep.grid(depth=[float("nan")]), "depth holds nan"),
        (lambda: sweep.grid(depth=float("inf")), "depth holds inf"),
        (lambda: sweep.grid(activation=[square]), "activation holds a function"),
        (lambda: sweep.grid(widths=[(1, {})]), "widths holds a dict"),
    ],
    "run": [
        (lambda: run(function="square"), "function must be a function"),
        (lambda: run([]), "points is empty"),
        (lambda: run([1, 2]), "points must be dicts"),
        (lambda: run({"x": 1}), "points must be dicts"),
        (lambda: run([{"x": 1}, {"x": 1.0}]), "tell repetitions apart"),
        (lambda: run([{"x": 1}, {"y": 1}]), "points must all have the same parameters"),
        (lambda: run([{"y": 1}]), "do not fit the function"),
        (lambda: run([{"x": square}]), "x holds a function"),
        (lambda: run(n_jobs=0), "n_jobs must be a whole number of at least 1"),
        (lambda: run(n_jobs=1.5), "n_jobs must be a whole number"),
        (lambda: run(backend="lokky"), "Did you mean 'loky'"),
        (lambda: run(backend=3), "backend cannot be 3"),
        (lambda: run(version=2), "version must be a text"),
        (lambda: run(store=3), "store must be a path"),
        (lambda: run(store=HERE.parent), "is a folder"),
        (lambda: run(store=HERE), "Line 1 of"),
        (lambda: run(function=lambda x: x, store="never.jsonl"), "write the function with def"),
        (lambda: run(function=functools.partial(square), store="never.jsonl"), "write the function with def"),
        (lambda: run(function=FOUND.axis, store="never.jsonl"), "write the function with def"),
    ],
    "load": [
        (lambda: sweep.load("nowhere.jsonl"), "There is no file 'nowhere.jsonl'"),
        (lambda: sweep.load(HERE), "Line 1 of"),
        (lambda: sweep.load(HERE.parent), "is a folder"),
        (lambda: sweep.load(None), "path must be a path"),
    ],
    "Sweep.axis": [(lambda: FOUND.axis("bas"), "Did you mean 'base'")],
    "Sweep.array": [
        (lambda: FOUND.array("valu"), "Did you mean 'value'"),
        (lambda: FOUND.array("value", over=["exponent"]), "over cannot be 'exponent'"),
        (lambda: FOUND.array("value", over=["exp", "exp"]), "over names a parameter twice"),
        (lambda: RAGGED.array("row"), "has the shapes (1,) and (2,)"),
        (lambda: RAGGED.array("only"), "name cannot be 'only'"),
    ],
    "Sweep.where": [
        (lambda: FOUND.where(bas=2), "Did you mean 'base'"),
        (lambda: FOUND.where(base=7), "No run has base=7"),
        (lambda: FOUND.where(base=square), "base holds a function"),
    ],
    "Sweep.save": [
        (lambda: FOUND.save(None), "path must be a path"),
        (lambda: FOUND.save(HERE.parent), "is a folder"),
    ],
}
NOTHING_TO_REFUSE = {
    "Run": "made by run and load, from what they have checked",
    "Sweep": "made by run and load, from what they have checked",
}
