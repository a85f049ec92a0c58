"""`thrifty run` as a person meets it: its output, its errors, and what is left when it is stopped."""

import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.command import thrifty as given
from tests.tiny import TinyData
from thrifty.study.comparison import read_measurements

# One thread a process: the machine may be running two tests at once.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


VARIABLES = {key: value for key, value in ENVIRONMENT.items() if key != "THRIFTY_DATA"}


def thrifty(*arguments: object) -> subprocess.CompletedProcess[str]:
    return given(*arguments, env=VARIABLES)


def tables(out: Path) -> dict[str, list[Any]]:
    """Everything a run decided and measured; how long it took is left out."""
    with sqlite3.connect(out / "run.sqlite") as connection:
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)  # noqa: S608 - our own names
            for name in ("choice", "held", "label", "evaluation", "unreadable", "artifact")
        }


@pytest.fixture(scope="module")
def recipe(tiny: TinyData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.recipe(tmp_path_factory.mktemp("recipe"), seeds="0")


@pytest.fixture(scope="module")
def finished(
    tiny: TinyData, recipe: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("finished") / "out"
    return out, thrifty("run", recipe, "--out", out, "--data", tiny.root, "--jobs", 1)


def test_a_run_prints_its_table_and_where_the_page_is(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, result = finished
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"page: {out / 'report.html'}"
    # Names of strategies stay whole in 80 columns; headings may break.
    for word in ("miss rate", "FPPI", "people found", "divergence", "guided-random", "random"):
        assert word in result.stdout
    assert "tiny" in (out / "report.html").read_text()


def test_a_log_file_gets_lines_not_bars(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    lines = finished[1].stderr.splitlines()
    assert "\x1b" not in finished[1].stderr
    pattern = r".+: \d+ (frames|steps) in [\d.]+ s \([\d.]+/s\)"
    assert [line for line in lines if not re.fullmatch(pattern, line)] == []
    assert sum("training" in line for line in lines) == 7


def test_worker_processes_give_the_same_outcome(
    tiny: TinyData,
    recipe: Path,
    tmp_path: Path,
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    result = thrifty("run", recipe, "--out", tmp_path / "out", "--data", tiny.root, "--jobs", 2)
    assert result.returncode == 0, result.stderr
    assert tables(tmp_path / "out") == tables(finished[0])
    curves = (tmp_path / "out" / "learning_curves.csv").read_bytes()
    assert curves == (finished[0] / "learning_curves.csv").read_bytes()


def test_the_whole_pool_is_labelled_in_one_cycle_and_told_apart(
    tiny: TinyData, tmp_path: Path
) -> None:
    recipe = tiny.recipe(tmp_path, seeds="0, 1")
    text = recipe.read_text().replace(
        '"divergence", "guided-random", "random"', '"random", "whole-pool"'
    )
    recipe.write_text(text)
    out = tmp_path / "out"
    result = thrifty("run", recipe, "--out", out, "--data", tiny.root, "--jobs", 1)
    assert result.returncode == 0, result.stderr
    rows = [row for row in read_measurements(out / "learning_curves.csv") if row.metric == "ap"]
    pairs = [(row.cycle, row.labelled) for row in rows if row.strategy == "whole-pool"]
    assert pairs == [(0, 0), (1, 30)] * 2
    assert [row.labelled for row in rows if row.strategy == "random"] == [0, 3, 6] * 2
    (line,) = [line for line in result.stdout.splitlines() if "whole-pool" in line]
    assert re.findall(r"\b30\b", line)
    page = (out / "report.html").read_text()
    # Two seeds of a network that learned nothing: no strategy is ranked, on the page or beside it.
    assert "Do labels matter?" in page
    assert "Better, or chance?" not in page
    assert "strategies are not ranked by miss rate" in result.stdout
    assert "what all labels of the pool together buy" in page
    assert "whole-pool, cycle 1" not in page


def stages_done(out: Path) -> int:
    try:
        with sqlite3.connect(f"file:{out / 'run.sqlite'}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM stage").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def kill_after(command: Sequence[str], out: Path, stages: int, delay: float) -> None:
    """Start a run and kill it, with no chance to clean up, some time after so many of its stages are done."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT
    )
    deadline = time.monotonic() + 120
    while stages_done(out) < stages and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(
    ("jobs", "points"),
    [(1, ((0, 2.0), (3, 0.05), (13, 0.1))), (2, ((1, 0.0), (8, 0.0), (20, 0.02)))],
)
def test_a_run_killed_at_several_points_ends_like_one_that_was_not(
    tiny: TinyData,
    recipe: Path,
    tmp_path: Path,
    jobs: int,
    points: Sequence[tuple[int, float]],
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out = tmp_path / "out"
    arguments = ["run", recipe, "--out", out, "--data", tiny.root, "--jobs", jobs]
    command = [sys.executable, "-m", "thrifty", *map(str, arguments)]
    reached = []
    for stages, delay in points:
        kill_after(command, out, stages, delay)
        reached.append(stages_done(out))
    assert reached == sorted(reached)
    assert 0 < reached[-1] < 39
    result = thrifty(*arguments)
    assert result.returncode == 0, result.stderr
    assert tables(out) == tables(finished[0])
    assert (out / "report.html").stat().st_size > 10_000
    leftovers = [path.name for path in (out / "files").iterdir() if path.name.startswith(".")]
    assert leftovers == []


def test_running_a_finished_run_again_changes_nothing(
    tiny: TinyData, recipe: Path, finished: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    before = tables(finished[0])
    result = thrifty("run", recipe, "--out", finished[0], "--data", tiny.root, "--jobs", 1)
    assert result.returncode == 0
    assert "training" not in result.stderr
    assert tables(finished[0]) == before


def fails(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("thrifty: ")
    return line


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("budget = 3", "budgets = 3", "unknown key 'selection.budgets'"),
        (
            "budget = 3",
            "budget = 0",
            "'selection.budget' = 0: Input should be greater than or equal to 1",
        ),
        ("budget = 3", "budget = 40", "need 80 frames but the pool holds 30"),
        ("seeds = [0]", "seeds = [0, 0]", "seeds names one entry twice"),
        ("[pool]", "[pool", "not valid TOML"),
        ("stills.json", "gone.json", "gone.json: no such file"),
        ('"random"]', '"best"]', "unknown strategy 'best'"),
        ("width = 0.1", "width = nan", "'detector.width'"),
    ],
)
def test_a_bad_recipe_is_one_line_and_writes_nothing(
    tiny: TinyData, recipe: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = recipe.read_text()
    assert old in text
    path = tmp_path / "bad.toml"
    path.write_text(text.replace(old, new))
    line = fails(thrifty("run", path, "--out", tmp_path / "out", "--data", tiny.root))
    assert message in line
    assert not (tmp_path / "out").exists()


def damaged(tiny: TinyData, folder: Path, name: str, change: Any) -> Path:
    shutil.copytree(tiny.root, folder / "data")
    path = folder / "data" / name
    path.write_bytes(change(path.read_bytes()))
    return folder / "data"


def _first_box(box: list[float]) -> Any:
    def change(content: bytes) -> bytes:
        loaded = json.loads(content)
        loaded["annotations"][0]["bbox"] = box
        return json.dumps(loaded).encode()

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "clip.avi",
            lambda content: content[: len(content) // 2],
            "clip.avi: is truncated or damaged",
        ),
        ("clip.avi", lambda content: b"", "clip.avi: cannot be read as a video"),
        (
            "video.json",
            _first_box([500, 10, 5, 5]),
            "video.json: clip.avi#0: box 0 (id 1) [500, 10, 505, 15] lies outside its image",
        ),
        (
            "stills.json",
            _first_box([5, 10, 5, 0]),
            "stills.json: still1.png: box 0 (id 1) [5, 10, 10, 10] has no area",
        ),
        ("stills.json", lambda content: content[:-20], "stills.json: not valid JSON"),
    ],
)
def test_bad_data_is_one_line_and_writes_nothing(
    tiny: TinyData, recipe: Path, tmp_path: Path, name: str, change: Any, message: str
) -> None:
    root = damaged(tiny, tmp_path, name, change)
    assert message in fails(thrifty("run", recipe, "--out", tmp_path / "out", "--data", root))
    assert not (tmp_path / "out").exists()


def test_a_missing_data_folder_and_a_missing_recipe(recipe: Path, tmp_path: Path) -> None:
    assert "pass --data DIR or set THRIFTY_DATA" in fails(
        thrifty("run", recipe, "--out", tmp_path / "out")
    )
    assert (
        "no such file, nor a built-in recipe (bccd, bccd-ssdlite, camvid, demo, every-bccd,"
        in fails(thrifty("run", "nothing", "--out", tmp_path / "out"))
    )
    assert "cannot read this recipe (No such file" in fails(
        thrifty("run", "gone.toml", "--out", tmp_path / "out")
    )
    assert not (tmp_path / "out").exists()


def test_a_folder_that_belongs_to_another_recipe(
    tiny: TinyData,
    recipe: Path,
    tmp_path: Path,
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(recipe.read_text().replace("budget = 3", "budget = 4"))
    before = tables(finished[0])
    line = fails(thrifty("run", other, "--out", finished[0], "--data", tiny.root))
    assert "belongs to another recipe ('tiny'" in line
    assert tables(finished[0]) == before


def test_an_unreadable_start_picture_is_named_on_the_page_and_not_fatal(
    tiny: TinyData, recipe: Path, tmp_path: Path
) -> None:
    root = damaged(tiny, tmp_path, "stills/still3.png", lambda content: content[:300])
    result = thrifty("run", recipe, "--out", tmp_path / "out", "--data", root, "--jobs", 1)
    assert result.returncode == 0, result.stderr
    assert "still3.png" in (tmp_path / "out" / "report.html").read_text()


def test_unreadable_frames_do_not_make_the_outcome_depend_on_who_found_them_first(
    tiny: TinyData, tmp_path: Path
) -> None:
    root = damaged(tiny, tmp_path, "stills/still3.png", lambda content: content[:300])
    (root / "stills" / "still6.png").write_bytes(b"no picture")
    recipe = tiny.recipe(tmp_path, seeds="0, 1")
    text = recipe.read_text().replace('annotations = "stills.json"\nimages = "stills"', "START")
    text = text.replace(
        'annotations = "video.json"\nframes = [0, 29]',
        'annotations = "stills.json"\nimages = "stills"',
    )
    text = text.replace("START", 'annotations = "video.json"\nframes = [0, 9]').replace(
        "budget = 3", "budget = 2"
    )
    recipe.write_text(text)
    outcomes = []
    for jobs in (1, 2):
        out = tmp_path / f"out{jobs}"
        result = thrifty("run", recipe, "--out", out, "--data", root, "--jobs", jobs)
        assert result.returncode == 0, result.stderr
        outcomes.append(tables(out))
    assert outcomes[0] == outcomes[1]
    assert len({row[4] for row in outcomes[0]["unreadable"]}) == 2


@pytest.mark.parametrize("limit", [20_000, 120_000])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    tiny: TinyData,
    recipe: Path,
    tmp_path: Path,
    limit: int,
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """A limit on the size of files makes the kernel refuse writes, as a full disk does."""

    def cramped() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    arguments = ("run", recipe, "--out", tmp_path / "out", "--data", tiny.root, "--jobs", 1)
    command = [sys.executable, "-m", "thrifty", *map(str, arguments)]
    result = subprocess.run(
        command, capture_output=True, text=True, env=VARIABLES, check=False, preexec_fn=cramped
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("thrifty: ")
    assert "make room" in result.stderr.splitlines()[-1]
    assert not list((tmp_path / "out").glob("**/.*.safetensors*"))
    again = thrifty(*arguments)
    assert again.returncode == 0, again.stderr
    assert tables(tmp_path / "out") == tables(finished[0])


def test_every_built_in_recipe_is_sound_and_listed() -> None:
    result = thrifty("recipes")
    assert result.returncode == 0
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        "bccd",
        "bccd-ssdlite",
        "camvid",
        "demo",
        "every-bccd",
        "every-camvid",
        "every-street",
        "pets09",
        "street",
    ]


def test_help_and_version() -> None:
    assert "Find the frames worth labelling" in thrifty("--help").stdout
    assert thrifty("--version").stdout.startswith("thrifty ")
    assert thrifty("run").returncode == 2
