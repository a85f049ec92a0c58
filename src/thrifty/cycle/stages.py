"""The stages of a cycle. Each reads the store and returns an outcome; none of them writes a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from thrifty.chance import stage_seed
from thrifty.cycle.artifacts import write_detections, write_member, write_weights
from thrifty.cycle.context import SURVEY, Context, previous
from thrifty.cycle.looking import observed_by, pictures_seen, score
from thrifty.cycle.memory import candidates_of, chosen_of, describe, earlier_of, labels_before
from thrifty.data.frames import CachedFrames
from thrifty.detectors.paper import load_weights
from thrifty.engine.local import usual_batch
from thrifty.errors import BudgetError, DataError, FrameError
from thrifty.judging import detect_all, judge
from thrifty.selection.budget import Budget
from thrifty.store.schema import ChoiceRow, EvaluationRow, HeldRow, Key, UnreadableRow
from thrifty.store.store import Outcome
from thrifty.strategies.strategy import (
    Columns,
    Decision,
    Labelled,
    Strategy,
    goes_on,
    members_of,
    within,
)
from thrifty.strategies.surroundings import EXPECTED
from thrifty.training import Example, Plan, fit
from thrifty.types import Record, Unreadable


class Stage(Protocol):
    """A step of a cycle, done by one strategy in one arm."""

    def __call__(self, context: Context, key: Key, strategy: Strategy) -> Outcome:
        """Do the work of one cycle's stage."""
        ...


def select(context: Context, key: Key, strategy: Strategy) -> Outcome:
    """Choose b frames that can be decoded.

    A strategy that scored nothing may choose a frame that turns out unreadable; it is set aside, and the choice is
    made again from the rest.

    Raises:
        BudgetError: The frames that are left are fewer than b, or dearer than all of it; or the strategy took none of them.
    """
    ids, columns = observed_by(context, key, strategy)
    rows = {record_id: row for row, record_id in enumerate(ids)}
    labelled = _labelled(context, key, strategy)
    unreadable: list[UnreadableRow] = []
    while True:
        aside = {row.record_id for row in unreadable}
        candidates = [record for record in candidates_of(context, key) if record.id not in aside]
        places = [rows[record.id] for record in candidates] if columns else []
        observed = {name: values[places] for name, values in columns.items()}
        observed |= pictures_seen(context, candidates)
        within_reach, decision = _decided(context, key, strategy, candidates, observed, labelled)
        broken = _undecodable(
            context, [within_reach[chosen.index] for chosen in decision.choice.chosen]
        )
        if not broken:
            return Outcome(
                choices=_choice_rows(within_reach, decision),
                held=_held_rows(within_reach, decision),
                unreadable=unreadable,
            )
        unreadable += broken


def _decided(
    context: Context,
    key: Key,
    strategy: Strategy,
    candidates: Sequence[Record],
    observed: Columns,
    labelled: Labelled,
) -> tuple[Sequence[Record], Decision]:
    """The candidates that the budget could buy one of, and what the strategy takes of them."""
    where = describe(key)
    if not candidates:
        raise BudgetError(
            f"{where}: no frame of the pool is left to choose; lower 'cycles' or 'budget' in the recipe"
        )
    budget = _budget(context, observed, len(candidates))
    try:
        budget.check(len(candidates))
    except BudgetError as error:
        raise BudgetError(f"{where}: {error}") from error
    within_reach = budget.within_reach
    if within_reach is not None and not within_reach.all():
        candidates = [record for record, near in zip(candidates, within_reach, strict=True) if near]
        observed = {name: values[within_reach] for name, values in observed.items()}
        budget = budget.of(within_reach)
    rng = np.random.default_rng(stage_seed(key.seed, key.cycle, "select"))
    decision = strategy.decide(candidates, observed, budget, labelled, rng)
    if budget.costs is not None:
        decision = within(decision, budget)
    if not decision.choice.chosen:
        raise BudgetError(
            f"{where}: took none of {len(candidates)} frames although the budget buys some; correct the strategy"
        )
    return candidates, decision


def _budget(context: Context, observed: Columns, candidates: int) -> Budget:
    """What a cycle may spend, in the recipe's unit, and what each candidate is expected to cost of it."""
    settings = context.recipe.selection
    exact = settings.spend == "exact"
    if settings.unit == "frames":
        return Budget(settings.budget, exact=exact)
    if EXPECTED not in observed:
        # Only the whole pool is taken without a look, whatever it costs.
        return Budget(candidates)
    boxes = np.asarray(observed[EXPECTED], dtype=np.float64).sum(axis=1)
    if settings.unit == "boxes":
        return Budget(settings.budget, np.maximum(boxes, 1.0), exact)
    cost = context.recipe.cost
    return Budget(settings.budget, cost.per_frame + cost.per_box * boxes, exact)


def _labelled(context: Context, key: Key, strategy: Strategy) -> Labelled:
    """What is known of labelled frames."""
    earlier = labels_before(context, key)
    drawn = [*context.start.labels.values(), *earlier.values()]
    kinds = np.concatenate([np.zeros(0, np.int64), *(one.classes[~one.ignore] for one in drawn)])
    classes = context.recipe.detector.class_count
    instances = np.bincount(kinds if classes > 1 else np.zeros_like(kinds), minlength=classes)
    records = earlier_of(context, key)
    columns = observed_by(context, key, strategy, "labelled")[1]
    return Labelled(records, columns, pictures_seen(context, records), instances)


def submit(context: Context, key: Key, strategy: Strategy) -> Outcome:  # noqa: ARG001 - the signature of a stage
    """Send the chosen frames to the oracle."""
    return Outcome(batch=context.oracle.submit(chosen_of(context, key)))


def collect(context: Context, key: Key, strategy: Strategy) -> Outcome:  # noqa: ARG001 - the signature of a stage
    """Bring the labels back."""
    return Outcome(labels=context.oracle.collect(context.store.batch(key), chosen_of(context, key)))


def train(context: Context, key: Key, strategy: Strategy) -> Outcome:
    """Train on X_al, from the weights trained on X_l; an ensemble's further networks likewise.

    On X_al alone, as in the paper, unless the recipe replays a share of X_l; and from the weights of the cycle before for a
    strategy that goes on.
    """
    labels = labels_before(context, Key(key.seed, key.strategy, key.cycle + 1))
    examples = [Example(context.by_id[record_id], drawn) for record_id, drawn in labels.items()]
    settings = context.recipe.training
    plan = Plan(
        context.recipe.detector,
        settings,
        epochs=settings.epochs,
        steps=settings.steps,
        augmented=bool(settings.augment),
        seed=stage_seed(key.seed, key.cycle, "train"),
        device=context.device,
        title=f"{describe(key)}: training",
    )
    start = previous(key) if goes_on(strategy) else Key(key.seed)
    frames, earlier = context.cached_lessons, _start_examples(context)
    weights = fit(plan, frames, examples, context.weights(start), context.progress, earlier)
    artifacts = [write_weights(context.store, key, weights, context.recipe.detector)]
    for number in range(1, members_of([strategy]) + 1):
        seed = stage_seed(key.seed, key.cycle, f"train member {number}")
        begin = load_weights(context.store.file(start, f"member {number}"))
        again = replace(plan, seed=seed)
        more = fit(again, frames, examples, begin, context.progress, earlier)
        artifacts.append(write_member(context.store, key, number, more, context.recipe.detector))
    return Outcome(artifacts=artifacts)


def evaluate(context: Context, key: Key, strategy: Strategy | None = None) -> Outcome:  # noqa: ARG001
    """Detect on the test set and measure the miss rate."""
    detector, test = context.detector(key), context.test
    records = context.readable(test.frames, SURVEY)
    with context.progress(f"{describe(key)}: evaluating", len(records), "frames") as step:
        batch = usual_batch(context.device)
        found = detect_all(detector, context.cached_test, records, step, batch)
    verdict = judge(found, test.labels, context.recipe.detector, context.recipe.evaluation)
    curve, precision = verdict.curve, verdict.precision
    row = EvaluationRow(
        curve.at(1.0),
        curve.log_average,
        precision.ap,
        precision.ap50,
        curve.fppi.tolist(),
        curve.miss_rates.tolist(),
    )
    return Outcome(evaluation=row, artifacts=[write_detections(context.store, key, found)])


def train_start(context: Context, key: Key) -> Outcome:
    """Train the start weights on X_l."""
    plan = _start_plan(context, key, stage_seed(key.seed, 0, "train"))
    frames, examples = CachedFrames(context.start.frames), _start_examples(context)
    weights = fit(plan, frames, examples, None, context.progress)
    return Outcome(artifacts=[write_weights(context.store, key, weights, context.recipe.detector)])


def train_members(context: Context, key: Key) -> Outcome:
    """Train further networks on X_l, for ensembles."""
    frames, examples = CachedFrames(context.start.frames), _start_examples(context)
    artifacts = []
    for number in range(1, context.members + 1):
        plan = _start_plan(context, key, stage_seed(key.seed, 0, f"train member {number}"))
        more = fit(plan, frames, examples, None, context.progress)
        artifacts.append(write_member(context.store, key, number, more, context.recipe.detector))
    return Outcome(artifacts=artifacts)


def _start_plan(context: Context, key: Key, seed: int) -> Plan:
    settings = context.recipe.training
    return Plan(
        context.recipe.detector,
        settings,
        epochs=settings.start_epochs,
        steps=settings.start_steps,
        augmented=False,
        seed=seed,
        device=context.device,
        title=f"{describe(key)}: training",
    )


def _start_examples(context: Context) -> list[Example]:
    start = context.start
    return [
        Example(record, start.labels[record.id])
        for record in context.readable(start.frames, SURVEY)
    ]


def survey(context: Context) -> Outcome:
    """Decode the start and test sets once, to know what cannot be used before anything is trained."""
    rows: list[UnreadableRow] = []
    for role, labelled in (("start", context.start), ("test", context.test)):
        frames = labelled.frames
        with context.progress(f"reading the {role} set", len(frames), "frames") as step:
            for result in frames.stream(frames.records):
                if isinstance(result, Unreadable):
                    rows.append(UnreadableRow(role, result.record.id, result.reason))
                step()
        if sum(row.role == role for row in rows) == len(frames):
            raise DataError(f"no frame of the {role} set can be decoded ({rows[-1].reason})")
    return Outcome(unreadable=rows)


def _undecodable(context: Context, records: Sequence[Record]) -> list[UnreadableRow]:
    """Those of the chosen frames that cannot be decoded; the others stay in memory for training."""
    rows: list[UnreadableRow] = []
    for record in records:
        try:
            context.cached_pool.load(record)
        except FrameError as error:
            rows.append(UnreadableRow("pool", record.id, str(error)))
    return rows


def _choice_rows(candidates: Sequence[Record], decision: Decision) -> list[ChoiceRow]:
    return [
        ChoiceRow(
            rank,
            candidates[chosen.index].id,
            float(decision.scores[chosen.index]),
            float(decision.smoothed[chosen.index]),
            ",".join(chosen.dropped),
            decision.reasons[rank] if decision.reasons else "",
        )
        for rank, chosen in enumerate(decision.choice.chosen)
    ]


def _held_rows(candidates: Sequence[Record], decision: Decision) -> list[HeldRow]:
    return [
        HeldRow(
            candidates[held.index].id,
            float(decision.smoothed[held.index]),
            held.rule,
            held.because,
            held.distance,
        )
        for held in decision.choice.held
    ]


STAGES: dict[str, Stage] = {
    "score": score,
    "select": select,
    "submit": submit,
    "collect": collect,
    "train": train,
    "evaluate": evaluate,
}
"""The stages of a cycle, in order."""
