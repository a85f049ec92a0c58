"""What holds a project's memory: a file of SQLite's in its folder, or a database on a PostgreSQL server.

Both keep the same promises. A transaction that writes takes its turn before its first statement, so that what it has read stays true
until it ends; one that reads sees a single state of the database throughout; long work is done by one process at a time, and a
process that dies lets go of its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import filelock
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from thrifty.errors import CapabilityError, RunError

WRITES = "writes"
"""The execution option of connections that write."""
_WAIT_SECONDS = 60
_LOCK = ".lock"
# Any two numbers that other programs on the server are unlikely to use; they hold within one database.
_WRITER, _WORKER = 7_203_114_001, 7_203_114_002
_KEPT_ALIVE = {
    "keepalives": 1,
    "keepalives_idle": 60,
    "keepalives_interval": 10,
    "keepalives_count": 6,
}
"""Of connections: the one that holds a turn says nothing for hours, and what lies on the way to a server forgets such."""


class Holder(Protocol):
    """Where a project's memory is, and how several processes share it."""

    @property
    def name(self) -> str:
        """For messages; without passwords."""
        ...

    @property
    def remedy(self) -> str:
        """What to look at where it does not answer."""
        ...

    def engine(self) -> Engine:
        """Open it."""
        ...

    def turn(
        self, engine: Engine, waiting: Callable[[], None]
    ) -> AbstractContextManager[Callable[[], object]]:
        """Long work, one process at a time; gives what raises SQLAlchemy's errors where the turn is not held any more.

        Args:
            engine: From `engine`.
            waiting: Called once if another process is at work.
        """
        ...


class SqliteFile:
    """A file, and beside it one whose lock says who is at work.

    Args:
        path: The file; made if missing.
    """

    remedy = "see that nothing else holds it, that there is room and that it may be written"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)

    def engine(self) -> Engine:
        """Open it."""
        engine = create_engine(f"sqlite:///{self._path}", connect_args={"timeout": _WAIT_SECONDS})
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        return engine

    @contextmanager
    def turn(self, engine: Engine, waiting: Callable[[], None]) -> Iterator[Callable[[], object]]:  # noqa: ARG002 - as of `Holder`
        """One process at a time, by the lock of a file."""
        lock = filelock.FileLock(self._path.with_name(_LOCK))
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            waiting()
            lock.acquire()
        try:
            yield lambda: None
        finally:
            lock.release()


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
    # The driver would begin transactions late, and not before statements that change the schema.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class PostgresDatabase:
    """A database on a server, one for each project; it must be there, and may be empty.

    Args:
        url: `postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE`; what it leaves out libpq's variables and files say
            (`PGUSER`, `PGPASSWORD`, `~/.pgpass`).

    Raises:
        RunError: It is no such URL.
        CapabilityError: The driver is not installed.
    """

    remedy = (
        "see that the server runs, that the database is there and that this user may write to it"
    )

    def __init__(self, url: str) -> None:
        self._url = read_url(url)
        if find_spec("psycopg") is None:
            raise CapabilityError(
                "a project on PostgreSQL needs a driver; pip install 'thrifty[postgresql]'"
            )
        self.name = self._url.set(drivername="postgresql").render_as_string(hide_password=True)

    def engine(self) -> Engine:
        """Open it; nothing is asked of the server yet."""
        kept_alive = {
            name: value for name, value in _KEPT_ALIVE.items() if name not in self._url.query
        }
        engine = create_engine(self._url, pool_pre_ping=True, connect_args=kept_alive)
        event.listen(engine, "begin", _begin_on_server)
        return engine

    @contextmanager
    def turn(self, engine: Engine, waiting: Callable[[], None]) -> Iterator[Callable[[], object]]:
        """One process at a time, by a lock of the server's, which ends with the connection."""
        alone = engine.execution_options(isolation_level="AUTOCOMMIT", **{WRITES: None})
        number = {"number": _WORKER}
        with alone.connect() as connection:
            if not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), number):
                waiting()
                connection.execute(text("SELECT pg_advisory_lock(:number)"), number)
            try:
                yield lambda: connection.execute(text("SELECT 1"))
            finally:
                try:
                    connection.execute(text("SELECT pg_advisory_unlock(:number)"), number)
                except SQLAlchemyError:
                    # The lock has gone with the connection, or goes with it now.
                    connection.invalidate()


def _begin_on_server(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    if writes:
        # Read committed: what is read once the lock is held is what the last writer left.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER})")
    elif writes is not None:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def read_url(url: str) -> URL:
    """The URL of a PostgreSQL database.

    >>> read_url("postgresql://anna@db.example/people").host
    'db.example'

    Raises:
        RunError: It is none.
    """
    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        read = None
    if read is None or read.drivername not in {"postgresql", "postgres"} or not read.database:
        # What cannot be read may hold a password anywhere.
        shown = "the database's URL" if read is None or read.password else url
        raise RunError(
            f"{shown}: is no URL of a PostgreSQL database; give postgresql://USER@HOST/DATABASE"
        )
    return read.set(drivername="postgresql+psycopg")
