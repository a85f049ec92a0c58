"""Pictures that are nearly the same: resaved, resized, a little brighter, or taken a moment later.

A picture is reduced to 64 bits, one for each pair of neighbours on an 8 x 9 grid: whether it gets brighter from left to right
("difference hash"). Near-identical pictures differ in few bits. Pairs are found without comparing all with all: of two
hashes that differ in at most `DISTANCE` bits, cut into one piece more, one piece is equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from thrifty.types import Image

DISTANCE = 3
"""Bits of the hash in which near-identical pictures may differ."""

BRIGHTNESS = 12.0
"""Mean difference in brightness, 0 to 255, that they may have; so that plain pictures of other shades are kept apart."""

_ROWS, _COLUMNS = 8, 9
_PIECES = DISTANCE + 1
_PIECE = 64 // _PIECES
_MOST_ALIKE = 64
"""Beyond this many pictures in one piece, each is compared with as many before it: a hash of nothing but sky is no news."""


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """What is left of a picture for comparing.

    Attributes:
        bits: The difference hash.
        grid: `8 x 9` uint8, brightness.
    """

    bits: int
    grid: npt.NDArray[np.uint8]


def thumbnail(image: Image) -> Thumbnail:
    """Reduce a picture.

    Args:
        image: `H x W x 3` uint8 RGB.
    """
    small = Pillow.fromarray(image).convert("L")
    grid = np.asarray(small.resize((_COLUMNS, _ROWS), Pillow.Resampling.BOX), dtype=np.uint8)
    brighter = (grid[:, 1:] > grid[:, :-1]).ravel()
    return Thumbnail(int.from_bytes(np.packbits(brighter).tobytes(), "big"), grid)


def fingerprint(image: Image) -> int:
    """The difference hash of a picture, 64 bits.

    Args:
        image: `H x W x 3` uint8 RGB.
    """
    return thumbnail(image).bits


def near_identical(thumbnails: Sequence[Thumbnail]) -> Iterator[tuple[int, int]]:
    """Pairs of places of near-identical pictures, the smaller place first, in ascending order of the second.

    Time grows with the number of pictures and of pairs, not with its square.
    """
    pieces: list[dict[int, list[int]]] = [defaultdict(list) for _ in range(_PIECES)]
    for place, one in enumerate(thumbnails):
        candidates: set[int] = set()
        for number, known in enumerate(pieces):
            piece = one.bits >> (number * _PIECE) & ((1 << _PIECE) - 1)
            candidates.update(known[piece][-_MOST_ALIKE:])
            known[piece].append(place)
        for other in sorted(candidates):
            if _alike(thumbnails[other], one):
                yield other, place


def _alike(first: Thumbnail, second: Thumbnail) -> bool:
    if (first.bits ^ second.bits).bit_count() > DISTANCE:
        return False
    difference = np.abs(first.grid.astype(np.int16) - second.grid)
    return float(difference.mean()) <= BRIGHTNESS
