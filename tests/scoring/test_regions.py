import numpy as np
import pytest
import torch

from tests import references
from thrifty.config import Statistic
from thrifty.errors import ScoreError
from thrifty.scoring.regions import (
    RegionSettings,
    Tiling,
    frame_scores,
    region_maxima,
    top_regions,
)


@pytest.mark.parametrize("size", [(1, 1), (29, 31), (30, 30), (31, 61), (7, 90)])
@pytest.mark.parametrize(("tiling", "lead"), [(Tiling.PAPER, 0), (Tiling.RELEASED, 15)])
def test_equals_the_loop_written_reference(
    size: tuple[int, int], tiling: Tiling, lead: int
) -> None:
    scores = np.random.default_rng(1).random(size)
    result = frame_scores(torch.from_numpy(scores)[None], RegionSettings(30, tiling))
    assert float(result[0]) == pytest.approx(references.frame_score(scores, 30, lead), abs=1e-12)


def test_the_released_tiling_has_16_x_22_regions_at_480_x_640() -> None:
    assert region_maxima(torch.zeros(1, 480, 640), 30, Tiling.RELEASED).shape == (1, 16, 22)


def test_hand_computed_regions() -> None:
    scores = torch.tensor([[[1.0, 0.0, 5.0], [0.0, 2.0, 0.0], [7.0, 0.0, 3.0]]])
    assert region_maxima(scores, 2).tolist() == [[[2.0, 5.0], [7.0, 3.0]]]
    assert frame_scores(scores, RegionSettings(2)).tolist() == [17 / 4]


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(ScoreError, match="B x H x W"):
        frame_scores(torch.zeros(3, 3))
    with pytest.raises(ScoreError, match="region size is 0"):
        region_maxima(torch.zeros(1, 3, 3), 0)


def test_every_statistic_by_hand() -> None:
    # Region maxima 2, 5, 7, 3; pixels sum to 18.
    scores = torch.tensor([[[1.0, 0.0, 5.0], [0.0, 2.0, 0.0], [7.0, 0.0, 3.0]]])

    def number(statistic: Statistic, **values: float) -> float:
        return float(frame_scores(scores, RegionSettings(2, statistic=statistic, **values)))  # type: ignore[arg-type]

    assert number(Statistic.MAX_MEAN) == 17 / 4
    assert number(Statistic.MEAN) == 2.0
    assert number(Statistic.TOP_K, top=2) == 6.0
    assert number(Statistic.TOP_K, top=99) == 17 / 4
    assert number(Statistic.QUANTILE, quantile=0.5) == 4.0
    assert number(Statistic.QUANTILE, quantile=1.0) == 7.0


def test_top_regions_are_boxes_inside_the_image_highest_first() -> None:
    maxima = torch.tensor([[1.0, 5.0], [7.0, 5.0]])
    assert top_regions(maxima, 30, 0, (50, 45), 3).tolist() == [
        [0.0, 30.0, 30.0, 50.0],
        [30.0, 0.0, 45.0, 30.0],
        [30.0, 30.0, 45.0, 50.0],
    ]
    assert top_regions(maxima, 30, 15, (50, 45), 1).tolist() == [[0.0, 15.0, 15.0, 45.0]]


@pytest.mark.parametrize("tiling", Tiling)
def test_a_region_larger_than_any_integer_is_the_image(tiling: Tiling) -> None:
    huge = RegionSettings(10**20, tiling)
    scores = torch.arange(12.0).view(1, 3, 4)
    assert frame_scores(scores, huge).tolist() == [11.0]
    maxima = region_maxima(scores, huge.size, tiling)[0]
    assert top_regions(maxima, huge.size, huge.lead, (3, 4), 5).tolist() == [[0.0, 0.0, 4.0, 3.0]]
