"""`map_frames` on this machine: decoding runs ahead in a thread while the detector works on the batch before."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
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


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _run_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Produce items in a thread, at most a few ahead of their use, so memory stays bounded."""
    ready: queue.Queue[Item | _Failure | None] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(item: Item | _Failure | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def produce() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
            put(_Failure(error))

    thread = threading.Thread(target=produce, name="decode", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        stopped.set()
        thread.join()
