"""What a choice saves, and what the next labels buy: by hand, and against chance."""

import math

import numpy as np
import pytest

from thrifty.evaluation.forecast import forecast
from thrifty.evaluation.saving import saving


def test_the_ratio_and_the_frames_saved_by_hand() -> None:
    told = saving(
        np.array([4.0, 2, 6, 4, 4, 4]), np.array([1.0, 3, 2, 2, 2]), np.random.default_rng(0)
    )
    assert told is not None
    assert (told.ratio, told.frames) == (2.0, 6.0)
    assert told.low < 2 < told.high


def test_too_little_says_nothing_and_nothing_taught_is_no_ratio() -> None:
    rng = np.random.default_rng(0)
    assert saving(np.ones(4), np.ones(9), rng) is None
    assert saving(np.ones(9), np.ones(4), rng) is None
    nothing = saving(np.zeros(9), np.zeros(9), rng)
    assert nothing is not None
    assert math.isnan(nothing.ratio)
    assert not nothing.is_told
    endless = saving(np.ones(9), np.zeros(9), rng)
    assert endless is not None
    assert (endless.ratio, endless.high) == (math.inf, math.inf)


def test_a_few_frames_that_show_nothing_do_not_prove_much() -> None:
    rng = np.random.default_rng(0)
    # Of 9 random frames, up to 1 - 0.025^(1/9) = 33.6 % may show something; chosen ones show one each.
    told = saving(np.ones(9), np.zeros(9), rng)
    assert told is not None
    assert told.low == pytest.approx(1 / (1 - 0.025 ** (1 / 9)))
    rare = np.array([1.0] * 3 + [0.0] * 12)
    told = saving(rare, np.zeros(15), rng)
    assert told is not None
    assert not told.is_told
    told = saving(np.zeros(15), rare, rng)
    assert told is not None
    assert (told.ratio, told.low, told.is_told) == (0.0, 0.0, False)
    told = saving(np.zeros(60), np.full(30, 2.0), rng)
    assert told is not None
    assert told.high == pytest.approx(1 - 0.025 ** (1 / 60))
    assert told.is_told


def test_rare_objects_are_seldom_told_apart_where_they_are_alike() -> None:
    rng = np.random.default_rng(4)
    told = [
        saving(
            rng.poisson(0.2, 60).astype(np.float64), rng.poisson(0.2, 12).astype(np.float64), rng
        )
        for _ in range(300)
    ]
    assert sum(one is not None and one.is_told for one in told) <= 40


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        told = saving(
            rng.poisson(6.0, 90).astype(np.float64), rng.poisson(3.0, 20).astype(np.float64), rng
        )
        assert told is not None
        held += told.low <= 2.0 <= told.high
    assert held >= 176


def test_alike_frames_are_seldom_called_different() -> None:
    rng = np.random.default_rng(2)
    told = [
        saving(
            rng.poisson(3.0, 90).astype(np.float64), rng.poisson(3.0, 20).astype(np.float64), rng
        )
        for _ in range(200)
    ]
    assert sum(one is not None and one.is_told for one in told) <= 24


def test_a_power_law_is_read_on_and_its_interval_holds() -> None:
    rng = np.random.default_rng(3)
    frames = [20, 40, 60, 80, 100]
    held = 0
    for _ in range(300):
        noise = rng.normal(0, 0.05, 6)
        errors = [
            0.9 * count**-0.3 * math.exp(one) for count, one in zip(frames, noise, strict=False)
        ]
        told = forecast(frames, errors, 50)
        assert told is not None
        held += told.low <= 0.9 * 150**-0.3 * math.exp(noise[5]) <= told.high
    # 80 % of 300, within four standard deviations.
    assert 212 <= held <= 268


@pytest.mark.parametrize(
    ("frames", "errors"), [([10, 20], [0.5, 0.4]), ([10, 10, 10], [0.5, 0.4, 0.3])]
)
def test_too_few_models_forecast_nothing(frames: list[int], errors: list[float]) -> None:
    assert forecast(frames, errors, 10) is None


def test_errors_stay_within_bounds() -> None:
    told = forecast([10, 20, 30], [1.0, 0.0, 1.0], 10)
    assert told is not None
    assert 0 <= told.low <= told.then <= told.high <= 1
