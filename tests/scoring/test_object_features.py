"""Features of frames and of the objects in them, by hand on grids of four by four cells."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from thrifty.scoring.object_features import MOST, frame_features, objects_of
from thrifty.types import Detections

SQUARE = (8, 8)


def grid() -> Tensor:
    """One frame: the first feature is the number of the column, the second that of the row, both from 1."""
    numbers = torch.arange(1.0, 5.0)
    return torch.stack([numbers.expand(4, 4), numbers[:, None].expand(4, 4)])[None]


def found(*boxes: list[float], scores: list[float] | None = None) -> Detections:
    values = [0.9 - 0.01 * place for place in range(len(boxes))] if scores is None else scores
    return Detections(np.array(boxes), np.array(values))


def unit(across: float, down: float) -> list[float]:
    length = math.sqrt(across**2 + down**2)
    return [across / length, down / length]


def feature_of(box: list[float], size: tuple[int, int] = SQUARE) -> list[float]:
    vectors = objects_of(grid(), [found(box)], [size]).features
    return [float(value) for value in vectors[0, 0]]


def test_a_frame_s_features_are_means_over_all_cells() -> None:
    several = torch.cat([grid(), 2 * grid().flip(3), torch.zeros(1, 2, 4, 4)])
    means = frame_features(several.double())
    # (1 + 2 + 3 + 4) / 4, whichever way they run.
    assert means.tolist() == [[2.5, 2.5], [5.0, 5.0], [0.0, 0.0]]
    assert means.dtype == np.float32


@pytest.mark.parametrize(
    ("box", "across", "down"),
    [
        ([0, 0, 8, 8], 2.5, 2.5),
        # Columns 1 and 2, all rows.
        ([0, 0, 4, 8], 1.5, 2.5),
        # Columns 3 and 4, row 1.
        ([4, 0, 8, 2], 3.5, 1.0),
        # Cells are two pixels wide, with centres at 1, 3, 5 and 7: both ends are on a centre.
        ([1, 3, 3, 7], 1.5, 3.0),
        # Just inside of them.
        ([1.1, 3.1, 4.9, 6.9], 2.0, 3.0),
        # A thin box between two centres takes the cell in its middle: 4 / 2 = 2, the third.
        ([3.5, 0, 4.5, 8], 3.0, 2.5),
        ([3.1, 0, 4.7, 8], 2.0, 2.5),
    ],
)
def test_an_object_s_features_are_the_mean_over_its_box_and_of_length_one(
    box: list[float], across: float, down: float
) -> None:
    assert feature_of(box) == pytest.approx(unit(across, down))


@pytest.mark.parametrize(
    ("box", "across", "down"),
    [
        # What reaches beyond the frame is cut off.
        ([-4, -4, 4, 4], 1.5, 1.5),
        ([4, 4, 100, 100], 3.5, 3.5),
        # What lies outside takes the nearest cells.
        ([-20, -20, -10, -10], 1.0, 1.0),
        ([20, 0, 30, 8], 4.0, 2.5),
        ([0, 8, 8, 9], 2.5, 4.0),
        ([0, -5, 4, 0], 1.5, 1.0),
        # Without area: the cell around the point, or, on a border, the one after it.
        ([3, 3, 3, 3], 2.0, 2.0),
        ([4, 5, 4, 5], 3.0, 3.0),
        ([8, 0, 8, 8], 4.0, 2.5),
        ([5, 7, 5, 3], 3.0, 3.0),
    ],
)
def test_boxes_outside_or_without_area_take_the_nearest_cells(
    box: list[float], across: float, down: float
) -> None:
    assert feature_of(box) == pytest.approx(unit(across, down))


def test_boxes_are_in_pixels_of_the_stored_frame() -> None:
    # Twice as wide as high: cells of 4 x 2 pixels. Columns 3 and 4, rows 1 and 2.
    assert feature_of([8, 0, 16, 4], (16, 8)) == pytest.approx(unit(3.5, 1.5))
    assert feature_of([0, 4, 8, 8], (16, 8)) == pytest.approx(unit(1.5, 3.5))
    # The same place of a frame that is stored a hundred times larger.
    assert feature_of([800, 0, 1600, 400], (1600, 800)) == pytest.approx(unit(3.5, 1.5))


def test_every_frame_of_a_batch_has_its_own_features_and_size() -> None:
    features = torch.cat([grid(), grid().flip(3)])
    boxes = [found([0, 0, 2, 8]), found([0, 0, 4, 16])]
    objects = objects_of(features, boxes, [(8, 8), (16, 16)])
    assert objects.features[0, 0].tolist() == pytest.approx(unit(1.0, 2.5))
    assert objects.features[1, 0].tolist() == pytest.approx(unit(4.0, 2.5))


def test_what_is_known_of_each_object() -> None:
    detections = Detections(
        np.array([[0.0, 0, 4, 4], [4, 4, 8, 8]]),
        np.array([0.25, 0.5]),
        np.array([2, 0]),
        np.array([[0.125, 0.125, 0.25], [0.5, 0.25, 0.0]]),
    )
    objects = objects_of(grid(), [detections], [SQUARE])
    # The surest first.
    assert objects.classes[0, :2].tolist() == [0, 2]
    assert objects.scores[0, :2].tolist() == [0.5, 0.25]
    # Halves, quarters and eighths are 1, 2 and 3 bits, and what is left over is an answer too: 1/2, 1/4, 1/4 gives 1.5
    # bits; 1/8, 1/8, 1/4, 1/2 gives 1.75.
    assert objects.entropies[0, :2].tolist() == pytest.approx(
        [1.5 * math.log(2), 1.75 * math.log(2)]
    )
    assert objects.features[0, 0].tolist() == pytest.approx(unit(3.5, 3.5))
    assert objects.features[0, 1].tolist() == pytest.approx(unit(1.5, 1.5))


def test_a_detector_that_tells_no_probabilities_is_sure_or_not() -> None:
    objects = objects_of(grid(), [found([0, 0, 8, 8], [0, 0, 8, 8], scores=[1.0, 0.5])], [SQUARE])
    assert objects.entropies[0, :3].tolist() == pytest.approx([0.0, math.log(2), 0.0])
    assert objects.classes[0, :3].tolist() == [0, 0, -1]


def test_without_boxes_no_row_has_an_object() -> None:
    nothing = Detections(np.zeros((0, 4)), np.zeros(0))
    objects = objects_of(torch.cat([grid(), grid()]), [nothing, found([0, 0, 8, 8])], [SQUARE] * 2)
    assert objects.features.shape == (2, MOST, 2)
    assert (objects.classes[0] == -1).all()
    for values in (objects.features[0], objects.scores[0], objects.entropies[0]):
        assert not values.any()
    assert objects.classes[1].tolist() == [0] + [-1] * (MOST - 1)


def test_the_surest_objects_are_kept_and_of_equals_the_first() -> None:
    # Object k stands in a column of its own modulo 4; there are four more than fit, and those are the least sure.
    columns = [place % 4 for place in range(MOST + 4)]
    boxes = [[2.0 * column, 0, 2.0 * column + 2, 8] for column in columns]
    scores = [0.5] * MOST
    scores[7:7] = [0.1, 0.2, 0.3, 0.4]
    objects = objects_of(grid(), [found(*boxes, scores=scores)], [SQUARE])
    left = columns[:7] + columns[11:]
    expected = np.array([unit(column + 1.0, 2.5) for column in left])
    np.testing.assert_allclose(objects.features[0], expected, rtol=1e-6)
    assert objects.scores[0].tolist() == [0.5] * MOST


def test_features_of_nothing_but_zeros_stay_zeros() -> None:
    objects = objects_of(torch.zeros(1, 3, 4, 4), [found([0, 0, 8, 8])], [SQUARE])
    assert objects.features[0, 0].tolist() == [0.0, 0.0, 0.0]
