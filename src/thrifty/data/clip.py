"""What is known of a video before anybody looks at it: its identity and its frames' places in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from thrifty.types import Image


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """What a video holds.

    Attributes:
        digest: Hash of the file's content.
        width: Pixels.
        height: Pixels.
        timestamps: Presentation timestamp of every frame in the stream's time base; a frame without one has its
            decoded index instead.
        seekable: Whether timestamps after a seek are those of the index.
    """

    digest: str
    width: int
    height: int
    timestamps: tuple[int, ...]
    seekable: bool

    def __len__(self) -> int:
        return len(self.timestamps)

    def frame_id(self, frame: int) -> str:
        """Stable id of a frame: hash of the video, decoded index, timestamp."""
        return frame_id(self.digest, frame, self.timestamps[frame])


def frame_id(digest: str, frame: int, timestamp: int) -> str:
    """Stable id of a video's frame.

    Args:
        digest: Hash of the video file's content.
        frame: Decoded index.
        timestamp: Presentation timestamp in the stream's time base, or the index where there is none.
    """
    return f"{digest[:DIGITS]}.{frame:08d}.{timestamp}"


DIGITS = 16
"""Digits of a video's hash in the ids of its frames."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame of a video, not yet turned into pixels.

    Attributes:
        number: Decoded index.
        timestamp: As `VideoIndex.timestamps`.
        seconds: Presentation time; `None` where the file tells none.
        image: Turns it into pixels, or raises `FrameError` if it is damaged. Call it before the next frame is decoded.
    """

    number: int
    timestamp: int
    seconds: float | None
    image: Callable[[], Image]


class Decoding(Protocol):
    """An open video, decoded from the beginning."""

    def __iter__(self) -> Iterator[Picture]:
        """All frames in the order of decoding; those that are damaged too, whose `image` raises `FrameError`.

        Raises what `thrifty.data.video.DAMAGED` lists where nothing more can be read.
        """
        ...

    @property
    def shortfall(self) -> str:
        """Once all frames were read: what the file's header promises that it does not hold; empty if nothing."""
        ...
