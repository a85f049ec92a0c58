"""A file of scores that grows while a pool is scored, and is whole or absent whenever that stops.

Rows go into numbered shards beside the file that is to be, each written at once. When all are there, the shards become
one Parquet file, and what could not be decoded a table of its own. Memory holds one shard.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from thrifty.data.pool import Broken, Done
from thrifty.errors import DataError, RunError
from thrifty.files import replace_file
from thrifty.types import Record

_SHARD_ROWS = 4096
_SHARD_SECONDS = 20.0
_JOB = b"thrifty.job"
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("sequence", pa.string()),
        ("place", pa.int64()),
        ("frame", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("score", pa.float64()),
    ]
)
_SHARD_SCHEMA = _SCHEMA.append(pa.field("reason", pa.string()))


@dataclass(frozen=True, slots=True)
class Count:
    """How many frames a score file holds, and how many could not be decoded."""

    scored: int = 0
    broken: int = 0


def unreadable_beside(path: Path) -> Path:
    """Where the frames that could not be decoded are listed, beside a file of scores."""
    return path.with_name(f"{path.stem}.unreadable.csv")


class ScoreFile:
    """Scores of a pool on their way to `path`. Use it as a context manager.

    Args:
        path: The Parquet file to be: `id`, `source`, `sequence`, `place`, `frame`, `width`, `height`, `score`, one row
            a frame in the order of the pool.
        job: Everything that decides the scores. Shards and files of another job are never mixed with this one's.

    Raises:
        RunError: The path holds something else, the unfinished shards beside it belong to another job, or another
            process works on them.
    """

    def __init__(self, path: Path, job: Mapping[str, str]) -> None:
        self.path = path
        self._job = json.dumps(dict(job), sort_keys=True)
        self._parts = path.with_name(f"{path.name}.parts")
        self._lock = FileLock(self._parts / ".lock")
        self._rows: list[dict[str, object]] = []
        self._shards = 0
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        if not self.path.parent.is_dir():
            raise RunError(
                f"{self.path.parent}: no such folder; create it, or choose another --out"
            )
        if self.path.exists():
            if self._owner() != self._job:
                raise RunError(
                    f"{self.path}: exists, and holds something else than this pool scored this way; choose another --out, "
                    "or delete it"
                )
            return self
        self._parts.mkdir(exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunError(
                f"{self.path}: another process is scoring into it; wait for it, or choose another --out"
            ) from error
        try:
            self._claim()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            self.flush()
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
        listed = 0
        if self.unreadable.exists():
            with self.unreadable.open(newline="", encoding="utf-8") as lines:
                listed = sum(1 for _ in csv.DictReader(lines))
        return Count(pq.read_metadata(self.path).num_rows, listed)

    def done(self) -> Iterator[Done]:
        """What the shards hold, in order."""
        for shard in self._shard_files():
            table = _read(shard, ["source", "frame", "reason"])
            for source, frame, reason in zip(*table.to_pydict().values(), strict=True):
                yield Done(source, frame, reason is not None)

    def count(self) -> Count:
        """How many rows the shards hold."""
        scored = broken = 0
        for shard in self._shard_files():
            table = _read(shard, ["reason"])
            broken += len(table) - table["reason"].null_count
            scored += table["reason"].null_count
        return Count(scored, broken)

    def add(self, record: Record, score: float) -> None:
        """A frame's score; it is safe on disk once its shard is full or some seconds have passed."""
        self._append(
            {
                "id": record.id,
                "source": record.source,
                "sequence": record.sequence,
                "place": record.place,
                "frame": record.frame,
                "width": record.width,
                "height": record.height,
                "score": score,
            }
        )

    def add_broken(self, broken: Broken) -> None:
        """A frame that could not be decoded."""
        self._append({"source": broken.source, "frame": broken.frame, "reason": broken.reason})

    def flush(self) -> None:
        """Write the rows at hand as a shard."""
        if self._rows:
            buffer = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(self._rows, _SHARD_SCHEMA), buffer)
            replace_file(self._parts / f"{self._shards:08d}.parquet", buffer.getvalue())
            self._shards += 1
            self._rows = []
        self._written = time.monotonic()

    def finish(self) -> Count:
        """Make one file of all shards, list what could not be decoded, and remove the shards."""
        self.flush()
        count = self.count()
        self._list_broken()
        passing = self._parts / "whole"
        schema = _SCHEMA.with_metadata({_JOB: self._job.encode()})
        with pq.ParquetWriter(passing, schema, compression="zstd") as writer:
            for shard in self._shard_files():
                table = _read(shard)
                table = table.filter(pc.is_null(table["reason"]))
                writer.write_table(table.drop_columns(["reason"]).cast(schema))
        with passing.open("rb") as file:
            os.fsync(file.fileno())
        passing.replace(self.path)
        shutil.rmtree(self._parts)
        return count

    def _append(self, row: dict[str, object]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _SHARD_ROWS or time.monotonic() - self._written > _SHARD_SECONDS:
            self.flush()

    def _claim(self) -> None:
        note = self._parts / "job.json"
        if not note.exists():
            replace_file(note, self._job.encode())
        if note.read_text() != self._job:
            raise RunError(
                f"{self._parts}: holds unfinished scores of another pool, detector or setting; finish those, delete the "
                "folder, or choose another --out"
            )
        self._shards = len(self._shard_files())

    def _owner(self) -> str:
        try:
            metadata = pq.read_schema(self.path).metadata or {}
        except (pa.ArrowInvalid, OSError):
            return ""
        return str(metadata.get(_JOB, b"").decode())

    def _shard_files(self) -> list[Path]:
        return sorted(self._parts.glob("????????.parquet"))

    def _list_broken(self) -> None:
        lines = io.StringIO()
        table = csv.writer(lines)
        table.writerow(["source", "frame", "reason"])
        found = False
        for shard in self._shard_files():
            part = _read(shard, ["source", "frame", "reason"])
            rows = part.filter(pc.is_valid(part["reason"])).to_pylist()
            table.writerows(row.values() for row in rows)
            found = found or bool(rows)
        if found:
            replace_file(self.unreadable, lines.getvalue().encode())
        else:
            self.unreadable.unlink(missing_ok=True)


def _read(shard: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(shard, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{shard}: cannot be read ({error}); delete {shard.parent} and run the same command again"
        ) from error
