"""The tables. Hot rows are narrow: content and attachments live in tables of their own.

Times are UTC and aware. Every owning table has `project_id`. Ids are UUIDv7 as text, `uuid` in PostgreSQL.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware time: `timestamptz` in PostgreSQL, sortable UTC text in SQLite. A naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC, as SQLite wants it: without its zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return the time aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _id(name: str, *args: Any, **options: Any) -> Column[str]:
    return Column(name, Uuid(as_uuid=False), *args, **options)


def _project() -> Column[str]:
    return Column("project_id", String(64), nullable=False)


# In the queue, or on its way there, for the first time.
_WAITING = text("status = 'queued' AND attempts = 0 AND next_attempt_at IS NULL")

_UNREAD = text("processed_at IS NULL")

# To be told to the application, and not in its feed yet.
_UNTOLD = text("public AND position IS NULL")
_TOLD = text("position IS NOT NULL")

_PENDING = text("status = 'pending'")

# What the application asked for; immutable.
messages = Table(
    "messages",
    metadata,
    _id("id", primary_key=True),
    _project(),
    Column("request_id", String(128), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("on_unknown", String(16), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    # Whether its application chose `expires_at`; else it is counted from when it is sent.
    Column("expires_chosen", Boolean, nullable=False),
    # When its application wants it sent; None: at once.
    Column("send_at", Moment),
    # Sent with a test key: in the providers' test modes only.
    Column("test", Boolean, nullable=False),
    # Where the application wants to be told of this one; None: wherever it is told of all.
    Column("callback_url", Text),
    Index("ix_messages_project_id_test_created_at_id", "project_id", "test", "created_at", "id"),
    Index("ix_messages_request_id_created_at_id", "request_id", "created_at", "id"),
)

# What a message can be found by beside its own fields: tags and metadata, each as a digest (mailer/store/listing.py).
# Like every table that a list is read from, it ends in the message's `created_at` and id, the order of lists.
marks = Table(
    "marks",
    metadata,
    Column("project_id", String(64), primary_key=True),
    _id("mark", primary_key=True),
    Column("created_at", Moment, primary_key=True),
    _id("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_marks_message_id", "message_id"),
)

# The body, addresses and options; read by the worker that sends it, and by nobody else on the hot path.
contents = Table(
    "contents",
    metadata,
    _id("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    _project(),
    Column("content", JSON, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    _id("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _project(),
    Column("filename", Text, nullable=False),
    Column("content_type", String(127), nullable=False),
    Column("content_id", String(128)),
    Column("content", LargeBinary, nullable=False),
)

# One provider call's worth of recipients, and the state of its sending.
envelopes = Table(
    "envelopes",
    metadata,
    _id("id", primary_key=True),
    _project(),
    _id("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("route", JSON, nullable=False),
    # How many attempts there are: the version that a claim is conditional on.
    Column("attempts", Integer, nullable=False),
    # The attempt that holds the claim: who may write the outcome (fencing).
    _id("attempt_id"),
    Column("possible_duplicates", Integer, nullable=False),
    # Not to be claimed before; None: at once.
    Column("next_attempt_at", Moment),
    # When the sweep wakes it if nobody else has; None: at rest, nothing will happen by itself.
    Column("wake_at", Moment),
    Column("updated_at", Moment, nullable=False),
    Column("reason", String(300)),
    # Of its message: the order of lists.
    Column("created_at", Moment, nullable=False),
    Index("ix_envelopes_project_id_status_created_at_id", "project_id", "status", "created_at", "id"),
    # How long the oldest has been waiting for a worker.
    Index("ix_envelopes_lane_created_at", "lane", "created_at", postgresql_where=_WAITING, sqlite_where=_WAITING),
    Index("ix_envelopes_lane_wake_at", "lane", "wake_at", postgresql_where=text("wake_at IS NOT NULL")),
    # What rests without having been accepted: for whoever looks at it, and replays it.
    Index(
        "ix_envelopes_status_updated_at",
        "status",
        "updated_at",
        postgresql_where=text("wake_at IS NULL AND status <> 'accepted'"),
    ),
    Index("ix_envelopes_message_id", "message_id"),
    # Rows change a few times and are then at rest: room for those changes on the same page.
    postgresql_with={"fillfactor": 70},
)

# What became of one message for one recipient.
deliveries = Table(
    "deliveries",
    metadata,
    _id("envelope_id", ForeignKey("envelopes.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _project(),
    Column("email", String(320), nullable=False),
    Column("name", Text),
    Column("role", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    # Of one that is suppressed: why.
    Column("reason", String(16)),
    Column("updated_at", Moment, nullable=False),
    # Of its message: the order of lists.
    Column("created_at", Moment, nullable=False),
    Index("ix_deliveries_recipient", "project_id", text("lower(email)"), "created_at", "envelope_id"),
    postgresql_with={"fillfactor": 70},
)

# One call to one provider. Written before the call, completed after it.
attempts = Table(
    "attempts",
    metadata,
    _id("id", primary_key=True),
    _project(),
    _id("envelope_id", ForeignKey("envelopes.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("provider", String(32), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("started_at", Moment, nullable=False),
    # Until then the call may still be running; after that, without an outcome, it is unknown.
    Column("lease_until", Moment, nullable=False),
    Column("possible_duplicate", Boolean, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("duration_ms", Integer),
    Column("status_code", Integer),
    Column("error_code", String(64)),
    Column("error", String(400)),
    Column("provider_message_id", Text),
    # The provider asked us not to come back before.
    Column("not_before", Moment),
    # When its lease was found to be over for the first time: whoever holds an answer it could not store gets a moment.
    Column("doubted_at", Moment),
    # Of its message: the order of lists.
    Column("created_at", Moment, nullable=False),
    Index(
        "ix_attempts_project_id_provider_created_at_envelope_id",
        *("project_id", "provider", "created_at", "envelope_id"),
    ),
    Index("ix_attempts_envelope_id_number", "envelope_id", "number", unique=True),
    postgresql_with={"fillfactor": 80},
)

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
    _id("id", primary_key=True),
    _project(),
    _id("envelope_id", ForeignKey("envelopes.id", ondelete="CASCADE"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", String(300), nullable=False),
    Index("ix_notes_envelope_id", "envelope_id"),
)

# Calls of `send_email` that died on the broker before a worker had stored their message: kept whole, to be replayed.
dead_calls = Table(
    "dead_calls",
    metadata,
    _id("id", primary_key=True),
    _project(),
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

# Who owns messages, keys and settings. `from_domains`: those that it may send from, and their subdomains; none: any.
projects = Table(
    "projects",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("from_domains", JSON, nullable=False),
)

# Who may use the HTTP API. The key itself is not here: its beginning, to find it by, and its SHA-256.
api_keys = Table(
    "api_keys",
    metadata,
    _id("id", primary_key=True),
    Column("project_id", String(64), ForeignKey("projects.id"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("prefix", String(32), nullable=False, unique=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("test", Boolean, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("from_domains", JSON, nullable=False),
    Column("networks", JSON, nullable=False),
    Column("rate", String(64)),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    # To the minute.
    Column("last_used_at", Moment),
    Index("ix_api_keys_project_id_created_at", "project_id", "created_at"),
)

# The answers to requests that had an Idempotency-Key, kept for a day. Written in the transaction of what they answer.
answers = Table(
    "answers",
    metadata,
    Column("project_id", String(64), primary_key=True),
    # What a test key has asked is another request than what a live one asks.
    Column("test", Boolean, primary_key=True),
    Column("key", String(255), primary_key=True),
    # Of method, path and body: another request under the same key is refused.
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_answers_created_at", "created_at"),
)

# What providers have posted, as it came: stored first, understood later (tasks/events.py).
webhooks = Table(
    "webhooks",
    metadata,
    _id("id", primary_key=True),
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
    _id("id", nullable=False),
    _project(),
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
    _id("envelope_id"),
    _id("attempt_id"),
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
    _id("id", primary_key=True),
    _project(),
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
    _id("turn_id"),
    Column("turn_until", Moment),
    Index("ix_endpoints_project_id_test_created_at", "project_id", "test", "created_at"),
    postgresql_with={"fillfactor": 50},
)

# One event to be told to one endpoint: the queue, and the log of it.
callbacks = Table(
    "callbacks",
    metadata,
    _id("id", primary_key=True),
    _project(),
    _id("endpoint_id", ForeignKey("endpoints.id", ondelete="CASCADE"), nullable=False),
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
    _id("callback_id", ForeignKey("callbacks.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status_code", Integer),
    Column("error", String(64)),
    Column("excerpt", String(500), nullable=False),
)

# Pieces of webhooks that are no events: for a person to look at.
quarantined = Table(
    "quarantined",
    metadata,
    _id("id", primary_key=True),
    Column("provider", String(32), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("reason", String(300), nullable=False),
    Column("raw", Text, nullable=False),
    # What it was a piece of; None: it was put aside by a version that did not know. Kept as long as it.
    _id("webhook_id"),
    Index("ix_quarantined_webhook_id", "webhook_id"),
    Index("ix_quarantined_received_at", "received_at"),
)

# Addresses that are not mailed (mailer/suppression.py). `stream` is "" for all of them; `email` and `domain` are in
# lower case. Looked up by (project, email) for every mail, listed by project and world, and by domain or reason.
suppressions = Table(
    "suppressions",
    metadata,
    _id("id", primary_key=True),
    _project(),
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
    _id("id", primary_key=True),
    _project(),
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

# Who reads back from a provider at the moment, until when that is believed, and how it went. One row a provider.
turns = Table(
    "turns",
    metadata,
    Column("provider", String(32), primary_key=True),
    _id("turn_id"),
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
