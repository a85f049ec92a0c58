"""YOLO's label files as tools leave them: one for each frame that is finished, often without the rest of a data set."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from thrifty.data.dataset import Category, Dataset, LabelledImage
from thrifty.data.formats.catalogue import read_dataset, write_dataset
from thrifty.data.formats.guard import lines, read_small
from thrifty.data.formats.yolo_layout import LABELS, image_name, located, read_layout
from thrifty.errors import DataError
from thrifty.oracles.sent_frames import SentFrames

_CLASSES = "classes.txt"


def answered(path: Path) -> set[str]:
    """Names of the images of a YOLO data set that have a label file; a picture without one has not been looked at.

    Raises:
        DataError: As `read_layout`.
    """
    layout = read_layout(path)
    pictures = layout.pictures(Counter())
    return {image_name(name) for name in pictures if layout.places.label_file(name) is not None}


def label_files(folder: Path, frames: SentFrames) -> Sequence[Path]:
    """Label files of sent frames that lie in a folder, or in its `labels`, and are no part of a described data set."""
    if located(folder) is not None:
        return []
    for place in (folder, folder / LABELS):
        files = sorted(path for path in place.glob("*.txt") if frames.find(path.name) is not None)
        if files:
            return files
    return []


def read_label_files(files: Sequence[Path], root: Path, frames: SentFrames) -> Dataset:
    """Read label files of one folder.

    Args:
        files: At least one.
        root: Folder of the whole export. Classes are numbered as the nearest `classes.txt` lists them, beside the files or in a
            folder above up to this one; else as the project does.
        frames: Tells sizes and the project's classes.

    Raises:
        DataError: A file is not of this kind.
    """
    classes = _listed(files[0].parent, root) or frames.classes
    images = tuple(LabelledImage(f"{path.stem}.png") for path in files)
    with tempfile.TemporaryDirectory(prefix="thrifty-") as aside:
        place = Path(aside) / "set"
        write_dataset(Dataset(tuple(map(Category, classes)), images), place, "yolo")
        for path in files:
            (place / LABELS / path.name).write_bytes(read_small(path))
        try:
            return read_dataset(place, "yolo", frames.sizes, checked=False)
        except DataError as error:
            raise DataError(str(error).replace(str(place / LABELS), str(files[0].parent))) from None


def _listed(folder: Path, root: Path) -> tuple[str, ...]:
    for place in (folder, *folder.parents):
        if (place / _CLASSES).is_file():
            return tuple(line.strip() for _, line in lines(place / _CLASSES) if line.strip())
        if place == root:
            break
    return ()
