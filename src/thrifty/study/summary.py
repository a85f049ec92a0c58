"""The figures of a run, arm by arm and cycle by cycle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.cycle.context import Context
from thrifty.store.schema import EvaluationRow, Key


@dataclass(frozen=True, slots=True)
class Figures:
    """One arm after one cycle.

    Attributes:
        key: Seed, strategy and cycle; cycle 0 is the start weights, repeated for every strategy.
        labelled: Frames labelled so far.
        people: Counted objects in them.
        evaluation: Miss rates.
    """

    key: Key
    labelled: int
    people: int
    evaluation: EvaluationRow


def figures(context: Context) -> list[Figures]:
    """Figures of every finished cycle, in order of strategy, seed and cycle."""
    recipe = context.recipe
    return [
        row
        for strategy in recipe.selection.strategies
        for seed in recipe.seeds
        for row in _arm(context, seed, strategy, recipe.selection.cycles)
    ]


def _arm(context: Context, seed: int, strategy: str, cycles: int) -> Iterator[Figures]:
    labelled = people = 0
    for cycle in range(cycles + 1):
        evaluation = context.store.evaluation(Key(seed, strategy, cycle) if cycle else Key(seed))
        if evaluation is None:
            return
        key = Key(seed, strategy, cycle)
        if cycle:
            drawn = context.store.labels(key)
            labelled += len(drawn)
            people += sum(len(labels.objects) for labels in drawn.values())
        yield Figures(key, labelled, people, evaluation)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the summary: one strategy after one cycle, over all seeds.

    Attributes:
        strategy: Which.
        cycle: 0 for the start weights.
        labelled: Frames labelled so far.
        miss_rates: Miss rate at one false positive per image, one per seed.
        people: People found so far, one per seed.
    """

    strategy: str
    cycle: int
    labelled: int
    miss_rates: tuple[float, ...]
    people: tuple[int, ...]

    @property
    def miss_rate(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.miss_rates))

    @property
    def mean_people(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.people))


def summarise(rows: Sequence[Figures]) -> list[Line]:
    """One line per strategy and cycle, in the order of the rows."""
    groups: dict[tuple[str, int], list[Figures]] = {}
    for row in rows:
        groups.setdefault((row.key.strategy, row.key.cycle), []).append(row)
    return [
        Line(
            strategy,
            cycle,
            members[0].labelled,
            tuple(member.evaluation.miss_rate for member in members),
            tuple(member.people for member in members),
        )
        for (strategy, cycle), members in groups.items()
    ]
