"""The figures of a run, arm by arm and cycle by cycle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from thrifty.cycle.context import Context
from thrifty.store.schema import Key
from thrifty.strategies.strategy import Strategy
from thrifty.study.point import Point


def finished(context: Context, strategies: Sequence[Strategy]) -> list[Strategy]:
    """Those of which all cycles are done under all seeds: a study may have asked for these alone, another was stopped in the middle."""
    recipe = context.recipe
    return [
        strategy
        for strategy in strategies
        if all(
            context.store.evaluation(
                Key(seed, strategy.name, strategy.cycles or recipe.selection.cycles)
            )
            for seed in recipe.seeds
        )
    ]


def figures(context: Context, strategies: Sequence[Strategy]) -> list[Point]:
    """Figures of every finished cycle of some arms, in order of strategy, seed and cycle."""
    recipe = context.recipe
    return [
        point
        for strategy in strategies
        for seed in recipe.seeds
        for point in _arm(context, seed, strategy.name, recipe.selection.cycles)
    ]


def _arm(context: Context, seed: int, strategy: str, cycles: int) -> Iterator[Point]:
    labelled = people = 0
    for cycle in range(cycles + 1):
        row = context.store.evaluation(Key(seed, strategy, cycle) if cycle else Key(seed))
        if row is None:
            return
        if cycle:
            drawn = context.store.labels(Key(seed, strategy, cycle))
            labelled += len(drawn)
            people += sum(len(labels.objects) for labels in drawn.values())
        yield Point(
            strategy,
            seed,
            cycle,
            labelled,
            people,
            row.miss_rate,
            row.log_average,
            row.ap,
            row.ap50,
            np.array(row.fppi),
            np.array(row.miss_rates),
        )
