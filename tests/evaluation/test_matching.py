import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluation import references
from thrifty.evaluation import matching
from thrifty.evaluation.matching import match, match_by_class
from thrifty.types import Annotations, Detections


def truth(boxes: list[list[float]], ignore: list[bool] | None = None) -> Annotations:
    return Annotations(
        np.array(boxes, dtype=float), ignore=np.array(ignore or [False] * len(boxes), dtype=bool)
    )


def found(boxes: list[list[float]], scores: list[float]) -> Detections:
    return Detections(np.array(boxes, dtype=float), np.array(scores))


_corner = st.integers(0, 6)
# Small whole numbers, zero sides included: equal overlaps and equal scores are the rule, not the exception.
_box = st.tuples(_corner, _corner, st.integers(0, 5), st.integers(0, 5)).map(
    lambda b: [float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3])]
)


@settings(max_examples=3000)
@given(
    st.lists(st.tuples(_box, st.sampled_from([0.1, 0.5, 0.9])), max_size=8),
    st.lists(st.tuples(_box, st.booleans()), max_size=6),
    st.sampled_from([0.3, 0.5]),
)
def test_equals_the_loop_written_reference(
    detections: list[tuple[list[float], float]],
    drawn: list[tuple[list[float], bool]],
    threshold: float,
) -> None:
    detected = found([box for box, _ in detections], [score for _, score in detections])
    labels = truth([box for box, _ in drawn], [ignored for _, ignored in drawn])
    result = match(detected, labels, threshold)
    assert list(zip(result.scores.tolist(), result.hits.tolist(), strict=True)) == references.match(
        detected, labels, threshold
    )


@pytest.mark.parametrize("pairs", [1, 7, 64])
def test_few_overlaps_at_a_time_change_nothing(monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (300, 2))
    detected = Detections(np.concatenate([corners, corners + 20], axis=1), rng.random(300))
    corners = rng.uniform(0, 60, (30, 2))
    labels = Annotations(
        np.concatenate([corners, corners + 20], axis=1), ignore=rng.random(30) < 0.3
    )
    whole = match(detected, labels)
    monkeypatch.setattr(matching, "_PAIRS", pairs)
    parts = match(detected, labels)
    assert np.array_equal(whole.scores, parts.scores)
    assert np.array_equal(whole.hits, parts.hits)
    assert whole.hits.any()


def test_each_object_is_hit_once() -> None:
    result = match(found([[0, 0, 10, 10], [0, 0, 10, 9]], [0.9, 0.8]), truth([[0, 0, 10, 10]]))
    assert result.hits.tolist() == [True, False]


def test_of_two_objects_overlapped_alike_the_last_is_hit() -> None:
    # The first detection lies between both; the second one reaches only the first object.
    labels = truth([[0, 0, 10, 10], [10, 0, 20, 10]])
    result = match(found([[5, 0, 15, 10], [0, 0, 9, 10]], [0.9, 0.8]), labels, overlap=1 / 3)
    assert result.hits.tolist() == [True, True]


def test_an_ignore_region_swallows_any_number_but_no_hit() -> None:
    labels = truth([[0, 0, 10, 10], [0, 0, 100, 100]], [False, True])
    result = match(
        found([[50, 50, 60, 60], [52, 50, 62, 60], [0, 0, 10, 10]], [0.9, 0.8, 0.7]), labels
    )
    assert result.scores.tolist() == [0.7]
    assert result.hits.tolist() == [True]


def test_a_box_without_area_hits_nothing() -> None:
    labels = truth([[0, 0, 10, 10], [5, 5, 5, 5]], [False, False])
    result = match(found([[5, 5, 5, 5], [0, 0, 10, 10]], [0.9, 0.8]), labels)
    assert result.hits.tolist() == [False, True]
    assert result.objects == 2


def test_nothing_detected_and_nothing_there() -> None:
    assert match(found([], []), truth([[0, 0, 1, 1]])).objects == 1
    assert match(found([[0, 0, 1, 1]], [0.5]), truth([])).hits.tolist() == [False]
    assert match(found([], []), truth([])).objects == 0


def test_a_detection_hits_objects_of_its_own_class_only() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
    labels = Annotations(boxes, np.array([0, 1, 0]), np.array([False, False, True]))
    detected = Detections(boxes, np.array([0.7, 0.8, 0.9]), np.array([0, 0, 1]))
    result = match_by_class(detected, labels, 0.5, 2)
    # The second is of the wrong class; the third lies in a region, which is every class's.
    assert result.scores.tolist() == [0.8, 0.7]
    assert result.hits.tolist() == [False, True]
    assert result.objects == 2
    assert match(detected, labels, 0.5).hits.tolist() == [True, True]
