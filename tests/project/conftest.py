"""Tests of a project that are run with its memory in a file and on a server."""

from pathlib import Path

import pytest

from tests.memories import Memory
from thrifty.project import project
from thrifty.project.settings import ProjectSettings
from thrifty.store.project.engines import Holder


@pytest.fixture
def remembered(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever project is opened, its memory is of the kind that is asked for."""

    def memory_of(folder: Path, _settings: ProjectSettings) -> Holder:
        return memory.at(folder)

    monkeypatch.setattr(project, "memory_of", memory_of)
