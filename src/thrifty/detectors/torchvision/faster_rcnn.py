"""Faster R-CNN: a pyramid that asks whether there is anything, and classes for what it proposes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torchvision.ops import clip_boxes_to_image, remove_small_boxes

from thrifty.detectors.torchvision.network import (
    Batch,
    Extent,
    Found,
    Model,
    pyramid_extents,
    suppressed,
)
from thrifty.detectors.torchvision.ssd import without_background
from thrifty.maps import Activation

_THINNEST = 1e-2
"""Pixels; torchvision drops boxes that are thinner."""


class FasterRcnnHead:
    """The class maps are those of the region proposals: one logit a place, the highest of its anchors, for anything.

    Classes are told of boxes alone.
    """

    activation = Activation.SIGMOID
    tells_proposals = True

    def __init__(self, model: Model) -> None:
        self._model = model

    def maps(self, batch: Batch, levels: Sequence[Tensor]) -> list[Tensor]:  # noqa: ARG002 - FCOS wants it
        """As `Head`."""
        objectness, _ = self._model.rpn.head(list(levels))
        return [level.amax(dim=1, keepdim=True) for level in objectness]

    def extents(self, batch: Batch) -> list[Extent]:
        """As `Head`."""
        return pyramid_extents(batch)

    def boxes(self, batch: Batch) -> list[Found]:
        """As `Head`, with the proposals they were refined from."""
        heads = self._model.roi_heads
        proposals, _ = self._model.rpn(batch.images, batch.features)
        pooled = heads.box_roi_pool(batch.features, proposals, batch.images.image_sizes)
        logits, offsets = heads.box_predictor(heads.box_head(pooled))
        counts = [len(part) for part in proposals]
        boxes = heads.box_coder.decode(offsets, proposals)
        parts = zip(
            boxes.split(counts), logits.softmax(dim=-1).split(counts), proposals, strict=True
        )
        return [self._of(batch.size, *part) for part in parts]

    def _of(self, size: tuple[int, int], boxes: Tensor, rows: Tensor, proposals: Tensor) -> Found:
        heads = self._model.roi_heads
        proposal, label = (rows[:, 1:] > heads.score_thresh).nonzero(as_tuple=True)
        label = label + 1
        own = clip_boxes_to_image(boxes[proposal, label], size)
        thick = remove_small_boxes(own, min_size=_THINNEST)
        proposal, label, own = proposal[thick], label[thick], own[thick]
        found = Found(
            own,
            rows[proposal, label],
            label,
            without_background(rows[proposal]),
            proposals[proposal],
        )
        return suppressed(found, heads.nms_thresh, heads.detections_per_img)
