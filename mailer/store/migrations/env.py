"""Alembic's entry: migrate on the connection that mailer.store.migrate opened."""

from __future__ import annotations

from alembic import context

from mailer.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place
)
with context.begin_transaction():
    context.run_migrations()
