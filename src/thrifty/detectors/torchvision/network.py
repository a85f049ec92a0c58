"""What all of torchvision's detectors share: how pictures come in, where maps lie, how boxes go out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import batched_nms

from thrifty.maps import Activation
from thrifty.types import Detections, Frame, Image

Model = Any
"""A detector of torchvision, which declares no types."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Pictures on their way through a network.

    Attributes:
        images: torchvision's `ImageList`: resized, normalised, padded to whole strides.
        features: What the backbone makes of them, by name, finest first; `B x D x h x w` each.
    """

    images: Any
    features: dict[str, Tensor]

    @property
    def levels(self) -> list[Tensor]:
        """The features, finest first."""
        return list(self.features.values())

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a resized picture, without padding."""
        height, width = self.images.image_sizes[0]
        return int(height), int(width)

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width with padding."""
        height, width = self.images.tensors.shape[-2:]
        return int(height), int(width)


@dataclass(frozen=True, slots=True)
class Extent:
    """What a level covers, as `spans` and `origins` of `thrifty.maps.ClassMaps`."""

    span: tuple[float, float]
    origin: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Boxes of one picture, surest first, in pixels of the resized picture.

    Attributes:
        boxes: `N x 4`.
        scores: `N`.
        labels: `N`.
        rows: `N x C`, the probability of every label.
        proposals: `N x 4`, what the boxes were refined from, where that says something.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    rows: Tensor
    proposals: Tensor | None = None


class Head(Protocol):
    """What differs from one kind of detector to the next."""

    activation: Activation
    tells_proposals: bool

    def maps(self, batch: Batch, levels: Sequence[Tensor]) -> list[Tensor]:
        """Logits `B x C x h x w` of each level.

        Args:
            batch: The pictures.
            levels: The features to look at: the batch's own, or with some channels dropped.
        """
        ...

    def extents(self, batch: Batch) -> list[Extent]:
        """Where the levels lie in the resized picture."""
        ...

    def boxes(self, batch: Batch) -> list[Found]:
        """Boxes of each picture, as the model's own call finds them."""
        ...


def prepare(model: Model, images: Sequence[Image], device: str) -> Batch:
    """Run the backbone on pictures of one size (`H x W x 3` uint8)."""
    pictures = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float() / 255
    # Pictures of one size are padded alike, so none depends on the others of its batch.
    listed, _ = model.transform(list(pictures))
    features = model.backbone(listed.tensors)
    if isinstance(features, Tensor):
        features = {"0": features}
    return Batch(listed, dict(features))


def pyramid_extents(batch: Batch) -> list[Extent]:
    """Levels of strides 2, 4, 8 ..., each made by convolutions with padding: they begin on the first pixel."""
    extents = []
    for level in batch.levels:
        shape = level.shape[-2:]
        stride = stride_of(batch.padded, (int(shape[0]), int(shape[1])))
        origin = 0.5 - stride / 2
        extents.append(
            Extent((float(stride * shape[0]), float(stride * shape[1])), (origin, origin))
        )
    return extents


def stride_of(size: tuple[int, int], shape: tuple[int, int]) -> int:
    """The smallest power of two that makes a map of this shape out of a picture, rounding up.

    torchvision itself divides the picture by the shape; where a side is no multiple of the stride, it places its anchors
    closer together than the values are.

    >>> stride_of((96, 128), (3, 4)), stride_of((96, 128), (2, 2))
    (32, 64)
    """
    stride = 1
    while any(-(-side // stride) > length for side, length in zip(size, shape, strict=True)):
        stride *= 2
    return stride


def by_place(
    values: Tensor, shapes: Sequence[tuple[int, int]], counts: Sequence[int]
) -> list[Tensor]:
    """Undo torchvision's rows over all levels, places and anchors.

    Args:
        values: `B x R x C`: the levels one after the other, each row by row, the anchors of a place side by side.
        shapes: Height and width of each level.
        counts: Anchors of a place of each level, A.

    Returns:
        `B x A x C x h x w` for each level.
    """
    sizes = [height * width * count for (height, width), count in zip(shapes, counts, strict=True)]
    return [
        part.reshape(len(part), *shape, count, -1).permute(0, 3, 4, 1, 2)
        for part, shape, count in zip(
            torch.split(values, sizes, dim=1), shapes, counts, strict=True
        )
    ]


def shapes_of(levels: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Height and width of each level."""
    return [(int(level.shape[-2]), int(level.shape[-1])) for level in levels]


def suppressed(found: Found, overlap: float, most: int) -> Found:
    """What is left when each box removes those of its label that overlap it, surest first."""
    kept = batched_nms(found.boxes, found.scores, found.labels, overlap)[:most]
    proposals = None if found.proposals is None else found.proposals[kept]
    return Found(
        found.boxes[kept], found.scores[kept], found.labels[kept], found.rows[kept], proposals
    )


def joined(parts: Sequence[Found]) -> Found:
    """Boxes of several levels or classes as one, without proposals."""
    return Found(
        torch.cat([part.boxes for part in parts]),
        torch.cat([part.scores for part in parts]),
        torch.cat([part.labels for part in parts]),
        torch.cat([part.rows for part in parts]),
    )


def as_detections(found: Found, frame: Frame, size: tuple[int, int]) -> Detections:
    """Boxes in pixels of the stored frame.

    Args:
        found: In pixels of the resized picture.
        frame: The frame that was resized.
        size: Height and width of the resized picture.
    """
    height, width = frame.image.shape[:2]
    ratio = np.array([width / size[1], height / size[0]] * 2) / frame.scale
    rows = found.rows.double().clamp(0.0, 1.0)
    proposals = found.proposals
    return Detections(
        found.boxes.double().cpu().numpy() * ratio,
        found.scores.double().cpu().numpy(),
        found.labels.cpu().numpy(),
        rows.cpu().numpy(),
        None if proposals is None else proposals.double().cpu().numpy() * ratio,
    )
