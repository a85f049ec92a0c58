"""The order of the stages: whatever is not done yet is done next, and committed before anything follows it.

A run is a tree of branches. The survey comes first; then, per seed, the start weights; then the first looks, each followed by the
cycles of the strategies that share it. Branches that do not wait for each other may run side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from thrifty.config import Recipe
from thrifty.cycle.context import SURVEY, Context
from thrifty.cycle.looking import first_look, first_looks, look_at_pictures
from thrifty.cycle.stages import STAGES, evaluate, survey, train_members, train_start
from thrifty.store.schema import Key
from thrifty.store.store import Outcome, RunStore
from thrifty.strategies.strategy import Strategy, members_of


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


@dataclass(frozen=True, slots=True)
class Branch:
    """Tasks that follow each other, and what may begin, side by side, once the last of them is done."""

    tasks: Sequence[Task]
    then: Sequence[Branch] = ()


def whole_run(recipe: Recipe, wanted: Sequence[Strategy]) -> Branch:
    """Everything that some strategies need, from the survey of the data on."""
    survey = [Task(SURVEY, "survey"), Task(SURVEY, "pictures")]
    return Branch(survey, [_of_seed(recipe, seed, wanted) for seed in recipe.seeds])


def _of_seed(recipe: Recipe, seed: int, wanted: Sequence[Strategy]) -> Branch:
    """Training and judging the start weights that all strategies of a seed share; then nobody waits for what others want."""
    alone: list[Branch] = []
    with_members: list[Branch] = []
    for look, together in first_looks(wanted).items():
        arms = [Branch(_cycles(recipe, seed, strategy)) for strategy in together]
        kind = with_members if members_of(together) else alone
        kind.append(Branch([Task(Key(seed), look)], arms))
    if with_members:
        alone.append(Branch([Task(Key(seed), "train members")], with_members))
    return Branch([Task(Key(seed), stage) for stage in ("train", "evaluate")], alone)


def _cycles(recipe: Recipe, seed: int, strategy: Strategy) -> list[Task]:
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
            "train members": partial(train_members, context, key),
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


def remaining(store: RunStore, branches: Sequence[Branch]) -> Iterator[Branch]:
    """What of some branches can be done next, without the tasks that are done."""
    for branch in branches:
        tasks = [task for task in branch.tasks if not store.is_done(task.key, task.stage)]
        if tasks:
            yield Branch(tasks, branch.then)
        else:
            yield from remaining(store, branch.then)


def in_order(branch: Branch) -> Iterator[Task]:
    """Every task of a branch and of what follows it, one after the other."""
    yield from branch.tasks
    for following in branch.then:
        yield from in_order(following)


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
    for task in in_order(whole_run(context.recipe, strategies if wanted is None else wanted)):
        if not context.store.is_done(task.key, task.stage):
            commit(context.store, perform(context, strategies, task))
