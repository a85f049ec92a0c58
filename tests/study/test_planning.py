"""Plans worked out by hand: hours from costs, gains from curves, and nothing where nothing is known."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.costs import CostModel
from thrifty.errors import BudgetError, DataError
from thrifty.evaluation.completion import Duration, Effort
from thrifty.evaluation.learning_curve import Measurement
from thrifty.strategies.names import WHOLE_POOL
from thrifty.study.comparison import MISS_RATE
from thrifty.study.expected_gain import Gain, Likely
from thrifty.study.planning import (
    Costs,
    FrameCost,
    as_json,
    ladder,
    make_plan,
)

COSTS = Costs(
    FrameCost(Duration(2.0, 1.0, 3.0), 9), FrameCost(Duration(10.0, 5.0, 20.0), 9), Effort(1)
)


def run(
    strategy: str, seed: int, values: list[float], size: int = 10, boxes: int = 0
) -> list[Measurement]:
    """A run of `size` labels a cycle."""
    return [
        Measurement(
            strategy, seed, cycle, size * cycle, boxes * size * cycle, 0.0, MISS_RATE, value
        )
        for cycle, value in enumerate(values)
    ]


def falling(strategy: str, start: float, seed: int = 0) -> list[Measurement]:
    """A miss rate that halves whenever the labels double, from the first cycle on."""
    return run(strategy, seed, [0.95, *(start / cycle for cycle in range(1, 5))])


def test_hours_of_a_row_by_hand() -> None:
    told = make_plan(100, 20, COSTS, [10])
    (row,) = told.rows
    assert (row.per_cycle, row.cycles) == (10, 2)
    # 100 + 90 frames are scored, 10 + 20 learned from once.
    assert row.machine == Duration(2 * 190 + 300, 190 + 150, 3 * 190 + 600)
    assert row.labelling == Duration.exact(20 * 35)
    assert row.calendar == row.machine + row.labelling
    assert row.paper.seconds == pytest.approx(0.15 * 190 + 0.2 * 50 * 30)
    assert row.gains == told.gains == ()


def test_without_a_table_no_gain_is_claimed() -> None:
    notes = make_plan(100, 20, COSTS).notes
    assert [note for note in notes if "gain" in note] == [
        "gain: nothing is known; thrifty plan --curves learning_curves.csv, of a run or a study on data like these, tells it"
    ]
    assert not any("miss rate" in note for note in notes)


def test_sizes_are_sorted_and_said_once() -> None:
    assert [row.per_cycle for row in make_plan(100, 20, COSTS, [20, 5, 5]).rows] == [5, 20]
    assert [row.per_cycle for row in make_plan(100, 20, COSTS).rows] == [1, 2, 5, 10, 20]


@given(st.integers(1, 10**9))
def test_a_ladder_climbs_from_fifty_cycles_to_one(budget: int) -> None:
    sizes = ladder(budget)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == budget
    assert all(size >= 1 and math.ceil(budget / size) <= 50 for size in sizes)
    assert all(after <= 2.5 * before for before, after in pairwise(sizes))


@given(st.integers(50, 3000), st.integers(1, 40))
def test_hours_fall_as_cycles_grow(pool: int, budget: int) -> None:
    rows = make_plan(
        pool, budget, COSTS, [size for size in range(1, budget + 1) if budget % size == 0]
    ).rows
    hours = [row.machine.seconds for row in rows]
    assert hours == sorted(hours, reverse=True)
    assert all(row.machine.low <= row.machine.seconds <= row.machine.high for row in rows)


def test_a_law_beyond_the_table_is_read_at_the_budget() -> None:
    table = falling("mine", 0.4) + falling("guided-random", 0.8)
    told = make_plan(100, 80, COSTS, table=table)
    gains = {gain.strategy: gain for gain in told.gains}
    mine, random = gains["mine"], gains["guided-random"]
    # Start weights have learned from no label and are no point of a law.
    assert (mine.models, mine.labelled, mine.per_cycle) == (4, 40, 10)
    assert mine.miss_rate is not None
    assert random.miss_rate is not None
    assert mine.miss_rate.value == pytest.approx(0.4 / 8)
    assert random.miss_rate.value == pytest.approx(0.8 / 8)
    assert mine.reference == "guided-random"
    assert mine.reduction is not None
    assert mine.reduction.value == pytest.approx(0.05)
    assert (random.reference, random.reduction) == ("", None)
    # The table's own b is offered beside the round ones, and is the only one of which a gain is told.
    assert {row.per_cycle: len(row.gains) for row in told.rows} == {
        2: 0,
        5: 0,
        10: 2,
        25: 0,
        50: 0,
        80: 0,
    }
    assert "the table's runs had b = 10; what any other b gains is unknown" in told.notes
    assert any(
        "by a power law through 4 models with up to 40 labels;" in note for note in told.notes
    )


def test_far_beyond_the_table_is_said() -> None:
    (gain,) = make_plan(1000, 500, COSTS, [10], falling("mine", 0.4)).gains
    assert gain.sentence(500).endswith("with up to 40 labels, far beyond them")
    assert (gain.reference, gain.reduction) == ("", None)


def test_within_the_table_the_runs_themselves_count() -> None:
    table = [
        row for seed in range(3) for row in run("mine", seed, [0.9, 0.5 + 0.1 * seed, 0.4, 0.3])
    ]
    (gain,) = make_plan(100, 10, COSTS, [10], table).gains
    assert gain.miss_rate is not None
    assert gain.miss_rate.value == pytest.approx(0.6)
    # Student's t with two degrees of freedom: 1.8856, of one more run beside three.
    assert gain.miss_rate.high - 0.6 == pytest.approx(1.8856 * 0.1 * math.sqrt(4 / 3), rel=1e-4)
    assert "the mean of its runs, which go as far" in gain.sentence(10)


def test_one_run_within_the_table_knows_nothing_of_another() -> None:
    (gain,) = make_plan(100, 15, COSTS, [10], run("mine", 0, [0.9, 0.6, 0.4])).gains
    assert gain.miss_rate is not None
    assert gain.miss_rate.value == pytest.approx(0.5)
    assert (gain.miss_rate.low, gain.miss_rate.high) == (0.0, 1.0)


def test_too_few_models_promise_nothing() -> None:
    table = run("mine", 0, [0.9, 0.6, 0.4]) + falling("guided-random", 0.8)
    told = make_plan(100, 80, COSTS, [10], table)
    mine = next(gain for gain in told.gains if gain.strategy == "mine")
    assert (mine.miss_rate, mine.reduction) == (None, None)
    assert (
        mine.sentence(80)
        == "mine: its models (2) are too few to say what 80 labels bring; give a table with more cycles"
    )


def test_budgets_before_any_run_are_left_open() -> None:
    (gain,) = make_plan(100, 5, COSTS, [5], run("mine", 0, [0.9, 0.6, 0.4])[1:]).gains
    assert gain.miss_rate is None


@pytest.mark.parametrize(
    ("places", "size"),
    [
        ([0, 10, 20, 30], 10),
        ([0, 10, 20, 25], 10),
        ([0, 10], 10),
        ([0, 10, 25], None),
        ([0, 10, 25, 40], None),
        ([0], None),
        ([0, 0, 0], None),
    ],
)
def test_the_size_of_a_cycle_is_told_by_its_table(places: list[int], size: int | None) -> None:
    table = [
        Measurement("mine", 0, cycle, place, 0, 0.0, MISS_RATE, 0.5)
        for cycle, place in enumerate(places)
    ]
    told = make_plan(100, 80, COSTS, [10], table + falling("guided-random", 0.8))
    assert next(gain for gain in told.gains if gain.strategy == "mine").per_cycle == size


def test_several_sizes_in_a_table_speak_for_themselves_alone() -> None:
    table = run("small", 0, [0.9, 0.6, 0.5, 0.4], 5) + run("large", 0, [0.9, 0.5, 0.4, 0.3], 20)
    told = make_plan(100, 80, COSTS, [5, 10, 20], table)
    named = {row.per_cycle: [gain.strategy for gain in row.gains] for row in told.rows}
    assert named == {5: ["small"], 10: [], 20: ["large"]}
    assert told.notes[-1] == "the table's runs had b = 5 and 20; what any other b gains is unknown"


def test_cycles_of_all_sizes_tell_nothing_of_b() -> None:
    table = [
        Measurement("mine", 0, cycle, place, 0, 0.0, MISS_RATE, 0.9 - place / 100)
        for cycle, place in enumerate([0, 10, 25, 30, 60])
    ]
    told = make_plan(100, 80, COSTS, table=table)
    assert told.notes[-1].startswith("what these miss rates have to do with b is unknown")
    assert told.gains
    assert all(row.gains == () for row in told.rows)


def test_the_whole_pool_is_no_strategy() -> None:
    whole = run(WHOLE_POOL, 0, [0.9, 0.1], 100, boxes=9)
    told = make_plan(100, 80, COSTS, table=falling("mine", 0.4) + whole)
    assert [gain.strategy for gain in told.gains] == ["mine"]


def test_boxes_cost_where_a_table_counts_them() -> None:
    costs = replace(COSTS, labels=CostModel(10.0, 2.0))
    table = run("mine", 0, [0.9, 0.5, 0.4, 0.3], boxes=5) + run(
        "random", 0, [0.9, 0.6, 0.5, 0.5], boxes=1
    )
    told = make_plan(100, 20, costs, [10], table)
    # 20 frames of 10 s, with 1 to 5 boxes of 2 s each.
    assert told.rows[0].labelling == Duration(320, 240, 400)
    assert any("and 2 s a box, of which there are as many" in note for note in told.notes)
    without = make_plan(100, 20, costs, [10])
    assert without.rows[0].labelling == Duration.exact(200)
    assert any("the 2 s a box are left out" in note for note in without.notes)


def test_how_much_is_trained_is_said() -> None:
    by_steps = make_plan(100, 20, replace(COSTS, effort=Effort(1, steps=300, batch=4)))
    assert "each cycle trains 300 steps of 4 frames, however many are labelled" in by_steps.notes
    by_passes = make_plan(100, 20, replace(COSTS, effort=Effort(50)))
    assert "each cycle trains 50 passes over all frames labelled so far" in by_passes.notes


def test_where_costs_come_from_is_said() -> None:
    measured = make_plan(100, 20, replace(COSTS, place="frames of 64x48 pixels on a card")).notes
    assert measured[0] == "scoring: 2000 ms a frame, middle 80 % of 9 repeats 1000 to 3000 ms"
    assert measured[2].startswith("measured with frames of 64x48 pixels on a card; the intervals")
    given_costs = replace(COSTS, score=FrameCost(Duration.exact(0.5)))
    notes = make_plan(100, 20, given_costs).notes
    assert notes[0].endswith("as given; not measured, so there is no interval")
    assert not any(note.startswith("measured") for note in notes)


def test_a_strategy_that_loses_is_said_to_lose() -> None:
    gain = Gain("mine", 10, 40, 4, Likely(0.5, 0.4, 0.6), "random", Likely(-0.1, -0.25, 0.05))
    assert gain.sentence(80).endswith("; higher than random by 0.100 (80 %: -0.050 to 0.250)")


@pytest.mark.parametrize(
    "table",
    [
        [],
        run("mine", 0, [0.9]),
        run(WHOLE_POOL, 0, [0.9, 0.1]),
        [replace(row, metric="ap") for row in falling("mine", 0.4)],
        [replace(row, value=math.nan) for row in falling("mine", 0.4)],
    ],
)
def test_a_table_that_tells_nothing_is_refused(table: list[Measurement]) -> None:
    with pytest.raises(DataError, match=f"holds no {MISS_RATE} of a strategy after any label"):
        make_plan(100, 80, COSTS, table=table)


def test_tables_of_two_recipes_are_no_table() -> None:
    table = falling("mine", 0.4) + run("mine", 0, [0.9, 0.8])
    with pytest.raises(DataError, match="two different rows"):
        make_plan(100, 80, COSTS, table=table)


@pytest.mark.parametrize(("budget", "sizes"), [(0, []), (101, []), (20, [21]), (20, [5, 0])])
def test_impossible_numbers_are_refused(budget: int, sizes: list[int]) -> None:
    with pytest.raises(BudgetError):
        make_plan(100, budget, COSTS, sizes)


def test_json_has_all_of_it() -> None:
    told = make_plan(100, 20, COSTS, [10], falling("mine", 0.4) + falling("random", 0.8))
    plain = json.loads(json.dumps(as_json(told), allow_nan=False))
    (row,) = plain["rows"]
    assert row["machine_hours"]["expected"] == pytest.approx(680 / 3600)
    assert row["machine_hours"]["low"] < row["machine_hours"]["expected"]
    assert [gain["strategy"] for gain in row["gains"]] == ["mine", "random"]
    assert plain["costs"]["score"]["repeats"] == 9
    assert plain["notes"] == list(told.notes)
