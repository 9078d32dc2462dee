"""How far each provider has been read back, and who has fallen silent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("turn_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("turn_until", _TIME, nullable=True),
        sa.Column("not_before", _TIME, nullable=True),
        sa.Column("read_at", _TIME, nullable=True),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("failing_since", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_turns")),
    )
    op.create_table(
        "cursors",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("read_until", _TIME, nullable=False),
        sa.Column("span_since", _TIME, nullable=True),
        sa.Column("span_until", _TIME, nullable=True),
        sa.Column("page", sa.Text(), nullable=True),
        sa.Column("rest_until", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("provider", "source", name=op.f("pk_cursors")),
    )
    op.create_table(
        "silences",
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("measured_at", _TIME, nullable=False),
        sa.Column("usual_seconds", sa.Float(), nullable=True),
        sa.Column("looked_at", sa.Integer(), nullable=False),
        sa.Column("unheard", sa.Integer(), nullable=False),
        sa.Column("oldest_at", _TIME, nullable=True),
        sa.Column("silent_since", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_silences")),
    )


def downgrade() -> None:
    for table in ("silences", "cursors", "turns"):
        op.drop_table(table)
