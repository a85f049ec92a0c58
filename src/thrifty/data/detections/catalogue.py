"""All forms of detection files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thrifty.data.dataset import Dataset
from thrifty.data.detections import caltech_text, coco, matlab
from thrifty.data.detections.matlab import is_filtered_truth, read_filtered_truth
from thrifty.data.formats.guard import bad
from thrifty.types import Detections

__all__ = ["DetectionFile", "is_filtered_truth", "read_detections", "read_filtered_truth"]


@dataclass(frozen=True, slots=True, eq=False)
class DetectionFile:
    """What a file of detections holds.

    Attributes:
        images: Detections of each image of the labels, in their order.
        classed: Whether the detections' classes index the labels' categories; if not, the form tells none.
    """

    images: Sequence[Detections]
    classed: bool


def read_detections(path: Path, truth: Dataset) -> DetectionFile:
    """Read detections of any form.

    Args:
        path: COCO results (.json), the Caltech benchmark's text form (a folder, or a .txt file), or its MATLAB form (.mat).
        truth: Labels of the images that the detections are of.

    Raises:
        DataError: There is nothing, or nothing of any of these forms, or it does not fit the labels.
    """
    if not path.exists():
        bad(path, "no such file or folder", "check the path of the detections")
    if coco.recognise(path):
        return DetectionFile(coco.read(path, truth), classed=True)
    if matlab.recognise(path):
        return DetectionFile(matlab.read(path, truth), classed=False)
    if not caltech_text.recognise(path):
        bad(
            path,
            "is of no known form",
            "give COCO results (.json), the Caltech benchmark's text (a folder with set00/V000.txt, ...), or its MATLAB file",
        )
    return DetectionFile(caltech_text.read(path, truth), classed=False)
