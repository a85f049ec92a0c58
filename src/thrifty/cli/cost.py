"""`thrifty cost`: what people's own times say a label costs."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Annotated

import typer

from thrifty.errors import DataError


def cost(
    times: Annotated[
        Path,
        typer.Argument(help="CSV with a row for each labelled frame: columns boxes and seconds."),
    ],
) -> None:
    """Fit seconds per frame and per box to recorded times, for the table 'cost' of a recipe."""
    from thrifty.costs import fit_cost_model

    boxes, seconds = _read(times)
    fit = fit_cost_model(boxes, seconds)
    typer.echo("[cost]")
    typer.echo(f"per_frame = {fit.model.per_frame:.3f}")
    typer.echo(f"per_box = {fit.model.per_box:.3f}")
    known = (
        (fit.error, f"a frame is off by {fit.error:.1f} s"),
        (fit.explained, f"{fit.explained:.0%} of the variance is explained".replace("%", " %")),
    )
    said = [words for value, words in known if math.isfinite(value)]
    typer.echo(f"# fitted to {fit.frames} frames" + "".join(f"; {words}" for words in said))


def _read(path: Path) -> tuple[list[float], list[float]]:
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error}); check the path") from error
    lacking = [name for name in ("boxes", "seconds") if name not in (reader.fieldnames or ())]
    if lacking:
        raise DataError(
            f"{path}: has no column '{lacking[0]}'; give one row a frame with the columns boxes and seconds"
        )
    found: tuple[list[float], list[float]] = [], []
    for number, row in enumerate(reader, start=2):
        try:
            pair = float(row["boxes"] or ""), float(row["seconds"] or "")
        except ValueError as error:
            raise DataError(f"{path}: line {number}: {error}; correct it") from error
        for column, value in zip(found, pair, strict=True):
            column.append(value)
    return found
