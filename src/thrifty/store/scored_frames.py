"""Scores of a pool read as columns, from one Parquet file or from the shards of many pools.

Ten million frames are a gigabyte: text is never joined into one piece (which could not hold more than two gigabytes anyway), the names of
videos are held once, and copies are found by digests of their ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numba import njit

from thrifty.data.places import whole_name
from thrifty.errors import DataError
from thrifty.store.choice_file import ChosenRow, one_line
from thrifty.store.columns import SHAPES, Columns, columns_of
from thrifty.store.score_file import pool_of
from thrifty.timeline import STILL, Timeline
from thrifty.types import BoolArray, FloatArray, Record

SUFFIX = ".parquet"
_NEEDED = ("id", "source")
_SCORE = "score"
_POOL = "scored pool"
"""The column that says what the pool of a frame is known by; without one, nobody has said."""
_NAME = pa.dictionary(pa.int32(), pa.string())
_TYPES = {
    "id": pa.string(),
    "source": _NAME,
    "sequence": _NAME,
    "place": pa.int64(),
    "frame": pa.int64(),
    "width": pa.int32(),
    "height": pa.int32(),
    "score": pa.float64(),
}


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFrames:
    """N scored frames as columns: of ten million, no object is made for those that nobody looks at.

    Attributes:
        table: The columns of `thrifty score`, or those of them that there are.
    """

    table: pa.Table

    def __len__(self) -> int:
        return len(self.table)

    @property
    def scores(self) -> FloatArray:
        """`N` float64."""
        return np.asarray(self.table[_SCORE].to_numpy(), dtype=np.float64)

    @property
    def observed(self) -> Columns:
        """All that was observed of each frame: `N` rows a column."""
        return columns_of(self.table)

    @property
    def ids(self) -> Ids:
        """Who they are."""
        return Ids(self.table["id"])

    def timeline(self, numbers: dict[str, int]) -> Timeline:
        """Where the frames stand in time, sequences numbered as in `numbers`, which grows by those it lacks."""
        if "sequence" not in self.table.column_names or "place" not in self.table.column_names:
            return Timeline(np.full(len(self), STILL, np.int64), np.zeros(len(self), np.int64))
        sequences = np.empty(len(self), dtype=np.int64)
        begin = 0
        for chunk in self.table["sequence"].chunks:
            part = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
            own = [numbers.setdefault(name, len(numbers)) for name in part.dictionary.to_pylist()]
            codes = part.indices.fill_null(len(own)).to_numpy(zero_copy_only=False)
            known = np.array([*own, STILL], dtype=np.int64)
            sequences[begin : begin + len(part)] = known[codes]
            begin += len(part)
        places = self.table["place"]
        sequences[places.is_null().to_numpy()] = STILL
        return Timeline(sequences, places.fill_null(0).to_numpy().astype(np.int64, copy=False))

    def without(self, ids: Iterable[str]) -> ScoredFrames:
        """The frames but for some."""
        left_out = set(ids)
        return self.where(pc.invert(self._among(left_out))) if left_out else self

    def only(self, ids: Iterable[str]) -> ScoredFrames:
        """Some of the frames."""
        return self.where(self._among(ids))

    def _among(self, ids: Iterable[str]) -> pa.ChunkedArray:
        return pc.is_in(self.table["id"], pa.array(sorted(set(ids)), pa.string()))

    def where(self, kept: pa.ChunkedArray | BoolArray) -> ScoredFrames:
        """The frames at which `N` bools are true."""
        mask = pa.array(kept) if isinstance(kept, np.ndarray) else kept
        return ScoredFrames(self.table.filter(mask))

    def distinct(self) -> ScoredFrames:
        """Of copies of one picture, which have one id, the first."""
        copies = _copies(self.table["id"])
        if not len(copies):
            return self
        kept = np.ones(len(self), dtype=np.bool_)
        kept[copies] = False
        return self.where(kept)

    def records(self) -> list[Record]:
        """All frames as records; a size that the file does not tell is a pixel."""
        names = {"sequence", "place", "frame", "width", "height"} & set(self.table.column_names)
        rows = self.table.select(["id", "source", *sorted(names)]).to_pylist()
        return [_record(row) for row in rows]

    def row(self, rank: int, index: int, score: float, smoothed: float, reason: str) -> ChosenRow:
        """A chosen frame, for writing."""
        values: Mapping[str, Any] = {
            name: column[0].as_py()
            for name, column in zip(
                self.table.column_names, self.table.slice(index, 1).columns, strict=True
            )
        }
        source, pool = str(values["source"]), values.get(_POOL)
        return ChosenRow(
            rank,
            str(values["id"]),
            source if pool is None else whole_name(pool, source),
            values.get("frame"),
            score,
            smoothed,
            reason,
            values.get("sequence"),
            values.get("place"),
            values.get("width"),
            values.get("height"),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """A column of ids, of which only those asked for are read."""

    column: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, index: int, /) -> str:
        return str(self.column[int(index)].as_py())


def _record(row: Mapping[str, Any]) -> Record:
    place = row.get("place")
    return Record(
        str(row["id"]),
        str(row["source"]),
        row.get("width") or 1,
        row.get("height") or 1,
        None if place is None else row.get("sequence"),
        None if row.get("sequence") is None else place,
        row.get("frame"),
    )


def shards_of(path: Path) -> list[Path] | None:
    """The files of scores that a path names, in the order of their names: itself, or all of a folder that holds nothing else.

    Returns:
        `None` if it names none.
    """
    if not path.is_dir():
        return [path] if path.suffix.lower() == SUFFIX else None
    # Whatever else writes shards leaves notes beside them.
    found = sorted(one for one in path.iterdir() if not one.name.startswith((".", "_")))
    return found if found and all(one.suffix.lower() == SUFFIX for one in found) else None


def read_scores(*paths: Path) -> ScoredFrames:
    """Scores as `thrifty score` writes them, or anybody's: Parquet with the columns id, source and score.

    What thrifty has observed for a strategy of another kind needs no score.

    Args:
        paths: Files, which may be of several pools; of a frame that is in two, the first counts.

    Raises:
        DataError: One cannot be read, or lacks a column; an id or a score is missing, files differ in what they observed, or there is no
            row.
    """
    tables = [_read(path) for path in paths]
    first = tables[0]
    for path, table in zip(paths, tables, strict=True):
        if _observed(table) != _observed(first):
            raise DataError(
                f"{path}: holds what was observed for another strategy than {paths[0]}; choose from one of them"
            )
    names = set(first.column_names).intersection(*(table.column_names for table in tables))
    kept = [name for name in first.column_names if name in names]
    table = pa.concat_tables([table.select(kept) for table in tables])
    if not len(table):
        raise DataError(f"{paths[0]}: holds no frames")
    return ScoredFrames(table).distinct()


def _observed(table: pa.Table) -> Mapping[str, object]:
    return dict(json.loads((table.schema.metadata or {}).get(SHAPES, b"{}")))


def _read(path: Path) -> pa.Table:
    try:
        schema = pq.read_schema(path)
        known = [name for name in schema.names if name in _TYPES or name in _shapes(schema)]
        names = [name for name in known if _TYPES.get(name) == _NAME]
        table = pq.read_table(path, columns=known, read_dictionary=names, pre_buffer=False)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({one_line(error)}); check the path"
        ) from error
    own = _shapes(schema)
    needed = _NEEDED if own else (*_NEEDED, _SCORE)
    lacking = [name for name in needed if name not in table.column_names]
    if lacking:
        raise DataError(
            f"{path}: has no column '{lacking[0]}'; scores need {', '.join(needed)}, and sequence and place for video"
        )
    table = _cast(path, table, needed, own)
    pool = pool_of(path)
    codes = pa.array(np.zeros(len(table), dtype=np.int32), mask=np.full(len(table), pool is None))
    of_pool = pa.DictionaryArray.from_arrays(codes, pa.array([pool or ""], pa.string()))
    return table.append_column(_POOL, of_pool)


def _shapes(schema: pa.Schema) -> Mapping[str, object]:
    return dict(json.loads((schema.metadata or {}).get(SHAPES, b"{}")))


def _cast(
    path: Path, table: pa.Table, needed: Sequence[str], own: Mapping[str, object]
) -> pa.Table:
    """The columns of the types they should be."""
    try:
        columns = [_of_type(table[name], _TYPES.get(name)) for name in table.column_names]
    except pa.ArrowException as error:
        raise DataError(
            f"{path}: a column is of another type than it should be ({one_line(error)}); correct it"
        ) from error
    metadata = table.schema.metadata if own else None
    cast = pa.table(columns, names=table.column_names).replace_schema_metadata(metadata)
    for name in needed:
        if cast[name].null_count:
            raise DataError(f"{path}: a frame has no {name}; leave the frame out, or correct it")
    return cast


def _of_type(column: pa.ChunkedArray, kind: pa.DataType | None) -> pa.ChunkedArray:
    if kind is None or column.type == kind:
        return column
    if kind == _NAME:
        return column.cast(pa.string()).dictionary_encode()
    return column.cast(kind)


def _copies(ids: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Indices of the ids that stand somewhere before, too."""
    digests = np.empty(len(ids), dtype=np.uint64)
    begin = 0
    for chunk in ids.chunks:
        _, offsets, text = chunk.buffers()
        if len(chunk):
            places = np.frombuffer(offsets, dtype=np.int32)[chunk.offset :][: len(chunk) + 1]
            letters = np.frombuffer(text or b"", dtype=np.uint8)
            _digest(letters, places, digests[begin : begin + len(chunk)])
        begin += len(chunk)
    ordered = np.sort(digests)
    shared = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(shared):
        return np.zeros(0, dtype=np.int64)
    # Few ids share a digest by chance, so what they are is asked of them alone.
    suspects = np.flatnonzero(np.isin(digests, shared))
    names = ids.take(pa.array(suspects)).to_pylist()
    seen: set[str] = set()
    again = []
    for index, name in zip(suspects.tolist(), names, strict=True):
        if name in seen:
            again.append(index)
        seen.add(name)
    return np.array(again, dtype=np.int64)


@njit(cache=True, nogil=True)
def _digest(
    letters: npt.NDArray[np.uint8],
    places: npt.NDArray[np.int32],
    digests: npt.NDArray[np.uint64],
) -> None:
    """The 64-bit FNV-1a digest of each text."""
    for row in range(len(digests)):
        value = np.uint64(0xCBF29CE484222325)
        for place in range(places[row], places[row + 1]):
            value = (value ^ np.uint64(letters[place])) * np.uint64(0x100000001B3)
        digests[row] = value
