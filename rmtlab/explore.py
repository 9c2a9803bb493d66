"""Interactive figures: sliders under a picture that Python draws.

One component serves every chapter. In Jupyter the kernel redraws the picture whenever a slider
moves. On the book's static page there is no kernel: the build draws one frame for every combination
of slider values (`RMTLAB_STATIC=1`, set by ``tools/build_book.py``), and the same front end,
``_explore.js``, shows the frame that belongs to the sliders. Frames are drawn only then, so that a
live notebook starts at once.
"""

import base64
import html
import inspect
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from math import prod
from numbers import Integral, Real
from typing import Any

import anywidget
import matplotlib
import numpy as np
import traitlets
from matplotlib import pyplot
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Picture

from rmtlab import _checks

__all__ = ["Figure", "Slider", "figure"]

_MAX_FRAMES = 150
_MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Slider:
    """The values that one parameter of a figure may take, and how a reader sees them.

    Parameters
    ----------
    values
        What the slider steps through, in order: numbers or names. Each is one frame on the page.
    label
        What the slider is called; the parameter's own name if left out.
    unit
        Written after the value, such as ``"layers"``.
    start
        The value shown first, one of `values`; the middle one if left out.
    fine
        Steps from one value to the next in a live notebook, where any value can be drawn. Needs
        real numbers; the static page stays on `values`.

    Raises
    ------
    ValueError
        If fewer than two values are given, a value is repeated or NaN, or `start` is not a value.
    TypeError
        If `values` is no sequence, or one of them is neither a number nor a name.

    Examples
    --------
    >>> Slider([0.5, 1.0, 2.0], label="σ_w² (weight variance)", start=1.0).text(1.0)
    '1'
    >>> Slider([1, 2, 4], unit="layers").text(4)
    '4 layers'
    """

    values: Sequence[Any]
    label: str = ""
    unit: str = ""
    start: Any = None
    fine: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.values, str) or not hasattr(self.values, "__iter__"):
            raise TypeError(f"values must be a sequence such as [1, 2, 4], but {self.values!r} was given.")
        values = tuple(v.item() if isinstance(v, np.generic) else v for v in self.values)
        if len(values) < 2:
            raise ValueError(
                f"A slider needs at least two values to move between, but values has {len(values)}."
            )
        for value in values:
            if np.ndim(value) > 0:
                raise TypeError(f"each of values must be a number or a name, but {value!r} was given.")
            if isinstance(value, Real):
                _checks.number(value, "each of values")
        if any(value in values[:i] for i, value in enumerate(values)):
            raise ValueError("values holds the same value twice; give each value once.")
        start = values[len(values) // 2] if self.start is None else self.start
        if start not in values:
            raise ValueError(f"start must be one of values {list(values)}, but {self.start!r} was given.")
        if _checks.count(self.fine, "fine") > 1 and not all(isinstance(v, Real) for v in values):
            raise ValueError("fine needs numbers to step between, but values holds names; leave fine out.")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "start", start)

    def text(self, value: Any) -> str:
        """Return `value` as the reader sees it, with its unit."""
        shown = f"{value:.4g}" if isinstance(value, Real) and not isinstance(value, Integral) else str(value)
        return f"{shown} {self.unit}".rstrip()

    def _choices(self, fine: int) -> list[Any]:
        steps = np.arange(fine * (len(self.values) - 1) + 1) / fine
        if fine == 1:
            return list(self.values)
        return [float(v) for v in np.interp(steps, np.arange(len(self.values)), self.values)]


class Figure(anywidget.AnyWidget):
    """A picture with sliders; made by `figure`, which describes the parameters.

    Its rich representation is the live widget in Jupyter and, while the book is built, a small
    element that holds every frame.
    """

    _esm = resources.files("rmtlab").joinpath("_explore.js").read_text("utf-8")

    controls: traitlets.List[dict[str, Any]] = traitlets.List(
        help="name, label and value texts of each slider"
    ).tag(sync=True)
    indices: traitlets.List[int] = traitlets.List(help="where each slider stands").tag(sync=True)
    drawn: traitlets.List[int] = traitlets.List(help="the indices that the picture shows").tag(sync=True)
    svg = traitlets.Unicode(help="the picture").tag(sync=True)
    frames: traitlets.List[str] = traitlets.List(
        help="every picture, on a static page; empty where a kernel draws"
    ).tag(sync=True)
    alt = traitlets.Unicode(help="what the picture shows, in words").tag(sync=True)
    caption = traitlets.Unicode(help="what to see").tag(sync=True)
    message = traitlets.Unicode(help="why the last picture could not be drawn").tag(sync=True)

    def __init__(
        self,
        draw: Callable[..., Picture],
        sliders: Mapping[str, Slider | Sequence[Any]],
        *,
        caption: str = "",
        alt: str = "",
        name: str = "",
    ) -> None:
        self._sliders = _checked_sliders(draw, sliders)
        self._draw = draw
        self._name = name
        fine = [1 if _is_static() else slider.fine for slider in self._sliders.values()]
        self._choices = [s._choices(f) for s, f in zip(self._sliders.values(), fine, strict=True)]
        start = [s.values.index(s.start) * f for s, f in zip(self._sliders.values(), fine, strict=True)]
        super().__init__(
            controls=[
                {"name": key, "label": slider.label or key, "texts": [slider.text(v) for v in choices]}
                for (key, slider), choices in zip(self._sliders.items(), self._choices, strict=True)
            ],
            indices=start,
            drawn=start,
            svg=self._picture_at(start),
            alt=_sentence(alt, "alt", "what the picture shows, for a reader who cannot see it"),
            caption=_sentence(caption, "caption", "what there is to see"),
        )
        self.observe(self._redraw, names="indices")

    @property
    def values(self) -> dict[str, Any]:
        """The slider values that the picture shows now."""
        return self._values_at(self.indices)

    def open(self) -> None:
        """Connect to the front end, if there is one: a static page has no kernel to connect to."""
        if not _is_static():
            super().open()

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.values.items())
        return f"explore.Figure({shown})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if not _is_static():
            return super()._repr_mimebundle_(**kwargs)
        bundle = {"text/html": self._page_element(), "image/png": _to_png(self._figure_at(self.indices))}
        return {"text/plain": repr(self), **bundle}, {}

    @traitlets.validate("indices")
    def _inside(self, proposal: Any) -> list[int]:
        counts = [len(choices) for choices in self._choices]
        if len(proposal["value"]) != len(counts):
            raise ValueError(f"indices must hold {len(counts)} whole numbers, one for each slider.")
        return [min(max(int(i), 0), n - 1) for i, n in zip(proposal["value"], counts, strict=True)]

    def _redraw(self, change: Any) -> None:
        try:
            self.svg, self.message = self._picture_at(change["new"]), ""
        except Exception as error:
            self.message = f"This picture could not be drawn: {error}"
        self.drawn = change["new"]

    def _values_at(self, indices: Sequence[int]) -> dict[str, Any]:
        return {key: c[i] for key, c, i in zip(self._sliders, self._choices, indices, strict=True)}

    def _figure_at(self, indices: Sequence[int]) -> Picture:
        values = self._values_at(indices)
        try:
            picture = self._draw(**values)
        except Exception as error:
            error.add_note(f"This happened while drawing an interactive figure with {values}.")
            raise
        if not isinstance(picture, Picture):
            raise TypeError(
                f"draw must return a Matplotlib Figure, but it returned a {type(picture).__name__}; "
                "end it with `return fig`."
            )
        pyplot.close(picture)
        return picture

    def _picture_at(self, indices: Sequence[int]) -> str:
        return _to_svg(self._figure_at(indices))

    def _every_frame(self) -> list[str]:
        grid = itertools.product(*(range(len(choices)) for choices in self._choices))
        frames = [self.svg if list(i) == self.drawn else self._picture_at(i) for i in grid]
        size = sum(map(len, frames))
        if size > _MAX_BYTES:
            raise ValueError(
                f"The {len(frames)} frames of this figure take {size / 1e6:.1f} MB, and a page may carry "
                f"{_MAX_BYTES / 1e6:.0f} MB; draw fewer points, rasterise dense layers or offer fewer values."
            )
        return frames

    def _page_element(self) -> str:
        reading = ", ".join(
            f"{c['label']} = {c['texts'][i]}" for c, i in zip(self.controls, self.indices, strict=True)
        )
        state = {
            "controls": self.controls,
            "indices": self.indices,
            "drawn": self.indices,
            "alt": self.alt,
            "frames": self._every_frame(),
        }
        embedded = json.dumps(state, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        picture = base64.b64encode(self.svg.encode()).decode()
        return (
            f'<div class="explore" data-explore data-caption="{html.escape(self.caption)}" '
            f'data-name="{html.escape(self._name)}">'
            f'<img class="explore-picture" alt="{html.escape(f"{self.alt} Shown: {reading}.")}" '
            f'src="data:image/svg+xml;base64,{picture}">'
            f'<script type="application/json">{embedded}</script></div>'
        )


def figure(
    draw: Callable[..., Picture],
    sliders: Mapping[str, Slider | Sequence[Any]],
    *,
    caption: str = "",
    alt: str = "",
    name: str = "",
) -> Figure:
    """Return an interactive figure: `draw` with a slider for each of its parameters.

    Parameters
    ----------
    draw
        Called with one keyword argument a slider; returns the Matplotlib figure of these values.
        Keep its size the same at every value.
    sliders
        A `Slider`, or simply the values, for each parameter of `draw`.
    caption
        One or two sentences that say what to see. On the page they number the figure.
    alt
        What the picture shows, for a reader who cannot see it; the current values are added to it.
    name
        A label by which the book's text can refer to the figure.

    Returns
    -------
    Figure
        A widget in Jupyter; on the book's page the same sliders without a kernel.

    Raises
    ------
    ValueError
        If there is no slider, a slider has no parameter, the combinations are more than 150, or
        the caption or alternative text is missing.
    TypeError
        If `draw` cannot be called or does not return a Matplotlib figure.

    Examples
    --------
    >>> from matplotlib.figure import Figure as Canvas
    >>> def semicircle(radius):
    ...     fig = Canvas()
    ...     x = np.linspace(-radius, radius, 50)
    ...     fig.add_subplot().plot(x, np.sqrt(radius**2 - x**2))
    ...     return fig
    >>> figure(semicircle, {"radius": [1.0, 2.0, 3.0]}, caption="A wider law.", alt="A half circle.")
    explore.Figure(radius=2.0)
    """
    return Figure(draw, sliders, caption=caption, alt=alt, name=name)


def _is_static() -> bool:
    return os.environ.get("RMTLAB_STATIC", "") == "1"


def _checked_sliders(draw: Any, sliders: Any) -> dict[str, Slider]:
    if not callable(draw):
        raise TypeError(f"draw must be a function that returns a Matplotlib Figure, but {draw!r} was given.")
    if not isinstance(sliders, Mapping):
        raise TypeError(
            'sliders must map each parameter of draw to its values, such as {"depth": [1, 2, 4]}, '
            f"but a {type(sliders).__name__} was given."
        )
    if not sliders:
        raise ValueError(
            'sliders is empty; an interactive figure needs at least one, such as {"depth": [1, 2, 4]}.'
        )
    parameters = inspect.signature(draw).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for key in sliders:
            _known(key, list(parameters))
        unset = [k for k, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
        for key in unset:
            if key not in sliders:
                raise ValueError(
                    f"draw needs a value for {key!r}, but no slider gives one; add it to sliders."
                )
    checked = {key: value if isinstance(value, Slider) else Slider(value) for key, value in sliders.items()}
    frames = prod(len(slider.values) for slider in checked.values())
    if frames > _MAX_FRAMES:
        raise ValueError(
            f"These sliders make {frames} combinations, and a page may carry {_MAX_FRAMES} frames; "
            "offer fewer values or fewer sliders."
        )
    return checked


def _known(key: str, parameters: list[str]) -> None:
    if key in parameters:
        return
    near = get_close_matches(str(key), parameters, n=1)
    ask = f"Did you mean {near[0]!r}?" if near else f"Its parameters are {', '.join(map(repr, parameters))}."
    raise ValueError(f"sliders names {key!r}, which is not a parameter of draw. {ask}")


def _sentence(text: Any, name: str, purpose: str) -> str:
    if not isinstance(text, str) or len(text.split()) < 2:
        raise ValueError(f"{name} must be a sentence that says {purpose}, but {text!r} was given.")
    return " ".join(text.split())


def _to_svg(picture: Picture) -> str:
    """Return the picture as compact SVG text: no metadata, no indentation, coordinates to 0.01 pt."""
    text = _svg(picture)
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'(?<=\sd=")[^"]*', _rounded, text)
    return re.sub(r"\s+", " ", re.sub(r">\s+<", "><", text)).strip()


def _svg(picture: Picture) -> str:
    """Return what ``picture.savefig`` writes, without its second drawing for the layout's sake."""
    buffer, canvas, dpi, layout = io.StringIO(), picture.canvas, picture.dpi, picture.get_layout_engine()
    try:
        with matplotlib.rc_context({"svg.hashsalt": "rmtlab", "svg.fonttype": "path"}):
            own = FigureCanvasSVG(picture)
            if layout is not None:
                layout.execute(picture)
                picture.set_layout_engine("none")
            own.print_svg(buffer, metadata={"Date": None})
    finally:
        picture.set_canvas(canvas)
        picture.set_dpi(dpi)
        if layout is not None:
            picture.set_layout_engine(layout)
    return buffer.getvalue()


def _rounded(path: re.Match[str]) -> str:
    return re.sub(r"-?\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), path[0])


def _to_png(picture: Picture) -> str:
    buffer = io.BytesIO()
    picture.savefig(buffer, format="png", dpi=150)
    return base64.b64encode(buffer.getvalue()).decode()
