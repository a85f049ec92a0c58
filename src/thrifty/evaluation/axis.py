"""What learning curves lie along: frames, boxes or seconds; and how places there are said."""

from __future__ import annotations

import math
from enum import StrEnum


class Axis(StrEnum):
    """What a learning curve lies along."""

    FRAMES = "frames"
    BOXES = "boxes"
    SECONDS = "seconds"

    def place(self, labelled: float, boxes: float, seconds: float) -> float:
        """Where a cycle lies that has spent so much."""
        return {Axis.FRAMES: labelled, Axis.BOXES: boxes, Axis.SECONDS: seconds}[self]

    def number(self, place: float) -> str:
        """A place in words, of which there are few as long as the unit is known; time has its unit always.

        >>> Axis.BOXES.number(840.0), Axis.SECONDS.number(18720.0), Axis.FRAMES.number(math.inf)
        ('840', '5.2 h', 'never')
        """
        if math.isinf(place):
            return "never"
        return _duration(place) if self is Axis.SECONDS else f"{place:.0f}"

    def amount(self, place: float) -> str:
        """The same with its unit.

        >>> Axis.FRAMES.amount(120.0), Axis.BOXES.amount(840.0), Axis.SECONDS.amount(300.0)
        ('120 labels', '840 boxes', '5 min')
        """
        unit = {Axis.FRAMES: " labels", Axis.BOXES: " boxes", Axis.SECONDS: ""}[self]
        return self.number(place) + unit


_MINUTE, _HOUR = 60.0, 3600.0


def _duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
