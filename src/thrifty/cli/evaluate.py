"""`thrifty evaluate`: anybody's detections, by the benchmarks' rules."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from thrifty.cli.options import Device, DeviceOption, refuse
from thrifty.cli.project import ProjectOption, evaluate_project
from thrifty.errors import RunError
from thrifty.files import replace_file

if TYPE_CHECKING:
    from thrifty.file_evaluation import Evaluation


class Rules(StrEnum):
    """Names of the protocols, known before anything is imported."""

    CALTECH = "caltech"
    CITYPERSONS = "citypersons"
    COCO = "coco"
    PAPER = "paper"


_OF_FILES = frozenset({"given", "category", "setup", "as_json", "curve"})
_OF_PROJECTS = frozenset({"project", "device"})


def evaluate(
    context: typer.Context,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Labels in any format (see `thrifty data formats`), or the Caltech benchmark's gt-*.mat."
        ),
    ] = None,
    detections: Annotated[
        Path | None,
        typer.Option(
            help="COCO results (.json), the Caltech benchmark's text files, or its dt-*.mat."
        ),
    ] = None,
    protocol: Annotated[Rules | None, typer.Option(help="Whose rules hold.")] = None,
    given: Annotated[
        str | None,
        typer.Option(
            "--from", help="Format of the labels; recognised by their content if left out."
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            help="Class to be found, where it is not the protocol's own; again for more classes."
        ),
    ] = None,
    setup: Annotated[
        str | None,
        typer.Option(help="Only this subset, such as reasonable, near or occ-heavy."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    curve: Annotated[
        list[Path] | None,
        typer.Option(help="Draw the curves into this file (.png, .svg); again for more files."),
    ] = None,
    project: ProjectOption = None,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Judge detections as Caltech's, CityPersons', COCO's or the paper's own code does.

    Inside a project, without --truth, --detections and --protocol: judge the newest detector on the project's test set.
    """
    if truth is None and detections is None and protocol is None:
        refuse(
            context, _OF_FILES, "is for --truth and --detections; a project has its own test set"
        )
        evaluate_project(project, device)
        return
    if truth is None or detections is None or protocol is None:
        raise RunError(
            "give --truth, --detections and --protocol together; inside a project none of them"
        )
    refuse(context, _OF_PROJECTS, "is for projects, and --truth and --detections are given")
    from thrifty.file_evaluation import Protocol, evaluate_files
    from thrifty.file_evaluation import as_json as json_of

    pictures = [(path, _kind(path)) for path in curve or ()]
    evaluation = evaluate_files(
        truth,
        detections,
        Protocol(protocol.value),
        form=given,
        categories=tuple(category or ()),
        setup=setup,
    )
    if pictures:
        from thrifty.report.curves import draw_curves

        drawn = [(path, draw_curves(evaluation, kind, detections.name)) for path, kind in pictures]
        for path, content in drawn:
            replace_file(path, content)
    if as_json:
        typer.echo(json.dumps(json_of(evaluation), ensure_ascii=False, indent=1))
        return
    _print(evaluation)
    for path, _ in pictures:
        typer.echo(f"curves: {path}")


def _kind(path: Path) -> str:
    """PNG or SVG, found out before any work."""
    from thrifty.report.picture import KINDS

    kind = path.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise RunError(f"--curve {path}: end the name in .png or .svg")
    if path.is_dir() or not path.parent.is_dir():
        raise RunError(f"--curve {path}: is a folder, or in none; choose another file")
    return kind


def _print(evaluation: Evaluation) -> None:
    console = Console()
    table = _precision_table(evaluation) if evaluation.precision else _miss_rate_table(evaluation)
    console.print(
        f"{evaluation.images} images, {evaluation.objects} objects, {evaluation.detections} detections",
        highlight=False,
    )
    console.print(table)
    for note in evaluation.notes:
        typer.echo(f"note: {note}", err=True)


def _miss_rate_table(evaluation: Evaluation) -> Table:
    from thrifty.file_evaluation import FPPI

    table = Table("setup", title=f"miss rate, {evaluation.protocol}")
    for name in ("objects", "log-average", *(f"at {fppi:g} FPPI" for fppi in FPPI)):
        table.add_column(name, justify="right")
    for name, figures in evaluation.setups.items():
        curve = figures.curve
        rates = [curve.log_average, *(curve.at(fppi) for fppi in FPPI)]
        table.add_row(name, str(figures.objects), *map(_share, rates))
    return table


def _precision_table(evaluation: Evaluation) -> Table:
    from thrifty.report.summary import DASH

    precision = evaluation.precision
    names = ("ap", "ap50", "ap75", "small", "medium", "large", "recall")
    table = Table("class", title="average precision, coco")
    for name in ("AP", "AP50", "AP75", "small", "medium", "large", "AR100"):
        table.add_column(name, justify="right")
    if precision is None:
        return table
    rows = {"all": precision.overall} | (
        dict(precision.classes) if len(precision.classes) > 1 else {}
    )
    for name, one in rows.items():
        values = [getattr(one, field) for field in names]
        table.add_row(name, *(DASH if math.isnan(value) else _share(value) for value in values))
    return table


def _share(value: float) -> str:
    from thrifty.report.summary import number

    return number(value, 4)
