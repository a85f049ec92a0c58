"""Outlines of objects: the boxes around them, rectangles that are turned, and formats that keep either outline or box."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from thrifty.data.dataset import Corners, Dataset, Label, Polygon
from thrifty.data.formats.format import Losses, Trait

ROUNDING = 0.05
"""Pixels by which a box that was drawn around an outline may differ from it: files keep two digits, or one."""

_NOWHERE = (math.nan,) * 4


def bounds(polygons: Iterable[Polygon]) -> Corners:
    """The upright box around polygons; four NaN if a coordinate is not finite, or there is none."""
    x = [value for polygon in polygons for value in polygon[0::2]]
    y = [value for polygon in polygons for value in polygon[1::2]]
    if not x or not y or not all(map(math.isfinite, x)) or not all(map(math.isfinite, y)):
        return _NOWHERE
    return min(x), min(y), max(x), max(y)


def is_polygon(points: Polygon) -> bool:
    """Whether numbers are the corners of a polygon: pairs, and three at least."""
    return len(points) >= 6 and len(points) % 2 == 0


def turned(box: Corners, degrees: float, pivot: tuple[float, float]) -> Polygon:
    """The four corners of a box that is turned clockwise, as one sees it, about a point.

    >>> [round(value) for value in turned((0, 0, 4, 2), 90, (0, 0))]
    [0, 0, 0, 4, -2, 4, -2, 0]
    """
    if not math.isfinite(degrees):
        return _NOWHERE * 2
    left, top, right, bottom = box
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return tuple(
        value
        for x, y in corners
        for value in (
            pivot[0] + (x - pivot[0]) * cos - (y - pivot[1]) * sin,
            pivot[1] + (x - pivot[0]) * sin + (y - pivot[1]) * cos,
        )
    )


def box_or_turned(
    box: Corners, degrees: float, pivot: tuple[float, float]
) -> tuple[Corners, tuple[Polygon, ...] | None]:
    """The box itself where it is not turned, else the upright box around it and its corners as an outline."""
    if degrees % 360 == 0:
        return box, None
    corners = turned(box, degrees, pivot)
    return bounds([corners]), (corners,)


def turned_as_told(label: Label) -> Label:
    """The upright box around a rectangle that is turned clockwise about its centre by its attribute `rotation`, in degrees.

    So CVAT writes turned rectangles in formats that have none. Anything else of that name is an attribute.
    """
    degrees = _degrees(label.attributes.get(_ROTATION))
    if label.outline is not None or degrees % 360 == 0:
        return label
    left, top, right, bottom = label.box
    box, outline = box_or_turned(label.box, degrees, ((left + right) / 2, (top + bottom) / 2))
    attributes = {name: value for name, value in label.attributes.items() if name != _ROTATION}
    return replace(label, box=box, outline=outline, attributes=attributes)


_ROTATION = "rotation"


def _degrees(value: object) -> float:
    """A finite number, as it is or as a text; 0 for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    try:
        degrees = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return degrees if math.isfinite(degrees) else 0.0


def around_ellipse(
    centre: tuple[float, float], radii: tuple[float, float], degrees: float
) -> Corners:
    """The upright box around an ellipse that is turned clockwise about its centre."""
    if not math.isfinite(degrees):
        return _NOWHERE
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    wide = math.hypot(radii[0] * cos, radii[1] * sin)
    high = math.hypot(radii[0] * sin, radii[1] * cos)
    return centre[0] - wide, centre[1] - high, centre[0] + wide, centre[1] + high


def keep_single_polygons(dataset: Dataset) -> tuple[Dataset, Losses]:
    """For formats in which one polygon can stand in place of the box.

    An outline stays if it is one polygon and the label's box is the one around it, which the box then becomes exactly.
    """
    losses: Losses = Counter()
    images = [
        replace(image, labels=tuple(_with_one_polygon(label, losses) for label in image.labels))
        for image in dataset.images
    ]
    return replace(dataset, images=tuple(images)), losses


def _with_one_polygon(label: Label, losses: Losses) -> Label:
    if label.outline is None:
        return label
    if len(label.outline) == 1 and is_polygon(label.outline[0]):
        box = bounds(label.outline)
        if all(abs(a - b) <= ROUNDING for a, b in zip(box, label.box, strict=True)):
            return replace(label, box=box)
    losses[Trait.OUTLINES] += 1
    return replace(label, outline=None)
