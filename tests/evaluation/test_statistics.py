"""Statistics of repeated runs: hand-made cases, brute force, and studies with known answers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from thrifty.errors import DataError
from thrifty.evaluation.statistics import (
    Comparison,
    compare,
    corrected,
    holm,
    interval,
    seeds_needed,
    sign_flip_test,
)

RNG = np.random.default_rng


def test_six_wins_in_six_are_shown_and_five_in_five_are_not() -> None:
    baseline = [0.5, 0.6, 0.55, 0.52, 0.58, 0.61]
    strategy = [value - 0.05 - 0.001 * place for place, value in enumerate(baseline)]
    six = compare(strategy, baseline, RNG(0))
    assert six.p == 2 / 64
    assert six.sentence("guided random").startswith("better than guided random in 6 of 6 seeds, ")
    five = compare(strategy[:5], baseline[:5], RNG(0))
    assert five.p == 2 / 32
    assert five.sentence("guided random").startswith(
        "no difference from guided random that 5 seeds can show (0.052 better, 95 % interval "
    )


def test_what_is_better_depends_on_the_figure() -> None:
    people, fewer = [30.0] * 7, [20.0, 21, 22, 23, 24, 25, 26]
    more = compare(people, fewer, RNG(0), lower_is_better=False)
    assert (more.better, more.difference) == (7, 7.0)
    worse = compare(people, fewer, RNG(0))
    assert (worse.better, worse.difference) == (0, -7.0)
    assert worse.sentence("random").startswith(
        "worse than random in 7 of 7 seeds, difference 7.000"
    )


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=9))
def test_the_test_is_the_share_of_all_signs(values: list[int]) -> None:
    differences = np.array(values, dtype=np.float64)
    sums = [
        abs(sum(sign * abs(value) for sign, value in zip(signs, values, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    expected = sum(one >= abs(sum(values)) for one in sums) / len(sums)
    assert sign_flip_test(differences, RNG(0)) == expected


def test_many_pairs_are_drawn_from_and_agree_with_scipy() -> None:
    differences = RNG(5).normal(0.2, 1, 40)
    expected = stats.permutation_test(
        (differences,),
        lambda sample, axis: sample.mean(axis=axis),
        permutation_type="samples",
        n_resamples=200_000,
        rng=RNG(1),
    ).pvalue
    assert sign_flip_test(differences, RNG(0)) == pytest.approx(expected, abs=0.004)


def test_strategies_that_are_alike_are_called_different_in_no_more_than_the_stated_share() -> None:
    """1,000 studies of 7 seeds; a share of 0.05 may come out as up to 0.067 (99.3 % of all such thousands)."""
    rng = RNG(11)
    calls = 0
    for _ in range(1000):
        start = rng.normal(0.6, 0.1, 7)
        one, other = (start + rng.normal(0, 0.03, 7) for _ in range(2))
        calls += sign_flip_test(one - other, rng) <= 0.05
    assert calls <= 67


def test_one_of_many_alike_strategies_is_called_different_in_no_more_than_the_stated_share() -> (
    None
):
    rng = RNG(12)
    calls = 0
    for _ in range(1000):
        baseline = rng.normal(0.6, 0.03, 8)
        strategies = [rng.normal(0.6, 0.03, 8) for _ in range(5)]
        calls += min(holm([sign_flip_test(baseline - one, rng) for one in strategies])) <= 0.05
    assert calls <= 67


@pytest.mark.parametrize(("difference", "spread"), [(0.04, 0.04), (0.04, 0.05)])
def test_a_known_difference_is_found_at_the_stated_rate(difference: float, spread: float) -> None:
    """With as many seeds as are said to be needed, four of five studies find it."""
    count = seeds_needed(difference, spread)
    rng = RNG(13)
    found = 0
    for _ in range(400):
        baseline = rng.normal(0.6, 0.1, count)
        strategy = baseline - difference + rng.normal(0, spread, count)
        found += sign_flip_test(baseline - strategy, rng) <= 0.05
    assert 0.74 <= found / 400 <= 0.90


@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_intervals_hold_the_truth_as_often_as_they_say(count: int) -> None:
    rng = RNG(14)
    held = 0
    for _ in range(200):
        low, high = interval(rng.normal(0.04, 0.05, count), rng)
        held += low <= 0.04 <= high
    assert 0.90 <= held / 200 < 1


def test_five_runs_have_the_interval_of_all_their_resamples() -> None:
    values = np.array([0.074, 0.12, -0.03, 0.05, 0.02])
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(5)
    distances = []
    for places in itertools.product(range(5), repeat=5):
        drawn = values[list(places)]
        spread, away = drawn.std(ddof=1) / math.sqrt(5), drawn.mean() - mean
        distances.append(away / spread if len(set(places)) > 1 else math.copysign(math.inf, away))
    low, high = np.quantile(distances, [0.025, 0.975], method="inverted_cdf")
    assert interval(values, RNG(0)) == pytest.approx((mean - high * error, mean - low * error))


def test_intervals_of_one_run_and_of_equal_runs() -> None:
    assert interval(np.array([0.3]), RNG(0)) == (-math.inf, math.inf)
    # Three that agree cannot be told from chance by the test either, six can.
    assert interval(np.array([0.3, 0.3, 0.3]), RNG(0)) == (-math.inf, math.inf)
    assert list(interval(np.full(6, 0.3), RNG(0))) == pytest.approx([0.3, 0.3])
    assert interval(np.zeros(3), RNG(0)) == (0.0, 0.0)
    told = compare([0.4, 0.5], [0.5, 0.6], RNG(0)).sentence("random")
    assert "(0.100 better, no interval, since so few seeds that all differ alike" in told


def test_ties_make_no_run_surer_than_it_is() -> None:
    """A third of the resamples are four ones alone; left out, the interval would end at the mean."""
    values = np.array([1.0, 1, 1, 1, -2])
    error = values.std(ddof=1) / math.sqrt(5)
    low, high = interval(values, RNG(0))
    assert low == pytest.approx(0.4 - stats.t.ppf(0.975, 4) * error)
    assert low < 0
    assert 0.4 < high < math.inf


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_correction_never_lowers_keeps_the_order_and_ends_at_one(values: list[float]) -> None:
    corrected = holm(values)
    assert all(before <= after <= 1 for before, after in zip(values, corrected, strict=True))
    order = np.argsort(values, kind="stable")
    assert list(np.array(corrected)[order]) == sorted(corrected)


def test_a_correction_by_hand() -> None:
    baseline = [1.0, 2, 1, 2, 1, 2]
    both = corrected(
        {
            "a": compare([0.0] * 6, baseline, RNG(0)),
            "b": compare(baseline[:4], baseline[:4], RNG(0)),
        }
    )
    assert both["a"].p == pytest.approx(2 * 2 / 64)
    assert both["b"].p == 1
    assert not both["a"].is_different


def test_ties_are_neither_better_nor_worse() -> None:
    strategy, baseline = [2.0, 3, 4, 5, 6, 7, 8, 1, 1], [1.0] * 9
    worse = compare(strategy, baseline, RNG(0))
    assert (worse.better, worse.worse, worse.pairs) == (0, 7, 9)
    assert worse.p == 2 / 2**7
    assert worse.sentence("random").startswith("worse than random in 7 of 9 seeds, ")
    better = compare(strategy, baseline, RNG(0), lower_is_better=False)
    assert (better.better, better.worse) == (7, 0)
    rounded = compare([0.3], [0.1 + 0.2], RNG(0))
    assert (rounded.better, rounded.worse) == (0, 0)


def test_the_interval_of_a_defeat_holds_the_difference_that_is_said() -> None:
    worse = Comparison(9, 0, 7, -0.043, -0.066, -0.0001, 0.004)
    assert worse.sentence("random") == (
        "worse than random in 7 of 9 seeds, difference 0.043, 95 % interval 0.000 to 0.066 (p = 0.004)"
    )
    unclear = Comparison(5, 1, 4, -0.04, -0.09, 0.01, 0.2)
    assert unclear.sentence("random") == (
        "no difference from random that 5 seeds can show (0.040 worse, 95 % interval -0.010 to 0.090, p = 0.200)"
    )
    for difference in (0.0, 0.0004, -0.0004):
        none = Comparison(5, 2, 2, difference, -0.01, 0.01, 1.0)
        assert "can show (0.000, 95 % interval -0.010 to 0.010, p = 1.000)" in none.sentence(
            "random"
        )


def test_large_effects_need_the_fewest_seeds_that_can_show_anything() -> None:
    """SciPy's noncentral t has no number for some of them."""
    effects = np.geomspace(3, 1e6, 200)
    assert {seeds_needed(float(effect), 1.0) for effect in effects} == {6}
    # 2 of 2^n signs must be no more than 0.05 / 10.
    assert {seeds_needed(float(effect), 1.0, 0.005) for effect in effects[20:]} == {9}


def test_seeds_needed_match_the_power_of_the_t_test() -> None:
    """Machin and others' tables: effect 0.5, 5 %, 80 %: 34 pairs; effect 1: 10."""
    assert seeds_needed(0.5, 1.0) == 34
    assert seeds_needed(-1.0, 1.0) == 10
    assert seeds_needed(100.0, 1.0) == 6
    with pytest.raises(DataError, match="no number of runs shows a difference of 0"):
        seeds_needed(0.0, 1.0)
    with pytest.raises(DataError, match="takes over a million runs"):
        seeds_needed(1e-6, 1.0)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ([], [], "0 and 0 runs"),
        ([1.0], [1.0, 2.0], "1 and 2 runs"),
        ([math.nan], [1.0], "not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    one: list[float], other: list[float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        compare(one, other, RNG(0))


def test_the_same_seed_gives_the_same_interval_and_few_runs_give_it_with_any() -> None:
    values = RNG(2).normal(size=7)
    assert compare(values, np.zeros(7), RNG(3)) == compare(values, np.zeros(7), RNG(3))
    assert compare(values, np.zeros(7), RNG(3)).low != compare(values, np.zeros(7), RNG(4)).low
    assert interval(values[:6], RNG(3)) == interval(values[:6], RNG(4))
