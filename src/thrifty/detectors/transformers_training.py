"""How detectors of transformers learn: by their own losses, from the weights that are there."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thrifty.config import DetectorSection
from thrifty.detectors.transformers import TransformersDetector, load_model
from thrifty.errors import DataError
from thrifty.types import Annotations, Need


class TrainableTransformers:
    """A detector of transformers, as `thrifty.detectors.trainable.Trainable`.

    The weights that are there are begun from; what depends on the number of classes starts afresh where that differs. Regions
    to ignore are left to the background: the losses know none.

    Args:
        settings: Model and classes.

    Raises:
        CapabilityError: `transformers` is not installed.
        DataError: The folder is incomplete, or holds weights that only code could load.
    """

    takes_whole = False

    def __init__(self, settings: DetectorSection) -> None:
        self._settings = settings
        self._name = str(settings.model).partition(":")[2]
        names = settings.classes or ("object",)
        # What does not fit starts afresh, and that shall be the training's own chance, not this moment's.
        with torch.random.fork_rng():
            self._begin, self._processor = load_model(self._name, names)
        self._fresh = _fresh_parts(self._name, self._begin, names)
        self.gives = self._detector(self._begin, 0.5, "cpu").gives | {Need.TRAINING}

    def network(self) -> nn.Module:
        """What there is to begin from; what depends on the recipe's classes is drawn anew."""
        network: Any = copy.deepcopy(self._begin)
        for name, parameter in network.named_parameters():
            if name in self._fresh and parameter.dim() > 1:
                nn.init.normal_(parameter, 0.0, 0.02)
        return network.requires_grad_(requires_grad=True)  # type: ignore[no-any-return]

    def train(self, network: nn.Module) -> None:
        """All but normalisation that comes with statistics: a few pictures a step tell none."""
        network.train()
        for part in network.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()

    def loss(
        self,
        network: nn.Module,
        images: Tensor,
        drawn: Sequence[Annotations],
        rng: np.random.Generator,  # noqa: ARG002 - the model draws by torch's own chance
    ) -> Tensor:
        """The model's loss: its matching, classes, boxes, and what its kind adds to them."""
        pictures = list(images.permute(0, 2, 3, 1).cpu().numpy())
        inputs = self._processor(
            images=pictures, return_tensors="pt", input_data_format="channels_last"
        )
        shape = (images.shape[2], images.shape[3])
        labels = [
            {name: values.to(images.device) for name, values in self._target(one, shape).items()}
            for one in drawn
        ]
        told = {name: values.to(images.device) for name, values in inputs.items()}
        return torch.as_tensor(network(**told, labels=labels).loss)

    def detector(
        self, weights: Mapping[str, Tensor], threshold: float, device: str
    ) -> TransformersDetector:
        """Raises `DataError` where the weights do not fit."""
        network = copy.deepcopy(self._begin)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise DataError(
                f"these weights do not fit {self._settings.model} with {self._settings.class_count} classes; use the recipe "
                "they were trained with"
            ) from error
        return self._detector(network, threshold, device)

    def _detector(self, network: nn.Module, threshold: float, device: str) -> TransformersDetector:
        return TransformersDetector.of(
            network, self._processor, self._name, device=device, threshold=threshold
        )

    def _target(self, drawn: Annotations, shape: tuple[int, int]) -> dict[str, Tensor]:
        """Classes, and boxes as centre and sides in shares of the picture."""
        height, width = shape
        boxes = drawn.objects
        kinds = drawn.classes[~drawn.ignore] if self._settings.class_count > 1 else 0
        whole = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        shares = np.concatenate([centres, sides], axis=1) / np.array([width, height] * 2)
        return {
            "class_labels": torch.as_tensor(
                np.broadcast_to(kinds, len(boxes))[whole].copy(), dtype=torch.int64
            ),
            "boxes": torch.as_tensor(shares[whole], dtype=torch.float32),
        }


def _fresh_parts(name: str, begin: nn.Module, classes: Sequence[str]) -> frozenset[str]:
    """Names of the parameters that the weights which are there do not fill, for the number of classes differs."""
    own, _ = load_model(name)
    if own.config.num_labels == len(classes):
        return frozenset()
    shapes = {key: value.shape for key, value in own.named_parameters()}
    return frozenset(
        key for key, value in begin.named_parameters() if shapes.get(key) != value.shape
    )
