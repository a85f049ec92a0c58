"""A project on disk: a folder with its settings, its database, and the files that the database names.

```
thrifty.toml        what the project is about; edit it
project.sqlite      everything that was done, unless the settings name a PostgreSQL database for that
frames/             pictures of the chosen frames, so that labels outlive the pool
models/             weights
scores/             what the detector made of the pools
```

Where the settings name a store for files, the last three are copies of what this machine needed.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thrifty.errors import RecipeError, RunError
from thrifty.files import replace_file
from thrifty.progress import Progress, silent
from thrifty.project.artifacts import FRAMES, MODELS, SCORES, Artifacts, check_store
from thrifty.project.settings import (
    FILE,
    ProjectSettings,
    database_of,
    parse_settings,
    read_settings,
)
from thrifty.store.project.database import Database
from thrifty.store.project.engines import Holder, PostgresDatabase, SqliteFile
from thrifty.store.project.rows import Role
from thrifty.store.project.store import ProjectStore, Told

DATABASE = "project.sqlite"


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """An open project.

    Attributes:
        folder: Where it lives.
        settings: What it is about.
        text: The same, as people wrote it.
        store: Its memory.
        artifacts: The files that the memory names.
        progress: Told how far long work is.
        device: Where detectors run and train.
    """

    folder: Path
    settings: ProjectSettings
    text: str
    store: ProjectStore
    artifacts: Artifacts
    progress: Progress = silent
    device: str = "cpu"

    def claim_files(self) -> None:
        """Before work whose outcome shall be kept; raises as `Artifacts.claim`."""
        events = self.store.events()
        if events:
            first = events[0]
            owner = f"{first.at} {first.command} {first.arguments!r}"
            self.artifacts.claim(hashlib.sha256(owner.encode()).hexdigest())

    def told(self, command: str, **arguments: Any) -> Told:  # noqa: ANN401 - whatever JSON holds
        """What the log shall say of a change."""
        return Told(command, arguments, self.text)


def init_project(folder: Path, text: str) -> bool:
    """Begin a project; one that is there already with these settings stays as it is.

    Args:
        folder: Made if missing.
        text: Settings, TOML.

    Returns:
        Whether it is new.

    Raises:
        RecipeError: The settings are wrong.
        RunError: The folder holds another project, or other files.
    """
    parse_settings(text, FILE)
    path = folder / FILE
    if path.is_file():
        if path.read_text(encoding="utf-8") == text:
            return False
        raise RunError(
            f"{folder}: is a project already; edit {path} to change its settings, or choose another folder"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: holds other files; choose an empty or new folder")
    folder.mkdir(parents=True, exist_ok=True)
    # Last of all, since it is what makes the folder a project.
    replace_file(path, text.encode())
    return True


def find_project(start: Path) -> Path:
    """The project that a folder is, or lies in.

    Raises:
        RunError: There is none.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / FILE).is_file():
            return folder
    raise RunError(
        f"{start}: is in no project; go to one, name it with --project, or begin one with `thrifty init`"
    )


@contextmanager
def open_project(
    folder: Path, progress: Progress = silent, device: str = "cpu", *, alone: bool = False
) -> Iterator[Project]:
    """Open a project; any number of processes may.

    Args:
        folder: The project's.
        progress: Told how far long work is.
        device: Where detectors run and train.
        alone: Keep its memory and its files in its folder, whatever database and store the settings name.

    Raises:
        RecipeError: Its settings are wrong, or name other classes than those that its labels are of.
        CapabilityError: The driver of its database is not installed.
        RunError: Its database cannot be used.
    """
    settings, text = read_settings(folder)
    for name in (FRAMES, MODELS, SCORES):
        (folder / name).mkdir(exist_ok=True)
    database = Database(SqliteFile(folder / DATABASE) if alone else memory_of(folder, settings))
    artifacts = Artifacts(
        folder.absolute(), None if alone or settings.files is None else check_store(settings.files)
    )
    try:
        store = ProjectStore(database)
        if not alone:
            _check_classes(folder, settings, store)
        yield Project(folder, settings, text, store, artifacts, progress, device)
    finally:
        database.close()


def classes_of(text: str) -> tuple[str, ...]:
    """The classes that settings name, as the log keeps them."""
    return tuple(tomllib.loads(text)["detector"]["classes"])


def _check_classes(folder: Path, settings: ProjectSettings, store: ProjectStore) -> None:
    """Labels and weights know classes by their places: these may be called otherwise, and more may follow.

    Raises:
        RecipeError: One is gone, or stands at another place.
    """
    before = store.last_settings()
    known = () if before is None else classes_of(before)
    now = settings.classes
    moved = [name for place, name in enumerate(known) if name in now and now.index(name) != place]
    if not moved and len(now) >= len(known):
        return
    used = (
        store.models() or store.batches() or store.sources(Role.START) or store.sources(Role.TEST)
    )
    if used:
        raise RecipeError(
            f"{folder / FILE}: detector.classes were {', '.join(known)} so far, and labels know them by their places; leave them "
            "there, and add new ones behind them"
        )


def memory_of(folder: Path, settings: ProjectSettings) -> Holder:
    """What a project's memory is held by; raises as `PostgresDatabase`."""
    url = database_of(settings)
    return SqliteFile(folder / DATABASE) if url is None else PostgresDatabase(url)


def template(
    name: str,
    classes: tuple[str, ...],
    more: Mapping[str, str],
    database: str | None = None,
    files: str | None = None,
) -> str:
    """The text of a new project's settings.

    Args:
        name: What people call the project.
        classes: What is labelled.
        more: Further lines of the table `detector`: keys and TOML values.
        database: URL of a PostgreSQL database; a file in the project's folder if left out.
        files: URL of a folder in a store that holds the project's files; its own folder if left out.
    """
    lines = [f"{key} = {value}" for key, value in more.items()]
    detector = "\n".join([f"classes = [{', '.join(map(_quoted, classes))}]", *lines])
    elsewhere = {"database": database, "files": files}
    where = "".join(f"{key} = {_quoted(url)}\n" for key, url in elsewhere.items() if url)
    return _TEMPLATE.format(name=_quoted(name), elsewhere=where, detector=detector)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_TEMPLATE = """\
# What this project is about. docs/projects.md says what can be set. Each may be changed at any time, but
# classes: these may only be added, at the end.
name = {name}
{elsewhere}
[detector]
{detector}

[training]
start_epochs = 50 # on the start labels
epochs = 50       # on the labels of the pool, from the weights that the strategy says

[selection]
strategy = "thrifty" # as "divergence", whose models begin at the start weights; of "thrifty" each goes on from the one before
budget = 50  # frames of a batch
shadow = 0.1 # share of them that chance draws, to judge the choice by

[cost]
per_frame = 35.0 # seconds; `thrifty cost` fits both to recorded times
per_box = 0.0
"""
