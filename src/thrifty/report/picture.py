"""A chart as a file of its own: PNG, or SVG, the same for the same figures."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

KINDS = ("png", "svg")
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "thrifty",
    "font.size": 10.0,
    "axes.grid": True,
    "grid.alpha": 0.4,
}
_SIZE = (6.4, 4.8)
_INCH = 150


def draw(paint: Callable[[Axes], None], kind: str) -> bytes:
    """What somebody paints on axes, as a file's content.

    Args:
        paint: Given empty axes.
        kind: One of `KINDS`.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        paint(figure.add_subplot())
        buffer = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, dpi=_INCH, metadata=metadata)
    return buffer.getvalue()
