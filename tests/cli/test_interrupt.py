"""Ctrl-C on a run with workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.test_run_command import ENVIRONMENT, stages_done
from tests.tiny import TinyData


def test_ctrl_c_stops_all_processes_with_one_line(tiny: TinyData, tmp_path: Path) -> None:
    out = tmp_path / "out"
    recipe = tiny.recipe(tmp_path, seeds="0")
    # Long enough that no worker finishes by itself meanwhile.
    recipe.write_text(recipe.read_text().replace("\nepochs = 2", "\nepochs = 2000"))
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
    # Survey, start weights, and the first arm's selection are done: training is under way.
    while stages_done(out) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    lines = [line for line in errors.splitlines() if not line.endswith("/s)")]
    assert lines == ["thrifty: stopped; run the same command again to go on"]
