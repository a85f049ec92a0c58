"""What people put into the folder `labels/` of a batch: read in whatever format it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from thrifty.data.dataset import Dataset
from thrifty.data.formats.catalogue import read_dataset, recognised
from thrifty.data.formats.cvat_task import read_head
from thrifty.data.formats.guard import bad, unpacked
from thrifty.data.formats.yolo_layout import located
from thrifty.errors import BatchGoneError, DataError, OracleError
from thrifty.oracles.batch_folder import IMAGES, LABELS, told
from thrifty.oracles.gathered import Gathered
from thrifty.oracles.sent_frames import SentFrames
from thrifty.oracles.tool import Asked, Collected
from thrifty.oracles.yolo_labels import answered, label_files, read_label_files

_SUFFIXES = frozenset({".csv", ".json", ".mat", ".vbb", ".xml", ".zip"})
"""Of files that are annotations on their own, or hold some."""

_WHOLE: Mapping[str, tuple[str, ...]] = {
    "caltech": ("*.vbb",),
    "kitti": ("*.txt",),
    "mot": ("gt.txt",),
    "yolo": ("*.txt", "*.yaml", "*.yml", "*.data"),
}
"""Formats whose files say too little without the folder that they lie in, and what these files are called."""

_SINGLE: Mapping[str, str] = {"bdd100k-frames": ".json", "labelme": ".json", "voc": ".xml"}
"""Formats that have a file an image, by which a folder of them is known, and the suffix of all of its files."""


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
    for source in sorted(_sources(labels, frames), key=_written):
        path = source.path
        if path.suffix.lower() == ".zip":
            with _named(path), unpacked(path) as inner:
                for part in _sources(inner, frames):
                    with _named(path, inner):
                        yield path, _read(part, inner, frames)
                    none = False
        else:
            with _named(path):
                yield path, _read(source, labels, frames)
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


@dataclass(frozen=True, slots=True)
class _Source:
    """What is read at once.

    Attributes:
        path: A file or a folder.
        form: A key of `FORMATS`; `None` for a folder of YOLO's label files alone, and for a file whose format is not known.
        files: What it consists of.
    """

    path: Path
    form: str | None
    files: Sequence[Path]


@dataclass(frozen=True, slots=True)
class _Above:
    """What the folders are that something lies in.

    Attributes:
        known: Whether one is of a known format. Files of no known one beside its own are let alone then.
        forms: Of files that do not show theirs, by their suffix.
        taken: Files that belong to a source already.
    """

    known: bool = False
    forms: Mapping[str, str] = field(default_factory=dict)
    taken: frozenset[Path] = frozenset()


_NOTHING = _Above()


def _sources(place: Path, frames: SentFrames, above: _Above = _NOTHING) -> Iterator[_Source]:
    """Files and folders that are annotations, or archives of some; no file is in two of them."""
    if place.is_file():
        yield from _file(place, above)
        return
    found = [entry.name for entry in recognised(place)]
    known, taken = above.known or bool(found), above.taken
    for source in _folders(place, found, frames):
        known = True
        if not taken.issuperset(source.files):
            taken = taken.union(source.files)
            yield source
    forms = {_SINGLE[name]: name for name in reversed(found) if name in _SINGLE}
    below = _Above(known, {**above.forms, **forms}, taken)
    for child in sorted(place.iterdir(), key=lambda path: (path.stat().st_mtime_ns, path.name)):
        if not child.name.startswith("."):
            yield from _sources(child, frames, below)


def _file(path: Path, above: _Above) -> Iterator[_Source]:
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES or path in above.taken:
        return
    found = [entry.name for entry in recognised(path)]
    form = found[0] if found else above.forms.get(suffix)
    if form or suffix == ".zip" or not above.known:
        yield _Source(path, form, [path])


def _folders(place: Path, found: Sequence[str], frames: SentFrames) -> Iterator[_Source]:
    """What a folder is as a whole."""
    if files := label_files(place, frames):
        yield _Source(place, None, files)
        return
    for form in found:
        if form in _WHOLE:
            yield _Source(place, form, list(_files(place, _WHOLE[form])))


def _files(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    """Files of a data set, without those of YOLO's sets in the folders below, which describe themselves."""
    for path in folder.iterdir():
        if path.is_dir():
            if located(path) is None:
                yield from _files(path, patterns)
        elif any(map(path.match, patterns)):
            yield path


def _written(source: _Source) -> tuple[int, str]:
    """When a source was written last: writing a file anew does not touch the folder that it is in."""
    return max(path.stat().st_mtime_ns for path in source.files), str(source.path)


def _read(source: _Source, root: Path, frames: SentFrames) -> Dataset:
    if source.form is None and source.path.is_dir():
        return read_label_files(source.files, root, frames)
    dataset = read_dataset(source.path, source.form, frames.sizes, checked=False)
    if source.form == "yolo":
        named = answered(source.path)
        return replace(
            dataset, images=tuple(image for image in dataset.images if image.name in named)
        )
    return _placed(dataset, source.path, frames) if source.form == "cvat-video" else dataset


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
