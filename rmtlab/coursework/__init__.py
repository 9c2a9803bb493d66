"""Coursework: every student's own numbers, and whether an answer could be right.

A problem set draws its parameters from the public name of the course and the student's ID, so that a
notebook finds the same numbers anywhere and two students never share theirs. What a set draws is a
module here; how its answers are graded is not in this package.

    own = rl.coursework.numbers("signal", student="s1234567", course="Random matrices, autumn")
    own.weight_var
    rl.coursework.plausible(q_star, between=(0, 10))
"""

from rmtlab.coursework._draws import Choice, Grid, Whole
from rmtlab.coursework._numbers import Numbers, numbers, problem_sets
from rmtlab.coursework._plausible import plausible

__all__ = ["Choice", "Grid", "Numbers", "Whole", "numbers", "plausible", "problem_sets"]
