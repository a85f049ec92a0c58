"""Matplotlib's SVG as part of a page: its colours and fonts are the page's own and follow light and dark.

Matplotlib knows no CSS variables. Each role (ink, grid, a strategy) is drawn in a stand-in colour that occurs
nowhere else, and the stand-ins are replaced by variables in the finished SVG. Text stays text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

SERIES = 6
"""Colours that the style sheet defines, `--series-0` to `--series-5`; further strategies take them again."""

INK, MUTED, _GRID, _SERIES = "#010101", "#020202", "#030303", "#0400{:02x}"
_ROLES = {INK: "var(--ink)", MUTED: "var(--muted)", _GRID: "var(--grid)"} | {
    _SERIES.format(i): f"var(--series-{i})" for i in range(SERIES)
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "thrifty",
    "font.family": ["sans-serif"],
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "axes.formatter.use_mathtext": False,
}
"""Settings under which a chart is drawn, so that `inline` finds what it replaces."""


def series(number: int) -> str:
    """Stand-in for the colour of strategy `number`, from 0."""
    return _SERIES.format(number % SERIES)


def drawn(name: str, draw: Callable[[Axes], None], size: tuple[float, float]) -> str:
    """A chart as part of a page.

    Args:
        name: Identifier, unique on the page.
        draw: Draws on the axes, in stand-in colours.
        size: Width and height, inches.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.09))
        draw(figure.add_subplot())
        buffer = io.StringIO()
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    return inline(buffer.getvalue(), name)


def legend(axes: Axes, columns: int) -> None:
    """Above the axes, as wide as they are."""
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    drawn_legend = axes.figure.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=min(len(handles), columns),
        handlelength=2.8,
        columnspacing=1.4,
        borderpad=0,
    )
    for text in drawn_legend.get_texts():
        text.set_parse_math(False)


def inline(svg: str, name: str) -> str:
    """Make a Matplotlib SVG part of a page: its own ids, the page's colours and fonts, no fixed size."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\sid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"(font: [^;\"]*?[\d.]+px) [^;\"]+", r"\1 var(--sans)", svg)
    svg = re.sub("|".join(_ROLES), lambda match: _ROLES[match[0]], svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    opening = f'<svg class="chart" {box[0] if box else ""} aria-hidden="true" focusable="false">'
    return re.sub(r"<svg[^>]*>", opening, svg, count=1)
