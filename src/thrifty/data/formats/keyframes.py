"""Objects that were drawn on some frames of a video and belong on those in between.

A few bytes can claim that a video has a billion frames, or that an object is on all of them. So what is made up of such
claims is bounded: by a few hours of video, or in proportion to the file, whichever is more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from thrifty.data.formats.guard import bad

T = TypeVar("T")

SURE = 1 << 18
"""Frames, and labels to be filled in, that any file may claim: more than two hours of one object at 30 frames a second."""
_BYTES = 16
"""Bytes of a file for each further one."""

LAST_FRAME = 999_999_999
"""Largest number of a frame: what an image's name has digits for."""


def with_next(items: Sequence[T]) -> Iterator[tuple[T, T | None]]:
    """Each, and the one that follows; `None` follows the last."""
    return zip_longest(items, items[1:])


def blend(one: Sequence[float], other: Sequence[float], share: float) -> tuple[float, ...]:
    """Numbers on the way from one to the other; the share of the way is 0 to 1."""
    return tuple(a + (b - a) * share for a, b in zip(one, other, strict=True))


class Filling:
    """The frames that one file claims, and those that its labels are filled in on.

    Args:
        path: The file; named in errors.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._most = max(SURE, path.stat().st_size // _BYTES)
        self._claimed = 0
        self._filled = 0

    def claim(self, count: int) -> None:
        """Frames of a video.

        Raises:
            DataError: The file has claimed too many by now.
        """
        self._claimed += count
        if self._claimed > self._most:
            what = f"claims to be about {self._claimed} frames, which is out of proportion"
            bad(self._path, what, "correct it, or split it")

    def frames(self, after: int, before: int, step: int, where: str) -> range:
        """Every `step`-th frame between two, both excluded, for labels to be filled in on.

        Raises:
            DataError: The file has asked for too many by now.
        """
        wanted = range(after + step, before, step)
        self._filled += len(wanted)
        if self._filled > self._most:
            bad(
                self._path,
                f"{where}: over {self._most} labels are to be filled in, which is out of proportion",
                "check its frame numbers, or export the labels of all frames",
            )
        return wanted
