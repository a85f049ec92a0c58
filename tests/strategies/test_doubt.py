"""Strategies of pixel doubt: every measure worked out by hand on maps of one or four pixels."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from tests.strategies.deciding import decide, taken
from thrifty.config import Statistic, parse_recipe
from thrifty.maps import ClassMaps, MapKind
from thrifty.scoring.regions import RegionSettings
from thrifty.scoring.uncertainty import Measure
from thrifty.selection.closeness import Rules
from thrifty.strategies.catalogue import make_strategies
from thrifty.strategies.doubt import PixelDoubt
from thrifty.strategies.scored import Pipeline
from thrifty.types import Need, Record
from thrifty.views import Maps, Members, Passes, Seen

PLAIN = Pipeline(np.ones(1), Rules(0, 0))
LN2 = math.log(2)


def h(p: float) -> float:
    """Equation 3."""
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


def maps(*heads: Sequence[Sequence[float]]) -> ClassMaps:
    """One frame of one class: the probability at every pixel, head by head."""
    levels = tuple(torch.tensor(head, dtype=torch.float64)[None, None] for head in heads)
    height, width = levels[0].shape[2:]
    return ClassMaps(levels, height, width, MapKind.PROBABILITIES)


def row(name: str) -> PixelDoubt:
    text = f"""
name = "x"
start = {{annotations = "a"}}
pool = {{annotations = "b"}}
test = {{annotations = "c"}}
selection = {{budget = 1, cycles = 1, strategies = ["{name}"], passes = 2, members = 3}}
score = {{region = 2}}
"""
    [strategy] = make_strategies(parse_recipe(text, "x"), frozenset(Need))
    assert isinstance(strategy, PixelDoubt)
    return strategy


def score(strategy: PixelDoubt, answer: object, width: int = 1, height: int = 1) -> float:
    [view] = strategy.views
    [value] = strategy.observe(Seen({view: answer}, 1, [(width, height)]))["score"]
    return float(value)


# Over 0.9 and 0.1 the mean is 0.5, whose entropy is ln 2.
APART = [maps([[0.9]]), maps([[0.1]])]


@pytest.mark.parametrize(
    ("name", "answer", "expected"),
    [
        ("entropy", maps([[0.5]]), LN2),
        ("entropy", maps([[0.9]]), h(0.9)),
        # Heads are added up, as equation 4 adds them.
        ("entropy", maps([[0.5]], [[0.9]]), LN2 + h(0.9)),
        ("mc-dropout-0.5", APART, LN2 - h(0.9)),
        ("mc-dropout-0.1", APART, LN2 - h(0.9)),
        ("mc-dropout-0.5", [maps([[0.5]]), maps([[0.5]])], 0.0),
        ("bald", APART, LN2 - h(0.9)),
        ("variation-ratio", APART, 0.5),
        # The mean is 0.8, so "yes" is the likelier answer.
        ("variation-ratio", [maps([[0.9]]), maps([[0.7]])], 0.2),
        # The mean is 0.15: "no" is.
        ("variation-ratio", [maps([[0.1]]), maps([[0.2]])], 0.15),
        ("mean-deviation", APART, 0.4),
        # The squares' mean is (0.81 + 0.25) / 2, the mean's square 0.49: 0.04 = 0.2^2.
        ("mean-deviation", [maps([[0.9]]), maps([[0.5]])], 0.2),
        ("white-box", maps([[0.2]], [[0.9]], [[0.5]]), 0.7),
        ("white-box", maps([[0.4]], [[0.4]]), 0.0),
    ],
)
def test_one_pixel(name: str, answer: object, expected: float) -> None:
    assert score(row(name), answer) == pytest.approx(expected, abs=1e-6)


def test_an_ensemble_s_score_is_the_sum_of_its_members_divergences_from_their_mean() -> None:
    def kl(p: float, q: float) -> float:
        return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))

    ensemble = row("ensemble")
    assert ensemble.views == {Members(3)}
    answer = [maps([[p]]) for p in (0.9, 0.5, 0.1)]
    # The mean is 0.5, and the member that says so differs by nothing.
    assert score(ensemble, answer) == pytest.approx(kl(0.9, 0.5) + kl(0.1, 0.5), abs=1e-6)
    uneven = [maps([[p]]) for p in (0.9, 0.3, 0.3)]
    assert score(ensemble, uneven) == pytest.approx(kl(0.9, 0.5) + 2 * kl(0.3, 0.5), abs=1e-6)


def test_several_classes_are_questions_of_their_own() -> None:
    def two(first: float, second: float) -> ClassMaps:
        level = torch.tensor([first, second], dtype=torch.float64).view(1, 2, 1, 1)
        return ClassMaps((level,), 1, 1, MapKind.PROBABILITIES)

    apart = [two(0.9, 0.5), two(0.1, 0.5)]
    assert score(row("entropy"), two(0.9, 0.5)) == pytest.approx(h(0.9) + LN2, abs=1e-6)
    assert score(row("mc-dropout-0.5"), apart) == pytest.approx(LN2 - h(0.9), abs=1e-6)
    # A mean, not a sum: 0.4 for the first class and 0 for the second.
    assert score(row("mean-deviation"), apart) == pytest.approx(0.2, abs=1e-6)


FOUR = [[0.5, 0.9], [0.8, 0.9]]


def test_of_four_pixels_the_greatest_counts_or_their_mean() -> None:
    of_pixels = [LN2, h(0.9), h(0.8), h(0.9)]
    mean = sum(of_pixels) / 4

    def measured(regions: RegionSettings) -> float:
        strategy = PixelDoubt("mine", Measure.ENTROPY, Maps(), regions, PLAIN)
        return score(strategy, maps(FOUR), 2, 2)

    # One region, the mean over pixels whatever the regions are, and regions of one pixel each.
    assert measured(RegionSettings(2)) == pytest.approx(LN2, abs=1e-6)
    assert measured(RegionSettings(2, statistic=Statistic.MEAN)) == pytest.approx(mean, abs=1e-6)
    assert measured(RegionSettings(1)) == pytest.approx(mean, abs=1e-6)


def test_maxima_are_averaged_over_regions() -> None:
    wide = maps([[0.9, 0.8, 0.7, 0.9], [0.9, 0.9, 0.9, 0.9]])
    strategy = PixelDoubt("mine", Measure.ENTROPY, Maps(), RegionSettings(2), PLAIN)
    assert score(strategy, wide, 4, 2) == pytest.approx((h(0.8) + h(0.7)) / 2, abs=1e-6)


def test_bald_is_a_mean_over_pixels_where_dropout_s_other_rows_take_maxima() -> None:
    # The passes agree but in one pixel of four.
    passes = [maps([[0.9, 0.6], [0.3, 0.5]]), maps([[0.1, 0.6], [0.3, 0.5]])]
    here = LN2 - h(0.9)
    assert score(row("bald"), passes, 2, 2) == pytest.approx(here / 4, abs=1e-6)
    assert score(row("mc-dropout-0.5"), passes, 2, 2) == pytest.approx(here, abs=1e-6)
    assert score(row("mean-deviation"), passes, 2, 2) == pytest.approx(0.4, abs=1e-6)
    # The means are 0.5, 0.6, 0.3 and 0.5.
    assert score(row("variation-ratio"), passes, 2, 2) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("entropy", Maps()),
        ("mc-dropout-0.5", Passes(2, 0.5)),
        ("mc-dropout-0.1", Passes(2, 0.1)),
        ("bald", Passes(2, 0.5)),
        ("white-box", Maps()),
    ],
)
def test_what_a_row_asks_of_a_detector(name: str, view: Maps | Passes) -> None:
    assert row(name).views == {view}


def test_one_pass_has_a_map_to_look_at_and_several_have_none() -> None:
    pixels = row("entropy").score_map(maps(FOUR))
    assert pixels is not None
    expected = [[LN2, h(0.9)], [h(0.8), h(0.9)]]
    np.testing.assert_allclose(pixels[0].numpy(), expected, atol=1e-6)
    assert row("bald").score_map(maps(FOUR)) is None
    assert row("ensemble").score_map(maps(FOUR)) is None


def test_frames_of_a_batch_have_a_score_each_and_the_most_doubtful_is_taken() -> None:
    levels = torch.tensor([0.9, 0.5, 0.8], dtype=torch.float64).view(3, 1, 1, 1)
    batch = ClassMaps((levels,), 1, 1, MapKind.PROBABILITIES)
    strategy = PixelDoubt("mine", Measure.ENTROPY, Maps(), RegionSettings(1), PLAIN)
    observed = strategy.observe(Seen({Maps(): batch}, 3, [(1, 1)] * 3))
    np.testing.assert_allclose(
        np.asarray(observed["score"], np.float64), [h(0.9), LN2, h(0.8)], atol=1e-6
    )
    stills = [Record(name, f"{name}.png", 1, 1) for name in "abc"]
    assert taken(decide(strategy, stills, observed, 2), stills) == ["b", "c"]


DRIVE = [Record(f"v-{place:02d}", "v.avi", 1, 1, "v", place, place) for place in range(40)]
SPIKE_AND_STRETCH = np.zeros(40)
SPIKE_AND_STRETCH[3] = 1.0
SPIKE_AND_STRETCH[10:15] = 0.6


@pytest.mark.parametrize("name", ["entropy", "mc-dropout-0.5", "bald", "ensemble", "white-box"])
def test_what_lasts_beats_a_lone_spike_and_keeps_its_neighbours_out(name: str) -> None:
    decision = decide(row(name), DRIVE, {"score": SPIKE_AND_STRETCH}, 2)
    first, second = (chosen.index for chosen in decision.choice.chosen)
    assert first == 12
    # Fifteen places are kept free around a chosen frame.
    assert abs(first - second) > 15
