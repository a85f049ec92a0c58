"""The same strategy with larger batches: fewer cycles, of several budgets each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.selection.budget import Budget
from thrifty.strategies.strategy import Columns, Decision, Labelled, Strategy
from thrifty.types import Annotations, Record
from thrifty.views import Seen, View


class LargerBatches:
    """A strategy that spends several cycles' budgets at once (the paper's Figure 8: b of 1,500 in place of 500).

    Args:
        strategy: What chooses, of budgets in frames.
        times: Budgets a cycle.
        cycles: Of the recipe, whose total budget is spent and no more; `None` where there is no total.
    """

    def __init__(self, strategy: Strategy, times: int, cycles: int | None) -> None:
        self._strategy, self._times, self._total = strategy, times, cycles
        self.name = f"{strategy.name}-{times}b"
        self.cycles = None if cycles is None else -(-cycles // times)

    @property
    def views(self) -> frozenset[View[object]]:
        """Those of the strategy."""
        return self._strategy.views

    @property
    def looks_back(self) -> bool:
        """As the strategy."""
        return self._strategy.looks_back

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:
        """As the strategy."""
        return self._strategy.observe(seen, labels)

    def score_map(self, maps: ClassMaps) -> Tensor | None:
        """As the strategy."""
        return self._strategy.score_map(maps)

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,
    ) -> Decision:
        """As the strategy, with a larger budget; the last one is what is left of the total."""
        larger = replace(budget, amount=budget.amount * self._times).at_most(len(candidates))
        if self._total is not None:
            larger = larger.at_most(int(self._total * budget.amount) - len(labelled.records))
        return self._strategy.decide(candidates, observed, larger, labelled, rng)
