"""What applications asked for, and the state of its sending."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from mailer.store.tables.column import Moment, id_, metadata, project

# In the queue, or on its way there, for the first time.
_WAITING = text("status = 'queued' AND attempts = 0 AND next_attempt_at IS NULL")

# What the application asked for; immutable.
messages = Table(
    "messages",
    metadata,
    id_("id", primary_key=True),
    project(),
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
    id_("mark", primary_key=True),
    Column("created_at", Moment, primary_key=True),
    id_("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_marks_message_id", "message_id"),
)

# The body, addresses and options; read by the worker that sends it, and by nobody else on the hot path.
contents = Table(
    "contents",
    metadata,
    id_("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    project(),
    Column("content", JSON, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    id_("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    project(),
    Column("filename", Text, nullable=False),
    Column("content_type", String(127), nullable=False),
    Column("content_id", String(128)),
    Column("content", LargeBinary, nullable=False),
)

# One provider call's worth of recipients, and the state of its sending.
envelopes = Table(
    "envelopes",
    metadata,
    id_("id", primary_key=True),
    project(),
    id_("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("route", JSON, nullable=False),
    # How many attempts there are: the version that a claim is conditional on.
    Column("attempts", Integer, nullable=False),
    # The attempt that holds the claim: who may write the outcome (fencing).
    id_("attempt_id"),
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
    id_("envelope_id", ForeignKey("envelopes.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    project(),
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
    id_("id", primary_key=True),
    project(),
    id_("envelope_id", ForeignKey("envelopes.id", ondelete="CASCADE"), nullable=False),
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
