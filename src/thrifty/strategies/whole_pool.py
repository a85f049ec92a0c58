"""The ceiling: everything is labelled in a single cycle, to see what all labels together would buy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thrifty.selection.budget import Budget
from thrifty.selection.choosing import Choice, Chosen
from thrifty.strategies.diverse import by_id
from thrifty.strategies.names import WHOLE_POOL
from thrifty.strategies.scored import Pipeline, ScoredStrategy
from thrifty.strategies.strategy import Columns, Decision, Labelled
from thrifty.types import FloatArray, Record
from thrifty.views import Seen


class WholePool(ScoredStrategy):
    """Takes all there is, whatever the budget."""

    cycles = 1

    def __init__(self) -> None:
        super().__init__(WHOLE_POOL, Pipeline())

    def scores(self, seen: Seen) -> FloatArray:
        """Nothing is looked at: a zero for each of the `B` frames."""
        return np.zeros(len(seen))

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,  # noqa: ARG002 - everything is taken
        budget: Budget,  # noqa: ARG002 - everything is taken
        labelled: Labelled,  # noqa: ARG002 - everything is taken
        rng: np.random.Generator,  # noqa: ARG002 - everything is taken
    ) -> Decision:
        """All candidates, in the order of their ids."""
        scores = np.zeros(len(candidates))
        taken = tuple(Chosen(int(index)) for index in by_id(candidates))
        return Decision(scores, scores, Choice(taken, ()))
