"""Taking views: a detector asked about a batch of frames in every way that somebody needs, each once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from PIL import Image as Pillow

from thrifty.detectors.protocol import Detector, ReadsMaps
from thrifty.maps import ClassMaps
from thrifty.types import Detections, FloatArray, Frame, Image
from thrifty.views import (
    AlteredBoxes,
    Boxes,
    Features,
    Maps,
    Members,
    NoisyBoxes,
    Passes,
    Proposals,
    Seen,
    View,
)

_MAPS = cast(View[object], Maps())
_CUT = 0.2
_SMALLER = 0.8


def look(
    detector: Detector,
    frames: Sequence[Frame],
    views: Collection[View[object]],
    members: Sequence[Detector] = (),
) -> Seen:
    """Ask a detector about frames.

    Args:
        detector: Gives what the views need.
        frames: B frames of one size.
        views: What is wanted.
        members: Networks trained beside it, for `Members`.

    Raises:
        DataError: As the detector.
        ValueError: A view wants more members than there are.
    """
    # Boxes with or without what they were refined from come out of one pass.
    boxes = [view for view in views if isinstance(view, Boxes | Proposals)]
    others = [view for view in views if view not in boxes]
    answers = {view: _answer(view, detector, frames, members) for view in others}
    if boxes:
        maps = answers.get(_MAPS)
        if isinstance(maps, ClassMaps) and isinstance(detector, ReadsMaps):
            found = detector.boxes_of(maps, frames)
        else:
            found = detector.detect(frames)
        answers |= dict.fromkeys(boxes, found)
    return Seen(answers, len(frames), _sizes(frames))


def nothing(frames: Sequence[Frame]) -> Seen:
    """What is seen of frames where no detector is asked."""
    return Seen({}, len(frames), _sizes(frames))


def _sizes(frames: Sequence[Frame]) -> list[tuple[int, int]]:
    return [(frame.record.width, frame.record.height) for frame in frames]


def _answer(
    view: View[object],
    detector: Detector,
    frames: Sequence[Frame],
    members: Sequence[Detector],
) -> object:
    for kind, take in _TAKERS.items():
        if isinstance(view, kind):
            return take(view, detector, frames, members)
    raise TypeError(f"{type(view).__name__} is no view that can be taken")


def _members(
    view: Members, detector: Detector, frames: Sequence[Frame], members: Sequence[Detector]
) -> object:
    if len(members) + 1 < view.count:
        raise ValueError(f"{view.count} networks are wanted and {len(members) + 1} were trained")
    return [one.class_maps(frames) for one in (detector, *members[: view.count - 1])]


def _altered(
    view: AlteredBoxes, detector: Detector, frames: Sequence[Frame], _members: object
) -> object:
    return [_ALTERATIONS[how](detector, frames) for how in view.how]


def _noisy(
    view: NoisyBoxes, detector: Detector, frames: Sequence[Frame], _members: object
) -> object:
    return [
        detector.detect([replace(frame, image=_with_noise(frame, sigma)) for frame in frames])
        for sigma in view.sigmas
    ]


def _with_noise(frame: Frame, sigma: float) -> Image:
    noise = chance_of(frame, f"noise {sigma}").normal(0.0, sigma, frame.image.shape)
    return np.clip(np.rint(frame.image + noise), 0, 255).astype(np.uint8)


def chance_of(frame: Frame, purpose: str) -> np.random.Generator:
    """Chance that belongs to a frame: the same in whatever order, batch or cycle it is looked at."""
    digest = hashlib.sha256(f"{purpose}\0{frame.record.id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _flipped(detector: Detector, frames: Sequence[Frame]) -> list[Detections]:
    mirrored = [
        replace(frame, image=np.ascontiguousarray(frame.image[:, ::-1])) for frame in frames
    ]
    return [
        _mirrored(found, frame.image.shape[1] / frame.scale)
        for found, frame in zip(detector.detect(mirrored), frames, strict=True)
    ]


def _mirrored(found: Detections, width: float) -> Detections:
    boxes = mirror(found.boxes, width)
    proposals = None if found.proposals is None else mirror(found.proposals, width)
    return replace(found, boxes=boxes, proposals=proposals)


def mirror(boxes: FloatArray, width: float) -> FloatArray:
    """Boxes of the mirrored image, `N x 4`.

    >>> mirror(np.array([[1.0, 2.0, 4.0, 6.0]]), 10.0)
    array([[6., 2., 9., 6.]])
    """
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def _cut(detector: Detector, frames: Sequence[Frame]) -> list[Detections]:
    return detector.detect([replace(frame, image=_with_hole(frame)) for frame in frames])


def _with_hole(frame: Frame) -> Image:
    """A rectangle of a fifth of the area is black, with the frame's own shape."""
    height, width = frame.image.shape[:2]
    tall, wide = round(height * _CUT**0.5), round(width * _CUT**0.5)
    rng = chance_of(frame, "cutout")
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    image = frame.image.copy()
    image[top : top + tall, left : left + wide] = 0
    return image


def _smaller(detector: Detector, frames: Sequence[Frame]) -> list[Detections]:
    """Boxes come back in pixels of the stored frame, since its scale goes with the picture."""
    smaller = [_shrunk(frame) for frame in frames]
    return [
        _stretched(found, frame, small)
        for found, frame, small in zip(detector.detect(smaller), frames, smaller, strict=True)
    ]


def _stretched(found: Detections, frame: Frame, small: Frame) -> Detections:
    """Both sides were rounded to whole pixels, and a scale is that of the width alone."""
    height = small.image.shape[0] / frame.image.shape[0]
    tall = small.scale / frame.scale / height
    factor = np.array([1.0, tall, 1.0, tall])
    proposals = None if found.proposals is None else found.proposals * factor
    return replace(found, boxes=found.boxes * factor, proposals=proposals)


def _shrunk(frame: Frame) -> Frame:
    height, width = frame.image.shape[:2]
    size = (max(1, round(width * _SMALLER)), max(1, round(height * _SMALLER)))
    image = Pillow.fromarray(frame.image).resize(size, Pillow.Resampling.BILINEAR)
    return replace(frame, image=np.asarray(image), scale=frame.scale * size[0] / width)


_ALTERATIONS: Mapping[str, Callable[[Detector, Sequence[Frame]], list[Detections]]] = {
    "flip": _flipped,
    "cutout": _cut,
    "smaller": _smaller,
}
_TAKERS: Mapping[type[View[object]], Callable[..., object]] = {
    Maps: lambda _view, detector, frames, _members: detector.class_maps(frames),
    Passes: lambda view, detector, frames, _members: detector.passes(frames, view.count, view.drop),
    Members: _members,
    AlteredBoxes: _altered,
    NoisyBoxes: _noisy,
    Features: lambda view, detector, frames, _members: detector.features(frames, view.layer),
}
