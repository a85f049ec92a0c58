"""What Alembic runs for every migration: on the connection that `thrifty.store.project.database` hands it."""

from __future__ import annotations

from alembic import context

from thrifty.store.project.schema import METADATA

# SQLite cannot change a column in place; Alembic then builds the table anew and moves its rows.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
context.run_migrations()
