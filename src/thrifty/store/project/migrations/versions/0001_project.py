"""The first form of a project."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "event",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("command", sa.String(), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "model",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("form", sa.Text(), nullable=True),
        sa.Column("classes", sa.JSON(), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent"],
            ["model.number"],
        ),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "source",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("role", "path"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "batch",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("model", sa.Integer(), nullable=True),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("tool", sa.String(), nullable=True),
        sa.Column("reference", sa.JSON(), nullable=True),
        sa.Column("sent", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["model"],
            ["model.number"],
        ),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "evaluation",
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("data", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("objects", sa.Integer(), nullable=False),
        sa.Column("miss_rate", sa.Float(), nullable=False),
        sa.Column("log_average", sa.Float(), nullable=False),
        sa.Column("ap", sa.Float(), nullable=False),
        sa.Column("ap50", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model"],
            ["model.number"],
        ),
        sa.PrimaryKeyConstraint("model", "data", "digest"),
    )
    op.create_table(
        "frame",
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("pool", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.String(), nullable=True),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.Column("frame", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["pool"],
            ["source.number"],
        ),
        sa.PrimaryKeyConstraint("record_id"),
    )
    op.create_table(
        "choice",
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("smoothed", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("task", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch"],
            ["batch.number"],
        ),
        sa.ForeignKeyConstraint(
            ["record_id"],
            ["frame.record_id"],
        ),
        sa.PrimaryKeyConstraint("batch", "rank"),
        sa.UniqueConstraint("record_id"),
    )
    op.create_table(
        "found",
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("x1", sa.Float(), nullable=False),
        sa.Column("y1", sa.Float(), nullable=False),
        sa.Column("x2", sa.Float(), nullable=False),
        sa.Column("y2", sa.Float(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("class", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_id"],
            ["frame.record_id"],
        ),
        sa.PrimaryKeyConstraint("record_id", "number"),
    )
    op.create_table(
        "held",
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("smoothed", sa.Float(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("because", sa.String(), nullable=False),
        sa.Column("distance", sa.Float(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("frame", sa.Integer(), nullable=True),
        sa.Column("pool", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch"],
            ["batch.number"],
        ),
        sa.ForeignKeyConstraint(
            ["pool"],
            ["source.number"],
        ),
        sa.PrimaryKeyConstraint("batch", "record_id"),
    )
    op.create_table(
        "label",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("annotator", sa.String(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("drawn", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_id"],
            ["frame.record_id"],
        ),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_label_record_id"), "label", ["record_id"], unique=False)
    op.create_table(
        "box",
        sa.Column("label", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("x1", sa.Float(), nullable=False),
        sa.Column("y1", sa.Float(), nullable=False),
        sa.Column("x2", sa.Float(), nullable=False),
        sa.Column("y2", sa.Float(), nullable=False),
        sa.Column("class", sa.Integer(), nullable=False),
        sa.Column("ignore", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["label"],
            ["label.number"],
        ),
        sa.PrimaryKeyConstraint("label", "number"),
    )
    op.create_table(
        "lesson",
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["label"],
            ["label.number"],
        ),
        sa.ForeignKeyConstraint(
            ["model"],
            ["model.number"],
        ),
        sa.PrimaryKeyConstraint("model", "label"),
    )
