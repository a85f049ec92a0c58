import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from thrifty.data.augmentation import augment, crop, flip
from thrifty.types import Annotations


def drawn(*boxes: list[float]) -> Annotations:
    return Annotations(np.array(boxes, dtype=float))


def marked(height: int, width: int, box: list[int]) -> np.ndarray:
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255
    return image


def extent(image: np.ndarray) -> list[int]:
    rows, columns = (
        np.nonzero(image[..., 0].max(axis=1))[0],
        np.nonzero(image[..., 0].max(axis=0))[0],
    )
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


def test_flipping_moves_boxes_with_their_pixels() -> None:
    image, labels = flip(marked(30, 50, [5, 10, 12, 20]), drawn([5, 10, 12, 20]))
    assert labels.boxes[0].tolist() == extent(image)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_cropping_moves_boxes_with_their_pixels(seed: int) -> None:
    image, labels = crop(
        marked(60, 80, [30, 25, 40, 35]),
        drawn([30, 25, 40, 35]),
        (58, 70),
        np.random.default_rng(seed),
    )
    assert image.shape == (58, 70, 3)
    assert labels.boxes[0].tolist() == extent(image)


def test_an_object_cut_through_its_centre_becomes_an_ignore_region_and_one_left_behind_goes() -> (
    None
):
    rng = np.random.default_rng(0)
    for _ in range(30):
        _, labels = crop(
            np.zeros((10, 100, 3), dtype=np.uint8),
            drawn([0, 0, 20, 10], [80, 0, 100, 10]),
            (10, 50),
            rng,
        )
        for box, ignored in zip(labels.boxes, labels.ignore, strict=True):
            centre = (box[0] + box[2]) / 2
            assert box[0] < 50
            assert box[2] > 0
            assert ignored == (not 0 <= centre < 50)


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1))
def test_every_change_keeps_shape_type_and_number_of_boxes(seed: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    before = image.copy()
    changed, labels = augment(image, drawn([3, 4, 9, 20]), np.random.default_rng(seed))
    assert (changed.shape, changed.dtype) == (image.shape, np.dtype(np.uint8))
    assert len(labels) == 1
    assert np.array_equal(image, before)


def test_four_in_ten_pictures_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    image = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    same = sum(augment(image, drawn(), rng)[0] is image for _ in range(1000))
    assert 350 < same < 450
