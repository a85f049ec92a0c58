"""One strategy beside another: tables and sentences worked out by hand."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.costs import CostModel
from thrifty.errors import DataError
from thrifty.evaluation.axis import Axis
from thrifty.evaluation.learning_curve import Measurement
from thrifty.evaluation.statistics import seeds_needed
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
    assert mine.area is not None
    assert mine.area.difference == pytest.approx(0.15)
    # Eight pairs of one sign: 2 of 256 sign patterns, corrected for two strategies.
    assert mine.final.p == pytest.approx(2 * 2 / 256)
    assert mine.parity is not None
    assert mine.parity.needed == pytest.approx(150)
    assert mine.ceiling is None
    said = list(mine.sentences("guided-random"))
    assert said[0].startswith("after the last cycle: better than guided-random in 8 of 8 seeds")
    assert said[2].startswith(
        "parity with guided-random: 150 labels (95 % interval 150 to 150) reach 0.635, where 300 were"
    )
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
    assert mine.ceiling.needed == pytest.approx(200)
    assert list(mine.sentences("guided-random"))[-1] == (
        "parity with the whole pool: 200 labels (95 % interval 200 to 200) reach 0.535, where 900 were spent: 22 %"
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
    assert finding.left_out == 1
    assert list(finding.sentences("guided-random"))[-1] == (
        "1 shared seed is left out: a run of the pair is unfinished or lacks a figure"
    )
    assert findings(rows, "entropy") == []
    assert findings([], "entropy") == []


def test_larger_cycles_are_finished_when_as_much_is_labelled() -> None:
    base = lines("guided-random", 0.1)
    larger = [
        Measurement("mine-3b", seed, cycle, labelled, 7, 0.0, MISS_RATE, value)
        for seed in SEEDS
        for cycle, labelled, value in ((0, 0, 0.9 + 0.01 * seed), (1, 300, 0.5))
    ]
    (finding,) = findings(base + larger, "guided-random")
    assert (finding.final.pairs, finding.left_out) == (8, 0)
    assert finding.spent == finding.budget == 300
    halfway = [dataclasses.replace(row, labelled=200 * row.cycle) for row in larger]
    assert findings(base + halfway, "guided-random") == []


def test_the_whole_pool_as_a_reference() -> None:
    whole = [
        Measurement("whole-pool", seed, cycle, 900 * cycle, 0, 0.0, MISS_RATE, 0.9 - 0.5 * cycle)
        for seed in SEEDS
        for cycle in (0, 1)
    ]
    (finding,) = findings(lines("mine", 0.1) + whole, "whole-pool")
    assert finding.final.difference == pytest.approx(0.4 - 0.635)
    assert "300 labels were spent on it, 900 on whole-pool" in next(finding.sentences("whole-pool"))


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
        ("HEAD\nmine,0,0,0,0,0,ap\n", "line 2 has 7 cells under 8 columns"),
        ("HEAD\nmine,0,0,0,0,0,ap,0,5\n", "line 2 has 9 cells under 8 columns"),
        (
            "HEAD\n\nmine,0,0,0,0,0,ap,0\nmine,0,1,-5,0,0,ap,0\n",
            "line 4 is .*labelled is '-5', not a",
        ),
        ("HEAD\nmine,0,0,0,-1,0,ap,0\n", "line 2 is .*boxes is '-1', not a count"),
        ("HEAD\nmine,-1,0,0,0,0,ap,0\n", "line 2 is .*seed is '-1', not a count"),
        (
            "HEAD\nmine,0,0,1" + "0" * 400 + ",0,0,ap,0\n",
            "line 2 is .*labelled is '10+', not a count",
        ),
        ("HEAD\nmine,0,0,0,0,-1,ap,0\n", "line 2 is .*seconds is '-1', not a time"),
        ("HEAD\nmine,0,0,0,0,inf,ap,0\n", "line 2 is .*seconds is 'inf', not a time"),
        ("HEAD\nmine,0,0,0,0,nan,ap,0\n", "line 2 is .*seconds is 'nan', not a time"),
        ("HEAD\nmine,0,0,0,0,0,ap,\n", "line 2 is no row of the table"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    head = "strategy,seed,cycle,labelled,boxes,seconds,metric,value"
    path.write_text(text.replace("HEAD", head))
    with pytest.raises(DataError, match=message):
        read_measurements(path)


def test_cells_that_no_csv_has_are_refused_by_their_line(tmp_path: Path) -> None:
    head = "strategy,seed,cycle,labelled,boxes,seconds,metric,value\n"
    good = "mine,0,0,0,0,0,ap,0\n"
    path = tmp_path / "table.csv"
    for row, message in (
        (f"{'m' * 200_000},0,0,0,0,0,ap,0\n", "table.csv: line 3 is no CSV"),
        ("mi\0ne,0,0,0,0,0,ap,0\n", "table.csv: line 3 holds a NUL byte"),
        ('"mine,0,0,0,0,0,ap,0\n', "table.csv: line 3 is no CSV"),
    ):
        path.write_text(head + good + row)
        with pytest.raises(DataError, match=message):
            read_measurements(path)


def test_a_table_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_measurements(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_measurements(tmp_path / "bytes.csv")


def bought(
    strategy: str, seed: int, cycles: list[tuple[int, int, float, float]]
) -> list[Measurement]:
    """A run of stated frames, boxes, seconds and miss rates."""
    return [
        Measurement(strategy, seed, cycle, labelled, boxes, seconds, MISS_RATE, value)
        for cycle, (labelled, boxes, seconds, value) in enumerate(cycles)
    ]


def spenders(seeds: range = SEEDS) -> list[Measurement]:
    """Budgets in boxes: every run labels another number of frames, and mine ends with more boxes than random."""
    rows: list[Measurement] = []
    for seed in seeds:
        rows += bought(
            "mine",
            seed,
            [(0, 0, 0.0, 0.9), (9 + seed, 100, 3600.0, 0.6), (20 + 2 * seed, 220, 7920.0, 0.3)],
        )
        rows += bought(
            "random",
            seed,
            [(0, 0, 0.0, 0.9), (15 - seed, 100, 1800.0, 0.8), (28 + seed, 200, 3600.0, 0.6)],
        )
    return rows


def test_runs_that_label_different_numbers_of_frames_are_paired_by_their_cycles() -> None:
    (finding,) = findings(spenders(), "random", along=Axis.BOXES)
    assert (finding.final.pairs, finding.left_out) == (8, 0)
    assert finding.final.difference == pytest.approx(0.3)
    # From 0 to 200 boxes: mine 0.75 over 100, then from 0.6 to 0.35; random 0.85, then 0.7.
    own, base = (0.75 + (0.6 + 0.35) / 2) / 2, (0.85 + 0.7) / 2
    assert finding.area is not None
    assert finding.area.difference == pytest.approx(base - own)
    said = list(finding.sentences("random"))
    assert said[0].startswith("after the last cycle: better than random in 8 of 8 seeds")
    assert said[0].endswith("; 220 boxes were spent on it, 200 on random")
    assert said[1].startswith("along the curves where both go: better than random")
    assert said[2] == (
        "parity with random: 100 boxes (95 % interval 100 to 100) reach 0.600, where 200 were spent: 50 %"
    )


def test_the_same_runs_along_time_and_frames() -> None:
    (timed,) = findings(spenders(), "random", along=Axis.SECONDS)
    said = list(timed.sentences("random"))
    assert said[0].endswith("; 2.2 h were spent on it, 60 min on random")
    assert (
        "parity with random: 60 min (95 % interval 60 min to 60 min) reach 0.600, where 60 min were spent: 100 %"
        in said[2]
    )
    (framed,) = findings(spenders(), "random")
    # Frames: mine 9 to 16 after the first cycle, 12.5 in the mean; the mean curve is at 0.6 a little later.
    assert framed.parity is not None
    places = np.unique([n for seed in SEEDS for n in (0, 9 + seed, 20 + 2 * seed)])
    places = places[places <= 20]
    means = [
        np.mean([np.interp(x, [0, 9 + s, 20 + 2 * s], [0.9, 0.6, 0.3]) for s in SEEDS])
        for x in places
    ]
    above = int(np.flatnonzero(np.array(means) <= 0.6)[0])
    expected = np.interp(-0.6, [-means[above - 1], -means[above]], places[above - 1 : above + 1])
    assert framed.parity.needed == pytest.approx(expected)
    # 27 frames in the mean against 31.5.
    assert next(iter(framed.sentences("random"))).endswith(
        "; 27 labels were spent on it, 32 on random"
    )


def test_spending_that_is_nearly_alike_is_not_spoken_of() -> None:
    rows = [
        row
        for seed in SEEDS
        for row in (
            *bought("mine", seed, [(0, 0, 0.0, 0.9), (10, 105, 0.0, 0.6)]),
            *bought("random", seed, [(0, 0, 0.0, 0.9), (10, 100, 0.0, 0.8)]),
        )
    ]
    (finding,) = findings(rows, "random", along=Axis.BOXES)
    said = list(finding.sentences("random"))
    assert not any("spent on it" in sentence for sentence in said)
    assert said[1].startswith("along the whole curve: ")


def test_a_cycle_that_bought_nothing_loses_no_page() -> None:
    rows = spenders(range(6))
    stalled = [
        row
        for seed in range(6)
        for row in bought("stalled", seed, [(0, 0, 0.0, 0.9), (5, 50, 1.0, 0.7), (5, 50, 1.0, 0.8)])
    ]
    found = {one.strategy: one for one in findings(rows + stalled, "random", along=Axis.BOXES)}
    assert found["stalled"].final.pairs == 6
    assert found["stalled"].final.difference == pytest.approx(-0.2)


def test_where_nothing_was_spent_along_the_axis_there_is_no_area() -> None:
    rows = lines("mine", 0.2) + [
        Measurement("random", seed, cycle, 0, 0, 0.0, MISS_RATE, 0.9 - 0.1 * cycle)
        for seed in SEEDS
        for cycle in range(4)
    ]
    (finding,) = findings(rows, "random")
    assert finding.area is None
    said = list(finding.sentences("random"))
    assert said[0].endswith("; 300 labels were spent on it, 0 on random")
    assert not any("whole curve" in sentence for sentence in said)


def test_one_correction_for_all_whatever_seeds_they_have() -> None:
    rows = lines("guided-random", 0.1)
    rows += lines("eight", 0.2) + lines("seven", 0.2, range(7)) + lines("six", 0.2, range(6))
    found = {one.strategy: one.final.p for one in findings(rows, "guided-random")}
    # Three, two and one times 2 of 256, of 128 and of 64 signs; after Holm none is below one before it.
    assert found == {
        "eight": pytest.approx(3 * 2 / 256),
        "seven": pytest.approx(2 * 2 / 128),
        "six": pytest.approx(2 / 64),
    }


def test_an_answer_does_not_depend_on_who_comes_first_in_the_alphabet() -> None:
    rng = np.random.default_rng(3)
    rows = [
        row
        for name in ("aaa", "mine", "random")
        for seed in SEEDS
        for row in run(name, seed, [0.9, float(rng.uniform(0.3, 0.6))])
    ]
    (alone,) = findings([row for row in rows if row.strategy != "aaa"], "random")
    _, mine = findings(rows, "random")
    assert (mine.final.low, mine.final.high) == (alone.final.low, alone.final.high)


def test_seeds_needed_are_foretold_for_the_corrected_test_and_only_if_there_are_too_few() -> None:
    seeds = range(6)
    differences = [0.03, 0.05, 0.01, 0.04, -0.02, 0.05]
    base = [row for seed in seeds for row in run("random", seed, [0.9, 0.6])]
    mine = [row for seed in seeds for row in run("mine", seed, [0.9, 0.6 - differences[seed]])]
    others = [
        row
        for number in range(4)
        for seed in seeds
        for row in run(f"other-{number}", seed, [0.9, 0.6])
    ]
    mean, spread = float(np.mean(differences)), float(np.std(differences, ddof=1))
    (alone,) = findings(base + mine, "random")
    assert alone.seeds == seeds_needed(mean, spread)
    among = next(one for one in findings(base + mine + others, "random") if one.strategy == "mine")
    assert among.seeds == seeds_needed(mean, spread, 0.05 / 5)
    told = f"a difference as large as this one would take {among.seeds} seeds to see"
    assert told in list(among.sentences("random"))
    enough = dataclasses.replace(among, seeds=6)
    assert not any("seeds to see" in sentence for sentence in enough.sentences("random"))


def test_start_weights_of_the_whole_pool_are_no_ceiling() -> None:
    whole = [row for seed in SEEDS for row in run("whole-pool", seed, [0.9 + 0.01 * seed])]
    (mine,) = findings(lines("mine", 0.2) + lines("guided-random", 0.1) + whole, "guided-random")
    assert mine.ceiling is None


def test_start_weights_alone_are_no_comparison() -> None:
    rows = [row for seed in SEEDS for name in ("a", "random") for row in run(name, seed, [0.5])]
    assert findings(rows, "random") == []


def test_seeds_without_any_figure_are_counted_among_those_left_out() -> None:
    rows = [
        dataclasses.replace(row, value=math.nan)
        if (row.strategy, row.seed) in {("mine", 2), ("random", 5)}
        else row
        for row in (*lines("mine", 0.2), *lines("random", 0.1))
    ]
    (finding,) = findings(rows, "random")
    assert (finding.final.pairs, finding.left_out) == (6, 2)
    assert list(finding.sentences("random"))[-1].startswith("2 shared seeds are left out: ")
