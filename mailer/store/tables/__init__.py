"""The tables. Hot rows are narrow: content and attachments live in tables of their own.

Times are UTC and aware. Every owning table has `project_id`. Ids are UUIDv7 as text, `uuid` in PostgreSQL.
"""

from __future__ import annotations

from mailer.store.tables.access import answers, api_keys, projects
from mailer.store.tables.column import Moment, metadata
from mailer.store.tables.heard import cursors, events, quarantined, silences, turns, webhook_tokens, webhooks
from mailer.store.tables.mail import attachments, attempts, contents, deliveries, envelopes, marks, messages
from mailer.store.tables.suppression import suppression_removals, suppressions
from mailer.store.tables.told import callback_attempts, callbacks, endpoints, feeds
from mailer.store.tables.work import breakers, dead_calls, notes, sweeps

__all__ = [
    "Moment",
    "answers",
    "api_keys",
    "attachments",
    "attempts",
    "breakers",
    "callback_attempts",
    "callbacks",
    "contents",
    "cursors",
    "dead_calls",
    "deliveries",
    "endpoints",
    "envelopes",
    "events",
    "feeds",
    "marks",
    "messages",
    "metadata",
    "notes",
    "projects",
    "quarantined",
    "silences",
    "suppression_removals",
    "suppressions",
    "sweeps",
    "turns",
    "webhook_tokens",
    "webhooks",
]
