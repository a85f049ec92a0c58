"""Frames chosen from a pool, written for whoever labels them, and read again.

| ending | holds |
|---|---|
| `.csv`, `.jsonl`, `.parquet` | a row a frame: `rank`, `id`, `path`, `frame`, `score`, `smoothed`, `reason`, `sequence`, `place`, `width`, `height` |
| `.json` | the frames as the images of a COCO file without annotations, the same columns beside; frame N of a video is `PATH#N` |
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from thrifty.errors import DataError, RunError
from thrifty.files import replace_file
from thrifty.tables import read_table
from thrifty.timeline import STILL, Timeline
from thrifty.types import IntArray

_TYPES = {
    "rank": pa.int64(),
    "id": pa.string(),
    "path": pa.string(),
    "frame": pa.int64(),
    "score": pa.float64(),
    "smoothed": pa.float64(),
    "reason": pa.string(),
    "sequence": pa.string(),
    "place": pa.int64(),
    "width": pa.int64(),
    "height": pa.int64(),
}
ENDINGS = (".csv", ".jsonl", ".parquet", ".json")


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


def one_line(error: Exception) -> str:
    """What went wrong with a file."""
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
    schema = pa.schema(list(_TYPES.items()))
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
            np.int64(int(row.get("place") or 0))
    except KeyError as error:
        raise DataError(f"{path}: has no {error}; give what `thrifty select` wrote") from error
    except (
        OSError,
        ValueError,
        OverflowError,
        TypeError,
        AttributeError,
        pa.ArrowException,
    ) as error:
        raise DataError(
            f"{path}: cannot be read as chosen frames ({one_line(error)}); give what `thrifty select` wrote"
        ) from error
    return rows


def _from_csv(path: Path) -> list[Mapping[str, Any]]:
    return [cells for _, cells in read_table(path)[1]]


def _from_lines(path: Path) -> list[Mapping[str, Any]]:
    # A name may hold what else ends a line in some alphabets.
    lines = path.read_text(encoding="utf-8").split("\n")
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
