"""A detector held to its contract: whatever it does wrong becomes one line that says where, in which frames."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from thrifty.detectors.protocol import DenseDetector
from thrifty.errors import CapabilityError, DataError, FrameError
from thrifty.maps import ClassMaps
from thrifty.types import Frame, Need

_NAMED = 4
_PACKAGE = str(Path(__file__).parents[1])
_DOCS = "see docs/detectors.md"


class CheckedDetector:
    """Runs a detector without gradients, and believes nothing it gives.

    Args:
        name: What stands before the colon of its errors.
        detector: Any detector; its `smallest`, if it has one, is the least side of `Frame.image` that it takes, pixels.

    Raises:
        CapabilityError: It gives no class maps.
    """

    def __init__(self, name: str, detector: DenseDetector) -> None:
        self._name = name
        self._detector = detector
        self._smallest = int(getattr(detector, "smallest", 1))
        self.gives: frozenset[Need] = frozenset(getattr(detector, "gives", ()))
        if Need.BOXES in self.gives and Need.CLASS_MAPS not in self.gives:
            raise CapabilityError(
                f"{name}: gives no class maps, boxes alone, and a score is made of class maps; take a detector that tells "
                "classes densely. Of the strategies, those fit it that look at boxes, such as margin-sum (docs/strategies.md)"
            )
        if Need.CLASS_MAPS not in self.gives or not callable(getattr(detector, "class_maps", None)):
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
            CapabilityError: What it returns is no class maps, or those of another number of frames.
        """
        for frame in frames:
            self.check_size(frame)
        with (
            in_one_line(f"{self._name}: fails on {full_names(frames)}", f"correct it ({_DOCS})"),
            torch.inference_mode(),
        ):
            maps: object = self._detector.class_maps(frames)
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
