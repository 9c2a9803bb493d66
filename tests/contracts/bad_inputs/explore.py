"""Bad input to `rmtlab.explore`."""

import numpy as np
from matplotlib.figure import Figure as Canvas

from rmtlab import explore

WORDS = {"caption": "What there is to see.", "alt": "An empty canvas."}


def draw(depth, width=1):
    return Canvas()


def _figure_cases(make):
    return [
        (lambda: make(draw, {}, **WORDS), "at least one"),
        (lambda: make(draw, [1, 2], **WORDS), "must map each parameter"),
        (lambda: make(None, {"depth": [1, 2]}, **WORDS), "must be a function"),
        (lambda: make(draw, {"dept": [1, 2]}, **WORDS), "Did you mean 'depth'?"),
        (lambda: make(draw, {"qqq": [1, 2]}, **WORDS), "Its parameters are 'depth', 'width'."),
        (lambda: make(draw, {"width": [1, 2]}, **WORDS), "needs a value for 'depth'"),
        (lambda: make(draw, {"depth": 3}, **WORDS), "must be a sequence"),
        (lambda: make(draw, {"depth": range(20), "width": range(20)}, **WORDS), "make 400 combinations"),
        (lambda: make(lambda depth: None, {"depth": [1, 2]}, **WORDS), "returned a NoneType"),
        (lambda: make(draw, {"depth": [1, 2]}, caption="What there is to see."), "alt must be a sentence"),
        (lambda: make(draw, {"depth": [1, 2]}, caption="What there is to see.", alt="plot"), "cannot see it"),
        (lambda: make(draw, {"depth": [1, 2]}, alt="An empty canvas."), "caption must be a sentence"),
    ]


CASES = {
    "figure": _figure_cases(explore.figure),
    "Figure": _figure_cases(explore.Figure),
    "Slider": [
        (lambda: explore.Slider([1]), "at least two values"),
        (lambda: explore.Slider("abc"), "must be a sequence"),
        (lambda: explore.Slider([1.0, float("nan")]), "finite number"),
        (lambda: explore.Slider(np.eye(2)), "must be a number or a name"),
        (lambda: explore.Slider([(1, 2), (3, 4)]), "must be a number or a name"),
        (lambda: explore.Slider([1, 2, 1]), "the same value twice"),
        (lambda: explore.Slider([1, 2], start=3), "start must be one of values"),
        (lambda: explore.Slider([1, 2], fine=0), "at least 1"),
        (lambda: explore.Slider(["relu", "tanh"], fine=4), "holds names"),
    ],
}
NOTHING_TO_REFUSE = {"Slider.text": "any value has a text"}
