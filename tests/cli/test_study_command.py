"""`thrifty study` as people use it: a list, tables, and a run with what is said of it."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from unittest.mock import ANY

import pytest
from typer.testing import CliRunner, Result

from thrifty.cli.main import app
from thrifty.cycle import loop, stages
from thrifty.cycle.context import Context
from thrifty.errors import BudgetError, RunError, ThriftyError
from thrifty.store.schema import Key
from thrifty.store.store import Outcome
from thrifty.strategies.strategy import Strategy
from thrifty.study import studies
from thrifty.study.headroom import Headroom

TINY = """
name = "street"
description = "A few frames."
seeds = [0, 1]
start = {kind = "street", look = "daylight", drives = 6, width = 128, height = 96}
pool = {kind = "street", look = "dusk", drives = 2, length = 8, width = 128, height = 96}
test = {kind = "street", look = "dusk", drives = 6, seed = 3, width = 128, height = 96}
detector = {width = 0.1, box_scale = 0.3}
training = {start_steps = 2, steps = 2, batch = 2, replay = 0.5}
selection = {budget = 2, cycles = 3, passes = 2, exclude_current = 1}
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["study", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's studies on a street of a few frames."""
    folder = tmp_path / "studies"
    (folder / "sets").mkdir(parents=True)
    text = files("thrifty").joinpath("studies", "studies.toml").read_text()
    (folder / "studies.toml").write_text(text)
    (folder / "sets" / "street.toml").write_text(TINY)
    monkeypatch.setattr(studies, "_folder", lambda: folder)
    monkeypatch.delenv("THRIFTY_DATA", raising=False)
    return tmp_path / "out"


def test_all_are_listed() -> None:
    lines = run().stdout.splitlines()
    assert lines[0].startswith("table-1: ")
    assert any(line.startswith("figures-9-10: ") for line in lines)


def test_a_figure_runs_and_says_what_was_found(tiny: Path) -> None:
    told = run("figure-8", "--on", "street", "--out", tiny, "--jobs", 1).stdout
    assert "start weights miss" in told
    assert "the whole pool, 16 labels" in told
    assert told.count("The paper: ") == 2
    text = (tiny / "figure-8-street.md").read_text()
    assert text.startswith(
        "# Three times as many frames a cycle\n\nA few frames. Here: 3 x 2 frames, seeds 0, 1;"
    )
    folder = tiny / "street"
    assert (folder / "report.html").is_file()
    rows = (folder / "learning_curves.csv").read_text()
    assert "divergence-3b,0,1,6," in rows
    again = run("figure-8", "--on", "street", "--out", tiny, "--jobs", 1).stdout
    assert again.splitlines()[-12:] == told.splitlines()[-12:]


def test_figures_on_one_set_share_its_run_and_may_be_shorter(tiny: Path) -> None:
    options = ("--on", "street", "--out", tiny, "--jobs", 1, "--seeds", 1, "--cycles", 1)
    run("figure-5", *options)
    run("figure-7", *options)
    assert sorted(path.name for path in tiny.iterdir()) == [
        "figure-5-street-seeds1-cycles1.md",
        "figure-7-street-seeds1-cycles1.md",
        "street-seeds1-cycles1",
    ]


def test_only_the_arms_that_a_figure_looks_at_are_run(tiny: Path) -> None:
    options = ("--on", "street", "--out", tiny, "--seeds", 1, "--cycles", 1)

    def arms() -> set[str]:
        rows = (tiny / "street-seeds1-cycles1" / "learning_curves.csv").read_text().splitlines()
        return {row.split(",")[0] for row in rows[1:] if row.split(",")[2] == "1"}

    run("thrifty", *options, "--jobs", 1)
    few = arms()
    assert few == {"thrifty", "divergence", "guided-random", "guided-random-warm", "whole-pool"}
    run("figure-8", *options, "--jobs", 2)
    assert arms() == few | {"divergence-3b"}


def test_some_arms_of_a_study_are_run_and_told_of_beside_its_reference(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Headroom, "is_there", True)
    options = ("--on", "street", "--out", tiny, "--seeds", 1, "--cycles", 1, "--jobs", 1)
    told = run("every", "--arm", "divergence-mean", "--arm", "bald", *options).stdout
    rows = (tiny / "street-every-seeds1-cycles1" / "learning_curves.csv").read_text().splitlines()
    run_of = {row.split(",")[0] for row in rows[1:] if row.split(",")[2] == "1"}
    assert run_of == {
        "thrifty",
        "divergence-mean",
        "bald",
        "guided-random",
        "random",
        "whole-pool",
    }
    named = {line.split(": one seed")[0] for line in told.splitlines() if ": one seed" in line}
    assert named == {"divergence-mean", "bald", "guided-random", "random"}
    assert "the strategy of the house is more accurate than guided random" in told
    assert "than the method of the paper" not in told
    # The text tells of all that are done, whichever were asked for: a test of fewer would be corrected for fewer.
    more = run("every", "--arm", "entropy", *options).stdout
    known = {line.split(": one seed")[0] for line in more.splitlines() if ": one seed" in line}
    assert known == named | {"entropy"}


def test_an_arm_that_another_study_left_in_the_middle_is_not_told_of(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--on", "street", "--out", tiny, "--seeds", 1, "--cycles", 2, "--jobs", 1)
    original = stages.STAGES["evaluate"]

    def stopped(context: Context, key: Key, strategy: Strategy) -> Outcome:
        if (key.strategy, key.cycle) == ("entropy", 2):
            raise RunError("stopped")
        return original(context, key, strategy)

    monkeypatch.setitem(stages.STAGES, "evaluate", stopped)
    with pytest.raises(RunError, match="stopped"):
        run("figure-5", *options)
    told = run("figure-8", *options).stdout
    assert told.count("The paper: ") == 2
    table = (tiny / "street-seeds1-cycles2" / "learning_curves.csv").read_text()
    assert "divergence-3b,0,1" in table
    assert "entropy" not in table


def test_where_labels_matter_each_arm_is_told_by_what_it_takes_to_be_as_good(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Miss rates laid down: 0.9 at first, chance 0.1 less a cycle, divergence 0.2 less, the whole pool 0.3."""
    original = stages.STAGES["evaluate"]

    def laid_down(context: Context, key: Key, strategy: Strategy) -> Outcome:
        outcome = original(context, key, strategy)
        assert outcome.evaluation is not None
        better = {"divergence": 0.2, "whole-pool": 0.6 - 0.003 * key.seed}.get(key.strategy, 0.1)
        missed = 0.9 - better * key.cycle + 0.002 * key.seed
        return replace(outcome, evaluation=replace(outcome.evaluation, miss_rate=missed))

    monkeypatch.setitem(stages.STAGES, "evaluate", laid_down)
    monkeypatch.setattr(loop, "evaluate", lambda context, key: laid_down(context, key, ANY))
    told = run(
        "thrifty", "--on", "street", "--out", tiny, "--jobs", 1, "--seeds", 3, "--cycles", 2
    ).stdout
    assert ": labels matter here" in told
    assert (
        "2 steps a cycle, from the start weights; thrifty and guided-random-warm from the" in told
    )
    assert "cycle before, 4 steps by the last." in told
    [line] = [line for line in told.splitlines() if line.startswith("divergence: ")]
    assert "parity with guided-random: 2 labels (3 seeds are too few for an interval) reach" in line
    assert "reach 0.702, where 4 were spent: 50 %" in line
    assert "along the whole curve" in line
    assert "parity with the whole pool: 0.305 is not reached within 4 labels" in line


def test_a_recipe_that_is_refused_leaves_no_folder(tiny: Path) -> None:
    with pytest.raises(BudgetError, match="need 30000 frames but the pool holds 16"):
        run("thrifty", "--on", "street", "--out", tiny, "--budget", 10000)
    assert not tiny.exists()


def test_bad_requests_are_refused_before_anything_is_made(tiny: Path) -> None:
    for arguments, message in (
        (("figure-99", "--out", tiny), "no such study"),
        (("figure-5",), "give --out DIR"),
        (("figure-5", "--out", tiny, "--on", "moon"), "choose from caltech"),
        (
            ("table-1", "--out", tiny, "--on", "street"),
            "--on: study table-1 compares no strategies",
        ),
        (
            ("every", "--out", tiny, "--arm", "divnergence"),
            "--arm divnergence: choose from thrifty, ",
        ),
        (("table-1", "--out", tiny, "--arm", "divergence"), "--arm: study table-1 compares no"),
        (("table-1", "--out", tiny, "--jobs", 2), "--jobs: study table-1 compares no strategies"),
        (("figure-4", "--out", tiny, "--data", tiny), "--data: study figure-4 compares no"),
        (("table-1", "--out", tiny, "--device", "cpu"), "--device: study table-1 compares no"),
    ):
        with pytest.raises(ThriftyError, match=message):
            run(*arguments)
    assert not tiny.exists()


def test_table_1_is_counted(tmp_path: Path) -> None:
    told = run("table-1", "--out", tmp_path).stdout
    assert "street, pool: 188 people in 101 of 400 images" in told
    assert "7,740" in told
    assert (tmp_path / "table-1.md").is_file()
