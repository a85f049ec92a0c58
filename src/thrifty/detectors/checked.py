"""A detector held to its contract: whatever it does wrong becomes one line that says where, in which frames."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from thrifty.detectors.protocol import DenseDetector, ReadsMaps
from thrifty.errors import CapabilityError, DataError, FrameError
from thrifty.maps import ClassMaps
from thrifty.types import Detections, Frame, Need

_NAMED = 4
_PACKAGE = str(Path(__file__).parents[1])
_DOCS = "see docs/detectors.md"
_METHODS = {Need.CLASS_MAPS: "class_maps", Need.BOXES: "detect"}


class CheckedDetector:
    """Runs a detector without gradients, and believes nothing it gives.

    Args:
        name: What stands before the colon of its errors.
        detector: Any detector; its `smallest`, if it has one, is the least side of `Frame.image` that it takes, pixels.

    Raises:
        CapabilityError: It gives neither class maps nor boxes.
    """

    def __init__(self, name: str, detector: DenseDetector) -> None:
        self._name = name
        # What it gives is looked up before anything else of it is asked.
        self._detector: Any = detector
        self._smallest = int(getattr(detector, "smallest", 1))
        self.gives: frozenset[Need] = frozenset(getattr(detector, "gives", ()))
        if isinstance(detector, ReadsMaps):
            self.boxes_of = partial(self._boxes_of, detector)
        able = {
            need for need, method in _METHODS.items() if callable(getattr(detector, method, None))
        }
        if not self.gives & able:
            raise CapabilityError(
                f"{name}: gives no class maps ('gives' must hold Need.CLASS_MAPS, and 'class_maps' make them)"
            )

    def check_size(self, frame: Frame) -> None:
        """Refuse a frame that the detector cannot take.

        Raises:
            FrameError: A side is shorter than the detector's smallest.
        """
        height, width = frame.image.shape[:2]
        if min(height, width) < self._smallest:
            raise FrameError(
                f"{full_name(frame)}: is {width}x{height} pixels after scaling but the detector needs "
                f"{self._smallest}x{self._smallest}; raise --scale, or leave the frame out"
            )

    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        """Class maps of a batch, one entry for each frame.

        Args:
            frames: B frames of one size.

        Raises:
            FrameError: As `check_size`.
            DataError: The detector fails on them.
            CapabilityError: It gives boxes alone; or what it returns is no class maps, or those of another number of frames.
        """
        if Need.CLASS_MAPS not in self.gives:
            raise CapabilityError(
                f"{self._name}: gives no class maps, boxes alone, and a score is made of class maps; take a detector that "
                "tells classes densely. Of the strategies, those fit it that look at boxes, such as margin-sum "
                "(docs/strategies.md)"
            )
        with self._asked(frames):
            maps: object = self._detector.class_maps(frames)
        return self._checked(maps, frames)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes of a batch, as `thrifty.detectors.protocol.Detector`; raises as `class_maps`."""
        with self._asked(frames):
            found: list[Detections] = list(self._detector.detect(frames))
        return self._counted(found, frames)

    def _boxes_of(
        self, detector: ReadsMaps, maps: ClassMaps, frames: Sequence[Frame]
    ) -> list[Detections]:
        with self._asked(frames):
            found = list(detector.boxes_of(maps, frames))
        return self._counted(found, frames)

    def _counted(self, found: list[Detections], frames: Sequence[Frame]) -> list[Detections]:
        if len(found) != len(frames):
            raise CapabilityError(
                f"{self._name}: gives boxes of {len(found)} frames for {len(frames)} ({full_names(frames)}); return one "
                "entry for each frame, in their order"
            )
        return found

    def passes(self, frames: Sequence[Frame], count: int, drop: float) -> list[ClassMaps]:
        """Class maps with dropout left on, as `thrifty.detectors.protocol.Detector`; raises as `class_maps`."""
        with self._asked(frames):
            made: list[object] = list(self._detector.passes(frames, count, drop))
        return [self._checked(maps, frames) for maps in made]

    def features(self, frames: Sequence[Frame], layer: Literal["last", "deep"]) -> Tensor:
        """Features of a batch, as `thrifty.detectors.protocol.Detector`; raises as `class_maps`."""
        with self._asked(frames):
            found: Tensor = self._detector.features(frames, layer)
        return found

    @contextmanager
    def _asked(self, frames: Sequence[Frame]) -> Iterator[None]:
        for frame in frames:
            self.check_size(frame)
        with (
            in_one_line(f"{self._name}: fails on {full_names(frames)}", f"correct it ({_DOCS})"),
            torch.inference_mode(),
        ):
            yield

    def _checked(self, maps: object, frames: Sequence[Frame]) -> ClassMaps:
        if not isinstance(maps, ClassMaps):
            raise CapabilityError(
                f"{self._name}: gives {type(maps).__name__} for {full_names(frames)}; return thrifty.maps.ClassMaps ({_DOCS})"
            )
        if len(maps) != len(frames):
            raise CapabilityError(
                f"{self._name}: gives maps of {len(maps)} frames for {len(frames)} ({full_names(frames)}); return one entry "
                "for each frame, in their order"
            )
        return maps


def full_name(frame: Frame) -> str:
    """The frame's source, and its number where it is one of a video: no two frames of a pool share it."""
    record = frame.record
    return record.source if record.frame is None else f"{record.source}#{record.frame}"


def full_names(frames: Sequence[Frame]) -> str:
    """The first few frames of a batch by their full names, and how many more there are."""
    names = ", ".join(full_name(frame) for frame in frames[:_NAMED])
    return names if len(frames) <= _NAMED else f"{names} and {len(frames) - _NAMED} more"


@contextmanager
def in_one_line(what: str, advice: str) -> Iterator[None]:
    """Turn whatever other people's code raises into one line; errors that say where they are from stay as they are.

    Args:
        what: What fails, and where.
        advice: What to do about it.

    Raises:
        DataError: With the type, the message and the place of the error, which is its cause.
    """
    try:
        yield
    except (DataError, CapabilityError):
        raise
    except Exception as error:
        lines = str(error).splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0]}".removesuffix(": ")
        raise DataError(f"{what} ({reason}{_place(error)}); {advice}") from error


def _place(error: Exception) -> str:
    """The line of the user's own code that led to an error, if there is one."""
    passed_over = (f"{_PACKAGE}{os.sep}", "importlib", "-packages")
    for entry in traceback.extract_tb(error.__traceback__):
        if not any(part in entry.filename for part in passed_over):
            return f", at {Path(entry.filename).name}:{entry.lineno}"
    return ""
