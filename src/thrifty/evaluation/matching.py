"""Matching detections to objects, after the Caltech pedestrian benchmark.

Detections are taken surest first. Each object can be hit once, by a detection that overlaps it by at least the
wanted IoU; of several free objects the detection hits the one it overlaps most, of equals the last. A detection that
hits no object but lies in an ignore region (share of the detection inside the region, not IoU) is neither hit nor false
alarm; a region can take any number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from thrifty import boxes as geometry
from thrifty.types import Annotations, BoolArray, Detections, FloatArray

_PAIRS = 1 << 20
"""Overlaps held in memory at a time."""


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


def match(detections: Detections, truth: Annotations, overlap: float = 0.5) -> Matched:
    """Match the detections of one image.

    Args:
        detections: In any order; equal scores keep the order given.
        truth: Objects and ignore regions of the same image.
        overlap: IoU from which a detection hits, in (0, 1]; for ignore regions the same number applies to the
            share of the detection inside the region.
    """
    order = np.argsort(-detections.scores, kind="stable")
    found, objects = detections.boxes[order], truth.objects
    free = np.ones(len(objects), dtype=np.bool_)
    hits = np.zeros(len(found), dtype=np.bool_)
    for start, ious in pairs(geometry.iou, found, objects):
        # Few detections overlap any object enough; only among them does it matter who came first.
        for row in np.flatnonzero((ious >= overlap).any(axis=1)):
            open_ious = np.where(free, ious[row], -1.0)
            best = len(objects) - 1 - int(open_ious[::-1].argmax())
            if open_ious[best] >= overlap:
                free[best] = False
                hits[start + row] = True
    counted = hits | ~reaching(geometry.cover, found, truth.boxes[truth.ignore], overlap)
    return Matched(detections.scores[order][counted], hits[counted], len(objects))


def match_by_class(
    detections: Detections, truth: Annotations, overlap: float, classes: int
) -> Matched:
    """As `match`, where a detection hits objects of its own class only; ignore regions are those of every class.

    Args:
        detections: Of one image.
        truth: Of the same image.
        overlap: As `match`.
        classes: How many there are.
    """
    parts = []
    for number in range(classes):
        own = truth.ignore | (truth.classes == number)
        drawn = Annotations(truth.boxes[own], truth.classes[own], truth.ignore[own])
        parts.append(match(detections.take(detections.classes == number), drawn, overlap))
    scores = np.concatenate([part.scores for part in parts])
    hits = np.concatenate([part.hits for part in parts])
    order = np.argsort(-scores, kind="stable")
    return Matched(scores[order], hits[order], sum(part.objects for part in parts))


Measure = Callable[[FloatArray, FloatArray], FloatArray]
"""An overlap of each box of one list with each of another: `N x 4`, `M x 4` to `N x M`."""


def pairs(
    measure: Measure, first: FloatArray, second: FloatArray
) -> Iterator[tuple[int, FloatArray]]:
    """Overlaps of two lists of boxes, some rows at a time: number of the first row, and the rows.

    However many boxes there are, about a million overlaps are in memory.

    Args:
        measure: Which overlap.
        first: `N x 4`; its boxes become rows.
        second: `M x 4`; nothing is yielded if it is empty.
    """
    if not len(second):
        return
    rows = max(1, _PAIRS // len(second))
    for start in range(0, len(first), rows):
        yield start, measure(first[start : start + rows], second)


def reaching(measure: Measure, first: FloatArray, second: FloatArray, least: float) -> BoolArray:
    """Whether each box of the first list overlaps any of the second by at least so much: `N` bool."""
    reached = np.zeros(len(first), dtype=np.bool_)
    for start, values in pairs(measure, first, second):
        reached[start : start + len(values)] = (values >= least).any(axis=1)
    return reached
