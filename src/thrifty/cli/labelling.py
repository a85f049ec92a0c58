"""`thrifty send` and `thrifty collect`: frames to people, and labels back."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from thrifty.cli.project import ProjectOption, at_work, opened
from thrifty.errors import OracleError


class To(StrEnum):
    """Where people label."""

    CVAT = "cvat"
    FOLDER = "folder"
    LABEL_STUDIO = "label-studio"


class Form(StrEnum):
    """Of boxes to begin with, in a folder."""

    COCO = "coco"
    VOC = "voc"
    YOLO = "yolo"


def send(
    to: Annotated[To, typer.Option(help="Where people label.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="For files: where the batches' folders go; batches/ of the project if left out."
        ),
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", help="For a folder: the form of the boxes to begin with.")
    ] = Form.COCO,
    url: Annotated[
        str | None,
        typer.Option(
            help="Of the server; LABEL_STUDIO_URL or CVAT_URL if left out. CVAT without one gets files."
        ),
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Send every batch that waits to people, with the detector's boxes to begin with."""
    from thrifty.oracles.catalogue import tools
    from thrifty.project import labelling
    from thrifty.project.wording import sent_in_words

    with at_work(project) as found:
        made = tools(out or found.folder / "batches", form.value, url)
        for sent in labelling.send_all(found, to.value, made):
            typer.echo(sent_in_words(sent))


def collect(project: ProjectOption = None) -> None:
    """Bring back what people have labelled so far, of all batches; do it as often as you like."""
    from thrifty.oracles.catalogue import tools
    from thrifty.project import labelling
    from thrifty.project.wording import collected_in_words, left_out_in_words

    with opened(project) as found:
        harvest = labelling.collect(found, tools(found.folder / "batches"))
        for line in left_out_in_words(harvest):
            typer.echo(line, err=True)
        for line in collected_in_words(harvest):
            typer.echo(line)
        if harvest.failed:
            raise OracleError("; ".join(harvest.failed))
