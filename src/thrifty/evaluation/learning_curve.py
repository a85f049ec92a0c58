"""What labels buy: learning curves as a table, the area under them, and what parity takes, in frames, boxes or seconds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.errors import DataError
from thrifty.evaluation.axis import Axis
from thrifty.evaluation.statistics import ALPHA, FEWEST_RESAMPLED
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

    Of cycles at one place, because a cycle could buy nothing, the last one's figure is kept.

    Attributes:
        places: `n` float64 along an axis, strictly increasing once those that are equal have become one.
        values: `n` float64, the figure at each place.
    """

    places: FloatArray
    values: FloatArray

    def __post_init__(self) -> None:
        places = np.asarray(self.places, dtype=np.float64)
        values = np.asarray(self.values, dtype=np.float64)
        if places.ndim != 1 or places.shape != values.shape or not places.size:
            raise DataError(
                f"a learning curve needs as many figures as places, not {values.size} and {places.size}"
            )
        if not (np.isfinite(places).all() and np.isfinite(values).all()):
            raise DataError("a learning curve's places and figures must be finite")
        if not (np.diff(places) >= 0).all():
            raise DataError("a learning curve's places must not decrease from cycle to cycle")
        last = np.append(np.diff(places) > 0, True)
        object.__setattr__(self, "places", places[last])
        object.__setattr__(self, "values", values[last])

    def at(self, places: FloatArray) -> FloatArray:
        """Figures at any places within the curve, straight lines between its cycles."""
        return np.interp(places, self.places, self.values)

    def area(self, start: float | None = None, end: float | None = None) -> float:
        """Mean of the figure along the axis, by the trapezoid rule; the figure itself if there is one place.

        Args:
            start: Where to begin, within the curve; with its first place if left out.
            end: Where to end, likewise.

        >>> curve = LearningCurve(np.array([0.0, 10, 30]), np.array([1.0, 0.6, 0.2]))
        >>> round(curve.area(), 6), round(curve.area(end=20), 6)
        (0.533333, 0.65)
        """
        first = float(self.places[0]) if start is None else start
        last = float(self.places[-1]) if end is None else end
        inside = self.places[(self.places > first) & (self.places < last)]
        grid = np.concatenate([[first], inside, [last]])
        figures = self.at(grid)
        if first == last:
            return float(figures[0])
        return float(np.trapezoid(figures, grid)) / (last - first)

    def place_of(self, target: float, *, lower_is_better: bool = True) -> float:
        """Where the run first reaches a figure, straight lines between its cycles.

        A run that reached it once has reached it, whatever comes later.

        Args:
            target: The figure.
            lower_is_better: As for miss rates.

        Returns:
            A place; infinity if the run never reaches it.

        >>> curve = LearningCurve(np.array([0.0, 10, 30]), np.array([1.0, 0.6, 0.2]))
        >>> curve.place_of(0.4), curve.place_of(0.1)
        (20.0, inf)
        """
        sign = 1.0 if lower_is_better else -1.0
        values, wanted = sign * self.values, sign * target
        reached = np.flatnonzero(values <= wanted)
        if not reached.size:
            return math.inf
        place = int(reached[0])
        if place == 0:
            return float(self.places[0])
        before, after = values[place - 1], values[place]
        share = (before - wanted) / (before - after)
        step = self.places[place] - self.places[place - 1]
        return float(self.places[place - 1] + share * step)


def curves(
    measurements: Iterable[Measurement], metric: str, along: Axis = Axis.FRAMES
) -> dict[str, dict[int, LearningCurve]]:
    """Learning curves out of the tidy table, by strategy and seed.

    Args:
        measurements: In any order; those of other metrics are passed over. The same row may stand there twice.
        metric: Which figure.
        along: What they lie along.

    Raises:
        DataError: A cycle of a run has two different rows, or a run has spent less after a cycle than before it.
    """
    runs: dict[tuple[str, int], dict[int, Measurement]] = defaultdict(dict)
    for row in measurements:
        if row.metric != metric:
            continue
        if runs[row.strategy, row.seed].setdefault(row.cycle, row) != row:
            raise DataError(
                f"{row.strategy}, seed {row.seed}: there are two different rows of cycle {row.cycle}; "
                f"runs of other recipes cannot be put together"
            )
    found: dict[str, dict[int, LearningCurve]] = defaultdict(dict)
    for (strategy, seed), cycles in sorted(runs.items()):
        rows = [cycles[cycle] for cycle in sorted(cycles)]
        places = [along.place(row.labelled, row.boxes, row.seconds) for row in rows]
        try:
            curve = LearningCurve(np.array(places), np.array([row.value for row in rows]))
        except DataError as error:
            raise DataError(f"{strategy}, seed {seed}, along {along}: {error}") from error
        found[strategy][seed] = curve
    return dict(found)


def common_areas(one: LearningCurve, other: LearningCurve) -> tuple[float, float] | None:
    """Areas of two curves over the range that they share, the longer cut off; `None` if they share none.

    >>> one = LearningCurve(np.array([0.0, 10]), np.array([1.0, 0.0]))
    >>> other = LearningCurve(np.array([0.0, 5]), np.array([1.0, 0.8]))
    >>> [round(area, 6) for area in common_areas(one, other)]
    [0.75, 0.9]
    """
    start = max(float(one.places[0]), float(other.places[0]))
    end = min(float(one.places[-1]), float(other.places[-1]))
    return (one.area(start, end), other.area(start, end)) if start < end else None


@dataclass(frozen=True, slots=True)
class Parity:
    """What a strategy needs to be as good as something else.

    Attributes:
        target: The figure to reach.
        needed: Where along the axis the mean curve first reaches it; infinity if it never does.
        low: Lower end of the interval over the runs.
        high: Upper end; infinity if some resamples never reach it.
        reached: Share of the resamples that reach it.
        end: How far all runs of the strategy go along the axis.
        seeds: Runs behind it.
        along: The axis.
        alpha: One less the interval's coverage.
    """

    target: float
    needed: float
    low: float
    high: float
    reached: float
    end: float
    seeds: int
    along: Axis = Axis.FRAMES
    alpha: float = ALPHA

    def sentence(self, budget: float) -> str:
        """In words, beside what it cost otherwise.

        >>> Parity(0.5, 120.0, 100.0, 150.0, 1.0, 300.0, 8).sentence(300)
        '120 labels (95 % interval 100 to 150) reach 0.500, where 300 were spent: 40 %'
        >>> Parity(0.5, 18720.0, 18000.0, 25200.0, 1.0, 36000.0, 8, Axis.SECONDS).sentence(36000)
        '5.2 h (95 % interval 5.0 h to 7.0 h) reach 0.500, where 10.0 h were spent: 52 %'
        >>> Parity(0.5, math.inf, 280.0, math.inf, 0.2, 290.0, 8, Axis.BOXES).sentence(300)
        '0.500 is not reached within 290 boxes, which is as far as all runs go (20 % of resampled runs reach it)'
        """
        if math.isinf(self.needed):
            return (
                f"{self.target:.3f} is not reached within {self.along.amount(self.end)}, which is as far as all runs go "
                f"({100 * self.reached:.0f} % of resampled runs reach it)"
            )
        spent = self.along.number(budget)
        # With nothing spent there is nothing to have a share of.
        share = f": {100 * self.needed / budget:.0f} %" if budget > 0 else ""
        return (
            f"{self.along.amount(self.needed)} ({self._interval()}) reach {self.target:.3f}, "
            f"where {spent} were spent{share}"
        )

    def _interval(self) -> str:
        if self.seeds < FEWEST_RESAMPLED:
            return f"{self.seeds} seeds are too few for an interval"
        ends = f"{self.along.number(self.low)} to {self.along.number(self.high)}"
        return f"{100 * (1 - self.alpha):g} % interval {ends}"


def spending_to_parity(
    runs: Mapping[int, LearningCurve],
    baseline: Mapping[int, LearningCurve],
    rng: np.random.Generator,
    *,
    along: Axis = Axis.FRAMES,
    lower_is_better: bool = True,
    alpha: float = ALPHA,
) -> Parity:
    """What a strategy needs to spend to reach what a baseline reaches with all of its budget.

    Both means are taken over the seeds that both have: the strategy's curves at every place that one of them has, within the
    range that all share. For the interval the seeds are drawn anew, the same for both, so what a seed's start weights do to
    both cancels out.

    Args:
        runs: Curves of the strategy by seed.
        baseline: Curves by seed, of which the last figures count.
        rng: Draws the seeds.
        along: What the curves lie along.
        lower_is_better: As for miss rates.
        alpha: One less the coverage.

    Raises:
        DataError: No seed is in both, or a curve of the strategy begins where another has ended.
    """
    seeds = sorted(runs.keys() & baseline.keys())
    if not seeds:
        raise DataError("no seed was run with both strategies; run both with the same seeds")
    places, values = _stacked([runs[seed] for seed in seeds])
    final = np.array([baseline[seed].values[-1] for seed in seeds])

    def needed(chosen: IntArray) -> tuple[float, float]:
        target = float(final[chosen].mean())
        curve = LearningCurve(places, values[chosen].mean(axis=0))
        return target, curve.place_of(target, lower_is_better=lower_is_better)

    target, place = needed(np.arange(len(seeds)))
    drawn = np.array(
        [needed(chosen)[1] for chosen in rng.integers(0, len(seeds), (_RESAMPLES, len(seeds)))]
    )
    return Parity(
        target=target,
        needed=place,
        low=_quantile(drawn, alpha / 2),
        high=_quantile(drawn, 1 - alpha / 2),
        reached=float(np.isfinite(drawn).mean()),
        end=float(places[-1]),
        seeds=len(seeds),
        along=along,
        alpha=alpha,
    )


_RESAMPLES = 2000


def _stacked(curves_of_seeds: Sequence[LearningCurve]) -> tuple[FloatArray, FloatArray]:
    """Places within the range that all curves share, and the values of all there, `seeds x n`."""
    start = max(float(curve.places[0]) for curve in curves_of_seeds)
    end = min(float(curve.places[-1]) for curve in curves_of_seeds)
    if start > end:
        raise DataError(
            f"runs of one strategy share no range: one begins at {start:g}, one ends at {end:g}; leave one out"
        )
    places = np.unique(np.concatenate([[start, end], *(one.places for one in curves_of_seeds)]))
    places = places[(places >= start) & (places <= end)]
    return places, np.stack([curve.at(places) for curve in curves_of_seeds])


def _quantile(values: FloatArray, share: float) -> float:
    """Without interpolation: between a number and infinity there is nothing."""
    place = min(len(values) - 1, max(0, math.ceil(share * len(values)) - 1))
    return float(np.sort(values)[place])
