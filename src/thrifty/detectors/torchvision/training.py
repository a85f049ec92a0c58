"""How detectors of torchvision learn: by their own losses, from fresh weights, a file's or the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import get_model

from thrifty.config import DetectorSection
from thrifty.detectors.torchvision.detector import TorchvisionDetector
from thrifty.detectors.torchvision.network import Batch
from thrifty.detectors.torchvision.weights import check_name, load_published, read_weights
from thrifty.errors import DataError
from thrifty.maps import Activation, ClassMaps
from thrifty.types import Annotations, Detections, Frame, Need

PUBLISHED = "published"
"""Weights to begin from: those that torchvision fetches."""


class TrainableTorchvision:
    """A detector of torchvision, as `thrifty.detectors.trainable.Trainable`.

    Weights to begin from may be for other classes: what depends on their number starts afresh. Their normalisation keeps the
    statistics that it has, since a few pictures a step tell none; of a network that starts afresh it learns them.

    Args:
        settings: Model, sides, weights, classes.

    Raises:
        DataError: There is no such model, or the weights are not of it.
    """

    takes_whole = False

    def __init__(self, settings: DetectorSection) -> None:
        self._settings = settings
        self._name = str(settings.model).partition(":")[2]
        check_name(self._name)
        if settings.sides is not None and self._name.startswith("ssd"):
            raise DataError(
                f"detector.sides: {settings.model} resizes pictures to a size of its own; leave 'sides' out"
            )
        proposals = {Need.PROPOSALS} if self._name.startswith("fasterrcnn") else set()
        self.gives = frozenset(Need) - {Need.PROPOSALS} | proposals
        self._pretrained = self._begin()

    def network(self) -> nn.Module:
        """Weights to begin from where the recipe names some; the rest fresh."""
        network = self._fresh()
        network.load_state_dict(self._pretrained, strict=False)
        return network

    def train(self, network: nn.Module) -> None:
        """All but normalisation that comes with statistics."""
        network.train()
        if self._pretrained:
            for part in network.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()

    def loss(
        self,
        network: nn.Module,
        images: Tensor,
        drawn: Sequence[Annotations],
        rng: np.random.Generator,  # noqa: ARG002 - torchvision draws by torch's own chance
    ) -> Tensor:
        """The sum of the model's losses; it knows no regions to ignore, so they are left to the background."""
        targets = [self._target(one, images.device) for one in drawn]
        losses: dict[str, Tensor] = network(list(images.float() / 255), targets)
        return torch.stack(list(losses.values())).sum()

    def detector(
        self, weights: Mapping[str, Tensor], threshold: float, device: str
    ) -> TorchvisionDetector:
        """Raises `DataError` where the weights do not fit."""
        network: Any = self._fresh()
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise DataError(
                f"these weights do not fit {self._settings.model} with {self._settings.class_count} classes; use the recipe "
                "they were trained with"
            ) from error
        # A Faster R-CNN keeps it with its second stage.
        judge: Any = getattr(network, "roi_heads", network)
        judge.score_thresh = threshold
        return FinetunedDetector(network, device)

    def _fresh(self) -> nn.Module:
        sizes: dict[str, object] = {}
        if self._settings.sides is not None:
            shorter, longer = self._settings.sides
            sizes = {"min_size": shorter, "max_size": longer}
        # One more: the background.
        count = self._settings.class_count + 1
        network = get_model(
            self._name, weights=None, weights_backbone=None, num_classes=count, **sizes
        )
        return cast(nn.Module, network)

    def _begin(self) -> dict[str, Tensor]:
        """Of the weights to begin from those that fit."""
        source = self._settings.weights
        if source is None:
            return {}
        if source == PUBLISHED:
            found = dict(load_published(self._name).state_dict())
        else:
            found = read_weights(Path(source))
        with torch.random.fork_rng():
            own = self._fresh().state_dict()
        fitting = {
            name: tensor
            for name, tensor in found.items()
            if name in own and own[name].shape == tensor.shape
        }
        if not any(name.startswith("backbone.") for name in fitting):
            raise DataError(
                f"{source}: these are no weights of {self._settings.model}; name the model that they are of"
            )
        return fitting

    def _target(self, drawn: Annotations, device: torch.device) -> dict[str, Tensor]:
        boxes = drawn.objects
        kinds = drawn.classes[~drawn.ignore] if self._settings.class_count > 1 else 0
        labels = np.broadcast_to(kinds, len(boxes)) + 1
        whole = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return {
            "boxes": torch.as_tensor(boxes[whole], dtype=torch.float32, device=device),
            "labels": torch.as_tensor(labels[whole], dtype=torch.int64, device=device),
        }


class FinetunedDetector(TorchvisionDetector):
    """One whose classes are those of a recipe: without torchvision's label 0, the background, which no box has."""

    def _maps(self, batch: Batch, levels: Sequence[Tensor]) -> ClassMaps:
        maps = super()._maps(batch, levels)
        # A softmax needs its background, and region proposals have one channel, that of anything at all.
        if maps.activation is Activation.SOFTMAX or maps.levels[0].shape[1] == 1:
            return maps
        return replace(maps, levels=tuple(level[:, 1:] for level in maps.levels))

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """As `TorchvisionDetector`, by the recipe's classes."""
        return [
            Detections(
                found.boxes,
                found.scores,
                found.classes - 1,
                None if found.probabilities is None else found.probabilities[:, 1:],
                found.proposals,
            )
            for found in map(_of_objects, super().detect(frames))
        ]


def _of_objects(found: Detections) -> Detections:
    """All but the boxes of label 0, the background's, which a head that has learned little may be sure of."""
    return found.take(found.classes > 0)
