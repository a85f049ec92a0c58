"""The Caltech benchmark's MATLAB files: detections `dt`, and the ground truth `gt` of one subset, an entry per image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.detections.boxes import COLUMNS, detections
from thrifty.data.formats.guard import bad
from thrifty.data.formats.matlab import Cells, Value, read_mat
from thrifty.types import Detections, FloatArray

_WIDTH, _HEIGHT = 640, 480


def recognise(path: Path) -> bool:
    """Whether a path may be such a file."""
    return path.suffix.lower() == ".mat" and path.is_file()


def read(path: Path, truth: Dataset) -> list[Detections]:
    """Detections of each image, in the order of the images.

    Raises:
        DataError: The file has no cells `dt`, not one for each image, or a malformed one.
    """
    tables = _tables(path, "dt")
    if len(tables) != len(truth.images):
        bad(
            path,
            f"holds detections of {len(tables)} images, and the labels are of {len(truth.images)}",
            "check that both are of the same images in the same order",
        )
    return [detections(path, f"image {number}", table) for number, table in enumerate(tables)]


def is_filtered_truth(path: Path) -> bool:
    """Whether a path is the benchmark's ground truth."""
    return recognise(path) and isinstance(read_mat(path).get("gt"), Cells)


def read_filtered_truth(path: Path) -> Dataset:
    """Ground truth of one subset: objects and ignore regions have been told apart already.

    Returns:
        Images named by their number, of 640 x 480 pixels; one category, `person`.

    Raises:
        DataError: The file has no cells `gt`, or a malformed one.
    """
    images = []
    for number, table in enumerate(_tables(path, "gt")):
        found = detections(path, f"image {number}", table)
        labels = tuple(
            Label((left, top, right, bottom), 0, ignore=mark != 0)
            for (left, top, right, bottom), mark in zip(
                found.boxes.tolist(), found.scores.tolist(), strict=True
            )
        )
        images.append(LabelledImage(str(number), _WIDTH, _HEIGHT, labels, id=number))
    return Dataset((Category("person", 1),), tuple(images))


def _tables(path: Path, name: str) -> Sequence[FloatArray]:
    value = read_mat(path).get(name)
    if not isinstance(value, Cells):
        bad(path, f"holds no cells {name!r}", "check that it is the benchmark's")
    return [_table(path, item, number) for number, item in enumerate(value.items)]


def _table(path: Path, item: Value, number: int) -> FloatArray:
    if not isinstance(item, np.ndarray) or item.dtype.kind not in "iuf":
        bad(path, f"image {number}: is no table of numbers", "check that it is the benchmark's")
    if not item.size:
        return np.zeros((0, COLUMNS))
    if item.ndim != 2 or item.shape[1] != COLUMNS:
        shape = "x".join(map(str, item.shape))
        bad(path, f"image {number}: is of shape {shape} instead of Nx{COLUMNS}", "correct it")
    return item.astype(np.float64)
