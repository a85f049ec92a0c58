"""Sets of frames: records on one side, the pixels they name on the other, decoded when asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
from PIL import Image as Pillow

from thrifty.errors import FrameError
from thrifty.types import Frame, Image, Record, Unreadable

CACHE_BYTES = 1 << 30
STREAMED_BYTES = 1 << 28


class FrameReader(Protocol):
    """Turns records of one set into pixels."""

    def read(self, record: Record) -> Image:
        """Decode one frame.

        Raises:
            FrameError: It cannot be decoded, or is not of the size that its record states.
        """
        ...

    def stream(self, records: Iterable[Record]) -> Iterator[tuple[Record, Image | FrameError]]:
        """Decode many frames in the order given; a frame that fails yields its error and the stream goes on."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FrameSet:
    """Frames without labels.

    Attributes:
        records: Distinct ids, in order of sequence and place.
        reader: Where pixels come from.
        scale: Pixels the detector sees per stored pixel, along each side.
    """

    records: tuple[Record, ...]
    reader: FrameReader
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.records)

    def load(self, record: Record) -> Frame:
        """Decode and resize one frame.

        Raises:
            FrameError: It cannot be decoded.
        """
        return Frame(record, resize(self.reader.read(record), self.scale), self.scale)

    def stream(self, records: Iterable[Record]) -> Iterator[Frame | Unreadable]:
        """Decode and resize many frames in the order given."""
        for record, image in self.reader.stream(records):
            if isinstance(image, FrameError):
                yield Unreadable(record, str(image))
            else:
                yield Frame(record, resize(image, self.scale), self.scale)


def resize(image: Image, scale: float) -> Image:
    """Resize by `scale`, bilinearly with antialiasing; sides are rounded to whole pixels, at least one."""
    if scale == 1.0:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.BILINEAR))


def check_size(record: Record, image: Image) -> Image:
    """Pass the image on if it is as large as its record says.

    Raises:
        FrameError: It is not, so boxes would land in the wrong place.
    """
    height, width = image.shape[:2]
    if (width, height) != (record.width, record.height):
        raise FrameError(
            f"{record.label}: the picture is {width}x{height} but its annotations say "
            f"{record.width}x{record.height}; replace the picture or correct the annotations"
        )
    return image


class FrameStream(Protocol):
    """Whatever gives many frames, one after the other: a set, or one that is kept in memory."""

    def stream(self, records: Sequence[Record]) -> Iterator[Frame | Unreadable]:
        """As `FrameSet.stream`."""
        ...


class FrameLoader(Protocol):
    """Whatever gives a frame for its record: a set, or several that are scaled differently."""

    def load(self, record: Record) -> Frame:
        """As `FrameSet.load`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class JoinedFrames:
    """Several sets as one.

    Attributes:
        sets: Each with the ids of its frames; of a frame that is in two of them the first counts.
    """

    sets: Sequence[tuple[Container[str], FrameLoader]]

    def load(self, record: Record) -> Frame:
        """As `FrameSet.load`."""
        return next(frames.load(record) for ids, frames in self.sets if record.id in ids)


class CachedFrames:
    """Decoded frames kept in memory, the least recently used dropped first.

    Training visits the same few frames many times; decoding each once is enough.

    Args:
        frames: Where to read from.
        limit: Bytes of pixels kept.
    """

    def __init__(self, frames: FrameLoader, limit: int = CACHE_BYTES) -> None:
        self._frames = frames
        self._limit = limit
        self._held = 0
        self._cache: OrderedDict[str, Frame] = OrderedDict()
        self._lock = Lock()

    def load(self, record: Record) -> Frame:
        """As `FrameSet.load`; from any thread, one after the other."""
        with self._lock:
            if record.id in self._cache:
                self._cache.move_to_end(record.id)
                return self._cache[record.id]
            frame = self._frames.load(record)
            self._cache[record.id] = frame
            self._held += frame.image.nbytes
            while self._held > self._limit and len(self._cache) > 1:
                _, dropped = self._cache.popitem(last=False)
                self._held -= dropped.image.nbytes
            return frame


class CachedSet(CachedFrames):
    """A set that is gone through again and again, as the pool is in every cycle and the test set after each.

    Args:
        frames: The set.
        limit: Bytes of pixels kept.
        streamed: Bytes up to which what is streamed is kept.
    """

    def __init__(
        self, frames: FrameSet, limit: int = CACHE_BYTES, streamed: int = STREAMED_BYTES
    ) -> None:
        super().__init__(frames, limit)
        self._set = frames
        self._streamed = min(limit, streamed)

    def stream(self, records: Sequence[Record]) -> Iterator[Frame | Unreadable]:
        """As `FrameSet.stream`; what is in memory is not decoded again.

        What does not fit is not kept: of a set larger than memory the frames seen last would be gone before they are asked for.
        """
        with self._lock:
            kept = {one.id: self._cache[one.id] for one in records if one.id in self._cache}
        decoded = self._set.stream([one for one in records if one.id not in kept])
        for record in records:
            if record.id in kept:
                yield kept[record.id]
                continue
            frame = next(decoded)
            if isinstance(frame, Frame):
                self._keep_if_room(frame)
            yield frame

    def _keep_if_room(self, frame: Frame) -> None:
        with self._lock:
            fits = self._held + frame.image.nbytes <= self._streamed
            if fits and frame.record.id not in self._cache:
                self._cache[frame.record.id] = frame
                self._held += frame.image.nbytes


def in_time_order(records: Sequence[Record]) -> tuple[Record, ...]:
    """Stills by id first, then every sequence in its own order, so videos are decoded front to back."""
    return tuple(
        sorted(records, key=lambda record: (record.sequence or "", record.place or 0, record.id))
    )
