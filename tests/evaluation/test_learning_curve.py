"""Learning curves: areas and parities worked out by hand, and properties that hold for any."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.errors import DataError
from thrifty.evaluation.axis import Axis
from thrifty.evaluation.learning_curve import (
    LearningCurve,
    Measurement,
    common_areas,
    curves,
    spending_to_parity,
)


def curve(labelled: list[float], values: list[float]) -> LearningCurve:
    return LearningCurve(np.array(labelled), np.array(values))


def test_an_area_by_hand() -> None:
    assert curve([0, 10], [1.0, 0.0]).area() == 0.5
    assert curve([0, 10, 20], [1.0, 0.0, 0.0]).area() == 0.25
    assert curve([5], [0.7]).area() == 0.7


def test_labels_to_a_figure_by_hand() -> None:
    one = curve([0, 100, 200, 300], [0.9, 0.7, 0.75, 0.5])
    assert one.place_of(0.95) == 0
    assert one.place_of(0.8) == pytest.approx(50)
    assert one.place_of(0.7) == pytest.approx(100)
    assert one.place_of(0.6) == pytest.approx(260)
    assert one.place_of(0.4) == math.inf
    people = curve([0, 100], [0.0, 50.0])
    assert people.place_of(25.0, lower_is_better=False) == pytest.approx(50)


values = st.lists(st.floats(0, 1), min_size=2, max_size=8)


@given(values, st.floats(0, 1))
def test_the_figure_is_reached_where_it_says_and_not_before(
    figures: list[float], target: float
) -> None:
    one = curve([10.0 * n for n in range(len(figures))], figures)
    labels = one.place_of(target)
    if math.isinf(labels):
        assert min(figures) > target
        return
    assert np.interp(labels, one.places, one.values) == pytest.approx(
        min(target, figures[0]), abs=1e-9
    )
    before = one.values[one.places < labels - 1e-9]
    assert (before > target).all()


@given(values)
def test_mirrored_figures_mirror_everything(figures: list[float]) -> None:
    one = curve([float(n) for n in range(len(figures))], figures)
    other = curve([float(n) for n in range(len(figures))], [-value for value in figures])
    assert other.area() == pytest.approx(-one.area())
    assert one.place_of(0.5) == other.place_of(-0.5, lower_is_better=False)


def runs(offsets: list[float], slope: float) -> dict[int, LearningCurve]:
    """Straight lines from 1, a seed's offset higher or lower throughout."""
    labelled = [0.0, 100.0, 200.0, 300.0]
    return {
        seed: curve(labelled, [1 + offset - slope * count for count in labelled])
        for seed, offset in enumerate(offsets)
    }


def test_parity_of_lines_by_hand_and_offsets_of_seeds_cancel() -> None:
    offsets = [0.0, 0.1, -0.1, 0.3, -0.3]
    parity = spending_to_parity(
        runs(offsets, 0.002), runs(offsets, 0.001), np.random.default_rng(0)
    )
    assert parity.target == pytest.approx(0.7)
    assert parity.needed == pytest.approx(150)
    assert [parity.low, parity.high] == pytest.approx([150, 150])
    assert parity.reached == 1
    assert (
        "150 labels (95 % interval 150 to 150) reach 0.700, where 300 were spent: 50 %"
        in parity.sentence(300)
    )


def test_what_is_never_reached_says_so() -> None:
    parity = spending_to_parity(
        runs([0.0, 0.0], 0.001), runs([0.0, 0.0], 0.002), np.random.default_rng(0)
    )
    assert parity.needed == parity.high == math.inf
    assert parity.reached == 0
    assert "not reached" in parity.sentence(300)


def test_seeds_that_differ_widen_the_interval() -> None:
    noisy = {
        seed: curve([0, 100, 200], [1.0, 0.6 + 0.05 * (seed % 3 - 1), 0.4]) for seed in range(6)
    }
    parity = spending_to_parity(noisy, runs([0.0] * 6, 0.001), np.random.default_rng(0))
    assert parity.low < parity.needed < parity.high < math.inf


def row(strategy: str, seed: int, labelled: int, value: float, metric: str = "miss") -> Measurement:
    return Measurement(strategy, seed, labelled // 50, labelled, 0, 0.0, metric, value)


def test_curves_come_out_of_the_table_in_any_order() -> None:
    rows = [
        row("a", 1, 50, 0.5),
        row("a", 1, 0, 0.9),
        row("b", 1, 0, 0.9),
        row("a", 1, 0, 3.0, "ap"),
    ]
    found = curves(rows, "miss")
    assert set(found) == {"a", "b"}
    assert found["a"][1].places.tolist() == [0, 50]
    assert found["a"][1].values.tolist() == [0.9, 0.5]


@pytest.mark.parametrize(
    ("labelled", "figures", "message"),
    [
        ([], [], "as many figures"),
        ([0, 1], [1.0], "as many figures"),
        ([2, 1], [1.0, 2.0], "must not decrease"),
        ([0, 1], [1.0, math.nan], "be finite"),
        ([0, math.inf], [1.0, 0.5], "be finite"),
    ],
)
def test_what_is_no_curve_is_refused(
    labelled: list[float], figures: list[float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        curve(labelled, figures)


def test_runs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="no seed was run with both"):
        spending_to_parity({0: curve([0], [1])}, {1: curve([0], [1])}, np.random.default_rng(0))
    with pytest.raises(DataError, match="one begins at 3, one ends at 2; leave one out"):
        spending_to_parity(
            {0: curve([0, 2], [1, 1]), 1: curve([3, 4], [1, 1])},
            {0: curve([0], [1]), 1: curve([0], [1])},
            np.random.default_rng(0),
        )


def test_of_cycles_at_one_place_the_last_counts() -> None:
    one = curve([0, 10, 10, 10, 20, 20], [0.9, 0.7, 0.8, 0.6, 0.5, 0.55])
    assert one.places.tolist() == [0, 10, 20]
    assert one.values.tolist() == [0.9, 0.6, 0.55]
    assert curve([0, 0], [0.9, 0.8]).area() == 0.8


def test_an_area_of_a_part_by_hand() -> None:
    one = curve([0, 10, 20], [1.0, 0.0, 0.0])
    assert one.area(5) == pytest.approx(0.5 * 5 / 2 / 15)
    assert one.area(0, 5) == pytest.approx(0.75)
    assert one.area(5, 5) == 0.5


@given(values, st.floats(0, 1), st.floats(0, 1))
def test_the_area_of_a_part_equals_a_fine_sum(figures: list[float], one: float, two: float) -> None:
    whole = curve([10.0 * n for n in range(len(figures))], figures)
    start, end = sorted([one * whole.places[-1], two * whole.places[-1]])
    fine = start + (np.arange(20_000) + 0.5) / 20_000 * (end - start)
    expected = float(np.interp(fine, whole.places, whole.values).mean())
    assert whole.area(start, end) == pytest.approx(expected, abs=1e-3)


def test_areas_of_a_pair_are_taken_where_both_are() -> None:
    long, short = curve([0, 10, 30], [1.0, 0.5, 0.1]), curve([2, 12, 20], [1.0, 0.5, 0.5])
    own, base = common_areas(long, short) or (math.nan, math.nan)
    # From 2 to 20: 0.9 to 0.5 over 8, 0.5 to 0.3 over 10; and 1 to 0.5 over 10, then 0.5 over 8.
    assert own == pytest.approx((0.7 * 8 + 0.4 * 10) / 18)
    assert base == pytest.approx((0.75 * 10 + 0.5 * 8) / 18)
    assert common_areas(short, long) == (base, own)
    assert common_areas(curve([0, 5], [1, 0]), curve([5, 9], [1, 0])) is None


def test_parity_of_runs_that_spent_differently_by_hand() -> None:
    own = {0: curve([0, 100, 240], [1.0, 0.6, 0.5]), 1: curve([0, 60, 200], [1.0, 0.8, 0.3])}
    base = {0: curve([0, 50, 300], [1.0, 0.9, 0.7]), 1: curve([0, 90, 310], [1.0, 0.9, 0.7])}
    parity = spending_to_parity(own, base, np.random.default_rng(0), along=Axis.BOXES)
    # Means at 0, 60, 100: 1, (0.76 + 0.8) / 2 and (0.6 + 0.8 - 0.5 * 40 / 140) / 2; 0.7 lies between the last two.
    last = (0.6 + 0.8 - 0.5 * 40 / 140) / 2
    assert parity.target == pytest.approx(0.7)
    assert parity.needed == pytest.approx(60 + 40 * (0.78 - 0.7) / (0.78 - last))
    assert (parity.end, parity.seeds, parity.along) == (200, 2, Axis.BOXES)
    assert parity.sentence(305) == (
        "81 boxes (2 seeds are too few for an interval) reach 0.700, where 305 were spent: 27 %"
    )


def test_a_figure_beyond_the_shared_range_is_not_promised() -> None:
    """The longer run reaches it, the shorter has ended: nobody knows what the mean does there."""
    own = {0: curve([0, 100], [1.0, 0.9]), 1: curve([0, 400], [1.0, 0.0])}
    base = {0: curve([0, 400], [1.0, 0.5]), 1: curve([0, 400], [1.0, 0.5])}
    parity = spending_to_parity(own, base, np.random.default_rng(0))
    assert parity.needed == math.inf
    assert parity.sentence(400).startswith("0.500 is not reached within 100 labels, which is as")


def test_a_baseline_that_spent_nothing_has_no_share() -> None:
    nothing = {seed: curve([0], [0.5]) for seed in range(5)}
    parity = spending_to_parity(nothing, nothing, np.random.default_rng(0))
    assert parity.sentence(0) == ("0 labels (95 % interval 0 to 0) reach 0.500, where 0 were spent")


def test_the_sentence_names_the_coverage_that_was_asked_for() -> None:
    offsets = [0.0, 0.1, -0.1, 0.3, -0.3]
    own, base = runs(offsets, 0.002), runs(offsets, 0.001)
    parity = spending_to_parity(own, base, np.random.default_rng(0), alpha=0.1)
    assert "90 % interval 150 to 150" in parity.sentence(300)


def test_curves_lie_along_what_was_asked_for() -> None:
    rows = [
        Measurement(
            "a", 0, cycle, 50 * cycle, 7 * cycle**2, 90.0 * cycle, "miss", 0.9 - 0.1 * cycle
        )
        for cycle in range(3)
    ]
    places = {axis: curves(rows, "miss", axis)["a"][0].places.tolist() for axis in Axis}
    assert places == {
        Axis.FRAMES: [0, 50, 100],
        Axis.BOXES: [0, 7, 28],
        Axis.SECONDS: [0, 90, 180],
    }


def test_a_cycle_that_bought_nothing_keeps_its_figure() -> None:
    rows = [
        Measurement("a", 0, cycle, labelled, 0, 0.0, "miss", value)
        for cycle, labelled, value in ((2, 50, 0.6), (0, 0, 0.9), (1, 50, 0.5))
    ]
    found = curves(rows, "miss")["a"][0]
    assert found.places.tolist() == [0, 50]
    assert found.values.tolist() == [0.9, 0.6]


def test_one_row_may_stand_there_twice_but_two_runs_are_not_one() -> None:
    rows = [row("a", 1, 0, 0.9), row("a", 1, 50, 0.5)]
    assert curves(rows + rows, "miss")["a"][1].values.tolist() == [0.9, 0.5]
    with pytest.raises(DataError, match="a, seed 1: there are two different rows of cycle 1"):
        curves([*rows, row("a", 1, 60, 0.5)], "miss")


def test_a_run_that_gives_labels_back_is_refused() -> None:
    rows = [
        Measurement("a", 3, 0, 10, 0, 0.0, "miss", 0.9),
        Measurement("a", 3, 1, 5, 0, 0.0, "miss", 0.8),
    ]
    with pytest.raises(DataError, match="a, seed 3, along frames: .* must not decrease"):
        curves(rows, "miss")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2.0 h"),
        (18900, "5.2 h"),
    ],
)
def test_time_is_said_in_a_unit_that_fits(seconds: float, words: str) -> None:
    assert Axis.SECONDS.number(seconds) == Axis.SECONDS.amount(seconds) == words
