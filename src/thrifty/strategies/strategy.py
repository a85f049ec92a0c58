"""The contract between the loop and whatever decides which frames are worth labelling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.selection.temporal import Choice
from thrifty.types import FloatArray, Need, Record


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A cycle's choice, and the numbers behind it.

    Attributes:
        scores: `N` scores of the candidates, in their order.
        smoothed: `N` scores as they were ranked.
        choice: Which candidates were taken, and which were held back by a rule.
    """

    scores: FloatArray
    smoothed: FloatArray
    choice: Choice


class Strategy(Protocol):
    """What the loop asks of a strategy. Scores are finite and higher always means more worth labelling."""

    @property
    def name(self) -> str:
        """The name in recipes, tables and on pages."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """What the detector must give; where it is empty, no pass over the pool is made."""
        ...

    def observe(self, maps: ClassMaps) -> FloatArray:
        """Reduce the outputs for a batch of frames to `B` numbers; called once per unlabelled frame and cycle."""
        ...

    def score_map(self, maps: ClassMaps) -> Tensor | None:
        """Pixel scores `B x H x W` to look at, >= 0; `None` if this strategy has none."""
        ...

    def decide(
        self,
        candidates: Sequence[Record],
        observed: FloatArray | None,
        budget: int,
        earlier: Sequence[Record],
        rng: np.random.Generator,
    ) -> Decision:
        """Choose `budget` of the candidates.

        Args:
            candidates: `N` unlabelled, readable records.
            observed: `N` numbers from `observe`, or `None` for a strategy that needs nothing.
            budget: Frames to take.
            earlier: Records chosen in earlier cycles.
            rng: The only source of chance.
        """
        ...
