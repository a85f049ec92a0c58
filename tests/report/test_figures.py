from __future__ import annotations

import re

from thrifty.report.figures import charts
from thrifty.report.summary import summarize

from . import synthetic


def test_charts_take_their_colours_from_the_page() -> None:
    for chart in charts(summarize(synthetic.points())):
        assert set(re.findall(r"#[0-9a-f]{6}\b", chart.svg)) == set()
        assert {"var(--ink)", "var(--series-0)", "var(--series-2)"} <= set(
            re.findall(r"var\([^)]*\)", chart.svg)
        )
        assert "guided-random" in chart.svg


def test_more_strategies_than_colours() -> None:
    names = tuple(f"strategy {letter}" for letter in "abcdefgh")
    assert all(
        chart.svg.count("strategy h") == 1
        for chart in charts(summarize(synthetic.points(names, (0,), 1)))
    )
