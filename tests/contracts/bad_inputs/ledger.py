import numpy as np

from rmtlab.ledger import Ledger, in_words, read


def claim(**changed):
    Ledger("part/chapter").claim(
        **{
            "name": "a claim",
            "source": "a paper",
            "theory": 1.0,
            "measured": 1.0,
            "tolerance": 0.1,
            "why": "a reason",
            **changed,
        }
    )


def claim_twice():
    ledger = Ledger("part/chapter")
    for tolerance in (0.1, 0.2):
        ledger.claim("same", source="a", theory=1.0, measured=1.0, tolerance=tolerance, why="b")


CASES = {
    "Ledger": [
        (lambda: Ledger(3), "chapter must be a text"),
        (lambda: Ledger(" "), "chapter is empty"),
        (lambda: Ledger("../elsewhere"), "chapter must be a path in the book"),
        (lambda: Ledger("/foundations/mlp"), "chapter must be a path in the book"),
        (lambda: Ledger("foundations/mlp.ipynb"), "chapter must be a path in the book"),
    ],
    "Ledger.claim": [
        (lambda: claim(name=""), "name is empty"),
        (lambda: claim(source="  "), "source is empty"),
        (lambda: claim(why=""), "why is empty"),
        (lambda: claim(why=None), "why must be a text"),
        (lambda: claim(equation=3), "equation must be LaTeX"),
        (lambda: claim(tolerance=-0.1), "tolerance"),
        (lambda: claim(tolerance="small"), "tolerance must be a number"),
        (lambda: claim(tolerance=np.inf), "tolerance"),
        (lambda: claim(distance=-1.0), "distance"),
        (lambda: claim(distance=np.nan), "distance"),
        (lambda: claim(theory="Marchenko–Pastur"), "distance="),
        (lambda: claim(measured=np.nan), "measured holds 1 values that are NaN"),
        (lambda: claim(theory=[1.0, 2.0]), "one shape"),
        (lambda: claim(theory=0.0), "relative=False"),
        (lambda: claim(theory="", distance=0.0), "theory is empty"),
        (claim_twice, "belongs to another claim"),
    ],
    "in_words": [
        (lambda: in_words(None), "value holds 1 values that are NaN"),
        (lambda: in_words((1.0, "two")), "value must be an array of real numbers"),
        (lambda: in_words(()), "value is empty"),
    ],
    "read": [
        (lambda: read(3), "folder must be a path"),
        (lambda: read("no/such/folder"), "There is no folder"),
        (lambda: read(__file__), "There is no folder"),
    ],
}

NOTHING_TO_REFUSE = {"Claim": "Ledger.claim makes it from checked input"}
