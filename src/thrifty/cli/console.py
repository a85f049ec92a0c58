"""What a person sees while a run works: bars on a terminal, single lines in a log file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.progress import Task as BarTask
from rich.text import Text

from thrifty.progress import Step


class RateColumn(ProgressColumn):
    """Units per second."""

    def render(self, task: BarTask) -> Text:
        """Draw the rate, or nothing before it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {task.fields['unit']}/s")


class ConsoleProgress:
    """Bars with rate and time left on a terminal; elsewhere one line when a piece of work is finished.

    Any number of bars may be open at once, from any thread.

    Args:
        console: Where to write; standard error, so that results on standard output stay clean.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeRemainingColumn(),
        )
        self._bars = Bars(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bars.stop()

    @contextmanager
    def __call__(self, what: str, total: int, unit: str) -> Iterator[Step]:
        """Open a bar."""
        began, done = time.monotonic(), 0
        bar = self._bars.add_task(what, total=total or None, unit=unit)

        def step(units: int = 1) -> None:
            nonlocal done
            done += units
            self._bars.advance(bar, units)

        yield step
        self._bars.remove_task(bar)
        seconds = time.monotonic() - began
        rate = done / max(seconds, 1e-9)
        line = f"{what}: {done} {unit} in {seconds:.1f} s ({rate:.1f}/s)"
        self._console.print(line, highlight=False, soft_wrap=True)
