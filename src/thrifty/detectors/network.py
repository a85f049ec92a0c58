"""The network of Figure 2, and the same with another encoder.

An encoder of fire-residual modules, a decoder with gated lateral connections, and one prediction layer whose weights
five heads share. In place of the encoder a backbone with ImageNet weights can stand, which need not learn.

Normalisation is over each image and channel alone, with a bias and no scale. The authors' code uses batch
statistics of a single image at all times, which is the same thing; and it keeps a frame's maps independent of
whatever other frames share its batch, so scores do not depend on how a pool is cut into batches. On a backbone it is over
the channels of each place alone, so that a window of a picture's features is what it is in the whole picture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thrifty.config import Preset
from thrifty.detectors import lite
from thrifty.detectors.dropout import drop_channels

HEADS = 5
SMALLEST_SIDE = 16
"""Pixels below which the deepest maps would shrink to a single value."""

# Share of channels kept while training (spatial dropout), where the released code drops any.
_KEEP_DEEP = 0.98
_KEEP_DEEPEST = 0.96
_KEEP_HEAD = 0.8
_EPSILON = 1e-5
_PRIOR = -2.0
"""Logit that heads on a backbone begin with: most of what they are asked is background."""


def elu(values: Tensor) -> Tensor:
    """The encoder's activation."""
    return F.elu(values, inplace=True)


def leaky_relu(values: Tensor) -> Tensor:
    """The decoder's activation, slope 0.2 below zero."""
    return F.leaky_relu(values, 0.2, inplace=True)


def relu(values: Tensor) -> Tensor:
    """The gates' activation."""
    return F.relu(values, inplace=True)


class Over(StrEnum):
    """What a normalisation takes mean and variance over.

    `IMAGE`: each image and channel; no scale. `PLACE`: the channels of each place; with a scale.
    """

    IMAGE = "image"
    PLACE = "place"


class ConvNorm(nn.Module):
    """Convolution, normalisation, bias, activation; borders padded with zeros."""

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: tuple[int, int],
        activation: Callable[[Tensor], Tensor] = elu,
        *,
        stride: int = 1,
        dilation: int = 1,
        over: Over = Over.IMAGE,
    ) -> None:
        super().__init__()
        padding = (dilation * (kernel[0] // 2), dilation * (kernel[1] // 2))
        self.conv = nn.Conv2d(*channels, kernel, stride, padding, dilation, bias=False)
        self.bias = nn.Parameter(torch.zeros(channels[1]))
        self.scale = nn.Parameter(torch.ones(channels[1])) if over is Over.PLACE else None
        self.activation = activation
        nn.init.xavier_uniform_(self.conv.weight)

    def forward(self, values: Tensor) -> Tensor:
        """`B x C_in x h x w` to `B x C_out x h' x w'`."""
        values = self.conv(values)
        if self.scale is None:
            # A GPU's backward pass wants a scale, be it one.
            values = F.group_norm(values, values.shape[1], torch.ones_like(self.bias), self.bias)
        else:
            places = values.permute(0, 2, 3, 1)
            values = F.layer_norm(
                places, self.scale.shape, self.scale, self.bias, _EPSILON
            ).permute(0, 3, 1, 2)
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
        """Normalised images `B x 3 x H x W` to the named nodes, deepest first."""
        f22 = self.f22(self.f21(self.ds2(self.stage1(self.ds1(images)))))
        ds3 = self._drop(self.ds3(self.f23(f22)), _KEEP_DEEP)
        f31 = self._drop(self.f31(ds3), _KEEP_DEEP)
        f32 = self._drop(self.f32(f31), _KEEP_DEEP)
        f33 = self._drop(self.f33(f32), _KEEP_DEEP)
        f41 = self._drop(self.f41(f33), _KEEP_DEEPEST)
        f42 = self._drop(self.f42(f41), _KEEP_DEEPEST)
        return {"f42": f42, "f41": f41, "f32": f32, "ds3": ds3, "f22": f22}

    def _drop(self, values: Tensor, keep: float) -> Tensor:
        return drop_channels(values, 1.0 - keep, self.training)


class Decoder(nn.Module):
    """From the deepest of five nodes back up; each level has the size of its node.

    Args:
        sources: Channels of the nodes, deepest first.
        channels: Of every level.
        gate: Sides of the lateral convolutions: 3, or 1 where the nodes have seen enough around them.
        over: What is normalised over.
    """

    def __init__(
        self,
        sources: Sequence[int],
        channels: int,
        gate: int = 3,
        over: Over = Over.IMAGE,
    ) -> None:
        super().__init__()
        deepest, *laterals = sources
        self.dec1 = ConvNorm((deepest, channels), (1, 1), over=over)
        self.convs = nn.ModuleList(
            ConvNorm((channels, channels), (3, 3), leaky_relu, over=over) for _ in laterals
        )
        self.gates = nn.ModuleList(
            ConvNorm((source, channels), (gate, gate), relu, over=over) for source in laterals
        )

    def forward(self, nodes: Sequence[Tensor]) -> list[Tensor]:
        """Five nodes to five feature maps, deepest first."""
        deepest, *laterals = nodes
        levels = [drop_channels(self.dec1(deepest), 1.0 - _KEEP_HEAD, self.training)]
        for conv, gate, node in zip(self.convs, self.gates, laterals, strict=True):
            lateral = gate(node)
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


class FiveHeads(nn.Module, ABC):
    """Images to five logit maps, from the five nodes of whatever encoder a subclass has.

    The presets differ in the 1x1 convolution before the shared logits: `released` has it for dec1 only, where it
    is dec1 itself; `paper` puts one before each of the other heads too.

    Args:
        decoder: Makes five levels of five nodes.
        channels: Of the levels.
        preset: `paper` or `released`.
        classes: Classes that every head tells apart; each is a yes-or-no question of its own.
        over: What is normalised over.
    """

    remembers = False
    """Whether `nodes` looks up pictures that it has seen before."""

    def __init__(
        self,
        decoder: Decoder,
        channels: int,
        preset: Preset,
        classes: int,
        over: Over = Over.IMAGE,
    ) -> None:
        super().__init__()
        self.decoder = decoder
        unify = (ConvNorm((channels, channels), (1, 1), over=over) for _ in range(HEADS - 1))
        self.unify = nn.ModuleList(unify if preset is Preset.PAPER else ())
        self.logits = nn.Conv2d(channels, classes, 1)
        nn.init.xavier_uniform_(self.logits.weight)
        nn.init.zeros_(self.logits.bias)  # type: ignore[arg-type]

    @abstractmethod
    def nodes(self, images: Tensor) -> Sequence[Tensor]:
        """RGB uint8 images `B x 3 x H x W` to what the decoder reads, deepest first."""

    def span(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of pixels that the logit maps of a picture cover, from its upper left corner on."""
        return height, width

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run all five heads.

        Args:
            images: RGB, `B x 3 x H x W` uint8; H and W at least `SMALLEST_SIDE`.

        Returns:
            Five tensors `B x C x h x w` of logits, deepest head first.
        """
        return self.heads(self.nodes(images))

    def heads(self, nodes: Sequence[Tensor]) -> list[Tensor]:
        """As `forward`, from the nodes on."""
        return [self.logits(level) for level in self._levels(nodes)]

    def fuse(self) -> None:
        """Have torch.compile make fewer, larger operations of everything up to the logits that is computed anew for each picture."""
        self._levels = torch.compile(self._levels)  # type: ignore[method-assign]
        if not self.remembers:
            self.nodes = torch.compile(self.nodes)  # type: ignore[method-assign]

    def features(self, images: Tensor) -> list[Tensor]:
        """What the shared logits are computed from: five tensors `B x D x h x w`, as `forward`."""
        return self._levels(self.nodes(images))

    def _levels(self, nodes: Sequence[Tensor]) -> list[Tensor]:
        features: list[Tensor] = self.decoder(nodes)
        for index, unify in enumerate(self.unify, start=1):
            features[index] = unify(features[index])
        return features


class PaperNetwork(FiveHeads):
    """The whole network of the paper; strides 8, 8, 8, 8 and 4.

    Args:
        preset: `paper` or `released`.
        width: Share of the paper's channels.
        classes: Classes that every head tells apart.
    """

    def __init__(self, preset: Preset = Preset.PAPER, width: float = 1.0, classes: int = 1) -> None:
        size = Size.scaled(width)
        encoder = Encoder((size.low, size.middle, size.high))
        decoder = Decoder((size.high,) * 4 + (size.middle,), size.decoder)
        super().__init__(decoder, size.decoder, preset, classes)
        self.encoder = encoder

    def nodes(self, images: Tensor) -> Sequence[Tensor]:
        """f42, f41, f32, ds3 and f22."""
        return tuple(self.encoder(normalise(images)).values())


class LiteNetwork(FiveHeads):
    """The paper's decoder and heads on EfficientNet-Lite0; strides 32, 16, 16, 8 and 4.

    Args:
        preset: As of `PaperNetwork`.
        width: Share of the paper's channels in the decoder.
        classes: As of `PaperNetwork`.
        frozen: Keep the ImageNet weights as they are; they are then no weights of this network, and what they make of a picture
            is computed once.

    Raises:
        CapabilityError: The ImageNet weights are not installed.
    """

    def __init__(
        self,
        preset: Preset = Preset.PAPER,
        width: float = 1.0,
        classes: int = 1,
        *,
        frozen: bool = True,
    ) -> None:
        channels = Size.scaled(width).decoder
        decoder = Decoder(lite.CHANNELS, channels, 1, Over.PLACE)
        super().__init__(decoder, channels, preset, classes, Over.PLACE)
        # Few steps have to do: narrower initial weights move further in each, and the heads begin where N2P leaves them.
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
        nn.init.constant_(self.logits.bias, _PRIOR)  # type: ignore[arg-type]
        self.backbone = None if frozen else lite.pretrained()
        self.remembers = frozen

    def nodes(self, images: Tensor) -> Sequence[Tensor]:
        """The backbone's last layers at each stride, and one before at stride 16."""
        if self.backbone is None:
            return lite.remembering()(images)
        return lite.whole_cells(self.backbone(images), images.shape[-2], images.shape[-1])

    def span(self, height: int, width: int) -> tuple[int, int]:
        """Whole cells of the deepest node."""
        return lite.span(height, width)


def normalise(images: Tensor) -> Tensor:
    """RGB images `B x 3 x H x W` uint8 to the network's input: BGR, `(x - 127) / 128`, float32."""
    return (images.flip(1).float() - 127.0) / 128.0
