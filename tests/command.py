"""The command line within the tests' own process: what a fresh process says, without the seconds that it takes to start."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from thrifty.cli import start


def thrifty(
    *words: object, folder: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Give a command.

    Args:
        words: What stands after `thrifty`.
        folder: Where one stands; where the tests do if left out.
        env: All variables there are; those of the tests if left out.

    Returns:
        Status and output, as `subprocess.run` gives them.
    """
    command = ["thrifty", *map(str, words)]
    out, err = io.StringIO(), io.StringIO()
    variables = os.environ if env is None else env
    with (
        chdir(folder or Path()),
        patch.dict(os.environ, dict(variables), clear=True),
        patch.object(sys, "argv", command),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            start()
            status = 0
        except SystemExit as done:
            status = done.code if isinstance(done.code, int) else int(done.code is not None)
    return subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())
