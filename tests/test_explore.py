"""Evidence: contract. The state that a page carries is checked against the pictures that `draw` makes."""

import io
import json
import re

import matplotlib
import pytest
from bs4 import BeautifulSoup
from matplotlib import pyplot
from matplotlib.figure import Figure as Canvas

from rmtlab import explore

WORDS = {"caption": 'A line <rises> "fast".', "alt": "A line & its end."}


def draw(slope, shift):
    fig = Canvas(figsize=(2, 1.5))
    fig.add_subplot().plot([0, 1], [shift, shift + slope])
    fig.text(0, 0, "")
    return fig


def make():
    sliders = {"slope": explore.Slider([1.0, 2.0, 4.0], label="s (slope)", fine=4), "shift": [0, 10]}
    return explore.figure(draw, sliders, **WORDS)


@pytest.fixture
def static(monkeypatch):
    monkeypatch.setenv("RMTLAB_STATIC", "1")


@pytest.fixture
def live(monkeypatch):
    monkeypatch.delenv("RMTLAB_STATIC", raising=False)


def page_of(figure):
    bundle, _ = figure._repr_mimebundle_()
    page = BeautifulSoup(bundle["text/html"], "html.parser")
    return page, json.loads(page.find("script").string)


def test_a_static_page_carries_every_frame_the_last_slider_fastest(static):
    _, state = page_of(make())
    drawn = [explore._to_svg(draw(slope, shift)) for slope in (1.0, 2.0, 4.0) for shift in (0, 10)]
    assert state["frames"] == drawn
    assert len(set(drawn)) == 6
    assert [c["texts"] for c in state["controls"]] == [["1", "2", "4"], ["0", "10"]]


def test_the_first_picture_and_its_words_need_no_javascript(static):
    page, _ = page_of(make())
    assert page.img["src"].startswith("data:image/svg+xml;base64,")
    assert page.img["alt"] == "A line & its end. Shown: s (slope) = 2, shift = 10."
    assert page.div["data-caption"] == WORDS["caption"]


def test_a_static_figure_opens_no_channel_to_a_front_end(static):
    figure = make()
    assert figure.comm is None
    bundle, _ = figure._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}


def test_a_live_figure_draws_one_picture_at_once_and_no_frames(live):
    calls = []

    def counted(slope):
        calls.append(slope)
        return draw(slope, 0)

    figure = explore.figure(counted, {"slope": [1.0, 2.0, 3.0]}, **WORDS)
    figure._repr_mimebundle_()
    assert calls == [2.0]
    assert figure.frames == []


def test_moving_a_live_slider_redraws_values_between_the_frames_too(live):
    figure = make()
    assert figure.values == {"slope": 2.0, "shift": 10}
    before = figure.svg
    figure.indices = [5, 1]
    assert figure.values == {"slope": 2.5, "shift": 10}
    assert figure.svg != before
    assert figure.drawn == [5, 1]
    figure.indices = [99, -3]
    assert figure.values == {"slope": 4.0, "shift": 0}


def test_a_picture_that_fails_says_so_and_the_next_one_heals(live):
    def fragile(slope):
        if slope == 3:
            raise ValueError("slope 3 is steep.")
        return draw(slope, 0)

    figure = explore.figure(fragile, {"slope": [1, 2, 3]}, **WORDS)
    figure.indices = [2]
    assert figure.message == "This picture could not be drawn: slope 3 is steep."
    assert figure.drawn == [2]
    figure.indices = [0]
    assert figure.message == ""


def test_pictures_are_closed_so_that_a_notebook_does_not_show_them_twice(live):
    def pyplot_draw(slope):
        fig, ax = pyplot.subplots()
        ax.plot([0, slope])
        return fig

    explore.figure(pyplot_draw, {"slope": [1, 2]}, **WORDS)
    assert pyplot.get_fignums() == []


def test_frames_that_are_too_large_for_a_page_are_refused(static, monkeypatch):
    monkeypatch.setattr(explore, "_MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"6 frames of this figure take 0\.\d MB"):
        make()._repr_mimebundle_()


def test_an_error_while_drawing_names_the_values(live):
    def broken(depth):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError) as caught:
        explore.figure(broken, {"depth": [1, 2]}, **WORDS)
    assert "{'depth': 2}" in caught.value.__notes__[0]


def test_rounding_an_svg_keeps_every_glyph_and_moves_no_point_by_more_than_a_hundredth():
    fig = draw(2.0, 10)
    svg = explore._to_svg(fig)
    assert svg.startswith("<svg")
    assert "<metadata" not in svg
    numbers = [n for path in re.findall(r'\sd="([^"]*)"', svg) for n in re.findall(r"\.(\d+)", path)]
    assert numbers
    assert max(map(len, numbers)) <= 2
    assert set(re.findall(r'href="#([^"]+)"', svg)) <= set(re.findall(r'id="([^"]+)"', svg))


def test_state_in_the_page_cannot_end_its_script(static):
    sliders = {"shift": explore.Slider([0, 1], label="</script><b>"), "slope": [1, 2]}
    html = explore.figure(draw, sliders, **WORDS)._repr_mimebundle_()[0]["text/html"]
    assert html.count("</script>") == 1
    _, state = page_of(explore.figure(draw, sliders, **WORDS))
    assert state["controls"][0]["label"] == "</script><b>"


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_one_drawing_gives_the_picture_that_savefig_saves_and_leaves_the_figure_as_it_was(layout):
    def logarithmic():
        fig = Canvas(figsize=(2, 1.5), layout=layout, dpi=130)
        fig.add_subplot(xlabel="$x^2$", ylabel="a long label", xscale="log").plot([1, 100], [0.5, 2e5])
        return fig

    fig, saved = logarithmic(), io.StringIO()
    state = fig.canvas, fig.dpi, fig.get_layout_engine(), fig.get_size_inches().tolist()
    ours = explore._svg(fig)
    assert (fig.canvas, fig.dpi, fig.get_layout_engine(), fig.get_size_inches().tolist()) == state
    with matplotlib.rc_context({"svg.hashsalt": "rmtlab", "svg.fonttype": "path"}):
        logarithmic().savefig(saved, format="svg", metadata={"Date": None})
    assert ours == saved.getvalue()
