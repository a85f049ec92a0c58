"""The strategy around convex selection: doubt and distance as costs, large pools, and the ranking."""

import math

import numpy as np
import pytest
import torch

from tests.strategies.deciding import decide, taken
from thrifty.config import Statistic
from thrifty.maps import ClassMaps, MapKind
from thrifty.scoring.regions import RegionSettings
from thrifty.strategies.convex import Convex
from thrifty.strategies.strategy import Columns, Labelled
from thrifty.types import Record
from thrifty.views import Features, Maps, Seen, View

STILLS = [Record(name, f"{name}.png", 2, 2) for name in "abcdef"]


def columns(features: list[list[float]], doubt: list[float]) -> Columns:
    return {"features": np.array(features, dtype=np.float32), "score": np.array(doubt)}


def test_of_two_frames_alike_the_more_doubtful_stands_for_both() -> None:
    observed = columns([[0.0], [0.0], [1.0], [1.0]], [1.0, 0.0, 0.0, 1.0])
    decision = decide(Convex(RegionSettings(), weight=0.5), STILLS[:4], observed, 2)
    assert taken(decision, STILLS) == ["a", "d"]
    assert decision.smoothed.tolist() == pytest.approx([2, 0, 0, 2], abs=0.05)
    assert decision.scores.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert decision.reasons == ("stands for 2.0 frames",) * 2


def test_of_two_frames_alike_the_one_farther_from_what_is_labelled_stands_for_both() -> None:
    # Of each pair the outer one, 0 and 3, is farther from the labelled frame in the middle.
    observed = columns([[-4.0], [-3.0], [3.0], [4.0]], [0.0] * 4)
    labelled = Labelled(columns=columns([[0.0]], [0.0]))
    strategy = Convex(RegionSettings(), weight=0.5)
    chosen = taken(decide(strategy, STILLS[:4], observed, 2, labelled), STILLS)
    assert sorted(chosen) == ["a", "d"]
    # Without it the inner ones, which are nearer to everything.
    assert sorted(taken(decide(strategy, STILLS[:4], observed, 2), STILLS)) == ["b", "c"]


def test_of_those_that_stand_for_nobody_the_more_doubtful_is_taken_first() -> None:
    observed = columns([[0.0]] * 3 + [[1.0]] * 3, [1.0, 0.02, 0.01, 0.0, 0.03, 0.9])
    decision = decide(Convex(RegionSettings(), weight=0.5), STILLS, observed, 5)
    chosen = taken(decision, STILLS)
    assert sorted(chosen[:2]) == ["a", "f"]
    assert chosen[2:] == ["e", "b", "c"]


def test_of_a_pool_too_large_those_enter_that_cover_it() -> None:
    # Farthest from the mean is the last; farthest from that, the first. Nobody else is looked at.
    observed = columns([[0.0], [0.2], [0.4], [9.6], [9.8], [11.0]], [0.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    small = Convex(RegionSettings(), most=2)
    decision = decide(small, STILLS, observed, 2)
    assert sorted(taken(decision, STILLS)) == ["a", "f"]
    assert decision.smoothed[1:5].tolist() == [0.0] * 4
    assert float(decision.smoothed.sum()) == pytest.approx(2, abs=1e-6)
    # What is labelled is covered: then the farthest is the first of all.
    labelled = Labelled(columns=columns([[11.0]], [0.0]))
    alone = Convex(RegionSettings(), most=1)
    assert taken(decide(alone, STILLS, observed, 1, labelled), STILLS) == ["a"]


def test_as_many_enter_as_are_wanted() -> None:
    observed = columns([[0.0], [0.2], [0.4], [9.6], [9.8], [11.0]], [0.5] * 6)
    decision = decide(Convex(RegionSettings(), most=2), STILLS, observed, 4)
    assert len(set(taken(decision, STILLS))) == 4
    # All frames that entered are described by those that entered.
    assert float(decision.smoothed.sum()) == pytest.approx(4, abs=1e-6)


def test_what_is_observed() -> None:
    pixels = torch.tensor([[0.5, 0.9], [0.9, 0.9]], dtype=torch.float64)[None, None]
    maps = ClassMaps((pixels,), 2, 2, MapKind.PROBABILITIES)
    features = torch.tensor([[1.0, 3.0], [5.0, 7.0]])[None, None]
    answers: dict[View[object], object] = {Maps(): maps, Features("deep"): features}
    seen = Seen(answers, 1, [(2, 2)])
    nine = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    observed = Convex(RegionSettings(2)).observe(seen)
    assert observed["score"].tolist() == pytest.approx([math.log(2)], abs=1e-6)
    assert observed["features"].tolist() == [[4.0]]
    mean = Convex(RegionSettings(2, statistic=Statistic.MEAN)).observe(seen)["score"]
    assert mean.tolist() == pytest.approx([(math.log(2) + 3 * nine) / 4], abs=1e-6)
