"""What a project may be remembered by."""

from pathlib import Path

import pytest

from tests.memories import Memory
from thrifty.store.project.engines import Holder


@pytest.fixture
def holder(memory: Memory, tmp_path: Path) -> Holder:
    """An empty file or database."""
    return memory.at(tmp_path)
