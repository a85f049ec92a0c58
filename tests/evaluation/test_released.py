"""The paper's own measure, against loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluation import references
from thrifty.errors import DataError
from thrifty.evaluation.released import released_curve
from thrifty.types import Annotations, Detections

THRESHOLDS = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)

Labelled = list[tuple[list[float], bool]]
Found = list[tuple[list[float], float]]

_corner = st.integers(0, 8)
_box = st.tuples(_corner, _corner, st.integers(1, 6), st.integers(1, 6)).map(
    lambda b: [float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3])]
)
_image = st.tuples(
    st.lists(st.tuples(_box, st.sampled_from([0.0, 0.1, 0.35, 0.9, 0.995])), max_size=5),
    st.lists(st.tuples(_box, st.booleans()), max_size=4),
)


def arrays(image: tuple[Found, Labelled]) -> tuple[Detections, Annotations]:
    found, drawn = image
    return (
        Detections(np.array([box for box, _ in found]), np.array([score for _, score in found])),
        Annotations(
            np.array([box for box, _ in drawn]), ignore=np.array([i for _, i in drawn], dtype=bool)
        ),
    )


def loops(images: list[tuple[Found, Labelled]], threshold: float) -> tuple[float, float]:
    """False positives per image and miss rate at one threshold."""
    recalls, false = [], 0
    for found, drawn in images:
        kept = [box for box, score in found if score >= threshold]
        objects = [box for box, ignored in drawn if not ignored]
        regions = [box for box, ignored in drawn if ignored]
        if objects:
            hit = [any(references.overlap(k, o)[0] > 0.3 for k in kept) for o in objects]
            recalls.append(sum(hit) / len(objects))
        false += sum(
            not any(references.overlap(k, o)[0] > 0.3 for o in objects)
            and not any(references.overlap(k, r)[1] > 0.3 for r in regions)
            for k in kept
        )
    return false / len(images), 1 - sum(recalls) / len(recalls) if recalls else math.nan


@settings(max_examples=500)
@given(st.lists(_image, min_size=1, max_size=4))
def test_equals_loops(images: list[tuple[Found, Labelled]]) -> None:
    detections, truth = zip(*map(arrays, images), strict=True)
    curve = released_curve(detections, truth)
    points: dict[float, float] = {}
    for threshold in reversed(THRESHOLDS):
        fppi, rate = loops(images, threshold)
        points[fppi] = rate
    assert curve.fppi.tolist() == pytest.approx(list(points))
    assert curve.miss_rates.tolist() == pytest.approx(list(points.values()), nan_ok=True)


def test_several_detections_of_one_object_are_all_right() -> None:
    found = Detections(np.array([[0.0, 0, 10, 10], [0, 0, 10, 8]]), np.array([0.9, 0.8]))
    curve = released_curve([found], [Annotations(np.array([[0.0, 0, 10, 10]]))])
    assert curve.fppi.tolist() == [0.0]
    assert curve.miss_rates.tolist() == [0.0]


def test_an_overlap_of_just_three_tenths_is_too_little() -> None:
    found = Detections(np.array([[0.0, 0, 10, 3]]), np.array([0.9]))
    curve = released_curve([found], [Annotations(np.array([[0.0, 0, 10, 10]]))])
    assert curve.at(10.0) == 1.0


def test_the_mean_is_taken_over_images() -> None:
    one, three = [[0.0, 0, 10, 10]], [[0.0, 20 * k, 10, 20 * k + 10] for k in range(3)]
    found = Detections(np.array(one), np.array([0.9]))
    curve = released_curve(
        [found, found, found],
        [Annotations(np.array(one)), Annotations(np.array(three)), Annotations(np.zeros((0, 4)))],
    )
    # Recalls 1 and 1/3; the image without objects has none, but its false alarm counts.
    assert curve.miss_rates.tolist() == pytest.approx([1.0, 1 / 3])
    assert curve.fppi.tolist() == pytest.approx([0.0, 1 / 3])


def test_scores_that_are_no_probabilities_are_refused() -> None:
    found = Detections(np.array([[0.0, 0, 10, 10]]), np.array([33.0]))
    with pytest.raises(DataError, match="scores from 0 to 1"):
        released_curve([found], [Annotations(np.zeros((0, 4)))])


def test_nothing_at_all() -> None:
    assert math.isnan(released_curve([], []).log_average)
    empty = Detections(np.zeros((0, 4)), np.zeros(0))
    assert math.isnan(released_curve([empty], [Annotations(np.zeros((0, 4)))]).at(1.0))
    assert released_curve([empty], [Annotations(np.array([[0.0, 0, 1, 1]]))]).at(1.0) == 1.0
