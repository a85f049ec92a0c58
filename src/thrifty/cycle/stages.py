"""The stages of a cycle. Each reads the store and returns an outcome; none of them writes a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from thrifty.cycle.artifacts import read_scores, write_detections, write_scores, write_weights
from thrifty.cycle.context import SURVEY, Context, previous, stage_seed
from thrifty.data.frames import CachedFrames
from thrifty.engine.local import map_frames
from thrifty.errors import DataError, FrameError
from thrifty.evaluation.protocols import Setup
from thrifty.evaluation.truth import Truth
from thrifty.store.schema import ChoiceRow, EvaluationRow, HeldRow, Key, UnreadableRow
from thrifty.store.store import Outcome
from thrifty.strategies.strategy import Decision, Strategy
from thrifty.training import Example, Plan, fit
from thrifty.types import Annotations, Detections, Frame, Record, Unreadable


class Stage(Protocol):
    """A step of a cycle, done by one strategy in one arm."""

    def __call__(self, context: Context, key: Key, strategy: Strategy) -> Outcome:
        """Do the work of one cycle's stage."""
        ...


def score(context: Context, key: Key, strategy: Strategy) -> Outcome:
    """Pass over the unlabelled pool with the current detector; strategies that need nothing skip it."""
    if not strategy.needs:
        return Outcome()
    detector = context.detector(previous(key))
    candidates = _candidates(context, key)
    scores: dict[str, float] = {}
    unreadable: list[UnreadableRow] = []

    def observe(frames: Sequence[Frame]) -> Sequence[float]:
        return [float(value) for value in strategy.observe(detector.class_maps(frames))]

    with context.progress(f"{describe(key)}: scoring", len(candidates), "frames") as step:
        for result in map_frames(observe, context.pool, candidates, step):
            if isinstance(result, Unreadable):
                unreadable.append(UnreadableRow("pool", result.record.id, result.reason))
            else:
                scores[result[0].id] = result[1]
    return Outcome(unreadable=unreadable, artifacts=[write_scores(context.store, key, scores)])


def select(context: Context, key: Key, strategy: Strategy) -> Outcome:
    """Choose b frames that can be decoded.

    A strategy that scored nothing may choose a frame that turns out unreadable; it is set aside, and the choice is
    made again from the rest.
    """
    scores = read_scores(context.store, key) if strategy.needs else None
    unreadable: list[UnreadableRow] = []
    while True:
        aside = {row.record_id for row in unreadable}
        candidates = [record for record in _candidates(context, key) if record.id not in aside]
        observed = (
            None if scores is None else np.array([scores[record.id] for record in candidates])
        )
        rng = np.random.default_rng(stage_seed(key.seed, key.cycle, "select"))
        budget = context.recipe.selection.budget
        decision = strategy.decide(candidates, observed, budget, _earlier(context, key), rng)
        broken = _undecodable(
            context, [candidates[chosen.index] for chosen in decision.choice.chosen]
        )
        if not broken:
            return Outcome(
                choices=_choice_rows(candidates, decision),
                held=_held_rows(candidates, decision),
                unreadable=unreadable,
            )
        unreadable += broken


def submit(context: Context, key: Key, strategy: Strategy) -> Outcome:  # noqa: ARG001 - the signature of a stage
    """Send the chosen frames to the oracle."""
    return Outcome(batch=context.oracle.submit(_chosen(context, key)))


def collect(context: Context, key: Key, strategy: Strategy) -> Outcome:  # noqa: ARG001 - the signature of a stage
    """Bring the labels back."""
    return Outcome(labels=context.oracle.collect(context.store.batch(key), _chosen(context, key)))


def train(context: Context, key: Key, strategy: Strategy) -> Outcome:  # noqa: ARG001 - the signature of a stage
    """Train on X_al alone, from the weights trained on X_l."""
    labels: dict[str, Annotations] = {}
    for cycle in range(1, key.cycle + 1):
        labels |= context.store.labels(Key(key.seed, key.strategy, cycle))
    examples = [Example(context.by_id[record_id], drawn) for record_id, drawn in labels.items()]
    settings = context.recipe.training
    plan = Plan(
        context.recipe.detector,
        settings,
        epochs=settings.epochs,
        augmented=settings.augment,
        seed=stage_seed(key.seed, key.cycle, "train"),
        device=context.device,
        title=f"{describe(key)}: training",
    )
    weights = fit(
        plan, context.cached_pool, examples, context.weights(Key(key.seed)), context.progress
    )
    return Outcome(artifacts=[write_weights(context.store, key, weights, context.recipe.detector)])


def evaluate(context: Context, key: Key, strategy: Strategy | None = None) -> Outcome:  # noqa: ARG001
    """Detect on the test set and measure the miss rate."""
    detector, test = context.detector(key), context.test
    records = context.readable(test.frames, SURVEY)
    found: dict[str, Detections] = {}
    with context.progress(f"{describe(key)}: evaluating", len(records), "frames") as step:
        for result in map_frames(detector.detect, test.frames, records, step):
            if isinstance(result, Unreadable):
                raise DataError(f"{result.reason} (it could be decoded when this run began)")
            found[result[0].id] = result[1]
    settings = context.recipe.evaluation
    classes = context.recipe.detector.class_count
    setup = Setup("recipe", overlap=settings.iou, aspect=settings.aspect, classes=classes)
    truth = [Truth(test.labels[record.id]) for record in records]
    if not any(len(drawn.labels.objects) for drawn in truth):
        raise DataError(
            "the test set holds no objects to find; check its annotations and 'filter' in the recipe"
        )
    curve = setup.curve([found[record.id] for record in records], truth)
    row = EvaluationRow(
        curve.at(1.0), curve.log_average, curve.fppi.tolist(), curve.miss_rates.tolist()
    )
    return Outcome(evaluation=row, artifacts=[write_detections(context.store, key, found)])


def train_start(context: Context, key: Key) -> Outcome:
    """Train the start weights on X_l."""
    start, settings = context.start, context.recipe.training
    examples = [
        Example(record, start.labels[record.id])
        for record in context.readable(start.frames, SURVEY)
    ]
    plan = Plan(
        context.recipe.detector,
        settings,
        epochs=settings.start_epochs,
        augmented=False,
        seed=stage_seed(key.seed, 0, "train"),
        device=context.device,
        title=f"{describe(key)}: training",
    )
    weights = fit(plan, CachedFrames(start.frames), examples, None, context.progress)
    return Outcome(artifacts=[write_weights(context.store, key, weights, context.recipe.detector)])


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


def describe(key: Key) -> str:
    """An arm and cycle in words."""
    return (
        f"seed {key.seed}, {key.strategy}, cycle {key.cycle}"
        if key.strategy
        else f"seed {key.seed}, start weights"
    )


def _candidates(context: Context, key: Key) -> list[Record]:
    labelled = {record.id for record in _earlier(context, key)}
    return [record for record in context.readable(context.pool, key) if record.id not in labelled]


def _earlier(context: Context, key: Key) -> list[Record]:
    cycles = range(1, key.cycle)
    rows = (
        row for cycle in cycles for row in context.store.choices(Key(key.seed, key.strategy, cycle))
    )
    return [context.by_id[row.record_id] for row in rows]


def _chosen(context: Context, key: Key) -> list[Record]:
    return [context.by_id[row.record_id] for row in context.store.choices(key)]


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
