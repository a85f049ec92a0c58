import numpy as np
import pytest

from thrifty.errors import DataError
from thrifty.evaluation.matching import Matched
from thrifty.evaluation.miss_rate import miss_rate_curve


def image(scores: list[float], hits: list[bool], objects: int) -> Matched:
    return Matched(np.array(scores, dtype=float), np.array(hits, dtype=bool), objects)


def test_hand_computed_curve() -> None:
    curve = miss_rate_curve(
        [image([0.9, 0.6], [True, False], 2), image([0.8, 0.5], [False, True], 2)]
    )
    assert curve.fppi.tolist() == [0.0, 0.5, 1.0, 1.0]
    assert curve.miss_rates.tolist() == [0.75, 0.75, 0.75, 0.5]
    assert curve.at(0.4) == 0.75
    assert curve.at(1.0) == 0.5


def test_equal_scores_pass_the_threshold_together() -> None:
    curve = miss_rate_curve([image([0.5, 0.5], [True, False], 1)])
    assert curve.fppi.tolist() == [1.0]
    assert curve.at(0.5) == 1.0


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


def test_a_test_set_without_objects_is_refused() -> None:
    with pytest.raises(DataError, match="no objects"):
        miss_rate_curve([image([0.5], [False], 0)])
