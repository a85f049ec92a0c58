"""The contract between the loop and whatever decides which frames are worth labelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from thrifty.maps import ClassMaps
from thrifty.selection.budget import Budget
from thrifty.selection.choosing import Choice
from thrifty.types import Annotations, FloatArray, IntArray, Need, Record
from thrifty.views import Members, Seen, View

Columns = Mapping[str, npt.NDArray[np.generic]]
"""What a strategy keeps of frames: by name, arrays with a row for each frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """What is known of the frames that are labelled.

    Attributes:
        records: Frames of the pool that were chosen in earlier cycles; the start set is not among them.
        columns: What the strategy observed in all labelled frames, the start set's first, then those of `records`; empty
            for a strategy that does not look at them.
        pictures: What the pictures of `records` say, for rules that ask: columns as in `surroundings`.
        waiting: Frames that were chosen and are not labelled yet; by the rules they hold others back as those of `records` do.
        instances: Objects of each class in all labels so far, the start set's included: `C` int64.
    """

    records: Sequence[Record] = ()
    columns: Columns = field(default_factory=dict)
    pictures: Columns = field(default_factory=dict)
    instances: IntArray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    waiting: Sequence[Record] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A cycle's choice, and the numbers behind it.

    Attributes:
        scores: `N` scores of the candidates, in their order.
        smoothed: `N` scores as they were ranked, whatever was done to them before.
        choice: Which candidates were taken, and which were held back by a rule.
        reasons: For each chosen frame, in the order taken, what chose it, in words; empty where the score says it all.
    """

    scores: FloatArray
    smoothed: FloatArray
    choice: Choice
    reasons: tuple[str, ...] = ()


class Strategy(Protocol):
    """What the loop asks of a strategy. Scores are finite and higher always means more worth labelling.

    One may also say `warm = True`: see `goes_on`.
    """

    @property
    def name(self) -> str:
        """The name in recipes, tables and on pages."""
        ...

    @property
    def views(self) -> frozenset[View[object]]:
        """How the detector must be asked about every unlabelled frame; where it is empty, no pass over the pool is made."""
        ...

    @property
    def looks_back(self) -> bool:
        """Whether it observes the labelled frames too."""
        ...

    @property
    def cycles(self) -> int | None:
        """How many cycles it takes part in; as many as the recipe has if `None`."""
        ...

    def observe(self, seen: Seen, labels: Sequence[Annotations] | None = None) -> Columns:
        """Reduce what the detector said of a batch to `B` rows; called once per frame and cycle.

        Args:
            seen: Answers to `views`.
            labels: Of labelled frames, what people drew on them; `None` for unlabelled ones.
        """
        ...

    def score_map(self, maps: ClassMaps) -> Tensor | None:
        """Pixel scores `B x H x W` to look at, >= 0; `None` if this strategy has none."""
        ...

    def decide(
        self,
        candidates: Sequence[Record],
        observed: Columns,
        budget: Budget,
        labelled: Labelled,
        rng: np.random.Generator,
    ) -> Decision:
        """Choose what the budget buys of the candidates.

        A strategy that takes one frame after the other may take `budget.frames` of them: what is not affordable after all
        `within` passes over. No candidate costs more than the whole budget, so what it takes first is always bought.

        Args:
            candidates: `N` unlabelled, readable records.
            observed: `N` rows from `observe`, and those of `surroundings` that the recipe asks for.
            budget: What may be spent; of frames, as many as `budget.frames` are promised.
            labelled: What is known of labelled frames.
            rng: The only source of chance.
        """
        ...


def within(decision: Decision, budget: Budget) -> Decision:
    """What a budget buys of a decision: in the order the frames were taken, whatever still fits."""
    bought = budget.bought(decision.choice.indices)
    chosen = tuple(decision.choice.chosen[place] for place in bought)
    reasons = tuple(decision.reasons[place] for place in bought) if decision.reasons else ()
    return replace(decision, choice=replace(decision.choice, chosen=chosen), reasons=reasons)


def members_of(strategies: Sequence[Strategy]) -> int:
    """Networks that have to be trained beside the detector, for the strategy that asks for most."""
    wanted = [view.count for one in strategies for view in one.views if isinstance(view, Members)]
    return max(wanted, default=1) - 1


def goes_on(strategy: Strategy) -> bool:
    """Whether the detector of a cycle begins from the weights of the cycle before, in place of the start weights."""
    return bool(getattr(strategy, "warm", False))


def needs_of(strategy: Strategy) -> frozenset[Need]:
    """What a detector must be able to give for a strategy."""
    return frozenset(need for view in strategy.views for need in view.needs)
