"""`thrifty cost` as people use it: their times in, the table of a recipe out."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.command import thrifty
from thrifty.config import Recipe


def cost(*arguments: object) -> subprocess.CompletedProcess[str]:
    return thrifty("cost", *arguments)


def test_times_become_the_table_of_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text("frame,boxes,seconds\na,0,12\nb,2,22\nc,5,37\n")
    done = cost(path)
    assert done.returncode == 0, done.stderr
    assert tomllib.loads(done.stdout) == {"cost": {"per_frame": 12.0, "per_box": 5.0}}
    assert "fitted to 3 frames; a frame is off by 0.0 s; 100 % of the variance" in done.stdout


def test_frames_that_cost_nothing_buy_no_budget_of_seconds(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text("boxes,seconds\n1,2\n5,20\n9,38\n")
    done = cost(path)
    fitted = tomllib.loads(done.stdout)["cost"]
    assert fitted["per_frame"] == 0
    assert 'a recipe with unit = "seconds" needs per_frame > 0: raise it there' in done.stdout
    # What it says is what a recipe's reader says.
    recipe = {
        "name": "costs",
        "start": {"kind": "files", "annotations": "a.json", "images": "a"},
        "pool": {"kind": "files", "annotations": "a.json", "images": "a"},
        "test": {"kind": "files", "annotations": "a.json", "images": "a"},
        "selection": {"budget": 100, "cycles": 1, "unit": "seconds"},
    }
    with pytest.raises(ValueError, match="raise cost.per_frame"):
        Recipe.model_validate(recipe | {"cost": fitted})
    Recipe.model_validate(recipe | {"cost": fitted | {"per_frame": 1.0}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("boxes,time\n1,2\n", "has no column 'seconds'"),
        ("", "has no column 'boxes'"),
        ("boxes,seconds\n1,soon\n", "times.csv: line 2: seconds is 'soon', not a number"),
        ("boxes,seconds\n1\n", "times.csv: line 2 has 1 cells under 2 columns"),
        ("boxes,seconds\n1,2\n2,3,5\n", "times.csv: line 3 has 3 cells under 2 columns"),
        ("boxes,seconds\n1,2\n", "times.csv: a cost model needs two recorded times or more, not 1"),
        ("boxes,seconds\n1,2\n1,-2\n", "times.csv: line 3: seconds is -2, below 0"),
        ("boxes,seconds\n1,2\n\n-1,2\n", "times.csv: line 4: boxes is -1, below 0"),
        ("boxes,seconds\n1,nan\n", "times.csv: line 2: seconds is nan, below 0 or not finite"),
        (f"boxes,seconds\n{'9' * 400},1\n", "line 2: boxes is 9999999999"),
        (f"boxes,seconds\n1,{'9' * 200_000}\n", "times.csv: line 2 is no CSV"),
        ("boxes,seconds\n1,2\n2,\0\n", "times.csv: line 3 holds a NUL byte"),
        ("boxes,boxes,seconds\n1,2,3\n", "two of its columns have the same name"),
        ("boxes,seconds\n3,10\n3,12\n", "all 2 frames have 3 boxes"),
        ("boxes,seconds\n0,1e300\n1,1\n", "is over 1e+12"),
        ("boxes,seconds\n0,0\n1e-320,1e12\n", "no finite cost fits"),
        (b"\xff\xfe\x00", "cannot be read as a table"),
    ],
)
def test_what_is_no_table_of_times_is_refused_in_a_line(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    path = tmp_path / "times.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = cost(path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
