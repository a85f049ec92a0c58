"""The charts: miss rate and people per cycle, and the curves after the last one, as inline SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FixedLocator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    StrMethodFormatter,
)

from thrifty.costs import CostModel
from thrifty.evaluation.axis import Axis
from thrifty.evaluation.miss_rate import Curve
from thrifty.report.inline import MUTED, SERIES, drawn, legend, series
from thrifty.report.summary import Row, Spread, Summary
from thrifty.study.point import Point
from thrifty.types import FloatArray

_DASHES: tuple[Literal["solid"] | tuple[float, Sequence[float]], ...] = (
    "solid",
    (0, (5, 2)),
    (0, (1.2, 1.4)),
    (0, (6, 2, 1.2, 2)),
    (0, (9, 3)),
)
_MARKERS = ("o", "s", "^", "D", "v", "P")
_SIZE = (5.2, 3.9)
_GRID_POINTS = 160


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart of the page.

    Attributes:
        name: Identifier, unique on the page.
        title: Heading.
        alt: What is on it, for those who do not see it.
        svg: Inline SVG, or empty where there is nothing to draw.
    """

    name: str
    title: str
    alt: str
    svg: str


@dataclass(frozen=True, slots=True)
class _Spending:
    """The axis that a chart's cycles lie along."""

    along: Axis
    cost: CostModel

    @property
    def title(self) -> str:
        return {
            Axis.FRAMES: "Labelled frames",
            Axis.BOXES: "Drawn boxes",
            Axis.SECONDS: "Labelling time, hours",
        }[self.along]

    def of(self, point: Point) -> float:
        spent = point.spent(self.along, self.cost)
        return spent / 3600 if self.along is Axis.SECONDS else spent

    def mean(self, row: Row) -> float:
        return float(np.mean([self.of(point) for point in row.points]))


_FRAMES = _Spending(Axis.FRAMES, CostModel())


def charts(
    summary: Summary, along: Axis = Axis.FRAMES, cost: CostModel | None = None
) -> list[Chart]:
    """Miss rate per cycle, people per cycle, and the curves after the last cycle.

    Args:
        summary: What to draw.
        along: What miss rates are drawn along; people are drawn along frames, since boxes are what they are.
        cost: What labels cost; counts only along seconds.
    """
    names = ", ".join(summary.strategies) or "the start weights"
    drawn = bool(summary.rows or summary.start)
    spending = _Spending(along, cost or CostModel())
    spread = "mean and range over seeds"
    plan: list[tuple[str, str, str, Callable[[Axes, Summary], None]]] = [
        (
            "miss-rate",
            "Miss rate at one false positive per image",
            f"against {spending.title[0].lower()}{spending.title[1:]}, {spread}",
            partial(_miss_rate, spending=spending),
        ),
        (
            "people",
            f"{summary.objects.capitalize()} found",
            f"against labelled frames, {spread}",
            _people,
        ),
        (
            "curves",
            "Miss rate against false positives per image",
            "after the last cycle, mean over seeds",
            _curves,
        ),
    ]
    return [
        Chart(
            name,
            title,
            f"{title} {how}, for {names}. The table of key figures holds the numbers.",
            svg,
        )
        for name, title, how, draw in plan
        for svg in [_svg(name, draw, summary) if drawn else ""]
    ]


def _svg(name: str, draw: Callable[[Axes, Summary], None], summary: Summary) -> str:
    def on(axes: Axes) -> None:
        draw(axes, summary)
        labels = axes.get_legend_handles_labels()[1]
        legend(axes, 2 if max(map(len, labels), default=0) > 10 else 3)

    return drawn(name, on, _SIZE)


def colour(summary: Summary, strategy: str) -> str:
    """The strategy's colour in CSS, the same in every chart and table; those that charts do not tell apart are grey."""
    drawn = summary.drawn(SERIES)
    return f"var(--series-{drawn.index(strategy)})" if strategy in drawn else "var(--muted)"


def _others(summary: Summary) -> list[str]:
    drawn = summary.drawn(SERIES)
    return [name for name in summary.strategies if name not in drawn]


def _faint(axes: Axes, xs: Sequence[float], ys: Sequence[float], label: str | None) -> None:
    axes.add_line(Line2D(xs, ys, color=MUTED, linewidth=0.8, alpha=0.45, label=label, zorder=1))


def _line(
    axes: Axes, number: int, xs: Sequence[float], ys: Sequence[float], *, label: str, marks: bool
) -> None:
    axes.add_line(
        Line2D(
            xs,
            ys,
            color=series(number),
            linestyle=_DASHES[number % len(_DASHES)],
            linewidth=2.0,
            marker=_MARKERS[number % len(_MARKERS)] if marks else None,
            markersize=5.5,
            label=label,
        )
    )


def _per_cycle(
    axes: Axes,
    summary: Summary,
    of_row: Callable[[Row], Spread | None],
    of_point: Callable[[Point], float],
    spending: _Spending = _FRAMES,
) -> None:
    """Mean line, range band and one faint dot per seed, for every strategy."""
    others = _others(summary)
    for number, strategy in enumerate([*others, *summary.drawn(SERIES)], start=-len(others)):
        rows = [
            (row, figure) for row in summary.of(strategy) if (figure := of_row(row)) is not None
        ]
        if number < 0:
            label = f"{len(others)} others" if number == -1 else None
            means = [figure.mean for _, figure in rows]
            _faint(axes, [spending.mean(row) for row, _ in rows], means, label)
            continue
        xs = [spending.mean(row) for row, _ in rows]
        tint = series(number)
        lows, highs = [figure.low for _, figure in rows], [figure.high for _, figure in rows]
        axes.fill_between(xs, lows, highs, color=tint, alpha=0.14, linewidth=0)
        _line(axes, number, xs, [figure.mean for _, figure in rows], label=strategy, marks=True)
        dots = [(spending.of(p), of_point(p)) for row, _ in rows if row.cycle for p in row.points]
        kept = [(x, y) for x, y in dots if np.isfinite(y)]
        axes.scatter(
            [x for x, _ in kept], [y for _, y in kept], s=12, color=tint, alpha=0.45, linewidths=0
        )
    _start(axes, summary, of_row, spending)
    _ceiling(axes, summary, of_row)
    _spending_axis(axes, summary, spending)


def _ceiling(axes: Axes, summary: Summary, of_row: Callable[[Row], Spread | None]) -> None:
    """What all labels of the pool buy: a line across, since so many labels would bend the axis."""
    figure = of_row(summary.ceiling) if summary.ceiling else None
    if figure is not None:
        label = "whole pool"
        axes.axhline(figure.mean, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label=label)


def _start(
    axes: Axes, summary: Summary, of_row: Callable[[Row], Spread | None], spending: _Spending
) -> None:
    figure = of_row(summary.start) if summary.start else None
    if summary.start is None or figure is None:
        return
    at = spending.mean(summary.start)
    axes.plot([at, at], [figure.low, figure.high], color=MUTED, linewidth=1.5, zorder=4)
    axes.plot(
        [at],
        [figure.mean],
        color=MUTED,
        marker="X",
        markersize=7,
        linestyle="none",
        label="start weights",
        zorder=5,
    )


def _spending_axis(axes: Axes, summary: Summary, spending: _Spending) -> None:
    rows = (*summary.rows, *([summary.start] if summary.start else []))
    places = sorted({spending.mean(row) for row in rows})
    axes.set_xlabel(spending.title)
    is_time = spending.along is Axis.SECONDS
    whole = [place for place in places if place.is_integer()]
    axes.xaxis.set_major_locator(
        FixedLocator(places)
        if len(places) <= 7 and whole == places
        else MaxNLocator(6, integer=not is_time)
    )
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}" if is_time else "{x:,.0f}"))
    axes.autoscale_view()
    axes.set_ylim(bottom=0)


def _miss_rate(axes: Axes, summary: Summary, spending: _Spending) -> None:
    _per_cycle(axes, summary, lambda row: row.miss, lambda point: point.miss_rate, spending)
    axes.set_ylabel("Miss rate at 1 FPPI")


def _people(axes: Axes, summary: Summary) -> None:
    # Everybody in the pool would leave no room for what a few frames hold.
    bare = replace(summary, ceiling=None)
    _per_cycle(axes, bare, lambda row: row.people, lambda point: float(point.people))
    axes.set_ylabel(f"{summary.objects.capitalize()} in the chosen frames")
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _curves(axes: Axes, summary: Summary) -> None:
    others = _others(summary)
    last = [summary.of(name)[-1] for name in (*others, *summary.drawn(SERIES))]
    shown = [row for row in (summary.start, *last) if row is not None]
    grid = _fppi_grid([point for row in shown for point in row.points])
    for number, row in enumerate(last, start=-len(others)):
        rates = _on_grid(row.points, grid)
        if number < 0:
            label = f"{len(others)} others" if number == -1 else None
            _faint(axes, grid.tolist(), rates.mean(axis=0).tolist(), label)
            continue
        tint = series(number)
        axes.fill_between(
            grid, rates.min(axis=0), rates.max(axis=0), color=tint, alpha=0.12, linewidth=0
        )
        _line(
            axes,
            number,
            grid.tolist(),
            rates.mean(axis=0).tolist(),
            label=row.strategy,
            marks=False,
        )
    if summary.start:
        mean = _on_grid(summary.start.points, grid).mean(axis=0)
        axes.plot(grid, mean, color=MUTED, linewidth=1.4, label="start weights")
    axes.axvline(1.0, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(grid[0], grid[-1])
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("False positives per image (FPPI)")
    axes.set_ylabel("Miss rate")


def _fppi_grid(points: Sequence[Point]) -> FloatArray:
    """Common FPPI values: from the first false positive of any curve to the end of the longest."""
    values = np.concatenate(
        [np.asarray(point.fppi, dtype=np.float64).ravel() for point in points] or [np.zeros(0)]
    )
    values = values[np.isfinite(values) & (values > 0)]
    low = float(np.clip(values.min(initial=0.01), 1e-3, 0.1))
    high = float(np.clip(values.max(initial=1.0), 2.0, 20.0))
    return np.geomspace(low, high, _GRID_POINTS)


def _on_grid(points: Sequence[Point], grid: FloatArray) -> FloatArray:
    """Miss rate of each point's curve at every FPPI of the grid, `len(points) x len(grid)`."""
    curves = [Curve(point.fppi, point.miss_rates) for point in points]
    return np.array([[curve.at(float(value)) for value in grid] for curve in curves])
