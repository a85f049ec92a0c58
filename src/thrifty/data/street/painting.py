"""From a scene to a picture: painting far to near, lens and sensor."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw

from thrifty.data.street.backdrop import backdrop, sky
from thrifty.data.street.camera import FINE, Camera, Polygon
from thrifty.data.street.light import GRAIN_SHIFTS, Signal, grain_tile, halo
from thrifty.data.street.scene import Scene
from thrifty.data.street.solid import Lamp
from thrifty.types import Image


def paint(scene: Scene) -> Pictures.Image:
    """The canvas, before lens and sensor."""
    canvas = sky(scene.light, scene.camera.width, scene.camera.height).copy()
    opaque, clear = ImageDraw.Draw(canvas), ImageDraw.Draw(canvas, "RGBA")
    _fill(opaque, clear, backdrop(scene.drive, scene.camera, scene.light))
    for layer in scene.layers:
        _fill(opaque, clear, layer.under)
        _fill(opaque, clear, layer.body)
        _fill(opaque, clear, layer.over)
    return canvas


def expose(canvas: Pictures.Image, scene: Scene, shift: tuple[int, int]) -> Image:
    """Lens and sensor: average the canvas to a picture, add halos and noise."""
    picture = np.asarray(canvas.reduce(FINE)).astype(np.int16)
    for lamp in scene.lamps:
        _shine(picture, scene.camera, lamp)
    height, width = picture.shape[:2]
    down, right = (value % GRAIN_SHIFTS for value in shift)
    tile = grain_tile(height, width, scene.light.grain)
    picture += tile[down : down + height, right : right + width]
    return picture.clip(0, 255, out=picture).astype(np.uint8)


def _fill(opaque: ImageDraw.ImageDraw, clear: ImageDraw.ImageDraw, polygons: list[Polygon]) -> None:
    for corners, ink in polygons:
        (clear if len(ink) == 4 else opaque).polygon(corners, fill=ink)


def _shine(picture: Signal, camera: Camera, lamp: Lamp) -> None:
    if lamp.z - camera.z < 1.0:
        return
    column, row, scale = (value / FINE for value in camera.spot(lamp.x, lamp.y, lamp.z))
    x, y, radius = round(column), round(row), max(2, min(60, round(lamp.radius * scale)))
    glow = halo(radius)
    height, width = picture.shape[:2]
    left, top = max(x - radius, 0), max(y - radius, 0)
    right, bottom = min(x + radius + 1, width), min(y + radius + 1, height)
    if left < right and top < bottom:
        inner = glow[top - y + radius : bottom - y + radius, left - x + radius : right - x + radius]
        picture[top:bottom, left:right] += inner
