"""The order of the stages: whatever is not done yet is done next, and committed before anything follows it.

A run is a set of chains. The survey comes first; then, per seed, the start weights; then, per strategy, the cycles.
Chains that do not wait for each other may run side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from thrifty.config import Recipe
from thrifty.cycle.context import SURVEY, Context
from thrifty.cycle.looking import first_look, first_looks, look_at_pictures
from thrifty.cycle.stages import STAGES, evaluate, survey, train_start
from thrifty.store.schema import Key
from thrifty.store.store import Outcome, RunStore
from thrifty.strategies.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Task:
    """One stage of one arm in one cycle; small enough to be sent to another process."""

    key: Key
    stage: str


@dataclass(frozen=True, slots=True)
class Done:
    """What a task left behind, and how long it took in seconds."""

    task: Task
    outcome: Outcome
    seconds: float


def survey_chain() -> list[Task]:
    """What comes before everything else."""
    return [Task(SURVEY, "survey"), Task(SURVEY, "pictures")]


def start_chain(seed: int, wanted: Sequence[Strategy]) -> list[Task]:
    """Training and judging the start weights that all strategies of a seed share, and the first looks with them."""
    return [Task(Key(seed), stage) for stage in ("train", "evaluate", *first_looks(wanted))]


def arm_chain(recipe: Recipe, seed: int, strategy: Strategy) -> list[Task]:
    """All cycles of one strategy under one seed."""
    cycles = range(1, (strategy.cycles or recipe.selection.cycles) + 1)
    return [Task(Key(seed, strategy.name, cycle), stage) for cycle in cycles for stage in STAGES]


def perform(context: Context, strategies: Sequence[Strategy], task: Task) -> Done:
    """Do a task. Reads the store, writes no row."""
    began = time.monotonic()
    outcome = _work(context, strategies, task)()
    return Done(task, outcome, time.monotonic() - began)


def _work(context: Context, strategies: Sequence[Strategy], task: Task) -> Callable[[], Outcome]:
    key = task.key
    if key == SURVEY:
        return partial({"survey": survey, "pictures": look_at_pictures}[task.stage], context)
    if not key.strategy:
        common = {
            "train": partial(train_start, context, key),
            "evaluate": partial(evaluate, context, key),
            **{
                stage: partial(first_look, context, key, together)
                for stage, together in first_looks(strategies).items()
            },
        }
        return common[task.stage]
    strategy = next(strategy for strategy in strategies if strategy.name == key.strategy)
    return lambda: STAGES[task.stage](context, key, strategy)


def commit(store: RunStore, done: Done) -> None:
    """Write what a task left behind, and that it is done, in one transaction."""
    store.finish(done.task.key, done.task.stage, done.outcome, done.seconds)


def remaining(store: RunStore, chain: Sequence[Task]) -> list[Task]:
    """The tasks of a chain that are not done."""
    return [task for task in chain if not store.is_done(task.key, task.stage)]


def in_order(recipe: Recipe, strategies: Sequence[Strategy]) -> Iterator[Task]:
    """Every task of a run, one after the other."""
    yield from survey_chain()
    for seed in recipe.seeds:
        yield from start_chain(seed, strategies)
        for strategy in strategies:
            yield from arm_chain(recipe, seed, strategy)


def run_all(
    context: Context, strategies: Sequence[Strategy], wanted: Sequence[Strategy] | None = None
) -> None:
    """Run every task in this process, or on from where an earlier process stopped.

    Args:
        context: The run.
        strategies: All arms of the recipe.
        wanted: Those to run; all if left out.

    Raises:
        ThriftyError: Whatever the stages raise; what was committed before stays.
    """
    for task in in_order(context.recipe, strategies if wanted is None else wanted):
        if not context.store.is_done(task.key, task.stage):
            commit(context.store, perform(context, strategies, task))
