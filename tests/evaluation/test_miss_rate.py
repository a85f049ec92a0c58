import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluation import references
from thrifty.evaluation.matching import Matched
from thrifty.evaluation.miss_rate import miss_rate_curve


def image(scores: list[float], hits: list[bool], objects: int) -> Matched:
    return Matched(np.array(scores, dtype=float), np.array(hits, dtype=bool), objects)


def test_hand_computed_curve() -> None:
    curve = miss_rate_curve(
        [image([0.9, 0.6], [True, False], 2), image([0.8, 0.5], [False, True], 2)]
    )
    assert curve.fppi.tolist() == [0.0, 0.5, 1.0]
    assert curve.miss_rates.tolist() == [0.75, 0.75, 0.5]
    assert curve.at(0.4) == 0.75
    assert curve.at(1.0) == 0.5


_entries = st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.5, 0.9]), st.booleans()), max_size=6)


@settings(max_examples=500)
@given(st.lists(_entries, min_size=1, max_size=5))
def test_equals_the_loop_written_reference(images: list[list[tuple[float, bool]]]) -> None:
    images = [sorted(entries, key=lambda entry: -entry[0]) for entries in images]
    objects = 2 + sum(hit for entries in images for _, hit in entries)
    # The objects of the first image stand for all: only their sum matters.
    matched = [
        image([score for score, _ in entries], [hit for _, hit in entries], 0 if n else objects)
        for n, entries in enumerate(images)
    ]
    curve = miss_rate_curve(matched)
    for fppi in (0.0, 0.1, 0.5, 1.0, 3.0):
        assert curve.at(fppi) == pytest.approx(references.miss_rate(images, objects, fppi))
    assert curve.log_average == pytest.approx(references.log_average(images, objects))
    assert (np.diff(curve.fppi) > 0).all()
    assert (np.diff(curve.miss_rates) <= 0).all()


def test_equal_scores_count_one_by_one_as_in_the_benchmark() -> None:
    curve = miss_rate_curve([image([0.5, 0.5], [True, False], 1)])
    assert curve.fppi.tolist() == [0.0, 1.0]
    assert curve.at(0.5) == 0.0


def test_no_detections_miss_everything() -> None:
    curve = miss_rate_curve([image([], [], 3)])
    assert curve.at(1.0) == 1.0
    assert curve.log_average == pytest.approx(1.0)


def test_a_perfect_detector_is_floored_not_minus_infinity() -> None:
    curve = miss_rate_curve([image([0.9], [True], 1)])
    assert curve.at(0.01) == 0.0
    assert curve.log_average == pytest.approx(1e-10)


def test_log_average_is_the_geometric_mean_at_nine_points() -> None:
    # One false alarm in two images before the only hit: everything is missed below FPPI 0.5.
    curve = miss_rate_curve([image([0.9, 0.8], [False, True], 2), image([], [], 0)])
    # 10^-0.25 = 0.56 and 1 reach the hit; the seven points below do not.
    assert curve.log_average == pytest.approx(0.5 ** (2 / 9))


@pytest.mark.parametrize("images", [[], [image([0.5], [False], 0)], [image([], [], 0)]])
def test_without_objects_or_images_there_is_no_miss_rate(images: list[Matched]) -> None:
    curve = miss_rate_curve(images)
    assert math.isnan(curve.at(1.0))
    assert math.isnan(curve.log_average)
