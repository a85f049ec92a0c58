"""Ctrl-C, and the death of a worker, in a run with workers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.test_run_command import ENVIRONMENT, stages_done
from tests.tiny import TinyData


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def workers_of(pid: int) -> list[int]:
    return [
        child
        for child in children(pid)
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def gone(pids: list[int]) -> bool:
    """Whether all have ended within a few seconds."""
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.fixture
def process(tiny: TinyData, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run under way whose third training takes longer than any test; nothing of it is left when the test ends."""
    # Survey, start weights, and the first arm's labels are done.
    yield from under_way(tiny, tmp_path, "\nepochs", stages=6)


@pytest.fixture
def beginning(tiny: TinyData, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The same when its first training takes as long: one worker has nothing to do."""
    yield from under_way(tiny, tmp_path, "\nstart_epochs", stages=2)


def under_way(
    tiny: TinyData, tmp_path: Path, endless: str, stages: int
) -> Iterator[subprocess.Popen[str]]:
    recipe = tiny.recipe(tmp_path, seeds="0")
    recipe.write_text(recipe.read_text().replace(f"{endless} = 2", f"{endless} = 2000"))
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "thrifty",
        "run",
        recipe,
        "--out",
        out,
        "--data",
        tiny.root,
        "--jobs",
        "2",
    ]
    with subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + 240
            while stages_done(out) < stages and time.monotonic() < deadline:
                time.sleep(0.05)
            assert stages_done(out) >= stages
            time.sleep(0.5)
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def messages(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if not line.endswith("/s)")]


@pytest.mark.parametrize("when", ["process", "beginning"])
def test_ctrl_c_stops_all_processes_with_one_line(
    when: str, request: pytest.FixtureRequest
) -> None:
    process: subprocess.Popen[str] = request.getfixturevalue(when)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert messages(errors) == ["thrifty: stopped; run the same command again to go on"]
    assert gone(workers)


def test_a_worker_that_dies_ends_the_run_with_one_line(process: subprocess.Popen[str]) -> None:
    workers = workers_of(process.pid)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    [line] = messages(errors)
    assert line.startswith(
        "thrifty: a worker process died (out of memory, or killed); run the same command again"
    )
