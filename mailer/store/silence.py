"""Queries about silences: how a provider is heard, by the latest mails that should have been heard of by now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.outcome import Outcome
from mailer.silence import ENOUGH, Heard, Silence
from mailer.store.database import Database
from mailer.store.tables import attempts, envelopes, events, messages, projects, silences

# Of older mails nothing is concluded.
_LATELY = timedelta(days=1)


def known(connection: Connection) -> dict[str, Silence]:
    """Return, by provider, what was last measured."""
    return {
        row.provider: Silence(
            provider=row.provider, measured_at=row.measured_at, usual_seconds=row.usual_seconds,
            looked_at=row.looked_at, unheard=row.unheard, oldest_at=row.oldest_at, silent_since=row.silent_since,
        )
        for row in connection.execute(sa.select(silences))
    }  # fmt: skip


def save(database: Database, connection: Connection, found: Silence) -> None:
    """Write down what was measured."""
    values = {
        "measured_at": found.measured_at, "usual_seconds": found.usual_seconds, "looked_at": found.looked_at,
        "unheard": found.unheard, "oldest_at": found.oldest_at, "silent_since": found.silent_since,
    }  # fmt: skip
    statement = database.insert(silences).values(provider=found.provider, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["provider"], set_=values))


def heard(connection: Connection, provider: str, *, before: datetime) -> list[Heard]:
    """Return the latest mails that a provider had accepted before a time, at most some of each project.

    Test mails do not count: of those nothing is told.
    """
    ids = connection.execute(sa.select(projects.c.id)).scalars().all()
    return [mail for id in ids for mail in _heard(connection, id, provider, before=before)]


def _heard(connection: Connection, project_id: str, provider: str, *, before: datetime) -> list[Heard]:
    latest = latest_accepted(project_id, provider, before=before).subquery()
    told = (events.c.envelope_id == latest.c.envelope_id) & (events.c.attempt_id == latest.c.id)
    first = sa.select(sa.func.min(events.c.received_at)).where(told).scalar_subquery()
    query = sa.select(latest.c.started_at, sa.type_coerce(first, events.c.received_at.type).label("first"))
    return [
        Heard(row.started_at, None if row.first is None else (row.first - row.started_at).total_seconds())
        for row in connection.execute(query)
    ]


def latest_accepted(project_id: str, provider: str, *, before: datetime) -> sa.Select[Any]:
    """Select attempts along the index of lists, from its end, and no further than a day."""
    a = attempts.c
    return (
        sa.select(a.id, a.envelope_id, a.started_at)
        .join(envelopes, envelopes.c.id == a.envelope_id)
        .join(messages, messages.c.id == envelopes.c.message_id)
        .where(a.project_id == project_id, a.provider == provider)
        .where(a.created_at <= before, a.created_at > before - _LATELY)
        .where(a.outcome == Outcome.ACCEPTED.value, a.started_at <= before, messages.c.test.is_(False))
        .order_by(a.created_at.desc())
        .limit(ENOUGH)
    )
