"""Time to completion against the size of a cycle as a picture of its own, after the paper's Figure 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from thrifty.evaluation.completion import HOUR
from thrifty.report.picture import draw
from thrifty.study.planning import LabellingPlan, PlanRow


def draw_plan(plan: LabellingPlan, kind: str) -> bytes:
    """Hours of the machine against b, both logarithmic; beside them the paper's formula with the paper's costs, and labelling.

    Args:
        plan: What to draw.
        kind: `png` or `svg`.

    Returns:
        The file's content, the same for the same figures.
    """

    def paint(axes: Axes) -> None:
        sizes = [row.per_cycle for row in plan.rows]

        def hours(seconds: Callable[[PlanRow], float]) -> Sequence[float]:
            return [seconds(row) / HOUR for row in plan.rows]

        low, high = hours(lambda row: row.machine.low), hours(lambda row: row.machine.high)
        axes.fill_between(sizes, low, high, color="C0", alpha=0.2, linewidth=0)
        machine = hours(lambda row: row.machine.seconds)
        label = "this machine" if plan.costs.place else "a machine as given"
        axes.plot(sizes, machine, "o-", color="C0", linewidth=1.8, label=label)
        paper = hours(lambda row: row.paper.seconds)
        label = "the paper's machine: 150 and 200 ms, T = 50"
        axes.plot(sizes, paper, "s--", color="C1", linewidth=1.8, label=label)
        if all(row.labelling.seconds for row in plan.rows):
            people = hours(lambda row: row.labelling.seconds)
            axes.plot(sizes, people, ":", color="grey", linewidth=1.8, label="labelling")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(FixedLocator(sizes))
        axes.xaxis.set_minor_locator(NullLocator())
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_xlabel("Frames labelled per cycle (b)")
        axes.set_ylabel("Hours")
        axes.set_title(f"{plan.budget} of {plan.pool} frames")
        axes.legend(loc="best", fontsize=9)

    return draw(paint, kind)
