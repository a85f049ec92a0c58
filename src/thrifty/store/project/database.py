"""The database of a project: opened, brought to the present form, and written in whole transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError, SQLAlchemyError

from thrifty.errors import RunError
from thrifty.store.project.engines import WRITES, Holder


class Database:
    """One database, shared by any number of processes.

    Writers take turns from their first statement on, so what a transaction has read stays true until it ends.

    Args:
        holder: A file or a server.

    Raises:
        RunError: It cannot be opened, is damaged, or was written by a later version of thrifty.
    """

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._engine = holder.engine()
        self._ask_turn: Callable[[], object] | None = None
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout."""
        with self._guarded(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it or nothing.

        Raises:
            RunError: The disk is full, or the database is locked for long, damaged or out of reach; or as `check_turn`.
        """
        engine = self._engine.execution_options(**{WRITES: True})
        with self._guarded(), engine.begin() as connection:
            self.check_turn()
            yield connection

    @contextmanager
    def turn(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Long work, one process at a time; see `Holder.turn`.

        Raises:
            RunError: The database is out of reach.
        """
        with self._guarded(), self._holder.turn(self._engine, waiting) as ask:
            self._ask_turn = ask
            try:
                yield
            finally:
                self._ask_turn = None

    def check_turn(self) -> None:
        """See that what this process does in its turn is still its alone; without a turn there is nothing to see.

        Raises:
            RunError: The server has lost it, so another may have had the turn meanwhile.
        """
        if self._ask_turn is None:
            return
        try:
            self._ask_turn()
        except SQLAlchemyError as error:
            raise RunError(
                f"{self._holder.name}: the connection that kept others from this work was cut, and one of them may have gone on "
                "meanwhile; run the same command again"
            ) from error

    def close(self) -> None:
        """Let go of it."""
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
                    f"{self._holder.name}: was written by a later version of thrifty; install that one"
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
            told = " ".join(str(error.orig).split())
            raise RunError(
                f"{self._holder.name}: {told}; {self._holder.remedy}, then run the same command again"
            ) from error
        except DatabaseError as error:
            told = " ".join(str(error.orig).split())
            raise RunError(
                f"{self._holder.name}: {told}; restore it from a copy of the project"
            ) from error


def migrations() -> Config:
    """Where Alembic finds the steps."""
    config = Config()
    folder = resources.files("thrifty.store.project").joinpath("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
