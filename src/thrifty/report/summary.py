"""Means and ranges over seeds, and the ratios to the random choice."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from thrifty.config import PEOPLE
from thrifty.strategies.names import REFERENCES, WHOLE_POOL
from thrifty.study.point import Point

DASH = "–"


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over seeds.

    Attributes:
        mean: Mean over the seeds.
        low: Smallest value.
        high: Largest value.
        count: Seeds that have a value, >= 1.
    """

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one strategy after one cycle, over its seeds.

    Attributes:
        strategy: Name; empty for the start weights.
        cycle: 0 for the start weights.
        points: The points behind the row, one per seed.
        labelled: Frames labelled so far.
        miss: Miss rate at one false positive per image.
        log_average: Log-average miss rate.
        people: People found by the choice so far.
        ratio: People found per person that the reference's row beside it found; `None` where there is no such number.
    """

    strategy: str
    cycle: int
    points: tuple[Point, ...]
    labelled: Spread
    miss: Spread | None
    log_average: Spread | None
    people: Spread
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """All rows of a run.

    Attributes:
        start: The start weights, if there are figures of them.
        rows: One per strategy and cycle from 1 on, in order of strategy (as they came) and cycle.
        strategies: Names, in the order they came.
        reference: Name of the strategy that ratios refer to, if it is in the run.
        ceiling: Training on the whole pool, if that is in the run; it is no strategy, and not among the rows.
        objects: What is counted, in words.
    """

    start: Row | None
    rows: tuple[Row, ...]
    strategies: tuple[str, ...]
    reference: str | None
    ceiling: Row | None = None
    objects: str = PEOPLE

    def drawn(self, most: int) -> list[str]:
        """Strategies that charts tell apart, at most so many.

        Where there are more: the first, the reference, and those with the lowest miss rates at the end; in the order they came.
        """
        if len(self.strategies) <= most:
            return list(self.strategies)
        last = {name: self.of(name)[-1].miss for name in self.strategies}
        ends = {name: math.inf if miss is None else miss.mean for name, miss in last.items()}
        kept = dict.fromkeys([self.strategies[0], self.reference or self.strategies[0]])
        kept |= dict.fromkeys(sorted(self.strategies, key=lambda name: ends[name]))
        return [name for name in self.strategies if name in list(kept)[:most]]

    def of(self, strategy: str) -> list[Row]:
        """Rows of one strategy by cycle, the start weights first."""
        head = [self.start] if self.start else []
        return head + [row for row in self.rows if row.strategy == strategy]

    def beside(self, row: Row) -> Row | None:
        """The reference's row that a row is held against: of the same cycle, or with as many labels where cycles are larger."""
        return _beside(row, [one for one in self.rows if one.strategy == self.reference])


def spread(values: Iterable[float]) -> Spread | None:
    """Mean and range of the finite values, or `None` if there are none.

    >>> spread([1.0, 3.0, float("nan")])
    Spread(mean=2.0, low=1.0, high=3.0, count=2)
    """
    kept = [float(value) for value in values if math.isfinite(value)]
    if not kept:
        return None
    return Spread(math.fsum(kept) / len(kept), min(kept), max(kept), len(kept))


def summarize(points: Sequence[Point], objects: str = PEOPLE) -> Summary:
    """Gather the points of all arms, which count such objects, into rows."""
    start: dict[int, Point] = {}
    cells: dict[str, dict[int, list[Point]]] = defaultdict(lambda: defaultdict(list))
    whole: list[Point] = []
    for point in points:
        if point.cycle == 0:
            start.setdefault(point.seed, point)
        elif point.strategy == WHOLE_POOL:
            whole.append(point)
        else:
            cells[point.strategy][point.cycle].append(point)
    reference = next((name for name in REFERENCES if name in cells), None)
    rows = [
        _row(name, cycle, cells[name][cycle]) for name in cells for cycle in sorted(cells[name])
    ]
    base = [row for row in rows if row.strategy == reference]
    first = _row("", 0, list(start.values())) if start else None
    ceiling = _row(WHOLE_POOL, 1, whole) if whole else None
    told = tuple(replace(row, ratio=_ratio(row, _beside(row, base))) for row in rows)
    return Summary(first, told, tuple(cells), reference, ceiling, objects)


def _row(strategy: str, cycle: int, points: Sequence[Point]) -> Row:
    return Row(
        strategy=strategy,
        cycle=cycle,
        points=tuple(points),
        labelled=_some(point.labelled for point in points),
        miss=spread(point.miss_rate for point in points),
        log_average=spread(point.log_average for point in points),
        people=_some(point.people for point in points),
    )


def _some(counts: Iterable[int]) -> Spread:
    gathered = spread(counts)
    if gathered is None:
        raise ValueError("a row needs a point")
    return gathered


def _beside(row: Row, base: Sequence[Row]) -> Row | None:
    same = next((one for one in base if one.cycle == row.cycle), None)
    if same is not None and same.labelled.mean == row.labelled.mean:
        return same
    return next((one for one in base if one.labelled.mean == row.labelled.mean), same)


def _ratio(row: Row, base: Row | None) -> float | None:
    """People found per person that the reference found, from the means over seeds."""
    if base is None or base.strategy == row.strategy or not base.people.mean:
        return None
    return row.people.mean / base.people.mean


def number(value: float | None, digits: int = 3) -> str:
    """A figure for people: fixed digits, a dash where there is none.

    >>> number(0.3126), number(None), number(1234.0, 0)
    ('0.313', '–', '1,234')
    """
    return DASH if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def count(value: float) -> str:
    """A mean of counts: whole where it is whole, one digit otherwise.

    >>> count(12.0), count(12.25)
    ('12', '12.2')
    """
    return number(value, 0 if float(value).is_integer() else 1)
