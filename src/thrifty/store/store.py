"""The store of one run: an output folder with a database and the files it names.

A stage's rows and the mark that it is done are committed in one transaction. Its files are written before, each under
a temporary name and renamed when whole, so whatever moment a process dies at, the database names only whole files.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from sqlalchemy import Connection, Engine, Row, Table, create_engine, delete, event, insert, select
from sqlalchemy.exc import DatabaseError

from thrifty.errors import RunError
from thrifty.files import replace_file
from thrifty.store import schema
from thrifty.store.schema import Artifact, ChoiceRow, EvaluationRow, HeldRow, Key, UnreadableRow
from thrifty.types import Annotations

_DATABASE = "run.sqlite"
_LOCK = ".lock"
_FILES = "files"
_LOCK_SECONDS = 60
_THEN = "; then "
"""Between the values that a fact has had, one process after the other."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that a stage leaves behind."""

    choices: Sequence[ChoiceRow] = ()
    held: Sequence[HeldRow] = ()
    unreadable: Sequence[UnreadableRow] = ()
    artifacts: Sequence[Artifact] = ()
    labels: Mapping[str, Annotations] = field(default_factory=dict)
    batch: str | None = None
    evaluation: EvaluationRow | None = None


class RunStore:
    """One run's memory. Open it with `open_store`."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder
        self._engine = engine

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # -- writing -------------------------------------------------------------------------------------------------

    def write_file(self, kind: str, name: str, content: bytes) -> Artifact:
        """Write a file whole or not at all; `finish` makes the store remember it.

        Args:
            kind: What the file is ("weights", "scores").
            name: Its name, unique in the run.
            content: Its bytes.
        """
        folder = self.folder / _FILES
        with _guarded(self.folder):
            folder.mkdir(exist_ok=True)
            replace_file(folder / name, content)
        return Artifact(kind, f"{_FILES}/{name}", hashlib.sha256(content).hexdigest())

    def finish(self, key: Key, stage: str, outcome: Outcome, seconds: float) -> None:
        """Commit a stage: all of its rows and the mark that it is done, in one transaction."""
        arm = dataclasses.asdict(key)
        with _guarded(self.folder), self._engine.begin() as connection:
            _insert(
                connection,
                schema.CHOICE,
                [arm | dataclasses.asdict(row) for row in outcome.choices],
            )
            _insert(
                connection, schema.HELD, [arm | dataclasses.asdict(row) for row in outcome.held]
            )
            _insert(
                connection,
                schema.ARTIFACT,
                [arm | dataclasses.asdict(row) for row in outcome.artifacts],
            )
            _insert(connection, schema.LABEL, [arm | row for row in _label_rows(outcome.labels)])
            if outcome.batch is not None:
                _insert(connection, schema.BATCH, [arm | {"name": outcome.batch}])
            if outcome.evaluation is not None:
                _insert(
                    connection, schema.EVALUATION, [arm | dataclasses.asdict(outcome.evaluation)]
                )
            _insert(
                connection,
                schema.UNREADABLE,
                [arm | dataclasses.asdict(row) for row in dict.fromkeys(outcome.unreadable)],
            )
            _insert(connection, schema.STAGE, [arm | {"stage": stage, "seconds": seconds}])

    def describe_once(self, facts: Mapping[str, str]) -> None:
        """Remember facts about the run; what is known already stays as it is."""
        known = self.facts()
        rows = [{"key": key, "value": value} for key, value in facts.items() if key not in known]
        with _guarded(self.folder), self._engine.begin() as connection:
            _insert(connection, schema.RUN, rows)

    def describe_process(self, facts: Mapping[str, str]) -> None:
        """Remember facts that may differ from one process of the run to the next: every value a key has had, in their order."""
        known = self.facts()
        with _guarded(self.folder), self._engine.begin() as connection:
            for key, value in facts.items():
                had = known[key].split(_THEN) if key in known else []
                if value in had:
                    continue
                connection.execute(delete(schema.RUN).where(schema.RUN.c.key == key))
                _insert(connection, schema.RUN, [{"key": key, "value": _THEN.join([*had, value])}])

    # -- reading -------------------------------------------------------------------------------------------------

    def is_done(self, key: Key, stage: str) -> bool:
        """Whether a stage has been committed."""
        return any(row.stage == stage for row in self._rows(schema.STAGE, key))

    def facts(self) -> dict[str, str]:
        """Everything told to `describe_once` and `describe_process`."""
        with _guarded(self.folder), self._engine.connect() as connection:
            return {row.key: row.value for row in connection.execute(select(schema.RUN))}

    def seconds(self) -> float:
        """Time spent in all finished stages, seconds."""
        with _guarded(self.folder), self._engine.connect() as connection:
            return float(sum(row.seconds for row in connection.execute(select(schema.STAGE))))

    def choices(self, key: Key) -> list[ChoiceRow]:
        """The frames of one cycle, in the order taken."""
        rows = sorted(self._rows(schema.CHOICE, key), key=lambda row: int(row.rank))
        return [
            ChoiceRow(row.rank, row.record_id, row.score, row.smoothed, row.dropped, row.reason)
            for row in rows
        ]

    def held(self, key: Key) -> list[HeldRow]:
        """The frames that the rules passed over in one cycle, highest score first."""
        rows = [
            HeldRow(row.record_id, row.smoothed, row.rule, row.because, row.distance)
            for row in self._rows(schema.HELD, key)
        ]
        return sorted(rows, key=lambda row: (-row.smoothed, row.record_id))

    def batch(self, key: Key) -> str:
        """Name of the batch that one cycle submitted."""
        return str(self._rows(schema.BATCH, key)[0].name)

    def labels(self, key: Key) -> dict[str, Annotations]:
        """Labels collected in one cycle, by record id; frames without objects are there, empty."""
        drawn: dict[str, list[Row[Any]]] = {row.record_id: [] for row in self.choices(key)}
        for row in sorted(self._rows(schema.LABEL, key), key=lambda row: int(row.number)):
            drawn[row.record_id].append(row)
        return {record_id: _annotations(rows) for record_id, rows in drawn.items()}

    def evaluation(self, key: Key) -> EvaluationRow | None:
        """Figures after one cycle, or `None` where it was not evaluated yet."""
        rows = self._rows(schema.EVALUATION, key)
        return (
            EvaluationRow(
                *(getattr(rows[0], field.name) for field in dataclasses.fields(EvaluationRow))
            )
            if rows
            else None
        )

    def unreadable(self, arm: Key | None = None) -> list[UnreadableRow]:
        """Frames found unreadable: by the arm and seed of a key, in whatever cycle, or by anyone.

        Arms do not learn from each other what cannot be read, or else their choices would depend on who came first.
        """
        columns = schema.UNREADABLE.c
        query = select(columns.role, columns.record_id, columns.reason).distinct()
        if arm is not None:
            query = query.where(columns.seed == arm.seed, columns.strategy == arm.strategy)
        with _guarded(self.folder), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return sorted((UnreadableRow(*row) for row in rows), key=dataclasses.astuple)

    def file(self, key: Key, kind: str) -> Path:
        """Path of a file that a stage wrote.

        Raises:
            RunError: It is gone or has been changed since.
        """
        row = next(row for row in self._rows(schema.ARTIFACT, key) if row.kind == kind)
        path = self.folder / str(row.path)
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row.digest:
            raise RunError(
                f"{path}: is missing or was changed since the run wrote it; delete {self.folder} and run again"
            )
        return path

    def _rows(self, table: Table, key: Key) -> Sequence[Row[Any]]:
        columns = table.c
        query = select(table).where(
            columns.seed == key.seed, columns.strategy == key.strategy, columns.cycle == key.cycle
        )
        with _guarded(self.folder), self._engine.connect() as connection:
            return connection.execute(query).all()


@contextmanager
def open_store(folder: Path, name: str, digest: str) -> Iterator[RunStore]:
    """Open or begin a run in a folder, and keep others out while it is open.

    Args:
        folder: The output folder; made if missing.
        name: Name of the recipe.
        digest: Identity of the recipe and its data.

    Raises:
        RunError: The folder holds something else, another recipe's run, or a run that another process works on.
    """
    check_folder(folder)
    with _guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / _LOCK, blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise RunError(
            f"{folder}: another process works on this run; wait for it or choose another --out"
        ) from error
    try:
        # What a killed process left half-written.
        for leftover in (folder / _FILES).glob(".*"):
            leftover.unlink()
        with closing(_open(folder, name, digest)) as store:
            yield store
    finally:
        lock.release()


def read_store(folder: Path) -> RunStore:
    """A run that the main process holds open, for a worker that only reads rows and writes files."""
    return RunStore(
        folder,
        create_engine(f"sqlite:///{folder / _DATABASE}", connect_args={"timeout": _LOCK_SECONDS}),
    )


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot become a run's.

    Raises:
        RunError: It is a file, or holds files that are not a run's.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: is a file; choose a folder with --out")
    strangers = folder.is_dir() and any(entry.name != _LOCK for entry in folder.iterdir())
    if strangers and not (folder / _DATABASE).is_file():
        raise RunError(
            f"{folder}: holds other files and no run; choose an empty or new folder with --out"
        )


def _open(folder: Path, name: str, digest: str) -> RunStore:
    engine = create_engine(
        f"sqlite:///{folder / _DATABASE}", connect_args={"timeout": _LOCK_SECONDS}
    )
    event.listen(engine, "connect", _durable)
    with _guarded(folder):
        schema.METADATA.create_all(engine)
        store = RunStore(folder, engine)
        facts = store.facts()
    if not facts:
        store.describe_once({"recipe": name, "digest": digest, "schema": str(schema.VERSION)})
    elif facts.get("schema") != str(schema.VERSION):
        raise RunError(
            f"{folder}: was written by another version of thrifty; choose another --out or delete the folder"
        )
    elif facts["digest"] != digest:
        raise RunError(
            f"{folder}: belongs to another recipe ('{facts['recipe']}', or an earlier form of it); "
            "choose another --out or delete the folder"
        )
    return store


def _durable(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
    connection.execute("PRAGMA synchronous=FULL")


@contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    """Turn what a full disk, a read-only folder, or a locked or damaged database raise into one line for people."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{folder}: cannot write ({error.strerror}); make room or correct its permissions, then run the same "
            "command again"
        ) from error
    except DatabaseError as error:
        raise RunError(
            f"{folder / _DATABASE}: {error.orig}; make room or correct its permissions and run the same command again, "
            "or delete the folder if the database is damaged"
        ) from error


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), list(rows))


def _label_rows(labels: Mapping[str, Annotations]) -> Iterator[dict[str, Any]]:
    for record_id, drawn in labels.items():
        for number, (box, class_index, ignore) in enumerate(
            zip(drawn.boxes.tolist(), drawn.classes.tolist(), drawn.ignore.tolist(), strict=True)
        ):
            corners = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
            yield {
                "record_id": record_id,
                "number": number,
                "class": class_index,
                "ignore": ignore,
            } | corners


def _annotations(rows: Sequence[Row[Any]]) -> Annotations:
    return Annotations(
        np.array([[row.x1, row.y1, row.x2, row.y2] for row in rows], dtype=np.float64),
        np.array([row._mapping["class"] for row in rows], dtype=np.int64),
        np.array([row.ignore for row in rows], dtype=np.bool_),
    )
