"""What scoring costs beside one forward pass of people's detectors, on a frame of 640 x 480 pixels."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torchvision.models import get_model

from benchmarks.timing import Row, side_by_side
from thrifty.detectors.protocol import DenseDetector
from thrifty.detectors.torchvision.detector import TorchvisionDetector
from thrifty.detectors.transformers import TransformersDetector
from thrifty.detectors.ultralytics import UltralyticsDetector, need_ultralytics
from thrifty.scoring.forms import score_frames
from thrifty.types import Frame, Record

_TORCHVISION = (
    "ssdlite320_mobilenet_v3_large",
    "ssd300_vgg16",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fcos_resnet50_fpn",
    "retinanet_resnet50_fpn",
)
_ULTRALYTICS = ("yolov8n", "yolo11s")
_TRANSFORMERS = (
    ("RT-DETR R50", "RTDetrForObjectDetection", "RTDetrConfig"),
    ("D-FINE", "DFineForObjectDetection", "DFineConfig"),
)
_ROUNDS = 7


def rows() -> Iterator[Row]:
    """Each detector with fresh weights for COCO's classes: what it computes does not depend on what it has learnt."""
    rng = np.random.default_rng(0)
    frame = Frame(
        Record("id", "a.png", 640, 480), rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    )
    for name, detector in _detectors():
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


def _detectors() -> Iterator[tuple[str, DenseDetector]]:
    """One after the other, since together they would not fit into every memory."""
    for name in _TORCHVISION:
        torch.manual_seed(0)
        yield name, TorchvisionDetector(get_model(name, weights=None, weights_backbone=None))
    need_ultralytics()
    tasks: Any = importlib.import_module("ultralytics.nn.tasks")
    for name in _ULTRALYTICS:
        yield name, UltralyticsDetector(tasks.DetectionModel(f"{name}.yaml", verbose=False))
    library: Any = importlib.import_module("transformers")
    for name, model, settings in _TRANSFORMERS:
        with tempfile.TemporaryDirectory() as folder:
            getattr(library, model)(getattr(library, settings)(num_labels=80)).save_pretrained(
                folder
            )
            library.RTDetrImageProcessor().save_pretrained(folder)
            yield name, TransformersDetector(folder)
