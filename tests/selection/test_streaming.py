"""k-centre over a stream: against loops, by hand on a line of numbers, and what holds for any stream."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.errors import BudgetError, ScoreError
from thrifty.selection.streaming import cover_within, streaming_k_centre


def line(*places: float) -> np.ndarray:
    return np.array(places, dtype=np.float32)[:, None]


def cover_by_loops(
    rows: Sequence[Sequence[float]], radius: float, known: list[list[float]]
) -> list[int]:
    around, taken = [*known], []
    for number, row in enumerate(rows):
        if all(math.dist(row, other) > radius for other in around):
            taken.append(number)
            around.append(list(row))
    return taken


streams = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40)


@given(streams, streams | st.just([]), st.sampled_from([0.0, 1.0, math.sqrt(2), 2.0, 3.5]))
def test_a_cover_equals_loops(
    rows: list[tuple[int, int]], known: list[tuple[int, int]], radius: float
) -> None:
    features = np.array(rows, dtype=np.float32)
    covered = np.array(known, dtype=np.float32).reshape(-1, 2)
    wanted = cover_by_loops(rows, radius, [list(row) for row in known])
    assert cover_within(features, radius, covered).tolist() == wanted


def apart(one: np.ndarray, two: np.ndarray) -> float:
    return math.sqrt(((one.astype(np.float64) - two.astype(np.float64)) ** 2).sum())


LONG = pytest.mark.parametrize("size", [1, 7, 8, 9, 33, 256, 300])
"""Lengths of a feature at which the order of adding up differs between one way of summing and another."""


@LONG
def test_a_frame_at_the_radius_is_near_however_sums_are_rounded(size: int) -> None:
    for seed in range(20):
        one, two = np.random.default_rng(seed).standard_normal((2, size)).astype(np.float32)
        features, radius = np.stack([one, two]), apart(one, two)
        assert cover_within(features, radius).tolist() == [0]
        assert cover_within(features, float(np.nextafter(radius, 0))).tolist() == [0, 1]
        assert cover_within(one[None], radius, two[None]).tolist() == []


@LONG
def test_one_frame_too_many_costs_only_the_later_of_the_closest_pair(size: int) -> None:
    """The first radius is the distance of that pair: it is merged, and all others stay, in order."""
    for seed in range(20):
        features = np.random.default_rng(seed).standard_normal((6, size)).astype(np.float32)
        pairs = [(apart(features[j], features[i]), i) for i in range(6) for j in range(i)]
        later = min(pairs)[1]
        wanted = [index for index in range(6) if index != later]
        assert streaming_k_centre(features, 5).tolist() == wanted


@given(st.integers(0, 10_000), st.sampled_from([1, 8, 40, 100]), st.floats(0.0, 20.0))
def test_a_cover_reaches_every_frame_and_takes_no_two_close_ones(
    seed: int, size: int, radius: float
) -> None:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((25, size)).astype(np.float32)
    features[rng.integers(0, 25, 5)] = features[0]
    covered = rng.standard_normal((2, size)).astype(np.float32)
    taken = cover_within(features, radius, covered)
    around = np.concatenate([covered, features[taken]])
    assert all(min(apart(row, other) for other in around) <= radius for row in features)
    for place, index in enumerate(taken.tolist()):
        assert min(apart(features[index], other) for other in around[: 2 + place]) > radius


def test_of_equal_frames_a_cover_takes_the_first() -> None:
    assert cover_within(line(7, 7, 7), 0.0).tolist() == [0]
    assert cover_within(line(7, 7, 7), 0.0, line(7)).tolist() == []
    assert cover_within(line(), 1.0).tolist() == []


def test_a_stream_by_hand() -> None:
    """0 and 10 fill both places. 11 is one too many: the radius becomes 1, the least distance, and 11 goes to 10.

    4 is beyond that of both; with 2 it stays so, with 4 it goes to 0. 30 is one too many again; with 8 all three stay, with 16
    the 10 goes to 0.
    """
    assert streaming_k_centre(line(0, 10, 11, 4, 30), 2).tolist() == [0, 4]


def test_nothing_is_taken_near_what_is_labelled() -> None:
    assert streaming_k_centre(line(0, 1, 50, 51), 1, line(0.5)).tolist() == [2]


def test_equal_frames_fill_up_in_order() -> None:
    assert streaming_k_centre(line(7, 7, 7, 7), 3).tolist() == [0, 1, 2]


@given(streams, st.data())
def test_the_choice_is_distinct_and_within_eight_times_the_best_radius(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    features = np.array(rows, dtype=np.float32)
    count = data.draw(st.integers(1, len(rows)))
    taken = streaming_k_centre(features, count).tolist()
    assert len(set(taken)) == count
    assert all(0 <= index < len(rows) for index in taken)
    reach = max(min(math.dist(row, rows[index]) for index in taken) for row in rows)
    # Greedy k-centre is within twice the best, so half of its reach is no more than the best.
    greedy = [0]
    while len(greedy) < count:
        apart = [min(math.dist(row, rows[index]) for index in greedy) for row in rows]
        greedy.append(int(np.argmax(apart)))
    best_at_least = max(min(math.dist(row, rows[index]) for index in greedy) for row in rows) / 2
    assert reach <= 16 * best_at_least + 1e-6


def test_what_cannot_be_chosen_from_is_refused() -> None:
    with pytest.raises(BudgetError, match="3 frames are to be chosen but only 2 are left"):
        streaming_k_centre(line(1, 2), 3)
    with pytest.raises(ScoreError, match="features of frame 1 are not finite"):
        streaming_k_centre(line(1, math.nan), 1)
    with pytest.raises(ScoreError, match="features of frame 0 are not finite"):
        cover_within(line(1), 1.0, line(math.inf))
    assert streaming_k_centre(line(1, 2), 0).tolist() == []
