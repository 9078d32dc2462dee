"""The feed of events, the endpoints of applications, and what they are told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UNTOLD = sa.text("public AND position IS NULL")
_TOLD = sa.text("position IS NOT NULL")
_PENDING = sa.text("status = 'pending'")


def upgrade() -> None:
    _events()
    feeds = op.create_table(
        "feeds",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "test", name=op.f("pk_feeds")),
    )
    op.execute(feeds.insert().values(project_id="", test=False, last=0))
    _endpoints()
    _callbacks()
    op.add_column("quarantined", sa.Column("webhook_id", sa.Uuid(as_uuid=False), nullable=True))
    op.create_index("ix_quarantined_webhook_id", "quarantined", ["webhook_id"])
    op.create_index("ix_quarantined_received_at", "quarantined", ["received_at"])
    # Last: nobody reads or writes messages from here on until the migration is over.
    op.add_column("messages", sa.Column("callback_url", sa.Text(), nullable=True))


def _events() -> None:
    sqlite = op.get_context().dialect.name == "sqlite"
    # What was told before there were feeds is nobody's news.
    op.add_column("events", sa.Column("public", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("events", sa.Column("test", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("events", sa.Column("position", sa.BigInteger(), nullable=True))
    own_id = None if sqlite else sa.text("gen_random_uuid()")
    op.add_column("events", sa.Column("id", sa.Uuid(as_uuid=False), nullable=True, server_default=own_id))
    if sqlite:
        op.execute("UPDATE events SET id = lower(hex(randomblob(16)))")
    with op.batch_alter_table("events") as batch:
        batch.alter_column("id", existing_type=sa.Uuid(as_uuid=False), nullable=False, existing_server_default=own_id)
        batch.alter_column("type", existing_type=sa.String(length=16), type_=sa.String(length=32))
        # Processes of the version before may still insert while a deploy goes on.
        batch.alter_column("public", existing_type=sa.Boolean(), existing_nullable=False, server_default=sa.true())
    op.create_index("ix_events_seq", "events", ["seq"], postgresql_where=_UNTOLD, sqlite_where=_UNTOLD)
    op.create_index(
        "ix_events_project_id_test_position",
        "events",
        ["project_id", "test", "position"],
        unique=True,
        postgresql_where=_TOLD,
        sqlite_where=_TOLD,
    )
    op.create_index("ix_events_project_id_test_received_at", "events", ["project_id", "test", "received_at"])


def _endpoints() -> None:
    op.create_table(
        "endpoints",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("per_message", sa.Boolean(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("disabled_at", _TIME, nullable=True),
        sa.Column("disabled_reason", sa.String(length=16), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", _TIME, nullable=True),
        sa.Column("rest_until", _TIME, nullable=True),
        sa.Column("slow", sa.Boolean(), nullable=False),
        sa.Column("succeeded_at", _TIME, nullable=True),
        sa.Column("turn_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("turn_until", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoints")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("ix_endpoints_project_id_test_created_at", "endpoints", ["project_id", "test", "created_at"])


def _callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("event_seq", _SEQ, nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", _TIME, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("since", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("done_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoints.id"], name=op.f("fk_callbacks_endpoint_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["event_seq"], ["events.seq"], name=op.f("fk_callbacks_event_seq"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_callbacks_endpoint_id_next_at",
        "callbacks",
        ["endpoint_id", "next_at"],
        postgresql_where=_PENDING,
        sqlite_where=_PENDING,
    )
    op.create_index("ix_callbacks_endpoint_id_event_seq", "callbacks", ["endpoint_id", "event_seq"], unique=True)
    op.create_index("ix_callbacks_endpoint_id_created_at_id", "callbacks", ["endpoint_id", "created_at", "id"])
    op.create_index("ix_callbacks_event_seq", "callbacks", ["event_seq"])
    op.create_index("ix_callbacks_done_at", "callbacks", ["done_at"])
    op.create_table(
        "callback_attempts",
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("excerpt", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["callback_id"], ["callbacks.id"], name=op.f("fk_callback_attempts_callback_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("callback_id", "number", name=op.f("pk_callback_attempts")),
    )


def downgrade() -> None:
    for table in ("callback_attempts", "callbacks", "endpoints", "feeds"):
        op.drop_table(table)
    for index in ("project_id_test_received_at", "project_id_test_position", "seq"):
        op.drop_index(f"ix_events_{index}", "events")
    for column in ("position", "public", "test", "id"):
        op.drop_column("events", column)
    op.drop_column("messages", "callback_url")
    for column in ("webhook_id", "received_at"):
        op.drop_index(f"ix_quarantined_{column}", "quarantined")
    op.drop_column("quarantined", "webhook_id")
