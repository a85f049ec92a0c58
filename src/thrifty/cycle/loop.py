"""Driving the stages: whatever is not done yet is done next, and committed before anything follows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from thrifty.cycle.context import Context
from thrifty.cycle.stages import STAGES, evaluate, survey, train_start
from thrifty.store.schema import Key
from thrifty.store.store import Outcome
from thrifty.strategies.strategy import Strategy

SURVEY = Key(seed=-1)
"""Where the survey of the data is remembered; it belongs to no arm."""


def run_all(context: Context, strategies: Sequence[Strategy]) -> None:
    """Run every arm to its end, or on from where an earlier process stopped.

    Raises:
        ThriftyError: Whatever the stages raise; what was committed before stays.
    """
    _once(context, SURVEY, "survey", partial(survey, context))
    for seed in context.recipe.seeds:
        start = Key(seed)
        _once(context, start, "train", partial(train_start, context, start))
        _once(context, start, "evaluate", partial(evaluate, context, start))
        for strategy in strategies:
            run_arm(context, seed, strategy)


def run_arm(context: Context, seed: int, strategy: Strategy) -> None:
    """All cycles of one strategy under one seed."""
    for cycle in range(1, context.recipe.selection.cycles + 1):
        key = Key(seed, strategy.name, cycle)
        for name, stage in STAGES.items():
            _once(context, key, name, partial(stage, context, key, strategy))


def _once(context: Context, key: Key, name: str, work: Callable[[], Outcome]) -> None:
    if context.store.is_done(key, name):
        return
    began = time.monotonic()
    outcome = work()
    context.store.finish(key, name, outcome, time.monotonic() - began)
