from __future__ import annotations

import re

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
