"""Frames to people, and what they drew back: whatever tool they label with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from thrifty.errors import BatchGoneError, OracleError, RunError
from thrifty.oracles.tool import Answer, Asked, Assignment, LabellingTool, Reference, Sent, Task
from thrifty.project.pictures import kept_frames
from thrifty.project.project import Project, classes_of
from thrifty.store.project.rows import Batch, Label
from thrifty.types import Detections

Tools = Callable[[str, Reference | None], LabellingTool]
"""Makes the tool of a name; with a reference, the one that a batch was sent to."""

_NOTHING = Detections([], [])  # type: ignore[arg-type]


def waiting(project: Project) -> Batch | None:
    """The first batch that was chosen and not sent yet, if there is one with frames that nobody has labelled."""
    labels = project.store.labels()
    for batch in project.store.batches():
        choices = project.store.choices(batch.number) if batch.sent is None else []
        if any(choice.record.id not in labels for choice in choices):
            return batch
    return None


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A batch that people were given.

    Attributes:
        batch: Which.
        frames: How many it has.
        places: Where they are, for people: an address, a folder.
    """

    batch: Batch
    frames: int
    places: Sequence[str]


def lessons(project: Project) -> dict[str, Label]:
    """The labels to learn from, by record id: those that count, but for the shadow sample."""
    shadow = {choice.record.id for choice in project.store.choices() if choice.shadow}
    labels = project.store.labels()
    return {record_id: labels[record_id] for record_id in sorted(labels) if record_id not in shadow}


def send(project: Project, tool: str, tools: Tools) -> Dispatch | None:
    """Give the first batch that waits to people; what an earlier attempt has sent is not sent again.

    Args:
        project: Whose.
        tool: Name of the tool.
        tools: Makes it.

    Returns:
        What was sent, or `None` if no batch waits.

    Raises:
        OracleError: The tool cannot be reached, or refuses.
    """
    batch = waiting(project)
    if batch is None:
        return None
    sent = tools(tool, None).send(assignment(project, batch))
    told = project.told("send", tool=tool, batch=batch.number)
    project.store.mark_sent(batch.number, tool, sent.reference, sent.tasks, told)
    return Dispatch(batch, len(sent.tasks), [str(value) for value in sent.reference.values()])


def send_all(project: Project, tool: str, tools: Tools) -> Iterator[Dispatch | None]:
    """Give every batch that waits to people, the first first; a single `None` if none does. Raises as `send`."""
    yield send(project, tool, tools)
    while waiting(project) is not None:
        yield send(project, tool, tools)


def assignment(project: Project, batch: Batch) -> Assignment:
    """A batch as tools want it."""
    choices = project.store.choices(batch.number)
    found = project.store.found(choice.record.id for choice in choices)
    tasks = [
        Task(
            choice.record,
            choice.rank,
            choice.smoothed,
            found.get(choice.record.id, _NOTHING),
        )
        for choice in choices
    ]
    model = next(
        (one.name for one in project.store.models() if one.number == batch.model), "no model"
    )
    settings = project.settings
    return Assignment(
        settings.name, batch.name, settings.classes, model, tasks, kept_frames(project).shown
    )


@dataclass(frozen=True, slots=True)
class Harvest:
    """What a collection brought.

    Attributes:
        new: Labels that are new, or other than before.
        labelled: Of every batch that could be asked about, how many of its frames are labelled, and how many there are.
        left_out: What was drawn and cannot be taken, in words: a phrase, and how many.
        failed: Why nothing came of batches that could not be asked about, each reason once.
    """

    new: int
    labelled: Mapping[str, tuple[int, int]]
    left_out: Mapping[str, int] = field(default_factory=dict)
    failed: Sequence[str] = ()


def collect(project: Project, tools: Tools) -> Harvest:
    """Bring back what people have finished of all batches that were sent; doing it twice changes nothing.

    A batch that is gone at its tool, or whose tool cannot be reached or understood, does not keep the others back.

    Raises:
        RunError: Nothing was sent, or a tool's address or token is missing.
    """
    sent = [batch for batch in project.store.batches() if batch.tool is not None]
    if not sent:
        raise RunError(
            f"{project.folder}: nothing was sent to people yet; send a batch with `thrifty send`"
        )
    new, labelled = 0, {}
    left_out: Counter[str] = Counter()
    failed: dict[str, None] = {}
    known, numbers = project.store.labels(), _numbers(project, sent)
    for batch in sent:
        asked = _asked(project, batch, numbers[batch.number])
        try:
            collected = tools(str(batch.tool), asked.sent.reference).collect(asked)
        except OracleError as error:
            if isinstance(error, BatchGoneError) and asked.records.keys() <= known.keys():
                # What is done may be tidied away.
                left_out["batches that are labelled, and gone where they were sent"] += 1
            else:
                failed[str(error)] = None
            continue
        labels = [
            _label(answer, str(batch.tool))
            for answer in collected.answers
            if answer.record_id in asked.records
        ]
        new += project.store.add_labels(labels, project.told("collect", batch=batch.number))
        left_out.update(collected.left_out)
        labelled[batch.name] = (len(labels), len(asked.records))
    return Harvest(new, labelled, left_out, tuple(failed))


def _numbers(project: Project, batches: Sequence[Batch]) -> dict[int, dict[str, int]]:
    """By batch, what classes are called at its tool: as when it was sent, as today, as at other times, in this order."""
    sent = {
        number: _places(classes_of(text)) for number, text in project.store.sent_settings().items()
    }
    ever: dict[str, int] = {}
    for places in (*sent.values(), _places(project.settings.classes)):
        ever |= places
    return {batch.number: ever | sent.get(batch.number, {}) for batch in batches}


def _places(classes: Sequence[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(classes)}


def _asked(project: Project, batch: Batch, numbers: Mapping[str, int]) -> Asked:
    choices = project.store.choices(batch.number)
    tasks = {choice.record.id: choice.task for choice in choices if choice.task is not None}
    records = {choice.record.id: choice.record for choice in choices}
    sent = Sent(dict(batch.reference or {}), tasks)
    return Asked(batch.name, project.settings.classes, sent, records, numbers)


def _label(answer: Answer, origin: str) -> Label:
    return Label(
        0,
        answer.record_id,
        answer.drawn,
        origin,
        answer.annotator,
        answer.seconds,
        answer.at,
    )
