import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.config import Preset
from thrifty.detectors.targets import assign, default_boxes, make_targets, sample

NOTHING = np.zeros((0, 4))
SIZES = default_boxes(Preset.PAPER)


def test_the_presets_pair_the_deepest_head_with_opposite_ends() -> None:
    assert SIZES[0].tolist() == [160, 270]
    assert SIZES[4].tolist() == [31, 55]
    assert default_boxes(Preset.RELEASED)[0].tolist() == [31, 55]
    assert default_boxes(Preset.RELEASED)[4].tolist() == [159, 271]


@pytest.mark.parametrize(
    ("height", "head"), [(270, 0), (225, 1), (145, 2), (80, 3), (55, 4), (20, 4), (900, 0)]
)
def test_objects_go_to_the_default_box_that_fits_best(height: int, head: int) -> None:
    box = np.array([[10.0, 10.0, 10 + 0.58 * height, 10.0 + height]])
    assert assign(box, SIZES).tolist() == [head]


def test_hand_computed_patches() -> None:
    # 31 x 55 around (100, 80): positive half-sizes 5 + floor(sqrt(6.2)) = 7 and 5 + floor(sqrt(11)) = 8, cleared
    # half-sizes 5 + floor(sqrt(62)) = 12 and 5 + floor(sqrt(110)) = 15.
    targets = make_targets(np.array([[84.5, 52.5, 115.5, 107.5]]), NOTHING, SIZES, 200, 200)
    assert targets.positive[4, 80 - 8 : 80 + 9, 100 - 7 : 100 + 8].all()
    assert targets.positive.sum() == 17 * 15
    for head in range(5):
        assert not targets.askable[head, 80 - 15 : 80 + 16, 100 - 12 : 100 + 13].any()
        assert (~targets.askable[head]).sum() == 31 * 25


def test_a_neighbour_s_clearing_does_not_erase_a_positive() -> None:
    boxes = np.array([[84.5, 52.5, 115.5, 107.5], [90.5, 52.5, 121.5, 107.5]])
    one_way = make_targets(boxes, NOTHING, SIZES, 200, 200)
    other_way = make_targets(boxes[::-1], NOTHING, SIZES, 200, 200)
    assert np.array_equal(one_way.positive, other_way.positive)
    assert one_way.positive[4, 80, 100]


def test_ignore_regions_are_never_asked() -> None:
    targets = make_targets(NOTHING, np.array([[10.2, 20.0, 30.0, 40.5]]), SIZES, 100, 100)
    assert not targets.askable[:, 20:41, 10:30].any()
    assert (~targets.askable[0]).sum() == 21 * 20


@given(st.floats(-50, 150), st.floats(-50, 150), st.floats(1, 300), st.floats(1, 300))
def test_patches_that_leave_the_image_are_cut(
    left: float, top: float, width: float, height: float
) -> None:
    targets = make_targets(
        np.array([[left, top, left + width, top + height]]), NOTHING, SIZES, 100, 100
    )
    assert not (targets.positive & targets.askable).any()
    if 0 <= left + width / 2 < 100 and 0 <= top + height / 2 < 100:
        assert targets.positive.any()


def test_an_empty_image_gives_about_1500_negatives() -> None:
    empty = make_targets(NOTHING, NOTHING, SIZES, 240, 320)
    wanted, weights = sample([empty], 15, np.random.default_rng(0))
    assert not wanted.any()
    assert int((weights > 0).sum()) == pytest.approx(1500, rel=0.1)


def test_negatives_are_15_per_positive() -> None:
    targets = make_targets(np.array([[84.5, 52.5, 115.5, 107.5]]), NOTHING, SIZES, 400, 400)
    wanted, weights = sample([targets], 15, np.random.default_rng(0))
    negatives = int(((weights > 0) & (wanted == 0)).sum())
    assert negatives == pytest.approx(15 * 17 * 15, rel=0.1)


def test_each_head_of_each_image_weighs_one() -> None:
    empty = make_targets(NOTHING, NOTHING, SIZES, 100, 100)
    full = make_targets(np.array([[20.0, 20, 60, 90]]), NOTHING, SIZES, 100, 100)
    _, weights = sample([empty, full], 15, np.random.default_rng(0))
    assert weights.sum((2, 3)).flatten().tolist() == pytest.approx([1.0] * 10)
