"""Matching detections to objects, after the Caltech pedestrian benchmark.

Detections are taken surest first. Each object can be hit once, by a detection that overlaps it by at least the
wanted IoU. A detection that hits no object but lies in an ignore region (share of the detection inside the region,
not IoU) is neither hit nor false alarm; a region can take any number of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thrifty import boxes as geometry
from thrifty.types import Annotations, BoolArray, Detections, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """The detections of one image that count, surest first.

    Attributes:
        scores: `N` float64.
        hits: `N` bool; false means false alarm.
        objects: Objects in the image, found or not.
    """

    scores: FloatArray
    hits: BoolArray
    objects: int


def match(
    detections: Detections, truth: Annotations, overlap: float = 0.5, aspect: float | None = None
) -> Matched:
    """Match the detections of one image.

    Args:
        detections: In any order; equal scores keep the order given.
        truth: Objects and ignore regions of the same image.
        overlap: IoU from which a detection hits, in (0, 1]; for ignore regions the same number applies to the
            share of the detection inside the region.
        aspect: Width over height that objects and detections are given first, centre and height kept (0.41 in
            the benchmark, because the width of a walking person says more about the gait than about the box).
    """
    order = np.argsort(-detections.scores, kind="stable")
    found, objects, regions = detections.boxes[order], truth.objects, truth.boxes[truth.ignore]
    if aspect is not None:
        found, objects = geometry.with_aspect(found, aspect), geometry.with_aspect(objects, aspect)
    ious = geometry.iou(found, objects)
    free = np.ones(len(objects), dtype=np.bool_)
    hits = np.zeros(len(found), dtype=np.bool_)
    # Few detections overlap any object enough; only among them does it matter who came first.
    for index in np.flatnonzero((ious >= overlap).any(axis=1)):
        open_ious = np.where(free, ious[index], -1.0)
        best = int(open_ious.argmax())
        if open_ious[best] >= overlap:
            free[best] = False
            hits[index] = True
    counted = hits | (geometry.cover(found, regions) < overlap).all(axis=1)
    return Matched(detections.scores[order][counted], hits[counted], len(objects))
