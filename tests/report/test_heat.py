"""Score maps for people, as arrays and as pictures."""

import numpy as np
import pytest
import torch

from tests import references
from thrifty.maps import ClassMaps
from thrifty.report.heat import as_archive, draw, encode, measure
from thrifty.scoring.forms import DivergenceSettings, score_frames


@pytest.fixture
def maps() -> ClassMaps:
    """Two heads; the first is torn at one place, the second agrees with itself."""
    torn = torch.full((1, 1, 12, 16), -8.0)
    torn[0, 0, 1, 1] = 8.0
    return ClassMaps((torn, torch.full((1, 1, 6, 8), -8.0)), 96, 128)


def test_arrays_hold_every_head_their_sum_and_the_highest_regions(maps: ClassMaps) -> None:
    heat = measure(maps, DivergenceSettings(), regions=2)
    np.testing.assert_allclose(heat.total, references.map_scores(maps, 0, 9), atol=1e-9)
    np.testing.assert_allclose(heat.levels.sum(axis=0), heat.total)
    assert heat.levels[1].max() < 1e-9
    assert heat.score == pytest.approx(float(score_frames(maps)), rel=1e-6)
    assert heat.regions.tolist()[0] == [0.0, 0.0, 30.0, 30.0]
    assert heat.maxima[0] == pytest.approx(heat.total.max())
    assert heat.maxima[0] > heat.maxima[1]
    assert set(as_archive(heat)) == {"levels", "total", "regions", "maxima", "score"}


def test_the_sheet_is_bright_where_the_head_is_torn(maps: ClassMaps) -> None:
    image = np.zeros((192, 256, 3), dtype=np.uint8)
    sheet = draw(image, measure(maps, DivergenceSettings()))
    # Four panels, three across, each as wide as the frame and with a line of text above.
    assert sheet.shape == (2 * (192 + 18), 3 * 256, 3)
    total = sheet[18 : 18 + 192, 256 : 2 * 256].astype(int).sum(axis=2)
    assert total[24, 24] > 150
    assert total[150, 200] == 0
    second = sheet[2 * 18 + 192 :, :256].astype(int).sum(axis=2)
    assert second.max() < 30


def test_a_sheet_can_be_written_in_both_formats(maps: ClassMaps) -> None:
    sheet = draw(np.zeros((96, 128, 3), dtype=np.uint8), measure(maps, DivergenceSettings()))
    assert encode(sheet, ".PNG").getvalue().startswith(b"\x89PNG")
    assert encode(sheet, ".jpg").getvalue().startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("width", "height", "sheet"),
    [(8, 8, (178, 480)), (1, 1, (178, 480)), (2, 3000, (1218, 480)), (3000, 2, (19, 1440))],
)
def test_regions_of_less_than_a_pixel_are_drawn(
    width: int, height: int, sheet: tuple[int, int]
) -> None:
    maps = ClassMaps((torch.linspace(-4, 4, 676).reshape(1, 1, 26, 26),), 416, 416)
    picture = draw(
        np.zeros((height, width, 3), dtype=np.uint8), measure(maps, DivergenceSettings())
    )
    assert picture.shape[:2] == sheet


def test_maps_with_gradients_are_measured_like_those_without(maps: ClassMaps) -> None:
    training = ClassMaps(tuple(level.clone().requires_grad_() for level in maps.levels), 96, 128)
    expected = measure(maps, DivergenceSettings()).total
    np.testing.assert_array_equal(measure(training, DivergenceSettings()).total, expected)
