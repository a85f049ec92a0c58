"""How the paper's network learns: targets, N2P sampling and the loss of equation 7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor, nn

from thrifty.config import DetectorSection
from thrifty.detectors.loss import detection_loss
from thrifty.detectors.network import normalise
from thrifty.detectors.paper import PaperDetector, check_size, make_network
from thrifty.detectors.targets import default_boxes, make_targets, sample
from thrifty.types import Annotations, Need


class TrainablePaper:
    """The paper's network, as `thrifty.detectors.trainable.Trainable`.

    Args:
        settings: Preset, width, boxes, classes.
        negatives: Negatives drawn per positive (N2P).
    """

    gives: frozenset[Need] = PaperDetector.gives

    def __init__(self, settings: DetectorSection, negatives: float) -> None:
        self._settings, self._negatives = settings, negatives
        self._sizes = default_boxes(settings)

    def network(self) -> nn.Module:
        """Fresh weights."""
        return make_network(self._settings)

    def train(self, network: nn.Module) -> None:
        """Dropout on."""
        network.train()

    def loss(
        self,
        network: nn.Module,
        images: Tensor,
        drawn: Sequence[Annotations],
        rng: np.random.Generator,
    ) -> Tensor:
        """Equation 7 without its last term, which the optimiser applies as weight decay."""
        height, width = images.shape[-2:]
        check_size(height, width)
        settings = self._settings
        targets = [
            make_targets(settings.preset, one, self._sizes, (height, width), settings.class_count)
            for one in drawn
        ]
        wanted, weights = sample(targets, self._negatives, rng)
        logits = network(normalise(images.contiguous()))
        return detection_loss(logits, wanted.to(images.device), weights.to(images.device))

    def detector(
        self, weights: Mapping[str, Tensor], threshold: float, device: str
    ) -> PaperDetector:
        """Raises `DataError` where the weights do not fit."""
        return PaperDetector(self._settings, weights, threshold, device)
