"""Which channels a stochastic pass drops."""

from __future__ import annotations

import torch
from torch import Tensor

_SEED = 0


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
