"""Rows of numbers out of a file as checked detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from thrifty import boxes as geometry
from thrifty.data.formats.guard import bad
from thrifty.types import Detections, FloatArray, IntArray

COLUMNS = 5
"""Left, top, width, height, score."""


def detections(
    path: Path, where: str, rows: FloatArray, classes: IntArray | None = None
) -> Detections:
    """Detections of one image.

    Args:
        path: Named in errors.
        where: Which image, or which part of the file, named in errors.
        rows: `N x 5`: left, top, width, height, score.
        classes: `N`; all zero if left out.

    Raises:
        DataError: A number is not finite, or a side negative; boxes without area are none of that.
    """
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        bad(path, f"{where}: box {row} is not five finite numbers", "correct or remove it")
    if (rows[:, 2:4] < 0).any():
        row = int(np.flatnonzero((rows[:, 2:4] < 0).any(axis=1))[0])
        bad(path, f"{where}: box {row} has a negative side", "correct or remove it")
    boxes = geometry.from_xywh(rows[:, :4])
    return Detections(boxes, rows[:, 4], np.zeros(0, np.int64) if classes is None else classes)
