"""`thrifty compare` as people use it: tables of runs in, sentences or JSON out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from thrifty.evaluation.learning_curve import Measurement
from thrifty.study.comparison import MISS_RATE, write_measurements


def thrifty(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "thrifty", "compare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def fails(*arguments: object) -> str:
    done = thrifty(*arguments)
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
    alone = thrifty(first).stdout
    assert "no difference from random that 4 seeds can show" in alone
    both = thrifty(first, second).stdout
    assert "better than random in 8 of 8 seeds, difference 0.200" in both
    assert "10 labels reach 0.700, where 20 were spent (50 %; 95 % interval 10 to 10)" in both


def test_json_has_the_same_figures(first: Path, second: Path) -> None:
    done = thrifty(first, second, "--json", "--reference", "mine")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["reference"], told["metric"]) == ("mine", MISS_RATE)
    finding = told["strategies"]["random"]
    assert finding["final"]["difference"] == pytest.approx(-0.2)
    assert finding["final"]["p"] == pytest.approx(2 / 256)
    # Random never gets as far: infinity, for which JSON has no word.
    assert finding["parity"]["labels"] is None


def test_what_is_not_there_is_named(first: Path) -> None:
    assert f"--metric map: not in {first}; choose from {MISS_RATE}" in fails(
        first, "--metric", "map"
    )
    told = fails(first, "--reference", "guided")
    assert f"--reference guided: not in {first}; choose from mine, random" in told
    assert "cannot be read as a table" in fails(first.parent / "none.csv")


def test_seeds_that_do_not_meet_are_no_comparison(tmp_path: Path) -> None:
    rows = [
        Measurement("mine", 0, 0, 0, 0, 0.0, MISS_RATE, 0.5),
        Measurement("random", 1, 0, 0, 0, 0.0, MISS_RATE, 0.5),
    ]
    write_measurements(rows, tmp_path / "apart.csv")
    assert "no other strategy has a run of the same seed" in thrifty(tmp_path / "apart.csv").stdout
