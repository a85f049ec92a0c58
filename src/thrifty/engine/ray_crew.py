"""Tasks on a Ray cluster, done by members that each make what they need once.

Who dies is replaced, and the task that it had is given to another; so a task must be one that may be begun twice.
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

from thrifty.engine.ray_cluster import Cluster, cause_of, first_line, need_ray
from thrifty.errors import RunError

Task = TypeVar("Task")
Result = TypeVar("Result")

_LOST = 5
"""Members that a task may cost."""


class _Member(Generic[Task, Result]):
    """Does one task after the other, in a process of its own."""

    def __init__(self, begin: Callable[[], Callable[[Task], Result]]) -> None:
        self._begin = begin
        self._function: Callable[[Task], Result] | None = None

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
        self._hire = self._ray.remote(_Member).options(
            num_cpus=0 if cluster.gpus else 1,
            num_gpus=1 if cluster.gpus else 0,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        self._lock = threading.Lock()
        self._closed = False
        self._waiting: deque[_Order[Task, Result]] = deque()
        self._members = [self._hire.remote(self._begin) for _ in range(cluster.workers)]
        self._idle = list(self._members)

    def submit(self, task: Task) -> Future[Result]:
        """Have a task done by whoever is free first.

        The future raises what the task does, and `RunError` where members die of it again and again.
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
            members = list(self._members)
        with suppress(self._ray.exceptions.RayError):
            for member in members:
                self._ray.kill(member)

    def _hand_out(self) -> None:
        begun = []
        with self._lock:
            while self._idle and self._waiting and not self._closed:
                member, order = self._idle.pop(), self._waiting.popleft()
                begun.append((member, order, member.do.remote(order.task).future()))
        # Not while the lock is held: what is done already calls at once.
        for member, order, future in begun:
            future.add_done_callback(partial(self._done, member, order))

    def _done(self, member: Any, order: _Order[Task, Result], future: Future[Result]) -> None:  # noqa: ANN401 - Ray states no types
        error, exceptions = future.exception(), self._ray.exceptions
        died = isinstance(error, exceptions.RayError) and not isinstance(
            error, exceptions.RayTaskError
        )
        again = False
        with self._lock:
            if self._closed:
                return
            if died:
                self._members.remove(member)
                member = self._hire.remote(self._begin)
                self._members.append(member)
                order.lost += 1
                again = order.lost < _LOST
                if again:
                    self._waiting.appendleft(order)
            self._idle.append(member)
        if error is None:
            order.answer.set_result(future.result())
        elif died and not again:
            lost = RunError(
                f"{order.task}: whoever works on it in the Ray cluster dies, {_LOST} times in a row ({first_line(error)}); see "
                "whether memory suffices, and run the same command again"
            )
            order.answer.set_exception(lost)
        elif not died:
            order.answer.set_exception(cause_of(error))
        self._hand_out()
