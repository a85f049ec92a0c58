"""Where class maps lie, measured and not believed.

A chequered square is drawn into an even picture and moved by whole values of a map; what the map says of it must move by as
many. Convolutions do that whatever their weights, so networks with fresh ones can be held to it. Chequers, because a
trained network answers to their place more exactly than to that of something plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from thrifty.detectors.protocol import DenseDetector
from thrifty.maps import ClassMaps, MapKind
from thrifty.types import FloatArray, Frame, Image, Record

_FEWEST = 8
"""Values along an axis below which a level is too coarse to measure how far it moves."""
_GREY, _CELL = 96, 8
_SLACK = 0.05
"""Share of a move that a level may miss: a trained network says more or less the same in the middle and near an edge."""


@dataclass(frozen=True, slots=True)
class _Square:
    """A chequered square of a picture: its upper left corner and its side, pixels."""

    top: int
    left: int
    side: int

    def on(self, size: tuple[int, int]) -> Image:
        image = np.full((*size, 3), _GREY, dtype=np.uint8)
        cells = np.arange(self.side) // _CELL
        chequered = (cells[:, None] + cells) % 2 * 255
        image[self.top : self.top + self.side, self.left : self.left + self.side] = chequered[
            ..., None
        ]
        return image

    @property
    def centre(self) -> tuple[float, float]:
        return self.top + self.side / 2, self.left + self.side / 2


def check_places(detector: DenseDetector, size: tuple[int, int], stride: float | None) -> None:
    """Move a square down, to the right, and both, and see by how much each level's answer moves.

    Args:
        detector: Gives class maps.
        size: Height and width of the pictures, pixels.
        stride: As `thrifty.detectors.contract.check_detector`.

    Raises:
        AssertionError: A level does not lie where the class maps say.
    """
    empty = np.full((*size, 3), _GREY, dtype=np.uint8)
    plain = detector.class_maps(frames_of([empty]))
    pitches = [_pitch(plain, index, size) for index in range(len(plain.levels))]
    fine = [[size[axis] / pitch[axis] >= _FEWEST for pitch in pitches] for axis in range(2)]
    demand(
        any(fine[0]) and any(fine[1]),
        f"no level has {_FEWEST} values along each side of {size[1]}x{size[0]} pixels; give a larger 'size'",
    )
    scale = (size[0] / plain.height, size[1] / plain.width)
    down, right = (
        _move(size[axis], stride or _stride(pitches, fine, axis, scale[axis])) for axis in range(2)
    )
    side = max(2 * _CELL, min(size) // 7)
    start = _Square((size[0] - down - side) // 2, (size[1] - right - side) // 2, side)
    squares = [
        replace(start, top=start.top + y, left=start.left + x)
        for y in (0, down)
        for x in (0, right)
    ]
    maps = detector.class_maps(frames_of([square.on(size) for square in squares]))
    for index, pitch in enumerate(pitches):
        said = _said(maps, index)
        # What a picture without a square says comes first. A network that normalises over the picture says something else
        # everywhere then, but not where only the square's place differs.
        changes = [said - _said(plain, index), said - np.median(said, axis=0)]
        demand(bool(changes[1].any()), f"level {index} does not change where the picture does")
        for axis, pixels in enumerate((down, right)):
            if fine[axis][index]:
                problems = [
                    _displaced(change, axis, pixels, pixels / pitch[axis])
                    or _elsewhere(change, axis, maps, index, squares, size)
                    for change in changes
                ]
                demand(not all(problems), f"level {index} {problems[0]}")


def _pitch(maps: ClassMaps, index: int, size: tuple[int, int]) -> tuple[float, float]:
    """Rows and columns of the picture from one value of a level to the next, as its maps say."""
    span, shape = maps.spans[index], maps.levels[index].shape[2:]
    return (
        span[0] / shape[0] * size[0] / maps.height,
        span[1] / shape[1] * size[1] / maps.width,
    )


def _stride(
    pitches: Sequence[tuple[float, float]], fine: Sequence[Sequence[bool]], axis: int, scale: float
) -> float:
    """Pixels of the picture to a value of the coarsest level that can be measured.

    A network's own strides are whole pixels of what it sees, even where its maps say that they cover a picture which is no
    multiple of them.
    """
    coarsest = max(pitch[axis] for pitch, usable in zip(pitches, fine[axis], strict=True) if usable)
    return max(1, round(coarsest / scale)) * scale


def _move(length: int, stride: float) -> int:
    """Pixels, about a third of the side: the further, the better a wrong place shows."""
    return round(max(1, round(length / 3 / stride)) * stride)


def _said(maps: ClassMaps, index: int) -> FloatArray:
    """A level as logits, `B x C x h x w`: probabilities close to 0 would hide all that is not close to an object."""
    level = maps.levels[index].double()
    level = level.logit(1e-9) if maps.kind is MapKind.PROBABILITIES else level
    return np.asarray(level.cpu().numpy(), dtype=np.float64)


def _displaced(change: FloatArray, axis: int, pixels: int, wanted: float) -> str | None:
    """How the answers to the four squares move otherwise than the squares do."""
    for before, after in ((0, 2), (1, 3)) if axis == 0 else ((0, 1), (2, 3)):
        shift = _shift(change[before], change[after])
        for along in range(2):
            expected = wanted if along == axis else 0.0
            if abs(shift[along] - expected) > max(0.75, _SLACK * wanted):
                return (
                    f"moves by {shift[along]} values along its {_AXES[along]} where the picture moves by {pixels} pixels "
                    f"along its {_AXES[axis]}, and its span promises {expected:.1f}; correct spans, or height and width"
                )
    return None


_AXES = ("rows", "columns")


def _shift(before: FloatArray, after: FloatArray) -> tuple[int, int]:
    """By how many rows and columns the one (`C x h x w`) has to be moved to look most like the other."""
    size = tuple(2 * length for length in before.shape[1:])
    spectra = [np.fft.rfft2(values, size) for values in (before, after)]
    match = np.fft.irfft2((spectra[0].conj() * spectra[1]).sum(axis=0), size)
    rows, columns = (
        int(place) - full * (int(place) >= full // 2)
        for place, full in zip(np.unravel_index(int(match.argmax()), size), size, strict=True)
    )
    return rows, columns


def _elsewhere(
    changes: FloatArray,
    axis: int,
    maps: ClassMaps,
    index: int,
    squares: Sequence[_Square],
    size: tuple[int, int],
) -> str | None:
    """How an answer lies beside its square. Where most places change a little, that is taken off."""
    full = (maps.height, maps.width)[axis]
    for change, square in zip(changes, squares, strict=True):
        much = np.abs(change).sum(axis=0)
        profile = (np.clip(much - np.median(much), 0.0, None) ** 2).sum(axis=1 - axis)
        pitch = maps.spans[index][axis] / len(profile)
        middle = (profile * (np.arange(len(profile)) + 0.5)).sum() / max(profile.sum(), 1e-300)
        found = maps.origins[index][axis] + float(middle) * pitch
        wanted = square.centre[axis] * full / size[axis]
        if abs(found - wanted) > square.side * full / size[axis] + pitch:
            return (
                f"answers at {found:.0f} of {full} along its {_AXES[axis]} to a square around {wanted:.0f}; correct spans and "
                "origins, or height and width"
            )
    return None


def frames_of(images: Sequence[Image]) -> list[Frame]:
    """Pictures as frames that are stored as they are."""
    return [
        Frame(Record(f"{number:02d}", f"{number}.png", image.shape[1], image.shape[0]), image)
        for number, image in enumerate(images)
    ]


def demand(kept: object, message: str) -> None:
    """An assertion that stays where Python leaves out its own."""
    if not kept:
        raise AssertionError(message)
