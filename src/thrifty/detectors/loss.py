"""The loss of equation 7 without its last term, which the optimiser applies as weight decay."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from thrifty.detectors.targets import Asked


def detection_loss(logits: Sequence[Tensor], asked: Asked) -> Tensor:
    """Sigmoid cross-entropy summed over heads, averaged over the images of a batch.

    Each level is resized bilinearly to the image; of that only the pixels are computed that are asked, a few thousand of a
    million.

    Args:
        logits: K tensors `B x C x h_k x w_k`.
        asked: Which pixels should say what, and what they weigh.

    Returns:
        A scalar.
    """
    batch, channels, height, width = asked.shape
    rest, column = asked.places % (height * width) // width, asked.places % width
    plane = asked.places // (height * width)
    head = plane % channels // (channels // asked.heads)
    losses = []
    for index, level in enumerate(logits):
        own = head == index
        planes = plane[own] // channels * level.shape[1] + plane[own] % level.shape[1]
        values = interpolated(level, planes, (rest[own], column[own]), (height, width))
        losses.append(
            F.binary_cross_entropy_with_logits(
                values, asked.wanted[own], weight=asked.weights[own], reduction="sum"
            )
        )
    return torch.stack(losses).sum() / batch


def interpolated(
    level: Tensor, planes: Tensor, places: tuple[Tensor, Tensor], size: tuple[int, int]
) -> Tensor:
    """What a map would hold at some pixels of the image if it were resized bilinearly to it, as by `thrifty.maps.upsample`.

    Args:
        level: `B x C x h x w`.
        planes: Which of the B C planes each pixel lies on: `N` int64.
        places: Row and column of each in the image: `N` int64 each.
        size: H and W of the image.

    Returns:
        `N` values.
    """
    height, width = level.shape[-2:]
    (top, below, down), (left, beyond, right) = (
        _between(index, small, large)
        for index, small, large in zip(places, (height, width), size, strict=True)
    )
    # Thousands of pixels add up to the gradient of a few values, which a half-precise sum would round away.
    flat, first = level.float().reshape(-1), planes * height

    def at(rows: Tensor, columns: Tensor) -> Tensor:
        return flat.index_select(0, (first + rows) * width + columns)

    upper = at(top, left) * (1 - right) + at(top, beyond) * right
    lower = at(below, left) * (1 - right) + at(below, beyond) * right
    return upper * (1 - down) + lower * down


def _between(index: Tensor, small: int, large: int) -> tuple[Tensor, Tensor, Tensor]:
    """Along one side: the cells before and after each pixel, and how far it is on the way from one to the other."""
    place = ((index.float() + 0.5) * (small / large) - 0.5).clamp(min=0.0)
    before = place.long()
    return before, (before + 1).clamp(max=small - 1), place - before
