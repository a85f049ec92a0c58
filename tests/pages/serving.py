"""A project with a batch to label, and its pages on a server of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.project.projects import tiny_project
from tests.tiny import TinyData
from thrifty.project import models, selecting


def with_a_batch(folder: Path, tiny: TinyData) -> list[str]:
    """A trained project that has chosen four frames; their ids by rank."""
    with tiny_project(folder, tiny) as project:
        models.train(project)
        batch, _ = selecting.select(project)
        return [choice.record.id for choice in project.store.choices(batch.number)]


@contextmanager
def served(folder: Path, *options: str, token: str | None = None) -> Iterator[str]:
    """`thrifty ui` as people start it; the address that it prints."""
    command = [sys.executable, "-m", "thrifty", "ui", "--port", "0", "--project", str(folder)]
    # One thread, as in the tests' own process: the last bits of a model depend on it.
    variables = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    if token is not None:
        variables["THRIFTY_TOKEN"] = token
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, env=variables
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process.stdout.readline().split()[1]
        finally:
            process.terminate()
            process.wait()
