"""The comparison: frames drawn at random, freely or under the same temporal rules (*guided* random)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from thrifty.selection.budget import Budget
from thrifty.strategies.scored import Pipeline, ScoredStrategy
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.types import FloatArray, Record
from thrifty.views import Seen


class Random(ScoredStrategy):
    """Uniform scores, so every frame that the rules allow is as likely as any other.

    Args:
        pipeline: Rules, and whatever else composes with a draw as with a score; nothing is smoothed.
        name: The name in recipes and tables.
        warm: Whether its detector goes on learning, which tells what that alone is worth.
    """

    def __init__(self, pipeline: Pipeline, name: str, *, warm: bool = False) -> None:
        drawn = replace(pipeline, weights=np.ones(1), measure="a random draw")
        super().__init__(name, drawn, warm=warm)

    def scores(self, seen: Seen) -> FloatArray:
        """Nothing is looked at: a zero for each of the `B` frames."""
        return np.zeros(len(seen))

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,
    ) -> Decision:
        """Draw scores in the order of ids, so that the order of the pool changes nothing, and choose."""
        scores = np.empty(len(candidates))
        by_id = np.argsort([record.id for record in candidates])
        scores[by_id] = rng.random(len(candidates))
        return self.pipeline.decide(candidates, scores, observed, budget, labelled)
