"""Evidence: closed form (of the hash), contract, and counts under a stated binomial error."""

import pickle
from collections import Counter
from hashlib import sha256

import numpy as np
import pytest

from rmtlab import coursework

COURSE = "Random matrices"
SETS = coursework.problem_sets()


def test_a_number_is_its_hash():
    """Written out, so that no change of the package changes anybody's numbers in the middle of a term."""
    key = f"{COURSE}\0signal\0s1\0width"
    hashed = int.from_bytes(sha256(key.encode()).digest()[:8], "big")
    assert coursework.numbers("signal", "s1", course=COURSE).width == 300 + hashed % 201


@pytest.mark.parametrize("name", SETS)
def test_numbers_depend_on_the_student_and_the_course_and_on_nothing_else(name):
    own = coursework.numbers(name, "s1234", course=COURSE)
    assert coursework.numbers(name, " S 1234\n", course=COURSE).values == own.values
    assert coursework.numbers(name, "s1235", course=COURSE).values != own.values
    assert coursework.numbers(name, "s1234", course=COURSE + " 2").values != own.values


@pytest.mark.parametrize("name", SETS)
def test_no_two_of_a_thousand_students_share_their_numbers(name):
    drawn = {tuple(coursework.numbers(name, f"s{i}", course=COURSE).values.values()) for i in range(1000)}
    assert len(drawn) == 1000


@pytest.mark.parametrize(
    "draw",
    [coursework.Choice(("a", "b", "c")), coursework.Whole(3, 8), coursework.Grid(1.0, 1.5, 0.1)],
    ids=["choice", "whole", "grid"],
)
def test_every_value_is_drawn_equally_often(draw):
    hashes = (int.from_bytes(sha256(str(i).encode()).digest()[:8], "big") for i in range(6000))
    counts = Counter(draw.pick(hashed) for hashed in hashes)
    expected = 6000 / len(counts)
    assert len(counts) in (3, 6)
    assert all(abs(count - expected) < 5 * np.sqrt(expected) for count in counts.values())


def test_grid_points_are_the_decimal_numbers_that_they_look_like():
    grid = coursework.Grid(0.05, 0.25, 0.01)
    assert [grid.pick(i) for i in range(21)] == [round(0.05 + 0.01 * i, 2) for i in range(21)]


def test_numbers_are_attributes_and_survive_a_trip():
    own = coursework.numbers("signal", "s1", course=COURSE)
    back = pickle.loads(pickle.dumps(own))
    assert back == own
    assert back.depth == own.values["depth"]
    assert "<caption>" in own._repr_html_()
    assert "width" in repr(own)
    with pytest.raises(AttributeError, match="no parameter 'witdh'"):
        _ = own.witdh


@pytest.mark.parametrize(
    ("value", "told", "kind"),
    [
        (..., {}, "unanswered"),
        (None, {}, "unanswered"),
        ("0.3", {}, "type"),
        (1j, {}, "type"),
        ([1.0, 2.0], {}, "shape"),
        (1.0, {"shape": (2,)}, "shape"),
        (float("nan"), {}, "not-finite"),
        (11, {"between": (0, 10)}, "magnitude"),
        ([0.5, 3.0], {"shape": (2,), "between": (0, 1)}, "magnitude"),
        (0.5, {"between": (0, 1)}, "plausible"),
        (np.array([[0.5]]), {}, "plausible"),
        ([0, 1], {"shape": (2,), "between": (0, 1)}, "plausible"),
    ],
)
def test_plausible(value, told, kind):
    verdict = coursework.plausible(value, **told)
    assert verdict.kind == kind
    assert verdict.ok == (kind == "plausible")


def test_plausible_takes_a_tensor():
    torch = pytest.importorskip("torch")
    assert coursework.plausible(torch.ones(3, requires_grad=True), shape=(3,)).ok
