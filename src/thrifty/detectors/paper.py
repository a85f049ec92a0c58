"""The paper's detector behind the contract of `thrifty.detectors.protocol`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors
import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from thrifty.config import DetectorSection
from thrifty.detectors.decoding import decode
from thrifty.detectors.dropout import channel_masks
from thrifty.detectors.network import SMALLEST_SIDE, FiveHeads, LiteNetwork, PaperNetwork
from thrifty.detectors.targets import default_boxes
from thrifty.errors import DataError
from thrifty.maps import ClassMaps, MapKind
from thrifty.types import Detections, Frame, Image, Need

Weights = Mapping[str, Tensor]
_SETTINGS = "thrifty.detector"


class PaperDetector:
    """The network of Figure 2 with decoding.

    Args:
        settings: Preset, width, box scale, double evaluation, suppression.
        weights: From `thrifty.training`, or from a file by `load_weights`.
        threshold: Detections below this score are left out.
        device: Where it runs.

    Raises:
        DataError: The weights do not fit the network.
    """

    gives = frozenset(Need)
    smallest = SMALLEST_SIDE

    def __init__(
        self,
        settings: DetectorSection,
        weights: Weights,
        threshold: float = 0.05,
        device: str = "cpu",
    ) -> None:
        self._settings = settings
        self._threshold = threshold
        self._sizes = default_boxes(settings)
        self._network = make_network(settings)
        try:
            self._network.load_state_dict(weights)
        except RuntimeError as error:
            raise DataError(
                f"these weights do not fit the network '{settings.preset}' at width {settings.width}; "
                "use the recipe they were trained with"
            ) from error
        self._device = device
        self._network.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:
        """Five logit maps; with double evaluation, the mean probability of the image and its mirror.

        Args:
            frames: B frames of one size.

        Raises:
            DataError: The images are smaller than 16 pixels along a side.
        """
        images = stack([frame.image for frame in frames]).to(self._device)
        height, width = images.shape[-2:]
        with self._precision():
            maps = self._maps(self._network(images), height, width)
        if not self._settings.double_evaluation:
            return maps
        with self._precision():
            mirrored = self._maps(self._network(images.flip(-1)), height, width)
        mean = (maps.probabilities() + mirrored.probabilities().flip(-1)) / 2
        levels = torch.split(mean, self._settings.class_count, dim=1)
        return ClassMaps(levels, height, width, MapKind.PROBABILITIES)

    @torch.inference_mode()
    def passes(self, frames: Sequence[Frame], count: int, drop: float) -> list[ClassMaps]:
        """Class maps with channels dropped just before the shared logits, as in the released code.

        The layers below run once. Double evaluation is left out: what a pass says differs anyway.

        Args:
            frames: B frames of one size.
            count: P.
            drop: Share of the channels dropped; the others are scaled up.

        Raises:
            DataError: As `class_maps`.
        """
        images = stack([frame.image for frame in frames]).to(self._device)
        height, width = images.shape[-2:]
        with self._precision():
            features = [level.float() for level in self._network.features(images)]
        masks = channel_masks(count, features[0].shape[1], drop).to(features[0])
        return [
            self._maps(
                [self._network.logits(level * mask[:, None, None]) for level in features],
                height,
                width,
            )
            for mask in masks
        ]

    def _maps(self, levels: Sequence[Tensor], height: int, width: int) -> ClassMaps:
        rows, columns = self._network.span(height, width)
        spans = ((float(rows), float(columns)),) * len(levels)
        return ClassMaps(tuple(level.float() for level in levels), height, width, spans=spans)

    def _precision(self) -> torch.autocast:
        wanted = self._settings.precision
        device = torch.device(self._device).type
        if wanted == "float32":
            return torch.autocast(device, enabled=False)
        return torch.autocast(device, getattr(torch, wanted))

    @torch.inference_mode()
    def features(self, frames: Sequence[Frame], layer: Literal["last", "deep"]) -> Tensor:
        """What the logits of the last or of the deepest head are computed from: `B x D x h x w`.

        Raises:
            DataError: As `class_maps`.
        """
        images = stack([frame.image for frame in frames]).to(self._device)
        with self._precision():
            return self._network.features(images)[0 if layer == "deep" else -1].float()

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Boxes in pixels of the stored frames, surest first.

        Raises:
            DataError: As `class_maps`.
        """
        return self.boxes_of(self.class_maps(frames), frames)

    @torch.inference_mode()
    def boxes_of(self, maps: ClassMaps, frames: Sequence[Frame]) -> list[Detections]:
        """As `detect`, of frames whose class maps these are."""
        probabilities = maps.probabilities()
        settings = self._settings
        found = decode(
            probabilities,
            self._sizes,
            self._threshold,
            settings.suppression,
            settings.class_count,
            refined=settings.refined,
        )
        return [one.scaled(1 / frame.scale) for one, frame in zip(found, frames, strict=True)]


def make_network(settings: DetectorSection) -> FiveHeads:
    """The network that the settings describe, with fresh weights, but for those of a backbone.

    Raises:
        CapabilityError: The weights of a backbone are not installed.
    """
    network: FiveHeads
    if settings.backbone is None:
        network = PaperNetwork(settings.preset, settings.width, settings.class_count)
    else:
        network = LiteNetwork(
            settings.preset, settings.width, settings.class_count, frozen=settings.freeze
        )
    if settings.compile:
        network.fuse()
    return network


def stack(images: Sequence[Image]) -> Tensor:
    """Images of one size (`H x W x 3` uint8) as a batch `B x 3 x H x W` uint8, channels last in memory.

    Raises:
        DataError: The images are smaller than the network can take.
    """
    check_size(*images[0].shape[:2])
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def check_size(height: int, width: int) -> None:
    """Refuse images that the network cannot take.

    Raises:
        DataError: A side is shorter than 16 pixels.
    """
    if min(height, width) < SMALLEST_SIDE:
        raise DataError(
            f"a frame is {width}x{height} pixels after scaling but the network needs {SMALLEST_SIDE}x{SMALLEST_SIDE}; "
            "raise the 'scale' of its set in the recipe"
        )


def save_weights(weights: Weights, settings: DetectorSection | None = None) -> bytes:
    """Weights in the safetensors format, which runs no code when it is read.

    Args:
        weights: From `thrifty.training`.
        settings: The network they belong to, kept in the file, so that the file alone makes a detector again.
    """
    note = {_SETTINGS: settings.model_dump_json()} if settings else None
    # Parts of a network may share their weights, which the format has no word for.
    tensors = {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in weights.items()
    }
    return safetensors.torch.save(tensors, note)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read weights.

    Raises:
        DataError: The file is missing or not in the safetensors format.
    """
    try:
        return safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{path}: cannot be read as weights ({error}); delete the output folder and run again"
        ) from error


def load_detector(path: Path, device: str = "cpu") -> PaperDetector:
    """The paper's network that a file of weights belongs to.

    Raises:
        DataError: As `load_trained`, or the weights are of another detector.
    """
    settings, weights = load_trained(path)
    if settings.model is not None:
        raise DataError(
            f"{path}: holds weights of {settings.model}; give them as trained:{path.name}"
        )
    return PaperDetector(settings, weights, device=device)


def load_trained(path: Path) -> tuple[DetectorSection, Weights]:
    """Weights that thrifty trained, and the detector they belong to.

    Raises:
        DataError: The file is missing, is not in the safetensors format, or does not say which network it is for.
    """
    return trained_section(path), load_weights(path)


def trained_section(path: Path) -> DetectorSection:
    """The detector that weights belong to, of which none is read; raises as `load_trained`."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            note = (file.metadata() or {}).get(_SETTINGS)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{path}: cannot be read as weights ({error}); give a .safetensors file that thrifty wrote"
        ) from error
    if note is None:
        raise DataError(
            f"{path}: does not say which network its weights are for; give a .safetensors file that thrifty wrote"
        )
    try:
        return DetectorSection.model_validate_json(note)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in problem["loc"]) or _SETTINGS
        raise DataError(
            f"{path}: what it says of its network is damaged ('{key}': {problem['msg']}); give a .safetensors file that "
            "thrifty wrote"
        ) from error
