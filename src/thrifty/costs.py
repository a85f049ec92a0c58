"""What labels cost: seconds that people take, and a model of them fitted to recorded times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.errors import DataError

SECONDS_PER_FRAME = 35.0
"""Least time that people took for the pedestrians of a street scene, with six labelling tools (the paper, section 1)."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds that people take.

    Attributes:
        per_frame: For looking at a frame at all, >= 0.
        per_box: For each box, >= 0.
    """

    per_frame: float = SECONDS_PER_FRAME
    per_box: float = 0.0

    def seconds(self, frames: float, boxes: float) -> float:
        """Of so many frames with so many boxes in all.

        >>> CostModel(10.0, 5.0).seconds(2, 7)
        55.0
        """
        return self.per_frame * frames + self.per_box * boxes


@dataclass(frozen=True, slots=True)
class CostFit:
    """A cost model fitted to recorded times.

    Attributes:
        model: Least squares with neither cost below 0.
        frames: Times that were recorded.
        error: Standard deviation of what the model leaves unexplained, seconds; NaN with fewer than three times.
        explained: Share of the variance that it explains, at most 1; NaN if all times are equal.
    """

    model: CostModel
    frames: int
    error: float
    explained: float


def fit_cost_model(boxes: Sequence[float], seconds: Sequence[float]) -> CostFit:
    """Fit a cost model to recorded times.

    Args:
        boxes: Drawn on each frame, >= 0.
        seconds: That took, >= 0.

    Raises:
        DataError: There are fewer than two times, all are of equally many boxes, one is below 0 or not finite, or
            no finite cost fits them.

    >>> fit = fit_cost_model([0, 2, 4], [10, 20, 30])
    >>> round(fit.model.per_frame, 6), round(fit.model.per_box, 6), round(fit.explained, 6)
    (10.0, 5.0, 1.0)
    """
    from scipy.optimize import nnls  # noqa: PLC0415 - takes long to load

    counts, times = np.asarray(boxes, np.float64), np.asarray(seconds, np.float64)
    if counts.shape != times.shape or len(times) < 2:
        raise DataError(
            f"a cost model needs two recorded times or more, not {len(times)} of {len(counts)} frames"
        )
    both = np.stack([counts, times])
    if not (np.isfinite(both).all() and (both >= 0).all()):
        raise DataError("a recorded time or number of boxes is below 0 or not finite; correct it")
    if not np.ptp(counts):
        raise DataError(
            f"all {len(counts)} frames have {counts[0]:g} boxes, which cannot tell a box's time from a frame's; "
            f"record frames with other numbers of boxes too"
        )
    if both.max() > _LARGEST:
        raise DataError(f"a recorded time or number of boxes is over {_LARGEST:g}; correct it")
    (per_frame, per_box), _ = nnls(np.stack([np.ones_like(counts), counts], axis=1), times)
    if not (math.isfinite(per_frame) and math.isfinite(per_box)):
        raise DataError("no finite cost fits the recorded times; check the numbers of boxes")
    left = times - per_frame - per_box * counts
    spread = float(((times - times.mean()) ** 2).sum()) if np.ptp(times) else 0.0
    error = math.sqrt(float(left @ left) / (len(times) - 2)) if len(times) > 2 else math.nan
    explained = 1 - float(left @ left) / spread if spread else math.nan
    return CostFit(CostModel(float(per_frame), float(per_box)), len(times), error, explained)


_LARGEST = 1e12
"""Seconds or boxes that no frame has; below, all sums of squares are finite."""
