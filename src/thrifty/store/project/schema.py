"""The tables of a project.

Nothing that people have done is overwritten: of a frame's labels the newest counts, and the older ones stay. Frames of the
pool are here only once they have been chosen; a pool has millions, and its files of scores know them.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()


def _number() -> Column[int]:
    """Counts from 1, and never gives a number twice."""
    return Column("number", Integer, primary_key=True, autoincrement=True)


def _time(name: str = "at", *, known: bool = True) -> Column[str]:
    """ISO 8601, UTC."""
    return Column(name, String, nullable=not known)


def _corners() -> list[Column[float]]:
    return [Column(name, Float, nullable=False) for name in ("x1", "y1", "x2", "y2")]


EVENT = Table(
    "event",
    METADATA,
    _number(),
    _time(),
    Column("command", String, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("settings", Text, nullable=False),
    Column("outcome", JSON, nullable=False),
    sqlite_autoincrement=True,
)
SOURCE = Table(
    "source",
    METADATA,
    _number(),
    Column("role", String, nullable=False),
    Column("path", Text, nullable=False),
    Column("options", JSON, nullable=False),
    Column("digest", String, nullable=False),
    UniqueConstraint("role", "path"),
    sqlite_autoincrement=True,
)
MODEL = Table(
    "model",
    METADATA,
    _number(),
    _time(),
    Column("form", Text, nullable=True),
    Column("classes", JSON, nullable=True),
    Column("file", Text, nullable=True),
    Column("digest", String, nullable=False),
    Column("parent", ForeignKey("model.number"), nullable=True),
    Column("seconds", Float, nullable=False),
    sqlite_autoincrement=True,
)
FRAME = Table(
    "frame",
    METADATA,
    Column("record_id", String, primary_key=True),
    Column("pool", ForeignKey("source.number"), nullable=False),
    Column("name", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("sequence", String, nullable=True),
    Column("place", Integer, nullable=True),
    Column("frame", Integer, nullable=True),
)
BATCH = Table(
    "batch",
    METADATA,
    _number(),
    _time(),
    Column("model", ForeignKey("model.number"), nullable=True),
    Column("strategy", String, nullable=False),
    Column("tool", String, nullable=True),
    Column("reference", JSON, nullable=True),
    _time("sent", known=False),
    sqlite_autoincrement=True,
)
CHOICE = Table(
    "choice",
    METADATA,
    Column("batch", ForeignKey("batch.number"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    # A frame is chosen once, whoever chooses.
    Column("record_id", ForeignKey("frame.record_id"), nullable=False, unique=True),
    Column("shadow", Boolean, nullable=False),
    Column("score", Float, nullable=False),
    Column("smoothed", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("task", String, nullable=True),
)
HELD = Table(
    "held",
    METADATA,
    Column("batch", ForeignKey("batch.number"), primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("smoothed", Float, nullable=False),
    Column("rule", String, nullable=False),
    Column("because", String, nullable=False),
    Column("distance", Float, nullable=False),
    Column("name", Text, nullable=False),
    Column("frame", Integer, nullable=True),
    Column("pool", ForeignKey("source.number"), nullable=False),
)
FOUND = Table(
    "found",
    METADATA,
    Column("record_id", ForeignKey("frame.record_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    *_corners(),
    Column("score", Float, nullable=False),
    Column("class", Integer, nullable=False),
)
LABEL = Table(
    "label",
    METADATA,
    _number(),
    Column("record_id", ForeignKey("frame.record_id"), nullable=False, index=True),
    _time(),
    Column("origin", String, nullable=False),
    Column("annotator", String, nullable=True),
    Column("seconds", Float, nullable=True),
    _time("drawn", known=False),
    Column("digest", String, nullable=False),
    sqlite_autoincrement=True,
)
BOX = Table(
    "box",
    METADATA,
    Column("label", ForeignKey("label.number"), primary_key=True),
    Column("number", Integer, primary_key=True),
    *_corners(),
    Column("class", Integer, nullable=False),
    Column("ignore", Boolean, nullable=False),
)
DRAFT = Table(
    "draft",
    METADATA,
    Column("record_id", ForeignKey("frame.record_id"), primary_key=True),
    _time(),
    Column("boxes", JSON, nullable=False),
    Column("seconds", Float, nullable=False),
)
LESSON = Table(
    "lesson",
    METADATA,
    Column("model", ForeignKey("model.number"), primary_key=True),
    Column("label", ForeignKey("label.number"), primary_key=True),
)
EVALUATION = Table(
    "evaluation",
    METADATA,
    Column("model", ForeignKey("model.number"), primary_key=True),
    Column("data", String, primary_key=True),
    Column("digest", String, primary_key=True),
    _time(),
    Column("frames", Integer, nullable=False),
    Column("objects", Integer, nullable=False),
    Column("miss_rate", Float, nullable=False),
    Column("log_average", Float, nullable=False),
    Column("ap", Float, nullable=False),
    Column("ap50", Float, nullable=False),
)
