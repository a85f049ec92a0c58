"""Which channels are dropped, while training and in a stochastic pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn import functional as F

_SEED = 0
_PART: ContextVar[tuple[int, int] | None] = ContextVar("part of a batch", default=None)


@contextmanager
def part_of_batch(first: int, whole: int) -> Iterator[None]:
    """Drop channels as if the pictures at hand stood in a batch with others, which other processes have.

    Args:
        first: How many pictures of the batch come before them.
        whole: Pictures of the batch.
    """
    token = _PART.set((first, whole))
    try:
        yield
    finally:
        _PART.reset(token)


def drop_channels(values: Tensor, drop: float, training: bool) -> Tensor:  # noqa: FBT001 - as torch's own
    """Spatial dropout: whole channels of `B x C x H x W`, each with probability `drop`; the others are scaled up.

    The numbers are those of `torch.nn.functional.dropout2d`, within `part_of_batch` those that it would have for the whole batch.
    """
    part = _PART.get()
    if part is None or not training:
        return F.dropout2d(values, drop, training)
    first, whole = part
    keep = 1.0 - drop
    masks = values.new_empty((whole, values.shape[1], 1, 1)).bernoulli_(keep).div_(keep)
    return values * masks[first : first + len(values)]


def channel_masks(count: int, channels: int, drop: float) -> Tensor:
    """What channels are multiplied by in each pass: the same in every frame, whatever the batch.

    Args:
        count: P.
        channels: D.
        drop: Share of the channels dropped, in (0, 1); the others are scaled up, so that their sum stays what it is.

    Returns:
        `P x D` float32 on the CPU: 0 or `1 / (1 - drop)`, the same whenever it is asked for.

    >>> channel_masks(2, 4, 0.5).unique()
    tensor([0., 2.])
    """
    chance = torch.Generator().manual_seed(_SEED)
    return (torch.rand((count, channels), generator=chance) >= drop) / (1.0 - drop)
