"""Projects, keys, kept answers; schedules and test mails; what lists are read from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_WAITING = sa.text("status = 'queued' AND attempts = 0 AND next_attempt_at IS NULL")
# Tables that get their message's time, and the column that names it.
_TIMED = {"envelopes": "message_id", "deliveries": "envelope_id", "attempts": "envelope_id"}


def upgrade() -> None:
    _messages()
    _times()
    _indexes()
    _projects_and_keys()
    op.create_table(
        "answers",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "test", "key", name=op.f("pk_answers")),
    )
    op.create_index("ix_answers_created_at", "answers", ["created_at"])


def _messages() -> None:
    op.add_column("messages", sa.Column("send_at", _TIME, nullable=True))
    op.add_column("messages", sa.Column("expires_chosen", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("messages", sa.Column("test", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "marks",
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("mark", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("message_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_marks_message_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "mark", "created_at", "message_id", name=op.f("pk_marks")),
    )
    op.create_index("ix_marks_message_id", "marks", ["message_id"])


def _times() -> None:
    for table, owner in _TIMED.items():
        # SQLite cannot change a column: it is not null from the beginning, so there is a default to begin with.
        op.add_column(table, sa.Column("created_at", _TIME, nullable=False, server_default="1970-01-01 00:00:00"))
        # One email is one envelope, with the message's id: until now there is nothing else.
        op.execute(
            f"UPDATE {table} SET created_at = (SELECT m.created_at FROM messages m WHERE m.id = {table}.{owner})"  # noqa: S608
        )
        if op.get_context().dialect.name != "sqlite":
            # Processes of the version before may still insert while a deploy goes on.
            op.alter_column(table, "created_at", server_default=sa.func.now())


def _indexes() -> None:
    op.create_index("ix_messages_project_id_test_created_at_id", "messages", ["project_id", "test", "created_at", "id"])
    op.drop_index("ix_messages_request_id", "messages")
    op.create_index("ix_messages_request_id_created_at_id", "messages", ["request_id", "created_at", "id"])
    op.create_index(
        "ix_envelopes_project_id_status_created_at_id", "envelopes", ["project_id", "status", "created_at", "id"]
    )
    op.create_index(
        "ix_envelopes_lane_created_at",
        "envelopes",
        ["lane", "created_at"],
        postgresql_where=_WAITING,
        sqlite_where=_WAITING,
    )
    op.create_index(
        "ix_deliveries_recipient",
        "deliveries",
        ["project_id", sa.text("lower(email)"), "created_at", "envelope_id"],
    )
    op.create_index(
        "ix_attempts_project_id_provider_created_at_envelope_id",
        "attempts",
        ["project_id", "provider", "created_at", "envelope_id"],
    )


def _projects_and_keys() -> None:
    projects = op.create_table(
        "projects",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("from_domains", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    op.execute(projects.insert().values(id="default", created_at=sa.func.current_timestamp(), from_domains=[]))
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("from_domains", sa.JSON(), nullable=False),
        sa.Column("networks", sa.JSON(), nullable=False),
        sa.Column("rate", sa.String(length=64), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=True),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.Column("last_used_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_api_keys_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_index("ix_api_keys_project_id_created_at", "api_keys", ["project_id", "created_at"])


def downgrade() -> None:
    # The version before does not know test messages, and would send them to people.
    op.execute(
        "UPDATE envelopes SET status = 'canceled', wake_at = NULL, next_attempt_at = NULL WHERE wake_at IS NOT NULL"
        " AND message_id IN (SELECT id FROM messages WHERE test)"
    )
    for table in ("answers", "api_keys", "projects", "marks"):
        op.drop_table(table)
    op.drop_index("ix_attempts_project_id_provider_created_at_envelope_id", "attempts")
    op.drop_index("ix_deliveries_recipient", "deliveries")
    op.drop_index("ix_envelopes_lane_created_at", "envelopes")
    op.drop_index("ix_envelopes_project_id_status_created_at_id", "envelopes")
    op.drop_index("ix_messages_request_id_created_at_id", "messages")
    op.create_index("ix_messages_request_id", "messages", ["request_id"])
    op.drop_index("ix_messages_project_id_test_created_at_id", "messages")
    for table in _TIMED:
        op.drop_column(table, "created_at")
    op.drop_column("messages", "expires_chosen")
    op.drop_column("messages", "test")
    op.drop_column("messages", "send_at")
