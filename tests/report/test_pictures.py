from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image as Pictures

from thrifty.report.pictures import overlay, peak, photograph


def _decoded(uri: str) -> Pictures.Image:
    return Pictures.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_photograph_shrinks_and_never_grows() -> None:
    wide = photograph(np.zeros((100, 1000, 3), dtype=np.uint8))
    small = photograph(np.zeros((9, 7, 3), dtype=np.uint8))
    assert (wide.width, wide.height) == _decoded(wide.uri).size == (480, 48)
    assert (small.width, small.height) == _decoded(small.uri).size == (7, 9)


def test_overlay_is_clear_at_zero_and_brightest_at_the_top() -> None:
    scores = np.zeros((20, 30))
    scores[:, 10:20], scores[:, 20:] = 0.25, 0.9
    pixels = np.asarray(_decoded(overlay(scores, 0.5)).convert("RGBA")).astype(int)
    low, middle, high = pixels[10, 3], pixels[10, 15], pixels[10, 27]
    assert low[3] == 0
    assert 0 < middle[3] <= high[3]
    assert middle[:3].sum() < high[:3].sum()


def test_maps_share_one_scale_over_the_run() -> None:
    faint, strong = np.full((4, 4), 0.1), np.full((4, 4), 0.4)
    assert peak([faint, None, strong]) == pytest.approx(0.4)
    assert overlay(np.zeros((4, 4)), peak([np.zeros((4, 4))])).startswith("data:image/png")
