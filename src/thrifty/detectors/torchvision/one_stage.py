"""RetinaNet and FCOS: yes-or-no questions at every level of a feature pyramid, one for each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import clip_boxes_to_image

from thrifty.detectors.torchvision.network import (
    Batch,
    Extent,
    Found,
    Model,
    by_place,
    joined,
    pyramid_extents,
    shapes_of,
    suppressed,
)
from thrifty.maps import Activation

_CERTAIN = 1e-7


class RetinaNetHead:
    """A logit for each class and anchor; the class maps hold the highest of a place's anchors.

    The anchors of a place answer for things of different shapes: whether something is there is what the surest of them
    says, and a mean would be ruled by all those that do not fit.
    """

    activation = Activation.SIGMOID
    tells_proposals = False

    def __init__(self, model: Model) -> None:
        self._model = model
        self._counts = model.anchor_generator.num_anchors_per_location()

    def maps(self, batch: Batch, levels: Sequence[Tensor]) -> list[Tensor]:  # noqa: ARG002 - FCOS wants it
        """As `Head`."""
        logits = self._model.head.classification_head(list(levels))
        return [level.amax(dim=1) for level in by_place(logits, shapes_of(levels), self._counts)]

    def extents(self, batch: Batch) -> list[Extent]:
        """As `Head`."""
        return pyramid_extents(batch)

    def boxes(self, batch: Batch) -> list[Found]:
        """As `Head`."""
        outputs = self._model.head(batch.levels)
        return _boxes(
            self._model,
            batch,
            self._counts,
            outputs["cls_logits"].sigmoid(),
            outputs["bbox_regression"],
            self._model.box_coder.decode_single,
        )


class FcosHead:
    """A class counts for as much as its place lies in the middle of something.

    torchvision's score of a class is the geometric mean of its probability and that of the place (centre-ness); the
    class maps hold the logits of these scores. There is one anchor a place.
    """

    activation = Activation.SIGMOID
    tells_proposals = False

    def __init__(self, model: Model) -> None:
        self._model = model
        self._counts = model.anchor_generator.num_anchors_per_location()

    def maps(self, batch: Batch, levels: Sequence[Tensor]) -> list[Tensor]:
        """As `Head`; how central a place is, is asked without dropping anything."""
        logits = self._model.head.classification_head(list(levels))
        _, central = self._model.head.regression_head(batch.levels)
        likely = _log_likely(logits, central)
        combined = likely - torch.log(-torch.expm1(likely))
        return [level.amax(dim=1) for level in by_place(combined, shapes_of(levels), self._counts)]

    def extents(self, batch: Batch) -> list[Extent]:
        """As `Head`."""
        return pyramid_extents(batch)

    def boxes(self, batch: Batch) -> list[Found]:
        """As `Head`."""
        outputs = self._model.head(batch.levels)
        scores = (outputs["cls_logits"].sigmoid() * outputs["bbox_ctrness"].sigmoid()).sqrt()
        coder = self._model.box_coder
        return _boxes(
            self._model, batch, self._counts, scores, outputs["bbox_regression"], coder.decode
        )


def _log_likely(logits: Tensor, central: Tensor) -> Tensor:
    """Logarithm of the geometric mean of two probabilities, a little below that of 1: its logit must be finite."""
    return ((F.logsigmoid(logits) + F.logsigmoid(central)) / 2).clamp(max=-_CERTAIN)


def _boxes(
    model: Model,
    batch: Batch,
    counts: Sequence[int],
    scores: Tensor,
    offsets: Tensor,
    decode: Callable[[Tensor, Tensor], Tensor],
) -> list[Found]:
    """The best of every level, then those that no surer one overlaps.

    Args:
        model: Says how many, and how sure.
        batch: The pictures.
        counts: Anchors of a place, by level.
        scores: `B x R x C` in [0, 1].
        offsets: `B x R x 4`.
        decode: Makes boxes out of offsets and anchors.
    """
    anchors = model.anchor_generator(batch.images, batch.levels)
    sizes = [
        height * width * count
        for (height, width), count in zip(shapes_of(batch.levels), counts, strict=True)
    ]
    found = []
    for image in range(len(scores)):
        parts = zip(
            torch.split(scores[image], sizes),
            torch.split(offsets[image], sizes),
            torch.split(anchors[image], sizes),
            strict=True,
        )
        best = joined([_best(model, batch.size, decode, *part) for part in parts])
        found.append(suppressed(best, model.nms_thresh, model.detections_per_img))
    return found


def _best(
    model: Model,
    size: tuple[int, int],
    decode: Callable[[Tensor, Tensor], Tensor],
    scores: Tensor,
    offsets: Tensor,
    anchors: Tensor,
) -> Found:
    flat = scores.flatten()
    sure = (flat > model.score_thresh).nonzero()[:, 0]
    values, places = flat[sure].topk(min(model.topk_candidates, len(sure)))
    chosen = sure[places]
    rows = chosen.div(scores.shape[1], rounding_mode="floor")
    boxes = clip_boxes_to_image(decode(offsets[rows], anchors[rows]), size)
    return Found(boxes, values, chosen % scores.shape[1], scores[rows])
