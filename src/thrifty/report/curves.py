"""The curves of an evaluation as a picture of their own: PNG, or SVG."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, StrMethodFormatter

from thrifty.evaluation.average_precision import AveragePrecision
from thrifty.evaluation.miss_rate import REFERENCES, Curve
from thrifty.file_evaluation import Evaluation
from thrifty.report.picture import draw

_MISS_TICKS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.64, 0.8, 1.0)
_FEWEST, _MOST = 1e-3, 10.0


def draw_curves(evaluation: Evaluation, kind: str, title: str = "") -> bytes:
    """Miss rate against false positives per image, both logarithmic as in the benchmark; for COCO precision against recall.

    Args:
        evaluation: What to draw.
        kind: `png` or `svg`.
        title: Above the axes.

    Returns:
        The file's content, the same for the same figures.
    """

    def paint(axes: Axes) -> None:
        if evaluation.precision is not None:
            _precision(axes, evaluation.precision)
        else:
            for name, figures in evaluation.setups.items():
                _miss_rate(axes, figures.curve, name)
            _miss_rate_axes(axes)
        axes.set_title(title, parse_math=False)
        legend = axes.legend(loc="best", fontsize=9)
        for text in legend.get_texts():
            text.set_parse_math(False)

    return draw(paint, kind)


def _miss_rate(axes: Axes, curve: Curve, name: str) -> None:
    average = curve.log_average
    label = f"{average:.2%} {name}" if np.isfinite(average) else f"no objects: {name}"
    # A step for each false alarm, as `Curve.at` reads it; what comes before the first is drawn from the left edge.
    last = max(_MOST, float(curve.fppi.max(initial=0.0)))
    fppi = np.concatenate([[_FEWEST], np.maximum(curve.fppi, _FEWEST), [last]])
    rates = np.concatenate([[curve.empty], curve.miss_rates, [curve.at(last)]])
    axes.plot(fppi, rates, drawstyle="steps-post", linewidth=1.8, label=label)


def _miss_rate_axes(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(_FEWEST, _MOST)
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.05, max(low, 1e-3)), min(1.0, high))
    axes.yaxis.set_major_locator(FixedLocator(_MISS_TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.axvspan(float(REFERENCES[0]), float(REFERENCES[-1]), color="grey", alpha=0.07, linewidth=0)
    axes.set_xlabel("False positives per image")
    axes.set_ylabel("Miss rate")


def _precision(axes: Axes, precision: AveragePrecision) -> None:
    average = precision.overall.ap50
    label = f"{average:.2%} AP at IoU 0.5" if np.isfinite(average) else "no objects"
    axes.plot(precision.recalls, precision.precisions, linewidth=1.8, label=label)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("Recall")
    axes.set_ylabel("Precision, mean over classes")
