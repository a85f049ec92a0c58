from __future__ import annotations

import re

from thrifty.costs import CostModel
from thrifty.evaluation.axis import Axis
from thrifty.report.figures import charts, colour
from thrifty.report.summary import summarize

from . import synthetic


def test_charts_take_their_colours_from_the_page() -> None:
    for chart in charts(summarize(synthetic.points())):
        assert set(re.findall(r"#[0-9a-f]{6}\b", chart.svg)) == set()
        assert {"var(--ink)", "var(--series-0)", "var(--series-2)"} <= set(
            re.findall(r"var\([^)]*\)", chart.svg)
        )
        assert "guided-random" in chart.svg


def test_of_more_strategies_than_colours_the_first_the_reference_and_the_best_stand_out() -> None:
    names = (*(f"strategy {letter}" for letter in "abcdefgh"), "guided-random")
    summary = summarize(synthetic.points(names, (0,), 1))
    drawn = summary.drawn(6)
    assert len(drawn) == 6
    assert {"strategy a", "guided-random"} <= set(drawn)
    ends = {name: miss.mean for name in names if (miss := summary.of(name)[-1].miss) is not None}
    others = [name for name in names if name not in drawn]
    kept = [ends[name] for name in drawn if name not in {"strategy a", "guided-random"}]
    assert max(kept) <= min(ends[name] for name in others)
    assert len({colour(summary, name) for name in drawn}) == 6
    assert {colour(summary, name) for name in others} == {"var(--muted)"}
    for chart in charts(summary):
        assert chart.svg.count("3 others") == 1
        assert all(chart.svg.count(f">{name}<") == (name in drawn) for name in names)


def test_miss_rates_lie_along_what_the_budget_counts() -> None:
    """Points of 0, 36 and 72 hours; people stay along frames."""
    points = [
        synthetic.point(name, 0, cycle, 0.5, 180 * cycle, 20 * cycle)
        for name in ("divergence", "random")
        for cycle in range(3)
    ]
    cost = CostModel(per_frame=3600, per_box=320)
    expected = {
        Axis.FRAMES: ("Labelled frames", ["0", "20", "40"]),
        Axis.BOXES: ("Drawn boxes", ["0", "180", "360"]),
        Axis.SECONDS: ("Labelling time, hours", ["0", "36", "72"]),
    }
    for along, (title, places) in expected.items():
        miss, people, _ = charts(summarize(points), along, cost)
        assert _words(miss.svg)[: len(places) + 1] == [*places, title]
        assert f"against {title[0].lower()}{title[1:]}, mean" in miss.alt
        assert _words(people.svg)[:4] == ["0", "20", "40", "Labelled frames"]


def _words(svg: str) -> list[str]:
    return [word.strip() for word in re.findall(r"<text[^>]*>([^<]*)<", svg)]
