"""Detectors of Ultralytics: YOLO from version 3 to 26, as its training writes them.

The classes of a place are told by the last convolutions of the head, one level for each stride. Models with two heads
(10 and 26) answer with the one that was trained to say each object once.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor, nn
from torch.nn import functional as F

from thrifty import boxes as geometry
from thrifty.detectors.checkpoints import read_checkpoint
from thrifty.detectors.dropout import channel_masks
from thrifty.errors import CapabilityError, DataError
from thrifty.maps import ClassMaps
from thrifty.types import Detections, Frame, Image, Need

SIDE = 640
"""The longer side of the input where a checkpoint does not say otherwise, pixels."""
THRESHOLD, OVERLAP, MOST = 0.05, 0.7, 300
_LONGEST = 8192
_FILL = 114.0
_HEADS = frozenset({"Detect", "v10Detect"})

_LAYERS = ("ultralytics.nn", "torch.nn")
_IGNORED = frozenset(
    {
        "types.SimpleNamespace",
        "ultralytics.utils.IterableSimpleNamespace",
        "ultralytics.utils.loss.",
        "ultralytics.utils.tal.",
    }
)
"""Settings and losses of training, which a checkpoint of an unfinished one holds."""
_ADVICE = "give a detection model as Ultralytics' training writes it (best.pt)"


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """What the head is given.

    Attributes:
        levels: `B x D x h x w` each, finest first.
        content: Rows and columns of the input that hold the picture.
        size: Rows and columns of the input.
    """

    levels: tuple[Tensor, ...]
    content: tuple[int, int]
    size: tuple[int, int]


class UltralyticsDetector:
    """A detection model of Ultralytics, with its preprocessing: the longer side fitted to `side`, the rest filled with grey.

    The picture lies at the upper left, and what is filled up right and below. A value of a level speaks for a cell of its
    stride's size, as the model's own boxes do.

    Args:
        model: An `ultralytics.nn.tasks.DetectionModel`; it is taken apart and of no other use then.
        device: Where it runs.
        side: Longer side of the input, pixels; the next multiple of the coarsest stride is taken.
        threshold: Boxes with a lower score are left out.

    Attributes:
        device: The same.
        side: Longer side of the input, pixels.

    Raises:
        CapabilityError: The model does something else than to detect.
    """

    gives = frozenset({Need.CLASS_MAPS, Need.BOXES, Need.PASSES, Need.FEATURES})

    def __init__(
        self,
        model: nn.Module,
        device: str = "cpu",
        side: int = SIDE,
        threshold: float = THRESHOLD,
    ) -> None:
        check_head(model)
        layers: Any = model.model
        self._body: Any = model.float().eval().to(device)
        self._head: Any = layers[-1]
        layers[-1] = _given_to(self._head)
        self._stride = int(self._head.stride.max())
        # Versions of Ultralytics differ in which of two heads they ask unless told.
        self._once = getattr(self._head, "one2one_cv3", None) is not None
        if self._once:
            self._head.end2end = True
            # The model's own choice of the best forgets all classes but one.
            self._head.postprocess = _as_it_is
        self._branches: Any = self._head.one2one_cv3 if self._once else self._head.cv3
        self._threshold = threshold
        self.device = device
        self.side = -(-side // self._stride) * self._stride

    @torch.inference_mode()
    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        """Logits of every class, a level for each stride, in the pixels of the model's input.

        Args:
            frames: B frames of one size.
        """
        batch = self._batch(frames)
        return self._maps(batch, self._hidden(batch))

    @torch.inference_mode()
    def passes(self, frames: Sequence[Frame], count: int, drop: float) -> list[ClassMaps]:
        """Class maps with channels dropped before the last convolution of each level; all below runs once.

        Args:
            frames: B frames of one size.
            count: P.
            drop: Share of the channels dropped; the others are scaled up.
        """
        batch = self._batch(frames)
        hidden = self._hidden(batch)
        masks = channel_masks(count, max(level.shape[1] for level in hidden), drop)
        return [
            self._maps(batch, [level * mask[: level.shape[1], None, None] for level in hidden])
            for mask in masks.to(hidden[0])
        ]

    @torch.inference_mode()
    def features(self, frames: Sequence[Frame], layer: Literal["last", "deep"]) -> Tensor:
        """The finest (`last`) or coarsest (`deep`) level that the head is given: `B x D x h x w`, without the padding.

        Args:
            frames: B frames of one size.
            layer: Which level.
        """
        batch = self._batch(frames)
        level = batch.levels[0 if layer == "last" else -1]
        rows, columns = (
            -(-side * length // full)
            for side, length, full in zip(batch.content, level.shape[2:], batch.size, strict=True)
        )
        return level[:, :, :rows, :columns]

    @torch.inference_mode()
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes as the model decodes them, in pixels of the stored frame, surest first, with all classes' probabilities.

        A place gives one box at most, of its surest class; of a model with one head, boxes that overlap a surer one of
        their class are left out.

        Args:
            frames: B frames of one size.
        """
        batch = self._batch(frames)
        decoded = self._head(list(batch.levels))
        decoded = decoded[0] if isinstance(decoded, tuple) else decoded
        rows = decoded if self._once else decoded.transpose(1, 2)
        return [
            self._found(one, frame, batch.content) for one, frame in zip(rows, frames, strict=True)
        ]

    def _batch(self, frames: Sequence[Frame]) -> _Batch:
        content, size = fitted(frames[0].image.shape[:2], self.side, self._stride)
        pixels = letterboxed([frame.image for frame in frames], content, size, self.device)
        return _Batch(tuple(self._body(pixels)), content, size)

    def _hidden(self, batch: _Batch) -> list[Tensor]:
        """What the classes of each level are computed from."""
        return [
            branch[:-1](level) for branch, level in zip(self._branches, batch.levels, strict=True)
        ]

    def _maps(self, batch: _Batch, hidden: Sequence[Tensor]) -> ClassMaps:
        levels = tuple(
            branch[-1](level) for branch, level in zip(self._branches, hidden, strict=True)
        )
        span = (float(batch.size[0]), float(batch.size[1]))
        return ClassMaps(levels, *batch.content, spans=(span,) * len(levels))

    def _found(self, rows: Tensor, frame: Frame, content: tuple[int, int]) -> Detections:
        """Boxes among `A x (4 + C)`: four numbers in pixels of the input, and the probability of each class."""
        rows = rows[rows[:, 4:].amax(dim=1) >= self._threshold].double().cpu()
        boxes, told = rows[:, :4].numpy(), rows[:, 4:].numpy()
        if not self._once:
            boxes = geometry.centred(boxes[:, :2], boxes[:, 2:])
        scores, kinds = told.max(axis=1, initial=0.0), told.argmax(axis=1)
        if self._once:
            kept = np.argsort(-scores, kind="stable")
        else:
            kept = geometry.suppressed(boxes, scores, kinds, OVERLAP)
        height, width = frame.image.shape[:2]
        ratio = np.array([width / content[1], height / content[0]] * 2)
        boxes = np.clip(boxes * ratio, 0, [width, height] * 2)
        # What was found in the padding alone has no area in the picture.
        kept = kept[geometry.area(boxes[kept]) > 0][:MOST]
        return Detections(boxes[kept] / frame.scale, scores[kept], kinds[kept], told[kept])


def fitted(
    shape: tuple[int, ...], side: int, stride: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns that a picture of some shape gets, and those of the input that holds it in whole strides."""
    height, width = shape
    ratio = side / max(height, width)
    content = (max(1, round(height * ratio)), max(1, round(width * ratio)))
    return content, (-(-content[0] // stride) * stride, -(-content[1] // stride) * stride)


def letterboxed(
    images: Sequence[Image], content: tuple[int, int], size: tuple[int, int], device: str = "cpu"
) -> Tensor:
    """Pictures as Ultralytics resizes them, at the upper left of a grey input.

    Args:
        images: B pictures of one size.
        content: Rows and columns that the picture gets.
        size: Rows and columns of the input.
        device: Where it is done.

    Returns:
        `B x 3 x H x W` float32 in [0, 1], RGB.
    """
    pixels = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float()
    if pixels.shape[2:] != content:
        # Without smoothing beforehand and in whole grey levels, as OpenCV does.
        pixels = F.interpolate(pixels, content, mode="bilinear", align_corners=False).round_()
    rest = (0, size[1] - content[1], 0, size[0] - content[0])
    return F.pad(pixels, rest, value=_FILL) / 255


def check_head(model: nn.Module) -> None:
    """Refuse a model that does something else than to detect.

    Raises:
        CapabilityError: It does.
    """
    layers: Any = getattr(model, "model", None)
    kind = type(layers[-1]).__name__ if isinstance(layers, nn.Sequential) and len(layers) else ""
    if kind not in _HEADS:
        raise CapabilityError(
            f"{type(model).__name__}{f' with {kind}' if kind else ''}: is no detection model of Ultralytics; use one"
        )


def _given_to(head: nn.Module) -> nn.Module:
    """A layer in place of the head that passes on what the head would be given."""
    layer: Any = nn.Identity()
    for name in ("f", "i", "type"):
        setattr(layer, name, getattr(head, name, ""))
    return layer  # type: ignore[no-any-return]


def _as_it_is(rows: Tensor, *_given: object) -> Tensor:
    return rows


def load_detector(path: Path, device: str = "cpu") -> UltralyticsDetector:
    """The detector of a checkpoint; raises as `load_model`.

    Args:
        path: `.pt`, as Ultralytics' training writes it.
        device: `cpu` or `cuda`.
    """
    model, side = load_model(path)
    return UltralyticsDetector(model, device, side)


def load_model(path: Path) -> tuple[nn.Module, int]:
    """The model of a checkpoint, with its averaged weights (`ema`) if it has them; nothing that the file brings is run.

    Args:
        path: `.pt`, as Ultralytics' training writes it.

    Returns:
        The model, and the size of the pictures that it was trained with, pixels.

    Raises:
        CapabilityError: Ultralytics is not installed.
        DataError: The file is missing, damaged, holds no model, or wants to run something.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path after 'yolo:'")
    need_ultralytics()
    content = read_checkpoint(path, _LAYERS, _IGNORED, _ADVICE)
    fields: Mapping[Any, Any] = content if isinstance(content, Mapping) else {}
    model = fields.get("ema") or fields.get("model")
    if not isinstance(model, nn.Module):
        raise DataError(f"{path}: holds no model under 'ema' or 'model'; {_ADVICE}")
    return model, _side(path, fields.get("train_args"))


def _side(path: Path, args: object) -> int:
    """The size that a model was trained with, pixels."""
    told = args.get("imgsz", SIDE) if isinstance(args, Mapping) else SIDE
    side = max(told) if isinstance(told, list | tuple) and told else told
    if not isinstance(side, int) or not 1 <= side <= _LONGEST:
        raise DataError(
            f"{path}: was trained with pictures of {told!r} pixels ('imgsz' of 'train_args'); correct it to 1 to {_LONGEST}"
        )
    return side


def need_ultralytics() -> None:
    """Import the package. What it changes for everybody else in the process is undone.

    That is how numbers are printed, and how Pillow opens pictures: one that is damaged would be taken for a
    HEIF file, and a package for those installed in the middle of a pool.

    Raises:
        CapabilityError: It is not installed.
    """
    arrays, tensors = np.get_printoptions(), dict(vars(torch._tensor_str.PRINT_OPTS))
    open_picture = Pillow.open
    try:
        importlib.import_module("ultralytics.nn.tasks")
    except ImportError as error:
        raise CapabilityError(
            "detectors of Ultralytics need its package, whose licence is AGPL-3.0; install it with: "
            "pip install 'thrifty[ultralytics]'"
        ) from error
    finally:
        np.set_printoptions(**arrays)
        torch.set_printoptions(**tensors)  # type: ignore[no-untyped-call]
        Pillow.open = open_picture
