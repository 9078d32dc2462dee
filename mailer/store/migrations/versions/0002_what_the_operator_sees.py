"""Doubted leases, notes on envelopes, dead calls, the sweep's own record; indexes for who looks for what rests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("doubted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "notes",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("envelope_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["envelope_id"], ["envelopes.id"], name=op.f("fk_notes_envelope_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index("ix_notes_envelope_id", "notes", ["envelope_id"])
    op.create_table(
        "dead_calls",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("died_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_calls")),
    )
    op.create_table(
        "sweeps",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ran_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("woken", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("oldest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("buried", sa.Integer(), nullable=False),
        sa.Column("depths", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
    )
    op.create_index("ix_messages_request_id", "messages", ["request_id"])
    # The sweep asks lane by lane.
    op.drop_index("ix_envelopes_wake_at", "envelopes")
    op.create_index(
        "ix_envelopes_lane_wake_at", "envelopes", ["lane", "wake_at"], postgresql_where=sa.text("wake_at IS NOT NULL")
    )
    op.create_index(
        "ix_envelopes_status_updated_at",
        "envelopes",
        ["status", "updated_at"],
        postgresql_where=sa.text("wake_at IS NULL AND status <> 'accepted'"),
    )


def downgrade() -> None:
    op.drop_index("ix_envelopes_status_updated_at", "envelopes")
    op.drop_index("ix_envelopes_lane_wake_at", "envelopes")
    op.create_index("ix_envelopes_wake_at", "envelopes", ["wake_at"], postgresql_where=sa.text("wake_at IS NOT NULL"))
    op.drop_index("ix_messages_request_id", "messages")
    for table in ("sweeps", "dead_calls", "notes"):
        op.drop_table(table)
    op.drop_column("attempts", "doubted_at")
