"""Labels that somebody is at work on, in the pages of a project."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "draft",
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("boxes", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["frame.record_id"]),
        sa.PrimaryKeyConstraint("record_id"),
    )
