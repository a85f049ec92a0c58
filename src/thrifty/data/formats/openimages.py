"""Open Images (https://storage.googleapis.com/openimages/web/download.html): a CSV file with a row a box.

Coordinates are shares of the image's width and height, of edges, so they become pixels by the size of the picture alone. Some
tools write numbers with a decimal comma; both are read. -1 and nothing mean that nobody knows. `IsGroupOf` boxes are crowds.
An `ImageID` without suffix is a `.jpg`; `LabelName` may be a code, whose name `class-descriptions-boxable.csv` beside the file
tells. `Confidence` is a score where it is not 1, which people's boxes have. Images and classes without boxes have no place.
Datumaro 1.13 reads the data set's own folders, but no file that stands alone, and none with decimal commas.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from thrifty.data.dataset import Category, Dataset, Label, LabelledImage, video_frame
from thrifty.data.formats.file_names import check_names, read_name
from thrifty.data.formats.format import Format, Losses, Trait, Written
from thrifty.data.formats.guard import bad, lines, number
from thrifty.data.formats.recognition import head
from thrifty.data.formats.sizes import Sizes, known_size
from thrifty.data.listing import PICTURES, suffix
from thrifty.errors import DataError

DESCRIPTIONS = "class-descriptions-boxable.csv"

_HOLDS = frozenset(
    {
        Trait.STILLS,
        # Not in the file: boxes make sense with the pictures only, which tell them.
        Trait.SIZES,
        Trait.CROWD,
        Trait.OCCLUSION,
        Trait.TRUNCATION,
        Trait.SCORES,
        Trait.ATTRIBUTES,
        Trait.TYPED_ATTRIBUTES,
    }
)
_COLUMNS = (
    "ImageID",
    "Source",
    "LabelName",
    "Confidence",
    "XMin",
    "XMax",
    "YMin",
    "YMax",
    "IsOccluded",
    "IsTruncated",
    "IsGroupOf",
    "IsDepiction",
    "IsInside",
)
_NEEDED = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")
_MARKS = {"IsDepiction": "depiction", "IsInside": "inside"}
"""Columns that become attributes, as `Source` does."""
_UNKNOWN = frozenset({"", "-1"})
_DRAWN = "1"
"""`Confidence` of a box that people drew; scores are written with a point."""


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read a file of boxes.

    Args:
        path: Of the CSV file.
        sizes: Asked for the size of every image; pictures beside the file come next.

    Raises:
        DataError: It is missing or not of this kind, or the size of an image is not known.
    """
    reader = _Reader(path, sizes, _described(path.parent / DESCRIPTIONS))
    for count, row in _rows(path):
        reader.add(row, f"line {count}")
    return reader.dataset()


def _described(path: Path) -> Mapping[str, str]:
    """Names of classes by their codes."""
    if not path.is_file():
        return {}
    rows = (row for _, row in _cells(path))
    return {row[0]: row[1] for row in rows if len(row) == 2 and row[1]}


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    for count, line in lines(path):
        if not line.strip():
            continue
        try:
            [row] = csv.reader([line], strict=True)
        except (csv.Error, ValueError) as error:
            bad(path, f"line {count} is no row of values ({error})", "correct it")
        yield count, row


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    cells = _cells(path)
    _, names = next(cells, (0, []))
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        bad(path, f"has no column {missing[0]}", "check that it is a file of boxes")
    for count, row in cells:
        if len(row) != len(names):
            bad(path, f"line {count} has {len(row)} values for {len(names)} columns", "correct it")
        yield count, dict(zip(names, row, strict=True))


class _Reader:
    """Gathers rows by image."""

    def __init__(self, path: Path, sizes: Sizes, described: Mapping[str, str]) -> None:
        self._path = path
        self._sizes = sizes
        self._described = described
        self._classes: dict[str, int] = {}
        self._known: dict[str, tuple[int, int]] = {}
        self._drawn: dict[str, list[Label]] = {}

    def dataset(self) -> Dataset:
        images = (
            LabelledImage(name, *self._known[name], labels=tuple(labels))
            for name, labels in self._drawn.items()
        )
        return Dataset(tuple(map(Category, self._classes)), tuple(images))

    def add(self, row: Mapping[str, str], where: str) -> None:
        name = read_name(_with_suffix(row["ImageID"]), self._path, where)
        if name not in self._known:
            folder = self._path.parent
            self._known[name] = self._sizes.need(name, self._path, folder, folder / "images")
        label = self._label(row, where, self._known[name])
        self._drawn.setdefault(name, []).append(label)

    def _label(self, row: Mapping[str, str], where: str, size: tuple[int, int]) -> Label:
        code = row["LabelName"]
        if not code:
            bad(self._path, f"{where} has no LabelName", "name its class")
        name = self._described.get(code, code)
        shares = {key: self._number(row, key, where) for key in _NEEDED[2:]}
        width, height = size
        return Label(
            box=(
                shares["XMin"] * width,
                shares["YMin"] * height,
                shares["XMax"] * width,
                shares["YMax"] * height,
            ),
            category=self._classes.setdefault(name, len(self._classes)),
            crowd=self._mark(row, "IsGroupOf", where),
            occlusion=int(self._mark(row, "IsOccluded", where)),
            truncation=float(self._mark(row, "IsTruncated", where)),
            score=self._score(row, where),
            attributes=self._attributes(row, where),
        )

    def _number(self, row: Mapping[str, str], key: str, where: str) -> float:
        return number(row[key].replace(",", "."), self._path, f"{where}: {key}")

    def _mark(self, row: Mapping[str, str], key: str, where: str) -> bool:
        return row.get(key, "") not in _UNKNOWN and self._number(row, key, where) > 0

    def _score(self, row: Mapping[str, str], where: str) -> float | None:
        if row.get("Confidence", "") in {*_UNKNOWN, _DRAWN}:
            return None
        return self._number(row, "Confidence", where)

    def _attributes(self, row: Mapping[str, str], where: str) -> dict[str, object]:
        found: dict[str, object] = {}
        if row.get("Source"):
            found["source"] = row["Source"]
        for key, name in _MARKS.items():
            if row.get(key, "") not in _UNKNOWN:
                found[name] = self._mark(row, key, where)
        return found


def _with_suffix(name: str) -> str:
    """The picture's name: Open Images leaves out `.jpg`."""
    known = suffix(name) in PICTURES or video_frame(name) is not None
    return name if known or not name else f"{name}.jpg"


def write(dataset: Dataset) -> Written:
    """One CSV file.

    Raises:
        DataError: The size of an image is not known, or its name is none of a file.
    """
    check_names(image.name for image in dataset.images)
    content = io.StringIO()
    table = csv.writer(content, lineterminator="\n")
    table.writerow(_COLUMNS)
    for image in dataset.images:
        size = known_size(image, "Open Images")
        for label in image.labels:
            table.writerow(_row(image.name, label, dataset.categories[label.category].name, size))
    yield "", content.getvalue().encode()


def _row(name: str, label: Label, category: str, size: tuple[int, int]) -> Sequence[object]:
    left, top, right, bottom = label.box
    width, height = size
    return (
        name,
        label.attributes.get("source", ""),
        category,
        _DRAWN if label.score is None else repr(float(label.score)),
        *(repr(side) for side in (left / width, right / width, top / height, bottom / height)),
        int(label.occlusion > 0),
        int(label.truncation > 0),
        int(label.crowd),
        *(_shown(label.attributes.get(key)) for key in _MARKS.values()),
    )


def _shown(mark: object) -> str:
    return "" if mark is None else str(int(bool(mark)))


def _adapt(dataset: Dataset) -> tuple[Dataset, Losses]:
    """Leave out what no column is for, and classes that are named in two lines."""
    losses: Losses = Counter()
    for category in dataset.categories:
        if "\n" in category.name or "\r" in category.name or not category.name:
            raise DataError(
                f"Open Images has no place for a class called {category.name!r}; rename it"
            )
    images = tuple(
        replace(image, labels=tuple(_with_columns(label, losses) for label in image.labels))
        for image in dataset.images
    )
    return replace(dataset, images=images), losses


def _with_columns(label: Label, losses: Losses) -> Label:
    kept = {
        name: value
        for name, value in label.attributes.items()
        if (name in _MARKS.values() and isinstance(value, bool))
        or (name == "source" and isinstance(value, str) and value and value.isprintable())
    }
    losses[Trait.ATTRIBUTES] += len(label.attributes) - len(kept)
    return replace(label, attributes=kept) if len(kept) < len(label.attributes) else label


def _recognise(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and b"ImageID" in head(path)[:_FIRST_LINE]


_FIRST_LINE = 200

FORMAT = Format("openimages", "Open Images", ".csv", _HOLDS, _recognise, read, write, adapt=_adapt)
