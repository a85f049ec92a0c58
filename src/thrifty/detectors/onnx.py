"""Exported detectors, run by ONNX Runtime.

A model does not say which of its outputs are class maps, nor how its input wants to be made. A small TOML file beside it
does (`OnnxDescription`); YOLOX is recognised by the shape of its output.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as Pillow
from pydantic import Field
from torch import Tensor

from thrifty import boxes as geometry
from thrifty.config import PositiveFloat, Section, Share, Side
from thrifty.detectors.checked import full_names
from thrifty.detectors.description import read_description
from thrifty.errors import CapabilityError, DataError
from thrifty.maps import Activation, ClassMaps, MapKind
from thrifty.types import Detections, FloatArray, Frame, Image, Need

Values = npt.NDArray[np.float32]

_STRIDES = (8, 16, 32)
_BOX = 5  # a YOLOX row: box (4), objectness (1), classes


class OnnxDescription(Section):
    """How a model's input is made, and which of its outputs are class maps.

    Attributes:
        layout: `maps`: the outputs named are class maps `B x C x h x w`. `yolox`: one output `B x N x (5 + C)`, all
            places of strides 8, 16 and 32 in that order, objectness and classes as probabilities.
        outputs: Names of the class maps; all outputs of four dimensions if left out.
        kind: Whether `maps` are logits or probabilities.
        activation: How the classes of a place compete.
        classes: Which classes count, by index; all if left out.
        size: Height and width of the input; taken from the model where it is fixed.
        resize: `letterbox` keeps the picture's shape and fills the rest, right and below, with `fill`; `stretch`
            does not.
        fill: Value of what is filled, 0..255.
        colour: Order of the colours.
        mean: Taken off each colour, 0..255.
        std: What each colour is divided by then.
        threshold: Boxes (of `yolox`) with a lower score are left out.
        overlap: So are those that overlap a surer one of their class by more than this IoU.
    """

    layout: Literal["maps", "yolox"] = "maps"
    outputs: tuple[str, ...] = ()
    kind: MapKind = MapKind.LOGITS
    activation: Activation = Activation.SIGMOID
    classes: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    size: tuple[Side, Side] | None = None
    resize: Literal["letterbox", "stretch"] = "letterbox"
    fill: Annotated[int, Field(ge=0, le=255)] = 114
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)
    threshold: Share = 0.05
    overlap: Share = 0.65


class OnnxDetector:
    """Class maps from an exported model; from a YOLOX boxes too.

    Args:
        path: The `.onnx` file; a `.toml` of the same name beside it describes it.
        device: `cpu` or `cuda`.

    Raises:
        CapabilityError: ONNX Runtime is not installed.
        DataError: The file is missing, no model, or neither described nor recognised.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        runtime = _runtime()
        if not path.is_file():
            raise DataError(f"{path}: no such model; check the path after 'onnx:'")
        wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=[*wanted, "CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime has a dozen error types of its own
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{path}: cannot be loaded as an ONNX model ({reason}); check the file, or export the model again"
            ) from error
        if device == "cuda" and wanted[0] not in self._session.get_providers():
            raise CapabilityError(
                f"{path}: this onnxruntime uses no GPU; install onnxruntime-gpu in its place, or use --device cpu"
            )
        self._path = path
        self._input = self._session.get_inputs()[0]
        self._description = _describe(path, self._input, self._session.get_outputs())
        self._size = self._input_size()
        self._outputs = self._output_names()
        boxes = {Need.BOXES} if self._description.layout == "yolox" else set()
        self.gives = frozenset({Need.CLASS_MAPS} | boxes)

    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        """Class maps in the pixels of the model's input, where padding lies outside the image.

        Args:
            frames: B frames of one size.

        Raises:
            DataError: The model fails on them, or its outputs are not as described.
        """
        content = self._content(*frames[0].image.shape[:2])
        outputs = self._run(frames, content)
        description = self._description
        yolox = description.layout == "yolox"
        levels = self._unroll(outputs[0]) if yolox else outputs
        if description.classes is not None:
            levels = [self._of_classes(level, list(description.classes)) for level in levels]
        span = (float(self._size[0]), float(self._size[1]))
        return ClassMaps(
            tuple(levels),
            *content,
            MapKind.PROBABILITIES if yolox else description.kind,
            description.activation,
            (span,) * len(levels),
        )

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes of a YOLOX, in pixels of the stored frame, surest first; each has the class it is surest of.

        A row holds the box's centre, in strides from its place, and the logarithm of its sides, in strides.

        Args:
            frames: B frames of one size.

        Raises:
            CapabilityError: The model is not a YOLOX, and nothing is known of its boxes.
            DataError: As `class_maps`.
        """
        if Need.BOXES not in self.gives:
            raise CapabilityError(f"{self._path}: gives class maps alone, no boxes")
        content = self._content(*frames[0].image.shape[:2])
        rows = self._run(frames, content)[0]
        self._unroll(rows)
        return [
            self._boxes_of(own, frame, content)
            for own, frame in zip(rows.numpy().astype(np.float64), frames, strict=True)
        ]

    def _boxes_of(self, rows: FloatArray, frame: Frame, content: tuple[int, int]) -> Detections:
        told = rows[:, 4:5] * rows[:, _BOX:]
        if self._description.classes is not None:
            told = told[:, list(self._description.classes)]
        sure = told.max(axis=1) >= self._description.threshold
        places = np.concatenate([_places(self._size, stride) for stride in _STRIDES])[sure]
        rows, told = rows[sure], np.clip(told[sure], 0.0, 1.0)
        centres = (rows[:, :2] + places[:, :2]) * places[:, 2:]
        sides = np.exp(rows[:, 2:4]) * places[:, 2:]
        height, width = frame.image.shape[:2]
        ratio = np.array([width / content[1], height / content[0]] * 2)
        limits = np.array([width, height] * 2)
        boxes = np.clip(geometry.centred(centres, sides) * ratio, 0, limits)
        scores, kinds = told.max(axis=1), told.argmax(axis=1)
        kept = geometry.suppressed(boxes, scores, kinds, self._description.overlap)
        return Detections(boxes[kept] / frame.scale, scores[kept], kinds[kept], told[kept])

    def _run(self, frames: Sequence[Frame], content: tuple[int, int]) -> list[Tensor]:
        """The outputs that are wanted, of all frames."""
        batch = np.stack([self._prepare(frame.image, content) for frame in frames])
        # A model exported for single pictures takes them one by one.
        parts = [batch] if isinstance(self._input.shape[0], str) else list(batch[:, None])
        try:
            runs = [self._session.run(self._outputs, {self._input.name: part}) for part in parts]
        except Exception as error:
            raise DataError(
                f"{self._path}: fails on {full_names(frames)} ({str(error).splitlines()[0]})"
            ) from error
        return [
            torch.from_numpy(np.concatenate(one).astype(np.float32, copy=False))
            for one in zip(*runs, strict=True)
        ]

    def _content(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the input that hold the picture."""
        if self._description.resize == "stretch":
            return self._size
        ratio = min(self._size[0] / height, self._size[1] / width)
        return max(1, round(height * ratio)), max(1, round(width * ratio))

    def _prepare(self, image: Image, content: tuple[int, int]) -> Values:
        height, width = content
        picture = Pillow.fromarray(image).resize((width, height), Pillow.Resampling.BILINEAR)
        canvas = np.full((*self._size, 3), self._description.fill, dtype=np.float32)
        canvas[:height, :width] = np.asarray(picture)
        if self._description.colour == "bgr":
            canvas = canvas[..., ::-1]
        mean, std = (
            np.array(values, dtype=np.float32)
            for values in (self._description.mean, self._description.std)
        )
        return np.ascontiguousarray(((canvas - mean) / std).transpose(2, 0, 1))

    def _of_classes(self, level: Tensor, classes: list[int]) -> Tensor:
        count = level.shape[1]
        if max(classes, default=0) >= count:
            raise DataError(
                f"{self._path.with_suffix('.toml')}: 'classes' names {max(classes)} but a map has {count} classes; name some "
                f"of 0 to {count - 1}"
            )
        return level[:, classes]

    def _unroll(self, rows: Tensor) -> list[Tensor]:
        """The levels of a YOLOX output: objectness times class, `B x C x h x w` each."""
        scores = (rows[..., 4:5] * rows[..., _BOX:]).transpose(1, 2)
        shapes = [(self._size[0] // stride, self._size[1] // stride) for stride in _STRIDES]
        if scores.shape[2] != sum(height * width for height, width in shapes):
            raise DataError(
                f"{self._path}: gives {scores.shape[2]} places, which is not a YOLOX of {self._size[1]}x{self._size[0]}; "
                f"describe it in {self._path.with_suffix('.toml')}"
            )
        cut = torch.split(scores, [height * width for height, width in shapes], dim=2)
        return [
            part.reshape(*part.shape[:2], *shape) for part, shape in zip(cut, shapes, strict=True)
        ]

    def _input_size(self) -> tuple[int, int]:
        given = self._input.shape[2:]
        fixed = all(isinstance(side, int) for side in given) and len(given) == 2
        size = self._description.size
        if fixed and size is not None and tuple(given) != size:
            raise DataError(
                f"{self._path}: takes {given[1]}x{given[0]} pixels but its description says {size[1]}x{size[0]}; correct "
                "'size' there"
            )
        if fixed:
            return int(given[0]), int(given[1])
        if size is None:
            raise DataError(
                f"{self._path}: takes pictures of any size; say which in {self._path.with_suffix('.toml')} "
                "('size = [height, width]')"
            )
        return size

    def _output_names(self) -> list[str]:
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        wanted = list(self._description.outputs)
        if self._description.layout == "yolox":
            wanted = wanted or list(outputs)[:1]
        wanted = wanted or [name for name, shape in outputs.items() if len(shape) == 4]
        missing = [name for name in wanted if name not in outputs]
        if missing or not wanted:
            raise DataError(
                f"{self._path}: has no output {missing or 'of four dimensions'}; it has {', '.join(outputs)}: name its class "
                f"maps in {self._path.with_suffix('.toml')}"
            )
        return wanted


def _places(size: tuple[int, int], stride: int) -> FloatArray:
    """Column, row and stride of each place of a level, `h w x 3`, row by row."""
    rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
    return np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, stride)], axis=1).astype(
        np.float64
    )


def _runtime() -> ModuleType:
    try:
        import onnxruntime  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise CapabilityError(
            "ONNX models need ONNX Runtime; install it with: pip install 'thrifty[onnx]'"
        ) from error
    return onnxruntime  # type: ignore[no-any-return,unused-ignore]


def _describe(path: Path, given: Any, outputs: Sequence[Any]) -> OnnxDescription:  # noqa: ANN401 - the runtime's own
    note = path.with_suffix(".toml")
    if note.is_file():
        return read_description(note, OnnxDescription)
    if _looks_like_yolox(given, outputs):
        return OnnxDescription(layout="yolox", kind=MapKind.PROBABILITIES, colour="bgr")
    raise DataError(
        f"{path}: which of its outputs are class maps? Say so in {note}: outputs = [...], kind, activation, and how its "
        "input is made (see docs/detectors.md)"
    )


def _looks_like_yolox(given: Any, outputs: Sequence[Any]) -> bool:  # noqa: ANN401
    sides = given.shape[2:]
    if len(outputs) != 1 or len(outputs[0].shape) != 3 or len(sides) != 2:
        return False
    _, places, values = outputs[0].shape
    if not all(isinstance(number, int) for number in (*sides, places, values)):
        return False
    fitting = sum((sides[0] // stride) * (sides[1] // stride) for stride in _STRIDES)
    return bool(places == fitting and values > _BOX)
