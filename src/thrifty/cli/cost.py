"""`thrifty cost`: what people's own times say a label costs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from thrifty.errors import DataError
from thrifty.tables import read_table


def cost(
    times: Annotated[
        Path,
        typer.Argument(help="CSV with a row for each labelled frame: columns boxes and seconds."),
    ],
) -> None:
    """Fit seconds per frame and per box to recorded times, for the table 'cost' of a recipe."""
    from thrifty.costs import fit_cost_model

    boxes, seconds = _read(times)
    try:
        fit = fit_cost_model(boxes, seconds)
    except DataError as error:
        raise DataError(f"{times}: {error}") from error
    per_frame, per_box = f"{fit.model.per_frame:.3f}", f"{fit.model.per_box:.3f}"
    typer.echo("[cost]")
    typer.echo(f"per_frame = {per_frame}")
    typer.echo(f"per_box = {per_box}")
    known = (
        (fit.error, f"a frame is off by {fit.error:.1f} s"),
        (fit.explained, f"{fit.explained:.0%} of the variance is explained".replace("%", " %")),
    )
    said = [words for value, words in known if math.isfinite(value)]
    typer.echo(f"# fitted to {fit.frames} frames" + "".join(f"; {words}" for words in said))

    if not float(per_frame):
        typer.echo('# a recipe with unit = "seconds" needs per_frame > 0: raise it there')


def _read(path: Path) -> tuple[list[float], list[float]]:
    columns, rows = read_table(path)
    lacking = [name for name in ("boxes", "seconds") if name not in columns]
    if lacking:
        raise DataError(
            f"{path}: has no column '{lacking[0]}'; give one row a frame with the columns boxes and seconds"
        )
    found: tuple[list[float], list[float]] = [], []
    for line, cells in rows:
        for column, name in zip(found, ("boxes", "seconds"), strict=True):
            column.append(_amount(cells[name], name, f"{path}: line {line}"))
    return found


def _amount(cell: str, name: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError as error:
        raise DataError(
            f"{where}: {name} is {cell[:_SHOWN]!r}, not a number; correct it"
        ) from error
    if not 0 <= value < math.inf:
        raise DataError(f"{where}: {name} is {cell[:_SHOWN]}, below 0 or not finite; correct it")
    return value


_SHOWN = 30
