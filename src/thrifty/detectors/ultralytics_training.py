"""How detection models of Ultralytics learn: by their own losses, from a checkpoint or from a description of theirs."""

from __future__ import annotations

import copy
import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thrifty.config import DetectorSection
from thrifty.detectors.ultralytics import (
    SIDE,
    UltralyticsDetector,
    check_head,
    fitted,
    letterboxed,
    load_model,
    need_ultralytics,
)
from thrifty.errors import DataError
from thrifty.types import Annotations, Need

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class TrainableUltralytics:
    """A detection model of Ultralytics, as `thrifty.detectors.trainable.Trainable`.

    A checkpoint is begun from; its last convolutions of the classes start afresh where it tells other classes apart. A name of
    Ultralytics' own descriptions begins with fresh weights. Regions to ignore are left to the background: the losses know none.

    Args:
        settings: Model, sides (the longer one is the input's), classes.

    Raises:
        CapabilityError: Ultralytics is not installed, or the model does something else than to detect.
        DataError: There is no such checkpoint or description.
    """

    gives = UltralyticsDetector.gives | {Need.TRAINING}
    takes_whole = False

    def __init__(self, settings: DetectorSection) -> None:
        self._settings = settings
        name = str(settings.model).partition(":")[2]
        need_ultralytics()
        self._description: str | None = None
        self._begin: nn.Module | None = None
        self._side = SIDE
        if name.endswith(".pt"):
            self._begin, self._side = load_model(Path(name))
            check_head(self._begin)
            self._begin.float()
        else:
            self._description = _described(name)
        if settings.sides is not None:
            self._side = settings.sides[1]

    def network(self) -> nn.Module:
        """What there is to begin from, with the recipe's classes; fresh in it is what depends on them."""
        classes = self._settings.class_count
        if self._begin is None:
            tasks: Any = importlib.import_module("ultralytics.nn.tasks")
            network: Any = tasks.DetectionModel(self._description, nc=classes, verbose=False)
        else:
            network = copy.deepcopy(self._begin)
            _retarget(network, classes)
        network.args = importlib.import_module("ultralytics.utils").DEFAULT_CFG
        network.criterion = None
        return network.requires_grad_(requires_grad=True)  # type: ignore[no-any-return]

    def train(self, network: nn.Module) -> None:
        """All but the normalisation of a checkpoint, which keeps its statistics: a few pictures a step tell none."""
        network.train()
        if self._begin is not None:
            for part in network.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()

    def loss(
        self,
        network: nn.Module,
        images: Tensor,
        drawn: Sequence[Annotations],
        rng: np.random.Generator,  # noqa: ARG002 - nothing is drawn
    ) -> Tensor:
        """The sum of the model's losses of boxes, classes and their distribution, per image."""
        model: Any = network
        stride = int(model.stride.max())
        content, size = fitted(images.shape[2:], self._side, stride)
        pictures = list(images.permute(0, 2, 3, 1).cpu().numpy())
        pixels = letterboxed(pictures, content, size, str(images.device))
        shape = (images.shape[2], images.shape[3])
        batch = {"img": pixels} | self._targets(drawn, shape, content, size)
        batch = {name: values.to(images.device) for name, values in batch.items()}
        losses, _ = model.loss(batch)
        return torch.as_tensor(losses).sum() / len(drawn)

    def detector(
        self, weights: Mapping[str, Tensor], threshold: float, device: str
    ) -> UltralyticsDetector:
        """Raises `DataError` where the weights do not fit."""
        with torch.random.fork_rng():
            network = self.network()
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise DataError(
                f"these weights do not fit {self._settings.model} with {self._settings.class_count} classes; use the recipe "
                "they were trained with"
            ) from error
        return UltralyticsDetector(network, device, self._side, threshold)

    def _targets(
        self,
        drawn: Sequence[Annotations],
        shape: tuple[int, int],
        content: tuple[int, int],
        size: tuple[int, int],
    ) -> dict[str, Tensor]:
        """Objects of all pictures: which picture, which class, centre and sides in shares of the input."""
        height, width = (
            inner / outer / full for inner, outer, full in zip(content, shape, size, strict=True)
        )
        rows: list[tuple[float, ...]] = []
        for number, one in enumerate(drawn):
            kinds = one.classes[~one.ignore].tolist()
            for (left, top, right, bottom), kind in zip(one.objects.tolist(), kinds, strict=True):
                if right > left and bottom > top:
                    middle = ((left + right) / 2 * width, (top + bottom) / 2 * height)
                    sides = ((right - left) * width, (bottom - top) * height)
                    told = kind if self._settings.class_count > 1 else 0
                    rows.append((number, told, *middle, *sides))
        table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
        return {"batch_idx": table[:, 0], "cls": table[:, 1:2], "bboxes": table[:, 2:]}


def _described(name: str) -> str:
    """The name of a description that comes with the package: nothing is looked for elsewhere, let alone fetched."""
    stem = name.removesuffix(".yaml")
    package = Path(str(importlib.import_module("ultralytics").__file__)).parent
    # The size is a letter at the end, which no file's name has.
    known = {path.stem for path in (package / "cfg" / "models").rglob("yolo*.yaml")}
    plain = re.sub(r"(?<=\d)[nstmblx]$|(?<=\d)[nstmblx](?=-)", "", stem)
    if not _NAME.fullmatch(stem) or not {stem, plain} & known:
        raise DataError(
            f"yolo:{name}: neither a checkpoint (.pt) nor a model that Ultralytics describes, such as yolo11n; correct it"
        )
    return f"{stem}.yaml"


def _retarget(model: nn.Module, classes: int) -> None:
    """Give a head other classes: their last convolutions start afresh."""
    layers: Any = model
    head = layers.model[-1]
    if head.nc == classes:
        return
    branches = [head.cv3, *([head.one2one_cv3] if hasattr(head, "one2one_cv3") else [])]
    for branch in branches:
        for part in branch:
            part[-1] = nn.Conv2d(part[-1].in_channels, classes, 1)
    head.nc, head.no = classes, classes + 4 * head.reg_max
    boxes = [head.cv2, *([head.one2one_cv2] if hasattr(head, "one2one_cv2") else [])]
    learned = [part[-1].bias.detach().clone() for branch in boxes for part in branch]
    # This sets the biases of the boxes too, which were learned whatever the classes are.
    head.bias_init()
    with torch.no_grad():
        for part, bias in zip((part for branch in boxes for part in branch), learned, strict=True):
            part[-1].bias.copy_(bias)
