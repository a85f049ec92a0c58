"""Where the files of a pool lie: on this machine, or in a store that is named by a URL.

A place is a folder, a list of files, or one file. Its files go by their names, relative to the folder or to the list's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from thrifty.data.listing import LISTS, PICTURES, Listed, below, in_list, suffix
from thrifty.data.object_store import StoredPlace, is_url, where_stored
from thrifty.data.video import VIDEOS
from thrifty.errors import DataError


class Place(Protocol):
    """A folder, a list of files, or one file."""

    @property
    def name(self) -> str:
        """What it is known by, from wherever one looks."""
        ...

    def listed(self, *, natural: bool = False) -> Iterator[Listed]:
        """Its pictures and videos, in the one order that they have.

        Args:
            natural: Of a folder, sort numbers in names by their size: 2 before 10.

        Raises:
            DataError: It cannot be reached, or a line of the list names nothing of the kind.
        """
        ...

    def where(self, source: str) -> str:
        """The whole name of a file of it."""
        ...

    def read(self, source: str) -> bytes:
        """What a file holds.

        Raises:
            DataError: It is gone, or cannot be reached.
        """
        ...

    def on_disk(self, source: str) -> AbstractContextManager[Path]:
        """A file on this machine that holds the same, for as long as the context is open; raises as `read`."""
        ...


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A place on this machine.

    Attributes:
        path: The folder, the list or the file.

    Raises:
        DataError: There is nothing, or a file of no known kind.
    """

    path: Path

    def __post_init__(self) -> None:
        if not self.path.exists():
            raise DataError(
                f"{self.path}: no such folder, list or video; check the path of the pool"
            )
        if self.path.is_file():
            check_kind(str(self.path))

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The path, links resolved."""
        return str(self.path.resolve())

    @property
    def _root(self) -> Path:
        return self.path if self.path.is_dir() else self.path.parent

    def listed(self, *, natural: bool = False) -> Iterator[Listed]:
        """As `Place`; links are followed, but never in a circle."""
        if self.path.is_dir():
            return below(self.path, natural=natural)
        if suffix(self.path.name) not in LISTS:
            return iter([Listed(self.path.name)])
        return self._lines()

    def _lines(self) -> Iterator[Listed]:
        with self.path.open("rb") as file:
            yield from in_list(file, str(self.path))

    def where(self, source: str) -> str:
        """As `Place`."""
        return str(self._root / source)

    def read(self, source: str) -> bytes:
        """As `Place`."""
        path = self._root / source
        try:
            return path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}); restore it and run the same command again"
            ) from error

    @contextmanager
    def on_disk(self, source: str) -> Iterator[Path]:
        """The file itself."""
        path = self._root / source
        if not path.is_file():
            raise DataError(f"{path}: no such video; restore it or take it off the list")
        yield path


def place_of(path: Path | str) -> Place:
    """The place that a path or a URL names.

    Raises:
        DataError: There is nothing, or a file of no known kind; or the URL is none that is understood.
        CapabilityError: What reaches a store is not installed.
    """
    return StoredPlace(str(path)) if is_url(path) else LocalPlace(Path(path))


def whole_name(pool: str, source: str) -> str:
    """The whole name of a file of a pool that is known by a name, whether it is still there or not."""
    return where_stored(pool, source) if is_url(pool) else str(_root_of(pool) / source)


@cache
def _root_of(pool: str) -> Path:
    """The folder that names of a pool's files are relative to; asked for each of its frames.

    What is out of reach, such as a disk that is not mounted here, is a file if it is called like one.
    """
    path = Path(pool)
    is_file = suffix(path.name) in PICTURES | VIDEOS | LISTS and not path.is_dir()
    return path.parent if is_file else path


def path_or_url(text: str) -> Path | str:
    """What somebody typed."""
    return text if is_url(text) else Path(text)


def check_kind(name: str) -> None:
    """Refuse a single file that is neither a picture, a video nor a list.

    Raises:
        DataError: It is not, by its name.
    """
    if suffix(name) not in PICTURES | VIDEOS | LISTS:
        raise DataError(
            f"{name}: neither a folder, a list ({', '.join(sorted(LISTS))}), a picture nor a video"
        )
