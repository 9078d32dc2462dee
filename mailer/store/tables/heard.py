"""What providers tell: webhooks, events, and how far each has been read back."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text, text

from mailer.store.tables.column import Moment, id_, metadata, project

_UNREAD = text("processed_at IS NULL")

# To be told to the application, and not in its feed yet.
_UNTOLD = text("public AND position IS NULL")
_TOLD = text("position IS NOT NULL")

# What providers have posted, as it came: stored first, understood later (tasks/events.py).
webhooks = Table(
    "webhooks",
    metadata,
    id_("id", primary_key=True),
    Column("provider", String(32), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # None: nobody has read it yet.
    Column("processed_at", Moment),
    Index("ix_webhooks_received_at", "received_at", postgresql_where=_UNREAD, sqlite_where=_UNREAD),
)

# What a webhook may be taken by once: a replayed one is known by it.
webhook_tokens = Table(
    "webhook_tokens",
    metadata,
    Column("provider", String(32), primary_key=True),
    Column("token", String(64), primary_key=True),
    Column("until", Moment, nullable=False),
    Index("ix_webhook_tokens_until", "until"),
)

# What became of mails, as providers told it or as we ended it, in our words.
events = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    # What the application knows it by.
    id_("id", nullable=False),
    project(),
    Column("test", Boolean, nullable=False),
    # Whether it is the application's matter at all; where it stands in its feed (mailer/store/feed.py).
    Column("public", Boolean, nullable=False),
    Column("position", BigInteger),
    Column("provider", String(32), nullable=False),
    # The same each time the provider tells of it.
    Column("provider_event_id", String(255), nullable=False),
    Column("type", String(32), nullable=False),
    Column("raw_type", String(64), nullable=False),
    # None: of no mail of ours.
    id_("envelope_id"),
    id_("attempt_id"),
    Column("recipient", String(320)),
    Column("occurred_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("permanent", Boolean),
    Column("bounce_class", String(16)),
    Column("machine", Boolean, nullable=False),
    Column("detail", String(400), nullable=False),
    Column("url", Text),
    Index("ix_events_provider_provider_event_id", "provider", "provider_event_id", unique=True),
    Index("ix_events_envelope_id_occurred_at", "envelope_id", "occurred_at"),
    Index("ix_events_seq", "seq", postgresql_where=_UNTOLD, sqlite_where=_UNTOLD),
    Index(
        "ix_events_project_id_test_position",
        *("project_id", "test", "position"),
        unique=True,
        postgresql_where=_TOLD,
        sqlite_where=_TOLD,
    ),
    Index("ix_events_project_id_test_received_at", "project_id", "test", "received_at"),
)

# Pieces of webhooks that are no events: for a person to look at.
quarantined = Table(
    "quarantined",
    metadata,
    id_("id", primary_key=True),
    Column("provider", String(32), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("reason", String(300), nullable=False),
    Column("raw", Text, nullable=False),
    # What it was a piece of; None: it was put aside by a version that did not know. Kept as long as it.
    id_("webhook_id"),
    Index("ix_quarantined_webhook_id", "webhook_id"),
    Index("ix_quarantined_received_at", "received_at"),
)

# Who reads back from a provider at the moment, until when that is believed, and how it went. One row a provider.
turns = Table(
    "turns",
    metadata,
    Column("provider", String(32), primary_key=True),
    id_("turn_id"),
    Column("turn_until", Moment),
    # Until then it asked to be left alone.
    Column("not_before", Moment),
    # When all its sources had last been read as far as they were to be, and the latest error since.
    Column("read_at", Moment),
    Column("error", String(64)),
    Column("failing_since", Moment),
)

# How far each source of a provider has been read: all that happened before `read_until`, and of the reading under way
# its span and the page that comes next.
cursors = Table(
    "cursors",
    metadata,
    Column("provider", String(32), primary_key=True),
    Column("source", String(32), primary_key=True),
    Column("read_until", Moment, nullable=False),
    Column("span_since", Moment),
    Column("span_until", Moment),
    Column("page", Text),
    # Not to be read again before.
    Column("rest_until", Moment),
)

# Which provider accepts and reports nothing, as it was last measured (mailer/silence.py).
silences = Table(
    "silences",
    metadata,
    Column("provider", String(32), primary_key=True),
    Column("measured_at", Moment, nullable=False),
    Column("usual_seconds", Float),
    Column("looked_at", Integer, nullable=False),
    Column("unheard", Integer, nullable=False),
    Column("oldest_at", Moment),
    # None: it is not.
    Column("silent_since", Moment),
)
