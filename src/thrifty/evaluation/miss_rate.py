"""Miss rate against false positives per image (FPPI), the measure of the Caltech pedestrian benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.evaluation.matching import Matched
from thrifty.types import FloatArray

REFERENCES = 10.0 ** np.arange(-2.0, 0.25, 0.25)
"""The nine FPPI over which the log-average miss rate is taken."""
_FLOOR = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What lowering the score threshold buys and costs.

    Attributes:
        fppi: `M` float64, increasing; empty where there are no images.
        miss_rates: `M` float64 in [0, 1], non-increasing; NaN where there are no objects to miss.
        empty: Miss rate where nothing is detected: 1, or NaN where there are no objects.
    """

    fppi: FloatArray
    miss_rates: FloatArray
    empty: float = 1.0

    def at(self, fppi: float) -> float:
        """Miss rate at the last point whose FPPI does not exceed `fppi`; that of no detections if there is none."""
        index = int(np.searchsorted(self.fppi, fppi, side="right")) - 1
        return float(self.miss_rates[index]) if index >= 0 else self.empty

    @property
    def log_average(self) -> float:
        """Geometric mean of the miss rate at FPPI 10^-2, 10^-1.75, ..., 10^0; NaN where there are no objects."""
        rates = np.array([self.at(float(reference)) for reference in REFERENCES])
        return float(np.exp(np.log(np.maximum(_FLOOR, rates)).mean()))


def miss_rate_curve(images: Sequence[Matched]) -> Curve:
    """The curve over a test set.

    As in the benchmark every detection is a point, equal scores in the order of the images; of points with as many false
    alarms the last is kept, which is the one that `Curve.at` would find.

    Args:
        images: Every image of the set, those without detections or objects included.

    >>> hit, false = np.array([True]), np.array([False])
    >>> images = [Matched(np.array([0.9]), hit, 2), Matched(np.array([0.8]), false, 0)]
    >>> curve = miss_rate_curve(images)
    >>> curve.fppi.tolist(), curve.miss_rates.tolist()
    ([0.0, 0.5], [0.5, 0.5])
    """
    objects = sum(image.objects for image in images)
    empty = 1.0 if objects else np.nan
    if not images:
        return Curve(np.zeros(0), np.zeros(0), empty)
    scores = np.concatenate([image.scores for image in images])
    hits = np.concatenate([image.hits for image in images])
    order = np.argsort(-scores, kind="stable")
    found, false = np.cumsum(hits[order]), np.cumsum(~hits[order])
    last = np.append(np.diff(false) != 0, True)[: len(order)]
    rates = 1.0 - found[last] / objects if objects else np.full(int(last.sum()), np.nan)
    return Curve(false[last] / len(images), rates, empty)
