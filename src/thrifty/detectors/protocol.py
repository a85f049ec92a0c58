"""What is asked of a detector: by a scored pool dense class maps, by the loop boxes too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

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
    """A detector that draws boxes as well, and more: what it cannot do its `gives` leaves out, and nobody asks."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes per frame, in the pixels of the stored frame, surest first."""
        ...

    def passes(self, frames: Sequence[Frame], count: int, drop: float) -> Sequence[ClassMaps]:
        """Class maps with dropout left on: the same channels are dropped in every frame, others in every pass.

        Args:
            frames: B frames of one size.
            count: P, >= 2.
            drop: Share of the channels dropped, in (0, 1).
        """
        ...

    def features(self, frames: Sequence[Frame], layer: Literal["last", "deep"]) -> Tensor:
        """Features `B x D x h x w` over the whole frame, floating: see `thrifty.views.Features`."""
        ...


@runtime_checkable
class ReadsMaps(Protocol):
    """A detector whose boxes are read off its class maps: who has these need not ask it again."""

    def boxes_of(self, maps: ClassMaps, frames: Sequence[Frame]) -> list[Detections]:
        """What `Detector.detect` gives of the frames whose class maps these are."""
        ...
