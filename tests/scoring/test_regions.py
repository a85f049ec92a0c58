import numpy as np
import pytest
import torch

from tests import references
from thrifty.errors import ScoreError
from thrifty.scoring.regions import Tiling, frame_scores, region_maxima


@pytest.mark.parametrize("size", [(1, 1), (29, 31), (30, 30), (31, 61), (7, 90)])
@pytest.mark.parametrize(("tiling", "lead"), [(Tiling.PAPER, 0), (Tiling.RELEASED, 15)])
def test_equals_the_loop_written_reference(
    size: tuple[int, int], tiling: Tiling, lead: int
) -> None:
    scores = np.random.default_rng(1).random(size)
    result = frame_scores(torch.from_numpy(scores)[None], 30, tiling)
    assert float(result[0]) == pytest.approx(references.frame_score(scores, 30, lead), abs=1e-12)


def test_the_released_tiling_has_16_x_22_regions_at_480_x_640() -> None:
    assert region_maxima(torch.zeros(1, 480, 640), 30, Tiling.RELEASED).shape == (1, 16, 22)


def test_hand_computed_regions() -> None:
    scores = torch.tensor([[[1.0, 0.0, 5.0], [0.0, 2.0, 0.0], [7.0, 0.0, 3.0]]])
    assert region_maxima(scores, 2).tolist() == [[[2.0, 5.0], [7.0, 3.0]]]
    assert frame_scores(scores, 2).tolist() == [17 / 4]


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(ScoreError, match="B x H x W"):
        frame_scores(torch.zeros(3, 3))
    with pytest.raises(ScoreError, match="region size is 0"):
        frame_scores(torch.zeros(1, 3, 3), 0)
