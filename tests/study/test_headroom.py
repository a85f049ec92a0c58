"""Strategies are only ranked where labels matter."""

import math

import pytest

from tests.study.points import point
from thrifty.study.headroom import headroom
from thrifty.study.point import Point

CHANCE = (0.60, 0.62, 0.58, 0.61, 0.59)


def run(whole: tuple[float, ...], chance: tuple[float, ...] = CHANCE) -> list[Point]:
    points = []
    for seed, (best, random) in enumerate(zip(whole, chance, strict=True)):
        points += [
            point("guided-random", seed, 0, 0.9),
            point("guided-random", seed, 1, 0.8),
            point("guided-random", seed, 2, random),
            point("whole-pool", seed, 0, 0.9),
            point("whole-pool", seed, 1, best, labelled=100),
        ]
    return points


def test_all_labels_beat_a_share_of_them_by_more_than_seeds_differ() -> None:
    room = headroom(run((0.40, 0.43, 0.37, 0.40, 0.40)))
    assert room is not None
    assert room.is_there
    assert room.gain.difference == pytest.approx(0.2)
    assert (room.labelled, room.pool) == (20, 100)
    start, chance, whole, verdict = room.sentences()
    assert start == "start weights miss 0.900 (0.900 to 0.900)"
    assert chance == "chance with 20 labels miss 0.600 (0.580 to 0.620)"
    assert whole == "the whole pool, 100 labels, miss 0.400 (0.370 to 0.430)"
    assert verdict.endswith("labels matter here")


def test_no_more_than_the_seeds_differ_is_no_headroom_and_is_said() -> None:
    room = headroom(run((0.50, 0.72, 0.45, 0.70, 0.60)))
    assert room is not None
    assert room.gain.difference == pytest.approx(0.006)
    assert not room.is_there
    assert room.sentences()[-1].endswith("so strategies are not ranked by miss rate")


def test_a_whole_pool_that_is_worse_is_no_headroom_either() -> None:
    room = headroom(run((0.70, 0.72, 0.71, 0.70, 0.73)))
    assert room is not None
    assert room.gain.high < 0
    assert not room.is_there
    assert "chance misses 0.112 less than the whole pool, 95 % interval 0.0" in room.sentences()[-1]


def test_one_seed_tells_nothing() -> None:
    room = headroom(run((0.1,), (0.6,)))
    assert room is not None
    assert math.isinf(room.gain.low)
    assert not room.is_there
    assert "one seed" in room.sentences()[-1]
    assert "inf" not in " ".join(room.sentences())


def test_without_a_miss_rate_there_is_nothing_to_say() -> None:
    assert headroom(run((0.1, math.nan), (0.6, 0.6))) is None


@pytest.mark.parametrize("gone", ["whole-pool", "guided-random"])
def test_without_ceiling_or_chance_there_is_nothing_to_say(gone: str) -> None:
    assert headroom([one for one in run(CHANCE) if one.strategy != gone]) is None


def test_an_unfinished_seed_is_waited_for() -> None:
    points = run((0.40, 0.43, 0.37, 0.40, 0.40))
    assert headroom(points[:-1]) is None
