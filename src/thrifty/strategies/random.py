"""The comparison: frames drawn at random, freely or under the same temporal rules (*guided* random)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.selection.temporal import Rules, choose
from thrifty.strategies.strategy import Decision
from thrifty.types import FloatArray, Need, Record


@dataclass(frozen=True)
class Random:
    """Uniform scores, so every frame that the rules allow is as likely as any other.

    Attributes:
        rules: Reach of the temporal rules; `Rules(0, 0)` draws freely.
        name: The name in recipes and tables.
    """

    rules: Rules
    name: str
    needs: frozenset[Need] = frozenset()

    def observe(self, maps: ClassMaps) -> FloatArray:
        """Nothing is observed: a zero for each of the `B` frames."""
        return np.zeros(len(maps.levels[0]))

    def score_map(self, maps: ClassMaps) -> Tensor | None:  # noqa: ARG002 - chance looks at nothing
        """There is none."""
        return None

    def decide(
        self,
        candidates: Sequence[Record],
        observed: FloatArray | None,  # noqa: ARG002 - chance looks at nothing
        budget: int,
        earlier: Sequence[Record],
        rng: np.random.Generator,
    ) -> Decision:
        """Draw scores in the order of ids, so that the order of the pool changes nothing, and choose."""
        scores = np.empty(len(candidates))
        by_id = np.argsort([record.id for record in candidates])
        scores[by_id] = rng.random(len(candidates))
        return Decision(scores, scores, choose(candidates, scores, budget, self.rules, earlier))
