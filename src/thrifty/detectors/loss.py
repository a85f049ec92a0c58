"""The loss of equation 7 without its last term, which the optimiser applies as weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F

from thrifty.detectors.targets import Asked

Shape = tuple[int, int]


def detection_loss(logits: Sequence[Tensor], asked: Asked) -> Tensor:
    """Sigmoid cross-entropy summed over heads, averaged over the images of a batch.

    Each level is resized bilinearly to the image, as by `thrifty.maps.upsample`; of that only the pixels are computed that are
    asked, a few thousand of a million. Nothing here depends on how many each head is asked, so a batch of the same shape is the same
    work on a GPU, number by number.

    Args:
        logits: K tensors `B x C x h_k x w_k`.
        asked: Which pixels should say what, and what they weigh.

    Returns:
        A scalar.
    """
    batch, channels, height, width = asked.shape
    classes = channels // asked.heads
    shapes = tuple((level.shape[-2], level.shape[-1]) for level in logits)
    layout = _layout(shapes, batch * classes, asked.places.device)
    plane, pixel = asked.places // (height * width), asked.places % (height * width)
    head = plane % channels // classes
    rows, columns, begin = layout[head].unbind(1)
    first = begin + (plane // channels * classes + plane % classes) * rows * columns
    top, below, down = _between(pixel // width, rows, height)
    left, beyond, right = _between(pixel % width, columns, width)
    # Thousands of pixels add up to the gradient of a few values, which a half-precise sum would round away.
    flat = torch.cat([level.float().reshape(-1) for level in logits])
    upper, lower = first + top * columns, first + below * columns
    corners = torch.stack([upper + left, upper + beyond, lower + left, lower + beyond])
    shares = torch.stack(
        [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
    )
    values = (flat.index_select(0, corners.flatten()).view_as(corners) * shares).sum(0)
    losses = F.binary_cross_entropy_with_logits(
        values, asked.wanted, weight=asked.weights, reduction="sum"
    )
    return losses / batch


# A table made on the host cannot be sent while a GPU's work is recorded, so it is made before.
# And what was recorded reads it from where it lay, so none is ever dropped: a few dozen numbers for each size of pictures.
@cache
def _layout(shapes: tuple[Shape, ...], planes: int, device: torch.device) -> Tensor:
    """Rows and columns of each level, and where it begins when all are laid end to end: `K x 3` int64."""
    sizes = [planes * rows * columns for rows, columns in shapes]
    begins = [0, *accumulate(sizes[:-1])]
    table = [(*shape, begin) for shape, begin in zip(shapes, begins, strict=True)]
    return torch.tensor(table, dtype=torch.int64, device=device)


def _between(index: Tensor, small: Tensor, large: int) -> tuple[Tensor, Tensor, Tensor]:
    """Along one side: the cells before and after each pixel, and how far it is on the way from one to the other."""
    place = ((index.float() + 0.5) * (small.float() / large) - 0.5).clamp(min=0.0)
    before = place.long()
    return before, torch.minimum(before + 1, small - 1), place - before
