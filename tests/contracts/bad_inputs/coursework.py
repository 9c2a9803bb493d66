from rmtlab import coursework
from rmtlab.coursework import Choice, Grid, Whole

GRID = Grid(0, 1, 0.1)
CASES = {
    "Choice": [(lambda: Choice(()), "at least one"), (lambda: Choice("tanh"), "tuple")],
    "Choice.pick": [
        (lambda: Choice((1, 2)).pick(-1), "hashed"),
        (lambda: Choice((1, 2)).pick(0.5), "hashed"),
    ],
    "Grid": [
        (lambda: Grid(1, 0, 0.1), "high"),
        (lambda: Grid(0, 1, 0), "step"),
        (lambda: Grid(float("nan"), 1, 0.1), "low"),
    ],
    "Grid.pick": [(lambda: GRID.pick(-1), "hashed"), (lambda: GRID.pick("3"), "hashed")],
    "Whole": [(lambda: Whole(3, 2), "high"), (lambda: Whole(0.5, 2), "low")],
    "Whole.pick": [(lambda: Whole(0, 3).pick(-1), "hashed"), (lambda: Whole(0, 3).pick(None), "hashed")],
    "numbers": [
        (lambda: coursework.numbers("signals", "s1", course="c"), "Did you mean 'signal'"),
        (lambda: coursework.numbers("signal", 1234, course="c"), "student must be a text"),
        (lambda: coursework.numbers("signal", " ", course="c"), "student is empty"),
        (lambda: coursework.numbers("signal", "s1", course=""), "course is empty"),
    ],
    "plausible": [
        (lambda: coursework.plausible(1.0, shape=3), "shape must be a tuple"),
        (lambda: coursework.plausible(1.0, shape=(0,)), "shape must be"),
        (lambda: coursework.plausible(1.0, between=(2, 1)), "low before high"),
        (lambda: coursework.plausible(1.0, between=3), "two numbers"),
    ],
}
NOTHING_TO_REFUSE = {
    "problem_sets": "takes nothing",
    "Numbers": "made by `numbers`, which has looked at everything",
}
