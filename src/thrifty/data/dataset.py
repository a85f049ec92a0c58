"""Frames and what people drew on them, in the one form that every annotation format is read into and written from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from thrifty.types import Annotations

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2: pixels of the frame as it is stored, 0-based, half-open."""

Polygon = tuple[float, ...]
"""x, y, x, y, ... of a closed outline, in the same pixels."""

Identifier = int | str
Attributes = Mapping[str, object]
"""Names and values that JSON can hold."""


@dataclass(frozen=True, slots=True)
class Category:
    """A class of objects.

    Attributes:
        name: What people call it.
        id: Its number in the file; `None` where the format numbers none.
        supercategory: COCO's name for the class of classes; empty if there is none.
    """

    name: str
    id: int | None = None
    supercategory: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """One object on one frame. Nothing is checked here: see `problems`.

    Attributes:
        box: xyxy, pixels, 0-based, half-open. Of a rotated or outlined object, the upright box around it.
        category: Index into `Dataset.categories`.
        id: The object's own in the file.
        ignore: A region that counts neither as object nor as background (VOC: `difficult`).
        crowd: A group drawn as one (COCO: `iscrowd`, Open Images: `IsGroupOf`); such a region does not count either.
        occlusion: 0 visible or not stated, 1 partly hidden, 2 largely, 3 hidden and nobody says how much (KITTI).
        truncation: Share of the object outside the frame, 0 to 1; formats with a flag give 0 and 1.
        visible: Box around the visible part.
        visibility: Visible share of the box, 0 to 1; `None` if not stated.
        outline: Polygons around the object.
        group: Objects of one group share it.
        track: The same object has it in all frames of a video.
        area: Square pixels of the object itself, where that is stated and is not the box's (COCO: of the outline).
        score: A detector's confidence; `None` for what people drew.
        attributes: Whatever else the format says of it.
    """

    box: Corners
    category: int
    id: Identifier | None = None
    ignore: bool = False
    crowd: bool = False
    occlusion: int = 0
    truncation: float = 0.0
    visible: Corners | None = None
    visibility: float | None = None
    outline: tuple[Polygon, ...] | None = None
    group: Identifier | None = None
    track: Identifier | None = None
    area: float | None = None
    score: float | None = None
    attributes: Attributes = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether it is an object to be found, and no ignore region."""
        return not (self.ignore or self.crowd)


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One frame and what was drawn on it.

    Attributes:
        name: Path of the picture with `/`, as the file states it; `NAME#N` is frame N of the video file NAME.
        width: Pixels; `None` where neither the format nor a picture tells.
        height: Pixels, likewise.
        labels: In the file's order; empty where nothing was drawn.
        id: The frame's own in the file.
        video: Name of the video it belongs to.
        frame: 0-based index in that video.
        attributes: Whatever else the format says of it.
    """

    name: str
    width: int | None = None
    height: int | None = None
    labels: tuple[Label, ...] = ()
    id: Identifier | None = None
    video: str | None = None
    frame: int | None = None
    attributes: Attributes = field(default_factory=dict)

    def annotations(self) -> Annotations:
        """The labels as arrays; what does not count is marked `ignore`."""
        return Annotations(
            np.array([label.box for label in self.labels], dtype=np.float64).reshape(-1, 4),
            np.array([label.category for label in self.labels], dtype=np.int64),
            np.array([not label.counts for label in self.labels], dtype=np.bool_),
        )


@dataclass(frozen=True, slots=True)
class Dataset:
    """What annotation files hold.

    Attributes:
        categories: The classes; a label names its class by the index in here.
        images: In the file's order, those without labels included.
        unread: What the files held beside that has no place here, such as key points: a phrase, and how many.
    """

    categories: tuple[Category, ...]
    images: tuple[LabelledImage, ...]
    unread: Mapping[str, int] = field(default_factory=dict)

    @property
    def label_count(self) -> int:
        """Labels on all images."""
        return sum(len(image.labels) for image in self.images)


@dataclass(frozen=True, slots=True)
class Problem:
    """A label that cannot be right.

    Attributes:
        image: Name of the image it is on.
        number: Its place among the image's labels, counted from 0.
        label: The label.
        reason: What is wrong, as the end of a sentence about the box.
    """

    image: str
    number: int
    label: Label
    reason: str

    def __str__(self) -> str:
        corners = ", ".join(f"{value:g}" for value in self.label.box)
        known = f" (id {self.label.id})" if self.label.id is not None else ""
        return f"{self.image}: box {self.number}{known} [{corners}] {self.reason}"


def problems(dataset: Dataset) -> Iterator[Problem]:
    """Labels whose boxes cannot be right: not finite, without area, or entirely outside their image.

    Boxes that stick out of their image are none: annotators draw past the border.
    """
    for image in dataset.images:
        for number, label in enumerate(image.labels):
            reason = _problem(label.box, image)
            if reason:
                yield Problem(image.name, number, label, reason)


def _problem(box: Corners, image: LabelledImage) -> str:
    if not all(math.isfinite(value) for value in box):
        return "is not four finite numbers"
    left, top, right, bottom = box
    if right <= left or bottom <= top:
        return "has no area"
    if right <= 0 or bottom <= 0:
        return "lies outside its image"
    width, height = image.width, image.height
    if width is not None and height is not None and (left >= width or top >= height):
        return f"lies outside its image of {width}x{height} pixels"
    return ""


_FRAME_NAME = re.compile(r"(.+\.[A-Za-z0-9]+)#(\d{1,9})(?:\.png)?")


def video_frame(name: str) -> tuple[str, int] | None:
    """The video file and the frame that an image's name speaks of, or `None` for the name of a picture.

    A frame that was written out as a picture, `NAME#N.png`, still names the frame.

    >>> video_frame("drives/a.mp4#12"), video_frame("drives/a.mp4#000012.png"), video_frame("a.png")
    (('drives/a.mp4', 12), ('drives/a.mp4', 12), None)
    """
    match = _FRAME_NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None
