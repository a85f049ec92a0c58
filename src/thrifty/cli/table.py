"""A run's outcome as a table for the terminal."""

from __future__ import annotations

from rich.table import Table

from thrifty.report.content import Content
from thrifty.report.summary import count, number, summarize


def summary_table(content: Content, seeds: int) -> Table:
    """Miss rate at one false positive per image and objects found, per cycle and strategy."""
    summary = summarize(content.points, content.objects)
    table = Table(title=f"means of {seeds} seeds" if seeds > 1 else "one seed")
    table.add_column("strategy", no_wrap=True, overflow="fold", min_width=18)
    found = f"{summary.objects} found"
    for heading in ("cycle", "labelled frames", "miss rate at 1 FPPI", found):
        table.add_column(heading, justify="right")
    for strategy in summary.strategies:
        rows = summary.of(strategy)
        for row in rows:
            cells = (
                str(row.cycle),
                count(row.labelled.mean),
                number(row.miss.mean if row.miss else None),
            )
            table.add_row(strategy, *cells, count(row.people.mean), end_section=row is rows[-1])
    if summary.ceiling:
        row = summary.ceiling
        miss = number(row.miss.mean if row.miss else None)
        table.add_row(row.strategy, "", count(row.labelled.mean), miss, count(row.people.mean))
    return table
