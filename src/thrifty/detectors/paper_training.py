"""How the paper's network learns: targets, N2P sampling and the loss of equation 7."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thrifty.config import DetectorSection, TrainingSection
from thrifty.detectors import lite
from thrifty.detectors.loss import detection_loss
from thrifty.detectors.paper import PaperDetector, check_size, make_network
from thrifty.detectors.targets import Asked, default_boxes, make_targets, rivals_of, sample
from thrifty.types import Annotations, Need


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A batch as the loss sees it.

    Attributes:
        seen: What the network is shown.
        asked: What it should say.
    """

    seen: tuple[Tensor, ...]
    asked: Asked

    def of(self, first: int, last: int) -> Lesson:
        """Some images of the batch, from one up to before another."""
        return Lesson(tuple(tensor[first:last] for tensor in self.seen), self.asked.of(first, last))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that it consists of."""
        return *self.seen, self.asked.places, self.asked.wanted, self.asked.weights


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A batch of which everything is decided, but nothing lies on a device yet.

    Attributes:
        shown: Brings there what the network is shown.
        asked: What it should say, in main memory.
    """

    shown: Callable[[torch.device], tuple[Tensor, ...]]
    asked: Asked

    def on(self, device: torch.device) -> Lesson:
        """The batch there."""
        return Lesson(self.shown(device), self.asked.to(device))


class TrainablePaper:
    """The paper's network, as `thrifty.detectors.trainable.Trainable`.

    Args:
        settings: Preset, width, boxes, classes.
        training: Negatives drawn per positive (N2P).
    """

    gives: frozenset[Need] = PaperDetector.gives
    takes_whole = False

    def __init__(self, settings: DetectorSection, training: TrainingSection) -> None:
        self._settings, self._training = settings, training
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
        images: Any,  # noqa: ANN401 - as of `Trainable.loss`
        drawn: Sequence[Annotations],
        rng: np.random.Generator,
    ) -> Tensor:
        """Equation 7 without its last term, which the optimiser applies as weight decay."""
        device = next(network.parameters()).device
        return self.loss_of(network, self.prepare(images, drawn, rng).on(device))

    def prepare(
        self,
        images: Any,  # noqa: ANN401 - as of `Trainable.loss`
        drawn: Sequence[Annotations],
        rng: np.random.Generator,
    ) -> Prepared:
        """The images, and what is asked of them."""
        height, width = images.shape[-2:]
        check_size(height, width)
        # Maps on a backbone cover whole cells.
        whole = (height, width) if self._settings.backbone is None else lite.span(height, width)
        labels = [ending(one, (height, width), whole) for one in drawn]
        asked = self._asked(labels, whole, rng)

        def shown(device: torch.device) -> tuple[Tensor, ...]:
            sent: Tensor = images.to(device)
            # A GPU wants the channels of a pixel side by side, as pictures have them; our network on a CPU does not.
            return (sent if device.type == "cuda" else sent.contiguous(),)

        return Prepared(shown, asked)

    def loss_of(self, network: nn.Module, lesson: Lesson) -> Tensor:
        """As `loss`."""
        return detection_loss(network(*lesson.seen), lesson.asked)

    def _asked(
        self, drawn: Sequence[Annotations], size: tuple[int, int], rng: np.random.Generator
    ) -> Asked:
        settings = self._settings
        targets = [
            make_targets(rivals_of(settings), one, self._sizes, size, settings.class_count)
            for one in drawn
        ]
        return sample(targets, self._training.negatives, rng)

    def detector(
        self, weights: Mapping[str, Tensor], threshold: float, device: str
    ) -> PaperDetector:
        """Raises `DataError` where the weights do not fit."""
        return PaperDetector(self._settings, weights, threshold, device)


def ending(drawn: Annotations, sides: tuple[int, int], whole: tuple[int, int]) -> Annotations:
    """Labels of a picture that is continued below and to the right, where nothing is to be asked.

    Args:
        drawn: In pixels of the picture.
        sides: Its height and width.
        whole: Those of what it is continued to.
    """
    (height, width), (rows, columns) = sides, whole
    beyond = np.array([[0, height, columns, rows], [width, 0, columns, rows]], np.float64)
    beyond = beyond[[rows > height, columns > width]]
    return Annotations(
        np.concatenate([drawn.boxes, beyond]),
        np.concatenate([drawn.classes, np.zeros(len(beyond), np.int64)]),
        np.concatenate([drawn.ignore, np.ones(len(beyond), np.bool_)]),
    )
