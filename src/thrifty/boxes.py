"""Geometry of axis-aligned boxes: xyxy, pixels, 0-based, half-open; float64 arrays of shape `N x 4`."""

from __future__ import annotations

import numpy as np

from thrifty.types import FloatArray, IntArray


def from_xywh(boxes: FloatArray) -> FloatArray:
    """Convert left, top, width, height to xyxy.

    >>> from_xywh(np.array([[10.0, 20.0, 5.0, 6.0]]))
    array([[10., 20., 15., 26.]])
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def to_xywh(boxes: FloatArray) -> FloatArray:
    """Convert xyxy to left, top, width, height.

    >>> to_xywh(np.array([[10.0, 20.0, 15.0, 26.0]]))
    array([[10., 20.,  5.,  6.]])
    """
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def area(boxes: FloatArray) -> FloatArray:
    """Area of each box in square pixels, `N`; a box without extent has area 0."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None)
    return np.asarray(sides[:, 0] * sides[:, 1])


def intersection(first: FloatArray, second: FloatArray) -> FloatArray:
    """Area shared by each box of `first` (`N x 4`) with each of `second` (`M x 4`): `N x M`."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.clip(high - low, 0.0, None)
    return np.asarray(sides[..., 0] * sides[..., 1])


def clipped(boxes: FloatArray, width: int, height: int) -> FloatArray:
    """The part of each box that lies within an image, `N x 4`; of a box beside the image, one without area.

    >>> clipped(np.array([[-5.0, 10, 20, 60]]), 100, 50)
    array([[ 0., 10., 20., 50.]])
    """
    return np.clip(boxes, 0.0, np.array([width, height] * 2, dtype=np.float64))


def iou(first: FloatArray, second: FloatArray) -> FloatArray:
    """Intersection over union, `N x M`, in [0, 1]; 0 where both boxes are without area.

    >>> iou(np.array([[0.0, 0, 10, 10]]), np.array([[0.0, 0, 10, 5], [20, 20, 30, 30]]))
    array([[0.5, 0. ]])
    """
    shared = intersection(first, second)
    union = area(first)[:, None] + area(second)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def suppressed(
    boxes: FloatArray, scores: FloatArray, classes: IntArray, overlap: float
) -> IntArray:
    """What is left when, surest first, each box removes those of its class that overlap it (non-maximum suppression).

    Args:
        boxes: `N x 4`.
        scores: `N`.
        classes: `N`.
        overlap: IoU above which a less sure box goes.

    Returns:
        Indices, surest first; equal scores keep their order.

    >>> boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9]])
    >>> suppressed(boxes, np.array([0.5, 0.9, 0.8]), np.array([0, 0, 1]), 0.5)
    array([1, 2])
    """
    left = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(left):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        over = iou(boxes[best : best + 1], boxes[left])[0] > overlap
        left = left[~(over & (classes[left] == classes[best]))]
    return np.array(kept, dtype=np.int64)


def cover(first: FloatArray, second: FloatArray) -> FloatArray:
    """Share of each box of `first` that lies inside each of `second`, `N x M`, in [0, 1].

    This is the overlap that the Caltech protocol uses between a detection and an ignore region.
    """
    shared = intersection(first, second)
    own = np.broadcast_to(area(first)[:, None], shared.shape)
    return np.divide(shared, own, out=np.zeros_like(shared), where=own > 0)


def with_aspect(boxes: FloatArray, aspect: float) -> FloatArray:
    """The same centres and heights, with widths of `aspect` times the height.

    >>> with_aspect(np.array([[0.0, 0, 10, 20]]), 0.4)
    array([[ 1.,  0.,  9., 20.]])
    """
    heights = boxes[:, 3] - boxes[:, 1]
    return centred((boxes[:, :2] + boxes[:, 2:]) / 2, np.stack([aspect * heights, heights], axis=1))


def centred(centres: FloatArray, sizes: FloatArray) -> FloatArray:
    """Boxes of `sizes` (`N x 2`: width, height) around `centres` (`N x 2`: x, y): `N x 4`."""
    half = sizes / 2
    return np.concatenate([centres - half, centres + half], axis=1)
