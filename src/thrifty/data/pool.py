"""Pools of any size, read as a stream: a folder of pictures and videos, a list of such files, or one of them.

Nothing but the names of one folder is ever held. Frames come in one order, whatever the machine: folders by name, a list
as it is written, a video as it is decoded. So a reader that was stopped can go on after the last frame it saw.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import posixpath
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thrifty.data.clip import Picture, frame_id
from thrifty.data.frames import resize
from thrifty.data.stills import content_hash, decode_picture
from thrifty.data.video import DAMAGED, VIDEOS, open_video
from thrifty.errors import DataError, FrameError
from thrifty.types import Frame, Record

PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
LISTS = frozenset({".lst", ".txt"})


@dataclass(frozen=True, slots=True)
class Broken:
    """A picture that cannot be decoded, or the place where a video ends before its time.

    Attributes:
        source: As `Record.source`.
        frame: In a video, the first frame that could not be decoded; `None` for a picture.
        reason: Why, in one line.
    """

    source: str
    frame: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """A frame that was dealt with before, as it stands in what was written then.

    Attributes:
        source: As `Record.source`.
        frame: Its number in a video; `None` for a picture.
        broken: Whether it could not be decoded.
    """

    source: str
    frame: int | None
    broken: bool


@dataclass(frozen=True, slots=True)
class Pool:
    """Frames without labels, in files.

    Attributes:
        path: A folder, a list of files (`.txt`: one path a line, relative to the list), a picture or a video.
        every: Of each video, take every n-th frame; places count in these steps.
        per_second: Instead, of each video take the first frame of every 1/n second by its timestamps; places count these
            steps, so they stay true to time where the frame rate varies.
        sequences: Take the pictures of a folder, in natural order of their names (2 before 10), for the frames of one
            video.
        scale: Pixels the detector sees per stored pixel.
        threads: Pictures decoded side by side.

    Raises:
        DataError: The path does not exist, or is a file of no known kind; or both kinds of sampling are asked for.
    """

    path: Path
    every: int = 1
    per_second: float | None = None
    sequences: bool = False
    scale: float = 1.0
    threads: int = 2

    def __post_init__(self) -> None:
        if self.per_second is not None and self.every != 1:
            raise DataError(
                f"{self.path}: every n-th frame and n frames a second exclude each other; choose one"
            )
        if not self.path.exists():
            raise DataError(
                f"{self.path}: no such folder, list or video; check the path of the pool"
            )
        if self.path.is_file() and self.path.suffix.lower() not in PICTURES | VIDEOS | LISTS:
            raise DataError(
                f"{self.path}: neither a folder, a list ({', '.join(sorted(LISTS))}), a picture nor a video"
            )

    def stream(self, done: Iterable[Done] = ()) -> Iterator[Frame | Broken]:
        """Decode all frames but those dealt with before.

        Args:
            done: What an earlier reader saw, in its order, from the beginning.

        Raises:
            DataError: The pool no longer begins with what was done; or a file is missing or cannot be reached.
        """
        finished = _Finished(done)
        counted: Counter[str] = Counter()
        with ThreadPoolExecutor(self.threads, thread_name_prefix="decode") as workers:
            waiting: deque[Future[Frame | Broken]] = deque()
            try:
                for source in self._sources():
                    if _kind(source) in VIDEOS:
                        yield from _drain(waiting)
                        yield from self._video(source, finished)
                        continue
                    sequence, place = self._sequence(source, counted)
                    if place % self.every:
                        continue
                    if finished.take(source) is None:
                        place //= self.every
                        waiting.append(workers.submit(self._picture, source, sequence, place))
                        if len(waiting) > 2 * self.threads:
                            yield waiting.popleft().result()
                yield from _drain(waiting)
            finally:
                for future in waiting:
                    future.cancel()
        finished.check_end()

    def frame(self, number: int = 0) -> Frame:
        """The n-th frame of a pool, counted from 0.

        Raises:
            DataError: As `stream`, or there are fewer frames.
            FrameError: It cannot be decoded.
        """
        seen = -1
        for seen, item in enumerate(self.stream()):
            if seen == number:
                if isinstance(item, Broken):
                    raise FrameError(item.reason)
                return item
        raise DataError(f"{self.path}: has {seen + 1} frames, so none with number {number}")

    def _root(self) -> Path:
        return self.path if self.path.is_dir() else self.path.parent

    def _sources(self) -> Iterator[str]:
        if self.path.is_dir():
            return _walk(self.path, "", _natural if self.sequences else str)
        if self.path.suffix.lower() in LISTS:
            return _lines(self.path)
        return iter([self.path.name])

    def _sequence(self, source: str, counted: Counter[str]) -> tuple[str | None, int]:
        """The sequence that a picture belongs to, and how many of it came before."""
        if not self.sequences:
            return None, 0
        folder = posixpath.dirname(source) or "."
        counted[folder] += 1
        return folder, counted[folder] - 1

    def _picture(self, source: str, sequence: str | None, place: int) -> Frame | Broken:
        path = self._root() / source
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}); restore it and run the same command again"
            ) from error
        try:
            image = decode_picture(path, io.BytesIO(content))
        except FrameError as error:
            return Broken(source, None, str(error))
        height, width = image.shape[:2]
        digest = hashlib.sha256(content).hexdigest()[:32]
        record = Record(
            digest, source, width, height, sequence, None if sequence is None else place
        )
        return Frame(record, resize(image, self.scale), self.scale)

    def _video(self, source: str, finished: _Finished) -> Iterator[Frame | Broken]:
        following = finished.take_video(source)
        if following is None:
            return
        path = self._root() / source
        if not path.is_file():
            raise DataError(f"{path}: no such video; restore it or take it off the list")
        number, problem = -1, ""
        try:
            digest = content_hash(path)
            with open_video(path) as decoding:
                for picture, place in _sampled(decoding, self.every, self.per_second):
                    number = picture.number
                    if place is not None and number >= following:
                        yield self._frame(source, digest, picture, place)
            if number + 1 < max(1, decoding.announced):
                problem = f"its header announces {decoding.announced}"
        except DAMAGED as error:
            problem = getattr(error, "strerror", None) or str(error)
        if problem and number + 1 >= following:
            yield _ends_early(path, source, number + 1, problem)

    def _frame(self, source: str, digest: str, picture: Picture, place: int) -> Frame | Broken:
        try:
            image = picture.image()
        except FrameError as error:
            return Broken(source, picture.number, str(error))
        height, width = image.shape[:2]
        record = Record(
            frame_id(digest, picture.number, picture.timestamp),
            source,
            width,
            height,
            sequence=digest,
            place=place,
            frame=picture.number,
        )
        return Frame(record, resize(image, self.scale), self.scale)


def _sampled(
    pictures: Iterable[Picture], every: int, per_second: float | None
) -> Iterator[tuple[Picture, int | None]]:
    """All frames of a video, and the places of those that are taken.

    A frame whose file tells no time is taken for one that follows the last at once, so sampling by time skips it.
    """
    last = None
    for picture in pictures:
        if per_second is None:
            yield picture, None if picture.number % every else picture.number // every
            continue
        # A hair later, so that 0.1 s counts as the tenth part of a second and not as just before.
        seconds = picture.seconds if picture.seconds is not None else -math.inf
        tick = math.floor(seconds * per_second + 1e-6) if seconds > -math.inf else last
        yield picture, tick if tick is not None and (last is None or tick > last) else None
        last = tick if last is None or (tick is not None and tick > last) else last


class _Finished:
    """Goes through what was done before, in step with the files of the pool."""

    def __init__(self, done: Iterable[Done]) -> None:
        self._rest = iter(done)
        self._next = next(self._rest, None)

    def take(self, source: str) -> Done | None:
        """The next row if there is one; it must be of this source."""
        row = self._next
        if row is None:
            return None
        if row.source != source:
            raise DataError(
                f"{source}: was not in the pool when scoring began (then came {row.source}); restore the pool, or delete "
                "the unfinished scores and start again"
            )
        self._next = next(self._rest, None)
        return row

    def take_video(self, source: str) -> int | None:
        """The frame to go on with, or `None` if the video was finished."""
        following = 0
        while self._next is not None and (following == 0 or self._next.source == source):
            row = self.take(source)
            following = (row.frame or 0) + 1 if row is not None else following
        # Rows of a later file say that this one was finished.
        return following if self._next is None else None

    def check_end(self) -> None:
        if self._next is not None:
            raise DataError(
                f"{self._next.source}: was scored but is no longer in the pool; restore it, or delete the unfinished "
                "scores and start again"
            )


def _ends_early(path: Path, source: str, number: int, reason: str) -> Broken:
    return Broken(
        source,
        number,
        f"{path}: decoding ends after {number} frames ({reason}); copy it again from its source",
    )


def _drain(waiting: deque[Future[Frame | Broken]]) -> Iterator[Frame | Broken]:
    while waiting:
        yield waiting.popleft().result()


def _kind(source: str) -> str:
    return os.path.splitext(source)[1].lower()  # noqa: PTH122 - called for every file of a large pool


def _walk(
    folder: Path,
    prefix: str,
    order: Callable[[str], Any],
    above: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """Pictures and videos below a folder, by name; links are followed, but never in a circle."""
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        names = sorted(((entry.name, entry.is_dir()) for entry in entries), key=_first(order))
    for name, is_folder in names:
        if is_folder:
            yield from _walk(folder / name, f"{prefix}{name}/", order, above | {real})
        elif _kind(name) in PICTURES | VIDEOS:
            yield prefix + name


def _first(order: Callable[[str], Any]) -> Callable[[tuple[str, bool]], Any]:
    return lambda entry: order(entry[0])


_DIGITS = re.compile(r"(\d+)")


def picture_names(folder: Path) -> list[str]:
    """Paths of all pictures below a folder, with `/`, by name; links are followed."""
    return [name for name in _walk(folder, "", str) if _kind(name) in PICTURES]


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts numbers in names by their size; names that differ in leading zeros only, by the text."""
    parts = _DIGITS.split(name)
    key = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return (*key, (-1, name))


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            name = line.strip()
            if not name or name.startswith("#"):
                continue
            if _kind(name) not in PICTURES | VIDEOS:
                raise DataError(f"{path}:{number}: {name} is neither a picture nor a video by name")
            yield name
