"""Miss rate against false positives per image (FPPI), the measure of the Caltech pedestrian benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.errors import DataError
from thrifty.evaluation.matching import Matched
from thrifty.types import FloatArray

_REFERENCES = 10.0 ** np.arange(-2.0, 0.25, 0.25)
_FLOOR = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What lowering the score threshold buys and costs.

    Attributes:
        fppi: `M` float64, non-decreasing.
        miss_rates: `M` float64 in [0, 1], non-increasing.
    """

    fppi: FloatArray
    miss_rates: FloatArray

    def at(self, fppi: float) -> float:
        """Miss rate at the last point whose FPPI does not exceed `fppi`; 1 if there is none."""
        index = int(np.searchsorted(self.fppi, fppi, side="right")) - 1
        return float(self.miss_rates[index]) if index >= 0 else 1.0

    @property
    def log_average(self) -> float:
        """Geometric mean of the miss rate at FPPI 10^-2, 10^-1.75, ..., 10^0."""
        rates = np.array([self.at(float(reference)) for reference in _REFERENCES])
        return float(np.exp(np.log(np.maximum(_FLOOR, rates)).mean()))


def miss_rate_curve(images: Sequence[Matched]) -> Curve:
    """The curve over a test set.

    Args:
        images: Every image of the set, those without detections or objects included.

    Raises:
        DataError: There are no images or no objects, so that there is nothing to miss.
    """
    objects = sum(image.objects for image in images)
    if not objects:
        raise DataError(
            "the test set holds no objects to find; check its annotations and 'min_height' in the recipe"
        )
    scores = np.concatenate([image.scores for image in images])
    hits = np.concatenate([image.hits for image in images])
    order = np.argsort(-scores, kind="stable")
    # Detections of equal score pass any threshold together, so only the last of each group is a point.
    last = np.append(np.diff(scores[order]) != 0, True)[: len(order)]
    found = np.cumsum(hits[order])[last]
    false = np.cumsum(~hits[order])[last]
    return Curve(false / len(images), 1.0 - found / objects)
