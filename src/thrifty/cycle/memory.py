"""What the store remembers of an arm, in the terms of its next stage."""

from __future__ import annotations

from thrifty.cycle.context import Context
from thrifty.store.schema import Key
from thrifty.types import Annotations, Record


def describe(key: Key) -> str:
    """An arm and cycle in words."""
    return (
        f"seed {key.seed}, {key.strategy}, cycle {key.cycle}"
        if key.strategy
        else f"seed {key.seed}, start weights"
    )


def candidates_of(context: Context, key: Key) -> list[Record]:
    """Frames of the pool that are neither labelled nor known to be unreadable."""
    labelled = {record.id for record in earlier_of(context, key)}
    return [record for record in context.readable(context.pool, key) if record.id not in labelled]


def earlier_of(context: Context, key: Key) -> list[Record]:
    """Frames that were chosen in the arm's earlier cycles."""
    cycles = range(1, key.cycle)
    rows = (
        row for cycle in cycles for row in context.store.choices(Key(key.seed, key.strategy, cycle))
    )
    return [context.by_id[row.record_id] for row in rows]


def chosen_of(context: Context, key: Key) -> list[Record]:
    """Frames that were chosen in this cycle."""
    return [context.by_id[row.record_id] for row in context.store.choices(key)]


def labels_before(context: Context, key: Key) -> dict[str, Annotations]:
    """Labels collected in the arm's earlier cycles, by record id."""
    labels: dict[str, Annotations] = {}
    for cycle in range(1, key.cycle):
        labels |= context.store.labels(Key(key.seed, key.strategy, cycle))
    return labels
