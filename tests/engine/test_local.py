import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest

from thrifty.data.frames import CachedFrames, CachedSet, FrameSet
from thrifty.engine.local import map_frames, map_pool
from thrifty.errors import FrameError, ScoreError
from thrifty.progress import ignore
from thrifty.types import Frame, Image, Record, Unreadable


class Numbered:
    """Frames whose pixels are their number; some are broken, some larger. Remembers how far it was asked."""

    def __init__(self, broken: Sequence[int] = (), large: Sequence[int] = ()) -> None:
        self.broken, self.large, self.produced = broken, large, 0

    def read(self, record: Record) -> Image:
        number = record.frame or 0
        self.produced = max(self.produced, number)
        if number in self.broken:
            raise FrameError(f"frame {number} is broken")
        return np.full((6 if number in self.large else 4, 4, 3), number, dtype=np.uint8)

    def stream(self, records: Iterable[Record]) -> Iterator[tuple[Record, Image | FrameError]]:
        for record in records:
            try:
                yield record, self.read(record)
            except FrameError as error:
                yield record, error


def frames(count: int, reader: Numbered) -> FrameSet:
    records = tuple(Record(f"{n:03d}", "x", 4, 4, "v", n, n) for n in range(count))
    return FrameSet(records, reader)


def numbers(group: Sequence[Frame]) -> list[int]:
    return [int(frame.image[0, 0, 0]) for frame in group]


@pytest.mark.parametrize("batch", [1, 3, 4, 100])
def test_rows_come_in_order_with_their_records(batch: int) -> None:
    pool = frames(23, Numbered())
    results = list(map_frames(numbers, pool, pool.records, ignore, batch))
    assert results == [(record, record.frame) for record in pool.records]


def test_batches_hold_one_size_and_no_more_than_asked() -> None:
    pool = frames(12, Numbered(large=(5, 6)))
    seen: list[tuple[int, int]] = []

    def watch(group: Sequence[Frame]) -> list[int]:
        seen.append((len(group), len({frame.image.shape for frame in group})))
        return numbers(group)

    assert len(list(map_frames(watch, pool, pool.records, ignore, 4))) == 12
    assert max(size for size, _ in seen) == 4
    assert {shapes for _, shapes in seen} == {1}


def test_broken_frames_are_reported_once_and_progress_counts_them() -> None:
    pool = frames(9, Numbered(broken=(0, 4, 8)))
    units: list[int] = []
    results = list(map_frames(numbers, pool, pool.records, lambda n=1: units.append(n), 4))
    unreadable = [result for result in results if isinstance(result, Unreadable)]
    assert [(bad.record.frame, bad.reason) for bad in unreadable] == [
        (n, f"frame {n} is broken") for n in (0, 4, 8)
    ]
    assert len(results) == sum(units) == 9


def test_an_error_of_the_function_reaches_the_caller() -> None:
    def fail(group: Sequence[Frame]) -> list[int]:
        raise ScoreError("no")

    pool = frames(9, Numbered())
    with pytest.raises(ScoreError, match="no"):
        list(map_frames(fail, pool, pool.records, ignore))


def test_an_error_of_the_reader_reaches_the_caller() -> None:
    class Broken(Numbered):
        def read(self, record: Record) -> Image:
            raise RuntimeError("disk on fire")

    pool = frames(9, Broken())
    with pytest.raises(RuntimeError, match="disk on fire"):
        list(map_frames(numbers, pool, pool.records, ignore))


def test_decoding_stays_a_few_batches_ahead() -> None:
    reader = Numbered()
    pool = frames(200, reader)
    results = map_frames(numbers, pool, pool.records, ignore, 4)
    for _ in range(8):
        next(results)
    assert reader.produced < 40
    results.close()  # type: ignore[attr-defined]


def test_no_frames_give_no_rows() -> None:
    pool = frames(0, Numbered())
    assert list(map_frames(numbers, pool, pool.records, ignore)) == []


class Counting(Numbered):
    """Remembers which frames it was asked for."""

    def __init__(self, broken: Sequence[int] = ()) -> None:
        super().__init__(broken)
        self.reads: list[str] = []

    def read(self, record: Record) -> Image:
        self.reads.append(record.id)
        return super().read(record)


def test_cached_frames_are_decoded_once_until_memory_is_short() -> None:
    reader = Counting()
    pool, reads = frames(3, reader), reader.reads
    ample = CachedFrames(pool)
    for record in (*pool.records, *pool.records):
        ample.load(record)
    assert reads == ["000", "001", "002"]
    reads.clear()
    tight = CachedFrames(pool, limit=100)
    for number in (0, 1, 2, 0):
        tight.load(pool.records[number])
    assert reads == ["000", "001", "002", "000"]


def test_a_cached_set_streams_as_the_set_does_and_decodes_what_it_can_keep_once() -> None:
    reader = Counting(broken=(2,))
    pool = frames(6, reader)
    whole = CachedSet(pool)
    whole.load(pool.records[3])
    wanted = [pool.records[number] for number in (1, 2, 3, 5)]
    for _ in range(2):
        given = list(whole.stream(wanted))
        assert [one.record for one in given] == wanted
        assert [one.image[0, 0, 0] for one in given if isinstance(one, Frame)] == [1, 3, 5]
    assert reader.reads == ["003", "001", "002", "005", "002"]
    reader.reads.clear()
    whole.load(pool.records[5])
    assert not reader.reads


def test_what_a_cached_set_cannot_hold_does_not_drive_out_what_it_holds() -> None:
    reader = Counting()
    pool = frames(4, reader)
    tight = CachedSet(pool, limit=100)
    for _ in range(2):
        assert [one.record for one in tight.stream(pool.records)] == list(pool.records)
    assert reader.reads == ["000", "001", "002", "003", "002", "003"]


def streamed(pool: FrameSet) -> Iterator[Frame | Unreadable]:
    return pool.stream(pool.records)


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_a_pool_keeps_its_order_through_both_steps(batch: int) -> None:
    pool = frames(23, Numbered(broken=(0, 7), large=(5, 6, 22)))

    def finish(group: Sequence[Frame], doubled: list[int]) -> list[int]:
        assert len({frame.image.shape for frame in group}) == 1
        return [value // 2 for value in doubled]

    def double(group: Sequence[Frame]) -> list[int]:
        return [2 * number for number in numbers(group)]

    results = list(map_pool(double, finish, streamed(pool), batch))
    seen = [item.record.frame if isinstance(item, Unreadable) else item[1] for item in results]
    assert seen == list(range(23))
    assert [isinstance(item, Unreadable) for item in results] == [n in (0, 7) for n in range(23)]


@pytest.mark.parametrize("where", ["detect", "finish"])
def test_an_error_in_either_step_ends_the_pool(where: str) -> None:
    pool = frames(50, Numbered())

    def detect(group: Sequence[Frame]) -> list[int]:
        if where == "detect" and 10 in numbers(group):
            raise ScoreError("diverged")
        return numbers(group)

    def finish(group: Sequence[Frame], found: list[int]) -> list[int]:
        if where == "finish" and 10 in found:
            raise ScoreError("diverged")
        return found

    taken: list[object] = []
    results = map_pool(detect, finish, streamed(pool), 2)
    with pytest.raises(ScoreError, match="diverged"):
        taken.extend(results)
    assert len(taken) == 10


def test_a_pool_is_read_no_further_than_a_few_batches_ahead() -> None:
    reader = Numbered()
    pool = frames(500, reader)
    results = map_pool(numbers, lambda _, found: found, streamed(pool), 2)
    for _ in range(10):
        next(results)
    results.close()
    assert reader.produced < 60


def test_an_empty_pool_gives_nothing() -> None:
    assert list(map_pool(numbers, lambda _, found: found, iter([]))) == []


def test_a_wish_to_stop_keeps_all_that_was_found() -> None:
    stop = threading.Event()
    detected: list[int] = []

    def detect(group: Sequence[Frame]) -> list[int]:
        found = numbers(group)
        if 10 in found:
            stop.set()
        detected.extend(found)
        return found

    pool = frames(500, Numbered(broken=(3,)))
    results = list(map_pool(detect, lambda _, found: found, streamed(pool), 2, stop))
    kept = [item.record.frame if isinstance(item, Unreadable) else item[1] for item in results]
    assert kept == list(range(len(kept)))
    assert detected == [number for number in kept if number != 3]
    assert 10 in kept
    assert len(kept) < 20


def test_a_second_interrupt_while_a_batch_is_under_way_is_nothing_but_that() -> None:
    busy, released = threading.Event(), threading.Event()

    def detect(group: Sequence[Frame]) -> list[int]:
        busy.set()
        released.wait(60)
        return numbers(group)

    def interrupt_twice() -> None:
        busy.wait(60)
        for _ in range(2):
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        released.set()

    pool = frames(9, Numbered())
    results = map_pool(detect, lambda _, found: found, streamed(pool), 2)
    impatient = threading.Thread(target=interrupt_twice)
    impatient.start()
    with pytest.raises(KeyboardInterrupt):
        next(results)
    impatient.join()
