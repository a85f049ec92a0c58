"""From a recipe's source to frames and the labels that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from thrifty.config import FilesSource, StreetSource
from thrifty.data.clip import VideoIndex
from thrifty.data.dataset import Category, Dataset, LabelledImage, video_frame
from thrifty.data.filters import apply
from thrifty.data.formats.catalogue import read_dataset
from thrifty.data.formats.sizes import Sizes, known_size
from thrifty.data.frames import FrameSet, in_time_order
from thrifty.data.rendered import open_street
from thrifty.data.stills import StillReader, content_hash
from thrifty.data.video import VideoReader, index_video
from thrifty.errors import DataError
from thrifty.types import Annotations, Record

Labels = dict[str, Annotations]
"""What was drawn on each frame, by record id."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A source that has been read.

    Attributes:
        frames: The frames, without labels.
        labels: The labels, by record id; hand them to an oracle or to training, never to a strategy.
        duplicates: Files left out because an earlier one has the same content: the file, and the one kept.
    """

    frames: FrameSet
    labels: Labels
    duplicates: tuple[tuple[str, str], ...] = ()


STREET_CLASS = "person"
"""What the rendered street shows."""


def open_source(
    source: FilesSource | StreetSource, root: Path | None, classes: Sequence[str] = ()
) -> Opened:
    """Open a source of a recipe.

    Args:
        source: From the recipe.
        root: The data folder; only the rendered street does without.
        classes: Names of the classes to tell apart, by which the labels are numbered; if left out they keep the numbers
            they have in their file.

    Raises:
        DataError: Anything about the files that makes the set unusable; single pictures that cannot be decoded
            are found when they are read.
    """
    if isinstance(source, StreetSource):
        _check_known({STREET_CLASS}, classes, "the rendered street")
        frames, labels = open_street(source)
        if classes:
            person = list(classes).index(STREET_CLASS)
            labels = {
                key: replace(drawn, classes=np.full(len(drawn), person))
                for key, drawn in labels.items()
            }
        return Opened(frames, _with_min_height(labels, source.min_height))
    annotations, folder = _places(source, root)
    dataset = apply(source.filter, select(source, root), str(annotations))
    if classes:
        dataset = _numbered(dataset, classes, str(annotations))
    return _open_files(dataset.images, folder, source)


def _check_known(names: set[str], classes: Sequence[str], where: str) -> None:
    unknown = sorted(names - set(classes))
    if classes and unknown:
        raise DataError(
            f"{where}: holds objects of class {unknown[0]!r}, which the recipe's detector does not tell apart "
            f"({', '.join(classes)}); add it to 'classes' of the detector, or leave it out of those of the set's filter"
        )


def _numbered(dataset: Dataset, classes: Sequence[str], where: str) -> Dataset:
    """The same labels, their classes numbered by a list of names; ignore regions belong to all classes."""
    names = [category.name for category in dataset.categories]
    counted = {
        names[label.category] for image in dataset.images for label in image.labels if label.counts
    }
    _check_known(counted, classes, where)
    places = [classes.index(name) if name in classes else 0 for name in names]
    images = (
        replace(
            image,
            labels=tuple(replace(label, category=places[label.category]) for label in image.labels),
        )
        for image in dataset.images
    )
    return replace(
        dataset, categories=tuple(Category(name) for name in classes), images=tuple(images)
    )


def _places(source: FilesSource, root: Path | None) -> tuple[Path, Path]:
    """Where the annotations lie, and the pictures."""
    if root is None:
        raise DataError(
            f"{source.annotations}: no data folder given; pass --data DIR or set THRIFTY_DATA"
        )
    annotations = root / source.annotations
    if not annotations.exists():
        raise DataError(
            f"{annotations}: no such file; check the path, and for a recipe the folder that --data or THRIFTY_DATA names"
        )
    if source.images is not None:
        return annotations, root / source.images
    return annotations, annotations if annotations.is_dir() else annotations.parent


def select(source: FilesSource, root: Path | None, *, checked: bool = True) -> Dataset:
    """The frames of a source with all of their labels, as `read_dataset` reads them.

    Raises:
        DataError: The annotations cannot be read, or nothing is left under the source's `videos` and `frames`.
    """
    annotations, folder = _places(source, root)
    dataset = read_dataset(annotations, source.format, Sizes(folder), checked=checked)
    entries = dataset.images if source.list is None else _listed(dataset, source.list, root)
    images = tuple(_select(entries, source))
    if not images:
        raise DataError(
            f"{annotations}: no frame is left under the recipe's 'videos' and 'frames'; widen them"
        )
    return Dataset(dataset.categories, images, dataset.unread)


def _said(drawn: Annotations) -> list[tuple[object, ...]]:
    """What is drawn, in whatever order."""
    columns = (drawn.boxes.tolist(), drawn.classes.tolist(), drawn.ignore.tolist())
    return sorted((*box, kind, ignore) for box, kind, ignore in zip(*columns, strict=True))


def _listed(dataset: Dataset, name: str, root: Path | None) -> tuple[LabelledImage, ...]:
    """The images that a list names, in their own order."""
    path = (root or Path()) / name
    if not path.is_file():
        raise DataError(f"{path}: no such file; correct the recipe's 'list'")
    wanted = {line.strip() for line in path.read_text(encoding="utf-8").split("\n")} - {""}
    images = tuple(
        image for image in dataset.images if not wanted.isdisjoint(_names_of(image.name))
    )
    unknown = wanted - {known for image in images for known in _names_of(image.name)}
    if unknown:
        raise DataError(
            f"{path}: names {min(unknown)!r}, which the annotations do not hold; correct the list, or the recipe's 'list'"
        )
    return images


def _names_of(name: str) -> set[str]:
    """What a list may call an image: its path, or its file, with and without suffix."""
    file = name.rsplit("/", 1)[-1]
    return {name, file, name.rsplit(".", 1)[0], file.rsplit(".", 1)[0]}


def picture_folder(source: FilesSource, root: Path | None) -> Path:
    """What the names of a source's images are relative to.

    Raises:
        DataError: As `select`.
    """
    return _places(source, root)[1]


def _select(entries: Sequence[LabelledImage], source: FilesSource) -> list[LabelledImage]:
    if source.videos is not None:
        unknown = set(source.videos) - {entry.video for entry in entries}
        if unknown:
            raise DataError(
                f"{source.annotations}: has no frames of video {sorted(unknown)}; check the recipe's 'videos'"
            )
        entries = [entry for entry in entries if entry.video in source.videos]
    if source.frames is not None:
        first, last = source.frames
        entries = [
            entry for entry in entries if entry.frame is not None and first <= entry.frame <= last
        ]
    stills = [entry for entry in entries if entry.video is None]
    kept = list(stills[:: source.every])
    for video in sorted({entry.video for entry in entries if entry.video is not None}):
        ordered = sorted(
            (entry for entry in entries if entry.video == video), key=lambda entry: entry.frame or 0
        )
        first = ordered[0].frame or 0
        kept += [entry for entry in ordered if ((entry.frame or 0) - first) % source.every == 0]
    return kept


def _open_files(entries: Sequence[LabelledImage], folder: Path, source: FilesSource) -> Opened:
    frames_of = {entry.name: _frame_of(entry, folder) for entry in entries}
    files = sorted({frame[0] if frame else name for name, frame in frames_of.items()})
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder / missing[0]}: no such file ({len(missing)} of {len(files)} files that {source.annotations} names "
            "are missing); restore them or correct the recipe's 'images'"
        )
    are_frames = {frame is not None for frame in frames_of.values()}
    if are_frames == {True, False}:
        raise DataError(
            f"{source.annotations}: mixes stills and frames of video files; split it into two files"
        )
    records: dict[str, Record] = {}
    labels: Labels = {}
    duplicates: list[tuple[str, str]] = []
    indices = {name: index_video(folder / name) for name in files} if True in are_frames else {}
    for entry in entries:
        record = (
            _video_record(entry, indices, folder, source)
            if indices
            else _still_record(entry, folder, source)
        )
        if record.id in records:
            _check_same(entry, labels[record.id], records[record.id], source)
            duplicates.append((record.source, records[record.id].source))
            continue
        records[record.id] = record
        labels[record.id] = entry.annotations()
    reader = VideoReader(folder, indices) if indices else StillReader(folder)
    frames = FrameSet(in_time_order(list(records.values())), reader, source.scale)
    return Opened(frames, labels, tuple(duplicates))


def _check_same(
    entry: LabelledImage, known: Annotations, kept: Record, source: FilesSource
) -> None:
    if _said(entry.annotations()) != _said(known):
        raise DataError(
            f"{source.annotations}: {entry.name} has the content of {kept.label} but other labels; remove one of the "
            "two, or give both the same annotations"
        )


def _frame_of(entry: LabelledImage, folder: Path) -> tuple[str, int] | None:
    """The video file and frame that an image is; `None` where it lies there as a picture, and the video does not."""
    frame = video_frame(entry.name)
    if frame is None or (folder / frame[0]).is_file():
        return frame
    return None if (folder / entry.name).is_file() else frame


def _still_record(entry: LabelledImage, folder: Path, source: FilesSource) -> Record:
    place = None if entry.frame is None else entry.frame // source.every
    width, height = known_size(entry, "a detector")
    return Record(
        id=content_hash(folder / entry.name),
        source=entry.name,
        width=width,
        height=height,
        sequence=entry.video if place is not None else None,
        place=place,
        frame=entry.frame,
    )


def _video_record(
    entry: LabelledImage, indices: dict[str, VideoIndex], folder: Path, source: FilesSource
) -> Record:
    name, frame = video_frame(entry.name) or (entry.name, 0)
    index = indices[name]
    if frame >= len(index):
        raise DataError(
            f"{folder / name}: {source.annotations} names frame {frame} but the video holds {len(index)}; "
            "the video is truncated or belongs to other annotations"
        )
    width, height = known_size(entry, "a detector")
    return Record(
        id=index.frame_id(frame),
        source=name,
        width=width,
        height=height,
        sequence=index.digest,
        place=frame // source.every,
        frame=frame,
    )


def _with_min_height(labels: Labels, min_height: float) -> Labels:
    if min_height == 0:
        return labels
    return {key: _ignore_low(drawn, min_height) for key, drawn in labels.items()}


def _ignore_low(drawn: Annotations, min_height: float) -> Annotations:
    heights = drawn.boxes[:, 3] - drawn.boxes[:, 1]
    return Annotations(
        drawn.boxes, drawn.classes, np.asarray(drawn.ignore | (heights < min_height))
    )
