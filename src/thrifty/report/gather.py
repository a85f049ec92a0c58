"""From a run's store to the content of its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from thrifty.config import StreetSource
from thrifty.cycle.context import Context, previous
from thrifty.detectors.protocol import Detector
from thrifty.errors import FrameError
from thrifty.evaluation.axis import Axis
from thrifty.report.content import ChosenFrame, Content, PassedOver
from thrifty.report.summary import summarize
from thrifty.selection.closeness import Rule
from thrifty.store.schema import ChoiceRow, HeldRow, Key
from thrifty.strategies.names import WHOLE_POOL
from thrifty.strategies.strategy import Strategy, goes_on
from thrifty.study.comparison import findings, measurements
from thrifty.study.headroom import headroom
from thrifty.study.point import Point
from thrifty.study.run import Run
from thrifty.study.summary import figures, finished
from thrifty.types import FloatArray, Image, Need, Record, Unreadable

_SHOWN_CHOICES = 4
_SHOWN_HELD = 4
# The surest; a detector that knows little finds dozens of boxes, under which the picture would vanish.
_SHOWN_BOXES = 8
_HIDDEN_FACTS = ("digest", "schema", "recipe")


def gather(run: Run) -> Content:
    """Read everything that the page shows; pictures and score maps are made again for the frames shown."""
    context = run.context
    facts = context.store.facts()
    there = finished(context, run.strategies)
    points = figures(context, there)
    room = headroom(points)
    held = {key: context.store.held(key) for key in _keys(run, there, context.recipe.seeds)}
    return Content(
        title=context.recipe.name,
        description=context.recipe.description,
        rendered=isinstance(context.recipe.pool, StreetSource),
        points=points,
        chosen=list(_chosen(run, there)),
        passed_over=[
            shown
            for key, rows in held.items()
            if key.seed == _seed(run)
            for shown in _held(context, key, rows)
        ],
        passed_over_counts=_counts(context, held),
        unreadable=list(_unreadable(context)),
        facts=_facts(context, facts, there),
        versions={
            key.removeprefix("version "): value
            for key, value in facts.items()
            if key.startswith("version ")
        },
        seeds=context.recipe.seeds,
        recipe=run.recipe_text,
        findings=_findings(context, points) if room is None or room.is_there else {},
        room=room,
        along=Axis(context.recipe.selection.unit),
        cost=context.recipe.cost.model,
        objects=context.recipe.detector.counted,
    )


def _findings(context: Context, points: Sequence[Point]) -> dict[str, list[str]]:
    """Each strategy beside the reference, in sentences, along what the recipe's budget counts."""
    reference = summarize(points).reference
    if reference is None or len({point.seed for point in points}) < 2:
        return {}
    rows = measurements(points, context.recipe.cost.model)
    return {
        finding.strategy: list(finding.sentences(reference))
        for finding in findings(rows, reference, along=Axis(context.recipe.selection.unit))
    }


def _seed(run: Run) -> int:
    """The seed whose frames are shown; showing all would bury the page."""
    return run.context.recipe.seeds[0]


def _keys(run: Run, strategies: Sequence[Strategy], seeds: Sequence[int]) -> list[Key]:
    most = run.context.recipe.selection.cycles
    return [
        Key(seed, strategy.name, cycle)
        for seed in seeds
        for strategy in strategies
        if strategy.name != WHOLE_POOL
        for cycle in range(1, (strategy.cycles or most) + 1)
    ]


def _chosen(run: Run, strategies: Sequence[Strategy]) -> Iterator[ChosenFrame]:
    by_name = {strategy.name: strategy for strategy in strategies}
    for key in _keys(run, strategies, [_seed(run)]):
        detector = run.context.detector(previous(key))
        for row in run.context.store.choices(key)[:_SHOWN_CHOICES]:
            yield _chosen_frame(run.context, key, row, by_name[key.strategy], detector)


def _chosen_frame(
    context: Context, key: Key, row: ChoiceRow, strategy: Strategy, detector: Detector
) -> ChosenFrame:
    record = context.by_id[row.record_id]
    frame = context.cached_pool.load(record)
    has_maps = Need.CLASS_MAPS in detector.gives
    scores = strategy.score_map(detector.class_maps([frame])) if has_maps else None
    found = detector.detect([frame])[0]
    drawn = context.store.labels(key)[record.id]
    return ChosenFrame(
        strategy=key.strategy,
        seed=key.seed,
        cycle=key.cycle,
        rank=row.rank,
        record=record,
        score=row.score,
        smoothed=row.smoothed,
        relaxed=_relaxed(context, row.dropped),
        image=frame.image,
        score_map=None if scores is None else _array(scores[0].cpu().numpy()),
        boxes=drawn.objects * frame.scale,
        ignored=drawn.boxes[drawn.ignore] * frame.scale,
        detections=found.boxes[:_SHOWN_BOXES] * frame.scale,
        detection_scores=found.scores[:_SHOWN_BOXES],
        found=len(found),
        reason=row.reason,
    )


def _array(values: object) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _relaxed(context: Context, dropped: str) -> str:
    if not dropped:
        return ""
    rules = " and ".join(_rule_in_words(context, Rule(name)) for name in dropped.split(","))
    return f"taken although it lies {rules}, because too few frames were left otherwise"


def _rule_in_words(context: Context, rule: Rule) -> str:
    settings = context.recipe.selection
    if rule is Rule.CURRENT:
        return f"within {settings.exclude_current} frames of a frame chosen in this cycle"
    if rule is Rule.LATER:
        return f"within {settings.exclude_later} frames of a frame chosen in an earlier cycle"
    if rule is Rule.MOTION:
        return f"in a video that moves by no more than {settings.same_motion:g} of its width from a chosen frame on"
    return f"within {settings.same_picture} bits of a chosen frame's perceptual hash"


def _distance_in_words(rule: Rule, distance: float) -> str:
    if rule is Rule.MOTION:
        return f"{distance:.3f} widths"
    word = "bit" if rule is Rule.PICTURE else "frame"
    return f"{distance:.0f} {word}" + ("" if distance == 1 else "s")


def _held(context: Context, key: Key, rows: Sequence[HeldRow]) -> Iterator[PassedOver]:
    for row in rows[:_SHOWN_HELD]:
        record = context.by_id[row.record_id]
        yield PassedOver(
            strategy=key.strategy,
            seed=key.seed,
            cycle=key.cycle,
            record=record,
            smoothed=row.smoothed,
            rule=_rule_in_words(context, Rule(row.rule)),
            because=context.by_id[row.because],
            distance=_distance_in_words(Rule(row.rule), row.distance),
            image=_picture(context, record),
        )


def _picture(context: Context, record: Record) -> Image | None:
    """The picture of a frame that nobody may have decoded before."""
    try:
        return context.cached_pool.load(record).image
    except FrameError:
        return None


def _counts(context: Context, held: dict[Key, list[HeldRow]]) -> dict[tuple[str, int, str], int]:
    """Passed-over frames per strategy, cycle and rule, summed over seeds."""
    return dict(
        Counter(
            (key.strategy, key.cycle, _rule_in_words(context, Rule(row.rule)))
            for key, rows in held.items()
            for row in rows
        )
    )


def _unreadable(context: Context) -> Iterator[tuple[str, Unreadable]]:
    sets = {"start": context.start.frames, "pool": context.pool, "test": context.test.frames}
    records: dict[tuple[str, str], Record] = {
        (role, record.id): record for role, frames in sets.items() for record in frames.records
    }
    for row in context.store.unreadable():
        yield row.role, Unreadable(records[row.role, row.record_id], row.reason)


def _rules_in_words(context: Context) -> list[str]:
    """Every step between a score and a choice that is switched on, for strategies that score."""
    settings, score = context.recipe.selection, context.recipe.score
    motion, bits = settings.same_motion, settings.same_picture
    steps = (
        (settings.exclude_current, f"{settings.exclude_current} places apart within a cycle"),
        (settings.exclude_later, f"{settings.exclude_later} places from earlier cycles"),
        (motion is not None, f"the picture must move by {motion} of its width"),
        (bits is not None, f"hashes must differ in more than {bits} bits"),
        (score.smoothing, f"{score.window} smoothing over {score.smoothing} places to each side"),
        (settings.balance, f"class balance to the power {settings.balance:g}"),
        (settings.diversity > 1, f"k-centre in a shortlist of {settings.diversity:g} budgets"),
        (settings.spend == "exact", "exact choice"),
    )
    return [words for is_on, words in steps if is_on]


def _training(context: Context, warm: Sequence[str]) -> str:
    """How long detectors learn; those that go on have had more by the last cycle, which no comparison may hide."""
    training, cycles = context.recipe.training, context.recipe.selection.cycles
    each, unit = (
        (training.epochs, "epochs") if training.steps is None else (training.steps, "steps")
    )
    told = f"{each} {unit} a cycle, from the start weights"
    if not warm:
        return told
    return f"{told}; {' and '.join(warm)} from the cycle before, {each * cycles} {unit} by the last"


def _facts(
    context: Context, facts: dict[str, str], strategies: Sequence[Strategy]
) -> dict[str, str]:
    settings = context.recipe.selection
    shown = {
        key: value
        for key, value in facts.items()
        if key not in _HIDDEN_FACTS and not key.startswith("version ")
    }
    shown["labelled per cycle"] = f"{settings.budget} {settings.unit}, {settings.cycles} cycles"
    shown["training"] = _training(context, [one.name for one in strategies if goes_on(one)])
    shown["rules in force"] = "; ".join(_rules_in_words(context)) or "none"
    shown["time in all stages"] = f"{context.store.seconds():.0f} s"
    return shown
