"""A run's outcome as a table for the terminal."""

from __future__ import annotations

from rich.table import Table

from thrifty.report.summary import Summary, count, number


def summary_table(summary: Summary, seeds: int) -> Table:
    """Miss rate at one false positive per image and people found, per cycle and strategy."""
    table = Table(title=f"means of {seeds} seeds" if seeds > 1 else "one seed")
    table.add_column("strategy", no_wrap=True, overflow="fold", min_width=18)
    for heading in ("cycle", "labelled frames", "miss rate at 1 FPPI", "people found"):
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
