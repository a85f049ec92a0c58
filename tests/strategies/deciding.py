"""Asking a strategy for a choice, as the loop does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thrifty.selection.budget import Budget
from thrifty.strategies.strategy import Columns, Decision, Labelled, Strategy
from thrifty.types import Record


def decide(
    strategy: Strategy,
    candidates: Sequence[Record],
    observed: Columns,
    budget: int,
    labelled: Labelled | None = None,
    seed: int = 0,
) -> Decision:
    """So many frames."""
    rng = np.random.default_rng(seed)
    return strategy.decide(candidates, observed, Budget(budget), labelled or Labelled(), rng)


def taken(decision: Decision, candidates: Sequence[Record]) -> list[str]:
    """Ids of the chosen frames, in order."""
    return [candidates[chosen.index].id for chosen in decision.choice.chosen]
