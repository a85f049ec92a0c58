"""`thrifty plan` as people use it: a pool and a budget in, a table, a plot or JSON out."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer
from typer.testing import CliRunner

from thrifty.cli.plan import plan
from thrifty.errors import ThriftyError
from thrifty.evaluation.learning_curve import Measurement
from thrifty.study.comparison import MISS_RATE, write_measurements

APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(plan)
GIVEN = ("--score-ms", "150", "--train-ms", "200")


def told(*arguments: object) -> str:
    done = CliRunner().invoke(APP, [*map(str, arguments)], env={"COLUMNS": "120"})
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(APP, [*map(str, arguments)])
    assert isinstance(done.exception, ThriftyError), (done.output, done.exception)
    assert done.stdout == ""
    assert "\n" not in str(done.exception)
    return str(done.exception)


@pytest.fixture
def curves(tmp_path: Path) -> Path:
    """Miss rates that halve whenever the labels double."""
    rows = [
        Measurement(name, 0, cycle, 50 * cycle, 0, 0.0, MISS_RATE, start / cycle if cycle else 0.95)
        for name, start in (("divergence", 0.4), ("guided-random", 0.8))
        for cycle in range(5)
    ]
    path = tmp_path / "learning_curves.csv"
    write_measurements(rows, path)
    return path


def test_the_papers_table() -> None:
    said = told("--pool", 51363, "--budget", 7500, *GIVEN, "-b", 2500, "-b", 500, "-b", 50)
    rows = [line.strip("│ ").split() for line in said.splitlines() if line.startswith("│")]
    # b, cycles, the machine, labelling, both, and the paper's formula, which is the same with its own costs.
    assert [[cell for cell in row if cell != "│"] for row in rows] == [
        ["50", "150", "1871", "72.9", "1944", "1871"],
        ["500", "15", "197", "72.9", "269", "197"],
        ["2500", "3", "47.8", "72.9", "121", "47.8"],
    ]
    assert "scoring: 150 ms a frame, as given; not measured" in said
    assert "gain: nothing is known; thrifty plan --curves learning_curves.csv" in said
    assert "miss rate" not in said


def test_json_holds_the_same() -> None:
    plain = json.loads(told("--pool", 51363, "--budget", 7500, *GIVEN, "-b", 500, "--json"))
    (row,) = plain["rows"]
    assert (plain["pool"], plain["budget"], row["b"], row["cycles"]) == (51363, 7500, 500, 15)
    assert row["machine_hours"]["expected"] == pytest.approx(196.6, abs=0.05)
    assert row["paper_hours"] == pytest.approx(row["machine_hours"]["expected"])
    assert row["gains"] == plain["gains"] == []


def test_a_table_of_runs_tells_the_gain(curves: Path) -> None:
    said = told("--pool", 5000, "--budget", 400, *GIVEN, "--curves", curves)
    assert "divergence 0.050" in said
    assert "unknown" in said
    assert (
        "divergence: after 400 labels a miss rate at 1 FPPI of 0.050 (80 %: 0.050 to 0.050), by a power law through "
        "4 models with up to 200 labels; lower than guided-random by 0.050" in said
    )
    assert "the table's runs had b = 50; what any other b gains is unknown" in said


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_plot_is_written_whole_and_the_same_again(tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"plan.{kind}"
    asked = ("--pool", 51363, "--budget", 7500, *GIVEN, "--out", out)
    assert f"plot: {out}" in told(*asked)
    first = out.read_bytes()
    told(*asked)
    assert out.read_bytes() == first
    if kind == "svg":
        assert ET.fromstring(first).tag.endswith("svg")  # noqa: S314 - written above
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_recipe_says_how_training_goes_and_what_labels_cost(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    street = 'kind = "street"\nlook = "dusk"\ndrives = 1\n'
    recipe.write_text(
        'name = "mine"\n'
        + "".join(f"[{role}]\n{street}" for role in ("start", "pool", "test"))
        + "[training]\nepochs = 3\n[selection]\nbudget = 1\ncycles = 1\n[cost]\nper_frame = 36\n"
    )
    said = told("--pool", 100, "--budget", 100, *GIVEN, "-b", 100, "--recipe", recipe, "--json")
    plain = json.loads(said)
    (row,) = plain["rows"]
    assert row["labelling_hours"]["expected"] == pytest.approx(1.0)
    assert row["machine_hours"]["expected"] * 3600 == pytest.approx(100 * 0.15 + 3 * 100 * 0.2)


def test_what_is_not_given_is_measured(tmp_path: Path) -> None:
    recipe = tmp_path / "small.toml"
    street = 'kind = "street"\nlook = "dusk"\ndrives = 1\n'
    recipe.write_text(
        'name = "small"\n'
        + "".join(f"[{role}]\n{street}" for role in ("start", "pool", "test"))
        + "[detector]\nwidth = 0.1\n[selection]\nbudget = 1\ncycles = 1\n"
    )
    asked = ("--pool", 100, "--budget", 20, "--recipe", recipe, "--width", 64, "--height", 48)
    plain = json.loads(told(*asked, "--train-ms", 200, "--repeats", 3, "--device", "cpu", "--json"))
    score, train = plain["costs"]["score"], plain["costs"]["train"]
    assert (score["repeats"], train["repeats"]) == (3, 0)
    assert 0 < score["each"]["low"] <= score["each"]["seconds"] <= score["each"]["high"]
    assert "frames of 64x48 pixels, each scored once, on the CPU" in plain["costs"]["place"]
    assert all(row["machine_hours"]["low"] <= row["machine_hours"]["high"] for row in plain["rows"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--budget", 101), "a budget of 101 frames from a pool of 100; give 1 to 100"),
        (("--budget", 0), "a budget of 0 frames from a pool of 100"),
        (("--budget", 20, "-b", 21), "b = 21 frames a cycle of a budget of 20; give 1 to 20"),
        (("--budget", 20, "-b", 5, "-b", 0), "b = 0 frames a cycle"),
        (("--budget", 20, "--score-ms", "nan"), "--score-ms nan: give a time above 0"),
        (("--budget", 20, "--train-ms", 0), "--train-ms 0: give a time above 0 and up to 1e+09"),
        (("--budget", 20, *GIVEN, "--repeats", 20), "--repeats: nothing is measured"),
        (("--budget", 20, *GIVEN, "--device", "cpu"), "--device: nothing is measured"),
        (("--budget", 20, "--out", "plan.pdf"), "--out plan.pdf: end the name in .svg or .png"),
        (("--budget", 20, "--out", "no/where/plan.svg"), "is a folder, or in none"),
        (("--budget", 20, "--curves", "none.csv"), "none.csv: cannot be read as a table"),
        (("--budget", 20, "--recipe", "none"), "none: no such file, nor a built-in recipe"),
    ],
)
def test_bad_input_is_a_line_before_anything_is_measured(
    arguments: tuple[object, ...], message: str
) -> None:
    assert message in refused("--pool", 100, *arguments)


def test_a_table_without_miss_rates_is_named(curves: Path) -> None:
    curves.write_text(curves.read_text().replace(MISS_RATE, "ap"))
    said = refused("--pool", 1000, "--budget", 400, "--curves", curves)
    assert said.startswith(f"{curves}: holds no {MISS_RATE} of a strategy after any label")


def test_nothing_is_written_where_something_is_wrong(tmp_path: Path) -> None:
    out = tmp_path / "plan.svg"
    refused("--pool", 10, "--budget", 11, *GIVEN, "--out", out)
    assert not out.exists()
