"""Caltech pedestrian annotations (`.vbb`, "video bounding boxes"): one MATLAB file a video, `set00/V000.vbb`.

A structure `A` lists, frame by frame, the objects in it: number of the track, box, whether it is occluded, and the box of
the visible part if so; and, track by track, its label. Boxes are left, top, width, height in pixels, 1-based; ours are one
less. Frames belong to the `.seq` file of the same name. The label `ignore` marks an ignore region, `people` a crowd.
Datumaro does not know the format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from thrifty.data.dataset import Category, Corners, Dataset, Identifier, Label, LabelledImage
from thrifty.data.formats.format import Format, Losses, Trait, Written
from thrifty.data.formats.guard import bad
from thrifty.data.formats.matlab import Cells, Value, read_mat, write_mat
from thrifty.data.formats.recognition import below
from thrifty.data.formats.sizes import Sizes
from thrifty.data.norpix import SUFFIX
from thrifty.data.video import VIDEOS
from thrifty.errors import DataError

WIDTH, HEIGHT = 640, 480
IGNORED, CROWD = "ignore", "people"

_HOLDS = frozenset(
    {
        Trait.EMPTY_IMAGES,
        Trait.VIDEOS,
        Trait.OCCLUSION,
        Trait.VISIBLE,
        Trait.TRACKS,
    }
)
_MOST_FRAMES = 1 << 24
_LISTED = "frames"
"""A field of our own, where not every frame of the video is in the data set: the 0-based frames that are."""


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read a `.vbb` file, or all below a folder.

    Args:
        path: The file or folder.
        sizes: Asked first, for `VIDEO.seq#FRAME`; frames are 640 x 480 otherwise.

    Raises:
        DataError: A file is missing or not of this kind.
    """
    files = sorted(path.rglob("*.vbb")) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    if not files:
        bad(path, "holds no .vbb files", "check the path")
    names: dict[str, int] = {}
    images: list[LabelledImage] = []
    for file in files:
        video = _video_name(file.relative_to(root))
        size = sizes.of(f"{video}#0", file.parent) or (WIDTH, HEIGHT)
        images += _Video(file, names).images(video, size)
    return Dataset(tuple(Category(name) for name in names), tuple(images))


def _video_name(file: Path) -> str:
    """`V000.vbb` belongs to `V000.seq`, `a.avi.vbb` to `a.avi`."""
    stem = file.with_suffix("").as_posix()
    return stem if Path(stem).suffix.lower() in VIDEOS else stem + SUFFIX


class _Video:
    """One file."""

    def __init__(self, path: Path, names: dict[str, int]) -> None:
        self._path = path
        self._names = names
        content = read_mat(path).get("A")
        if not isinstance(content, Mapping):
            raise self._wrong("holds no structure A")
        self._content = content
        labels = content.get("objLbl")
        self._labels = labels.items if isinstance(labels, Cells) else []

    def images(self, video: str, size: tuple[int, int]) -> Iterator[LabelledImage]:
        lists = self._content.get("objLists")
        frames = lists.items if isinstance(lists, Cells) else []
        count = self._number(self._content, "nFrame", "the file")
        if count != len(frames):
            raise self._wrong(f"lists objects for {len(frames)} frames of {count:g}")
        listed = self._content.get(_LISTED)
        wanted = set(listed.ravel().tolist()) if isinstance(listed, np.ndarray) else None
        for number, objects in enumerate(frames):
            if wanted is not None and number not in wanted:
                continue
            yield LabelledImage(
                name=f"{video}#{number}",
                width=size[0],
                height=size[1],
                labels=tuple(self._labels_of(objects, f"frame {number}")),
                video=video,
                frame=number,
            )

    def _labels_of(self, objects: Value, where: str) -> Iterator[Label]:
        if isinstance(objects, np.ndarray) and not objects.size:
            return
        for entry in objects.items if isinstance(objects, Cells) else [objects]:
            if not isinstance(entry, Mapping):
                raise self._wrong(f"{where}: an object is no structure")
            yield self._label(entry, where)

    def _label(self, entry: Mapping[str, Value], where: str) -> Label:
        track = self._number(entry, "id", where)
        if not 1 <= track <= len(self._labels) or track != int(track):
            raise self._wrong(f"{where}: names track {track:g} of {len(self._labels)}")
        name = self._labels[int(track) - 1]
        if not isinstance(name, str) or not name:
            raise self._wrong(f"track {track:g} has no label")
        box = self._box(entry, "pos", where)
        if box is None:
            raise self._wrong(f"{where}: an object of track {track:g} has no pos")
        occluded = self._number(entry, "occl", where, otherwise=0.0) != 0
        return Label(
            box=box,
            category=self._names.setdefault(name, len(self._names)),
            ignore=name == IGNORED,
            crowd=name == CROWD,
            occlusion=int(occluded),
            visible=self._box(entry, "posv", where),
            track=int(track),
        )

    def _box(self, entry: Mapping[str, Value], key: str, where: str) -> Corners | None:
        """Four numbers, one less for 1-based pixels; `None` where all are zero or none is there."""
        value = entry.get(key)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
            return None
        numbers = value.astype(np.float64).ravel().tolist()
        if not any(numbers):
            return None
        if len(numbers) != 4:
            raise self._wrong(f"{where}: {key} holds {len(numbers)} numbers instead of 4")
        left, top, width, height = numbers
        return left - 1, top - 1, left - 1 + width, top - 1 + height

    def _number(
        self, entry: Mapping[str, Value], key: str, where: str, otherwise: float | None = None
    ) -> float:
        value = entry.get(key)
        if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iuf":
            number = float(value.item())
            if np.isfinite(number) and abs(number) < _MOST_FRAMES:
                return number
        elif otherwise is not None:
            return otherwise
        raise self._wrong(f"{where}: {key} is no number")

    def _wrong(self, what: str) -> DataError:
        return DataError(f"{self._path}: {what}; check that it is a .vbb file, or copy it again")


def write(dataset: Dataset) -> Written:
    """One `.vbb` file a video.

    Raises:
        DataError: Two images are the same frame of a video.
    """
    for video, images in _by_video(dataset.images).items():
        yield f"{_stem(video)}.vbb", _encode(video, images, dataset.categories)


def _by_video(images: Sequence[LabelledImage]) -> dict[str, list[LabelledImage]]:
    videos: dict[str, list[LabelledImage]] = {}
    for image in images:
        videos.setdefault(image.video or "", []).append(image)
    return {video: sorted(videos[video], key=_frame) for video in sorted(videos)}


def _frame(image: LabelledImage) -> int:
    return image.frame or 0


def _encode(video: str, images: Sequence[LabelledImage], categories: Sequence[Category]) -> bytes:
    frames = [_frame(image) for image in images]
    if len(set(frames)) < len(frames):
        raise DataError(f"{video}: two images are the same frame; remove one")
    count = frames[-1] + 1
    tracks = _tracks(images, categories)
    lists = np.empty((1, count), dtype=object)
    for number in range(count):
        lists[0, number] = np.zeros((0, 0))
    for image in images:
        if image.labels:
            lists[0, _frame(image)] = np.array(
                [_object(label) for label in image.labels], dtype=_OBJECT
            ).reshape(1, -1)
    content: dict[str, object] = {
        "nFrame": float(count),
        "objLists": lists,
        "maxObj": float(len(tracks)),
        "objInit": np.array([[float(bool(name)) for name, _, _ in tracks]]).reshape(1, -1),
        "objLbl": np.array([[name for name, _, _ in tracks]], dtype=object).reshape(1, -1),
        "objStr": np.array([[float(first) for _, first, _ in tracks]]).reshape(1, -1),
        "objEnd": np.array([[float(last) for _, _, last in tracks]]).reshape(1, -1),
        "objHide": np.zeros((1, len(tracks))),
        "altered": 0.0,
        "log": np.zeros((1, 0)),
        "logLen": 0.0,
    }
    if len(images) < count:
        content[_LISTED] = np.array([[float(frame) for frame in frames]])
    return write_mat({"A": content})


_OBJECT = [(name, object) for name in ("id", "pos", "occl", "lock", "posv")]


def _object(label: Label) -> tuple[object, ...]:
    visible = _sides(label.visible) if label.visible is not None else [0.0] * 4
    box = np.array([_sides(label.box)])
    return float(label.track or 0), box, float(label.occlusion), 0.0, np.array([visible])


def _sides(box: Corners) -> list[float]:
    left, top, right, bottom = box
    return [left + 1, top + 1, right - left, bottom - top]


def _tracks(
    images: Sequence[LabelledImage], categories: Sequence[Category]
) -> list[tuple[str, int, int]]:
    """Label, first and last frame, 1-based, of the tracks 1, 2, ...; those that do not occur have no label."""
    found: dict[int, tuple[str, int, int]] = {}
    for image in images:
        for label in image.labels:
            number, frame = int(label.track or 0), _frame(image) + 1
            name, first, _ = found.get(number, (categories[label.category].name, frame, frame))
            found[number] = name, first, frame
    return [found.get(number, ("", 0, 0)) for number in range(1, max(found, default=0) + 1)]


def _adapt(dataset: Dataset) -> tuple[Dataset, Losses]:
    """Frames named after their video, tracks numbered from 1 in each video, one class a track."""
    losses: Losses = Counter()
    images = [_renamed(image, losses) for image in dataset.images]
    numberings = {
        video: None if _numbered(frames) else _Numbering()
        for video, frames in _by_video(images).items()
    }
    for place, image in enumerate(images):
        numbering = numberings[image.video or ""]
        if numbering is not None:
            losses[Trait.TRACK_NUMBERS] += len(image.labels)
            images[place] = replace(image, labels=tuple(map(numbering.apply, image.labels)))
    return replace(dataset, images=tuple(images)), losses


def _renamed(image: LabelledImage, losses: Losses) -> LabelledImage:
    video = image.video or ""
    if Path(video).suffix.lower() not in VIDEOS:
        video += SUFFIX
    name = f"{video}#{_frame(image)}"
    losses[Trait.NAMES] += name != image.name
    return replace(image, name=name, video=video)


def _stem(video: str) -> str:
    """What the `.vbb` file of a video is called: Caltech leaves out `.seq`."""
    return video.removesuffix(SUFFIX)


_MOST_TRACKS = 1 << 16


def _numbered(images: Sequence[LabelledImage]) -> bool:
    """Whether a video's tracks are numbers that will do, each of one class."""
    keys = {(label.track, label.category) for image in images for label in image.labels}
    tracks = {track for track, _ in keys}
    return len(tracks) == len(keys) and all(
        isinstance(track, int) and 1 <= track <= _MOST_TRACKS for track in tracks
    )


class _Numbering:
    """Numbers tracks in the order in which they occur; what belongs to none becomes one of its own."""

    def __init__(self) -> None:
        self._count = 0
        self._known: dict[tuple[Identifier, int], int] = {}

    def apply(self, label: Label) -> Label:
        if label.track is None:
            return replace(label, track=self._next())
        key = (label.track, label.category)
        if key not in self._known:
            self._known[key] = self._next()
        return replace(label, track=self._known[key])

    def _next(self) -> int:
        self._count += 1
        return self._count


def _recognise(path: Path) -> bool:
    if path.is_dir():
        return below(path, "**/*.vbb") is not None
    return path.suffix.lower() == ".vbb"


FORMAT = Format(
    "caltech",
    "Caltech pedestrians",
    "",
    _HOLDS,
    _recognise,
    read,
    write,
    size=(WIDTH, HEIGHT),
    ignored=frozenset({IGNORED}),
    crowds=frozenset({CROWD}),
    adapt=_adapt,
)
