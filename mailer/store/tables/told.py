"""What applications are told: feeds, endpoints, callbacks."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from mailer.store.tables.column import Moment, id_, metadata, project

_PENDING = text("status = 'pending'")

# How far each feed is numbered. The one of no project is there for whoever numbers to take turns at.
feeds = Table(
    "feeds",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("test", Boolean, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

# Where an application is told what became of its mails.
endpoints = Table(
    "endpoints",
    metadata,
    id_("id", primary_key=True),
    project(),
    Column("test", Boolean, nullable=False),
    Column("url", Text, nullable=False),
    Column("description", String(200), nullable=False),
    # The types that it is told of; none: all.
    Column("types", JSON, nullable=False),
    # Told only of messages whose `callback_url` lies at or below its own.
    Column("per_message", Boolean, nullable=False),
    # [{"secret", "created_at", "expires_at"}], the newest first; what `secret` is must be known to sign with.
    Column("secrets", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    # Not called any more, and why: `by_hand`, or since it failed for a day, or said that it is gone.
    Column("disabled_at", Moment),
    Column("disabled_reason", String(16)),
    # How often it failed in a row, since when, and until when it is left alone for that.
    Column("failures", Integer, nullable=False),
    Column("failing_since", Moment),
    Column("rest_until", Moment),
    # Its answers take long.
    Column("slow", Boolean, nullable=False),
    Column("succeeded_at", Moment),
    # Who calls it at the moment, one at a time, and until when that is believed.
    id_("turn_id"),
    Column("turn_until", Moment),
    Index("ix_endpoints_project_id_test_created_at", "project_id", "test", "created_at"),
    postgresql_with={"fillfactor": 50},
)

# One event to be told to one endpoint: the queue, and the log of it.
callbacks = Table(
    "callbacks",
    metadata,
    id_("id", primary_key=True),
    project(),
    id_("endpoint_id", ForeignKey("endpoints.id", ondelete="CASCADE"), nullable=False),
    # None: a test that was asked for.
    Column("event_seq", BigInteger().with_variant(Integer, "sqlite"), ForeignKey("events.seq", ondelete="CASCADE")),
    # Its message's own; None: the endpoint's.
    Column("url", Text),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    # When it is due; None: at rest.
    Column("next_at", Moment),
    # How often it was tried since it waits, and when first: a replay begins anew.
    Column("tries", Integer, nullable=False),
    Column("since", Moment),
    Column("created_at", Moment, nullable=False),
    Column("done_at", Moment),
    Index(
        "ix_callbacks_endpoint_id_next_at", "endpoint_id", "next_at", postgresql_where=_PENDING, sqlite_where=_PENDING
    ),
    Index("ix_callbacks_endpoint_id_event_seq", "endpoint_id", "event_seq", unique=True),
    Index("ix_callbacks_endpoint_id_created_at_id", "endpoint_id", "created_at", "id"),
    Index("ix_callbacks_event_seq", "event_seq"),
    Index("ix_callbacks_done_at", "done_at"),
    postgresql_with={"fillfactor": 70},
)

# One POST to an endpoint, and what came of it.
callback_attempts = Table(
    "callback_attempts",
    metadata,
    id_("callback_id", ForeignKey("callbacks.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status_code", Integer),
    Column("error", String(64)),
    Column("excerpt", String(500), nullable=False),
)
