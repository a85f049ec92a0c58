"""What figures say in words must not say more than they know."""

import math

import pytest

from thrifty.evaluation.forecast import Forecast
from thrifty.evaluation.saving import Saving
from thrifty.project.wording import (
    outlook_in_words,
    passed_over_in_words,
    saving_in_words,
    share_in_words,
)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (Saving(90, 10, 2.0, 1.5, 2.5), "that saved labelling 90 frames"),
        (Saving(90, 10, 2.0, 0.8, 4.0), "which may be chance"),
        (Saving(90, 10, 0.5, 0.3, 0.8), "chance does better here"),
        (Saving(90, 10, math.nan, 0.0, math.inf), "neither chosen nor random frames have shown"),
        (Saving(90, 10, math.inf, 0.8, math.inf), "chosen ones do, which may be chance"),
        (Saving(90, 10, math.inf, 1.3, math.inf), "they show at least 1.30 times as many (95 %)"),
    ],
)
def test_a_saving_is_told_as_far_as_it_is_sure(told: Saving, said: str) -> None:
    words = saving_in_words("objects", told)
    assert said in words
    assert "inf" not in words
    assert "nan" not in words


def test_a_law_that_rises_is_told_as_more() -> None:
    fewer, more = (
        outlook_in_words(Forecast(60, 0.50, then, then - 0.01, then + 0.01))
        for then in (0.45, 0.55)
    )
    assert "0.050 less than now" in fewer
    assert "0.050 more than now" in more
    assert "consider to stop" in more


def test_what_rules_did_is_told_in_places() -> None:
    assert passed_over_in_words("current", 1.0) == "1 place away in the same batch"
    assert passed_over_in_words("later", 2.0) == "2 places away, and this frame was chosen before"


def test_the_highest_frame_does_not_score_above_all() -> None:
    assert [share_in_words(one) for one in (0.0, 0.523, 0.9961, 0.99999)] == [
        "0%",
        "52%",
        "99.61%",
        "99.99%",
    ]
