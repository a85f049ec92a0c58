"""torchvision's detectors behind the contract of `thrifty.detectors.protocol`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.ssd import SSD

from thrifty.detectors.dropout import channel_masks
from thrifty.detectors.torchvision.faster_rcnn import FasterRcnnHead
from thrifty.detectors.torchvision.network import Batch, Head, Model, as_detections, prepare
from thrifty.detectors.torchvision.one_stage import FcosHead, RetinaNetHead
from thrifty.detectors.torchvision.ssd import SsdHead
from thrifty.detectors.torchvision.weights import load_file, load_published
from thrifty.errors import CapabilityError
from thrifty.maps import ClassMaps, MapKind
from thrifty.types import Detections, Frame, Need


class TorchvisionDetector:
    """A detector of torchvision.

    Pictures are resized and normalised by the model itself. Class maps are in pixels of the resized picture, and what they say
    of the padding lies outside it. Classes and channels are torchvision's labels: 0 is the background.

    Args:
        model: A RetinaNet, FCOS, SSD, SSDlite or Faster R-CNN, of whatever backbone.
        device: Where it runs.

    Attributes:
        model: The same, in evaluation mode, there.
        device: The same.

    Raises:
        CapabilityError: The model is of another kind.
    """

    def __init__(self, model: Model, device: str = "cpu") -> None:
        self.model = model.eval().to(device)
        self.device = device
        self._head = _head(model)
        proposals = {Need.PROPOSALS} if self._head.tells_proposals else set()
        self.gives = (
            frozenset({Need.CLASS_MAPS, Need.BOXES, Need.PASSES, Need.FEATURES}) | proposals
        )

    @torch.inference_mode()
    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        """One level for each of the model's, finest first, as logits.

        Args:
            frames: B frames of one size.
        """
        batch = self._batch(frames)
        return self._maps(batch, batch.levels)

    @torch.inference_mode()
    def passes(self, frames: Sequence[Frame], count: int, drop: float) -> list[ClassMaps]:
        """Class maps with channels of the features dropped before the head that makes them; the backbone runs once.

        Args:
            frames: B frames of one size.
            count: P.
            drop: Share of the channels dropped; the others are scaled up.
        """
        batch = self._batch(frames)
        widths = [level.shape[1] for level in batch.levels]
        masks = channel_masks(count, max(widths), drop).to(batch.levels[0])
        return [
            self._maps(
                batch, [level * mask[: level.shape[1], None, None] for level in batch.levels]
            )
            for mask in masks
        ]

    @torch.inference_mode()
    def features(self, frames: Sequence[Frame], layer: Literal["last", "deep"]) -> Tensor:
        """The finest or the coarsest level that classes are told from: `B x D x h x w`, without the padding."""
        batch = self._batch(frames)
        index = 0 if layer == "last" else -1
        level, extent = batch.levels[index], self._head.extents(batch)[index]
        rows, columns = (
            min(length, -(-side * length // int(span)))
            for side, length, span in zip(batch.size, level.shape[2:], extent.span, strict=True)
        )
        return level[:, :, :rows, :columns]

    @torch.inference_mode()
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The boxes that the model's own call finds, in pixels of the stored frame, surest first.

        Each comes with the probability of every label at its place (the background's is 0), and of a Faster R-CNN with the
        proposal that it was refined from.

        Args:
            frames: B frames of one size.
        """
        batch = self._batch(frames)
        return [
            as_detections(found, frame, batch.size)
            for found, frame in zip(self._head.boxes(batch), frames, strict=True)
        ]

    def _batch(self, frames: Sequence[Frame]) -> Batch:
        return prepare(self.model, [frame.image for frame in frames], self.device)

    def _maps(self, batch: Batch, levels: Sequence[Tensor]) -> ClassMaps:
        extents = self._head.extents(batch)
        return ClassMaps(
            tuple(self._head.maps(batch, levels)),
            *batch.size,
            MapKind.LOGITS,
            self._head.activation,
            tuple(extent.span for extent in extents),
            tuple(extent.origin for extent in extents),
        )


def _head(model: Model) -> Head:
    heads: tuple[tuple[type, Callable[[Model], Head]], ...] = (
        (RetinaNet, RetinaNetHead),
        (FCOS, FcosHead),
        (SSD, SsdHead),
        (FasterRCNN, FasterRcnnHead),
    )
    for kind, head in heads:
        if isinstance(model, kind):
            return head(model)
    known = ", ".join(kind.__name__ for kind, _ in heads)
    raise CapabilityError(f"{type(model).__name__}: its class maps are not known; use {known}")


def load_detector(form: str, device: str = "cpu") -> TorchvisionDetector:
    """The detector that `NAME` or `NAME@FILE` stands for.

    Raises:
        DataError: As `thrifty.detectors.torchvision.weights.load_published` and `load_file`.
    """
    name, at, file = form.partition("@")
    model = load_file(name, Path(file)) if at else load_published(name)
    return TorchvisionDetector(model, device)
