"""From metres to canvas pixels: the camera, and solids and rings as it sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thrifty.data.street.light import Light
from thrifty.data.street.solid import Solid
from thrifty.data.street.world import Drive, route
from thrifty.types import FloatArray

FINE = 2
"""Canvas pixels per picture pixel and side: everything is painted larger and averaged."""

_EYE = 1.35  # metres above the road
_FOCAL = 200 / 240  # picture heights
HORIZON = 0.45
"""Picture heights from the top."""
NEAREST = 0.6
"""Metres; what is closer is pulled to this distance."""
THINGS_TO, WALLS_TO = 34.0, 74.0
"""Metres up to which things and houses are shown."""

_FACES_TO = 26.0  # metres

Polygon = tuple[list[int], tuple[int, ...]]
"""Corners x0, y0, x1, y1, ... in canvas pixels, and RGB or translucent RGBA."""

Bounds = tuple[int, int, int, int]
"""Left, top, right, bottom in canvas pixels, half-open."""


@dataclass(frozen=True, slots=True)
class Camera:
    """One view of the street.

    Attributes:
        width: Canvas pixels.
        height: Canvas pixels.
        x: Metres right of the lane's middle.
        z: Metres along the street.
        centre: Canvas column of the vanishing point.
        horizon: Canvas row of the vanishing point.
        focal: Canvas pixels.
    """

    width: int
    height: int
    x: float
    z: float
    centre: float
    horizon: float
    focal: float

    def project(self, corners: FloatArray) -> list[int]:
        """Canvas coordinates x0, y0, x1, y1, ... of `N x 3` points."""
        # Faces that pass the camera lie along the street, so pulling corners forward clips them exactly.
        scale = self.focal / np.maximum(corners[:, 2] - self.z, NEAREST)
        flat = np.empty((len(corners), 2))
        flat[:, 0] = self.centre + (corners[:, 0] - self.x) * scale
        flat[:, 1] = self.horizon + (_EYE - corners[:, 1]) * scale
        whole: list[int] = np.rint(flat).astype(np.int64).ravel().tolist()
        return whole

    def spot(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Canvas column and row of a point, and canvas pixels per metre there."""
        scale = self.focal / max(z - self.z, NEAREST)
        return self.centre + (x - self.x) * scale, self.horizon + (_EYE - y) * scale, scale


def camera_of(drive: Drive, frame: int, width: int, height: int) -> Camera:
    """The view of a frame of `width` x `height` pixels."""
    way, focal = route(drive), _FOCAL * height * FINE
    return Camera(
        width * FINE,
        height * FINE,
        way.aside(frame),
        way.forward(frame),
        width * FINE / 2 - way.turn(frame) * focal,
        HORIZON * height * FINE + way.nod(frame) * focal,
        focal,
    )


def project_solid(camera: Camera, light: Light, thing: Solid, z: float = 0.0) -> list[Polygon]:
    """Project a solid, moved by z along the street."""
    ahead = thing.z + z - camera.z
    count = len(thing.ends) if ahead < _FACES_TO else thing.coarse
    ends = thing.ends[:count]
    corners = thing.corners[: ends[-1]]
    flat = camera.project(corners if z == 0.0 else corners + np.array([0.0, 0.0, z]))
    place = (thing.x, ahead, thing.z + z)
    inks = light.shade(thing.colours[:count], place, thing.glowing[:count])
    starts = (0, *ends[:-1])
    return [
        (flat[2 * start : 2 * end], ink) for start, end, ink in zip(starts, ends, inks, strict=True)
    ]


def ring(
    camera: Camera, centre: tuple[float, float], radii: tuple[float, float], ink: tuple[int, ...]
) -> Polygon:
    """An ellipse on the ground."""
    turns = np.arange(12) * (math.pi / 6)
    points = np.zeros((12, 3))
    points[:, 0] = centre[0] + radii[0] * np.cos(turns)
    points[:, 2] = centre[1] + radii[1] * np.sin(turns)
    return camera.project(points), ink
