"""How long work reports how far it is, without knowing who listens or in which process."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

_EVERY = 0.2


class Step(Protocol):
    """One bar: call it with the number of units done since the last call."""

    def __call__(self, units: int = 1) -> None:
        """Move on by `units`."""
        ...


class Progress(Protocol):
    """Opens bars."""

    def __call__(self, what: str, total: int, unit: str) -> AbstractContextManager[Step]:
        """Open a bar for `total` units of work, shown as `what`, counted in `unit` ("frames", "steps").

        A total of 0 stands for as many as come.
        """
        ...


def ignore(units: int = 1) -> None:
    """A `Step` that shows nothing."""


@contextmanager
def silent(what: str, total: int, unit: str) -> Iterator[Step]:  # noqa: ARG001 - the signature of `Progress`
    """A `Progress` that shows nothing."""
    yield ignore


@dataclass(frozen=True, slots=True)
class Message:
    """What a bar in another process has to say: it opens (`what` is set), moves on, or closes (`closed`)."""

    bar: tuple[int, int]
    what: str = ""
    total: int = 0
    unit: str = ""
    units: int = 0
    closed: bool = False


class Puts(Protocol):
    """Where messages go; from any thread."""

    def put(self, message: Message, /) -> None:
        """Take a message."""
        ...


class Gives(Protocol):
    """Where messages come from."""

    def get(self) -> Message | None:
        """Wait for the next; `None` if there will be none any more."""
        ...


class Relay:
    """A `Progress` for worker processes: tells the main process, a few times a second at most.

    Args:
        messages: Read in the main process, by `listen` for instance.
    """

    def __init__(self, messages: Puts) -> None:
        self._messages = messages
        # Of processes of several machines two may have one number.
        self._origin = secrets.randbits(62)
        self._numbers = itertools.count()

    @contextmanager
    def __call__(self, what: str, total: int, unit: str) -> Iterator[Step]:
        """Open a bar in the main process."""
        bar = (self._origin, next(self._numbers))
        self._messages.put(Message(bar, what=what, total=total, unit=unit))
        held, last = 0, time.monotonic()

        def step(units: int = 1) -> None:
            nonlocal held, last
            held += units
            if time.monotonic() - last >= _EVERY:
                self._messages.put(Message(bar, units=held))
                held, last = 0, time.monotonic()

        yield step
        self._messages.put(Message(bar, units=held, closed=True))


def listen(messages: Gives, progress: Progress) -> None:
    """Show what workers relay, until `None` arrives.

    Where it cannot be shown any more (a closed pipe, a full disk under the log), messages are still taken, because
    workers would wait for a full queue.
    """
    open_bars: dict[tuple[int, int], tuple[ExitStack, Step]] = {}
    shown = True
    while (message := messages.get()) is not None:
        try:
            if shown:
                _show(message, open_bars, progress)
        except OSError:
            shown = False


def _show(
    message: Message, open_bars: dict[tuple[int, int], tuple[ExitStack, Step]], progress: Progress
) -> None:
    if message.what:
        stack = ExitStack()
        step = stack.enter_context(progress(message.what, message.total, message.unit))
        open_bars[message.bar] = (stack, step)
        return
    if message.bar not in open_bars:
        # What opened it was lost on its way.
        return
    open_bars[message.bar][1](message.units)
    if message.closed:
        open_bars.pop(message.bar)[0].close()
