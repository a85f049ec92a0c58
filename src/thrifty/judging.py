"""A detector held against labels: it looks at every frame, and the figures say how well it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from thrifty.config import DetectorSection, EvaluationSection
from thrifty.data.frames import FrameStream
from thrifty.detectors.protocol import Detector
from thrifty.engine.local import BATCH, map_frames
from thrifty.errors import DataError
from thrifty.evaluation.average_precision import Precision, average_precision
from thrifty.evaluation.miss_rate import Curve
from thrifty.evaluation.protocols import Setup
from thrifty.evaluation.truth import Truth
from thrifty.progress import Step
from thrifty.types import Annotations, Detections, Record, Unreadable


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """How well a detector sees.

    Attributes:
        curve: Miss rate against false positives per image.
        precision: Average precision, COCO's.
    """

    curve: Curve
    precision: Precision


def detect_all(
    detector: Detector,
    frames: FrameStream,
    records: Sequence[Record],
    step: Step,
    batch: int = BATCH,
) -> dict[str, Detections]:
    """What a detector finds in frames, by record id.

    Raises:
        DataError: A frame cannot be decoded.
    """
    found: dict[str, Detections] = {}
    for result in map_frames(detector.detect, frames, records, step, batch):
        if isinstance(result, Unreadable):
            raise DataError(f"{result.reason} (it could be decoded before)")
        found[result[0].id] = result[1]
    return found


def judge(
    found: Mapping[str, Detections],
    labels: Mapping[str, Annotations],
    detector: DetectorSection,
    settings: EvaluationSection,
) -> Verdict:
    """Hold detections against labels.

    Args:
        found: By record id.
        labels: By record id, the same frames at least.
        detector: Which classes are told apart.
        settings: What counts as a hit.

    Raises:
        DataError: The labels hold no objects to find.
    """
    classes = detector.class_count
    setup = Setup("recipe", overlap=settings.iou, aspect=settings.aspect, classes=classes)
    truth = [Truth(labels[record_id]) for record_id in found]
    if not any(len(drawn.labels.objects) for drawn in truth):
        raise DataError(
            "the test set holds no objects to find; check its annotations and 'filter' in the recipe"
        )
    curve = setup.curve(list(found.values()), truth)
    precision = average_precision(
        [_of_one_class(one) if classes == 1 else one for one in found.values()],
        [Truth(_of_one_class(one.labels)) if classes == 1 else one for one in truth],
        detector.classes or ("object",),
    ).overall
    return Verdict(curve, precision)


Boxes = TypeVar("Boxes", Annotations, Detections)


def _of_one_class(boxes: Boxes) -> Boxes:
    """Where one class is told apart it does not matter what objects are called."""
    return replace(boxes, classes=np.zeros(len(boxes), dtype=np.int64))
