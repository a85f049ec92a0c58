"""Several budgets at once, and no more than the total."""

import numpy as np
import pytest

from thrifty.config import ChoiceSettings
from thrifty.errors import BudgetError
from thrifty.selection.budget import Budget
from thrifty.selection.closeness import Rules
from thrifty.strategies.catalogue import known
from thrifty.strategies.larger_batches import LargerBatches
from thrifty.strategies.random import Random
from thrifty.strategies.scored import Pipeline
from thrifty.strategies.strategy import Labelled
from thrifty.types import Record

FRAMES = [Record(f"f{number:02d}", "x.png", 8, 8) for number in range(30)]


def larger(cycles: int | None) -> LargerBatches:
    return LargerBatches(Random(Pipeline(rules=Rules(0, 0)), "random"), 3, cycles)


def taken(strategy: LargerBatches, earlier: int) -> int:
    labelled = Labelled(FRAMES[:earlier])
    rng = np.random.default_rng(0)
    decision = strategy.decide(FRAMES[earlier:], {}, Budget(4), labelled, rng)
    return len(decision.choice.chosen)


def test_four_cycles_of_four_frames_are_twelve_and_then_four() -> None:
    strategy = larger(4)
    assert strategy.name == "random-3b"
    assert strategy.cycles == 2
    assert [taken(strategy, 0), taken(strategy, 12)] == [12, 4]


def test_without_a_total_every_batch_is_whole_as_far_as_the_pool_goes() -> None:
    strategy = larger(None)
    assert strategy.cycles is None
    assert [taken(strategy, 0), taken(strategy, 24)] == [12, 6]


def test_costs_are_refused() -> None:
    costs = Budget(4.0, np.ones(30))
    with pytest.raises(BudgetError, match='set unit = "frames"'):
        larger(4).decide(FRAMES, {}, costs, Labelled(), np.random.default_rng(0))


def test_it_can_be_named() -> None:
    assert known()["divergence-3b"](ChoiceSettings()).name == "divergence-3b"
