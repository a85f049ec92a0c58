"""MOTChallenge (https://motchallenge.net/instructions/): a folder a video, with `gt/gt.txt`, and `seqinfo.ini` to describe it.

A line has nine columns: frame from 1, track, left, top, width, height, 0 if the object is to be ignored, class, visible share;
-1 where a track or a share is not known. The ten columns of 2015 have a place in the world instead of the last two, and all
their objects are pedestrians. The paper of MOT16 calls boxes 1-based. Everybody takes them as they are, as 0-based ones,
TrackEval and Datumaro too, and so do we. Classes are those of MOT17 and MOT20, or the lines of `gt/labels.txt`.

Frame k of the folder `NAME` is the image `NAME/img1/00000k.jpg`, or `NAME#(k-1)` if that is the name of a video file and there
are no pictures. The frames 1 to `seqLength` are all there, unless a file of our own, `gt/frames.txt`, lists those that are.
Frame rates are not kept; `frameRate=0` says so.

Datumaro 1.13 cannot read two videos that both have a frame 1, nor a `seqinfo.ini` that has a key more or less, nor class 13,
and it rounds coordinates to 0.01 pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from thrifty.data.dataset import Category, Dataset, Identifier, Label, LabelledImage
from thrifty.data.formats.file_names import check_names
from thrifty.data.formats.format import Format, Losses, Trait, Written
from thrifty.data.formats.guard import bad
from thrifty.data.formats.mot_sequence import (
    BOXES,
    IMAGES,
    INFO,
    LABELS,
    LISTED,
    MOST_FRAMES,
    SECTION,
    SUFFIX,
    describe,
    image_name,
)
from thrifty.data.formats.recognition import below
from thrifty.data.formats.sizes import Sizes
from thrifty.data.formats.texts import class_lines, number_text
from thrifty.data.listing import PICTURES
from thrifty.data.video import VIDEOS
from thrifty.errors import DataError

_HOLDS = frozenset(
    {
        Trait.EMPTY_IMAGES,
        Trait.SIZES,
        Trait.VIDEOS,
        Trait.EMPTY_CATEGORIES,
        Trait.IGNORE,
        Trait.VISIBILITY,
        Trait.TRACKS,
    }
)


def read(path: Path, sizes: Sizes) -> Dataset:
    """Read MOTChallenge's files.

    Args:
        path: The folder of a video or of several, however deep they lie, or a `gt.txt`.
        sizes: Asked for the size of the frames of videos whose `seqinfo.ini` gives none.

    Raises:
        DataError: A file is missing or not of this kind.
    """
    names: dict[str, int] = {}
    unread: Counter[str] = Counter()
    images: list[LabelledImage] = []
    for folder, name in _folders(path):
        video = describe(folder, name)
        unread["frame rates"] += video.timed
        images += video.images(names, sizes, unread)
    return Dataset(tuple(map(Category, names)), tuple(images), dict(+unread))


def _folders(path: Path) -> Sequence[tuple[Path, str | None]]:
    """Folders of videos, and their names: the path below the folder that is asked for, or what one calls itself."""
    if not path.is_dir():
        return [(path.parent.parent, None)]
    if (path / BOXES).is_file():
        return [(path, None)]
    files = [file for file in sorted(path.rglob(BOXES)) if file.is_file()]
    if not files:
        bad(path, f"holds no {BOXES}", "check the path")
    folders = (file.parent.parent for file in files)
    return [(folder, folder.relative_to(path).as_posix()) for folder in folders]


def write(dataset: Dataset) -> Written:
    """A folder a video.

    Raises:
        DataError: Two images are the same frame, or a name has no place in a file.
    """
    videos = _by_video(dataset.images)
    check_names(videos)
    classes = class_lines([category.name for category in dataset.categories], LABELS)
    for video, images in videos.items():
        frames = [_frame(image) + 1 for image in images]
        if len(set(frames)) < len(frames) or frames[0] < 1:
            raise DataError(f"{video}: two images are the same frame, or one is before the first")
        yield f"{video}/{INFO}", _info(video, images[0], frames[-1])
        yield f"{video}/{LABELS}", classes
        rows = (_line(label, _frame(image) + 1) for image in images for label in image.labels)
        yield f"{video}/{BOXES}", "".join(rows).encode()
        if len(frames) < frames[-1] or frames[-1] > MOST_FRAMES:
            yield f"{video}/{LISTED}", "".join(f"{frame}\n" for frame in frames).encode()


def _by_video(images: Sequence[LabelledImage]) -> dict[str, list[LabelledImage]]:
    videos: dict[str, list[LabelledImage]] = {}
    for image in images:
        videos.setdefault(image.video or "", []).append(image)
    return {video: sorted(videos[video], key=_frame) for video in sorted(videos)}


def _frame(image: LabelledImage) -> int:
    return image.frame or 0


def _info(video: str, image: LabelledImage, length: int) -> bytes:
    values: dict[str, object] = {
        "name": video,
        "imDir": IMAGES,
        "frameRate": 0,
        "seqLength": length,
        "imWidth": image.width,
        "imHeight": image.height,
        "imExt": _suffix(image.name),
    }
    rows = (f"{key}={value}" for key, value in values.items() if value is not None)
    return "\n".join([f"[{SECTION}]", *rows, ""]).encode()


def _suffix(name: str) -> str:
    suffix = Path(name).suffix
    return suffix if suffix.lower() in PICTURES else SUFFIX


def _line(label: Label, frame: int) -> str:
    left, top, right, bottom = label.box
    columns = (
        frame,
        -1 if label.track is None else int(label.track),
        *(left, top, right - left, bottom - top),
        int(not label.ignore),
        label.category + 1,
        -1 if label.visibility is None else label.visibility,
    )
    return ",".join(map(number_text, columns)) + "\n"


def _adapt(dataset: Dataset) -> tuple[Dataset, Losses]:
    """Frames named after their video, one size a video, tracks that are numbers."""
    losses: Losses = Counter()
    images: list[LabelledImage] = []
    for video, frames in _by_video(dataset.images).items():
        suffix = "" if Path(video).suffix.lower() in VIDEOS else _suffix(frames[0].name)
        sized = len({(image.width, image.height) for image in frames}) == 1
        tracks = _tracks(frames)
        for image in frames:
            name = image_name(video, _frame(image) + 1, IMAGES, suffix)
            losses[Trait.NAMES] += name != image.name
            losses[Trait.SIZES] += not sized and image.width is not None
            size = (image.width, image.height) if sized else (None, None)
            labels = tuple(_renumbered(label, tracks, losses) for label in image.labels)
            images.append(replace(image, name=name, width=size[0], height=size[1], labels=labels))
    return replace(dataset, images=tuple(images)), losses


def _tracks(images: Sequence[LabelledImage]) -> Mapping[Identifier, int]:
    """New numbers for the tracks of a video; none if those they have will do."""
    tracks = dict.fromkeys(
        label.track for image in images for label in image.labels if label.track is not None
    )
    if all(isinstance(track, int) and 0 <= track < _LARGEST for track in tracks):
        return {}
    return {track: number for number, track in enumerate(tracks, start=1)}


_LARGEST = 1 << 53


def _renumbered(label: Label, tracks: Mapping[Identifier, int], losses: Losses) -> Label:
    if label.track is None or not tracks:
        return label
    losses[Trait.TRACK_NUMBERS] += 1
    return replace(label, track=tracks[label.track])


def _recognise(path: Path) -> bool:
    if path.is_dir():
        return below(path, f"**/{BOXES}") is not None
    return path.as_posix().endswith(f"/{BOXES}")


FORMAT = Format("mot", "MOTChallenge", "", _HOLDS, _recognise, read, write, adapt=_adapt)
