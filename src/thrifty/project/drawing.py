"""Labelling without any other tool: what somebody needs to draw on a frame, drafts of it, and the label that it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from thrifty.errors import DataError
from thrifty.project.project import Project
from thrifty.store.project.rows import Choice, Draft, Label
from thrifty.types import Annotations, Detections

ORIGIN = "ui"
"""What labels that were drawn in the pages say of where they come from."""

_NOTHING = Annotations([])  # type: ignore[arg-type]
_UNSEEN = Detections([], [])  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class Easel:
    """A chosen frame, set up to be drawn on.

    Attributes:
        choice: Which.
        drawn: What is on it: the draft, or else the label that counts, or else nothing.
        draft: Whether that is a draft.
        label: The label that counts; `None` if nobody has labelled the frame.
        seconds: Spent on it in the pages so far.
        found: What the detector that chose it sees in it.
        copied: What is on the nearest earlier frame of the same video that is labelled; none for stills.
        previous: The frame before in the batch.
        next: The frame after it.
    """

    choice: Choice
    drawn: Annotations
    draft: bool
    label: Label | None
    seconds: float
    found: Detections
    copied: Annotations
    previous: Choice | None
    next: Choice | None


def easel(project: Project, record_id: str) -> Easel:
    """Set up a frame.

    Raises:
        DataError: No such frame was chosen.
    """
    choices = project.store.choices()
    choice = chosen(choices, record_id)
    batch = [one for one in choices if one.batch == choice.batch]
    place = batch.index(choice)
    labels = project.store.labels()
    label, draft = labels.get(record_id), project.store.draft(record_id)
    started = draft or (None if label is None else Draft(label.drawn, label.seconds or 0.0))
    return Easel(
        choice,
        _NOTHING if started is None else started.drawn,
        draft is not None,
        label,
        0.0 if started is None else started.seconds,
        project.store.found([record_id]).get(record_id, _UNSEEN),
        _before(choice, choices, labels),
        batch[place - 1] if place else None,
        batch[place + 1] if place + 1 < len(batch) else None,
    )


def chosen(choices: Sequence[Choice], record_id: str) -> Choice:
    """The choice of a frame.

    Raises:
        DataError: No such frame was chosen.
    """
    found = next((one for one in choices if one.record.id == record_id), None)
    if found is None:
        raise DataError(f"{record_id}: no such frame was chosen; look at the batches")
    return found


def _before(choice: Choice, choices: Sequence[Choice], labels: Mapping[str, Label]) -> Annotations:
    record = choice.record
    if record.sequence is None or record.place is None:
        return _NOTHING
    earlier = [
        one.record
        for one in choices
        if one.pool == choice.pool
        and one.record.sequence == record.sequence
        and one.record.id in labels
        and (one.record.place or 0) < record.place
    ]
    nearest = max(earlier, key=lambda one: one.place or 0, default=None)
    return _NOTHING if nearest is None else labels[nearest.id].drawn


def keep_draft(project: Project, record_id: str, drawn: Annotations, seconds: float) -> None:
    """Keep what is drawn so far; no label counts until it is one.

    Raises:
        DataError: No such frame was chosen, or a box cannot be.
    """
    _check(project, record_id, drawn)
    project.store.save_draft(record_id, Draft(drawn, seconds))


def submit(project: Project, record_id: str, drawn: Annotations, seconds: float) -> None:
    """Make what is drawn the frame's label, without boxes too: that there is nothing in it.

    Raises:
        DataError: As `keep_draft`.
    """
    _check(project, record_id, drawn)
    label = Label(0, record_id, drawn, ORIGIN, None, seconds)
    project.store.add_labels([label], project.told("label", frame=record_id), just_now=True)


def _check(project: Project, record_id: str, drawn: Annotations) -> None:
    record = chosen(project.store.choices(), record_id).record
    classes = len(project.settings.classes)
    for box, kind in zip(drawn.boxes.tolist(), drawn.classes.tolist(), strict=True):
        left, top, right, bottom = box
        if not (0 <= left < right <= record.width and 0 <= top < bottom <= record.height):
            raise DataError(
                f"{record.label}: a box {tuple(box)} has no area within {record.width}x{record.height} pixels; draw it anew"
            )
        if not 0 <= kind < classes:
            raise DataError(f"{record.label}: there is no class {kind}; the project has {classes}")
