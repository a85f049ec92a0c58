"""Flat-coloured faces in the world, and the small vocabulary to build things from them.

World coordinates are metres: x to the right of the lane, y up from the road, z along the street.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.types import BoolArray, FloatArray

Colour = tuple[int, int, int]
Point = tuple[float, float, float]


GLASS: Colour = (66, 82, 96)
LAMPLIGHT: Colour = (255, 214, 140)


@dataclass(frozen=True, slots=True)
class Face:
    """One polygon.

    Attributes:
        points: At least three corners.
        colour: RGB in full light, 0..255.
        glowing: Shines by itself, so the light of the scene does not change it.
    """

    points: tuple[Point, ...]
    colour: Colour
    glowing: bool = False


@dataclass(frozen=True, slots=True)
class Lamp:
    """A point that shines, drawn as a halo; `radius` in metres."""

    x: float
    y: float
    z: float
    radius: float


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A rigid thing, ready to be projected in one go.

    Attributes:
        x: Where light is measured, metres.
        z: Its nearest end, metres; things are painted by it, far ones first.
        corners: `N x 3` float64, the corners of all faces, one face after the other.
        ends: Where each face ends in `corners`.
        colours: `M x 3` float64, 0..255, one per face.
        glowing: `M` bool.
        coarse: So many faces are enough from afar.
        lamps: What shines on it.
        long: Reaches so far along the street that it stays in view after its near end has passed.
    """

    x: float
    z: float
    corners: FloatArray
    ends: tuple[int, ...]
    colours: FloatArray
    glowing: BoolArray
    coarse: int
    lamps: tuple[Lamp, ...]
    long: bool


def solid(
    x: float,
    z: float,
    faces: Sequence[Face],
    lamps: Iterable[Lamp] = (),
    *,
    coarse: int | None = None,
    long: bool = False,
) -> Solid:
    """Pack faces, painted in the order given."""
    ends = np.cumsum([len(face.points) for face in faces])
    return Solid(
        x,
        z,
        np.array([point for face in faces for point in face.points], dtype=np.float64),
        tuple(int(end) for end in ends),
        np.array([face.colour for face in faces], dtype=np.float64),
        np.array([face.glowing for face in faces], dtype=np.bool_),
        len(faces) if coarse is None else coarse,
        tuple(lamps),
        long,
    )


def tint(colour: Colour, gain: float) -> Colour:
    """A lighter or darker colour.

    >>> tint((100, 200, 40), 1.5)
    (150, 255, 60)
    """
    red, green, blue = (min(255, int(channel * gain)) for channel in colour)
    return red, green, blue


def panel(x: tuple[float, float], y: tuple[float, float], z: float, colour: Colour) -> Face:
    """An upright rectangle that faces the camera."""
    return Face(((x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)), colour)


def flank(
    x: float,
    y: tuple[float, float],
    z: tuple[float, float],
    colour: Colour,
    *,
    glowing: bool = False,
) -> Face:
    """An upright rectangle along the street."""
    corners = ((x, y[0], z[0]), (x, y[0], z[1]), (x, y[1], z[1]), (x, y[1], z[0]))
    return Face(corners, colour, glowing)


def floor(
    x: tuple[float, float], z: tuple[float, float], colour: Colour, height: float = 0.0
) -> Face:
    """A level rectangle at `height`."""
    corners = (
        (x[0], height, z[0]),
        (x[1], height, z[0]),
        (x[1], height, z[1]),
        (x[0], height, z[1]),
    )
    return Face(corners, colour)


def disc(
    centre: Point,
    radii: tuple[float, float],
    colour: Colour,
    corners: int = 10,
    *,
    glowing: bool = False,
) -> Face:
    """An upright ellipse that faces the camera; `radii` across and up."""
    x, y, z = centre
    turns = [2 * math.pi * index / corners for index in range(corners)]
    points = tuple((x + radii[0] * math.cos(t), y + radii[1] * math.sin(t), z) for t in turns)
    return Face(points, colour, glowing)


def wheel(x: float, y: float, z: float, radius: float, colour: Colour) -> Face:
    """A disc that faces across the street."""
    turns = [2 * math.pi * index / 8 for index in range(8)]
    points = tuple((x, y + radius * math.sin(t), z + radius * math.cos(t)) for t in turns)
    return Face(points, colour)
