"""Norpix `.seq` files, in which the Caltech pedestrian videos are kept: a header, then one picture after the other.

FFmpeg does not read them. The layout, little-endian: at byte 28 the version, at 32 the header's size; at 548 nine 32-bit
numbers (width, height, depth, real depth, bytes of an image, kind of picture, frames, 0, true bytes of an image) and the
frames per second as a double. A compressed frame is its size in 32 bits, which counts itself, the picture, and its time in
seconds (32 bits) and milliseconds (16 bits); padding of 0, 2 or 8 bytes more follows. The frame count may be 0; frames
are found by going through the file in any case.
"""

from __future__ import annotations

import io
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from thrifty.data.clip import Picture, VideoIndex
from thrifty.data.stills import content_hash, reason_of
from thrifty.errors import DataError, FrameError
from thrifty.types import Image

SUFFIX = ".seq"

_MAGIC = 0xFEED
_HEADER = 1024
_MONO, _COLOUR = 100, 200
_COMPRESSED = frozenset({1, 2, 102, 201})
"""PNG and JPEG, in grey and in colour."""


@dataclass(frozen=True, slots=True)
class _Frame:
    start: int
    size: int
    timestamp: int


class Sequence:
    """An open `.seq` file. Close it, or use it as a context.

    Args:
        path: The file.

    Raises:
        DataError: It is missing, no `.seq` file, or holds pictures of a kind that is not read (raw Bayer).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                if file.seek(0, io.SEEK_END) < _HEADER:
                    raise DataError(f"{path}: is too short for a .seq file; copy it again")
                self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
        (magic,) = struct.unpack_from("<I", self._content, 0)
        fields = struct.unpack_from("<9I", self._content, 548)
        (
            self.width,
            self.height,
            self._depth,
            _,
            self._bytes,
            self._kind,
            self._count,
            _,
            self._stride,
        ) = fields
        if magic != _MAGIC or not (0 < self.width < 1 << 16 and 0 < self.height < 1 << 16):
            raise DataError(f"{path}: is no Norpix .seq file; copy it again from its source")
        if self._kind not in _COMPRESSED | {_MONO, _COLOUR}:
            raise DataError(
                f"{path}: holds pictures of kind {self._kind}, which is not read (100, 200 raw; 102, 201 JPEG; 1, 2 PNG "
                "are); convert it"
            )
        self._frames = tuple(self._find())

    def __enter__(self) -> Sequence:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._content.close()

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def shortfall(self) -> str:
        """Frames that the header promises and the file does not hold, in words; empty if there are none."""
        if len(self) >= max(1, self._count):
            return ""
        return f"its header announces {self._count} frames but {len(self)} are there"

    @property
    def timestamps(self) -> tuple[int, ...]:
        """When each frame was taken, in milliseconds."""
        return tuple(frame.timestamp for frame in self._frames)

    def __iter__(self) -> Iterator[Picture]:
        return self.start(0)

    def start(self, first: int) -> Iterator[Picture]:
        """Frames from one on."""
        for number in range(first, len(self)):
            stamp = self._frames[number].timestamp
            yield Picture(number, stamp, stamp / 1000, partial(self.image, number))

    def image(self, number: int) -> Image:
        """Decode one frame.

        Raises:
            FrameError: It is damaged, or of another size than the header says.
        """
        frame = self._frames[number]
        content = self._content[frame.start : frame.start + frame.size]
        if self._kind in _COMPRESSED:
            return self._checked(self._decode(content, number), number)
        channels = 1 if self._kind == _MONO else 3
        pixels = np.frombuffer(content, dtype=np.uint8)[: self.width * self.height * channels]
        if pixels.size < self.width * self.height * channels:
            raise self._damaged(number, "its pixels are missing")
        image = pixels.reshape(self.height, self.width, channels)
        # Colours are kept as blue, green, red.
        return np.ascontiguousarray(np.broadcast_to(image[..., ::-1], (*image.shape[:2], 3)))

    def _decode(self, content: bytes, number: int) -> Image:
        try:
            with Pillow.open(io.BytesIO(content), formats=("JPEG", "PNG")) as picture:
                return np.array(picture.convert("RGB"))
        except Exception as error:
            raise self._damaged(number, reason_of(error)) from error

    def _checked(self, image: Image, number: int) -> Image:
        height, width = image.shape[:2]
        if (width, height) != (self.width, self.height):
            raise self._damaged(number, f"it is {width}x{height}, not {self.width}x{self.height}")
        return image

    def _damaged(self, number: int, reason: str) -> FrameError:
        return FrameError(
            f"frame {number} cannot be decoded ({reason}); copy the video again from its source"
        )

    def _find(self) -> Iterator[_Frame]:
        if self._kind in _COMPRESSED:
            yield from self._find_compressed()
            return
        end, start = len(self._content), _HEADER
        stride = max(self._stride, self._bytes + 6)
        while self._bytes and start + self._bytes <= end:
            yield _Frame(start, self._bytes, self._time(start + self._bytes))
            start += stride

    def _find_compressed(self) -> Iterator[_Frame]:
        end, start = len(self._content), _HEADER
        while start + 4 <= end:
            (size,) = struct.unpack_from("<I", self._content, start)
            if size <= 4 or start + size > end:
                return
            yield _Frame(start + 4, size - 4, self._time(start + size))
            start = self._following(start + size)

    def _following(self, start: int) -> int:
        """Where the next size stands, after a time of 6 bytes and padding that depends on who wrote the file."""
        for padding in (8, 6, 16):
            if start + padding + 4 <= len(self._content):
                (size,) = struct.unpack_from("<I", self._content, start + padding)
                if size > 4 and start + padding + size <= len(self._content):
                    return start + padding
        return len(self._content)

    def _time(self, start: int) -> int:
        if start + 6 > len(self._content):
            return 0
        seconds, milliseconds = struct.unpack_from("<IH", self._content, start)
        return int(seconds) * 1000 + int(milliseconds)


def sequence_index(path: Path) -> VideoIndex:
    """Go through a `.seq` file and note its frames.

    Raises:
        DataError: The file is missing, none, or ends before the frames its header announces.
    """
    with Sequence(path) as sequence:
        if sequence.shortfall:
            raise DataError(
                f"{path}: is truncated or damaged, {sequence.shortfall}; copy it again from its source"
            )
        return VideoIndex(
            digest=content_hash(path),
            width=sequence.width,
            height=sequence.height,
            timestamps=sequence.timestamps,
            seekable=True,
        )
