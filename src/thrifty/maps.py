"""Class maps: what a dense detector says about every place of an image, before it draws any box."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional as F

from thrifty.errors import ScoreError


class MapKind(StrEnum):
    """What the numbers of a map are."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


@dataclass(frozen=True, slots=True)
class ClassMaps:
    """The maps of a batch of equally large images.

    Attributes:
        levels: K tensors `B x 1 x h_k x w_k`, floating, one per head, each of any resolution.
        height: Image height `H` in pixels.
        width: Image width `W` in pixels.
        kind: Logits of a sigmoid, unbounded, or probabilities in [0, 1].
    """

    levels: tuple[Tensor, ...]
    height: int
    width: int
    kind: MapKind = MapKind.LOGITS

    def __post_init__(self) -> None:
        if not self.levels:
            raise ScoreError("a detector gave no class maps; at least one is needed")
        for index, level in enumerate(self.levels):
            if level.dim() != 4 or level.shape[1] != 1 or len(level) != len(self.levels[0]):
                raise ScoreError(
                    f"class map {index}: expected shape B x 1 x h x w, got {tuple(level.shape)}"
                )

    def probabilities(self) -> Tensor:
        """Probability of an object at every pixel, per map: `B x K x H x W`, in [0, 1].

        Logits are resized to the image first and squashed after, as the paper's network does.
        """
        dense = torch.cat(
            [upsample(level.contiguous(), self.height, self.width) for level in self.levels], dim=1
        )
        return dense.sigmoid() if self.kind is MapKind.LOGITS else dense


def upsample(maps: Tensor, height: int, width: int) -> Tensor:
    """Resize maps to the image, bilinearly.

    The corners of the outer pixels, not their centres, are aligned (`align_corners=False`): pixel centre
    `x + 0.5` of the image reads the map at `(x + 0.5) * w / W`, and positions beyond the outermost centres
    take the nearest value.

    Args:
        maps: `B x K x h x w`, any floating dtype.
        height: Rows of the result, `H`.
        width: Columns of the result, `W`.

    Returns:
        `B x K x H x W`, dtype of `maps`.
    """
    if maps.shape[-2:] == (height, width):
        return maps
    return F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=False)
