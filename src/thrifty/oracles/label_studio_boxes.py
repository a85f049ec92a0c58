"""Between pixels of a frame and Label Studio's percentages of a picture.

`x` and `y` are the upper left corner of a rectangle, `rotation` turns it about that corner, clockwise, in degrees. How the picture
itself was turned on the screen changes no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from thrifty.types import Record


def rectangle_of(box: Sequence[float], name: str, record: Record, score: float) -> dict[str, Any]:
    """A box as a result of a prediction.

    Args:
        box: xyxy, pixels of the stored frame.
        name: Of its class.
        record: The frame.
        score: In [0, 1].
    """
    left, top, right, bottom = box
    wide, tall = 100 / record.width, 100 / record.height
    value = {
        "x": left * wide,
        "y": top * tall,
        "width": (right - left) * wide,
        "height": (bottom - top) * tall,
        "rotation": 0,
        "rectanglelabels": [name],
    }
    return {
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": record.width,
        "original_height": record.height,
        "image_rotation": 0,
        "score": score,
        "value": value,
    }


def upright(value: Mapping[str, Any], record: Record) -> tuple[float, float, float, float]:
    """The upright box around a rectangle, xyxy in pixels of the stored frame, not clipped to it.

    Args:
        value: `x`, `y`, `width`, `height` in percent of the picture, `rotation` in degrees.
        record: The frame.

    >>> square = {"x": 50.0, "y": 50.0, "width": 20.0, "height": 10.0, "rotation": 90.0}
    >>> [round(side, 6) for side in upright(square, Record("a", "a.png", 200, 100))]
    [90.0, 50.0, 100.0, 90.0]
    """
    left, top = value["x"] * record.width / 100, value["y"] * record.height / 100
    width, height = value["width"] * record.width / 100, value["height"] * record.height / 100
    angle = math.radians(value.get("rotation") or 0.0)
    across = (width * math.cos(angle), width * math.sin(angle))
    down = (-height * math.sin(angle), height * math.cos(angle))
    xs = [left, left + across[0], left + down[0], left + across[0] + down[0]]
    ys = [top, top + across[1], top + down[1], top + across[1] + down[1]]
    return min(xs), min(ys), max(xs), max(ys)
