"""Where people are: boxes from masks painted alone, and how much of each is visible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PIL import Image as Pictures
from PIL import ImageDraw

from thrifty.data.street.camera import FINE, Bounds, Camera, Polygon
from thrifty.data.street.scene import Scene


def silhouette(camera: Camera, body: Iterable[Polygon]) -> Pictures.Image:
    """Paint polygons alone: mode `L`, 255 where they are, canvas size."""
    canvas = Pictures.new("L", (camera.width, camera.height))
    draw = ImageDraw.Draw(canvas)
    for corners, _ in body:
        draw.polygon(corners, fill=255)
    return canvas


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a person is.

    Attributes:
        box: xyxy in whole picture pixels: every pixel the body touches, hidden or not.
        visible: Share of the body inside the picture and not hidden, 0..1.
    """

    box: tuple[int, int, int, int]
    visible: float


def measure(scene: Scene) -> list[Extent]:
    """Extents of all people who touch the picture, far ones first."""
    extents = []
    for index, layer in enumerate(scene.layers):
        if layer.person:
            nearer = [layer.over, *(other.body + other.over for other in scene.layers[index + 1 :])]
            extent = _extent(scene.camera, layer.body, [shapes for shapes in nearer if shapes])
            extents += [] if extent is None else [extent]
    return extents


def _extent(camera: Camera, body: list[Polygon], nearer: list[list[Polygon]]) -> Extent | None:
    bounds = _bounds(body)
    frame = (0, 0, camera.width, camera.height)
    if not _overlap(bounds, frame):
        return None
    left, top = max(bounds[0], 0), max(bounds[1], 0)
    window = (left, top, min(bounds[2], camera.width), min(bounds[3], camera.height))
    mask = silhouette(camera, body)
    part = mask.crop(window)
    inner = part.getbbox()
    if inner is None:
        return None
    whole = _count(part) if window == bounds else _count_all(body, bounds)
    draw = ImageDraw.Draw(mask)
    for shapes in nearer:
        if _overlap(_bounds(shapes), window):
            for corners, _ in shapes:
                draw.polygon(corners, fill=0)
    box = (
        (left + inner[0]) // FINE,
        (top + inner[1]) // FINE,
        -(-(left + inner[2]) // FINE),
        -(-(top + inner[3]) // FINE),
    )
    return Extent(box, _count(mask.crop(window)) / whole)


def _count_all(body: list[Polygon], bounds: Bounds) -> int:
    """Canvas pixels of a body that the picture's borders cut."""
    left, top, right, bottom = bounds
    mask = Pictures.new("L", (right - left, bottom - top))
    draw = ImageDraw.Draw(mask)
    for corners, _ in body:
        draw.polygon([v - (top if i % 2 else left) for i, v in enumerate(corners)], fill=255)
    return _count(mask)


def _count(mask: Pictures.Image) -> int:
    return mask.histogram()[255]


def _bounds(polygons: Sequence[Polygon]) -> Bounds:
    columns = [value for corners, _ in polygons for value in corners[::2]]
    rows = [value for corners, _ in polygons for value in corners[1::2]]
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def _overlap(first: Bounds, second: Bounds) -> bool:
    across = first[0] < second[2] and second[0] < first[2]
    return across and first[1] < second[3] and second[1] < first[3]
