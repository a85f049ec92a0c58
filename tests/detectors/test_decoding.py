import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from thrifty.config import DetectorSection, Preset
from thrifty.detectors.decoding import decode, highest_around, suppress
from thrifty.detectors.targets import default_boxes

SIZES = default_boxes(DetectorSection(preset=Preset.PAPER))


def blob(
    head: int, row: int, column: int, height: int = 120, width: int = 160, reach: float = 8.0
) -> torch.Tensor:
    """A bump of probability on one head."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    maps = torch.zeros(1, 5, height, width)
    maps[0, head] = 0.9 * torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * reach**2))
    return maps


def test_a_bump_becomes_its_head_s_default_box() -> None:
    found = decode(blob(3, 60, 70), SIZES, 0.1)[0]
    assert found.boxes.tolist() == [[70.5 - 25, 60.5 - 40, 70.5 + 25, 60.5 + 40]]


def test_a_refined_box_lies_in_the_middle_of_its_patch() -> None:
    maps = torch.zeros(1, 5, 80, 80)
    maps[0, 3, 30:42, 20:30] = 0.8
    [plain] = decode(maps, SIZES, 0.05)
    [refined] = decode(maps, SIZES, 0.05, refined=True)
    middle = [(20 + 30) / 2, (30 + 42) / 2]
    centre = (refined.boxes[0, :2] + refined.boxes[0, 2:]) / 2
    # The square around the maximum cuts the lower end of the patch off.
    np.testing.assert_allclose(centre, middle, atol=0.25)
    assert np.abs((plain.boxes[0, :2] + plain.boxes[0, 2:]) / 2 - middle).max() > 1
    np.testing.assert_allclose(refined.boxes[0, 2:] - refined.boxes[0, :2], SIZES[3])


@pytest.mark.parametrize(("head", "other"), [(3, 2), (3, 4), (0, 1), (4, 3)])
def test_a_refined_box_has_a_size_between_those_of_heads_next_to_each_other(
    head: int, other: int
) -> None:
    maps = blob(head, 60, 70) + blob(other, 60, 70) / 3
    [found] = decode(maps, SIZES, 0.3, refined=True)
    wanted = SIZES[head] ** 0.75 * SIZES[other] ** 0.25
    np.testing.assert_allclose(found.boxes[0, 2:] - found.boxes[0, :2], wanted, rtol=1e-6)


def test_refining_keeps_to_the_heads_of_one_class() -> None:
    # Two classes: head 3 says the first, head 4 the second.
    maps = torch.zeros(1, 10, 120, 160)
    maps[0, 6], maps[0, 9] = blob(3, 60, 70)[0, 3], blob(3, 60, 70)[0, 3] / 3
    [found] = decode(maps, SIZES, 0.3, classes=2, refined=True)
    np.testing.assert_allclose(found.boxes[0, 2:] - found.boxes[0, :2], SIZES[3], rtol=1e-6)


def test_nothing_found_is_nothing_to_refine() -> None:
    [found] = decode(torch.zeros(1, 5, 60, 60), SIZES, 0.3, refined=True)
    assert len(found) == 0


def test_the_score_is_the_largest_threshold_at_which_the_released_rule_keeps_it() -> None:
    maps = blob(3, 60, 70)
    score = float(decode(maps, SIZES, 0.1)[0].scores[0])
    smooth = F.avg_pool2d(maps, 3, 1, 1, count_include_pad=False)[0, 3]
    window = smooth[60 - 9 : 60 + 10, 70 - 9 : 70 + 10]

    def keeps(threshold: float) -> bool:
        return bool(smooth[60, 70] >= threshold) and int((window >= threshold).sum()) >= 100

    assert keeps(score)
    assert not keeps(score + 1e-5)


def test_a_lone_spike_has_too_little_support() -> None:
    maps = torch.zeros(1, 5, 60, 60)
    maps[0, 0, 30, 30] = 1.0
    assert len(decode(maps, SIZES, 0.05)[0]) == 0


def test_a_plateau_is_one_detection() -> None:
    maps = torch.zeros(1, 5, 80, 80)
    maps[0, 2, 20:60, 20:60] = 0.8
    assert len(decode(maps, SIZES, 0.1)[0]) == 1


def test_a_blank_frame_is_decoded_at_once() -> None:
    [found] = decode(torch.full((1, 5, 480, 640), 0.9), SIZES, 0.1)
    assert len(found) == 5


def test_heads_are_independent_unless_suppressed() -> None:
    maps = blob(3, 60, 70) + 0.9 * blob(4, 60, 70)
    assert len(decode(maps, SIZES, 0.1)[0]) == 2
    assert len(decode(maps, SIZES, 0.1, suppression=0.5)[0]) == 1


def test_images_of_a_batch_do_not_mix_and_empty_maps_give_nothing() -> None:
    found = decode(torch.cat([torch.zeros(1, 5, 120, 160), blob(1, 20, 30)]), SIZES, 0.1)
    assert [len(detections) for detections in found] == [0, 1]


@settings(max_examples=50)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 12), st.integers(0, 2**31))
def test_running_maximum_equals_pooling(height: int, width: int, reach: int, seed: int) -> None:
    values = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    expected = F.max_pool2d(F.pad(values, (reach,) * 4, value=-1.0), 2 * reach + 1, stride=1)
    assert torch.equal(highest_around(values, reach), expected)


def test_suppression_measures_overlap_by_the_smaller_box() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [2, 2, 6, 6], [8, 0, 18, 10], [0, 0, 10, 4]])
    assert suppress(boxes, 0.5).tolist() == [0, 2]
    assert suppress(boxes[:0], 0.5).tolist() == []


@pytest.mark.parametrize("size", [(1, 1), (5, 300)])
def test_tiny_maps_are_decoded(size: tuple[int, int]) -> None:
    assert len(decode(torch.full((1, 5, *size), 0.9), SIZES, 0.1)) == 1


def test_classes_are_told_apart_head_by_head() -> None:
    """Two classes at one place are two detections; each tells what its head says of every class there."""
    maps = torch.zeros(1, 10, 120, 160)
    maps[0, 2 * 3 + 1] = blob(0, 60, 70)[0, 0]
    maps[0, 2 * 3] = 0.5 * blob(0, 60, 70)[0, 0]
    found = decode(maps, SIZES, 0.1, suppression=0.5, classes=2)[0]
    assert found.classes.tolist() == [1, 0]
    assert found.boxes.tolist() == [[70.5 - 25, 60.5 - 40, 70.5 + 25, 60.5 + 40]] * 2
    assert found.probabilities is not None
    peak = float(F.avg_pool2d(maps[:, 7:8], 3, 1, 1, count_include_pad=False)[0, 0, 60, 70])
    assert found.probabilities.tolist() == [pytest.approx([peak / 2, peak])] * 2


def test_the_second_opinion_is_another_head_s_surest_box_there() -> None:
    maps = blob(3, 60, 70)
    maps[0, 2] = 0.8 * blob(2, 60, 70)[0, 2]
    maps[0, 4] = 0.5 * blob(4, 60, 70)[0, 4]
    both = decode(maps, SIZES, 0.05)[0]
    assert both.proposals is not None
    # Heads 3, 2 and 4 by score: the surest has the second for its proposal, both others have the first.
    assert both.proposals.tolist() == [
        both.boxes[1].tolist(),
        both.boxes[0].tolist(),
        both.boxes[0].tolist(),
    ]
    alone = decode(blob(3, 60, 70), SIZES, 0.1)[0]
    assert alone.proposals is not None
    assert alone.proposals.tolist() == [[70.5, 60.5, 70.5, 60.5]]
    kept = decode(maps, SIZES, 0.05, suppression=0.5)[0]
    assert len(kept) == 1
    assert kept.proposals is not None
    assert kept.proposals.tolist() == [both.boxes[1].tolist()]
