"""What people drew with some tool, as labels of frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from thrifty.types import Annotations, Record

IGNORE = "ignore"
"""The class of regions that count neither as object nor as background."""

Drawn = tuple[tuple[float, float, float, float], str, bool]
"""A box, xyxy in pixels of the stored frame; the name of its class; whether it is a region to ignore."""


def labels_of(
    record: Record, drawn: Iterable[Drawn], numbers: Mapping[str, int], left_out: Counter[str]
) -> Annotations:
    """Boxes clipped to their frame, classes by number.

    Args:
        record: The frame.
        drawn: What was drawn on it.
        numbers: Places of the classes by their names.
        left_out: Counts what cannot be taken: boxes of unknown classes, and those without area in the frame.
    """
    boxes: list[tuple[float, ...]] = []
    kinds: list[int] = []
    ignored: list[bool] = []
    for (left, top, right, bottom), name, ignore in drawn:
        box = (max(0.0, left), max(0.0, top), min(record.width, right), min(record.height, bottom))
        if not all(np.isfinite(box)) or box[2] <= box[0] or box[3] <= box[1]:
            left_out["boxes without area in their frame"] += 1
        elif name not in numbers and not ignore:
            left_out[f"boxes of class '{name}', which the project does not have"] += 1
        else:
            boxes.append(box)
            kinds.append(numbers.get(name, 0))
            ignored.append(ignore)
    return Annotations(
        np.array(boxes, dtype=np.float64).reshape(-1, 4),
        np.array(kinds, dtype=np.int64),
        np.array(ignored, dtype=np.bool_),
    )
