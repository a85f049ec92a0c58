"""Detectors that the loop trains: what it needs of one beyond what it asks of any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from thrifty.config import DetectorSection, TrainingSection
from thrifty.data.stills import content_hash
from thrifty.detectors import transformers
from thrifty.detectors.lite_training import TrainableLite
from thrifty.detectors.paper_training import Lesson, Prepared, TrainablePaper
from thrifty.detectors.protocol import Detector
from thrifty.detectors.torchvision import need_torchvision
from thrifty.detectors.transformers_training import TrainableTransformers
from thrifty.detectors.ultralytics_training import TrainableUltralytics
from thrifty.errors import DataError
from thrifty.types import Annotations, Need


class Trainable(Protocol):
    """A kind of detector with fresh weights, a loss, and a way from trained weights to a detector.

    Attributes:
        gives: What the detector can give.
        takes_whole: Whether its loss wants whole pictures, and cuts its windows itself.
    """

    gives: frozenset[Need]
    takes_whole: bool

    def network(self) -> nn.Module:
        """A network to begin from; torch's own chance decides what is fresh in it."""
        ...

    def train(self, network: nn.Module) -> None:
        """Put a network into training mode."""
        ...

    def loss(
        self,
        network: nn.Module,
        images: Any,  # noqa: ANN401 - a tensor, or a sequence of them, as `takes_whole` says
        drawn: Sequence[Annotations],
        rng: np.random.Generator,
    ) -> Tensor:
        """What is to be made small: a scalar.

        Args:
            network: In training mode.
            images: `B x 3 x H x W` uint8, on the network's device; where it takes whole pictures, B of `3 x H x W`, of any sizes.
            drawn: Labels in pixels of the images, the recipe's classes.
            rng: Draws negatives.
        """
        ...

    def detector(self, weights: Mapping[str, Tensor], threshold: float, device: str) -> Detector:
        """The detector with some weights; its classes are the recipe's.

        Args:
            weights: Of such a network.
            threshold: Detections below this score are left out.
            device: Where it runs.

        Raises:
            DataError: The weights do not fit.
        """
        ...


@runtime_checkable
class Staged(Trainable, Protocol):
    """A kind whose loss falls into what the host does and what is numbers on a device alone, which a GPU can repeat from a record."""

    def prepare(
        self,
        images: Any,  # noqa: ANN401 - as of `Trainable.loss`
        drawn: Sequence[Annotations],
        rng: np.random.Generator,
    ) -> Prepared:
        """All that asks for chance or for labels, and for no device; images lie in main memory."""
        ...

    def loss_of(self, network: nn.Module, lesson: Lesson) -> Tensor:
        """What is to be made small, from there."""
        ...


_USUAL = TrainingSection()


# Weights to begin from are read once, and not for every training anew.
@lru_cache(maxsize=1)
def trainable(settings: DetectorSection, training: TrainingSection = _USUAL) -> Trainable:
    """The kind of detector that a recipe names.

    Args:
        settings: Which, and how large.
        training: How it learns, where its loss asks.

    Raises:
        CapabilityError: What it needs is not installed.
        DataError: There is no such detector, or no such weights to begin from.
    """
    family = (settings.model or "").partition(":")[0]
    if family == "torchvision":
        need_torchvision()
        from thrifty.detectors.torchvision.training import (  # noqa: PLC0415 - an extra
            TrainableTorchvision,
        )

        return TrainableTorchvision(settings)
    if family == "yolo":
        return TrainableUltralytics(settings)
    if family == "hf":
        return TrainableTransformers(settings)
    if settings.backbone is not None and settings.freeze:
        return TrainableLite(settings, training)
    return TrainablePaper(settings, training)


def begins_from(settings: DetectorSection) -> str:
    """The files whose weights training begins from, by their content; empty where there are none, as of fresh weights.

    Raises:
        CapabilityError: As `trainable`.
        DataError: As `trainable`.
    """
    family, _, name = (settings.model or "").partition(":")
    if family == "hf":
        files = transformers.files(name)
    elif family == "yolo" and name.endswith(".pt"):
        files = [Path(name)]
    elif settings.weights not in {None, "published"}:
        files = [Path(str(settings.weights))]
    else:
        files = []
    try:
        return " ".join(content_hash(file) for file in files)
    except OSError as error:
        raise DataError(
            f"{error.filename}: cannot read the weights to begin from ({error.strerror}); put the file back"
        ) from error
