"""Tasks on a Ray cluster, done by members that each make what they need once.

Who dies is replaced, and the task that it had is given to another; so a task must be one that may be begun twice. A member gets its first
task once it is there: one for which the cluster has no room would keep the task while others are free.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

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

Task = TypeVar("Task")
Result = TypeVar("Result")


class _Member(Generic[Task, Result]):
    """Does one task after the other, in a process of its own."""

    def __init__(self, begin: Callable[[], Callable[[Task], Result]]) -> None:
        self._begin = begin
        self._function: Callable[[Task], Result] | None = None

    def ready(self) -> None:
        """Nothing; the answer says that this member is there."""

    def do(self, task: Task) -> Result:
        """Do it."""
        if self._function is None:
            self._function = self._begin()
        return self._function(task)


@dataclass(eq=False)
class _Order(Generic[Task, Result]):
    """A task that was asked for.

    Attributes:
        task: It.
        answer: What comes of it.
        lost: Members that died of it.
    """

    task: Task
    answer: Future[Result] = field(default_factory=Future)
    lost: int = 0


class Crew(Generic[Task, Result]):
    """As many members as a cluster has workers.

    Args:
        cluster: Where they work, as soon as it has room for them.
        begin: Called once by each; makes what does a task. Pickled, as tasks and results are.
    """

    def __init__(self, cluster: Cluster, begin: Callable[[], Callable[[Task], Result]]) -> None:
        self._ray = need_ray()
        self._begin = self._ray.put(begin)
        self._hire = hiring(cluster, _Member)
        self._lock = threading.Lock()
        self._closed = False
        self._waiting: deque[_Order[Task, Result]] = deque()
        self._members: list[Any] = []
        self._idle: deque[Any] = deque()
        self._able = self._unready = 0
        self._failure: RunError | None = None
        self._patience = self._counted_down()
        for _ in range(cluster.workers):
            self._add_member()

    def submit(self, task: Task) -> Future[Result]:
        """Have a task done by whoever is free first.

        The future raises what the task does, and `RunError` where members die of it again and again, or none is ever ready.
        """
        order: _Order[Task, Result] = _Order(task)
        with self._lock:
            self._waiting.append(order)
        self._hand_out()
        return order.answer

    def close(self) -> None:
        """Give up what is under way."""
        with self._lock:
            self._closed = True
            self._patience.cancel()
            members = list(self._members)
        with suppress(self._ray.exceptions.RayError):
            for member in members:
                self._ray.kill(member)

    def _counted_down(self) -> threading.Timer:
        """Nobody is ready; if that lasts, all is given up."""
        timer = threading.Timer(ROOM, self._give_up, [no_room()])
        timer.daemon = True
        timer.start()
        return timer

    def _give_up(self, failure: RunError) -> None:
        with self._lock:
            self._failure = failure
        self._hand_out()

    def _add_member(self) -> None:
        with self._lock:
            if self._closed:
                return
            member = self._hire.remote(self._begin)
            self._members.append(member)
            ready = member.ready.remote().future()
        # Not while the lock is held: what is done already calls at once.
        ready.add_done_callback(partial(self._came, member))

    def _came(self, member: Any, ready: Future[None]) -> None:  # noqa: ANN401 - Ray states no types
        error = ready.exception()
        with self._lock:
            if self._closed:
                return
            if error is None:
                self._able, self._unready = self._able + 1, 0
                self._patience.cancel()
                self._idle.append(member)
            else:
                self._unready += 1
            hopeless = self._unready >= DEATHS
        if error is None:
            self._hand_out()
        elif hopeless:
            self._give_up(never_ready(error))
        else:
            self._replace(member)

    def _replace(self, member: Any) -> None:  # noqa: ANN401 - Ray states no types
        with self._lock:
            # One that was only out of reach ends too, since nobody holds on to it; killing it would wait for the thread that this runs in.
            self._members.remove(member)
        self._add_member()

    def _hand_out(self) -> None:
        begun, refused = [], []
        with self._lock:
            while self._idle and self._waiting and not self._closed:
                member, order = self._idle.popleft(), self._waiting.popleft()
                begun.append((member, order, member.do.remote(order.task).future()))
            if self._failure is not None:
                refused = list(self._waiting)
                self._waiting.clear()
        # Not while the lock is held, as above.
        for member, order, future in begun:
            future.add_done_callback(partial(self._done, member, order))
        for order in refused:
            order.answer.set_exception(self._failure)

    def _done(self, member: Any, order: _Order[Task, Result], future: Future[Result]) -> None:  # noqa: ANN401 - Ray states no types
        error, exceptions = future.exception(), self._ray.exceptions
        if isinstance(error, exceptions.RayError) and not isinstance(
            error, exceptions.RayTaskError
        ):
            self._lost(member, order, error)
            return
        with self._lock:
            if self._closed:
                return
            self._idle.append(member)
        if error is None:
            order.answer.set_result(future.result())
        else:
            order.answer.set_exception(cause_of(error))
        self._hand_out()

    def _lost(self, member: Any, order: _Order[Task, Result], error: BaseException) -> None:  # noqa: ANN401 - Ray states no types
        """A member died at work."""
        with self._lock:
            if self._closed:
                return
            self._able -= 1
            if not self._able:
                self._patience = self._counted_down()
            order.lost += 1
            again = order.lost < DEATHS
            if again:
                self._waiting.appendleft(order)
        self._replace(member)
        if not again:
            lost = RunError(
                f"{order.task}: whoever works on it in the Ray cluster dies, {DEATHS} times in a row ({first_line(error)}); see "
                "whether memory suffices, and run the same command again"
            )
            order.answer.set_exception(lost)
        self._hand_out()
