"""`thrifty cost` as people use it: their times in, the table of a recipe out."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def thrifty(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "thrifty", "cost", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_times_become_the_table_of_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text("frame,boxes,seconds\na,0,12\nb,2,22\nc,5,37\n")
    done = thrifty(path)
    assert done.returncode == 0, done.stderr
    assert tomllib.loads(done.stdout) == {"cost": {"per_frame": 12.0, "per_box": 5.0}}
    assert "fitted to 3 frames; a frame is off by 0.0 s; 100 % of the variance" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("boxes,time\n1,2\n", "has no column 'seconds'"),
        ("", "has no column 'boxes'"),
        ("boxes,seconds\n1,soon\n", "line 2: could not convert"),
        ("boxes,seconds\n1\n", "line 2: could not convert"),
        ("boxes,seconds\n1,2\n", "needs two recorded times or more, not 1"),
        ("boxes,seconds\n1,2\n1,-2\n", "below 0"),
        (b"\xff\xfe\x00", "cannot be read as a table"),
    ],
)
def test_what_is_no_table_of_times_is_refused_in_a_line(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    path = tmp_path / "times.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = thrifty(path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
