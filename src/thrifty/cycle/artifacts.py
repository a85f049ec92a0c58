"""The files that stages write: weights as safetensors, scores and detections as Parquet."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from thrifty.config import DetectorSection
from thrifty.detectors.paper import Weights, save_weights
from thrifty.store.schema import Artifact, Key
from thrifty.store.store import RunStore
from thrifty.types import Detections


def write_weights(
    store: RunStore, key: Key, weights: Weights, settings: DetectorSection
) -> Artifact:
    """Weights after training, and the network they belong to."""
    content = save_weights(weights, settings)
    return store.write_file("weights", f"{_name(key)}.safetensors", content)


def write_scores(store: RunStore, key: Key, scores: dict[str, float]) -> Artifact:
    """One row a frame: `id`, `score`."""
    table = pa.table({"id": list(scores), "score": list(scores.values())})
    return _write(store, key, "scores", table)


def read_scores(store: RunStore, key: Key) -> dict[str, float]:
    """What `write_scores` wrote."""
    columns = pq.read_table(store.file(key, "scores")).to_pydict()
    return dict(zip(columns["id"], columns["score"], strict=True))


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
