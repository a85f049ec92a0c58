"""Whether labels matter at all on a set: only then can a comparison of strategies mean anything.

Where a detector is short of training steps or of capacity, a seventh of the labels does as well as all of them, and strategies that
choose this seventh differ by chance alone. So three figures come before any comparison: the start weights, chance with its whole
budget, and the whole pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.evaluation.statistics import Comparison, compare, interval_in_words
from thrifty.strategies.names import REFERENCES, WHOLE_POOL
from thrifty.study.point import Point
from thrifty.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Headroom:
    """The miss rates at one false positive per image between which strategies can differ, a number a seed.

    Attributes:
        start: Of the start weights.
        chance: Of the reference, with its whole budget.
        whole: With the whole pool labelled.
        labelled: Frames that the reference has labelled, mean over seeds.
        pool: Frames that the whole pool has.
        gain: The whole pool beside chance.
    """

    start: FloatArray
    chance: FloatArray
    whole: FloatArray
    labelled: float
    pool: float
    gain: Comparison

    @property
    def is_there(self) -> bool:
        """Whether the whole pool is better than chance's share of it by more than the seeds differ."""
        return self.gain.low > 0

    def sentences(self) -> list[str]:
        """The three figures, and what follows from them."""
        lines = [
            f"start weights {_told(self.start)}",
            f"chance with {self.labelled:.0f} labels {_told(self.chance)}",
            f"the whole pool, {self.pool:.0f} labels, {_told(self.whole)}",
        ]
        if self.gain.pairs == 1:
            return [*lines, "one seed, from which nothing can be told of whether labels matter"]
        sign, word = (-1.0, "less") if self.gain.difference < 0 else (1.0, "more")
        low, high = sorted((sign * self.gain.low, sign * self.gain.high))
        between = f"chance misses {sign * self.gain.difference:.3f} {word} than the whole pool, {interval_in_words(low, high)}"
        if self.is_there:
            return [*lines, f"{between}: labels matter here"]
        return [
            *lines,
            f"{between}: these seeds do not show that labels matter, so strategies are not ranked by miss rate",
        ]


def headroom(points: Sequence[Point]) -> Headroom | None:
    """The headroom of a run; `None` without the whole pool or a reference, or with seeds that lack a figure of one of them."""
    by = {(point.strategy, point.seed, point.cycle): point for point in points}
    names = {point.strategy for point in points}
    reference = next((name for name in REFERENCES if name in names), None)
    if reference is None or WHOLE_POOL not in names:
        return None
    last = max(point.cycle for point in points if point.strategy == reference)
    seeds = sorted({point.seed for point in points})
    keys = [(reference, 0), (reference, last), (WHOLE_POOL, 1)]
    if any((name, seed, cycle) not in by for seed in seeds for name, cycle in keys):
        return None
    start, chance, whole = (
        np.array([by[name, seed, cycle].miss_rate for seed in seeds]) for name, cycle in keys
    )
    labelled, pool = (
        float(np.mean([by[name, seed, cycle].labelled for seed in seeds]))
        for name, cycle in keys[1:]
    )
    if not np.isfinite([*chance, *whole]).all():
        return None
    gain = compare(whole, chance, np.random.default_rng(0))
    return Headroom(start, chance, whole, labelled, pool, gain)


def _told(values: FloatArray) -> str:
    return f"miss {values.mean():.3f} ({values.min():.3f} to {values.max():.3f})"
