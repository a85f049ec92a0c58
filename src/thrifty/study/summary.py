"""The figures of a run, arm by arm and cycle by cycle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from thrifty.cycle.context import Context
from thrifty.store.schema import Key
from thrifty.study.point import Point


def begun(context: Context) -> list[str]:
    """The strategies of which a cycle is finished under some seed, in the recipe's order: a study may have asked for these alone."""
    recipe = context.recipe
    return [
        strategy
        for strategy in recipe.selection.strategies
        if any(context.store.evaluation(Key(seed, strategy, 1)) for seed in recipe.seeds)
    ]


def figures(context: Context) -> list[Point]:
    """Figures of every finished cycle, in order of strategy, seed and cycle."""
    recipe = context.recipe
    return [
        point
        for strategy in begun(context)
        for seed in recipe.seeds
        for point in _arm(context, seed, strategy, recipe.selection.cycles)
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
