"""From pixel scores to one score per frame: the mean of region maxima (equation 5).

A frame scores high when it is contradictory in many places, however small each place is.
"""

from __future__ import annotations

from enum import StrEnum

from torch import Tensor
from torch.nn import functional as F

from thrifty.errors import ScoreError

REGION = 30


class Tiling(StrEnum):
    """Where the regions lie.

    `PAPER` starts at the top left corner; regions cut by the right or lower border keep what is inside the
    image and count like the others. `RELEASED` follows the authors' code: a maximum filter sampled every
    `size` pixels from the corner on, so the first row and column of regions are half as large and a strip of
    up to half a region may stay unread at the far borders.
    """

    PAPER = "paper"
    RELEASED = "released"


def region_maxima(scores: Tensor, size: int = REGION, tiling: Tiling = Tiling.PAPER) -> Tensor:
    """Maximum of the pixel scores in every region.

    Args:
        scores: `B x H x W`, floating, finite.
        size: Side of a region in pixels, >= 1.
        tiling: Where the regions lie.

    Returns:
        `B x ceil(H / size) x ceil(W / size)`, dtype of `scores`.

    Raises:
        ScoreError: `size` is below 1 or `scores` is not `B x H x W`.
    """
    if scores.dim() != 3 or 0 in scores.shape[1:]:
        raise ScoreError(f"expected pixel scores of shape B x H x W, got {tuple(scores.shape)}")
    if size < 1:
        raise ScoreError(f"region size is {size}; it must be 1 or more pixels")
    # A region that holds the whole image is as good as any larger one.
    size = min(size, 2 * max(scores.shape[1:]))
    rows, columns = (-(-side // size) for side in scores.shape[1:])
    lead = size // 2 if tiling is Tiling.RELEASED else 0
    height, width = scores.shape[1:]
    padding = (
        lead,
        max(0, columns * size - width - lead),
        lead,
        max(0, rows * size - height - lead),
    )
    padded = F.pad(scores.unsqueeze(1), padding, value=float("-inf"))
    return F.max_pool2d(padded, kernel_size=size, stride=size)[:, 0, :rows, :columns]


def frame_scores(scores: Tensor, size: int = REGION, tiling: Tiling = Tiling.PAPER) -> Tensor:
    """Mean of the region maxima (equation 5).

    Args:
        scores: `B x H x W` pixel scores, finite.
        size: Side of a region in pixels, >= 1.
        tiling: Where the regions lie.

    Returns:
        `B`, dtype of `scores`; higher means more worth labelling.

    Raises:
        ScoreError: As `region_maxima`.
    """
    return region_maxima(scores, size, tiling).mean(dim=(1, 2))
