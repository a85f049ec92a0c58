"""The parts of BDD100K's JSON files, as they are decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import Meta, Raw, Struct, field

from thrifty.data.dataset import Category, Identifier
from thrifty.data.formats.keyframes import LAST_FRAME

_FrameNumber = Annotated[int, Meta(ge=0, le=LAST_FRAME)]
_Side = Annotated[int, Meta(ge=1, le=1 << 20)]


_NOTHING = Raw(b"null")


class FrameSize(Struct):
    """Pixels."""

    width: _Side
    height: _Side


class Config(Struct, rename="camel"):
    """What is common to all frames."""

    image_size: FrameSize | None = None
    categories: list[Class | str] | None = None


class Class(Struct):
    """A class, or a group of them."""

    name: str
    subcategories: list[Class | str] | None = None


class Frame(Struct, rename="camel"):
    """An image; in snake case where a file is of 2019."""

    name: str
    url: str | None = None
    video_name: str | None = None
    former_video_name: str | None = field(name="video_name", default=None)
    frame_index: _FrameNumber | None = None
    index: _FrameNumber | None = None
    timestamp: int | float | None = None
    size: FrameSize | None = None
    attributes: dict[str, Raw] | None = None
    labels: list[Raw] | None = None


class File(Struct):
    """All of a file that is no list."""

    frames: list[Frame]
    groups: list[Raw] | None = None
    config: Config | None = None


class FormerFrame(Struct):
    """An image, in the oldest format."""

    timestamp: int | float | None = None
    objects: list[Raw] | None = None


class FormerFile(Struct):
    """A file of the oldest format."""

    name: str
    frames: list[FormerFrame]
    attributes: dict[str, Raw] | None = None


class Box(Struct):
    """A box; the pixels at `x2` and `y2` belong to it."""

    x1: float
    y1: float
    x2: float
    y2: float


class Poly(Struct):
    """A polygon, or a line; of `types`, `L` is a corner and `C` a control point of a curve."""

    vertices: list[tuple[float, float]]
    types: str | None = None
    closed: bool | None = True


_Vertex = tuple[float, float, str]
"""Of a `poly2d` of 2018's first release, which is one list of them."""


class Entry(Struct):
    """A label."""

    id: Identifier | None = None
    category: str | None = None
    score: float | None = None
    attributes: dict[str, Raw] | None = None
    box2d: Box | None = None
    poly2d: list[Poly | _Vertex] | None = None
    box3d: Raw = _NOTHING
    rle: Raw = _NOTHING
    graph: Raw = _NOTHING

    def others(self) -> Iterator[str]:
        """What it has beside, in words."""
        shapes = {
            "boxes in space (box3d)": self.box3d,
            "masks in run lengths": self.rle,
            "graphs of key points": self.graph,
        }
        return (phrase for phrase, raw in shapes.items() if memoryview(raw) != memoryview(_NOTHING))


def leaves(entries: Sequence[Class | str]) -> Iterator[Category]:
    """The classes that have no others below them, in their order."""
    left = [(entry, "") for entry in reversed(entries)]
    while left:
        entry, parent = left.pop()
        if isinstance(entry, str):
            yield Category(entry, supercategory=parent)
        elif entry.subcategories:
            left += [(below, entry.name) for below in reversed(entry.subcategories)]
        else:
            yield Category(entry.name, supercategory=parent)


_CHORDS = 8
"""Lines that a Bézier curve becomes."""


def flattened(poly: Poly) -> Iterator[tuple[float, float]]:
    """The corners of a polygon, with lines in place of the curve that two control points (`C`) in a row make."""
    points = poly.vertices
    kinds = (poly.types or "").ljust(len(points), "L")[: len(points)]
    place = 0
    last = None
    while place < len(points):
        if last is not None and kinds[place : place + 2] == "CC":
            end = points[(place + 2) % len(points)]
            for step in range(1, _CHORDS):
                yield _on_curve((last, points[place], points[place + 1], end), step / _CHORDS)
            place += 2
        else:
            last = points[place]
            yield last
            place += 1


def _on_curve(points: Sequence[tuple[float, float]], share: float) -> tuple[float, float]:
    """A point of a cubic Bézier curve."""
    rest = 1 - share
    weights = rest**3, 3 * rest**2 * share, 3 * rest * share**2, share**3
    x = sum(weight * point[0] for weight, point in zip(weights, points, strict=True))
    y = sum(weight * point[1] for weight, point in zip(weights, points, strict=True))
    return x, y
