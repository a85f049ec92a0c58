"""The tables of a run, and the rows that go into them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import JSON, Boolean, Column, Float, Integer, MetaData, String, Table, Text

METADATA = MetaData()
VERSION = 5


def _arm(*, key: bool = True) -> list[Column[object]]:
    """Which arm and cycle a row belongs to."""
    return [
        Column("seed", Integer, primary_key=key),
        Column("strategy", String, primary_key=key),
        Column("cycle", Integer, primary_key=key),
    ]


RUN = Table(
    "run", METADATA, Column("key", String, primary_key=True), Column("value", Text, nullable=False)
)
STAGE = Table(
    "stage",
    METADATA,
    *_arm(),
    Column("stage", String, primary_key=True),
    Column("seconds", Float, nullable=False),
)
CHOICE = Table(
    "choice",
    METADATA,
    *_arm(),
    Column("rank", Integer, primary_key=True),
    Column("record_id", String, nullable=False),
    Column("score", Float, nullable=False),
    Column("smoothed", Float, nullable=False),
    Column("dropped", String, nullable=False),
    Column("reason", Text, nullable=False),
)
HELD = Table(
    "held",
    METADATA,
    *_arm(),
    Column("record_id", String, primary_key=True),
    Column("smoothed", Float, nullable=False),
    Column("rule", String, nullable=False),
    Column("because", String, nullable=False),
    Column("distance", Float, nullable=False),
)
BATCH = Table("batch", METADATA, *_arm(), Column("name", String, nullable=False))
LABEL = Table(
    "label",
    METADATA,
    *_arm(),
    Column("record_id", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("x1", Float, nullable=False),
    Column("y1", Float, nullable=False),
    Column("x2", Float, nullable=False),
    Column("y2", Float, nullable=False),
    Column("class", Integer, nullable=False),
    Column("ignore", Boolean, nullable=False),
)
EVALUATION = Table(
    "evaluation",
    METADATA,
    *_arm(),
    Column("miss_rate", Float, nullable=False),
    Column("log_average", Float, nullable=False),
    Column("ap", Float, nullable=False),
    Column("ap50", Float, nullable=False),
    Column("fppi", JSON, nullable=False),
    Column("miss_rates", JSON, nullable=False),
)
UNREADABLE = Table(
    "unreadable",
    METADATA,
    *_arm(),
    Column("role", String, primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("reason", Text, nullable=False),
)
ARTIFACT = Table(
    "artifact",
    METADATA,
    *_arm(),
    Column("kind", String, primary_key=True),
    Column("path", String, nullable=False),
    Column("digest", String, nullable=False),
)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One arm in one cycle. The start weights, which all arms of a seed share, are strategy `""`, cycle 0."""

    seed: int
    strategy: str = ""
    cycle: int = 0


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """A chosen frame, in the order taken."""

    rank: int
    record_id: str
    score: float
    smoothed: float
    dropped: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A frame that a rule passed over."""

    record_id: str
    smoothed: float
    rule: str
    because: str
    distance: float


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A frame that could not be decoded."""

    role: str
    record_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """Figures of the weights after a cycle."""

    miss_rate: float
    log_average: float
    ap: float
    ap50: float
    fppi: list[float]
    miss_rates: list[float]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a stage wrote: what it is, where below the output folder, hash of its content."""

    kind: str
    path: str
    digest: str
