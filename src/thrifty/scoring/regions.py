"""From pixel scores to one score per frame: the mean of region maxima (equation 5).

A frame scores high when it is contradictory in many places, however small each place is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from thrifty.config import Statistic
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
    height, width = scores.shape[1:]
    regions = RegionSettings(size, tiling).within(height, width)
    size, lead = regions.size, regions.lead
    rows, columns = regions.grid(height, width)
    padding = (
        lead,
        max(0, columns * size - width - lead),
        lead,
        max(0, rows * size - height - lead),
    )
    padded = F.pad(scores.unsqueeze(1), padding, value=float("-inf"))
    return F.max_pool2d(padded, kernel_size=size, stride=size)[:, 0, :rows, :columns]


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """How a frame is divided and summed up.

    Attributes:
        size: Side of a region in pixels, >= 1.
        tiling: Where the regions lie.
        statistic: How one number is made of them.
        top: Regions that `TOP_K` averages, >= 1; all of them if there are fewer.
        quantile: Share of the region maxima that lie below `QUANTILE`'s value, in [0, 1].

    Raises:
        ScoreError: A value is out of its range.
    """

    size: int = REGION
    tiling: Tiling = Tiling.PAPER
    statistic: Statistic = Statistic.MAX_MEAN
    top: int = 10
    quantile: float = 0.9

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ScoreError(f"region size is {self.size}; it must be 1 or more pixels")
        if self.top < 1:
            raise ScoreError(f"top is {self.top}; at least one region must be averaged")
        if not 0 <= self.quantile <= 1:
            raise ScoreError(f"quantile is {self.quantile}; it must lie in [0, 1]")

    @property
    def lead(self) -> int:
        """Pixels by which the first region begins outside the image, above and to the left."""
        return self.size // 2 if self.tiling is Tiling.RELEASED else 0

    def within(self, height: int, width: int) -> Self:
        """The same regions of an image of this size, with a side that its kernels can count to.

        A region that holds the whole image is as good as any larger one; with the released tiling, it takes twice the
        image.
        """
        return replace(self, size=min(self.size, 2 * max(height, width)))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of regions in an image."""
        return -(-height // self.size), -(-width // self.size)


def summarise(maxima: Tensor, means: Tensor, settings: RegionSettings) -> Tensor:
    """One number per frame.

    Args:
        maxima: `B x R x Q`, the maximum of the pixel scores in every region.
        means: `B`, the mean of all pixel scores.
        settings: Which number.

    Returns:
        `B` float64; higher means more worth labelling.
    """
    if settings.statistic is Statistic.MEAN:
        return means.double()
    flat = maxima.flatten(1).double()
    if settings.statistic is Statistic.TOP_K:
        return flat.topk(min(settings.top, flat.shape[1]), dim=1).values.mean(dim=1)
    if settings.statistic is Statistic.QUANTILE:
        return flat.quantile(settings.quantile, dim=1)
    return flat.mean(dim=1)


def frame_scores(scores: Tensor, settings: RegionSettings | None = None) -> Tensor:
    """One number per frame from its pixel scores; by default equation 5.

    Args:
        scores: `B x H x W` pixel scores, finite.
        settings: How.

    Returns:
        `B` float64; higher means more worth labelling.

    Raises:
        ScoreError: As `region_maxima`.
    """
    settings = settings or RegionSettings()
    maxima = region_maxima(scores, settings.size, settings.tiling)
    return summarise(maxima, scores.mean(dim=(1, 2)), settings)


def top_regions(maxima: Tensor, size: int, lead: int, image: tuple[int, int], count: int) -> Tensor:
    """The highest regions of one frame, as boxes to look at.

    Args:
        maxima: `R x Q` region maxima.
        size: Side of a region.
        lead: Pixels by which the first region begins outside the image.
        image: Height and width of the image.
        count: Regions wanted.

    Returns:
        `N x 4` float64 xyxy in pixels of the image, highest first, ties from the top left; N is at most `count`.
    """
    height, width = image
    # Beyond twice the image a region's corners say nothing more, and may not fit into an integer.
    size, lead = min(size, 2 * max(image)), min(lead, max(image))
    flat = maxima.flatten()
    order = flat.argsort(descending=True, stable=True)[:count]
    rows, columns = order // maxima.shape[1], order % maxima.shape[1]
    left, top = columns * size - lead, rows * size - lead
    corners = torch.stack([left, top, left + size, top + size], dim=1).double()
    limits = torch.tensor([width, height, width, height], dtype=torch.float64)
    return corners.clamp_(min=0).minimum(limits)
