"""The values that travel between rooms: validated, frozen, and without behaviour of their own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Image = npt.NDArray[np.uint8]
"""RGB picture, `H x W x 3`, uint8, 0..255."""


@dataclass(frozen=True, slots=True)
class Record:
    """The name of one frame. It carries no labels, so whoever holds records cannot look at any.

    Attributes:
        id: Stable identity. Stills: hash of the file's content; video frames: hash of the video, decoded
            index and presentation timestamp. Renaming or moving the file does not change it.
        source: Where the pixels come from, as the set's reader understands it (a path below the data
            folder, or the name of a rendered drive).
        width: Pixels, >= 1.
        height: Pixels, >= 1.
        sequence: The video this frame belongs to, or `None` for a still.
        place: The frame's place in its sequence, counted in the set's sampling steps; `None` for a still.
            Temporal distances (equation 6, both exclusion rules) are differences of places.
        frame: 0-based decoded index in the video, or `None` for a still.
    """

    id: str
    source: str
    width: int
    height: int
    sequence: str | None = None
    place: int | None = None
    frame: int | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("a record needs an id")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"record {self.id}: size {self.width}x{self.height} has no pixels")
        if (self.sequence is None) != (self.place is None):
            raise ValueError(f"record {self.id}: a sequence and a place in it go together")

    @property
    def label(self) -> str:
        """A short name for people: the file's name, and the frame's number where it is one of a video."""
        name = self.source.rsplit("/", 1)[-1]
        return name if self.frame is None else f"{name}#{self.frame}"


def _column(
    values: object, dtype: npt.DTypeLike, length: int, name: str
) -> npt.NDArray[np.generic]:
    array = np.asarray(values, dtype=dtype)
    if array.shape != (length,):
        raise ValueError(f"{name}: expected shape ({length},), got {array.shape}")
    return array


def _boxes(values: object) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes: expected shape (N, 4), got {array.shape}")
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """What people drew on one frame.

    Attributes:
        boxes: `N x 4` float64, xyxy in pixels of the frame as it is stored, 0-based, half-open.
        classes: `N` int64, index into the set's class names. All zero if left out.
        ignore: `N` bool; a true entry is a region that counts neither as object nor as background.
    """

    boxes: FloatArray
    classes: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    ignore: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def __post_init__(self) -> None:
        boxes = _boxes(self.boxes)
        count = len(boxes)
        classes = self.classes if len(self.classes) else np.zeros(count, dtype=np.int64)
        ignore = self.ignore if len(self.ignore) else np.zeros(count, dtype=np.bool_)
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "classes", _column(classes, np.int64, count, "classes"))
        object.__setattr__(self, "ignore", _column(ignore, np.bool_, count, "ignore"))

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def objects(self) -> FloatArray:
        """The counted boxes only: `M x 4`, ignore regions left out."""
        return self.boxes[~self.ignore]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector found in one frame.

    Attributes:
        boxes: `N x 4` float64, xyxy in pixels of the frame as it is stored.
        scores: `N` float64, higher means surer.
        classes: `N` int64. All zero if left out.
        probabilities: `N x C` float64 in [0, 1]: of every class at the place of the box, background left out; `None` from
            a detector that does not tell.
        proposals: `N x 4` float64 like `boxes`: what each box was refined from, or what else the detector thought of it;
            without area where there is nothing. `None` from a detector that does not tell.
    """

    boxes: FloatArray
    scores: FloatArray
    classes: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    probabilities: FloatArray | None = None
    proposals: FloatArray | None = None

    def __post_init__(self) -> None:
        boxes = _boxes(self.boxes)
        count = len(boxes)
        classes = self.classes if len(self.classes) else np.zeros(count, dtype=np.int64)
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "scores", _column(self.scores, np.float64, count, "scores"))
        object.__setattr__(self, "classes", _column(classes, np.int64, count, "classes"))
        for name in ("probabilities", "proposals"):
            rows = getattr(self, name)
            if rows is not None and len(rows) != count:
                raise ValueError(f"{name}: {len(rows)} rows for {count} boxes")

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, chosen: IntArray | BoolArray) -> Detections:
        """Some of the boxes, in the order given."""
        return Detections(
            self.boxes[chosen],
            self.scores[chosen],
            self.classes[chosen],
            None if self.probabilities is None else self.probabilities[chosen],
            None if self.proposals is None else self.proposals[chosen],
        )

    def scaled(self, factor: float) -> Detections:
        """The same boxes in pixels that are smaller by a factor."""
        return replace(
            self,
            boxes=self.boxes * factor,
            proposals=None if self.proposals is None else self.proposals * factor,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A decoded frame on its way to a detector.

    Attributes:
        record: Which frame.
        image: RGB, already resized by `scale`.
        scale: Pixels of `image` per pixel of the stored frame, > 0.
    """

    record: Record
    image: Image
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A frame that could not be decoded, and why."""

    record: Record
    reason: str


class Need(StrEnum):
    """What a strategy may ask of a detector, and a detector may offer."""

    CLASS_MAPS = "class maps"
    BOXES = "boxes"
    PROPOSALS = "proposals of boxes"
    PASSES = "stochastic passes"
    FEATURES = "features"
    TRAINING = "training"
