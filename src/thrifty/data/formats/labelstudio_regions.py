"""Regions of Label Studio: what one annotation says.

A region is one or more results with the same id: one gives the shape, one the label (the same one, for `rectanglelabels`),
the others are answers to questions about it, such as choices or texts. Answers without a shape speak of the whole picture.

Shapes are in percent of the picture's width and height. `x` and `y` of a rectangle are its top left corner, and `rotation`
turns it about that corner, clockwise, in degrees. `image_rotation` only says how the picture was shown: Label Studio
turns the screen, not the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Raw, Struct

from thrifty.data.dataset import Corners, Identifier, Polygon
from thrifty.data.formats.guard import attributes, decode_json
from thrifty.data.formats.keyframes import blend
from thrifty.data.formats.outlines import around_ellipse, bounds, box_or_turned

Size = tuple[int, int]
Extent = tuple[Corners, tuple[Polygon, ...] | None]
"""A box, and an outline if there is one."""


class Result(Struct):
    """One entry of an annotation's `result`."""

    type: str = ""
    value: Raw = Raw(b"{}")
    id: Identifier | None = None
    from_name: str | None = None
    original_width: float | None = None
    original_height: float | None = None
    score: float | None = None
    meta: dict[str, Raw] | None = None


class Rectangle(Struct):
    """A rectangle, in percent."""

    x: float
    y: float
    width: float
    height: float
    rotation: float | None = 0.0

    def extent(self, size: Size) -> Extent:
        """In pixels of a picture of that size."""
        left, top = self.x * size[0] / 100, self.y * size[1] / 100
        right, bottom = left + self.width * size[0] / 100, top + self.height * size[1] / 100
        return box_or_turned((left, top, right, bottom), self.rotation or 0.0, (left, top))

    def numbers(self) -> tuple[float, ...]:
        """All of it."""
        return self.x, self.y, self.width, self.height, self.rotation or 0.0


class Ellipse(Struct, rename="camel"):
    """An ellipse, in percent; `x` and `y` are its centre."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    rotation: float | None = 0.0

    def extent(self, size: Size) -> Extent:
        """In pixels of a picture of that size."""
        width, height = size[0] / 100, size[1] / 100
        centre = self.x * width, self.y * height
        radii = self.radius_x * width, self.radius_y * height
        return around_ellipse(centre, radii, self.rotation or 0.0), None


class Outline(Struct):
    """A polygon, in percent."""

    points: list[tuple[float, float]]
    closed: bool | None = True

    def extent(self, size: Size) -> Extent:
        """In pixels of a picture of that size."""
        width, height = size
        polygon = tuple(n for x, y in self.points for n in (x * width / 100, y * height / 100))
        return bounds([polygon]), (polygon,)


class KeyFrame(Rectangle, kw_only=True):
    """A rectangle on a frame of a video. Frames count from 1; if it is not enabled, the next frame shows none."""

    frame: int
    enabled: bool | None = True

    def towards(self, other: Rectangle, share: float) -> Rectangle:
        """The rectangle on the way to another."""
        return Rectangle(*blend(self.numbers(), other.numbers(), share))


class Track(Struct, rename="camel"):
    """A rectangle that moves."""

    sequence: list[KeyFrame]
    frames_count: float | None = None


Shape = Rectangle | Ellipse | Outline | Track
_SHAPES: Mapping[frozenset[str], type[Shape]] = {
    frozenset({"x", "y", "width", "height"}): Rectangle,
    frozenset({"x", "y", "radiusX", "radiusY"}): Ellipse,
    frozenset({"points"}): Outline,
    frozenset({"sequence"}): Track,
}
"""By the keys that make it."""

_UNREAD = {
    "rle": "brush strokes and masks",
    "vertices": "vectors",
    "points": "polygons that are not closed",
    "ranges": "spans of time",
    "start": "spans of text or sound",
    "x": "key points",
}
"""By a key that gives it away."""

_ANSWERS = {
    "choices": "choices",
    "datetime": "datetime",
    "number": "number",
    "rating": "rating",
    "taxonomy": "taxonomy",
    "textarea": "text",
}
"""Types of results that are answers, and the key of the answer."""


@dataclass(slots=True)
class Region:
    """Results with the same id.

    Attributes:
        key: The id.
        shape: In percent.
        stated: Size of the picture, as the result with the shape states it.
        label: Its class.
        answers: Further things said about it.
        score: A model's confidence.
        unread: What it is, where it is nothing that is read.
    """

    key: Identifier | None
    shape: Shape | None = None
    stated: tuple[float | None, float | None] = (None, None)
    label: str | None = None
    answers: dict[str, object] = field(default_factory=dict)
    score: float | None = None
    unread: str = ""


class Regions:
    """Reads the regions of one file.

    Args:
        path: Named in errors.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.unread: Counter[str] = Counter()
        """What is left out: a phrase, and how many."""

    def of(self, results: Iterable[Result], where: str) -> tuple[list[Region], dict[str, object]]:
        """Regions with a shape and a label, and the answers that are about the whole picture.

        Raises:
            DataError: A result is not what its keys promise.
        """
        found: dict[tuple[str, Identifier], Region] = {}
        for number, result in enumerate(results):
            if result.type == "relation":
                self.unread["relations between regions"] += 1
            else:
                key = ("place", number) if result.id is None else ("id", result.id)
                self._add(found.setdefault(key, Region(result.id)), result, where)
        kept: list[Region] = []
        general: dict[str, object] = {}
        for region in found.values():
            if region.unread:
                self.unread[region.unread] += 1
            if region.shape is None:
                general |= region.answers
            elif region.label is None:
                self.unread["regions without a label"] += 1
            else:
                kept.append(region)
        return kept, general

    def _add(self, region: Region, result: Result, where: str) -> None:
        value = decode_json(self._path, result.value, dict[str, Raw], where)
        shape = self._shape(result, value, where)
        if region.shape is None and shape is not None:
            region.shape, region.stated = shape, (result.original_width, result.original_height)
        if region.score is None:
            region.score = result.score
        if region.label is None:
            region.label = self._label(value, where)
        region.answers |= self._answers(result, value)
        if isinstance(shape, Ellipse):
            region.unread = "ellipses (the box around them is kept)"
        elif shape is None and result.type not in _ANSWERS:
            known = next((phrase for key, phrase in _UNREAD.items() if key in value), "")
            region.unread = known or f"results of type {result.type[:40]!r}"

    def _shape(self, result: Result, value: Mapping[str, Raw], where: str) -> Shape | None:
        kind = next((kind for keys, kind in _SHAPES.items() if keys <= value.keys()), None)
        if kind is None or result.type.startswith("videovector"):
            return None
        shape: Shape = decode_json(self._path, result.value, kind, where)
        return None if isinstance(shape, Outline) and shape.closed is False else shape

    def _label(self, value: Mapping[str, Raw], where: str) -> str | None:
        for key, raw in value.items():
            if key.endswith("labels"):
                names = decode_json(self._path, raw, list[str] | None, where) or []  # type: ignore[arg-type]
                if len(names) > 1:
                    self.unread["further labels of a region (the first is kept)"] += len(names) - 1
                if names:
                    return names[0]
        return None

    def _answers(self, result: Result, value: Mapping[str, Raw]) -> dict[str, object]:
        given = {f"meta.{name}": raw for name, raw in (result.meta or {}).items()}
        key = _ANSWERS.get(result.type, "")
        if key in value:
            name = result.type if result.from_name is None else result.from_name
            given[name] = value[key]
        answers = attributes(self._path, given, self.unread)
        return {name: _plain(answer, result.type) for name, answer in answers.items()}


def _plain(answer: object, kind: str) -> object:
    """An answer in place of a list of one; a choice between true and false is one of ours."""
    if isinstance(answer, list) and len(answer) == 1:
        [answer] = answer
    if kind == "choices" and answer in ("true", "false"):
        return answer == "true"
    return answer
