"""The measure of the paper's released code: looser than the benchmark's, and kept to compare with the paper's figures.

A detection that overlaps any object by more than 0.3 is right, however many others found the same object; a false alarm
otherwise. The miss rate is one less the mean over images of the share of objects found, and both are taken at eleven
score thresholds. The released code knows no ignore regions: here they excuse what they cover, by the same 0.3, so that
without any the figures are its own; images without objects count for false alarms alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thrifty import boxes as geometry
from thrifty.errors import DataError
from thrifty.evaluation.matching import pairs, reaching
from thrifty.evaluation.miss_rate import Curve
from thrifty.types import Annotations, Detections, FloatArray

OVERLAP = 0.3
THRESHOLDS = np.array([0.99, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.01])
"""Scores from which a detection is kept, from the strictest on."""


def released_curve(detections: Sequence[Detections], truth: Sequence[Annotations]) -> Curve:
    """The curve over a test set: one point per threshold, of equal FPPI the last.

    Args:
        detections: Of each image; scores in [0, 1].
        truth: Of the same images in the same order.

    Raises:
        DataError: A score is outside [0, 1], so that the thresholds mean nothing.
    """
    for found in detections:
        if len(found) and not ((found.scores >= 0) & (found.scores <= 1)).all():
            raise DataError(
                "the paper's measure takes scores from 0 to 1, and some are outside; turn them into probabilities, or "
                "choose another protocol"
            )
    false = np.zeros(len(THRESHOLDS))
    recalls = []
    for found, drawn in zip(detections, truth, strict=True):
        best, wrong = _image(found, drawn)
        false += (wrong[:, None] >= THRESHOLDS).sum(axis=0)
        if len(best):
            recalls.append((best[:, None] >= THRESHOLDS).mean(axis=0))
    rates = 1.0 - np.mean(recalls, axis=0) if recalls else np.full(len(THRESHOLDS), np.nan)
    if not truth:
        return Curve(np.zeros(0), np.zeros(0), np.nan)
    last = np.append(np.diff(false) != 0, True)
    return Curve(false[last] / len(truth), rates[last], 1.0 if recalls else np.nan)


def _image(found: Detections, drawn: Annotations) -> tuple[FloatArray, FloatArray]:
    """Score of the surest detection of each object, minus infinity without one; and scores of the false alarms."""
    objects = drawn.objects
    best = np.full(len(objects), -np.inf)
    # The released code asks for more than 0.3, not for as much.
    least = float(np.nextafter(OVERLAP, 1.0))
    for start, ious in pairs(geometry.iou, found.boxes, objects):
        scores = np.where(ious >= least, found.scores[start : start + len(ious), None], -np.inf)
        best = np.maximum(best, scores.max(axis=0, initial=-np.inf))
    right = reaching(geometry.iou, found.boxes, objects, least)
    excused = reaching(geometry.cover, found.boxes, drawn.boxes[drawn.ignore], least)
    return best, found.scores[~right & ~excused]
