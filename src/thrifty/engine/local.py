"""`map_frames` on this machine: decoding runs ahead in a thread while the detector works on the batch before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from thrifty.data.frames import FrameSet
from thrifty.progress import Step
from thrifty.types import Frame, Record, Unreadable

Row = TypeVar("Row")
Item = TypeVar("Item")
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
    for group in _run_ahead(_batches(frames.stream(records), batch)):
        if isinstance(group, Unreadable):
            yield group
            step()
            continue
        for frame, row in zip(group, function(group), strict=True):
            yield frame.record, row
        step(len(group))


def _batches(stream: Iterator[Frame | Unreadable], size: int) -> Iterator[list[Frame] | Unreadable]:
    group: list[Frame] = []
    for frame in stream:
        if isinstance(frame, Unreadable):
            yield frame
            continue
        if group and (len(group) == size or group[0].image.shape != frame.image.shape):
            yield group
            group = []
        group.append(frame)
    if group:
        yield group


def _run_ahead(items: Iterator[Item]) -> Iterator[Item]:
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
