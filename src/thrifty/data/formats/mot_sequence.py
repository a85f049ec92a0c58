"""One video of MOTChallenge: what its folder says, and the frames in it."""

from __future__ import annotations

import configparser
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from thrifty.data.dataset import Label, LabelledImage
from thrifty.data.formats.file_names import read_name
from thrifty.data.formats.guard import bad, decode_text, lines, number, read_small, whole
from thrifty.data.formats.sizes import Sizes
from thrifty.data.listing import PICTURES
from thrifty.data.video import VIDEOS

CLASSES = (
    "pedestrian",
    "person_on_vehicle",
    "car",
    "bicycle",
    "motorbike",
    "non_mot_vehicle",
    "static_person",
    "distractor",
    "occluder",
    "occluder_on_ground",
    "occluder_full",
    "reflection",
    "crowd",
)
"""Of MOT17 and MOT20 by their number, from 1, as TrackEval calls them."""

BOXES, LABELS, LISTED, INFO = "gt/gt.txt", "gt/labels.txt", "gt/frames.txt", "seqinfo.ini"
SECTION = "Sequence"
IMAGES, SUFFIX = "img1", ".jpg"
MOST_FRAMES = 1 << 19
"""Frames, without a list of them, that a few bytes may stand for: almost five hours of video."""


@dataclass(frozen=True, slots=True)
class Video:
    """The folder of one video.

    Attributes:
        folder: Itself.
        name: Of the video.
        directory: Its folder of pictures.
        suffix: Of the pictures; empty if there is a video file instead.
        length: Frames there are; `None` if the file does not say.
        size: Width and height; `None` likewise.
        timed: Whether it states a frame rate.
    """

    folder: Path
    name: str
    directory: str
    suffix: str
    length: int | None
    size: tuple[int, int] | None
    timed: bool

    def images(
        self, names: dict[str, int], sizes: Sizes, unread: Counter[str]
    ) -> Iterator[LabelledImage]:
        """All frames with their labels.

        Args:
            names: Number of each class; grows.
            sizes: Asked where no size is known.
            unread: Counts what has no place in a label.

        Raises:
            DataError: A file of the video is damaged.
        """
        drawn: dict[int, list[Label]] = {}
        path = self.folder / BOXES
        categories = [names.setdefault(name, len(names)) for name in self._classes()]
        for count, line in lines(path):
            if line.strip():
                frame, label = _row(line.split(","), categories, names, path, count, unread)
                drawn.setdefault(frame, []).append(label)
        frames = self._frames(max(drawn, default=0))
        missing = drawn.keys() - frames
        if missing:
            bad(path, f"frame {min(missing)} has boxes, but is not said to be there", "correct it")
        width, height = self._size(frames, sizes) or (None, None)
        for frame in frames:
            yield LabelledImage(
                name=image_name(self.name, frame, self.directory, self.suffix),
                width=width,
                height=height,
                labels=tuple(drawn.get(frame, ())),
                video=self.name,
                frame=frame - 1,
            )

    def _classes(self) -> Sequence[str]:
        path = self.folder / LABELS
        if not path.is_file():
            return CLASSES
        names = [line for _, line in lines(path)]
        while names and not names[-1].strip():
            names.pop()
        if not all(map(str.strip, names)):
            bad(path, "a class has no name", "name it")
        return names

    def _frames(self, last: int) -> Mapping[int, None]:
        """Frames there are, counted from 1; in a mapping for its order and speed."""
        path = self.folder / LISTED
        if path.is_file():
            found = (whole(line, path, f"line {count}") for count, line in lines(path))
            listed = dict.fromkeys(found)
            if min(listed, default=1) < 1:
                bad(path, f"frame {min(listed)}: frames count from 1", "correct it")
            return listed
        length = max(last, self._pictured()) if self.length is None else self.length
        if length > MOST_FRAMES:
            bad(
                self.folder,
                f"has {length} frames, over {MOST_FRAMES}",
                f"list those that matter in {LISTED}, one number a line",
            )
        return dict.fromkeys(range(1, length + 1))

    def _pictured(self) -> int:
        """The last frame that there is a picture of."""
        return max((number for number, _ in _pictures(self.folder / self.directory)), default=0)

    def _size(self, frames: Mapping[int, None], sizes: Sizes) -> tuple[int, int] | None:
        if self.size is not None:
            return self.size
        first = next(iter(frames), 1)
        name = image_name(self.name, first, self.directory, self.suffix)
        inner = f"{self.directory}/{first:06d}{self.suffix}"
        return sizes.of(name, self.folder.parent) or sizes.of(inner, self.folder)


def describe(folder: Path, name: str | None) -> Video:
    """What the folder of a video says of it.

    Args:
        folder: Holds `gt/gt.txt`.
        name: Of the video; what it calls itself if left out.

    Raises:
        DataError: `seqinfo.ini` is damaged.
    """
    path = folder / INFO
    info = _read_info(path) if path.is_file() else {}
    name = read_name(name or info.get("name") or folder.resolve().name, path, "name")
    directory = read_name(info.get("imdir") or IMAGES, path, "imDir")
    found = [suffix for _, suffix in _pictures(folder / directory)]
    suffix = info.get("imext") or (found[0] if found else SUFFIX)
    if suffix.lower() not in PICTURES:
        bad(path, f"imExt {suffix[:80]!r} is no picture's", "correct it")
    if Path(name).suffix.lower() in VIDEOS and not found:
        suffix = ""
    width, height = _count(info, "imwidth", path), _count(info, "imheight", path)
    return Video(
        folder,
        name,
        directory,
        suffix,
        length=_count(info, "seqlength", path),
        size=(width, height) if width and height else None,
        timed=info.get("framerate", "0").strip() not in {"", "0"},
    )


def _count(info: Mapping[str, str], key: str, path: Path) -> int | None:
    if not info.get(key):
        return None
    value = whole(info[key], path, key)
    if value < 0:
        bad(path, f"{key} is {value}", "correct it")
    return value


def _read_info(path: Path) -> Mapping[str, str]:
    """The section of `seqinfo.ini`, its keys in lower case."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(decode_text(path, read_small(path, _LARGEST_INFO)))
    except configparser.Error as error:
        bad(path, f"is no INI file ({' '.join(str(error).split())[:200]})", "correct it")
    if not parser.has_section(SECTION):
        bad(path, f"has no section [{SECTION}]", "check that it is MOTChallenge's")
    return dict(parser[SECTION])


_LARGEST_INFO = 1 << 16


def _pictures(folder: Path) -> list[tuple[int, str]]:
    """Numbers and suffixes of the pictures that are called after a frame, in order."""
    if not folder.is_dir():
        return []
    return sorted(
        (int(file.stem), file.suffix)
        for file in folder.iterdir()
        if file.suffix.lower() in PICTURES and file.stem.isdecimal() and len(file.stem) < _DIGITS
    )


_DIGITS = 10


def image_name(sequence: str, frame: int, directory: str, suffix: str) -> str:
    """What a frame is called; without a suffix, as one of a video file.

    >>> image_name("a", 4, "img1", ".jpg"), image_name("a.avi", 4, "", "")
    ('a/img1/000004.jpg', 'a.avi#3')
    """
    if not suffix:
        return f"{sequence}#{frame - 1}"
    return f"{sequence}/{directory}/{frame:06d}{suffix}"


def _row(
    given: Sequence[str],
    categories: Sequence[int],
    names: dict[str, int],
    path: Path,
    count: int,
    unread: Counter[str],
) -> tuple[int, Label]:
    where = f"line {count}"
    if not 7 <= len(given) <= 10:
        bad(path, f"{where}: has {len(given)} columns instead of 9", "correct it")
    frame, track = (whole(text, path, where) for text in given[:2])
    left, top, width, height, flag, *rest = (number(text, path, where) for text in given[2:])
    if frame < 1:
        bad(path, f"{where}: frame {frame}: frames count from 1", "correct it")
    if not all(map(math.isfinite, [flag, *rest])):
        bad(path, f"{where}: a column is no finite number", "correct it")
    if len(rest) == 3:
        unread["places in the world"] += rest != [-1, -1, -1]
        rest = []
    if rest and rest[0] not in range(1, len(categories) + 1):
        bad(path, f"{where}: class {rest[0]:g} is none of 1 to {len(categories)}", "correct it")
    label = Label(
        box=(left, top, left + width, top + height),
        category=(
            categories[int(rest[0]) - 1] if rest else names.setdefault(CLASSES[0], len(names))
        ),
        ignore=flag == 0,
        visibility=min(1.0, rest[1]) if len(rest) > 1 and rest[1] >= 0 else None,
        track=track if track != -1 else None,
    )
    return frame, label
