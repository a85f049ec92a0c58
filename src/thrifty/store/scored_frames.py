"""Scores of a pool read as columns, from one Parquet file or from the shards of many pools.

Ten million frames are a gigabyte: text is never joined into one piece (which could not hold more than two gigabytes anyway), the names of
videos are held once, and copies are found by digests of their ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from thrifty.store.score_file import job_of, unreadable_beside
from thrifty.timeline import STILL, Timeline
from thrifty.types import BoolArray, FloatArray, Record

SUFFIX = ".parquet"
POOL = "scored pool"
"""The column that says what the pool of a frame is known by; null where nobody has said."""
_NEEDED = ("id", "source")
_SCORE = "score"
_ALIKE = ("detector", "score", "scale")
"""What must be the same of files that are chosen from together."""
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
        table: The columns of `thrifty score`, or those of them that there are, and of what pool a frame is.
        pooled: Whether folders of pictures need their pool's name, since another pool may have one of the same.
    """

    table: pa.Table
    pooled: bool = False

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
        """Where the frames stand in time, videos numbered as in `numbers`, which grows by those it lacks."""
        if "sequence" not in self.table.column_names or "place" not in self.table.column_names:
            return Timeline(np.full(len(self), STILL, np.int64), np.zeros(len(self), np.int64))
        sequences = np.empty(len(self), dtype=np.int64)
        begin = 0
        for names, pools in self._named():
            here = sequences[begin : begin + len(names)]
            here[:] = STILL
            for pool in pc.unique(pools).to_pylist():
                own = (
                    pc.is_null(pools)
                    if pool is None
                    else pc.equal(pools, pool).fill_null(fill_value=False)
                )
                known = [
                    STILL
                    if name is None
                    else numbers.setdefault(self.video(pool, name), len(numbers))
                    for name in [*names.dictionary.to_pylist(), None]
                ]
                codes = names.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
                taken = own.to_numpy(zero_copy_only=False)
                here[taken] = np.array(known, dtype=np.int64)[codes[taken]]
            begin += len(names)
        places = self.table["place"]
        sequences[places.is_null().to_numpy()] = STILL
        return Timeline(sequences, places.fill_null(0).to_numpy().astype(np.int64, copy=False))

    def _named(self) -> Iterator[tuple[pa.DictionaryArray, pa.Array]]:
        """Names of sequences, and of the pools by which they are told apart, piece by piece.

        A video file goes by its content, wherever it lies; only folders of pictures may have one name in two pools.
        """
        whole = self.table
        if POOL not in whole.column_names:
            whole = whole.append_column(POOL, pa.nulls(len(whole), _NAME))
        if "frame" not in whole.column_names:
            whole = whole.append_column("frame", pa.nulls(len(whole), pa.int64()))
        for batch in whole.select(["sequence", POOL, "frame"]).to_batches():
            names, pools, frames = batch.columns
            is_coded = pa.types.is_dictionary(names.type)
            own = pc.if_else(
                pc.is_valid(frames), pa.scalar(None, pa.string()), pools.dictionary_decode()
            )
            yield names if is_coded else names.dictionary_encode(), own

    def video(self, pool: str | None, sequence: str) -> str:
        """What a video of a pool is called among these frames: in two pools, folders may have one name."""
        return f"{pool}/{sequence}" if pool is not None and self.pooled else sequence

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
        return ScoredFrames(self.table.filter(mask), self.pooled)

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
        return [_record(row) for row in self._rows()]

    def candidates(self) -> list[Record]:
        """The same, with videos called so that no two of different pools are taken for one."""
        if not self.pooled:
            return self.records()
        rows = self._rows()
        named = [
            None
            if row.get("sequence") is None
            else self.video(None if row.get("frame") is not None else row[POOL], row["sequence"])
            for row in rows
        ]
        return [
            record if name is None or record.sequence is None else replace(record, sequence=name)
            for record, name in zip(map(_record, rows), named, strict=True)
        ]

    def _rows(self) -> list[dict[str, Any]]:
        names = {"sequence", "place", "frame", "width", "height", POOL}
        wanted = ["id", "source", *sorted(names & set(self.table.column_names))]
        return list(self.table.select(wanted).to_pylist())

    def row(self, rank: int, index: int, score: float, smoothed: float, reason: str) -> ChosenRow:
        """A chosen frame, for writing."""
        values: Mapping[str, Any] = {
            name: column[0].as_py()
            for name, column in zip(
                self.table.column_names, self.table.slice(index, 1).columns, strict=True
            )
        }
        source, pool, sequence = str(values["source"]), values.get(POOL), values.get("sequence")
        return ChosenRow(
            rank,
            str(values["id"]),
            source if pool is None else whole_name(pool, source),
            values.get("frame"),
            score,
            smoothed,
            reason,
            None
            if sequence is None
            else self.video(None if values.get("frame") is not None else pool, sequence),
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

    Raises:
        DataError: Scores in the folder are not finished.
    """
    if not path.is_dir():
        return [path] if path.suffix.lower() == SUFFIX else None
    # Whatever else writes shards leaves notes beside them.
    entries = sorted(one for one in path.iterdir() if not one.name.startswith((".", "_")))
    found = [one for one in entries if one.suffix.lower() == SUFFIX]
    lists = {unreadable_beside(one) for one in found}
    others = [one for one in entries if one not in found and one not in lists]
    unfinished = [one for one in others if one.name.lower().endswith(f"{SUFFIX}.parts")]
    if unfinished and len(unfinished) == len(others):
        raise DataError(
            f"{unfinished[0]}: holds scores that are not finished; run the command again that began them, or move the folder away"
        )
    return found if found and not others else None


def read_scores(*paths: Path) -> ScoredFrames:
    """Scores as `thrifty score` writes them, or anybody's: Parquet with the columns id, source and score.

    What thrifty has observed for a strategy of another kind needs no score.

    Args:
        paths: Files, which may be of several pools; of a frame that is in two, the first counts.

    Raises:
        DataError: One cannot be read, or lacks a column; an id or a score is missing; files differ in who was asked or what was
            observed; or there is no row.
    """
    tables = [_read(path) for path in paths]
    first, first_job = tables[0], job_of(paths[0])
    for path, table in zip(paths, tables, strict=True):
        if _observed(table) != _observed(first):
            raise DataError(
                f"{path}: holds what was observed for another strategy than {paths[0]}; choose from one of them"
            )
        job = job_of(path)
        if job and first_job and any(job.get(key) != first_job.get(key) for key in _ALIKE):
            raise DataError(
                f"{path}: was scored by another detector or with other settings than {paths[0]}; choose from one of them"
            )
    table = pa.concat_tables(tables, promote_options="default")
    if not len(table):
        raise DataError(f"{paths[0]}: holds no frames")
    pools = {(job_of(path) or {}).get("pool") for path in paths}
    # Of one pool too, so that what is chosen today is known when another pool has joined.
    return ScoredFrames(table, pooled=pools != {None}).distinct()


def _observed(table: pa.Table) -> object:
    """What was observed, of which shapes and types."""
    shapes = _shapes(table.schema)
    return [(name, shape, table.schema.field(name).type) for name, shape in sorted(shapes.items())]


def _read(path: Path) -> pa.Table:
    try:
        schema = pq.read_schema(path)
        own = _shapes(schema)
        known = [name for name in schema.names if name in _TYPES or name in own]
        names = [name for name in known if _TYPES.get(name) == _NAME]
        table = pq.read_table(path, columns=known, read_dictionary=names, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({one_line(error)}); check the path"
        ) from error
    needed = _NEEDED if own else (*_NEEDED, _SCORE)
    lacking = [name for name in needed if name not in table.column_names]
    if lacking:
        raise DataError(
            f"{path}: has no column '{lacking[0]}'; scores need {', '.join(needed)}, and sequence and place for video"
        )
    pool = (job_of(path) or {}).get("pool")
    return of_pool(_cast(path, table, needed, own), pool)


def of_pool(table: pa.Table, pool: str | None) -> pa.Table:
    """Rows with what their pool is known by, whatever was said before."""
    codes = pa.array(np.zeros(len(table), dtype=np.int32), mask=np.full(len(table), pool is None))
    column = pa.DictionaryArray.from_arrays(codes, pa.array([pool or ""], pa.string()))
    kept = [name for name in table.column_names if name != POOL]
    return table.select(kept).append_column(POOL, column)


def _shapes(schema: pa.Schema) -> Mapping[str, Sequence[int]]:
    """What thrifty has observed, by column; others may mean something else by the same word."""
    try:
        told = json.loads((schema.metadata or {}).get(SHAPES, b"{}"))
    except ValueError:
        return {}
    is_ours = isinstance(told, dict) and all(
        name in schema.names
        and isinstance(shape, list)
        and all(isinstance(side, int) for side in shape)
        for name, shape in told.items()
    )
    return told if is_ours else {}


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
    if pc.any(pc.equal(cast["id"], "")).as_py():
        raise DataError(f"{path}: a frame has no id; leave the frame out, or correct it")
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
    names = ids.filter(pa.array(np.isin(digests, shared))).cast(pa.large_string()).combine_chunks()
    order = pc.sort_indices(
        pa.table({"id": names, "place": suspects}),
        sort_keys=[("id", "ascending"), ("place", "ascending")],
    )
    names = names.take(order)
    again = pc.equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
    return np.asarray(np.sort(suspects[order.to_numpy()[1:][again]]), dtype=np.int64)


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
