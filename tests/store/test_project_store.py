"""The database of a project: how it changes form, and what it refuses."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, event, insert, select, text
from sqlalchemy.exc import IntegrityError

from thrifty.errors import RunError
from thrifty.store.project import schema
from thrifty.store.project import store as store_module
from thrifty.store.project.database import Database, migrations
from thrifty.store.project.engines import Holder, SqliteFile
from thrifty.store.project.rows import Choice, Draft, Label, NewBatch, Role
from thrifty.store.project.store import ProjectStore, Told
from thrifty.types import Annotations, Detections, Record

TOLD = Told("test", {}, "")


def choice(rank: int, number: int) -> Choice:
    record = Record(f"id{number}", "v.avi", 20, 10, "v", number, number)
    return Choice(0, rank, record, 1, shadow=rank == 2, score=0.5, smoothed=0.4, reason="so")


@pytest.fixture
def store(holder: Holder) -> Iterator[ProjectStore]:
    with closing(Database(holder)) as database:
        made = ProjectStore(database)
        made.add_source(Role.POOL, "/pool", {"every": 2}, "", TOLD)
        yield made


def _written(holder: Holder) -> Engine:
    return holder.engine().execution_options(writes=True)


def test_the_migrations_lead_to_the_tables_as_they_are_declared(holder: Holder) -> None:
    with closing(Database(holder)) as database, database.reading() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, schema.METADATA) == []


def test_an_older_database_is_brought_to_the_present_form_with_all_it_holds(holder: Holder) -> None:
    config = migrations()
    engine = _written(holder)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        row = {"role": "pool", "path": "/p", "options": {}, "digest": ""}
        connection.execute(insert(schema.SOURCE).values(**row))
    engine.dispose()
    with closing(Database(holder)) as database:
        store = ProjectStore(database)
        assert [source.path for source in store.sources(Role.POOL)] == ["/p"]
        assert store.draft("nobody") is None


def test_a_database_of_a_later_version_is_left_alone(holder: Holder) -> None:
    Database(holder).close()
    engine = _written(holder)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(RunError, match="was written by a later version of thrifty"):
        Database(holder)


def test_what_is_no_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "project.sqlite"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 30)
    with pytest.raises(RunError, match="file is not a database; restore it from a copy"):
        Database(SqliteFile(path))


def test_a_batch_is_remembered_whole_or_not_at_all(store: ProjectStore) -> None:
    found = {"id3": Detections(np.array([[1.0, 2, 3, 4]]), np.array([0.5]), np.array([1]))}
    batch = store.add_batch(NewBatch(None, "random", [choice(1, 3), choice(2, 1)], (), found), TOLD)
    assert [one.record.id for one in store.choices(batch.number)] == ["id3", "id1"]
    assert [one.shadow for one in store.choices()] == [False, True]
    assert store.choices()[0].record == choice(1, 3).record
    assert store.found(["id3", "id1"])["id3"].boxes.tolist() == [[1, 2, 3, 4]]
    events = len(store.events())
    with pytest.raises(RunError, match="another process has chosen some of these frames"):
        store.add_batch(NewBatch(None, "random", [choice(1, 7), choice(2, 3)], (), {}), TOLD)
    assert (len(store.batches()), len(store.choices()), len(store.events())) == (1, 2, events)
    store.mark_sent(batch.number, "folder", {"folder": "x"}, {"id3": "t3"}, TOLD)
    assert store.batches()[0].reference == {"folder": "x"}
    assert [one.task for one in store.choices()] == ["t3", None]


def test_labels_of_frames_that_nobody_chose_are_refused(store: ProjectStore) -> None:
    with pytest.raises(IntegrityError):
        store.add_labels([Label(0, "nobody", Annotations(np.zeros((0, 4))), "ui")], TOLD)
    assert store.history() == []


def test_a_draft_is_kept_until_it_becomes_a_label(store: ProjectStore) -> None:
    store.add_batch(NewBatch(None, "random", [choice(1, 3)], (), {}), TOLD)
    drawn = Annotations(
        np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]]), np.array([0, 2]), np.array([False, True])
    )
    store.save_draft("id3", Draft(drawn, 3.0))
    store.save_draft("id3", Draft(drawn, 5.5))
    kept = store.draft("id3")
    assert kept is not None
    assert kept.seconds == 5.5
    assert kept.drawn.boxes.tolist() == drawn.boxes.tolist()
    assert (kept.drawn.classes.tolist(), kept.drawn.ignore.tolist()) == ([0, 2], [False, True])
    assert store.labels() == {}
    assert store.add_labels([Label(0, "id3", drawn, "ui", "me", 5.5)], TOLD) == 1
    assert store.draft("id3") is None
    assert store.labels()["id3"].drawn.boxes.tolist() == drawn.boxes.tolist()


def test_a_tool_that_says_again_what_it_said_undoes_nothing_that_came_since(
    store: ProjectStore,
) -> None:
    store.add_batch(NewBatch(None, "random", [choice(1, 3)], (), {}), TOLD)

    def label(right: float, origin: str) -> Label:
        return Label(0, "id3", Annotations(np.array([[0.0, 0, right, 9]])), origin)

    def counts() -> float:
        return float(store.labels()["id3"].drawn.boxes[0, 2])

    assert store.add_labels([label(1, "folder")], TOLD) == 1
    assert store.add_labels([label(2, "ui")], TOLD, just_now=True) == 1
    assert store.add_labels([label(1, "folder")], TOLD) == 0
    # A job that goes to somebody else brings the same boxes under another name.
    assert store.add_labels([replace(label(1, "folder"), annotator="you")], TOLD) == 0
    assert counts() == 2
    assert store.add_labels([label(3, "folder")], TOLD) == 1
    assert counts() == 3
    # Who draws just now what was drawn here before means it.
    assert store.add_labels([label(2, "ui")], TOLD, just_now=True) == 1
    assert store.add_labels([label(2, "ui")], TOLD, just_now=True) == 0
    assert counts() == 2
    assert len(store.history()) == 4


def test_many_labels_at_once_are_asked_for_in_parts_and_no_others_are_read(
    store: ProjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Databases bound how many values a statement has, and whoever labels meanwhile waits for who writes."""
    monkeypatch.setattr(store_module, "_PART", 20)
    choices = [choice(1 + number, number) for number in range(60)]
    store.add_batch(NewBatch(None, "random", choices, (), {}), TOLD)
    drawn = Annotations(np.zeros((0, 4)))
    labels = [Label(0, f"id{number}", drawn, "ui") for number in range(50)]
    store.save_draft("id49", Draft(drawn, 1.0))
    statements: list[tuple[str, int]] = []

    def note(_c: object, _u: object, statement: str, values: Any, _x: object, many: bool) -> None:
        statements.append((statement, 0 if many else len(values)))

    engine = store._database._engine
    event.listen(engine, "before_cursor_execute", note)
    assert store.add_labels(labels, TOLD, just_now=True) == 50
    assert store.add_labels(labels, TOLD, just_now=True) == 0
    event.remove(engine, "before_cursor_execute", note)
    assert max(count for _, count in statements) <= 20
    read = [one for one, _ in statements if "FROM label" in one and "max(" not in one]
    assert len(read) == 2 * 3
    assert all("WHERE label.record_id IN" in one for one in read)
    assert store.draft("id49") is None
    assert len(store.history()) == 50


def test_readers_see_nothing_of_a_transaction_that_fails(store: ProjectStore) -> None:
    database = store._database

    def fail() -> None:
        values = {"at": "", "command": "x", "arguments": {}, "settings": "", "outcome": {}}
        with database.writing() as connection:
            connection.execute(insert(schema.EVENT).values(number=9, **values))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.reading() as connection:
        commands = connection.execute(select(schema.EVENT.c.command)).scalars().all()
    assert "x" not in commands
