"""The network of Figure 2.

An encoder of fire-residual modules, a decoder with gated lateral connections, and one prediction layer whose weights
five heads share.

Normalisation is over each image and channel alone, with a bias and no scale. The authors' code uses batch
statistics of a single image at all times, which is the same thing; and it keeps a frame's maps independent of
whatever other frames share its batch, so scores do not depend on how a pool is cut into batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thrifty.config import Preset

HEADS = 5
SMALLEST_SIDE = 16
"""Pixels below which the deepest maps would shrink to a single value."""

# Share of channels kept while training (spatial dropout), where the released code drops any.
_KEEP_DEEP = 0.98
_KEEP_DEEPEST = 0.96
_KEEP_HEAD = 0.8


def elu(values: Tensor) -> Tensor:
    """The encoder's activation."""
    return F.elu(values, inplace=True)


def leaky_relu(values: Tensor) -> Tensor:
    """The decoder's activation, slope 0.2 below zero."""
    return F.leaky_relu(values, 0.2, inplace=True)


def relu(values: Tensor) -> Tensor:
    """The gates' activation."""
    return F.relu(values, inplace=True)


class ConvNorm(nn.Module):
    """Convolution, normalisation over each image and channel, bias, activation; borders padded with zeros."""

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: tuple[int, int],
        activation: Callable[[Tensor], Tensor] = elu,
        *,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        padding = (dilation * (kernel[0] // 2), dilation * (kernel[1] // 2))
        self.conv = nn.Conv2d(*channels, kernel, stride, padding, dilation, bias=False)
        self.bias = nn.Parameter(torch.zeros(channels[1]))
        self.activation = activation
        nn.init.xavier_uniform_(self.conv.weight)

    def forward(self, values: Tensor) -> Tensor:
        """`B x C_in x h x w` to `B x C_out x h' x w'`."""
        values = self.conv(values)
        values = F.group_norm(values, values.shape[1], bias=self.bias)
        return self.activation(values)


class Downsample(nn.Module):
    """Stride-2 convolution and 2x2 max-pool of the same input, concatenated."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = ConvNorm((channels_in, channels_out - channels_in), (3, 3), stride=2)

    def forward(self, values: Tensor) -> Tensor:
        """`B x C_in x h x w` to `B x C_out x ceil(h / 2) x ceil(w / 2)`."""
        return torch.cat([self.conv(values), F.max_pool2d(values, 2, ceil_mode=True)], dim=1)


class FireResidual(nn.Module):
    """Squeeze by a 3x1 convolution, expand by 3x3 and 1x1 in parallel, add the input; nothing after the sum."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        squeezed, half = max(1, channels // 2), channels // 2
        self.squeeze = ConvNorm((channels, squeezed), (3, 1))
        self.expand3 = ConvNorm((squeezed, channels - half), (3, 3), dilation=dilation)
        self.expand1 = ConvNorm((squeezed, half), (1, 1))

    def forward(self, values: Tensor) -> Tensor:
        """Keeps the shape."""
        squeezed = self.squeeze(values)
        return torch.cat([self.expand3(squeezed), self.expand1(squeezed)], dim=1) + values


class Encoder(nn.Module):
    """Everything up to f42; returns the five nodes that the decoder reads."""

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        low, middle, high = channels
        self.ds1 = Downsample(3, low)
        self.stage1 = nn.Sequential(FireResidual(low), FireResidual(low))
        self.ds2 = Downsample(low, middle)
        self.f21, self.f22, self.f23 = (FireResidual(middle) for _ in range(3))
        self.ds3 = Downsample(middle, high)
        self.f31, self.f32, self.f33 = (FireResidual(high) for _ in range(3))
        self.f41, self.f42 = (FireResidual(high, dilation=2) for _ in range(2))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Normalised images `B x 3 x H x W` to the named nodes."""
        f22 = self.f22(self.f21(self.ds2(self.stage1(self.ds1(images)))))
        ds3 = self._drop(self.ds3(self.f23(f22)), _KEEP_DEEP)
        f31 = self._drop(self.f31(ds3), _KEEP_DEEP)
        f32 = self._drop(self.f32(f31), _KEEP_DEEP)
        f33 = self._drop(self.f33(f32), _KEEP_DEEP)
        f41 = self._drop(self.f41(f33), _KEEP_DEEPEST)
        f42 = self._drop(self.f42(f41), _KEEP_DEEPEST)
        return {"f22": f22, "ds3": ds3, "f32": f32, "f41": f41, "f42": f42}

    def _drop(self, values: Tensor, keep: float) -> Tensor:
        return F.dropout2d(values, 1.0 - keep, self.training)


class Decoder(nn.Module):
    """From the deepest node back up: dec1..dec4 at stride 8, dec5 at stride 4."""

    def __init__(self, high: int, middle: int, channels: int) -> None:
        super().__init__()
        self.dec1 = ConvNorm((high, channels), (1, 1))
        self.convs = nn.ModuleList(
            ConvNorm((channels, channels), (3, 3), leaky_relu) for _ in range(4)
        )
        sources = (high, high, high, middle)
        self.gates = nn.ModuleList(ConvNorm((source, channels), (3, 3), relu) for source in sources)

    def forward(self, nodes: dict[str, Tensor]) -> list[Tensor]:
        """The encoder's nodes to five feature maps, deepest first."""
        dec1 = F.dropout2d(self.dec1(nodes["f42"]), 1.0 - _KEEP_HEAD, self.training)
        levels = [dec1]
        for conv, gate, name in zip(
            self.convs, self.gates, ("f41", "f32", "ds3", "f22"), strict=True
        ):
            lateral = gate(nodes[name])
            below = levels[-1]
            if below.shape[-2:] != lateral.shape[-2:]:
                below = F.interpolate(
                    below, lateral.shape[-2:], mode="bilinear", align_corners=False
                )
            levels.append(conv(below) + lateral)
        return levels


@dataclass(frozen=True, slots=True)
class Size:
    """Channels of the three encoder stages and of the decoder."""

    low: int = 64
    middle: int = 128
    high: int = 256
    decoder: int = 128

    @classmethod
    def scaled(cls, width: float) -> Size:
        """The paper's channels times `width`, each even and no fewer than 8."""
        return cls(*(max(8, 2 * round(channels * width / 2)) for channels in (64, 128, 256, 128)))


class PaperNetwork(nn.Module):
    """The whole network: images to five logit maps.

    The presets differ in the 1x1 convolution before the shared logits: `released` has it for dec1 only, where it
    is dec1 itself; `paper` puts one before each of the other heads too.

    Args:
        preset: `paper` or `released`.
        width: Share of the paper's channels.
        classes: Classes that every head tells apart; each is a yes-or-no question of its own.
    """

    def __init__(self, preset: Preset = Preset.PAPER, width: float = 1.0, classes: int = 1) -> None:
        super().__init__()
        size = Size.scaled(width)
        self.encoder = Encoder((size.low, size.middle, size.high))
        self.decoder = Decoder(size.high, size.middle, size.decoder)
        unify = (ConvNorm((size.decoder, size.decoder), (1, 1)) for _ in range(HEADS - 1))
        self.unify = nn.ModuleList(unify if preset is Preset.PAPER else ())
        self.logits = nn.Conv2d(size.decoder, classes, 1)
        nn.init.xavier_uniform_(self.logits.weight)
        nn.init.zeros_(self.logits.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run all five heads.

        Args:
            images: `B x 3 x H x W` float, from `normalise`; H and W at least `SMALLEST_SIDE`.

        Returns:
            Five tensors `B x C x h x w` of logits, deepest head first; strides 8, 8, 8, 8, 4.
        """
        return [self.logits(level) for level in self.features(images)]

    def features(self, images: Tensor) -> list[Tensor]:
        """What the shared logits are computed from: five tensors `B x D x h x w`, as `forward`."""
        features: list[Tensor] = self.decoder(self.encoder(images))
        for index, unify in enumerate(self.unify, start=1):
            features[index] = unify(features[index])
        return features


def normalise(images: Tensor) -> Tensor:
    """RGB uint8 images `B x 3 x H x W` to the network's input: BGR, `(x - 127) / 128`, float32."""
    return (images.flip(1).float() - 127.0) / 128.0
