"""Commands in processes of their own, and who else runs because of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Protocol

PATIENCE = 180.0
"""Seconds for which a command is given again before it counts as one that does not recover: a server takes a while to start."""
STUCK = 300.0
"""Seconds after which a command counts as hanging."""
Victim = Callable[[int], int | None]
"""Picks whom to kill, given the process of a command; `None` if nobody of the kind is there."""


class LostError(Exception):
    """A command does not come to its end however often it is given."""


@dataclass
class Strike:
    """One kill.

    Attributes:
        after: Seconds of work after which it comes.
        victim: Whom it hits.
        worked: Seconds of work so far.
        hit: Which process it hit; `None` until it has.
        command: During which command.
    """

    after: float
    victim: Victim
    worked: float = 0.0
    hit: int | None = None
    command: str = ""

    def watch(self, process: subprocess.Popen[str], words: Sequence[str]) -> None:
        """Wait for a process to end, and strike when the moment has come."""
        begun = time.monotonic()
        while process.poll() is None:
            worked = self.worked + time.monotonic() - begun
            if self.hit is None and worked >= self.after:
                who = self.victim(process.pid)
                if who is not None:
                    with suppress(ProcessLookupError):
                        os.kill(who, signal.SIGKILL)
                        self.hit, self.command = who, " ".join(words[:2])
            if time.monotonic() - begun > STUCK:
                process.kill()
                raise LostError(f"{' '.join(words)}: hangs")
            time.sleep(0.01)
        self.worked += time.monotonic() - begun


def give(words: Sequence[object], variables: dict[str, str], strike: Strike | None) -> int:
    """Give a command until it succeeds.

    Returns:
        How often it was given.

    Raises:
        LostError: It hangs, or does not succeed.
    """
    text = [str(word) for word in words]
    errors = ""
    begun = time.monotonic()
    for attempt in count(1):
        with subprocess.Popen(
            [sys.executable, "-m", "thrifty", *text],
            env=os.environ | {"OMP_NUM_THREADS": "1"} | variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            watch = strike or Strike(float("inf"), lambda _: None)
            watch.watch(process, text)
            errors = process.stderr.read() if process.stderr else ""
        if process.returncode == 0:
            return attempt
        if watch.hit is None or time.monotonic() - begun > PATIENCE:
            break
        # Whoever was killed beside it (a server) may need a moment.
        time.sleep(0.2)
    raise LostError(f"{' '.join(text)}: {errors.strip()[-500:]}")


class Server(Protocol):
    """What a command talks to."""

    @property
    def process(self) -> int | None:
        """Its first process; `None` if it does not run."""
        ...

    def start(self) -> None:
        """Start it on the data that are there."""
        ...


@contextmanager
def kept_running(server: Server) -> Iterator[None]:
    """Start a server again whenever it is gone, while the context is open."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            if server.process is None:
                # Its other processes take a moment to notice.
                with suppress(AssertionError, OSError, RuntimeError):
                    server.start()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def driver(process: int) -> int:
    """The command itself."""
    return process


def below(named: str) -> Victim:
    """The last process below the command whose command line holds a text."""

    def victim(process: int) -> int | None:
        found = [one for one in descendants(process) if named in command_line(one)]
        return found[-1] if found else None

    return victim


def descendants(process: int) -> Iterator[int]:
    """All processes that a process has started, and those that they have."""
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                yield child
                yield from descendants(child)


def command_line(process: int) -> str:
    """What a process was started as, or calls itself; empty if it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
