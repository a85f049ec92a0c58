"""Random changes to training pictures; boxes move with the pixels.

The mix follows the authors' released code: with probability 0.6, one of twelve entries is applied, of which four are
the horizontal flip. Positions, sizes and colours of people change as little as they do between real frames.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image as Pillow
from PIL import ImageEnhance, ImageFilter

from thrifty.types import Annotations, FloatArray, Image

_PROBABILITY = 0.6
_PIXEL_DROPOUT = 0.07
_MOTION = 5
_MARGIN = 0.2

Change = Callable[[Image, np.random.Generator], Image]


def augment(
    image: Image, drawn: Annotations, rng: np.random.Generator
) -> tuple[Image, Annotations]:
    """Apply at most one random change.

    Args:
        image: `H x W x 3` uint8.
        drawn: Labels in pixels of `image`.
        rng: The only source of chance.
    """
    if rng.random() >= _PROBABILITY:
        return image, drawn
    entry = int(rng.integers(len(_CHANGES) + _FLIPS))
    if entry >= len(_CHANGES):
        return flip(image, drawn)
    return _CHANGES[entry](image, rng), drawn


def perhaps_flip(
    image: Image, drawn: Annotations, rng: np.random.Generator
) -> tuple[Image, Annotations]:
    """Mirror left and right half of the time."""
    return flip(image, drawn) if rng.random() < 0.5 else (image, drawn)


def flip(image: Image, drawn: Annotations) -> tuple[Image, Annotations]:
    """Mirror left and right."""
    width = image.shape[1]
    boxes = drawn.boxes.copy()
    boxes[:, [0, 2]] = width - drawn.boxes[:, [2, 0]]
    return np.ascontiguousarray(image[:, ::-1]), Annotations(boxes, drawn.classes, drawn.ignore)


def crop(
    image: Image,
    drawn: Annotations,
    size: tuple[int, int],
    rng: np.random.Generator,
    around_objects: float = 0.0,
) -> tuple[Image, Annotations]:
    """Cut a random window of `size` (height, width), no larger than the picture; see `place_window` and `inside_window`."""
    top, left = place_window((image.shape[0], image.shape[1]), drawn, size, around_objects, rng)
    window = image[top : top + size[0], left : left + size[1]]
    return np.ascontiguousarray(window), inside_window(drawn, (top, left), size)


def place_window(
    whole: tuple[int, int],
    drawn: Annotations,
    size: tuple[int, int],
    around_objects: float,
    rng: np.random.Generator,
    step: int = 1,
) -> tuple[int, int]:
    """Where a random window lies: top and left, pixels.

    Args:
        whole: Height and width of the picture.
        drawn: Its labels.
        size: Height and width of the window, no larger than the picture.
        around_objects: Probability that the window is laid around an object, if there is any: its centre falls anywhere into the
            middle of the window, as far as the picture's borders allow.
        rng: The only source of chance.
        step: Top and left are multiples of this; so must be what the picture is larger by.
    """
    rows, columns = ((whole[axis] - size[axis]) // step for axis in (0, 1))
    objects = drawn.objects
    if around_objects and len(objects) and rng.random() < around_objects:
        box = objects[int(rng.integers(len(objects)))]
        inside = rng.uniform(_MARGIN, 1 - _MARGIN, 2)
        corner = ((box[1] + box[3]) / 2, (box[0] + box[2]) / 2) - inside * size
        place = np.clip(np.rint(corner / step), 0, (rows, columns))
        return int(place[0]) * step, int(place[1]) * step
    return int(rng.integers(rows + 1)) * step, int(rng.integers(columns + 1)) * step


def inside_window(
    drawn: Annotations, corner: tuple[int, int], size: tuple[int, int]
) -> Annotations:
    """Labels in pixels of a window.

    Objects whose centre leaves the window become ignore regions where they still reach into it.

    Args:
        drawn: Labels in pixels of the picture.
        corner: Top and left of the window.
        size: Its height and width.
    """
    top, left = corner
    boxes = drawn.boxes - np.array([left, top, left, top], dtype=np.float64)
    reaching = _reaches(boxes, size)
    ignore = drawn.ignore | ~_centre_inside(boxes, size)
    return Annotations(boxes[reaching], drawn.classes[reaching], ignore[reaching])


def _reaches(boxes: FloatArray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(
        (boxes[:, 0] < size[1]) & (boxes[:, 1] < size[0]) & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    )


def _centre_inside(boxes: FloatArray, size: tuple[int, int]) -> np.ndarray:
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    return np.asarray((x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0]))


def _sharpen(image: Image, rng: np.random.Generator) -> Image:
    return np.asarray(
        ImageEnhance.Sharpness(Pillow.fromarray(image)).enhance(1.0 + 2.0 * rng.random())
    )


def _blur(image: Image, rng: np.random.Generator) -> Image:  # noqa: ARG001 - the signature of a change
    # A Gaussian over three pixels.
    return np.asarray(Pillow.fromarray(image).filter(ImageFilter.GaussianBlur(0.8)))


def _motion_blur(image: Image, rng: np.random.Generator) -> Image:
    kernel = np.zeros((_MOTION, _MOTION))
    if rng.random() < 0.5:
        kernel[_MOTION // 2] = 1.0
    else:
        np.fill_diagonal(kernel, 1.0)
    weights = tuple(kernel.ravel() / kernel.sum())
    return np.asarray(
        Pillow.fromarray(image).filter(ImageFilter.Kernel((_MOTION, _MOTION), weights, scale=1))
    )


def _drop_pixels(image: Image, rng: np.random.Generator) -> Image:
    kept = rng.random(image.shape[:2]) >= _PIXEL_DROPOUT
    return np.asarray(image * kept[..., None], dtype=np.uint8)


def _noise(image: Image, rng: np.random.Generator) -> Image:
    return np.clip(np.rint(image + rng.normal(0.0, 1.0, image.shape)), 0, 255).astype(np.uint8)


def _value(image: Image, rng: np.random.Generator) -> Image:
    return np.asarray(
        ImageEnhance.Brightness(Pillow.fromarray(image)).enhance(rng.uniform(0.7, 1.3))
    )


def _saturation(image: Image, rng: np.random.Generator) -> Image:
    return np.asarray(ImageEnhance.Color(Pillow.fromarray(image)).enhance(rng.uniform(0.5, 1.5)))


_FLIPS = 4
_CHANGES: tuple[Change, ...] = (
    _sharpen,
    _blur,
    _motion_blur,
    _drop_pixels,
    _noise,
    _value,
    _saturation,
    _value,
)
