"""Runs as a tidy table, and what the table says of one strategy beside another."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np

from thrifty.costs import CostModel
from thrifty.errors import DataError
from thrifty.evaluation.axis import Axis
from thrifty.evaluation.learning_curve import (
    LearningCurve,
    Measurement,
    Parity,
    common_areas,
    curves,
    spending_to_parity,
)
from thrifty.evaluation.statistics import ALPHA, Comparison, compare, corrected, seeds_needed
from thrifty.files import replace_file
from thrifty.strategies.names import WHOLE_POOL
from thrifty.study.point import Point
from thrifty.tables import read_table

MISS_RATE = "miss_rate_at_1_fppi"
_NAMES = tuple(field.name for field in fields(Measurement))


def measurements(points: Iterable[Point], cost: CostModel) -> list[Measurement]:
    """The tidy table of a run: a row for each figure of each strategy, seed and cycle.

    Cycle 0, the start weights, is there for every strategy, so that each curve is whole. Seconds are what the cost model makes of
    the boxes that were drawn.
    """
    return [
        Measurement(
            point.strategy,
            point.seed,
            point.cycle,
            point.labelled,
            point.people,
            point.spent(Axis.SECONDS, cost),
            metric,
            value,
        )
        for point in points
        for metric, value in point.metrics.items()
    ]


def write_measurements(rows: Sequence[Measurement], path: Path) -> None:
    """The table as CSV, whole or not at all."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _NAMES, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    replace_file(path, buffer.getvalue().encode())


def read_measurements(path: Path) -> list[Measurement]:
    """What `write_measurements` wrote; tables of several runs may be put together.

    Raises:
        DataError: It is missing, or no such table.
    """
    columns, rows = read_table(path)
    if columns != _NAMES:
        raise DataError(
            f"{path}: its columns are not {', '.join(_NAMES)}; give a learning_curves.csv"
        )
    return [_measurement(cells, path, line) for line, cells in rows]


def _measurement(cells: Mapping[str, str], path: Path, line: int) -> Measurement:
    try:
        seed, cycle, labelled, boxes = (
            _count(name, cells[name]) for name in ("seed", "cycle", "labelled", "boxes")
        )
        seconds, value = _time("seconds", cells["seconds"]), _number("value", cells["value"])
    except ValueError as error:
        raise DataError(
            f"{path}: line {line} is no row of the table ({error}); correct it"
        ) from error
    return Measurement(
        cells["strategy"], seed, cycle, labelled, boxes, seconds, cells["metric"], value
    )


_SHOWN = 30
_DIGITS = 15
"""Whole numbers of so many digits are exact as float64, along which curves lie."""


def _count(name: str, cell: str) -> int:
    if not (cell.isdecimal() and len(cell) <= _DIGITS):
        raise ValueError(f"{name} is {cell[:_SHOWN]!r}, not a count")
    return int(cell)


def _time(name: str, cell: str) -> float:
    seconds = _number(name, cell)
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{name} is {cell[:_SHOWN]!r}, not a time")
    return seconds


def _number(name: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise ValueError(f"{name} is {cell[:_SHOWN]!r}, not a number") from error


@dataclass(frozen=True, slots=True)
class Finding:
    """A strategy beside its reference, over the seeds of which both have finished the run.

    Attributes:
        strategy: Name.
        along: What curves, areas and parities lie along.
        final: The figure after the last cycle.
        area: The mean of the figure along the range that the curves of a pair share; `None` where a pair shares none.
        seeds: Paired runs that it would take to see the final difference as large as it looks, by a test corrected for as many
            strategies; `None` where nothing can be said: there is one seed, or no difference.
        parity: What it takes to reach what the reference reaches with all of its budget; `None` with one seed.
        ceiling: What it takes to reach what training on the whole pool reaches; `None` where that is not in the run.
        spent: Along the axis, after the last cycle, mean of the seeds.
        budget: The same of the reference.
        pool: The same of the whole pool; NaN where that is not in the run.
        left_out: Seeds that both have, and of which a run is unfinished or lacks a figure.
    """

    strategy: str
    along: Axis
    final: Comparison
    area: Comparison | None
    seeds: int | None
    parity: Parity | None
    ceiling: Parity | None
    spent: float
    budget: float
    pool: float
    left_out: int

    def sentences(self, reference: str) -> Iterator[str]:
        """What was found, in words that claim no more than the seeds carry."""
        if self.final.pairs == 1:
            yield "one seed, from which nothing can be told"
        else:
            yield f"after the last cycle: {self.final.sentence(reference)}{self._spending(reference)}"
            yield from self._more(reference)
        if self.left_out:
            seeds, has = ("seed", "is") if self.left_out == 1 else ("seeds", "are")
            yield (
                f"{self.left_out} shared {seeds} {has} left out: "
                f"a run of the pair is unfinished or lacks a figure"
            )

    @property
    def _is_alike(self) -> bool:
        return abs(self.spent - self.budget) <= _ALIKE * self.budget

    def _spending(self, reference: str) -> str:
        """What sets the two apart besides the choice: a cycle's budget is spent on what frames are expected to cost."""
        if self._is_alike:
            return ""
        own, other = self.along.amount(self.spent), self.along.number(self.budget)
        return f"; {own} were spent on it, {other} on {reference}"

    def _more(self, reference: str) -> Iterator[str]:
        if self.area is not None:
            where = "along the whole curve" if self._is_alike else "along the curves where both go"
            yield f"{where}: {self.area.sentence(reference)}"
        if self.seeds is not None and self.seeds > self.final.pairs and not self.final.is_different:
            yield f"a difference as large as this one would take {self.seeds} seeds to see"
        if self.parity is not None:
            yield f"parity with {reference}: {self.parity.sentence(self.budget)}"
        if self.ceiling is not None:
            yield f"parity with the whole pool: {self.ceiling.sentence(self.pool)}"


_ALIKE = 0.05
"""Spending that differs by no more than this share of the reference's is not spoken of."""

_Runs = Mapping[int, LearningCurve]


class _Extent(NamedTuple):
    """How far a run has come: cycles that have a figure, and frames that the last of them has labelled."""

    cycles: tuple[int, ...]
    labelled: int


_Extents = Mapping[int, _Extent]


def findings(
    rows: Sequence[Measurement],
    reference: str,
    metric: str = MISS_RATE,
    along: Axis = Axis.FRAMES,
) -> list[Finding]:
    """Every strategy beside the reference; p-values are corrected for their number, final figures and areas each.

    Args:
        rows: The tidy table.
        reference: What the others are compared with.
        metric: By which figure; lower is better for miss rates, higher for all else.
        along: What curves, areas and parities lie along.

    Returns:
        One for each strategy that has finished as many cycles as the reference in a seed that both have, or labelled as many
        frames in larger cycles; none without the reference.

    Raises:
        DataError: A cycle of a run has two different rows, or a run has spent less after a cycle than before it.
    """
    asked = [row for row in rows if row.metric == metric]
    told = [row for row in asked if math.isfinite(row.value)]
    begun: dict[str, set[int]] = defaultdict(set)
    for row in asked:
        begun[row.strategy].add(row.seed)
    runs, extents = curves(told, metric, along), _extents(told)
    base = runs.get(reference, {})
    pairs = {
        name: paired
        for name in runs
        if name not in {reference, WHOLE_POOL}
        and (
            paired := _paired(
                extents[name], extents.get(reference, {}), alike=reference != WHOLE_POOL
            )
        )
    }
    lower = "miss_rate" in metric
    finals = corrected({name: _final(runs[name], base, pairs[name], lower=lower) for name in pairs})
    areas = corrected(
        {
            name: area
            for name in pairs
            if (area := _area(runs[name], base, pairs[name], lower=lower)) is not None
        }
    )
    whole = _whole(runs.get(WHOLE_POOL, {}), extents.get(WHOLE_POOL, {}))
    return [
        Finding(
            strategy=name,
            along=along,
            final=finals[name],
            area=areas.get(name),
            seeds=_needed(runs[name], base, seeds, ALPHA / len(pairs)),
            parity=_parity(runs[name], base, seeds, along, lower=lower),
            ceiling=_parity(runs[name], whole, seeds, along, lower=lower),
            spent=_spent(runs[name], seeds),
            budget=_spent(base, seeds),
            pool=_spent(whole, [seed for seed in seeds if seed in whole]),
            left_out=len(begun[name] & begun[reference]) - len(seeds),
        )
        for name, seeds in pairs.items()
    ]


def _extents(rows: Iterable[Measurement]) -> dict[str, _Extents]:
    """By strategy and seed."""
    found: dict[str, dict[int, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        found[row.strategy][row.seed][row.cycle] = row.labelled
    return {
        name: {
            seed: _Extent(tuple(sorted(cycles)), cycles[max(cycles)])
            for seed, cycles in seeds.items()
        }
        for name, seeds in found.items()
    }


def _paired(own: _Extents, base: _Extents, *, alike: bool) -> list[int]:
    """Seeds of which both have finished the cycles of their longest run, however much those have bought.

    Where these are not the same cycles, one of the two is unfinished, unless both have labelled as many frames, or need not be
    `alike`.
    """
    shared = sorted(own.keys() & base.keys())
    ends = [
        max((runs[seed].cycles for seed in shared), key=_length, default=()) for runs in (own, base)
    ]
    # Start weights alone have chosen nothing, so there is nothing to compare.
    if not all(end and end[-1] for end in ends):
        return []
    done = [seed for seed in shared if [own[seed].cycles, base[seed].cycles] == ends]
    if ends[0] == ends[1] or not alike:
        return done
    return [seed for seed in done if own[seed].labelled == base[seed].labelled]


def _length(cycles: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    return len(cycles), cycles


def _whole(runs: _Runs, extents: _Extents) -> dict[int, LearningCurve]:
    """Runs that have been trained on the whole pool; others have nothing but their start weights yet."""
    return {seed: runs[seed] for seed, done in extents.items() if done.cycles[-1]}


def _final(own: _Runs, base: _Runs, seeds: Sequence[int], *, lower: bool) -> Comparison:
    return _compared(
        [(float(own[seed].values[-1]), float(base[seed].values[-1])) for seed in seeds],
        lower=lower,
    )


def _area(own: _Runs, base: _Runs, seeds: Sequence[int], *, lower: bool) -> Comparison | None:
    areas = [common_areas(own[seed], base[seed]) for seed in seeds]
    known = [pair for pair in areas if pair is not None]
    return _compared(known, lower=lower) if len(known) == len(areas) else None


def _compared(figures: Sequence[tuple[float, float]], *, lower: bool) -> Comparison:
    # Chance begins anew for each question, so that an answer does not depend on what else was asked.
    own, base = zip(*figures, strict=True)
    return compare(own, base, np.random.default_rng(0), lower_is_better=lower)


def _needed(own: _Runs, base: _Runs, seeds: Sequence[int], alpha: float) -> int | None:
    differences = np.array([own[seed].values[-1] - base[seed].values[-1] for seed in seeds])
    if len(differences) < 2 or not differences.mean():
        return None
    try:
        return seeds_needed(float(differences.mean()), float(differences.std(ddof=1)), alpha)
    except DataError:
        return None


def _parity(
    own: _Runs, other: _Runs, seeds: Sequence[int], along: Axis, *, lower: bool
) -> Parity | None:
    shared = [seed for seed in seeds if seed in other]
    if len(shared) < 2:
        return None
    try:
        return spending_to_parity(
            {seed: own[seed] for seed in shared},
            {seed: other[seed] for seed in shared},
            np.random.default_rng(0),
            along=along,
            lower_is_better=lower,
        )
    except DataError:
        return None


def _spent(runs: _Runs, seeds: Sequence[int]) -> float:
    """Mean over seeds of where the runs end; NaN without any."""
    return float(np.mean([runs[seed].places[-1] for seed in seeds])) if seeds else math.nan
