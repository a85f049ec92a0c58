"""Where frames stand in time, as arrays, so that ten million of them are a few hundred megabytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from thrifty.types import IntArray, Record

STILL = -1
"""In place of a sequence's number: a frame without neighbours."""


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Sequences and places of N frames.

    Attributes:
        sequences: `N` int64, a number per video, or `STILL`.
        places: `N` int64, distinct within one video; ignored for stills.
        order: `N` int64, the frames by sequence and place. Found if left out.

    Raises:
        ValueError: The arrays differ in length.
    """

    sequences: IntArray
    places: IntArray
    order: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        if len(self.sequences) != len(self.places):
            raise ValueError(f"{len(self.sequences)} sequences but {len(self.places)} places")
        if len(self.order) != len(self.places):
            object.__setattr__(self, "order", _order(self.sequences, self.places))

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def of(cls, records: Sequence[Record], numbers: dict[str, int] | None = None) -> Self:
        """Of records.

        Args:
            records: N records.
            numbers: The number of each video by name. Videos that are not in it are added, so that timelines made
                with the same dictionary agree.
        """
        known = {} if numbers is None else numbers
        sequences = np.full(len(records), STILL, dtype=np.int64)
        places = np.zeros(len(records), dtype=np.int64)
        for index, record in enumerate(records):
            if record.sequence is not None and record.place is not None:
                sequences[index] = known.setdefault(record.sequence, len(known))
                places[index] = record.place
        return cls(sequences, places)


def _order(sequences: IntArray, places: IntArray) -> IntArray:
    same = sequences[1:] == sequences[:-1]
    sorted_already = (sequences[1:] > sequences[:-1]) | (same & (places[1:] >= places[:-1]))
    if sorted_already.all():
        return np.arange(len(places), dtype=np.int64)
    return np.lexsort((places, sequences)).astype(np.int64)
