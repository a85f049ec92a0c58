"""From scores to a choice, step by step, by hand; and that every step composes with every strategy that scores."""

import numpy as np
import pytest

from tests.strategies.deciding import decide, taken
from thrifty.config import parse_recipe
from thrifty.errors import BudgetError, CapabilityError
from thrifty.selection.budget import Budget
from thrifty.selection.closeness import Rules
from thrifty.strategies.catalogue import ROWS, make_strategies, surroundings
from thrifty.strategies.random import Random
from thrifty.strategies.scored import Pipeline
from thrifty.strategies.strategy import Decision, Labelled, within
from thrifty.strategies.surroundings import EXPECTED, FEATURE, HASH, MOTION
from thrifty.testing import check_strategy
from thrifty.types import FloatArray, Need, Record

STILLS = [Record(f"s{place}", f"s{place}.png", 8, 8) for place in range(5)]
VIDEO = [Record(f"v{place}", "v.avi", 8, 8, "v", place, place) for place in range(5)]
PLAIN = np.ones(1)


def run(
    pipeline: Pipeline,
    scores: list[float],
    budget: Budget | int,
    labelled: Labelled | None = None,
    records: list[Record] = STILLS,
    **columns: FloatArray,
) -> Decision:
    names = {"expected": EXPECTED, "features": FEATURE, "hashes": HASH, "motions": MOTION}
    observed = {names[name]: values for name, values in columns.items()}
    spend = budget if isinstance(budget, Budget) else Budget(budget)
    return pipeline.decide(records, np.array(scores), observed, spend, labelled or Labelled())


def test_each_frame_is_told_its_rank_before_and_after_its_neighbours() -> None:
    """Uniform weights over three: (3 + 0)/2, (3 + 0 + 4)/3, (0 + 4 + 4)/3, (4 + 4 + 0)/3, (4 + 0)/2."""
    pipeline = Pipeline(np.full(3, 1 / 3), Rules(0, 0))
    decision = run(pipeline, [3, 0, 4, 4, 0], 2, records=VIDEO)
    assert decision.smoothed.tolist() == pytest.approx([1.5, 7 / 3, 8 / 3, 8 / 3, 2])
    assert decision.choice.indices == [2, 3]
    assert decision.reasons == ("rank 1 of 5 by its score", "rank 1 of 5 by its score")
    third = run(pipeline, [3, 0, 4, 4, 0], 3, records=VIDEO)
    assert third.choice.indices[2] == 1
    assert third.reasons[2] == ("rank 3 of 5 by its score, 4 before its neighbours in time counted")


def test_rare_classes_lift_the_frames_that_are_expected_to_show_them() -> None:
    """Ten and no labels: the mean is 5, the weights 6/11 and 6, to the power 1/2."""
    expected = np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [9.0, 0.0]])
    labelled = Labelled(instances=np.array([10, 0]))
    pipeline = Pipeline(PLAIN, Rules(0, 0), balance=0.5)
    decision = run(pipeline, [3, 2, 2, 1, 1], 2, labelled, expected=expected)
    common, rare = (6 / 11) ** 0.5, 6**0.5
    wanted = [3 * common, 2 * rare, common + rare, 1, common]
    assert decision.smoothed.tolist() == pytest.approx(wanted)
    assert decision.choice.indices == [1, 2]
    assert decision.reasons[0] == (
        "rank 1 of 5 by its score, 2 before its classes counted; classes weigh 2.45"
    )


def test_scores_below_zero_are_counted_from_the_lowest_before_they_are_weighed() -> None:
    """Or else a rare class would push a frame down."""
    expected = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    labelled = Labelled(instances=np.array([4, 0]))
    pipeline = Pipeline(PLAIN, Rules(0, 0), balance=1.0)
    decision = run(pipeline, [-1, -1, -3, -3, -3], 1, labelled, expected=expected)
    assert decision.smoothed.tolist() == pytest.approx([2 * 0.6, 2 * 3, 0, 0, 0])


def test_of_a_shortlist_k_centre_takes_what_lies_far_apart() -> None:
    """Two budgets are listed: s0, s1, s2, s3. From what is labelled at 0 the farthest is s1 at 8, and then s3 at 5, 3 from it."""
    features = np.array([[1.0], [8.0], [2.0], [5.0], [99.0]])
    labelled = Labelled(columns={FEATURE: np.array([[0.0]])})
    pipeline = Pipeline(PLAIN, Rules(0, 0), diversity=2.0)
    decision = run(pipeline, [5, 4, 3, 2, 1], 2, labelled, features=features)
    assert decision.choice.indices == [1, 3]
    assert decision.reasons == (
        "rank 2 of 5 by its score; 8 in features from the nearest labelled or chosen",
        "rank 4 of 5 by its score; 3 in features from the nearest labelled or chosen",
    )


def test_a_shortlist_keeps_the_rules_as_far_as_it_can() -> None:
    """Of one video only places 0 and 3 are allowed; the third of the shortlist would break the rule and stays out."""
    features = np.array([[0.0], [50.0], [60.0], [1.0], [70.0]])
    pipeline = Pipeline(PLAIN, Rules(2, 0), diversity=1.5)
    decision = run(pipeline, [5, 4, 3, 2, 1], 2, records=VIDEO, features=features)
    assert sorted(decision.choice.indices) == [0, 3]
    assert {held.because for held in decision.choice.held} <= {"v0", "v3"}


def test_what_is_taken_against_a_rule_comes_last_however_far_away_it_lies() -> None:
    """Two frames are allowed, the third must break the rule: the best of those, and not the farthest."""
    features = np.array([[0.0], [50.0], [60.0], [1.0], [70.0]])
    pipeline = Pipeline(PLAIN, Rules(2, 0), diversity=1.6)
    decision = run(pipeline, [5, 4, 3, 2, 1], 3, records=VIDEO, features=features)
    assert set(decision.choice.indices[:2]) == {0, 3}
    assert decision.choice.indices[2] == 1
    assert [bool(one.dropped) for one in decision.choice.chosen] == [False, False, True]


def test_a_shortlist_longer_than_the_pool_is_the_pool() -> None:
    features = np.arange(5.0)[:, None]
    pipeline = Pipeline(PLAIN, Rules(0, 0), diversity=10.0)
    assert sorted(run(pipeline, [1] * 5, 5, features=features).choice.indices) == [0, 1, 2, 3, 4]


def test_a_budget_of_seconds_says_what_each_frame_is_expected_to_cost() -> None:
    pipeline = Pipeline(PLAIN, Rules(0, 0))
    decision = run(pipeline, [4, 3, 2, 1, 0], Budget(80.0, np.array([60.0, 30, 40, 10, 10])))
    # Per second: 0.067, 0.1, 0.05, 0.1, 0.
    assert decision.choice.indices == [1, 3, 2]
    assert decision.reasons[0] == "rank 2 of 5 by its score; expected to cost 30"


def test_a_diverse_shortlist_stays_within_its_budget() -> None:
    features = np.arange(5.0)[:, None]
    costs = np.array([3.0, 3.0, 3.0, 3.0, 3.0])
    pipeline = Pipeline(PLAIN, Rules(0, 0), diversity=2.0)
    decision = run(pipeline, [5, 4, 3, 2, 1], Budget(7.0, costs), features=features)
    assert len(decision.choice.chosen) == 2


def test_what_does_not_fit_into_the_budget_any_more_is_passed_over() -> None:
    free = Random(Pipeline(rules=Rules(0, 0)), "random")
    decision = free.decide(STILLS, {}, Budget(5), Labelled(), np.random.default_rng(0))
    first, second, third, *_ = decision.choice.indices
    costs = np.full(5, 9.0)
    costs[[first, third]], costs[second] = 1.0, 2.0
    cut = within(decision, Budget(2.5, costs))
    assert cut.choice.indices == [first, third]
    assert cut.reasons == (decision.reasons[0], decision.reasons[2])
    assert decision.reasons[0].startswith("rank 1 of 5 by a random draw")


def test_chance_keeps_the_rules_on_pictures_too() -> None:
    hashes = np.array([0, 0, 0, 0, 255], dtype=np.uint64)
    guided = Random(Pipeline(rules=Rules(0, 0, picture=0)), "guided-random")
    observed = {HASH: hashes, MOTION: np.zeros(5)}
    for seed in range(20):
        ids = taken(decide(guided, STILLS, observed, 2, seed=seed), STILLS)
        assert "s4" in ids


RECIPE = """
name = "rules"
[start]
kind = "street"
look = "dusk"
drives = 1
[pool]
kind = "street"
look = "dusk"
drives = 1
[test]
kind = "street"
look = "dusk"
drives = 1
[selection]
budget = 1
cycles = 1
passes = 2
members = 2
SETTINGS
"""


@pytest.mark.parametrize("name", ROWS)
def test_smoothing_off_and_rules_off_leave_the_contract_whole(name: str) -> None:
    settings = "exclude_current = 0\nexclude_later = 0\n[score]\nsmoothing = 0"
    check_strategy(ROWS[name](parse_recipe(RECIPE.replace("SETTINGS", settings), "x")))


def test_only_what_is_switched_on_is_looked_at() -> None:
    def views(settings: str) -> int:
        return len(surroundings(parse_recipe(RECIPE.replace("SETTINGS", settings), "x")).views)

    assert views("") == 0
    assert views("balance = 1.0") == views('unit = "boxes"') == views("diversity = 2.0") == 1
    assert views("diversity = 2.0\nbalance = 1.0") == 2


def test_a_rule_that_asks_too_much_of_a_detector_says_so() -> None:
    recipe = parse_recipe(
        RECIPE.replace("SETTINGS", 'diversity = 2.0\nstrategies = ["random"]'), "x"
    )
    with pytest.raises(CapabilityError, match="need features, which this detector cannot give"):
        make_strategies(recipe, frozenset({Need.BOXES}))


def test_a_budget_that_buys_nothing_is_refused() -> None:
    with pytest.raises(BudgetError, match="buys nothing"):
        run(Pipeline(PLAIN, Rules(0, 0)), [1] * 5, Budget(1.0, np.full(5, 2.0)))
