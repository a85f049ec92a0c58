"""Where a project's memory may be: a file, or a real PostgreSQL server that the tests start for themselves."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
from psycopg import sql

from thrifty.store.project.engines import Holder, PostgresDatabase, SqliteFile


class Memory(Protocol):
    """A kind of memory."""

    def at(self, folder: Path) -> Holder:
        """That of the project in a folder: the same for the same folder, empty at first."""
        ...


class Files:
    """SQLite's."""

    def at(self, folder: Path) -> Holder:
        """The file that a project has where nothing else is said."""
        return SqliteFile(folder / "project.sqlite")


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server.

    Attributes:
        folder: Where its socket and its data are.
        port: Where it listens on loopback.
    """

    folder: Path
    port: int

    def url(self, folder: Path) -> str:
        """A database of its own for a folder, made if missing."""
        name = _name(folder)
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if known.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._url(name)

    def at(self, folder: Path) -> Holder:
        """The database of the project in a folder."""
        return PostgresDatabase(self.url(folder))

    def cut(self, folder: Path) -> None:
        """End all connections to the database of a folder, as a server does that is restarted."""
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(ending, [_name(folder)])

    def _url(self, name: str) -> str:
        return f"postgresql://thrifty@127.0.0.1:{self.port}/{name}"

    @property
    def process(self) -> int | None:
        """Its first process; `None` if it does not run."""
        try:
            number = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(number, 0)
        except (OSError, ValueError, IndexError):
            return None
        return number

    def start(self) -> None:
        """Start it, on the data that are there."""
        settings = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} -c fsync=off -k {self.folder}"
        )
        self._control("-l", self.folder / "log", "-w", "-o", settings, "start")

    def stop(self) -> None:
        """Stop it at once."""
        self._control("-m", "immediate", "-w", "stop")

    def _control(self, *words: str | Path) -> None:
        _call([*_owner(), _programs() / "pg_ctl", "-D", self.folder / "data", *words])


def _name(folder: Path) -> str:
    return "p" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Start a server in a fresh folder, and stop it."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="thrifty-postgres-"))
    if _owner():
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(folder, port)
    try:
        locale = "en_US.UTF-8" if _has_english() else "C.UTF-8"
        plain = ["-U", "thrifty", "-A", "trust", "-E", "UTF8", f"--locale={locale}"]
        _call([*_owner(), programs / "initdb", "-D", folder / "data", *plain])
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _owner() -> list[str]:
    """What makes a command another user's where we are root, which the server refuses to run as."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def _call(command: list[str | Path]) -> None:
    done = subprocess.run(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _has_english() -> bool:
    """Whether the machine knows a locale that sorts other than by bytes, as most servers do."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout
    return "en_US.utf8" in known.split()


def _programs() -> Path:
    """Where the server's programs are; Debian keeps them off the path."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    wrong = None
    if not found or not (found[-1] / "initdb").is_file():
        wrong = "PostgreSQL's server is not here; install Debian's package postgresql"
    elif os.geteuid() == 0 and "postgres" not in {user.pw_name for user in pwd.getpwall()}:
        wrong = "there is no user postgres, and the server refuses to run as root"
    if wrong is not None:
        if os.environ.get("CI"):
            pytest.fail(wrong)
        pytest.skip(wrong)
    return found[-1]
