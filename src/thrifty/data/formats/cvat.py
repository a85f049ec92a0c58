"""What CVAT's two XML formats have in common: the list of labels, the shapes, and how both are written.

Coordinates are pixels, 0-based, of edges: `xbr` and `ybr` are the first that lie outside, as ours are. `rotation` turns a
box or an ellipse clockwise about its centre, in degrees. See https://docs.cvat.ai/docs/manual/advanced/xml_format/.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from thrifty.data.dataset import Attributes, Corners, Dataset, Label, Polygon
from thrifty.data.formats.guard import bad, number, whole
from thrifty.data.formats.outlines import around_ellipse, bounds, box_or_turned
from thrifty.errors import DataError

FILE = "annotations.xml"
"""What CVAT calls the file in its ZIP archives."""

_CORNERS = ("xtl", "ytl", "xbr", "ybr")
_ELLIPSE = ("cx", "cy", "rx", "ry")

_UNREAD = {
    "polyline": "polylines",
    "points": "sets of points",
    "cuboid": "cuboids",
    "mask": "masks",
    "skeleton": "skeletons",
    "tag": "tags of images",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A box, an ellipse or a polygon as it stands in the file.

    Attributes:
        kind: Name of the element.
        values: Of a box left, top, right, bottom, rotation; of an ellipse centre, radii, rotation; of a polygon x, y, ...
        occluded: Whether it is marked so.
        attributes: Names and texts.
    """

    kind: str
    values: tuple[float, ...]
    occluded: bool
    attributes: Attributes

    def label(self, category: int, group: int | None, track: int | str | None = None) -> Label:
        """As a label; around an ellipse and a polygon there is a box."""
        box, outline = self._extent()
        return Label(
            box=box,
            category=category,
            occlusion=int(self.occluded),
            outline=outline,
            group=group,
            track=track,
            attributes=self.attributes,
        )

    def _extent(self) -> tuple[Corners, tuple[Polygon, ...] | None]:
        if self.kind == "polygon":
            return bounds([self.values]), (self.values,)
        a, b, c, d, degrees = self.values
        if self.kind == "ellipse":
            return around_ellipse((a, b), (c, d), degrees), None
        return box_or_turned((a, b, c, d), degrees, ((a + c) / 2, (b + d) / 2))


class Names:
    """The labels of a file by name, each with its number; those that are used and not listed are added."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def add_listed(self, meta: Element) -> None:
        """Take the labels that `<meta>` lists, without the parts of skeletons."""
        for entry in meta.iter("label"):
            name = entry.findtext("name")
            if name and entry.find("parent") is None:
                self.number(name)

    def number(self, name: str) -> int:
        """Number of a label."""
        return self.numbers.setdefault(name, len(self.numbers))

    def of(self, element: Element, path: Path, where: str) -> int:
        """Number of the label that an element names.

        Raises:
            DataError: It names none.
        """
        name = element.get("label")
        if not name:
            bad(path, f"{where}: a <{element.tag}> has no label", "name one")
        return self.number(name)


def shapes(
    parent: Element, path: Path, where: str, unread: Counter[str]
) -> Iterator[tuple[Element, Shape]]:
    """What lies in an `<image>` or a `<track>` and is a box, an ellipse or a polygon.

    Args:
        parent: The element.
        path: Named in errors.
        where: Part of the file, named in errors.
        unread: Counts the rest.

    Raises:
        DataError: A coordinate is missing or no number.
    """
    for element in parent:
        if element.tag in {"box", "ellipse", "polygon"}:
            if element.tag == "ellipse":
                unread["ellipses (the box around them is kept)"] += 1
            if element.get("z_order", "0") != "0":
                unread["layers of boxes (z_order)"] += 1
            yield element, _shape(element, path, where)
        else:
            unread[_UNREAD.get(element.tag, "elements of unknown kinds")] += 1


def _shape(element: Element, path: Path, where: str) -> Shape:
    if element.tag == "polygon":
        values = tuple(_points(element.get("points", ""), path, where))
    else:
        names = _CORNERS if element.tag == "box" else _ELLIPSE
        values = (
            *(number(element.get(name), path, f"{where}: {name}") for name in names),
            number(element.get("rotation", "0"), path, f"{where}: rotation"),
        )
    return Shape(
        kind=element.tag,
        values=values,
        occluded=element.get("occluded") == "1",
        attributes={entry.get("name", ""): entry.text or "" for entry in element.iter("attribute")},
    )


def _points(text: str, path: Path, where: str) -> Iterator[float]:
    for pair in text.split(";"):
        values = pair.split(",")
        if len(values) != 2:
            bad(path, f"{where}: points of a polygon are no pairs x,y;x,y", "correct them")
        for value in values:
            yield number(value, path, f"{where}: points")


def group(element: Element, path: Path, where: str) -> int | None:
    """The group that an element belongs to; CVAT counts from 1."""
    value = whole(element.get("group_id", "0"), path, f"{where}: group_id")
    return value if value > 0 else None


def keeps_group(value: object) -> bool:
    """Whether a group is a number that CVAT could have given."""
    return isinstance(value, int) and 0 < value < _LARGEST


def keeps_number(value: object) -> bool:
    """Whether a number is one that CVAT could have given to an image or a track."""
    return isinstance(value, int) and 0 <= value < _LARGEST


_LARGEST = 1 << 53


def located(path: Path) -> Path:
    """The XML file, where a path may be the folder that a CVAT archive unpacks to."""
    return path / FILE if path.is_dir() else path


def refuse_other(path: Path, kind: str) -> NoReturn:
    """Refuse the other of the two formats.

    Raises:
        DataError: Always.
    """
    bad(path, f"is CVAT's format for {kind}", f"name the format cvat-{kind}")


def text(value: str) -> str:
    """Text between tags.

    Raises:
        DataError: It has characters that XML has no place for.
    """
    return escape(_clean(value), {"\r": "&#13;"})


def opened(tag: str, values: Mapping[str, object], end: str = ">") -> str:
    """A start tag.

    Raises:
        DataError: A value has characters that XML has no place for.
    """
    given = "".join(f" {name}={quoteattr(_clean(str(value)))}" for name, value in values.items())
    return f"<{tag}{given}{end}"


def _clean(value: str) -> str:
    if _FORBIDDEN.search(value):
        raise DataError(f"{value!r} has control characters, which XML has no place for; rename it")
    return value


_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def shape_lines(label: Label, values: Mapping[str, object], outside: int = 0) -> Iterator[str]:
    """The element of a label.

    Args:
        label: Its box, or its outline if it has one.
        values: Further attributes, which come first.
        outside: 1 in a track that the object leaves here.
    """
    occluded = {"occluded": int(label.occlusion > 0)}
    if outside:
        occluded = {"outside": 1} | occluded
    elif "frame" in values:
        occluded = {"outside": 0} | occluded
    if label.outline is not None:
        [polygon] = label.outline
        pairs = zip(polygon[0::2], polygon[1::2], strict=True)
        extent: dict[str, object] = {
            "points": ";".join(f"{float(x)!r},{float(y)!r}" for x, y in pairs)
        }
    else:
        extent = dict(zip(_CORNERS, map(float, label.box), strict=True))
    tag = shape_tag(label)
    yield "    " + opened(tag, {**values, **occluded, **extent, "z_order": 0})
    for name, value in label.attributes.items():
        yield f"      {opened('attribute', {'name': name})}{text(str(value))}</attribute>"
    yield f"    </{tag}>"


def shape_tag(label: Label) -> str:
    """Name of the element that a label becomes."""
    return "box" if label.outline is None else "polygon"


def label_lines(dataset: Dataset) -> Iterator[str]:
    """The element `<labels>`, with the attributes that occur, all of them texts."""
    names: dict[int, set[str]] = defaultdict(set)
    for image in dataset.images:
        for label in image.labels:
            names[label.category].update(label.attributes)
    yield "      <labels>"
    for place, category in enumerate(dataset.categories):
        yield f"        <label><name>{text(category.name)}</name><attributes>"
        for name in sorted(names[place]):
            yield (
                f"          <attribute><name>{text(name)}</name><mutable>True</mutable><input_type>text</input_type>"
                "<default_value></default_value><values></values></attribute>"
            )
        yield "        </attributes></label>"
    yield "      </labels>"


def document(lines: Iterable[str]) -> bytes:
    """The file around its lines."""
    start = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    return "\n".join([*start, *lines, "</annotations>", ""]).encode()
