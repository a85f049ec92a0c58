"""Open Images boxes (https://storage.googleapis.com/openimages/web/download_v7.html): a CSV file with a line a box.

`XMin`, `XMax`, `YMin`, `YMax` are shares of the picture's sides, with a point, or with a comma as some exports have it. Marks
are 1, 0, or -1 or nothing where nobody knows, which is read as 0. `IsGroupOf` marks a crowd; `IsDepiction`, `IsInside` and
`Source` are attributes. A `LabelName` such as `/m/01g317` is replaced by its name in a `*class-descriptions*.csv` beside. To an
`ImageID` without a suffix `.jpg` is added, and taken away from names of 16 hexadecimal digits, as Open Images has them.

`Confidence` is the score, but for boxes from people (`Source` is `xclick`, `activemil` or `freeform`), where Open Images writes 1
and means nothing by it. A box without a score is written with a `Confidence` of 1 if people drew it, else with none.

Datumaro 1.13 reads no such file without a list of classes beside it, leaves classes called `/m/...`, drops `Source` and the boxes
of pictures that are not at hand, and cannot read commas or marks that are left empty.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from thrifty.data.dataset import Attributes, Category, Dataset, Label, LabelledImage
from thrifty.data.formats.file_names import check_names, read_name
from thrifty.data.formats.format import Format, Losses, Trait, Written
from thrifty.data.formats.guard import bad, lines, number
from thrifty.data.formats.recognition import head
from thrifty.data.formats.sizes import Sizes, known_size
from thrifty.data.formats.texts import number_text
from thrifty.errors import DataError

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
_NEEDED = frozenset({"ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax"})
_MARKS = ("IsDepiction", "IsInside")
_PEOPLE = frozenset({"xclick", "activemil", "freeform"})
_SUFFIX = ".jpg"
_ID = re.compile(r"[0-9a-f]{16}\.jpg")

_HOLDS = frozenset(
    {
        Trait.STILLS,
        # Boxes are shares of the size: nobody can read or write them without.
        Trait.SIZES,
        Trait.CROWD,
        Trait.OCCLUSION,
        Trait.TRUNCATION,
        Trait.SCORES,
        Trait.ATTRIBUTES,
        Trait.TYPED_ATTRIBUTES,
    }
)

Row = Mapping[str, str]


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read Open Images boxes.

    Args:
        path: The CSV file.
        sizes: Asked for the size of each image; pictures beside the file, or in `images` there, come next.

    Raises:
        DataError: It is missing or not of this kind, or an image's size is not known.
    """
    unread: Counter[str] = Counter()
    titles = _descriptions(path.parent)
    names: dict[str, int] = {}
    shared: dict[tuple[str, ...], Attributes] = {}
    images: dict[str, LabelledImage] = {}
    drawn: dict[str, list[Label]] = {}
    for count, row in _rows(path, unread):
        where = f"line {count}"
        name = row["ImageID"]
        if name not in images:
            images[name] = _image(name, path, where, sizes)
            drawn[name] = []
        title = titles.get(row["LabelName"], row["LabelName"])
        if not title:
            bad(path, f"{where} has no LabelName", "name its class")
        label = _label(row, images[name], names.setdefault(title, len(names)), path, where)
        key = tuple(row.get(column, "") for column in ("Source", *_MARKS))
        if key not in shared:
            shared[key] = _attributes(row, path, where)
        drawn[name].append(replace(label, attributes=shared[key]))
    return Dataset(
        tuple(map(Category, names)),
        tuple(replace(image, labels=tuple(drawn[name])) for name, image in images.items()),
        dict(unread),
    )


def _table(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV file, each with the number of its last line."""
    reader = csv.reader(f"{line}\n" for _, line in lines(path))
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        bad(path, f"line {reader.line_num}: is no CSV ({error})", "correct it")


def _rows(path: Path, unread: Counter[str]) -> Iterator[tuple[int, Row]]:
    table = _table(path)
    _, header = next(table, (0, []))
    missing = _NEEDED - set(header)
    if missing:
        bad(path, f"has no column {min(missing)}", "check that it is Open Images' file of boxes")
    others = [column for column in header if column not in _COLUMNS]
    for count, values in table:
        if len(values) != len(header):
            bad(path, f"line {count}: has {len(values)} columns, not {len(header)}", "correct it")
        row = dict(zip(header, values, strict=True))
        for column in others:
            if row[column].strip() not in {"", "-1"}:
                unread[f"values of column {column!r}"] += 1
        yield count, row


def _descriptions(folder: Path) -> Mapping[str, str]:
    """Names of classes by their machine names, as far as files say them."""
    titles: dict[str, str] = {}
    for path in sorted(folder.glob("*class-descriptions*.csv")):
        for count, row in _table(path):
            if len(row) != 2:
                bad(path, f"line {count}: has {len(row)} columns instead of 2", "correct it")
            titles[row[0]] = row[1]
    return titles


def _image(given: str, path: Path, where: str, sizes: Sizes) -> LabelledImage:
    name = read_name(given, path, where)
    if not PurePosixPath(name).suffix:
        name += _SUFFIX
    folders = (path.parent, path.parent / "images")
    return LabelledImage(name, *sizes.need(name, f"{path}: {where}", *folders))


def _label(row: Row, image: LabelledImage, category: int, path: Path, where: str) -> Label:
    width, height = known_size(image, "Open Images")
    left, right, top, bottom = (
        _number(row[column], path, f"{where}: {column}")
        for column in ("XMin", "XMax", "YMin", "YMax")
    )
    occluded, truncated, grouped = (
        _is_marked(row, column, path, where)
        for column in ("IsOccluded", "IsTruncated", "IsGroupOf")
    )
    return Label(
        box=(left * width, top * height, right * width, bottom * height),
        category=category,
        crowd=grouped,
        occlusion=int(occluded),
        truncation=float(truncated),
        score=_score(row, path, where),
    )


def _number(text: str, path: Path, where: str) -> float:
    return number(text.replace(",", ".", 1), path, where)


def _mark(row: Row, column: str, path: Path, where: str) -> bool | None:
    text = row.get(column, "").strip().removesuffix(".0")
    if text not in {"", "-1", "0", "1"}:
        bad(path, f"{where}: {column} is {text[:20]!r}, neither 1, 0 nor -1", "correct it")
    return {"0": False, "1": True}.get(text)


def _is_marked(row: Row, column: str, path: Path, where: str) -> bool:
    return _mark(row, column, path, where) is True


def _score(row: Row, path: Path, where: str) -> float | None:
    text = row.get("Confidence", "").strip()
    if text in {"", "-1"}:
        return None
    score = _number(text, path, f"{where}: Confidence")
    if not math.isfinite(score):
        bad(path, f"{where}: Confidence is no finite number", "correct it")
    return None if score == 1 and row.get("Source") in _PEOPLE else score


def _attributes(row: Row, path: Path, where: str) -> Attributes:
    source = {"Source": row["Source"]} if row.get("Source") else {}
    marks = {column: _mark(row, column, path, where) for column in _MARKS}
    return source | {column: mark for column, mark in marks.items() if mark is not None}


def write(dataset: Dataset) -> Written:
    """One CSV file.

    Raises:
        DataError: The size of an image is not known, or its name has no suffix.
    """
    check_names(image.name for image in dataset.images)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for image in dataset.images:
        if not PurePosixPath(image.name).suffix:
            raise DataError(
                f"{image.name}: Open Images takes a name without a suffix for that of a {_SUFFIX} picture; rename it"
            )
        for label in image.labels:
            writer.writerow(_row(label, image, dataset.categories[label.category].name))
    yield "", buffer.getvalue().encode()


def _row(label: Label, image: LabelledImage, name: str) -> Sequence[object]:
    if not name or "\r" in name:
        raise DataError(f"Open Images has no place for a class called {name!r}; rename it")
    width, height = known_size(image, "Open Images")
    left, top, right, bottom = label.box
    source = label.attributes.get("Source", "")
    unscored = "1" if source in _PEOPLE else ""
    marks = (label.occlusion > 0, label.truncation > 0, label.crowd)
    return (
        image.name.removesuffix(_SUFFIX) if _ID.fullmatch(image.name) else image.name,
        source,
        name,
        unscored if label.score is None else number_text(label.score),
        *(repr(float(value)) for value in (left / width, right / width)),
        *(repr(float(value)) for value in (top / height, bottom / height)),
        *map(int, marks),
        *(_mark_text(label.attributes.get(column)) for column in _MARKS),
    )


def _mark_text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else "-1"


def _adapt(dataset: Dataset) -> tuple[Dataset, Losses]:
    """Without the attributes that are no columns, and scores of 1 on what people drew."""
    losses: Losses = Counter()
    images = (
        replace(image, labels=tuple(_adapted(label, losses) for label in image.labels))
        for image in dataset.images
    )
    return replace(dataset, images=tuple(images)), losses


def _adapted(label: Label, losses: Losses) -> Label:
    kept = {name: value for name, value in label.attributes.items() if _has_place(name, value)}
    losses[Trait.ATTRIBUTES] += len(label.attributes) - len(kept)
    score = None if label.score == 1 and kept.get("Source") in _PEOPLE else label.score
    losses[Trait.SCORES] += score != label.score
    return replace(label, attributes=kept, score=score)


def _has_place(name: str, value: object) -> bool:
    if name == "Source":
        return isinstance(value, str) and value != "" and "\r" not in value
    return name in _MARKS and isinstance(value, bool)


def _recognise(path: Path) -> bool:
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    first = head(path).split(b"\n", 1)[0]
    return all(column.encode() in first for column in _NEEDED)


FORMAT = Format("openimages", "Open Images", ".csv", _HOLDS, _recognise, read, write, adapt=_adapt)
