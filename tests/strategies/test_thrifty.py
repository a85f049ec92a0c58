"""Divergence as soon as the detector tells frames apart, and chance before."""

import numpy as np
import pytest

from thrifty.selection.budget import Budget
from thrifty.selection.closeness import Rules
from thrifty.strategies.divergence import Divergence
from thrifty.strategies.scored import Pipeline
from thrifty.strategies.strategy import Decision, Labelled, goes_on
from thrifty.strategies.thrifty import Thrifty
from thrifty.types import Record

FRAMES = [Record(f"f{number}", "x.png", 8, 8) for number in range(4)]
PLAIN = Pipeline(np.ones(1), Rules(0, 0))


def decided(doubt: list[float], objects: list[float], seed: int = 0) -> Decision:
    observed = {"score": np.array(doubt), "objects": np.array(objects)}
    strategy = Thrifty(pipeline=PLAIN)
    return strategy.decide(FRAMES, observed, Budget(2), Labelled(), np.random.default_rng(seed))


def test_a_detector_that_tells_frames_apart_is_asked_for_its_doubt() -> None:
    decision = decided([1.0, 4.0, 2.0, 1.0], [2.0, 0.0, 0.0, 0.0])
    assert decision.scores.tolist() == [1.0, 4.0, 2.0, 1.0]
    assert decision.choice.indices == [1, 2]


@pytest.mark.parametrize("objects", [[0.0] * 4, [10.0, 12, 11, 9]])
def test_a_detector_that_does_not_tell_frames_apart_has_no_say_yet(objects: list[float]) -> None:
    """Whatever it doubts: all pairs are chosen some time."""
    seen = {
        tuple(sorted(decided([1.0, 4.0, 2.0, 1.0], objects, seed).choice.indices))
        for seed in range(60)
    }
    assert len(seen) == 6
    reasons = decided([1.0, 4.0, 2.0, 1.0], objects).reasons
    assert len(reasons) == 2
    assert all("does not tell frames apart yet" in reason for reason in reasons)


def test_the_spread_that_earns_it_a_say_is_half_of_the_mean() -> None:
    assert "by chance" in decided([1.0, 4, 2, 1], [1.0, 2.9, 1, 2.9]).reasons[0]
    assert decided([1.0, 4, 2, 1], [1.0, 3, 1, 3]).choice.indices == [1, 2]


def test_its_detector_goes_on_learning_and_the_paper_s_begins_anew() -> None:
    assert goes_on(Thrifty())
    assert not goes_on(Divergence())
