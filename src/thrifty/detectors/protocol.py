"""What is asked of a detector: by a scored pool dense class maps, by the loop boxes too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from thrifty.maps import ClassMaps
from thrifty.types import Detections, Frame, Need


class DenseDetector(Protocol):
    """A detector that says what it thinks of every place. It has been given its weights.

    Every batch holds frames whose images are of one size. A detector that cannot take small images says so by an
    attribute `smallest`: the least side, in pixels of `Frame.image`. A scored pool then leaves smaller frames out.
    """

    @property
    def gives(self) -> frozenset[Need]:
        """What this detector can give."""
        ...

    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        """Dense class maps of a batch, in the pixels of `Frame.image` or of what the detector resizes it to."""
        ...


class Detector(DenseDetector, Protocol):
    """A detector that draws boxes as well."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes per frame, in the pixels of the stored frame, surest first."""
        ...
