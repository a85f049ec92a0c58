"""What the paper says beside what came out."""

from typing import Any

import pytest

from tests.study.points import point
from tests.study.test_headroom import run
from thrifty.study.claims import Answer, answers
from thrifty.study.headroom import headroom
from thrifty.study.point import Point
from thrifty.study.studies import Claim


def claim(**changes: Any) -> Claim:
    values = {
        "paper": "Mine is better.",
        "strategy": "mine",
        "than": "guided-random",
        "figure": "miss_rate",
        "expected": "better",
    }
    return Claim.model_validate(values | changes)


def points(mine: tuple[float, ...], theirs: tuple[float, ...]) -> list[Point]:
    """After the first cycle both are alike."""
    return [
        one
        for seed, (own, other) in enumerate(zip(mine, theirs, strict=True))
        for one in (
            point("mine", seed, 0, 0.9),
            point("mine", seed, 1, 0.7 + 0.01 * (seed % 2), people=30),
            point("mine", seed, 2, own, people=54 + 4 * seed),
            point("guided-random", seed, 0, 0.9),
            point("guided-random", seed, 1, 0.71 - 0.01 * (seed % 2), people=20),
            point("guided-random", seed, 2, other, people=30),
        )
    ]


BETTER = points((0.4, 0.41, 0.39, 0.4), (0.5, 0.52, 0.48, 0.51))


def only(asked: Claim, given: list[Point]) -> Answer:
    [answer] = answers([asked], given, None)
    return answer


def test_as_the_paper_has_it() -> None:
    answer = only(claim(), BETTER)
    assert answer.outcome == "better"
    assert answer.sentence == (
        "The paper: Mine is better. Here: mine beside guided-random, miss rate lower by 0.102 (95 % interval 0.087 to 0.118, "
        "4 seeds, p = 0.125): as the paper has it."
    )


def test_other_than_the_paper_has_it() -> None:
    answer = only(claim(expected="worse"), BETTER)
    assert answer.sentence.endswith("other than the paper has it, better.")


def test_a_higher_miss_rate_has_an_interval_that_holds_it() -> None:
    worse = points((0.5, 0.52, 0.48, 0.51), (0.4, 0.41, 0.39, 0.4))
    answer = only(claim(expected="worse"), worse)
    assert "miss rate higher by 0.102 (95 % interval 0.087 to 0.118" in answer.sentence
    assert answer.sentence.endswith("as the paper has it.")


def test_a_question_of_our_own_is_none_of_the_paper_s() -> None:
    sentence = only(claim(ours=True), BETTER).sentence
    assert sentence.startswith("Expected: Mine is better. Here: ")
    assert sentence.endswith("p = 0.125): as expected.")
    assert (
        "other than expected, better" in only(claim(ours=True, expected="worse"), BETTER).sentence
    )


@pytest.mark.parametrize("expected", ["alike", "better"])
def test_what_seeds_cannot_tell_apart_confirms_nothing(expected: str) -> None:
    answer = only(claim(cycle="first", expected=expected), BETTER)
    assert answer.outcome == "alike"
    assert answer.sentence.endswith("no difference that these seeds can show.")


def test_one_seed_tells_nothing_and_has_no_interval() -> None:
    [answer] = answers([claim(expected="alike")], points((0.9,), (0.2,)), None)
    assert answer.outcome == "one seed"
    assert answer.sentence.endswith(
        "miss rate higher by 0.700 in one seed, from which nothing can be told."
    )


def test_people_are_compared_by_their_ratio_and_more_is_better() -> None:
    answer = only(claim(figure="people"), BETTER)
    assert answer.ratio == pytest.approx(2.0)
    assert answer.outcome == "better"
    assert (
        "2.00 times the people (95 % interval 21.8 to 38.2 people more, 4 seeds" in answer.sentence
    )


def test_miss_rates_are_not_asked_where_labels_do_not_matter_but_people_are() -> None:
    flat = run((0.61, 0.60, 0.59, 0.62, 0.60)) + [
        point("mine", seed, 2, 0.5, people=7 + seed) for seed in range(5)
    ]
    room = headroom(flat)
    miss, people = answers([claim(), claim(figure="people")], flat, room)
    assert miss.outcome == "not asked"
    assert miss.sentence.endswith("these seeds do not show that labels matter to the miss rate.")
    assert people.outcome == "better"


@pytest.mark.parametrize("found", [0, 3])
def test_beside_chance_that_finds_nobody_there_is_no_ratio(found: int) -> None:
    none = [point("mine", 0, 1, 0.5, people=found), point("guided-random", 0, 1, 0.5)]
    answer = only(claim(figure="people"), none)
    assert answer.ratio is None
    assert "mine beside guided-random, which finds nobody in one seed" in answer.sentence


def test_no_shared_seed_is_said() -> None:
    answer = only(claim(), [point("mine", 0, 1, 0.5), point("guided-random", 1, 1, 0.5)])
    assert answer.outcome == "nothing"
    assert "no seed has finished mine beside guided-random" in answer.sentence
