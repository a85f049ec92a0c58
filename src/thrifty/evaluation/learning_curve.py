"""What labels buy: learning curves as a table, the area under them, and labels to parity."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.errors import DataError
from thrifty.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Measurement:
    """A row of the tidy table: one figure of one run after one cycle.

    Attributes:
        strategy: Name.
        seed: Of the run; runs of one seed share their start weights.
        cycle: 0 for the start weights.
        labelled: Frames labelled so far.
        boxes: Boxes drawn on them.
        seconds: Time that took, as a `CostModel` estimates it, or as it was measured.
        metric: Name of the figure.
        value: The figure.
    """

    strategy: str
    seed: int
    cycle: int
    labelled: int
    boxes: int
    seconds: float
    metric: str
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve:
    """One run of one strategy.

    Attributes:
        labelled: `n` float64, frames labelled, strictly increasing.
        values: `n` float64, the figure after each cycle.
    """

    labelled: FloatArray
    values: FloatArray

    def __post_init__(self) -> None:
        labelled = np.asarray(self.labelled, dtype=np.float64)
        values = np.asarray(self.values, dtype=np.float64)
        if labelled.ndim != 1 or labelled.shape != values.shape or not labelled.size:
            raise DataError(
                f"a learning curve needs as many figures as label counts, not {values.size} and {labelled.size}"
            )
        if not (np.diff(labelled) > 0).all() or not np.isfinite(values).all():
            raise DataError(
                "a learning curve's label counts must increase, and its figures be finite"
            )
        object.__setattr__(self, "labelled", labelled)
        object.__setattr__(self, "values", values)

    def area(self) -> float:
        """Mean of the figure over the label counts, by the trapezoid rule; the figure itself if there is one.

        >>> LearningCurve(np.array([0.0, 10, 30]), np.array([1.0, 0.6, 0.2])).area()
        0.5333333333333333
        """
        if self.labelled.size == 1:
            return float(self.values[0])
        span = float(self.labelled[-1] - self.labelled[0])
        return float(np.trapezoid(self.values, self.labelled)) / span

    def labels_to(self, target: float, *, lower_is_better: bool = True) -> float:
        """Labelled frames after which the run has reached a figure, straight lines between its cycles.

        A run that reached it once has reached it, whatever comes later.

        Args:
            target: The figure.
            lower_is_better: As for miss rates.

        Returns:
            Frames; infinity if the run never reaches it.

        >>> curve = LearningCurve(np.array([0.0, 10, 30]), np.array([1.0, 0.6, 0.2]))
        >>> curve.labels_to(0.4), curve.labels_to(0.1)
        (20.0, inf)
        """
        sign = 1.0 if lower_is_better else -1.0
        values, wanted = sign * self.values, sign * target
        reached = np.flatnonzero(values <= wanted)
        if not reached.size:
            return math.inf
        place = int(reached[0])
        if place == 0:
            return float(self.labelled[0])
        before, after = values[place - 1], values[place]
        share = (before - wanted) / (before - after)
        step = self.labelled[place] - self.labelled[place - 1]
        return float(self.labelled[place - 1] + share * step)


def curves(measurements: Iterable[Measurement], metric: str) -> dict[str, dict[int, LearningCurve]]:
    """Learning curves out of the tidy table, by strategy and seed.

    Args:
        measurements: In any order; those of other metrics are passed over.
        metric: Which figure.

    Raises:
        DataError: Two rows of a run have the same label count.
    """
    points: dict[tuple[str, int], list[tuple[int, float]]] = defaultdict(list)
    for row in measurements:
        if row.metric == metric:
            points[row.strategy, row.seed].append((row.labelled, row.value))
    found: dict[str, dict[int, LearningCurve]] = defaultdict(dict)
    for (strategy, seed), pairs in sorted(points.items()):
        labelled, values = zip(*sorted(pairs), strict=True)
        found[strategy][seed] = LearningCurve(np.array(labelled), np.array(values))
    return dict(found)


@dataclass(frozen=True, slots=True)
class Parity:
    """Labels that a strategy needs to be as good as something else.

    Attributes:
        target: The figure to reach.
        labels: Frames at which the mean curve reaches it; infinity if it never does.
        low: Lower end of the interval over the runs.
        high: Upper end; infinity if some resamples never reach it.
        reached: Share of the resamples that reach it.
    """

    target: float
    labels: float
    low: float
    high: float
    reached: float

    def sentence(self, budget: float) -> str:
        """In words, beside what it cost otherwise.

        >>> Parity(0.5, 120.0, 100.0, 150.0, 1.0).sentence(300)
        '120 labels reach 0.500, where 300 were spent (40 %; 95 % interval 100 to 150)'
        >>> Parity(0.5, math.inf, 280.0, math.inf, 0.2).sentence(300)
        '0.500 is not reached with the labels at hand (20 % of resampled runs reach it)'
        """
        if math.isinf(self.labels):
            return (
                f"{self.target:.3f} is not reached with the labels at hand "
                f"({self.reached:.0%} of resampled runs reach it)".replace("%", " %")
            )
        ends = f"{self.low:.0f} to " + ("never" if math.isinf(self.high) else f"{self.high:.0f}")
        share = f"{100 * self.labels / budget:.0f} %"
        return (
            f"{self.labels:.0f} labels reach {self.target:.3f}, where {budget:g} were spent "
            f"({share}; 95 % interval {ends})"
        )


def labels_to_parity(
    runs: Mapping[int, LearningCurve],
    baseline: Mapping[int, LearningCurve],
    rng: np.random.Generator,
    *,
    lower_is_better: bool = True,
    alpha: float = 0.05,
) -> Parity:
    """Labels that a strategy needs to reach what a baseline reaches with all of its budget.

    Both mean curves are taken over the seeds that both have. For the interval the seeds are drawn anew, the same for both,
    so what a seed's start weights do to both cancels out.

    Args:
        runs: Curves of the strategy by seed; all of the same label counts.
        baseline: Curves by seed, of which the last figures count.
        rng: Draws the seeds.
        lower_is_better: As for miss rates.
        alpha: One less the coverage.

    Raises:
        DataError: No seed is in both, or the strategy's curves have different label counts.
    """
    seeds = sorted(runs.keys() & baseline.keys())
    if not seeds:
        raise DataError("no seed was run with both strategies; run both with the same seeds")
    labelled, values = _stacked([runs[seed] for seed in seeds])
    final = np.array([baseline[seed].values[-1] for seed in seeds])

    def needed(chosen: IntArray) -> tuple[float, float]:
        target = float(final[chosen].mean())
        curve = LearningCurve(labelled, values[chosen].mean(axis=0))
        return target, curve.labels_to(target, lower_is_better=lower_is_better)

    target, labels = needed(np.arange(len(seeds)))
    drawn = np.array(
        [needed(chosen)[1] for chosen in rng.integers(0, len(seeds), (_RESAMPLES, len(seeds)))]
    )
    low, high = _quantile(drawn, alpha / 2), _quantile(drawn, 1 - alpha / 2)
    return Parity(target, labels, low, high, float(np.isfinite(drawn).mean()))


_RESAMPLES = 2000


def _stacked(curves_of_seeds: Sequence[LearningCurve]) -> tuple[FloatArray, FloatArray]:
    """Label counts, and the values of all seeds, `seeds x n`."""
    labelled = curves_of_seeds[0].labelled
    for curve in curves_of_seeds:
        if not np.array_equal(curve.labelled, labelled):
            raise DataError(
                "runs of one strategy have different label counts; give all the same budget"
            )
    return labelled, np.stack([curve.values for curve in curves_of_seeds])


def _quantile(values: FloatArray, share: float) -> float:
    """Without interpolation: between a number and infinity there is nothing."""
    place = min(len(values) - 1, max(0, math.ceil(share * len(values)) - 1))
    return float(np.sort(values)[place])
