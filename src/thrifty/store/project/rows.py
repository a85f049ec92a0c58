"""The rows of a project, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from thrifty.types import Annotations, Detections, Record


class Role(StrEnum):
    """What a source is for."""

    POOL = "pool"
    START = "start"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Source:
    """Files that were added to a project.

    Attributes:
        number: From 1.
        role: What they are for.
        path: Of the pool, or of the annotations.
        options: How they are read.
        digest: Of labelled sets, their identity when they were added.
    """

    number: int
    role: Role
    path: str
    options: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class Model:
    """A detector of a project: trained by it, or given to it.

    Attributes:
        number: From 1.
        at: Since when, ISO 8601, UTC.
        form: Of a given one, as on the command line.
        classes: Of a given one, which of its classes are the project's; the first ones if `None`.
        file: Of a trained one, its weights, below the project.
        digest: Identity of its outputs.
        parent: The model that it was trained on from.
        seconds: That training took.
    """

    number: int
    at: str
    form: str | None
    classes: tuple[int, ...] | None
    file: str | None
    digest: str
    parent: int | None
    seconds: float

    @property
    def name(self) -> str:
        """For people."""
        return f"model-{self.number:03d}"


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A chosen frame.

    Attributes:
        batch: Number of its batch.
        rank: Place in the batch, from 1.
        record: Which frame.
        pool: Number of the source that it comes from.
        shadow: Whether it was drawn by chance, to judge the choice by.
        score: Before smoothing.
        smoothed: As it was ranked.
        reason: What chose it, in words.
        task: Its id where it was sent to.
    """

    batch: int
    rank: int
    record: Record
    pool: int
    shadow: bool
    score: float
    smoothed: float
    reason: str
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A frame that a rule passed over in favour of a chosen one.

    Attributes:
        record_id: Which frame.
        smoothed: As it was ranked.
        rule: Which rule.
        because: Id of the chosen frame.
        distance: How far apart they are, in what the rule measures.
        name: The picture or video.
        frame: Decoded index in the video.
        pool: Number of the source that it comes from.
    """

    record_id: str
    smoothed: float
    rule: str
    because: str
    distance: float
    name: str
    frame: int | None
    pool: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that were chosen together.

    Attributes:
        number: From 1.
        at: When, ISO 8601, UTC.
        model: Number of the detector that scored them; `None` where there was none yet.
        strategy: What chose.
        tool: Where it was sent; `None` if nowhere yet.
        reference: What that tool needs to find it again.
        sent: When it was sent.
    """

    number: int
    at: str
    model: int | None
    strategy: str
    tool: str | None = None
    reference: Mapping[str, str] | None = None
    sent: str | None = None

    @property
    def name(self) -> str:
        """For people and files."""
        return f"batch-{self.number:03d}"


@dataclass(frozen=True, slots=True, eq=False)
class NewBatch:
    """A batch that is about to be remembered.

    Attributes:
        model: Number of the detector that scored it.
        strategy: What chose.
        choices: Its frames, by rank; their `batch` means nothing yet.
        held: What was passed over in their favour.
        found: The detector's boxes, by record id.
    """

    model: int | None
    strategy: str
    choices: Sequence[Choice]
    held: Sequence[Held]
    found: Mapping[str, Detections]


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """What somebody drew on a frame.

    Attributes:
        number: From 1, in the order in which labels came; 0 for one that is not remembered yet.
        record_id: Which frame.
        drawn: Boxes in pixels of the stored frame.
        origin: Where it comes from: the name of a tool, or `ui`.
        annotator: Who drew it, if known.
        seconds: How long that took, if known.
        drawn_at: When it was drawn, if known, ISO 8601.
        at: When it came in, ISO 8601, UTC.
    """

    number: int
    record_id: str
    drawn: Annotations
    origin: str
    annotator: str | None = None
    seconds: float | None = None
    drawn_at: str | None = None
    at: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """What somebody is at work on in the pages.

    Attributes:
        drawn: Boxes so far, in pixels of the stored frame.
        seconds: Spent on it so far.
    """

    drawn: Annotations
    seconds: float


TEST, SHADOW = "test", "shadow"
"""What models are judged on: the set that was added for it, and the frames that chance drew."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a model on labelled frames that it has not learned from.

    Attributes:
        model: Number.
        data: `test`, or `shadow` for the frames that chance drew.
        digest: Identity of the frames and their labels.
        frames: How many.
        objects: How many.
        miss_rate: At one false positive per image.
        log_average: The log-average miss rate.
        ap: Average precision, COCO's.
        ap50: The same at an overlap of a half.
        at: When, ISO 8601, UTC.
    """

    model: int
    data: str
    digest: str
    frames: int
    objects: int
    miss_rate: float
    log_average: float
    ap: float
    ap50: float
    at: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A command that changed a project.

    Attributes:
        number: From 1.
        at: When, ISO 8601, UTC.
        command: Its name.
        arguments: What it was told.
        settings: The project's settings at that time, TOML.
        outcome: What it left behind, as far as that says whether two are the same.
    """

    number: int
    at: str
    command: str
    arguments: Mapping[str, Any]
    settings: str
    outcome: Mapping[str, Any]
