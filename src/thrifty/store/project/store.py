"""The memory of a project. Whatever changes it does so in one transaction, together with the event that tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from thrifty.errors import RunError
from thrifty.store.project import schema
from thrifty.store.project.conversion import (
    box_values,
    choice_of,
    choice_values,
    detections_of,
    digest_of,
    draft_of,
    draft_values,
    found_values,
    frame_values,
    label_of,
    label_values,
    outcome_of,
)
from thrifty.store.project.database import Database
from thrifty.store.project.rows import (
    Batch,
    Choice,
    Draft,
    Evaluation,
    Event,
    Held,
    Label,
    Model,
    NewBatch,
    Role,
    Source,
)
from thrifty.types import Detections

Arguments = Mapping[str, Any]
Value = TypeVar("Value", Source, Model, Batch, Held, Evaluation, Event)


def now() -> str:
    """The time, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Told:
    """What the log says of a change.

    Attributes:
        command: Its name.
        arguments: What it was told.
        settings: The project's settings, TOML.
    """

    command: str
    arguments: Arguments
    settings: str


class ProjectStore:
    """The memory of one project.

    Args:
        database: Where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def turn(self, waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Long work, one process at a time; saving labels waits for none of it.

        Args:
            waiting: Called once if another process is at work.
        """
        return self._database.turn(waiting)

    def check_turn(self) -> None:
        """Before long work leaves anything behind outside this memory: as every change here does; see `Database.check_turn`."""
        self._database.check_turn()

    # -- sources -------------------------------------------------------------------------------------------------

    def add_source(
        self, role: Role, path: str, options: Arguments, digest: str, told: Told
    ) -> bool:
        """Remember files. Those that are known keep their number; their options and digest are those told last.

        Returns:
            Whether anything is new.
        """
        values = {"options": dict(options), "digest": digest}
        table = schema.SOURCE
        with self._database.writing() as connection:
            known = connection.execute(
                select(table).where(table.c.role == role, table.c.path == path)
            ).one_or_none()
            if known is None:
                _inserted(connection, table, {"role": role, "path": path, **values})
            elif {"options": known.options, "digest": known.digest} == values:
                return False
            else:
                connection.execute(
                    update(table).where(table.c.number == known.number).values(**values)
                )
            _log(connection, told, {"digest": digest})
        return True

    def sources(self, role: Role) -> list[Source]:
        """Files of one role, in the order in which they were added."""
        found = self._values(Source, schema.SOURCE, role=role)
        return [replace(source, role=role) for source in found]

    def last_settings(self) -> str | None:
        """The project's settings when it was last changed, TOML; `None` before that."""
        query = select(schema.EVENT.c.settings).order_by(schema.EVENT.c.number.desc()).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def sent_settings(self) -> dict[int, str]:
        """The project's settings when each batch was sent last, TOML, by the batch's number, in order of sending."""
        return {
            row.outcome["batch"]: row.settings for row in self._rows(schema.EVENT, command="send")
        }

    # -- models --------------------------------------------------------------------------------------------------

    def add_model(self, model: Model, lessons: Sequence[int], told: Told) -> Model:
        """Remember a detector, and the labels that it learned from."""
        values = asdict(model) | {"at": now()}
        del values["number"]
        with self._database.writing() as connection:
            number = _inserted(connection, schema.MODEL, values)
            _insert(
                connection, schema.LESSON, [{"model": number, "label": label} for label in lessons]
            )
            _log(connection, told, {"model": model.digest})
        return next(one for one in self.models() if one.number == number)

    def models(self) -> list[Model]:
        """All detectors, oldest first."""
        return [
            model if model.classes is None else replace(model, classes=tuple(model.classes))
            for model in self._values(Model, schema.MODEL)
        ]

    def lessons(self, model: int) -> list[int]:
        """Numbers of the labels that a model learned from."""
        return sorted(row.label for row in self._rows(schema.LESSON, model=model))

    # -- batches -------------------------------------------------------------------------------------------------

    def add_batch(self, batch: NewBatch, told: Told) -> Batch:
        """Remember a choice.

        Raises:
            RunError: A frame of it has been chosen by somebody else in the meantime.
        """
        try:
            with self._database.writing() as connection:
                number = _inserted(
                    connection,
                    schema.BATCH,
                    {"at": now(), "model": batch.model, "strategy": batch.strategy},
                )
                _insert(connection, schema.FRAME, [frame_values(one) for one in batch.choices])
                _insert(
                    connection,
                    schema.CHOICE,
                    [choice_values(choice, number) for choice in batch.choices],
                )
                _insert(
                    connection,
                    schema.HELD,
                    [asdict(held) | {"batch": number} for held in batch.held],
                )
                _insert(connection, schema.FOUND, list(found_values(batch.found)))
                _log(connection, told, outcome_of(batch))
        except IntegrityError as error:
            raise RunError(
                "another process has chosen some of these frames meanwhile; run the same command again"
            ) from error
        return next(one for one in self.batches() if one.number == number)

    def batches(self) -> list[Batch]:
        """All batches, oldest first."""
        return self._values(Batch, schema.BATCH)

    def choices(self, batch: int | None = None) -> list[Choice]:
        """Chosen frames, of one batch or of all, in the order taken."""
        query = select(schema.CHOICE, schema.FRAME).join(schema.FRAME)
        if batch is not None:
            query = query.where(schema.CHOICE.c.batch == batch)
        query = query.order_by(schema.CHOICE.c.batch, schema.CHOICE.c.rank)
        with self._database.reading() as connection:
            return [choice_of(row) for row in connection.execute(query)]

    def held(self, batch: int) -> list[Held]:
        """Frames that a batch passed over, highest first."""
        found = self._values(Held, schema.HELD, batch=batch)
        return sorted(found, key=lambda held: (-held.smoothed, held.record_id))

    def found(self, record_ids: Iterable[str]) -> dict[str, Detections]:
        """What the detector saw in frames when they were chosen, by record id."""
        rows: dict[str, list[Row[Any]]] = {}
        with self._database.reading() as connection:
            for row in _of_records(connection, schema.FOUND, list(record_ids)):
                rows.setdefault(row.record_id, []).append(row)
        return {record_id: detections_of(found) for record_id, found in rows.items()}

    def mark_sent(
        self,
        batch: int,
        tool: str,
        reference: Mapping[str, str],
        tasks: Mapping[str, str],
        told: Told,
    ) -> None:
        """Remember where a batch was sent, and as what."""
        with self._database.writing() as connection:
            connection.execute(
                update(schema.BATCH)
                .where(schema.BATCH.c.number == batch)
                .values(tool=tool, reference=dict(reference), sent=now())
            )
            for record_id, task in tasks.items():
                connection.execute(
                    update(schema.CHOICE)
                    .where(schema.CHOICE.c.record_id == record_id)
                    .values(task=task)
                )
            _log(connection, told, {"batch": batch, "frames": len(tasks)})

    # -- labels --------------------------------------------------------------------------------------------------

    def add_labels(self, labels: Sequence[Label], told: Told, *, just_now: bool = False) -> int:
        """Remember labels; one that says again what its origin said last of the frame changes nothing, whoever says it.

        So a tool that is asked again does not undo what was drawn elsewhere since, nor does a job there that goes to somebody else.

        Args:
            labels: At most one a frame.
            told: What the log shall say.
            just_now: They were drawn just now, so they count unless the label that counts says the same.

        Returns:
            How many were new.
        """
        with self._database.writing() as connection:
            known = _of_records(connection, schema.LABEL, [label.record_id for label in labels])
            said = {(row.record_id, "" if just_now else row.origin): row for row in known}
            fresh = [
                label
                for label in labels
                if not _says(said.get((label.record_id, "" if just_now else label.origin)), label)
            ]
            for label in sorted(fresh, key=lambda label: label.record_id):
                _add_label(connection, label)
            # A tool that says nothing new does not know of what somebody draws here meanwhile.
            ended = [label.record_id for label in (labels if just_now else fresh)]
            for part in _parts(ended):
                connection.execute(delete(schema.DRAFT).where(schema.DRAFT.c.record_id.in_(part)))
            if fresh:
                drawn = {label.record_id: digest_of(label) for label in fresh}
                _log(connection, told, {"labels": dict(sorted(drawn.items()))})
        return len(fresh)

    def history(self, record_id: str | None = None) -> list[Label]:
        """All labels ever, of one frame or of all, oldest first."""
        chosen = {} if record_id is None else {"record_id": record_id}
        rows = self._rows(schema.LABEL, **chosen)
        boxes = self._boxes([row.number for row in rows])
        return [label_of(row, boxes.get(row.number, [])) for row in rows]

    def labels(self) -> dict[str, Label]:
        """The label that counts of each labelled frame, by record id."""
        return {label.record_id: label for label in self.history()}

    def save_draft(self, record_id: str, draft: Draft) -> None:
        """Keep what somebody is at work on; nothing of it counts yet, and the log does not tell."""
        values = {"at": now(), "boxes": draft_values(draft.drawn), "seconds": draft.seconds}
        with self._database.writing() as connection:
            connection.execute(delete(schema.DRAFT).where(schema.DRAFT.c.record_id == record_id))
            connection.execute(insert(schema.DRAFT).values(record_id=record_id, **values))

    def draft(self, record_id: str) -> Draft | None:
        """What somebody has begun to draw, if it has not become a label."""
        rows = self._rows(schema.DRAFT, record_id=record_id)
        return Draft(draft_of(rows[0].boxes), rows[0].seconds) if rows else None

    # -- evaluations ---------------------------------------------------------------------------------------------

    def add_evaluation(self, evaluation: Evaluation, told: Told) -> None:
        """Remember figures."""
        with self._database.writing() as connection:
            _insert(connection, schema.EVALUATION, [asdict(evaluation) | {"at": now()}])
            figures = asdict(evaluation)
            del figures["at"]
            _log(connection, told, figures)

    def evaluations(self) -> list[Evaluation]:
        """All figures, in the order of the models, oldest first."""
        found = self._values(Evaluation, schema.EVALUATION)
        return sorted(found, key=lambda one: (one.model, one.data, one.at))

    # -- log -----------------------------------------------------------------------------------------------------

    def note(self, told: Told, outcome: Arguments) -> None:
        """Remember that something was done which leaves nothing else behind."""
        with self._database.writing() as connection:
            _log(connection, told, outcome)

    def events(self) -> list[Event]:
        """All that was done, oldest first."""
        return self._values(Event, schema.EVENT)

    # -- reading -------------------------------------------------------------------------------------------------

    def _values(self, kind: type[Value], table: Table, **equal: object) -> list[Value]:
        """Rows as values whose fields are called as columns of the table."""
        names = [field.name for field in fields(kind)]
        rows = self._rows(table, **equal)
        return [kind(*(getattr(row, name) for name in names)) for row in rows]

    def _rows(self, table: Table, **equal: object) -> Sequence[Row[Any]]:
        query = select(table).order_by(*table.primary_key.columns)
        for name, value in equal.items():
            query = query.where(table.c[name] == value)
        with self._database.reading() as connection:
            return connection.execute(query).all()

    def _boxes(self, labels: Sequence[int]) -> dict[int, list[Row[Any]]]:
        boxes: dict[int, list[Row[Any]]] = {}
        table = schema.BOX
        with self._database.reading() as connection:
            for part in _parts(labels):
                query = select(table).where(table.c.label.in_(part)).order_by(table.c.number)
                for row in connection.execute(query):
                    boxes.setdefault(row.label, []).append(row)
        return boxes


_PART = 500
"""Values in one query: databases bound how many they take."""


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(values), _PART):
        yield values[first : first + _PART]


def _says(row: Row[Any] | None, label: Label) -> bool:
    return row is not None and row.digest == digest_of(replace(label, annotator=row.annotator))


def _of_records(
    connection: Connection, table: Table, record_ids: Sequence[str]
) -> Iterator[Row[Any]]:
    """Rows of some records; those of each in the order of their keys."""
    for part in _parts(record_ids):
        query = (
            select(table).where(table.c.record_id.in_(part)).order_by(*table.primary_key.columns)
        )
        yield from connection.execute(query)


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), list(rows))


def _inserted(connection: Connection, table: Table, values: Mapping[str, Any]) -> int:
    """The number that a row was given.

    It is the next one, without gaps: writers take turns, and no row is ever deleted from these tables. Counters of databases go on
    counting where a transaction was undone, so the same history would not lead to the same numbers.
    """
    number = (connection.scalar(select(func.max(table.c.number))) or 0) + 1
    connection.execute(insert(table).values(number=number, **values))
    return int(number)


def _add_label(connection: Connection, label: Label) -> None:
    number = _inserted(connection, schema.LABEL, label_values(label) | {"at": now()})
    _insert(connection, schema.BOX, box_values(number, label.drawn))


def _log(connection: Connection, told: Told, outcome: Arguments) -> None:
    values = asdict(told) | {"at": now(), "outcome": dict(outcome)}
    _inserted(connection, schema.EVENT, values)
