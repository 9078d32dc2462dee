"""Queries that take over what a provider's lists know: entries there belong to an account, ours to a project.

Each is adopted by the project that mailed its address last; nobody's, if no project did. What somebody has lifted here
since then stays lifted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer import ids
from mailer.source import Listed
from mailer.store import suppression
from mailer.store.database import Database
from mailer.store.tables import deliveries, envelopes, messages, projects, suppression_removals, suppressions
from mailer.suppression import EVERY, Reason, Suppression

_Key = tuple[str, str, str]


def adopt(
    database: Database, connection: Connection, found: Sequence[Listed], *, provider: str, now: datetime, store: bool
) -> int:
    """Suppress whom a provider lists and we do not; return how many are new.

    Args:
        store: whether to do it, or to count only.
    """
    unknown = _unknown(connection, found)
    if not unknown:
        return 0
    owners = _owners(connection, [entry.email for entry in unknown])
    lifted = _lifted(connection, [*owners])
    new = [
        _suppression(entry, project, provider=provider, now=now)
        for entry in unknown
        if (project := owners.get(entry.email)) is not None
        and not entry.at
        <= lifted.get((project, entry.email, entry.reason.value), datetime.min.replace(tzinfo=now.tzinfo))
    ]
    return len(suppression.insert(database, connection, new)) if store else len(new)


def _suppression(entry: Listed, project: str, *, provider: str, now: datetime) -> Suppression:
    return Suppression(
        id=ids.new(), project_id=project, test=False, email=entry.email, stream=EVERY, reason=entry.reason,
        source=provider, detail=entry.detail[: suppression.DETAIL], created_at=now,
    )  # fmt: skip


def _unknown(connection: Connection, found: Sequence[Listed]) -> list[Listed]:
    """Leave out whom some project suppresses for the same reason already, in whichever stream: it learnt of it."""
    mine = (suppressions.c.email.in_({e.email for e in found}), suppressions.c.project_id.in_(_projects(connection)))
    query = sa.select(suppressions.c.email, suppressions.c.reason).where(*mine, suppressions.c.test.is_(False))
    known = {(row.email, Reason(row.reason)) for row in connection.execute(query)} if found else set()
    return [*{(e.email, e.reason): e for e in found if (e.email, e.reason) not in known}.values()]


def _owners(connection: Connection, emails: Sequence[str]) -> dict[str, str]:
    """Return by address the project that mailed it last; test messages do not count."""
    email, last = sa.func.lower(deliveries.c.email).label("address"), sa.func.max(deliveries.c.created_at).label("last")
    query = (
        sa.select(deliveries.c.project_id, email, last)
        .join(envelopes, envelopes.c.id == deliveries.c.envelope_id)
        .join(messages, messages.c.id == envelopes.c.message_id)
        .where(deliveries.c.project_id.in_(_projects(connection)), email.in_(emails), messages.c.test.is_(False))
        .group_by(deliveries.c.project_id, email)
    )
    rows = sorted(connection.execute(query), key=lambda row: row.last)
    return {row.address: row.project_id for row in rows}


def _lifted(connection: Connection, emails: Sequence[str]) -> dict[_Key, datetime]:
    """Return when somebody last lifted these, by project, address and reason."""
    r = suppression_removals.c
    query = sa.select(r.project_id, r.email, r.reason, sa.func.max(r.created_at).label("at"))
    query = query.where(r.project_id.in_(_projects(connection)), r.email.in_(emails))
    rows = connection.execute(query.group_by(r.project_id, r.email, r.reason))
    return {(row.project_id, row.email, row.reason): row.at for row in rows}


def _projects(connection: Connection) -> list[str]:
    # As values: every index that is to be used begins with the project.
    return list(connection.execute(sa.select(projects.c.id)).scalars())
