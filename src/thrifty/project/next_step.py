"""What a project waits for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from thrifty.project.labelling import lessons
from thrifty.project.project import Project
from thrifty.store.project.rows import Batch, Role


class Step(StrEnum):
    """What can be done next; `pool` and `label` are people's part."""

    POOL = "pool"
    TRAIN = "train"
    EVALUATE = "evaluate"
    SELECT = "select"
    LABEL = "label"


@dataclass(frozen=True, slots=True)
class NextStep:
    """What a project waits for.

    Attributes:
        step: The kind of it.
        why: In words.
        batch: The batch to be labelled, if that is it.
        record_id: Its first frame that nobody has labelled.
    """

    step: Step
    why: str
    batch: Batch | None = None
    record_id: str | None = None


def next_step(project: Project) -> NextStep:
    """What a project waits for, the most urgent first; changes nothing."""
    store = project.store
    if not store.sources(Role.POOL):
        return NextStep(
            Step.POOL,
            "there is nothing to choose from; add pictures or videos with `thrifty add pool`",
        )
    models, labels = store.models(), store.labels()
    if not models and store.sources(Role.START):
        return NextStep(Step.TRAIN, "no detector is trained on the start labels yet")
    for batch in store.batches():
        left = [one for one in store.choices(batch.number) if one.record.id not in labels]
        if left:
            return NextStep(Step.LABEL, _to_label(batch, len(left)), batch, left[0].record.id)
    numbers = sorted(label.number for label in lessons(project).values())
    trained = [model for model in models if model.file is not None]
    if numbers and not (trained and store.lessons(trained[-1].number) == numbers):
        return NextStep(Step.TRAIN, "there are labels that no detector has learned from")
    judged = {one.model for one in store.evaluations()}
    if models and models[-1].number not in judged and _can_judge(project):
        return NextStep(Step.EVALUATE, f"{models[-1].name} is not judged yet")
    so_far = "everything chosen is labelled" if store.batches() else "no batch is chosen yet"
    return NextStep(Step.SELECT, so_far)


def _to_label(batch: Batch, left: int) -> str:
    frames = "1 frame" if left == 1 else f"{left} frames"
    if batch.sent is None:
        return f"{frames} of {batch.name} wait to be labelled, here or, once sent, elsewhere"
    return f"{frames} of {batch.name} wait to be labelled, here or in {batch.tool}"


def _can_judge(project: Project) -> bool:
    """Whether there is a test set, or an object in a frame that chance drew."""
    if project.store.sources(Role.TEST):
        return True
    labels = project.store.labels()
    drawn = [labels.get(one.record.id) for one in project.store.choices() if one.shadow]
    return any(len(label.drawn.objects) for label in drawn if label is not None)
