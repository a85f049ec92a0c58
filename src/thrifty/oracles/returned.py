"""What people put into the folder `labels/` of a batch: read in whatever format it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from thrifty.data.dataset import Dataset
from thrifty.data.formats import cvat
from thrifty.data.formats.catalogue import read_dataset, recognised
from thrifty.data.formats.cvat_task import read_head
from thrifty.data.formats.guard import bad, unpacked
from thrifty.errors import BatchGoneError, DataError, OracleError
from thrifty.oracles.batch_folder import IMAGES, LABELS, told
from thrifty.oracles.gathered import Gathered
from thrifty.oracles.sent_frames import SentFrames
from thrifty.oracles.tool import Asked, Collected
from thrifty.oracles.yolo_labels import answered, label_files, read_label_files

_SUFFIXES = frozenset({".csv", ".json", ".mat", ".vbb", ".xml", ".zip"})
"""Of files that are annotations on their own, or hold some."""


def collect_folder(folder: Path, asked: Asked, frames: SentFrames) -> Collected:
    """What people have drawn so far: a frame that an export names is answered, without boxes too.

    Where several exports name a frame, the one that was written last counts; within one, archives included, what comes last.

    Args:
        folder: Of the batch.
        asked: The batch.
        frames: Finds its frames by the names of images.

    Raises:
        BatchGoneError: The folder is gone.
        OracleError: What lies in `labels/` cannot be read, or is of pictures of another size.
    """
    if not (folder / IMAGES).is_dir():
        raise BatchGoneError(f"{folder}: the batch is gone; put the folder back")
    gathered = Gathered(asked, frames)
    with told(folder):
        for path, dataset in _exports(folder / LABELS, frames):
            gathered.add(dataset, path)
    return gathered.collected()


def _exports(labels: Path, frames: SentFrames) -> Iterator[tuple[Path, Dataset]]:
    """All that can be read, the oldest first."""
    if not labels.is_dir():
        return
    none = True
    for path in sorted(_sources(labels, frames), key=_written):
        if path.suffix.lower() == ".zip":
            with _named(path), unpacked(path) as inner:
                for place in _sources(inner, frames):
                    with _named(path, inner):
                        yield path, _read(place, frames)
                    none = False
        else:
            with _named(path):
                yield path, _read(path, frames)
            none = False
    if none and any(not path.name.startswith(".") for path in labels.iterdir()):
        raise OracleError(
            f"{labels}: holds no annotations of a known format; put there what the tool exports"
        )


@contextmanager
def _named(path: Path, inner: Path | None = None) -> Iterator[None]:
    """What cannot be read, as the error of an oracle, naming the file that people know."""
    try:
        yield
    except DataError as error:
        text = str(error) if inner is None else str(error).replace(str(inner), str(path))
        raise OracleError(text) from error


def _sources(place: Path, frames: SentFrames) -> Iterator[Path]:
    """Files and folders that are annotations, or archives of some."""
    if place.is_file():
        if place.suffix.lower() in _SUFFIXES:
            yield place
    elif label_files(place, frames) or recognised(place):
        yield place
    else:
        for child in sorted(place.iterdir(), key=lambda path: (path.stat().st_mtime_ns, path.name)):
            if not child.name.startswith("."):
                yield from _sources(child, frames)


def _written(path: Path) -> tuple[int, str]:
    """When a source was written last: writing a file anew does not touch the folder that it is in."""
    files = [one for one in (path, *path.rglob("[!.]*")) if one.is_file()]
    return max((one.stat().st_mtime_ns for one in files), default=0), str(path)


def _read(path: Path, frames: SentFrames) -> Dataset:
    if path.is_dir() and (files := label_files(path, frames)):
        return read_label_files(path, files, frames)
    found = recognised(path)
    dataset = read_dataset(path, sizes=frames.sizes, checked=False)
    if found and found[0].name == "yolo":
        named = answered(path)
        images = (image for image in dataset.images if image.name in named)
        dataset = replace(dataset, images=tuple(images))
    if found and found[0].name == "cvat-video":
        return _placed(dataset, cvat.located(path), frames)
    return dataset


def _placed(dataset: Dataset, path: Path, frames: SentFrames) -> Dataset:
    """CVAT's frames, which it numbers, under the names of the batch's pictures where they are pictures.

    Raises:
        DataError: They are of a video that the file does not name, so that nobody can tell which.
    """
    task = read_head(path)
    if task.pictures:
        images = (
            replace(image, name=frames.numbered(image.frame or 0) or image.name)
            for image in dataset.images
        )
        return replace(dataset, images=tuple(images))
    if dataset.images and not task.named:
        bad(path, "does not name its video, as exports of jobs do not", "export the task")
    return dataset
