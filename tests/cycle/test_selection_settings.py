"""Rules, diversity and budgets of a recipe, through whole runs on tiny data."""

import sqlite3
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.cli.test_run_command import thrifty
from tests.tiny import TinyData
from thrifty.data.motion import motion
from thrifty.data.similarity import fingerprint
from thrifty.evaluation.axis import Axis
from thrifty.study.comparison import findings, read_measurements

STRATEGIES = '"divergence", "core-set", "ppal", "random"'


def started(
    tiny: TinyData,
    place: Path,
    settings: str,
    cost: str = "",
    jobs: int = 1,
    budget: int = 3,
    seeds: str = "0",
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    place.mkdir()
    recipe = tiny.recipe(place, seeds=seeds)
    text = recipe.read_text().replace('"divergence", "guided-random", "random"', STRATEGIES)
    text = text.replace("budget = 3", f"budget = {budget}")
    recipe.write_text(f"{text}\n{settings}\n{cost}\n")
    out = place / "out"
    return out, thrifty("run", recipe, "--out", out, "--data", tiny.root, "--jobs", jobs)


def run(*arguments: Any, **more: Any) -> Path:
    out, done = started(*arguments, **more)
    assert done.returncode == 0, done.stderr
    return out


def rows(out: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(out / "run.sqlite") as connection:
        return connection.execute(query).fetchall()


def test_all_rules_at_once_the_same_on_one_process_and_on_two(
    tiny: TinyData, tmp_path: Path
) -> None:
    settings = "same_motion = 0.01\nsame_picture = 2\ndiversity = 2.0\nbalance = 1.0"
    one = run(tiny, tmp_path / "one", settings)
    two = run(tiny, tmp_path / "two", settings, jobs=2)
    query = "SELECT * FROM choice ORDER BY strategy, cycle, rank"
    assert rows(one, query) == rows(two, query)
    seen = pq.read_table(one / "files" / "seed-1.start.cycle00.pictures.parquet").to_pydict()
    motions = np.array(seen["picture motion"])
    with av.open(str(tiny.video)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    decoded = [picture.astype(np.uint8) for picture in pictures[:30]]
    assert seen["picture hash"] == [fingerprint(image) for image in decoded]
    steps = [motion(before, after) for before, after in pairwise(decoded)]
    assert motions.tolist() == pytest.approx([0.0, *np.cumsum(steps)])
    reasons = [reason for (reason,) in rows(one, "SELECT reason FROM choice")]
    assert all(reasons)
    scored = rows(one, "SELECT reason FROM choice WHERE strategy = 'divergence'")
    assert all("by its score" in reason and "in features from" in reason for (reason,) in scored)
    page = (one / "report.html").read_text()
    for words in (
        "the picture must move by 0.01 of its width",
        "hashes must differ in more than 2 bits",
        "k-centre in a shortlist of 2.0 budgets",
        "class balance to the power 1",
    ):
        assert words.replace("2.0", "2") in page
    assert scored[0][0].split(";")[0] in page


@pytest.mark.parametrize(
    ("settings", "cost"),
    [
        ('unit = "seconds"', "[cost]\nper_frame = 1.0\nper_box = 0.5"),
        ('unit = "boxes"', ""),
        ('unit = "boxes"\nspend = "exact"', ""),
    ],
)
def test_no_strategy_spends_more_than_it_has(
    tiny: TinyData, tmp_path: Path, settings: str, cost: str
) -> None:
    out = run(tiny, tmp_path / "run", settings, cost, budget=40)
    counts = rows(out, "SELECT strategy, cycle, count(*) FROM choice GROUP BY 1, 2")
    assert len(counts) == 8
    assert all(count >= 1 for *_, count in counts)
    spent = rows(out, "SELECT reason FROM choice WHERE strategy = 'divergence' AND cycle = 1")
    assert sum(float(reason.rsplit(" ", 1)[1]) for (reason,) in spent) <= 40.5


def test_the_table_tells_seconds_by_the_recipes_own_costs(tiny: TinyData, tmp_path: Path) -> None:
    out = run(tiny, tmp_path / "run", "", "[cost]\nper_frame = 10.0\nper_box = 2.0")
    table = read_measurements(out / "learning_curves.csv")
    assert {row.seconds - 10 * row.labelled - 2 * row.boxes for row in table} == {0.0}
    assert max(row.boxes for row in table) > 0


def test_the_page_compares_along_what_the_budget_counts(tiny: TinyData, tmp_path: Path) -> None:
    cost = "[cost]\nper_frame = 1.0\nper_box = 0.5"
    out = run(tiny, tmp_path / "run", 'unit = "seconds"', cost, budget=6, seeds="0, 1")
    found = findings(read_measurements(out / "learning_curves.csv"), "random", along=Axis.SECONDS)
    assert [(one.final.pairs, one.left_out) for one in found] == [(2, 0)] * 3
    page = (out / "report.html").read_text()
    assert "Curves lie along labelling time by the recipe’s costs." in page
    for finding in found:
        for sentence in finding.sentences("random"):
            assert f"<dd>{sentence}</dd>" in page


def test_an_exact_choice_of_frames_is_possible_too(tiny: TinyData, tmp_path: Path) -> None:
    out = run(tiny, tmp_path / "run", 'spend = "exact"')
    assert rows(out, "SELECT count(*) FROM choice WHERE strategy = 'divergence'") == [(6,)]
    assert "exact choice" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("settings", "budget", "message"),
    [
        ('unit = "boxes"', 5000, "no frame of the pool is left to choose"),
        ('unit = "seconds"', 30, "a budget of 30 buys nothing: the cheapest frame is expected"),
    ],
)
def test_a_pool_or_a_budget_that_runs_out_says_so_in_one_line(
    tiny: TinyData, tmp_path: Path, settings: str, budget: int, message: str
) -> None:
    _, done = started(tiny, tmp_path / "run", settings, budget=budget)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_an_exact_choice_from_a_shortlist_is_refused(tiny: TinyData, tmp_path: Path) -> None:
    _, done = started(tiny, tmp_path / "run", 'spend = "exact"\ndiversity = 2.0')
    assert done.returncode == 2
    assert "has no shortlist for 'diversity'" in done.stderr
