"""`thrifty compare` as people use it: tables of runs in, sentences or JSON out."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.command import thrifty
from thrifty.evaluation.learning_curve import Measurement
from thrifty.study.comparison import MISS_RATE, write_measurements


def compare(*arguments: object) -> subprocess.CompletedProcess[str]:
    return thrifty("compare", *arguments)


def fails(*arguments: object) -> str:
    done = compare(*arguments)
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1
    return done.stderr


def table(path: Path, seeds: range) -> Path:
    """Mine falls by 0.2 a cycle, random by 0.1."""
    rows = [
        Measurement(name, seed, cycle, 10 * cycle, 0, 0.0, MISS_RATE, 0.9 - drop * cycle)
        for name, drop in (("mine", 0.2), ("random", 0.1))
        for seed in seeds
        for cycle in range(3)
    ]
    write_measurements(rows, path)
    return path


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return table(tmp_path / "first.csv", range(4))


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return table(tmp_path / "second.csv", range(4, 8))


def test_two_tables_show_what_one_cannot(first: Path, second: Path) -> None:
    alone = compare(first).stdout
    assert "no difference from random that 4 seeds can show" in alone
    both = compare(first, second).stdout
    assert "better than random in 8 of 8 seeds, difference 0.200" in both
    assert "10 labels (95 % interval 10 to 10) reach 0.700, where 20 were spent: 50 %" in both


def test_json_has_the_same_figures(first: Path, second: Path) -> None:
    done = compare(first, second, "--json", "--reference", "mine")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["reference"], told["metric"], told["along"]) == ("mine", MISS_RATE, "frames")
    finding = told["strategies"]["random"]
    assert finding["final"]["difference"] == pytest.approx(-0.2)
    assert finding["final"]["p"] == pytest.approx(2 / 256)
    # Random never gets as far: infinity, for which JSON has no word.
    assert finding["parity"]["needed"] is None


def test_what_is_not_there_is_named(first: Path) -> None:
    assert f"--metric map: not in {first}; choose from {MISS_RATE}" in fails(
        first, "--metric", "map"
    )
    told = fails(first, "--reference", "guided")
    assert f"--reference guided: not in {first}; choose from mine, random" in told
    assert "cannot be read as a table" in fails(first.parent / "none.csv")


def test_seeds_that_do_not_meet_are_no_comparison(tmp_path: Path) -> None:
    rows = [
        Measurement("mine", 0, 1, 10, 0, 0.0, MISS_RATE, 0.5),
        Measurement("random", 1, 1, 10, 0, 0.0, MISS_RATE, 0.5),
    ]
    write_measurements(rows, tmp_path / "apart.csv")
    assert compare(tmp_path / "apart.csv").stdout == (
        "mine\n  no seed has been finished with both it and random\n"
    )
    assert json.loads(compare(tmp_path / "apart.csv", "--json").stdout)["unpaired"] == ["mine"]
    write_measurements(rows[1:], tmp_path / "alone.csv")
    assert "there is no strategy beside random" in compare(tmp_path / "alone.csv").stdout


def test_curves_lie_along_what_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "spent.csv"
    rows = [
        Measurement(
            name, seed, cycle, frames * cycle, 50 * cycle, 0.0, MISS_RATE, 0.9 - drop * cycle
        )
        for name, frames, drop in (("mine", 10, 0.2), ("random", 20, 0.1))
        for seed in range(6)
        for cycle in range(3)
    ]
    write_measurements(rows, path)
    assert (
        "10 labels (95 % interval 10 to 10) reach 0.700, where 40 were spent: 25 %"
        in compare(path).stdout
    )
    boxes = compare(path, "--along", "boxes").stdout
    assert "50 boxes (95 % interval 50 to 50) reach 0.700, where 100 were spent: 50 %" in boxes
    told = fails(path, "--along", "seconds")
    assert f"--along seconds: {path} counts no seconds; choose another axis" in told


def test_two_recipes_are_not_one_run(first: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    write_measurements([Measurement("mine", 0, 1, 99, 0, 0.0, MISS_RATE, 0.1)], other)
    told = fails(first, other)
    assert f"{first}, {other}: mine, seed 0: there are two different rows of cycle 1" in told
    assert compare(first, first).stdout == compare(first).stdout


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("mine,0,1,10,0,0,M,0.5", ""),
        ("m" * 200_000 + ",0,1,10,0,0,M,0.5", "line 2 is no CSV"),
        ("mine,0,1," + "9" * 400 + ",0,0,M,0.5", "line 2 is no row of the table (labelled is '999"),
        ("mine,0,1,-10,0,0,M,0.5", "line 2 is no row of the table (labelled is '-10', not a count"),
        ("mi\0ne,0,1,10,0,0,M,0.5", "line 2 holds a NUL byte"),
    ],
)
def test_what_no_run_writes_is_refused_in_a_line(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "table.csv"
    head = "strategy,seed,cycle,labelled,boxes,seconds,metric,value"
    path.write_text(f"{head}\n{row.replace(',M,', f',{MISS_RATE},')}\n")
    if message:
        assert f"{path}: {message}" in fails(path, "--reference", "mine")
    else:
        assert compare(path, "--reference", "mine").returncode == 0


def test_runs_that_spent_nothing_end_in_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "nothing.csv"
    rows = [
        Measurement(name, seed, cycle, 0, 0, 0.0, MISS_RATE, 0.5)
        for name in ("mine", "random")
        for seed in range(6)
        for cycle in range(2)
    ]
    write_measurements(rows, path)
    assert "--along frames" in fails(path)
    # Only the reference has spent nothing: there is no share to speak of.
    some = [Measurement("mine", seed, 2, 9, 0, 0.0, MISS_RATE, 0.4) for seed in range(6)]
    some += [Measurement("random", seed, 2, 0, 0, 0.0, MISS_RATE, 0.5) for seed in range(6)]
    write_measurements(rows + some, path)
    assert "0 labels (95 % interval 0 to 0) reach 0.500, where 0 were spent" in compare(path).stdout
