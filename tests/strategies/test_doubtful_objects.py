"""Doubt and objects, each as a share of the pool's mean."""

import numpy as np
import pytest

from thrifty.selection.budget import Budget
from thrifty.selection.closeness import Rules
from thrifty.strategies.doubtful_objects import DoubtfulObjects
from thrifty.strategies.scored import Pipeline
from thrifty.strategies.strategy import Decision, Labelled
from thrifty.types import Record

FRAMES = [Record(f"f{number}", "x.png", 8, 8) for number in range(4)]
PLAIN = Pipeline(np.ones(1), Rules(0, 0))


def decided(doubt: list[float], objects: list[float], seed: int = 0) -> Decision:
    observed = {"divergence": np.array(doubt), "objects": np.array(objects)}
    strategy = DoubtfulObjects(pipeline=PLAIN)
    return strategy.decide(FRAMES, observed, Budget(2), Labelled(), np.random.default_rng(seed))


def test_hand_computed_shares() -> None:
    """Means are 2 and 0.5: 0.5 + 4, 2 + 0, 1 + 0, 0.5 + 0."""
    decision = decided([1.0, 4.0, 2.0, 1.0], [2.0, 0.0, 0.0, 0.0])
    assert decision.scores.tolist() == [4.5, 2.0, 1.0, 0.5]
    assert decision.choice.indices == [0, 1]


def test_where_there_is_no_doubt_objects_decide() -> None:
    assert decided([0.0] * 4, [1.0, 0.0, 0.0, 3.0]).choice.indices == [3, 0]


@pytest.mark.parametrize("objects", [[0.0] * 4, [10.0, 12, 11, 9]])
def test_a_detector_that_does_not_tell_frames_apart_has_no_say_yet(objects: list[float]) -> None:
    """Whatever it doubts: all doubts are chosen alike often."""
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
    assert decided([1.0, 4, 2, 1], [1.0, 3, 1, 3]).choice.indices == [1, 3]


def test_units_do_not_matter() -> None:
    small, large = (
        decided([1.0, 4.0, 2.0, 1.0], [2.0, 1.0, 0.0, 0.5]),
        decided([10.0, 40.0, 20.0, 10.0], [0.2, 0.1, 0.0, 0.05]),
    )
    np.testing.assert_allclose(small.scores, large.scores)
