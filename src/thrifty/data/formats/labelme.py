"""LabelMe (https://github.com/wkentaro/labelme): a JSON file a picture, beside it, with the picture inside it if one likes.

Points are pixels, 0-based; a rectangle is two opposite corners in any order. Circles become the box around them. `flags` of a
shape are attributes that are true or false; `description` and whatever else stands in a shape are attributes too, which
labelme keeps when it saves. `labels.txt`, which labelme reads with `--labels`, lists the classes. The pictures inside the files
are neither decoded nor held. Datumaro 1.13 reads only the XML of the website of the same name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Raw, Struct

from thrifty.data.dataset import (
    Category,
    Corners,
    Dataset,
    Identifier,
    Label,
    LabelledImage,
    Polygon,
)
from thrifty.data.formats.file_names import check_names, distinct_stems, read_name
from thrifty.data.formats.format import Format, Trait, Written
from thrifty.data.formats.guard import attributes, bad, decode_json, lines, read_json
from thrifty.data.formats.outlines import bounds, is_polygon, keep_single_polygons
from thrifty.data.formats.recognition import below, json_keys
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError

LABELS = "labels.txt"

_HOLDS = frozenset(
    {
        Trait.STILLS,
        Trait.EMPTY_IMAGES,
        Trait.SIZES,
        Trait.IMAGE_ATTRIBUTES,
        Trait.EMPTY_CATEGORIES,
        Trait.OUTLINES,
        Trait.GROUPS,
        Trait.ATTRIBUTES,
        Trait.TYPED_ATTRIBUTES,
    }
)
_RESERVED = ("__ignore__", "_background_")
"""What labelme's own lists begin with; no classes."""


class _File(Struct):
    shapes: list[dict[str, Raw]]
    imagePath: str | None = None  # noqa: N815 - the file's own name
    imageWidth: int | None = None  # noqa: N815
    imageHeight: int | None = None  # noqa: N815
    flags: dict[str, Raw] | None = None


class _Shape(Struct):
    label: str
    points: list[tuple[float, float]] = []
    shape_type: str | None = None
    group_id: Identifier | None = None
    flags: dict[str, Raw] | None = None
    description: str | None = None
    mask: str | None = None


_KNOWN = frozenset(_Shape.__struct_fields__)
_UNREAD = {
    "line": "lines",
    "linestrip": "lines",
    "point": "points",
    "points": "points",
}


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read LabelMe's files.

    Args:
        path: A folder, searched whole, or one file.
        sizes: Asked for images whose file gives no size.

    Raises:
        DataError: A file is missing or not of this kind.
    """
    root = path if path.is_dir() else path.parent
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        bad(path, "holds no JSON files", "check the path")
    reader = _Reader(root, sizes)
    images = tuple(reader.image(file) for file in files)
    return Dataset(tuple(map(Category, reader.names)), images, dict(reader.unread))


class _Reader:
    """Reads files, and gathers their classes and what has no place."""

    def __init__(self, root: Path, sizes: Sizes) -> None:
        self._root = root
        self._sizes = sizes
        self.unread: Counter[str] = Counter()
        self.names: dict[str, int] = {}
        if (root / LABELS).is_file():
            listed = (line for _, line in lines(root / LABELS))
            for name in dict.fromkeys(listed):
                if name and name not in _RESERVED:
                    self._number(name)

    def _number(self, name: str) -> int:
        return self.names.setdefault(name, len(self.names))

    def image(self, path: Path) -> LabelledImage:
        content = read_json(path, _File)
        above = path.relative_to(self._root).parent.as_posix()
        given = (content.imagePath or f"{path.stem}.jpg").replace("\\", "/")
        # A file that lies elsewhere is looked for beside its labels, as labelme does.
        name = read_name(_below(above, given), path, "imagePath")
        size = content.imageWidth, content.imageHeight
        if None in size:
            size = self._sizes.of(name, self._root) or (None, None)
        elif min(size[0] or 0, size[1] or 0) < 1:
            bad(path, f"size {size[0]}x{size[1]} has no pixels", "correct it")
        labels = (
            self._label(raw, path, f"shape {number}") for number, raw in enumerate(content.shapes)
        )
        return LabelledImage(
            name=name,
            width=size[0],
            height=size[1],
            labels=tuple(label for label in labels if label is not None),
            attributes=attributes(path, content.flags or {}, self.unread),
        )

    def _label(self, raw: Mapping[str, Raw], path: Path, where: str) -> Label | None:
        shape = _decode(raw, path, where)
        kind = shape.shape_type or "polygon"
        extent = _extent(kind, shape.points)
        if extent is None:
            self.unread[_UNREAD.get(kind, f"shapes of kind {kind[:_SHOWN]!r}")] += 1
            return None
        if not shape.label:
            bad(path, f"{where} has no label", "name its class")
        if shape.mask is not None:
            self.unread["masks (the box is kept)"] += 1
        box, outline = extent
        more = {name: value for name, value in raw.items() if name not in _KNOWN}
        said = attributes(path, {**(shape.flags or {}), **more}, self.unread)
        if shape.description:
            said["description"] = shape.description
        return Label(
            box=box,
            category=self._number(shape.label),
            outline=outline,
            group=shape.group_id,
            attributes=said,
        )


_SHOWN = 40


def _decode(raw: Mapping[str, Raw], path: Path, where: str) -> _Shape:
    values = {name: raw[name] for name in _KNOWN if name in raw}
    return decode_json(path, msgspec.json.encode(values), _Shape, where)


def _below(folder: str, given: str) -> str:
    plain = PurePosixPath(given)
    outside = plain.is_absolute() or ".." in plain.parts or given[1:3] == ":/"
    name = plain.name if outside else given
    return name if folder == "." or "/" in name else f"{folder}/{name}"


def _extent(
    kind: str, points: list[tuple[float, float]]
) -> tuple[Corners, tuple[Polygon, ...] | None] | None:
    """Box and outline of a shape; `None` if it encloses nothing."""
    flat = tuple(value for point in points for value in point)
    if kind == "polygon" and is_polygon(flat):
        return bounds([flat]), (flat,)
    if kind in {"rectangle", "mask"} and len(points) == 2:
        return bounds([flat]), None
    if kind == "circle" and len(points) == 2:
        (x, y), (edge_x, edge_y) = points
        radius = math.hypot(edge_x - x, edge_y - y)
        return (x - radius, y - radius, x + radius, y + radius), None
    return None


def write(dataset: Dataset) -> Written:
    """A JSON file for every image, and `labels.txt`.

    Raises:
        DataError: A name leads out of the folder, or a class cannot stand in a line.
    """
    classes = [category.name for category in dataset.categories]
    for name in classes:
        if not name.strip() or name in _RESERVED or "\n" in name or "\r" in name:
            raise DataError(f"LabelMe has no place for a class called {name!r}; rename it")
    yield LABELS, "".join(f"{name}\n" for name in classes).encode()
    names = [image.name for image in dataset.images]
    check_names(names)
    for image, stem in zip(dataset.images, distinct_stems(names), strict=True):
        content = {
            "version": "5.5.0",
            "flags": dict(image.attributes),
            "shapes": [_shape(label, classes[label.category]) for label in image.labels],
            "imagePath": image.name,
            "imageData": None,
            "imageHeight": image.height,
            "imageWidth": image.width,
        }
        yield f"{stem}.json", msgspec.json.format(msgspec.json.encode(content))


def _shape(label: Label, name: str) -> dict[str, object]:
    left, top, right, bottom = label.box
    points = [(left, top), (right, bottom)]
    if label.outline is not None:
        [polygon] = label.outline
        points = list(zip(polygon[0::2], polygon[1::2], strict=True))
    said = dict(label.attributes)
    description = (
        said.pop("description", None) if isinstance(said.get("description"), str) else None
    )
    flags = {key: value for key, value in said.items() if isinstance(value, bool) or key in _KNOWN}
    more = {key: value for key, value in said.items() if key not in flags}
    return {
        "label": name,
        "points": points,
        "group_id": label.group,
        "description": description or "",
        "shape_type": "rectangle" if label.outline is None else "polygon",
        "flags": flags,
        "mask": None,
        **more,
    }


def _recognise(path: Path) -> bool:
    first = below(path, "**/*.json") if path.is_dir() else path
    if first is None or first.suffix.lower() != ".json":
        return False
    keys = json_keys(first, "{")
    # A picture may stand before the shapes and be longer than what is looked at.
    return "shapes" in keys or {"imagePath", "imageData"} <= keys or keys == {"imageData"}


FORMAT = Format(
    "labelme",
    "LabelMe",
    "",
    _HOLDS,
    _recognise,
    read,
    write,
    pictures=".",
    adapt=keep_single_polygons,
)
