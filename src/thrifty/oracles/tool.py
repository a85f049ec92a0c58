"""What a project asks of a labelling tool: take frames, and give back what people have drawn so far.

Sending and collecting may be stopped anywhere and done again: a frame that is there already is not sent twice, and a label
that was collected already is recognised by who asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from thrifty.types import Annotations, Detections, Record

Reference = Mapping[str, str]
"""Where an assignment went, as far as it is needed to find it again: names and values, no secrets."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A frame as a file that any tool opens.

    Attributes:
        content: Of a still the bytes of its own file if all tools show that alike, else a PNG, as of a video's frame; upright, and
            as many pixels as the record says.
        suffix: `.jpg`, `.png`, ...
    """

    content: bytes
    suffix: str


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A frame that people shall label. Why it was chosen they are not told, lest they label the shadow sample in another way.

    Attributes:
        record: Which.
        rank: Its place in the batch, from 1.
        score: How much the detector contradicts itself, or what else the strategy ranked by.
        found: What the detector sees in it, pixels of the stored frame, surest first: boxes to begin with.
    """

    record: Record
    rank: int
    score: float
    found: Detections


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """A batch on its way to people.

    Attributes:
        project: Name of the project it belongs to.
        name: Of the batch, unique in the project and fit for a file's name: `batch-003`.
        classes: Names of the classes, as labels number them.
        model: Name of the detector whose boxes go along.
        tasks: The frames, by rank.
        picture: Reads a frame; raises `FrameError` if that fails.
    """

    project: str
    name: str
    classes: tuple[str, ...]
    model: str
    tasks: Sequence[Task]
    picture: Callable[[Record], Picture]


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a batch went.

    Attributes:
        reference: What the tool needs to find it again.
        tasks: The tool's own ids of the frames, by record id.
    """

    reference: Reference
    tasks: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A batch that was sent.

    Attributes:
        name: As `Assignment.name`.
        classes: As `Assignment.classes`.
        sent: Where it went.
        records: Its frames, by id.
        numbers: Places of the classes by what the tool may call them: classes may have been called otherwise when the batch was sent.
    """

    name: str
    classes: tuple[str, ...]
    sent: Sent
    records: Mapping[str, Record]
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What people drew on a frame; without boxes, that there is nothing.

    Attributes:
        record_id: Which frame.
        drawn: Boxes in pixels of the stored frame, within it.
        annotator: Who drew them, as the tool names people; `None` if it does not.
        seconds: How long that took; `None` if the tool does not tell.
        at: When, ISO 8601 with its zone; `None` if the tool does not tell.
    """

    record_id: str
    drawn: Annotations
    annotator: str | None = None
    seconds: float | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """What has come back so far.

    Attributes:
        answers: At most one a frame, the latest; frames nobody has finished are not among them.
        left_out: What was drawn and cannot be taken, in words: a phrase, and how many.
    """

    answers: Sequence[Answer]
    left_out: Mapping[str, int] = field(default_factory=dict)


class LabellingTool(Protocol):
    """Where people label."""

    def send(self, assignment: Assignment) -> Sent:
        """Give a batch to people. Of what an earlier attempt has sent, nothing is sent again.

        Raises:
            OracleError: The tool cannot be reached, or refuses.
            FrameError: A frame cannot be read.
        """
        ...

    def collect(self, asked: Asked) -> Collected:
        """What people have finished of a batch; changes nothing there.

        Raises:
            OracleError: The tool cannot be reached, has lost the batch, or gives what cannot be understood.
        """
        ...
