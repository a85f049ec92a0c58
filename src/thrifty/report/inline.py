"""Matplotlib's SVG as part of a page: its colours and fonts are the page's own and follow light and dark.

Matplotlib knows no CSS variables. Each role (ink, grid, a strategy) is drawn in a stand-in colour that occurs
nowhere else, and the stand-ins are replaced by variables in the finished SVG. Text stays text.
"""

from __future__ import annotations

import re
from typing import Any

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
