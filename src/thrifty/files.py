"""Writing files so that no reader, and no crash, ever sees half of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from thrifty.errors import DataError

_FLUSHED_AT_ONCE = 16
"""Files: one after the other, each of thousands would wait for the disk by itself."""


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in place whole.

    Args:
        path: Where it goes; its folder must exist, and an older file there is replaced.
        content: Its bytes.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
    """
    with whole_file(path) as file:
        file.write(content)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, in place once the context is left; takes and raises as `replace_file`.

    It is written aside, flushed to the disk and renamed; nothing is left if that fails.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
        _flush(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _flush(path: Path) -> None:
    """Make what a file holds, or what a folder is called by, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_folder(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Put a folder in place whole: written aside, flushed to the disk and renamed; nothing is left if that fails.

    Args:
        path: Where it goes; its parent must exist. An empty folder there is replaced.
        files: Path below the folder, with `/`, and content.

    Raises:
        DataError: There is something already, or a file's path leaves the folder or is taken twice.
        OSError: The disk is full, or the parent cannot be written.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise DataError(
            f"{path}: is there already; name a folder that does not exist, or remove it"
        )
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        for name, content in files:
            _write_below(aside, name, content)
        aside.chmod(0o755)
        with ThreadPoolExecutor(_FLUSHED_AT_ONCE) as threads:
            # All are asked for, so that an error comes out.
            list(threads.map(_flush, [aside, *aside.rglob("*")]))
        aside.replace(path)
        _flush(path.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _write_below(folder: Path, name: str, content: bytes) -> None:
    place = folder / name
    if not place.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{name}: lies outside the folder it is to be written to; rename it")
    if place.exists():
        raise DataError(f"{name}: would be written twice; give the images distinct names")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
