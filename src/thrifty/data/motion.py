"""How far a picture has moved since the one before, by dense optical flow.

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
        Widths of the picture, >= 0; infinity if their sizes differ.

    Raises:
        CapabilityError: OpenCV is not installed.
    """
    flow = _flow()
    if before.shape != after.shape:
        return float("inf")
    first, second = _small(before), _small(after)
    found = np.asarray(flow.calc(first, second, None), dtype=np.float64)
    return float(np.hypot(found[..., 0], found[..., 1]).mean() / first.shape[1])


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
