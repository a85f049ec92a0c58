"""The rendered street: deterministic drive-by video of walking people, in two looks, with exact boxes.

A camera drives along an endless street of houses, parked and oncoming cars, and things that could be
mistaken for people. Daylight is crowded and meant as stills to start from; dusk is darker, has other
clothes and things, umbrellas and groups, and is mostly empty: people come in bursts.

>>> street = Street(Look.DUSK, seed=0, drives=2, frames=100)
>>> image, people = street.render(drive=1, frame=7)
>>> image.shape
(240, 320, 3)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thrifty.data.street.extents import measure
from thrifty.data.street.painting import expose, paint
from thrifty.data.street.scene import Scene, compose
from thrifty.data.street.world import Drive, Look
from thrifty.errors import DataError
from thrifty.types import Annotations, Image

__all__ = ["LEAST_HEIGHT", "LEAST_VISIBLE", "Look", "Street"]

LEAST_VISIBLE = 0.35
"""People of whom less is in the picture and not hidden become ignore regions."""
LEAST_HEIGHT = 20 / 240
"""People whose boxes are lower, as a share of the picture's height, become ignore regions."""

_SMALLEST = (64, 48)


@dataclass(frozen=True, slots=True)
class Street:
    """A set of drives through streets that all differ.

    Every frame depends on look, seed, size, drive and frame alone, not on how many drives and frames
    there are, nor on what was rendered before. Drives of one frame are stills.

    Attributes:
        look: Daylight (people in nearly every frame) or dusk (in about 20 % of the frames of many
            or long drives).
        seed: What the streets are made from, >= 0.
        drives: Independent drives, >= 1.
        frames: Frames of each drive, >= 1.
        width: Pixels, >= 64.
        height: Pixels, >= 48; everything scales with it.

    Raises:
        DataError: A value is out of its range.
    """

    look: Look
    seed: int
    drives: int
    frames: int
    width: int = 320
    height: int = 240

    def __post_init__(self) -> None:
        if self.width < _SMALLEST[0] or self.height < _SMALLEST[1]:
            raise DataError(
                f"street: size {self.width}x{self.height} is too small to show people; "
                f"ask for {_SMALLEST[0]}x{_SMALLEST[1]} or more"
            )
        for name, value, least in (
            ("seed", self.seed, 0),
            ("drives", self.drives, 1),
            ("frames", self.frames, 1),
        ):
            if value < least:
                raise DataError(f"street: {name} is {value}; set it to {least} or more")

    def render(self, drive: int, frame: int) -> tuple[Image, Annotations]:
        """One frame and where its people are.

        Args:
            drive: 0..drives-1.
            frame: 0..frames-1.

        Returns:
            The picture, `H x W x 3` uint8 RGB, and one box for each person who touches it, far ones
            first: the smallest that holds every pixel of the body, hidden ones included, cut at the
            picture's borders. Bags belong to the body, umbrellas and shadows do not. People of
            whom less than `LEAST_VISIBLE` shows, or who are lower than `LEAST_HEIGHT`, are ignored.

        Raises:
            DataError: There is no such drive or frame.
        """
        scene = self._scene(drive, frame)
        # Steps without a small common period: neighbours never share their noise.
        shift = (frame * 37 + drive * 11, frame * 23 + drive * 5)
        return expose(paint(scene), scene, shift), self._annotate(scene)

    def annotate(self, drive: int, frame: int) -> Annotations:
        """What `render` says about people, faster because no picture is painted.

        Args:
            drive: 0..drives-1.
            frame: 0..frames-1.

        Raises:
            DataError: There is no such drive or frame.
        """
        return self._annotate(self._scene(drive, frame))

    def _scene(self, drive: int, frame: int) -> Scene:
        for name, value, count in (("drive", drive, self.drives), ("frame", frame, self.frames)):
            if not 0 <= value < count:
                raise DataError(
                    f"street: no {name} {value}; ask for 0 to {count - 1}, or for a longer street"
                )
        return compose(Drive(self.look, self.seed, drive), frame, self.width, self.height)

    def _annotate(self, scene: Scene) -> Annotations:
        extents = measure(scene)
        boxes = np.array([extent.box for extent in extents], dtype=np.float64).reshape(-1, 4)
        visible = np.array([extent.visible for extent in extents], dtype=np.float64)
        low = boxes[:, 3] - boxes[:, 1] < LEAST_HEIGHT * self.height
        return Annotations(boxes, ignore=(visible < LEAST_VISIBLE) | low)
