"""Mapping over frames on this machine, its steps side by side in threads: decoding runs ahead of the detector.

`map_frames` goes over the frames of a set by their records, `map_pool` over a pool of any size as a stream, and finishes
a batch while the detector works on the next.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice, takewhile
from typing import TypeVar

from thrifty.data.frames import FrameStream
from thrifty.progress import Step
from thrifty.types import Frame, Record, Unreadable

Row = TypeVar("Row")
Item = TypeVar("Item")
Maps = TypeVar("Maps")
Bad = TypeVar("Bad")
BATCH = 4
_ON_GPU = 32
_PIXELS = _ON_GPU * 640 * 480
"""Of frames that are seen at once, at most, unless a single frame has more."""
_AHEAD = 2


def usual_batch(device: str) -> int:
    """Frames that a detector sees at once: few fit a processor's cache, many keep a GPU busy."""
    return _ON_GPU if device.startswith("cuda") else BATCH


def map_frames(
    function: Callable[[Sequence[Frame]], Sequence[Row]],
    frames: FrameStream,
    records: Sequence[Record],
    step: Step,
    batch: int = BATCH,
) -> Iterator[tuple[Record, Row] | Unreadable]:
    """Apply a function to frames, batch by batch.

    Args:
        function: Takes up to `batch` frames of one size, returns a row for each.
        frames: Where pixels come from.
        records: Which frames, in the order in which they decode fastest (time order for video).
        step: Told about every frame done.
        batch: Most frames per call.

    Yields:
        A record with its row, in the order given, or the frame that could not be decoded.
    """
    with closing(_Ahead(batches(frames.stream(records), batch))) as groups:
        for group in groups:
            if isinstance(group, Unreadable):
                yield group
                step()
                continue
            for frame, row in zip(group, function(group), strict=True):
                yield frame.record, row
            step(len(group))


def map_pool(
    detect: Callable[[Sequence[Frame]], Maps],
    finish: Callable[[Sequence[Frame], Maps], Sequence[Row]],
    stream: Iterator[Frame | Bad],
    batch: int = BATCH,
    stop: threading.Event | None = None,
) -> Generator[tuple[Record, Row] | Bad]:
    """Apply two functions to a stream of frames, batch by batch, each function in a thread of its own.

    A few batches at most are under way, so memory does not grow with the pool.

    Args:
        detect: Takes up to `batch` frames of one size; only one call at a time.
        finish: Takes the same frames and what `detect` made of them, returns a row for each; likewise.
        stream: Frames, and between them things of another kind, which are passed on.
        batch: Most frames per call.
        stop: Once set, `detect` is not called again; what it has found is still given, then this ends.

    Yields:
        A record with its row, or what was passed on, in the order of the stream.
    """
    given_up = threading.Event()

    def goes_on(_item: object) -> bool:
        return not (given_up.is_set() or (stop is not None and stop.is_set()))

    def detected(groups: Iterator[list[Frame] | Bad]) -> Iterator[tuple[list[Frame], Maps] | Bad]:
        for group in takewhile(goes_on, groups):
            yield (group, detect(group)) if isinstance(group, list) else group

    groups = _Ahead(batches(takewhile(goes_on, stream), batch))
    maps = _Ahead(detected(groups))
    rows = _Ahead(_finished(finish, maps))
    try:
        for some in rows:
            yield from some
    finally:
        given_up.set()
        for stage in (rows, maps, groups):
            stage.close()


def _finished(
    finish: Callable[[Sequence[Frame], Maps], Sequence[Row]],
    groups: Iterator[tuple[list[Frame], Maps] | Bad],
) -> Iterator[list[tuple[Record, Row] | Bad]]:
    for group in groups:
        if not isinstance(group, tuple):
            yield [group]
            continue
        frames, maps = group
        rows = finish(frames, maps)
        yield [(frame.record, row) for frame, row in zip(frames, rows, strict=True)]


def batches(stream: Iterator[Frame | Bad], size: int) -> Iterator[list[Frame] | Bad]:
    """Frames that follow each other in groups of one size, at most `size` and as many as memory bears; the rest is passed on."""
    group: list[Frame] = []
    for frame in stream:
        if not isinstance(frame, Frame):
            if group:
                yield group
                group = []
            yield frame
            continue
        if group and (
            len(group) == size
            or group[0].image.shape != frame.image.shape
            or (len(group) + 1) * frame.image[..., 0].size > _PIXELS
        ):
            yield group
            group = []
        group.append(frame)
    if group:
        yield group


class _Ahead(Iterator[Item]):
    """Produces items in a thread, at most a few ahead of their use, so memory stays bounded.

    No generator: one that an interrupt leaves half done cannot be closed while another thread waits in it.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._waiting = deque(self._ask() for _ in range(_AHEAD))

    def __next__(self) -> Item:
        """The next item; whatever the producer raises comes out here."""
        produced = self._waiting.popleft().result()
        if not produced:
            raise StopIteration
        self._waiting.append(self._ask())
        return produced[0]

    def close(self) -> None:
        """Produce no further item, and wait for the one under way."""
        self._thread.shutdown(cancel_futures=True)

    def _ask(self) -> Future[list[Item]]:
        # An empty list marks the end.
        return self._thread.submit(lambda: list(islice(self._items, 1)))
