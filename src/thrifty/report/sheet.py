"""A contact sheet: small pictures in rows, with the boxes that were drawn on them."""

from __future__ import annotations

import colorsys
import math
from collections import Counter
from collections.abc import Iterable, Sequence

from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from thrifty.data.dataset import Category, LabelledImage
from thrifty.errors import DataError
from thrifty.types import Image

CELL = 320
"""Pixels across a picture on the sheet."""

_CAPTION = 18
_GAP = 8
_PAPER = (250, 250, 248)
_INK = (40, 40, 40)
_REGION = (150, 150, 150)
_GOLDEN = 0.618034


def contact_sheet(
    entries: Iterable[tuple[LabelledImage, Image | DataError]],
    categories: Sequence[Category],
    columns: int = 4,
) -> Pictures.Image:
    """Draw a sheet.

    Args:
        entries: Images with their pixels; one without them gets an empty cell that says so.
        categories: Their classes; each has a colour of its own, and a line in the legend if it occurs. Ignore regions
            are grey and dashed.
        columns: Pictures in a row.

    Returns:
        The sheet, RGB.
    """
    cells = [(image, _cell(image, pixels, categories)) for image, pixels in entries]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for _, cell in row) + _CAPTION + _GAP for row in rows]
    width = max(1, min(columns, len(cells))) * (CELL + _GAP) + _GAP
    sheet = Pictures.new("RGB", (width, sum(heights) + 2 * _GAP + _CAPTION), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _legend(draw, [image for image, _ in cells], categories)
    top = _GAP + _CAPTION
    for row, height in zip(rows, heights, strict=True):
        for place, (image, cell) in enumerate(row):
            left = _GAP + place * (CELL + _GAP)
            sheet.paste(cell, (left, top))
            caption = _fitting(draw, image.name, CELL)
            draw.text((left, top + cell.height + 2), caption, fill=_INK, font=_font())
        top += height
    return sheet


def _cell(
    image: LabelledImage, pixels: Image | DataError, categories: Sequence[Category]
) -> Pictures.Image:
    if isinstance(pixels, DataError):
        empty = Pictures.new("RGB", (CELL, CELL * 3 // 4), (225, 225, 222))
        ImageDraw.Draw(empty).text((_GAP, _GAP), "no picture", fill=_INK, font=_font())
        return empty
    picture = Pictures.fromarray(pixels)
    scale = CELL / picture.width
    cell = picture.resize((CELL, max(1, round(picture.height * scale))), Pictures.Resampling.BOX)
    draw = ImageDraw.Draw(cell)
    for label in image.labels:
        if all(math.isfinite(value) for value in label.box):
            limits = (-1, -1, cell.width, cell.height)
            scaled = [value * scale for value in label.box]
            corners = (*map(max, scaled[:2], limits[:2]), *map(min, scaled[2:], limits[2:]))
            _box(draw, corners, colour(label.category, len(categories)) if label.counts else None)
    return cell


def _box(
    draw: ImageDraw.ImageDraw, corners: Sequence[float], ink: tuple[int, int, int] | None
) -> None:
    left, top, right, bottom = corners
    if right <= left or bottom <= top:
        return
    if ink is not None:
        draw.rectangle((left, top, right, bottom), outline=ink, width=2)
        return
    for start in range(int(left), int(right), 8):
        end = min(start + 4, right)
        draw.line((start, top, end, top), fill=_REGION)
        draw.line((start, bottom, end, bottom), fill=_REGION)
    for start in range(int(top), int(bottom), 8):
        end = min(start + 4, bottom)
        draw.line((left, start, left, end), fill=_REGION)
        draw.line((right, start, right, end), fill=_REGION)


def colour(category: int, count: int) -> tuple[int, int, int]:
    """A bright colour for a class, far from that of its neighbours.

    >>> colour(0, 3)
    (26, 235, 26)
    """
    hue = (1 / 3 + category * (_GOLDEN if count > 1 else 0)) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.89, 0.92)
    return round(red * 255), round(green * 255), round(blue * 255)


def _legend(
    draw: ImageDraw.ImageDraw, images: Sequence[LabelledImage], categories: Sequence[Category]
) -> None:
    labels = [label for image in images for label in image.labels]
    counts = Counter(label.category for label in labels if label.counts)
    entries = [
        (f"{categories[category].name} {number}", colour(category, len(categories)))
        for category, number in sorted(counts.items())
    ]
    ignored = sum(not label.counts for label in labels)
    if ignored:
        entries.append((f"ignored {ignored}", _REGION))
    left = float(_GAP)
    for text, ink in entries:
        draw.rectangle((left, _GAP + 2, left + 9, _GAP + 11), fill=ink)
        draw.text((left + 14, _GAP), text, fill=_INK, font=_font())
        left += 28 + draw.textlength(text, font=_font())


def _fitting(draw: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """The end of a text, as much as fits: file names differ at their ends."""
    if draw.textlength(text, font=_font()) <= width:
        return text
    while text and draw.textlength("…" + text, font=_font()) > width:
        text = text[1:]
    return "…" + text


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(12)
