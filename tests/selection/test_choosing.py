import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thrifty.errors import BudgetError, ScoreError
from thrifty.selection import choosing
from thrifty.selection.budget import Budget
from thrifty.selection.choosing import choose
from thrifty.selection.closeness import Pictures, Rule, Rules
from thrifty.selection.ranking import rank
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
        monkeypatch.setattr(choosing, "_LOOK_AHEAD", ahead)
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
        assert rank(ids, scores, count).tolist() == whole[:count]


@given(
    st.lists(
        st.tuples(st.text(st.sampled_from("a0é\U0001f600"), max_size=4), st.integers(-1, 1)),
        unique_by=lambda entry: entry[0],
        max_size=30,
    ),
    st.integers(-1, 40),
)
def test_a_ranking_is_the_beginning_of_a_plain_sort(
    frames: list[tuple[str, int]], count: int
) -> None:
    # A zero of either sign ties.
    scores = [-0.0 if len(name) == 1 and not score else float(score) for name, score in frames]
    ids = [name for name, _ in frames]
    plain = sorted(range(len(ids)), key=lambda index: (-scores[index], ids[index]))
    assert rank(ids, np.array(scores), count).tolist() == plain[: max(count, 0)]
    assert rank(ids, np.array(scores)).tolist() == plain


class Counted(str):
    """A text of which it is known how many there are."""

    __slots__ = ()
    alive = most = 0

    def __new__(cls, text: str) -> "Counted":
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)
        return super().__new__(cls, text)

    def __del__(self) -> None:
        Counted.alive -= 1


class Column:
    """Ids that are made when asked for, as those of a file are."""

    def __len__(self) -> int:
        return 5000

    def __getitem__(self, index: int, /) -> str:
        return Counted(f"{index * 7919 % 5000:04d}")


def test_where_a_whole_pool_ties_few_of_its_ids_are_held() -> None:
    scores = np.zeros(5000)
    scores[3] = 1.0
    taken = rank(Column(), scores, 20)
    assert Counted.most < 100
    ids = list(map(Column().__getitem__, range(5000)))
    assert taken.tolist() == rank(ids, scores).tolist()[:20]


def shown(hashes: list[int], motions: list[float] | None = None) -> Pictures:
    return Pictures(
        np.array(hashes, dtype=np.uint64), np.array(motions or [0.0] * len(hashes), np.float64)
    )


def test_pictures_alike_are_held_back_stills_too_and_give_way_last() -> None:
    pool = [frame(None, place) for place in range(4)]
    pictures = shown([0b0000, 0b0001, 0b0111, 0b1111])
    scores = np.array([4.0, 3.0, 2.0, 1.0])
    rules = Rules(0, 0, picture=1)
    choice = choose(pool, scores, 2, rules, pictures=(pictures, shown([])))
    assert choice.indices == [0, 2]
    assert [(held.index, held.rule, held.because, held.distance) for held in choice.held] == [
        (1, Rule.PICTURE, "still-000", 1)
    ]
    everything = choose(pool, scores, 4, rules, pictures=(pictures, shown([])))
    assert [one.dropped for one in everything.chosen] == [(), (), (Rule.PICTURE,), (Rule.PICTURE,)]


def test_pictures_like_those_of_earlier_cycles_are_held_back() -> None:
    pool, earlier = [frame(None, 0), frame(None, 1)], [frame(None, 7)]
    pictures = (shown([0b1, 0b111111]), shown([0b0]))
    choice = choose(pool, np.array([2.0, 1.0]), 1, Rules(0, 0, picture=1), earlier, pictures)
    assert choice.indices == [1]
    assert choice.held[0].because == "still-007"


def test_a_video_that_stands_is_one_picture_however_long() -> None:
    """A car waits from place 1 to 4 and then drives on."""
    pool = [frame("a", place) for place in range(6)]
    motions = shown([0] * 6, [0.0, 0.2, 0.2, 0.21, 0.21, 0.5])
    rules = Rules(0, 0, motion=0.05)
    choice = choose(pool, np.array([1.0, 6, 5, 4, 3, 2]), 3, rules, pictures=(motions, shown([])))
    assert choice.indices == [1, 5, 0]
    assert [(held.index, held.rule) for held in choice.held] == [
        (2, Rule.MOTION),
        (3, Rule.MOTION),
        (4, Rule.MOTION),
    ]
    assert choice.held[1].distance == pytest.approx(0.01)


def test_motion_in_another_video_is_no_reason() -> None:
    pool = [frame("a", 0), frame("b", 0), frame(None, 0)]
    pictures = (shown([0, 0, 0]), shown([]))
    choice = choose(pool, np.array([3.0, 2, 1]), 3, Rules(0, 0, motion=9.0), pictures=pictures)
    assert all(one.dropped == () for one in choice.chosen)


def test_rules_on_pictures_want_to_see_them() -> None:
    with pytest.raises(ValueError, match="need to know the pictures"):
        choose([frame("a", 0)], np.ones(1), 1, Rules(picture=0))


def test_where_costs_differ_the_greedy_form_takes_the_best_bargain() -> None:
    """Per unit: 2, 3, 1 and 1; after the second and the first, 2 of 10 are left, which buy the last."""
    pool = [frame(None, place) for place in range(4)]
    scores, costs = np.array([10.0, 9.0, 4.0, 2.0]), np.array([5.0, 3.0, 4.0, 2.0])
    choice = choose(pool, scores, Budget(10.0, costs), Rules(0, 0))
    assert choice.indices == [1, 0, 3]
    assert choice.held == ()


def test_the_exact_form_finds_what_the_greedy_one_misses() -> None:
    """The bargain of 3 per unit leaves 8 of 10 units, too few for the two halves that together are worth most."""
    pool = [frame(None, place) for place in range(3)]
    scores, costs = np.array([6.0, 10.0, 10.0]), np.array([2.0, 5.0, 5.0])
    assert choose(pool, scores, Budget(10.0, costs), Rules(0, 0)).indices == [0, 1]
    exact = choose(pool, scores, Budget(10.0, costs, exact=True), Rules(0, 0))
    assert exact.indices == [1, 2]


def test_the_exact_form_sees_that_a_frame_between_two_others_costs_both() -> None:
    pool = [frame("a", place) for place in (0, 3, 6)]
    scores = np.array([4.0, 5.0, 4.0])
    assert choose(pool, scores, 2, Rules(3, 0)).indices == [1, 0]
    exact = choose(pool, scores, Budget(2, exact=True), Rules(3, 0))
    assert exact.indices == [0, 2]
    assert [(held.index, held.because) for held in exact.held] == [(1, "a-000")]


def test_what_the_exact_form_leaves_is_spent_as_in_the_greedy_one() -> None:
    """The rules allow one frame of the three, and the best of them is taken; then they give way."""
    pool = [frame("a", place) for place in range(3)]
    choice = choose(pool, np.array([1.0, 3.0, 2.0]), Budget(3, exact=True), Rules(5, 0))
    assert choice.indices == [1, 2, 0]
    assert [one.dropped for one in choice.chosen] == [(), (Rule.CURRENT,), (Rule.CURRENT,)]


@pytest.mark.parametrize("costs", [None, np.full(4, 2.0)])
def test_the_exact_form_spends_all_where_nothing_seems_worth_a_label(
    costs: np.ndarray | None,
) -> None:
    pool = [frame(None, place) for place in range(4)]
    budget = Budget(3 if costs is None else 6.0, costs, exact=True)
    for scores in (np.zeros(4), np.full(4, 7.0), np.array([0.0, 0.0, 5.0, 0.0])):
        assert len(choose(pool, scores, budget, Rules(0, 0)).indices) == 3


def test_the_exact_form_takes_the_rest_although_an_earlier_choice_is_close() -> None:
    pool, before = [frame("a", place) for place in (1, 2)], [frame("a", 0)]
    choice = choose(pool, np.array([1.0, 2.0]), Budget(2, exact=True), Rules(0, 9), before)
    assert choice.indices == [1, 0]
    assert choice.chosen[0].dropped == (Rule.LATER,)


def test_among_sets_worth_the_same_the_order_of_the_pool_does_not_decide() -> None:
    pool = [frame("a", place) for place in range(9)]
    scores, costs = np.full(9, 2.0), np.array([1.0, 2, 1, 2, 1, 2, 1, 2, 1])
    order = np.random.default_rng(3).permutation(9)
    one = choose(pool, scores, Budget(5.0, costs, exact=True), Rules(1, 0))
    shuffled = [pool[place] for place in order]
    other = choose(shuffled, scores, Budget(5.0, costs[order], exact=True), Rules(1, 0))
    assert [pool[index].id for index in one.indices] == [shuffled[i].id for i in other.indices]


def test_the_very_same_pictures_are_one_constraint_however_many() -> None:
    pool = [frame(None, place) for place in range(3000)]
    hashes = np.repeat(np.array([1, 2, 3], dtype=np.uint64), 1000)
    pictures = Pictures(hashes, np.zeros(3000)), Pictures(hashes[:0], np.zeros(0))
    scores = np.arange(3000.0)
    choice = choose(pool, scores, Budget(3, exact=True), Rules(0, 0, picture=0), (), pictures)
    assert sorted(choice.indices) == [999, 1999, 2999]
    close = Pictures(np.arange(3000, dtype=np.uint64), np.zeros(3000)), pictures[1]
    with pytest.raises(BudgetError, match="too many of 3000 candidates show nearly the same"):
        choose(pool, scores, Budget(3, exact=True), Rules(0, 0, picture=60), (), close)


@settings(max_examples=60, deadline=None)
@given(_pools, st.data(), st.integers(0, 6), st.integers(0, 3))
def test_no_set_within_budget_and_rules_beats_the_exact_one(
    pool: list[tuple[str | None, int, float]], data: st.DataObject, current: int, later: int
) -> None:
    records = [frame(video, place) for video, place, _ in pool[:9]]
    scores = [score for *_, score in pool[:9]]
    cut = data.draw(st.integers(0, len(records) - 1))
    earlier, candidates, worth = records[:cut], records[cut:], scores[cut:]
    costs = data.draw(
        st.lists(st.integers(1, 5), min_size=len(candidates), max_size=len(candidates))
    )
    amount = data.draw(st.integers(max(1, min(costs)), 20))

    def allowed(chosen: tuple[int, ...]) -> bool:
        picked = [candidates[index] for index in chosen]
        return (
            sum(costs[index] for index in chosen) <= amount
            and not any(near(one, other, current) for one, other in combinations(picked, 2))
            and not any(near(one, other, later) for one in picked for other in earlier)
        )

    every = (
        chosen
        for size in range(len(candidates) + 1)
        for chosen in combinations(range(len(candidates)), size)
    )
    best = max(sum(worth[index] for index in chosen) for chosen in every if allowed(chosen))
    budget = Budget(float(amount), np.array(costs, np.float64), exact=True)
    choice = choose(candidates, np.array(worth), budget, Rules(current, later), earlier)
    kept = [one.index for one in choice.chosen if not one.dropped]
    assert allowed(tuple(kept))
    assert sum(worth[index] for index in kept) == pytest.approx(best)
    assert sum(costs[index] for index in choice.indices) <= amount


def test_too_many_for_an_exact_choice_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "_MOST_EXACT", 2)
    pool = [frame(None, place) for place in range(3)]
    with pytest.raises(BudgetError, match="3 candidates are too many for an exact choice"):
        choose(pool, np.ones(3), Budget(1, exact=True), Rules(0, 0))


def test_costs_leave_no_money_that_would_still_buy_a_frame() -> None:
    pool = [frame("a", place) for place in range(4)]
    choice = choose(pool, np.arange(4.0), Budget(4.0, np.ones(4)), Rules(9, 0))
    assert sorted(choice.indices) == [0, 1, 2, 3]
    assert [one.dropped for one in choice.chosen] == [(), *[(Rule.CURRENT,)] * 3]
