"""The files that stages write: weights as safetensors, scores and detections as Parquet."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from thrifty.config import DetectorSection
from thrifty.detectors.paper import Weights, save_weights
from thrifty.store.columns import arrays_of, columns_of, shapes_of
from thrifty.store.schema import Artifact, Key
from thrifty.store.store import RunStore
from thrifty.strategies.strategy import Columns
from thrifty.types import Detections


def write_weights(
    store: RunStore, key: Key, weights: Weights, settings: DetectorSection
) -> Artifact:
    """Weights after training, and the network they belong to."""
    content = save_weights(weights, settings)
    return store.write_file("weights", f"{_name(key)}.safetensors", content)


def write_member(
    store: RunStore, key: Key, number: int, weights: Weights, settings: DetectorSection
) -> Artifact:
    """Weights of a further network of an ensemble, counted from 1."""
    content = save_weights(weights, settings)
    return store.write_file(f"member {number}", f"{_name(key)}.member{number}.safetensors", content)


def write_columns(
    store: RunStore, key: Key, kind: str, ids: Sequence[str], columns: Columns
) -> Artifact:
    """One row a frame: `id`, and what a strategy observed; arrays become lists whose shape the metadata tells.

    Args:
        store: Where to.
        key: Of which arm and cycle.
        kind: `scores` of unlabelled frames, or `labelled`.
        ids: `N` ids.
        columns: Arrays with `N` rows.
    """
    table = pa.table({"id": pa.array(list(ids), pa.string()), **arrays_of(columns)})
    return _write(store, key, kind, table.replace_schema_metadata(shapes_of(columns)))


def read_columns(store: RunStore, key: Key, kind: str) -> tuple[list[str], Columns]:
    """What `write_columns` wrote: ids and columns."""
    table = pq.read_table(store.file(key, kind))
    return table["id"].to_pylist(), columns_of(table)


def write_detections(store: RunStore, key: Key, detections: dict[str, Detections]) -> Artifact:
    """One row a detection: `id`, `x1`, `y1`, `x2`, `y2` in pixels of the stored frame, `score`, `class`."""
    rows = [
        (record_id, *box, score, class_index)
        for record_id, found in detections.items()
        for box, score, class_index in zip(
            found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True
        )
    ]
    names = ("id", "x1", "y1", "x2", "y2", "score", "class")
    types = (pa.string(), *[pa.float64()] * 5, pa.int64())
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return _write(store, key, "detections", pa.table(arrays, names=list(names)))


def _write(store: RunStore, key: Key, kind: str, table: pa.Table) -> Artifact:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return store.write_file(kind, f"{_name(key)}.{kind}.parquet", buffer.getvalue())


def _name(key: Key) -> str:
    arm = key.strategy or "start"
    return f"seed{key.seed}.{arm}.cycle{key.cycle:02d}"
