"""YOLO: `data.yaml` (https://docs.ultralytics.com/datasets/detect/), or Darknet's older `obj.data`, and a text file an image.

A line is a class and centre x, centre y, width, height, as shares of the image's sides; a sixth number is a score. A longer
line is a polygon, class x y x y ..., perhaps with a score, and becomes an outline with the box around it. Where `data.yaml`
speaks of key points, they follow the box and are not read. Images are those that the lists and folders of `train`, `val` and
`test` name; one without a label file is empty. Their names are paths below the folder, or below its `images`.

Label files are called after pictures without their suffix, so two pictures of one stem cannot be written.

Datumaro 1.13 refuses any line that has not five numbers, passes over pictures without a label file, takes its images from the
label files it finds rather than from `data.yaml`, and rounds coordinates to 0.01 pixels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage
from thrifty.data.formats.file_names import check_names
from thrifty.data.formats.format import Format, Trait, Written
from thrifty.data.formats.guard import bad, lines, number, whole
from thrifty.data.formats.outlines import bounds, keep_single_polygons
from thrifty.data.formats.recognition import head
from thrifty.data.formats.sizes import Sizes, known_size
from thrifty.data.formats.yolo_layout import (
    IMAGES,
    Layout,
    image_name,
    label_path,
    located,
    read_layout,
)
from thrifty.errors import DataError

_HOLDS = frozenset(
    {
        Trait.NAMES,
        Trait.STILLS,
        Trait.EMPTY_IMAGES,
        # Boxes are shares of the size: nobody can read or write them without.
        Trait.SIZES,
        Trait.EMPTY_CATEGORIES,
        Trait.OUTLINES,
        Trait.SCORES,
    }
)


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read YOLO labels.

    Args:
        path: `data.yaml` or `obj.data`, or the folder that holds one.
        sizes: Asked for the size of each image; the pictures beside come next.

    Raises:
        DataError: A file is missing or not of this kind, or an image with labels has no known size.
    """
    layout = read_layout(path)
    unread: Counter[str] = Counter()
    images = tuple(_image(picture, layout, sizes, unread) for picture in layout.pictures(unread))
    return Dataset(tuple(map(Category, layout.names)), images, dict(unread))


def _image(picture: str, layout: Layout, sizes: Sizes, unread: Counter[str]) -> LabelledImage:
    name = image_name(picture)
    file = layout.places.label_file(picture)
    rows = [] if file is None else _rows(file)
    folders = (layout.places.root / IMAGES, layout.places.root)
    if file is None or not rows:
        width, height = sizes.of(name, *folders) or (None, None)
        return LabelledImage(name, width, height)
    size = sizes.need(name, file, *folders)
    labels = tuple(
        _label(values, size, layout, file, f"line {count}", unread) for count, values in rows
    )
    return LabelledImage(name, *size, labels)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    rows = ((count, line.split()) for count, line in lines(path))
    return [(count, values) for count, values in rows if values]


def _label(
    given: Sequence[str],
    size: tuple[int, int],
    layout: Layout,
    path: Path,
    where: str,
    unread: Counter[str],
) -> Label:
    category = whole(given[0], path, f"{where}: class")
    if not 0 <= category < len(layout.names):
        bad(
            path,
            f"{where}: class {category} is none of the {len(layout.names)} that have a name",
            "correct it",
        )
    values = [number(text, path, where) for text in given[1:]]
    if layout.points and len(values) == 4 + layout.points:
        unread["sets of key points"] += 1
        values = values[:4]
    score = values.pop() if len(values) >= 5 and len(values) % 2 else None
    if score is not None and not math.isfinite(score):
        bad(path, f"{where}: the score is no finite number", "correct it")
    if len(values) < 4:
        bad(path, f"{where}: has {len(given)} numbers instead of 5", "correct it")
    width, height = size
    if len(values) > 4:
        polygon = tuple(
            value * (height if place % 2 else width) for place, value in enumerate(values)
        )
        return Label(bounds([polygon]), category, outline=(polygon,), score=score)
    x, y, wide, high = values
    box = (
        (x - wide / 2) * width,
        (y - high / 2) * height,
        (x + wide / 2) * width,
        (y + high / 2) * height,
    )
    return Label(box, category, score=score)


def write(dataset: Dataset) -> Written:
    """`data.yaml`, the list of images `train.txt`, and a label file an image; no pictures.

    Raises:
        DataError: The size of an image is not known, or two images would share a label file.
    """
    names = [image.name for image in dataset.images]
    check_names(names)
    yield "data.yaml", _description([category.name for category in dataset.categories])
    yield "train.txt", "".join(f"./{IMAGES}/{name}\n" for name in names).encode()
    taken: dict[str, str] = {}
    for image in dataset.images:
        place = label_path(f"{IMAGES}/{image.name}")
        other = taken.setdefault(place, image.name)
        if image.name != image.name.rstrip() or other != image.name:
            raise DataError(
                f"{image.name}: YOLO calls label files after pictures without their suffix, so this one would share one with "
                f"{other}; rename one of them"
            )
        yield place, "".join(_line(label, image) for label in image.labels).encode()


def _description(names: Sequence[str]) -> bytes:
    rows = ["path: .", "train: train.txt", "names:" if names else "names: []"]
    for place, name in enumerate(names):
        quoted = yaml.safe_dump(name, default_style='"', allow_unicode=True, width=math.inf)
        # A star could be taken for an alias.
        rows.append(f"  {place}: {quoted.strip()}".replace("*", "\\x2A"))
    return "\n".join([*rows, ""]).encode()


def _line(label: Label, image: LabelledImage) -> str:
    width, height = known_size(image, "YOLO")
    if label.outline is not None:
        [polygon] = label.outline
        values = [value / (height if place % 2 else width) for place, value in enumerate(polygon)]
    else:
        left, top, right, bottom = label.box
        values = [
            (left + right) / 2 / width,
            (top + bottom) / 2 / height,
            (right - left) / width,
            (bottom - top) / height,
        ]
    if label.score is not None:
        values.append(label.score)
    return " ".join([str(label.category), *(repr(float(value)) for value in values)]) + "\n"


def _recognise(path: Path) -> bool:
    file = located(path)
    if file is None or file.suffix.lower() not in {".yaml", ".yml", ".data"}:
        return False
    start = head(file)
    return b"names" in start and any(key in start for key in (b"train", b"val", b"path", b"nc"))


FORMAT = Format(
    "yolo",
    "YOLO",
    "",
    _HOLDS,
    _recognise,
    read,
    write,
    pictures=IMAGES,
    adapt=keep_single_polygons,
)
