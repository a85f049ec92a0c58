"""Pools of any size, read as a stream: a folder of pictures and videos, a list of such files, or one of them.

Frames come in one order, whatever the machine: folders by name, a list
as it is written, a video as it is decoded. So a reader that was stopped can go on after the last frame it saw.
"""

from __future__ import annotations

import hashlib
import io
import math
import posixpath
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from thrifty.data.clip import DIGITS, Picture, frame_id
from thrifty.data.frames import resize
from thrifty.data.listing import PICTURES, Listed
from thrifty.data.places import Place, place_of
from thrifty.data.stills import content_hash, decode_picture
from thrifty.data.video import DAMAGED, VIDEOS, open_video
from thrifty.errors import DataError, FrameError
from thrifty.types import Frame, Record

AHEAD_BYTES = 256 << 20
"""Pixels that are decoded ahead of the detector, in bytes; one picture is, however large."""
PART_PICTURES = 64
"""Pictures of a part, at most."""


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
        id: As `Record.id`, if known; a video that is gone on with must still have it.
    """

    source: str
    frame: int | None
    broken: bool
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Still:
    """A picture of a pool, not decoded yet.

    Attributes:
        entry: Its file.
        sequence: As `Record.sequence`.
        place: As `Record.place`.
    """

    entry: Listed
    sequence: str | None
    place: int | None


@dataclass(frozen=True, slots=True)
class Stills:
    """Some pictures that follow each other.

    Attributes:
        stills: In the order of the pool.
    """

    stills: tuple[Still, ...]

    def __str__(self) -> str:
        names = dict.fromkeys(one.entry.name for one in (self.stills[0], self.stills[-1]))
        return " to ".join(names)


@dataclass(frozen=True, slots=True)
class Video:
    """What is left of a video, not decoded yet.

    Attributes:
        source: As `Record.source`.
        following: The frame to go on with.
        last: Id of the frame that was given before it, which the video must still have; `None` if none was.
    """

    source: str
    following: int
    last: str | None

    def __str__(self) -> str:
        return self.source


Part = Stills | Video
"""What one process decodes, one frame after the other."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Frames without labels, in files.

    Attributes:
        path: A folder, a list of files (`.txt`: one path a line, relative to the list), a picture or a video; or the URL of one
            in a store.
        every: Of each video, take every n-th frame; places count in these steps.
        per_second: Instead, of each video take the first frame of every 1/n second by its timestamps; places count these
            steps, so they stay true to time where the frame rate varies.
        sequences: Take the pictures of a folder, in natural order of their names (2 before 10), for the frames of one
            video.
        scale: Pixels the detector sees per stored pixel.
        threads: Pictures decoded side by side.
        place: Where that is.

    Raises:
        DataError: The path does not exist, or is a file of no known kind; or both kinds of sampling are asked for.
    """

    path: Path | str
    every: int = 1
    per_second: float | None = None
    sequences: bool = False
    scale: float = 1.0
    threads: int = 2
    place: Place = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.per_second is not None and self.every != 1:
            raise DataError(
                f"{self.path}: every n-th frame and n frames a second exclude each other; choose one"
            )
        object.__setattr__(self, "place", place_of(self.path))

    @property
    def nothing(self) -> str:
        """What is to be said where it holds no frames."""
        kinds = ", ".join(sorted(PICTURES | VIDEOS))
        return f"{self.path}: holds no pictures or videos ({kinds}); check the path of the pool"

    def check_readable(self) -> None:
        """Find a frame that can be decoded.

        Raises:
            DataError: As `stream`; or there is none.
        """
        problem = None
        with closing(self.stream()) as stream:
            for item in stream:
                if isinstance(item, Frame):
                    return
                problem = problem or item.reason
        if problem is None:
            raise DataError(self.nothing)
        raise DataError(
            f"{self.path}: none of its frames can be decoded (the first: {problem}); check what lies there"
        )

    def stream(self, done: Iterable[Done] = ()) -> Generator[Frame | Broken]:
        """Decode all frames but those dealt with before.

        Args:
            done: What an earlier reader saw, in its order, from the beginning.

        Raises:
            DataError: The pool no longer begins with what was done; or a file is missing or cannot be reached.
        """
        with closing(_Ahead(self.threads)) as ahead:
            for part in self.parts(done):
                yield from self._read(part, ahead)
            yield from ahead.rest()

    def parts(self, done: Iterable[Done] = ()) -> Iterator[Part]:
        """The same frames before they are decoded, in parts that `read` can decode anywhere.

        Together they are what `stream` gives, in its order. Raises as `stream`, as far as names tell.
        """
        finished = _Finished(done)
        counted: Counter[str] = Counter()
        waiting: list[Still] = []
        for entry in self.place.listed(natural=self.sequences):
            if entry.is_video and not entry.problem:
                if waiting:
                    yield Stills(tuple(waiting))
                    waiting = []
                following, last = finished.take_video(entry.name)
                if following is not None:
                    yield Video(entry.name, following, last)
                continue
            sequence, place = self._sequence(entry.name, counted)
            if place % self.every or finished.take(entry.name) is not None:
                continue
            waiting.append(
                Still(entry, sequence, None if sequence is None else place // self.every)
            )
            if len(waiting) == PART_PICTURES:
                yield Stills(tuple(waiting))
                waiting = []
        if waiting:
            yield Stills(tuple(waiting))
        finished.check_end()

    def read(self, part: Part) -> Iterator[Frame | Broken]:
        """Decode a part; raises as `stream`."""
        with closing(_Ahead(self.threads)) as ahead:
            yield from self._read(part, ahead)
            yield from ahead.rest()

    def _read(self, part: Part, ahead: _Ahead) -> Iterator[Frame | Broken]:
        if isinstance(part, Video):
            yield from ahead.rest()
            yield from self._video(part)
            return
        for still in part.stills:
            yield from ahead.add(partial(self._still, still))

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

    def _sequence(self, source: str, counted: Counter[str]) -> tuple[str | None, int]:
        """The sequence that a picture belongs to, and how many of it came before."""
        if not self.sequences:
            return None, 0
        folder = posixpath.dirname(source) or "."
        counted[folder] += 1
        return folder, counted[folder] - 1

    def _still(self, still: Still) -> Frame | Broken:
        entry, source = still.entry, still.entry.name
        where = self.place.where(source)
        if entry.problem:
            return Broken(source, 0 if entry.is_video else None, f"{where}: {entry.problem}")
        content = self.place.read(source)
        try:
            image = decode_picture(where, io.BytesIO(content))
        except FrameError as error:
            return Broken(source, None, str(error))
        height, width = image.shape[:2]
        digest = hashlib.sha256(content).hexdigest()[:32]
        record = Record(digest, source, width, height, still.sequence, still.place)
        return Frame(record, resize(image, self.scale), self.scale)

    def _video(self, video: Video) -> Iterator[Frame | Broken]:
        with self.place.on_disk(video.source) as path:
            yield from self._decoded(video, path)

    def _decoded(self, video: Video, path: Path) -> Iterator[Frame | Broken]:
        source, following = video.source, video.following
        where = self.place.where(source)
        digest = content_hash(path)
        if video.last is not None and not video.last.startswith(digest[:DIGITS]):
            raise DataError(
                f"{where}: has changed since scoring began; restore it, or delete the unfinished scores and start again"
            )
        number, problem = -1, ""
        try:
            with open_video(path) as decoding:
                for picture, place in _sampled(decoding, self.every, self.per_second):
                    number = picture.number
                    if place is not None and number >= following:
                        yield self._frame(source, digest, picture, place)
                problem = decoding.shortfall
        except DAMAGED as error:
            if isinstance(error, OSError):
                _check_disk(where, path, number)
            problem = getattr(error, "strerror", None) or str(error).removeprefix(f"{path}: ")
        if problem and number + 1 >= following:
            yield _ends_early(where, source, number + 1, problem)

    def _frame(self, source: str, digest: str, picture: Picture, place: int) -> Frame | Broken:
        try:
            image = picture.image()
        except FrameError as error:
            return Broken(source, picture.number, f"{self.place.where(source)}: {error}")
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


def _check_disk(where: str, path: Path, last: int) -> None:
    """Tell a disk that failed from a damaged file, which fails again at the same place: the rest must not be given up for good.

    Args:
        where: The file, for people.
        path: Where it is.
        last: Number of the last frame that came, -1 if none did.

    Raises:
        DataError: The disk failed.
    """
    try:
        with open_video(path) as decoding:
            fails_again = not any(picture.number > last for picture in decoding)
    except DAMAGED:
        fails_again = True
    try:
        content_hash(path)
    except OSError:
        fails_again = False
    if not fails_again:
        raise DataError(
            f"{where}: cannot be read (the disk fails after {last + 1} frames); see to that and run the same command again"
        )


def _sampled(
    pictures: Iterable[Picture], every: int, per_second: float | None
) -> Iterator[tuple[Picture, int | None]]:
    """All frames of a video, and the places of those that are taken.

    Raises:
        FrameError: Frames are to be taken by time, and the file tells none.
    """
    last = -math.inf
    for picture in pictures:
        if per_second is None:
            yield picture, None if picture.number % every else picture.number // every
            continue
        if picture.seconds is None:
            raise FrameError("it tells no times; take every n-th frame instead")
        # A hair later, so that 0.1 s counts as the tenth part of a second and not as just before.
        tick = math.floor(picture.seconds * per_second + 1e-6)
        yield picture, tick if tick > last else None
        last = max(last, tick)


class _Ahead:
    """Pictures decoded side by side, ahead of who asks for them; no more than a bounded number of pixels at once."""

    def __init__(self, threads: int) -> None:
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._limit = 2 * threads
        # How large they are shows with the first.
        self._most, self._largest = 1, 1
        self._waiting: deque[Future[Frame | Broken]] = deque()

    def add(self, read: Callable[[], Frame | Broken]) -> Iterator[Frame | Broken]:
        """Take another picture, and give those that are due."""
        self._waiting.append(self._workers.submit(read))
        while len(self._waiting) > self._most:
            yield self._next()

    def rest(self) -> Iterator[Frame | Broken]:
        """Give all that were taken."""
        while self._waiting:
            yield self._next()

    def _next(self) -> Frame | Broken:
        item = self._waiting.popleft().result()
        if isinstance(item, Frame):
            # As many as fit, were all as large as this one.
            self._largest = max(self._largest, item.image.nbytes)
            self._most = min(self._limit, max(1, AHEAD_BYTES // self._largest))
        return item

    def close(self) -> None:
        """Give up what was not asked for."""
        self._workers.shutdown(cancel_futures=True)


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

    def take_video(self, source: str) -> tuple[int | None, str | None]:
        """The frame to go on with, or `None` if the video was finished; and the id of the last frame."""
        following, last = 0, None
        # A list may name a video twice in a row; then its frames begin anew.
        while self._next is not None and (following == 0 or self._goes_on(source, following)):
            row = self.take(source)
            if row is not None:
                following, last = (row.frame or 0) + 1, row.id or last
        # Further rows say that this one was finished.
        return (following if self._next is None else None), last

    def _goes_on(self, source: str, following: int) -> bool:
        row = self._next
        return row is not None and row.source == source and (row.frame or 0) >= following

    def check_end(self) -> None:
        if self._next is not None:
            raise DataError(
                f"{self._next.source}: was scored but is no longer in the pool; restore it, or delete the unfinished "
                "scores and start again"
            )


def _ends_early(where: str, source: str, number: int, reason: str) -> Broken:
    return Broken(
        source,
        number,
        f"{where}: decoding ends after {number} frames ({reason}); copy it again from its source",
    )
