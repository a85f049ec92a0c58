"""KITTI objects (https://www.cvlibs.net/datasets/kitti/eval_object.php): a folder `label_2` with a text file a picture.

A line has 15 columns, or 16 with a score: type, truncated, occluded, alpha, left, top, right, bottom, height, width, length,
x, y, z, rotation_y. Pixels are 0-based, and left to right is the width, as ours. The class `DontCare` is an ignore region;
other classes have no ignore mark. What is known of the three dimensions becomes the attributes `alpha`, `dimensions` (height,
width, length), `location` and `rotation_y`; -10, -1 and -1000, or zeros everywhere, say that nothing is.

Two things KITTI does not say are ours. White space and `%` in a class are written as `%20`, `%25` and so on, since columns are
separated by spaces. A label file is called after a `.png` picture without its suffix, after all others with it (`a.jpg.txt`).

Datumaro 1.13 makes flags of the degrees of truncation and occlusion, of -1 too, gives `DontCare` no mark, drops what is known of
the three dimensions, and rounds coordinates to 0.01 pixels.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage, video_frame
from thrifty.data.formats.file_names import check_names, read_name, without_suffix
from thrifty.data.formats.format import Format, Losses, Trait, Written
from thrifty.data.formats.guard import bad, lines, number, whole
from thrifty.data.formats.recognition import below, head
from thrifty.data.formats.sizes import Sizes
from thrifty.data.formats.texts import number_text
from thrifty.data.listing import PICTURES
from thrifty.errors import DataError

IGNORED = "DontCare"
_LABELS, _PICTURES = "label_2", "image_2"
_USUAL = ".png"
_COLUMNS = 15

_UNKNOWN: Mapping[str, tuple[float, ...]] = {
    "alpha": (-10.0,),
    "dimensions": (-1.0, -1.0, -1.0),
    "location": (-1000.0, -1000.0, -1000.0),
    "rotation_y": (-10.0,),
}
"""Columns in their order, and what they say where nothing is known."""

_HOLDS = frozenset(
    {
        Trait.NAMES,
        Trait.STILLS,
        Trait.EMPTY_IMAGES,
        Trait.OCCLUSION,
        Trait.OCCLUSION_LEVELS,
        Trait.TRUNCATION,
        Trait.TRUNCATION_DEGREES,
        Trait.SCORES,
        Trait.ATTRIBUTES,
        Trait.TYPED_ATTRIBUTES,
    }
)


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read KITTI labels.

    Args:
        path: A folder with `label_2` or `training/label_2`, a folder of label files, or one such file.
        sizes: Asked for the size of each image; the pictures in `image_2` come next.

    Raises:
        DataError: A file is missing or not of this kind.
    """
    folder = _folder(path)
    files = sorted(filter(Path.is_file, folder.rglob("*.txt"))) if path.is_dir() else [path]
    if not files:
        bad(path, "holds no label files", "check the path")
    names: dict[str, int] = {}
    images = tuple(_image(file, folder, names, sizes) for file in files)
    return Dataset(tuple(map(Category, names)), images)


def _folder(path: Path) -> Path:
    """The folder of the label files."""
    if not path.is_dir():
        return path.parent
    inner = (path / name / _LABELS for name in ("training", ""))
    return next(filter(Path.is_dir, inner), path)


def _image(path: Path, folder: Path, names: dict[str, int], sizes: Sizes) -> LabelledImage:
    pictures = folder.parent / _PICTURES
    stem = path.relative_to(folder).as_posix().removesuffix(".txt")
    name = read_name(_picture_name(stem, pictures), path)
    labels = tuple(
        _label(values, path, f"line {count}", names)
        for count, line in lines(path)
        if (values := line.split())
    )
    width, height = sizes.of(name, pictures, folder) or (None, None)
    return LabelledImage(name, width, height, labels)


def _picture_name(stem: str, pictures: Path) -> str:
    """The picture that a label file is called after: one that is there, else the likeliest."""
    likely = _likely(stem)
    others = (stem + suffix for suffix in sorted(PICTURES))
    return next((name for name in (likely, *others) if (pictures / name).is_file()), likely)


def _likely(stem: str) -> str:
    """A picture's or video frame's name as it is; any other is one of a `.png` picture without its suffix."""
    whole_name = without_suffix(stem) != stem or video_frame(stem) is not None
    return stem if whole_name else stem + _USUAL


def _label(given: Sequence[str], path: Path, where: str, names: dict[str, int]) -> Label:
    if len(given) not in {_COLUMNS, _COLUMNS + 1}:
        bad(path, f"{where}: has {len(given)} columns instead of {_COLUMNS}", "correct it")
    values = [number(text, path, where) for text in given[1:]]
    truncated, _, alpha, left, top, right, bottom, *rest = values
    if not all(map(math.isfinite, [alpha, *rest])):
        bad(path, f"{where}: a column is no finite number", "correct it")
    if truncated != -1 and not 0 <= truncated <= 1:
        bad(path, f"{where}: truncated is {truncated:g}, none of 0 to 1", "correct it")
    occluded = whole(given[2], path, f"{where}: occluded")
    if not -1 <= occluded <= 3:
        bad(path, f"{where}: occluded is {occluded}, none of 0 to 3", "correct it")
    name = _unquoted(given[0])
    score = rest.pop() if len(given) > _COLUMNS else None
    return Label(
        box=(left, top, right, bottom),
        category=names.setdefault(name, len(names)),
        ignore=name == IGNORED,
        occlusion=max(0, occluded),
        truncation=max(0.0, truncated),
        score=score,
        attributes=_known([alpha, *rest]),
    )


def _known(columns: Sequence[float]) -> dict[str, object]:
    """Attributes out of the eight columns that say something of the three dimensions."""
    known: dict[str, object] = {}
    rest = list(columns) if any(columns) else []
    for key, unknown in _UNKNOWN.items():
        values, rest = rest[: len(unknown)], rest[len(unknown) :]
        if values and tuple(values) != unknown:
            known[key] = values if len(values) > 1 else values[0]
    return known


def _columns(attributes: Mapping[str, object]) -> list[float]:
    """The eight columns that attributes become; `_known` gives back those that have a place in them."""
    columns: list[float] = []
    for key, unknown in _UNKNOWN.items():
        given = attributes.get(key)
        values = given if isinstance(given, list) and len(unknown) > 1 else [given]
        fits = len(values) == len(unknown) and all(map(_is_number, values))
        columns += map(float, values) if fits else unknown
    return columns


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _HUGE


_HUGE = 1e300


def _quoted(name: str) -> str:
    if not name:
        raise DataError("KITTI has no place for a class without a name; give it one")
    return re.sub(r"[\s%\ufeff]", lambda match: quote(match[0], safe=""), name)


def _unquoted(name: str) -> str:
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        return name


def write(dataset: Dataset) -> Written:
    """One label file an image.

    Raises:
        DataError: An image is not called as a picture or a video's frame is.
    """
    check_names(image.name for image in dataset.images)
    classes = [category.name for category in dataset.categories]
    for image in dataset.images:
        rows = (_row(label, classes[label.category]) for label in image.labels)
        yield f"{_LABELS}/{_stem(image.name)}.txt", "".join(rows).encode()


def _stem(name: str) -> str:
    for stem in (name.removesuffix(_USUAL), name):
        if _likely(stem) == name:
            return stem
    raise DataError(
        f"{name}: KITTI calls label files after pictures, and this name has no picture's suffix; rename the image"
    )


def _row(label: Label, name: str) -> str:
    truncated: float = label.truncation
    occluded = label.occlusion
    if name == IGNORED and not truncated and not occluded:
        truncated = occluded = -1
    alpha, *rest = _columns(label.attributes)
    numbers = [truncated, occluded, alpha, *label.box, *rest]
    if label.score is not None:
        numbers.append(label.score)
    return " ".join([_quoted(name), *map(number_text, numbers)]) + "\n"


def _adapt(dataset: Dataset) -> tuple[Dataset, Losses]:
    """Without the attributes that are no columns."""
    losses: Losses = Counter()
    images = []
    for image in dataset.images:
        kept = [_known(_columns(label.attributes)) for label in image.labels]
        for label, attributes in zip(image.labels, kept, strict=True):
            losses[Trait.ATTRIBUTES] += len(label.attributes) - len(attributes)
        pairs = zip(image.labels, kept, strict=True)
        labels = tuple(replace(label, attributes=attributes) for label, attributes in pairs)
        images.append(replace(image, labels=labels))
    return replace(dataset, images=tuple(images)), losses


def _recognise(path: Path) -> bool:
    if path.is_dir() and _folder(path) != path:
        return below(_folder(path), "**/*.txt") is not None
    file = below(path, "*.txt") if path.is_dir() else path
    return file is not None and file.suffix.lower() == ".txt" and _looks_like_it(file)


def _looks_like_it(path: Path) -> bool:
    rows = head(path).splitlines()
    columns = rows[0].split() if rows else []
    return len(columns) in {_COLUMNS, _COLUMNS + 1} and all(
        re.fullmatch(rb"-?\d+(\.\d+)?(e-?\d+)?", column) for column in columns[1:]
    )


FORMAT = Format(
    "kitti",
    "KITTI objects",
    "",
    _HOLDS,
    _recognise,
    read,
    write,
    pictures=_PICTURES,
    ignored=frozenset({IGNORED}),
    adapt=_adapt,
)
