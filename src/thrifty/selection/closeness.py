"""When two frames are too close for both to be worth a label.

| rule | holds back a frame | from |
|---|---|---|
| `current` | within so many places of a frame chosen in this cycle | the paper, Δt1 |
| `later` | within so many places of a frame chosen in an earlier cycle | the paper, Δt2 |
| `motion` | of one video with a chosen frame, the picture having moved less than so far between them (dense optical flow) | the paper's future work |
| `picture` | whose perceptual hash differs from a chosen frame's in at most so many bits | likewise |

The last two hold against frames chosen in this cycle and in earlier ones alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from thrifty.errors import BudgetError
from thrifty.selection.ranking import Ids
from thrifty.timeline import STILL, Timeline
from thrifty.types import FloatArray, IntArray

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Rules:
    """How far each rule reaches.

    Attributes:
        current: Places; 0 switches the rule off.
        later: Places; 0 switches the rule off.
        motion: Widths of the picture, > 0; `None` switches the rule off.
        picture: Bits of 64, >= 0; `None` switches the rule off.
    """

    current: int = 15
    later: int = 2
    motion: float | None = None
    picture: int | None = None

    @property
    def looks_at_pictures(self) -> bool:
        """Whether `Pictures` are needed."""
        return self.motion is not None or self.picture is not None


class Rule(StrEnum):
    """Which rule held a frame back."""

    CURRENT = "current"
    LATER = "later"
    MOTION = "motion"
    PICTURE = "picture"


GIVING_WAY = (Rule.CURRENT, Rule.MOTION, Rule.LATER, Rule.PICTURE)
"""In which order rules are dropped where they leave too few frames; what is the same picture to the bit goes last."""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """What N pictures themselves say.

    Attributes:
        hashes: `N` perceptual hashes.
        motions: `N` float64: how far the picture has moved since its video began, widths; never decreasing along a video.
    """

    hashes: Hashes
    motions: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """N frames, as arrays.

    Attributes:
        ids: Distinct ids.
        timeline: Where they stand in time.
        pictures: What they show, for the rules that ask.
    """

    ids: Ids
    timeline: Timeline
    pictures: Pictures | None = None

    def __len__(self) -> int:
        return len(self.timeline)


class Closeness(Protocol):
    """One rule's idea of distance, over N candidates."""

    def around(self, frames: Candidates, index: int) -> tuple[IntArray, FloatArray]:
        """Candidates within reach of a frame, which may be one of them, and their distances."""
        ...

    def cliques(self) -> Iterator[IntArray]:
        """Sets of candidates of which no two may be taken together; every two that may not are in one of them."""
        ...


def closeness(candidates: Candidates, rules: Rules) -> dict[Rule, Closeness]:
    """The rules that are switched on.

    Raises:
        ValueError: A rule asks for pictures, and there are none.
    """
    if rules.looks_at_pictures and candidates.pictures is None:
        raise ValueError("rules on pictures need to know the pictures")
    found: dict[Rule, Closeness] = {}
    if rules.current > 0:
        found[Rule.CURRENT] = _Along(candidates, rules.current, "places")
    if rules.later > 0:
        found[Rule.LATER] = _Along(candidates, rules.later, "places")
    if rules.motion is not None:
        found[Rule.MOTION] = _Along(candidates, rules.motion, "motions")
    if rules.picture is not None:
        found[Rule.PICTURE] = _Alike(candidates, rules.picture)
    return found


def _positions(frames: Candidates, axis: str) -> FloatArray | IntArray:
    if axis == "places":
        return frames.timeline.places
    assert frames.pictures is not None  # noqa: S101 - `closeness` has seen to it
    return frames.pictures.motions


class _Along:
    """Distance along a video: in places, or in how far the picture has moved. Stills have no neighbours."""

    def __init__(self, candidates: Candidates, reach: float, axis: str) -> None:
        self._axis, self._reach = axis, reach
        timeline, positions = candidates.timeline, _positions(candidates, axis)
        # Along a video both axes rise together, so one order serves both.
        self._order = timeline.order
        self._sequences = timeline.sequences[self._order]
        self._positions = positions[self._order]

    def around(self, frames: Candidates, index: int) -> tuple[IntArray, FloatArray]:
        sequence = int(frames.timeline.sequences[index])
        if sequence == STILL:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        place = _positions(frames, self._axis)[index]
        begin, end = (
            int(np.searchsorted(self._sequences, sequence, side=side)) for side in ("left", "right")
        )
        own = self._positions[begin:end]
        first = begin + int(np.searchsorted(own, place - self._reach, side="left"))
        last = begin + int(np.searchsorted(own, place + self._reach, side="right"))
        return self._order[first:last], np.abs(self._positions[first:last] - place)

    def cliques(self) -> Iterator[IntArray]:
        """Of a video, what lies within one reach: a window from each frame on, unless the one before holds it whole."""
        size = len(self._order)
        last = 0
        for first in range(size):
            sequence = self._sequences[first]
            if sequence == STILL:
                continue
            end = max(first + 1, last)
            while (
                end < size
                and self._sequences[end] == sequence
                and self._positions[end] - self._positions[first] <= self._reach
            ):
                end += 1
            if end > last and end - first > 1:
                yield self._order[first:end]
            last = max(last, end)


class _Alike:
    """Distance in bits of the perceptual hash."""

    def __init__(self, candidates: Candidates, bits: int) -> None:
        assert candidates.pictures is not None  # noqa: S101 - `closeness` has seen to it
        self._hashes, self._bits = candidates.pictures.hashes, bits

    def around(self, frames: Candidates, index: int) -> tuple[IntArray, FloatArray]:
        assert frames.pictures is not None  # noqa: S101 - whoever has chosen frames has seen them
        distances = np.bitwise_count(self._hashes ^ frames.pictures.hashes[index])
        near = np.flatnonzero(distances <= self._bits)
        return near, distances[near].astype(np.float64)

    def cliques(self) -> Iterator[IntArray]:
        """What shows the very same picture, together with what is close to it: by twos of different hashes.

        Raises:
            BudgetError: There are too many of them.
        """
        hashes, kinds, counts = np.unique(self._hashes, return_inverse=True, return_counts=True)
        members = np.split(np.argsort(kinds, kind="stable"), np.cumsum(counts)[:-1])
        size = 0
        for index, own in enumerate(members):
            distances = np.bitwise_count(hashes[index + 1 :] ^ hashes[index])
            near = (np.flatnonzero(distances <= self._bits) + index + 1).tolist()
            if not near and len(own) > 1:
                yield own
            for other in near:
                group = np.concatenate([own, members[other]])
                size += len(group)
                if size > _MOST_CLOSE:
                    raise BudgetError(
                        f"too many of {len(self._hashes)} candidates show nearly the same picture for an exact choice; "
                        "take the greedy form, or a smaller 'same_picture'"
                    )
                yield group


_MOST_CLOSE = 4_000_000
"""Entries in the table of an integer program that a few seconds suffice to read."""
