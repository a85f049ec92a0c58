"""The figures of a run, arm by arm and cycle by cycle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from thrifty.cycle.context import Context
from thrifty.store.schema import Key
from thrifty.types import FloatArray


@dataclass(frozen=True, slots=True)
class Point:
    """One arm's figures after one cycle; cycle 0 is the start weights.

    Attributes:
        strategy: Name of the strategy.
        seed: Seed of the arm; arms of one seed share their start weights.
        cycle: 0 for the start weights, then 1, 2, ...
        labelled: Frames labelled so far.
        people: Counted objects in those frames.
        miss_rate: Miss rate at one false positive per image, in [0, 1].
        log_average: Log-average miss rate, in [0, 1].
        ap: COCO's average precision, mean over classes, in [0, 1].
        ap50: At IoU 0.5.
        fppi: False positives per image along the curve, ascending.
        miss_rates: Miss rate at each entry of `fppi`.
    """

    strategy: str
    seed: int
    cycle: int
    labelled: int
    people: int
    miss_rate: float
    log_average: float
    ap: float
    ap50: float
    fppi: FloatArray
    miss_rates: FloatArray

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that make a learning curve, by their names in the tidy table."""
        return {
            "miss_rate_at_1_fppi": self.miss_rate,
            "log_average_miss_rate": self.log_average,
            "ap": self.ap,
            "ap50": self.ap50,
        }


def figures(context: Context) -> list[Point]:
    """Figures of every finished cycle, in order of strategy, seed and cycle."""
    recipe = context.recipe
    return [
        point
        for strategy in recipe.selection.strategies
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
