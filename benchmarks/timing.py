"""Timing two things against each other on a machine that others use too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

_SPAN = 0.05
"""Seconds that one measurement lasts at least: short work is repeated, so that its own state is what it finds."""


@dataclass(frozen=True)
class Times:
    """Seconds of several runs."""

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """The middle run, seconds."""
        return median(self.seconds)

    def __str__(self) -> str:
        """Median, and the range of the middle half, in milliseconds."""
        ordered = sorted(self.seconds)
        quarter = len(ordered) // 4
        low, high = ordered[quarter], ordered[-1 - quarter]
        return f"{1e3 * self.median:.2f} ms ({1e3 * low:.2f} to {1e3 * high:.2f})"


def side_by_side(*works: Callable[[], object], rounds: int = 15) -> list[Times]:
    """Time each work once a round, in turn, so that whatever slows the machine slows them all.

    Args:
        works: Called beforehand, to compile and to see how long they take.
        rounds: Measurements of each.
    """
    repeats = []
    for work in works:
        work()
        repeats.append(max(1, round(_SPAN / max(_seconds(work, 1), 1e-6))))
    measured: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, repeat, times in zip(works, repeats, measured, strict=True):
            times.append(_seconds(work, repeat))
    return [Times(times) for times in measured]


def _seconds(work: Callable[[], object], repeat: int) -> float:
    began = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - began) / repeat


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    work: str
    wanted: str
    measured: str
    holds: bool | None
    details: str

    def __str__(self) -> str:
        """As a line of a Markdown table."""
        verdict = {True: "yes", False: "no", None: "not measured"}[self.holds]
        if not self.wanted:
            verdict = ""
        return f"| {self.work} | {self.wanted} | {self.measured} | {verdict} | {self.details} |"
