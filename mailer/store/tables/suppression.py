"""Whom nobody mails."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, text

from mailer.store.tables.column import Moment, id_, metadata, project

# Addresses that are not mailed (mailer/suppression.py). `stream` is "" for all of them; `email` and `domain` are in
# lower case. Looked up by (project, email) for every mail, listed by project and world, and by domain or reason.
suppressions = Table(
    "suppressions",
    metadata,
    id_("id", primary_key=True),
    project(),
    Column("test", Boolean, nullable=False),
    Column("email", String(320), nullable=False),
    Column("domain", String(255), nullable=False),
    Column("stream", String(64), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("source", String(32), nullable=False),
    Column("detail", String(300), nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_suppressions_email", "project_id", "email", "test", "stream", "reason", unique=True),
    Index("ix_suppressions_created_at", "project_id", "test", "created_at", "id"),
    Index("ix_suppressions_domain", "project_id", "test", "domain", "created_at", "id"),
    Index("ix_suppressions_reason", "project_id", "test", "reason", "created_at", "id"),
)

_TO_DO = text("done_at IS NULL")

# Suppressions that somebody has lifted, which the providers are to forget too.
suppression_removals = Table(
    "suppression_removals",
    metadata,
    id_("id", primary_key=True),
    project(),
    Column("email", String(320), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
    # Not to be tried before.
    Column("next_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", String(300)),
    # None: not at every provider yet.
    Column("done_at", Moment),
    Index("ix_suppression_removals_next_at", "next_at", postgresql_where=_TO_DO, sqlite_where=_TO_DO),
    # Since when temporary bounces count.
    Index("ix_suppression_removals_email", "project_id", "email", "created_at"),
)
