"""Runs as a tidy table, and what the table says of one strategy beside another."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from thrifty.costs import CostModel
from thrifty.errors import DataError
from thrifty.evaluation.learning_curve import (
    LearningCurve,
    Measurement,
    Parity,
    curves,
    labels_to_parity,
)
from thrifty.evaluation.statistics import Comparison, compare_all, seeds_needed
from thrifty.files import replace_file
from thrifty.strategies.names import WHOLE_POOL
from thrifty.study.point import Point

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
            cost.seconds(point.labelled, point.people),
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
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error}); check the path") from error
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != _NAMES:
        raise DataError(
            f"{path}: its columns are not {', '.join(_NAMES)}; give a learning_curves.csv"
        )
    return [_measurement(row, path, number) for number, row in enumerate(reader, start=2)]


def _measurement(row: Mapping[str, str | None], path: Path, line: int) -> Measurement:
    try:
        return Measurement(
            str(row["strategy"]),
            int(row["seed"] or ""),
            int(row["cycle"] or ""),
            int(row["labelled"] or ""),
            int(row["boxes"] or ""),
            float(row["seconds"] or ""),
            str(row["metric"]),
            float(row["value"] or ""),
        )
    except ValueError as error:
        raise DataError(
            f"{path}: line {line} is no row of the table ({error}); correct it"
        ) from error


@dataclass(frozen=True, slots=True)
class Finding:
    """A strategy beside its reference, over the seeds that both have.

    Attributes:
        strategy: Name.
        final: The figure after the last cycle.
        area: The mean of the figure along the curve.
        seeds: Paired runs that it would take to see the final difference as large as it looks; `None` where nothing can be
            said: there is one seed, or no difference.
        parity: Labels to what the reference reaches with all of its budget; `None` with one seed.
        ceiling: Labels to what training on the whole pool reaches; `None` where that is not in the run.
        budget: Labels that the reference has spent.
        pool: Labels of the whole pool.
    """

    strategy: str
    final: Comparison
    area: Comparison
    seeds: int | None
    parity: Parity | None
    ceiling: Parity | None
    budget: float
    pool: float

    def sentences(self, reference: str) -> Iterator[str]:
        """What was found, in words that claim no more than the seeds carry."""
        if self.final.pairs == 1:
            yield "one seed, from which nothing can be told"
            return
        yield f"after the last cycle: {self.final.sentence(reference)}"
        yield f"along the whole curve: {self.area.sentence(reference)}"
        if self.seeds is not None and not self.final.is_different:
            yield f"a difference as large as this one would take {self.seeds} seeds to see"
        if self.parity is not None:
            yield f"parity with {reference}: {self.parity.sentence(self.budget)}"
        if self.ceiling is not None:
            yield f"parity with the whole pool: {self.ceiling.sentence(self.pool)}"


def findings(rows: Sequence[Measurement], reference: str, metric: str = MISS_RATE) -> list[Finding]:
    """Every strategy beside the reference; p-values are corrected for their number.

    Args:
        rows: The tidy table.
        reference: What the others are compared with.
        metric: By which figure; lower is better for miss rates, higher for all else.

    Returns:
        One for each strategy that shares a seed with the reference and has as many cycles; none without the reference.
    """
    lower = "miss_rate" in metric
    runs = curves([row for row in rows if math.isfinite(row.value)], metric)
    base = runs.get(reference, {})
    pairs = {
        name: _paired(own, base)
        for name, own in runs.items()
        if name not in {reference, WHOLE_POOL} and _paired(own, base)
    }
    # Chance has a seed of its own for each question, so that an answer does not depend on what else was asked.
    finals, areas = (_compared(pairs, runs, base, lower=lower, area=area) for area in (False, True))
    return [
        Finding(
            name,
            finals[name],
            areas[name],
            _needed(runs[name], base, seeds),
            _parity(runs[name], base, seeds, lower=lower),
            _parity(runs[name], runs.get(WHOLE_POOL, {}), seeds, lower=lower),
            float(base[seeds[0]].labelled[-1]),
            _budget(runs.get(WHOLE_POOL, {})),
        )
        for name, seeds in pairs.items()
    ]


def _paired(own: Mapping[int, LearningCurve], base: Mapping[int, LearningCurve]) -> list[int]:
    """Seeds that both have, after the same numbers of labels: those of the longest run, should a run have been cut short."""
    shared = sorted(own.keys() & base.keys())
    longest = max((base[seed].labelled for seed in shared), key=len, default=np.zeros(0))
    return [
        seed
        for seed in shared
        if np.array_equal(own[seed].labelled, longest)
        and np.array_equal(base[seed].labelled, longest)
    ]


def _compared(
    pairs: Mapping[str, Sequence[int]],
    runs: Mapping[str, Mapping[int, LearningCurve]],
    base: Mapping[int, LearningCurve],
    *,
    lower: bool,
    area: bool,
) -> dict[str, Comparison]:
    """Comparisons of all strategies with as many seeds, corrected together."""

    def figure(curve: LearningCurve) -> float:
        return curve.area() if area else float(curve.values[-1])

    found: dict[str, Comparison] = {}
    for seeds in sorted({tuple(seeds) for seeds in pairs.values()}):
        names = [name for name, own in pairs.items() if tuple(own) == seeds]
        found |= compare_all(
            {name: [figure(runs[name][seed]) for seed in seeds] for name in names},
            [figure(base[seed]) for seed in seeds],
            np.random.default_rng(0),
            lower_is_better=lower,
        )
    return found


def _needed(
    own: Mapping[int, LearningCurve], base: Mapping[int, LearningCurve], seeds: Sequence[int]
) -> int | None:
    differences = np.array([own[seed].values[-1] - base[seed].values[-1] for seed in seeds])
    if len(differences) < 2 or not differences.mean():
        return None
    try:
        return seeds_needed(float(differences.mean()), float(differences.std(ddof=1)))
    except DataError:
        return None


def _parity(
    own: Mapping[int, LearningCurve],
    other: Mapping[int, LearningCurve],
    seeds: Sequence[int],
    *,
    lower: bool,
) -> Parity | None:
    shared = [seed for seed in seeds if seed in other]
    if len(shared) < 2:
        return None
    return labels_to_parity(
        {seed: own[seed] for seed in shared},
        {seed: other[seed] for seed in shared},
        np.random.default_rng(0),
        lower_is_better=lower,
    )


def _budget(runs: Mapping[int, LearningCurve]) -> float:
    return max((float(curve.labelled[-1]) for curve in runs.values()), default=math.nan)
