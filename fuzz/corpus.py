"""Inputs that are worth trying again: one ZIP archive a reader, grown by `python -m fuzz --keep`."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def inputs(name: str) -> Iterator[bytes]:
    """The seeds of a reader, and what was kept of earlier runs."""
    # Not above: the readers must not be loaded before the fuzzer has prepared to watch them.
    from fuzz.targets import targets

    yield from dict(targets())[name]().seeds.values()
    if (FOLDER / f"{name}.zip").is_file():
        with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
            for entry in archive.namelist():
                yield archive.read(entry)


def unpack(name: str, folder: Path) -> None:
    """Write a reader's inputs into a folder, one file each."""
    for number, content in enumerate(inputs(name)):
        (folder / f"{number:04d}").write_bytes(content)


def pack(name: str, folder: Path) -> None:
    """Keep the inputs in a folder; the same inputs give the same archive."""
    FOLDER.mkdir(exist_ok=True)
    contents = sorted({path.read_bytes() for path in folder.iterdir()})
    with zipfile.ZipFile(FOLDER / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(contents):
            archive.writestr(zipfile.ZipInfo(f"{number:04d}", _LONG_AGO), content)
