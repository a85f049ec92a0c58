"""The charts of a project: what labels bought, and where a chosen frame stands among the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from thrifty.evaluation.forecast import Forecast
from thrifty.project.standing import ModelStanding
from thrifty.report.inline import MUTED, drawn, legend, series
from thrifty.store.project.rows import SHADOW, TEST, Choice

if TYPE_CHECKING:
    from thrifty.project.explaining import (
        Why,
    )  # loads what detectors are written in; charts do without

_CURVE = (6.0, 3.6)
_TIMELINE = (9.6, 2.9)
_SETS = {TEST: ("test set", "o"), SHADOW: ("frames drawn by chance", "s")}


def learning_curve(models: Sequence[ModelStanding], outlook: Forecast | None) -> str:
    """Miss rate at one false positive per image against labelled frames, and what the next batch is likely to buy.

    Args:
        models: In the order trained.
        outlook: Drawn with its 80 % interval.

    Returns:
        Inline SVG; empty where no model is judged yet.
    """
    judged = [one for one in models if one.figures]
    if not judged:
        return ""

    def draw(axes: Axes) -> None:
        for number, (data, (name, marker)) in enumerate(_SETS.items()):
            points = [
                (one.lessons, one.figures[data].miss_rate) for one in judged if data in one.figures
            ]
            if points:
                axes.plot(
                    [x for x, _ in points],
                    [y for _, y in points],
                    color=series(number),
                    marker=marker,
                    linewidth=2,
                    linestyle="-" if data == TEST else (0, (5, 2)),
                    label=name,
                )
        if outlook is not None:
            reach = [[outlook.then - outlook.low], [outlook.high - outlook.then]]
            axes.errorbar(
                [outlook.frames],
                [outlook.then],
                yerr=np.maximum(reach, 0),
                color=MUTED,
                marker="D",
                capsize=4,
                linestyle="none",
                label="likely after the next batch, 80 %",
            )
        axes.set_xlabel("Labelled frames learned from")
        axes.set_ylabel("Miss rate at 1 FPPI")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        last = max(1, *axes.get_xlim())
        # A little room, so that the start weights' mark at zero is whole.
        axes.set_xlim(-0.02 * last, 1.05 * last)
        axes.set_ylim(0, 1.02)
        legend(axes, 2)

    return drawn("learning-curve", draw, _CURVE)


def timeline(told: Why) -> str:
    """Scores along the video of a chosen frame, or of a pool's stills by rank, and who was chosen or passed over.

    Returns:
        Inline SVG; empty where nothing was scored.
    """
    scores = told.scores
    if scores is None:
        return ""
    is_video = told.choice.record.place is not None

    def draw(axes: Axes) -> None:
        if is_video:
            axes.plot(
                scores.places, scores.raw, color=MUTED, linewidth=0.8, alpha=0.6, label="score"
            )
        name = "smoothed" if is_video else "score"
        axes.plot(scores.places, scores.smoothed, color=series(0), linewidth=1.6, label=name)
        _passed_over(axes, told)
        if is_video:
            _dots(axes, told, told.earlier, MUTED, "chosen before")
        others = [one for one in told.here if one is not told.choice]
        _dots(axes, told, others, series(0), "same batch")
        _dots(axes, told, [told.choice], series(1), "this frame", marker="D", size=9)
        axes.set_xlabel("Place in the video" if is_video else "Place by score")
        axes.set_ylabel("Score")
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.margins(x=0.01)
        legend(axes, 6)

    return drawn("timeline", draw, _TIMELINE)


def _passed_over(axes: Axes, told: Why) -> None:
    places = told.places([held.record_id for _, held in told.held])
    own = [
        (place, held.smoothed)
        for place, (_, held) in zip(places, told.held, strict=True)
        if place is not None
    ]
    if own:
        xs, heights = zip(*own, strict=True)
        least = float(np.min(told.scores.raw)) if told.scores else 0.0
        axes.vlines(
            xs, least, heights, color=series(1), alpha=0.35, linewidth=2, label="passed over"
        )


def _dots(
    axes: Axes,
    told: Why,
    choices: Sequence[Choice],
    colour: str,
    label: str,
    marker: str = "o",
    size: float = 6.0,
) -> None:
    """Frames where they were ranked; those that chance drew, and stills, where they were scored."""
    places = told.places([one.record.id for one in choices])
    known = [
        (place, one.score if one.shadow or one.record.place is None else one.smoothed)
        for place, one in zip(places, choices, strict=True)
        if place is not None
    ]
    if known:
        xs, ys = zip(*known, strict=True)
        axes.plot(
            xs,
            ys,
            color=colour,
            marker=marker,
            markersize=size,
            linestyle="none",
            label=label,
            zorder=5,
        )
