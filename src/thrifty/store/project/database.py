"""The database of a project: opened, brought to the present form, and written in whole transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from thrifty.errors import RunError

_WAIT_SECONDS = 60
_WRITES = "writes"


class Database:
    """One database, shared by any number of processes.

    Writers take turns from their first statement on, so what a transaction has read stays true until it ends.

    Args:
        path: The SQLite file; made if missing.

    Raises:
        RunError: It cannot be opened, is damaged, or was written by a later version of thrifty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = _make_engine(path)
        self._migrate()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout."""
        with self._guarded(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it or nothing.

        Raises:
            RunError: The disk is full, or the database is locked for long or damaged.
        """
        engine = self._engine.execution_options(**{_WRITES: True})
        with self._guarded(), engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _migrate(self) -> None:
        scripts = migrations()
        newest = ScriptDirectory.from_config(scripts).get_current_head()
        with self.reading() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        if current == newest:
            return
        with self.writing() as connection:
            scripts.attributes["connection"] = connection
            try:
                command.upgrade(scripts, "head")
            except CommandError as error:
                raise RunError(
                    f"{self._path}: was written by a later version of thrifty; install that one"
                ) from error

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn what a full disk, a lock or damage raise into one line for people."""
        try:
            yield
        except IntegrityError:
            # What is refused because of what it says is for the caller to tell.
            raise
        except OperationalError as error:
            raise RunError(
                f"{self._path}: {error.orig}; see that nothing else holds it, that there is room and that it may be "
                "written, then run the same command again"
            ) from error
        except DatabaseError as error:
            raise RunError(
                f"{self._path}: {error.orig}; restore this file from a copy of the project"
            ) from error


def migrations() -> Config:
    """Where Alembic finds the steps."""
    config = Config()
    folder = resources.files("thrifty.store.project").joinpath("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _make_engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _WAIT_SECONDS})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
    # The driver would begin transactions late, and not before statements that change the schema.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
