"""Mapping over a pool on a Ray cluster: as `map_pool` does on this machine, with the same rows in the same order.

Parts of the pool are decoded by tasks anywhere in the cluster, and their frames go straight to workers that each hold what looks
at them; only rows come to the driver, which puts them in order. Both wait when those after them do not keep up, so that memory
does not grow with the pool. Who dies is replaced, and what was under way of a part is done again from the first row that did not
arrive, so that none is missing and none comes twice.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Any, Generic, TypeVar

from thrifty.engine.local import batches
from thrifty.engine.ray_cluster import (
    DEATHS,
    ROOM,
    Cluster,
    cause_of,
    first_line,
    hiring,
    need_ray,
    never_ready,
    no_room,
)
from thrifty.errors import RunError
from thrifty.types import Frame

Part = TypeVar("Part")
Bad = TypeVar("Bad")
Row = TypeVar("Row")

_BUSY = 2
"""Batches that a worker has at once: one under way, the next at hand."""
_DECODED = 2
"""Batches of a part that wait for a worker."""
_WAITING = 256
"""Batches of a part that wait for those before them."""
_FUTILE = 5
"""Times that a part may be begun without a row to show for it."""
_FAREWELL = 2.0
"""Seconds that workers have to end."""
_PATIENCE = 1.0
"""Seconds after which is asked whether to stop."""


def map_parts(
    cluster: Cluster,
    parts: Iterator[Part],
    read: Callable[[Part], Iterator[Frame | Bad]],
    begin: Callable[[], Callable[[Sequence[Frame]], Sequence[Row]]],
    batch: int,
    stop: threading.Event | None = None,
) -> Generator[Row | Bad]:
    """Decode the parts of a pool and apply a function to their frames, batch by batch.

    All arguments but `parts` and `stop` are pickled, and so are frames and rows.

    Args:
        cluster: Where.
        parts: What can be decoded by itself, in order.
        read: Decodes a part: frames, and between them things of another kind, which are passed on.
        begin: Called once by each worker; makes what takes up to `batch` frames of one size and returns a row for each.
        batch: Most frames per call.
        stop: Once set, no batch is handed out; rows of those under way are still given, then this ends.

    Yields:
        Rows, and what was passed on, in the order of the parts and in them of the frames.

    Raises:
        RunError: A part cannot be finished, because whoever works on it dies again and again.
    """
    mapping = _Mapping(cluster, parts, read, begin, batch, stop or threading.Event())
    try:
        yield from mapping.rows()
    finally:
        mapping.close()


class _Worker(Generic[Row]):
    """Looks at frames, in a process of its own."""

    def __init__(self, begin: Callable[[], Callable[[Sequence[Frame]], Sequence[Row]]]) -> None:
        self._begin = begin

    def load(self) -> None:
        """Make what looks; not while the worker itself is made, so that what goes wrong is told as it is."""
        self._function = self._begin()

    def rows(self, group: list[Frame] | Bad) -> Sequence[Row | Bad]:
        """A row for each frame, or what is passed on."""
        return self._function(group) if isinstance(group, list) else [group]


def _decode(
    read: Callable[[Part], Iterator[Frame | Bad]], part: Part, begun: int, batch: int
) -> Iterator[list[Frame] | Bad]:
    """The frames of a part in batches, but for those that arrived before."""
    yield from batches(islice(read(part), begun, None), batch)


@dataclass(eq=False)
class _Seat:
    """A worker's place.

    Attributes:
        worker: Who has it.
        loading: Done when the worker is ready; `None` from then on.
        busy: Batches that it has.
    """

    worker: Any
    loading: Any
    busy: int = 0


@dataclass(eq=False)
class _Batch:
    """Some frames of a part.

    Attributes:
        rows: What came of them; `None` while they are under way.
        error: What is raised in their place.
        dropped: Whether they are done again elsewhere.
    """

    rows: Sequence[Any] | None = None
    error: BaseException | None = None
    dropped: bool = False


@dataclass(eq=False)
class _Open:
    """A part under way.

    Attributes:
        part: It.
        decoding: Its batches as they are decoded; `None` at the end.
        batches: Those that were handed out, in order, from the first whose rows were not given yet.
        given: Rows that were.
        begun: Rows that were known when it was begun again last.
        futile: How often it was begun again with no more rows than before.
    """

    part: object
    decoding: Any
    batches: deque[_Batch] = field(default_factory=deque)
    given: int = 0
    begun: int = 0
    futile: int = 0


class _Mapping(Generic[Part, Row, Bad]):
    """The driver's side of `map_parts`."""

    def __init__(
        self,
        cluster: Cluster,
        parts: Iterator[Part],
        read: Callable[[Part], Iterator[Frame | Bad]],
        begin: Callable[[], Callable[[Sequence[Frame]], Sequence[Row]]],
        batch: int,
        stop: threading.Event,
    ) -> None:
        self._ray = need_ray()
        self._parts, self._batch, self._stop = parts, batch, stop
        self._most_open = cluster.workers + 1
        self._read, self._begin = self._ray.put(read), self._ray.put(begin)
        # Decoding counts as no core: it must not wait for one that a worker has.
        self._decode = self._ray.remote(_decode).options(
            num_cpus=0,
            max_retries=0,
            num_returns="streaming",
            scheduling_strategy="SPREAD",
            _generator_backpressure_num_objects=_DECODED,
        )
        self._hire = hiring(cluster, _Worker)
        self._open: deque[_Open] = deque()
        self._unloaded, self._begun = 0, time.monotonic()
        self._under_way: dict[Any, tuple[_Open, _Batch, _Seat]] = {}
        self._seats = [self._hired() for _ in range(cluster.workers)]

    def rows(self) -> Iterator[Row | Bad]:
        """All rows, in order."""
        while True:
            yield from self._in_order()
            if self._stop.is_set():
                if not (self._open and self._open[0].batches):
                    return
            else:
                self._open_parts()
                if not self._open:
                    return
            self._wait()

    def close(self) -> None:
        """Give up what is under way."""
        with suppress(self._ray.exceptions.RayError):
            for one in self._open:
                self._abandon(one)
            # Who ends by itself clears up behind itself.
            ends = [seat.worker.__ray_terminate__.remote() for seat in self._seats]
            self._ray.wait(ends, num_returns=len(ends), timeout=_FAREWELL)
            for seat in self._seats:
                self._ray.kill(seat.worker)

    def _hired(self) -> _Seat:
        worker = self._hire.remote(self._begin)
        return _Seat(worker, worker.load.remote())

    def _open_parts(self) -> None:
        for part in islice(self._parts, self._most_open - len(self._open)):
            self._open.append(_Open(part, self._decoded(part, 0)))

    def _decoded(self, part: object, begun: int) -> Any:  # noqa: ANN401 - Ray states no types
        return self._decode.remote(self._read, part, begun, self._batch)

    def _in_order(self) -> Iterator[Row | Bad]:
        """The rows before which none is missing."""
        while self._open:
            first = self._open[0]
            while first.batches:
                batch = first.batches[0]
                if batch.error is not None:
                    raise batch.error
                if batch.rows is None:
                    return
                first.batches.popleft()
                first.given += len(batch.rows)
                first.futile = 0
                yield from batch.rows
            if first.decoding is not None:
                return
            self._open.popleft()

    def _wait(self) -> None:
        """Wait until somebody is ready or something is done, and hand on what is decoded."""
        loading = self._loading()
        decoding = {} if self._stop.is_set() or self._free() is None else self._wanted()
        anything = [*loading, *self._under_way, *decoding]
        # Frames stay where they are.
        ready, _ = self._ray.wait(anything, timeout=_PATIENCE, fetch_local=False)
        if ready:
            # One is; all that are, so that the first parts are served first.
            ready, _ = self._ray.wait(
                anything, num_returns=len(anything), timeout=0, fetch_local=False
            )
        for one in ready:
            if one in loading:
                self._loaded(loading[one])
            elif one in self._under_way:
                self._done(one)
        for one in [found for found in decoding if found in ready]:
            seat = self._free()
            # It may have been given up just now.
            if seat is not None and decoding[one].decoding is one:
                self._hand_on(decoding[one], seat)

    def _loading(self) -> dict[Any, _Seat]:
        """Those who are not ready yet, by what tells that they are.

        Raises:
            RunError: Nobody has been ready for too long.
        """
        loading = {seat.loading: seat for seat in self._seats if seat.loading is not None}
        if len(loading) < len(self._seats):
            self._begun = time.monotonic()
        elif time.monotonic() - self._begun > ROOM:
            raise no_room()
        return loading

    def _wanted(self) -> dict[Any, _Open]:
        """The parts of which a further batch is wanted, by what decodes them; the first comes first."""
        return {
            one.decoding: one
            for one in self._open
            if one.decoding is not None and (one is self._open[0] or len(one.batches) < _WAITING)
        }

    def _free(self) -> _Seat | None:
        """The worker with the least to do that could do more."""
        able = [seat for seat in self._seats if seat.loading is None and seat.busy < _BUSY]
        return min(able, key=lambda seat: seat.busy, default=None)

    def _loaded(self, seat: _Seat) -> None:
        try:
            self._ray.get(seat.loading)
        except self._ray.exceptions.RayTaskError as error:
            raise cause_of(error) from None
        except self._ray.exceptions.RayError as error:
            self._unloaded += 1
            if self._unloaded >= DEATHS:
                raise never_ready(error) from error
            self._replace(seat)
        else:
            seat.loading, self._unloaded = None, 0

    def _hand_on(self, one: _Open, seat: _Seat) -> None:
        try:
            group = next(one.decoding)
        except StopIteration:
            one.decoding = None
            return
        except self._ray.exceptions.RayError as error:
            self._again(one, error)
            return
        batch = _Batch()
        one.batches.append(batch)
        seat.busy += 1
        self._under_way[seat.worker.rows.remote(group)] = one, batch, seat

    def _done(self, rows: Any) -> None:  # noqa: ANN401 - Ray states no types
        one, batch, seat = self._under_way.pop(rows)
        seat.busy -= 1
        exceptions = self._ray.exceptions
        try:
            batch.rows = self._ray.get(rows)
        except exceptions.RayError as error:
            cause = cause_of(error)
            # What the worker was told of comes as an error of its task; anything else is its own end, by want of memory too.
            if not isinstance(error, exceptions.RayTaskError):
                self._replace(seat)
            if not isinstance(cause, exceptions.RayError):
                batch.error = cause
            elif not batch.dropped:
                self._again(one, cause)

    def _replace(self, seat: _Seat) -> None:
        """Hire another worker in place of one that died: once, however many of its batches tell of it."""
        if seat in self._seats:
            self._ray.kill(seat.worker)
            self._seats[self._seats.index(seat)] = self._hired()

    def _again(self, one: _Open, cause: BaseException) -> None:
        """Decode a part anew from the first batch of which nothing is known, unless that was tried often enough."""
        self._abandon(one)
        known = list(takewhile(lambda batch: batch.rows is not None, one.batches))
        begun = one.given + sum(len(batch.rows or ()) for batch in known)
        one.futile = one.futile + 1 if begun <= one.begun else 1
        one.begun = begun
        for lost in islice(one.batches, len(known), None):
            lost.dropped = True
        one.batches = deque(known)
        if one.futile >= _FUTILE:
            error = RunError(
                f"{one.part}: whoever works on it in the Ray cluster dies, {_FUTILE} times in a row ({first_line(cause)}); see whether "
                "memory suffices, lower --batch, and run the same command again"
            )
            one.batches.append(_Batch(error=error))
            one.decoding = None
            return
        one.decoding = self._decoded(one.part, begun)

    def _abandon(self, one: _Open) -> None:
        if one.decoding is not None:
            # Whoever decoded it may be gone.
            with suppress(self._ray.exceptions.RayError, ValueError):
                self._ray.cancel(one.decoding)
