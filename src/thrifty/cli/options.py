"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from thrifty.config import Preset
from thrifty.detectors.forms import FORMS
from thrifty.errors import RunError


class Device(StrEnum):
    """Where detectors run and train."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def device_of(wanted: Device) -> str:
    """The device as torch names it.

    Raises:
        RunError: A GPU is wanted, and there is none.
    """
    if wanted is Device.CPU:
        return "cpu"
    from thrifty.detectors.device import find_device

    return find_device(wanted.value)


def jobs_on(place: str, wanted: int | None) -> int:
    """Processes of a run on a device."""
    return wanted or (1 if place == "cuda" else os.cpu_count() or 1)


def named_file(out: Path | None) -> Path | None:
    """A path that names a file, if one is given.

    Raises:
        RunError: It names none.
    """
    if out is not None and not out.name:
        raise RunError(f"--out {out}: names no file; give the name of the file to write")
    return out


def refuse(context: typer.Context, names: Collection[str], why: str) -> None:
    """Refuse options that were given and would change nothing.

    Raises:
        RunError: One of them was given.
    """
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name in names and source is not None and source.name == "COMMANDLINE":
            raise RunError(f"{parameter.opts[0]}: {why}; leave it out")


JobsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Arms run side by side; one per core if left out, one on a GPU."),
]
DeviceOption = Annotated[
    Device, typer.Option(help="Where to run; auto takes a GPU where there is one.")
]
DetectorOption = Annotated[str, typer.Option(help=f"Your detector: {FORMS}.")]
PresetOption = Annotated[
    Preset, typer.Option(help="Radius and regions of the paper, or of the authors' code.")
]
ScaleOption = Annotated[
    float, typer.Option(min=0.01, max=4, help="Pixels the detector sees per stored pixel.")
]
EveryOption = Annotated[int, typer.Option(min=1, help="Of each video, take every n-th frame.")]
PerSecondOption = Annotated[
    float | None,
    typer.Option(min=0.001, help="Instead, take n frames of every second of each video."),
]
SequencesOption = Annotated[
    bool, typer.Option("--sequences", help="The pictures of one folder are frames of one video.")
]
BatchOption = Annotated[int, typer.Option(min=1, help="Frames the detector sees at once.")]
