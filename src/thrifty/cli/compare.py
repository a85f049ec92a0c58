"""`thrifty compare`: whether one strategy is better than another, from the tables of finished runs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from thrifty.errors import DataError


def compare(
    tables: Annotated[
        list[Path],
        typer.Argument(help="learning_curves.csv of one run, or of several with other seeds."),
    ],
    reference: Annotated[
        str | None,
        typer.Option(
            help="What the others are compared with; guided-random or random if left out."
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option(help="By which figure of the table.")
    ] = "miss_rate_at_1_fppi",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of sentences.")
    ] = False,
) -> None:
    """Compare strategies run by run: tests, intervals, and labels to parity."""
    from thrifty.strategies.names import REFERENCES
    from thrifty.study.comparison import findings, read_measurements

    rows = [row for table in tables for row in read_measurements(table)]
    named = ", ".join(str(table) for table in tables)
    metrics = {row.metric for row in rows}
    if metric not in metrics:
        raise DataError(
            f"--metric {metric}: not in {named}; choose from {', '.join(sorted(metrics)) or 'none'}"
        )
    present = {row.strategy for row in rows}
    base = reference or next((name for name in REFERENCES if name in present), None)
    if base not in present:
        raise DataError(
            f"--reference {base or ' or '.join(REFERENCES)}: not in {named}; "
            f"choose from {', '.join(sorted(present))}"
        )
    found = findings(rows, base, metric)
    if as_json:
        strategies = {finding.strategy: _plain(asdict(finding)) for finding in found}
        typer.echo(json.dumps({"reference": base, "metric": metric, "strategies": strategies}))
        return
    if not found:
        typer.echo(f"{named}: no other strategy has a run of the same seed and labels as {base}")
    for finding in found:
        typer.echo(finding.strategy)
        for sentence in finding.sentences(base):
            typer.echo(f"  {sentence}")


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a finding holds
    """JSON knows neither infinity nor what is no number."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
