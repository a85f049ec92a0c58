"""labelme (https://github.com/wkentaro/labelme): a folder with a JSON file a picture.

Points are pixels, 0-based, of edges as ours. Rectangles have two corners in any order, or four where X-AnyLabeling drew them;
polygons become outlines, as do the corners of rectangles that are turned. Of circles and masks the box around them is kept,
and lines and points are not read. `imagePath` is relative to its JSON file; of a path that leads out of the folder, what
follows `..` counts, and of one that begins at a root the last part.

`flags`, `description` and X-AnyLabeling's `attributes` are attributes of a box, a picture's `flags` are the picture's. Also as
X-AnyLabeling has it, `difficult` marks what is to be ignored, and there are scores. `labels.txt`, which labelme takes as
`--labels`, lists the classes. Pictures inside JSON files (`imageData`) are neither read nor written.

Datumaro 1.13 does not know these files: its "label_me" is the XML of another tool of that name.
"""

from __future__ import annotations

import math
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PureWindowsPath

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
from thrifty.data.formats.file_names import check_names, distinct_stems, read_name, without_ascent
from thrifty.data.formats.format import Format, Losses, Trait, Written
from thrifty.data.formats.guard import attributes, bad, decode_json, lines, read_json
from thrifty.data.formats.outlines import bounds, keep_single_polygons
from thrifty.data.formats.recognition import below, json_keys
from thrifty.data.formats.sizes import Sizes
from thrifty.data.formats.texts import class_lines
from thrifty.errors import DataError

LISTED = "labels.txt"
_VERSION = "5.5.0"


class _File(Struct):
    imagePath: str  # noqa: N815 - labelme's names
    shapes: list[Raw]
    imageWidth: int | None = None  # noqa: N815
    imageHeight: int | None = None  # noqa: N815
    flags: dict[str, bool] | None = None


class _Shape(Struct):
    label: str
    points: list[tuple[float, float]]
    shape_type: str | None = None
    group_id: Identifier | None = None
    flags: dict[str, bool] | None = None
    description: str | None = None
    attributes: dict[str, Raw] | None = None
    difficult: bool | None = None
    score: float | None = None


_KNOWN = frozenset(_Shape.__struct_fields__) | {"mask", "direction", "line_color", "fill_color"}
_NOTHING = frozenset({b"null", b"false", b'""', b"[]", b"{}"})

_OUTLINED = frozenset({"polygon", "rotation", "oriented_rectangle"})
_POINTS: Mapping[str, frozenset[int]] = {
    "rectangle": frozenset({2, 4}),
    "circle": frozenset({2}),
    "mask": frozenset({2}),
}
"""Kinds that have a box, and how many points they may have."""
_UNREAD = {
    "line": "lines",
    "linestrip": "lines",
    "point": "points",
    "points": "points",
    "circle": "circles (the box around them is kept)",
    "mask": "masks (the box around them is kept)",
}

_HOLDS = frozenset(
    {
        Trait.NAMES,
        Trait.STILLS,
        Trait.EMPTY_IMAGES,
        Trait.SIZES,
        Trait.IMAGE_ATTRIBUTES,
        Trait.EMPTY_CATEGORIES,
        Trait.IGNORE,
        Trait.OUTLINES,
        Trait.GROUPS,
        Trait.SCORES,
        Trait.ATTRIBUTES,
        Trait.TYPED_ATTRIBUTES,
    }
)


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read labelme files.

    Args:
        path: A folder of JSON files, however deep they lie, or one such file.
        sizes: Asked for pictures whose file gives no size.

    Raises:
        DataError: A file is missing or not of this kind.
    """
    root = path if path.is_dir() else path.parent
    files = sorted(filter(Path.is_file, path.rglob("*.json"))) if path.is_dir() else [path]
    if not files:
        bad(path, "holds no JSON files", "check the path")
    names: dict[str, int] = {}
    if path.is_dir() and (path / LISTED).is_file():
        for _, line in lines(path / LISTED):
            if line.strip():
                names.setdefault(line, len(names))
    unread: Counter[str] = Counter()
    images = tuple(_image(file, root, names, sizes, unread) for file in files)
    return Dataset(tuple(map(Category, names)), images, dict(unread))


def _image(
    path: Path, root: Path, names: dict[str, int], sizes: Sizes, unread: Counter[str]
) -> LabelledImage:
    content = read_json(path, _File)
    name = _name(content.imagePath, path, path.relative_to(root).parent.as_posix())
    width, height = content.imageWidth, content.imageHeight
    if width is None or height is None:
        width, height = sizes.of(name, root) or (None, None)
    elif width < 1 or height < 1:
        bad(path, f"size {width}x{height} has no pixels", "correct it")
    labels = []
    for number, raw in enumerate(content.shapes):
        where = f"shape {number}"
        shape = decode_json(path, raw, _Shape, where)
        kind = shape.shape_type or "polygon"
        _count_unread(kind, decode_json(path, raw, dict[str, Raw], where), unread)
        if kind in _OUTLINED or kind in _POINTS:
            box, outline = _extent(kind, shape.points, path, where)
            label = Label(box, names.setdefault(shape.label, len(names)), outline=outline)
            labels.append(_described(label, shape, path, unread))
    return LabelledImage(name, width, height, tuple(labels), attributes=content.flags or {})


def _name(given: str, path: Path, folder: str) -> str:
    given = given.replace("\\", "/")
    if given.startswith("/") or PureWindowsPath(given).drive:
        given = posixpath.basename(given)
    return read_name(without_ascent(posixpath.normpath(posixpath.join(folder, given))), path)


def _count_unread(kind: str, shape: Mapping[str, Raw], unread: Counter[str]) -> None:
    if kind in _UNREAD:
        unread[_UNREAD[kind]] += 1
    elif kind not in _OUTLINED and kind not in _POINTS:
        unread["shapes of unknown kinds"] += 1
    for key, raw in shape.items():
        if key not in _KNOWN and bytes(raw) not in _NOTHING:
            unread[f"shapes' key {key!r}"] += 1


def _extent(
    kind: str, points: Sequence[tuple[float, float]], path: Path, where: str
) -> tuple[Corners, tuple[Polygon, ...] | None]:
    """Box and outline."""
    if not points or len(points) not in _POINTS.get(kind, {len(points)}):
        bad(path, f"{where}: {len(points)} points make no {kind}", "correct it")
    values = tuple(value for point in points for value in point)
    left, top, right, bottom = bounds([values])
    if kind in _OUTLINED:
        return (left, top, right, bottom), (values,)
    if kind == "circle":
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        return (x - radius, y - radius, x + radius, y + radius), None
    # The second point of a mask is its last pixel.
    last = int(kind == "mask")
    return (left, top, right + last, bottom + last), None


def _described(label: Label, shape: _Shape, path: Path, unread: Counter[str]) -> Label:
    found: dict[str, object] = dict(shape.flags or {})
    if shape.description:
        found["description"] = shape.description
    return replace(
        label,
        ignore=bool(shape.difficult),
        group=shape.group_id,
        score=shape.score,
        attributes=found | attributes(path, shape.attributes or {}, unread),
    )


def write(dataset: Dataset) -> Written:
    """A JSON file a picture, and `labels.txt`.

    Raises:
        DataError: A name has characters that have no place in it, or leads out of the folder.
    """
    names = [image.name for image in dataset.images]
    check_names(names)
    classes = [category.name for category in dataset.categories]
    yield LISTED, class_lines(classes, LISTED)
    for image, stem in zip(dataset.images, distinct_stems(names), strict=True):
        if "\\" in image.name:
            raise DataError(
                f"{image.name}: labelme takes a backslash for a slash; rename the image"
            )
        content = {
            "version": _VERSION,
            "flags": dict(image.attributes),
            "shapes": [_entry(label, classes[label.category]) for label in image.labels],
            "imagePath": posixpath.basename(image.name),
            "imageData": None,
            "imageHeight": image.height,
            "imageWidth": image.width,
        }
        yield f"{stem}.json", msgspec.json.format(msgspec.json.encode(content))


def _entry(label: Label, name: str) -> dict[str, object]:
    left, top, right, bottom = label.box
    points: Sequence[Sequence[float]] = [(left, top), (right, bottom)]
    if label.outline is not None:
        [polygon] = label.outline
        points = list(zip(polygon[0::2], polygon[1::2], strict=True))
    rest = dict(label.attributes)
    flags = {key: rest.pop(key) for key in label.attributes if isinstance(rest[key], bool)}
    described = isinstance(rest.get("description"), str) and bool(rest["description"])
    entry: dict[str, object] = {
        "label": name,
        "points": points,
        "group_id": label.group,
        "description": rest.pop("description") if described else "",
        "shape_type": "rectangle" if label.outline is None else "polygon",
        "flags": flags,
        "mask": None,
    }
    optional = {
        "difficult": label.ignore or None,
        "score": label.score,
        "attributes": rest or None,
    }
    return entry | {key: value for key, value in optional.items() if value is not None}


def _adapt(dataset: Dataset) -> tuple[Dataset, Losses]:
    """One polygon or a box a label, and of the images' attributes those that are true or false."""
    dataset, losses = keep_single_polygons(dataset)
    images = []
    for image in dataset.images:
        flags = {key: value for key, value in image.attributes.items() if isinstance(value, bool)}
        losses[Trait.IMAGE_ATTRIBUTES] += len(image.attributes) - len(flags)
        images.append(replace(image, attributes=flags))
    return replace(dataset, images=tuple(images)), losses


def _recognise(path: Path) -> bool:
    file = below(path, "**/*.json") if path.is_dir() else path
    if file is None or file.suffix.lower() != ".json":
        return False
    keys = json_keys(file, "{")
    return bool({"imagePath", "imageData"} & keys) or {"shapes", "shape_type"} <= keys


FORMAT = Format(
    "labelme", "labelme", "", _HOLDS, _recognise, read, write, pictures=".", adapt=_adapt
)
