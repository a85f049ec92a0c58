"""What labelling a budget will take and bring, for several sizes of a cycle: hours of machine and people, and the expected gain.

Hours follow from what a frame costs (`thrifty.evaluation.completion`). A gain is never guessed: it is read off the learning
curves of runs that have been made, or left open.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from thrifty.costs import CostModel
from thrifty.errors import DataError
from thrifty.evaluation.completion import (
    COVERAGE,
    HOUR,
    PAPER_EFFORT,
    PAPER_SCORE,
    PAPER_TRAIN,
    Duration,
    Effort,
    Workload,
    time_to_completion,
)
from thrifty.evaluation.forecast import forecast
from thrifty.evaluation.learning_curve import LearningCurve, Measurement, curves
from thrifty.strategies.names import REFERENCES, WHOLE_POOL
from thrifty.study.comparison import MISS_RATE

_MOST_CYCLES = 50
"""Cycles of the smallest b that a ladder proposes."""
_FAR = 3
"""Budgets over so many times the labels of a table are far beyond it."""


@dataclass(frozen=True, slots=True)
class FrameCost:
    """What a machine takes for a frame.

    Attributes:
        each: For one.
        repeats: Measurements behind it; 0 where somebody said so.
    """

    each: Duration
    repeats: int = 0

    def sentence(self, what: str) -> str:
        """In words.

        >>> FrameCost(Duration(0.6, 0.55, 0.7), 9).sentence("scoring")
        'scoring: 600 ms a frame, middle 80 % of 9 repeats 550 to 700 ms'
        >>> FrameCost(Duration.exact(0.002)).sentence("scoring")
        'scoring: 2 ms a frame, as given; not measured, so there is no interval'
        """
        middle = f"{what}: {_milliseconds(self.each.seconds)} ms a frame"
        if not self.repeats:
            return f"{middle}, as given; not measured, so there is no interval"
        low, high = _milliseconds(self.each.low), _milliseconds(self.each.high)
        share = f"middle {100 * COVERAGE:.0f} %"
        return f"{middle}, {share} of {self.repeats} repeats {low} to {high} ms"


def _milliseconds(seconds: float) -> str:
    """Three digits, and all of those before the point."""
    value = 1000 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Costs:
    """What everything is reckoned with.

    Attributes:
        score: What scoring a frame takes.
        train: What a frame takes in training, forward and backward.
        effort: How much each cycle trains.
        labels: What people take.
        place: Where the machine's costs were measured, in words; empty where they were not.
    """

    score: FrameCost
    train: FrameCost
    effort: Effort = PAPER_EFFORT
    labels: CostModel = field(default_factory=CostModel)
    place: str = ""


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


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One size of a cycle.

    Attributes:
        per_cycle: Frames labelled a cycle (b).
        cycles: Cycles (K).
        machine: Scoring and training.
        labelling: One person's time.
        calendar: Both, one after the other: the machine waits for labels, and people for the next choice.
        paper: The machine's time with the paper's costs of a frame and its 50 passes.
        gains: What runs with cycles of this very size say; none where there were none.
    """

    per_cycle: int
    cycles: int
    machine: Duration
    labelling: Duration
    calendar: Duration
    paper: Duration
    gains: tuple[Gain, ...] = ()


@dataclass(frozen=True, slots=True)
class LabellingPlan:
    """What a budget takes and brings.

    Attributes:
        pool: Frames to choose from (N).
        budget: Frames labelled in all (B).
        costs: What it was reckoned with.
        rows: One for each size of a cycle, ascending.
        gains: What the table's strategies say of the end, by name; none without a table.
        notes: How sure all this is, a sentence each.
    """

    pool: int
    budget: int
    costs: Costs
    rows: tuple[PlanRow, ...]
    gains: tuple[Gain, ...]
    notes: tuple[str, ...]


def ladder(budget: int) -> list[int]:
    """Sizes of a cycle to choose between: round numbers, each about twice the one before, for 50 cycles down to one.

    >>> ladder(7500), ladder(60), ladder(1)
    ([250, 500, 1000, 2500, 5000, 7500], [2, 5, 10, 25, 50, 60], [1])
    """
    tens = [10**power for power in range(len(str(budget)))]
    nice = {ten * quarters // 4 for ten in tens for quarters in (4, 10, 20)}
    return sorted({size for size in nice if size <= budget <= _MOST_CYCLES * size} | {budget})


def make_plan(
    pool: int,
    budget: int,
    costs: Costs,
    sizes: Sequence[int] = (),
    table: Sequence[Measurement] | None = None,
) -> LabellingPlan:
    """Reckon what a budget takes and brings.

    Args:
        pool: Frames to choose from (N).
        budget: Frames labelled in all (B).
        costs: Of machine and people.
        sizes: Frames a cycle (b), in any order; a ladder of round ones, and those of the table, if left out.
        table: Learning curves of finished runs, on data like these.

    Raises:
        BudgetError: A number is below 1, or there are not as many frames.
        DataError: The table has no miss rates, or is not of one recipe.
    """
    # Before a ladder is made of them, so that impossible numbers are refused.
    Workload(pool, budget, budget)
    gains = () if table is None else tuple(gains_of(table, budget))
    known = {gain.per_cycle for gain in gains if gain.per_cycle is not None}
    wanted = set(sizes) or {*ladder(budget), *(size for size in known if size <= budget)}
    labelling = _labelling(costs.labels, budget, table or ())
    rows = tuple(
        _row(Workload(pool, budget, size, costs.effort), costs, labelling, gains)
        for size in sorted(wanted)
    )
    notes = tuple(_notes(costs, budget, gains, table))
    return LabellingPlan(pool, budget, costs, rows, gains, notes)


def _row(work: Workload, costs: Costs, labelling: Duration, gains: Sequence[Gain]) -> PlanRow:
    machine = time_to_completion(work, costs.score.each, costs.train.each)
    paper = time_to_completion(
        Workload(work.pool, work.budget, work.per_cycle, PAPER_EFFORT), PAPER_SCORE, PAPER_TRAIN
    )
    return PlanRow(
        work.per_cycle,
        work.cycles,
        machine,
        labelling,
        machine + labelling,
        paper,
        tuple(gain for gain in gains if gain.per_cycle == work.per_cycle),
    )


def _labelling(model: CostModel, budget: int, table: Sequence[Measurement]) -> Duration:
    """One person's time; where boxes cost and a table counts them, the median over its strategies, from fewest to most."""
    rates = _boxes_a_frame(table) if model.per_box else []
    if not rates:
        return Duration.exact(model.seconds(budget, 0.0))
    low, middle, high = (
        model.seconds(budget, budget * rate)
        for rate in (min(rates), statistics.median(rates), max(rates))
    )
    return Duration(middle, low, high)


def _boxes_a_frame(table: Sequence[Measurement]) -> list[float]:
    """Of each strategy, at the end of its runs."""
    ends: dict[tuple[str, int], Measurement] = {}
    for row in table:
        key = row.strategy, row.seed
        if row.strategy != WHOLE_POOL and row.labelled:
            ends[key] = max(ends.get(key, row), row, key=lambda one: one.cycle)
    sums: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for (name, _), row in ends.items():
        boxes, frames = sums[name]
        sums[name] = boxes + row.boxes, frames + row.labelled
    return [boxes / frames for boxes, frames in sums.values()]


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


def _notes(
    costs: Costs, budget: int, gains: Sequence[Gain], table: Sequence[Measurement] | None
) -> Iterator[str]:
    yield costs.score.sentence("scoring")
    yield costs.train.sentence("training, forward and backward")
    if costs.place:
        yield f"measured with {costs.place}; the intervals hold while it is as fast, and as busy, as it was then"
    yield _effort(costs.effort)
    yield (
        f"paper: its formula with {_milliseconds(PAPER_SCORE.seconds)} ms to score a frame of 640x480, "
        f"{_milliseconds(PAPER_TRAIN.seconds)} ms to train on it, and {PAPER_EFFORT.passes} passes"
    )
    yield (
        "left out: reading and decoding files, judging on a test set, the start weights, and the hours in which nobody is there "
        "to label"
    )
    yield _people(costs.labels, table)
    if table is None:
        yield "gain: nothing is known; give --curves learning_curves.csv of a run or a study on data like these"
        return
    yield from (gain.sentence(budget) for gain in gains)
    yield _sizes(gains)


def _effort(effort: Effort) -> str:
    if effort.steps is None:
        passes = f"each cycle trains {effort.passes} passes over all frames labelled so far"
        return passes + (f", and {effort.replay:.0%} of the start set's" if effort.replay else "")
    frames = "a frame" if effort.batch == 1 else f"{effort.batch} frames"
    return f"each cycle trains {effort.steps} steps of {frames}, however many are labelled"


def _people(model: CostModel, table: Sequence[Measurement] | None) -> str:
    words = f"labelling: {model.per_frame:g} s a frame"
    if model.per_box and _boxes_a_frame(table or ()):
        words += f" and {model.per_box:g} s a box, of which there are as many as the table's strategies found"
    elif model.per_box:
        words += (
            f"; the {model.per_box:g} s a box are left out, since nobody knows how many there are"
        )
    return f"{words}; one person without a break, and one after the other with the machine"


def _sizes(gains: Sequence[Gain]) -> str:
    known = sorted({gain.per_cycle for gain in gains if gain.per_cycle is not None})
    if not known:
        return (
            "what these miss rates have to do with b is unknown: the table's cycles differ in size"
        )
    sizes = " and ".join(f"{size}" for size in known)
    return f"the table's runs had b = {sizes}; what any other b gains is unknown"


def as_json(plan: LabellingPlan) -> dict[str, Any]:
    """The plan as plain values; times of rows in hours, of a frame in seconds."""
    return {
        "pool": plan.pool,
        "budget": plan.budget,
        "costs": asdict(plan.costs),
        "rows": [
            {
                "b": row.per_cycle,
                "cycles": row.cycles,
                "machine_hours": _hours(row.machine),
                "labelling_hours": _hours(row.labelling),
                "calendar_hours": _hours(row.calendar),
                "paper_hours": row.paper.hours,
                "gains": [asdict(gain) for gain in row.gains],
            }
            for row in plan.rows
        ],
        "gains": [asdict(gain) for gain in plan.gains],
        "notes": list(plan.notes),
    }


def _hours(time: Duration) -> dict[str, float]:
    return {"expected": time.hours, "low": time.low / HOUR, "high": time.high / HOUR}
