"""Who may do what, and what was answered to whom."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from mailer.store.tables.column import Moment, id_, metadata

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
    id_("id", primary_key=True),
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
