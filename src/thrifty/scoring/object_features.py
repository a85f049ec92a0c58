"""What a detector's features say of a frame, and of the objects in it, as vectors to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from thrifty.scoring.box_scores import distributions, entropy_of
from thrifty.types import Detections

Vectors = npt.NDArray[np.float32]
MOST = 20
"""Objects of a frame that are kept, the surest first."""


def frame_features(features: Tensor) -> Vectors:
    """Mean over the frame: `B x D x h x w` to `B x D` float32."""
    return np.asarray(features.float().mean(dim=(2, 3)).cpu().numpy(), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The surest objects of B frames, `MOST` rows each; rows without an object have class -1 and zeros.

    Attributes:
        features: `B x MOST x D` float32, each of length one.
        classes: `B x MOST` int64.
        scores: `B x MOST` float64.
        entropies: `B x MOST` float64, nats.
    """

    features: Vectors
    classes: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    entropies: npt.NDArray[np.float64]


def objects_of(
    features: Tensor, detections: Sequence[Detections], sizes: Sequence[tuple[int, int]]
) -> Objects:
    """The features of each object: their mean over its box.

    Args:
        features: `B x D x h x w` over whole frames.
        detections: Of each frame, in pixels of the stored frame.
        sizes: Stored width and height of each frame, pixels.
    """
    maps = np.asarray(features.float().cpu().numpy(), dtype=np.float32)
    count, depth, rows, columns = maps.shape
    vectors = np.zeros((count, MOST, depth), dtype=np.float32)
    classes = np.full((count, MOST), -1, dtype=np.int64)
    scores, entropies = np.zeros((count, MOST)), np.zeros((count, MOST))
    for number, (found, (width, height)) in enumerate(zip(detections, sizes, strict=True)):
        kept = found.take(np.argsort(-found.scores, kind="stable")[:MOST])
        for place, box in enumerate(kept.boxes):
            left, right = _cells(box[0] * columns / width, box[2] * columns / width, columns)
            top, bottom = _cells(box[1] * rows / height, box[3] * rows / height, rows)
            mean = maps[number, :, top:bottom, left:right].mean(axis=(1, 2))
            vectors[number, place] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        classes[number, : len(kept)] = kept.classes
        scores[number, : len(kept)] = kept.scores
        entropies[number, : len(kept)] = entropy_of(distributions(kept))
    return Objects(vectors, classes, scores, entropies)


def _cells(low: float, high: float, count: int) -> tuple[int, int]:
    """Cells whose centres lie between two places; the one in the middle if there is none."""
    first, last = int(np.ceil(low - 0.5)), int(np.floor(high - 0.5)) + 1
    first, last = max(0, first), min(count, last)
    if first < last:
        return first, last
    middle = min(count - 1, max(0, int((low + high) / 2)))
    return middle, middle + 1
