"""Learning curves: areas and parities worked out by hand, and properties that hold for any."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.errors import DataError
from thrifty.evaluation.learning_curve import (
    LearningCurve,
    Measurement,
    curves,
    labels_to_parity,
)


def curve(labelled: list[float], values: list[float]) -> LearningCurve:
    return LearningCurve(np.array(labelled), np.array(values))


def test_an_area_by_hand() -> None:
    assert curve([0, 10], [1.0, 0.0]).area() == 0.5
    assert curve([0, 10, 20], [1.0, 0.0, 0.0]).area() == 0.25
    assert curve([5], [0.7]).area() == 0.7


def test_labels_to_a_figure_by_hand() -> None:
    one = curve([0, 100, 200, 300], [0.9, 0.7, 0.75, 0.5])
    assert one.labels_to(0.95) == 0
    assert one.labels_to(0.8) == pytest.approx(50)
    assert one.labels_to(0.7) == pytest.approx(100)
    assert one.labels_to(0.6) == pytest.approx(260)
    assert one.labels_to(0.4) == math.inf
    people = curve([0, 100], [0.0, 50.0])
    assert people.labels_to(25.0, lower_is_better=False) == pytest.approx(50)


values = st.lists(st.floats(0, 1), min_size=2, max_size=8)


@given(values, st.floats(0, 1))
def test_the_figure_is_reached_where_it_says_and_not_before(
    figures: list[float], target: float
) -> None:
    one = curve([10.0 * n for n in range(len(figures))], figures)
    labels = one.labels_to(target)
    if math.isinf(labels):
        assert min(figures) > target
        return
    assert np.interp(labels, one.labelled, one.values) == pytest.approx(
        min(target, figures[0]), abs=1e-9
    )
    before = one.values[one.labelled < labels - 1e-9]
    assert (before > target).all()


@given(values)
def test_mirrored_figures_mirror_everything(figures: list[float]) -> None:
    one = curve([float(n) for n in range(len(figures))], figures)
    other = curve([float(n) for n in range(len(figures))], [-value for value in figures])
    assert other.area() == pytest.approx(-one.area())
    assert one.labels_to(0.5) == other.labels_to(-0.5, lower_is_better=False)


def runs(offsets: list[float], slope: float) -> dict[int, LearningCurve]:
    """Straight lines from 1, a seed's offset higher or lower throughout."""
    labelled = [0.0, 100.0, 200.0, 300.0]
    return {
        seed: curve(labelled, [1 + offset - slope * count for count in labelled])
        for seed, offset in enumerate(offsets)
    }


def test_parity_of_lines_by_hand_and_offsets_of_seeds_cancel() -> None:
    offsets = [0.0, 0.1, -0.1, 0.3, -0.3]
    parity = labels_to_parity(runs(offsets, 0.002), runs(offsets, 0.001), np.random.default_rng(0))
    assert parity.target == pytest.approx(0.7)
    assert parity.labels == pytest.approx(150)
    assert [parity.low, parity.high] == pytest.approx([150, 150])
    assert parity.reached == 1
    assert "150 labels reach 0.700, where 300 were spent (50 %" in parity.sentence(300)


def test_what_is_never_reached_says_so() -> None:
    parity = labels_to_parity(
        runs([0.0, 0.0], 0.001), runs([0.0, 0.0], 0.002), np.random.default_rng(0)
    )
    assert parity.labels == parity.high == math.inf
    assert parity.reached == 0
    assert "not reached" in parity.sentence(300)


def test_seeds_that_differ_widen_the_interval() -> None:
    noisy = {
        seed: curve([0, 100, 200], [1.0, 0.6 + 0.05 * (seed % 3 - 1), 0.4]) for seed in range(6)
    }
    parity = labels_to_parity(noisy, runs([0.0] * 6, 0.001), np.random.default_rng(0))
    assert parity.low < parity.labels < parity.high < math.inf


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
    assert found["a"][1].labelled.tolist() == [0, 50]
    assert found["a"][1].values.tolist() == [0.9, 0.5]


@pytest.mark.parametrize(
    ("labelled", "figures", "message"),
    [
        ([], [], "as many figures"),
        ([0, 1], [1.0], "as many figures"),
        ([1, 1], [1.0, 2.0], "must increase"),
        ([0, 1], [1.0, math.nan], "be finite"),
    ],
)
def test_what_is_no_curve_is_refused(
    labelled: list[float], figures: list[float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        curve(labelled, figures)


def test_runs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="no seed was run with both"):
        labels_to_parity({0: curve([0], [1])}, {1: curve([0], [1])}, np.random.default_rng(0))
    with pytest.raises(DataError, match="different label counts"):
        labels_to_parity(
            {0: curve([0], [1]), 1: curve([1], [1])},
            {0: curve([0], [1]), 1: curve([0], [1])},
            np.random.default_rng(0),
        )
