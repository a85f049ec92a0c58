"""Commands that the pages give: one at a time, in a process of their own, which can be stopped without harm.

A command is the same as on the command line, with the same turns and the same log. The process ends with the server; whatever it was at goes on
when the command is given again.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from thrifty.errors import RunError, ThriftyError
from thrifty.progress import Message, Relay

Command = Literal["collect", "evaluate", "select", "send", "train"]
_GRACE = 5.0
"""Seconds that a process has to end when it is told to."""


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """A command, with what it is told.

    Attributes:
        command: Which.
        budget: Of `select`, frames; the settings' if left out.
        minutes: Of `select`, instead: as many frames as people are likely to label in so many minutes.
        more: Of `select`: choose another batch although one waits.
        to: Of `send`: the tool.
    """

    command: Command
    budget: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    minutes: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None = None
    more: bool = False
    to: Literal["cvat", "folder", "label-studio"] = "folder"


class Bar(msgspec.Struct):
    """How far a piece of work is.

    Attributes:
        what: In words.
        done: Units.
        total: Units, 0 if nobody knows.
        unit: What is counted.
    """

    what: str
    done: int
    total: int
    unit: str


class State(msgspec.Struct):
    """How far a command is.

    Attributes:
        number: Of the command, from 1; 0 if none was given yet.
        command: Which.
        running: Whether it is at work.
        seconds: Since it began, or that it took.
        bars: What it is at.
        said: What it did, line by line.
        failure: Why it failed, or that it was stopped.
    """

    number: int = 0
    command: str = ""
    running: bool = False
    seconds: float = 0.0
    bars: list[Bar] = []
    said: list[str] = []
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    lines: list[str]
    failure: str | None = None


@dataclass(slots=True)
class _Running:
    order: Order
    process: BaseProcess
    messages: Connection
    began: float
    bars: dict[tuple[int, int], Bar] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    failure: str | None = None
    stopped: bool = False
    took: float | None = None


class Jobs:
    """The commands of one server.

    Args:
        folder: The project's.
        device: `auto`, `cpu` or `cuda`.
    """

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self._folder, self._device = folder, device
        self._lock = threading.Lock()
        self._number = 0
        self._job: _Running | None = None

    def start(self, order: Order) -> None:
        """Begin a command.

        Raises:
            RunError: Another is at work.
        """
        context = multiprocessing.get_context("spawn")
        with self._lock:
            if self._job is not None and self._job.took is None:
                raise RunError(
                    f"{self._job.order.command} is at work; wait until it is done, or stop it"
                )
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(self._folder, self._device, order, theirs), daemon=True
            )
            process.start()
            # Held by the process alone, so that its end is heard.
            theirs.close()
            self._number += 1
            self._job = _Running(order, process, ours, time.monotonic())
            threading.Thread(target=_listen, args=(self._job,), daemon=True).start()

    def stop(self) -> None:
        """End the command that is at work, if one is."""
        job = self._job
        if job is None or job.took is not None:
            return
        job.stopped = True
        job.process.terminate()
        job.process.join(_GRACE)
        if job.process.is_alive():
            job.process.kill()

    def state(self) -> State:
        """How far the last command is."""
        job = self._job
        if job is None:
            return State()
        seconds = time.monotonic() - job.began if job.took is None else job.took
        bars = [msgspec.structs.replace(bar) for bar in job.bars.copy().values()]
        running = job.took is None
        return State(
            self._number, job.order.command, running, seconds, bars, list(job.said), job.failure
        )


def _listen(job: _Running) -> None:
    """Take what the process says until it has said its last, or is gone."""
    try:
        while not isinstance(message := job.messages.recv(), _Said):
            _show(job, message)
        job.said, job.failure = message.lines, message.failure
    except (EOFError, OSError):
        job.failure = _ended(job)
    finally:
        job.messages.close()
        job.bars.clear()
        job.process.join(_GRACE)
        job.took = time.monotonic() - job.began


def _ended(job: _Running) -> str:
    job.process.join(_GRACE)
    if job.stopped:
        return "stopped; give the command again to go on"
    return (
        f"ended unexpectedly (status {job.process.exitcode}); see what `thrifty ui` printed, and give the command again to "
        "go on"
    )


def _show(job: _Running, message: Message) -> None:
    if message.what:
        job.bars[message.bar] = Bar(message.what, 0, message.total, message.unit)
        return
    job.bars[message.bar].done += message.units
    if message.closed:
        del job.bars[message.bar]


class _Sender:
    """The other end of the pipe, for all threads of the process."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def put(self, message: Message | _Said, /) -> None:
        with self._lock:
            self._connection.send(message)


def _work(folder: Path, device: str, order: Order, connection: Connection) -> None:
    """In the process of its own: do it, and say what was done."""
    from thrifty.pages.work import obey  # noqa: PLC0415 - it knows what an order is

    # Ctrl-C is meant for the server, which ends this process when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    messages = _Sender(connection)
    # What was done before something failed was done.
    lines: list[str] = []
    try:
        lines.extend(obey(folder, device, order, Relay(messages)))
        messages.put(_Said(lines))
    except (ThriftyError, OSError) as error:
        messages.put(_Said(lines, " ".join(str(error).split())))
