"""What a budget buys, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thrifty.costs import CostModel, fit_cost_model
from thrifty.errors import BudgetError, DataError
from thrifty.selection.budget import Budget


def test_without_costs_a_budget_is_a_number_of_frames() -> None:
    budget = Budget(3)
    assert budget.frames == 3
    assert budget.bought([5, 1, 2, 4]) == [0, 1, 2]
    assert budget.cost_of(7) == 1
    budget.check(3)
    with pytest.raises(BudgetError, match="3 frames are to be chosen but only 2 are left"):
        budget.check(2)


def test_with_costs_it_buys_most_of_the_cheapest_and_the_first_of_an_order() -> None:
    budget = Budget(10.0, np.array([6.0, 3.0, 5.0, 2.0]))
    assert budget.frames == 3
    assert budget.bought([0, 1, 2]) == [0, 1]
    assert budget.bought([0, 2, 3]) == [0, 2]
    assert budget.bought([]) == []


def test_tenths_add_up_in_spite_of_their_rounding() -> None:
    assert Budget(0.3, np.full(3, 0.1)).bought([0, 1, 2]) == [0, 1, 2]


def test_a_budget_that_buys_nothing_says_what_the_cheapest_would_cost() -> None:
    with pytest.raises(
        BudgetError, match=r"a budget of 30 buys nothing: the cheapest frame is expected to cost 35"
    ):
        Budget(30, np.array([40.0, 35.0])).check(2)
    with pytest.raises(BudgetError, match="no frame is left"):
        Budget(30, np.zeros(0)).check(0)


def test_a_shortlist_is_a_multiple_rounded_up_to_frames() -> None:
    assert Budget(3).times(1.5).amount == 5
    assert Budget(3.0, np.ones(9)).times(1.5).amount == 4.5


def test_a_line_of_times_gives_its_own_costs_back() -> None:
    fit = fit_cost_model([0, 1, 2, 3], [20, 27, 34, 41])
    assert (fit.model.per_frame, fit.model.per_box) == pytest.approx((20, 7))
    assert fit.error == pytest.approx(0, abs=1e-9)
    assert fit.explained == pytest.approx(1)
    assert fit.model.seconds(2, 5) == pytest.approx(75)


def test_by_hand_where_the_times_scatter() -> None:
    """Means 1 and 20; slope ((-1)(-10) + 0 + (1)(4)) / 2 = 7; residuals -3, 6, -3; of 152 squared, 54 are left."""
    fit = fit_cost_model([0, 1, 2], [10, 26, 24])
    assert (fit.model.per_frame, fit.model.per_box) == pytest.approx((13, 7))
    assert fit.error == pytest.approx(math.sqrt(54))
    assert fit.explained == pytest.approx(1 - 54 / 152)


def test_no_cost_is_below_zero() -> None:
    """Frames with more boxes went faster: boxes are then taken to cost nothing, and every frame the mean."""
    fit = fit_cost_model([0, 5, 10], [30, 20, 10])
    assert (fit.model.per_frame, fit.model.per_box) == pytest.approx((20, 0))


@pytest.mark.parametrize(
    ("boxes", "seconds"),
    [
        ([], []),
        ([1], [1]),
        ([1, 2], [1]),
        ([1, -1], [1, 1]),
        ([1, 2], [1, math.nan]),
        ([3, 3], [1, 2]),
    ],
)
def test_times_that_cannot_be_fitted_are_refused(boxes: list[float], seconds: list[float]) -> None:
    with pytest.raises(DataError):
        fit_cost_model(boxes, seconds)


def test_equal_times_have_no_variance_to_explain() -> None:
    """Three times 0.1 have a mean that is not 0.1 to the last digit."""
    assert math.isnan(fit_cost_model([0, 1, 2], [0.1, 0.1, 0.1]).explained)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1000)), min_size=2, max_size=30).filter(
        lambda times: len({boxes for boxes, _ in times}) > 1
    ),
    st.floats(0, 50),
    st.floats(0, 50),
)
def test_no_other_costs_fit_better(
    times: list[tuple[int, float]], per_frame: float, per_box: float
) -> None:
    boxes, seconds = map(list, zip(*times, strict=True))

    def left(model: CostModel) -> float:
        return math.fsum(
            (t - model.seconds(1, n)) ** 2 for n, t in zip(boxes, seconds, strict=True)
        )

    best = left(fit_cost_model(boxes, seconds).model)
    assert best <= left(CostModel(per_frame, per_box)) * (1 + 1e-9) + 1e-6
