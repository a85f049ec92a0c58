"""SSD and SSDlite: a softmax over all classes and the background, for every default box."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from thrifty.detectors.torchvision.network import (
    Batch,
    Extent,
    Found,
    Model,
    by_place,
    joined,
    shapes_of,
    suppressed,
)
from thrifty.maps import Activation


class SsdHead:
    """The class maps hold, for each place, the logits of the default box that is least sure to be background.

    One box's answers belong together: the highest of each class over several boxes, and of the background, would be nobody's.
    """

    activation = Activation.SOFTMAX
    tells_proposals = False

    def __init__(self, model: Model) -> None:
        self._model = model
        self._counts = model.anchor_generator.num_anchors_per_location()

    def maps(self, batch: Batch, levels: Sequence[Tensor]) -> list[Tensor]:  # noqa: ARG002 - FCOS wants it
        """As `Head`; channel 0 is the background."""
        logits = self._model.head.classification_head(list(levels))
        return [
            _least_background(level) for level in by_place(logits, shapes_of(levels), self._counts)
        ]

    def extents(self, batch: Batch) -> list[Extent]:
        """Where the model puts the centres of its default boxes; its coarse levels see places beside these."""
        steps = self._model.anchor_generator.steps
        extents = []
        for index, (rows, columns) in enumerate(shapes_of(batch.levels)):
            height, width = batch.padded
            if steps is not None:
                height, width = rows * steps[index], columns * steps[index]
            extents.append(Extent((float(height), float(width))))
        return extents

    def boxes(self, batch: Batch) -> list[Found]:
        """As `Head`."""
        model = self._model
        outputs = model.head(batch.levels)
        likely = outputs["cls_logits"].softmax(dim=-1)
        anchors = model.anchor_generator(batch.images, batch.levels)
        found = []
        for rows, offsets, defaults in zip(
            likely, outputs["bbox_regression"], anchors, strict=True
        ):
            boxes = clip_boxes_to_image(
                model.box_coder.decode_single(offsets, defaults), batch.size
            )
            parts = [self._of(label, boxes, rows) for label in range(1, rows.shape[1])]
            found.append(suppressed(joined(parts), model.nms_thresh, model.detections_per_img))
        return found

    def _of(self, label: int, boxes: Tensor, rows: Tensor) -> Found:
        """The surest boxes of one label."""
        scores = rows[:, label]
        sure = (scores > self._model.score_thresh).nonzero()[:, 0]
        values, places = scores[sure].topk(min(self._model.topk_candidates, len(sure)))
        chosen = sure[places]
        return Found(
            boxes[chosen],
            values,
            chosen.new_full(chosen.shape, label),
            without_background(rows[chosen]),
        )


def _least_background(level: Tensor) -> Tensor:
    """From `B x A x C x h x w` logits to those of one anchor, `B x C x h x w`."""
    background = level.log_softmax(dim=2)[:, :, :1]
    chosen = background.argmin(dim=1, keepdim=True)
    return level.gather(1, chosen.expand(-1, -1, level.shape[2], -1, -1))[:, 0]


def without_background(rows: Tensor) -> Tensor:
    """Probabilities of labels, `N x C`, with nothing left for label 0."""
    rows = rows.clone()
    rows[:, 0] = 0.0
    return rows
