"""Time to completion: the paper's own figures, sums written out, and what must hold for any numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.errors import BudgetError, DataError
from thrifty.evaluation.completion import (
    PAPER_SCORE,
    PAPER_TRAIN,
    Duration,
    Effort,
    Workload,
    time_to_completion,
)


def seconds_by_hand(work: Workload, score: float, train: float) -> float:
    """Cycle by cycle, as it happens."""
    total, labelled = 0.0, 0
    while labelled < work.budget:
        total += (work.pool - labelled) * score
        labelled = min(labelled + work.per_cycle, work.budget)
        effort = work.effort
        total += train * (
            labelled * effort.passes if effort.steps is None else effort.steps * effort.batch
        )
    return total


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    pool = draw(st.integers(1, 10_000))
    budget = draw(st.integers(1, pool))
    steps = draw(st.none() | st.integers(1, 500))
    effort = Effort(draw(st.integers(1, 60)), steps, draw(st.integers(1, 8)))
    return Workload(pool, budget, draw(st.integers(max(1, budget // 200), budget)), effort)


durations = st.tuples(*[st.floats(0, 1e3)] * 3).map(sorted).map(lambda ends: _between(*ends))


def _between(low: float, middle: float, high: float) -> Duration:
    return Duration(middle, low, high)


@pytest.mark.parametrize(("b", "hours"), [(2500, 47.8), (500, 196.6), (50, 1870.7)])
def test_the_papers_own_figures(b: int, hours: float) -> None:
    told = time_to_completion(Workload(51_363, 7500, b), PAPER_SCORE, PAPER_TRAIN)
    assert round(told.hours, 1) == hours
    assert told.low == told.seconds == told.high


def test_a_last_cycle_may_be_smaller() -> None:
    # 100 + 90 + 80 frames are scored; 10, 20 and 25 are learned from, twice.
    work = Workload(100, 25, 10, Effort(passes=2))
    told = time_to_completion(work, Duration.exact(1.0), Duration.exact(10.0))
    assert told.seconds == 270 + 10 * 2 * 55


def test_steps_do_not_depend_on_what_is_labelled() -> None:
    work = Workload(100, 25, 10, Effort(1, steps=7, batch=4))
    told = time_to_completion(work, Duration.exact(0.0), Duration.exact(1.0))
    assert told.seconds == 3 * 7 * 4


def test_ends_are_added_to_ends() -> None:
    work = Workload(10, 2, 1, Effort(passes=1))
    told = time_to_completion(work, Duration(2.0, 1.0, 3.0), Duration(20.0, 10.0, 40.0))
    # 19 frames are scored, 3 are learned from.
    assert (told.seconds, told.low, told.high) == (98.0, 49.0, 177.0)


@given(workloads(), durations, durations)
def test_the_closed_form_is_the_sum_and_its_interval_holds_it(
    work: Workload, score: Duration, train: Duration
) -> None:
    told = time_to_completion(work, score, train)
    by_hand = seconds_by_hand(work, score.seconds, train.seconds)
    assert told.seconds == pytest.approx(by_hand, rel=1e-9, abs=1e-9)
    assert told.low <= told.seconds <= told.high


@given(st.integers(1, 50), st.integers(1, 20), st.integers(1, 20), st.integers(0, 9999))
def test_larger_cycles_that_divide_the_budget_never_take_longer(
    b: int, times: int, cycles: int, more: int
) -> None:
    budget = b * times * cycles
    small, large = (Workload(budget + more, budget, size) for size in (b, b * times))
    assert large.cycles == cycles <= small.cycles
    assert large.scored <= small.scored
    assert large.learned <= small.learned


@pytest.mark.parametrize(
    ("pool", "budget", "b", "message"),
    [
        (0, 1, 1, "a pool of 0 frames; give 1 to 1e+12"),
        (10**13, 1, 1, "a pool of 10000000000000 frames; give 1 to 1e+12"),
        (5, 9, 1, "a budget of 9 frames from a pool of 5; give 1 to 5"),
        (5, 0, 1, "a budget of 0 frames from a pool of 5; give 1 to 5"),
        (5, 3, 4, "b = 4 frames a cycle of a budget of 3; give 1 to 3"),
        (5, 3, 0, "b = 0 frames a cycle of a budget of 3; give 1 to 3"),
    ],
)
def test_impossible_numbers_are_refused(pool: int, budget: int, b: int, message: str) -> None:
    with pytest.raises(BudgetError) as refused:
        Workload(pool, budget, b)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "ends", [(1.0, 2.0, 3.0), (1.0, 0.0, 0.5), (-1.0, -1.0, 0.0), (math.nan,) * 3, (math.inf,) * 3]
)
def test_what_is_no_time_is_refused(ends: tuple[float, float, float]) -> None:
    with pytest.raises(DataError, match="is no time"):
        Duration(*ends)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_the_middle_of_repeats_lies_within_them(repeats: list[float]) -> None:
    told = Duration.of(repeats)
    assert min(repeats) <= told.low * (1 + 1e-9)
    assert told.high <= max(repeats) * (1 + 1e-9)


def test_one_slow_repeat_of_many_moves_the_median_by_nothing() -> None:
    assert Duration.of([1.0] * 10 + [60.0]) == Duration.exact(1.0)
