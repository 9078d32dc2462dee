"""Webhooks as they came, events in our words, what could not be understood."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_UNREAD = sa.text("processed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("processed_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(
        "ix_webhooks_received_at", "webhooks", ["received_at"], postgresql_where=_UNREAD, sqlite_where=_UNREAD
    )
    op.create_table(
        "webhook_tokens",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("provider", "token", name=op.f("pk_webhook_tokens")),
    )
    op.create_index("ix_webhook_tokens_until", "webhook_tokens", ["until"])
    _events()
    op.create_table(
        "quarantined",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantined")),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("provider_event_id", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("raw_type", sa.String(length=64), nullable=False),
        sa.Column("envelope_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("attempt_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("recipient", sa.String(length=320), nullable=True),
        sa.Column("occurred_at", _TIME, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("permanent", sa.Boolean(), nullable=True),
        sa.Column("bounce_class", sa.String(length=16), nullable=True),
        sa.Column("machine", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.String(length=400), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
    )
    op.create_index("ix_events_provider_provider_event_id", "events", ["provider", "provider_event_id"], unique=True)
    op.create_index("ix_events_envelope_id_occurred_at", "events", ["envelope_id", "occurred_at"])


def downgrade() -> None:
    for table in ("quarantined", "events", "webhook_tokens", "webhooks"):
        op.drop_table(table)
