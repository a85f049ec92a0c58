"""Choosing the next batch of a project.

Chance draws its share first, from all that is left of the pool whatever the detector thinks of it; then the strategy takes the
rest. Chance begins anew with every batch, from the project's seed and the batch's number, so the same history leads to the
same choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thrifty.chance import stage_seed
from thrifty.detectors.protocol import Detector
from thrifty.detectors.viewing import look
from thrifty.engine.local import map_frames, usual_batch
from thrifty.errors import BudgetError, DataError
from thrifty.judging import detect_all
from thrifty.project.artifacts import SCORES
from thrifty.project.labelling import lessons, waiting
from thrifty.project.models import ProjectDetector, current
from thrifty.project.pictures import keep, kept_frames, stored
from thrifty.project.project import Project
from thrifty.project.settings import FILE
from thrifty.project.sources import ids_of, labelled_sets, pools, sampling_of
from thrifty.scored_pool import Engine, Looking, Scoring, Stopping, here, rows_of, score_pool
from thrifty.selected_pool import HeldFrame, looking_back, select_frames
from thrifty.store.choice_file import ChosenRow, Earlier
from thrifty.store.project.rows import Batch, Choice, Held, Label, Model, NewBatch, Role, Source
from thrifty.store.score_file import job_of, unreadable_beside
from thrifty.store.scored_frames import POOL, ScoredFrames, of_pool, read_scores
from thrifty.strategies.catalogue import check_alone, make_strategy
from thrifty.strategies.strategy import Columns, Labelled
from thrifty.types import Detections, Frame, Need, Record, Unreadable

WITHOUT_DETECTOR = "guided-random"
"""What chooses while there is no detector to ask."""


def _never() -> AbstractContextManager[Event]:
    return nullcontext(Event())


def select(
    project: Project,
    budget: int | None = None,
    *,
    more: bool = False,
    stopping: Stopping = _never,
    engine: Engine = here,
) -> tuple[Batch, bool]:
    """Choose the next batch, or find that the last one waits for people.

    Args:
        project: Whose.
        budget: Frames; the settings' if left out.
        more: Choose another even if one waits.
        stopping: Opened while a pool is scored, as for `score_pool`.
        engine: Where pools are scored.

    Returns:
        The batch, and whether it is new.

    Raises:
        BudgetError: The pools hold fewer frames than that.
        RecipeError: The settings name no strategy, or one that recipes alone can use.
        DataError: There is no pool, or one cannot be read; or the store that holds the project's files does not take any.
    """
    unsent = waiting(project)
    if unsent is not None and not more:
        return unsent, False
    project.claim_files()
    detector = current(project)
    settings = project.settings
    where = f"{project.folder / FILE}: selection.strategy"
    strategy = make_strategy(settings.selection.strategy, settings, where)
    check_alone(strategy, where)
    if detector is None:
        strategy = make_strategy(WITHOUT_DETECTOR, settings, where)
    looking = Looking(strategy, settings)
    frames = _looked_at(project, detector, looking, stopping, engine)
    count = budget or settings.selection.budget
    number = len(project.store.batches()) + 1
    seed = stage_seed(settings.seed, number, "batch")
    picked = _picked(project, frames, looking, count, seed)
    choices = [_choice(rank, one) for rank, one in enumerate(picked.rows, start=1)]
    found = _keep(project, choices, detector)
    places = _records(frames, [one.row.id for one in picked.held])
    held = [_held(one, *place) for one, place in zip(picked.held, places, strict=True)]
    batch = NewBatch(
        None if detector is None else detector.model.number, strategy.name, choices, held, found
    )
    told = project.told("select", budget=count, more=more)
    return project.store.add_batch(batch, told), True


@dataclass(frozen=True, slots=True)
class _Row:
    """A frame that is taken, with its pool, and whether chance drew it."""

    row: ChosenRow
    record: Record
    pool: int
    shadow: bool


@dataclass(frozen=True, slots=True)
class _Picked:
    rows: Sequence[_Row]
    held: Sequence[HeldFrame]


def _looked_at(
    project: Project,
    detector: ProjectDetector | None,
    looking: Looking,
    stopping: Stopping,
    engine: Engine,
) -> ScoredFrames:
    """All pools as one table, with what was observed of every frame."""
    tables = []
    for number, source in pools(project).items():
        model = None if detector is None else detector.model
        pool = sampling_of(source).pool(source.path)
        scoring = Scoring(pool, detector, looking, project.device)
        out = _scored(project, score_file(model, looking, source), scoring, stopping, engine)
        tables.append(of_pool(read_scores(out).table, str(number)))
    # Of a picture that is in two pools, the first.
    return ScoredFrames(pa.concat_tables(tables), pooled=len(tables) > 1).distinct()


def _scored(
    project: Project, name: str, scoring: Scoring, stopping: Stopping, engine: Engine
) -> Path:
    """The file of a pool's scores, whichever machine makes them."""
    out = project.artifacts.at_hand(name)
    job = job_of(out)
    if job is not None and job != scoring.job:
        # Of an earlier version or other settings of the detector: what can be made again is no reason to stop.
        out.unlink()
        unreadable_beside(out).unlink(missing_ok=True)
    out = project.artifacts.path(name)
    count = score_pool(scoring, out, project.progress, stopping, engine)
    for written in (out, unreadable_beside(out)):
        project.artifacts.share(f"{SCORES}/{written.name}", anew=not count.earlier)
    return out


def score_file(model: Model | None, looking: Looking, source: Source) -> str:
    """Name of the file of what a detector made of a pool, by a strategy and its settings."""
    asked = model.name if model and looking.views else "nobody"
    job = stage_seed(0, source.number, f"{looking.identity} {dict(source.options)}")
    return f"{SCORES}/{asked}.pool-{source.number}.{looking.strategy.name}.{job:08x}.parquet"


def _picked(
    project: Project, frames: ScoredFrames, looking: Looking, count: int, seed: int
) -> _Picked:
    chosen = project.store.choices()
    reserved = ids_of(project, Role.START) | ids_of(project, Role.TEST)
    frames = frames.without(reserved)
    left = frames.without(choice.record.id for choice in chosen)
    if len(left) < count:
        raise BudgetError(
            f"{project.folder}: {count} frames are asked for and {len(left)} are left to choose from; lower --budget, or add "
            "a pool"
        )
    shadow = _drawn(left, project.settings.selection.by_chance(count), seed)
    drawn = {record.id for record in shadow.records()}
    seen = {choice.record.id: _as_candidate(frames, choice) for choice in chosen}
    earlier = _earlier(list(seen.values()))
    known = _labelled(project, looking, seen)
    rest = frames.without(drawn)
    selected = select_frames(rest, count - len(drawn), looking, earlier, known, seed)
    rows = [
        _Row(row, record, pool, shadow=False)
        for row, (record, pool) in zip(
            selected.rows, _records(frames, [row.id for row in selected.rows]), strict=True
        )
    ]
    rows += [
        _Row(_by_chance(shadow, index), record, pool, shadow=True)
        for index, (record, pool) in enumerate(_records(shadow, sorted(drawn)))
    ]
    # Mixed, so that nobody who labels can tell one kind from the other.
    order = np.random.default_rng(stage_seed(seed, 0, "order")).permutation(len(rows))
    return _Picked([rows[place] for place in order], selected.held)


def _drawn(left: ScoredFrames, count: int, seed: int) -> ScoredFrames:
    """So many frames, each as likely as any other, whatever the order of the pool; in the order of their ids."""
    rng = np.random.default_rng(stage_seed(seed, 0, "shadow"))
    places = rng.choice(len(left), count, replace=False)
    ids = left.table["id"]
    drawn = np.zeros(len(left), dtype=np.bool_)
    drawn[pc.sort_indices(ids).to_numpy()[places]] = True
    kept = left.where(drawn)
    return replace(kept, table=kept.table.sort_by("id"))


def _by_chance(frames: ScoredFrames, index: int) -> ChosenRow:
    score = float(frames.scores[index]) if "score" in frames.table.column_names else 0.0
    return frames.row(0, index, score, score, "drawn by chance, to judge the choice by")


def _records(frames: ScoredFrames, ids: Sequence[str]) -> list[tuple[Record, int]]:
    """Records and pools of some frames, in the order of the ids."""
    some = frames.only(ids)
    found = dict(
        zip(
            some.table["id"].to_pylist(),
            zip(some.records(), map(int, some.table[POOL].to_pylist()), strict=True),
            strict=True,
        )
    )
    return [found[one] for one in ids]


def _as_candidate(frames: ScoredFrames, choice: Choice) -> Record:
    """A chosen frame, with its video called as among the frames that are left."""
    record = choice.record
    if record.sequence is None:
        return record
    pool = None if record.frame is not None else str(choice.pool)
    return replace(record, sequence=frames.video(pool, record.sequence))


def _earlier(records: Sequence[Record]) -> Earlier:
    return Earlier(
        [record.id for record in records],
        [record.sequence for record in records],
        np.array([record.place or 0 for record in records], dtype=np.int64).reshape(-1),
    )


def _labelled(project: Project, looking: Looking, records: Mapping[str, Record]) -> Labelled | None:
    """What is known of labelled frames, seen again by the present detector where a strategy looks back."""
    labels = lessons(project)
    start = [
        drawn for opened in labelled_sets(project, Role.START) for drawn in opened.labels.values()
    ]
    drawn = [*start, *(label.drawn for label in labels.values())]
    kinds = np.concatenate([np.zeros(0, np.int64), *(one.classes[~one.ignore] for one in drawn)])
    instances = np.bincount(kinds, minlength=len(project.settings.classes))
    chosen = [records[record_id] for record_id in labels]
    waiting = [record for record_id, record in records.items() if record_id not in labels]
    columns = _seen_again(project, looking, labels) if looking_back(looking) and labels else {}
    return Labelled(chosen, columns, {}, instances, waiting)


def _seen_again(project: Project, looking: Looking, labels: Mapping[str, Label]) -> Columns:
    source = current(project)
    if source is None:
        return {}
    detector, kept, rows = source.open(project.device), kept_frames(project), dict[str, Columns]()

    def observe(batch: Sequence[Frame]) -> list[Columns]:
        drawn = [labels[frame.record.id].drawn for frame in batch]
        return rows_of(looking.observe(look(detector, batch, looking.views), drawn), len(batch))

    for pool, records in _by_pool(project, labels):
        with project.progress("looking at labelled frames", len(records), "frames") as step:
            for result in map_frames(
                observe, kept.of_pool(pool), records, step, usual_batch(project.device)
            ):
                if isinstance(result, Unreadable):
                    raise DataError(result.reason)
                rows[result[0].id] = result[1]
    first = next(iter(rows.values()))
    return {name: np.stack([rows[one][name] for one in labels]) for name in first}


def _by_pool(project: Project, ids: Mapping[str, object]) -> Iterator[tuple[int, list[Record]]]:
    choices = [choice for choice in project.store.choices() if choice.record.id in ids]
    for pool in sorted({choice.pool for choice in choices}):
        yield pool, [stored(choice.record) for choice in choices if choice.pool == pool]


def _choice(rank: int, taken: _Row) -> Choice:
    row = taken.row
    return Choice(
        0, rank, taken.record, taken.pool, taken.shadow, row.score, row.smoothed, row.reason
    )


def _held(held: HeldFrame, record: Record, pool: int) -> Held:
    row = held.row
    return Held(
        row.id,
        row.smoothed,
        str(held.rule),
        held.because,
        held.distance,
        record.source,
        record.frame,
        pool,
    )


def _keep(
    project: Project, choices: Sequence[Choice], detector: ProjectDetector | None
) -> dict[str, Detections]:
    """Put the chosen pictures aside, and see what the detector finds in them."""
    kept = replace(kept_frames(project), choices=choices)
    with project.progress("keeping the chosen frames", len(choices), "frames") as step:
        for number, source in pools(project).items():
            own = [choice.record for choice in choices if choice.pool == number]
            keep(source.path, own, kept.artifacts, step)
    if detector is None:
        return {}
    loaded: Detector = detector.load(project.device)
    if Need.BOXES not in loaded.gives:
        return {}
    found: dict[str, Detections] = {}
    with project.progress("looking at the chosen frames", len(choices), "frames") as step:
        for number in sorted({choice.pool for choice in choices}):
            frames = kept.of_pool(number)
            found |= detect_all(loaded, frames, frames.records, step, usual_batch(project.device))
    return {record_id: detector.of_project(boxes) for record_id, boxes in found.items()}
