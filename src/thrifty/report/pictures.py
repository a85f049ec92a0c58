"""Frames, score maps and boxes in the form a page can hold: data URIs and coordinates."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from PIL import Image as Pictures

from thrifty.types import FloatArray, Image

WIDTH = 480
"""Pixels across a chosen frame's picture, at most."""

SMALL_WIDTH = 176
_MAP_WIDTH = 320
_LEVELS = 48
_OPAQUE = 0.88
_COLOURS = "inferno"
_PEAK = 99.9


@dataclass(frozen=True, slots=True)
class Picture:
    """An inline picture: data URI and size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Box:
    """A box in the pixels of a `Picture`, with what is written at it."""

    x: float
    y: float
    width: float
    height: float
    text: str = ""

    @property
    def text_y(self) -> float:
        """Baseline of the text: above the box, or inside where the picture ends."""
        return self.y - 5 if self.y > 22 else self.y + 18


def photograph(image: Image, width: int = WIDTH, quality: int = 74) -> Picture:
    """A JPEG of the picture, never wider than `width`."""
    picture = Pictures.fromarray(np.ascontiguousarray(image))
    size = _fit(picture.width, picture.height, width)
    if size != picture.size:
        picture = picture.resize(size, Pictures.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=quality, optimize=True)
    return Picture(_uri("image/jpeg", buffer), *size)


def _fit(width: int, height: int, limit: int) -> tuple[int, int]:
    scale = min(1.0, limit / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _uri(kind: str, buffer: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def peak(maps: Iterable[FloatArray | None]) -> float:
    """Upper end of the colour scale that all maps share: the highest of their 99.9th percentiles.

    >>> peak([None, np.full((2, 2), 0.5)]), peak([])
    (0.5, 0.0)
    """
    return max(
        (float(np.percentile(_finite(one), _PEAK)) for one in maps if one is not None and one.size),
        default=0.0,
    )


def _finite(score_map: FloatArray) -> FloatArray:
    return np.nan_to_num(np.asarray(score_map, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def overlay(score_map: FloatArray, top: float) -> str:
    """The same as `score_layer`, as a data URI."""
    return _uri("image/png", score_layer(score_map, top))


def score_layer(score_map: FloatArray, top: float) -> io.BytesIO:
    """A score map as a PNG to lay over its picture: clear at 0, opaque and bright at `top` and above.

    Args:
        score_map: `H x W`, >= 0.
        top: Upper end of the scale; 0 leaves everything clear.
    """
    height, width = score_map.shape
    strength = np.clip(_finite(score_map) / top, 0, 1) if top > 0 else np.zeros((height, width))
    plane = Pictures.fromarray(strength.astype(np.float32))
    plane = plane.resize(_fit(width, height, _MAP_WIDTH), Pictures.Resampling.BILINEAR)
    levels = np.rint(np.clip(np.asarray(plane), 0, 1) * (_LEVELS - 1)).astype(np.uint8)
    rgba = _colours()
    picture = Pictures.fromarray(levels, mode="L").convert("P")
    picture.putpalette(rgba[:, :3].tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True, transparency=rgba[:, 3].tobytes())
    return buffer


def _colours() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """`_LEVELS x 4` RGBA: a perceptual map whose opacity rises with the score."""
    places = np.linspace(0, 1, _LEVELS)
    rgba = np.asarray(mpl.colormaps[_COLOURS](places))
    rgba[:, 3] = _OPAQUE * np.minimum(1, 2 * places)
    return np.asarray(np.rint(rgba * 255), dtype=np.uint8).reshape(_LEVELS, 4)


def colour_bar() -> str:
    """The overlay's colours from 0 to the top of the scale, as stops of a CSS gradient."""
    stops = [
        f"rgb({r} {g} {b} / {a / 255:.2f})" for r, g, b, a in _colours()[:: _LEVELS // 12].tolist()
    ]
    return ", ".join(stops)


def boxes(corners: FloatArray, scale: float, texts: Sequence[str] | None = None) -> list[Box]:
    """Boxes in the pixels of the page's picture.

    Args:
        corners: `N x 4` xyxy in pixels of the original.
        scale: Pixels of the page's picture per pixel of the original.
        texts: What to write at each.

    Returns:
        `N` boxes; corners rounded to a tenth of a pixel.
    """
    rows = np.asarray(corners, dtype=np.float64).reshape(-1, 4) * scale
    words = texts or [""] * len(rows)
    return [
        Box(
            round(x0, 1),
            round(y0, 1),
            round(max(0.0, x1 - x0), 1),
            round(max(0.0, y1 - y0), 1),
            text,
        )
        for (x0, y0, x1, y1), text in zip(rows.tolist(), words, strict=True)
    ]
