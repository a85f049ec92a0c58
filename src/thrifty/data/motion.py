"""How far a picture has moved since the one before, and since its video began, by dense optical flow.

OpenCV's DIS flow (T. Kroeger, R. Timofte, D. Dai and L. Van Gool, Fast Optical Flow using Dense Inverse Search, ECCV 2016); it
comes with the extra `flow`, since only this rule needs it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from PIL import Image as Pillow

from thrifty.errors import CapabilityError
from thrifty.types import Image

_WIDTH = 160
_LEAST = 16


def motion(before: Image, after: Image) -> float:
    """Mean length of the flow between two pictures.

    Args:
        before: `H x W x 3` uint8 RGB.
        after: Likewise, of the same video.

    Returns:
        Widths of the picture, >= 0; one width if their sizes differ, which no flow leads across.

    Raises:
        CapabilityError: OpenCV is not installed.
    """
    flow = _flow()
    if before.shape != after.shape:
        return 1.0
    first, second = _small(before), _small(after)
    found = np.asarray(flow.calc(first, second, None), dtype=np.float64)
    return float(np.hypot(found[..., 0], found[..., 1]).mean() / first.shape[1])


class Odometer:
    """How far each video has moved since it began, told frame by frame; the frames of a video come one after the other."""

    def __init__(self) -> None:
        self._sequence: str | None = None
        self._before: Image | None = None
        self._travelled = 0.0

    def read(self, sequence: str | None, image: Image | None) -> float:
        """How far a video has moved at its next frame.

        Args:
            sequence: Which video; `None` for a still, which has not moved.
            image: `H x W x 3` uint8 RGB; `None` if it cannot be decoded, and then has moved no further than the frame before.

        Returns:
            Widths of the picture, >= 0, never decreasing along a video.

        Raises:
            CapabilityError: OpenCV is not installed.
        """
        if sequence is None or sequence != self._sequence:
            self._sequence, self._before, self._travelled = sequence, None, 0.0
        if sequence is not None and image is not None:
            if self._before is not None:
                self._travelled += motion(self._before, image)
            self._before = image
        return self._travelled


@cache
def _flow() -> Any:  # noqa: ANN401 - OpenCV has no types of its own
    try:
        import cv2  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise CapabilityError(
            "the rule 'same_motion' needs OpenCV; pip install 'thrifty[flow]', or leave the rule out"
        ) from error
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def _small(image: Image) -> Image:
    """Grey, and 160 pixels wide: what moves the picture is larger than a pixel of that."""
    height, width = image.shape[:2]
    size = (_WIDTH, max(_LEAST, round(height * _WIDTH / width)))
    grey = Pillow.fromarray(image).convert("L").resize(size, Pillow.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(grey))
