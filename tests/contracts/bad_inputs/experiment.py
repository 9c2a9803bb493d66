"""Bad input for `rmtlab.experiment`."""

import math
import tempfile

from rmtlab import experiment


def losses(sizes):
    return [{"loss": abs(lr - 1)} for lr in sizes]


def best(tried):
    return min(tried, key=lambda one: one["loss"])["lr"]


def tune(measure=losses, sizes=(0.5, 1.0, 2.0), best=best, **options):
    return experiment.tune(measure, sizes, best, **options)


def origin_outside_a_checkout():
    with tempfile.TemporaryDirectory() as folder:
        return experiment.origin(f"{folder}/nowhere/script.py")


CASES = {
    "results": [
        (lambda: experiment.results(pow, []), "points is empty"),
        (lambda: experiment.results(pow, [{"x": 1}]), "do not fit the function"),
    ],
    "tune": [
        (lambda: tune(sizes=[]), "sizes is empty"),
        (lambda: tune(sizes=[0.0, 1.0]), "sizes must be positive"),
        (lambda: tune(sizes=[1.0, 0.5]), "increase from one to the next"),
        (lambda: tune(sizes=[1.0, 1.0]), "increase from one to the next"),
        (lambda: tune(sizes=[0.5, math.nan]), "NaN or infinite"),
        (lambda: tune(by=0), "by must be a whole number of at least 1"),
        (lambda: tune(least=2.0, most=1.0), "least must not be above most"),
        (lambda: tune(least="small"), "least must be a number"),
        (lambda: tune(most=math.nan), "most must be a finite number"),
        (lambda: tune(at_most=0), "at_most must be a whole number"),
        (lambda: tune(measure=lambda sizes: losses(sizes)[1:]), "of 3 it gave 2"),
        (lambda: tune(best=lambda tried: 3.0), "best must return a step size that was tried"),
        (lambda: tune(best=lambda tried: tried[0]["lr"]), "runs off"),
    ],
    "interval": [
        (lambda: experiment.interval([1.0]), "at least two"),
        (lambda: experiment.interval([]), "values is empty"),
        (lambda: experiment.interval([1.0, math.nan]), "NaN or infinite"),
        (lambda: experiment.interval([[1.0, 2.0]]), "values must have 1 axes"),
        (lambda: experiment.interval([1.0, 2.0], level=1.0), "level must be above 0 and below 1"),
        (lambda: experiment.interval([1.0, 2.0], level=95), "level must be above 0 and below 1"),
    ],
    "verdict": [
        (lambda: experiment.verdict((0, 1)), "needs low, high or both"),
        (lambda: experiment.verdict(0.5, low=0), "interval must be an Interval or its two ends"),
        (lambda: experiment.verdict((0, 1, 2), low=0), "interval must be an Interval or its two ends"),
        (lambda: experiment.verdict((1, 0), low=0), "must not be above its upper end"),
        (lambda: experiment.verdict((0, math.nan), low=0), "its upper end must be a finite number"),
        (lambda: experiment.verdict((0, 1), low=2, high=1), "low must not be above high"),
        (lambda: experiment.verdict((0, 1), low="none"), "low must be a number"),
    ],
    "jointly": [
        (lambda: experiment.jointly([]), "verdicts is empty"),
        (lambda: experiment.jointly(["holds", "fail"]), "Did you mean 'fails'"),
        (lambda: experiment.jointly("holds"), "verdicts cannot be 'h'"),
        (lambda: experiment.jointly([True]), "verdicts cannot be True"),
    ],
    "origin": [(origin_outside_a_checkout, "git names no commit")],
    "digest": [(lambda: experiment.digest([{"x": {1, 2}}]), "rows holds what JSON can't hold")],
    "as_text": [
        (lambda: experiment.as_text({"row": []}), "Did you mean 'row'"),
        (lambda: experiment.as_text({"rows": [{1, 2}]}), "rows holds what JSON can't hold"),
        (lambda: experiment.as_text({"rows": {"x": 1}}), "rows must be a list of rows"),
        (lambda: experiment.as_text({"rows": [], 1: 2}), "stored must have text for names"),
        (lambda: experiment.as_text({"rows": [], "x": {1}}), "x holds what JSON can't hold"),
    ],
}
NOTHING_TO_REFUSE = {"Interval": "made by interval, from what it has checked"}
