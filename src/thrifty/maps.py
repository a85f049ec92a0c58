"""Class maps: what a dense detector says about every place of an image, before it draws any box."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from thrifty.errors import ScoreError


class MapKind(StrEnum):
    """What the numbers of a map are."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"

    def sound(self, level: Tensor) -> Tensor:
        """Which entries of a batch hold only finite logits, or only probabilities in [0, 1]: `B` bool."""
        # A NaN fails both comparisons, so one test covers range and finiteness.
        fine = level.isfinite() if self is MapKind.LOGITS else (level >= 0) & (level <= 1)
        return fine.flatten(1).all(dim=1)


class Activation(StrEnum):
    """How the classes of one place compete.

    `SIGMOID`: each class is a yes-or-no question of its own. `SOFTMAX`: one of the classes is right, background among
    them, so the probabilities of a place add up to one.
    """

    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"


@dataclass(frozen=True, slots=True)
class ClassMaps:
    """The maps of a batch of equally large images.

    Attributes:
        levels: K tensors `B x C_k x h_k x w_k`, floating, one per head or level, each of any resolution.
        height: Image height `H` in pixels.
        width: Image width `W` in pixels.
        kind: Logits, unbounded, or probabilities in [0, 1].
        activation: How the classes of one place compete.
        spans: Rows and columns of the image that each level covers, from its origin; the whole image if left out. A
            detector that pads its input to whole strides gives the padded size here, and what its maps say about
            the padding takes no part in any score.
        origins: Row and column of the upper left corner of what each level covers, in pixels of the image, <= 0;
            the image's own corner if left out. Value `(i, j)` of a level is centred at
            `origin + ((i + 0.5) * rows / h, (j + 0.5) * columns / w)`. Convolutions of stride 2 with padding put it
            on a pixel, not between two: then the origin is `0.5 - stride / 2`.

    Raises:
        ScoreError: There are no levels, their batches differ, a level is not `B x C x h x w` with at least one
            value, a softmax has fewer than two classes, a level begins inside the image or does not reach its end,
            or is smaller than it.
    """

    levels: tuple[Tensor, ...]
    height: int
    width: int
    kind: MapKind = MapKind.LOGITS
    activation: Activation = Activation.SIGMOID
    spans: tuple[tuple[float, float], ...] = ()
    origins: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if not self.levels:
            raise ScoreError("a detector gave no class maps; at least one is needed")
        if self.height < 1 or self.width < 1:
            raise ScoreError(f"class maps of an image of {self.width}x{self.height} pixels")
        for index, level in enumerate(self.levels):
            self._check_level(index, level)
        if not self.spans:
            whole = (float(self.height), float(self.width))
            object.__setattr__(self, "spans", (whole,) * len(self.levels))
        if not self.origins:
            object.__setattr__(self, "origins", ((0.0, 0.0),) * len(self.levels))
        self._check_places()

    def __len__(self) -> int:
        return len(self.levels[0])

    def probabilities(self) -> Tensor:
        """Probability of each class at every pixel: `B x M x H x W` in [0, 1], M the channels of all levels.

        Logits are resized to the image first and squashed after, as the paper's network does.
        """
        return torch.cat([self.dense(index) for index in range(len(self.levels))], dim=1)

    def dense(self, index: int, dtype: torch.dtype | None = None) -> Tensor:
        """As `probabilities`, for one level: `B x C x H x W`, in `dtype` or else that of the level."""
        level = self.levels[index] if dtype is None else self.levels[index].to(dtype)
        values = upsample(level, self.height, self.width, self.spans[index], self.origins[index])
        if self.kind is MapKind.PROBABILITIES:
            return values
        return values.softmax(dim=1) if self.activation is Activation.SOFTMAX else values.sigmoid()

    def laid_out_like(self, other: ClassMaps) -> bool:
        """Whether other maps hold the same kind of numbers at the same places of equally many and large images."""
        return (
            [level.shape for level in self.levels] == [level.shape for level in other.levels]
            and (self.height, self.width) == (other.height, other.width)
            and (self.spans, self.origins) == (other.spans, other.origins)
            and (self.kind, self.activation) == (other.kind, other.activation)
        )

    @property
    def fits_float32(self) -> bool:
        """Whether float32 can hold every finite value."""
        limit = torch.finfo(torch.float32).max
        wide = [level for level in self.levels if level.dtype == torch.float64]
        return not any(bool((level.abs() > limit).any()) for level in wide)

    def _check_level(self, index: int, level: Tensor) -> None:
        fewest = 2 if self.activation is Activation.SOFTMAX else 1
        if (
            level.dim() != 4
            or 0 in level.shape[1:]
            or len(level) != len(self.levels[0])
            or not level.is_floating_point()
        ):
            raise ScoreError(
                f"class map {index}: expected a floating tensor of shape B x C x h x w with B = {len(self.levels[0])}, "
                f"got {tuple(level.shape)} {str(level.dtype).removeprefix('torch.')}"
            )
        if level.shape[1] < fewest:
            raise ScoreError(
                f"class map {index}: a softmax over {level.shape[1]} class says nothing; give its background too, or "
                "use sigmoid"
            )

    def _check_places(self) -> None:
        for name, places in (("spans", self.spans), ("origins", self.origins)):
            if len(places) != len(self.levels):
                raise ScoreError(f"{len(self.levels)} class maps but {len(places)} {name}")
        size = (self.height, self.width)
        for index, level in enumerate(self.levels):
            span, origin = self.spans[index], self.origins[index]
            if not all(map(_covers, level.shape[2:], span, origin, size)):
                raise ScoreError(
                    f"class map {index} covers {span[1]:g}x{span[0]:g} pixels from ({origin[1]:g}, {origin[0]:g}) of an "
                    f"image of {self.width}x{self.height}; it must cover all of it, from an origin at or before 0"
                )


def _covers(length: int, span: float, origin: float, size: int) -> bool:
    """Whether values along an axis cover it; what begins outside may end inside, by no more than half a value."""
    return origin <= 0.0 and size <= span and size <= origin + span + 0.5 * span / length


def upsample(
    maps: Tensor,
    height: int,
    width: int,
    span: tuple[float, float] | None = None,
    origin: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """Resize maps to the image, bilinearly.

    Edges are aligned, not the centres of the outer values: the centre `x + 0.5` of a pixel reads the map at
    `(x + 0.5) * w / W - 0.5`, counted from the centre of its first value, and positions beyond the outermost centres
    take the nearest value. Positions are computed in float64 whatever the dtype of the maps.

    Args:
        maps: `B x C x h x w`, any floating dtype.
        height: Rows of the result, `H`.
        width: Columns of the result, `W`.
        span: Rows and columns of the image that the maps cover; the image itself if left out.
        origin: Row and column where what they cover begins, as `ClassMaps.origins`.

    Returns:
        `B x C x H x W`, dtype of `maps`.
    """
    rows, columns = span or (float(height), float(width))
    maps = _resize_along(maps, -2, height, rows, origin[0])
    return _resize_along(maps, -1, width, columns, origin[1])


def _resize_along(maps: Tensor, dim: int, size: int, span: float, origin: float) -> Tensor:
    length = maps.shape[dim]
    if size == length == span and not origin:
        return maps
    # On the CPU, since not every device knows float64.
    places = (torch.arange(size, dtype=torch.float64) + (0.5 - origin)) * length / span
    places = (places - 0.5).clamp_(0, length - 1)
    step = (places - places.floor()).to(maps)
    low = places.long().to(maps.device)
    if dim == -2:
        step = step[:, None]
    lower = maps.index_select(dim, low)
    upper = maps.index_select(dim, (low + 1).clamp_(max=length - 1))
    return lower * (1 - step) + upper * step
