"""What the learning curves of finished runs say of a budget. A gain is never guessed: it is read off them, or left open."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from thrifty.errors import DataError
from thrifty.evaluation.completion import COVERAGE
from thrifty.evaluation.forecast import forecast
from thrifty.evaluation.learning_curve import LearningCurve, Measurement, curves
from thrifty.strategies.names import REFERENCES, WHOLE_POOL
from thrifty.study.comparison import MISS_RATE

_FAR = 3
"""Budgets over so many times the labels of a table are far beyond it."""


@dataclass(frozen=True, slots=True)
class Likely:
    """A figure of one run yet to be made.

    Attributes:
        value: The expected one.
        low: Lower end of its 80 % prediction interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def minus(self, other: Likely) -> Likely:
        """The difference of two runs that know nothing of each other.

        Distances to the ends of both intervals are added as squares (Zou and Donner 2008, "Construction of confidence limits
        about effect measures"). Runs that share their start weights differ less.

        >>> less = Likely(0.5, 0.37, 0.62).minus(Likely(0.3, 0.25, 0.3))
        >>> round(less.value, 6), round(less.low, 6), round(less.high, 6)
        (0.2, 0.07, 0.33)
        """
        middle = self.value - other.value
        return Likely(
            middle,
            middle - math.hypot(self.value - self.low, other.high - other.value),
            middle + math.hypot(self.high - self.value, other.value - other.low),
        )


@dataclass(frozen=True, slots=True)
class Gain:
    """What a strategy's own runs say of its miss rate at one false positive per image once the budget is spent.

    Attributes:
        strategy: Name.
        per_cycle: Frames that its runs labelled a cycle (b); `None` where cycles differ in size.
        labelled: Frames that the longest of its runs labelled.
        models: Models behind it.
        miss_rate: After the budget: by a power law through the models, or, within their range, the mean of the runs; `None`
            where the models are too few for a law.
        reference: Name of the random choice beside it; empty for that itself, or where there is none.
        reduction: By how much the miss rate is lower than the reference's; `None` where one of them is unknown.
    """

    strategy: str
    per_cycle: int | None
    labelled: int
    models: int
    miss_rate: Likely | None
    reference: str = ""
    reduction: Likely | None = None

    def sentence(self, budget: int) -> str:
        """In words that claim no more than the runs carry."""
        told = self.miss_rate
        if told is None:
            return (
                f"{self.strategy}: its models ({self.models}) are too few to say what {budget} labels bring; "
                "give a table with more cycles"
            )
        words = (
            f"{self.strategy}: after {budget} labels a miss rate at 1 FPPI of {told.value:.3f} "
            f"(80 %: {told.low:.3f} to {told.high:.3f}), {self._source(budget)}"
        )
        if self.reduction is None:
            return words
        less = self.reduction
        word, sign = ("higher", -1.0) if less.value < 0 else ("lower", 1.0)
        low, high = sorted((sign * less.low, sign * less.high))
        return f"{words}; {word} than {self.reference} by {sign * less.value:.3f} (80 %: {low:z.3f} to {high:z.3f})"

    def _source(self, budget: int) -> str:
        if budget <= self.labelled:
            return "the mean of its runs, which go as far"
        far = ", far beyond them" if budget > _FAR * self.labelled else ""
        return f"by a power law through {self.models} models with up to {self.labelled} labels{far}"


def gains_of(table: Sequence[Measurement], budget: int) -> list[Gain]:
    """What every strategy in a table says of the end of a budget.

    Args:
        table: Learning curves of finished runs.
        budget: Frames labelled in all (B), >= 1.

    Returns:
        By name; the whole pool is no strategy.

    Raises:
        DataError: The table has no miss rates, or is not of one recipe.
    """
    asked = [row for row in table if row.metric == MISS_RATE and row.strategy != WHOLE_POOL]
    told = [row for row in asked if math.isfinite(row.value)]
    if not any(row.labelled for row in told):
        raise DataError(
            f"holds no {MISS_RATE} of a strategy after any label; give the learning_curves.csv of a finished run"
        )
    runs = curves(told, MISS_RATE)
    likely = {
        name: _likely([row for row in told if row.strategy == name], runs[name], budget)
        for name in runs
    }
    base = next((name for name in REFERENCES if name in runs), "")
    found = []
    for name, seeds in runs.items():
        own = [row for row in told if row.strategy == name and row.labelled]
        here, there = likely[name], likely.get(base)
        beside = base if name != base else ""
        less = there.minus(here) if beside and here is not None and there is not None else None
        last = int(max(curve.places[-1] for curve in seeds.values()))
        found.append(Gain(name, _size_of(asked, name), last, len(own), here, beside, less))
    return found


def _likely(
    rows: Sequence[Measurement], runs: Mapping[int, LearningCurve], budget: int
) -> Likely | None:
    """The miss rate of one more run at the budget: the law beyond what has been labelled, the runs themselves within."""
    from scipy.stats import t  # noqa: PLC0415 - takes long to load

    more = budget - int(max(curve.places[-1] for curve in runs.values()))
    if more > 0:
        own = [row for row in rows if row.labelled]
        told = forecast([row.labelled for row in own], [row.value for row in own], more)
        return None if told is None else Likely(told.then, min(told.low, told.then), told.high)
    there = np.array(
        [
            curve.at(np.array([float(budget)]))[0]
            for curve in runs.values()
            if curve.places[0] <= budget <= curve.places[-1]
        ]
    )
    if not there.size:
        return None
    middle, reach = float(there.mean()), 1.0
    if len(there) > 1:
        reach = float(there.std(ddof=1)) * math.sqrt(1 + 1 / len(there))
        reach *= float(t.ppf((1 + COVERAGE) / 2, len(there) - 1))
    return Likely(middle, max(0.0, middle - reach), min(1.0, middle + reach))


def _size_of(rows: Sequence[Measurement], strategy: str) -> int | None:
    """Frames that a strategy's runs labelled a cycle, if all cycles but the last agree, and the last is not larger."""
    places: dict[int, dict[int, int]] = defaultdict(dict)
    for row in rows:
        if row.strategy == strategy:
            places[row.seed][row.cycle] = row.labelled
    sizes: set[int] = set()
    for cycles in places.values():
        in_order = [cycles[cycle] for cycle in sorted(cycles)]
        steps = [after - before for before, after in pairwise(in_order)]
        sizes.update(step for number, step in enumerate(steps) if number < len(steps) - 1)
        if steps and (len(steps) == 1 or steps[-1] > steps[0]):
            sizes.add(steps[-1])
    (size, *others) = sizes or {0}
    return size if size > 0 and not others else None
