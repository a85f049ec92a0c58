"""How bright things are: the colour of the air, street lamps, the camera car's own lamps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from thrifty.data.street.dice import Dice
from thrifty.data.street.solid import Colour
from thrifty.data.street.world import LAMP_EVERY, STRETCH, Look, lamp_place
from thrifty.types import BoolArray, FloatArray

Signal = npt.NDArray[np.int16]
"""Brightness that may still be below 0 or above 255."""


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Turns colours in full light into colours in the picture.

    Attributes:
        ambient: Gain of red, green and blue that reaches everything.
        haze: Colour of distance, RGB.
        clear: Metres at which two thirds of a colour are lost to haze.
        lamps: Gain right under a street lamp.
        beam: Gain right before the camera car's own lamps.
        zenith: Colour of the sky overhead, RGB.
        shadow: Opacity of the shadow under a thing, 0..255.
        grain: Standard deviation of the sensor's noise, 0..255.
    """

    ambient: FloatArray
    haze: FloatArray
    clear: float
    lamps: FloatArray
    beam: FloatArray
    zenith: Colour
    shadow: int
    grain: float

    def gain(self, x: float, ahead: float, z: float) -> FloatArray:
        """Gain of red, green and blue at x, so many metres ahead, and at z along the street."""
        gain = self.ambient
        if self.lamps.any():
            index = LAMP_EVERY * round((z - 4.0) / (STRETCH * LAMP_EVERY))
            lamp_x, lamp_z = lamp_place(index)
            distance = ((x - lamp_x) / 3.5) ** 2 + ((z - lamp_z) / 4.5) ** 2
            gain = gain + self.lamps * math.exp(-distance)
        if self.beam.any():
            gain = gain + self.beam * math.exp(-((ahead / 12.0) ** 2) - (x / 3.2) ** 2)
        return gain

    def shade(
        self,
        colours: FloatArray,
        place: tuple[float, float, float],
        glowing: BoolArray | None = None,
    ) -> list[Colour]:
        """Colours as the camera sees them.

        Args:
            colours: `M x 3`, 0..255.
            place: x, metres ahead of the camera, z.
            glowing: `M`; these shine by themselves and only fade in the haze.
        """
        x, ahead, z = place
        ahead = max(ahead, 0.0)
        lit = colours * self.gain(x, ahead, z)
        if glowing is not None and glowing.any():
            lit = np.where(glowing[:, None], colours, lit)
        clear = math.exp(-ahead / self.clear)
        seen = np.minimum(lit * clear + self.haze * (1.0 - clear), 255.0)
        return [(red, green, blue) for red, green, blue in seen.astype(np.int64).tolist()]


@lru_cache(maxsize=64)
def light_of(look: Look, level: float) -> Light:
    """The light of a look, `level` times as bright as usual."""
    if look is Look.DAYLIGHT:
        return Light(
            ambient=np.array([1.0, 0.99, 0.96]) * level,
            haze=np.array([205.0, 214.0, 224.0]) * min(level, 1.0),
            clear=75.0,
            lamps=np.zeros(3),
            beam=np.zeros(3),
            zenith=(118, 164, 218),
            shadow=80,
            grain=2.5,
        )
    return Light(
        ambient=np.array([0.57, 0.64, 0.84]) * level,
        haze=np.array([105.0, 114.0, 153.0]) * level,
        clear=55.0,
        lamps=np.array([0.50, 0.40, 0.24]),
        beam=np.array([0.36, 0.34, 0.28]),
        zenith=(45, 57, 108),
        shadow=40,
        grain=4.3,
    )


GRAIN_SHIFTS = 64
"""Noise is one tile, moved by up to so many pixels from frame to frame."""


@lru_cache(maxsize=8)
def grain_tile(height: int, width: int, deviation: float) -> Signal:
    """Sensor noise for a picture and its shifts, `H+64 x W+64 x 3` int16."""
    tile = Dice(height, width).grain(height + GRAIN_SHIFTS, width + GRAIN_SHIFTS, 3)
    return np.round(tile * deviation).astype(np.int16)


@lru_cache(maxsize=64)
def halo(radius: int) -> Signal:
    """Light scattered around a lamp, `2r+1 x 2r+1 x 3` int16, to be added."""
    axis = np.arange(-radius, radius + 1) / radius
    distance = np.sqrt(axis[:, None] ** 2 + axis[None, :] ** 2)
    falloff = np.clip(1.0 - distance, 0.0, 1.0) ** 2
    glow = falloff[..., None] * np.array([170.0, 145.0, 95.0])
    return np.asarray(glow, dtype=np.int16)
