import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thrifty.errors import BudgetError, ScoreError
from thrifty.selection import temporal
from thrifty.selection.ranking import rank
from thrifty.selection.temporal import Rule, Rules, choose
from thrifty.types import Record


def frame(video: str | None, place: int) -> Record:
    if video is None:
        return Record(f"still-{place:03d}", "x.jpg", 8, 8)
    return Record(f"{video}-{place:03d}", "x.avi", 8, 8, video, place, place)


def near(a: Record, b: Record, reach: int) -> bool:
    return (
        reach > 0
        and a.sequence is not None
        and a.sequence == b.sequence
        and abs((a.place or 0) - (b.place or 0)) <= reach
    )


def brute_force(
    pool: list[Record], scores: list[float], budget: int, rules: Rules, earlier: list[Record]
) -> list[str]:
    """The rules as the paper states them, asked of every frame for every choice."""
    by_worth = sorted(zip(pool, scores, strict=True), key=lambda pair: (-pair[1], pair[0].id))
    taken: list[Record] = []
    for current, later in ((True, True), (False, True), (False, False)):
        for record, _ in by_worth:
            blocked = (current and any(near(record, other, rules.current) for other in taken)) or (
                later and any(near(record, other, rules.later) for other in earlier)
            )
            if record not in taken and not blocked and len(taken) < budget:
                taken.append(record)
    return [record.id for record in taken]


_pools = st.lists(
    st.tuples(
        st.sampled_from([None, "a", "b"]),
        st.integers(0, 40),
        st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0]),
    ),
    unique_by=lambda entry: (entry[0], entry[1]),
    min_size=1,
    max_size=40,
)


@settings(max_examples=300)
@given(_pools, st.data(), st.integers(0, 15), st.integers(0, 6))
def test_equals_brute_force(
    pool: list[tuple[str | None, int, float]], data: st.DataObject, current: int, later: int
) -> None:
    records = [frame(video, place) for video, place, _ in pool]
    scores = [score for *_, score in pool]
    cut = data.draw(st.integers(0, len(records) - 1))
    earlier, candidates = records[:cut], records[cut:]
    budget = data.draw(st.integers(0, len(candidates)))
    rules = Rules(current, later)
    choice = choose(candidates, np.array(scores[cut:]), budget, rules, earlier)
    assert [candidates[taken.index].id for taken in choice.chosen] == brute_force(
        candidates, scores[cut:], budget, rules, earlier
    )


@given(_pools, st.randoms(use_true_random=False), st.integers(1, 10))
def test_the_order_of_the_pool_does_not_matter(
    pool: list[tuple[str | None, int, float]], shuffler: random.Random, budget: int
) -> None:
    def ids(entries: list[tuple[str | None, int, float]]) -> list[str]:
        records = [frame(video, place) for video, place, _ in entries]
        scores = np.array([score for *_, score in entries])
        choice = choose(records, scores, min(budget, len(records)), Rules(5, 2))
        return [records[taken.index].id for taken in choice.chosen]

    shuffled = list(pool)
    shuffler.shuffle(shuffled)
    assert ids(pool) == ids(shuffled)


def test_hand_computed_cycle_and_what_it_passed_over() -> None:
    pool = [frame("a", place) for place in range(6)]
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    choice = choose(pool, scores, 2, Rules(current=2, later=1), earlier=[frame("a", 6)])
    assert [taken.index for taken in choice.chosen] == [0, 3]
    assert [(held.index, held.rule, held.because, held.distance) for held in choice.held] == [
        (1, Rule.CURRENT, "a-000", 1),
        (2, Rule.CURRENT, "a-000", 2),
    ]


def test_the_second_rule_is_reported_with_its_cause() -> None:
    pool = [frame("a", 5), frame("a", 9)]
    choice = choose(pool, np.array([2.0, 1.0]), 1, Rules(15, 2), earlier=[frame("a", 4)])
    assert [taken.index for taken in choice.chosen] == [1]
    assert [(held.index, held.rule, held.because) for held in choice.held] == [
        (0, Rule.LATER, "a-004")
    ]


def test_rules_give_way_one_after_the_other_so_that_b_is_kept() -> None:
    pool = [frame("a", place) for place in (0, 1, 2)]
    choice = choose(pool, np.array([3.0, 2.0, 1.0]), 3, Rules(15, 2), earlier=[frame("a", 4)])
    assert [(taken.index, taken.dropped) for taken in choice.chosen] == [
        (0, ()),
        (1, (Rule.CURRENT,)),
        (2, (Rule.CURRENT, Rule.LATER)),
    ]


def test_stills_and_other_videos_are_free() -> None:
    pool = [frame(None, 0), frame(None, 1), frame("a", 0), frame("b", 0)]
    choice = choose(pool, np.array([1.0, 1, 1, 1]), 4, Rules(15, 2))
    assert all(taken.dropped == () for taken in choice.chosen)


def test_a_pool_that_is_too_small_is_refused() -> None:
    with pytest.raises(BudgetError, match="3 frames are to be chosen but only 2 are left"):
        choose([frame("a", 0), frame("a", 1)], np.array([1.0, 2.0]), 3, Rules())


def test_a_score_that_is_not_finite_names_its_frame() -> None:
    with pytest.raises(ScoreError, match="frame a-001: score is nan"):
        choose([frame("a", 0), frame("a", 1)], np.array([1.0, np.nan]), 1, Rules())


def test_a_long_pool_is_ordered_only_as_far_as_needed_and_chosen_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    pool = [frame(f"v{index % 7}", index // 7) for index in range(700)]
    scores = np.round(rng.random(700), 2)
    rules = Rules(15, 2)
    expected = brute_force(pool, scores.tolist(), 12, rules, pool[:5])
    for ahead in (1, 2, 64):
        monkeypatch.setattr(temporal, "_LOOK_AHEAD", ahead)
        choice = choose(pool, scores, 12, rules, pool[:5])
        assert [pool[taken.index].id for taken in choice.chosen] == expected
        best = scores[choice.chosen[-1].index]
        assert {held.index for held in choice.held} >= set(np.flatnonzero(scores > best)) - {
            taken.index for taken in choice.chosen
        }


def test_a_shorter_ranking_begins_a_longer_one() -> None:
    scores = np.array([1.0, 3.0, 2.0, 3.0, 2.0])
    ids = ["e", "d", "c", "b", "a"]
    whole = rank(ids, scores).tolist()
    assert whole == [3, 1, 4, 2, 0]
    for count in range(6):
        some = rank(ids, scores, count).tolist()
        assert some == whole[: len(some)]
        assert len(some) >= count
