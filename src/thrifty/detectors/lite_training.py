"""How the paper's heads learn on a frozen backbone: from windows of features, whose pictures went through the backbone once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thrifty.config import DetectorSection, TrainingSection
from thrifty.data.augmentation import inside_window, place_window
from thrifty.detectors import lite
from thrifty.detectors.loss import detection_loss
from thrifty.detectors.network import LiteNetwork
from thrifty.detectors.paper_training import Lesson, Prepared, TrainablePaper, ending
from thrifty.types import Annotations


class TrainableLite(TrainablePaper):
    """The paper's heads on EfficientNet-Lite0 whose weights stay as they are.

    A window of features is what it is in the whole picture, context included, where a window of pixels would have to go through
    the backbone anew and would end in padding.

    Args:
        settings: As of `TrainablePaper`.
        training: N2P, size of the windows, share of them that lies around an object.

    Raises:
        CapabilityError: The ImageNet weights are not installed.
    """

    takes_whole = True

    def __init__(self, settings: DetectorSection, training: TrainingSection) -> None:
        super().__init__(settings, training)
        self._backbone = lite.remembering()

    def prepare(
        self,
        images: Any,  # noqa: ANN401 - as of `Trainable.loss`
        drawn: Sequence[Annotations],
        rng: np.random.Generator,
    ) -> Prepared:
        """Features in a window of each picture, and what is asked there."""
        cells = _window([image.shape[-2:] for image in images], self._training.crop)
        size = (cells[0] * lite.CELL, cells[1] * lite.CELL)
        keys = [lite.key_of(image) for image in images]
        corners, labels = [], []
        for image, one in zip(images, drawn, strict=True):
            corner, inside = self._placed(image.shape[-2:], one, size, rng)
            corners.append(corner)
            labels.append(inside)

        def shown(device: torch.device) -> tuple[Tensor, ...]:
            cut = [
                self._cut(image, key, corner, size, device)
                for image, key, corner in zip(images, keys, corners, strict=True)
            ]
            levels = zip(*cut, strict=True)
            return tuple(torch.stack([part.float() for part in level]) for level in levels)

        return Prepared(shown, self._asked(labels, size, rng))

    def loss_of(self, network: nn.Module, lesson: Lesson) -> Tensor:
        """Equation 7 without its last term, of a window of each picture."""
        if not isinstance(network, LiteNetwork):
            raise TypeError(f"{type(network).__name__} is no network of this kind")
        return detection_loss(network.heads(lesson.seen), lesson.asked)

    def _placed(
        self,
        sides: tuple[int, int],
        drawn: Annotations,
        size: tuple[int, int],
        rng: np.random.Generator,
    ) -> tuple[tuple[int, int], Annotations]:
        """Where a window lies, and what is drawn there; beyond the picture's end nothing is asked."""
        height, width = sides
        whole = lite.span(height, width)
        corner = place_window(
            whole, drawn, size, self._training.crop_around_objects, rng, lite.CELL
        )
        return corner, inside_window(ending(drawn, sides, whole), corner, size)

    def _cut(
        self,
        image: Tensor,
        key: bytes,
        corner: tuple[int, int],
        size: tuple[int, int],
        device: torch.device,
    ) -> list[Tensor]:
        (top, left), (rows, columns) = corner, size
        return [
            level[:, top // s : (top + rows) // s, left // s : (left + columns) // s]
            for level, s in zip(self._backbone.of(image, device, key), lite.STRIDES, strict=True)
        ]


def _window(shapes: Sequence[torch.Size], wanted: tuple[int, int] | None) -> tuple[int, int]:
    """Rows and columns of cells that a window of every picture of a batch has; never more than the smallest picture."""
    height, width = min(shape[0] for shape in shapes), min(shape[1] for shape in shapes)
    if wanted is not None:
        height, width = min(height, wanted[0]), min(width, wanted[1])
    return -(-height // lite.CELL), -(-width // lite.CELL)
