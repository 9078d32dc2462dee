"""What keeps the sending going: breakers, notes, dead calls, the sweep."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table

from mailer.store.tables.column import Moment, id_, metadata, project

# Providers that are left alone. `scope` is "" for the whole account, else a From domain.
breakers = Table(
    "breakers",
    metadata,
    Column("provider", String(32), primary_key=True),
    Column("scope", String(255), primary_key=True),
    Column("open_until", Moment, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("reason", String(64), nullable=False),
)

# What happened to an envelope beside its attempts: `dead` (its task), `replayed`, ...
notes = Table(
    "notes",
    metadata,
    id_("id", primary_key=True),
    project(),
    id_("envelope_id", ForeignKey("envelopes.id", ondelete="CASCADE"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", String(300), nullable=False),
    Index("ix_notes_envelope_id", "envelope_id"),
)

# Calls of `send_email` that died on the broker before a worker had stored their message: kept whole, to be replayed.
dead_calls = Table(
    "dead_calls",
    metadata,
    id_("id", primary_key=True),
    project(),
    Column("request_id", String(128), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("died_at", Moment, nullable=False),
    Column("call", JSON, nullable=False),
)

# The latest sweep, one row: when it ran, what it found and did.
sweeps = Table(
    "sweeps",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("ran_at", Moment, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("woken", Integer, nullable=False),
    # Due and not woken, because the queue is full; and since when the longest waiting has been due.
    Column("left", Integer, nullable=False),
    Column("oldest_at", Moment),
    Column("buried", Integer, nullable=False),
    Column("depths", JSON, nullable=False),
)
