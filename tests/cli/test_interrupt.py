"""Ctrl-C, and the death of a worker, in a run with workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def start(tiny: TinyData, folder: Path) -> subprocess.Popen[str]:
    """A run whose third training takes longer than any test; returns when it is under way."""
    recipe = tiny.recipe(folder, seeds="0")
    recipe.write_text(recipe.read_text().replace("\nepochs = 2", "\nepochs = 2000"))
    out = folder / "out"
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
    process = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    # Survey, start weights, and the first arm's labels are done.
    while stages_done(out) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    return process


def messages(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if not line.endswith("/s)")]


def test_ctrl_c_stops_all_processes_with_one_line(tiny: TinyData, tmp_path: Path) -> None:
    process = start(tiny, tmp_path)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert messages(errors) == ["thrifty: stopped; run the same command again to go on"]
    assert gone(workers)


def test_a_worker_that_dies_ends_the_run_with_one_line(tiny: TinyData, tmp_path: Path) -> None:
    process = start(tiny, tmp_path)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    [line] = messages(errors)
    assert line.startswith(
        "thrifty: a worker process died (out of memory, or killed); run the same command again"
    )
