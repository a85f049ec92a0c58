"""Score maps for people: where in a frame the detector contradicts itself, head by head and summed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw

from thrifty.maps import ClassMaps
from thrifty.scoring.divergence import level_scores
from thrifty.scoring.forms import DivergenceSettings
from thrifty.scoring.regions import region_maxima, summarise, top_regions
from thrifty.types import FloatArray, Image

_COLOURS = "inferno"
_OPAQUE = 0.75
_WIDTH = 480
_HEIGHT = 1200
_NARROWEST = 160
_CAPTION = 18
_ACROSS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """A frame's scores, to look at.

    Attributes:
        levels: `K x H x W` float64, the pixel scores of each level, nats.
        total: `H x W` float64, their sum (equation 4).
        regions: `N x 4` float64 xyxy, the regions with the highest maxima, highest first, in pixels of the maps.
        maxima: `N` float64, their maxima.
        score: The frame's score.
    """

    levels: FloatArray
    total: FloatArray
    regions: FloatArray
    maxima: FloatArray
    score: float


def measure(maps: ClassMaps, settings: DivergenceSettings, regions: int = 5) -> Heat:
    """Score one frame in a way that can be looked at.

    Args:
        maps: Of one frame (B = 1).
        settings: Radius, regions, statistic.
        regions: How many of the highest regions to name.

    Raises:
        ScoreError: The maps hold unsound numbers.
    """
    levels = level_scores(maps, settings.radius).detach().cpu()
    total = levels.sum(dim=1)
    grid = region_maxima(total, settings.regions.size, settings.regions.tiling)[0]
    score = summarise(grid[None], total.mean(dim=(1, 2)), settings.regions)
    size = (maps.height, maps.width)
    boxes = top_regions(grid, settings.regions.size, settings.regions.lead, size, regions)
    highest = grid.flatten().sort(descending=True, stable=True).values[: len(boxes)]
    return Heat(
        levels[0].numpy(),
        total[0].numpy(),
        boxes.numpy(),
        highest.double().numpy(),
        float(score),
    )


def draw(image: Image, heat: Heat) -> Image:
    """One sheet: the frame with its highest regions, the summed map, and the map of every level.

    The summed map has a scale of its own; those of the levels share one, so that heads can be compared.

    Args:
        image: The frame.
        heat: From `measure`.

    Returns:
        An RGB picture, three panels wide, each with a caption.
    """
    top = float(heat.levels.max())
    panels = [
        (_outlined(image, heat), f"score {heat.score:.4f}; highest regions"),
        (
            _laid_over(image, heat.total, float(heat.total.max())),
            f"sum, up to {heat.total.max():.3f}",
        ),
    ]
    panels += [
        (_laid_over(image, level, top), f"level {index + 1}, up to {level.max():.3f}")
        for index, level in enumerate(heat.levels)
    ]
    return _sheet(panels)


def _laid_over(image: Image, scores: FloatArray, top: float) -> Pictures.Image:
    picture = Pictures.fromarray(image)
    strength = np.clip(scores / top, 0, 1) if top > 0 else np.zeros_like(scores)
    plane = Pictures.fromarray(strength.astype(np.float32)).resize(
        picture.size, Pictures.Resampling.BILINEAR
    )
    strength = np.clip(np.asarray(plane, dtype=np.float64), 0, 1)
    colours = 255 * np.asarray(mpl.colormaps[_COLOURS](strength))[..., :3]
    opacity = _OPAQUE * np.minimum(1, 2 * strength)[..., None]
    mixed = colours * opacity + np.asarray(picture, dtype=np.float64) * (1 - opacity)
    return Pictures.fromarray(np.rint(mixed).astype(np.uint8))


def _outlined(image: Image, heat: Heat) -> Pictures.Image:
    picture = Pictures.fromarray(image)
    pen = ImageDraw.Draw(picture)
    height, width = heat.total.shape
    scale = np.array([picture.width / width, picture.height / height] * 2)
    for rank, (box, highest) in enumerate(
        zip(heat.regions * scale, heat.maxima, strict=True), start=1
    ):
        left, upper, right, lower = box.tolist()
        # In a small picture a region may be less than a pixel, but its last pixel cannot come before its first.
        last = max(left, right - 1), max(upper, lower - 1)
        pen.rectangle((left, upper, *last), outline=(255, 200, 0), width=2)
        pen.text((left + 4, upper + 3), f"{rank}: {highest:.3f}", fill=(255, 255, 255))
    return picture


def _sheet(panels: Sequence[tuple[Pictures.Image, str]]) -> Image:
    first = panels[0][0]
    scale = min(_WIDTH / first.width, _HEIGHT / first.height, max(1, _NARROWEST / first.width))
    size = max(1, round(first.width * scale)), max(1, round(first.height * scale))
    # Each panel has room for its caption, however narrow the picture.
    width, height = max(_NARROWEST, size[0]), size[1] + _CAPTION
    across = min(_ACROSS, len(panels))
    down = -(-len(panels) // across)
    sheet = Pictures.new("RGB", (across * width, down * height), (24, 24, 28))
    pen = ImageDraw.Draw(sheet)
    for index, (picture, caption) in enumerate(panels):
        x, y = index % across * width, index // across * height
        sheet.paste(picture.resize(size, Pictures.Resampling.LANCZOS), (x, y + _CAPTION))
        pen.text((x + 4, y + 3), caption, fill=(235, 235, 235))
    return np.asarray(sheet, dtype=np.uint8)


def encode(picture: Image, suffix: str) -> io.BytesIO:
    """A picture as the bytes of a file whose name ends so."""
    buffer = io.BytesIO()
    kind = "PNG" if suffix.lower() == ".png" else "JPEG"
    Pictures.fromarray(picture).save(buffer, format=kind, quality=90)
    return buffer


def as_archive(heat: Heat) -> dict[str, FloatArray]:
    """The arrays by name, for `numpy.savez`."""
    return {
        "levels": heat.levels,
        "total": heat.total,
        "regions": heat.regions,
        "maxima": heat.maxima,
        "score": np.array(heat.score),
    }
