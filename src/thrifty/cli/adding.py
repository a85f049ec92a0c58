"""`thrifty add`: what a project works with: pools, labels to begin with and to judge by, detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thrifty.cli.options import EveryOption, PerSecondOption, ScaleOption, SequencesOption
from thrifty.cli.project import ProjectOption, opened
from thrifty.detectors.forms import FORMS

app = typer.Typer(no_args_is_help=True)


@app.command("pool")
def add_pool(
    path: Annotated[
        str,
        typer.Argument(
            help="A folder of pictures and videos, a list of them, or one of them; or the URL of one in a store."
        ),
    ],
    every: EveryOption = 1,
    per_second: PerSecondOption = None,
    sequences: SequencesOption = False,
    scale: ScaleOption = 1.0,
    project: ProjectOption = None,
) -> None:
    """Add pictures and videos to choose from."""
    from thrifty.data.places import path_or_url
    from thrifty.project import sources

    with opened(project) as found:
        sampling = sources.Sampling(every, per_second, sequences, scale)
        _added(path, sources.add_pool(found, path_or_url(path), sampling))


@app.command("start")
def add_start(
    annotations: Annotated[Path, typer.Argument(help="Labels in any format, to begin with.")],
    images: Annotated[
        Path | None, typer.Option(help="Their pictures; beside the labels if left out.")
    ] = None,
    every: EveryOption = 1,
    scale: ScaleOption = 1.0,
    project: ProjectOption = None,
) -> None:
    """Add labels that the first detector learns from."""
    _add_labelled("start", annotations, images, every, scale, project)


@app.command("test")
def add_test(
    annotations: Annotated[Path, typer.Argument(help="Labels in any format, to judge by.")],
    images: Annotated[
        Path | None, typer.Option(help="Their pictures; beside the labels if left out.")
    ] = None,
    every: EveryOption = 1,
    scale: ScaleOption = 1.0,
    project: ProjectOption = None,
) -> None:
    """Add labels that detectors are judged by; no detector learns from them, and no frame of theirs is chosen."""
    _add_labelled("test", annotations, images, every, scale, project)


def _add_labelled(
    role: str, annotations: Path, images: Path | None, every: int, scale: float, folder: Path | None
) -> None:
    from thrifty.project import sources
    from thrifty.store.project.rows import Role

    with opened(folder) as project:
        source = sources.source_at(annotations, images, {"every": every, "scale": scale})
        _added(annotations, sources.add_labelled(project, Role(role), source))


@app.command("detector")
def add_detector(
    form: Annotated[str, typer.Argument(help=f"A detector trained elsewhere: {FORMS}.")],
    classes: Annotated[
        list[int] | None,
        typer.Option(
            "--class",
            help="Number of the class in it that is the project's first; again for each. The first ones if left out.",
        ),
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Add a detector that was trained elsewhere; from now on it scores."""
    from thrifty.project import models

    with opened(project) as found:
        model = models.add_detector(found, form, classes)
        typer.echo(f"{form}: {'is the present one already' if model is None else model.name}")


def _added(path: Path | str, new: bool) -> None:
    typer.echo(f"{'added' if new else 'is there already, as it is'}: {path}")
