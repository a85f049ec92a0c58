"""Who counts, in the pedestrian benchmarks: Caltech's subsets and CityPersons' setups.

Of an image's labels a setup keeps some as objects and makes ignore regions of the others, so that nobody is blamed for
finding, or missing, a person that is too small or too hidden. Detections outside the setup's heights, widened by a
quarter, are dropped before anything is matched: a person of 50 pixels may well be found as one of 45.

Sources: P. Dollar, C. Wojek, B. Schiele and P. Perona, Pedestrian Detection: An Evaluation of the State of the Art, PAMI
2012, and the evaluation code that comes with the benchmark (version 3.2.1); S. Zhang, R. Benenson and B. Schiele,
CityPersons: A Diverse Dataset for Pedestrian Detection, CVPR 2017, and its evaluation code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from thrifty import boxes as geometry
from thrifty.evaluation.matching import Matched, match, match_by_class
from thrifty.evaluation.miss_rate import Curve, miss_rate_curve
from thrifty.evaluation.truth import Truth
from thrifty.types import Annotations, BoolArray, Detections, FloatArray

_SLACK = 1e-6
"""Pixels, and shares: corners and sides differ in their last digits, and a person 50 pixels high is 50 pixels high."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A subset of the objects, and how detections are held against it.

    Attributes:
        name: As people ask for it.
        heights: Objects from the first height on, below the second, pixels.
        tallest_counts: Whether the second height still counts.
        visibilities: Least and greatest visible share, both included; infinity stands for "nothing is hidden".
        inside: x1, y1, x2, y2, pixels: an object must lie within.
        overlap: IoU from which a detection hits.
        aspect: Width over height that objects and detections are given, centre and height kept, since the width of a
            walking person says more about the gait than about the box; `None` leaves them.
        expand: Factor by which the heights are widened for detections, >= 1.
        most: Detections of an image that are looked at, the surest first; `None` for all.
        classes: Classes that are told apart; with one, a detection may hit any object.
    """

    name: str
    heights: tuple[float, float] = (0.0, math.inf)
    tallest_counts: bool = False
    visibilities: tuple[float, float] = (0.0, math.inf)
    inside: tuple[float, float, float, float] | None = None
    overlap: float = 0.5
    aspect: float | None = None
    expand: float = 1.25
    most: int | None = None
    classes: int = 1

    def select(self, truth: Truth) -> Annotations:
        """The labels as this setup sees them: objects in the wanted aspect, all others ignore regions."""
        labels = truth.labels
        ignore = labels.ignore | ~self._counts(labels.boxes, truth.visibility)
        return self._standardised(replace(labels, ignore=ignore))

    def _counts(self, boxes: FloatArray, visibility: FloatArray) -> BoolArray:
        lowest, highest = self.heights
        heights = boxes[:, 3] - boxes[:, 1]
        short_enough = (
            heights <= highest + _SLACK if self.tallest_counts else heights < highest - _SLACK
        )
        least, greatest = self.visibilities
        visible = (visibility >= least - _SLACK) & (visibility <= greatest + _SLACK)
        counts = (heights >= lowest - _SLACK) & short_enough & visible
        if self.inside is not None:
            corner, far = np.array(self.inside[:2]), np.array(self.inside[2:])
            within = (boxes[:, :2] >= corner - _SLACK) & (boxes[:, 2:] <= far + _SLACK)
            counts &= within.all(axis=1)
        return np.asarray(counts, dtype=np.bool_)

    def _standardised(self, labels: Annotations) -> Annotations:
        if self.aspect is None:
            return labels
        boxes = labels.boxes.copy()
        boxes[~labels.ignore] = geometry.with_aspect(labels.objects, self.aspect)
        return replace(labels, boxes=boxes)

    def admit(self, detections: Detections) -> Detections:
        """The detections as this setup sees them: of about the wanted heights, in the wanted aspect."""
        # As in CityPersons' own code, the surest are taken before any is left out for its height.
        surest = np.argsort(-detections.scores, kind="stable")[: self.most]
        admitted = detections.take(np.sort(surest))
        heights = admitted.boxes[:, 3] - admitted.boxes[:, 1]
        kept = heights >= self.heights[0] / self.expand - _SLACK
        kept &= heights < self.heights[1] * self.expand - _SLACK
        admitted = admitted.take(kept)
        if self.aspect is None:
            return admitted
        return replace(admitted, boxes=geometry.with_aspect(admitted.boxes, self.aspect))

    def match(self, detections: Detections, truth: Truth) -> Matched:
        """Hold the detections of one image against its labels."""
        return self._match(detections, self.select(truth))

    def match_filtered(self, detections: Detections, labels: Annotations) -> Matched:
        """Likewise, where the labels have been selected already, as in the benchmark's own MATLAB files."""
        return self._match(detections, self._standardised(labels))

    def _match(self, detections: Detections, labels: Annotations) -> Matched:
        admitted = self.admit(detections)
        if self.classes == 1:
            return match(admitted, labels, self.overlap)
        return match_by_class(admitted, labels, self.overlap, self.classes)

    def curve(self, detections: Sequence[Detections], truth: Sequence[Truth]) -> Curve:
        """The curve over a test set, image by image in the same order."""
        pairs = zip(detections, truth, strict=True)
        return miss_rate_curve([self.match(found, drawn) for found, drawn in pairs])


_Range = tuple[float, float]


def _caltech(name: str, heights: _Range, visibilities: _Range) -> Setup:
    inside = (5.0, 5.0, 635.0, 475.0)
    return Setup(name, heights, visibilities=visibilities, inside=inside, aspect=0.41)


def _city_persons(name: str, heights: _Range, visibilities: _Range) -> Setup:
    return Setup(name, heights, tallest_counts=True, visibilities=visibilities, most=1000)


_ALL, _NONE_HIDDEN = math.inf, (math.inf, math.inf)

CALTECH = (
    _caltech("reasonable", (50, _ALL), (0.65, _ALL)),
    _caltech("all", (20, _ALL), (0.2, _ALL)),
    _caltech("large", (100, _ALL), _NONE_HIDDEN),
    _caltech("near", (80, _ALL), _NONE_HIDDEN),
    _caltech("medium", (30, 80), _NONE_HIDDEN),
    _caltech("far", (20, 30), _NONE_HIDDEN),
    _caltech("occ-none", (50, _ALL), _NONE_HIDDEN),
    _caltech("occ-partial", (50, _ALL), (0.65, 1.0)),
    _caltech("occ-heavy", (50, _ALL), (0.2, 0.65)),
)
"""The benchmark's subsets; the first is the one that is meant where none is named."""

CITY_PERSONS = (
    _city_persons("reasonable", (50, _ALL), (0.65, _ALL)),
    _city_persons("small", (50, 75), (0.65, _ALL)),
    _city_persons("heavy", (50, _ALL), (0.2, 0.65)),
    _city_persons("all", (20, _ALL), (0.2, _ALL)),
)
"""The four setups of the benchmark's code."""
