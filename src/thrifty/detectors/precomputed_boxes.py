"""Boxes that were computed elsewhere, in one Parquet file: strategies that judge boxes need no detector and no framework of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from thrifty.detectors.checked import full_name
from thrifty.errors import CapabilityError, DataError
from thrifty.maps import ClassMaps
from thrifty.types import Detections, Frame, Need

_CORNERS = ("x1", "y1", "x2", "y2")
_NEEDED = ("source", *_CORNERS, "score")
_STILL = -1
_DOCS = "see docs/detectors.md"

Array = npt.NDArray[Any]


class PrecomputedBoxes:
    """Boxes out of a file with one row a box.

    Its columns are `source`, as pools name it; for video `frame`, the number from 0, empty for stills; `x1`, `y1`, `x2`, `y2` in
    pixels of the stored frame and `score` in [0, 1], all empty in the one row of a frame without boxes; if there are any,
    `class` (0 without it) and `probabilities`, a list of C a box, all of one length.

    Args:
        path: The file.

    Raises:
        DataError: There is no such file, it is no Parquet, or a column is missing or holds something else.
    """

    gives = frozenset({Need.BOXES})

    def __init__(self, path: Path) -> None:
        self._path = path
        table = _read(path)
        sources = table["source"].combine_chunks().dictionary_encode()
        codes = sources.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        frames = _whole(path, table, "frame", _STILL)
        # By frame, surest first, and as in the file where that is equal.
        scores = _numbers(path, table, "score")
        order = np.lexsort((-scores, frames, codes))
        self._scores = scores[order]
        self._boxes = np.stack([_numbers(path, table, name)[order] for name in _CORNERS], axis=1)
        self._classes = _whole(path, table, "class", 0)[order]
        self._probabilities = _probabilities(path, table, order)
        self._rows = _rows(sources.dictionary.to_pylist(), codes[order], frames[order])

    def class_maps(self, frames: Sequence[Frame]) -> ClassMaps:  # noqa: ARG002 - the contract's
        """There are none.

        Raises:
            CapabilityError: Always.
        """
        raise CapabilityError(f"{self._path}: holds boxes alone, no class maps")

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The boxes of some frames, in pixels of the stored frame, surest first, whatever was done to `Frame.image`.

        Args:
            frames: B frames.

        Raises:
            DataError: A frame has no row, or one that is no sound box.
        """
        return [self._boxes_of(frame) for frame in frames]

    def _boxes_of(self, frame: Frame) -> Detections:
        name, number = full_name(frame), frame.record.frame
        rows = self._rows.get((frame.record.source, _STILL if number is None else number))
        if rows is None:
            raise DataError(
                f"{name}: has no row in {self._path}; write one, without box and score if there is nothing in it"
            )
        boxes, scores = self._boxes[rows], self._scores[rows]
        nothing = np.isnan(boxes).all() and np.isnan(scores).all()
        if nothing and len(scores) == 1:
            told = None if self._probabilities is None else self._probabilities[:0]
            return Detections(np.zeros((0, 4)), np.zeros(0), probabilities=told)
        sound = np.isfinite(boxes).all() and np.isfinite(scores).all()
        if not sound or (boxes[:, 2:] < boxes[:, :2]).any():
            raise DataError(
                f"{self._path}: a box of {name} is not finite, or ends before it begins; correct x1, y1, x2, y2 and score"
            )
        told = None if self._probabilities is None else self._probabilities[rows]
        return Detections(boxes, scores, self._classes[rows], told)


def _rows(names: Sequence[str], codes: Array, frames: Array) -> dict[tuple[str, int], slice]:
    """Where the rows of each frame are, which lie together."""
    if not len(codes):
        return {}
    changes = np.flatnonzero((np.diff(codes) != 0) | (np.diff(frames) != 0)) + 1
    starts, ends = [0, *changes.tolist()], [*changes.tolist(), len(codes)]
    return {
        (names[codes[start]], int(frames[start])): slice(start, end)
        for start, end in zip(starts, ends, strict=True)
    }


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{path}: cannot be read as Parquet ({reason}); check the path after 'boxes:'"
        ) from error
    missing = [name for name in _NEEDED if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: has no column '{missing[0]}'; write it ({_DOCS})")
    kind = table["source"].type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not is_text or table["source"].null_count:
        raise DataError(f"{path}: 'source' must name a file in every row, as text")
    return table


def _numbers(path: Path, table: pa.Table, name: str) -> Array:
    """A column as float64, NaN where it is empty."""
    column = table[name]
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_null)
    if not any(fits(column.type) for fits in kinds):
        raise DataError(f"{path}: '{name}' holds {column.type}; give numbers")
    return np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy())


def _whole(path: Path, table: pa.Table, name: str, missing: int) -> Array:
    """A column as int64, `missing` where it is empty or not there."""
    if name not in table.column_names:
        return np.full(len(table), missing, np.int64)
    values = _numbers(path, table, name)
    empty = np.isnan(values)
    # Tables with gaps are often written with whole numbers as floats.
    if (values[~empty] % 1).any():
        raise DataError(f"{path}: '{name}' holds fractions; give whole numbers")
    return np.where(empty, missing, values).astype(np.int64)


def _probabilities(path: Path, table: pa.Table, order: Array) -> Array | None:
    if "probabilities" not in table.column_names:
        return None
    lists = [row if row is not None else [] for row in table["probabilities"].to_pylist()]
    length = max(map(len, lists), default=0)
    # A frame without boxes has none.
    if not length or {len(row) for row in lists} - {0, length}:
        raise DataError(f"{path}: 'probabilities' are lists of different lengths; give one a class")
    filled = [row or [np.nan] * length for row in lists]
    return np.array(filled, dtype=np.float64)[order]
