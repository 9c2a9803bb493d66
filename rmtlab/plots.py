"""Figures in one palette: theory is a line, simulation is a histogram or dots.

The same thing has the same colour in every chapter. Every colour reaches a contrast of 3:1 on white
and again after the site's dark mode has inverted the figure, and colours that meet in one figure
stay apart under red and green colour blindness. Figures keep an opaque white ground, because dark
mode turns a figure over as a whole.
"""

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.rcsetup import cycler

from rmtlab import _checks
from rmtlab.laws._base import ATOM_WIDTH

__all__ = ["PALETTE", "colour", "histogram", "overlay", "shades", "spectrum", "use"]

PALETTE: Mapping[str, str] = MappingProxyType(
    {
        "theory": "#1b1f24",
        "simulation": "#0072b2",
        "gaussian": "#d55e00",
        "orthogonal": "#3f8577",
        "before": "#a6885b",
        "after": "#496bf2",
        "linear": "#a6885b",
        "relu": "#d55e00",
        "leaky_relu": "#b98300",
        "shifted_relu": "#cc7095",
        "hard_tanh": "#496bf2",
        "tanh": "#0072b2",
        "erf": "#3f8577",
        "sin": "#2a93b5",
        "cos": "#c2588a",
        "gelu": "#593600",
        "silu": "#882277",
        "softplus": "#6b1f5c",
        "exp": "#6a3fc8",
        "abs": "#1a7f4b",
        "sign": "#7d8086",
    }
)
"""Theory and simulation, the two kinds of weights, before and after training, and the activations."""

_STYLE: dict[str, Any] = {
    "figure.figsize": (6.0, 3.8),
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.transparent": False,
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "text.color": PALETTE["theory"],
    "axes.labelcolor": PALETTE["theory"],
    "axes.edgecolor": PALETTE["theory"],
    "xtick.color": PALETTE["theory"],
    "ytick.color": PALETTE["theory"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(
        color=[PALETTE[name] for name in ("tanh", "relu", "erf", "linear", "hard_tanh", "gelu")]
    ),
    "lines.linewidth": 2.0,
    "lines.markersize": 6.0,
    "errorbar.capsize": 2.5,
    "mathtext.fontset": "dejavusans",
    # Text as paths: a figure on the page is an <img>, which cannot use the page's fonts, so this is the
    # only way to the same letters everywhere. Its words reach a screen reader through the alt text.
    "svg.fonttype": "path",
    "svg.hashsalt": "rmtlab",
}
_FEWEST_BINS, _MOST_BINS = 8, 160
_MOST_LABELLED_ATOMS = 4


def use() -> None:
    """Set the course's figure style for this session, and SVG figures where it runs in a notebook.

    The style is 6.0 × 3.8 inches with 12-point letters: on a phone that shows the figure 360 pixels
    wide, the smallest letters are 9 pixels high. SVG files carry no date and no random identifiers,
    so that the same figure gives the same bytes.

    Examples
    --------
    >>> from rmtlab import plots
    >>> plots.use()
    """
    plt.style.use(_STYLE)
    if _in_notebook():
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata={"Date": None})


def colour(name: str) -> str:
    """Return the colour of a thing, as ``#rrggbb``.

    Parameters
    ----------
    name : str
        A name in `PALETTE`: "theory", "simulation", "gaussian", "orthogonal", "before", "after", or
        an activation.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the palette has no such name.

    Examples
    --------
    >>> from rmtlab import plots
    >>> plots.colour("simulation")
    '#0072b2'
    """
    return PALETTE[_checks.one_of(name, "name", PALETTE)]


def shades(n: int) -> list[str]:
    """Return `n` ordered colours, dark to light, for a family such as growing width or depth.

    They are the darker part of matplotlib's viridis, which grows evenly in lightness.

    Parameters
    ----------
    n : int
        How many; up to five stay easy to tell apart.

    Returns
    -------
    list of str
        Colours as ``#rrggbb``.

    Raises
    ------
    ValueError, TypeError
        If `n` is not a whole number of at least 1.

    Examples
    --------
    >>> from rmtlab import plots
    >>> plots.shades(3)[0]
    '#440154'
    """
    places = np.linspace(0.0, 0.58, _checks.count(n, "n"))
    return [mpl.colors.to_hex(mpl.colormaps["viridis"](place)) for place in places]


def spectrum(
    law: Any,
    eigenvalues: Any,
    *,
    label: str = "simulation",
    colour: str = "simulation",
    bins: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Lay the density of a law over the histogram of measured eigenvalues.

    The histogram counts eigenvalues outside the atoms and is scaled by all of them, so that its area
    is the mass of the continuous part. An atom is a stem whose height, as a fraction of the axes, is
    its mass; the dot beside it is the measured fraction. An eigenvalue within 1e-10·max|λ| of an atom
    counts at it.

    Parameters
    ----------
    law : spectral law
        Anything with ``density(x)``, ``support`` ([(a, b), …]) and ``atoms`` ({location: mass}).
    eigenvalues : array_like, (n,)
        Measured eigenvalues (or singular values, if `law` is theirs).
    label : str
        What the histogram is called in the legend.
    colour : str
        A name in `PALETTE` or a matplotlib colour, for the measured values.
    bins : int, optional
        Number of bins; by default chosen from the quartiles, finer than for independent samples
        because eigenvalues repel each other.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `law` is not a spectral law.
    ValueError
        If the eigenvalues are empty, not finite or not one row of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtlab import plots
    >>> class Uniform:
    ...     support = [(0.0, 1.0)]
    ...     atoms = {}
    ...     def density(self, x):
    ...         return np.ones_like(x)
    >>> ax = plots.spectrum(Uniform(), np.linspace(0.0, 1.0, 500))
    >>> ax.get_ylabel()
    'density'
    """
    atoms, pieces = _law_parts(law)
    values = _checks.array(eigenvalues, "eigenvalues", ndim=1, hint="Pass them as one row of numbers.")
    ink = _resolve(colour)
    ax = _axes(ax)
    radius = ATOM_WIDTH * float(np.max(np.abs(values)))
    held = {place: np.abs(values - place) <= radius for place in atoms}
    free = values[~np.any([*held.values(), np.zeros(values.size, bool)], axis=0)]
    if free.size:
        edges = _edges(free, bins, _rigid_width)
        _bars(ax, free, edges, share=free.size / values.size, ink=ink, label=label)
    lines = [(x, np.asarray(law.density(x), dtype=np.float64)) for x in pieces]
    for i, (x, height) in enumerate(lines):
        ax.plot(x, height, color=PALETTE["theory"], label="theory" if i == 0 else None)
    _cap_height(ax, lines, measured=free.size > 0)
    stems = [(place, mass, float(np.mean(held[place]))) for place, mass in atoms.items()]
    _draw_stems(
        ax, stems, ink, line_label=None if lines else "theory", dot_label=None if free.size else label
    )
    return _labelled(ax, "eigenvalue λ", "density")


def overlay(
    x: Any,
    theory: Any,
    measured_x: Any,
    measured: Any,
    *,
    error: Any = None,
    label: str | None = None,
    colour: str | None = None,
    log: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a theory as a line and measurements of the same quantity as dots.

    Without `label`, the line is dark and the dots have the simulation's colour, and the legend says
    "theory" and "simulation". With it, line and dots share one colour, so that several pairs fit in
    one figure.

    Parameters
    ----------
    x, theory : array_like, (n,)
        The line.
    measured_x, measured : array_like, (m,)
        The dots.
    error : array_like, (m,) or scalar, optional
        Half the length of the error bars: one standard error, unless the caption says otherwise.
    label : str, optional
        What this pair shows, such as "tanh" or "depth 5".
    colour : str, optional
        A name in `PALETTE` or a matplotlib colour, for this pair; by default the palette's colour of `label`
        where it has one.
    log : str
        The logarithmic axes: "", "x", "y" or "xy".
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If a pair of arrays differs in length, a value is not finite, an error is negative, or a
        logarithmic axis is asked for and nothing on it is positive.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtlab import plots
    >>> n = np.array([10.0, 100.0, 1000.0])
    >>> ax = plots.overlay(n, 1 / n, n, 1.1 / n, error=0.1 / n, log="xy")
    >>> ax.get_xscale(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('log', ['theory', 'simulation'])
    """
    line = _pair(x, theory, "x", "theory")
    dots = _pair(measured_x, measured, "measured_x", "measured")
    bars = None if error is None else _error(error, dots[0].size)
    scale = _checks.one_of(
        log, "log", ("", "x", "y", "xy"), hint='Name the logarithmic axes, as in log="xy".'
    )
    for axis, index in (("x", 0), ("y", 1)):
        if axis in scale and min(line[index].max(), dots[index].max()) <= 0:
            raise ValueError(f"log={log!r} needs positive values on the {axis} axis, but none was given.")
    ink = _resolve(colour or (label if label and label in PALETTE else "simulation"))
    ax = _axes(ax)
    line_ink = PALETTE["theory"] if label is None else ink
    ax.plot(*line, color=line_ink, label="theory" if label is None else None)
    name = "simulation" if label is None else label
    ax.errorbar(*dots, yerr=bars, fmt="o", color=ink, label=name)
    if "x" in scale:
        ax.set_xscale("log")
    if "y" in scale:
        ax.set_yscale("log")
    return _labelled(ax)


def histogram(
    samples: Any,
    density: Callable[[np.ndarray], Any] | None = None,
    *,
    label: str = "simulation",
    colour: str = "simulation",
    bins: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Lay a density over the histogram of samples, scaled to area 1.

    Parameters
    ----------
    samples : array_like
        Numbers of any shape; all are counted.
    density : callable, optional
        x (n,) → density at x (n,), drawn over the range of the samples.
    label : str
        What the histogram is called in the legend.
    colour : str
        A name in `PALETTE` or a matplotlib colour, for the histogram.
    bins : int, optional
        Number of bins; by default Freedman and Diaconis' rule.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `density` cannot be called.
    ValueError
        If the samples are empty or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> from rmtlab import plots
    >>> z = np.random.default_rng(0).standard_normal((50, 40))
    >>> ax = plots.histogram(z, norm.pdf, label="pre-activations")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['pre-activations', 'theory']
    """
    values = _checks.array(samples, "samples").ravel()
    if density is not None and not callable(density):
        raise TypeError(f"density must be a function of x, but a {type(density).__name__} was given.")
    ink = _resolve(colour)
    ax = _axes(ax)
    edges = _edges(values, bins, _independent_width)
    _bars(ax, values, edges, share=1.0, ink=ink, label=label)
    if density is not None:
        x = np.linspace(edges[0], edges[-1], 400)
        height = np.asarray(density(x), dtype=np.float64)
        ax.plot(x, height, color=PALETTE["theory"], label="theory")
        _cap_height(ax, [(x, height)], measured=True)
    return _labelled(ax, ylabel="density")


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    return hasattr(sys.modules["IPython"].get_ipython(), "kernel")


def _law_parts(law: Any) -> tuple[dict[float, float], list[np.ndarray]]:
    """Return a law's atoms, and for each interval of its support the places where its density is drawn."""
    missing = [part for part in ("density", "support", "atoms") if not hasattr(law, part)]
    if missing:
        raise TypeError(
            f"law must be a spectral law, but the {type(law).__name__} that was given has no {missing[0]}; "
            "pass one of rmtlab.laws, such as Semicircle()."
        )
    return dict(law.atoms), [_places(*_finite_ends(law, a, b)) for a, b in law.support]


def _finite_ends(law: Any, a: float, b: float) -> tuple[float, float]:
    """Replace an end at infinity by the quantile that leaves a thousandth of the mass beyond it."""
    low = a if np.isfinite(a) else float(law.quantile(1e-3))
    high = b if np.isfinite(b) else float(law.quantile(1 - 1e-3))
    return low, high


def _places(a: float, b: float) -> np.ndarray:
    """Return Chebyshev's places inside (a, b): they crowd at the edges, where densities turn sharply."""
    angle = np.linspace(0.0, np.pi, 402)[1:-1]
    return a + (b - a) * (1 - np.cos(angle)) / 2


def _pair(x: Any, y: Any, x_name: str, y_name: str) -> tuple[np.ndarray, np.ndarray]:
    xs, ys = _checks.array(x, x_name, ndim=1), _checks.array(y, y_name, ndim=1)
    if xs.size != ys.size:
        raise ValueError(
            f"{x_name} and {y_name} must have the same length, but they have {xs.size} and {ys.size}."
        )
    return xs, ys


def _error(error: Any, size: int) -> np.ndarray:
    bars = _checks.array(error, "error", ndim=(0, 1))
    if bars.ndim == 1 and bars.size != size:
        raise ValueError(f"error must have one value a dot, but it has {bars.size} for {size} dots.")
    if np.any(bars < 0):
        raise ValueError("error holds negative values; pass standard errors, which are at least 0.")
    return np.broadcast_to(bars, size)


def _resolve(name: str) -> str:
    if name not in PALETTE and mpl.colors.is_color_like(name):
        return mpl.colors.to_hex(name)
    return PALETTE[
        _checks.one_of(name, "colour", PALETTE, hint="A matplotlib colour such as '#d55e00' works too.")
    ]


def _axes(ax: Axes | None) -> Axes:
    if ax is None:
        return plt.subplots()[1]
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be one matplotlib Axes, but a {type(ax).__name__} was given.")
    return ax


def _independent_width(values: np.ndarray) -> float:
    """Freedman and Diaconis' bin width, for independent samples."""
    return 2 * _quartile_range(values) / values.size ** (1 / 3)


def _rigid_width(values: np.ndarray) -> float:
    """A finer bin width for eigenvalues, which repel each other and so fluctuate little in a bin."""
    return 2 * _quartile_range(values) / values.size ** (1 / 2)


def _quartile_range(values: np.ndarray) -> float:
    low, high = np.percentile(values, [25, 75])
    return float(high - low)


def _edges(values: np.ndarray, bins: int | None, rule: Callable[[np.ndarray], float]) -> np.ndarray:
    if bins is not None:
        return np.histogram_bin_edges(values, _checks.count(bins, "bins"))
    spread, width = float(np.ptp(values)), rule(values)
    # Values that agree to rounding are one bar: no rule can split their range into bins.
    if spread <= 1e-9 * np.max(np.abs(values)):
        return np.histogram_bin_edges(values[:1], 1)
    number = int(np.ceil(min(spread / width, _MOST_BINS))) if width > 0 else _MOST_BINS
    return np.histogram_bin_edges(values, max(number, _FEWEST_BINS))


def _bars(ax: Axes, values: np.ndarray, edges: np.ndarray, *, share: float, ink: str, label: str) -> None:
    heights = share * np.histogram(values, edges, density=True)[0]
    face = mpl.colors.to_rgba(ink, 0.45)
    ax.stairs(heights, edges, fill=True, facecolor=face, edgecolor=ink, linewidth=1.0, label=label)


def _cap_height(ax: Axes, lines: list[tuple[np.ndarray, np.ndarray]], *, measured: bool) -> None:
    """Cut a density that is infinite at an edge at a height that leaves the histogram readable."""
    peak = max((float(np.max(height)) for _, height in lines), default=0.0)
    bars = max(
        (float(np.max(patch.get_data().values)) for patch in ax.patches if hasattr(patch, "get_data")),
        default=0.0,
    )
    top = 1.08 * max(min(peak, 1.5 * bars) if measured else peak, bars)
    already = 0.0 if ax.get_autoscaley_on() else ax.get_ylim()[1]
    if top > 0:
        ax.set_ylim(0.0, max(top, already))


def _draw_stems(
    ax: Axes,
    stems: list[tuple[float, float, float]],
    ink: str,
    *,
    line_label: str | None,
    dot_label: str | None,
) -> None:
    """Draw each (place, mass, measured fraction) as a stem and a dot, the height a fraction of the axes."""
    height = ax.get_xaxis_transform()
    line: dict[str, Any] = {"color": PALETTE["theory"], "linewidth": 3.0, "transform": height}
    for i, (place, mass, found) in enumerate(stems):
        ax.plot([place, place], [0.0, mass], label=None if i else line_label, **line)
        ax.plot(place, found, "o", color=ink, transform=height, clip_on=False, label=None if i else dot_label)
        if len(stems) <= _MOST_LABELLED_ATOMS:
            ax.annotate(
                f"mass {mass:.3g}", (place, mass), (6, 4), xycoords=height, textcoords="offset points"
            )


def _labelled(ax: Axes, xlabel: str = "", ylabel: str = "") -> Axes:
    """Name the axes that have no name yet, and draw the legend."""
    if xlabel and not ax.get_xlabel():
        ax.set_xlabel(xlabel)
    if ylabel and not ax.get_ylabel():
        ax.set_ylabel(ylabel)
    ax.legend()
    return ax
