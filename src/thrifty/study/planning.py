"""What labelling a budget will take and bring, for several sizes of a cycle: hours of machine and people, and the expected gain.

Hours follow from what a frame costs (`thrifty.evaluation.completion`). A gain is never guessed: it is read off the learning
curves of runs that have been made, or left open.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from thrifty.costs import CostModel
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
from thrifty.evaluation.learning_curve import Measurement
from thrifty.strategies.names import WHOLE_POOL
from thrifty.study.expected_gain import Gain, gains_of

_MOST_CYCLES = 50
"""Cycles of the smallest b that a ladder proposes."""


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
        yield "gain: nothing is known; thrifty plan --curves learning_curves.csv, of a run or a study on data like these, tells it"
        return
    yield from (gain.sentence(budget) for gain in gains)
    yield _sizes(gains)


def _effort(effort: Effort) -> str:
    if effort.steps is None:
        passes = f"each cycle trains {effort.passes} passes over all frames labelled so far"
        replayed = f", with pictures of the start set until they are {effort.replay:.0%} of all"
        return passes + (replayed if effort.replay else "")
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
