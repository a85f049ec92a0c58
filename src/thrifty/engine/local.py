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
from itertools import islice
from typing import TypeVar

from thrifty.data.frames import FrameSet
from thrifty.progress import Step
from thrifty.types import Frame, Record, Unreadable

Row = TypeVar("Row")
Item = TypeVar("Item")
Maps = TypeVar("Maps")
Bad = TypeVar("Bad")
BATCH = 4
_AHEAD = 2


def map_frames(
    function: Callable[[Sequence[Frame]], Sequence[Row]],
    frames: FrameSet,
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
    with closing(_run_ahead(_batches(frames.stream(records), batch))) as groups:
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
) -> Generator[tuple[Record, Row] | Bad]:
    """Apply two functions to a stream of frames, batch by batch, each function in a thread of its own.

    A few batches at most are under way, so memory does not grow with the pool.

    Args:
        detect: Takes up to `batch` frames of one size; only one call at a time.
        finish: Takes the same frames and what `detect` made of them, returns a row for each; likewise.
        stream: Frames, and between them things of another kind, which are passed on.
        batch: Most frames per call.

    Yields:
        A record with its row, or what was passed on, in the order of the stream.
    """

    def detected(groups: Iterator[list[Frame] | Bad]) -> Iterator[tuple[list[Frame], Maps] | Bad]:
        for group in groups:
            yield (group, detect(group)) if isinstance(group, list) else group

    def finished(
        groups: Iterator[tuple[list[Frame], Maps] | Bad],
    ) -> Iterator[list[tuple[Record, Row] | Bad]]:
        for group in groups:
            if not isinstance(group, tuple):
                yield [group]
                continue
            frames, maps = group
            rows = finish(frames, maps)
            yield [(frame.record, row) for frame, row in zip(frames, rows, strict=True)]

    with (
        closing(_run_ahead(_batches(stream, batch))) as groups,
        closing(_run_ahead(detected(groups))) as maps,
        closing(_run_ahead(finished(maps))) as rows,
    ):
        for some in rows:
            yield from some


def _batches(stream: Iterator[Frame | Bad], size: int) -> Iterator[list[Frame] | Bad]:
    group: list[Frame] = []
    for frame in stream:
        if not isinstance(frame, Frame):
            if group:
                yield group
                group = []
            yield frame
            continue
        if group and (len(group) == size or group[0].image.shape != frame.image.shape):
            yield group
            group = []
        group.append(frame)
    if group:
        yield group


def _run_ahead(items: Iterator[Item]) -> Generator[Item]:
    """Produce items in a thread, at most a few ahead of their use, so memory stays bounded."""
    stopped = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        waiting: deque[Future[list[Item]]] = deque()
        try:
            # An empty list marks the end; whatever the producer raises comes out of `result`.
            waiting.extend(pool.submit(_next, items, stopped) for _ in range(_AHEAD))
            while produced := waiting.popleft().result():
                waiting.append(pool.submit(_next, items, stopped))
                yield produced[0]
        finally:
            stopped.set()


def _next(items: Iterator[Item], stopped: threading.Event) -> list[Item]:
    return [] if stopped.is_set() else list(islice(items, 1))
