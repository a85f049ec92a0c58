"""Between rows of the database and the values that the project works with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Row

from thrifty.store.project.rows import Choice, Label, NewBatch
from thrifty.types import Annotations, Detections, Record

_CORNERS = ("x1", "y1", "x2", "y2")
Values = dict[str, Any]


def frame_values(choice: Choice) -> Values:
    """The frame of a choice, as a row."""
    record = choice.record
    return {
        "record_id": record.id,
        "pool": choice.pool,
        "name": record.source,
        "width": record.width,
        "height": record.height,
        "sequence": record.sequence,
        "place": record.place,
        "frame": record.frame,
    }


def choice_values(choice: Choice, batch: int) -> Values:
    """A choice, as a row."""
    return {
        "batch": batch,
        "rank": choice.rank,
        "record_id": choice.record.id,
        "shadow": choice.shadow,
        "score": choice.score,
        "smoothed": choice.smoothed,
        "reason": choice.reason,
    }


def choice_of(row: Row[Any]) -> Choice:
    """A choice, from a row joined with its frame's."""
    record = Record(
        row.record_id, row.name, row.width, row.height, row.sequence, row.place, row.frame
    )
    return Choice(
        row.batch,
        row.rank,
        record,
        row.pool,
        row.shadow,
        row.score,
        row.smoothed,
        row.reason,
        row.task,
    )


def found_values(found: Mapping[str, Detections]) -> Iterator[Values]:
    """A detector's boxes, as rows."""
    for record_id, boxes in found.items():
        for number, (box, score, kind) in enumerate(
            zip(boxes.boxes.tolist(), boxes.scores.tolist(), boxes.classes.tolist(), strict=True)
        ):
            told = {"record_id": record_id, "number": number, "score": score, "class": kind}
            yield told | dict(zip(_CORNERS, box, strict=True))


def detections_of(rows: Sequence[Row[Any]]) -> Detections:
    """A detector's boxes in one frame, from rows."""
    return Detections(
        _boxes_of(rows),
        np.array([row.score for row in rows], dtype=np.float64),
        np.array([row._mapping["class"] for row in rows], dtype=np.int64),
    )


def box_values(label: int, drawn: Annotations) -> list[Values]:
    """The boxes of a label, as rows."""
    columns = zip(drawn.boxes.tolist(), drawn.classes.tolist(), drawn.ignore.tolist(), strict=True)
    return [
        {"label": label, "number": number, "class": kind, "ignore": ignore}
        | dict(zip(_CORNERS, box, strict=True))
        for number, (box, kind, ignore) in enumerate(columns)
    ]


def draft_values(drawn: Annotations) -> list[list[float | int | bool]]:
    """Boxes as JSON holds them: corners, class, whether to ignore."""
    columns = zip(drawn.boxes.tolist(), drawn.classes.tolist(), drawn.ignore.tolist(), strict=True)
    return [[*box, kind, ignore] for box, kind, ignore in columns]


def draft_of(values: Sequence[Sequence[float]]) -> Annotations:
    """What `draft_values` made of boxes."""
    return Annotations(
        np.array([value[:4] for value in values], dtype=np.float64).reshape(-1, 4),
        np.array([value[4] for value in values], dtype=np.int64),
        np.array([value[5] for value in values], dtype=np.bool_),
    )


def label_values(label: Label) -> Values:
    """A label without its boxes, as a row."""
    return {
        "record_id": label.record_id,
        "origin": label.origin,
        "annotator": label.annotator,
        "seconds": label.seconds,
        "drawn": label.drawn_at,
        "digest": digest_of(label),
    }


def label_of(row: Row[Any], boxes: Sequence[Row[Any]]) -> Label:
    """A label, from its row and those of its boxes."""
    drawn = Annotations(
        _boxes_of(boxes),
        np.array([box._mapping["class"] for box in boxes], dtype=np.int64),
        np.array([box.ignore for box in boxes], dtype=np.bool_),
    )
    return Label(
        row.number,
        row.record_id,
        drawn,
        row.origin,
        row.annotator,
        row.seconds,
        row.drawn,
        row.at,
    )


def digest_of(label: Label) -> str:
    """What a label says, and who says it: equal for equal boxes in whatever order they were drawn."""
    drawn = label.drawn
    boxes = sorted(
        (*(round(value, 3) for value in box), kind, ignore)
        for box, kind, ignore in zip(
            drawn.boxes.tolist(), drawn.classes.tolist(), drawn.ignore.tolist(), strict=True
        )
    )
    told = f"{label.record_id} {label.origin} {label.annotator} {boxes}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def outcome_of(batch: NewBatch) -> Values:
    """What tells whether two choices are the same."""
    return {
        "chosen": [choice.record.id for choice in batch.choices],
        "shadow": [choice.record.id for choice in batch.choices if choice.shadow],
    }


def _boxes_of(rows: Sequence[Row[Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    corners = [[row.x1, row.y1, row.x2, row.y2] for row in rows]
    return np.array(corners, dtype=np.float64).reshape(-1, 4)
