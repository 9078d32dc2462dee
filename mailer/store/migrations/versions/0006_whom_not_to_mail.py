"""Addresses that are not mailed, and those that are again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_TO_DO = sa.text("done_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
    )
    world = ["project_id", "test"]
    op.create_index(
        "ix_suppressions_email", "suppressions", ["project_id", "email", "test", "stream", "reason"], unique=True
    )
    op.create_index("ix_suppressions_created_at", "suppressions", [*world, "created_at", "id"])
    op.create_index("ix_suppressions_domain", "suppressions", [*world, "domain", "created_at", "id"])
    op.create_index("ix_suppressions_reason", "suppressions", [*world, "reason", "created_at", "id"])
    op.create_table(
        "suppression_removals",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("next_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=300), nullable=True),
        sa.Column("done_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression_removals")),
    )
    op.create_index(
        "ix_suppression_removals_next_at",
        "suppression_removals",
        ["next_at"],
        postgresql_where=_TO_DO,
        sqlite_where=_TO_DO,
    )
    op.create_index("ix_suppression_removals_email", "suppression_removals", ["project_id", "email", "created_at"])
    # At once on both: no row is rewritten for a column that may be empty.
    op.add_column("deliveries", sa.Column("reason", sa.String(length=16), nullable=True))


def downgrade() -> None:
    op.drop_column("deliveries", "reason")
    for table in ("suppression_removals", "suppressions"):
        op.drop_table(table)
