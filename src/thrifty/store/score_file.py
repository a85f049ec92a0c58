"""A file of scores that grows while a pool is scored, and is whole or absent whenever that stops.

Rows go into numbered shards in a folder beside the file that is to be, each written at once. When all are there, the
shards become one Parquet file, and what could not be decoded a table of its own. Memory holds one row group.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from thrifty.data.pool import Broken, Done
from thrifty.errors import DataError, RunError
from thrifty.files import replace_file
from thrifty.store.columns import Columns, arrays_of, shapes_of
from thrifty.types import Record

SHARD_ROWS = 4096
SHARD_SECONDS = 10.0
_GROUP_ROWS = 1 << 14
_GROUP_SHARDS = 256
_JOB = b"thrifty.job"
_BROKEN = b"thrifty.broken"
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("sequence", pa.string()),
        ("place", pa.int64()),
        ("frame", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
_REASON = pa.field("reason", pa.string())


@dataclass(frozen=True, slots=True)
class Count:
    """How many frames a score file holds, and how many could not be decoded.

    Attributes:
        scored: Rows.
        broken: Frames that are listed beside it.
        earlier: Whether all that had been finished before, so that nothing was done now.
    """

    scored: int = 0
    broken: int = 0
    earlier: bool = False


def unreadable_beside(path: Path) -> Path:
    """Where the frames that could not be decoded are listed, beside a file of scores."""
    return path.with_name(f"{path.stem}.unreadable.csv")


def job_of(path: Path) -> Mapping[str, str] | None:
    """What decided the scores of a finished file, as `ScoreFile` was told; `None` if this is no file of ours."""
    try:
        job = json.loads((pq.read_metadata(path).metadata or {})[_JOB])
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None
    is_ours = isinstance(job, dict) and all(isinstance(value, str) for value in job.values())
    return job if is_ours else None


class ScoreFile:
    """Scores of a pool on their way to `path`. Use it as a context manager.

    Args:
        path: The Parquet file to be: `id`, `source`, `sequence`, `place`, `frame`, `width`, `height`, and what was observed
            of each frame (`score`), one row a frame in the order of the pool.
        job: Everything that decides the scores. Shards and files of another job are never mixed with this one's.
        rows: Rows of a shard.
        seconds: After this many, rows become a shard even if they are fewer; what a `kill -9` loses is no older.

    Raises:
        RunError: The path or the list beside it holds something else, the unfinished shards belong to another job, or
            another process works on them.
    """

    def __init__(
        self,
        path: Path,
        job: Mapping[str, str],
        rows: int = SHARD_ROWS,
        seconds: float = SHARD_SECONDS,
    ) -> None:
        self.path = path
        self._job = json.dumps(dict(job), sort_keys=True).encode()
        self._most, self._seconds = rows, seconds
        self._parts = path.with_name(f"{path.name}.parts")
        self._note = self._parts / "job.json"
        self._listed = self._parts / "unreadable.csv"
        self._lock = FileLock(self._parts / ".lock")
        self._rows: list[dict[str, object]] = []
        self._observed: list[Columns] = []
        self._shards = 0
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        if not self.path.parent.is_dir():
            raise RunError(
                f"{self.path.parent}: no such folder; create it, or choose another --out"
            )
        if self.path.exists():
            self._clear_up()
            return self
        self._refuse_foreign_list()
        self._refuse_foreign_shards()
        self._parts.mkdir(exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunError(
                f"{self.path}: another process is scoring into it; wait for it, or choose another --out"
            ) from error
        self._shards = len(self._shard_files())
        return self

    def __exit__(self, *_error: object) -> None:
        if not self._lock.is_locked:
            return
        try:
            self.flush()
            if not self._shards:
                self._discard()
        finally:
            self._lock.release()

    @property
    def unreadable(self) -> Path:
        """Where the frames that could not be decoded are listed, with the reason."""
        return unreadable_beside(self.path)

    def finished(self) -> Count | None:
        """What the finished file of this very job holds; `None` if there is none yet."""
        if not self.path.exists():
            return None
        metadata = pq.read_metadata(self.path)
        return Count(metadata.num_rows, int(metadata.metadata.get(_BROKEN, 0)), earlier=True)

    @property
    def is_empty(self) -> bool:
        """Whether no frame was added, now or before."""
        return not (self._rows or self._shards)

    @property
    def has_scores(self) -> bool:
        """Whether any of them could be looked at."""
        self.flush()
        reasons = (_read(shard, ["reason"])["reason"] for shard in self._shard_files())
        return any(column.null_count for column in reasons)

    def done(self) -> Iterator[Done]:
        """What the shards hold, in order."""
        for shard in self._shard_files():
            table = _read(shard, ["source", "frame", "reason", "id"])
            for source, frame, reason, known in zip(*table.to_pydict().values(), strict=True):
                yield Done(source, frame, reason is not None, known)

    def count(self) -> Count:
        """How many rows the shards hold."""
        scored = broken = 0
        for shard in self._shard_files():
            table = _read(shard, ["reason"])
            broken += len(table) - table["reason"].null_count
            scored += table["reason"].null_count
        return Count(scored, broken)

    def add(self, record: Record, observed: Columns) -> None:
        """A frame, and its row of every column; it is safe on disk once its shard is full or some seconds have passed."""
        self._observed.append(observed)
        self._append(
            {
                "id": record.id,
                "source": record.source,
                "sequence": record.sequence,
                "place": record.place,
                "frame": record.frame,
                "width": record.width,
                "height": record.height,
            }
        )

    def add_broken(self, broken: Broken) -> None:
        """A frame that could not be decoded."""
        self._append({"source": broken.source, "frame": broken.frame, "reason": broken.reason})

    def flush(self) -> None:
        """Write the rows at hand as a shard."""
        if self._rows:
            if not self._shards:
                replace_file(self._note, self._job)
            buffer = io.BytesIO()
            pq.write_table(_shard(self._rows, self._observed), buffer)
            replace_file(self._parts / f"{self._shards:08d}.parquet", buffer.getvalue())
            # An interrupt does not come between bare assignments; elsewhere it would repeat rows.
            self._shards, self._rows, self._observed = self._shards + 1, [], []
        self._written = time.monotonic()

    def give_up(self) -> str:
        """Leave nothing at the path nor beside it, where no frame could be looked at.

        Returns:
            What was wrong with the first.
        """
        first = next(iter(self._shard_files()))
        reason = str(_read(first, ["reason"])["reason"][0].as_py())
        self._shards = 0
        return reason

    def finish(self) -> Count:
        """Make one file of all shards, and list what could not be decoded."""
        self.flush()
        self._refuse_foreign_list()
        count = self.count()
        whole = self._parts / "whole"
        self._merge(whole, count)
        if count.broken:
            self._list_broken()
        whole.replace(self.path)
        self._place_list()
        # Nothing is left to go on with, so the shards go when the file is left.
        self._shards = 0
        return count

    def _append(self, row: Mapping[str, object]) -> None:
        self._rows.append({name: _storable(value) for name, value in row.items()})
        if len(self._rows) >= self._most or time.monotonic() - self._written >= self._seconds:
            self.flush()

    def _clear_up(self) -> None:
        """Finish what a process left that died between its last steps."""
        if self._owner() != self._job:
            raise RunError(
                f"{self.path}: exists, and holds something else than this pool scored this way; choose another --out, "
                "or delete it"
            )
        shutil.rmtree(self._aside, ignore_errors=True)
        if not self._note.exists() or self._note.read_bytes() != self._job:
            return
        with suppress(Timeout), self._lock.acquire(timeout=0):
            self._place_list()
            self._discard()

    def _refuse_foreign_list(self) -> None:
        # Ours is put in place after the scores.
        if self.unreadable.exists():
            raise RunError(
                f"{self.unreadable}: exists, and belongs to no scores; move it away or delete it, or choose another --out"
            )

    def _refuse_foreign_shards(self) -> None:
        """Shards must say whose they are; a folder in which none were written may be anybody's."""
        found = [part for part in self._parts.glob("[!.]*") if part != self._note]
        if found and not (self._note.exists() and self._note.read_bytes() == self._job):
            raise RunError(
                f"{self._parts}: holds unfinished scores of another pool, detector or setting; finish those, delete the "
                "folder, or choose another --out"
            )

    @property
    def _aside(self) -> Path:
        return self._parts.with_name(f"{self._parts.name}.gone")

    def _discard(self) -> None:
        """Remove the shards; aside first, so that never a part of them is taken for the whole."""
        shutil.rmtree(self._aside, ignore_errors=True)
        self._parts.replace(self._aside)
        shutil.rmtree(self._aside)

    def _owner(self) -> bytes:
        try:
            metadata = pq.read_metadata(self.path).metadata or {}
        except (pa.ArrowInvalid, OSError):
            return b""
        return bytes(metadata.get(_JOB, b""))

    def _shard_files(self) -> list[Path]:
        return sorted(self._parts.glob("????????.parquet"))

    def _merge(self, whole: Path, count: Count) -> None:
        shards = self._shard_files()
        schema = _widest(shards)
        metadata = {_JOB: self._job, _BROKEN: str(count.broken).encode(), **(schema.metadata or {})}
        schema = schema.remove(schema.get_field_index(_REASON.name)).with_metadata(metadata)
        with pq.ParquetWriter(whole, schema, compression="zstd") as writer:
            for table in _grouped(shards):
                sound = table.filter(pc.is_null(table[_REASON.name]))
                if len(sound):
                    writer.write_table(sound.select(schema.names).cast(schema))
        _settle(whole)

    def _list_broken(self) -> None:
        with self._listed.open("w", newline="", encoding="utf-8") as lines:
            table = csv.writer(lines)
            table.writerow(["source", "frame", "reason"])
            for shard in self._shard_files():
                part = _read(shard, ["source", "frame", "reason"])
                rows = part.filter(pc.is_valid(part["reason"])).to_pylist()
                table.writerows(row.values() for row in rows)
        _settle(self._listed)

    def _place_list(self) -> None:
        if self._listed.exists():
            self._refuse_foreign_list()
            self._listed.replace(self.unreadable)


def _shard(rows: Sequence[Mapping[str, object]], observed: Sequence[Columns]) -> pa.Table:
    """Rows in the order given; what could not be decoded has no columns of its own."""
    table = pa.Table.from_pylist(list(rows), _SCHEMA.append(_REASON))
    if not observed:
        return table
    columns = {name: np.stack([np.asarray(row[name]) for row in observed]) for name in observed[0]}
    sound = pc.is_null(table[_REASON.name]).to_numpy()
    places = np.where(sound, np.cumsum(sound) - 1, -1)
    taken = pa.array(places, mask=~sound)
    for name, array in arrays_of(columns).items():
        table = table.append_column(name, array.take(taken))
    return table.replace_schema_metadata(shapes_of(columns))


def _widest(shards: Sequence[Path]) -> pa.Schema:
    """The schema of the shards; one that holds nothing but undecodable frames has fewer columns."""
    schemas = [pq.read_schema(shard) for shard in shards]
    return max(schemas, key=len, default=_SCHEMA.append(_REASON))


def _storable(value: object) -> object:
    """Text that any file can hold: of a name that is not UTF-8, the odd bytes are spelt out."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _settle(path: Path) -> None:
    """Wait until a file is safe on disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _grouped(shards: Sequence[Path]) -> Iterator[pa.Table]:
    """The shards in tables of a size that suits a row group."""
    held: list[pa.Table] = []
    for shard in shards:
        held.append(_read(shard))
        if len(held) == _GROUP_SHARDS:
            # A table takes far more memory than a row.
            held = [pa.concat_tables(held, promote_options="default").combine_chunks()]
        if sum(map(len, held)) >= _GROUP_ROWS:
            yield pa.concat_tables(held, promote_options="default")
            held = []
    if held:
        yield pa.concat_tables(held, promote_options="default")


def _read(shard: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        with pq.ParquetFile(shard) as file:
            return file.read(columns, use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{shard}: cannot be read ({error}); delete {shard.parent} and run the same command again"
        ) from error
