"""What scoring costs beside one forward pass of each of torchvision's detectors, on a frame of 640 x 480 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torchvision.models import get_model

from benchmarks.timing import Row, side_by_side
from thrifty.detectors.torchvision.detector import TorchvisionDetector
from thrifty.scoring.forms import score_frames
from thrifty.types import Frame, Record

_NAMES = (
    "ssdlite320_mobilenet_v3_large",
    "ssd300_vgg16",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fcos_resnet50_fpn",
    "retinanet_resnet50_fpn",
)
_ROUNDS = 7


def rows() -> Iterator[Row]:
    """Each detector with fresh weights for 91 classes: what it computes does not depend on what it has learnt."""
    rng = np.random.default_rng(0)
    frame = Frame(
        Record("id", "a.png", 640, 480), rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    )
    for name in _NAMES:
        torch.manual_seed(0)
        detector = TorchvisionDetector(get_model(name, weights=None, weights_backbone=None))
        maps = detector.class_maps([frame])
        forward, score = side_by_side(
            partial(detector.class_maps, [frame]), partial(score_frames, maps), rounds=_ROUNDS
        )
        channels = sum(level.shape[1] for level in maps.levels)
        yield Row(
            f"scoring {name} ({channels} maps of {maps.width} x {maps.height})",
            "",
            f"{score.median / forward.median:.2f} of a forward pass",
            None,
            f"forward {forward}; score {score}",
        )
