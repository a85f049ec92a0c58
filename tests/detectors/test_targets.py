import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thrifty.config import DetectorSection, Preset
from thrifty.detectors.targets import (
    Asked,
    Targets,
    assign,
    bernoulli,
    default_boxes,
    make_targets,
    rivals_of,
    sample,
)
from thrifty.types import Annotations

NOTHING = np.zeros((0, 4))
SIZES = default_boxes(DetectorSection(preset=Preset.PAPER))


@dataclass(frozen=True, eq=False)
class Dense:
    """Targets as maps `KC x H x W`, to be looked at."""

    targets: Targets

    @property
    def positive(self) -> np.ndarray:
        return self._laid_out(self.targets.positive)

    @property
    def negative(self) -> np.ndarray:
        return self._laid_out(self.targets.negative)

    @property
    def askable(self) -> np.ndarray:
        size = math.prod(self.targets.shape)
        return self.targets.askable(np.arange(size)).reshape(self._shape)

    @property
    def _shape(self) -> tuple[int, ...]:
        heads, classes, *image = self.targets.shape
        return heads * classes, *image

    def _laid_out(self, places: np.ndarray) -> np.ndarray:
        maps = np.zeros(self._shape, np.bool_)
        maps.reshape(-1)[places] = True
        return maps


def targets_of(
    boxes: np.ndarray,
    ignored: np.ndarray,
    sizes: np.ndarray,
    height: int,
    width: int,
    rivals: float = 0.0,
) -> Dense:
    drawn = Annotations(
        np.concatenate([boxes, ignored]), ignore=np.arange(len(boxes) + len(ignored)) >= len(boxes)
    )
    return Dense(make_targets(rivals, drawn, sizes, (height, width)))


def sampled(dense: Sequence[Dense], rng: np.random.Generator) -> Asked:
    return sample([one.targets for one in dense], 15, rng)


def test_the_presets_pair_the_deepest_head_with_opposite_ends() -> None:
    assert SIZES[0].tolist() == [160, 270]
    assert SIZES[4].tolist() == [31, 55]
    assert default_boxes(DetectorSection(preset=Preset.RELEASED))[0].tolist() == [31, 55]
    assert default_boxes(DetectorSection(preset=Preset.RELEASED))[4].tolist() == [159, 271]


@pytest.mark.parametrize(
    ("height", "head"), [(270, 0), (225, 1), (145, 2), (80, 3), (55, 4), (20, 4), (900, 0)]
)
def test_objects_go_to_the_default_box_that_fits_best(height: int, head: int) -> None:
    box = np.array([[10.0, 10.0, 10 + 0.58 * height, 10.0 + height]])
    assert assign(box, SIZES).tolist() == [head]


def test_hand_computed_patches() -> None:
    # 31 x 55 around (100, 80): positive half-sizes 5 + floor(sqrt(6.2)) = 7 and 5 + floor(sqrt(11)) = 8, cleared
    # half-sizes 5 + floor(sqrt(62)) = 12 and 5 + floor(sqrt(110)) = 15.
    targets = targets_of(np.array([[84.5, 52.5, 115.5, 107.5]]), NOTHING, SIZES, 200, 200)
    assert targets.positive[4, 80 - 8 : 80 + 9, 100 - 7 : 100 + 8].all()
    assert targets.positive.sum() == 17 * 15
    for head in range(5):
        assert not targets.askable[head, 80 - 15 : 80 + 16, 100 - 12 : 100 + 13].any()
        assert (~targets.askable[head]).sum() == 31 * 25


def test_a_neighbour_s_clearing_does_not_erase_a_positive() -> None:
    boxes = np.array([[84.5, 52.5, 115.5, 107.5], [90.5, 52.5, 121.5, 107.5]])
    one_way = targets_of(boxes, NOTHING, SIZES, 200, 200)
    other_way = targets_of(boxes[::-1], NOTHING, SIZES, 200, 200)
    assert np.array_equal(one_way.positive, other_way.positive)
    assert one_way.positive[4, 80, 100]


def test_ignore_regions_are_never_asked() -> None:
    targets = targets_of(NOTHING, np.array([[10.2, 20.0, 30.0, 40.5]]), SIZES, 100, 100)
    assert not targets.askable[:, 20:41, 10:30].any()
    assert (~targets.askable[0]).sum() == 21 * 20


@given(st.floats(-50, 150), st.floats(-50, 150), st.floats(1, 300), st.floats(1, 300))
def test_patches_that_leave_the_image_are_cut(
    left: float, top: float, width: float, height: float
) -> None:
    targets = targets_of(
        np.array([[left, top, left + width, top + height]]), NOTHING, SIZES, 100, 100
    )
    assert not (targets.positive & targets.askable).any()
    if 0 <= left + width / 2 < 100 and 0 <= top + height / 2 < 100:
        assert targets.positive.any()


def laid_out(asked: Asked) -> tuple[torch.Tensor, torch.Tensor]:
    return asked.dense(asked.wanted), asked.dense(asked.weights)


def test_what_is_asked_is_what_is_drawn_pixel_by_pixel() -> None:
    """Positives and rivals always, others as often as N2P has it, never what is left alone."""
    drawn = np.array([[84.5, 52.5, 115.5, 107.5]])
    targets = targets_of(drawn, np.array([[0.0, 0, 50, 50]]), SIZES, 120, 160, math.inf)
    share = 17 * 15 * 15 / targets.positive.size
    counts = np.zeros(targets.positive.shape)
    rounds = 60
    for seed in range(rounds):
        asked = sampled([targets], np.random.default_rng(seed))
        assert (asked.places.diff() > 0).all()
        counts.reshape(-1)[asked.places.numpy()] += 1
    free, always = targets.askable, targets.positive | targets.negative
    assert (counts[always] == rounds).all()
    assert (counts[~always & ~free] == 0).all()
    assert counts[free].mean() / rounds == pytest.approx(share, rel=0.02)
    assert counts[free].var() == pytest.approx(rounds * share * (1 - share), rel=0.05)


@pytest.mark.parametrize("share", [0.0001, 0.3, 1.0])
def test_rare_successes_are_as_many_as_they_should_be_and_the_last_trial_is_one_of_them(
    share: float,
) -> None:
    rng = np.random.default_rng(0)
    found = np.concatenate([bernoulli(2000, share, rng) for _ in range(500)])
    assert len(found) == pytest.approx(2000 * 500 * share, rel=0.25 if share < 0.01 else 0.02)
    assert found.min() >= 0
    assert found.max() < 2000
    if share > 0.1:
        by_place = np.bincount(found, minlength=2000) / 500
        assert by_place[-1] == pytest.approx(share, abs=0.1)


def test_an_empty_image_gives_about_1500_negatives() -> None:
    empty = targets_of(NOTHING, NOTHING, SIZES, 240, 320)
    asked = sampled([empty], np.random.default_rng(0))
    assert not asked.wanted.any()
    assert len(asked.places) == pytest.approx(1500, rel=0.1)


def test_negatives_are_15_per_positive() -> None:
    targets = targets_of(np.array([[84.5, 52.5, 115.5, 107.5]]), NOTHING, SIZES, 400, 400)
    asked = sampled([targets], np.random.default_rng(0))
    negatives = int((asked.wanted == 0).sum())
    assert negatives == pytest.approx(15 * 17 * 15, rel=0.1)


def test_each_head_of_each_image_weighs_one() -> None:
    empty = targets_of(NOTHING, NOTHING, SIZES, 100, 100)
    full = targets_of(np.array([[20.0, 20, 60, 90]]), NOTHING, SIZES, 100, 100)
    _, weights = laid_out(sampled([empty, full], np.random.default_rng(0)))
    assert weights.sum((2, 3)).flatten().tolist() == pytest.approx([1.0] * 10)


def test_at_an_object_the_paper_asks_the_other_heads_for_a_zero_and_the_released_code_asks_nothing() -> (
    None
):
    box = np.array([[84.5, 52.5, 115.5, 107.5]])
    paper = targets_of(box, NOTHING, SIZES, 200, 200, math.inf)
    released = targets_of(box, NOTHING, SIZES, 200, 200)
    assert np.array_equal(paper.positive, released.positive)
    assert paper.negative[:4, 80 - 8 : 80 + 9, 100 - 7 : 100 + 8].all()
    assert paper.negative.sum() == 4 * 17 * 15
    assert not released.negative.any()
    assert np.array_equal(paper.askable, released.askable)
    wanted, weights = laid_out(sampled([paper], np.random.default_rng(0)))
    assert (weights[0, :, 80, 100] > 0).all()
    assert wanted[0, :, 80, 100].tolist() == [0, 0, 0, 0, 1]


def test_heads_that_fit_an_object_well_enough_are_left_alone_there() -> None:
    """Of heads of 80 x 50 and 55 x 31, a box of 67 x 40 overlaps the first by 0.67 and the second by 0.64; the next by 0.23."""
    box = np.array([[80.0, 46.5, 120.0, 113.5]])
    targets = targets_of(box, NOTHING, SIZES, 200, 200, 0.5)
    assert targets.positive[:, 80, 100].tolist() == [False, False, False, True, False]
    assert targets.negative[:, 80, 100].tolist() == [True, True, True, False, False]
    assert not targets.askable[4, 80, 100]


def test_presets_say_which_heads_are_asked_and_a_recipe_may_say_otherwise() -> None:
    assert rivals_of(DetectorSection()) == math.inf
    assert rivals_of(DetectorSection(preset=Preset.RELEASED)) == 0.0
    assert rivals_of(DetectorSection(rivals=0.4)) == 0.4


def test_an_object_s_positive_is_never_another_s_negative() -> None:
    """Two people of different sizes on one spot: each head keeps its own one."""
    boxes = np.array([[84.5, 52.5, 115.5, 107.5], [75.0, 40.0, 125.0, 120.0]])
    targets = targets_of(boxes, NOTHING, SIZES, 200, 200, math.inf)
    assert targets.positive[3:, 80, 100].all()
    assert not (targets.positive & targets.negative).any()
    assert targets.negative[:3, 80, 100].all()


@pytest.mark.parametrize("asked", [0.0, math.inf])
def test_several_classes_are_asked_one_by_one(asked: float) -> None:
    """Channels are head by head, in each head class by class."""
    drawn = Annotations(
        np.array([[84.5, 52.5, 115.5, 107.5], [150.0, 150, 181, 205]]), np.array([2, 0])
    )
    targets = Dense(make_targets(asked, drawn, SIZES, (240, 240), classes=3))
    head = 4
    assert targets.positive.shape == (15, 240, 240)
    there = targets.positive[:, 80, 100].reshape(5, 3)
    assert there[head].tolist() == [False, False, True]
    assert there.sum() == 1
    rivals = targets.negative[:, 80, 100].reshape(5, 3)
    assert rivals[head].tolist() == [True, True, False]
    assert rivals[:4].all() == bool(asked)
    assert targets.positive[:, 177, 165].reshape(5, 3)[head].tolist() == [True, False, False]
    _, weights = laid_out(sampled([targets], np.random.default_rng(0)))
    by_head = weights.reshape(5, 3, 240, 240).sum((1, 2, 3))
    assert by_head.tolist() == pytest.approx([1.0] * 5)


def test_with_one_class_it_does_not_matter_what_objects_are_called() -> None:
    box = np.array([[84.5, 52.5, 115.5, 107.5]])
    for kind in (0, 7):
        one = Annotations(box, np.array([kind]))
        targets = Dense(make_targets(math.inf, one, SIZES, (200, 200)))
        assert targets.positive[4, 80, 100]
