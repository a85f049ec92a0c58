"""Detectors of Hugging Face's transformers: RT-DETR and its successors, D-FINE, Deformable DETR, DETR and others.

| family | class maps | what a value says |
|---|---|---|
| RT-DETR, RT-DETR v2, D-FINE, DEIM v2 | from the encoder, a level for each stride | logit of each class, as the queries are picked by |
| Deformable DETR in two stages | likewise | logit of there being an object, which is all that the first stage learns |
| DETR, Deformable DETR in one stage, others | none: their encoders say nothing of classes | |

The encoder's places are cells of a grid that is stretched over the picture, edge to edge.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NoReturn

import numpy as np
import torch
from torch import Tensor

from thrifty import boxes as geometry
from thrifty.detectors.checked import full_names
from thrifty.detectors.dropout import channel_masks
from thrifty.errors import CapabilityError, DataError
from thrifty.maps import ClassMaps
from thrifty.types import Detections, Frame, Need

THRESHOLD = 0.05
"""Boxes with a lower score are left out."""

_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_CONFIG, _PROCESSOR, _WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class _Encoded:
    """What the encoder says of every place.

    Attributes:
        memory: `B x S x D`, what the classes are computed from, level after level.
        shapes: Rows and columns of each level.
        content: Rows and columns of the input that hold the picture.
        size: Rows and columns of the input.
    """

    memory: Tensor
    shapes: tuple[tuple[int, int], ...]
    content: tuple[int, int]
    size: tuple[int, int]

    def levels(self, values: Tensor) -> list[Tensor]:
        """`B x S x C` as `B x C x h x w` for each level."""
        cut = torch.split(values, [height * width for height, width in self.shapes], dim=1)
        return [
            part.transpose(1, 2).reshape(len(part), -1, *shape)
            for part, shape in zip(cut, self.shapes, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Encoder:
    """Where a model computes the classes of its places.

    Attributes:
        before: Its output is what the classes are computed from.
        head: From that to logits.
        decoder: Is told the shapes of the levels.
        classes: How many of the logits mean anything; all if `None`.
    """

    before: torch.nn.Module
    head: torch.nn.Module
    decoder: torch.nn.Module
    classes: int | None


class _EnoughError(Exception):
    """The encoder has said all that is asked."""


class TransformersDetector:
    """A detector that `transformers` loads, with its own preprocessing.

    Args:
        name: A folder with `config.json`, `preprocessor_config.json` and `model.safetensors`, or the name of such a
            repository, which is downloaded.
        device: `cpu` or `cuda`.

    Raises:
        CapabilityError: `transformers` is not installed.
        DataError: The folder is incomplete, or holds weights that only code could load.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        model, processor = load_model(name)
        self._set(model, processor, name, device, THRESHOLD)

    @classmethod
    def of(
        cls,
        model: Any,  # noqa: ANN401 - transformers' own
        processor: Any,  # noqa: ANN401 - likewise
        name: str,
        *,
        device: str = "cpu",
        threshold: float = THRESHOLD,
    ) -> TransformersDetector:
        """A model that is loaded already.

        Args:
            model: Of transformers.
            processor: Its preprocessing.
            name: What errors call it.
            device: `cpu` or `cuda`.
            threshold: Boxes with a lower score are left out.
        """
        detector = cls.__new__(cls)
        detector._set(model, processor, name, device, threshold)
        return detector

    def _set(
        self,
        model: Any,  # noqa: ANN401 - transformers' own
        processor: Any,  # noqa: ANN401 - likewise
        name: str,
        device: str,
        threshold: float,
    ) -> None:
        self.model, self._processor = model.eval().to(device), processor
        self._name, self._device, self._threshold = name, device, threshold
        self._encoder = _encoder_of(self.model)
        dense = {Need.CLASS_MAPS, Need.FEATURES, Need.PASSES}
        self.gives = frozenset({Need.BOXES} | (dense if self._encoder else set()))

    @torch.inference_mode()
    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        """Logits of every place of every level, in the pixels of the model's input.

        Args:
            frames: B frames of one size.

        Raises:
            CapabilityError: The model has no classes of places.
        """
        encoded = self._encode(frames)
        return self._maps(encoded, encoded.memory)

    @torch.inference_mode()
    def passes(self, frames: Sequence[Frame], count: int, drop: float) -> list[ClassMaps]:
        """Class maps with channels dropped just before the logits; the layers below run once.

        Args:
            frames: B frames of one size.
            count: P.
            drop: Share of the channels dropped; the others are scaled up.

        Raises:
            CapabilityError: As `class_maps`.
        """
        encoded = self._encode(frames)
        masks = channel_masks(count, encoded.memory.shape[-1], drop).to(encoded.memory)
        return [self._maps(encoded, encoded.memory * mask) for mask in masks]

    @torch.inference_mode()
    def features(self, frames: Sequence[Frame], layer: Literal["last", "deep"]) -> Tensor:
        """What the logits of the finest (`last`) or coarsest (`deep`) level are computed from: `B x D x h x w`.

        Raises:
            CapabilityError: As `class_maps`.
        """
        encoded = self._encode(frames)
        return encoded.levels(encoded.memory)[0 if layer == "last" else -1]

    @torch.inference_mode()
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """A box of each query that is sure enough, in pixels of the stored frame, surest first.

        Args:
            frames: B frames of one size.
        """
        outputs = self.model(**self._prepared(frames))
        logits = outputs.logits.double()
        # A class more than there are names is that of nothing at all.
        with_nothing = logits.shape[-1] == self.model.config.num_labels + 1
        told = logits.softmax(dim=-1)[..., :-1] if with_nothing else logits.sigmoid()
        return [
            _found(boxes, probabilities, frame, self._threshold)
            for boxes, probabilities, frame in zip(outputs.pred_boxes, told, frames, strict=True)
        ]

    def _prepared(self, frames: Sequence[Frame]) -> dict[str, Tensor]:
        images = [frame.image for frame in frames]
        batch = self._processor(
            images=images, return_tensors="pt", input_data_format="channels_last"
        )
        return {name: values.to(self._device) for name, values in batch.items()}

    def _encode(self, frames: Sequence[Frame]) -> _Encoded:
        """Run the model up to its decoder, which draws boxes and says nothing of places."""
        if self._encoder is None:
            raise CapabilityError(
                f"hf:{self._name}: a {self.model.config.model_type} of this kind has no classes of places, boxes alone"
            )
        inputs = self._prepared(frames)
        memory: list[Tensor] = []
        shapes: list[tuple[int, int]] = []

        def keep(_module: torch.nn.Module, _inputs: object, output: Tensor) -> None:
            memory.append(output)

        def stop(_module: torch.nn.Module, _inputs: object, told: dict[str, Any]) -> NoReturn:
            shapes.extend(
                (int(height), int(width)) for height, width in told["spatial_shapes_list"]
            )
            raise _EnoughError

        hooks = [
            self._encoder.before.register_forward_hook(keep),
            self._encoder.decoder.register_forward_pre_hook(stop, with_kwargs=True),
        ]
        try:
            self.model(**inputs)
        except _EnoughError:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        if not memory or not shapes:
            raise DataError(
                f"hf:{self._name}: this version of transformers does not say what its encoder thinks of "
                f"{full_names(frames)}; install another"
            )
        height, width = inputs["pixel_values"].shape[-2:]
        size = (height, width)
        return _Encoded(memory[-1], tuple(shapes), _content(inputs, size), size)

    def _maps(self, encoded: _Encoded, memory: Tensor) -> ClassMaps:
        assert self._encoder is not None  # noqa: S101 - `_encode` has seen to it
        logits = self._encoder.head(memory)[..., : self._encoder.classes]
        span = (float(encoded.size[0]), float(encoded.size[1]))
        return ClassMaps(
            tuple(encoded.levels(logits)), *encoded.content, spans=(span,) * len(encoded.shapes)
        )


def _encoder_of(model: Any) -> _Encoder | None:  # noqa: ANN401 - transformers' own
    """Where a model computes classes of places, if it does."""
    base: Any = getattr(model, "model", None)
    head = getattr(base, "enc_score_head", None)
    if isinstance(head, torch.nn.Module):
        return _Encoder(base.enc_output, head, base.decoder, None)
    if getattr(model.config, "two_stage", False) and hasattr(base, "enc_output_norm"):
        return _Encoder(base.enc_output_norm, base.decoder.class_embed[-1], base.decoder, 1)
    return None


def _content(inputs: dict[str, Tensor], size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the input that hold the picture; what is filled up lies right and below."""
    mask = inputs.get("pixel_mask")
    if mask is None:
        return size
    return int(mask[0].any(dim=1).sum()), int(mask[0].any(dim=0).sum())


def _found(boxes: Tensor, told: Tensor, frame: Frame, threshold: float) -> Detections:
    """Boxes as centre and sides, in shares of the picture, as pixels of the stored frame."""
    height, width = frame.image.shape[:2]
    scores, kinds = told.max(dim=-1)
    order = torch.argsort(scores, descending=True, stable=True)
    order = order[scores[order] >= threshold]
    found = boxes[order].double().cpu().numpy()
    limits = np.array([width, height] * 2)
    corners = geometry.centred(found[:, :2], found[:, 2:]) * limits
    return Detections(
        np.clip(corners, 0, limits) / frame.scale,
        scores[order].cpu().numpy(),
        kinds[order].cpu().numpy(),
        told[order].cpu().numpy(),
    )


def load_model(name: str, classes: Sequence[str] | None = None) -> tuple[Any, Any]:
    """A detector and its preprocessing.

    Args:
        name: As `TransformersDetector`.
        classes: Names of the classes that it shall tell apart; its own if left out. What depends on their number and does not
            fit is drawn anew.

    Raises:
        CapabilityError: `transformers` is not installed.
        DataError: The folder is incomplete, or holds weights that only code could load.
    """
    library = _library()
    _check_folder(name)
    # Code that comes with a checkpoint is never run, and neither is a pickle.
    safe: dict[str, Any] = {"trust_remote_code": False}
    processor = library.AutoImageProcessor.from_pretrained(name, **safe)
    if classes is not None:
        safe["id2label"] = dict(enumerate(classes))
        safe["label2id"] = {label: number for number, label in enumerate(classes)}
        safe["ignore_mismatched_sizes"] = True
    with _without_report(library):
        model = library.AutoModelForObjectDetection.from_pretrained(
            name, use_safetensors=True, **safe
        )
    return model, processor


@contextmanager
def _without_report(library: ModuleType) -> Iterator[None]:
    """That heads for other classes do not fit is what is asked for; the library would print a table of them."""
    logging = library.utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def files(name: str) -> list[Path]:
    """The files that decide what a detector says, of a folder or of what was downloaded.

    Raises:
        CapabilityError: `transformers` is not installed.
        DataError: One is missing.
    """
    _check_folder(name)
    library = _library()
    return [Path(library.utils.cached_file(name, part)) for part in (_CONFIG, _PROCESSOR, _WEIGHTS)]


def _check_folder(name: str) -> None:
    """Say what a folder lacks; a name that is no folder is that of a repository."""
    folder = Path(name)
    if not folder.is_dir():
        if folder.is_file() or not _REPOSITORY.fullmatch(name):
            raise DataError(
                f"{name}: is no folder, nor a repository (ORG/NAME); give the folder that save_pretrained wrote"
            )
        return
    missing = [part for part in (_CONFIG, _PROCESSOR, _WEIGHTS) if not (folder / part).is_file()]
    if missing == [_WEIGHTS] and any(folder.glob("*.bin")):
        raise DataError(
            f"{folder}: holds a pickle, which could run code when it is read; save the model as {_WEIGHTS} "
            "(save_pretrained does) and give that folder"
        )
    if missing:
        raise DataError(
            f"{folder}: lacks {', '.join(missing)}; give a folder that save_pretrained made"
        )


def _library() -> ModuleType:
    try:
        library = importlib.import_module("transformers")
    except ImportError as error:
        raise CapabilityError(
            "detectors of transformers need it; install it with: pip install 'thrifty[transformers]'"
        ) from error
    # Bars of its own would run through those of a pool.
    library.utils.logging.disable_progress_bar()
    return library
