"""What one frame shows: everything near the camera as layers, far ones first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from thrifty.data.street.camera import (
    NEAREST,
    THINGS_TO,
    WALLS_TO,
    Camera,
    Polygon,
    camera_of,
    project_solid,
    ring,
)
from thrifty.data.street.figure import Patch, draw_body, draw_umbrella
from thrifty.data.street.light import Light, light_of
from thrifty.data.street.solid import Lamp, Solid
from thrifty.data.street.world import STRETCH, Drive, Walker, movers, route, stretch, walkers

_PEOPLE_TO = 15.0  # metres: grown-ups are higher there than what is ignored
_CAR_LENGTH = 4.2  # metres


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing in canvas pixels, ready to paint.

    Attributes:
        depth: Metres from the camera; far layers are painted first.
        under: Its shadow.
        body: What it is; for a person, what the box encloses.
        over: What hides the body without being part of it, like an umbrella.
        person: Whether it gets a box.
    """

    depth: float
    under: list[Polygon]
    body: list[Polygon]
    over: list[Polygon] = field(default_factory=list)
    person: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """All that one frame shows.

    Attributes:
        drive: Where.
        camera: The view.
        light: Of the drive.
        layers: Everything but ground and walls, which never hide anybody; far ones first.
        lamps: What has a halo.
    """

    drive: Drive
    camera: Camera
    light: Light
    layers: list[Layer]
    lamps: list[Lamp]


def compose(drive: Drive, frame: int, width: int, height: int) -> Scene:
    """Collect what a frame of `width` x `height` pixels shows."""
    camera = camera_of(drive, frame, width, height)
    light = light_of(drive.look, route(drive).light)
    layers, lamps = _standing(drive, camera, light)
    for mover in movers(drive, camera.z, WALLS_TO):
        place = mover.place(frame)
        if -_CAR_LENGTH < place - camera.z < WALLS_TO:
            layers.append(_thing(camera, light, mover.body, place))
            lamps += [replace(lamp, z=lamp.z + place) for lamp in mover.body.lamps]
    for walker in walkers(drive, camera.z, _PEOPLE_TO):
        if NEAREST < walker.place(frame)[1] - camera.z < _PEOPLE_TO:
            layers.append(_walker(camera, light, walker, frame))
    layers.sort(key=lambda layer: -layer.depth)
    return Scene(drive, camera, light, layers, lamps)


def _standing(drive: Drive, camera: Camera, light: Light) -> tuple[list[Layer], list[Lamp]]:
    layers: list[Layer] = []
    lamps: list[Lamp] = []
    first = math.floor(camera.z / STRETCH) - 1
    parts = [stretch(drive, index) for index in range(first, first + 2 + int(THINGS_TO / STRETCH))]
    for thing in (thing for part in parts for thing in part.things):
        # A car stays in view until its tail has passed.
        if (-_CAR_LENGTH if thing.long else NEAREST) < thing.z - camera.z < THINGS_TO:
            layers.append(_thing(camera, light, thing))
            lamps += thing.lamps
    return layers, lamps


def _thing(camera: Camera, light: Light, thing: Solid, z: float = 0.0) -> Layer:
    place = thing.z + z
    wide = 1.0 if thing.long else 0.3
    shadow = ring(camera, (thing.x, place + wide), (wide, wide), (0, 0, 0, light.shadow))
    return Layer(place - camera.z, [shadow], project_solid(camera, light, thing, z))


def _walker(camera: Camera, light: Light, walker: Walker, frame: int) -> Layer:
    x, z = walker.place(frame)
    ahead = z - camera.z
    pose = walker.pose(frame, math.atan2(x - camera.x, ahead))
    column, row, scale = camera.spot(x, 0.0, z)

    def ready(patches: list[Patch]) -> list[Polygon]:
        if not patches:
            return []
        colours = np.array([colour for _, colour in patches], dtype=np.float64)
        inks = light.shade(colours, (x, ahead, z))
        return [
            (
                [
                    v
                    for u, up in spots
                    for v in (round(column + u * scale), round(row - up * scale))
                ],
                ink,
            )
            for (spots, _), ink in zip(patches, inks, strict=True)
        ]

    shadow = ring(camera, (x, z), (0.32, 0.32), (0, 0, 0, light.shadow))
    body, over = draw_body(walker.person, pose), draw_umbrella(walker.person, pose)
    return Layer(ahead, [shadow], ready(body), ready(over), person=True)
