"""The loss of equation 7 without its last term, which the optimiser applies as weight decay."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from thrifty.maps import upsample


def detection_loss(logits: list[Tensor], wanted: Tensor, weights: Tensor) -> Tensor:
    """Sigmoid cross-entropy summed over heads, averaged over the images of a batch.

    Args:
        logits: K tensors `B x C x h_k x w_k`; each is resized bilinearly to the image.
        wanted: `B x KC x H x W` float, 0 or 1.
        weights: `B x KC x H x W` float, >= 0, summing to one (or zero) in every head of every image.

    Returns:
        A scalar.
    """
    height, width = wanted.shape[-2:]
    dense = torch.cat([upsample(level, height, width) for level in logits], dim=1)
    losses = F.binary_cross_entropy_with_logits(dense, wanted, weight=weights, reduction="sum")
    return losses / len(wanted)
