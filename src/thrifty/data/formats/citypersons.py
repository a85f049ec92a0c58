"""CityPersons annotations (`anno_train.mat`, `anno_val.mat`): MATLAB files, one entry an image of Cityscapes.

An entry holds the city, the picture's name, and a row a person: class, left, top, width, height, number of the instance,
and left, top, width, height of the visible part. Pixels, 0-based: the benchmark's own JSON gives the same numbers. The
classes are fixed; 0 is an ignore region, 5 a group. Rows of unsigned integers wrap around when subtracted, so they
become float64 first. Datumaro does not know the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from thrifty.data.dataset import Category, Corners, Dataset, Label, LabelledImage
from thrifty.data.formats.format import Format, Trait, Written
from thrifty.data.formats.guard import bad
from thrifty.data.formats.matlab import Cells, Value, read_mat, write_mat
from thrifty.data.formats.recognition import head
from thrifty.data.formats.sizes import Sizes
from thrifty.errors import DataError
from thrifty.types import FloatArray

WIDTH, HEIGHT = 2048, 1024

CLASSES = (
    "ignore region",
    "pedestrian",
    "rider",
    "sitting person",
    "other person",
    "people group",
)
"""By their number."""

_IGNORED, _GROUP = 0, 5
_COLUMNS = 10
_HOLDS = frozenset(
    {
        Trait.NAMES,
        Trait.STILLS,
        Trait.EMPTY_IMAGES,
        Trait.EMPTY_CATEGORIES,
        Trait.LABEL_IDS,
        Trait.REPEATED_LABEL_IDS,
        Trait.VISIBLE,
    }
)


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read a CityPersons file.

    Args:
        path: Of the `.mat` file.
        sizes: Asked first; images are 2048 x 1024 otherwise.

    Raises:
        DataError: It is missing or not of this kind.
    """
    images = tuple(
        _image(entry, f"image {number}", path, sizes) for number, entry in enumerate(_entries(path))
    )
    return Dataset(tuple(map(Category, CLASSES)), images)


def _entries(path: Path) -> Iterator[Mapping[str, Value]]:
    variables = [value for name, value in read_mat(path).items() if name.startswith("anno_")]
    if len(variables) != 1:
        bad(path, "holds no variable whose name begins with anno_", "check that it is CityPersons'")
    [value] = variables
    for number, entry in enumerate(value.items if isinstance(value, Cells) else [value]):
        if not isinstance(entry, Mapping):
            bad(path, f"image {number} is no structure", "check that it is CityPersons'")
        yield entry


def _image(entry: Mapping[str, Value], where: str, path: Path, sizes: Sizes) -> LabelledImage:
    name, rows = entry.get("im_name"), entry.get("bbs")
    if not isinstance(name, str) or not name:
        bad(path, f"{where} has no im_name")
    where = f"{where} ({name})"
    if not isinstance(rows, np.ndarray) or (rows.size and rows.ndim != 2):
        bad(path, f"{where} has no table bbs")
    if rows.size and rows.shape[1] != _COLUMNS:
        bad(path, f"{where}: bbs has {rows.shape[1]} columns instead of {_COLUMNS}")
    table = rows.astype(np.float64).reshape(-1, _COLUMNS)
    if not np.isin(table[:, 0], range(len(CLASSES))).all():
        bad(path, f"{where}: a class is none of 0 to {len(CLASSES) - 1}")
    width, height = sizes.of(name) or (WIDTH, HEIGHT)
    return LabelledImage(name, width, height, tuple(_label(row) for row in table))


def _label(row: FloatArray) -> Label:
    kind, left, top, width, height, instance, *visible = row.tolist()
    known = np.isfinite(instance) and instance != 0
    return Label(
        box=(left, top, left + width, top + height),
        category=int(kind),
        id=int(instance) if known else None,
        ignore=kind == _IGNORED,
        crowd=kind == _GROUP,
        visible=_visible(visible),
    )


def _visible(part: Sequence[float]) -> Corners | None:
    """The box of the visible part, where one is given: nothing is visible of what has no extent."""
    left, top, width, height = part
    return (left, top, left + width, top + height) if any(part) else None


def write(dataset: Dataset) -> Written:
    """One file with the variable `anno_train_aligned`.

    Raises:
        DataError: A class is none of CityPersons', or an id is no number.
    """
    unknown = sorted({entry.name for entry in dataset.categories} - set(CLASSES))
    if unknown:
        raise DataError(
            f"CityPersons has no class {unknown[0]!r}, only {', '.join(CLASSES)}; rename or leave out the classes, or choose "
            "another format"
        )
    numbers = [CLASSES.index(entry.name) for entry in dataset.categories]
    entries = np.empty((1, len(dataset.images)), dtype=object)
    for place, image in enumerate(dataset.images):
        entries[0, place] = {
            "cityname": image.name.rsplit("/", 1)[-1].split("_", 1)[0],
            "im_name": image.name,
            "bbs": np.array(
                [_row(label, numbers) for label in image.labels], dtype=np.float64
            ).reshape(-1, _COLUMNS),
        }
    yield "", write_mat({"anno_train_aligned": entries})


def _row(label: Label, numbers: Sequence[int]) -> tuple[float, ...]:
    if isinstance(label.id, str):
        raise DataError(f"CityPersons numbers its boxes, {label.id!r} is no number; drop the ids")
    visible = _sides(label.visible) if label.visible is not None else (0.0, 0.0, 0.0, 0.0)
    return (numbers[label.category], *_sides(label.box), label.id or 0, *visible)


def _sides(box: Corners) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    return left, top, right - left, bottom - top


def _recognise(path: Path) -> bool:
    return path.suffix.lower() == ".mat" and path.is_file() and head(path).startswith(b"MATLAB 5.0")


FORMAT = Format(
    "citypersons",
    "CityPersons",
    ".mat",
    _HOLDS,
    _recognise,
    read,
    write,
    size=(WIDTH, HEIGHT),
    ignored=frozenset({CLASSES[_IGNORED]}),
    crowds=frozenset({CLASSES[_GROUP]}),
)
