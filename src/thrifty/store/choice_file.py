"""Scores of a pool read as columns, and the frames chosen from them written for whoever labels them.

| ending | holds |
|---|---|
| `.csv`, `.jsonl`, `.parquet` | a row a frame: `rank`, `id`, `path`, `frame`, `score`, `smoothed`, `reason`, `sequence`, `place`, `width`, `height` |
| `.json` | the frames as the images of a COCO file without annotations, the same columns beside; frame N of a video is `PATH#N` |
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from thrifty.data.places import whole_name
from thrifty.errors import DataError, RunError
from thrifty.files import replace_file
from thrifty.store.columns import SHAPES, Columns, columns_of
from thrifty.store.score_file import pool_of
from thrifty.timeline import STILL, Timeline
from thrifty.types import FloatArray, IntArray, Record

ENDINGS = (".csv", ".jsonl", ".parquet", ".json")
_NEEDED = ("id", "source")
_SCORE = "score"


@dataclass(frozen=True, slots=True)
class ChosenRow:
    """A chosen frame.

    Attributes:
        rank: From 1, in the order taken.
        id: Identity.
        path: The picture, or the video it is a frame of.
        frame: Decoded index in the video; `None` for a still.
        score: Before smoothing.
        smoothed: As it was ranked.
        reason: What chose it, in words.
        sequence: Video or sequence it belongs to; `None` for a lone still.
        place: Its place there.
        width: Pixels; `None` where the scores do not tell.
        height: Likewise.
    """

    rank: int
    id: str
    path: str
    frame: int | None
    score: float
    smoothed: float
    reason: str
    sequence: str | None
    place: int | None
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFrames:
    """N scored frames as columns: of ten million, no object is made for those that nobody looks at.

    Attributes:
        table: The columns of `thrifty score`, or those of them that there are.
        pool: What the pool that sources are of is known by; `None` if nobody has said.
    """

    table: pa.Table
    pool: str | None = None

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

    def timeline(self, numbers: dict[str, int]) -> Timeline:
        """Where the frames stand in time, sequences numbered as in `numbers`, which grows by those it lacks."""
        if "sequence" not in self.table.column_names or "place" not in self.table.column_names:
            return Timeline(np.full(len(self), STILL, np.int64), np.zeros(len(self), np.int64))
        encoded = self.table["sequence"].combine_chunks().dictionary_encode()
        own = [numbers.setdefault(name, len(numbers)) for name in encoded.dictionary.to_pylist()]
        known = np.array([*own, STILL], dtype=np.int64)
        codes = encoded.indices.fill_null(len(own)).to_numpy(zero_copy_only=False)
        places = self.table["place"].combine_chunks()
        sequences = np.where(
            places.is_null().to_numpy(zero_copy_only=False), STILL, known[codes.astype(np.int64)]
        )
        return Timeline(sequences, places.fill_null(0).to_numpy().astype(np.int64))

    def without(self, ids: Iterable[str]) -> ScoredFrames:
        """The frames but for some."""
        return self._where(pc.invert(self._among(ids)))

    def only(self, ids: Iterable[str]) -> ScoredFrames:
        """Some of the frames."""
        return self._where(self._among(ids))

    def _among(self, ids: Iterable[str]) -> pa.Array:
        return pc.is_in(self.table["id"], pa.array(sorted(set(ids)), pa.string()))

    def _where(self, keep: pa.Array) -> ScoredFrames:
        return ScoredFrames(self.table.filter(keep).combine_chunks(), self.pool)

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
        source = str(values["source"])
        return ChosenRow(
            rank,
            str(values["id"]),
            source if self.pool is None else whole_name(self.pool, source),
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

    column: pa.Array

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, index: int, /) -> str:
        return str(self.column[int(index)].as_py())


def ids_of(frames: ScoredFrames) -> Ids:
    """The frames' ids."""
    return Ids(frames.table["id"].combine_chunks())


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


def read_scores(path: Path) -> ScoredFrames:
    """Scores as `thrifty score` writes them, or anybody's: Parquet with the columns id, source and score.

    What thrifty has observed for a strategy of another kind needs no score.

    Raises:
        DataError: It cannot be read, lacks a column or rows, or an id or a score is missing.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({_line(error)}); check the path"
        ) from error
    own = json.loads((table.schema.metadata or {}).get(SHAPES, b"{}"))
    needed = _NEEDED if own else (*_NEEDED, _SCORE)
    lacking = [name for name in needed if name not in table.column_names]
    if lacking:
        raise DataError(
            f"{path}: has no column '{lacking[0]}'; scores need {', '.join(needed)}, and sequence and place for video"
        )
    table = _cast(path, table, needed, own).combine_chunks()
    if not len(table):
        raise DataError(f"{path}: holds no frames")
    return ScoredFrames(_distinct(table), pool_of(path))


def _distinct(table: pa.Table) -> pa.Table:
    """Of copies of one picture, which have one id, the first."""
    if len(pc.unique(table["id"])) == len(table):
        return table
    codes = table["id"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    return table.take(pa.array(np.sort(first))).combine_chunks()


_TYPES = {
    "id": pa.string(),
    "source": pa.string(),
    "sequence": pa.string(),
    "place": pa.int64(),
    "frame": pa.int64(),
    "width": pa.int64(),
    "height": pa.int64(),
    "score": pa.float64(),
}


def _cast(
    path: Path, table: pa.Table, needed: Sequence[str], own: Mapping[str, object]
) -> pa.Table:
    """The columns that mean something, of the types they should be."""
    known = {name: kind for name, kind in _TYPES.items() if name in table.column_names}
    kinds = known | {name: table.schema.field(name).type for name in own if name not in known}
    schema = pa.schema(list(kinds.items()), table.schema.metadata if own else None)
    try:
        cast = table.select(list(kinds)).cast(schema)
    except pa.ArrowException as error:
        raise DataError(
            f"{path}: a column is of another type than it should be ({_line(error)}); correct it"
        ) from error
    for name in needed:
        if cast[name].null_count:
            raise DataError(f"{path}: a frame has no {name}; leave the frame out, or correct it")
    return cast


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (str(error).splitlines() or [type(error).__name__])[0]


def check_name(out: Path) -> None:
    """Find out before any work whether a choice can be written.

    Raises:
        RunError: The name ends in no known way, its folder is missing, or it is a folder.
    """
    if out.suffix.lower() not in ENDINGS:
        raise RunError(f"{out}: end the name in {', '.join(ENDINGS)}")
    if not out.parent.is_dir():
        raise RunError(f"{out.parent}: no such folder; create it, or choose another --out")
    if out.is_dir():
        raise RunError(f"{out}: is a folder; choose another --out")


def write_choice(rows: Sequence[ChosenRow], path: Path) -> None:
    """Write chosen frames in the form that the ending says, whole or not at all."""
    replace_file(path, _WRITERS[path.suffix.lower()](rows))


def _as_csv(rows: Sequence[ChosenRow]) -> bytes:
    buffer = io.StringIO()
    writer = csv.DictWriter(
        buffer, [field.name for field in fields(ChosenRow)], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return buffer.getvalue().encode()


def _as_lines(rows: Sequence[ChosenRow]) -> bytes:
    return "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows).encode()


def _as_parquet(rows: Sequence[ChosenRow]) -> bytes:
    kinds = {
        "rank": pa.int64(),
        "path": pa.string(),
        "smoothed": pa.float64(),
        "reason": pa.string(),
    }
    names = [field.name for field in fields(ChosenRow)]
    schema = pa.schema([(name, kinds.get(name) or _TYPES[name]) for name in names])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema), buffer)
    return buffer.getvalue()


def _as_coco(rows: Sequence[ChosenRow]) -> bytes:
    images = [
        {
            **{name: value for name, value in asdict(row).items() if name not in {"id", "path"}},
            "id": row.rank,
            "file_name": row.path if row.frame is None else f"{row.path}#{row.frame}",
            "record": row.id,
        }
        for row in rows
    ]
    content = {"images": images, "annotations": [], "categories": []}
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


_WRITERS: Mapping[str, Callable[[Sequence[ChosenRow]], bytes]] = {
    ".csv": _as_csv,
    ".jsonl": _as_lines,
    ".parquet": _as_parquet,
    ".json": _as_coco,
}


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """Frames of earlier choices.

    Attributes:
        ids: Ids.
        sequences: Names of their videos; `None` for stills.
        places: Their places; 0 for stills.
    """

    ids: Sequence[str]
    sequences: Sequence[str | None]
    places: IntArray

    def timeline(self, numbers: dict[str, int]) -> Timeline:
        """Where they stand in time, as `ScoredFrames.timeline`."""
        codes = [
            STILL if name is None else numbers.setdefault(name, len(numbers))
            for name in self.sequences
        ]
        return Timeline(np.array(codes, dtype=np.int64).reshape(-1), self.places)


def read_choices(paths: Sequence[Path]) -> Earlier:
    """What `write_choice` wrote, or any table with a column `id`, and for video `sequence` and `place`.

    Raises:
        DataError: A file cannot be read as what its ending says, or has no ids.
    """
    rows = [row for path in paths for row in _rows_of(path)]
    return Earlier(
        [str(row["id"]) for row in rows],
        [row.get("sequence") or None for row in rows],
        np.array([int(row.get("place") or 0) for row in rows], dtype=np.int64).reshape(-1),
    )


def _rows_of(path: Path) -> list[Mapping[str, Any]]:
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: end the name in {', '.join(ENDINGS)}")
    try:
        rows = _READERS[path.suffix.lower()](path)
        for row in rows:
            if not row["id"]:
                raise ValueError("a row has no id")  # noqa: TRY301 - told as any other fault of the file
            int(row.get("place") or 0)
    except KeyError as error:
        raise DataError(f"{path}: has no {error}; give what `thrifty select` wrote") from error
    except (OSError, ValueError, TypeError, AttributeError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: cannot be read as chosen frames ({_line(error)}); give what `thrifty select` wrote"
        ) from error
    return rows


def _from_csv(path: Path) -> list[Mapping[str, Any]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def _from_lines(path: Path) -> list[Mapping[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _from_parquet(path: Path) -> list[Mapping[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def _from_coco(path: Path) -> list[Mapping[str, Any]]:
    images = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(images, dict) or not isinstance(images.get("images"), list):
        raise TypeError("it holds no list 'images'")
    return [{**image, "id": image["record"]} for image in images["images"] if "record" in image]


_READERS: Mapping[str, Callable[[Path], list[Mapping[str, Any]]]] = {
    ".csv": _from_csv,
    ".jsonl": _from_lines,
    ".parquet": _from_parquet,
    ".json": _from_coco,
}
