"""The pass over the pool: a detector is asked about every frame once, in all ways that somebody needs.

In the first cycle all arms of a seed have the same detector, the start weights, so one pass serves all of them; stochastic
passes, altered pictures and further networks are a pass of their own for those who want the same. From the second on every arm
has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.cycle.artifacts import read_columns, write_columns
from thrifty.cycle.context import SURVEY, Context, previous
from thrifty.cycle.memory import candidates_of, describe, earlier_of, labels_before
from thrifty.data.frames import FrameStream
from thrifty.data.motion import Odometer
from thrifty.data.similarity import fingerprint
from thrifty.detectors.viewing import look
from thrifty.engine.local import map_frames, usual_batch
from thrifty.store.schema import Artifact, Key, UnreadableRow
from thrifty.store.store import Outcome
from thrifty.strategies.catalogue import rules_of, surroundings
from thrifty.strategies.names import WHOLE_POOL
from thrifty.strategies.strategy import Columns, Strategy, members_of
from thrifty.strategies.surroundings import HASH, MOTION
from thrifty.types import Annotations, Frame, Record, Unreadable


def first_looks(strategies: Sequence[Strategy]) -> dict[str, list[Strategy]]:
    """Who looks together in the first cycle, by the stage in which they do.

    What asks the detector once is shared by all; what takes long by those who want the very same, so that nobody waits for what
    others want.
    """
    groups: dict[str, list[Strategy]] = {}
    for strategy in strategies:
        costly = sorted(str(view) for view in strategy.views if view.is_costly)
        groups.setdefault(" ".join(["look", *costly]), []).append(strategy)
    return groups


def first_look(context: Context, key: Key, strategies: Sequence[Strategy]) -> Outcome:
    """What some strategies see of the pool with the start weights."""
    return _look(context, key, Key(key.seed, cycle=1), _seeing(context, strategies), shared=True)


def score(context: Context, key: Key, strategy: Strategy) -> Outcome:
    """Ask the arm's detector about the unlabelled pool; strategies that need nothing skip it.

    A strategy that looks back is shown the labelled frames as well, with their labels.
    """
    seeing = _seeing(context, [strategy])
    if key.cycle > 1 or not seeing:
        return _look(context, key, key, seeing, shared=False)
    # Arms do not learn from each other what cannot be read; each is told what the common pass has found.
    return Outcome(unreadable=context.store.unreadable(Key(key.seed)))


def observed_by(
    context: Context, key: Key, strategy: Strategy, kind: str = "scores"
) -> tuple[list[str], Columns]:
    """Ids of the frames that a strategy has seen, and what it kept of them: `scores` or `labelled`."""
    if not _seeing(context, [strategy]) or (
        kind == "labelled" and not _looks_back(context, strategy)
    ):
        return [], {}
    if key.cycle == 1:
        return read_columns(context.store, Key(key.seed), f"{kind}.{strategy.name}")
    return read_columns(context.store, key, kind)


def _seeing(context: Context, strategies: Sequence[Strategy]) -> list[Strategy]:
    """Those who look at anything."""
    common = surroundings(context.recipe).views
    return [one for one in strategies if one.views or (common and one.name != WHOLE_POOL)]


def _looks_back(context: Context, strategy: Strategy) -> bool:
    return strategy.looks_back or surroundings(context.recipe).looks_back


def _look(
    context: Context, key: Key, of: Key, strategies: Sequence[Strategy], *, shared: bool
) -> Outcome:
    if not strategies:
        return Outcome()
    looker = _Looker(context, key, previous(of))
    pool = looker.look(context.cached_pool, candidates_of(context, of), strategies, "scoring")
    artifacts = [
        _written(context, key, "scores", one, pool.columns[one.name], pool.ids, shared=shared)
        for one in strategies
    ]
    back = [one for one in strategies if _looks_back(context, one)]
    if back:
        start = context.start
        known = [
            looker.look(
                start.frames,
                context.readable(start.frames, SURVEY),
                back,
                "looking at the start set",
                start.labels,
            ),
            looker.look(
                context.cached_pool,
                earlier_of(context, of),
                back,
                "looking at labelled frames",
                labels_before(context, of),
            ),
        ]
        ids = [name for part in known for name in part.ids]
        for one in back:
            columns = _joined([part.columns[one.name] for part in known if part.ids])
            artifacts.append(_written(context, key, "labelled", one, columns, ids, shared=shared))
    unreadable = [UnreadableRow("pool", result.record.id, result.reason) for result in pool.broken]
    return Outcome(unreadable=unreadable, artifacts=artifacts)


def _written(
    context: Context,
    key: Key,
    kind: str,
    strategy: Strategy,
    columns: Columns,
    ids: Sequence[str],
    *,
    shared: bool,
) -> Artifact:
    name = f"{kind}.{strategy.name}" if shared else kind
    return write_columns(context.store, key, name, ids, columns)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What strategies kept of frames, by the strategies' names, and the frames that could not be decoded."""

    ids: Sequence[str]
    columns: Mapping[str, Columns]
    broken: Sequence[Unreadable]


class _Looker:
    """A detector with the weights of one cycle, and what is always asked of it."""

    def __init__(self, context: Context, key: Key, weights: Key) -> None:
        self._context, self._key = context, key
        self._weights = weights
        self._detector = context.detector(weights)
        self._common = surroundings(context.recipe)

    def look(
        self,
        frames: FrameStream,
        records: Sequence[Record],
        strategies: Sequence[Strategy],
        doing: str,
        labels: Mapping[str, Annotations] | None = None,
    ) -> _Look:
        """Ask about frames, batch by batch."""
        views = self._common.views.union(*(one.views for one in strategies))
        members = [
            self._context.member(self._weights, number)
            for number in range(1, members_of(strategies) + 1)
        ]

        def observe(batch: Sequence[Frame]) -> Sequence[Mapping[str, Columns]]:
            seen = look(self._detector, batch, views, members)
            drawn = None if labels is None else [labels[frame.record.id] for frame in batch]
            common = self._common.observe(seen)
            kept = {one.name: {**one.observe(seen, drawn), **common} for one in strategies}
            return [
                {
                    name: {column: values[number] for column, values in columns.items()}
                    for name, columns in kept.items()
                }
                for number in range(len(batch))
            ]

        rows: dict[str, Mapping[str, Columns]] = {}
        broken: list[Unreadable] = []
        title = f"{describe(self._key)}: {doing}"
        with self._context.progress(title, len(records), "frames") as step:
            batch = usual_batch(self._context.device)
            for result in map_frames(observe, frames, records, step, batch):
                if isinstance(result, Unreadable):
                    broken.append(result)
                else:
                    rows[result[0].id] = result[1]
        columns = {
            one.name: _stacked([row[one.name] for row in rows.values()]) for one in strategies
        }
        return _Look(list(rows), columns, broken)


def _stacked(rows: Sequence[Columns]) -> Columns:
    return {
        name: np.stack([np.asarray(row[name]) for row in rows])
        for name in (rows[0] if rows else ())
    }


def _joined(parts: Sequence[Columns]) -> Columns:
    return {
        name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())
    }


def look_at_pictures(context: Context) -> Outcome:
    """Hash every picture of the pool, and follow how far each video moves; nothing where no rule asks."""
    rules = rules_of(context.recipe)
    if not rules.looks_at_pictures:
        return Outcome()
    hashes: dict[str, int] = {}
    travelled: dict[str, float] = {}
    odometer = Odometer()
    records = context.pool.records
    with context.progress("looking at the pictures", len(records), "frames") as step:
        for frame in context.pool.stream(records):
            step()
            record = frame.record
            # A frame that cannot be decoded is never chosen, and moves nothing.
            image = None if isinstance(frame, Unreadable) else frame.image
            hashes[record.id] = 0 if image is None else fingerprint(image)
            followed = record.sequence if rules.motion is not None else None
            travelled[record.id] = odometer.read(followed, image)
    columns = {
        HASH: np.array(list(hashes.values()), dtype=np.uint64),
        MOTION: np.array(list(travelled.values())),
    }
    return Outcome(
        artifacts=[write_columns(context.store, SURVEY, "pictures", list(hashes), columns)]
    )


def pictures_seen(context: Context, records: Sequence[Record]) -> Columns:
    """What the pictures of some records of the pool say; nothing where no rule asks."""
    if not rules_of(context.recipe).looks_at_pictures:
        return {}
    ids, columns = read_columns(context.store, SURVEY, "pictures")
    rows = {record_id: row for row, record_id in enumerate(ids)}
    places = [rows[record.id] for record in records]
    return {name: values[places] for name, values in columns.items()}
