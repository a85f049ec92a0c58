"""What one cycle of one arm came to."""

from __future__ import annotations

from dataclasses import dataclass

from thrifty.costs import CostModel
from thrifty.evaluation.axis import Axis
from thrifty.types import FloatArray


@dataclass(frozen=True, slots=True)
class Point:
    """One arm's figures after one cycle; cycle 0 is the start weights.

    Attributes:
        strategy: Name of the strategy.
        seed: Seed of the arm; arms of one seed share their start weights.
        cycle: 0 for the start weights, then 1, 2, ...
        labelled: Frames labelled so far.
        people: Counted objects in those frames.
        miss_rate: Miss rate at one false positive per image, in [0, 1].
        log_average: Log-average miss rate, in [0, 1].
        ap: COCO's average precision, mean over classes, in [0, 1].
        ap50: At IoU 0.5.
        fppi: False positives per image along the curve, ascending.
        miss_rates: Miss rate at each entry of `fppi`.
    """

    strategy: str
    seed: int
    cycle: int
    labelled: int
    people: int
    miss_rate: float
    log_average: float
    ap: float
    ap50: float
    fppi: FloatArray
    miss_rates: FloatArray

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that make a learning curve, by their names in the tidy table."""
        return {
            "miss_rate_at_1_fppi": self.miss_rate,
            "log_average_miss_rate": self.log_average,
            "ap": self.ap,
            "ap50": self.ap50,
        }

    def spent(self, along: Axis, cost: CostModel) -> float:
        """Frames, boxes or seconds so far; seconds are what the cost model makes of the boxes that were drawn."""
        seconds = cost.seconds(self.labelled, self.people)
        return along.place(self.labelled, self.people, seconds)
