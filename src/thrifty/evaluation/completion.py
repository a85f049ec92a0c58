r"""How long active learning keeps a machine busy: the paper's time to completion (section 4, Figure 4).

Of \(N\) frames \(B\) are labelled, \(b\) a cycle, in \(K = B / b\) cycles. Each cycle scores what is left of the pool, and trains
anew on all that has been labelled so far, in \(T\) passes:

\[ \text{hours} = \frac{1}{3600} \Big[ \sum_{k=0}^{K-1} (N - k b) \, s_\text{score}
   + \sum_{k=1}^{K} k b \, T \, s_\text{train} \Big] \]

The first sum runs over the cycles by how many came before, since a cycle chooses from what those have left; the second by how
many have labelled, since a cycle trains on its own frames too. Small cycles cost twice: the pool is looked at more often, and
early labels are learned from again and again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from thrifty.errors import BudgetError, DataError

HOUR = 3600.0
"""Seconds."""

COVERAGE = 0.8
"""Share of the repeats that an interval holds, those in the middle."""

LARGEST = 10**12
"""Frames that no pool has more of; below, no sum leaves what float64 can hold."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A time, and how well it is known.

    Attributes:
        seconds: As good a guess as there is, >= 0.
        low: Lower end of its interval, at most that.
        high: Upper end, at least that.

    Raises:
        DataError: One is below 0 or not finite, or the interval does not hold the guess.
    """

    seconds: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.seconds <= self.high < math.inf:
            raise DataError(
                f"{self.seconds:g} s within {self.low:g} to {self.high:g} s is no time; give finite ones from 0 on, in order"
            )

    @classmethod
    def exact(cls, seconds: float) -> Self:
        """A time that is taken for granted."""
        return cls(seconds, seconds, seconds)

    @classmethod
    def of(cls, repeats: Sequence[float]) -> Self:
        """The median of measured times, and the middle 80 % of them.

        That is how far single repeats go, not how sure their mean is: what slows a machine down may last, and then a mean over a
        hundred thousand frames is as far off as one repeat.

        Args:
            repeats: At least one, seconds, >= 0.

        >>> told = Duration.of([1.0, 3.0, 2.0, 5.0, 4.0, 6.0])
        >>> round(told.seconds, 6), round(told.low, 6), round(told.high, 6)
        (3.5, 1.5, 5.5)
        """
        tail = (1 - COVERAGE) / 2
        low, middle, high = np.quantile(np.asarray(repeats, np.float64), [tail, 0.5, 1 - tail])
        return cls(float(middle), min(float(low), float(middle)), max(float(high), float(middle)))

    @property
    def hours(self) -> float:
        """The guess in hours."""
        return self.seconds / HOUR

    def times(self, count: float) -> Duration:
        """So many, one after the other, all as long.

        >>> Duration(2.0, 1.0, 4.0).times(3)
        Duration(seconds=6.0, low=3.0, high=12.0)
        """
        return Duration(self.seconds * count, self.low * count, self.high * count)

    def __add__(self, other: Duration) -> Duration:
        """Both, end to end; ends are added, since one machine is slow at both at once."""
        return Duration(self.seconds + other.seconds, self.low + other.low, self.high + other.high)


PAPER_SCORE = Duration.exact(0.15)
"""A forward pass with double evaluation over a frame of 640 x 480 in the paper."""

PAPER_TRAIN = Duration.exact(0.2)
"""Forward and backward."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much each cycle trains.

    Attributes:
        passes: Over all frames labelled so far (T), >= 1.
        steps: How many in each cycle, whatever is labelled, in place of `passes`.
        batch: Frames a step, >= 1; counts where `steps` are given, and every step is then taken to be full.
        replay: Share of the frames that come from the start set, in [0, 1): passes are over the others, so there are more of all.
    """

    passes: int
    steps: int | None = None
    batch: int = 1
    replay: float = 0.0

    def frames(self, labelled: int, cycles: int) -> int:
        """Frames that go forward and backward in all cycles together.

        Args:
            labelled: Sum over the cycles of the frames that each learns from.
            cycles: Cycles.
        """
        if self.steps is not None:
            return cycles * self.steps * self.batch
        return round(labelled * self.passes / (1 - self.replay))


PAPER_EFFORT = Effort(passes=50)
"""T = 50."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a machine is asked to do.

    Attributes:
        pool: Frames to choose from (N).
        budget: Frames labelled in all (B), at most as many.
        per_cycle: Frames labelled a cycle (b), at most the budget; the last cycle labels what is left.
        effort: How much each cycle trains.

    Raises:
        BudgetError: One is below 1, or there are not as many frames.

    >>> work = Workload(pool=100, budget=25, per_cycle=10)
    >>> work.cycles, work.scored, work.learned
    (3, 270, 55)
    """

    pool: int
    budget: int
    per_cycle: int
    effort: Effort = PAPER_EFFORT

    def __post_init__(self) -> None:
        if not 1 <= self.pool <= LARGEST:
            raise BudgetError(f"a pool of {self.pool} frames; give 1 to {LARGEST:g}")
        if not 1 <= self.budget <= self.pool:
            raise BudgetError(
                f"a budget of {self.budget} frames from a pool of {self.pool}; give 1 to {self.pool}"
            )
        if not 1 <= self.per_cycle <= self.budget:
            raise BudgetError(
                f"b = {self.per_cycle} frames a cycle of a budget of {self.budget}; give 1 to {self.budget}"
            )

    @property
    def cycles(self) -> int:
        """Cycles that the budget lasts (K), a smaller last one included."""
        return -(-self.budget // self.per_cycle)

    @property
    def scored(self) -> int:
        """Frames scored in all cycles together: N - k b in the one that k came before."""
        return self.cycles * self.pool - self._before

    @property
    def learned(self) -> int:
        """Sum over the cycles of the frames that each learns from: k b in the k-th, B in the last."""
        return self._before + self.budget

    @property
    def _before(self) -> int:
        """Sum over the cycles of what has been labelled before each."""
        return self.per_cycle * self.cycles * (self.cycles - 1) // 2


def time_to_completion(work: Workload, score: Duration, train: Duration) -> Duration:
    """The time that a machine spends on scoring and training in all cycles; people's time is not in it.

    Args:
        work: How much there is to do.
        score: What scoring a frame takes.
        train: What a frame takes in training, forward and backward.

    The paper's own figures, which it prints as about 46, 190 and 1800:

    >>> caltech = [Workload(51_363, 7500, b) for b in (2500, 500, 50)]
    >>> [round(time_to_completion(work, PAPER_SCORE, PAPER_TRAIN).hours, 1) for work in caltech]
    [47.8, 196.6, 1870.7]
    """
    trained = work.effort.frames(work.learned, work.cycles)
    return score.times(work.scored) + train.times(trained)
