"""`thrifty send` and `thrifty collect`: frames to people, and labels back."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thrifty.cli.project import ProjectOption, at_work, opened
from thrifty.errors import RunError

if TYPE_CHECKING:
    from thrifty.oracles.tool import LabellingTool, Reference
    from thrifty.project.labelling import Tools
    from thrifty.project.project import Project


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
    """Send the batch that waits to people, with the detector's boxes to begin with."""
    from thrifty.project import labelling

    with at_work(project) as found:
        batch = labelling.send(found, to.value, _tools(found, out, form, url))
        if batch is None:
            typer.echo("no batch waits to be sent; choose one with `thrifty select`")
            return
        [sent] = [one for one in found.store.batches() if one.number == batch.number]
        frames = len(found.store.choices(batch.number))
        where = ", ".join(str(value) for value in (sent.reference or {}).values())
        typer.echo(f"{batch.name}: {frames} frames sent: {where}")


def collect(project: ProjectOption = None) -> None:
    """Bring back what people have labelled so far, of all batches; do it as often as you like."""
    from thrifty.project import labelling

    with opened(project) as found:
        harvest = labelling.collect(found, _tools(found))
        for name, (labelled, frames) in harvest.labelled.items():
            typer.echo(f"{name}: {labelled} of {frames} frames labelled")
        for what, count in sorted(harvest.left_out.items()):
            typer.echo(f"left out: {count} {what}", err=True)
        typer.echo(f"{harvest.new} labels are new or changed")


def _tools(
    project: Project, out: Path | None = None, form: Form = Form.COCO, url: str | None = None
) -> Tools:
    folder = out or project.folder / "batches"

    def make(name: str, reference: Reference | None) -> LabellingTool:
        # A batch is collected from where it went, whatever the variables say by now.
        known = None if reference is None else reference.get("url", "")
        if name == To.FOLDER:
            from thrifty.oracles.folder import FolderTool

            return FolderTool(folder, form.value)
        if name == To.CVAT:
            place = known if known is not None else url or os.environ.get("CVAT_URL")
            return _cvat_server(place) if place else _cvat_files(folder)
        return _label_studio(known or url or os.environ.get("LABEL_STUDIO_URL"))

    return make


def _label_studio(url: str | None) -> LabellingTool:
    from thrifty.oracles.label_studio import LabelStudio

    # The variable that Label Studio's own tools read.
    token = os.environ.get("LABEL_STUDIO_API_KEY")
    if not url or not token:
        raise RunError(
            "Label Studio needs an address and a token; give --url, and set LABEL_STUDIO_API_KEY to the token of your "
            "account there"
        )
    return LabelStudio(url, token)


def _cvat_files(folder: Path) -> LabellingTool:
    from thrifty.oracles.cvat import CvatFiles

    return CvatFiles(folder)


def _cvat_server(url: str) -> LabellingTool:
    from thrifty.oracles.cvat_server import CvatServer

    token = os.environ.get("CVAT_ACCESS_TOKEN")
    name, password = os.environ.get("CVAT_USERNAME"), os.environ.get("CVAT_PASSWORD")
    if token:
        return CvatServer(url, token)
    if name and password:
        return CvatServer(url, (name, password))
    raise RunError(
        f"{url}: CVAT wants to know who asks; set CVAT_ACCESS_TOKEN, or CVAT_USERNAME and CVAT_PASSWORD"
    )
