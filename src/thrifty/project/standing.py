"""Where a project stands: what is labelled, what that cost and bought, and what the next labels are likely to buy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thrifty.chance import stage_seed
from thrifty.costs import CostModel, fit_cost_model
from thrifty.errors import DataError
from thrifty.evaluation.forecast import Forecast, forecast
from thrifty.evaluation.matching import match_by_class
from thrifty.evaluation.saving import Saving, saving
from thrifty.project.project import Project
from thrifty.store.project.rows import SHADOW, TEST, Batch, Choice, Evaluation, Label, Model
from thrifty.types import Annotations, Detections

SURE = 0.5
"""Detections below this score are not taken for what the detector claims."""


@dataclass(frozen=True, slots=True)
class BatchStanding:
    """How far a batch is.

    Attributes:
        batch: Which.
        frames: How many it has.
        shadow: How many of them chance drew.
        labelled: How many are labelled.
        objects: On those.
    """

    batch: Batch
    frames: int
    shadow: int
    labelled: int
    objects: int


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """How well a model sees, and what it took.

    Attributes:
        model: Which.
        lessons: Frames of the pool that it has learned from.
        seconds: Of labelling these.
        figures: On the test set and on the shadow sample, the newest of each.
    """

    model: Model
    lessons: int
    seconds: float
    figures: Mapping[str, Evaluation]


@dataclass(frozen=True, slots=True)
class ClassStanding:
    """What was labelled of one class.

    Attributes:
        name: Which.
        objects: How many.
        frames: On how many frames.
    """

    name: str
    objects: int
    frames: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a project stands.

    Attributes:
        batches: Oldest first.
        models: Oldest first.
        labelled: Frames of the pool that are labelled.
        classes: What is on them, class by class.
        seconds: Of labelling, recorded or, where nobody recorded any, by the cost model.
        cost: What frames and boxes cost, fitted to recorded times where that is possible.
        recorded: Times that were recorded.
        savings: What the choice saves against the shadow sample: by objects found, by mistakes corrected.
        outlook: What the next batch is likely to buy.
    """

    batches: Sequence[BatchStanding]
    models: Sequence[ModelStanding]
    labelled: int
    classes: Sequence[ClassStanding]
    seconds: float
    cost: CostModel
    recorded: int
    savings: Mapping[str, Saving]
    outlook: Forecast | None


def standing(project: Project) -> Standing:
    """Read where a project stands; changes nothing."""
    store = project.store
    labels, choices = store.labels(), store.choices()
    cost, recorded = cost_model(project, labels)
    models = _models(project, cost)
    names, selection = project.settings.classes, project.settings.selection
    drawn = [label.drawn for label in labels.values()]
    return Standing(
        [_batch(batch, choices, labels) for batch in store.batches()],
        models,
        len(labels),
        [_class(name, [_count(one, kind) for one in drawn]) for kind, name in enumerate(names)],
        sum(seconds_of(label, cost) for label in labels.values()),
        cost,
        recorded,
        savings(project, choices, labels),
        outlook(models, selection.budget - selection.by_chance(selection.budget)),
    )


def cost_model(project: Project, labels: Mapping[str, Label]) -> tuple[CostModel, int]:
    """What labels cost, by recorded times where they tell, else by the settings; and how many times it is from."""
    timed = [label for label in labels.values() if label.seconds is not None]
    try:
        fitted = fit_cost_model(
            [len(label.drawn) for label in timed], [label.seconds or 0.0 for label in timed]
        )
    except DataError:
        return project.settings.cost.model, 0
    return fitted.model, len(timed)


def seconds_of(label: Label, cost: CostModel) -> float:
    """How long a label took, recorded or by a model."""
    return cost.seconds(1, len(label.drawn)) if label.seconds is None else label.seconds


def frames_for(project: Project, minutes: float) -> int:
    """How many frames people are likely to label in so many minutes, at least one.

    By the recorded times of labels so far, else by the settings' cost of a frame with as many boxes as frames had so far.
    """
    labels = project.store.labels()
    cost, _ = cost_model(project, labels)
    boxes = [len(label.drawn) for label in labels.values()]
    each = cost.seconds(1, float(np.mean(boxes)) if boxes else 0.0)
    # A hair more, so that what comes out even is not lost to rounding.
    return max(1, int(60 * minutes / each + 1e-6)) if each > 0 else 1


def savings(
    project: Project, choices: Sequence[Choice], labels: Mapping[str, Label]
) -> dict[str, Saving]:
    """What the choice saves, told by the shadow sample; empty while too little is labelled.

    Both kinds come from the same batches, so that neither has had the better detector.
    """
    done = [choice for choice in choices if choice.record.id in labels]
    mixed = {choice.batch for choice in done if choice.shadow}
    done = [choice for choice in done if choice.batch in mixed]
    seen_by = {batch.number: batch.model for batch in project.store.batches()}
    found = project.store.found(choice.record.id for choice in done)
    classes = len(project.settings.classes)
    taught: dict[str, dict[bool, list[float]]] = {
        "objects": {True: [], False: []},
        "mistakes": {True: [], False: []},
    }
    for choice in done:
        drawn = labels[choice.record.id].drawn
        taught["objects"][choice.shadow].append(len(drawn.objects))
        if seen_by[choice.batch] is None:
            # Nobody has looked, so nobody was mistaken.
            continue
        seen = found.get(choice.record.id, Detections(np.zeros((0, 4)), np.zeros(0)))
        taught["mistakes"][choice.shadow].append(mistakes(seen, drawn, classes))
    told = {}
    for what, values in taught.items():
        rng = np.random.default_rng(stage_seed(project.settings.seed, 0, what))
        one = saving(np.array(values[False]), np.array(values[True]), rng)
        if one is not None:
            told[what] = one
    return told


def mistakes(found: Detections, drawn: Annotations, classes: int) -> int:
    """Objects that a detector missed, and sure detections that are none."""
    matched = match_by_class(found.take(found.scores >= SURE), drawn, 0.5, classes)
    hits = int(matched.hits.sum())
    return matched.objects - hits + len(matched.hits) - hits


def outlook(models: Sequence[ModelStanding], more: int) -> Forecast | None:
    """What another batch is likely to buy, by the test set where there is one, else by the shadow sample."""
    for data in (TEST, SHADOW):
        told = [
            (one.lessons, one.figures[data].miss_rate)
            for one in models
            if one.lessons and data in one.figures
        ]
        if told:
            frames, errors = zip(*told, strict=True)
            return forecast(frames, errors, more)
    return None


def _batch(batch: Batch, choices: Sequence[Choice], labels: Mapping[str, Label]) -> BatchStanding:
    own = [choice for choice in choices if choice.batch == batch.number]
    done = [labels[choice.record.id] for choice in own if choice.record.id in labels]
    return BatchStanding(
        batch,
        len(own),
        sum(choice.shadow for choice in own),
        len(done),
        sum(len(label.drawn.objects) for label in done),
    )


def _models(project: Project, cost: CostModel) -> list[ModelStanding]:
    store = project.store
    seconds = {label.number: seconds_of(label, cost) for label in store.history()}
    figures: dict[int, dict[str, Evaluation]] = defaultdict(dict)
    for one in store.evaluations():
        figures[one.model][one.data] = one
    told = []
    for model in store.models():
        learned = store.lessons(model.number)
        taken = sum(seconds[number] for number in learned)
        told.append(ModelStanding(model, len(learned), taken, figures[model.number]))
    return told


def _class(name: str, counts: Sequence[int]) -> ClassStanding:
    return ClassStanding(name, sum(counts), sum(count > 0 for count in counts))


def _count(drawn: Annotations, kind: int) -> int:
    return int((drawn.classes[~drawn.ignore] == kind).sum())
