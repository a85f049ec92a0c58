"""One strategy beside another: tables and sentences worked out by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.costs import CostModel
from thrifty.errors import DataError
from thrifty.evaluation.learning_curve import Measurement
from thrifty.study.comparison import (
    MISS_RATE,
    findings,
    measurements,
    read_measurements,
    write_measurements,
)
from thrifty.study.point import Point

SEEDS = range(8)


def run(
    strategy: str, seed: int, values: list[float], metric: str = MISS_RATE
) -> list[Measurement]:
    """A run of 100 labels a cycle."""
    return [
        Measurement(strategy, seed, cycle, 100 * cycle, 7 * cycle, 3500.0 * cycle, metric, value)
        for cycle, value in enumerate(values)
    ]


def lines(strategy: str, drop: float, seeds: range = SEEDS) -> list[Measurement]:
    """Miss rates that fall from 0.9, each seed's start a little different."""
    return [
        row
        for seed in seeds
        for row in run(strategy, seed, [0.9 + 0.01 * seed - drop * cycle for cycle in range(4)])
    ]


def test_twice_as_fast_is_better_and_needs_half_of_the_labels() -> None:
    rows = lines("mine", 0.2) + lines("guided-random", 0.1) + lines("other", 0.1)
    found = {finding.strategy: finding for finding in findings(rows, "guided-random")}
    assert set(found) == {"mine", "other"}
    mine = found["mine"]
    assert mine.final.difference == pytest.approx(0.3)
    assert mine.area.difference == pytest.approx(0.15)
    # Eight pairs of one sign: 2 of 256 sign patterns, corrected for two strategies.
    assert mine.final.p == pytest.approx(2 * 2 / 256)
    assert mine.parity is not None
    assert mine.parity.labels == pytest.approx(150)
    assert mine.ceiling is None
    said = list(mine.sentences("guided-random"))
    assert said[0].startswith("after the last cycle: better than guided-random in 8 of 8 seeds")
    assert said[2].startswith("parity with guided-random: 150 labels reach 0.635, where 300 were")
    assert len(said) == 3
    assert not found["other"].final.is_different
    assert found["other"].seeds is None


def test_the_whole_pool_is_a_ceiling_and_no_rival() -> None:
    whole = [
        row
        for seed in SEEDS
        for row in (
            Measurement("whole-pool", seed, 0, 0, 0, 0.0, MISS_RATE, 0.9 + 0.01 * seed),
            Measurement("whole-pool", seed, 1, 900, 70, 0.0, MISS_RATE, 0.5 + 0.01 * seed),
        )
    ]
    (mine,) = findings(lines("mine", 0.2) + lines("guided-random", 0.1) + whole, "guided-random")
    assert mine.ceiling is not None
    assert mine.ceiling.labels == pytest.approx(200)
    assert list(mine.sentences("guided-random"))[-1] == (
        "parity with the whole pool: 200 labels reach 0.535, where 900 were spent (22 %; 95 % interval 200 to 200)"
    )


def test_what_few_seeds_show_says_how_many_would_do() -> None:
    seeds = range(4)
    base = lines("guided-random", 0.1, seeds)
    mine = [
        row
        for seed in seeds
        for row in run(
            "mine", seed, [0.9 + 0.01 * seed, 0.8, 0.7, 0.59 + 0.01 * seed * (-1) ** seed]
        )
    ]
    (finding,) = findings(base + mine, "guided-random")
    assert not finding.final.is_different
    assert finding.seeds is not None
    assert finding.seeds > 4
    said = list(finding.sentences("guided-random"))
    assert "no difference from guided-random that 4 seeds can show" in said[0]
    assert said[2] == f"a difference as large as this one would take {finding.seeds} seeds to see"


def test_one_seed_tells_nothing() -> None:
    one = range(1)
    (finding,) = findings(lines("mine", 0.2, one) + lines("random", 0.1, one), "random")
    assert list(finding.sentences("random")) == ["one seed, from which nothing can be told"]
    assert finding.parity is None


def test_only_what_can_be_paired_is_compared() -> None:
    rows = lines("mine", 0.2) + lines("guided-random", 0.1, range(6))
    rows += lines("alone", 0.2, range(20, 25))
    cut_short = [row for row in rows if not (row.seed == 5 and row.cycle == 3)]
    (finding,) = findings(cut_short, "guided-random")
    assert finding.strategy == "mine"
    assert finding.final.pairs == 5
    assert findings(rows, "entropy") == []
    assert findings([], "entropy") == []


def test_what_another_strategy_does_changes_no_answer_but_its_correction() -> None:
    rows = lines("mine", 0.2) + lines("guided-random", 0.1)
    (alone,) = findings(rows, "guided-random")
    mine, _ = findings(rows + lines("other", 0.15), "guided-random")
    assert (mine.final.low, mine.final.high) == (alone.final.low, alone.final.high)
    assert mine.parity == alone.parity
    assert mine.final.p == 2 * alone.final.p


def test_figures_where_more_is_better_are_turned_round() -> None:
    rows = [
        row
        for seed in SEEDS
        for row in run("mine", seed, [0.1, 0.4], "ap") + run("random", seed, [0.1, 0.3], "ap")
    ]
    (finding,) = findings(rows, "random", "ap")
    assert finding.final.difference == pytest.approx(0.1)
    assert finding.final.is_different


def test_a_run_makes_a_row_for_each_figure_of_each_cycle() -> None:
    curve = np.array([1.0])
    rows = measurements(
        [Point("mine", 3, 2, 40, 55, 0.4, 0.5, 0.25, 0.75, curve, curve)], CostModel(35, 2)
    )
    assert {row.metric: row.value for row in rows} == {
        "miss_rate_at_1_fppi": 0.4,
        "log_average_miss_rate": 0.5,
        "ap": 0.25,
        "ap50": 0.75,
    }
    assert {(row.strategy, row.seed, row.cycle, row.labelled, row.boxes) for row in rows} == {
        ("mine", 3, 2, 40, 55)
    }
    assert rows[0].seconds == 40 * 35 + 55 * 2


@given(
    st.lists(
        st.builds(
            Measurement,
            st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1),
            st.integers(0, 99),
            st.integers(0, 99),
            st.integers(0, 10**9),
            st.integers(0, 10**9),
            st.floats(0, 1e9),
            st.sampled_from(["ap", MISS_RATE]),
            st.floats(allow_nan=False),
        )
    )
)
def test_the_table_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Measurement]
) -> None:
    path = tmp_path_factory.mktemp("table") / "learning_curves.csv"
    write_measurements(rows, path)
    assert read_measurements(path) == rows


def test_a_figure_that_is_none_stays_out(tmp_path: Path) -> None:
    rows = [*lines("mine", 0.2), *lines("random", 0.1)]
    rows.append(Measurement("mine", 0, 4, 400, 0, 0.0, MISS_RATE, math.nan))
    write_measurements(rows, tmp_path / "table.csv")
    (finding,) = findings(read_measurements(tmp_path / "table.csv"), "random")
    assert finding.final.pairs == len(SEEDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its columns are not strategy, seed"),
        ("a,b\n1,2\n", "its columns are not strategy, seed"),
        ("HEAD\nmine,one,0,0,0,0,ap,0\n", "line 2 is no row of the table"),
        ("HEAD\nmine,0,0,0,0,0,ap\n", "line 2 is no row of the table"),
        ("HEAD\nmine,0,0,0,0,0,ap,\n", "line 2 is no row of the table"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    head = "strategy,seed,cycle,labelled,boxes,seconds,metric,value"
    path.write_text(text.replace("HEAD", head))
    with pytest.raises(DataError, match=message):
        read_measurements(path)


def test_a_table_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_measurements(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_measurements(tmp_path / "bytes.csv")
