"""`thrifty compare`: whether one strategy is better than another, from the tables of finished runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thrifty.errors import DataError
from thrifty.evaluation.axis import Axis

if TYPE_CHECKING:
    from thrifty.evaluation.learning_curve import Measurement
    from thrifty.study.comparison import Finding


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
        str,
        typer.Option(
            help="By which figure of the table; lower is better for miss rates, higher for all else."
        ),
    ] = "miss_rate_at_1_fppi",
    along: Annotated[
        Axis, typer.Option(help="What curves, areas and parity lie along.")
    ] = Axis.FRAMES,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of sentences.")
    ] = False,
) -> None:
    """Compare strategies run by run: tests, intervals, and what parity takes."""
    from thrifty.strategies.names import REFERENCES, WHOLE_POOL
    from thrifty.study.comparison import findings, read_measurements

    rows = [row for table in tables for row in read_measurements(table)]
    named = ", ".join(str(table) for table in tables)
    metrics = {row.metric for row in rows}
    if metric not in metrics:
        raise DataError(
            f"--metric {metric}: not in {named}; choose from {', '.join(sorted(metrics)) or 'none'}"
        )
    present = {row.strategy for row in rows if row.metric == metric}
    base = reference or next((name for name in REFERENCES if name in present), None)
    if base not in present:
        raise DataError(
            f"--reference {base or ' or '.join(REFERENCES)}: not in {named}; "
            f"choose from {', '.join(sorted(present))}"
        )
    _check_spending(rows, along, named)
    try:
        found = findings(rows, base, metric, along)
    except DataError as error:
        raise DataError(f"{named}: {error}") from error
    unpaired = sorted(present - {base, WHOLE_POOL} - {finding.strategy for finding in found})
    if as_json:
        strategies = {finding.strategy: _plain(asdict(finding)) for finding in found}
        told = {"reference": base, "metric": metric, "along": along, "strategies": strategies}
        typer.echo(json.dumps({**told, "unpaired": unpaired}))
        return
    for line in _lines(found, base, unpaired):
        typer.echo(line)


def _check_spending(rows: Sequence[Measurement], along: Axis, named: str) -> None:
    """Refuse an axis along which no cycle has moved: everything would lie at its start."""
    later = [row for row in rows if row.cycle]
    if later and not any(along.place(row.labelled, row.boxes, row.seconds) for row in later):
        raise DataError(f"--along {along}: {named} counts no {along}; choose another axis")


def _lines(found: Sequence[Finding], base: str, unpaired: Sequence[str]) -> Iterator[str]:
    for finding in found:
        yield finding.strategy
        for sentence in finding.sentences(base):
            yield f"  {sentence}"
    for name in unpaired:
        yield name
        yield f"  no seed has been finished with both it and {base}"
    if not found and not unpaired:
        yield f"there is no strategy beside {base}"


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a finding holds
    """JSON knows neither infinity nor what is no number."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
