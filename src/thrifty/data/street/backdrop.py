"""Sky, ground and houses: what never hides anybody."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from PIL import Image as Pictures

from thrifty.data.street.camera import (
    HORIZON,
    THINGS_TO,
    WALLS_TO,
    Camera,
    Polygon,
    project_solid,
    ring,
)
from thrifty.data.street.dice import Dice
from thrifty.data.street.houses import LEFT_CURB, LEFT_WALL, RIGHT_CURB, RIGHT_WALL
from thrifty.data.street.light import Light
from thrifty.data.street.solid import Face, Solid, floor, panel, solid
from thrifty.data.street.world import LAMP_EVERY, STRETCH, Drive, Look, lamp_place, stretch, walls


def backdrop(drive: Drive, camera: Camera, light: Light) -> list[Polygon]:
    """Ground and houses, in the order of painting."""
    polygons = project_solid(camera, light, _skyline(drive), camera.z) + _ground(camera, light)
    if light.lamps.any():
        polygons += _pools(camera)
    first = math.floor(camera.z / STRETCH)
    for index in range(first + int(WALLS_TO / STRETCH), first - 1, -1):
        for wall in walls(drive, index):
            polygons += project_solid(camera, light, wall)
        if index * STRETCH - camera.z < THINGS_TO:
            polygons += project_solid(camera, light, stretch(drive, index).marks)
    return polygons


@lru_cache(maxsize=64)
def _skyline(drive: Drive) -> Solid:
    """Roofs at the end of the street, 90 m ahead of wherever the camera is."""
    dice = Dice(drive.seed, drive.number)
    faces: list[Face] = []
    for index in range(-6, 6):
        colour = (110, 112, 118) if drive.look is Look.DAYLIGHT else (70, 76, 92)
        faces.append(
            panel(
                (index * 14.0, index * 14.0 + 14.0), (-1.0, dice.between(4.0, 16.0)), 90.0, colour
            )
        )
    return solid(0.0, 90.0, faces)


_BANDS = (
    ((LEFT_CURB, RIGHT_CURB), (92, 92, 94)),
    ((RIGHT_CURB, RIGHT_CURB + 0.15), (178, 174, 166)),
    ((LEFT_CURB - 0.15, LEFT_CURB), (178, 174, 166)),
    ((RIGHT_CURB + 0.15, RIGHT_WALL + 6.0), (146, 141, 133)),
    ((LEFT_WALL - 6.0, LEFT_CURB - 0.15), (146, 141, 133)),
)
_SLICES = (
    (48.0, 92.0),
    (30.0, 48.0),
    (20.0, 30.0),
    (13.0, 20.0),
    (8.0, 13.0),
    (5.0, 8.0),
    (0.0, 5.0),
)


def _ground(camera: Camera, light: Light) -> list[Polygon]:
    """Road and pavements, in slices that each have their own share of haze and beam."""
    polygons: list[Polygon] = []
    for strip in _strips():
        # Lamps light the ground as pools, so the slices are shaded as if between two lamps.
        inks = light.shade(strip.colours, (1.0, strip.z, STRETCH * LAMP_EVERY / 2 + 4.0))
        flat = camera.project(strip.corners + np.array([0.0, 0.0, camera.z]))
        polygons += [(flat[8 * i : 8 * i + 8], ink) for i, ink in enumerate(inks)]
    return polygons


@lru_cache(maxsize=1)
def _strips() -> tuple[Solid, ...]:
    """The ground before a camera at z = 0, far slices first."""
    return tuple(
        solid(0.0, sum(span) / 2, [floor(x, span, colour) for x, colour in _BANDS])
        for span in _SLICES
    )


def _pools(camera: Camera) -> list[Polygon]:
    """Light of the street lamps on the ground."""
    first = math.floor(camera.z / STRETCH / LAMP_EVERY) * LAMP_EVERY
    places = [lamp_place(index) for index in (first + LAMP_EVERY, first)]
    return [
        ring(camera, place, (3.4 * share, 4.4 * share), (255, 205, 130, 12))
        for place in places
        for share in (1.0, 0.87, 0.74, 0.61, 0.48, 0.35)
    ]


@lru_cache(maxsize=8)
def sky(light: Light, width: int, height: int) -> Pictures.Image:
    """A canvas with the sky, darker overhead and hazy from the horizon down, and nothing else."""
    share = np.clip(np.arange(height) / (HORIZON * height), 0.0, 1.0)[:, None]
    rows = np.array(light.zenith) * (1.0 - share) + light.haze * share
    column = Pictures.fromarray(rows[:, None, :].astype(np.uint8))
    return column.resize((width, height), Pictures.Resampling.NEAREST)
