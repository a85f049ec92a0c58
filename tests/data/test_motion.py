"""How far a picture moves: shifted textures, whose motion is known."""

import sys

import numpy as np
import pytest
from PIL import Image as Pillow

from thrifty.data import motion as module
from thrifty.data.motion import Odometer, motion
from thrifty.errors import CapabilityError
from thrifty.types import Image


def texture(shift: int, seed: int = 0) -> Image:
    """A window on a smooth random picture, further to the right the larger the shift."""
    noise = np.random.default_rng(seed).integers(0, 256, (20, 50), dtype=np.uint8)
    wide = np.asarray(Pillow.fromarray(noise).resize((1000, 240), Pillow.Resampling.BICUBIC))
    window = wide[:, 100 + shift : 420 + shift]
    return np.repeat(window[:, :, None], 3, axis=2)


def test_a_picture_that_stands_has_not_moved() -> None:
    assert motion(texture(0), texture(0)) < 1e-3


@pytest.mark.parametrize("shift", [4, 8, 16])
def test_a_shift_is_measured_in_widths(shift: int) -> None:
    assert motion(texture(0), texture(shift)) == pytest.approx(shift / 320, rel=0.15)


def test_brighter_is_not_moved() -> None:
    brighter = np.minimum(texture(0).astype(np.int64) + 6, 255).astype(np.uint8)
    assert motion(texture(0), brighter) < 0.2 * motion(texture(0), texture(8))


def test_a_change_of_size_is_one_width() -> None:
    assert motion(texture(0), texture(0)[:, :300]) == 1.0


def test_an_axis_that_never_falls_and_starts_anew_with_each_video() -> None:
    """Undecodable frames stand where the video stands; the next is measured from the last one that was seen."""
    odometer = Odometer()
    pictures = [None, texture(0), texture(4), None, None, texture(12), texture(12)[:200], None]
    places = [odometer.read("a", picture) for picture in pictures]
    near, far = motion(texture(0), texture(4)), motion(texture(4), texture(12))
    expected = [0, 0, near, near, near, near + far, near + far + 1, near + far + 1]
    assert places == pytest.approx(expected)
    assert 0 < near < far
    assert np.isfinite(places).all()
    assert odometer.read("b", None) == 0
    assert odometer.read("b", texture(30)) == 0
    assert odometer.read("b", texture(34)) > 0


def test_stills_have_not_moved() -> None:
    odometer = Odometer()
    assert [odometer.read(None, texture(shift)) for shift in (0, 8)] == [0, 0]


def test_without_opencv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    module._flow.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    try:
        with pytest.raises(CapabilityError, match=r"pip install 'thrifty\[flow\]'"):
            motion(texture(0), texture(0))
    finally:
        module._flow.cache_clear()
