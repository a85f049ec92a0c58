"""Several budgets at once, and no more than the total."""

from typing import Any

import numpy as np
import pytest

from thrifty.config import ChoiceSettings
from thrifty.errors import RecipeError
from thrifty.selection.budget import Budget
from thrifty.selection.closeness import Rules
from thrifty.strategies.catalogue import known, make_strategies
from thrifty.strategies.larger_batches import LargerBatches
from thrifty.strategies.random import Random
from thrifty.strategies.scored import Pipeline
from thrifty.strategies.strategy import Decision, Labelled
from thrifty.study.studies import recipe_for
from thrifty.types import Need, Record

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


def test_costs_are_refused_when_the_recipe_is_opened() -> None:
    boxes = recipe_for("street", {"selection": {"unit": "boxes"}})
    with pytest.raises(RecipeError, match='set unit = "frames"'):
        make_strategies(boxes, frozenset(Need))


def test_an_exact_choice_stays_exact() -> None:
    seen: list[Budget] = []

    class Watch(Random):
        def decide(self, candidates: Any, observed: Any, budget: Budget, *rest: Any) -> Decision:
            seen.append(budget)
            return super().decide(candidates, observed, budget, *rest)

    strategy = LargerBatches(Watch(Pipeline(rules=Rules(0, 0)), "random"), 3, None)
    exact = Budget(4, exact=True)
    strategy.decide(FRAMES, {}, exact, Labelled(), np.random.default_rng(0))
    assert (seen[0].amount, seen[0].exact) == (12, True)


def test_it_can_be_named() -> None:
    assert known()["divergence-3b"](ChoiceSettings()).name == "divergence-3b"
