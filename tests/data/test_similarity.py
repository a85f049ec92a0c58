"""Near-identical pictures: what changes when a picture is saved again, and what makes another one."""

import io
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageEnhance

from thrifty.data.similarity import DISTANCE, Thumbnail, near_identical, thumbnail
from thrifty.data.stills import decode_picture


def resaved(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=60)
    return np.array(Pillow.open(buffer))


def test_a_real_picture_is_found_again_resaved_resized_and_brighter(real_data: Path) -> None:
    paths = sorted((real_data / "pennfudan" / "images").iterdir())[:60]
    images = [decode_picture(path, io.BytesIO(path.read_bytes())) for path in paths]
    known = [thumbnail(image) for image in images]
    pairs = set(near_identical(known))
    changed = []
    for image in images:
        picture = Pillow.fromarray(image)
        small = picture.resize((picture.width // 2, picture.height // 2))
        changed += [
            resaved(image),
            np.array(small),
            np.array(ImageEnhance.Brightness(picture).enhance(1.05)),
        ]
    found = set(near_identical([*known, *map(thumbnail, changed)]))
    twins = {(n, len(images) + 3 * n + way) for n in range(len(images)) for way in range(3)}
    assert len(twins - found) <= 2
    assert len(pairs) <= 2


def test_plain_pictures_of_other_shades_are_kept_apart() -> None:
    shades = [thumbnail(np.full((20, 30, 3), shade, np.uint8)) for shade in (0, 5, 100, 250)]
    assert list(near_identical(shades)) == [(0, 1)]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.data())
def test_pairs_are_those_of_comparing_all_with_all(bits: list[int], data: st.DataObject) -> None:
    flips = data.draw(st.lists(st.integers(0, 63), max_size=2 * len(bits)))
    near = [bits[place % len(bits)] ^ (1 << flip) for place, flip in enumerate(flips) if bits]
    grid = np.zeros((8, 9), np.uint8)
    entries = [Thumbnail(one, grid) for one in [*bits, *near]]
    expected = {
        (i, j)
        for j in range(len(entries))
        for i in range(j)
        if (entries[i].bits ^ entries[j].bits).bit_count() <= DISTANCE
    }
    found = list(near_identical(entries))
    assert set(found) == expected
    assert len(found) == len(set(found))
