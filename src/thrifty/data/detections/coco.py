"""COCO results (https://cocodataset.org/#format-results): a list of boxes, each with image, category and score."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from msgspec import Struct

from thrifty.data.dataset import Dataset, Identifier
from thrifty.data.detections.boxes import detections
from thrifty.data.formats.guard import bad, read_json
from thrifty.data.formats.recognition import head
from thrifty.types import Detections


class _Entry(Struct, gc=False):
    """Other keys, such as masks, are passed over."""

    image_id: Identifier
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float


def recognise(path: Path) -> bool:
    """Whether a file may hold results."""
    return path.suffix.lower() == ".json" and path.is_file()


def read(path: Path, truth: Dataset) -> list[Detections]:
    """Detections of each image, in the order of the images.

    An image is meant by its id; where it has none, by its name, its file's name, or that without suffix, as a number where
    it is one. Categories without ids count from 1.

    Raises:
        DataError: The file is none of COCO results, or names an image or a category that is not there.
    """
    start = head(path).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{"):
        bad(
            path,
            "is no list of results",
            "give a list of {image_id, category_id, bbox, score}; labels go to --truth",
        )
    entries = read_json(path, list[_Entry])
    images = _images(truth)
    classes = _classes(truth)
    rows: dict[int, list[tuple[float, ...]]] = defaultdict(list)
    kinds: dict[int, list[int]] = defaultdict(list)
    for number, entry in enumerate(entries):
        image = images.get(entry.image_id)
        if image is None:
            bad(
                path,
                f"result {number} is of image {entry.image_id!r}, which the labels do not hold",
                "check that both files are of the same images",
            )
        kind = classes.get(entry.category_id)
        if kind is None:
            known = ", ".join(map(str, classes))
            bad(
                path,
                f"result {number} is of category {entry.category_id}, and the labels hold {known or 'none'}",
                "check that both files number their categories alike",
            )
        rows[image].append((*entry.bbox, entry.score))
        kinds[image].append(kind)
    del entries
    found = []
    for number, shown in enumerate(truth.images):
        table = np.array(rows.pop(number, []), dtype=np.float64).reshape(-1, 5)
        where = f"results of image {shown.name}"
        found.append(detections(path, where, table, np.array(kinds.pop(number, []), np.int64)))
    return found


def _images(truth: Dataset) -> dict[Identifier, int]:
    """Number of the image that an id means."""
    known: dict[Identifier, int] = {}
    for number, image in enumerate(truth.images):
        if image.id is not None:
            known[image.id] = number
            continue
        file = image.name.rsplit("/", 1)[-1]
        stem = file.rsplit(".", 1)[0]
        names: list[Identifier] = [image.name, file, stem]
        if stem.isdecimal():
            names.append(int(stem))
        for name in names:
            known.setdefault(name, number)
    return known


def _classes(truth: Dataset) -> dict[int, int]:
    """Index of the category that an id means."""
    ids = [category.id for category in truth.categories]
    if all(key is None for key in ids):
        return {number + 1: number for number in range(len(ids))}
    return {key: number for number, key in enumerate(ids) if key is not None}
