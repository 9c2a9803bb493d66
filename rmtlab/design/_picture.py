"""The pictures of a region and of a diagnosis, in the colours of the session's style (`rmtlab.plots.use`)."""

from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rmtlab.design._records import Diagnosis
from rmtlab.design._region import Region

_LINES: tuple[tuple[str, str, Any], ...] = (
    ("signal", "C0", "-"),
    ("gradient", "C1", "--"),
    ("isometry", "C2", ":"),
)


def region(found: Region, ax: Axes | None) -> Axes:
    """Shade what is allowed, and draw the bound of each criterion."""
    if ax is None:
        ax = plt.subplots(layout="constrained")[1]
    elif not isinstance(ax, Axes):
        raise TypeError(f"ax must be matplotlib axes, but a {type(ax).__name__} was given.")
    w, b = found.weight_vars, found.bias_vars
    if min(w.size, b.size) < 2:
        raise ValueError(
            f"a picture needs at least two points a side, but the grid has {w.size} × {b.size}; use table()."
        )
    inside = found.allowed.T.astype(float)
    ax.contourf(w, b, inside, levels=[0.5, 1.5], colors=["C0"], alpha=0.18)
    handles: list[Any] = [Patch(color="C0", alpha=0.18, label="allowed")]
    for name, colour, style in _LINES:
        use = np.minimum(getattr(found, name).T, 1e3)
        if use.min() < 1.0 < use.max():
            ax.contour(w, b, use, levels=[1.0], colors=[colour], linestyles=[style])
            handles.append(Line2D([], [], color=colour, linestyle=style, label=f"bound of {name}"))
    ax.set_xlabel("weight variance σ_w²")
    ax.set_ylabel("bias variance σ_b²")
    ax.set_title(f"{found.activation}, depth {found.depth}, {found.noise}")
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
        ncols=2,
        borderaxespad=0.0,
        frameon=False,
    )
    return ax


def _judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave χ₁ to the trunk: in a residual network it is the growth of the blocks that has to be near 1."""
    if all(row["block"] is None for row in rows):
        return rows
    trunk = [row["chi"] for row in rows if row["place"] == "trunk" and row["chi"] is not None]
    return [row | {"chi": row["chi"] if row["place"] == "trunk" and len(trunk) > 1 else None} for row in rows]


def diagnosis(found: Diagnosis, figure: Figure | None) -> Figure:
    """Draw three panels over the layers: signal and gradient, distance to criticality, shares of lost units."""
    if figure is None:
        figure = plt.figure(figsize=(6.0, 6.4), layout="constrained")
    elif not isinstance(figure, Figure):
        raise TypeError(f"figure must be a matplotlib figure, but a {type(figure).__name__} was given.")
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    rows = _judged(found.table())
    place = np.arange(1, len(rows) + 1)

    def line(ax: Axes, key: str, colour: str, mark: str, label: str) -> None:
        values = np.array([np.nan if row[key] is None else row[key] for row in rows], dtype=float)
        seen = np.isfinite(values)
        if seen.any():
            ax.plot(place[seen], values[seen], mark, color=colour, label=label)

    line(top, "signal", "C0", "o-", "signal, mean z²")
    line(top, "gradient", "C1", "s--", "gradient, |δ|²/|u|²")
    top.set_yscale("log")
    top.set_ylabel("size")
    line(middle, "chi", "C2", "o-", "χ₁ = σ̂_w² μ₂ mean φ′²")
    line(middle, "block", "C3", "D-.", "block, 1 + branch/skip")
    line(middle, "spread", "C4", "s--", "spread of JJᵀ, var/mean²")
    middle.axhline(1.0, color="0.5", linewidth=1.0)
    middle.set_yscale("log")
    middle.set_ylabel("gain, spread")
    line(bottom, "correlation", "C0", "o-", "correlation of inputs")
    line(bottom, "dead", "C1", "s--", "dead units")
    line(bottom, "saturated", "C5", "^:", "saturated slopes")
    bottom.set_ylim(-0.05, 1.05)
    bottom.set_ylabel("share")
    bottom.set_xlabel("linear layer")
    names = [row["name"] for row in rows]
    for finding in found.findings:
        if finding.layer in names:
            for ax in (top, middle, bottom):
                ax.axvspan(
                    *(names.index(finding.layer) + np.array([0.6, 1.4])), color="C1", alpha=0.12, linewidth=0
                )
    for ax in (top, middle, bottom):
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize="small")
    top.set_title(" · ".join(dict.fromkeys(found.faults)) or "no fault found")
    return figure
